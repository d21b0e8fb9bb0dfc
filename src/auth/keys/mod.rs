//! The keys with which a provider signs: had when they are needed, kept, and had again before they
//! are old.
//!
//! One task asks for them, whoever wants them: nobody who goes away takes an answer from others,
//! and whoever has keys does not wait, unless nobody asked for long. While the provider cannot be
//! reached, those that were had last stay good for a while.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use jsonwebtoken::DecodingKey;
use tokio::sync::watch;
use tokio::time;
use tokio::time::Instant;

use crate::auth::discovery;
use crate::auth::fetch;
use crate::auth::jwks::Set;

/// How old keys may be before it is asked whether there are others.
const FRESH: Duration = Duration::from_mins(10);
/// How long nobody need have asked until keys are not taken on trust any more: as nobody came
/// meanwhile, nobody noticed that one was taken back, and whoever has that comes first.
const STALE: Duration = Duration::from_mins(20);
/// How long nobody asks again after there were no others: a token that names a key that there is
/// not costs the provider next to nothing.
const PAUSE: Duration = Duration::from_secs(10);
/// How long nobody asks again after none came. Whoever is refused is told to come back after that.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long whoever needs another key waits after others came, so that it costs little, too, if a
/// provider never writes the same twice.
const PAUSE_AFTER_CHANGE: Duration = Duration::from_secs(1);
/// How long the provider may take, metadata included.
const LIMIT: Duration = Duration::from_secs(5);
/// How long somebody waits who needs keys; longer than it takes to ask for them.
const PATIENCE: Duration = Duration::from_secs(7);

/// Why there is no key.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Error {
    /// It is not known where they are.
    #[error(transparent)]
    Discovery(#[from] discovery::Error),
    /// They cannot be had.
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    /// They do not come.
    #[error("it does not answer within {} seconds", LIMIT.as_secs())]
    Slow,
}

/// The keys of one provider; cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Keys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: watch::Sender<State>,
    /// How often they must have been asked for until everybody is content.
    wanted: watch::Sender<u64>,
}

/// What is known of the keys.
#[derive(Clone, Debug, Default)]
struct State {
    /// The last that came, and when.
    had: Option<(Arc<Set>, Instant)>,
    /// How often they were asked for.
    times: u64,
    /// When something came of that the last time.
    asked: Option<Instant>,
    /// Until when nobody asks again.
    pause: Option<Instant>,
    /// Whether they are what they were when they were asked for before.
    is_same: bool,
    /// Why none came the last time, if none did.
    failure: Option<Error>,
}

impl Keys {
    /// Knows none yet.
    pub(super) fn new() -> Self {
        let state = watch::Sender::new(State::default());
        Self(Arc::new(Shared { state, wanted: watch::Sender::new(0) }))
    }

    /// Asks for them whenever somebody wants them, for as long as this is polled.
    pub(super) async fn keep<A>(&self, ask: impl Fn() -> A)
    where
        A: Future<Output = Result<Set, Error>>,
    {
        let mut wanted = self.0.wanted.subscribe();
        loop {
            let is_due = |times: &u64| *times > self.0.state.borrow().times;
            if wanted.wait_for(is_due).await.is_err() {
                return;
            }
            let asked = time::timeout(LIMIT, ask()).await.unwrap_or(Err(Error::Slow));
            self.0.state.send_modify(|state| state.note(asked));
        }
    }

    /// Returns the keys with which a token can have been signed that names this one, or none; those
    /// that were had last are good for `outage`. Takes no longer than [`PATIENCE`].
    ///
    /// # Errors
    ///
    /// If none fit, and it cannot be known whether there are others.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        outage: Duration,
    ) -> Result<Vec<DecodingKey>, Error> {
        let mut states = self.0.state.subscribe();
        let times = states.borrow().times;
        let find = async {
            loop {
                let state = states.borrow_and_update().clone();
                let known = state.good(outage).map(|set| set.fitting(id, algorithm));
                let known = known.unwrap_or_default();
                let pause = state.pause.filter(|until| Instant::now() < *until);
                if !known.is_empty() {
                    if !state.is_fresh() && pause.is_none() {
                        self.0.want(state.times + 1);
                    }
                    if state.times > times || !state.is_stale() {
                        return Ok(known);
                    }
                    // Whatever comes of it, it is known then. The sender is here.
                    drop(states.changed().await);
                    continue;
                }
                let is_in_vain = state.is_same || state.failure.is_some();
                if state.times > times || (is_in_vain && pause.is_some()) {
                    return state.failure.map_or(Ok(known), Err);
                }
                if let Some(until) = pause {
                    time::sleep_until(until).await;
                }
                self.0.want(times + 1);
                // The sender is here.
                drop(states.changed().await);
            }
        };
        time::timeout(PATIENCE, find).await.unwrap_or(Err(Error::Slow))
    }
}

impl Shared {
    fn want(&self, times: u64) {
        self.wanted.send_if_modified(|wanted| {
            let is_more = times > *wanted;
            *wanted = times.max(*wanted);
            is_more
        });
    }
}

impl State {
    fn note(&mut self, asked: Result<Set, Error>) {
        let now = Instant::now();
        self.times += 1;
        self.asked = Some(now);
        match asked {
            Ok(set) => {
                tracing::debug!(keys = set.len(), "the keys of a provider are known");
                let before = self.had.take();
                self.is_same = before.is_some_and(|(before, _)| before.is_like(&set));
                self.had = Some((Arc::new(set), now));
                self.pause = Some(now + if self.is_same { PAUSE } else { PAUSE_AFTER_CHANGE });
                self.failure = None;
            }
            Err(error) => {
                if self.failure.is_none() {
                    tracing::warn!(%error, "the keys of a provider cannot be had");
                }
                self.pause = Some(now + PAUSE_AFTER_FAILURE);
                self.failure = Some(error);
            }
        }
    }

    /// Returns the keys that are good.
    fn good(&self, outage: Duration) -> Option<&Set> {
        let (set, when) = self.had.as_ref()?;
        (when.elapsed() < outage.max(FRESH)).then_some(&**set)
    }

    fn is_stale(&self) -> bool {
        self.asked.is_some_and(|when| when.elapsed() >= STALE)
    }

    fn is_fresh(&self) -> bool {
        self.had.as_ref().is_some_and(|(_, when)| when.elapsed() < FRESH)
    }
}

#[cfg(test)]
mod tests;
