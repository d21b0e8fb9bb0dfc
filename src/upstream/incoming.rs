//! What comes from an upstream, and whom it is meant for.

use std::sync::Arc;

use crate::exchange::Exchange;
use crate::exchange::caller::Caller;
use crate::upstream::error::Error;
use crate::wire::Raw;

/// How many bytes may wait for one call, if each thing that waits is as large as the last; one may
/// have more.
const CALL_BYTES: usize = 1 << 20;

/// What comes back for a request.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Parameters of a progress notification.
    Progress(Raw),
    /// Parameters of a log message.
    Log(Raw),
    /// Any other notification: its method and its parameters.
    Other(String, Option<Raw>),
    /// The subscription it asked for stands, as far as these parameters grant it.
    Acknowledged(Raw),
    /// The result, or the `error` object. Nothing follows.
    Answer(Result<Raw, Raw>),
    /// An answer over the message limit. Nothing follows.
    TooLarge,
    /// What came in place of an answer. Nothing follows.
    Failed(Error),
    /// The connection ended, or the upstream ended this subscription. Nothing follows.
    Closed,
}

impl Incoming {
    /// Returns how many bytes it holds; those of an answer do not count.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Progress(params) | Self::Log(params) | Self::Acknowledged(params) => {
                params.get().len()
            }
            Self::Other(method, params) => {
                method.len() + params.as_ref().map_or(0, |params| params.get().len())
            }
            Self::Answer(_) | Self::TooLarge | Self::Failed(_) | Self::Closed => 0,
        }
    }
}

/// Returns whether something of this `size` has room behind those that wait in the queue of a call:
/// the larger it is, the fewer may wait before it.
pub(super) fn fits(size: usize) -> impl Fn(usize) -> bool {
    move |waiting| waiting.saturating_mul(size) <= CALL_BYTES
}

/// Whom a message that names nobody is meant for.
#[derive(Debug)]
pub(super) enum Meant {
    /// The caller of this request.
    Call {
        /// The request.
        number: u64,
        /// Its exchange.
        exchange: Exchange,
    },
    /// The only caller there is, outside of any request.
    Caller(Arc<Caller>),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time;

    use super::CALL_BYTES;
    use super::Incoming;
    use super::fits;
    use crate::exchange::queue;
    use crate::wire::Raw;

    /// How many of a size fit into the queue of a call of which nobody reads.
    async fn fitting(size: usize) -> usize {
        let (events, _queue) = queue::channel(255);
        let mut count = 0;
        loop {
            let news = Incoming::Log(Raw::of(&"x".repeat(size - 2)));
            let sending = events.send(news, fits(size));
            if time::timeout(Duration::from_millis(100), sending).await.is_err() {
                return count;
            }
            count += 1;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_larger_news_are_the_fewer_wait() {
        assert_eq!(fitting(100).await, 255);
        assert_eq!(fitting(CALL_BYTES / 16).await, 17);
        assert_eq!(fitting(CALL_BYTES).await, 2);
        assert_eq!(fitting(CALL_BYTES * 2).await, 1);
    }
}
