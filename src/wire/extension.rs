//! Extensions of the protocol: the ids that Conflux knows, and which methods belong to which.

/// User interfaces of tools (MCP Apps).
pub const UI: &str = "io.modelcontextprotocol/ui";
/// Skills, as resources with a manifest (SEP-2640).
pub const SKILLS: &str = "io.modelcontextprotocol/skills";
/// Calls that go on in the background (SEP-2663).
pub const TASKS: &str = "io.modelcontextprotocol/tasks";

/// What two neighbours agree on between themselves, so that it means nothing to anybody further:
/// how they authenticate, and tasks, whose ids are the neighbour's own.
const BETWEEN_NEIGHBOURS: [&str; 3] = [
    "io.modelcontextprotocol/oauth-client-credentials",
    "io.modelcontextprotocol/enterprise-managed-authorization",
    TASKS,
];
/// What methods of the protocol itself begin with; no extension may take one of those.
const OF_THE_PROTOCOL: [&str; 12] = [
    "completion",
    "elicitation",
    "initialize",
    "logging",
    "ping",
    "prompts",
    "resources",
    "roots",
    "sampling",
    "server",
    "subscriptions",
    "tools",
];

/// Returns whether a declaration of this extension is passed on from one side to the other.
pub fn passes(id: &str) -> bool {
    !BETWEEN_NEIGHBOURS.contains(&id)
}

/// Returns whether Conflux itself understands enough of this extension to merge it.
pub fn is_merged(id: &str) -> bool {
    id == UI || id == SKILLS
}

/// Returns whether a method or notification belongs to the extension `id` (`vendor/name`), going
/// by its name: it begins with the whole id, with the vendor or with the name of the extension.
pub fn fits(id: &str, method: &str) -> bool {
    let method = method.strip_prefix("notifications/").unwrap_or(method);
    let Some((vendor, name)) = id.split_once('/') else { return false };
    let Some((first, rest)) = method.split_once('/') else { return false };
    if OF_THE_PROTOCOL.contains(&first) || rest.is_empty() {
        return false;
    }
    first == vendor || first == name
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_method_belongs_to_an_extension_by_its_name() {
        let id = "com.example/weather";
        for method in [
            "com.example/weather",
            "com.example/weather/get",
            "com.example/other",
            "weather/get",
            "notifications/weather/changed",
            "notifications/com.example/weather",
        ] {
            assert!(fits(id, method), "{method}");
        }
        for method in ["weather", "weather/", "tools/weather", "com.example.weather/get", "x/y", ""]
        {
            assert!(!fits(id, method), "{method}");
        }
        assert!(!fits("com.example/tools", "tools/more"), "the protocol's own");
        assert!(!fits("odd", "odd/x"), "an id has a vendor");
    }
}
