//! Which era a request belongs to, and whether the toy serves it.

use serde_json::json;

use crate::flags::Eras;
use crate::wire::Incoming;
use crate::wire::Refusal;

/// The modern revision.
pub(crate) const MODERN: &str = "2026-07-28";
/// The legacy revisions, oldest first.
pub(crate) const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Methods that the modern revision removed.
const REMOVED: [&str; 4] =
    ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
/// Methods that only the modern revision has.
const ADDED: [&str; 2] = ["server/discover", "subscriptions/listen"];

/// The era of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// Decides the era of a request from its shape, then whether the server serves it.
pub(crate) fn admit(
    eras: Eras,
    locked: &mut Option<Era>,
    initialized: bool,
    request: &Incoming,
) -> Result<Era, Refusal> {
    let method = request.method.as_deref().unwrap_or_default();
    let looks = if request.params.parts.meta.revision.is_some() || ADDED.contains(&method) {
        Era::Modern
    } else {
        Era::Legacy
    };
    let era = match eras {
        Eras::Legacy => Era::Legacy,
        Eras::Modern => Era::Modern,
        Eras::Dual => looks,
        Eras::Locked => *locked.get_or_insert(looks),
    };
    match era {
        Era::Legacy => legacy(eras, looks, initialized, method)?,
        Era::Modern => modern(request, method)?,
    }
    Ok(era)
}

fn legacy(eras: Eras, looks: Era, initialized: bool, method: &str) -> Result<(), Refusal> {
    if eras == Eras::Locked && looks == Era::Modern {
        let message = "this connection serves the handshake protocol era";
        return Err(Refusal::new(-32600, message));
    }
    if ADDED.contains(&method) {
        return Err(Refusal::new(-32601, "Method not found"));
    }
    if !initialized && !matches!(method, "initialize" | "ping") {
        return Err(Refusal::new(-32600, "the first request must be `initialize`"));
    }
    Ok(())
}

fn modern(request: &Incoming, method: &str) -> Result<(), Refusal> {
    let meta = &request.params.parts.meta;
    if method == "initialize" {
        let requested = request.params.parts.protocol_version.clone().unwrap_or_default();
        return Err(unsupported(&requested));
    }
    let Some(requested) = &meta.revision else {
        return Err(Refusal::new(-32602, "`_meta` lacks the protocol version"));
    };
    if requested != MODERN {
        return Err(unsupported(requested));
    }
    if meta.capabilities.is_none() {
        return Err(Refusal::new(-32602, "`_meta` lacks the client's capabilities"));
    }
    if REMOVED.contains(&method) {
        return Err(Refusal::new(-32601, "Method not found"));
    }
    Ok(())
}

fn unsupported(requested: &str) -> Refusal {
    let message = format!("this connection is serving the {MODERN} protocol");
    Refusal::new(-32022, message).with(json!({"supported": [MODERN], "requested": requested}))
}

/// Returns the legacy revision to answer a request for `requested` with.
pub(crate) fn negotiate(requested: &str, newest: &str) -> String {
    let known = LEGACY.contains(&requested) && requested <= newest;
    if known { requested } else { newest }.to_owned()
}
