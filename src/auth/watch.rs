//! The tokens that were made here, as they are now: who makes or revokes one does so in another
//! process.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::task;
use tokio::time;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::auth::Credential;
use crate::auth::Source;
use crate::auth::store;
use crate::auth::store::Store;
use crate::auth::store::Tokens;

/// How often it is looked whether there are others. A token that was revoked is good for so long.
const LOOKED: Duration = Duration::from_millis(500);
/// The longest wait for the end of a token at once; clocks on walls are set now and then.
const LONGEST: Duration = Duration::from_mins(1);

/// The tokens that were made here.
#[derive(Debug)]
pub(super) struct Watched {
    store: Store,
    tokens: watch::Sender<Arc<Tokens>>,
}

impl Watched {
    /// Reads them once. If they cannot be read, there are none.
    pub(super) fn new(store: Store) -> Self {
        let tokens = store.load().inspect_err(complain).unwrap_or_default();
        Self { store, tokens: watch::Sender::new(Arc::new(tokens)) }
    }

    /// Returns them as they were a moment ago.
    pub(super) fn load(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens.borrow())
    }

    /// Follows them until `stop`.
    pub(super) async fn follow(&self, stop: CancellationToken) {
        stop.run_until_cancelled_owned(self.look()).await;
    }

    async fn look(&self) {
        let mut looks = time::interval(LOOKED);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = None;
        let mut has_failed = false;
        loop {
            looks.tick().await;
            let store = self.store.clone();
            let look = move || {
                let stamp = store.stamp();
                (known != Some(stamp)).then(|| (stamp, store.load()))
            };
            // A disk that hangs holds up nobody but this.
            let Ok(Some((stamp, loaded))) = task::spawn_blocking(look).await else { continue };
            match loaded {
                Ok(tokens) => {
                    (known, has_failed) = (Some(stamp), false);
                    self.tokens.send_replace(Arc::new(tokens));
                }
                // It is tried again: one of those that count may be revoked in what cannot be
                // read now.
                Err(error) => {
                    if !has_failed {
                        complain(&error);
                    }
                    has_failed = true;
                }
            }
        }
    }

    /// Waits until a token is no longer good.
    pub(super) async fn ended(&self, credential: &Credential) {
        let mut tokens = self.tokens.subscribe();
        loop {
            let now = SystemTime::now();
            let is_revoked = match &credential.source {
                Source::Own(id) => !tokens.borrow_and_update().is_good(id, now),
                Source::Issuer(_) => false,
            };
            if is_revoked || credential.is_over(now) {
                return;
            }
            let left = credential.until.and_then(|until| until.duration_since(now).ok());
            let wait = left.unwrap_or(LONGEST).min(LONGEST);
            // If it is gone, nobody serves anybody any more.
            drop(time::timeout(wait, tokens.changed()).await);
        }
    }
}

/// Says that tokens cannot be read.
fn complain(error: &store::Error) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, cause, "tokens cannot be read, so those of before count");
}
