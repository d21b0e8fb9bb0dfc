//! Towards a legacy upstream wishes are `logging/setLevel` and `resources/subscribe`.
//!
//! Whoever subscribes first asks for it; that it is asked again on the next session, and taken back
//! when nobody wants it any more, is done here.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::upstream::legacy;
use crate::upstream::session::Session;
use crate::upstream::upkeep::LIMIT;
use crate::upstream::upkeep::catch_up;
use crate::upstream::wants::Wants;
use crate::wire::Raw;
use crate::wire::method;
use crate::wire::object;

/// The wishes on one legacy session.
#[derive(Debug)]
pub(super) struct Legacy {
    session: Arc<Session>,
    wants: watch::Receiver<Wants>,
    level: Option<Raw>,
    /// The resources the upstream was asked about, and not yet told to forget.
    resources: HashSet<String>,
}

impl Legacy {
    pub(super) fn new(session: Arc<Session>, wants: watch::Receiver<Wants>) -> Self {
        Self { session, wants, level: None, resources: HashSet::new() }
    }

    pub(super) async fn run(mut self) {
        // What is wanted already was wanted of a session before this one.
        let wants = self.wants.borrow_and_update().clone();
        self.set_level(&wants).await;
        self.resources = wants.resources().map(str::to_owned).collect();
        if !self.resources.is_empty() {
            self.ask_for_all(method::RESOURCES_SUBSCRIBE, self.resources.clone()).await;
            catch_up(&self.session, &wants);
        }
        loop {
            tokio::select! {
                changed = self.wants.changed() => if changed.is_err() { return },
                () = self.session.connection.missed().notified() => {
                    catch_up(&self.session, &self.wants.borrow());
                }
            }
            let wants = self.wants.borrow_and_update().clone();
            self.set_level(&wants).await;
            self.forget_all_but(&wants).await;
        }
    }

    async fn set_level(&mut self, wants: &Wants) {
        if wants.level == self.level || !self.session.agreed.can(&["logging"]) {
            return;
        }
        self.level.clone_from(&wants.level);
        if let Some(level) = &self.level {
            let params = object::build([("level", level.get())]);
            // A server that refuses keeps its own level; nobody waits for this answer.
            drop(self.session.ask(method::SET_LEVEL, Some(&params), LIMIT).await);
        }
    }

    async fn forget_all_but(&mut self, wants: &Wants) {
        let wanted: HashSet<String> = wants.resources().map(str::to_owned).collect();
        let gone: HashSet<_> = self.resources.difference(&wanted).cloned().collect();
        self.resources = wanted;
        if gone.is_empty() {
            return;
        }
        self.ask_for_all(method::RESOURCES_UNSUBSCRIBE, gone.clone()).await;
        // Somebody may have asked for it again meanwhile, and the server heard that first.
        let wants = self.wants.borrow().clone();
        let again = wants.resources().filter(|uri| gone.contains(*uri)).map(str::to_owned);
        self.ask_for_all(method::RESOURCES_SUBSCRIBE, again.collect()).await;
    }

    /// Asks side by side; what a server answers changes nothing for those who wait for updates.
    async fn ask_for_all(&self, method: &'static str, uris: HashSet<String>) {
        let mut asked = JoinSet::new();
        for uri in uris {
            let session = Arc::clone(&self.session);
            asked.spawn(async move {
                drop(session.ask(method, Some(&legacy::address(&uri)), LIMIT).await);
            });
        }
        asked.join_all().await;
    }
}
