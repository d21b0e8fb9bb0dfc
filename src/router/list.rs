//! The five lists, each of them on one page.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::catalog::Kind;
use crate::catalog::Prepared;
use crate::exchange::Exchange;
use crate::router::Error;
use crate::router::Router;
use crate::router::calls::Ending;
use crate::wire::Raw;
use crate::wire::freshness::Freshness;
use crate::wire::method;

/// One list as it was when it was asked for; its text is shared by all who ask in one generation.
#[derive(Debug)]
pub struct List {
    prepared: Arc<Prepared>,
    kind: Kind,
    freshness: Freshness,
}

/// Returns what a request with this method lists, if it lists something.
pub fn listed(method: &str) -> Option<Kind> {
    Some(match method {
        method::TOOLS_LIST => Kind::Tools,
        method::PROMPTS_LIST => Kind::Prompts,
        method::RESOURCES_LIST => Kind::Resources,
        method::TEMPLATES_LIST => Kind::Templates,
        method::SKILLS_LIST => Kind::Skills,
        _ => return None,
    })
}

fn method_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Tools => method::TOOLS_LIST,
        Kind::Prompts => method::PROMPTS_LIST,
        Kind::Resources => method::RESOURCES_LIST,
        Kind::Templates => method::TEMPLATES_LIST,
        Kind::Skills => method::SKILLS_LIST,
    }
}

impl List {
    /// A list of one kind, of which `left` says how long it is fresh from now on.
    pub fn new(prepared: Arc<Prepared>, kind: Kind, left: Freshness) -> Self {
        // Of whole seconds, so that whoever asks within one is told the same.
        let seconds = Duration::from_secs(left.ttl.as_secs());
        let ttl = if seconds.is_zero() { left.ttl } else { seconds };
        Self { prepared, kind, freshness: Freshness { ttl, ..left } }
    }

    /// Returns what is listed.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns a result that holds the list and nothing else.
    pub fn result(&self) -> &Raw {
        self.prepared.result()
    }

    /// Returns the list itself, an array.
    pub fn items(&self) -> &Raw {
        self.prepared.list()
    }

    /// Returns how long the list may be kept, and for whom.
    pub fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// Returns the result in another form, made by `make` when it is first wanted and shared from
    /// then on. Of each `name` there is one; if it was made on other `terms`, it is made anew.
    pub fn form(&self, name: &'static str, terms: &str, make: impl FnOnce() -> Raw) -> Raw {
        self.prepared.form(name, terms, make)
    }
}

impl Router {
    /// Lists everything of one kind, once there is nobody to wait for.
    ///
    /// # Errors
    ///
    /// If `params` name a cursor, as there is none, and if the request is cancelled.
    pub async fn list(
        &self,
        kind: Kind,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<List, Error> {
        let ending = Ending::of(self, method_of(kind), params, exchange);
        let outcome = self.listing(kind, params, exchange).await;
        ending.listed(&outcome);
        outcome
    }

    async fn listing(
        &self,
        kind: Kind,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<List, Error> {
        let cursor = params.and_then(|params| params.member("cursor"));
        if let Some(cursor) = cursor.filter(|cursor| cursor.get() != "null") {
            // Everything is on one page, so no cursor was ever handed out.
            let problem = format!("`{}` is no cursor of this list", cursor.get());
            return Err(Error::InvalidParams(problem));
        }
        tokio::select! {
            () = self.settled() => {}
            () = exchange.cancelled().cancelled() => return Err(Error::Cancelled),
        }
        let snapshot = self.snapshot();
        let left = snapshot.lasting.get(&kind).map(|lasting| lasting.at(Instant::now()));
        let client = exchange.capabilities().client_name();
        let seen = snapshot.seen_by(exchange).await?;
        let prepared = snapshot.list_for(kind, client, seen.as_deref());
        let mut left = left.unwrap_or_default();
        // What depends on who asks is nothing to show to others.
        left.is_public &= snapshot.is_for_everybody(kind, &prepared)
            && !self.shared.world.load().distinguishes_clients();
        Ok(List::new(prepared, kind, left))
    }
}
