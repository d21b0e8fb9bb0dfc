//! The tasks that one connection has made, for whom, and how their ids are made.
//!
//! Whoever has an id finds its task without this. It is for what a server says by itself: whom a
//! task's progress, its questions and its news are meant for, and whether the server is in use.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::exchange::caller::Caller;
use crate::exchange::task::Dialect;
use crate::exchange::task_ids::Ids;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::upstream::incoming::Incoming;
use crate::upstream::task::shape::Status;
use crate::wire::Raw;

/// The longest that anything is done for one task: waiting for its result, or keeping its server
/// running, whatever its server or its caller would like.
pub(in crate::upstream) const LONGEST: Duration = Duration::from_hours(24);
/// How many tasks of one connection are known; the oldest give way.
const CAPACITY: usize = 1024;
/// How much of what a task says may wait until somebody asks for its result.
const HELD_CAPACITY: usize = 64;
/// How many bytes that may be.
const HELD_BYTES: usize = 256 * 1024;
/// Of how many tasks that nobody has heard of yet the last word is kept.
const EARLY_CAPACITY: usize = 64;

/// What a request has to do with a task.
#[derive(Clone, Debug)]
pub(in crate::upstream) enum Role {
    /// Its answer may be a task, and for whom that is.
    Becomes(Audience, Dialect),
    /// Its answer is the result of this task; what the task says meanwhile belongs to it.
    Serves(String),
}

impl Role {
    /// Returns the task whose result the request waits for.
    pub(in crate::upstream) fn served(&self) -> Option<&str> {
        match self {
            Self::Serves(id) => Some(id),
            Self::Becomes(..) => None,
        }
    }
}

/// The tasks of one connection.
#[derive(Debug)]
pub(in crate::upstream) struct Registry {
    upstream: UpstreamId,
    /// Makes the ids under which callers know tasks.
    ids: Arc<Ids>,
    tasks: Mutex<IndexMap<String, Task>>,
    /// What was said last of tasks whose beginning has not been told yet.
    early: Mutex<IndexMap<String, Raw>>,
}

#[derive(Debug)]
struct Task {
    /// The number of the call that became the task, which is the token of its progress.
    number: u64,
    audience: Audience,
    /// When it is forgotten at the latest.
    until: Instant,
    is_over: bool,
    /// What came before somebody asked for the result.
    held: Vec<Incoming>,
}

/// Whom a task is for.
#[derive(Clone, Debug)]
pub(in crate::upstream) enum Audience {
    /// A caller that was given the task.
    Caller {
        /// Who; it may be gone.
        caller: Weak<Caller>,
        /// Its own token for progress, if it wants to hear of it.
        token: Option<Raw>,
    },
    /// A request that waits for the result.
    Request {
        /// The request.
        exchange: Exchange,
        /// Told when the task changes.
        news: Arc<Notify>,
    },
}

impl Audience {
    /// Returns who was given the task, if that is still there.
    pub(in crate::upstream) fn caller(&self) -> Option<Arc<Caller>> {
        match self {
            Self::Caller { caller, .. } => caller.upgrade(),
            Self::Request { .. } => None,
        }
    }
}

impl Registry {
    /// Starts without any; those of `upstream` will be known to callers under `ids`.
    pub(in crate::upstream) fn new(upstream: UpstreamId, ids: Arc<Ids>) -> Self {
        Self { upstream, ids, tasks: Mutex::default(), early: Mutex::default() }
    }

    /// Returns whose tasks they are.
    pub(in crate::upstream) fn upstream(&self) -> &UpstreamId {
        &self.upstream
    }

    /// Returns the id under which a caller knows the task `local`.
    pub(in crate::upstream) fn public(
        &self,
        caller: &Caller,
        dialect: Dialect,
        local: &str,
    ) -> String {
        self.ids.close(caller, dialect, &self.upstream, local)
    }

    /// Notes that call `number` became a task.
    pub(in crate::upstream) fn begin(&self, number: u64, audience: Audience, status: &Status) {
        let task = Task {
            number,
            audience,
            until: until(status.ttl),
            is_over: status.phase.is_last(),
            held: Vec::new(),
        };
        let mut tasks = self.lock();
        let now = Instant::now();
        tasks.retain(|_, task| task.until > now);
        if tasks.len() >= CAPACITY {
            tasks.shift_remove_index(0);
        }
        tasks.insert(status.id.clone(), task);
    }

    /// Notes what the server says about a task; returns whom that is for.
    pub(in crate::upstream) fn told(&self, status: &Status) -> Option<Audience> {
        tell(&mut self.lock(), status)
    }

    /// Does the same, and keeps what was `said` if nobody has heard of the task: over HTTP, the
    /// answer that makes it known may still be on its way.
    pub(in crate::upstream) fn told_early(&self, status: &Status, said: &Raw) -> Option<Audience> {
        let mut tasks = self.lock();
        let audience = tell(&mut tasks, status);
        if audience.is_none() {
            // While the tasks are locked, so that it is not kept behind its beginning.
            let mut early = self.early();
            early.shift_remove(&status.id);
            if early.len() >= EARLY_CAPACITY {
                early.shift_remove_index(0);
            }
            early.insert(status.id.clone(), said.detached());
        }
        audience
    }

    /// Takes what was said last of a task before it was known.
    pub(in crate::upstream) fn take_early(&self, id: &str) -> Option<Raw> {
        self.early().shift_remove(id)
    }

    /// Notes that a task has ended.
    pub(in crate::upstream) fn over(&self, id: &str) {
        if let Some(task) = self.lock().get_mut(id) {
            task.is_over = true;
        }
    }

    /// Forgets a task in which nobody has an interest any more.
    pub(in crate::upstream) fn forget(&self, id: &str) {
        self.lock().shift_remove(id);
    }

    /// Returns whether no task is known.
    pub(in crate::upstream) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Returns whether any task has not ended.
    pub(in crate::upstream) fn is_any_live(&self) -> bool {
        let now = Instant::now();
        self.lock().values().any(|task| !task.is_over && task.until > now)
    }

    /// Returns the number of the call that became the task, and whom it is for.
    pub(in crate::upstream) fn audience(&self, id: &str) -> Option<(u64, Audience)> {
        self.lock().get(id).map(|task| (task.number, task.audience.clone()))
    }

    /// Returns the task that call `number` became, and whom it is for.
    pub(in crate::upstream) fn of_call(&self, number: u64) -> Option<(String, Audience)> {
        let tasks = self.lock();
        let (id, task) = tasks.iter().find(|(_, task)| task.number == number && !task.is_over)?;
        Some((id.clone(), task.audience.clone()))
    }

    /// Returns whether this caller was given the task.
    pub(in crate::upstream) fn belongs(&self, id: &str, caller: CallerId) -> bool {
        let audience = self.audience(id);
        audience.and_then(|(_, it)| it.caller()).is_some_and(|owner| owner.id() == caller)
    }

    /// Keeps what came for a task until somebody asks for its result.
    pub(in crate::upstream) fn hold(&self, id: &str, incoming: Incoming) {
        if let Some(task) = self.lock().get_mut(id)
            && task.held.len() < HELD_CAPACITY
            && task.held.iter().map(Incoming::size).sum::<usize>() + incoming.size() <= HELD_BYTES
        {
            task.held.push(incoming);
        }
    }

    /// Takes what was kept.
    pub(in crate::upstream) fn take_held(&self, id: &str) -> Vec<Incoming> {
        self.lock().get_mut(id).map(|task| std::mem::take(&mut task.held)).unwrap_or_default()
    }

    fn early(&self) -> MutexGuard<'_, IndexMap<String, Raw>> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(tasks: &mut IndexMap<String, Task>, status: &Status) -> Option<Audience> {
    let task = tasks.get_mut(&status.id)?;
    task.is_over |= status.phase.is_last();
    if let Audience::Request { news, .. } = &task.audience {
        news.notify_one();
    }
    Some(task.audience.clone())
}

fn until(ttl: Option<Duration>) -> Instant {
    Instant::now() + ttl.unwrap_or(LONGEST).min(LONGEST)
}
