//! Where clients come in: at an address of the network, or at a socket in the file system, where
//! the system says who they are.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;

use nix::unistd;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::UnixListener;
use tokio::net::UnixStream;

use crate::config::Listen;
use crate::downstream::local::ask;
use crate::exchange::principal::Principal;

/// Where clients come in.
#[derive(Debug)]
pub(super) enum Listener {
    /// From the network.
    Network(TcpListener, SocketAddr),
    /// From this machine.
    Local(Socket),
}

/// A connection, before anything is read.
#[derive(Debug)]
pub(super) enum Stream {
    Network(TcpStream),
    Local(UnixStream),
}

/// Who connected, as far as the system knows; cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    /// Somebody at an address.
    Address(SocketAddr),
    /// A user of this machine.
    User {
        /// Who that is.
        principal: Principal,
        /// Whether it is the user of this process, or the system itself.
        is_own: bool,
    },
}

/// A socket in the file system; its file goes with it.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    file: (u64, u64),
}

impl Listener {
    /// Takes the place.
    pub(super) async fn bind(place: &Listen) -> io::Result<Self> {
        match place {
            Listen::Address(address) => {
                let listener = TcpListener::bind(address).await?;
                let address = listener.local_addr()?;
                Ok(Self::Network(listener, address))
            }
            Listen::Local { path, is_shared } => {
                Socket::bind(path, *is_shared).await.map(Self::Local)
            }
        }
    }

    /// Waits for the next connection.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Network(listener, _) => {
                let (stream, address) = listener.accept().await?;
                // Answers are small, and nobody wants them to wait for more.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection is slower than it could be");
                }
                Ok((Stream::Network(stream), Peer::Address(address)))
            }
            Self::Local(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                let peer = Peer::user(stream.peer_cred()?.uid());
                Ok((Stream::Local(stream), peer))
            }
        }
    }

    /// Returns the address of the network, if it is one.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Network(_, address) => Some(*address),
            Self::Local(_) => None,
        }
    }

    /// Returns where clients on this machine find everything.
    pub(super) fn url(&self, scheme: &str) -> String {
        match self {
            Self::Network(_, address) => format!("{scheme}://{}/mcp", reachable(*address)),
            Self::Local(socket) => {
                format!("{scheme}://localhost/mcp at unix:{}", socket.path.display())
            }
        }
    }
}

impl Peer {
    fn user(user: u32) -> Self {
        let is_own = user == unistd::geteuid().as_raw() || user == 0;
        Self::User { principal: Principal::local(user), is_own }
    }

    /// Returns on whose behalf it comes if it brings nothing that says so.
    pub(super) fn principal(&self) -> Principal {
        match self {
            Self::Address(_) => Principal::anonymous(),
            Self::User { principal, .. } => principal.clone(),
        }
    }

    /// Returns whether the system says who it is.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::User { .. })
    }

    /// Returns whether it is the user of this process, or the system itself.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::User { is_own: true, .. })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::User { principal, .. } => principal.fmt(f),
        }
    }
}

impl Socket {
    async fn bind(path: &Path, is_shared: bool) -> io::Result<Self> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left(path).await => {
                tracing::debug!("a socket was left by a process that is gone");
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        let mode = if is_shared { 0o666 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        let file = identity(path)?;
        Ok(Self { listener, path: path.to_owned(), file })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Another one may be there by now.
        if identity(&self.path).is_ok_and(|found| found == self.file)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(%error, "the socket cannot be taken away");
        }
    }
}

/// Returns whether what is there is a socket at which nobody listens.
async fn is_left(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    is_socket && ask::is_deserted(path).await
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Returns an address that can be gone to: nobody can go to all addresses of a machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &Path, is_shared: bool) -> Listen {
        Listen::Local { path: path.to_owned(), is_shared }
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_for_its_user_unless_it_is_shared_and_goes_with_its_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mcp.sock");
        for (is_shared, expected) in [(false, 0o600), (true, 0o666)] {
            let listener = Listener::bind(&place(&path, is_shared)).await.unwrap();
            assert_eq!(mode(&path), expected);
            let _client = UnixStream::connect(&path).await.unwrap();
            let (_, peer) = listener.accept().await.unwrap();
            let own = unistd::geteuid().as_raw();
            assert_eq!(peer.to_string(), format!("local:{own}"));
            drop(listener);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn only_a_socket_that_nobody_listens_at_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mcp.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Listener::bind(&place(&path, false)).await.unwrap();
        let error = Listener::bind(&place(&path, false)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        // Who comes later and finds another's socket leaves it.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "of somebody").unwrap();
        drop(listener);
        let error = Listener::bind(&place(&path, false)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read_to_string(&path).unwrap(), "of somebody");
    }
}
