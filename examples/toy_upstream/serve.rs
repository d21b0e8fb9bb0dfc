//! The loop: reads lines, lets each request run on its own, writes the answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use serde_json::value::RawValue;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls;
use crate::die;
use crate::era;
use crate::era::Era;
use crate::extras;
use crate::flags::Flags;
use crate::http::Web;
use crate::lists;
use crate::subscriptions;
use crate::tasks;
use crate::wire::Incoming;
use crate::wire::Out;
use crate::wire::Refusal;
use crate::wire::quote;

/// What every request sees.
pub(crate) struct Toy {
    pub(crate) flags: Flags,
    pub(crate) out: Out,
    pub(crate) files: lists::Files,
    /// What all sessions over HTTP share.
    pub(crate) web: Option<Arc<Web>>,
    state: Mutex<State>,
}

/// What changes while the toy runs.
#[derive(Default)]
pub(crate) struct State {
    locked: Option<Era>,
    /// The `params` of `initialize`, once it came.
    pub(crate) initialize: Option<String>,
    /// What the client declared in `initialize`.
    pub(crate) capabilities: serde_json::Value,
    /// Requests in flight by the text of their id.
    pub(crate) running: HashMap<String, CancellationToken>,
    /// The ids of calls that were cancelled, as they came.
    pub(crate) cancelled: Vec<String>,
    /// How often each tool was called.
    pub(crate) calls: HashMap<String, u64>,
    /// Notifications that mean nothing to the toy, as they came: method and `params`.
    pub(crate) notified: Vec<String>,
    /// How often `visit` was called.
    pub(crate) visits: u64,
    /// How many tools `change_tools` has added.
    pub(crate) added: usize,
    pub(crate) log_level: Option<String>,
    pub(crate) subscriptions: subscriptions::Subscriptions,
    /// Questions to the client that wait for its answer.
    pub(crate) asked: HashMap<String, oneshot::Sender<Answer>>,
    pub(crate) last_question: u64,
    pub(crate) tasks: tasks::Tasks,
}

/// The client's answer to a question: a result or an error, as it came.
pub(crate) type Answer = Result<String, String>;

/// What a request came to.
pub(crate) enum Outcome {
    /// The text of a JSON object; a modern answer gets what its era requires in front.
    Result(String),
    /// The same, with what lets a modern client keep it.
    Cacheable(String),
    /// The text of a result that leaves exactly so.
    Verbatim(String),
    Refused(Refusal),
    /// The text of an error object that leaves exactly so.
    RefusedVerbatim(String),
    /// No answer: the client took the request back.
    Silent,
}

impl Toy {
    /// Makes one that remembers nothing; it says what belongs to no request to `out`.
    pub(crate) fn new(
        flags: Flags,
        files: lists::Files,
        out: Out,
        web: Option<Arc<Web>>,
    ) -> Arc<Self> {
        Arc::new(Self { flags, files, out, web, state: Mutex::default() })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until stdin ends.
pub(crate) async fn serve(flags: Flags) -> Result<(), String> {
    let deaf = flags.hang || flags.garbage;
    let files = lists::Files::read(&flags)?;
    let toy = Toy::new(flags, files, Out::default(), None);
    let tracker = TaskTracker::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.map_err(|error| error.to_string())? {
        if deaf {
            continue;
        }
        let Ok(message) = serde_json::from_str::<Incoming>(&line) else {
            let refusal = Refusal::new(-32700, "this is no JSON-RPC message");
            toy.out.error("null", &refusal);
            continue;
        };
        if let Some(answering) = receive(&toy, message) {
            tracker.spawn(answering);
        }
    }
    Ok(())
}

/// Takes a message; what answers it has yet to be run.
pub(crate) fn receive(
    toy: &Arc<Toy>,
    mut message: Incoming,
) -> Option<impl Future<Output = ()> + use<>> {
    let id = message.id.take().map(|id| RawValue::get(&id).to_owned());
    match (id, message.method.is_some()) {
        (Some(id), true) => {
            // Registered before the next line is read: its cancellation may be that line.
            let token = CancellationToken::new();
            toy.state().running.insert(id.clone(), token.clone());
            let toy = Arc::clone(toy);
            return Some(async move { answer(&toy, &id, message, &token).await });
        }
        (Some(id), false) => {
            let waiting = toy.state().asked.remove(&id)?;
            let text = |raw: Box<RawValue>| raw.get().to_owned();
            let result = message
                .result
                .map(text)
                .ok_or_else(|| message.error.map_or_else(|| "null".to_owned(), text));
            drop(waiting.send(result));
        }
        (None, _) => notified(toy, &message),
    }
    None
}

fn notified(toy: &Toy, message: &Incoming) {
    let method = message.method.as_deref().unwrap_or_default();
    if method != "notifications/cancelled" {
        let params = if message.params.text.is_empty() { "null" } else { &message.params.text };
        let told = format!(r#"{{"method":{},"params":{params}}}"#, quote(method));
        return toy.state().notified.push(told);
    }
    let Some(id) = &message.params.parts.request_id else { return };
    if let Some(token) = toy.state().running.get(id.get()) {
        token.cancel();
    }
}

async fn answer(toy: &Arc<Toy>, id: &str, message: Incoming, token: &CancellationToken) {
    let method = message.method.clone().unwrap_or_default();
    if method == "server/discover" && toy.flags.exit_on_discover {
        die(1);
    }
    if method == "server/discover" && toy.flags.silent_on_discover {
        return;
    }
    let admitted = {
        let mut state = toy.state();
        let initialized = state.initialize.is_some();
        era::admit(toy.flags.era, &mut state.locked, initialized, &message)
    };
    let (era, outcome) = match admitted {
        Ok(era) => (era, dispatch(toy, id, era, &method, &message, token).await),
        Err(refusal) => (Era::Legacy, Outcome::Refused(refusal)),
    };
    toy.state().running.remove(id);
    match outcome {
        Outcome::Result(text) => toy.out.result(id, &dress(era, &text, "")),
        Outcome::Cacheable(text) => toy.out.result(id, &dress(era, &text, &kept(toy.flags.ttl))),
        Outcome::Verbatim(text) => toy.out.result(id, &text),
        Outcome::Refused(refusal) => toy.out.error(id, &refusal),
        Outcome::RefusedVerbatim(error) => toy.out.error_text(id, &error),
        Outcome::Silent => {}
    }
}

async fn dispatch(
    toy: &Arc<Toy>,
    id: &str,
    era: Era,
    method: &str,
    message: &Incoming,
    token: &CancellationToken,
) -> Outcome {
    if toy.flags.tasks {
        let outcome = match method {
            "tools/call" => tasks::call(toy, era, &message.params).await,
            _ => tasks::answer(toy, era, method, &message.params, token).await,
        };
        if let Some(outcome) = outcome {
            return outcome;
        }
    }
    match method {
        "initialize" => initialize(toy, message),
        "server/discover" => Outcome::Cacheable(discovered(toy)),
        "ping" => Outcome::Result("{}".to_owned()),
        "logging/setLevel" => {
            toy.state().log_level.clone_from(&message.params.parts.level);
            Outcome::Result("{}".to_owned())
        }
        "tools/call" => calls::call(toy, id, era, &message.params, token).await,
        "subscriptions/listen" => subscriptions::listen(toy, id, &message.params, token).await,
        "resources/subscribe" | "resources/unsubscribe" => {
            let uri = message.params.parts.uri.clone().unwrap_or_default();
            toy.state().subscriptions.subscribe(uri, method == "resources/subscribe");
            Outcome::Result("{}".to_owned())
        }
        _ => match extras::answer(toy, era, method, &message.params, token).await {
            Some(outcome) => outcome,
            None => extras::extended(toy, method, &message.params)
                .unwrap_or_else(|| lists::answer(toy, era, method, &message.params)),
        },
    }
}

fn initialize(toy: &Toy, message: &Incoming) -> Outcome {
    let parts = &message.params.parts;
    let requested = parts.protocol_version.as_deref().unwrap_or_default();
    let revision = era::negotiate(requested, &toy.flags.revision);
    let mut state = toy.state();
    state.initialize = Some(message.params.text.clone());
    state.capabilities = parts.capabilities.clone().unwrap_or_default();
    let head = format!(r#""protocolVersion":"{revision}","serverInfo":{}"#, identity());
    Outcome::Result(format!("{{{head},{}}}", offer(toy, Era::Legacy)))
}

fn discovered(toy: &Toy) -> String {
    format!(r#"{{"supportedVersions":["{}"],{}}}"#, era::MODERN, offer(toy, Era::Modern))
}

/// The members that tell what the server can do.
fn offer(toy: &Toy, era: Era) -> String {
    let tells = !toy.flags.no_list_changed;
    let tools = format!(r#""tools":{{"listChanged":{tells}}}"#);
    let resources = r#""resources":{"subscribe":true,"listChanged":true}"#;
    let prompts = r#""prompts":{"listChanged":true},"logging":{}"#;
    // 2024-11-05 does not know the capability.
    let completes = era == Era::Modern || toy.flags.revision != "2024-11-05";
    let completions = if completes { r#","completions":{}"# } else { "" };
    let tasks = match era {
        Era::Legacy if toy.flags.tasks => {
            r#","tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#
        }
        Era::Legacy | Era::Modern => "",
    };
    let extensions = extras::extensions(toy, era);
    let capabilities = format!("{{{tools},{resources},{prompts}{completions}{tasks}{extensions}}}");
    let instructions = toy.flags.instructions.as_deref();
    let told = instructions.map(|text| format!(r#","instructions":{}"#, quote(text)));
    format!(r#""capabilities":{capabilities}{}"#, told.unwrap_or_default())
}

fn identity() -> &'static str {
    r#"{"name":"toy","title":"Toy Upstream","version":"1.0.0"}"#
}

/// How long a modern result may be kept.
fn kept(ttl: Option<u64>) -> String {
    let scope = if ttl.is_some() { "public" } else { "private" };
    format!(r#""ttlMs":{},"cacheScope":"{scope}","#, ttl.unwrap_or(0))
}

/// Adds what every modern result must carry.
fn dress(era: Era, text: &str, kept: &str) -> String {
    if era == Era::Legacy {
        return text.to_owned();
    }
    let meta = format!(r#""_meta":{{"io.modelcontextprotocol/serverInfo":{}}}"#, identity());
    let comma = if text == "{}" { "" } else { "," };
    let rest = text.strip_prefix('{').unwrap_or(text);
    format!(r#"{{"resultType":"complete",{kept}{meta}{comma}{rest}"#)
}
