//! What a modern upstream agreed to tell of: each acknowledgement says it anew.

use std::collections::HashSet;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio::time;

use crate::exchange::mailbox::Topic;
use crate::wire::Raw;

/// How long an upstream may take to agree to tell of something.
const LIMIT: Duration = Duration::from_secs(2);

/// What was settled last on one session.
#[derive(Debug, Default)]
pub(super) struct Told(watch::Sender<Settled>);

#[derive(Debug, Default)]
struct Settled {
    asked: HashSet<Topic>,
    granted: HashSet<Topic>,
}

impl Told {
    /// Notes that of what was `asked` for the upstream has `granted` this.
    pub(super) fn settle(&self, asked: HashSet<Topic>, granted: HashSet<Topic>) {
        self.0.send_replace(Settled { asked, granted });
    }

    /// Returns what the upstream tells of.
    pub(super) fn granted(&self) -> HashSet<Topic> {
        self.0.borrow().granted.clone()
    }

    /// Waits until the upstream has been asked to tell of `topic`, at most [`LIMIT`]; returns
    /// whether it agreed, or nothing if it did not say.
    pub(super) async fn of(&self, topic: &Topic) -> Option<bool> {
        let mut settled = self.0.subscribe();
        let asked = settled.wait_for(|settled| settled.asked.contains(topic));
        let settled = time::timeout(LIMIT, asked).await.ok()?.ok()?;
        Some(settled.granted.contains(topic))
    }
}

/// Reads what an acknowledgement grants, besides lists.
pub(super) fn granted(acknowledgement: &Raw) -> HashSet<Topic> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Granted {
        resource_subscriptions: Vec<String>,
        task_ids: Vec<String>,
    }
    let granted = acknowledgement.member("notifications").and_then(|it| it.read().ok());
    let Granted { resource_subscriptions, task_ids } = granted.unwrap_or_default();
    let resources = resource_subscriptions.into_iter().map(Topic::Resource);
    resources.chain(task_ids.into_iter().map(Topic::Task)).collect()
}
