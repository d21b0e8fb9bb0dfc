//! The checks of an upstream at an address: the address, headers, proxy and certificates.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use indexmap::IndexMap;
use url::Url;

use crate::config::Remote;
use crate::config::Transport;
use crate::config::command;
use crate::config::command::MIN_WRITTEN_SECRET;
use crate::config::file;
use crate::config::host;
use crate::config::interpolate;
use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::tls;
use crate::config::units::Misread;
use crate::config::validate::Check;

/// Headers that the protocol, or HTTP itself, sets; so does every one that begins with `mcp-`.
const OWNED: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What no file of certificates is without.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

impl Check<'_> {
    /// Checks an upstream at an address; nothing comes of one whose address is wrong.
    pub(super) fn remote(&mut self, written: &file::Upstream, path: &KeyPath) -> Option<Remote> {
        let lenient = written.disabled;
        self.nothing_of_a_program(written, path);
        let url = self.url(written, &path.key("url"), lenient);
        let headers = self.headers(&written.headers, &path.key("headers"), lenient);
        let transport = self.transport(written, &path.key("transport"));
        let ca = self.ca(written, &path.key("tls").key("ca"), lenient);
        let url = url?;
        if url.scheme() == "http" && written.tls.ca.is_some() {
            let message = "`tls.ca` is for `https://`, and this `url` begins with `http://`";
            let hint = "remove it, or write `https://`".to_owned();
            let (path, message) = (path.key("tls").key("ca"), message.to_owned());
            self.report(&self.context.places.key(&path), &path, Misread { message, hint }, lenient);
        }
        let proxy = self.proxy(written, &url, &path.key("proxy"), lenient);
        Some(Remote { url, headers, transport, proxy, ca })
    }

    /// Reports the keys of a program in an upstream that is none.
    fn nothing_of_a_program(&mut self, written: &file::Upstream, path: &KeyPath) {
        let keys = [
            ("args", !written.args.is_empty()),
            ("env", !written.env.is_empty()),
            ("cwd", written.cwd.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, is_there)| *is_there) {
            let message = format!("`{key}` is for programs, and this upstream has a `url`");
            self.misplaced(key, message, path, written.disabled);
        }
    }

    /// Reports the keys of an address in an upstream that has none.
    pub(super) fn nothing_of_a_remote(&mut self, written: &file::Upstream, path: &KeyPath) {
        let is_http = written.transport.is_some_and(|it| it != file::Transport::Stdio);
        let keys = [
            ("headers", !written.headers.is_empty()),
            ("transport", is_http),
            ("proxy", written.proxy.is_some()),
            ("tls", written.tls.ca.is_some()),
        ];
        if written.command.is_none() {
            // What is missing is reported instead.
            return;
        }
        for (key, _) in keys.into_iter().filter(|(_, is_there)| *is_there) {
            let message = match key {
                "transport" => "a program speaks `stdio` and nothing else".to_owned(),
                _ => format!("`{key}` is for servers with a `url`, and this one is a program"),
            };
            self.misplaced(key, message, path, written.disabled);
        }
    }

    fn misplaced(&mut self, key: &str, message: String, path: &KeyPath, lenient: bool) {
        let path = path.key(key);
        let hint = "remove it".to_owned();
        self.report(&self.context.places.key(&path), &path, Misread { message, hint }, lenient);
    }

    fn url(&mut self, written: &file::Upstream, path: &KeyPath, lenient: bool) -> Option<Url> {
        let place = self.context.places.value(path);
        let text = self.expand(written.url.as_deref()?, path, &place, lenient);
        match address(&text) {
            Ok(url) => Some(url),
            Err(misread) => {
                self.report(&place, path, misread, lenient);
                None
            }
        }
    }

    /// Checks headers that every request of some kind has.
    pub(super) fn headers(
        &mut self,
        written: &BTreeMap<String, String>,
        path: &KeyPath,
        lenient: bool,
    ) -> IndexMap<String, String> {
        let mut headers = IndexMap::new();
        for name in self.context.places.order(path) {
            let Some(text) = written.get(&name) else { continue };
            let path = path.key(&name);
            let place = self.context.places.value(&path);
            let lower = name.to_ascii_lowercase();
            let misread = misnamed(&name, &lower)
                .or_else(|| headers.contains_key(&lower).then(|| twice(&name)));
            if let Some(misread) = misread {
                self.report(&self.context.places.key(&path), &path, misread, lenient);
                continue;
            }
            let value = self.expand(text, &path, &place, lenient).trim().to_owned();
            if !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
                self.report(&place, &path, unprintable(&name), lenient);
            }
            self.keep_secret(&name, &value, &place);
            headers.insert(lower, value);
        }
        headers
    }

    /// Masks a header that is named like a secret, and the token after a word such as `Bearer`.
    fn keep_secret(&mut self, name: &str, value: &str, place: &Place) {
        let from_environment = matches!(place, Place::Variable(_));
        let is_secret = command::is_secret_name(name) && value.len() >= MIN_WRITTEN_SECRET;
        if from_environment || is_secret {
            self.secrets.push(value.to_owned());
            self.secrets.extend(value.split_once(' ').map(|(_, token)| token.trim().to_owned()));
        }
    }

    fn transport(&mut self, written: &file::Upstream, path: &KeyPath) -> Option<Transport> {
        match written.transport? {
            file::Transport::Http | file::Transport::StreamableHttp => Some(Transport::Http),
            file::Transport::Sse => Some(Transport::Sse),
            file::Transport::Stdio => {
                let message = "`stdio` is for programs, and this upstream has a `url`".to_owned();
                let hint = "remove it, or write `http` or `sse`".to_owned();
                let place = self.context.places.value(path);
                self.report(&place, path, Misread { message, hint }, written.disabled);
                None
            }
        }
    }

    fn ca(&mut self, written: &file::Upstream, path: &KeyPath, lenient: bool) -> Option<PathBuf> {
        let place = self.context.places.value(path);
        let text = self.expand_openly(written.tls.ca.as_deref()?, path, &place, lenient).text;
        let directory = self.directory(&place).to_owned();
        let file = interpolate::resolve(&text, &self.sources(&directory));
        let checked = file.and_then(|file| match certificates(&file) {
            Ok(()) => Ok(file),
            Err(why) => Err(Misread {
                message: format!("the file `{text}` {why}"),
                hint: "name a file of certificates in the PEM format".to_owned(),
            }),
        });
        match checked {
            Ok(file) => Some(file),
            Err(misread) => {
                self.report(&place, path, misread, lenient);
                None
            }
        }
    }

    /// Returns the proxy that the entry names, or else the one of the environment.
    fn proxy(
        &mut self,
        written: &file::Upstream,
        url: &Url,
        path: &KeyPath,
        lenient: bool,
    ) -> Option<Url> {
        let Some(text) = &written.proxy else { return self.usual_proxy(url) };
        let place = self.context.places.value(path);
        let text = self.expand(text, path, &place, lenient);
        if matches!(text.as_str(), "" | "none") {
            return None;
        }
        let Some(proxy) = proxy(&text) else {
            let message = "`proxy` is not the address of an HTTP proxy".to_owned();
            let hint = "write one like `http://proxy.example:3128`, or `none`".to_owned();
            self.report(&place, path, Misread { message, hint }, lenient);
            return None;
        };
        self.secrets.extend(proxy.password().map(str::to_owned));
        Some(proxy)
    }

    /// Returns the proxy that the environment names for `url`. One that cannot be used is none:
    /// the variables are meant for every program on the machine.
    pub(super) fn usual_proxy(&mut self, url: &Url) -> Option<Url> {
        let variables = &self.context.around.variables;
        let variable = |name: &str| {
            let both = [name.to_ascii_lowercase(), name.to_owned()];
            both.iter().find_map(|name| variables.get(name).filter(|value| !value.is_empty()))
        };
        let except = variable("NO_PROXY").map(String::as_str).unwrap_or_default();
        if url.host_str().is_some_and(host::is_near) || is_excepted(url, except) {
            return None;
        }
        let own = if url.scheme() == "https" { "HTTPS_PROXY" } else { "HTTP_PROXY" };
        let found = proxy(variable(own).or_else(|| variable("ALL_PROXY"))?)?;
        self.secrets.extend(found.password().map(str::to_owned));
        Some(found)
    }
}

/// Whether `NO_PROXY` takes the host of `url` out: a list of names, which stand for what is below
/// them too, of addresses, and of `*`.
fn is_excepted(url: &Url, except: &str) -> bool {
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_matches(['[', ']']);
    except.split(',').map(str::trim).any(|entry| {
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') => (name, port.parse::<u16>().ok()),
            _ => (entry, None),
        };
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let is_port = port.is_none() || port == url.port_or_known_default();
        let below = host.strip_suffix(&name).is_some_and(|front| front.ends_with('.'));
        entry == "*" || (!name.is_empty() && is_port && (host == name || below))
    })
}

fn proxy(text: &str) -> Option<Url> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&whole).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// Reads the address of an upstream. What is wrong with it is said without repeating it.
fn address(text: &str) -> Result<Url, Misread> {
    let misread = |message: &str, hint: &str| {
        Err(Misread { message: message.to_owned(), hint: hint.to_owned() })
    };
    let example = "write the whole address, as in `url: https://example.com/mcp`";
    let Ok(mut url) = Url::parse(text) else { return misread("`url` is not an address", example) };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return misread("`url` must begin with `https://` or `http://`", example);
    }
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "write them under `headers`, as in `Authorization: \"Basic ${TOKEN}\"`";
        return misread("`url` holds a user or a password", hint);
    }
    url.set_fragment(None);
    Ok(url)
}

fn misnamed(name: &str, lower: &str) -> Option<Misread> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        let message = format!("`{}` cannot be the name of a header", name.escape_debug());
        return Some(Misread { message, hint: "use letters, digits and `-`".to_owned() });
    }
    if OWNED.contains(&lower) || lower.starts_with("mcp-") {
        let message = format!("the header `{name}` belongs to the protocol");
        return Some(Misread { message, hint: "remove it: Conflux sets it by itself".to_owned() });
    }
    None
}

fn twice(name: &str) -> Misread {
    let message = format!("the header `{name}` is there already, in another case");
    Misread { message, hint: "keep one of them".to_owned() }
}

fn unprintable(name: &str) -> Misread {
    let message = format!("the header `{name}` holds what no header can carry");
    Misread { message, hint: "use printable ASCII on one line".to_owned() }
}

fn certificates(file: &Path) -> Result<(), &'static str> {
    let bytes = tls::read(file)?;
    let text = String::from_utf8_lossy(&bytes);
    if text.contains(CERTIFICATE) { Ok(()) } else { Err("holds no certificate") }
}
