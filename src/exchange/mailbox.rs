//! What a caller is told outside of any call: coalesced, bounded, and never in anyone's way.
//!
//! Changed lists and updated resources are remembered once however often they happen. Of log
//! messages the oldest give way. Whoever puts something in does not wait.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;

use indexmap::IndexMap;
use indexmap::IndexSet;
use tokio::sync::Notify;

use crate::exchange::ask::Ask;
use crate::exchange::ask::Refusal;
use crate::ids::UpstreamId;
use crate::wire::Raw;

/// How many log messages wait for a slow caller before the oldest are dropped.
const LOG_CAPACITY: usize = 256;
/// How many questions outside of calls may be unanswered.
const ASK_CAPACITY: usize = 16;
/// How many updates may wait before those below one subscription are told as one.
const UPDATE_CAPACITY: usize = 1024;
/// How many resources a caller may be subscribed to.
const SUBSCRIPTION_CAPACITY: usize = 4096;
/// How many tasks a caller may want to hear of.
const TASK_CAPACITY: usize = 1024;

/// A list that can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Tools.
    Tools,
    /// Prompts.
    Prompts,
    /// Resources and their templates.
    Resources,
}

/// One thing a caller is told.
#[derive(Debug)]
pub enum Notice {
    /// A list changed.
    ListChanged(ListKind),
    /// The resource with this address, a JSON string, changed.
    Updated(Raw),
    /// Parameters of a log message.
    Log(Raw),
    /// The method of any other notification of an upstream, and its parameters.
    Other(String, Option<Raw>),
    /// A question.
    Ask(Ask),
}

/// Where a caller's notices wait.
#[derive(Debug, Default)]
pub struct Mailbox {
    content: Mutex<Content>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Content {
    lists: Vec<ListKind>,
    updated: IndexSet<Raw>,
    /// Log messages and other notifications, in their order.
    stream: VecDeque<Notice>,
    asks: VecDeque<Ask>,
    /// Which resources the caller wants to hear of: upstream and its own address → the address
    /// the caller knows, a JSON string.
    subscriptions: IndexMap<(UpstreamId, String), Raw>,
    /// Which tasks the caller wants to hear of, by the ids it knows.
    tasks: HashSet<String>,
}

impl Mailbox {
    /// Notes that a list changed.
    pub fn list_changed(&self, kind: ListKind) {
        self.fill(|content| {
            if !content.lists.contains(&kind) {
                content.lists.push(kind);
            }
        });
    }

    /// Notes a log message.
    pub fn log(&self, params: Raw) {
        self.fill(|content| content.push(Notice::Log(params)));
    }

    /// Notes a notification that is passed on as it is.
    pub fn pass_on(&self, method: &str, params: Option<Raw>) {
        self.fill(|content| content.push(Notice::Other(method.to_owned(), params)));
    }

    /// Notes a question, unless too many are unanswered.
    pub fn ask(&self, ask: Ask) -> Result<(), Refusal> {
        let mut outcome = Ok(());
        self.fill(|content| {
            if content.asks.len() < ASK_CAPACITY {
                content.asks.push_back(ask);
            } else {
                outcome = Err(Refusal::TooMany);
            }
        });
        outcome
    }

    /// Refuses every question that waits: nobody is there to be asked any more.
    pub fn refuse_asks(&self) {
        let asks = std::mem::take(&mut self.lock().asks);
        for ask in asks {
            ask.answer(Err(Refusal::Nobody));
        }
    }

    /// Notes that the resource `uri` of `upstream` changed, if the caller wants to hear of it.
    ///
    /// `uri` may lie below the resource subscribed to.
    pub fn updated(&self, upstream: &UpstreamId, uri: &Raw) {
        let Some(local) = uri.string() else { return };
        self.fill(|content| content.note_update(upstream, &local, uri));
    }

    /// Wants to hear of the resource `local` of `upstream`, which the caller knows as `public`.
    ///
    /// Returns false if the caller has too many subscriptions.
    pub fn subscribe(&self, upstream: &UpstreamId, local: &str, public: Raw) -> bool {
        let mut content = self.lock();
        if content.subscriptions.len() >= SUBSCRIPTION_CAPACITY {
            return false;
        }
        content.subscriptions.insert((upstream.clone(), local.to_owned()), public);
        true
    }

    /// No longer wants to hear of it; returns whether it did before.
    pub fn unsubscribe(&self, upstream: &UpstreamId, local: &str) -> bool {
        let mut content = self.lock();
        content.subscriptions.shift_remove(&(upstream.clone(), local.to_owned())).is_some()
    }

    /// Returns whether the caller wants to hear of the resource.
    pub fn is_subscribed(&self, upstream: &UpstreamId, local: &str) -> bool {
        self.lock().subscriptions.contains_key(&(upstream.clone(), local.to_owned()))
    }

    /// Wants to hear of the task that the caller knows as `id`; false if there are too many.
    pub fn watch_task(&self, id: &str) -> bool {
        let mut content = self.lock();
        let has_room = content.tasks.len() < TASK_CAPACITY;
        if has_room {
            content.tasks.insert(id.to_owned());
        }
        has_room
    }

    /// No longer wants to hear of it.
    pub fn unwatch_task(&self, id: &str) {
        self.lock().tasks.remove(id);
    }

    /// Returns whether the caller wants to hear of the task.
    pub fn watches_task(&self, id: &str) -> bool {
        self.lock().tasks.contains(id)
    }

    /// Waits for the next notice. Cancel safe.
    pub async fn next(&self) -> Notice {
        loop {
            if let Some(notice) = self.lock().pop() {
                return notice;
            }
            self.filled.notified().await;
        }
    }

    /// Waits until there is a notice, and leaves it there. Cancel safe.
    pub async fn filled(&self) {
        while self.lock().is_empty() {
            self.filled.notified().await;
        }
    }

    fn fill(&self, change: impl FnOnce(&mut Content)) {
        change(&mut self.lock());
        self.filled.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn push(&mut self, notice: Notice) {
        if self.stream.len() >= LOG_CAPACITY {
            self.stream.pop_front();
        }
        self.stream.push_back(notice);
    }

    fn is_empty(&self) -> bool {
        self.lists.is_empty()
            && self.updated.is_empty()
            && self.stream.is_empty()
            && self.asks.is_empty()
    }

    fn pop(&mut self) -> Option<Notice> {
        if !self.lists.is_empty() {
            return Some(Notice::ListChanged(self.lists.remove(0)));
        }
        if let Some(uri) = self.updated.shift_remove_index(0) {
            return Some(Notice::Updated(uri));
        }
        self.stream.pop_front().or_else(|| self.asks.pop_front().map(Notice::Ask))
    }

    /// Notes that `local` changed under the address the caller is told.
    ///
    /// That is the one it subscribed to. What lies below it is told by its own address, until so
    /// many are waiting that the one above has to do for all.
    fn note_update(&mut self, upstream: &UpstreamId, local: &str, uri: &Raw) {
        let exact = self.subscriptions.get(&(upstream.clone(), local.to_owned()));
        let known = exact.cloned().or_else(|| {
            let mut all = self.subscriptions.iter();
            let is_above =
                |(owner, above): &(UpstreamId, String)| owner == upstream && is_below(local, above);
            let (_, above) = all.find(|(key, _)| is_above(key))?;
            let is_full = self.updated.len() >= UPDATE_CAPACITY;
            Some(if is_full { above.clone() } else { uri.detached() })
        });
        if let Some(known) = known {
            self.updated.insert(known);
        }
    }
}

/// Whether `local` is a part of the resource `above`, such as a file in a directory.
fn is_below(local: &str, above: &str) -> bool {
    let rest = local.strip_prefix(above);
    rest.is_some_and(|rest| above.ends_with('/') || rest.starts_with(['/', '?', '#']))
}
