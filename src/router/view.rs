//! What a client sees of everything: all of it, one upstream alone, or a profile.

use std::sync::Arc;
use std::sync::LazyLock;

use crate::config;
use crate::config::exposure::Exposure;
use crate::config::hints::Wanted;
use crate::exchange::principal::Bounds;
use crate::ids::UpstreamId;
use crate::router::own::names;
use crate::router::world::World;
use crate::wire::Raw;

/// Everything is listed.
static FLAT: LazyLock<Exposure> = LazyLock::new(Exposure::default);

/// A part of what there is that clients can ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// One upstream alone, under the names it gave, without Conflux's own tools.
    Server(String),
    /// A profile of the configuration: some upstreams, some of their tools.
    Profile(String),
}

impl View {
    /// Returns whether somebody with these bounds may look at it.
    pub fn is_within(&self, bounds: &Bounds) -> bool {
        let Some(profiles) = &bounds.profiles else { return true };
        matches!(self, Self::Profile(name) if profiles.contains(name))
    }

    /// Returns whether there is such a part.
    pub(super) fn is_in(&self, world: &World) -> bool {
        match self {
            Self::Server(name) => world.upstreams.contains_key(&UpstreamId::new(name)),
            Self::Profile(name) => world.profiles.contains_key(name),
        }
    }
}

/// How a view looks at everything.
#[derive(Clone, Debug)]
pub(super) enum Lens {
    /// Everything.
    Everything,
    /// One upstream alone.
    Server(UpstreamId),
    /// A profile.
    Profile(String, Arc<config::Profile>),
    /// A profile that there is no more.
    Nothing,
}

impl Lens {
    /// How a part, or everything, is looked at in this world.
    pub(super) fn of(view: Option<&View>, world: &World) -> Self {
        match view {
            None => Self::Everything,
            Some(View::Server(name)) => Self::Server(UpstreamId::new(name)),
            Some(View::Profile(name)) => match world.profiles.get(name) {
                Some(profile) => Self::Profile(name.clone(), Arc::clone(profile)),
                None => Self::Nothing,
            },
        }
    }

    /// Returns whether anything of this upstream is seen.
    pub(super) fn shows(&self, upstream: &UpstreamId) -> bool {
        match self {
            Self::Everything => true,
            Self::Server(only) => only == upstream,
            Self::Profile(_, profile) => {
                profile.upstreams.as_ref().is_none_or(|members| members.contains(upstream))
            }
            Self::Nothing => false,
        }
    }

    /// Returns the name of the profile, if it is one.
    pub(super) fn profile(&self) -> Option<&str> {
        match self {
            Self::Profile(name, _) => Some(name),
            Self::Everything | Self::Server(_) | Self::Nothing => None,
        }
    }

    /// Returns what an upstream's public names begin with.
    pub(super) fn prefix<'a>(&self, upstream: &'a config::Upstream) -> &'a str {
        match self {
            Self::Everything | Self::Profile(..) | Self::Nothing => &upstream.prefix,
            Self::Server(_) => "",
        }
    }

    /// Returns how much of the tools clients are listed, if it is this much `everywhere`.
    pub(super) fn exposure<'a>(&'a self, everywhere: &'a Exposure) -> &'a Exposure {
        match self {
            Self::Everything => everywhere,
            Self::Profile(_, profile) => &profile.exposure,
            // There are no tools of Conflux that could find any.
            Self::Server(_) | Self::Nothing => &FLAT,
        }
    }

    /// Returns whether a tool with this public name is seen.
    pub(super) fn shows_tool(&self, public: &str) -> bool {
        match self {
            Self::Everything | Self::Server(_) => true,
            Self::Profile(_, profile) => profile.tools.permits(public),
            Self::Nothing => false,
        }
    }

    /// Returns what the annotations of tools must say to be seen, if that is said.
    pub(super) fn wanted(&self) -> Option<&Wanted> {
        match self {
            Self::Everything | Self::Server(_) | Self::Nothing => None,
            Self::Profile(_, profile) => Some(profile.tools.wanted()),
        }
    }

    /// Returns the tools of Conflux itself that are seen.
    pub(super) fn own_tools(&self) -> Vec<Raw> {
        match self {
            Self::Everything | Self::Profile(..) => names::definitions(),
            Self::Server(_) | Self::Nothing => Vec::new(),
        }
    }
}
