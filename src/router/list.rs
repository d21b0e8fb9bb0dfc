//! The five lists: one copy of prepared bytes.

use tokio::time::Instant;

use crate::catalog::Kind;
use crate::exchange::Exchange;
use crate::router::Error;
use crate::router::Router;
use crate::wire::Raw;
use crate::wire::freshness::Freshness;
use crate::wire::method;
use crate::wire::object;

impl Router {
    pub(super) async fn list(
        &self,
        method: &str,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
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
        let (kind, key) = match method {
            method::TOOLS_LIST => (Kind::Tools, "tools"),
            method::PROMPTS_LIST => (Kind::Prompts, "prompts"),
            method::RESOURCES_LIST => (Kind::Resources, "resources"),
            method::SKILLS_LIST => (Kind::Skills, "skills"),
            _ => (Kind::Templates, "resourceTemplates"),
        };
        let snapshot = self.snapshot();
        let list = snapshot.catalog.list(kind).get();
        let lasting = snapshot.lasting.get(&kind).map(|lasting| lasting.at(Instant::now()));
        let Some(freshness) = lasting.filter(|left| *left != Freshness::default()) else {
            return Ok(object::build([(key, list)]));
        };
        // In front, where who takes them out again need not look for them.
        let [ttl, scope] = freshness.members();
        Ok(object::build([(ttl.0, ttl.1.as_str()), (scope.0, &scope.1), (key, list)]))
    }
}
