//! An open connection together with what was agreed on it: one upstream, ready to be asked.

use std::time::Duration;

use crate::exchange::Exchange;
use crate::upstream::agreed::Agreed;
use crate::upstream::connection::Connection;
use crate::upstream::converse::Sending;
use crate::upstream::converse::Whom;
use crate::upstream::converse::converse;
use crate::upstream::error::Executed;
use crate::upstream::error::Fault;
use crate::upstream::error::Kind;
use crate::upstream::legacy;
use crate::upstream::modern;
use crate::upstream::pages::Pages;
use crate::upstream::pages::Problem;
use crate::upstream::told::Told;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::era::Era;
use crate::wire::freshness::Freshness;
use crate::wire::method;

/// One upstream, ready to be asked.
#[derive(Debug)]
pub(super) struct Session {
    /// How it is reached.
    pub(super) connection: Connection,
    /// What it said about itself.
    pub(super) agreed: Agreed,
    /// What it agreed to tell of.
    pub(super) told: Told,
    /// The id of its process, if it has one.
    pub(super) process: Option<u32>,
}

impl Session {
    /// Makes a session of which nothing was asked yet.
    pub(super) fn new(connection: Connection, agreed: Agreed) -> Self {
        Self { connection, agreed, told: Told::default(), process: None }
    }

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
    ) -> Result<Raw, Fault> {
        if self.era() == Era::Legacy {
            return legacy::request(&self.connection, method, params, exchange).await;
        }
        let ask = || modern::request(&self.connection, method, params, exchange);
        let is_mirrored = method == method::TOOLS_CALL && self.connection.mirrors().is_some();
        match ask().await {
            // What the tool wants in headers has changed since it was listed.
            Err(Fault::Answered(error)) if is_mirrored && is_header_mismatch(&error) => {
                let again = async {
                    let limit = exchange.deadline().limits().call;
                    self.list(method::TOOLS_LIST, "tools", limit).await?;
                    ask().await.map_err(|fault| self.not_mirrored(fault))
                };
                Box::pin(again).await
            }
            outcome => outcome,
        }
    }

    /// The headers are Conflux's own, so whoever called can do nothing about them.
    fn not_mirrored(&self, fault: Fault) -> Fault {
        let error = match fault {
            Fault::Answered(error) if is_header_mismatch(&error) => error,
            fault => return fault,
        };
        let message = error.member("message").and_then(|message| message.string());
        let detail = format!("it refuses its own headers: {}", message.unwrap_or_default());
        self.connection.error(Kind::BadAnswer, &detail, Executed::No).into()
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
        let sending = Sending { method, whom: Whom::Conflux(limit) };
        converse(&self.connection, sending, |_| params).await
    }

    /// Lists everything `method` has to offer under `key`, all pages, and says how long that may be
    /// kept.
    ///
    /// A cursor that comes twice, or a list without end, fails.
    pub(super) async fn list(
        &self,
        method: &str,
        key: &str,
        limit: Duration,
    ) -> Result<(Vec<Raw>, Freshness), Fault> {
        let mut pages = Pages::new(key);
        let mut freshness: Option<Freshness> = None;
        let mut params = None;
        loop {
            let result = self.ask(method, params.as_ref(), limit).await?;
            let hints = Freshness::of(&result);
            freshness = Some(freshness.map_or(hints, |before| before.and(hints)));
            match pages.take(&result) {
                Ok(None) => break,
                Ok(next) => params = next,
                Err(problem) => return Err(self.bad_list(method, &problem)),
            }
        }
        let items = pages.into_items();
        if let Some(mirrors) = self.connection.mirrors()
            && method == method::TOOLS_LIST
        {
            mirrors.learn(&items);
        }
        Ok((items, freshness.unwrap_or_default()))
    }

    fn bad_list(&self, method: &str, problem: &Problem) -> Fault {
        let detail = format!("`{method}` {problem}");
        self.connection.error(Kind::BadAnswer, &detail, Executed::No).into()
    }
}

fn is_header_mismatch(error: &Raw) -> bool {
    error.member("code").is_some_and(|code| code.get() == code::HEADER_MISMATCH.to_string())
}
