//! Whether an upstream that fails its requests is asked at all; pure.
//!
//! Whether it runs is `supervision`'s affair. This is about one that runs and does not do its work:
//! after some failures in a row nobody waits for it any more; after a pause that grows one request
//! tries, and if that is answered all are let through again. An answer is an answer, even if it is
//! an error.

use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::backoff::Backoff;
use crate::upstream::error::Error;

/// After how many failures in a row it is not asked any more.
const FAILURES: u32 = 5;

/// What became of the requests of one upstream.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    circuit: Circuit,
    backoff: Backoff,
    /// Until when the upstream wants not to be asked, and how it said that.
    held: Option<(Instant, Error)>,
}

#[derive(Debug)]
enum Circuit {
    /// It is asked; so often in a row it failed.
    Closed(u32),
    /// It is not asked.
    Open(Trouble),
}

/// Why an upstream is not asked.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// How many requests failed since one was answered.
    pub(super) failures: u32,
    /// How the last of them did.
    pub(super) last: Error,
    /// When one may try, if none does so now.
    pub(super) until: Instant,
    is_tried: bool,
}

/// What a request may do.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Go on.
    Pass(Pass),
    /// Wait until then, because the upstream said so.
    Wait(Instant, Error),
    /// Give up.
    Fail(Trouble),
}

/// As what a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// One of many.
    Plain,
    /// The one that tries whether the upstream works again.
    Trial,
}

/// What came of a request, as far as it tells how the upstream is.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It works.
    Answered,
    /// It does not.
    Failed(Error),
    /// It wants to be asked again after so long.
    Later(Error, Duration),
    /// Nothing was to be learned.
    Unknown,
}

/// What an outcome changes for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// The upstream is no longer asked.
    Opened,
    /// It is asked again.
    Closed,
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed(0)
    }
}

impl Breaker {
    /// Tells what a request would have to do now. What time it is is asked only where that matters,
    /// which is where something is wrong.
    pub(super) fn look(&self, now: impl FnOnce() -> Instant) -> Verdict {
        if let (Circuit::Closed(_), None) = (&self.circuit, &self.held) {
            return Verdict::Pass(Pass::Plain);
        }
        let now = now();
        match (&self.circuit, &self.held) {
            (Circuit::Open(trouble), _) if trouble.is_tried || now < trouble.until => {
                Verdict::Fail(trouble.clone())
            }
            (_, Some((until, error))) if now < *until => Verdict::Wait(*until, error.clone()),
            (Circuit::Open(_), _) => Verdict::Pass(Pass::Trial),
            (Circuit::Closed(_), _) => Verdict::Pass(Pass::Plain),
        }
    }

    /// Returns why the upstream is not asked, even if one may try by now.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        match &self.circuit {
            Circuit::Open(trouble) => Some(trouble),
            Circuit::Closed(_) => None,
        }
    }

    /// Tells what a request has to do now; one that goes on says later what came of it.
    pub(super) fn ask(&mut self, now: impl FnOnce() -> Instant) -> Verdict {
        let verdict = self.look(now);
        if let (Verdict::Pass(Pass::Trial), Circuit::Open(trouble)) = (&verdict, &mut self.circuit)
        {
            trouble.is_tried = true;
        }
        verdict
    }

    /// Notes what came of a request.
    pub(super) fn note(
        &mut self,
        pass: Pass,
        outcome: Outcome,
        now: impl FnOnce() -> Instant,
    ) -> Change {
        match (outcome, &mut self.circuit) {
            (Outcome::Answered, _) => self.close(),
            (Outcome::Later(error, pause), _) => {
                let until = now() + pause;
                if self.held.as_ref().is_none_or(|(held, _)| *held < until) {
                    self.held = Some((until, error));
                }
                self.close()
            }
            (Outcome::Failed(last), Circuit::Closed(before)) => {
                let failures = *before + 1;
                if failures < FAILURES {
                    *before = failures;
                    return Change::None;
                }
                self.open(failures, last, now())
            }
            (Outcome::Failed(last), Circuit::Open(trouble)) if pass == Pass::Trial => {
                let failures = trouble.failures + 1;
                self.open(failures, last, now())
            }
            // The next one may try.
            (Outcome::Unknown, Circuit::Open(trouble)) if pass == Pass::Trial => {
                trouble.is_tried = false;
                Change::None
            }
            // It began before the upstream was given up.
            (Outcome::Failed(_) | Outcome::Unknown, _) => Change::None,
        }
    }

    /// Notes that there is a new session: one may try at once whether that is better.
    pub(super) fn renewed(&mut self, now: Instant) {
        if let Circuit::Open(trouble) = &mut self.circuit {
            trouble.until = trouble.until.min(now);
        }
    }

    fn open(&mut self, failures: u32, last: Error, now: Instant) -> Change {
        let until = now + self.backoff.next();
        self.circuit = Circuit::Open(Trouble { failures, last, until, is_tried: false });
        Change::Opened
    }

    fn close(&mut self) -> Change {
        let was_open = matches!(self.circuit, Circuit::Open(_));
        (self.circuit, self.backoff) = (Circuit::Closed(0), Backoff::default());
        if was_open { Change::Closed } else { Change::None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Breaker;
    use super::Outcome;
    use super::Pass;
    use super::Verdict;
    use crate::config::secrets::Secrets;
    use crate::ids::UpstreamId;
    use crate::upstream::error::Error;
    use crate::upstream::error::Executed;
    use crate::upstream::error::Kind;
    use crate::upstream::errors::Errors;

    const SECOND: Duration = Duration::from_secs(1);

    fn error(detail: &str) -> Error {
        let errors = Errors::new(UpstreamId::new("toy"), Secrets::default());
        errors.error(Kind::TimedOut, detail, Executed::Unknown)
    }

    fn failed() -> Outcome {
        Outcome::Failed(error("slow"))
    }

    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Pass(Pass::Plain) => "pass",
            Verdict::Pass(Pass::Trial) => "trial",
            Verdict::Wait(..) => "wait",
            Verdict::Fail(_) => "fail",
        }
    }

    /// A breaker that has just opened, and when the next try is.
    fn opened(now: Instant) -> (Breaker, Instant) {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            assert_eq!(word(&breaker.ask(|| now)), "pass");
            breaker.note(Pass::Plain, failed(), || now);
        }
        let until = until(&breaker, now);
        (breaker, until)
    }

    fn until(breaker: &Breaker, now: Instant) -> Instant {
        let Verdict::Fail(trouble) = breaker.look(|| now) else { panic!("it is asked") };
        trouble.until
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let now = Instant::now();
        // `f`: failed, `a`: answered, `u`: unknown, `l`: later.
        for (outcomes, expected) in [
            ("ffff", "pass"),
            ("fffff", "fail"),
            ("ffffaf", "pass"),
            ("ffffuf", "fail"),
            ("fffflf", "pass"),
            ("ffafaffff", "pass"),
            ("fffffff", "fail"),
            ("fffffa", "pass"),
        ] {
            let mut breaker = Breaker::default();
            for outcome in outcomes.chars() {
                let outcome = match outcome {
                    'f' => failed(),
                    'a' => Outcome::Answered,
                    'l' => Outcome::Later(error("later"), Duration::ZERO),
                    _ => Outcome::Unknown,
                };
                breaker.note(Pass::Plain, outcome, || now);
            }
            assert_eq!(word(&breaker.look(|| now)), expected, "{outcomes}");
        }
    }

    #[test]
    fn one_request_tries_after_a_pause_and_decides_for_all() {
        let now = Instant::now();
        for (outcome, then) in [
            (Outcome::Answered, "pass"),
            (failed(), "fail"),
            (Outcome::Unknown, "trial"),
            (Outcome::Later(error("later"), SECOND), "wait"),
        ] {
            let (mut breaker, due) = opened(now);
            let before = due.checked_sub(Duration::from_millis(1)).unwrap();
            assert_eq!(word(&breaker.ask(|| before)), "fail");
            assert_eq!(word(&breaker.ask(|| due)), "trial");
            assert_eq!(word(&breaker.ask(|| due)), "fail", "two try");
            // What began before says nothing new if it failed.
            breaker.note(Pass::Plain, failed(), || due);
            breaker.note(Pass::Plain, Outcome::Unknown, || due);
            assert_eq!(word(&breaker.look(|| due)), "fail");
            breaker.note(Pass::Trial, outcome, || due);
            assert_eq!(word(&breaker.look(|| due)), then);
        }
    }

    #[test]
    fn pauses_grow_until_one_is_answered() {
        let (mut breaker, mut due) = opened(Instant::now());
        let mut whole = 2.0_f64;
        for _ in 0..10 {
            let now = due;
            assert_eq!(word(&breaker.ask(|| now)), "trial");
            breaker.note(Pass::Trial, failed(), || now);
            due = until(&breaker, now);
            let range = Duration::from_secs_f64(whole / 2.0)..=Duration::from_secs_f64(whole);
            assert!(range.contains(&(due - now)), "{:?}, not in {range:?}", due - now);
            whole = (whole * 2.0).min(60.0);
        }
        breaker.note(Pass::Plain, Outcome::Answered, || due);
        for _ in 0..5 {
            breaker.note(Pass::Plain, failed(), || due);
        }
        assert!(until(&breaker, due) - due <= SECOND, "the pause did not begin anew");
    }

    #[test]
    fn a_new_session_may_be_tried_at_once() {
        let now = Instant::now();
        let (mut breaker, _) = opened(now);
        breaker.renewed(now);
        assert_eq!(word(&breaker.ask(|| now)), "trial");
        assert_eq!(word(&breaker.ask(|| now)), "fail");
    }

    #[test]
    fn who_is_asked_to_wait_waits_for_the_longest() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for seconds in [3, 1] {
            let later = Outcome::Later(error(&format!("{seconds}")), seconds * SECOND);
            breaker.note(Pass::Plain, later, || now);
        }
        let Verdict::Wait(until, error) = breaker.ask(|| now) else { panic!("it is asked") };
        assert_eq!((until - now, &*error.detail), (3 * SECOND, "3"));
        assert_eq!(word(&breaker.ask(|| until)), "pass");
    }
}
