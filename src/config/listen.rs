//! Where clients over HTTP are waited for.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

use crate::config::file;

/// What the path of a local socket is written after.
const LOCAL: &str = "unix:";
/// How long the path of a local socket may be, in bytes (`sun_path`, without the end).
const PATH_LIMIT: usize = 107;

/// Where clients over HTTP are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At an address of the network.
    Address(SocketAddr),
    /// At a socket in the file system, where the system says who connects.
    Local {
        /// The whole path of the socket.
        path: PathBuf,
        /// Whether everybody on this machine may connect, and not only the user of this process.
        is_shared: bool,
    },
}

/// Why a text is no place to listen at, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Listen {
    /// Reads a place; nobody but the user of this process may come to a local one.
    pub(super) fn parse(text: &str) -> Result<Self, Unfit> {
        let Some(path) = text.strip_prefix(LOCAL) else {
            return address(text, file::LISTEN.port()).map(Self::Address);
        };
        let hint = "write the whole path after `unix:`, such as `unix:/run/conflux/mcp.sock`";
        if !Path::new(path).is_absolute() {
            let message = format!("`{text}` does not say where the socket is");
            return Err(Unfit { message, hint: hint.to_owned() });
        }
        if path.len() > PATH_LIMIT || path.contains('\0') {
            let message = format!("`{path}` is no path that a socket can have");
            let hint = format!("write a path of at most {PATH_LIMIT} bytes");
            return Err(Unfit { message, hint });
        }
        Ok(Self::Local { path: path.into(), is_shared: false })
    }

    /// Returns the same place where everybody on this machine may come to a local one.
    #[must_use]
    pub(super) fn shared(self) -> Self {
        match self {
            Self::Local { path, is_shared: _ } => Self::Local { path, is_shared: true },
            Self::Address(_) => self,
        }
    }

    /// Returns whether nobody can come from another machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().is_loopback(),
            Self::Local { .. } => true,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Local { path, .. } => write!(f, "{LOCAL}{}", path.display()),
        }
    }
}

/// Reads an address; `localhost` is the one that every machine has. Whoever wrote none is told one
/// with `port`.
pub(super) fn address(text: &str, port: u16) -> Result<SocketAddr, Unfit> {
    let read = match text.strip_prefix("localhost:") {
        Some(port) => {
            port.parse().ok().map(|port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
        }
        None => text.parse().ok(),
    };
    read.ok_or_else(|| not_an_address(text, port))
}

/// Says what an address to listen on lacks, and what to write instead.
fn not_an_address(text: &str, port: u16) -> Unfit {
    let lacks_port = || format!("`{text}` lacks the port to listen on");
    let (message, hint) = match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => (lacks_port(), format!("write `[{ip}]:{port}`")),
        Ok(IpAddr::V4(ip)) => (lacks_port(), format!("write `{ip}:{port}`")),
        Err(_) if text == "localhost" => (lacks_port(), format!("write `localhost:{port}`")),
        Err(_) => {
            let hint = format!(
                "write an IP address or `localhost`, and a port, such as `127.0.0.1:{port}`"
            );
            (format!("`{text}` is no address to listen on"), hint)
        }
    };
    Unfit { message, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_or_a_socket() {
        for text in ["127.0.0.1:7420", "[::1]:1", "0.0.0.0:80", "unix:/run/conflux/mcp.sock"] {
            assert_eq!(Listen::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Listen::parse("localhost:1").unwrap().to_string(), "127.0.0.1:1");
        assert!(Listen::parse("unix:/x").unwrap().is_local());
        assert!(!Listen::parse("0.0.0.0:80").unwrap().is_local());
    }

    #[test]
    fn what_is_none_is_told_with_what_to_write() {
        let long = format!("unix:/{}", "x".repeat(PATH_LIMIT));
        for (text, hint) in [
            ("unix:", "the whole path"),
            ("unix:mcp.sock", "the whole path"),
            ("unix:~/mcp.sock", "the whole path"),
            (&long, "at most 107 bytes"),
            ("127.0.0.1", "write `127.0.0.1:7420`"),
            ("::1", "write `[::1]:7420`"),
            ("localhost", "write `localhost:7420`"),
            ("/run/mcp.sock", "and a port, such as"),
        ] {
            let unfit = Listen::parse(text).unwrap_err();
            assert!(unfit.hint.contains(hint), "{text}: {unfit:?}");
        }
    }
}
