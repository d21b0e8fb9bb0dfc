//! The data plane: looks a name up, and sends the request to the upstream that owns it.

/// Why a request has no result.
pub mod error;

pub use self::error::Error;

use crate::exchange::Exchange;
use crate::wire::Raw;

/// Sends each request to the upstream that owns what it names.
#[derive(Debug)]
pub struct Router {}

impl Router {
    /// Carries out one request and returns its raw result.
    pub async fn request(
        &self,
        method: &str,
        _params: Option<&Raw>,
        _exchange: &Exchange,
    ) -> Result<Raw, Error> {
        Err(Error::UnknownMethod(method.to_owned()))
    }

    /// Returns what the upstreams known so far tell a model about themselves, merged and bounded.
    pub fn instructions(&self) -> Option<String> {
        None
    }
}
