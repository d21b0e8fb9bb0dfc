//! Names and addresses of things as they may be shown: bounded, and without what is as good as an
//! argument; and what of an error is. Secrets are masked by whoever knows them.

use std::error::Error;

/// How much of a name or an address is shown, in characters.
const LIMIT: usize = 256;

/// A name as it may be shown.
pub fn name(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(LIMIT).collect()
}

/// An address as it may be shown. What follows the path is as good as an argument, and so is who
/// asks.
pub fn address(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or(address);
    let Some((scheme, rest)) = address.split_once("://") else { return name(address) };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or(host);
    name(&format!("{scheme}://{host}{path}"))
}

/// The words of the innermost cause of an error, which say what happened; the outer ones say where.
pub fn cause(mut error: &dyn Error) -> String {
    while let Some(inner) = error.source() {
        error = inner;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::address;
    use super::cause;
    use super::name;

    #[test]
    fn what_happened_is_said_by_the_innermost_cause() {
        #[derive(Debug, thiserror::Error)]
        #[error("where")]
        struct Outer(#[source] Box<dyn std::error::Error>);

        let inner = || io::Error::other("what");
        assert_eq!(cause(&inner()), "what");
        assert_eq!(cause(&Outer(Box::new(Outer(Box::new(inner()))))), "what");
    }

    #[test]
    fn what_is_as_good_as_an_argument_is_not_shown() {
        assert_eq!(name("a\u{1b}[1mb"), "a[1mb");
        assert_eq!(name(&"x".repeat(1000)).len(), 256);
        for (came, expected) in [
            ("file:///a/b", "file:///a/b"),
            ("https://u:p@host:1/a?key=private#part", "https://host:1/a"),
            ("db://host?x", "db://host"),
            ("memo:a?b", "memo:a"),
            ("https://host/@me", "https://host/@me"),
        ] {
            assert_eq!(address(came), expected);
        }
    }
}
