//! What Cedar is asked: who, what, and everything that is known of both.

use std::collections::HashMap;
use std::collections::HashSet;
use std::str::FromStr as _;
use std::sync::LazyLock;

use cedar_policy::Context;
use cedar_policy::Entities;
use cedar_policy::Entity;
use cedar_policy::EntityId;
use cedar_policy::EntityTypeName;
use cedar_policy::EntityUid;
use cedar_policy::Request;
use cedar_policy::RestrictedExpression;

use crate::config::hints::Hint;
use crate::policy::Target;
use crate::policy::Who;
use crate::policy::arguments::Known;

/// The action that calling any tool is.
pub(super) const TOOLS: &str = "tools/call";
/// The action that getting a prompt is.
pub(super) const PROMPTS: &str = "prompts/get";
/// The action that reading a resource is.
pub(super) const RESOURCES: &str = "resources/read";

/// Returns whether an action is that of one tool.
pub(super) fn is_tool_action(name: &str) -> bool {
    ![TOOLS, PROMPTS, RESOURCES].contains(&name)
}

/// The types of entities.
struct Types {
    principal: EntityTypeName,
    group: EntityTypeName,
    action: EntityTypeName,
    upstream: EntityTypeName,
    tool: EntityTypeName,
    prompt: EntityTypeName,
    resource: EntityTypeName,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let name = |text| EntityTypeName::from_str(text).expect("a plain word is a name");
    Types {
        principal: name("Principal"),
        group: name("Group"),
        action: name("Action"),
        upstream: name("Upstream"),
        tool: name("Tool"),
        prompt: name("Prompt"),
        resource: name("Resource"),
    }
});

/// Returns the attribute of tools that says whether a hint holds.
pub(super) fn attribute(hint: Hint) -> &'static str {
    match hint {
        Hint::ReadOnly => "readOnly",
        Hint::Destructive => "destructive",
        Hint::Idempotent => "idempotent",
        Hint::OpenWorld => "openWorld",
    }
}

/// Puts the question; nothing if Cedar does not take it.
pub(super) fn question(
    who: &Who<'_>,
    target: &Target<'_>,
    arguments: Option<Known>,
) -> Option<(Request, Entities)> {
    let principal = uid(&TYPES.principal, who.principal);
    let groups = who.groups.iter().map(|group| uid(&TYPES.group, group));
    let name = [("name", text(who.principal))];
    let mut entities = vec![entity(principal.clone(), name, groups.collect())?];
    let action = match target {
        Target::Tool(tool) => {
            let action = uid(&TYPES.action, &tool.name);
            let parents = HashSet::from([uid(&TYPES.action, TOOLS)]);
            entities.push(Entity::new_no_attrs(action.clone(), parents));
            action
        }
        Target::Prompt { .. } => uid(&TYPES.action, PROMPTS),
        Target::Resource { .. } => uid(&TYPES.action, RESOURCES),
    };
    let thing = thing(target)?;
    let resource = thing.uid();
    entities.push(thing);
    let client = ("client".to_owned(), text(who.client));
    let profile = who.profile.map(|profile| ("profile".to_owned(), text(profile)));
    let arguments = arguments.map(|known| ("arguments".to_owned(), known.into_expression()));
    let context = Context::from_pairs([client].into_iter().chain(profile).chain(arguments)).ok()?;
    let request = Request::new(principal, action, resource, context, None).ok()?;
    let entities = Entities::from_entities(entities, None).ok()?;
    Some((request, entities))
}

fn thing(target: &Target<'_>) -> Option<Entity> {
    match *target {
        Target::Tool(tool) => {
            let names = [("name", text(&tool.name)), ("local", text(&tool.local))];
            let hints = Hint::ALL.map(|hint| {
                (attribute(hint), RestrictedExpression::new_bool(tool.hints.has(hint)))
            });
            let attributes = names.into_iter().chain(hints);
            entity(uid(&TYPES.tool, &tool.name), attributes, upstream(&tool.upstream))
        }
        Target::Prompt { upstream: owner, name, local } => {
            let names = [("name", text(name)), ("local", text(local))];
            entity(uid(&TYPES.prompt, name), names, upstream(owner))
        }
        Target::Resource { upstream: owner, uri } => {
            entity(uid(&TYPES.resource, uri), [("uri", text(uri))], upstream(owner))
        }
    }
}

fn upstream(id: &str) -> HashSet<EntityUid> {
    HashSet::from([uid(&TYPES.upstream, id)])
}

fn entity(
    uid: EntityUid,
    attributes: impl IntoIterator<Item = (&'static str, RestrictedExpression)>,
    parents: HashSet<EntityUid>,
) -> Option<Entity> {
    let attributes = attributes.into_iter().map(|(key, value)| (key.to_owned(), value));
    Entity::new(uid, attributes.collect::<HashMap<_, _>>(), parents).ok()
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}
