//! What is recorded of requests that never get as far as the router: those that are answered here,
//! and those that are turned away.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use crate::audit::record::Fact;
use crate::audit::record::Outcome;
use crate::audit::record::Record;
use crate::audit::record::What;
use crate::audit::record::Who;
use crate::downstream::Service;
use crate::downstream::outbox::Verdict;
use crate::exchange::caller::Caller;
use crate::telemetry::metrics::Refusal;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::frame::Request;

/// How much of the name of a method is kept, in bytes: more than any has.
const METHOD: usize = 64;

/// A request that may be answered at once.
#[derive(Debug)]
pub(super) struct Noted {
    method: Box<str>,
    size: usize,
}

/// Why a request was not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Another one has its id.
    IdInUse,
    /// It is no message.
    NoMessage,
    /// Too much is under way.
    NoRoom,
    /// It is longer than messages may be.
    TooLong,
}

impl Why {
    fn outcome(self) -> (Outcome, &'static str) {
        match self {
            Self::IdInUse => (Outcome::Invalid, "id_in_use"),
            Self::NoMessage => (Outcome::Invalid, "no_message"),
            Self::NoRoom => (Outcome::RateLimited, "no_room"),
            Self::TooLong => (Outcome::Invalid, "too_long"),
        }
    }

    fn refusal(self) -> Refusal {
        match self {
            Self::IdInUse => Refusal::IdInUse,
            Self::NoMessage => Refusal::Invalid,
            Self::NoRoom => Refusal::NoRoom,
            Self::TooLong => Refusal::TooLarge,
        }
    }
}

fn cut(method: &str) -> Box<str> {
    method.get(..method.floor_char_boundary(METHOD)).unwrap_or_default().into()
}

impl Service {
    /// Keeps of a request what is recorded if it is answered at once; nothing if nothing is.
    pub(super) fn notes(&self, request: &Request) -> Option<Noted> {
        self.router.audit().is_on().then(|| Noted {
            method: cut(&request.method),
            size: request.params.as_ref().map_or(0, Raw::size),
        })
    }

    /// Records that a request was answered here.
    pub(super) fn answered(&self, caller: Option<&Caller>, noted: Noted, verdict: Verdict) {
        let (outcome, reason) = match verdict {
            Verdict::Done => (Outcome::Ok, None),
            Verdict::Limited(_) => (Outcome::RateLimited, None),
            Verdict::Refused(code) | Verdict::Failed(code) => match code {
                code::METHOD_NOT_FOUND => (Outcome::Unknown, None),
                // Nothing else is refused in this way before it got under way.
                code::INTERNAL_ERROR => (Outcome::RateLimited, Some("in_flight")),
                _ => (Outcome::Invalid, None),
            },
        };
        let Noted { method, size } = noted;
        self.record(self.who(caller), method, size, outcome, reason);
    }

    /// Records that a subscription was begun.
    pub(super) fn begun(&self, caller: &Caller, method: &str) {
        if self.router.audit().is_on() {
            self.record(self.who(Some(caller)), cut(method), 0, Outcome::Ok, None);
        }
    }

    /// Counts that a request was not looked at, and records it.
    pub(super) fn refused(&self, caller: Option<&Caller>, method: &str, why: Why) {
        self.count_refusal(why.refusal());
        if self.router.audit().is_on() {
            let (outcome, reason) = why.outcome();
            self.record(self.who(caller), cut(method), 0, outcome, Some(reason));
        }
    }

    /// Records that somebody was turned away at the door: it could not be told who it is, or it is
    /// nobody who may come in, or too many are in already. What is merely wrong is no business of
    /// an audit.
    pub(super) fn turned_away(&self, peer: &impl Display, status: u16, reason: &str) {
        let outcome = match status {
            401 => Outcome::Unauthenticated,
            403 => Outcome::Denied,
            429 | 503 => Outcome::RateLimited,
            _ => return,
        };
        if self.router.audit().is_on() {
            let who = Who { peer: Some(peer.to_string().into()), ..Who::default() };
            self.record(who, Box::default(), 0, outcome, Some(reason));
        }
    }

    fn who(&self, caller: Option<&Caller>) -> Who {
        match caller {
            Some(caller) => Who {
                principal: Some(caller.principal().clone()),
                capabilities: Some(Arc::clone(caller.capabilities())),
                session: Some(caller.id()),
                peer: None,
            },
            None => Who { principal: Some(self.principal.clone()), ..Who::default() },
        }
    }

    fn record(
        &self,
        who: Who,
        method: Box<str>,
        bytes_in: usize,
        outcome: Outcome,
        reason: Option<&str>,
    ) {
        let reason = reason.map(Into::into);
        let (took, bytes_out) = (Duration::ZERO, 0);
        let is_cached = false;
        let fact = Fact::Ended { outcome, reason, took, bytes_in, bytes_out, is_cached };
        let what = What { method, ..What::default() };
        let (event, at) = (None, SystemTime::now());
        self.router.audit().record(Record { event, at, who, what, fact });
    }
}
