//! How another configuration comes into force while everything runs.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::config::Config;
use crate::config::Upstream;
use crate::config::difference::Difference;
use crate::control::Control;
use crate::control::Event;
use crate::control::facts;
use crate::ids::UpstreamId;
use crate::upstream::Disk;
use crate::upstream::Recalled;
use crate::upstream::Recalling;

/// Where other configurations are handed in; cloning shares it.
#[derive(Clone, Debug)]
pub struct Reloads {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) disk: Disk,
}

/// A configuration on its way into force.
#[derive(Debug)]
pub(super) struct Reload {
    config: Arc<Config>,
    difference: Difference,
    /// What is known from earlier runs of upstreams that are new.
    recalled: Vec<(UpstreamId, Recalled)>,
    done: oneshot::Sender<()>,
}

/// A configuration of which all is known, handed in when it is to come into force.
#[derive(Debug)]
#[must_use = "nothing comes of it before it is applied"]
pub struct Prepared {
    reload: Reload,
    events: mpsc::Sender<Event>,
    is_done: oneshot::Receiver<()>,
}

impl Reloads {
    /// Reads from the disk what is known of the upstreams of `config` that are new; `difference` is
    /// what differs from the one that is in force.
    pub async fn prepare(&self, config: Arc<Config>, difference: Difference) -> Prepared {
        let is_of_interest =
            |(id, _): &(&UpstreamId, &Upstream)| difference.upstreams.contains_key(*id);
        let differing = facts::enabled(&config).filter(is_of_interest);
        let differing = differing.map(|(_, it)| Arc::new(it.clone()));
        let recalled = Recalling::begin(differing, &self.disk).finish().await;
        let (done, is_done) = oneshot::channel();
        let reload = Reload { config, difference, recalled, done };
        Prepared { reload, events: self.events.clone(), is_done }
    }
}

impl Prepared {
    /// Has it come into force, and waits until it is.
    pub async fn apply(self) {
        if self.events.send(Event::Reload(Box::new(self.reload))).await.is_ok() {
            // If it never comes about, everything is about to end.
            drop(self.is_done.await);
        }
    }
}

impl Control {
    /// Has another configuration come into force: what is the same goes on.
    pub(super) fn reload(&mut self, reload: Reload) {
        let Reload { config, difference, recalled, done } = reload;
        let before: Vec<_> = self.facts.handles.keys().cloned().collect();
        let fresh = self.facts.reload(config, &difference, &self.around);
        for (id, recalled) in recalled {
            if fresh.contains(&id) {
                self.facts.recall(&id, recalled);
            }
        }
        for id in before.iter().filter(|id| !self.facts.handles.contains_key(*id)) {
            self.announcement.heard(id);
        }
        self.has_news = true;
        self.publish();
        self.router.reloaded();
        for id in &fresh {
            self.watch_upstream(id);
        }
        let differing: Vec<_> = difference.upstreams.into_keys().collect();
        self.awaken(&differing, &fresh);
        // Whoever handed it in may be gone.
        let _is_awaited = done.send(()).is_ok();
    }

    /// Starts what is to run without anybody who waits for it, among those that differ, and has
    /// what is new listed if anybody ever wanted to see lists.
    fn awaken(&mut self, differing: &[UpstreamId], fresh: &[UpstreamId]) {
        let until = Instant::now() + self.facts.config.limits.start_budget.limit();
        for (id, handle) in &self.facts.handles {
            let is_wanted = differing.contains(id) && handle.is_wanted();
            if is_wanted && self.around.front.is_open() {
                let handle = handle.clone();
                self.spawn(async move {
                    tokio::select! {
                        // What comes of it is in the state of the upstream.
                        outcome = handle.ready() => drop(outcome),
                        () = handle.retired() => {}
                    }
                });
            }
            if self.patience.is_begun() && fresh.contains(id) {
                self.announcement.wait_for(id.clone(), until);
            }
        }
        if self.patience.is_begun() {
            for id in fresh {
                self.list(id);
            }
        }
    }
}
