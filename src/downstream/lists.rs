//! The lists as each era knows them: written once in each generation, then sent as they are.

use crate::downstream::content;
use crate::downstream::greeting;
use crate::exchange::Exchange;
use crate::router;
use crate::router::List;
use crate::router::Router;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::meta;
use crate::wire::object;

/// Carries out one request. A list is in the words of its caller already.
pub(super) async fn request(
    router: &Router,
    method: &str,
    params: Option<&Raw>,
    exchange: &Exchange,
) -> Result<Raw, router::Error> {
    let Some(kind) = router::listed(method) else {
        return router.request(method, params, exchange).await;
    };
    let list = router.list(kind, params, exchange).await?;
    Ok(match exchange.capabilities().revision().era() {
        Era::Legacy => legacy(&list),
        Era::Modern => modern(&list),
    })
}

/// The result for clients of older revisions; it is the list itself where they can read all of it.
pub(super) fn legacy(list: &List) -> Raw {
    list.form("legacy", "", || content::object_schemas(list.result().clone()))
}

/// The result for clients of 2026-07-28.
pub(super) fn modern(list: &List) -> Raw {
    let [(ttl, millis), (scope, whose)] = list.freshness().members();
    list.form("modern", &format!("{millis} {whose}"), || {
        let server = object::build([(meta::SERVER_INFO, greeting::server_info().get())]);
        object::build([
            (ttl, millis.as_str()),
            (scope, &whose),
            (list.kind().member(), list.items().get()),
            ("resultType", "\"complete\""),
            ("_meta", server.get()),
        ])
    })
}
