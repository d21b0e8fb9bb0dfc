//! What a caller is told outside of any call: coalesced, bounded, and never in anyone's way.
//!
//! Changed lists and updated resources are remembered once however often they happen. Of log
//! messages the oldest give way. Whoever puts something in does not wait.

use std::collections::VecDeque;
use std::fmt;
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
/// How many bytes of them wait; the last one may have more.
const LOG_BYTES: usize = 1 << 20;
/// How many questions outside of calls may be unanswered.
const ASK_CAPACITY: usize = 16;
/// How many updates may wait before those below one subscription are told as one.
const UPDATE_CAPACITY: usize = 1024;
/// How long an address may be that is told beside the one subscribed to, in bytes.
const UPDATE_LENGTH: usize = 4096;
/// How many things a caller may want to hear of.
const WANTED_CAPACITY: usize = 4096;

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

/// What a caller can want to hear of, as its upstream names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Changes of the resource with this address, and of what lies below it.
    Resource(String),
    /// How the task with this id is.
    Task(String),
}

/// What has an upstream tell of something for as long as it is there.
pub trait Hold: fmt::Debug + Send + Sync {}

#[cfg(test)]
impl Hold for () {}

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

impl Notice {
    /// Returns how many bytes it holds, if it is one of those that wait in their order.
    fn size(&self) -> usize {
        match self {
            Self::Log(params) => params.get().len(),
            Self::Other(method, params) => {
                method.len() + params.as_ref().map_or(0, |params| params.get().len())
            }
            Self::ListChanged(_) | Self::Updated(_) | Self::Ask(_) => 0,
        }
    }
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
    /// How many bytes these have.
    stream_bytes: usize,
    asks: VecDeque<Ask>,
    /// What the caller wants to hear of.
    wanted: IndexMap<(UpstreamId, Topic), Wanted>,
}

/// One thing a caller wants to hear of.
#[derive(Debug)]
struct Wanted {
    /// How the caller knows it, a JSON string.
    known: Raw,
    /// What has its upstream tell of it; nothing while that is asked.
    hold: Option<Box<dyn Hold>>,
}

/// A wish to hear of something, taken back when it is dropped unless it is kept.
#[derive(Debug)]
pub struct Claim<'a> {
    mailbox: &'a Mailbox,
    key: (UpstreamId, Topic),
    known: Raw,
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

    /// Begins to want to hear of `topic`, which the caller knows as `known`, a JSON string.
    ///
    /// From now on nothing of it is missed. Nothing is returned if the caller wants to hear of too
    /// much already.
    pub fn claim(&self, upstream: &UpstreamId, topic: &Topic, known: Raw) -> Option<Claim<'_>> {
        let key = (upstream.clone(), topic.clone());
        let mut content = self.lock();
        if content.wanted.len() >= WANTED_CAPACITY {
            return None;
        }
        let wanted = || Wanted { known: known.clone(), hold: None };
        content.wanted.entry(key.clone()).or_insert_with(wanted);
        Some(Claim { mailbox: self, key, known })
    }

    /// No longer wants to hear of it.
    pub fn give_up(&self, upstream: &UpstreamId, topic: &Topic) {
        let given_up = self.lock().wanted.shift_remove(&(upstream.clone(), topic.clone()));
        // Not under the lock: its upstream is told.
        drop(given_up);
    }

    /// Returns whether the caller wants to hear of it.
    pub fn wants(&self, upstream: &UpstreamId, topic: &Topic) -> bool {
        self.lock().wanted.contains_key(&(upstream.clone(), topic.clone()))
    }

    /// Returns whether the caller is told of it for as long as it wants.
    pub fn is_held(&self, upstream: &UpstreamId, topic: &Topic) -> bool {
        let content = self.lock();
        let wanted = content.wanted.get(&(upstream.clone(), topic.clone()));
        wanted.is_some_and(|wanted| wanted.hold.is_some())
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
        self.stream_bytes += notice.size();
        self.stream.push_back(notice);
        while self.stream.len() > LOG_CAPACITY
            || (self.stream_bytes > LOG_BYTES && self.stream.len() > 1)
        {
            let _oldest = self.pop_stream();
        }
    }

    fn pop_stream(&mut self) -> Option<Notice> {
        let notice = self.stream.pop_front()?;
        self.stream_bytes -= notice.size();
        Some(notice)
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
        self.pop_stream().or_else(|| self.asks.pop_front().map(Notice::Ask))
    }

    /// Notes that `local` changed under the address the caller is told.
    ///
    /// That is the one it subscribed to. What lies below it is told by that address and the rest of
    /// its own, until so many are waiting that the one above has to do for all.
    fn note_update(&mut self, upstream: &UpstreamId, local: &str, uri: &Raw) {
        let exact = self.wanted.get(&(upstream.clone(), Topic::Resource(local.to_owned())));
        let known = exact.map(|wanted| wanted.known.clone()).or_else(|| {
            let part = |((owner, topic), wanted): (&(UpstreamId, Topic), &Wanted)| match topic {
                Topic::Resource(above) if owner == upstream => {
                    Some((above.clone(), below(local, above)?.to_owned(), wanted.known.clone()))
                }
                Topic::Resource(_) | Topic::Task(_) => None,
            };
            let (above, rest, known) = self.wanted.iter().find_map(part)?;
            if self.updated.len() >= UPDATE_CAPACITY || rest.len() > UPDATE_LENGTH {
                return Some(known);
            }
            match known.string() {
                Some(public) if public != above => Some(Raw::of(&format!("{public}{rest}"))),
                _ => Some(uri.detached()),
            }
        });
        if let Some(known) = known {
            self.updated.insert(known);
        }
    }
}

impl Claim<'_> {
    /// Lets the wish stand until it is given up or its caller goes, and `hold` with it.
    pub fn keep(self, hold: impl Hold + 'static) {
        let wanted = Wanted { known: self.known.clone(), hold: Some(Box::new(hold)) };
        let before = self.mailbox.lock().wanted.insert(self.key.clone(), wanted);
        drop(before);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut content = self.mailbox.lock();
        if content.wanted.get(&self.key).is_some_and(|wanted| wanted.hold.is_none()) {
            content.wanted.shift_remove(&self.key);
        }
    }
}

/// Returns the rest of `address` behind `above`, if it is a part of that resource, such as a file
/// in a directory.
pub fn below<'a>(address: &'a str, above: &str) -> Option<&'a str> {
    let rest = address.strip_prefix(above)?;
    (above.ends_with('/') || rest.starts_with(['/', '?', '#'])).then_some(rest)
}
