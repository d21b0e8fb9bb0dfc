//! How much of the tools a client is listed: all of them, or a few by which the others are found.

use std::sync::Arc;

use crate::catalog::Audience;
use crate::catalog::Kind;
use crate::catalog::Prepared;
use crate::clients::Client;
use crate::config::exposure::Mode;
use crate::router::own;
use crate::router::snapshot::Snapshot;
use crate::wire::Raw;

/// From how many tokens on a list of tools is too much: a tenth of what models commonly read at
/// once, before anybody has asked them anything.
const COSTLY: usize = 20_000;

impl Snapshot {
    /// Returns the list of one kind for a client that calls itself `client`.
    pub(super) fn list_for(&self, kind: Kind, client: Option<&str>) -> Arc<Prepared> {
        let audience = self.audience(client);
        if kind != Kind::Tools || !audience.searches {
            return Arc::clone(self.catalog.prepared(kind));
        }
        self.catalog.tools_for(audience, || self.few())
    }

    /// Returns as whom a client is listed tools.
    fn audience(&self, client: Option<&str>) -> Audience {
        let searches = match self.exposure().mode {
            Mode::Flat => false,
            Mode::Search => true,
            Mode::Auto => {
                let tools = self.catalog.entries(Kind::Tools).count();
                let client = client.and_then(Client::recognize);
                is_too_much(tools, client, || self.catalog.tokens())
            }
        };
        Audience { searches }
    }

    /// The tools that are listed where others are searched.
    fn few(&self) -> Vec<Raw> {
        let pinned = &self.exposure().pinned;
        let tools = self.catalog.entries(Kind::Tools);
        let pinned = tools.filter(|tool| pinned.is_match(&tool.public));
        let pinned = pinned.map(|tool| tool.definition.clone());
        pinned.chain(own::finders(self.upstreams.keys())).chain(own::definitions()).collect()
    }
}

/// Whether a list of all tools is more than a client takes, or more than a model should read.
fn is_too_much(tools: usize, client: Option<Client>, tokens: impl FnOnce() -> usize) -> bool {
    let limits = client.map(Client::limits).unwrap_or_default();
    let most = limits.most_tools.into_iter().chain(limits.warns_at).min();
    let finds_itself = client.is_some_and(Client::searches_tools_itself);
    most.is_some_and(|most| tools > most) || (!finds_itself && tokens() > COSTLY)
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
            assert_eq!(is_too_much(tools, client, || tokens), expected, "{client:?} {tools}");
        }
    }
}
