//! The last lines a child wrote to stderr, kept for the errors that need them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;

use crate::telemetry::Source;
use crate::upstream::shown::Errors;
use crate::upstream::shown::Shown;

/// How many lines are kept.
const LINES: usize = 20;
/// How much of one line is read, in bytes.
const LINE_LENGTH: usize = 4096;

/// The last lines, as they may be shown; cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    lines: Arc<Mutex<VecDeque<Shown>>>,
    errors: Errors,
}

impl Tail {
    /// Starts empty; its lines are for the `errors` of an upstream.
    pub(super) fn new(errors: Errors) -> Self {
        Self { lines: Arc::default(), errors }
    }

    /// Returns the lines, oldest first.
    pub(super) fn lines(&self) -> Vec<Shown> {
        self.lock().iter().cloned().collect()
    }

    /// Returns a line, or the beginning of one that is too long, as it may be shown.
    fn shown(&self, line: &[u8]) -> Shown {
        match line.get(..LINE_LENGTH) {
            Some(beginning) => self.errors.shown_beginning(&String::from_utf8_lossy(beginning)),
            None => self.errors.shown(&String::from_utf8_lossy(line)),
        }
    }

    /// Reads `stderr` until its end, so that the child never waits for someone to read it.
    pub(super) async fn drain(self, mut stderr: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; 4096];
        let mut line = Vec::new();
        while let Ok(count) = stderr.read(&mut chunk).await {
            if count == 0 {
                break;
            }
            for byte in chunk.iter().take(count) {
                if *byte == b'\n' {
                    self.add_from(&line);
                    line.clear();
                } else if line.len() < LINE_LENGTH {
                    line.push(*byte);
                }
            }
        }
        self.add_from(&line);
    }

    fn add_from(&self, line: &[u8]) {
        if let Some(line) = self.add(line) {
            tracing::debug!(upstream = %self.errors.upstream(), %line, "stderr");
            self.errors.tell(Source::Stderr, &line);
        }
    }

    /// Adds a line unless it is empty, and returns it as it may be shown.
    pub(super) fn add(&self, line: &[u8]) -> Option<Shown> {
        let line = self.shown(line);
        if line.is_empty() {
            return None;
        }
        let mut lines = self.lock();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line.clone());
        Some(line)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Shown>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
