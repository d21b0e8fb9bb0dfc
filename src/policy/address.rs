//! Addresses that are written in one way and mean another: `file:///a/../etc/passwd`.

use percent_encoding::percent_decode_str;
use url::Url;

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

#[cfg(test)]
mod tests {
    use super::meant;

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
}
