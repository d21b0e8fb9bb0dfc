//! Names and addresses of things as they may be shown: bounded, and without what is as good as an
//! argument. Secrets are masked by whoever knows them.

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

#[cfg(test)]
mod tests {
    use super::address;
    use super::name;

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
