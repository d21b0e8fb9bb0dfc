//! Addresses that are written in one way and mean another: `file:///a/../etc/passwd`.

use percent_encoding::percent_decode_str;
use url::Url;

/// What the path of an address ends at.
const END: [char; 2] = ['?', '#'];
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

/// Returns where an address leads for a server that takes its path for one of files, in each way to
/// read it that is neither as it is written nor what it means: there, several slashes are one,
/// before steps back are made, and in `file:` nothing but the path counts.
pub(super) fn paths(uri: &str) -> Vec<Path> {
    // Many readers take no notice of these, wherever they stand.
    let text: String = uri.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let text = text.trim_matches(|c: char| c <= ' ');
    let whole = decoded(text);
    let is_file = scheme(&whole).is_some_and(|(scheme, _)| scheme == FILE);
    // What follows the path is no part of it, unless its mark was a number; and whoever does not
    // know these marks takes all of it for the path.
    let (before, after) = text.split_at(text.find(END).unwrap_or(text.len()));
    let (before, after) = (decoded(before), decoded(after));
    let cut = whole.split_at(whole.find(END).unwrap_or(whole.len()));
    let all = if is_file { whole.as_str() } else { "" };
    let mut found: Vec<Path> = Vec::new();
    for (address, rest) in [cut, (&before, &after), (all, "")] {
        let path = path(address, rest).filter(|path| path.uri != uri && !found.contains(path));
        found.extend(path);
    }
    found
}

/// Returns where an address leads whose path ends where it ends; `rest` is what follows.
fn path(address: &str, rest: &str) -> Option<Path> {
    let (scheme, address) = scheme(address)?;
    let is_file = scheme == FILE;
    let (host, path) = match address.strip_prefix("//") {
        Some(address) => address.split_at(address.find('/')?),
        None if is_file => ("", address),
        None => return None,
    };
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
    let uri = format!("{scheme}://{host}/{}{slash}{rest}", steps.join("/"));
    Some(Path { uri, steps_back })
}

/// Returns the scheme of an address, in lower case, and what follows its colon.
fn scheme(address: &str) -> Option<(String, &str)> {
    let (scheme, rest) = address.split_once(':')?;
    Some((scheme.to_ascii_lowercase(), rest))
}

/// Puts characters in the place of their numbers; twice, as some are hidden behind another number.
fn decoded(text: &str) -> String {
    let once = percent_decode_str(text).decode_utf8_lossy();
    percent_decode_str(&once).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::meant;
    use super::paths;

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
            ("file:/etc/passwd", Some(("file:///etc/passwd", false))),
            ("file:/a//../etc/passwd", Some(("file:///etc/passwd", true))),
            (" file:///a//../e\tt\nc/passwd", Some(("file:///etc/passwd", true))),
            ("file:///a//../etc/passwd", Some(("file:///etc/passwd", true))),
            ("file:///a/%2F../etc/passwd", Some(("file:///etc/passwd", true))),
            ("file:///a/%252f../etc/passwd", Some(("file:///etc/passwd", true))),
            ("docs://h/a//../b?c=//d", Some(("docs://h/b?c=//d", true))),
            ("docs://h/a//b/", Some(("docs://h/a/b/", false))),
            ("file:///../../..", Some(("file:///", true))),
        ] {
            let found = paths(uri);
            let found: Vec<_> = found.iter().map(|it| (it.uri.as_str(), it.steps_back)).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{uri:?}");
        }
    }

    #[test]
    fn a_path_that_can_be_read_in_several_ways_leads_to_several_places() {
        for (uri, expected) in [
            ("file:///b/a%3F//../../etc/passwd", ["file:///b/a", "file:///etc/passwd"]),
            ("file:///a?/../../etc/passwd", ["file:///a", "file:///etc/passwd"]),
            ("file:///a#/../../etc/passwd", ["file:///a", "file:///etc/passwd"]),
            ("docs://h/b/a%23//../../c", ["docs://h/b/a#//../../c", "docs://h/c"]),
        ] {
            let mut found: Vec<_> = paths(uri).into_iter().map(|path| path.uri).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{uri}");
        }
    }
}
