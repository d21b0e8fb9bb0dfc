//! Tells lines to everybody who follows, each in a bounded queue of its own.
//!
//! Nobody who tells ever waits. Who reads too slowly misses lines, and is told how many, at the
//! place where they are missing.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;

/// How many lines may wait for one follower.
pub(super) const LINES: usize = 1024;
/// How many bytes of them.
pub(super) const BYTES: usize = 1024 * 1024;

/// A source of lines; cloning shares it.
#[derive(Clone, Default)]
pub struct Feed(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// How many there are; whoever has something to tell looks here first.
    count: AtomicUsize,
    followers: Mutex<Vec<Arc<Queue>>>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Feed").field(&self.0.count).finish()
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Line>,
    bytes: usize,
    /// How many lines are missing after the last one that waits.
    missed: u64,
}

#[derive(Debug)]
enum Line {
    Said(Arc<str>),
    Missed(u64),
}

impl Feed {
    /// Returns whether anybody follows.
    pub fn is_followed(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }

    /// Tells a line, without its end, to everybody who follows.
    pub fn tell(&self, line: &Arc<str>) {
        for queue in self.followers().iter() {
            queue.push(line);
        }
    }

    /// Follows from now on.
    pub fn follow(&self) -> Follower {
        let queue = Arc::new(Queue::default());
        let mut followers = self.followers();
        followers.push(Arc::clone(&queue));
        self.0.count.store(followers.len(), Ordering::Relaxed);
        drop(followers);
        Follower { feed: self.clone(), queue }
    }

    fn followers(&self) -> MutexGuard<'_, Vec<Arc<Queue>>> {
        self.0.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&self, line: &Arc<str>) {
        let mut waiting = self.lock();
        if waiting.lines.len() >= LINES || waiting.bytes + line.len() > BYTES {
            waiting.missed += 1;
            return;
        }
        let missed = std::mem::take(&mut waiting.missed);
        if missed > 0 {
            waiting.lines.push_back(Line::Missed(missed));
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(Line::Said(Arc::clone(line)));
        drop(waiting);
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who follows, until this is dropped.
#[derive(Debug)]
pub struct Follower {
    feed: Feed,
    queue: Arc<Queue>,
}

impl Follower {
    /// Waits for lines, and adds them to `out`, each with its end; at most about `room` bytes of
    /// them, but at least one line. Where lines are missing it adds `{"missed":COUNT}`. Cancel
    /// safe.
    pub async fn read(&self, out: &mut Vec<u8>, room: usize) {
        loop {
            // First, so that no news is missed from now on.
            let news = self.queue.news.notified();
            if self.take(out, room) {
                return;
            }
            news.await;
        }
    }

    fn take(&self, out: &mut Vec<u8>, room: usize) -> bool {
        let mut waiting = self.queue.lock();
        let before = out.len();
        while out.len() - before < room
            && let Some(line) = waiting.lines.pop_front()
        {
            match line {
                Line::Said(line) => {
                    waiting.bytes -= line.len();
                    out.extend_from_slice(line.as_bytes());
                    out.push(b'\n');
                }
                Line::Missed(count) => missed(out, count),
            }
        }
        if waiting.lines.is_empty() && waiting.missed > 0 {
            missed(out, std::mem::take(&mut waiting.missed));
        }
        out.len() > before
    }
}

fn missed(out: &mut Vec<u8>, count: u64) {
    writeln!(out, r#"{{"missed":{count}}}"#).expect("a vector takes everything");
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut followers = self.feed.followers();
        followers.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
        self.feed.0.count.store(followers.len(), Ordering::Relaxed);
    }
}
