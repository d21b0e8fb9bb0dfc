//! The checks of what is said about clients over HTTP.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::Http;
use crate::config::HttpLimits;
use crate::config::file;
use crate::config::listen::Listen;
use crate::config::listen::Unfit;
use crate::config::problem::KeyPath;
use crate::config::validate::Check;

const SESSION_IDLE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(720);
const REQUEST_TIME: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(1);

impl Check<'_> {
    /// Checks what is said about clients over HTTP.
    pub(super) fn http(&mut self, written: &file::Http, is_governed: bool) -> Http {
        let path = KeyPath::of(&["http"]);
        let listen = self.listen(written, is_governed, &path.key("listen"));
        if written.unauthenticated && is_governed {
            let message = "`http.unauthenticated` says that everybody may come, and `auth` that \
                           nobody may without a token";
            self.wrong(&path.key("unauthenticated"), message.to_owned(), "remove one of them");
        }
        self.hosts(&written.hosts, &path.key("hosts"));
        for (index, origin) in written.origins.iter().enumerate() {
            if !is_origin(origin) {
                let hint = "write scheme and host, and the port if there is one, such as \
                            `https://chat.example.com`";
                let path = path.key("origins").index(index);
                self.wrong(&path, format!("`{origin}` is no origin"), hint);
            }
        }
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_lowercase()).collect();
        Http {
            listen,
            hosts: lower(&written.hosts),
            origins: lower(&written.origins),
            tls: self.tls(&written.tls, &path.key("tls")),
            limits: self.http_limits(&written.limits, &path.key("limits")),
        }
    }

    /// Checks names that may stand in `Host`.
    pub(super) fn hosts(&mut self, written: &[String], path: &KeyPath) {
        for (index, host) in written.iter().enumerate() {
            if !is_host(host) {
                let hint = "write a name or an address alone, such as `mcp.example.com`";
                self.wrong(&path.index(index), format!("`{host}` is no host"), hint);
            }
        }
    }

    fn listen(&mut self, written: &file::Http, is_governed: bool, path: &KeyPath) -> Listen {
        let text = &written.listen;
        let listen = match Listen::parse(text) {
            Ok(listen) => listen,
            Err(Unfit { message, hint }) => {
                self.wrong(path, message, &hint);
                return Listen::Address(file::LISTEN);
            }
        };
        if written.unauthenticated || is_governed {
            return listen.shared();
        }
        match &listen {
            Listen::Address(address) if !listen.is_local() => {
                let message = format!(
                    "everybody who can reach `{text}` could use everything behind this gateway"
                );
                let hint = format!(
                    "add `auth: {{}}` and make tokens with `conflux token create`, listen on \
                     `127.0.0.1:{}`, or set `http.unauthenticated: true` if everybody may",
                    address.port()
                );
                self.wrong(path, message, &hint);
            }
            Listen::Address(_) | Listen::Local { .. } => {}
        }
        listen
    }

    fn http_limits(&mut self, written: &file::HttpLimits, path: &KeyPath) -> HttpLimits {
        let (idle, time) = (path.key("session_idle"), path.key("request_time"));
        HttpLimits {
            connections: written.connections,
            sessions: written.sessions,
            requests: written.requests,
            session_idle: self.duration(&written.session_idle, &SESSION_IDLE, &idle),
            request_time: self.duration(&written.request_time, &REQUEST_TIME, &time),
        }
    }
}

fn is_host(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let is_address = text.starts_with('[') && text.ends_with(']');
    !text.is_empty() && text.chars().all(is_part) && (is_address || !text.contains(':'))
}

fn is_origin(text: &str) -> bool {
    let rest = text.split_once("://").filter(|(scheme, _)| !scheme.is_empty());
    rest.is_some_and(|(_, rest)| !rest.is_empty() && !rest.contains(['/', '?', '#', ' ', '*']))
}
