//! What all callers together want from one upstream while it runs.

use indexmap::IndexMap;
use tokio::sync::watch;

use crate::exchange::mailbox::Hold;
use crate::exchange::mailbox::Topic;
use crate::wire::Raw;

/// What all callers together want.
#[derive(Clone, Debug, Default)]
pub(super) struct Wants {
    /// The lowest level of log messages, as raw JSON.
    pub(super) level: Option<Raw>,
    /// What somebody wants to hear of, and how many do.
    topics: IndexMap<Topic, usize>,
}

/// Somebody's wish to hear of something; dropping it takes it back.
#[derive(Debug)]
pub struct Watching {
    wants: watch::Sender<Wants>,
    topic: Topic,
}

impl Wants {
    /// Returns what somebody wants to hear of.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.keys()
    }

    /// Returns the addresses of resources among it.
    pub(super) fn resources(&self) -> impl Iterator<Item = &str> {
        self.topics().filter_map(|topic| match topic {
            Topic::Resource(uri) => Some(uri.as_str()),
            Topic::Task(_) => None,
        })
    }

    /// Returns whether anybody wants to hear of `topic`.
    pub(super) fn name(&self, topic: &Topic) -> bool {
        self.topics.contains_key(topic)
    }
}

impl Watching {
    /// Adds a wish to `wants`.
    pub(super) fn begin(wants: &watch::Sender<Wants>, topic: Topic) -> Self {
        wants.send_modify(|wants| *wants.topics.entry(topic.clone()).or_default() += 1);
        Self { wants: wants.clone(), topic }
    }

    /// Returns what is wished for.
    pub(super) fn topic(&self) -> &Topic {
        &self.topic
    }
}

impl Hold for Watching {}

impl Drop for Watching {
    fn drop(&mut self) {
        self.wants.send_modify(|wants| {
            let Some(count) = wants.topics.get_mut(&self.topic) else { return };
            *count -= 1;
            if *count == 0 {
                wants.topics.shift_remove(&self.topic);
            }
        });
    }
}
