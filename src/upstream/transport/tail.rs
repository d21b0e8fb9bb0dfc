//! The last lines a child wrote to stderr, kept for the errors that need them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt as _;

use crate::config;
use crate::ids::UpstreamId;

/// How many lines are kept.
const LINES: usize = 20;
/// How much of one line is kept, in bytes.
const LINE_LENGTH: usize = 1024;

/// The last lines, masked; cloning shares them.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Tail {
    lines: Arc<Mutex<VecDeque<String>>>,
    secrets: config::secrets::Secrets,
}

impl Tail {
    /// Starts empty; `secrets` are masked in every line.
    pub(in crate::upstream) fn new(secrets: config::secrets::Secrets) -> Self {
        Self { lines: Arc::default(), secrets }
    }

    /// Returns the lines, oldest first.
    pub(in crate::upstream) fn lines(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// Returns an empty one that masks the same secrets.
    #[must_use]
    pub(in crate::upstream) fn fresh(&self) -> Self {
        Self::new(self.secrets.clone())
    }

    /// Masks what must not be shown, control characters included, and bounds the length.
    fn clean(&self, bytes: &[u8]) -> String {
        let kept = bytes.get(..LINE_LENGTH).unwrap_or(bytes);
        let text = String::from_utf8_lossy(kept);
        let visible: String = text.trim_end().chars().filter(|c| !c.is_control()).collect();
        self.secrets.mask(&visible).into_owned()
    }

    /// Reads `stderr` until its end, so that the child never waits for someone to read it.
    pub(in crate::upstream) async fn drain(
        self,
        upstream: UpstreamId,
        mut stderr: impl AsyncRead + Unpin,
    ) {
        let mut chunk = vec![0; 4096];
        let mut line = Vec::new();
        while let Ok(count) = stderr.read(&mut chunk).await {
            if count == 0 {
                break;
            }
            for byte in chunk.iter().take(count) {
                if *byte == b'\n' {
                    self.add_from(&upstream, &line);
                    line.clear();
                } else if line.len() < LINE_LENGTH {
                    line.push(*byte);
                }
            }
        }
        self.add_from(&upstream, &line);
    }

    fn add_from(&self, upstream: &UpstreamId, line: &[u8]) {
        if let Some(line) = self.add(line) {
            tracing::debug!(%upstream, line, "stderr");
        }
    }

    /// Adds a line unless it is empty, and returns it as it may be shown.
    pub(in crate::upstream) fn add(&self, line: &[u8]) -> Option<String> {
        let line = self.clean(line);
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

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
