//! One client: tells its messages apart and keeps what they share.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::select;
use tokio::sync::Semaphore;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::downstream::Service;
use crate::downstream::asks::Questions;
use crate::downstream::batch;
use crate::downstream::batch::Answers;
use crate::downstream::call::Answer;
use crate::downstream::call::Reply;
use crate::downstream::codes;
use crate::downstream::flights::Flights;
use crate::downstream::greeting;
use crate::downstream::level::SessionLevel;
use crate::downstream::listen::Listens;
use crate::downstream::notices;
use crate::downstream::notices::Notices;
use crate::downstream::outbox::Outbox;
use crate::downstream::records::Why;
use crate::downstream::room::Room;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::ids::CallerId;
use crate::router::Router;
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

/// How long calls may take to end once they are cancelled; each has less to wind down.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// One client.
#[derive(Debug)]
pub(super) struct Connection {
    /// What its requests share.
    pub(super) shared: Arc<Shared>,
    state: Mutex<State>,
}

/// What becomes known of a client.
#[derive(Debug, Default)]
struct State {
    /// Who it is, once its capabilities are known.
    client: Option<Client>,
    /// The revision of its session, once it has one.
    session: Option<Revision>,
}

/// What the requests of one client share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) service: Service,
    /// What the client sees in the place of what the service has, once that is known.
    chosen: OnceLock<Arc<Router>>,
    /// Where the client is told what belongs to no request.
    pub(super) outbox: Outbox,
    pub(super) tasks: TaskTracker,
    pub(super) flights: Arc<Flights>,
    pub(super) questions: Arc<Questions>,
    pub(super) listens: Arc<Listens>,
    pub(super) level: Arc<SessionLevel>,
    /// Ends subscriptions and notices.
    pub(super) stopping: CancellationToken,
    /// What the client shares with others, if it is there for one request only.
    pub(super) passing: Option<Passing>,
}

/// What clients have in common that come anew with every request.
#[derive(Clone, Debug)]
pub(super) struct Passing {
    /// How many of their requests may be under way.
    pub(super) limit: usize,
    /// The places that are left for them.
    pub(super) shares: Arc<Semaphore>,
    /// Under which number is remembered what they have seen.
    pub(super) memory: CallerId,
    /// What the last of them declared; most declare the same.
    pub(super) declared: Arc<ArcSwap<Capabilities>>,
    /// Ends what is under way for them; it is still answered.
    pub(super) ending: CancellationToken,
}

/// A client whose capabilities are known.
#[derive(Debug)]
struct Client {
    caller: Arc<Caller>,
    /// Ends the delivery of its notices; not begun yet if there is none.
    notices: Option<CancellationToken>,
}

impl Shared {
    /// Returns where the client's requests go.
    pub(super) fn router(&self) -> &Arc<Router> {
        self.chosen.get().unwrap_or(&self.service.router)
    }

    /// Has the client see what is for clients that say this of themselves.
    pub(super) fn choose(&self, info: Option<&Raw>) {
        if let Some(router) = self.service.router.for_client(info) {
            // What was seen first stays: notices are for that.
            let _is_first = self.chosen.set(router);
        }
    }
}

impl Connection {
    /// Starts with a client of whom nothing is known.
    pub(super) fn new(service: Service, outbox: Outbox, tasks: TaskTracker) -> Self {
        let flights = Flights::new(service.limits.in_flight);
        Self::with(service, outbox, tasks, flights, CancellationToken::new(), None)
    }

    /// Starts with a client that sends one modern request; `stopping` is its own.
    pub(super) fn passing(
        service: Service,
        outbox: Outbox,
        tasks: TaskTracker,
        stopping: CancellationToken,
        passing: Passing,
    ) -> Self {
        let flights = Flights::sharing(&passing.shares, passing.limit);
        Self::with(service, outbox, tasks, flights, stopping, Some(passing))
    }

    fn with(
        service: Service,
        outbox: Outbox,
        tasks: TaskTracker,
        flights: Flights,
        stopping: CancellationToken,
        passing: Option<Passing>,
    ) -> Self {
        let shared = Arc::new(Shared {
            flights: Arc::new(flights),
            questions: Arc::new(Questions::new(tasks.clone())),
            listens: Arc::default(),
            level: Arc::default(),
            chosen: OnceLock::new(),
            service,
            outbox,
            tasks,
            stopping,
            passing,
        });
        Self { shared, state: Mutex::default() }
    }

    /// Returns who the client is, once its capabilities are known.
    pub(super) fn caller(&self) -> Option<Arc<Caller>> {
        self.state().client.as_ref().map(|client| Arc::clone(&client.caller))
    }

    /// Returns the revision of the client's session, once it has one.
    pub(super) fn session(&self) -> Option<Revision> {
        self.state().session
    }

    /// Takes one line. Waits only while the client's queue is full.
    pub(super) async fn receive(&self, line: Line) {
        match line {
            Line::Whole(bytes) => self.read(bytes, Room::Within).await,
            Line::Beyond(bytes) => self.read(bytes, Room::Beyond).await,
            Line::TooLong { id, kind } => self.too_long(id, kind).await,
        }
    }

    /// Takes the bytes of one message, or of a batch.
    async fn read(&self, bytes: Bytes, room: Room) {
        let Shared { outbox, service, .. } = &*self.shared;
        match frame::read(bytes) {
            Ok(Message::Request(request)) => match room.refusal(&request, &service.room) {
                Some(error) => {
                    service.refused(self.caller().as_deref(), &request.method, Why::NoRoom);
                    outbox.refuse(Some(&request.id), &error).await;
                }
                None => self.message(Message::Request(request), outbox).await,
            },
            Ok(message) => self.message(message, outbox).await,
            Err(Defect::Batch(raw)) if self.session() == Some(Revision::V2025_03_26) => {
                Box::pin(self.batch(&raw, room, outbox)).await;
            }
            Err(defect) => {
                service.refused(self.caller().as_deref(), "", Why::NoMessage);
                let (id, error) = codes::defect(&defect);
                outbox.refuse(id, &error).await;
            }
        }
    }

    /// Takes one message; what it causes to be said goes to `outbox`.
    pub(super) async fn message(&self, message: Message, outbox: &Outbox) {
        match message {
            Message::Request(request) => {
                if let Some(answer) = self.request(request, Reply::to(outbox)) {
                    self.say(answer).await;
                }
            }
            Message::Notification(notification) => self.notification(&notification),
            Message::Response(response) => self.shared.questions.answered(response),
        }
    }

    /// Takes every message of a batch; the answers that need one go out together.
    ///
    /// If there was no `room` for it, its requests are refused.
    pub(super) async fn batch(&self, array: &Raw, room: Room, outbox: &Outbox) {
        let shared = &*self.shared;
        let elements = match batch::elements(array) {
            Ok(elements) => elements,
            Err(error) => return outbox.refuse(None, &error).await,
        };
        let mut answers = Answers::of(outbox, elements.len());
        for element in &elements {
            match frame::read_value(element) {
                Ok(Message::Request(request)) => {
                    let reply = answers.reply();
                    let now = match room.refusal(&request, &shared.service.room) {
                        Some(error) => Some(reply.at_once(&request.id, &Err(error))),
                        None => self.request(request, reply),
                    };
                    if let Some(answer) = now {
                        self.say(answer).await;
                    }
                }
                Ok(Message::Notification(notification)) => self.notification(&notification),
                Ok(Message::Response(response)) => shared.questions.answered(response),
                Err(defect) => answers.refuse(&defect),
            }
        }
        shared.tasks.spawn(answers.send());
    }

    /// Starts one request, or returns what there is to say to it; its era is told by the request
    /// itself.
    pub(super) fn request(&self, request: Request, reply: Reply) -> Option<Answer> {
        if self.shared.flights.contains(&request.id) {
            let service = &self.shared.service;
            service.refused(self.caller().as_deref(), &request.method, Why::IdInUse);
            return Some(reply.at_once(&request.id, &Err(codes::id_in_use())));
        }
        let meta = RequestMeta::read(request.params.as_ref());
        let noted = self.shared.service.notes(&request);
        let answer = match &*request.method {
            method::INITIALIZE => Some(self.initialize(&request, reply)),
            method::DISCOVER => self.modern(&request, &meta, reply),
            _ if meta.protocol_version.is_some() => self.modern(&request, &meta, reply),
            _ => self.legacy(request, meta, reply),
        };
        if let (Some(answer), Some(noted)) = (&answer, noted) {
            self.shared.service.answered(self.caller().as_deref(), noted, answer.verdict());
        }
        answer
    }

    /// Sends an answer, and makes a new client known.
    pub(super) async fn say(&self, answer: Answer) {
        if let Some(caller) = answer.send().await {
            (self.shared.service.opened)(&caller);
        }
    }

    /// Takes one notification; those that mean nothing here are ignored.
    fn notification(&self, notification: &Notification) {
        let params = notification.params.as_ref();
        match &*notification.method {
            method::INITIALIZED => self.begin_notices(),
            method::CANCELLED => {
                let id = params.and_then(|params| params.member("requestId")).and_then(Id::parse);
                if let Some(id) = id {
                    self.shared.flights.cancel(&id);
                }
            }
            method::PROGRESS if self.session().is_some() => {
                if let Some(params) = params {
                    self.shared.questions.progressed(params);
                }
            }
            method::ROOTS_CHANGED => {
                // Where clients share upstreams, no roots but those of a call are asked for.
                let caller = self.caller().filter(|_| self.session().is_some());
                if caller.is_some_and(|caller| !caller.shares_upstreams()) {
                    self.shared.router().roots_changed();
                }
            }
            other => self.shared.router().notified(self.caller().as_deref(), other, params),
        }
    }

    /// Opens the session. A second time is refused: what was agreed on holds for calls in flight.
    fn initialize(&self, request: &Request, reply: Reply) -> Answer {
        let refusal = match (reply.is_in_batch(), self.session()) {
            (true, _) => Some(codes::invalid("`initialize` cannot be in a batch")),
            (false, Some(_)) => Some(codes::invalid("the session is open already")),
            (false, None) => None,
        };
        if let Some(error) = refusal {
            return reply.at_once(&request.id, &Err(error));
        }
        let member = |key| request.params.as_ref().and_then(|params| params.member(key));
        let Some(requested) = member("protocolVersion").and_then(|version| version.string()) else {
            let error = codes::invalid_params("`protocolVersion` is missing");
            return reply.at_once(&request.id, &Err(error));
        };
        let revision = greeting::negotiated(&requested);
        self.state().session = Some(revision);
        let said = |key| member(key).map(|raw| raw.detached());
        let capabilities = Capabilities::parse(said("capabilities"), revision);
        let capabilities = capabilities.of_client(said("clientInfo"));
        self.shared.choose(member("clientInfo").as_ref());
        let caller = self.attach(capabilities, Reach::Anytime);
        let router = self.shared.router();
        let extensions = router.extensions(&caller);
        let result = greeting::initialized(revision, router.instructions(&caller), extensions);
        reply.at_once(&request.id, &Ok(result)).opening(caller)
    }

    /// Counts the client as a caller from now on. One that was counted before is gone.
    pub(super) fn attach(&self, capabilities: Capabilities, reach: Reach) -> Arc<Caller> {
        let caller = self.shared.service.attach(capabilities, reach, self.shared.router());
        let client = Client { caller: Arc::clone(&caller), notices: None };
        let before = self.state().client.replace(client);
        if let Some(before) = before {
            self.forget(&before.caller);
            if let Some(notices) = before.notices {
                notices.cancel();
            }
        }
        caller
    }

    /// Counts a client that is there for one request as present while that is under way.
    pub(super) fn stay(&self, caller: &Arc<Caller>) {
        self.shared.service.count(caller, self.shared.router());
        let client = Client { caller: Arc::clone(caller), notices: None };
        self.state().client = Some(client);
        self.begin_notices();
    }

    /// Begins to deliver what happens outside of calls, if that has not begun.
    pub(super) fn begin_notices(&self) {
        let shared = &self.shared;
        let mut state = self.state();
        let has_session = state.session;
        let Some(client) = &mut state.client else { return };
        if client.notices.is_some() {
            return;
        }
        let session = has_session.map(|_| notices::Session {
            outbox: shared.outbox.clone(),
            questions: Arc::clone(&shared.questions),
            level: Arc::clone(&shared.level),
        });
        let caller = Arc::clone(&client.caller);
        let router = Arc::clone(shared.router());
        let notices = Notices { caller, session, listens: Arc::clone(&shared.listens), router };
        let stop = shared.stopping.child_token();
        client.notices = Some(stop.clone());
        shared.tasks.spawn(stop.run_until_cancelled_owned(notices.deliver()));
    }

    /// Lets what is in flight finish until `patience` is over, and cancels the rest; bounded.
    pub(super) async fn end(&self, patience: impl Future<Output = ()>) {
        let shared = &self.shared;
        // Nobody reads answers or comes back any more.
        shared.questions.close();
        shared.stopping.cancel();
        self.leave();
        shared.tasks.close();
        select! {
            () = shared.tasks.wait() => return,
            () = patience => {}
        }
        shared.flights.cancel_all();
        self.leave();
        if time::timeout(CANCEL_LIMIT, shared.tasks.wait()).await.is_err() {
            tracing::warn!(left = shared.tasks.len(), "some calls did not end in time");
        }
    }

    /// Gives up what is kept for the client outside of this connection.
    fn leave(&self) {
        if let Some(caller) = self.caller() {
            self.forget(&caller);
        }
    }

    fn forget(&self, caller: &Caller) {
        let service = &self.shared.service;
        service.parking.evict(caller.id());
        service.levels.forget(caller.id());
    }

    async fn too_long(&self, id: Option<Id>, kind: Option<Kind>) {
        let limit = self.shared.service.limits.message;
        if kind == Some(Kind::Answer) {
            if let Some(id) = &id {
                self.shared.questions.settle(id, Err(codes::answer_too_large(limit)));
            }
            return;
        }
        self.shared.service.refused(self.caller().as_deref(), "", Why::TooLong);
        let error = codes::invalid(&format!("the message is over {limit} bytes"));
        self.shared.outbox.refuse(id.as_ref(), &error).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the result that says nothing.
pub(super) fn empty() -> Raw {
    Raw::of(&serde_json::Map::new())
}
