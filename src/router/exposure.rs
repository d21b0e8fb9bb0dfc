//! How much of the tools a client is listed: all of them, or a few by which the others are found.

use std::sync::Arc;

use crate::catalog::Audience;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::Prepared;
use crate::catalog::hygiene;
use crate::catalog::hygiene::Fitted;
use crate::clients::Client;
use crate::clients::crowd::Crowd;
use crate::config::exposure::Mode;
use crate::ids::UpstreamId;
use crate::router::own;
use crate::router::permits::Seen;
use crate::router::snapshot::Snapshot;
use crate::wire::Raw;

/// From how many tokens on a list of tools is too much: a tenth of what models commonly read at
/// once, before anybody has asked them anything.
const COSTLY: usize = 20_000;

impl Snapshot {
    /// Returns the list of one kind for a client that calls itself `client`.
    /// `seen` is what of it that client sees, if that is not all.
    pub(super) fn list_for(
        &self,
        kind: Kind,
        client: Option<&str>,
        seen: Option<&Seen>,
    ) -> Arc<Prepared> {
        let all = seen.map_or_else(|| self.catalog.prepared(kind), |seen| seen.prepared(kind));
        if kind != Kind::Tools {
            return Arc::clone(all);
        }
        let client = client.and_then(Client::recognize);
        let audience = self.audience(client, seen);
        if audience == Audience::default() {
            return Arc::clone(all);
        }
        let make = || self.tools_of(audience, seen);
        match seen {
            Some(seen) => seen.tools_for(audience, make),
            None => self.catalog.tools_for(audience, make),
        }
    }

    /// Returns whether a list that one client gets is the one that every other would get; as far
    /// as that is known without a look at what every client takes.
    pub(super) fn is_for_everybody(&self, kind: Kind, list: &Arc<Prepared>) -> bool {
        if self.permits.is_some() {
            return false;
        }
        kind != Kind::Tools
            || (!self.is_searched() && Arc::ptr_eq(list, self.catalog.prepared(kind)))
    }

    /// Returns whether clients of whom nothing is known have to search.
    pub fn is_mostly_searched(&self) -> bool {
        self.audience(None, None).searches
    }

    /// Returns as whom a client is listed tools.
    fn audience(&self, client: Option<Client>, seen: Option<&Seen>) -> Audience {
        let tools = seen.map_or_else(|| self.catalog.listed_tools(), Seen::listed_tools);
        let tokens = || seen.map_or_else(|| self.catalog.tokens(), Seen::tokens);
        let searches = match self.exposure().mode {
            Mode::Flat => false,
            Mode::Search => true,
            Mode::Auto => is_too_much(tools, client, tokens()),
        };
        let is_special = |client: &Client| {
            !client.quirks().is_empty() || (!searches && is_more_than_it_takes(tools, *client))
        };
        Audience { searches, client: client.filter(is_special) }
    }

    /// The tools that an audience is listed, unless they are those of everybody.
    fn tools_of(&self, audience: Audience, seen: Option<&Seen>) -> Option<Vec<Raw>> {
        let listed = if audience.searches { self.few(seen) } else { self.all(seen) };
        let Some(client) = audience.client else { return Some(listed) };
        if let Some(crowd) = self.crowd_among(client, seen) {
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

    fn all(&self, seen: Option<&Seen>) -> Vec<Raw> {
        let list = match seen {
            Some(seen) => seen.prepared(Kind::Tools).list(),
            None => self.catalog.list(Kind::Tools),
        };
        list.elements().unwrap_or_default()
    }

    /// The tools that are listed where others are searched.
    fn few(&self, seen: Option<&Seen>) -> Vec<Raw> {
        let pinned = &self.exposure().pinned;
        let is_pinned = |tool: &&Entry| pinned.is_match(&tool.public);
        let pinned: Vec<Raw> = match seen {
            Some(seen) => definitions(seen.entries(Kind::Tools).filter(is_pinned)),
            None => definitions(self.catalog.entries(Kind::Tools).filter(is_pinned)),
        };
        let upstreams = self.upstreams.keys();
        let upstreams = upstreams.filter(|id| seen.is_none_or(|seen| seen.sees(id)));
        let own = seen.map_or_else(own::names::definitions, |seen| seen.own().to_vec());
        pinned.into_iter().chain(own::finders(upstreams)).chain(own).collect()
    }

    /// Returns whether a client is listed more tools than it takes. All are listed all the same.
    pub fn crowd(&self, client: Client) -> Option<Crowd> {
        self.crowd_among(client, None)
    }

    fn crowd_among(&self, client: Client, seen: Option<&Seen>) -> Option<Crowd> {
        if self.audience(Some(client), seen).searches {
            return None;
        }
        let its = |id: &UpstreamId, tool: &Entry| tool.upstream == *id;
        let count = |id: &UpstreamId| match seen {
            Some(seen) => seen.entries(Kind::Tools).filter(|tool| its(id, tool)).count(),
            None => self.catalog.entries(Kind::Tools).filter(|tool| its(id, tool)).count(),
        };
        let shares = self.upstreams.keys().map(|id| (id.as_str(), count(id)));
        let shares = shares.filter(|(_, count)| seen.is_none() || *count > 0);
        let listed = seen.map_or_else(|| self.catalog.listed_tools(), Seen::listed_tools);
        Crowd::of(client, listed, shares)
    }
}

fn definitions<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<Raw> {
    entries.map(|entry| entry.definition.clone()).collect()
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
