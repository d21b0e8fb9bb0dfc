//! What upstreams wrote to stderr, and what Conflux has to say about them: the last lines of each.
//!
//! Memory is bounded for each upstream, so one that floods pushes out its own lines only.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::SystemTime;

use serde_json::json;

use crate::ids::UpstreamId;
use crate::telemetry::Feed;
use crate::telemetry::Follower;

/// How many lines are kept of one upstream.
pub(super) const LINES: usize = 500;
/// How many bytes of them, as they are told.
pub(super) const BYTES: usize = 128 * 1024;
/// Of how many upstreams lines are kept while some of them are gone.
pub(super) const BOOKS: usize = 64;

/// Who said a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The upstream, on its stderr.
    Stderr,
    /// Conflux, about the upstream.
    Conflux,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stderr => "stderr",
            Self::Conflux => "conflux",
        }
    }
}

/// The last lines of all upstreams; cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// One lock, so that who begins to follow misses nothing and is told nothing twice.
    books: Mutex<Books>,
    feed: Feed,
}

#[derive(Debug, Default)]
struct Books {
    by_upstream: BTreeMap<UpstreamId, Book>,
    /// The number of the next line.
    next: u64,
}

#[derive(Debug)]
struct Book {
    lines: VecDeque<(u64, Arc<str>)>,
    bytes: usize,
    writer: Weak<UpstreamId>,
}

/// Where lines of one upstream are written; cloning shares it.
#[derive(Clone, Debug)]
pub struct Pages {
    journal: Journal,
    upstream: Arc<UpstreamId>,
}

impl Journal {
    /// Returns where lines of `upstream` are written. Those of another one under the same key,
    /// which was there before, stay.
    pub fn pages(&self, upstream: &UpstreamId) -> Pages {
        let writer = Arc::new(upstream.clone());
        let mut books = self.books();
        if books.by_upstream.len() >= BOOKS {
            books.by_upstream.retain(|_, book| book.writer.strong_count() > 0);
        }
        let new = || Book { lines: VecDeque::new(), bytes: 0, writer: Weak::new() };
        let book = books.by_upstream.entry(upstream.clone()).or_insert_with(new);
        book.writer = Arc::downgrade(&writer);
        drop(books);
        Pages { journal: self.clone(), upstream: writer }
    }

    /// Returns every line that is kept, oldest first, and what follows from then on: nothing is
    /// missing between, and nothing is in both.
    pub fn open(&self) -> (Vec<Arc<str>>, Follower) {
        let books = self.books();
        let mut lines: Vec<_> =
            books.by_upstream.values().flat_map(|book| book.lines.iter().cloned()).collect();
        let follower = self.0.feed.follow();
        drop(books);
        lines.sort_unstable_by_key(|(number, _)| *number);
        (lines.into_iter().map(|(_, line)| line).collect(), follower)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// Adds a line, which shows nothing that may not be shown.
    pub fn add(&self, source: Source, text: &str) {
        let line: Arc<str> = json!({
            "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            "upstream": self.upstream.as_str(),
            "source": source.as_str(),
            "text": text,
        })
        .to_string()
        .into();
        let mut books = self.journal.books();
        let number = books.next;
        books.next += 1;
        if let Some(book) = books.by_upstream.get_mut(&*self.upstream) {
            book.add(number, Arc::clone(&line));
        }
        self.journal.0.feed.tell(&line);
    }
}

impl Book {
    fn add(&mut self, number: u64, line: Arc<str>) {
        self.bytes += line.len();
        self.lines.push_back((number, line));
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some((_, line)) = self.lines.pop_front() else { break };
            self.bytes -= line.len();
        }
    }
}
