//! Guesses what was meant by a word that is not known.

/// Foreign spellings of keys and what they are here.
const SYNONYMS: &[(&str, &str)] = &[
    ("servers", "upstreams"),
    ("context_servers", "upstreams"),
    ("mcp_servers", "mcpServers"),
    ("environment", "env"),
    ("envs", "env"),
    ("cmd", "command"),
    ("arguments", "args"),
    ("directory", "cwd"),
    ("workdir", "cwd"),
    ("working_directory", "cwd"),
    ("serverUrl", "url"),
    ("httpUrl", "url"),
    ("http_headers", "headers"),
    ("enabled", "disabled"),
    ("include", "allow"),
    ("exclude", "deny"),
    ("maxLength", "max_length"),
];

/// Keys of other programs that have no counterpart here, and what to do about each.
const FOREIGN: &[(&[&str], &str)] = &[
    (
        &["alwaysAllow", "autoApprove", "trust"],
        "remove it: approving calls is up to the client, not to the gateway",
    ),
    (
        &["disabledTools", "excludeTools", "disabled_tools"],
        "write `tools: { deny: [...] }` with the names or patterns to hide",
    ),
    (
        &["enabledTools", "includeTools", "enabled_tools"],
        "write `tools: { allow: [...] }` with the names or patterns to offer",
    ),
    (&["envFile"], "name each variable under `env`, as in `TOKEN: \"${TOKEN}\"`"),
    (&["inputs"], "remove it and read the values from the environment, as in `${TOKEN}`"),
    (&["type"], "write `transport`, or remove it: `command` and `url` say how it is spoken to"),
    (
        &["auth", "oauth", "bearer_token_env_var"],
        "write the token under `headers`, as in `Authorization: \"Bearer ${TOKEN}\"`",
    ),
    (&["headersHelper"], "write each header under `headers`, as in `X-Key: \"${KEY}\"`"),
    (&["tool_timeout_sec"], "write `timeout: { call: 60s }`"),
    (&["startup_timeout_sec"], "write `timeout: { start: 30s }`"),
];

/// Returns the key among `known` that `written` probably stands for.
pub(super) fn key<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let synonym = SYNONYMS.iter().find(|(foreign, _)| *foreign == written);
    let synonym = synonym.and_then(|(_, here)| known.iter().find(|key| *key == here));
    synonym.copied().or_else(|| nearest(written, known.iter().copied()))
}

/// Returns what to do about a key of another program.
pub(super) fn foreign(written: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|(keys, _)| keys.contains(&written)).map(|(_, advice)| *advice)
}

/// Returns the word nearest to `written`, if one is near enough to be a slip of the hand.
pub fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let allowed = (written.chars().count() / 3).max(1);
    let distance = |word: &str| strsim::damerau_levenshtein(&lower, &word.to_lowercase());
    known.map(|word| (distance(word), word)).filter(|(d, _)| *d <= allowed).min().map(|(_, w)| w)
}
