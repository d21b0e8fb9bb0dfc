//! What one request sees of the world: the catalog and the upstreams of one generation.

use indexmap::IndexMap;

use crate::catalog::Catalog;
use crate::catalog::Kind;
use crate::catalog::name;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::router::Lasting;
use crate::upstream;
use crate::wire::Raw;

/// One generation; it never changes.
#[derive(Debug)]
pub struct Snapshot {
    /// Its number.
    pub generation: Generation,
    /// What is listed, and who owns it.
    pub catalog: Catalog,
    /// Every upstream that is not disabled, in the order of the file.
    pub upstreams: IndexMap<UpstreamId, upstream::Handle>,
    /// Those that have not listed anything yet.
    pub unlisted: Vec<UpstreamId>,
    /// Why upstreams could not be listed the last time.
    pub failures: IndexMap<UpstreamId, String>,
    /// How long each list stays fresh; not at all if it is not here.
    pub lasting: IndexMap<Kind, Lasting>,
    /// The extensions each upstream declared last, an object by their ids.
    pub extensions: IndexMap<UpstreamId, Raw>,
    /// What upstreams tell a model about themselves, merged.
    pub instructions: Option<String>,
}

impl Snapshot {
    /// Returns how the upstream that owns something is reached.
    pub fn handle(&self, upstream: &UpstreamId) -> Result<&upstream::Handle, upstream::Error> {
        self.upstreams.get(upstream).ok_or_else(|| upstream::Error::stopped(upstream))
    }

    /// Returns the upstream, not listed yet, that a name nobody owns could belong to.
    pub fn expected(&self, public: &str) -> Option<&UpstreamId> {
        let could_own = |id: &&UpstreamId| {
            let Some(handle) = self.upstreams.get(*id) else { return false };
            let prefix = handle.config().prefix.as_str();
            prefix.is_empty() || name::prefix(public) == Some(prefix)
        };
        self.unlisted.iter().find(could_own)
    }
}
