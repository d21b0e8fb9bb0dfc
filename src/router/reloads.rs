//! What follows when another configuration came into force: nobody keeps what is gone.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::router::Router;

/// What others do when another configuration came into force.
#[derive(Default)]
pub(super) struct Reloads(Mutex<Vec<Box<dyn Fn() + Send + Sync>>>);

impl fmt::Debug for Reloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloads").finish_non_exhaustive()
    }
}

impl Router {
    /// Has `follow` called whenever another configuration came into force. It must not block.
    pub fn when_reloaded(&self, follow: impl Fn() + Send + Sync + 'static) {
        let mut all = self.shared.reloads.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Box::new(follow));
    }

    /// Does what follows from another configuration in the world that was published last; for
    /// `control` alone.
    ///
    /// Every view looks at that world from now on, so that upstreams that are gone are kept by
    /// requests under way alone; views that are gone, too, are kept by who has them open.
    pub fn reloaded(self: &Arc<Self>) {
        {
            let world = self.shared.world.load();
            let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
            views.retain(|view, router| view.is_in(&world) || Arc::strong_count(router) > 1);
        }
        for router in self.family() {
            drop(router.snapshot());
        }
        let all = self.shared.reloads.0.lock().unwrap_or_else(PoisonError::into_inner);
        for follow in all.iter() {
            follow();
        }
    }
}
