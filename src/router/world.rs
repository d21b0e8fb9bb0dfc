//! Everything `control` knows at one moment; what clients see of it depends on their view.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::catalog::Listing;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::upstream;

/// One generation; it never changes.
#[derive(Debug)]
pub struct World {
    /// Its number.
    pub generation: Generation,
    /// Every upstream that is not disabled, in the order of the file.
    pub upstreams: IndexMap<UpstreamId, Known>,
    /// How long a public name may be, in characters.
    pub max_name_length: usize,
}

/// What is known of one upstream.
#[derive(Clone, Debug)]
pub struct Known {
    /// How it is reached.
    pub handle: upstream::Handle,
    /// What it listed last, in this run.
    pub listing: Option<Arc<Listing>>,
    /// Why it could not be listed the last time.
    pub failure: Option<String>,
    /// What it tells a model about itself.
    pub instructions: Option<String>,
}
