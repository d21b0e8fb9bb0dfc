//! What is recorded: who asked for what, what was decided, and how it ended. Small owned data and
//! shared bytes; nothing here is masked yet, and nothing of it is written before it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use crate::audit::digest::Digest;
use crate::exchange::caller::Capabilities;
use crate::exchange::principal::Principal;
use crate::ids::CallerId;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::telemetry::trace::Id;
use crate::wire::Raw;

/// Up to which size arguments wait as they came, in bytes. What is larger counts against the room
/// that large messages have, which nobody may hold only to record it.
const KEPT: usize = 64 * 1024;

/// How much of a name or an address waits, in bytes: many times what is written of it. What clients
/// make up may be as long as a message.
pub(super) const NAME: usize = 4 * 1024;

/// One decision, or the end of one request.
#[derive(Debug)]
pub struct Record {
    /// The id of the request, which its decision and its end have in common with all else that is
    /// noted of it; requests that came to nothing have none.
    pub event: Option<Id>,
    /// When it was.
    pub at: SystemTime,
    /// Who asked.
    pub who: Who,
    /// For what.
    pub what: What,
    /// What became of it.
    pub fact: Fact,
}

/// Who asked.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// On whose behalf the request is made; nothing if nobody was found.
    pub principal: Option<Principal>,
    /// What the client declared, and what it calls itself.
    pub capabilities: Option<Arc<Capabilities>>,
    /// The number of the client, which is no secret as the id of its session is.
    pub session: Option<CallerId>,
    /// The address it came from, where nothing else is known.
    pub peer: Option<Box<str>>,
}

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct What {
    /// The method of the request; empty if it was not read.
    pub method: Box<str>,
    /// Whose thing it is about.
    pub upstream: Option<UpstreamId>,
    /// What it is about.
    pub subject: Option<Subject>,
    /// Its arguments.
    pub arguments: Option<Arguments>,
    /// Which catalog it was looked up in.
    pub generation: Generation,
    /// The trace it is part of.
    pub trace: Option<Box<str>>,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A tool.
    Tool(Name),
    /// A prompt.
    Prompt(Name),
    /// A resource, by its address.
    Uri(Box<str>),
    /// A task, by its id.
    Task(Box<str>),
}

/// What something is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Here.
    pub public: Box<str>,
    /// By its upstream, if it has one.
    pub local: Option<Box<str>>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It was admitted, or not.
    Decided {
        /// What was decided.
        decision: Decision,
        /// By which rule.
        rule: Option<Rule>,
    },
    /// It ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// Why, where the outcome alone does not say so.
        reason: Option<Box<str>>,
        /// After how long.
        took: Duration,
        /// How many bytes its parameters had.
        bytes_in: usize,
        /// How many its result had.
        bytes_out: usize,
        /// Whether its result is one that somebody got before.
        is_cached: bool,
    },
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// It may not.
    Deny,
    /// It may, but would not if the rule were in force.
    ShadowDeny,
}

/// Which rule decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it is called.
    pub name: Arc<str>,
    /// Where it is written, as in `upstreams.yaml:12`.
    pub place: Option<Arc<str>>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Ok,
    /// With a result that says that the tool failed.
    ToolError,
    /// There is nothing of that name.
    Unknown,
    /// There is, but not for whoever asked.
    Denied,
    /// The request is wrong.
    Invalid,
    /// Its upstream answered with an error.
    Answered,
    /// Its upstream failed, in this way.
    Failed(&'static str),
    /// Its upstream took too long.
    TimedOut,
    /// The client no longer wanted it.
    Cancelled,
    /// The client asked too much.
    RateLimited,
    /// It could not be told who asks.
    Unauthenticated,
    /// It could not be recorded.
    Unrecorded,
}

impl Record {
    /// Lets go of what is longer than anything that is written of it.
    pub(super) fn shorten(&mut self) {
        cut(&mut self.what.method);
        match &mut self.what.subject {
            Some(Subject::Tool(name) | Subject::Prompt(name)) => cut(&mut name.public),
            Some(Subject::Uri(text) | Subject::Task(text)) => cut(text),
            None => {}
        }
        if let Some(capabilities) = self.who.capabilities.take_if(|it| it.size() > KEPT) {
            let info = capabilities.client_info().filter(|info| info.size() <= KEPT);
            let only = Capabilities::default().of_client(info.cloned());
            self.who.capabilities = Some(Arc::new(only));
        }
    }
}

fn cut(text: &mut Box<str>) {
    if text.len() > NAME {
        *text = text.get(..text.floor_char_boundary(NAME)).unwrap_or_default().into();
    }
}

impl Decision {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::ShadowDeny => "shadow_deny",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::Unknown => "unknown",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::Answered => "answered",
            Self::Failed(kind) => return write!(f, "failed:{kind}"),
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::RateLimited => "rate_limited",
            Self::Unauthenticated => "unauthenticated",
            Self::Unrecorded => "unrecorded",
        };
        f.write_str(word)
    }
}

impl Subject {
    /// Returns the key a record has it under.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Tool(_) => "tool",
            Self::Prompt(_) => "prompt",
            Self::Uri(_) => "uri",
            Self::Task(_) => "task",
        }
    }
}

/// The arguments of a request while it waits to be written.
#[derive(Clone, Debug)]
pub enum Arguments {
    /// As they came.
    Whole(Raw),
    /// What is left of large ones.
    Cut(Box<Cut>),
}

/// What is left of arguments that are too large to be kept.
#[derive(Clone, Debug)]
pub struct Cut {
    pub(super) bytes: usize,
    pub(super) sha256: Digest,
    pub(super) beginning: String,
}

impl Arguments {
    /// Takes what is needed of arguments: all, or of large ones the first `limit` bytes.
    pub fn of(raw: Raw, limit: usize) -> Self {
        if raw.get().len() > KEPT { Self::cut(&raw, limit) } else { Self::Whole(raw) }
    }

    pub(super) fn cut(raw: &Raw, limit: usize) -> Self {
        let text = raw.get();
        let beginning = text.get(..text.floor_char_boundary(limit)).unwrap_or_default().to_owned();
        let sha256 = Digest::of(text.as_bytes());
        Self::Cut(Box::new(Cut { bytes: text.len(), sha256, beginning }))
    }

    /// Returns how many bytes they hold on to.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Whole(raw) => raw.get().len(),
            Self::Cut(_) => 0,
        }
    }
}
