//! Whether an address is on this machine, and whether what is sent there is safe on its way.

use std::net::IpAddr;

use url::Url;

/// Returns whether a host, as it stands in an address, is this machine for certain. IPv6 has its
/// brackets there.
pub fn is_loopback(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Returns whether a host is meant to be this machine. Names below `localhost` are (RFC 6761,
/// section 6.3), but some systems ask a name server for them, so they are not trusted with secrets
/// of others.
pub(super) fn is_near(host: &str) -> bool {
    is_loopback(host) || host.ends_with(".localhost")
}

/// Returns whether nobody on the way can read or change what goes to an address and comes from it.
pub fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && url.host_str().is_some_and(is_loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hosts: &[&str], expected: (bool, bool)) {
        for host in hosts {
            let url = Url::parse(&format!("http://{host}:1/a")).unwrap();
            let host = url.host_str().unwrap();
            assert_eq!((is_loopback(host), is_near(host)), expected, "{host}");
            assert_eq!(is_safe(&url), expected.0, "{url}");
            assert!(is_safe(&Url::parse(&format!("https://{host}:1/a")).unwrap()));
        }
    }

    #[test]
    fn this_machine_is_told_from_others() {
        check(
            &["localhost", "LocalHost", "127.0.0.1", "127.1", "127.9.9.9", "[::1]"],
            (true, true),
        );
        check(&["app.localhost", "a.b.localhost"], (false, true));
        check(
            &[
                "example.com",
                "localhost.example.com",
                "notlocalhost",
                "127.0.0.1.example.com",
                "128.0.0.1",
                "0.0.0.0",
                "[::2]",
                "[::ffff:127.0.0.1]",
            ],
            (false, false),
        );
    }

    #[test]
    fn what_is_neither_http_nor_https_is_not_safe() {
        for text in ["ftp://localhost/", "file:///etc/passwd", "data:,a", "ws://localhost/"] {
            assert!(!is_safe(&Url::parse(text).unwrap()), "{text}");
        }
    }
}
