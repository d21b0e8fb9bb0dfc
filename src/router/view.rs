//! What a client sees of everything: all of it, one upstream alone, or a profile.

use std::sync::Arc;

use crate::config;
use crate::ids::UpstreamId;
use crate::router::own;
use crate::wire::Raw;

/// A part of what there is that clients can ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// One upstream alone, under the names it gave, without Conflux's own tools.
    Server(String),
    /// A profile of the configuration: some upstreams, some of their tools.
    Profile(String),
}

/// How a view looks at everything.
#[derive(Clone, Debug)]
pub(super) enum Lens {
    /// Everything.
    Everything,
    /// One upstream alone.
    Server(UpstreamId),
    /// A profile.
    Profile(Arc<config::Profile>),
}

impl Lens {
    /// Returns whether anything of this upstream is seen.
    pub(super) fn shows(&self, upstream: &UpstreamId) -> bool {
        match self {
            Self::Everything => true,
            Self::Server(only) => only == upstream,
            Self::Profile(profile) => {
                profile.upstreams.as_ref().is_none_or(|members| members.contains(upstream))
            }
        }
    }

    /// Returns what an upstream's public names begin with.
    pub(super) fn prefix<'a>(&self, upstream: &'a config::Upstream) -> &'a str {
        match self {
            Self::Everything | Self::Profile(_) => &upstream.prefix,
            Self::Server(_) => "",
        }
    }

    /// Returns whether a tool with this public name is seen.
    pub(super) fn shows_tool(&self, public: &str) -> bool {
        match self {
            Self::Everything | Self::Server(_) => true,
            Self::Profile(profile) => profile.tools.permits(public),
        }
    }

    /// Returns the tools of Conflux itself that are seen.
    pub(super) fn own_tools(&self) -> Vec<Raw> {
        match self {
            Self::Everything | Self::Profile(_) => own::definitions(),
            Self::Server(_) => Vec::new(),
        }
    }
}
