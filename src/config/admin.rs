//! Where metrics, health and status are served, and the checks of that.

use std::net::SocketAddr;

use crate::config::file;
use crate::config::listen;
use crate::config::listen::Unfit;
use crate::config::problem::KeyPath;
use crate::config::validate::Check;

/// The port that is proposed; exporters of `OpenTelemetry` have it.
const PORT: u16 = 9464;

/// Where metrics, health and status are served, apart from clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// The address; loopback, unless everybody may read what is there.
    pub listen: Option<SocketAddr>,
    /// Further names of it, in lower case.
    pub hosts: Vec<String>,
    /// Whether calls are counted by the names of tools.
    pub per_tool: bool,
}

impl Check<'_> {
    /// Checks where metrics, health and status are served.
    pub(super) fn admin(&mut self, written: &file::Admin) -> Admin {
        let path = KeyPath::of(&["admin"]);
        let listen = self.admin_listen(written, &path.key("listen"));
        self.hosts(&written.hosts, &path.key("hosts"));
        let hosts = written.hosts.iter().map(|host| host.to_lowercase()).collect();
        Admin { listen, hosts, per_tool: written.per_tool }
    }

    fn admin_listen(&mut self, written: &file::Admin, path: &KeyPath) -> Option<SocketAddr> {
        let text = written.listen.as_ref()?;
        let address = match listen::address(text, PORT) {
            Ok(address) => address,
            Err(Unfit { message, hint }) => {
                self.wrong(path, message, &hint);
                return None;
            }
        };
        if !address.ip().is_loopback() && !written.unauthenticated {
            let message = format!(
                "everybody who can reach `{text}` could read the metrics and the status of this \
                 gateway"
            );
            let hint = format!(
                "listen on `127.0.0.1:{}`, or set `admin.unauthenticated: true` if everybody may",
                address.port()
            );
            self.wrong(path, message, &hint);
        }
        Some(address)
    }
}
