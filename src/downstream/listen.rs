//! Subscriptions of a modern client: `subscriptions/listen` requests that stay open.

use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;

use serde::Serialize;
use tokio::select;
use tokio::task::JoinSet;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::downstream::call::Reply;
use crate::downstream::filter::Filter;
use crate::downstream::filter::Resource;
use crate::downstream::fit;
use crate::downstream::flights::Flight;
use crate::downstream::flights::Share;
use crate::downstream::outbox::Kind;
use crate::downstream::outbox::Outbox;
use crate::downstream::watches::Watches;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::caller::Caller;
use crate::exchange::mailbox::ListKind;
use crate::router::Router;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::Written;
use crate::wire::frame;
use crate::wire::meta;
use crate::wire::method;

/// How long upstreams may take to accept subscriptions before they are left out.
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(10);
/// How long upstreams may take to end them.
const UNSUBSCRIBE_LIMIT: Duration = Duration::from_millis(500);

/// The subscriptions of one client.
#[derive(Debug, Default)]
pub(super) struct Listens {
    open: Mutex<Vec<Arc<Listen>>>,
    watches: Watches,
}

/// What one `subscriptions/listen` needs while it is open.
#[derive(Debug)]
pub(super) struct Opening {
    /// Its place among the requests under way.
    pub(super) flight: Flight,
    /// Its part of the client's share.
    pub(super) share: Share,
    /// Where its result goes, and everything else.
    pub(super) reply: Reply,
    /// Who listens.
    pub(super) caller: Arc<Caller>,
    /// What is wanted.
    pub(super) filter: Filter,
    /// Ends it: by the client, or because Conflux stops.
    pub(super) cancel: CancellationToken,
    /// Whether its end has to be said, because other messages follow.
    pub(super) says_end: bool,
}

#[derive(Debug)]
struct Listen {
    id: Id,
    outbox: Outbox,
    requested: Filter,
    /// What the acknowledgement says; known once the upstreams have been asked.
    accepted: OnceLock<Filter>,
    held: Mutex<Held>,
}

/// What happened before the acknowledgement was out, which must be the first message.
#[derive(Debug)]
enum Held {
    Until(Vec<News>),
    NoLonger,
}

/// Something that happened, with the address of the resource it happened to.
#[derive(Debug, PartialEq, Eq)]
struct News {
    address: Option<String>,
    frame: Written,
}

impl Listens {
    /// Tells every subscription that wants to know that a list changed.
    pub(super) async fn list_changed(&self, kind: ListKind, method: &str) {
        for listen in self.matching(|filter| filter.wants_list(kind)) {
            listen.send(method, None, None).await;
        }
    }

    /// Tells every subscription that wants to know that the resource `uri`, a string, changed.
    pub(super) async fn updated(&self, uri: &Raw) {
        let Some(address) = uri.string() else { return };
        let mut listens = self.matching(|filter| filter.names(&address));
        if listens.is_empty() {
            // It lies below a resource somebody subscribed to.
            listens = self.matching(|filter| filter.covers(&address));
        }
        let params = updated_params(uri);
        for listen in listens {
            listen.send(method::RESOURCE_UPDATED, Some(&params), Some(&address)).await;
        }
    }

    /// Tells every subscription that wants to know how a task is.
    pub(super) async fn task(&self, id: &str, params: &Raw) {
        for listen in self.matching(|filter| filter.names_task(id)) {
            listen.send(method::TASK_NEWS, Some(params), None).await;
        }
    }

    /// Opens a subscription and serves it until it ends.
    pub(super) async fn serve(self: Arc<Self>, router: Arc<Router>, opening: Opening) {
        let Opening { flight, share, reply, caller, filter, cancel, says_end } = opening;
        let outbox = reply.outbox().clone();
        let id = Id::parse(flight.id().raw().detached()).expect("it was an id before");
        let listen = Arc::new(Listen {
            id: id.clone(),
            outbox: outbox.clone(),
            requested: filter.clone(),
            accepted: OnceLock::new(),
            held: Mutex::new(Held::Until(Vec::new())),
        });
        self.lock().push(Arc::clone(&listen));
        let watched = self.watch(&router, &caller, &filter.resources, &cancel).await;
        let tasks = watch_tasks(&router, &caller, &filter.tasks, &cancel).await;
        let accepted = filter.with(watched, tasks);
        listen.acknowledge(accepted.clone()).await;
        cancel.cancelled().await;
        self.lock().retain(|other| !Arc::ptr_eq(other, &listen));
        let is_ours_to_end = flight.land();
        if is_ours_to_end {
            if says_end {
                outbox.tell(Kind::Word, method::CANCELLED, Some(&torn_down(&id))).await;
            }
            let result = fit::signed(Raw::of(&Ended { result_type: "complete" }));
            let result = listen.marked(Some(&result));
            reply.answer(&id, &Ok(result)).send().await;
        }
        for task in &accepted.tasks {
            router.unwatch_task(&caller, &task.address);
        }
        self.unwatch(&router, &caller, accepted.resources).await;
        drop(share);
    }

    /// Subscribes to each resource, side by side; returns those that were accepted in time.
    async fn watch(
        self: &Arc<Self>,
        router: &Arc<Router>,
        caller: &Arc<Caller>,
        resources: &[Resource],
        cancel: &CancellationToken,
    ) -> Vec<Resource> {
        let mut tasks = JoinSet::new();
        for (index, resource) in resources.iter().cloned().enumerate() {
            let (listens, router, caller) =
                (Arc::clone(self), Arc::clone(router), Arc::clone(caller));
            tasks.spawn(async move {
                let subscribe = ask(&router, method::RESOURCES_SUBSCRIBE, &resource, &caller);
                let accepted = listens.watches.add(&resource.address, subscribe).await;
                accepted.then_some((index, resource))
            });
        }
        let mut enough = pin!(time::timeout(SUBSCRIBE_LIMIT, cancel.cancelled()));
        let mut is_enough = false;
        let mut accepted = Vec::with_capacity(resources.len());
        loop {
            select! {
                biased;
                next = tasks.join_next() => match next {
                    Some(next) => accepted.extend(next.ok().flatten()),
                    None => break,
                },
                // What has not ended by then counts as refused.
                _ = &mut enough, if !is_enough => {
                    is_enough = true;
                    tasks.abort_all();
                }
            }
        }
        accepted.sort_by_key(|(index, _)| *index);
        accepted.into_iter().map(|(_, resource)| resource).collect()
    }

    async fn unwatch(
        self: &Arc<Self>,
        router: &Arc<Router>,
        caller: &Arc<Caller>,
        resources: Vec<Resource>,
    ) {
        let mut tasks = JoinSet::new();
        for resource in resources {
            let (listens, router, caller) =
                (Arc::clone(self), Arc::clone(router), Arc::clone(caller));
            tasks.spawn(async move {
                let unsubscribe = ask(&router, method::RESOURCES_UNSUBSCRIBE, &resource, &caller);
                listens.watches.remove(&resource.address, unsubscribe).await;
            });
        }
        let all = async { while tasks.join_next().await.is_some() {} };
        if time::timeout(UNSUBSCRIBE_LIMIT, all).await.is_err() {
            tracing::debug!("an upstream did not end a subscription in time");
        }
    }

    fn matching(&self, wants: impl Fn(&Filter) -> bool) -> Vec<Arc<Listen>> {
        self.lock().iter().filter(|listen| wants(listen.filter())).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Listen>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listen {
    fn filter(&self) -> &Filter {
        self.accepted.get().unwrap_or(&self.requested)
    }

    async fn send(&self, method: &str, params: Option<&Raw>, address: Option<&str>) {
        let frame = frame::notification(method, Some(&self.marked(params)));
        if let Held::Until(waiting) = &mut *self.held() {
            // The same news twice is no news.
            let news = News { address: address.map(str::to_owned), frame };
            if !waiting.contains(&news) {
                waiting.push(news);
            }
            return;
        }
        let _is_read = self.outbox.push(Kind::Word, frame).await;
    }

    /// Sends the acknowledgement, and then what happened in the meantime.
    async fn acknowledge(&self, accepted: Filter) {
        #[derive(Serialize)]
        struct Acknowledged<'a> {
            notifications: &'a Filter,
        }
        let accepted = self.accepted.get_or_init(|| accepted);
        let params = self.marked(Some(&Raw::of(&Acknowledged { notifications: accepted })));
        self.outbox.tell(Kind::Word, method::ACKNOWLEDGED, Some(&params)).await;
        loop {
            let held = self.release();
            if held.is_empty() {
                return;
            }
            for News { address, frame } in held {
                // Of what an upstream refused, nothing is told.
                if address.is_none_or(|address| accepted.covers(&address)) {
                    let _is_read = self.outbox.push(Kind::Word, frame).await;
                }
            }
        }
    }

    /// Adds which subscription something belongs to.
    fn marked(&self, body: Option<&Raw>) -> Raw {
        let own = [(meta::SUBSCRIPTION_ID, self.id.raw().get())];
        meta::edit(body, &own, &[]).expect("there is something to set")
    }

    /// Takes what was held back; nothing is held any more once there was nothing.
    fn release(&self) -> Vec<News> {
        let mut held = self.held();
        match &mut *held {
            Held::Until(waiting) if !waiting.is_empty() => std::mem::take(waiting),
            Held::Until(_) | Held::NoLonger => {
                *held = Held::NoLonger;
                Vec::new()
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last message of a subscription.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended {
    result_type: &'static str,
}

/// Asks the owner of a resource for something; returns whether that worked.
async fn ask(router: &Router, method: &str, resource: &Resource, caller: &Arc<Caller>) -> bool {
    let capabilities = Arc::clone(caller.capabilities());
    let (exchange, way_back) = Exchange::new(Arc::clone(caller), capabilities, Wishes::default());
    // Nobody can be asked anything here.
    drop(way_back);
    let params = updated_params(&resource.raw);
    let outcome = router.request(method, Some(&params), &exchange).await;
    if let Err(error) = &outcome {
        tracing::debug!(%error, method, "an upstream refused a subscription");
    }
    outcome.is_ok()
}

/// Asks for news of each task; returns those of which the client will be told.
async fn watch_tasks(
    router: &Arc<Router>,
    caller: &Arc<Caller>,
    tasks: &[Resource],
    cancel: &CancellationToken,
) -> Vec<Resource> {
    let mut asked = JoinSet::new();
    for (index, task) in tasks.iter().cloned().enumerate() {
        let (router, caller) = (Arc::clone(router), Arc::clone(caller));
        asked.spawn(async move {
            let is_told = router.watch_task(&caller, &task.address).await;
            is_told.then_some((index, task))
        });
    }
    let mut accepted = Vec::with_capacity(tasks.len());
    loop {
        select! {
            next = asked.join_next() => match next {
                Some(next) => accepted.extend(next.ok().flatten()),
                None => break,
            },
            () = cancel.cancelled() => break,
        }
    }
    accepted.sort_by_key(|(index, _)| *index);
    accepted.into_iter().map(|(_, task)| task).collect()
}

fn updated_params(uri: &Raw) -> Raw {
    #[derive(Serialize)]
    struct Params<'a> {
        uri: &'a Raw,
    }
    Raw::of(&Params { uri })
}

fn torn_down(id: &Id) -> Raw {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Cancelled<'a> {
        request_id: &'a Raw,
        reason: &'static str,
    }
    Raw::of(&Cancelled { request_id: id.raw(), reason: "Conflux is stopping" })
}
