//! Requests that ended: recorded, and told to whoever follows how they ended and how long they
//! took, never what was in them.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::json;

use crate::exchange::Exchange;
use crate::router::Error;
use crate::router::List;
use crate::router::Router;
use crate::router::error::Verdict;
use crate::router::failure::millis;
use crate::router::own;
use crate::wire::Raw;
use crate::wire::method;

/// How much of a name or an address is told, in characters.
const NAME: usize = 256;

/// A request under way; tells how it ended, even if nobody waits for that.
pub(super) struct Ending<'a> {
    router: &'a Router,
    method: &'a str,
    params: Option<&'a Raw>,
    exchange: &'a Exchange,
    is_over: bool,
}

impl<'a> Ending<'a> {
    /// Begins to watch a request.
    pub(super) fn of(
        router: &'a Router,
        method: &'a str,
        params: Option<&'a Raw>,
        exchange: &'a Exchange,
    ) -> Self {
        Self { router, method, params, exchange, is_over: false }
    }

    /// Records how it ended, and tells that, if anybody follows.
    pub(super) fn over(mut self, outcome: &Result<Raw, Error>) {
        self.is_over = true;
        self.record(outcome.as_ref());
        if self.router.shared.calls.is_followed() {
            self.tell(outcome);
        }
    }

    /// Records how it ended that something was listed.
    pub(super) fn listed(mut self, outcome: &Result<List, Error>) {
        self.is_over = true;
        self.record(outcome.as_ref().map(List::result));
    }

    fn record(&self, outcome: Result<&Raw, &Error>) {
        self.router.record_end(self.exchange, self.method, self.params, outcome);
    }

    #[cold]
    fn tell(&self, outcome: &Result<Raw, Error>) {
        let Some((key, kind)) = named(self.method) else { return };
        let name = self.params.and_then(|params| match self.method {
            method::TOOLS_CALL => own::meant(params),
            _ => params.member(key)?.string(),
        });
        let name = name.unwrap_or_default();
        let (word, why) = told(Verdict::of(self.method, outcome.as_ref()));
        let why = why.or_else(|| self.exchange.was_kept().then(|| "cached".to_owned()));
        let line = json!({
            "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            "client": self.exchange.capabilities().client_name(),
            "caller": self.exchange.caller().id().0,
            "kind": kind,
            "name": self.shown(&name),
            "upstream": self.upstream(&name, outcome),
            "outcome": word,
            "why": why,
            "cached": self.exchange.was_kept(),
            "ms": millis(self.exchange.deadline().elapsed()),
            "bytesIn": self.params.map_or(0, |params| params.get().len()),
            "bytesOut": outcome.as_ref().map_or(0, |result| result.get().len()),
        });
        let line: Arc<str> = line.to_string().into();
        self.router.shared.calls.tell(&line);
    }

    /// A name as it may be shown. What follows the path of an address is as good as an argument.
    fn shown(&self, name: &str) -> String {
        let is_address = named(self.method).is_some_and(|(key, _)| key == "uri");
        let name = if is_address { name.split(['?', '#']).next().unwrap_or(name) } else { name };
        let masked = self.router.shared.instance.masked(name);
        masked.chars().filter(|c| !c.is_control()).take(NAME).collect()
    }

    /// Whose it was, as far as that is known when it has ended.
    fn upstream(&self, name: &str, outcome: &Result<Raw, Error>) -> Option<String> {
        if let Err(Error::Upstream(error)) = outcome {
            return Some(error.upstream.as_str().to_owned());
        }
        let snapshot = self.router.snapshot();
        let owner = match self.method {
            method::TOOLS_CALL => snapshot.catalog.tool(name).map(|entry| entry.upstream.clone()),
            method::PROMPTS_GET => {
                snapshot.catalog.prompt(name).map(|entry| entry.upstream.clone())
            }
            _ => {
                let owner = self.router.known_owner(&snapshot, self.exchange, name);
                owner.map(|owner| owner.upstream)
            }
        };
        owner.map(|id| id.as_str().to_owned())
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        // Nobody waited for its end, so whoever made it no longer wants it.
        if self.is_over {
            return;
        }
        self.record(Err(&Error::Cancelled));
        if self.router.shared.calls.is_followed() {
            self.tell(&Err(Error::Cancelled));
        }
    }
}

/// Under which key a request names what it is about, and the word for what that is; nothing for
/// requests that are not told of.
fn named(method: &str) -> Option<(&'static str, &'static str)> {
    match method {
        method::TOOLS_CALL => Some(("name", "call")),
        method::PROMPTS_GET => Some(("name", "prompt")),
        method::RESOURCES_READ | method::SKILLS_GET | method::DIRECTORY_READ => {
            Some(("uri", "read"))
        }
        _ => None,
    }
}

/// Says how a request ended in a word, and why in another one.
fn told(verdict: Verdict<'_>) -> (&'static str, Option<String>) {
    let refused = |why: &str| ("refused", Some(why.to_owned()));
    match verdict {
        Verdict::Good => ("ok", None),
        Verdict::ToolError => ("tool error", None),
        Verdict::Unknown => refused("unknown"),
        Verdict::Insufficient(_) => refused("insufficient_scope"),
        Verdict::Invalid => refused("invalid_params"),
        Verdict::Limited(_) => refused("limited"),
        Verdict::Answered(code) => ("refused", code),
        Verdict::TimedOut => ("timed out", None),
        Verdict::Failed(kind) => ("failed", Some(kind.as_str().to_owned())),
        Verdict::Unrecorded(_) => refused("unrecorded"),
        Verdict::Cancelled => ("cancelled", None),
    }
}
