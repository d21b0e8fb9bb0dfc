//! Tells `control` what changes with one upstream.

use tokio::sync::watch;
use tokio::time::Instant;

use crate::upstream::error::Error;
use crate::upstream::lists::Lists;
use crate::upstream::state::Phase;

/// Tells of changes of one upstream; what happens meanwhile is told once.
#[derive(Debug)]
pub struct Watch {
    state: watch::Receiver<Phase>,
    lists: watch::Receiver<Lists>,
}

/// What changed.
#[derive(Clone, Debug)]
pub enum Change {
    /// It is ready, perhaps again.
    Ready,
    /// It failed, or is stopped.
    Failed(Error),
    /// It says that lists changed.
    Lists,
    /// It has ended for good.
    Gone,
}

impl Watch {
    /// Tells of changes of `state` and of `lists`.
    pub(super) fn new(state: watch::Receiver<Phase>, lists: watch::Receiver<Lists>) -> Self {
        Self { state, lists }
    }

    /// Waits for the next change. Cancel safe.
    pub async fn next(&mut self) -> Change {
        loop {
            tokio::select! {
                changed = self.state.changed() => {
                    if changed.is_err() {
                        return Change::Gone;
                    }
                    let state = &self.state.borrow_and_update().state;
                    if state.session().is_some() {
                        return Change::Ready;
                    }
                    if let Some(error) = state.error(Instant::now()) {
                        return Change::Failed(error);
                    }
                }
                changed = self.lists.changed() => return match changed {
                    Ok(()) => Change::Lists,
                    Err(_) => Change::Gone,
                },
            }
        }
    }
}
