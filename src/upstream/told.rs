//! What a modern upstream agreed to tell of: each acknowledgement says it anew.

use std::collections::HashSet;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio::time;

use crate::wire::Raw;

/// How long an upstream may take to agree to tell of something.
const LIMIT: Duration = Duration::from_secs(2);

/// What a subscription names one by one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Topics {
    /// Addresses of resources.
    #[serde(rename = "resourceSubscriptions")]
    pub(super) resources: HashSet<String>,
    /// Ids of tasks.
    #[serde(rename = "taskIds")]
    pub(super) tasks: HashSet<String>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Topic<'a> {
    /// The resource of this address.
    Resource(&'a str),
    /// The task of this id.
    Task(&'a str),
}

/// What was settled last on one session.
#[derive(Debug, Default)]
pub(super) struct Told(watch::Sender<Settled>);

#[derive(Debug, Default)]
struct Settled {
    asked: Topics,
    granted: Topics,
}

impl Topics {
    /// Reads the part of a subscription that an acknowledgement grants; nothing of what is no
    /// acknowledgement.
    pub(super) fn granted(acknowledgement: &Raw) -> Self {
        let granted = acknowledgement.member("notifications").and_then(|it| it.read().ok());
        granted.unwrap_or_default()
    }

    fn name(&self, topic: Topic<'_>) -> bool {
        match topic {
            Topic::Resource(uri) => self.resources.contains(uri),
            Topic::Task(id) => self.tasks.contains(id),
        }
    }
}

impl Told {
    /// Notes that of what was `asked` for the upstream has `granted` this.
    pub(super) fn settle(&self, asked: Topics, granted: Topics) {
        self.0.send_replace(Settled { asked, granted });
    }

    /// Waits until the upstream has been asked to tell of `topic`, at most [`LIMIT`]; returns
    /// whether it agreed.
    pub(super) async fn of(&self, topic: Topic<'_>) -> bool {
        let mut settled = self.0.subscribe();
        let asked = settled.wait_for(|settled| settled.asked.name(topic));
        match time::timeout(LIMIT, asked).await {
            Ok(Ok(settled)) => settled.granted.name(topic),
            Ok(Err(_)) | Err(_) => false,
        }
    }
}
