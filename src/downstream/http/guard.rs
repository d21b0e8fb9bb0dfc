//! Who may speak to this front end at all, by `Host` and `Origin`: a web page that a person looks
//! at must not reach what runs on their machine.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddrV4;

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::Uri;
use hyper::header;
use hyper::header::HeaderValue;
use hyper::http::uri::Authority;

use crate::config;
use crate::config::host;
use crate::downstream::http::headers;
use crate::downstream::http::status::Refusal;

/// The names and web pages that are allowed.
#[derive(Debug)]
pub(super) struct Guard {
    /// The address this front end listens on, if it is one; an address, unlike a name, cannot be
    /// bent.
    address: Option<IpAddr>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    /// Makes the guard of a front end that listens on `address`, or at no address at all.
    pub(super) fn new(address: Option<IpAddr>, settings: &config::Http) -> Self {
        let (hosts, origins) = (settings.hosts.clone(), settings.origins.clone());
        Self { address, hosts, origins }
    }

    /// Makes the guard of what is for programs alone, under these names.
    pub(super) fn without_pages(address: IpAddr, hosts: Vec<String>) -> Self {
        Self { address: Some(address), hosts, origins: Vec::new() }
    }

    /// Refuses a request that comes under a strange name, or from a strange web page.
    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let named = headers::text(headers, header::HOST);
        // HTTP/2 says it in the request line.
        let named = named.or_else(|| uri.authority().map(Authority::as_str));
        let Some(named) = named else {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "`Host` is missing"));
        };
        if !self.is_known(named) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, &stranger(named)));
        }
        match headers.get(header::ORIGIN) {
            None => Ok(()),
            Some(origin) if self.trusts(origin) => Ok(()),
            Some(origin) => {
                let problem = format!(
                    "web pages of {origin:?} may not use this gateway; to let them, add it to \
                     `http.origins` in its configuration"
                );
                Err(Refusal::new(StatusCode::FORBIDDEN, &problem))
            }
        }
    }

    /// Returns whether a web page with this origin may use this front end.
    pub(super) fn trusts(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.is_trusted(origin))
    }

    fn is_trusted(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return true;
        }
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.and_then(host_of).is_some_and(|host| host::is_loopback(&host))
    }

    fn is_known(&self, named: &str) -> bool {
        // What is plainly an address of this machine needs no closer look.
        if address_of(named).is_some_and(|address| self.is_own(address.into())) {
            return true;
        }
        let Some(host) = host_of(named) else { return false };
        host::is_loopback(&host)
            || self.hosts.contains(&host)
            || host.trim_matches(['[', ']']).parse().is_ok_and(|address| self.is_own(address))
    }

    fn is_own(&self, address: IpAddr) -> bool {
        address.is_loopback() || Some(address) == self.address
    }
}

/// Says under which name nobody is known here, as `http.hosts` takes it: without a port.
fn stranger(named: &str) -> String {
    match host_of(named) {
        Some(host) => format!(
            "this gateway is not known as `{host}`; to reach it by that name, add `{host}` to \
             `http.hosts` in its configuration"
        ),
        None => format!("{named:?} in `Host` is no name that a gateway can have"),
    }
}

/// Returns the address of `address` or `address:port`.
fn address_of(named: &str) -> Option<Ipv4Addr> {
    named.parse().map(|it: SocketAddrV4| *it.ip()).or_else(|_| named.parse()).ok()
}

/// Returns the host of `host` or `host:port`, in lower case; nothing if it is neither.
fn host_of(named: &str) -> Option<String> {
    let authority: Authority = named.parse().ok()?;
    let has_user = authority.as_str().contains('@');
    (!has_user).then(|| authority.host().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard {
            address: Some(IpAddr::from([192, 0, 2, 7])),
            hosts: vec!["mcp.example.com".to_owned()],
            origins: vec!["https://chat.example.com".to_owned()],
        }
    }

    #[test]
    fn only_names_of_its_own_lead_here() {
        let known = [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:7420",
            "127.9.9.9",
            "[::1]",
            "[::1]:1",
            "192.0.2.7:7420",
            "MCP.example.com",
            "mcp.example.com:443",
        ];
        for host in known {
            assert!(guard().is_known(host), "{host}");
        }
        let strange = [
            "",
            "evil.example.com",
            "localhost.evil.com",
            "127.0.0.1.evil.com",
            "192.0.2.8",
            "0.0.0.0",
            "user@localhost",
            "mcp.example.com.",
            "localhost/",
            "[::2]",
        ];
        for host in strange {
            assert!(!guard().is_known(host), "{host}");
        }
    }

    #[test]
    fn only_web_pages_of_this_machine_and_named_ones_are_trusted() {
        let trusted = [
            "http://localhost",
            "http://localhost:6274",
            "https://127.0.0.1:1",
            "http://[::1]:2",
            "https://chat.example.com",
            "HTTPS://Chat.example.com",
        ];
        for origin in trusted {
            assert!(guard().is_trusted(origin), "{origin}");
        }
        let strange = [
            "",
            "null",
            "localhost",
            "http://evil.com",
            "http://chat.example.com",
            "https://chat.example.com:444",
            "ftp://localhost",
            "http://localhost.evil.com",
            "http://mcp.example.com",
            "https://chat.example.com.evil.com",
        ];
        for origin in strange {
            assert!(!guard().is_trusted(origin), "{origin}");
        }
    }
}
