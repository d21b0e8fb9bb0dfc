//! What requests wait for; `control` has it listed.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::Notify;

use crate::ids::UpstreamId;

/// What somebody wants to have listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Whether somebody wants to see a list of everything.
    pub everything: bool,
    /// The upstreams whose first list somebody waits for.
    pub upstreams: HashSet<UpstreamId>,
}

/// Whether somebody has to be waited for before lists are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Settled {
    /// Nothing is known of somebody who may list soon.
    #[default]
    No,
    /// Lists can be shown: something is known of everybody, of some from an earlier run alone, or
    /// nothing more has come for a while.
    Enough,
    /// Everybody has listed in this run, failed, or used up the start budget.
    Live,
}

/// What is wanted and was not taken yet; bounded by the number of upstreams.
#[derive(Debug, Default)]
pub(super) struct Demands {
    wanted: Mutex<Demand>,
    raised: Notify,
}

impl Demands {
    /// Wants something more.
    pub(super) fn raise(&self, change: impl FnOnce(&mut Demand)) {
        change(&mut self.wanted.lock().unwrap_or_else(PoisonError::into_inner));
        self.raised.notify_one();
    }

    /// Waits until something is wanted, and takes it. For one task alone. Cancel safe.
    pub(super) async fn next(&self) -> Demand {
        loop {
            let wanted =
                std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner));
            if wanted != Demand::default() {
                return wanted;
            }
            self.raised.notified().await;
        }
    }
}
