//! Carrying out requests of callers: in time, in turn, and once more where that does no harm.

use std::sync::Arc;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;

use tokio::time;
use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::exchange::deadline::Limits;
use crate::exchange::mailbox::Topic;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Fault;
use crate::upstream::error::Kind;
use crate::upstream::handle::Handle;
use crate::upstream::legacy;
use crate::upstream::listing;
use crate::upstream::retry;
use crate::upstream::retry::Again;
use crate::upstream::retry::Budget;
use crate::upstream::session::Session;
use crate::upstream::task::Tool;
use crate::upstream::task_calls;
use crate::upstream::wants::Watching;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::method;

impl Handle {
    /// Carries out one request of a caller, starting the upstream if need be.
    pub async fn request(
        &self,
        method: &str,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Fault> {
        exchange.deadline().set(self.limits(None));
        self.with_session(exchange, is_repeatable(method), |session| async move {
            session.request(method, params, exchange).await
        })
        .await
    }

    /// Carries out `tools/call`, starting the upstream if need be.
    ///
    /// The result is a task if the caller can be given one and the upstream made one of the call.
    pub async fn call(
        &self,
        params: &Raw,
        exchange: &Exchange,
        tool: Tool<'_>,
    ) -> Result<Raw, Fault> {
        self.called(tool.name, tool.noted);
        let mut limits = self.limits(Some(tool.name));
        limits.call = tool.timeout.unwrap_or(limits.call);
        exchange.deadline().set(limits);
        self.with_session(exchange, tool.may_repeat, |session| async move {
            task_calls::call(&session, params, exchange, tool.need).await
        })
        .await
    }

    /// Notes that a tool is called, be it by somebody who is given what it answered before.
    pub fn called(&self, tool: &str, noted: &AtomicU32) {
        self.0.link.account.called(tool, noted);
    }

    /// Carries out a request about the task `id`, which this upstream gave the caller.
    ///
    /// `params` name it as the upstream does. Nothing if the upstream has no such tasks any more.
    pub async fn task(
        &self,
        method: &str,
        params: &Raw,
        id: &str,
        exchange: &Exchange,
    ) -> Result<Option<Raw>, Fault> {
        exchange.deadline().set(self.limits(None));
        self.with_session(exchange, is_repeatable(method), |session| async move {
            task_calls::request(&session, method, params, id, exchange).await
        })
        .await
    }

    /// Lists the tasks that the caller was given by this upstream, if that is running.
    pub async fn tasks(&self, exchange: &Exchange) -> Result<Vec<Raw>, Fault> {
        let Some(session) = self.present_session() else { return Ok(Vec::new()) };
        task_calls::list(&session, exchange, listing::LIMIT).await
    }

    /// Has the upstream complete an argument; nothing if it completes none.
    pub async fn complete(&self, params: &Raw, exchange: &Exchange) -> Result<Option<Raw>, Fault> {
        exchange.deadline().set(self.limits(None));
        let agreed = &self.opened(exchange).await?.agreed;
        let declares = agreed.can(&["completions"]);
        // The oldest revision has completions, but no capability to declare them.
        if !declares && agreed.revision > Revision::V2024_11_05 {
            return Ok(None);
        }
        match self.request(method::COMPLETE, Some(params), exchange).await {
            Err(Fault::Answered(error)) if !declares && listing::is_unknown_method(&error) => {
                Ok(None)
            }
            answered => answered.map(Some),
        }
    }

    /// Asks to be told of `topic` for as long as what is returned is held.
    ///
    /// Fails if the upstream says that it does not tell of it.
    pub async fn watch_topic(&self, topic: Topic, exchange: &Exchange) -> Result<Watching, Fault> {
        exchange.deadline().set(self.limits(None));
        // A session that begins has nothing to catch up with for this wish.
        self.opened(exchange).await?;
        let watching = Watching::begin(&self.0.link.wants, topic);
        let topic = watching.topic();
        let ask = |session: Arc<Session>| async move {
            let agreed = match (session.era(), topic) {
                (Era::Legacy, Topic::Resource(uri)) => {
                    let (method, params) = (method::RESOURCES_SUBSCRIBE, legacy::address(uri));
                    session.request(method, Some(&params), exchange).await?;
                    Some(true)
                }
                (_, Topic::Task(_)) if task_calls::watched(&session).is_none() => Some(false),
                (_, topic) => session.told.of(topic).await,
            };
            match (agreed, topic) {
                // An upstream that says nothing may tell of a resource all the same.
                (Some(true), _) | (None, Topic::Resource(_)) => Ok(()),
                (Some(false) | None, _) => {
                    Err(session.connection.errors().error(Kind::NotTold, "", Executed::No).into())
                }
            }
        };
        // To ask twice is to be told once.
        self.with_session(exchange, true, ask).await?;
        Ok(watching)
    }

    /// Does something on the open session, and once more if it failed in a way that allows that.
    async fn with_session<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        exchange: &Exchange,
        may_repeat: bool,
        work: impl Fn(Arc<Session>) -> F,
    ) -> Result<T, Fault> {
        self.budget().earn();
        let first = match work(self.opened(exchange).await?).await {
            Err(Fault::Failed(error)) => error,
            outcome => return outcome,
        };
        if !Box::pin(self.goes_again(&first, exchange, may_repeat)).await? {
            return Err(first.into());
        }
        let second = Box::pin(async { work(self.opened(exchange).await?).await });
        second.await.map_err(|fault| match fault {
            Fault::Failed(second) => retry::after(first, second).into(),
            fault => fault,
        })
    }

    /// Tells whether a request that failed is to be made once more, and waits until it may be.
    ///
    /// Never if that were too late, or if its caller was told something already.
    async fn goes_again(
        &self,
        error: &Error,
        exchange: &Exchange,
        may_repeat: bool,
    ) -> Result<bool, Fault> {
        let upstream = self.id();
        let again = retry::again(error, may_repeat);
        let Some(pause) = again.pause() else { return Ok(false) };
        if exchange.was_told() || !exchange.deadline().allows(pause) {
            return Ok(false);
        }
        // A new session is opened once for all, so those that wait for it multiply nothing.
        if again != Again::Elsewhere && !self.budget().spend(Instant::now()) {
            let id = exchange.trace();
            tracing::debug!(%id, %upstream, %error, "not made again: too much was, of late");
            return Ok(false);
        }
        tracing::debug!(id = %exchange.trace(), %upstream, %error, ?pause, "made once more");
        self.0.link.gate.metrics().repeats();
        tokio::select! {
            () = time::sleep(pause) => Ok(true),
            () = exchange.cancelled().cancelled() => Err(Fault::Cancelled),
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.0.link.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the open session, for as long as the caller waits for it.
    async fn opened(&self, exchange: &Exchange) -> Result<Arc<Session>, Fault> {
        exchange.goes_to(self.0.link.gate.metrics());
        // Nothing is started for a request that would be turned away.
        self.0.link.gate.check(exchange.deadline())?;
        let session = self.present_session().filter(|session| session.connection.is_open());
        if let Some(session) = session {
            return Ok(session);
        }
        let started = Box::pin(async {
            tokio::select! {
                session = self.session() => Ok(session?),
                () = exchange.deadline().passed() => Err(self.not_ready(exchange).into()),
                () = exchange.cancelled().cancelled() => Err(Fault::Cancelled),
            }
        });
        started.await
    }

    /// Waits for something that has to come before a request is made, at most as long as the
    /// request may take; which tool it calls is not known yet.
    pub async fn in_time<T>(
        &self,
        exchange: &Exchange,
        wait: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limits = self.limits(None);
        let call = limits.call.max(self.0.config.overrides.longest().unwrap_or_default());
        exchange.deadline().set(Limits { call, ..limits });
        tokio::select! {
            outcome = wait => outcome,
            () = exchange.deadline().passed() => Err(self.not_ready(exchange)),
        }
    }

    /// Says of a request whose time is over that there was nobody to be asked; why, if that is
    /// known.
    fn not_ready(&self, exchange: &Exchange) -> Error {
        self.status().error.unwrap_or_else(|| {
            let detail = format!("it was not ready within {:?}", exchange.deadline().allowed());
            self.0.link.errors.error(Kind::TimedOut, &detail, Executed::No)
        })
    }

    /// Returns how long a request may take: any, or a call of this tool.
    pub(super) fn limits(&self, tool: Option<&str>) -> Limits {
        let config = &self.0.config;
        let own = tool.and_then(|tool| config.overrides.timeout(tool));
        Limits { call: own.unwrap_or(config.timeout.call), progress: config.timeout.progress }
    }
}

/// Returns whether a request only reads.
fn is_repeatable(method: &str) -> bool {
    matches!(
        method,
        method::RESOURCES_READ
            | method::PROMPTS_GET
            | method::COMPLETE
            | method::SKILLS_GET
            | method::DIRECTORY_READ
            | method::TASKS_GET
            | method::TASKS_RESULT
    )
}
