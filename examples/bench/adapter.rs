//! Other gateways: how each is installed and started is a file, not code.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Deserialize;

use crate::client::Client;
use crate::json;
use crate::load::request::Era;
use crate::process;
use crate::process::Running;
use crate::stage;
use crate::stage::Backend;
use crate::stage::Place;
use crate::stage::Route;
use crate::subject;

/// Another gateway, as its file says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adapter {
    pub(crate) name: String,
    registry: Registry,
    package: String,
    version: String,
    /// The name of its program, if it is not that of the package.
    program: Option<String>,
    /// How it calls the tool `echo`; `{number}` is the upstream.
    tool: String,
    /// The same if there is one upstream only, if that makes a difference.
    alone: Option<String>,
    /// Before how many upstreams it can stand, or can within the time of a run.
    upstreams: usize,
    eras: Vec<Era>,
    config: Option<Config>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// By the name of the route.
    routes: BTreeMap<String, How>,
    #[serde(skip)]
    root: PathBuf,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Registry {
    Npm,
    Pypi,
    Crates,
}

/// The file it is configured with: `text` around one of the others per upstream.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    file: String,
    text: String,
    #[serde(default)]
    stdio: String,
    #[serde(default)]
    http: String,
    #[serde(default)]
    between: String,
}

/// How it is started for a route.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct How {
    /// `{words}` alone is every word of the command of the first upstream.
    args: Vec<String>,
    /// Where it serves, if it does over HTTP.
    #[serde(default)]
    path: String,
}

impl Adapter {
    /// Reads a file; what it says is installed lies under `root`.
    pub(crate) fn read(file: &Path, root: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut adapter: Self =
            serde_saphyr::from_str(&text).with_context(|| format!("in {}", file.display()))?;
        adapter.root = root.join(format!("{}-{}", adapter.name, adapter.version));
        Ok(adapter)
    }

    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// Its name of the tool of one of so many upstreams.
    pub(crate) fn tool(&self, number: usize, count: usize) -> String {
        let alone = self.alone.as_ref().filter(|_| count == 1);
        alone.unwrap_or(&self.tool).replace("{number}", &number.to_string())
    }

    pub(crate) fn can(&self, route: Route, era: Era, count: usize) -> bool {
        self.routes.contains_key(route.name())
            && self.eras.contains(&era)
            && count <= self.upstreams
    }

    fn program(&self) -> PathBuf {
        let name = self.program.as_deref().unwrap_or(&self.package);
        match self.registry {
            Registry::Npm => self.root.join("node_modules/.bin").join(name),
            Registry::Pypi | Registry::Crates => self.root.join("bin").join(name),
        }
    }

    pub(crate) fn is_installed(&self) -> bool {
        self.program().exists()
    }

    /// Installs it where only the benchmark looks, with the client of its registry.
    pub(crate) fn install(&self) -> anyhow::Result<()> {
        fs::create_dir_all(&self.root)?;
        let root = self.root.to_str().context("a path is text")?;
        let (package, version) = (&self.package, &self.version);
        let pip = format!("{root}/bin/pip");
        let steps: Vec<Vec<String>> = match self.registry {
            Registry::Npm => vec![words(&[
                "npm",
                "install",
                "--no-audit",
                "--no-fund",
                "--prefix",
                root,
                &format!("{package}@{version}"),
            ])],
            Registry::Pypi => vec![
                words(&["python3", "-m", "venv", root]),
                words(&[&pip, "install", "--quiet", &format!("{package}=={version}")]),
            ],
            Registry::Crates => vec![words(&[
                "cargo",
                "install",
                "--locked",
                "--root",
                root,
                "--version",
                version,
                package,
            ])],
        };
        for step in steps {
            let status = process::command(&step)?.status()?;
            anyhow::ensure!(status.success(), "`{}` failed: {status}", step.join(" "));
        }
        Ok(())
    }

    /// Starts it in a place.
    pub(crate) fn launch(&self, place: &Place, log: PathBuf) -> anyhow::Result<(Running, Client)> {
        let route = place.stage.route;
        let how = self.routes.get(route.name()).context("it has no such route")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = self.write_config(place, port)?;
        let first = place.backends.first().context("no upstream")?;
        let mut all = vec![self.program().to_str().context("a path is text")?.to_owned()];
        for arg in &how.args {
            match (arg.as_str(), first) {
                ("{words}", Backend::Command(words)) => all.extend_from_slice(words),
                _ => all.push(filled(arg, 0, first, port).replace("{config}", &config)),
            }
        }
        let mut command = process::command(&all)?;
        command.envs(&self.env).current_dir(&place.directory);
        if route.front_is_stdio() {
            let launched = subject::over_stdio(command, place, log, Vec::new())?;
            return Ok((launched.running, launched.client));
        }
        let mut running = Running::start_silent(command, log)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        stage::wait(&mut running, stage::START, |_| TcpStream::connect(address).ok())?;
        Ok((running, Client::at(address, &how.path, place.stage.era)))
    }

    fn write_config(&self, place: &Place, port: u16) -> anyhow::Result<String> {
        let Some(config) = &self.config else { return Ok(String::new()) };
        let entries = place.backends.iter().enumerate().map(|(number, backend)| {
            let entry = match backend {
                Backend::Command(_) => &config.stdio,
                Backend::Url(_) => &config.http,
            };
            filled(entry, number, backend, port)
        });
        let entries = entries.collect::<Vec<_>>().join(&config.between);
        let text = config.text.replace("{upstreams}", &entries);
        let text = text.replace("{port}", &port.to_string());
        let file = place.directory.join(&config.file);
        fs::write(&file, text)?;
        Ok(file.to_str().context("a path is text")?.to_owned())
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What stands in a file for the values of one upstream.
fn filled(text: &str, number: usize, backend: &Backend, port: u16) -> String {
    let text = text.replace("{number}", &number.to_string()).replace("{port}", &port.to_string());
    match backend {
        Backend::Command(words) => {
            let (command, args) =
                words.split_first().map_or(("", &[][..]), |(it, rest)| (it, rest));
            let args: Vec<String> = args.iter().map(|arg| json::quote(arg)).collect();
            text.replace("{command}", command)
                .replace("{args}", &format!("[{}]", args.join(", ")))
                .replace("{line}", &words.join(" "))
        }
        Backend::Url(url) => text.replace("{url}", url),
    }
}
