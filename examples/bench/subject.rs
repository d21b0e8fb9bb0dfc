//! What is measured: a way from the client to the servers.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use serde_json::json;

use crate::adapter::Adapter;
use crate::client::Client;
use crate::client::Link;
use crate::load::stdio::Pipes;
use crate::process;
use crate::process::Running;
use crate::stage;
use crate::stage::Backend;
use crate::stage::Place;
use crate::stage::Stage;

/// One way from the client to the servers.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) name: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Direct,
    Splice,
    Relay,
    /// The words that start it, and what its configuration says besides the upstreams.
    Conflux {
        program: Vec<String>,
        settings: Value,
    },
    Adapter(Rc<Adapter>),
}

/// A subject that runs.
pub(crate) struct Launched {
    pub(crate) running: Running,
    pub(crate) client: Client,
    /// The name of `echo` of each upstream.
    pub(crate) tools: Vec<String>,
}

impl Subject {
    pub(crate) fn direct() -> Self {
        Self { name: "direct".to_owned(), kind: Kind::Direct }
    }

    pub(crate) fn splice() -> Self {
        Self { name: "splice".to_owned(), kind: Kind::Splice }
    }

    pub(crate) fn relay() -> Self {
        Self { name: "relay".to_owned(), kind: Kind::Relay }
    }

    /// Conflux, started by these words, with these further settings.
    pub(crate) fn conflux(name: &str, program: Vec<String>, settings: Value) -> Self {
        Self { name: name.to_owned(), kind: Kind::Conflux { program, settings } }
    }

    pub(crate) fn adapter(adapter: Rc<Adapter>) -> Self {
        Self { name: adapter.title(), kind: Kind::Adapter(adapter) }
    }

    /// Whether somebody else wrote it; then it may fail without failing the run.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.kind, Kind::Adapter(_))
    }

    /// Whether it is Conflux, however it is configured.
    pub(crate) fn is_conflux(&self) -> bool {
        matches!(self.kind, Kind::Conflux { .. })
    }

    /// Whether it can stand in this place.
    pub(crate) fn can(&self, stage: &Stage) -> bool {
        let (route, count) = (stage.route, stage.upstreams.len());
        match &self.kind {
            Kind::Splice => route.front_is_stdio() == route.upstream_is_stdio(),
            Kind::Direct | Kind::Relay | Kind::Conflux { .. } => true,
            Kind::Adapter(adapter) => adapter.can(route, stage.era, count),
        }
    }

    /// Starts it in a place; nothing has been said to it yet.
    pub(crate) fn launch(&self, place: &Place) -> anyhow::Result<Launched> {
        let tools = |name: &dyn Fn(usize) -> String| {
            (0..place.backends.len()).map(name).collect::<Vec<_>>()
        };
        match &self.kind {
            Kind::Direct => self.launch_direct(place),
            Kind::Splice => self.launch_splice(place),
            Kind::Relay => self.launch_relay(place, tools(&|number| format!("u{number}__echo"))),
            Kind::Conflux { program, settings } => {
                let tools = tools(&|number| format!("u{number}__echo"));
                self.launch_conflux(place, program, settings, tools)
            }
            Kind::Adapter(adapter) => {
                let tools = tools(&|number| adapter.tool(number, place.backends.len()));
                let log = self.log(place);
                let (running, client) = adapter.launch(place, log)?;
                Ok(Launched { running, client, tools })
            }
        }
    }

    /// Starts it, opens the conversation, and has every tool listed and called once.
    pub(crate) fn ready(&self, place: &Place) -> anyhow::Result<Launched> {
        let mut launched = self.launch(place)?;
        let outcome = self.open(&mut launched);
        outcome.with_context(|| {
            format!("`{}` does not work: {}", self.name, launched.running.last_words())
        })?;
        Ok(launched)
    }

    /// Opens the conversation, and has every tool listed and called once.
    pub(crate) fn open(&self, launched: &mut Launched) -> anyhow::Result<()> {
        let Launched { client, tools, .. } = launched;
        client.open(stage::START)?;
        if self.is_conflux() || self.is_foreign() {
            client.list_all(tools, stage::START)?;
        }
        client.call_each(tools)
    }

    fn log(&self, place: &Place) -> std::path::PathBuf {
        place.directory.join(format!("{}.log", self.name.replace([' ', '/'], "-")))
    }

    /// The server itself; one that is behind stdio is asked over HTTP where the client does that.
    fn launch_direct(&self, place: &Place) -> anyhow::Result<Launched> {
        let stage = &place.stage;
        let flags = stage.upstreams.first().context("no upstream")?;
        let tools = vec!["echo".to_owned()];
        if stage.route.front_is_stdio() {
            let words = stage::upstream_words(flags)?;
            return over_stdio(process::command(&words)?, place, self.log(place), tools);
        }
        let (running, address) = stage::serve_http(flags, self.log(place))?;
        let client = Client::at(address, "/mcp", stage.era);
        Ok(Launched { running, client, tools })
    }

    fn launch_splice(&self, place: &Place) -> anyhow::Result<Launched> {
        let tools = vec!["echo".to_owned()];
        let mut words = vec![process::myself()?, "splice".to_owned()];
        match place.backends.first().context("no upstream")? {
            Backend::Command(command) => {
                words.push("--".to_owned());
                words.extend_from_slice(command);
                over_stdio(process::command(&words)?, place, self.log(place), tools)
            }
            Backend::Url(_) => {
                let address = place.address.context("no address")?.to_string();
                words.extend(["--to".to_owned(), address]);
                self.own_http(place, words, tools)
            }
        }
    }

    fn launch_relay(&self, place: &Place, tools: Vec<String>) -> anyhow::Result<Launched> {
        let mut words = vec![process::myself()?, "relay".to_owned()];
        let commands = place.backends.iter().filter_map(|backend| match backend {
            Backend::Command(words) => Some(words),
            Backend::Url(_) => None,
        });
        let commands = serde_json::to_string(&commands.collect::<Vec<_>>())?;
        words.extend(["--commands".to_owned(), commands]);
        if let Some(address) = place.address {
            words.extend(["--to".to_owned(), address.to_string()]);
        }
        if place.stage.route.front_is_stdio() {
            return over_stdio(process::command(&words)?, place, self.log(place), tools);
        }
        self.own_http(place, words, tools)
    }

    fn own_http(
        &self,
        place: &Place,
        mut words: Vec<String>,
        tools: Vec<String>,
    ) -> anyhow::Result<Launched> {
        words.extend(["--http".to_owned(), "127.0.0.1:0".to_owned()]);
        self.started_http(place, &words, tools)
    }

    fn started_http(
        &self,
        place: &Place,
        words: &[String],
        tools: Vec<String>,
    ) -> anyhow::Result<Launched> {
        let mut running = Running::start(process::command(words)?, self.log(place))?;
        let address = stage::said_address(&mut running)?;
        let client = Client::at(address, "/mcp", place.stage.era);
        Ok(Launched { running, client, tools })
    }

    fn launch_conflux(
        &self,
        place: &Place,
        program: &[String],
        settings: &Value,
        tools: Vec<String>,
    ) -> anyhow::Result<Launched> {
        let mut config = settings.clone();
        for (number, backend) in place.backends.iter().enumerate() {
            let entry = match backend {
                Backend::Command(words) => {
                    let (command, args) = words.split_first().context("no command")?;
                    json!({"command": command, "args": args})
                }
                Backend::Url(url) => json!({"url": url, "transport": "http"}),
            };
            let upstreams = config
                .as_object_mut()
                .context("settings are a map")?
                .entry("upstreams")
                .or_insert_with(|| json!({}));
            upstreams
                .as_object_mut()
                .context("upstreams are a map")?
                .insert(format!("u{number}"), entry);
        }
        // In a directory of its own: Conflux looks again when anything happens in it.
        let directory = place.directory.join(self.name.replace(' ', "-"));
        std::fs::create_dir_all(&directory)?;
        let file = directory.join("upstreams.json");
        std::fs::write(&file, config.to_string())?;
        let mut command = process::command(program)?;
        command.args(["serve", "--config"]).arg(&file);
        command.env("CONFLUX_STATE", place.directory.join("state"));
        // To Conflux it would be a key of its configuration.
        command.env_remove(crate::run::PROGRAM);
        if place.stage.route.front_is_stdio() {
            return over_stdio(command, place, self.log(place), tools);
        }
        command.args(["--listen", "127.0.0.1:0"]);
        let mut running = Running::start(command, self.log(place))?;
        let address: SocketAddr =
            stage::wait(&mut running, stage::START, |it| stage::address_in(&it.said()))?;
        let client = Client::at(address, "/mcp", place.stage.era);
        Ok(Launched { running, client, tools })
    }
}

/// Starts something that speaks over its streams.
pub(crate) fn over_stdio(
    command: std::process::Command,
    place: &Place,
    log: std::path::PathBuf,
    tools: Vec<String>,
) -> anyhow::Result<Launched> {
    let mut running = Running::start(command, log)?;
    let pipes = Pipes::new(running.pipes()?)?;
    let client = Client::over(Link::Stdio(pipes), place.stage.era);
    Ok(Launched { running, client, tools })
}

/// How long something may take that is expected to be quick.
pub(crate) const PROMPT: Duration = Duration::from_secs(30);
