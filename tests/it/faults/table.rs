//! What can go wrong with an upstream, and what must come of it: what the tests assert and what
//! `docs/running.md` says are these data.

use crate::faults::server::Era;

/// Both eras.
pub(super) const ERAS: &[Era] = &[Era::Legacy, Era::Modern];

/// One way to go wrong.
pub(super) struct Fault {
    /// What the upstream does.
    pub(super) what: &'static str,
    /// Over stdio, if it can be done there.
    pub(super) stdio: Option<Case>,
    /// Over Streamable HTTP, if it can be done there.
    pub(super) http: Option<Case>,
}

/// One way to go wrong over one transport.
pub(super) struct Case {
    /// How it is brought about.
    pub(super) act: Act,
    /// What the call gets that it happens to.
    pub(super) call: Outcome,
    /// What becomes of the upstream.
    pub(super) then: Then,
    /// In which eras it can happen.
    pub(super) eras: &'static [Era],
}

/// How a fault is brought about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// The tool `fault` is told so.
    Tool(&'static str),
    /// The tool `fault` is told so as often as makes the upstream be left alone.
    Often(&'static str),
    /// The process is killed in the middle of a call.
    Kill,
    /// The process is stopped in the middle of a call, and goes on after that.
    Stop,
    /// The process ends in good order in the middle of a call.
    Exit,
    /// Nothing that begins a session is answered for a while.
    Hang,
    /// It ends, and lists other tools when it is there again.
    Change,
}

/// What one call gets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// Its answer, as if nothing had been.
    Answered,
    /// The same, after it was sent once more.
    AnsweredLater,
    /// An error.
    Failed {
        /// `kind` in `_meta["dev.conflux/error"]`.
        kind: &'static str,
        /// `executed` there.
        executed: &'static str,
        /// What its text says.
        says: &'static str,
    },
}

/// What becomes of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The process, or the session, stays in use.
    Stays,
    /// Another process is started, or another session opened, for whoever needs it.
    Anew,
    /// The same, once it can be spoken to again; until then it is tried after pauses.
    OnceWell,
    /// The same as [`Then::Anew`], and clients are told that the list changed.
    Changed,
}

const fn failed(kind: &'static str, executed: &'static str, says: &'static str) -> Outcome {
    Outcome::Failed { kind, executed, says }
}

const fn case(act: Act, call: Outcome, then: Then) -> Case {
    Case { act, call, then, eras: ERAS }
}

/// How calls end that an upstream does not answer within `timeout.call`.
const LATE: Outcome = failed("timeout", "unknown", "did not answer in time");
/// How calls end whose connection breaks.
const LOST: Outcome = failed("connection_lost", "unknown", "went away during the request");
/// How calls end whose answer is none.
const ODD: Outcome = failed("bad_answer", "unknown", "gave an answer that cannot be used");

/// How further calls end of an upstream that failed too many.
const SUSPENDED: Outcome = failed("suspended", "no", "5 requests in a row failed");
/// How many those are.
pub(super) const TOO_MANY: usize = 5;

/// Everything that can go wrong.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "is killed in a call",
        stdio: Some(case(
            Act::Kill,
            failed("connection_lost", "unknown", "went away during the request: signal 9"),
            Then::Anew,
        )),
        http: Some(case(Act::Kill, LOST, Then::OnceWell)),
    },
    Fault {
        what: "is stopped in a call (SIGSTOP), and goes on later",
        stdio: Some(case(Act::Stop, LATE, Then::Stays)),
        http: Some(case(Act::Stop, LATE, Then::Stays)),
    },
    Fault {
        what: "hangs when it is started",
        stdio: Some(case(
            Act::Hang,
            failed("start_timeout", "no", "was not ready in time"),
            Then::OnceWell,
        )),
        http: Some(case(
            Act::Hang,
            failed("start_timeout", "no", "was not ready in time"),
            Then::OnceWell,
        )),
    },
    Fault {
        what: "hangs in a call",
        stdio: Some(case(Act::Tool("hang"), LATE, Then::Stays)),
        http: Some(case(Act::Tool("hang"), LATE, Then::Stays)),
    },
    Fault {
        what: "answers with garbage",
        stdio: Some(case(Act::Tool("garbage"), LATE, Then::Stays)),
        http: Some(case(Act::Tool("garbage"), ODD, Then::Stays)),
    },
    Fault {
        what: "answers with half a message",
        stdio: Some(case(Act::Tool("half"), ODD, Then::Stays)),
        http: Some(case(Act::Tool("half"), ODD, Then::Stays)),
    },
    Fault {
        what: "closes its stdout; ends the response in the middle",
        stdio: Some(case(Act::Tool("close_stdout"), LOST, Then::Anew)),
        http: Some(case(Act::Tool("cut"), LOST, Then::Stays)),
    },
    Fault {
        what: "closes its stdin; closes the connection without an answer",
        stdio: Some(case(Act::Tool("close_stdin"), LATE, Then::Anew)),
        http: Some(case(Act::Tool("close"), LOST, Then::Stays)),
    },
    Fault {
        what: "exits with code 0 in a call",
        stdio: Some(case(
            Act::Exit,
            failed("connection_lost", "unknown", "went away during the request: exit code 0"),
            Then::Anew,
        )),
        http: Some(case(Act::Exit, LOST, Then::OnceWell)),
    },
    Fault {
        what: "answers at one byte a second",
        stdio: Some(case(Act::Tool("slow"), LATE, Then::Stays)),
        http: Some(case(Act::Tool("slow"), LATE, Then::Stays)),
    },
    Fault {
        what: "answers 500",
        stdio: None,
        http: Some(case(
            Act::Tool("500"),
            failed("http_status", "unknown", "answered with HTTP status 500"),
            Then::Stays,
        )),
    },
    Fault {
        what: "answers 429 with `Retry-After`",
        stdio: None,
        http: Some(case(Act::Tool("429"), Outcome::AnsweredLater, Then::Stays)),
    },
    Fault {
        what: "answers 429 with `Retry-After` again and again",
        stdio: None,
        http: Some(case(
            Act::Tool("429_always"),
            failed("http_status", "no", "answered with HTTP status 429"),
            Then::Stays,
        )),
    },
    Fault {
        what: "fails five calls in a row: does not answer; answers 500",
        stdio: Some(case(Act::Often("hang"), SUSPENDED, Then::Stays)),
        http: Some(case(Act::Often("500"), SUSPENDED, Then::Stays)),
    },
    Fault {
        what: "answers 404 because it no longer knows the session",
        stdio: None,
        http: Some(Case {
            eras: &[Era::Legacy],
            ..case(Act::Tool("forget"), Outcome::Answered, Then::Anew)
        }),
    },
    Fault {
        what: "redirects to another origin",
        stdio: None,
        http: Some(case(
            Act::Tool("elsewhere"),
            failed(
                "http_status",
                "no",
                "redirects to http://127.0.0.1:9/mcp, which is not followed",
            ),
            Then::Stays,
        )),
    },
    Fault {
        what: "answers with a wrong id",
        stdio: Some(case(Act::Tool("wrong_id"), LATE, Then::Stays)),
        http: Some(case(Act::Tool("wrong_id"), ODD, Then::Stays)),
    },
    Fault {
        what: "answers twice",
        stdio: Some(case(Act::Tool("twice"), Outcome::Answered, Then::Stays)),
        http: Some(case(Act::Tool("twice"), Outcome::Answered, Then::Stays)),
    },
    Fault {
        what: "answers when nobody waits any more",
        stdio: Some(case(Act::Tool("late"), LATE, Then::Stays)),
        http: Some(case(Act::Tool("late"), LATE, Then::Stays)),
    },
    Fault {
        what: "answers with more than `limits.message`",
        stdio: Some(case(
            Act::Tool("oversized"),
            failed("too_large", "unknown", "exceeded the message limit"),
            Then::Stays,
        )),
        http: Some(case(
            Act::Tool("oversized"),
            failed("too_large", "unknown", "exceeded the message limit"),
            Then::Stays,
        )),
    },
    Fault {
        what: "ends, and lists other tools when it is started again",
        stdio: Some(case(
            Act::Change,
            failed("connection_lost", "unknown", "went away during the request: exit code 0"),
            Then::Changed,
        )),
        http: Some(case(Act::Change, LOST, Then::Changed)),
    },
];
