//! One client on one pair of streams: tells its messages apart and keeps what they share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::downstream::Service;
use crate::downstream::asks::Questions;
use crate::downstream::batch;
use crate::downstream::call::Reply;
use crate::downstream::codes;
use crate::downstream::codes::Outcome;
use crate::downstream::flights::Flights;
use crate::downstream::greeting;
use crate::downstream::level::SessionLevel;
use crate::downstream::listen::Listens;
use crate::downstream::notices;
use crate::downstream::notices::Notices;
use crate::downstream::outbox::Outbox;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::frame;
use crate::wire::frame::Defect;
use crate::wire::frame::Message;
use crate::wire::frame::Notification;
use crate::wire::frame::Request;
use crate::wire::line::Line;
use crate::wire::meta::RequestMeta;
use crate::wire::method;
use crate::wire::skim::Kind;

/// One client.
#[derive(Debug)]
pub(super) struct Connection {
    /// What its requests share.
    pub(super) shared: Arc<Shared>,
    /// Who it is, once its capabilities are known.
    pub(super) client: Option<Client>,
    /// The revision of its session, once it has one.
    pub(super) session: Option<Revision>,
}

/// What the requests of one client share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) service: Service,
    pub(super) outbox: Outbox,
    pub(super) tasks: TaskTracker,
    pub(super) flights: Arc<Flights>,
    pub(super) questions: Arc<Questions>,
    pub(super) listens: Arc<Listens>,
    pub(super) level: Arc<SessionLevel>,
    /// Ends subscriptions and notices.
    pub(super) stopping: CancellationToken,
}

/// A client whose capabilities are known.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) caller: Arc<Caller>,
    /// Ends the delivery of its notices; not begun yet if there is none.
    notices: Option<CancellationToken>,
}

impl Connection {
    /// Starts with a client of whom nothing is known.
    pub(super) fn new(service: Service, outbox: Outbox, tasks: TaskTracker) -> Self {
        let shared = Arc::new(Shared {
            flights: Arc::new(Flights::new(service.limits.in_flight)),
            questions: Arc::new(Questions::new(outbox.clone(), tasks.clone())),
            listens: Arc::default(),
            level: Arc::default(),
            stopping: CancellationToken::new(),
            service,
            outbox,
            tasks,
        });
        Self { shared, client: None, session: None }
    }

    /// Takes one line. Waits only while the client's queue is full.
    pub(super) async fn receive(&mut self, line: Line) {
        let bytes = match line {
            Line::Whole(bytes) => bytes,
            Line::TooLong { id, kind } => return self.too_long(id, kind).await,
        };
        match frame::read(bytes) {
            Ok(message) => self.message(message).await,
            Err(Defect::Batch(raw)) if self.session == Some(Revision::V2025_03_26) => {
                batch::run(self, &raw).await;
            }
            Err(defect) => self.shared.outbox.push(codes::defect(&defect)).await,
        }
    }

    async fn message(&mut self, message: Message) {
        match message {
            Message::Request(request) => {
                let reply = Reply::Line(self.shared.outbox.clone());
                self.request(request, reply).await;
            }
            Message::Notification(notification) => self.notification(&notification),
            Message::Response(response) => self.shared.questions.answered(response),
        }
    }

    /// Takes one request; its era is told by the request itself.
    pub(super) async fn request(&mut self, request: Request, reply: Reply) {
        if self.shared.flights.contains(&request.id) {
            let error = codes::invalid("a request with this id is in flight");
            return answer(reply, &request.id, &Err(error)).await;
        }
        let meta = RequestMeta::read(request.params.as_ref());
        match request.method.as_str() {
            method::INITIALIZE => self.initialize(request, reply).await,
            method::DISCOVER => self.modern(request, &meta, reply).await,
            _ if meta.protocol_version.is_some() => self.modern(request, &meta, reply).await,
            _ => self.legacy(request, meta, reply).await,
        }
    }

    /// Takes one notification; those that mean nothing here are ignored.
    pub(super) fn notification(&mut self, notification: &Notification) {
        let params = notification.params.as_ref();
        match notification.method.as_str() {
            method::INITIALIZED => self.begin_notices(),
            method::CANCELLED => {
                let id = params.and_then(|params| params.member("requestId")).and_then(Id::parse);
                if let Some(id) = id {
                    self.shared.flights.cancel(&id);
                }
            }
            method::PROGRESS if self.session.is_some() => {
                if let Some(params) = params {
                    self.shared.questions.progressed(params);
                }
            }
            method::ROOTS_CHANGED if self.session.is_some() => {
                self.shared.service.router.roots_changed();
            }
            other => tracing::debug!(method = other, "a notification that means nothing here"),
        }
    }

    /// Opens the session. A second time is refused: what was agreed on holds for calls in flight.
    async fn initialize(&mut self, request: Request, reply: Reply) {
        let refusal = match (&reply, self.session) {
            (Reply::Element(_), _) => Some(codes::invalid("`initialize` cannot be in a batch")),
            (Reply::Line(_), Some(_)) => Some(codes::invalid("the session is open already")),
            (Reply::Line(_), None) => None,
        };
        if let Some(error) = refusal {
            return answer(reply, &request.id, &Err(error)).await;
        }
        let member = |key| request.params.as_ref().and_then(|params| params.member(key));
        let Some(requested) = member("protocolVersion").and_then(|version| version.string()) else {
            let error = codes::invalid_params("`protocolVersion` is missing");
            return answer(reply, &request.id, &Err(error)).await;
        };
        let revision = greeting::negotiated(&requested);
        self.session = Some(revision);
        let declared = member("capabilities").map(|raw| raw.detached());
        let capabilities = Capabilities::parse(declared, revision);
        let caller = self.attach(capabilities, Reach::Anytime);
        let instructions = self.shared.service.router.instructions();
        let result = greeting::initialized(revision, instructions);
        answer(reply, &request.id, &Ok(result)).await;
        (self.shared.service.opened)(&caller);
    }

    /// Counts the client as a caller from now on. One that was counted before is gone.
    pub(super) fn attach(&mut self, capabilities: Capabilities, reach: Reach) -> Arc<Caller> {
        let caller = self.shared.service.attach(capabilities, reach);
        let client = Client { caller: Arc::clone(&caller), notices: None };
        if let Some(before) = self.client.replace(client) {
            self.shared.service.parking.evict(before.caller.id());
            if let Some(notices) = before.notices {
                notices.cancel();
            }
        }
        caller
    }

    /// Begins to deliver what happens outside of calls, if that has not begun.
    pub(super) fn begin_notices(&mut self) {
        let shared = &self.shared;
        let Some(client) = &mut self.client else { return };
        if client.notices.is_some() {
            return;
        }
        let session = self.session.map(|_| notices::Session {
            outbox: shared.outbox.clone(),
            questions: Arc::clone(&shared.questions),
            level: Arc::clone(&shared.level),
        });
        let caller = Arc::clone(&client.caller);
        let notices = Notices { caller, session, listens: Arc::clone(&shared.listens) };
        let stop = shared.stopping.child_token();
        client.notices = Some(stop.clone());
        shared.tasks.spawn(stop.run_until_cancelled_owned(notices.deliver()));
    }

    async fn too_long(&self, id: Option<Id>, kind: Option<Kind>) {
        let limit = self.shared.service.limits.message;
        if kind == Some(Kind::Answer) {
            if let Some(id) = &id {
                self.shared.questions.settle(id, Err(codes::answer_too_large(limit)));
            }
            return;
        }
        let error = codes::invalid(&format!("the message is over {limit} bytes"));
        self.shared.outbox.push(frame::response(id.as_ref(), Err(&error))).await;
    }
}

/// Answers a request that never got under way.
pub(super) async fn answer(reply: Reply, id: &Id, outcome: &Outcome) {
    reply.send(frame::response(Some(id), outcome.as_ref())).await;
}

/// Returns the result that says nothing.
pub(super) fn empty() -> Raw {
    Raw::of(&serde_json::Map::new())
}
