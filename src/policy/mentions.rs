//! The names that a policy in Cedar mentions, and where.

use cedar_policy::EntityUid;

use crate::config::cedar::Written;
use crate::config::spot::Spot;
use crate::policy::entity;
use crate::policy::text;

/// A name that something must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mention<'a> {
    /// The public name of a tool.
    Tool(&'a str),
    /// The public name of a prompt.
    Prompt(&'a str),
    /// The key of an upstream.
    Upstream(&'a str),
}

impl<'a> Mention<'a> {
    /// Returns what an entity is the name of, if that is something that must be there.
    pub(super) fn of(entity: &'a EntityUid) -> Option<Self> {
        let id = entity.id().unescaped();
        match entity.type_name().basename() {
            "Action" => entity::is_tool_action(id).then_some(Self::Tool(id)),
            "Tool" => Some(Self::Tool(id)),
            "Prompt" => Some(Self::Prompt(id)),
            "Upstream" => Some(Self::Upstream(id)),
            _ => None,
        }
    }

    /// Returns the name.
    pub(super) fn name(&self) -> &'a str {
        match *self {
            Self::Tool(name) | Self::Prompt(name) | Self::Upstream(name) => name,
        }
    }
}

/// Returns where a policy mentions an entity; its beginning if that is written in another way.
pub(super) fn spot(written: &Written, entity: &EntityUid) -> Spot {
    let (start, end) = written.range;
    let id = text::entity(entity.type_name().basename(), entity.id().unescaped());
    let place = written.source.text.get(start..end).and_then(|policy| policy.find(&id));
    place.map_or_else(|| written.spot.clone(), |place| written.source.spot(start + place))
}
