//! The last lines a child wrote to stderr, kept for the errors that need them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;

use crate::config::secrets::Broken;
use crate::telemetry::Source;
use crate::upstream::errors::Errors;
use crate::upstream::shown::Shown;

/// How many lines are kept.
const LINES: usize = 20;
/// How much of one line is read, in bytes.
const LINE_LENGTH: usize = 4096;

/// The last lines, as they may be shown; cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    kept: Arc<Mutex<Kept>>,
    errors: Errors,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Shown>,
    /// What the next line may begin with that must not be shown.
    broken: Broken,
}

impl Tail {
    /// Starts empty; its lines are for the `errors` of an upstream.
    pub(super) fn new(errors: Errors) -> Self {
        Self { kept: Arc::default(), errors }
    }

    /// Returns the lines, oldest first.
    pub(super) fn lines(&self) -> Vec<Shown> {
        self.lock().lines.iter().cloned().collect()
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
        // One that is too long is shown as far as it was read.
        let (line, is_cut) = match line.get(..LINE_LENGTH) {
            Some(beginning) => (String::from_utf8_lossy(beginning), true),
            None => (String::from_utf8_lossy(line), false),
        };
        let mut kept = self.lock();
        let line = self.errors.shown_line(&line, is_cut, &mut kept.broken);
        if line.is_empty() {
            return None;
        }
        if kept.lines.len() == LINES {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line.clone());
        Some(line)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
