//! What stands between a client and a call, as data: a part that comes later is one entry more.

use std::net::SocketAddr;

use anyhow::Context as _;
use serde_json::Map;
use serde_json::Value;

/// Nothing of all that; audit has to be told, because `auth` alone turns it on.
const NOTHING: &str = r#"{"audit": "off"}"#;

/// What stands for the address of the collector of traces.
const COLLECTOR: &str = "COLLECTOR";

/// Something that can be turned on.
struct Part {
    name: &'static str,
    /// What the configuration says to have it.
    settings: &'static str,
    /// Whether only clients over HTTP meet it.
    needs_http: bool,
    /// Which part it is a stricter form of, if it is one.
    instead_of: Option<&'static str>,
}

/// All of them, none of which ever refuses anything here.
const PARTS: &[Part] = &[
    Part { name: "auth", settings: r#"{"auth": {}}"#, needs_http: true, instead_of: None },
    Part { name: "audit", settings: r#"{"audit": "on"}"#, needs_http: false, instead_of: None },
    Part {
        name: "audit required",
        settings: r#"{"audit": "required"}"#,
        needs_http: false,
        instead_of: Some("audit"),
    },
    Part {
        name: "limits",
        settings: r#"{"limits": {"quotas": [
            {"per": "principal", "rate": "1000000/s", "concurrency": 64,
             "calls": "1000000000/day", "bytes": "1000GiB/day"},
            {"per": ["principal", "tool"], "tools": ["*__echo"], "rate": "1000000/s"},
            {"per": "all", "upstreams": ["u*"], "calls": "1000000000/day"}
        ]}}"#,
        needs_http: false,
        instead_of: None,
    },
    Part {
        name: "policy",
        settings: r#"{"policy": {"rules": [
            {"allow": ["*__echo"]},
            {"deny": {"tools": ["*__delete_*"], "annotations": {"destructiveHint": true}}},
            {"deny": ["*__echo"], "clients": ["nobody*"]},
            {"deny": ["*__echo"], "groups": ["guests"]}
        ]}}"#,
        needs_http: false,
        instead_of: None,
    },
    Part {
        name: "policy on arguments",
        settings: r#"{"policy": {"rules": [
            {"allow": ["*__echo"]},
            {"deny": ["*__echo"], "arguments": {"text": "rm *"}}
        ]}}"#,
        needs_http: false,
        instead_of: Some("policy"),
    },
    Part {
        name: "metrics",
        settings: r#"{"admin": {"listen": "127.0.0.1:0", "per_tool": true}}"#,
        needs_http: false,
        instead_of: None,
    },
    Part {
        name: "traces",
        settings: r#"{"telemetry": {"otlp": {"endpoint": "http://COLLECTOR"}}}"#,
        needs_http: false,
        instead_of: None,
    },
];

/// A configuration to measure.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) settings: Value,
}

impl Variant {
    fn of(name: &str, parts: &[&Part], collector: SocketAddr) -> anyhow::Result<Self> {
        let mut settings = read(NOTHING)?;
        for part in parts {
            settings.extend(read(&part.settings.replace(COLLECTOR, &collector.to_string()))?);
        }
        Ok(Self { name: name.to_owned(), settings: Value::Object(settings) })
    }

    /// Whether it wants to know who comes.
    pub(super) fn wants_token(&self) -> bool {
        self.settings.get("auth").is_some()
    }
}

/// Nothing, each part alone, and all of them: the first one is what the others are compared with.
/// Last of all stands everything in its strictest form, if there is more than one of these.
pub(super) fn variants(over_http: bool, collector: SocketAddr) -> anyhow::Result<Vec<Variant>> {
    let there = PARTS.iter().filter(|part| over_http || !part.needs_http);
    let (usual, stricter): (Vec<_>, Vec<_>) =
        there.clone().partition(|part| part.instead_of.is_none());
    let mut variants = vec![Variant::of("nothing", &[], collector)?];
    for part in there {
        variants.push(Variant::of(part.name, &[part], collector)?);
    }
    variants.push(Variant::of("everything", &usual, collector)?);
    // What comes later goes over what it is in the place of.
    for part in &stricter {
        let parts = [usual.as_slice(), &[*part]].concat();
        variants.push(Variant::of(&format!("everything, {}", part.name), &parts, collector)?);
    }
    if stricter.len() > 1 {
        let parts = [usual, stricter].concat();
        variants.push(Variant::of("everything, strictest", &parts, collector)?);
    }
    Ok(variants)
}

fn read(settings: &str) -> anyhow::Result<Map<String, Value>> {
    serde_json::from_str(settings).with_context(|| format!("these are no settings: {settings}"))
}
