//! Lists that change while the server runs, and who is told.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use tokio::sync::broadcast;

/// How many changes a slow listener may be behind before it misses some.
const BEHIND: usize = 16;

/// A list that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Tools,
    Prompts,
}

/// Whether the lists have their additional entry.
pub(crate) struct Changes {
    tools: AtomicBool,
    prompts: AtomicBool,
    sender: broadcast::Sender<Change>,
}

impl Changes {
    pub(crate) fn new() -> Self {
        let sender = broadcast::Sender::new(BEHIND);
        Self { tools: AtomicBool::new(false), prompts: AtomicBool::new(false), sender }
    }

    /// Adds the additional entry to a list or takes it away, and tells whoever listens.
    pub(crate) fn toggle(&self, change: Change) {
        self.flag(change).fetch_not(Ordering::SeqCst);
        // Nobody listens: nobody has to be told.
        drop(self.sender.send(change));
    }

    pub(crate) fn added(&self, change: Change) -> bool {
        self.flag(change).load(Ordering::SeqCst)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }

    fn flag(&self, change: Change) -> &AtomicBool {
        match change {
            Change::Tools => &self.tools,
            Change::Prompts => &self.prompts,
        }
    }
}

/// Waits for the next change; `None` when there will be none.
pub(crate) async fn next(receiver: &mut broadcast::Receiver<Change>) -> Option<Change> {
    loop {
        match receiver.recv().await {
            Ok(change) => return Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}
