//! Addresses that are written in one way and mean another: `file:///a/../etc/passwd`.

use percent_encoding::percent_decode_str;
use url::Url;

/// What stands between the scheme of an address and its host.
const AUTHORITY: &str = "://";
/// The scheme of addresses that are nothing but a path, whatever else they say.
const FILE: &str = "file";

/// What a path makes of an address: where it leads in a tree of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// The address of that.
    pub(super) uri: String,
    /// Whether it steps back on the way, so that what it is written like says nothing of it.
    pub(super) steps_back: bool,
}

/// Returns what an address means, if it is written in another way: without steps back, without
/// upper case where case means nothing, and with characters as they are in place of their numbers.
pub(super) fn meant(uri: &str) -> Option<String> {
    let parsed = Url::parse(uri).ok()?;
    let mut meant = parsed.to_string();
    if meant.contains('%') {
        // Once more: what was hidden behind a number may be a step back.
        let decoded = percent_decode_str(&meant).decode_utf8_lossy().into_owned();
        meant = Url::parse(&decoded).map_or(decoded, Into::into);
        meant = percent_decode_str(&meant).decode_utf8_lossy().into_owned();
    }
    (meant != uri).then_some(meant)
}

/// Returns where an address leads for a server that takes its path for one of files, if that is
/// neither as it is written nor what it means: there, several slashes are one, before steps back
/// are made, and in `file:` nothing but the path counts.
pub(super) fn path(uri: &str) -> Option<Path> {
    let mut decoded = uri.to_owned();
    for _ in 0..2 {
        decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
    }
    let (scheme, rest) = decoded.split_once(AUTHORITY)?;
    let (host, rest) = rest.split_at(rest.find('/')?);
    let scheme = scheme.to_ascii_lowercase();
    let is_file = scheme == FILE;
    // What follows the path is no part of it; elsewhere it may be what counts.
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, rest) = rest.split_at(end);
    let (host, rest) = if is_file { ("", "") } else { (host, rest) };
    let mut steps = Vec::new();
    let mut steps_back = false;
    for step in path.split(['/', '\\']) {
        match step {
            "" | "." => {}
            ".." => {
                steps_back = true;
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    let is_open = path.ends_with('/') && !steps.is_empty();
    let slash = if is_open { "/" } else { "" };
    let found = format!("{scheme}{AUTHORITY}{host}/{}{slash}{rest}", steps.join("/"));
    (found != uri).then_some(Path { uri: found, steps_back })
}

#[cfg(test)]
mod tests {
    use super::meant;
    use super::path;

    #[test]
    fn an_address_means_what_its_reader_makes_of_it() {
        for (uri, expected) in [
            ("file:///etc/passwd", None),
            ("file:///a/../etc/passwd", Some("file:///etc/passwd")),
            ("file:///a/%2e%2e/etc/passwd", Some("file:///etc/passwd")),
            ("file:///a/%2E%2e%2fetc/passwd", Some("file:///etc/passwd")),
            ("file:///%65tc/passwd", Some("file:///etc/passwd")),
            ("FILE:///etc/passwd", Some("file:///etc/passwd")),
            ("docs://a/b c", Some("docs://a/b c")),
            ("no address", None),
            ("note:x", None),
        ] {
            let found = meant(uri).filter(|found| found != uri);
            assert_eq!(found.as_deref(), expected.filter(|it| *it != uri), "{uri}");
        }
    }

    #[test]
    fn a_path_leads_where_a_tree_of_files_has_it() {
        for (uri, expected) in [
            ("file:///etc/passwd", None),
            ("note:x//y", None),
            ("docs://a", None),
            ("file:////etc/passwd", Some(("file:///etc/passwd", false))),
            ("file:///etc//passwd", Some(("file:///etc/passwd", false))),
            ("file:///etc/passwd?x#y", Some(("file:///etc/passwd", false))),
            ("file://host/etc/passwd", Some(("file:///etc/passwd", false))),
            ("file:///a//../etc/passwd", Some(("file:///etc/passwd", true))),
            ("file:///a/%2F../etc/passwd", Some(("file:///etc/passwd", true))),
            ("file:///a/%252f../etc/passwd", Some(("file:///etc/passwd", true))),
            ("docs://h/a//../b?c=//d", Some(("docs://h/b?c=//d", true))),
            ("docs://h/a//b/", Some(("docs://h/a/b/", false))),
            ("file:///../../..", Some(("file:///", true))),
        ] {
            let found = path(uri);
            let found = found.as_ref().map(|found| (found.uri.as_str(), found.steps_back));
            assert_eq!(found, expected, "{uri}");
        }
    }
}
