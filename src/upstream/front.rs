//! What the clients in front can do, which every upstream that starts is told.

use tokio::sync::watch;

use crate::exchange::caller::Capabilities;
use crate::exchange::task::Dialect;
use crate::wire::Raw;
use crate::wire::object;

/// The clients in front, all of them together; cloning shares what is known of them.
#[derive(Clone, Debug)]
pub struct Front(watch::Sender<Option<Raw>>);

impl Default for Front {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Front {
    /// Says what clients can do; a legacy upstream that starts later is told so.
    pub fn open(&self, capabilities: &Capabilities) {
        self.0.send_replace(Some(capabilities.carried(Dialect::None).clone()));
    }

    /// Returns whether anybody was there, so that upstreams may start by themselves.
    pub fn is_open(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Returns what upstreams are told.
    pub(super) fn offer(&self) -> Raw {
        self.0.borrow().clone().unwrap_or_else(|| object::build([]))
    }
}
