//! Everything `control` knows at one moment; what clients see of it depends on their view.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::config;
use crate::config::auth::Scopes;
use crate::config::exposure::Exposure;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::policy::Policy;
use crate::router::Lasting;
use crate::upstream;
use crate::upstream::Moment;
use crate::wire::Raw;

/// One generation; it never changes.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Its number.
    pub generation: Generation,
    /// Every upstream that is not disabled, in the order of the file.
    pub upstreams: IndexMap<UpstreamId, Known>,
    /// Those that are, for reports.
    pub disabled: Vec<UpstreamId>,
    /// Their keys again, and what the names of each would begin with.
    pub disabled_prefixes: Vec<(UpstreamId, String)>,
    /// Those that are no longer part of the configuration and have not ended yet.
    pub retired: Vec<upstream::Retired>,
    /// How often the configuration was another one. Catalogs are merged anew if this differs.
    pub configured: u64,
    /// How long a public name may be, in characters.
    pub max_name_length: usize,
    /// How long a list waits at most for upstreams that are still starting.
    pub start_budget: Duration,
    /// Parts of what there is, by name, in the order of the file.
    pub profiles: IndexMap<String, Arc<config::Profile>>,
    /// The one that clients see who ask for none.
    pub profile: Option<String>,
    /// Whether some may see and call less than others, whatever rules say.
    pub has_bounds: bool,
    /// Who may do what; everybody everything if there is none.
    pub policy: Option<Arc<Policy>>,
    /// How much of the tools clients are listed where no profile says something else.
    pub exposure: Arc<Exposure>,
    /// What tokens of providers must be good for.
    pub scopes: Arc<Scopes>,
}

impl World {
    /// Returns whether some clients see a profile that they have not asked for.
    pub(super) fn has_chosen(&self) -> bool {
        self.profile.is_some() || self.distinguishes_clients()
    }

    /// Returns whether what clients see that ask for nothing depends on their name.
    pub(super) fn distinguishes_clients(&self) -> bool {
        self.profile.is_none() && self.profiles.values().any(|it| !it.clients.is_empty())
    }

    /// Returns the profile that a client sees that asks for none: the one that everybody sees, or
    /// the first that is for clients of this name.
    pub(super) fn profile_for(&self, client: Option<&str>) -> Option<&str> {
        let for_client = || {
            let client = client?;
            let found = self.profiles.iter().find(|(_, profile)| profile.clients.is_match(client));
            found.map(|(name, _)| name.as_str())
        };
        self.profile.as_deref().or_else(for_client)
    }
}

impl Known {
    /// Returns its configuration.
    pub(super) fn config(&self) -> &Arc<config::Upstream> {
        self.handle.config()
    }
}

/// What is known of one upstream.
#[derive(Clone, Debug)]
pub struct Known {
    /// How it is reached.
    pub handle: upstream::Handle,
    /// What it listed last, in this run or an earlier one.
    pub listing: Arc<Listing>,
    /// The kinds of which its list was never had in this run; all of them before it listed
    /// anything.
    pub unread: Vec<Kind>,
    /// When it listed what is known of those kinds, if it did so in an earlier run.
    pub remembered: Option<Moment>,
    /// How long each list it was asked for may be kept.
    pub lasting: IndexMap<Kind, Lasting>,
    /// Why it, or one of its lists, could not be listed the last time.
    pub failure: Option<String>,
    /// What it tells a model about itself.
    pub instructions: Option<String>,
    /// The extensions it declared last, an object by their ids.
    pub extensions: Option<Raw>,
}
