//! What turns out to mean nothing in the policy, once upstreams have listed what they have.
//!
//! It is said, and that is all: the policy holds as it is, and allows nothing more for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::config::problem::Problem;
use crate::policy::Policy;
use crate::router::Router;

/// How long news are collected before they are looked at: upstreams list one after the other.
const COLLECTED: Duration = Duration::from_millis(500);

/// Compares the policy with what there is whenever that is something else, until everything stops.
pub(super) async fn watch(router: Arc<Router>, stop: CancellationToken) {
    let mut published = router.published();
    let mut known: Option<(Option<Arc<Policy>>, Arc<Catalog>)> = None;
    loop {
        let now = (router.policy(), router.catalog());
        let is_known = known.as_ref().is_some_and(|(policy, catalog)| {
            is_same(policy.as_ref(), now.0.as_ref()) && Arc::ptr_eq(catalog, &now.1)
        });
        if !is_known {
            known = Some(now);
            look(&router).await;
        }
        let news = async {
            let changed = published.changed().await;
            time::sleep(COLLECTED).await;
            changed
        };
        match stop.run_until_cancelled(news).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
    }
}

fn is_same(one: Option<&Arc<Policy>>, other: Option<&Arc<Policy>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

/// Looks at the policy where that holds nobody up: there may be thousands of tools.
async fn look(router: &Arc<Router>) {
    let looking = Arc::clone(router);
    let Ok(problems) = task::spawn_blocking(move || looking.policy_problems()).await else {
        return;
    };
    let instance = router.instance();
    let said: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let known = instance.doubts();
    let news = problems.iter().zip(&said).filter(|(_, said)| !known.contains(said));
    for (problem, _) in news {
        let hint = problem.hint.as_deref();
        tracing::warn!(hint, "a rule means nothing: {}", problem.without_hint());
    }
    instance.doubt(said);
}
