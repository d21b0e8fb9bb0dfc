//! Questions an upstream has for the caller, and what comes of them.

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time;

use crate::exchange::ANSWER_LIMIT;
use crate::ids::UpstreamId;
use crate::wire::Raw;
use crate::wire::meta;
use crate::wire::method;

/// What an upstream may ask of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message of the client's model.
    Sampling,
    /// The same, with tools the model may call (2025-11-25 and later).
    SamplingWithTools,
    /// A form the person in front of the client fills in.
    ElicitForm,
    /// An address that person visits.
    ElicitUrl,
    /// The client's directories.
    Roots,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sampling => "sampling",
            Self::SamplingWithTools => "sampling with tools",
            Self::ElicitForm => "elicitation by form",
            Self::ElicitUrl => "elicitation by URL",
            Self::Roots => "roots",
        })
    }
}

/// One question: a method and its parameters.
#[derive(Clone, Debug)]
pub struct InputRequest {
    kind: Kind,
    params: Option<Raw>,
    progress: Option<mpsc::Sender<Raw>>,
}

impl InputRequest {
    /// Reads a question; nothing if `method` is none that a client answers.
    pub fn parse(method: &str, params: Option<Raw>) -> Option<Self> {
        let member = |key| params.as_ref().and_then(|params| params.member(key));
        let kind = match method {
            method::SAMPLE if member("tools").or_else(|| member("toolChoice")).is_some() => {
                Kind::SamplingWithTools
            }
            method::SAMPLE => Kind::Sampling,
            method::ROOTS => Kind::Roots,
            // Whatever is no address is a form, said or not.
            method::ELICIT => match member("mode") {
                Some(mode) if mode.get() == "\"url\"" => Kind::ElicitUrl,
                _ => Kind::ElicitForm,
            },
            _ => return None,
        };
        Some(Self { kind, params, progress: None })
    }

    /// Returns the same question with other parameters.
    #[must_use]
    pub fn with_params(self, params: Option<Raw>) -> Self {
        Self { params, ..self }
    }

    /// Returns the same question of somebody who wants to hear how far its answer is: the
    /// parameters of each progress notification go to `progress`, while there is room.
    #[must_use]
    pub fn reporting(self, progress: mpsc::Sender<Raw>) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Returns where to say how far the answer is, if somebody wants to know.
    pub fn progress(&self) -> Option<&mpsc::Sender<Raw>> {
        self.progress.as_ref()
    }

    /// Returns what is asked for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the method that asks for it.
    pub fn method(&self) -> &'static str {
        match self.kind {
            Kind::Sampling | Kind::SamplingWithTools => method::SAMPLE,
            Kind::ElicitForm | Kind::ElicitUrl => method::ELICIT,
            Kind::Roots => method::ROOTS,
        }
    }

    /// Returns the parameters as the upstream wrote them.
    pub fn params(&self) -> Option<&Raw> {
        self.params.as_ref()
    }

    /// Returns the same question with its parameters edited.
    #[must_use]
    pub fn with(self, edit: impl FnOnce(Raw) -> Raw) -> Self {
        Self { params: self.params.map(edit), ..self }
    }

    /// Returns the parameters as a client may see them: with the name of the upstream that asks,
    /// and without what that one says to Conflux alone.
    ///
    /// That is its token for progress, and the wish for a task as the answer (2025-11-25): Conflux
    /// does not offer that, and then it is to be ignored. What else is in `_meta` stays.
    pub fn presented(&self, from: &UpstreamId) -> Option<Raw> {
        let named = match self.kind {
            Kind::ElicitForm | Kind::ElicitUrl => {
                self.params.as_ref().and_then(|params| with_name(from, params))
            }
            Kind::Sampling | Kind::SamplingWithTools | Kind::Roots => None,
        };
        let params = named.as_ref().or(self.params.as_ref());
        let immediate = params.and_then(without_task);
        let params = immediate.as_ref().or(params);
        let origin = Raw::of(from.as_str());
        meta::edit(params, &[(meta::CONFLUX_UPSTREAM, origin.get())], &meta::FOR_THE_RECEIVER)
    }
}

/// Returns the parameters of an elicitation with the name of the upstream in front of the message.
///
/// The client sees only Conflux; the person in front of it must see who wants to know.
fn with_name(from: &UpstreamId, params: &Raw) -> Option<Raw> {
    let message = params.member("message")?.string()?;
    let object = params.object().ok()?;
    let message = Raw::of(&format!("[{from}] {message}"));
    Some(object.edit().set("message", message.get()).apply())
}

/// Returns parameters that ask for a task without that; nothing if they do not.
fn without_task(params: &Raw) -> Option<Raw> {
    let object = params.object().ok()?;
    object.get("task").is_some().then(|| object.edit().remove("task").apply())
}

/// The answer to each question, by its key: the result, or the client's error object.
pub type Answers = Vec<(String, Result<Raw, Raw>)>;

/// Questions on their way to the caller.
#[derive(Debug)]
pub struct Ask {
    /// Who asks.
    pub from: UpstreamId,
    /// The questions by their keys, in order.
    pub requests: Vec<(String, InputRequest)>,
    answer: oneshot::Sender<Result<Answers, Refusal>>,
}

impl Ask {
    pub(in crate::exchange) fn new(
        from: UpstreamId,
        requests: Vec<(String, InputRequest)>,
        answer: oneshot::Sender<Result<Answers, Refusal>>,
    ) -> Self {
        Self { from, requests, answer }
    }

    /// Hands the answers to whoever asked; nobody may be waiting any more.
    pub fn answer(self, answers: Result<Answers, Refusal>) {
        drop(self.answer.send(answers));
    }

    /// Waits until nobody wants the answer any more.
    pub async fn withdrawn(&mut self) {
        self.answer.closed().await;
    }
}

/// Why a question has no answer.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// The client did not declare that it can answer this.
    #[error("the client does not support {0}")]
    Unsupported(Kind),
    /// The client's revision has no words for this question.
    #[error("the client cannot be asked that: {0}")]
    Unfit(&'static str),
    /// More than one client could be meant, and nothing tells them apart.
    #[error("it is not certain which client is asked")]
    Ambiguous,
    /// The answer of one client would count for all.
    #[error(
        "several clients share this server, so the {0} of one are not asked outside of its calls"
    )]
    Shared(Kind),
    /// No client is there to ask.
    #[error("no client is there to be asked")]
    Nobody,
    /// The client is gone, or no longer wants the result.
    #[error("the client is gone")]
    Gone,
    /// The client did not answer in time.
    #[error("the client did not answer within {} minutes", .0.as_secs() / 60)]
    TimedOut(Duration),
    /// The client has too many unanswered questions.
    #[error("too many questions to the client are unanswered")]
    TooMany,
}

/// Waits for the answers, as long as a person may take.
pub(in crate::exchange) async fn wait(
    answered: oneshot::Receiver<Result<Answers, Refusal>>,
) -> Result<Answers, Refusal> {
    match time::timeout(ANSWER_LIMIT, answered).await {
        Ok(Ok(answers)) => answers,
        Ok(Err(_)) => Err(Refusal::Gone),
        Err(_) => Err(Refusal::TimedOut(ANSWER_LIMIT)),
    }
}
