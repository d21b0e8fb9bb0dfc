//! A task that Conflux waits for on behalf of a call: looks at it, tells how far it is, and ends
//! it when nobody wants its result any more.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time;
use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::exchange::deadline::Limits;
use crate::exchange::task;
use crate::exchange::task::Dialect;
use crate::upstream::converse::Sending;
use crate::upstream::converse::Whom;
use crate::upstream::converse::converse;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Fault;
use crate::upstream::error::Kind;
use crate::upstream::modern;
use crate::upstream::session::Session;
use crate::upstream::task::registry::Audience;
use crate::upstream::task::registry::LONGEST;
use crate::upstream::task::shape;
use crate::upstream::task::shape::Phase;
use crate::upstream::task::shape::Status;
use crate::wire::Raw;
use crate::wire::meta;
use crate::wire::method;
use crate::wire::object;

/// How long a server may take to answer that a task is to be ended.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);
/// How long nothing may be said to a caller that waits; some give up on silence.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// How often in a row a look at a task may fail, or the way to its result break, before that ends
/// the waiting. Both can be asked for again without anything being done twice.
const RETRIES: u32 = 3;

/// Why nobody waits any longer.
const ENDLESS: &str = "its task takes longer than anybody waits";

/// A call whose task is waited for.
pub(super) struct Waiting<'a> {
    session: &'a Arc<Session>,
    exchange: &'a Exchange,
    dialect: Dialect,
    /// How long the server may take to say how the task is: as long as for the call.
    limits: Limits,
    /// Told when the server says by itself that the task changed.
    news: Arc<Notify>,
}

/// Ends the task of a call that ends before it.
struct Abandon<'a> {
    waiting: &'a Waiting<'a>,
    id: &'a str,
    is_over: bool,
}

/// What a caller was told last.
struct Told {
    count: u32,
    what: Option<(Phase, Option<String>)>,
    at: Instant,
}

impl<'a> Waiting<'a> {
    /// Prepares to wait.
    pub(super) fn new(session: &'a Arc<Session>, exchange: &'a Exchange, dialect: Dialect) -> Self {
        let limits = exchange.deadline().limits();
        Self { session, exchange, dialect, limits, news: Arc::default() }
    }

    /// Returns for whom the task is.
    pub(super) fn audience(&self) -> Audience {
        Audience::Request { exchange: self.exchange.clone(), news: Arc::clone(&self.news) }
    }

    /// Waits for what `fetch`, the request for the result of a task of 2025-11-25, brings.
    ///
    /// A server has to answer it only when the task is over; one that says "not yet" is asked
    /// again. Nothing is waited for longer than `kept`.
    pub(super) async fn until<F: Future<Output = Result<Raw, Fault>>>(
        &self,
        status: Status,
        kept: Duration,
        fetch: impl Fn() -> F,
    ) -> Result<Raw, Fault> {
        let id = status.id.clone();
        let abandon = Abandon { waiting: self, id: &id, is_over: false };
        let poll = status.poll;
        let watch = self.watch(status);
        let fetched = async {
            let mut broken = 0;
            loop {
                let outcome = fetch().await;
                match &outcome {
                    Err(Fault::Answered(_)) => {}
                    Err(Fault::Failed(error)) if self.may_pass(error) && broken < RETRIES => {
                        broken += 1;
                        self.pause(poll).await?;
                        continue;
                    }
                    Ok(_) | Err(_) => return outcome,
                }
                match self.look(&id, poll).await {
                    Ok((_, status)) if status.phase == Phase::Cancelled => {
                        return Err(self.ended(&because("was cancelled", &status)));
                    }
                    Ok((_, status)) if !status.phase.is_last() => {
                        broken = 0;
                        self.pause(status.poll).await?;
                    }
                    Ok(_) | Err(_) => return outcome,
                }
            }
        };
        let outcome = tokio::select! {
            biased;
            outcome = fetched => outcome,
            fault = watch => Err(fault),
            () = time::sleep(kept) => Err(self.fault(Kind::TimedOut, ENDLESS)),
        };
        abandon.settle(outcome)
    }

    /// Waits for the end of a task of the extension, and fulfils what it asks for.
    pub(super) async fn through(&self, mut status: Status) -> Result<Raw, Fault> {
        let id = status.id.clone();
        let abandon = Abandon { waiting: self, id: &id, is_over: false };
        let mut told = Told::nothing();
        let mut answered = Vec::new();
        let until = Instant::now() + LONGEST;
        let outcome = loop {
            let task = match self.look(&id, status.poll).await {
                Ok((task, now)) => {
                    status = now;
                    task
                }
                Err(fault) => break Err(fault),
            };
            self.tell(&mut told, &status).await;
            match status.phase {
                Phase::Working => {}
                Phase::InputRequired => {
                    let given = give_input(self.session, self.exchange, &task, &mut answered);
                    if let Err(fault) = given.await {
                        break Err(fault);
                    }
                }
                Phase::Completed => {
                    break task.member("result").ok_or_else(|| self.ended("it has no result"));
                }
                Phase::Failed => {
                    let error = task.member("error").map(Fault::Answered);
                    break Err(error.unwrap_or_else(|| self.ended(&because("failed", &status))));
                }
                Phase::Cancelled => break Err(self.ended(&because("was cancelled", &status))),
            }
            if Instant::now() >= until {
                break Err(self.fault(Kind::TimedOut, ENDLESS));
            }
            if let Err(fault) = self.pause(status.poll).await {
                break Err(fault);
            }
        };
        abandon.settle(outcome)
    }

    /// Looks at a task of 2025-11-25 until it is over; returns only if there will be no result.
    async fn watch(&self, mut status: Status) -> Fault {
        let mut told = Told::nothing();
        loop {
            self.tell(&mut told, &status).await;
            match status.phase {
                Phase::Cancelled => return self.ended(&because("was cancelled", &status)),
                // The request for the result is under way.
                Phase::Completed | Phase::Failed => return std::future::pending().await,
                Phase::Working | Phase::InputRequired => {}
            }
            if let Err(fault) = self.pause(status.poll).await {
                return fault;
            }
            status = match self.look(&status.id, status.poll).await {
                Ok((_, status)) => status,
                Err(fault) => return fault,
            };
        }
    }

    /// Asks how the task is, and again after a pause where the answer got lost.
    async fn look(&self, id: &str, poll: Duration) -> Result<(Raw, Status), Fault> {
        for _ in 0..RETRIES {
            match self.look_once(id).await {
                Err(Fault::Failed(error)) if self.may_pass(&error) => self.pause(poll).await?,
                looked => return looked,
            }
        }
        self.look_once(id).await
    }

    /// Whether what failed may work the next time: the server is there, and said nothing.
    fn may_pass(&self, error: &Error) -> bool {
        let is_silent = matches!(error.kind, Kind::ConnectionLost | Kind::TimedOut);
        is_silent && self.session.connection.is_open()
    }

    async fn look_once(&self, id: &str) -> Result<(Raw, Status), Fault> {
        let exchange = self.exchange.knowing(self.dialect).within(self.limits);
        let params = shape::params(id);
        let task = match self.session.request(method::TASKS_GET, Some(&params), &exchange).await {
            Ok(task) => task,
            Err(Fault::Answered(error)) => {
                let message = error.member("message").and_then(|message| message.string());
                return Err(self.ended(&message.unwrap_or_else(|| error.get().to_owned())));
            }
            Err(fault) => return Err(fault),
        };
        match Status::read(&task) {
            Some(status) => Ok((task, status)),
            None => Err(self.fault(Kind::BadAnswer, "`tasks/get` was not answered with a task")),
        }
    }

    /// Waits for the next look; fails when the caller no longer waits.
    async fn pause(&self, poll: Duration) -> Result<(), Fault> {
        tokio::select! {
            () = time::sleep(poll) => Ok(()),
            () = self.news.notified() => Ok(()),
            () = self.exchange.cancelled().cancelled() => Err(Fault::Cancelled),
        }
    }

    /// Tells the caller how far the task is, if that is new or nothing was said for long.
    async fn tell(&self, told: &mut Told, status: &Status) {
        let what = Some((status.phase, status.message.clone()));
        let is_due = told.what != what || told.at.elapsed() >= SIGN_OF_LIFE;
        if !self.exchange.wishes().progress || !is_due || status.phase.is_last() {
            return;
        }
        *told = Told { count: told.count + 1, what, at: Instant::now() };
        let mut params = json!({ meta::PROGRESS_TOKEN: 0, "progress": told.count });
        if let (Some(message), Some(params)) = (&status.message, params.as_object_mut()) {
            params.insert("message".to_owned(), message.as_str().into());
        }
        self.exchange.step(Raw::of(&params)).await;
    }

    fn ended(&self, detail: &str) -> Fault {
        self.fault(Kind::TaskEnded, detail)
    }

    fn fault(&self, kind: Kind, detail: &str) -> Fault {
        self.session.connection.error(kind, detail, Executed::Unknown).into()
    }
}

impl Told {
    fn nothing() -> Self {
        // That it works on it is no news.
        Self { count: 0, what: Some((Phase::Working, None)), at: Instant::now() }
    }
}

impl Abandon<'_> {
    /// Says how the waiting ended, and whether the task did so too.
    fn settle(mut self, outcome: Result<Raw, Fault>) -> Result<Raw, Fault> {
        self.is_over = match &outcome {
            Ok(_) | Err(Fault::Answered(_)) => true,
            Err(Fault::Failed(error)) => {
                let is_gone = || !self.waiting.session.connection.is_open();
                error.kind == Kind::TaskEnded || error.kind == Kind::ConnectionLost && is_gone()
            }
            Err(Fault::Cancelled) => false,
        };
        outcome.map_err(|fault| match fault {
            // Whatever failed, the task had begun.
            Fault::Failed(error) => Error { executed: Executed::Unknown, ..error }.into(),
            other => other,
        })
    }
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        let connection = &self.waiting.session.connection;
        connection.live().forget(self.id);
        if self.is_over {
            return;
        }
        let (session, params) = (Arc::clone(self.waiting.session), shape::params(self.id));
        let dialect = self.waiting.dialect;
        connection.tasks().spawn(async move {
            // What the server makes of it changes nothing: nobody waits any more.
            drop(end(&session, dialect, &params, CANCEL_LIMIT).await);
        });
    }
}

/// Gives a task the input it waits for, as far as it was not given before.
async fn give_input(
    session: &Session,
    exchange: &Exchange,
    task: &Raw,
    answered: &mut Vec<String>,
) -> Result<(), Fault> {
    let connection = &session.connection;
    let Some(id) = task.member("taskId") else { return Ok(()) };
    let mut questions = modern::questions(connection, task)?;
    questions.retain(|(key, _)| !answered.contains(key));
    if questions.is_empty() {
        return Ok(());
    }
    answered.extend(questions.iter().map(|(key, _)| key.clone()));
    let answers =
        modern::ask(connection, exchange, questions).await.map_err(|fault| match fault {
            // Unlike a call that asks first, a task is at work already.
            Fault::Failed(error) => Error { executed: Executed::Unknown, ..error }.into(),
            other => other,
        })?;
    let answers = object::build(answers.iter().map(|(key, raw)| (key.as_str(), raw.get())));
    let params = object::build([("taskId", id.get()), ("inputResponses", answers.get())]);
    let knowing = exchange.knowing(Dialect::Extension).within(Limits::of(CANCEL_LIMIT));
    session.request(method::TASKS_UPDATE, Some(&params), &knowing).await?;
    Ok(())
}

/// Has a task ended that nobody waits for; in either dialect, on nobody's behalf.
async fn end(
    session: &Session,
    dialect: Dialect,
    params: &Raw,
    limit: Duration,
) -> Result<Raw, Fault> {
    let method = method::TASKS_CANCEL;
    if dialect == Dialect::Core {
        return session.ask(method, Some(params), limit).await;
    }
    let offer = Raw::of(&serde_json::json!({ "extensions": { task::EXTENSION: {} } }));
    let params = modern::with_capabilities(Some(params), &offer);
    let sending = Sending { method, whom: Whom::Conflux(limit) };
    converse(&session.connection, sending, |_| params).await
}

fn because(what: &str, status: &Status) -> String {
    match &status.message {
        Some(message) => format!("it {what}: {message}"),
        None => format!("it {what}"),
    }
}
