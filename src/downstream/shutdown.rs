//! How a front end is told to end: in order, and if that takes too long, at once.

use std::time::Duration;

use tokio::select;
use tokio::time;
use tokio_util::sync::CancellationToken;

/// What whoever ends a front end holds one end of, and the front end the other; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    begun: CancellationToken,
    hurried: CancellationToken,
}

impl Shutdown {
    /// Ends the front end in order: what is under way may finish within its limits.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Ends it at once: what is under way is cancelled and answered.
    pub fn hurry(&self) {
        self.begun.cancel();
        self.hurried.cancel();
    }

    /// Waits until the front end is to end.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Returns whether the front end is to end.
    #[cfg(test)]
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Waits as long as what is under way may go on, at most for `limit`.
    pub(super) async fn patience(self, limit: Duration) {
        select! {
            () = self.hurried.cancelled() => {}
            () = time::sleep(limit) => {}
        }
    }
}
