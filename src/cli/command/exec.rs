//! `conflux exec`: a command with a gateway of its own, which lives as long as the command.

use std::ffi::OsString;
use std::future;
use std::io;
use std::io::IsTerminal as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process;
use std::process::ExitStatus;
use std::task::Poll;

use anyhow::Context as _;
use clap::Args;
use nix::sys::signal;
use nix::unistd::Pid;
use serde_json::json;
use tokio::process::Child;
use tokio::process::Command;
use tokio::signal::unix;
use tokio::signal::unix::SignalKind;

use crate::app::App;
use crate::auth::token::Token;
use crate::cli::command::serve;
use crate::cli::command::serve::Loaded;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::ready;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::runtime;
use crate::cli::session;
use crate::config::Config;
use crate::config::Listen;
use crate::downstream::http::Access;
use crate::downstream::shutdown::Shutdown;

/// The signals that are passed on.
const SIGNALS: [signal::Signal; 6] = [
    signal::Signal::SIGINT,
    signal::Signal::SIGTERM,
    signal::Signal::SIGHUP,
    signal::Signal::SIGQUIT,
    signal::Signal::SIGUSR1,
    signal::Signal::SIGUSR2,
];

/// Run a command with a gateway of its own
///
/// The command starts when every upstream that is `required` is ready. It finds the gateway in its
/// environment: `CONFLUX_URL` is the address, `CONFLUX_MCP_CONFIG` the same as `mcpServers` of
/// clients, `CONFLUX_PID` the process, and `CONFLUX_TOKEN` the token to send where the
/// configuration has `auth`. When it ends, the gateway ends, and with its exit code.
#[derive(Debug, Args)]
pub(in crate::cli) struct Exec {
    /// Serve the command at this address
    ///
    /// Without it: at any free port of `127.0.0.1`, without TLS.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Exec {
    /// Runs the command, and ends as it ends.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let address = self.listen.as_deref().unwrap_or("127.0.0.1:0");
        let Loaded { mut config, .. } = Loaded::load(context, vec![serve::listening(address)])?;
        if self.listen.is_none() {
            // No certificate is for an address that is made up for one command.
            config.http.tls = None;
        }
        if let Listen::Local { .. } = config.http.listen {
            let notice = Notice::error("commands find a gateway by its URL, and a socket has none");
            let hint = "name an address, such as `--listen 127.0.0.1:0`";
            return Err(Failure::new(exit::USAGE, notice.hint(hint)));
        }
        runtime::wait(run(config, &self.command))
    }
}

/// What the command finds in its environment.
struct Gateway {
    url: String,
    /// The token it comes with, if it needs one.
    token: Option<String>,
}

/// Lets in the command alone where tokens are asked for: with one that is good as long as it runs.
fn access(config: &Config) -> Result<(Access, Option<String>), Failure> {
    if config.auth.is_none() {
        let access = Access::of(config).context("cannot make an HTTP client")?;
        return Ok((access, None));
    }
    let token = Token::try_new().context("cannot make a token")?;
    let text = token.reveal();
    Ok((Access::of_holder(token), Some(text)))
}

/// Runs `command` when everything required is ready, and ends as it ends.
async fn run(config: Config, command: &[OsString]) -> Result<(), Failure> {
    let mut signals = Signals::install().context("cannot listen for signals")?;
    let (access, token) = access(&config)?;
    let front = serve::bind(&config, access).await?;
    let gateway = Gateway { url: front.url(), token };
    let app = App::start(config, session::guard()).await;
    app.check_policy()?;
    app.open_doors().await;
    let shutdown = Shutdown::default();
    let outcome = {
        let serving = front.serve(serve::service(&app, &gateway.url)?, shutdown.clone());
        tokio::pin!(serving);
        let outcome = tokio::select! {
            outcome = work(&app, command, &gateway, &mut signals) => outcome,
            () = &mut serving => Ok(()),
        };
        shutdown.begin();
        tokio::select! {
            () = &mut serving => {}
            // Whoever signals now does not want to wait for others' calls.
            _ = signals.next_ending() => shutdown.hurry(),
        }
        outcome
    };
    tokio::select! {
        () = app.stop() => {}
        // Dropping the rest kills it.
        _ = signals.next_ending() => {}
    }
    outcome
}

async fn work(
    app: &App,
    command: &[OsString],
    gateway: &Gateway,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let router = app.router();
    let outcome = tokio::select! {
        outcome = router.ready() => outcome,
        signal = signals.next_ending() => return Err(Failure::silent(ended_by(signal as i32))),
    };
    outcome.map_err(|unready| ready::failure(&unready, output::say))?;
    let mut child = start(command, gateway)?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.context("cannot wait for the command")?,
            signal = signals.next() => pass_on(signal, &child),
        }
    };
    match exit_of(status) {
        exit::OK => Ok(()),
        exit => Err(Failure::silent(exit)),
    }
}

/// Starts the command in the place of this one: with its streams, its directory, its process group.
fn start(command: &[OsString], gateway: &Gateway) -> Result<Child, Failure> {
    let (program, arguments) = command.split_first().context("there is no command")?;
    let Gateway { url, token } = gateway;
    let mut server = json!({ "type": "http", "url": url });
    if let (Some(token), Some(server)) = (token, server.as_object_mut()) {
        let headers = json!({ "Authorization": format!("Bearer {token}") });
        server.insert("headers".to_owned(), headers);
    }
    let servers = json!({ "mcpServers": { "conflux": server } });
    let mut starter = Command::new(program);
    starter.args(arguments).env("CONFLUX_URL", url);
    starter.env("CONFLUX_MCP_CONFIG", servers.to_string());
    if let Some(token) = token {
        starter.env("CONFLUX_TOKEN", token);
    }
    starter.env("CONFLUX_PID", process::id().to_string());
    starter.spawn().map_err(|error| {
        let exit = match error.kind() {
            io::ErrorKind::NotFound => exit::NOT_FOUND,
            _ => exit::NOT_EXECUTABLE,
        };
        let shown = program.to_string_lossy();
        let notice = Notice::error(format!("cannot start the command `{shown}`")).cause(error);
        Failure::new(exit, notice.hint("what stands after `--` is a program and its arguments"))
    })
}

/// Passes a signal on to the command alone: what it started is its own.
fn pass_on(signal: signal::Signal, child: &Child) {
    // A terminal sends these to everything in the foreground; twice often means "at once".
    let is_of_terminal = matches!(signal, signal::Signal::SIGINT | signal::Signal::SIGQUIT);
    if is_of_terminal && (io::stdin().is_terminal() || io::stderr().is_terminal()) {
        return;
    }
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok())
        && let Err(error) = signal::kill(Pid::from_raw(id), signal)
    {
        tracing::debug!(%error, %signal, "cannot be passed on");
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => own(code),
        (None, Some(signal)) => ended_by(signal),
        (None, None) => exit::FAILURE,
    }
}

/// A signal as shells count it.
fn ended_by(signal: i32) -> Exit {
    own(128 + signal)
}

fn own(code: i32) -> Exit {
    match u8::try_from(code) {
        Ok(0) => exit::OK,
        Ok(code) => Exit { code, meaning: "what the command of `exec` ended with" },
        Err(_) => exit::FAILURE,
    }
}

/// What is sent to this process from outside.
struct Signals(Vec<(signal::Signal, unix::Signal)>);

impl Signals {
    fn install() -> io::Result<Self> {
        let one = |signal: signal::Signal| {
            let arriving = unix::signal(SignalKind::from_raw(signal as i32))?;
            Ok((signal, arriving))
        };
        Ok(Self(SIGNALS.into_iter().map(one).collect::<io::Result<_>>()?))
    }

    /// Waits for the next one. Cancel safe.
    async fn next(&mut self) -> signal::Signal {
        future::poll_fn(|context| {
            for (kind, signal) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*kind);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for the next one by which programs end. Cancel safe.
    async fn next_ending(&mut self) -> signal::Signal {
        loop {
            match self.next().await {
                // While there is no command, nobody gives them a meaning.
                signal::Signal::SIGUSR1 | signal::Signal::SIGUSR2 => {}
                signal => return signal,
            }
        }
    }
}
