//! How much of the tools a client is listed: all of them, or a few by which the others are found.

use std::sync::Arc;

use crate::catalog::Audience;
use crate::catalog::Kind;
use crate::catalog::Prepared;
use crate::catalog::hygiene;
use crate::catalog::hygiene::Fitted;
use crate::clients::Client;
use crate::clients::crowd::Crowd;
use crate::config::exposure::Mode;
use crate::ids::UpstreamId;
use crate::router::own;
use crate::router::snapshot::Snapshot;
use crate::wire::Raw;

/// From how many tokens on a list of tools is too much: a tenth of what models commonly read at
/// once, before anybody has asked them anything.
const COSTLY: usize = 20_000;

impl Snapshot {
    /// Returns the list of one kind for a client that calls itself `client`.
    pub(super) fn list_for(&self, kind: Kind, client: Option<&str>) -> Arc<Prepared> {
        let everybody = self.catalog.prepared(kind);
        if kind != Kind::Tools {
            return Arc::clone(everybody);
        }
        let client = client.and_then(Client::recognize);
        let audience = self.audience(client);
        if audience == Audience::default() {
            return Arc::clone(everybody);
        }
        self.catalog.tools_for(audience, || self.tools_of(audience))
    }

    /// Returns whether a list that one client gets is the one that every other would get; as far
    /// as that is known without a look at what every client takes.
    pub(super) fn is_for_everybody(&self, kind: Kind, list: &Arc<Prepared>) -> bool {
        kind != Kind::Tools
            || (!self.is_searched() && Arc::ptr_eq(list, self.catalog.prepared(kind)))
    }

    /// Returns whether clients of whom nothing is known have to search.
    pub fn is_mostly_searched(&self) -> bool {
        self.audience(None).searches
    }

    /// Returns as whom a client is listed tools.
    fn audience(&self, client: Option<Client>) -> Audience {
        let tools = self.catalog.listed_tools();
        let searches = match self.exposure().mode {
            Mode::Flat => false,
            Mode::Search => true,
            Mode::Auto => is_too_much(tools, client, self.catalog.tokens()),
        };
        let is_special = |client: &Client| {
            !client.quirks().is_empty() || (!searches && is_more_than_it_takes(tools, *client))
        };
        Audience { searches, client: client.filter(is_special) }
    }

    /// The tools that an audience is listed, unless they are those of everybody.
    fn tools_of(&self, audience: Audience) -> Option<Vec<Raw>> {
        let listed = if audience.searches { self.few() } else { self.all() };
        let Some(client) = audience.client else { return Some(listed) };
        if let Some(crowd) = self.crowd(client) {
            tracing::warn!("{crowd}: {}", Crowd::REMEDY);
        }
        let mut is_other = audience.searches;
        let fit = |definition: Raw| match hygiene::fitted(&definition, client.quirks()) {
            Fitted::AsIs => Some(definition),
            Fitted::Repaired(fitted, _) => {
                is_other = true;
                Some(fitted)
            }
            Fitted::Withheld(remark) => {
                is_other = true;
                let tool = definition.member("name").and_then(|name| name.string());
                let (tool, client) = (tool.unwrap_or_default(), client.title());
                tracing::warn!(tool, client, %remark, "not listed for this client");
                None
            }
        };
        let fitted: Vec<Raw> = listed.into_iter().filter_map(fit).collect();
        is_other.then_some(fitted)
    }

    fn all(&self) -> Vec<Raw> {
        self.catalog.list(Kind::Tools).elements().unwrap_or_default()
    }

    /// The tools that are listed where others are searched.
    fn few(&self) -> Vec<Raw> {
        let pinned = &self.exposure().pinned;
        let tools = self.catalog.entries(Kind::Tools);
        let pinned = tools.filter(|tool| pinned.is_match(&tool.public));
        let pinned = pinned.map(|tool| tool.definition.clone());
        pinned.chain(own::finders(self.upstreams.keys())).chain(own::names::definitions()).collect()
    }

    /// Returns whether a client is listed more tools than it takes. All are listed all the same.
    pub fn crowd(&self, client: Client) -> Option<Crowd> {
        if self.audience(Some(client)).searches {
            return None;
        }
        let tools = || self.catalog.entries(Kind::Tools);
        let count = |id: &UpstreamId| tools().filter(|tool| tool.upstream == *id).count();
        let shares = self.upstreams.keys().map(|id| (id.as_str(), count(id)));
        Crowd::of(client, self.catalog.listed_tools(), shares)
    }
}

/// Whether a list of all tools is more than a client takes, or more than a model should read.
fn is_too_much(tools: usize, client: Option<Client>, tokens: usize) -> bool {
    let finds_itself = client.is_some_and(Client::searches_tools_itself);
    client.is_some_and(|client| is_more_than_it_takes(tools, client))
        || (!finds_itself && tokens > COSTLY)
}

fn is_more_than_it_takes(tools: usize, client: Client) -> bool {
    client.limits().comfortable().is_some_and(|most| tools > most)
}

#[cfg(test)]
mod tests {
    use super::is_too_much;
    use crate::clients::Client;

    #[test]
    fn what_is_too_much_depends_on_size_and_client() {
        let cases = [
            (None, 10, 1_000, false),
            (None, 10, 20_001, true),
            (None, 5_000, 20_000, false),
            (Some(Client::ClaudeCode), 500, 100_000, false),
            (Some(Client::VsCode), 128, 20_000, false),
            (Some(Client::VsCode), 129, 1_000, true),
            (Some(Client::Cursor), 81, 1_000, true),
            (Some(Client::Codex), 500, 20_001, true),
        ];
        for (client, tools, tokens, expected) in cases {
            assert_eq!(is_too_much(tools, client, tokens), expected, "{client:?} {tools}");
        }
    }
}
