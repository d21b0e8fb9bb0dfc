//! What comes from an upstream, and whom it is meant for.

use std::sync::Arc;

use crate::exchange::Exchange;
use crate::exchange::caller::Caller;
use crate::upstream::Error;
use crate::wire::Raw;

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
