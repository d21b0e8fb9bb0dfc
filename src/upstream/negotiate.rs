//! Finds out which era an upstream speaks, and opens the connection in it.
//!
//! A process is asked `server/discover` first. Silence for a moment means nothing yet: the program
//! may still be starting. So `initialize` follows after [`PROBE_LIMIT`], and whichever question the
//! upstream answers decides. Some servers lock a process to the era of its first message; where
//! that happened in the wrong era, the verdict is to start anew in the right one.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time;

use crate::upstream::agreed::Agreed;
use crate::upstream::connection::Connection;
use crate::upstream::converse::Sending;
use crate::upstream::converse::Whom;
use crate::upstream::converse::converse;
use crate::upstream::error::Error;
use crate::upstream::error::Fault;
use crate::upstream::error::Kind;
use crate::upstream::legacy;
use crate::upstream::modern;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::method;

/// How long an upstream may take to answer `server/discover` before `initialize` is sent too.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// How long a server at an address may take to answer `server/discover` before it is asked for a
/// session. A name has to be looked up and a connection made within it.
const HTTP_PROBE_LIMIT: Duration = Duration::from_secs(5);

/// How a negotiation ended.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Both sides know how to speak.
    Agreed(Agreed),
    /// The process is of no more use; another one should be started in this era.
    StartAgain(Era),
    /// There is no Streamable HTTP, as this error says; HTTP+SSE is worth a try.
    OlderTransport(Error),
    /// It cannot be worked with: a sentence fragment.
    Failed(String),
    /// It answered with something else than the protocol, or not at all.
    Refused(Error),
    /// The connection ended.
    Closed,
}

/// Opens a connection in the era `known` from an earlier start, or in the one that is found.
///
/// Waits without a limit of its own for an answer to a question that was asked; the caller has one.
pub(super) async fn negotiate(
    connection: &Connection,
    offer: &Raw,
    known: Option<Era>,
    limit: Duration,
) -> Verdict {
    let asking = Asking { connection, offer, limit };
    match known {
        Some(Era::Legacy) => match asking.initialize().await {
            Ok(result) => asking.opened(&result).await,
            Err(Fault::Answered(error)) if is_modern(&error) => Verdict::StartAgain(Era::Modern),
            Err(fault) => failed("initialize", fault),
        },
        Some(Era::Modern) => match asking.discover().await {
            Ok(result) => discovered(&result),
            Err(Fault::Answered(_)) => Verdict::StartAgain(Era::Legacy),
            Err(fault) => failed("server/discover", fault),
        },
        None => asking.probe().await,
    }
}

/// Opens a connection to a server at an address, over Streamable HTTP.
///
/// Each question is a request of its own, so one does not spoil the other, and all can be asked on
/// one connection (2026-07-28, Streamable HTTP, "Backward Compatibility").
pub(super) async fn negotiate_http(
    connection: &Connection,
    offer: &Raw,
    known: Option<Era>,
    limit: Duration,
) -> Verdict {
    let asking = Asking { connection, offer, limit };
    let is_asked = known != Some(Era::Legacy);
    if is_asked {
        match time::timeout(HTTP_PROBE_LIMIT, asking.discover()).await {
            Ok(discovered) => {
                if let Some(verdict) = decided(discovered) {
                    return verdict;
                }
            }
            // A server that is slow to answer may know neither question yet.
            Err(_) => return asking.initialize_or_discover().await,
        }
        return match asking.initialize().await {
            Ok(result) => asking.opened(&result).await,
            Err(fault) => unopened(fault),
        };
    }
    asking.initialize_or_discover().await
}

/// What it means that a server at an address did not open a session.
fn unopened(fault: Fault) -> Verdict {
    match fault {
        Fault::Failed(error) if matches!(error.kind, Kind::Status(400 | 404 | 405)) => {
            Verdict::OlderTransport(error)
        }
        fault => failed("initialize", fault),
    }
}

struct Asking<'a> {
    connection: &'a Connection,
    offer: &'a Raw,
    limit: Duration,
}

impl Asking<'_> {
    async fn probe(&self) -> Verdict {
        let discover = self.discover();
        tokio::pin!(discover);
        let Ok(answer) = time::timeout(PROBE_LIMIT, &mut discover).await else {
            return self.probe_both(discover).await;
        };
        match answer {
            Ok(result) => discovered(&result),
            Err(Fault::Answered(error)) if speaks_modern(&error) => {
                Verdict::Failed(format!("it refused `server/discover`: {}", words(&error)))
            }
            Err(Fault::Answered(_)) => match self.initialize().await {
                Ok(result) => self.opened(&result).await,
                Err(fault) => failed("initialize", fault),
            },
            Err(_) => Verdict::StartAgain(Era::Legacy),
        }
    }

    /// Both questions are out: the first real answer decides.
    async fn probe_both(
        &self,
        mut discover: std::pin::Pin<&mut impl Future<Output = Result<Raw, Fault>>>,
    ) -> Verdict {
        let initialize = self.initialize();
        tokio::pin!(initialize);
        tokio::select! {
            discover = &mut discover => match (discover, initialize.await) {
                // It is modern and refused to be anything else.
                (Ok(result), Err(Fault::Answered(_))) => discovered(&result),
                // It is modern, but this process now thinks it is in a session.
                (Ok(_), _) => Verdict::StartAgain(Era::Modern),
                (Err(_), Ok(result)) => self.opened(&result).await,
                (Err(Fault::Failed(_)), Err(_)) => Verdict::StartAgain(Era::Legacy),
                (Err(_), Err(fault)) => failed("initialize", fault),
            },
            initialized = &mut initialize => match initialized {
                Ok(result) => self.opened(&result).await,
                Err(Fault::Answered(error)) if is_modern(&error) => {
                    match discover.await {
                        Ok(result) => discovered(&result),
                        Err(_) => Verdict::StartAgain(Era::Modern),
                    }
                }
                Err(Fault::Failed(_)) => Verdict::StartAgain(Era::Legacy),
                Err(fault) => failed("initialize", fault),
            },
        }
    }

    /// Asks for a session first, and only where there is none for the modern era.
    async fn initialize_or_discover(&self) -> Verdict {
        let fault = match self.initialize().await {
            Ok(result) => return self.opened(&result).await,
            Err(fault) => fault,
        };
        match &fault {
            Fault::Failed(error) if !may_be_legacy(error) => {}
            _ => {
                if let Ok(result) = self.discover().await
                    && let verdict @ Verdict::Agreed(_) = discovered(&result)
                {
                    return verdict;
                }
            }
        }
        unopened(fault)
    }

    /// Asks again, once, where a server refuses the revision and names the same one in return: it
    /// knew enough to say so (2026-07-28, "Protocol Version Negotiation").
    async fn discover(&self) -> Result<Raw, Fault> {
        let ask = || self.ask(method::DISCOVER, modern::with_meta(None, None));
        match ask().await {
            Err(Fault::Answered(error)) if names_latest(&error) => ask().await,
            answer => answer,
        }
    }

    async fn initialize(&self) -> Result<Raw, Fault> {
        self.ask(method::INITIALIZE, Some(legacy::initialize(self.offer))).await
    }

    async fn ask(&self, method: &str, params: Option<Raw>) -> Result<Raw, Fault> {
        let sending = Sending { method, whom: Whom::Conflux(self.limit) };
        converse(self.connection, sending, |_| params).await
    }

    async fn opened(&self, result: &Raw) -> Verdict {
        let version = result.member("protocolVersion").and_then(|version| version.string());
        let Some(version) = version else {
            return Verdict::Failed("its answer to `initialize` names no revision".to_owned());
        };
        match Revision::parse(&version).filter(|revision| revision.era() == Era::Legacy) {
            Some(revision) => {
                self.connection.agree(revision);
                legacy::initialized(self.connection).await;
                Verdict::Agreed(agreed(result, revision))
            }
            None => Verdict::Failed(format!("it speaks revision `{version}`, which is unknown")),
        }
    }
}

fn discovered(result: &Raw) -> Verdict {
    let versions: Option<Vec<String>> =
        result.member("supportedVersions").and_then(|versions| versions.read().ok());
    // Some legacy servers answer whatever they do not know with an empty result.
    let Some(versions) = versions else { return Verdict::StartAgain(Era::Legacy) };
    if versions.iter().any(|version| version == Revision::LATEST.as_str()) {
        return Verdict::Agreed(agreed(result, Revision::LATEST));
    }
    let is_legacy = |version: &String| Revision::parse(version).is_some();
    if versions.iter().any(is_legacy) {
        return Verdict::StartAgain(Era::Legacy);
    }
    Verdict::Failed(format!("it speaks only {versions:?}, which is unknown"))
}

fn agreed(result: &Raw, revision: Revision) -> Agreed {
    Agreed {
        revision,
        capabilities: result
            .member("capabilities")
            .map_or_else(|| Raw::of(&serde_json::json!({})), |it| it.detached()),
        instructions: result.member("instructions").and_then(|text| text.string()),
    }
}

/// An error in the fields Conflux looks at.
#[derive(Deserialize)]
struct ErrorView<'a> {
    code: Option<serde_json::Number>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Whether an error can only come from a server of the modern era.
fn is_modern(error: &Raw) -> bool {
    let Ok(view) = error.read::<ErrorView<'_>>() else { return false };
    let modern =
        [code::UNSUPPORTED_VERSION, code::MISSING_CLIENT_CAPABILITY, code::HEADER_MISMATCH];
    let found = view.code.and_then(|code| code.as_i64());
    found.is_some_and(|found| modern.into_iter().any(|code| i64::from(code) == found))
}

/// Whether a server that refused `server/discover` speaks no legacy revision either.
fn speaks_modern(error: &Raw) -> bool {
    let legacy = |version: &String| {
        Revision::parse(version).is_some_and(|revision| revision.era() == Era::Legacy)
    };
    is_modern(error) && !supported(error).iter().any(legacy)
}

/// Whether a refusal names the newest revision as one that the server speaks.
fn names_latest(error: &Raw) -> bool {
    supported(error).iter().any(|version| version == Revision::LATEST.as_str())
}

/// Returns the revisions that a server says it speaks when it refuses one.
fn supported(error: &Raw) -> Vec<String> {
    #[derive(Deserialize)]
    struct Data {
        supported: Vec<String>,
    }
    let Ok(view) = error.read::<ErrorView<'_>>() else { return Vec::new() };
    let data = view.data.and_then(|data| serde_json::from_str::<Data>(data.get()).ok());
    data.map_or_else(Vec::new, |data| data.supported)
}

fn failed(question: &str, fault: Fault) -> Verdict {
    match fault {
        Fault::Answered(error) => {
            Verdict::Failed(format!("it refused `{question}`: {}", words(&error)))
        }
        // A process that ended says nothing here; its status says more.
        Fault::Failed(error) if !error.detail.is_empty() => Verdict::Refused(error),
        Fault::Failed(_) | Fault::Cancelled => Verdict::Closed,
    }
}

/// Returns what the answer to `server/discover` decides, if it decides something.
fn decided(answer: Result<Raw, Fault>) -> Option<Verdict> {
    match answer {
        Ok(result) => match discovered(&result) {
            Verdict::StartAgain(_) => None,
            verdict => Some(verdict),
        },
        Err(Fault::Answered(error)) if speaks_modern(&error) => {
            Some(Verdict::Failed(format!("it refused `server/discover`: {}", words(&error))))
        }
        Err(Fault::Failed(error)) if !may_be_legacy(&error) => {
            Some(failed("server/discover", Fault::Failed(error)))
        }
        Err(_) => None,
    }
}

/// Whether a server that did not answer a modern request may answer a legacy one.
///
/// Nothing else than the era of the request can be wrong then: it was reached, and let one in.
fn may_be_legacy(error: &Error) -> bool {
    match error.kind {
        Kind::Status(status) => !matches!(status, 300..=399 | 401 | 403 | 429 | 502..=504),
        Kind::BadAnswer | Kind::TimedOut | Kind::ConnectionLost => true,
        _ => false,
    }
}

/// What an error says, for people.
fn words(error: &Raw) -> String {
    let message = error.member("message").and_then(|message| message.string());
    message.unwrap_or_else(|| error.get().to_owned())
}
