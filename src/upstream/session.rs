//! An open connection together with what was agreed on it: one upstream, ready to be asked.

use std::time::Duration;

use crate::exchange::Exchange;
use crate::upstream::Error;
use crate::upstream::Fault;
use crate::upstream::connection::Connection;
use crate::upstream::converse::Sending;
use crate::upstream::converse::converse;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::legacy;
use crate::upstream::modern;
use crate::upstream::negotiate::Agreed;
use crate::upstream::pages::Pages;
use crate::upstream::pages::Problem;
use crate::wire::Raw;
use crate::wire::era::Era;

/// One upstream, ready to be asked.
#[derive(Debug)]
pub(super) struct Session {
    /// How it is reached.
    pub(super) connection: Connection,
    /// What it said about itself.
    pub(super) agreed: Agreed,
}

impl Session {
    /// Returns which era it speaks.
    pub(super) fn era(&self) -> Era {
        self.agreed.revision.era()
    }

    /// Carries out one request of a caller.
    pub(super) async fn request(
        &self,
        method: &str,
        params: Option<&Raw>,
        exchange: &Exchange,
        limit: Duration,
    ) -> Result<Raw, Fault> {
        match self.era() {
            Era::Legacy => legacy::request(&self.connection, method, params, exchange, limit).await,
            Era::Modern => modern::request(&self.connection, method, params, exchange, limit).await,
        }
    }

    /// Asks something that Conflux itself wants to know.
    pub(super) async fn ask(
        &self,
        method: &str,
        params: Option<&Raw>,
        limit: Duration,
    ) -> Result<Raw, Fault> {
        let params = match self.era() {
            Era::Legacy => params.cloned(),
            Era::Modern => modern::with_meta(params, None),
        };
        let sending = Sending { method, exchange: None, limit };
        converse(&self.connection, sending, |_| params).await
    }

    /// Lists everything `method` has to offer under `key`, all pages.
    ///
    /// A cursor that comes twice, or a list without end, fails.
    pub(super) async fn list(
        &self,
        method: &str,
        key: &str,
        limit: Duration,
    ) -> Result<Vec<Raw>, Fault> {
        let mut pages = Pages::new(key);
        let mut params = None;
        loop {
            let result = self.ask(method, params.as_ref(), limit).await?;
            match pages.take(&result) {
                Ok(None) => return Ok(pages.into_items()),
                Ok(next) => params = next,
                Err(problem) => return Err(self.bad_list(method, &problem)),
            }
        }
    }

    fn bad_list(&self, method: &str, problem: &Problem) -> Fault {
        let detail = format!("`{method}` {problem}");
        Error::new(self.connection.upstream(), Kind::BadAnswer, &detail, Executed::No).into()
    }
}
