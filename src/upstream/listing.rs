//! Asks an upstream for everything it has.

use std::time::Duration;

use crate::upstream::error::Fault;
use crate::upstream::lists::List;
use crate::upstream::lists::Listed;
use crate::upstream::session::Session;
use crate::upstream::task_calls;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::extension;
use crate::wire::method;

/// How long one page of a list may take.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Lists everything the upstream declared that it has.
///
/// The lists are asked for side by side, so that one that never comes costs [`LIMIT`] and none of
/// the others.
pub(super) async fn all(session: &Session) -> Listed {
    let list = |method, key, capability| one(session, method, key, capability);
    let (tools, prompts, resources, templates, skills) = tokio::join!(
        list(method::TOOLS_LIST, "tools", &["tools"]),
        list(method::PROMPTS_LIST, "prompts", &["prompts"]),
        list(method::RESOURCES_LIST, "resources", &["resources"]),
        list(method::TEMPLATES_LIST, "resourceTemplates", &["resources"]),
        list(method::SKILLS_LIST, "skills", &["extensions", extension::SKILLS]),
    );
    let tools = tools.map(|list| {
        let List { items, freshness } = list;
        List { items: task_calls::listed(session, items), freshness }
    });
    Listed { tools, prompts, resources, templates, skills }
}

/// One list of an upstream; a server that does not know the method has nothing in it.
async fn one(
    session: &Session,
    method: &str,
    key: &str,
    capability: &[&str],
) -> Result<List, Fault> {
    if !session.agreed.can(capability) {
        return Ok(List::default());
    }
    let (items, freshness) = match session.list(method, key, LIMIT).await {
        Err(Fault::Answered(error)) if is_unknown_method(&error) => Default::default(),
        listed => listed?,
    };
    Ok(List { items, freshness: Some(freshness) })
}

/// Returns whether an error says that there is no such method.
pub(super) fn is_unknown_method(error: &Raw) -> bool {
    error.member("code").is_some_and(|code| code.get() == code::METHOD_NOT_FOUND.to_string())
}
