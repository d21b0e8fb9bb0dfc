//! Reads what an upstream writes and takes each message to whom it is for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::exchange::ask::Refusal;
use crate::upstream::connection::Connection;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::errors::Errors;
use crate::upstream::incoming::Incoming;
use crate::upstream::incoming::Meant;
use crate::upstream::inquiry;
use crate::upstream::shown::Shown;
use crate::upstream::tail::Tail;
use crate::upstream::task::delivery;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::budget::Budget;
use crate::wire::code;
use crate::wire::frame;
use crate::wire::frame::Message;
use crate::wire::frame::Notification;
use crate::wire::frame::Request;
use crate::wire::intake::Intake;
use crate::wire::meta;
use crate::wire::method;
use crate::wire::skim;

/// How long a large message waits for room.
///
/// It is safe to go beyond the budget then: the room is held by answers whose clients read slowly
/// or not at all, or by messages that other upstreams do not finish, and neither is a reason why
/// this upstream should not be heard. What goes beyond is bounded by the requests that are under
/// way, and each of it has waited; what is read slowly by one client thus delays a large answer to
/// another one by so much.
const ROOM_LIMIT: Duration = Duration::from_millis(500);

/// Reads one connection; cloning shares it, for connections that have several streams.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    connection: Connection,
    stdout_noise: Noise,
    /// The upstream's own requests that are not answered yet.
    asked: Arc<Mutex<HashMap<Id, CancellationToken>>>,
    /// Where large messages take their room from; without it, they are not counted.
    room: Option<Budget>,
}

/// What a program wrote to stdout that is no message; people need to see it when a start fails.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    tail: Tail,
}

impl Noise {
    /// Starts empty; what it keeps is shown in the `errors` of its upstream.
    pub(super) fn new(errors: &Errors) -> Self {
        Self { tail: Tail::new(errors.clone()) }
    }

    /// Returns the first line, if there was one.
    pub(super) fn first(&self) -> Option<Shown> {
        self.tail.lines().into_iter().next()
    }

    fn add(&self, line: &[u8]) {
        if self.tail.lines().len() < 3 {
            self.tail.add(line);
        }
    }
}

impl Reader {
    /// Makes the reader of `connection`.
    pub(super) fn new(connection: Connection, stdout_noise: Noise) -> Self {
        Self { connection, stdout_noise, asked: Arc::default(), room: None }
    }

    /// Has large messages take their room from `budget`.
    #[must_use]
    pub(super) fn within(self, budget: Budget) -> Self {
        Self { room: Some(budget), ..self }
    }

    /// Returns where the bytes of messages come in.
    pub(super) fn intake(&self) -> Intake {
        match &self.room {
            Some(budget) => Intake::within(budget.clone(), ROOM_LIMIT),
            None => Intake::free(),
        }
    }

    /// Returns the connection whose messages it reads.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Takes one message to whom it is for; it may have come with the answer to the request
    /// `origin`.
    ///
    /// Waits for a slow caller a moment, and for nothing else.
    pub(super) async fn take(&self, bytes: Bytes, origin: Option<u64>) {
        match frame::read(bytes.clone()) {
            Ok(Message::Response(response)) => self.take_answer(response, origin),
            Ok(Message::Notification(notification)) => {
                self.take_notification(notification, origin).await;
            }
            Ok(Message::Request(request)) => self.take_request(request, origin),
            Err(defect) => self.take_broken(&bytes, &defect),
        }
    }

    /// Takes what a program wrote last, without the end of a line. If it broke off with the
    /// program, how that ended says more about it.
    pub(super) async fn take_last(&self, bytes: Bytes) {
        if frame::read(bytes.clone()).is_ok() {
            return self.take(bytes, None).await;
        }
        self.stdout_noise.add(&bytes);
    }

    /// Fails the call that a broken message was to answer, as far as that can be told of it.
    fn take_broken(&self, bytes: &Bytes, defect: &frame::Defect) {
        let connection = &self.connection;
        tracing::debug!(upstream = %connection.upstream(), %defect, "no message");
        self.stdout_noise.add(bytes);
        let mut skim = skim::Skim::default();
        skim.feed(bytes);
        let number = skim.id().and_then(Id::as_number);
        if let (Some(skim::Kind::Answer), Some(number)) = (skim.kind(), number) {
            let detail = defect.to_string();
            let error = connection.errors().error(Kind::BadAnswer, &detail, Executed::Unknown);
            connection.finish(number, Incoming::Failed(error));
        }
    }

    /// Takes an answer to the request it is for, which must be `origin` if it came with that.
    pub(super) fn take_answer(&self, response: frame::Response, origin: Option<u64>) {
        // An error without an id can only be meant for a request if there is no other.
        let number = match &response.id {
            // With the answer to one request no other is answered.
            Some(id) => id.as_number().filter(|number| origin.is_none_or(|it| it == *number)),
            None => origin.or_else(|| self.connection.only_number()),
        };
        if let Some(number) = number {
            self.connection.finish(number, Incoming::Answer(response.outcome));
        }
    }

    /// Tells whom a message over the limit was for, as far as that is known of it.
    pub(super) fn take_too_long(
        &self,
        id: Option<&Id>,
        kind: Option<skim::Kind>,
        origin: Option<u64>,
    ) {
        let upstream = self.connection.upstream();
        tracing::warn!(%upstream, "a message over the limit was dropped");
        self.connection.errors().say("a message over the limit was dropped");
        match (kind, id.and_then(Id::as_number).or(origin)) {
            (Some(skim::Kind::Answer), Some(number)) => {
                self.connection.finish(number, Incoming::TooLarge);
            }
            (Some(skim::Kind::Call), _) => {
                if let Some(id) = id {
                    let problem = "the message is over the limit of its receiver";
                    let error = frame::error(code::INVALID_REQUEST, problem, None);
                    self.connection.answer_now(id, Err(&error));
                }
            }
            _ => {}
        }
    }

    async fn take_notification(&self, notification: Notification, origin: Option<u64>) {
        let Notification { method, params } = notification;
        let connection = &self.connection;
        match (&*method, params) {
            (method::PROGRESS, Some(params)) => self.take_progress(params).await,
            (method::MESSAGE, Some(params)) => self.take_log(params, origin).await,
            (method::CANCELLED, Some(params)) => self.take_cancellation(&params),
            (method::RESOURCE_UPDATED, Some(params)) => {
                if let Some(uri) = params.member("uri") {
                    connection.resource_updated(&uri);
                }
            }
            (method::TOOLS_CHANGED, _) => connection.list_changed(|lists| lists.tools += 1),
            (method::PROMPTS_CHANGED, _) => connection.list_changed(|lists| lists.prompts += 1),
            (method::RESOURCES_CHANGED, _) => connection.list_changed(|lists| lists.resources += 1),
            (method::ACKNOWLEDGED, Some(params)) => {
                let id = params.member("_meta").and_then(|it| it.member(meta::SUBSCRIPTION_ID));
                if let Some(number) = id.and_then(Id::parse).and_then(|id| id.as_number()) {
                    connection.tell(number, Incoming::Acknowledged(params)).await;
                }
            }
            (method::TASK_STATUS, Some(params)) => {
                delivery::take_status(connection.live(), &params);
            }
            (method::TASK_NEWS, Some(params)) => {
                delivery::take_news(connection.live(), connection.callers(), &params);
            }
            (method::ELICITATION_COMPLETE, Some(params)) => {
                if let Some(caller) = connection.visits().over(&params) {
                    caller.mailbox().pass_on(method::ELICITATION_COMPLETE, Some(params));
                }
            }
            (method, params) => self.take_other(method, params, origin).await,
        }
    }

    /// Takes a notification of an extension to the clients that declared it.
    ///
    /// That of a request goes with it, and is for nobody else even if the request is over; what
    /// belongs to none, or to one of Conflux itself, is told to every client that knows it and sees
    /// anything of the upstream.
    async fn take_other(&self, method: &str, params: Option<Raw>, origin: Option<u64>) {
        let connection = &self.connection;
        match connection.meant(None, origin) {
            Ok(Meant::Call { number, exchange, .. }) => {
                if exchange.capabilities().knows(method) {
                    let incoming = Incoming::Other(method.to_owned(), params);
                    return connection.tell(number, incoming).await;
                }
                if origin == Some(number) {
                    return;
                }
            }
            Err(Refusal::Gone) => return,
            Ok(Meant::Caller(_)) | Err(_) => {}
        }
        for caller in connection.callers().seeing_any_of(connection.upstream()) {
            if caller.capabilities().knows(method) {
                caller.mailbox().pass_on(method, params.clone());
            }
        }
    }

    async fn take_progress(&self, params: Raw) {
        let token = params.member(meta::PROGRESS_TOKEN).and_then(Id::parse);
        if let Some(number) = token.and_then(|token| token.as_number()) {
            self.connection.tell(number, Incoming::Progress(params)).await;
        }
    }

    async fn take_log(&self, params: Raw, origin: Option<u64>) {
        let upstream = Raw::of(self.connection.upstream().as_str());
        let set = [(meta::CONFLUX_UPSTREAM, upstream.get())];
        let params = meta::edit(Some(&params), &set, &[]).unwrap_or(params);
        // A message that may concern another caller's request is shown to nobody.
        let named = delivery::named_by(Some(&params));
        let Ok(meant) = self.connection.meant(named.as_deref(), origin) else { return };
        let params = delivery::addressed(self.connection.live(), &meant, params);
        match meant {
            Meant::Call { number, .. } => {
                self.connection.tell(number, Incoming::Log(params)).await;
            }
            Meant::Caller(caller) => caller.mailbox().log(params),
        }
    }

    fn take_cancellation(&self, params: &Raw) {
        let Some(id) = params.member("requestId").and_then(Id::parse) else { return };
        let asked = self.lock().remove(&id);
        if let Some(answer) = asked {
            answer.cancel();
        } else if let Some(number) = id.as_number() {
            self.connection.end_subscription(number);
        }
    }

    fn take_request(&self, request: Request, origin: Option<u64>) {
        if request.method == method::PING {
            return self.connection.answer_now(&request.id, Ok(&Raw::of(&serde_json::json!({}))));
        }
        let id = request.id.clone();
        let mut asked = self.lock();
        asked.retain(|_, answer| !answer.is_cancelled());
        if asked.contains_key(&id) {
            let error = frame::error(code::INVALID_REQUEST, "this id is in flight already", None);
            return self.connection.answer_now(&id, Err(&error));
        }
        if let Some(answer) = inquiry::begin(&self.connection, request, asked.len(), origin) {
            asked.insert(id, answer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, CancellationToken>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
