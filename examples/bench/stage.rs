//! What stands behind every subject of a comparison, and between whom it stands.

use std::io::BufRead as _;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::time::Instant;

use crate::load::request::Era;
use crate::process;
use crate::process::Running;

/// How long a program may take until it listens.
pub(crate) const START: Duration = Duration::from_mins(1);

/// What the client speaks, and what the servers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Route {
    #[serde(rename = "stdio-stdio")]
    StdioStdio,
    #[serde(rename = "http-stdio")]
    HttpStdio,
    #[serde(rename = "http-http")]
    HttpHttp,
}

impl Route {
    pub(crate) const ALL: [Self; 3] = [Self::StdioStdio, Self::HttpStdio, Self::HttpHttp];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::StdioStdio => "stdio-stdio",
            Self::HttpStdio => "http-stdio",
            Self::HttpHttp => "http-http",
        }
    }

    /// The same for readers.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::StdioStdio => "stdio to stdio",
            Self::HttpStdio => "HTTP to stdio",
            Self::HttpHttp => "HTTP to HTTP",
        }
    }

    pub(crate) fn front_is_stdio(self) -> bool {
        self == Self::StdioStdio
    }

    pub(crate) fn upstream_is_stdio(self) -> bool {
        self != Self::HttpHttp
    }
}

/// A route, an era, and the flags of each server behind it.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) route: Route,
    pub(crate) era: Era,
    pub(crate) upstreams: Vec<Vec<String>>,
}

/// A stage that stands: the servers over HTTP run, the commands of the others are known.
pub(crate) struct Place {
    pub(crate) stage: Stage,
    /// Where files of this stage go.
    pub(crate) directory: PathBuf,
    pub(crate) backends: Vec<Backend>,
    /// Where the servers over HTTP are, if they are.
    pub(crate) address: Option<SocketAddr>,
    _servers: Vec<Running>,
}

/// One server, as a gateway is told of it.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Command(Vec<String>),
    Url(String),
}

impl Stage {
    /// So many servers that do nothing special.
    pub(crate) fn even(route: Route, era: Era, count: usize) -> Self {
        let flags = vec!["--era".to_owned(), era.name().to_owned()];
        Self { route, era, upstreams: vec![flags; count] }
    }

    /// The same with more flags for the last one.
    pub(crate) fn last_with(mut self, flags: &[&str]) -> Self {
        if let Some(last) = self.upstreams.last_mut() {
            last.extend(flags.iter().map(|flag| (*flag).to_owned()));
        }
        self
    }

    /// The same with more flags for all.
    pub(crate) fn all_with(mut self, flags: &[&str]) -> Self {
        for upstream in &mut self.upstreams {
            upstream.extend(flags.iter().map(|flag| (*flag).to_owned()));
        }
        self
    }

    /// Starts what must run, and makes a directory for its files.
    pub(crate) fn stand(self, directory: &Path) -> anyhow::Result<Place> {
        std::fs::create_dir_all(directory)?;
        let mut servers: Vec<Running> = Vec::new();
        let mut addresses: Vec<(&Vec<String>, SocketAddr)> = Vec::new();
        let mut backends = Vec::new();
        for (number, flags) in self.upstreams.iter().enumerate() {
            if self.route.upstream_is_stdio() {
                backends.push(Backend::Command(upstream_words(flags)?));
                continue;
            }
            let known = addresses.iter().find(|(known, _)| *known == flags).map(|(_, it)| *it);
            let address = if let Some(address) = known {
                address
            } else {
                let log = directory.join(format!("upstream-{number}.log"));
                let (server, address) = serve_http(flags, log)?;
                servers.push(server);
                addresses.push((flags, address));
                address
            };
            backends.push(Backend::Url(format!("http://{address}/u{number}/mcp")));
        }
        let address = addresses.first().map(|(_, address)| *address);
        let directory = directory.to_owned();
        Ok(Place { backends, address, directory, _servers: servers, stage: self })
    }
}

/// The words that start a server over stdio.
pub(crate) fn upstream_words(flags: &[String]) -> anyhow::Result<Vec<String>> {
    let mut words = vec![process::myself()?, "upstream".to_owned()];
    words.extend_from_slice(flags);
    Ok(words)
}

/// Starts a server over HTTP.
pub(crate) fn serve_http(flags: &[String], log: PathBuf) -> anyhow::Result<(Running, SocketAddr)> {
    let mut words = upstream_words(flags)?;
    words.extend(["--http".to_owned(), "127.0.0.1:0".to_owned()]);
    let mut server = Running::start(process::command(&words)?, log)?;
    let address = said_address(&mut server)?;
    Ok((server, address))
}

/// Reads where a part of this program says that it listens.
pub(crate) fn said_address(server: &mut Running) -> anyhow::Result<SocketAddr> {
    let mut line = String::new();
    BufReader::new(server.stdout()?).read_line(&mut line)?;
    address_in(&line).with_context(|| format!("it does not listen: {}", server.last_words()))
}

/// Finds `listening on http://ADDRESS/mcp` in a text.
pub(crate) fn address_in(text: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once("listening on http://")?;
    let (address, _) = rest.split_once("/mcp")?;
    address.parse().ok()
}

/// Tries until something is there, or the process has ended.
pub(crate) fn wait<T>(
    running: &mut Running,
    patience: Duration,
    mut look: impl FnMut(&Running) -> Option<T>,
) -> anyhow::Result<T> {
    let until = Instant::now() + patience;
    loop {
        if let Some(found) = look(running) {
            return Ok(found);
        }
        let ended = running.has_ended();
        anyhow::ensure!(!ended, "it has ended: {}", running.last_words());
        let waited = Instant::now() >= until;
        anyhow::ensure!(!waited, "not ready within {patience:?}: {}", running.last_words());
        process::sleep(Duration::from_millis(2));
    }
}
