//! The data plane: looks a name up, and sends the request to the upstream that owns it.

/// Why a request has no result.
pub mod error;

pub use self::error::Error;

use std::sync::Arc;

use crate::exchange::Exchange;
use crate::exchange::caller::Caller;
use crate::wire::Raw;

/// Sends each request to the upstream that owns what it names.
#[derive(Debug)]
pub struct Router {}

#[expect(clippy::unused_self, reason = "there is no catalog yet")]
impl Router {
    /// Carries out one request and returns its raw result.
    pub async fn request(
        &self,
        method: &str,
        _params: Option<&Raw>,
        _exchange: &Exchange,
    ) -> Result<Raw, Error> {
        std::future::ready(()).await;
        Err(Error::UnknownMethod(method.to_owned()))
    }

    /// Returns what the upstreams known so far tell a model about themselves, merged and bounded.
    pub fn instructions(&self) -> Option<String> {
        None
    }

    /// Lets the upstreams know that a caller's directories changed.
    pub fn roots_changed(&self, _caller: &Arc<Caller>) {}
}
