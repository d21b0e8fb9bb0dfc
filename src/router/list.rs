//! The four lists: one copy of prepared bytes.

use crate::catalog::Kind;
use crate::exchange::Exchange;
use crate::router::Error;
use crate::router::Router;
use crate::wire::Raw;
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
            _ => (Kind::Templates, "resourceTemplates"),
        };
        let snapshot = self.snapshot();
        Ok(object::build([(key, snapshot.catalog.list(kind).get())]))
    }
}
