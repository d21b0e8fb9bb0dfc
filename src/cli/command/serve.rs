//! `conflux serve`: one client over stdin and stdout, or many over HTTP.

use std::io;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use crate::app::App;
use crate::app::Following;
use crate::app::Renew;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::ready;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::runtime;
use crate::cli::session;
use crate::config::Config;
use crate::config::Listen;
use crate::config::load;
use crate::config::surroundings::Surroundings;
use crate::config::watch::Sight;
use crate::downstream;
use crate::downstream::Service;
use crate::downstream::http;
use crate::downstream::http::Access;
use crate::downstream::http::Front;
use crate::downstream::http::admin::Admin;
use crate::downstream::pipes;
use crate::downstream::stdio;
use crate::exchange::principal::Principal;

/// What whoever ends the program is told, who may wonder why it does not end at once.
const STOPPING: &str =
    "stopping: calls under way get two seconds, and a second signal ends them at once";
/// What a person is told who started by hand what clients start.
const WAITING: &str = "waiting for a client on stdin, which is a terminal; clients start this \
                       command themselves, and `--listen` serves them over HTTP";

/// What was loaded, and from where, so that it can be loaded again.
pub(in crate::cli) struct Loaded {
    pub(in crate::cli) config: Config,
    options: load::Options,
    sight: Sight,
    around: Surroundings,
}

impl Loaded {
    /// Loads the configuration with `overrides`, for a command that stays; what is probably not
    /// meant is logged.
    pub(in crate::cli) fn load(
        context: &Context<'_>,
        overrides: Vec<load::Override>,
    ) -> Result<Self, Failure> {
        let mut options = context.options();
        options.overrides.extend(overrides);
        let around = context.around.clone();
        let sight = Sight::of(&load::candidates(&options, &around));
        let config = context.load(&options)?;
        for warning in &config.warnings {
            let warning = warning.without_hint();
            tracing::warn!("{warning} (`conflux check` says what to do)");
        }
        Ok(Self { config, options, sight, around })
    }

    /// Follows what was loaded; `renew` takes over what is none of the upstreams' business.
    fn followed<A>(
        self,
        renew: impl Fn(&Config) -> A + Send + Sync + 'static,
    ) -> (Config, Following)
    where
        A: FnOnce() + Send + 'static,
    {
        let Self { config, options, sight, around } = self;
        let renew: Renew = Box::new(move |config| Box::new(renew(config)));
        (config, Following { options, sight, around, asked: Arc::default(), renew })
    }
}

/// Serve one client over stdin and stdout, or many over HTTP
#[derive(Debug, Args)]
pub(in crate::cli) struct Serve {
    /// Serve clients over HTTP at this address, such as `127.0.0.1:7420`
    ///
    /// `unix:` and a whole path is a socket in the file system. Without an address: what
    /// `http.listen` in the configuration says.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "")]
    listen: Option<String>,
    /// Wait until every upstream that is `required` is ready, or fail and say why as JSON
    ///
    /// Over HTTP, `listening on` is said when all is ready; over stdin and stdout, the first answer
    /// waits for it.
    #[arg(long)]
    ready: bool,
    /// Serve metrics, health and status at this address, such as `127.0.0.1:9464`
    ///
    /// Without it: at what `admin.listen` in the configuration says, if it says anything.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
}

impl Serve {
    /// Serves until the client leaves or a signal comes.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let listen = self.listen.iter().filter(|address| !address.is_empty());
        let admin = self.admin.iter().map(|address| load::Override {
            flag: "--admin".to_owned(),
            key: "admin.listen".to_owned(),
            value: address.clone(),
        });
        let overrides = listen.map(|address| listening(address)).chain(admin).collect();
        let loaded = Loaded::load(context, overrides)?;
        match &self.listen {
            Some(_) => runtime::wait(http(loaded, self.ready)),
            None => runtime::wait(stdio(loaded, self.ready)),
        }
    }
}

/// Returns what an address on the command line says about the configuration.
pub(in crate::cli) fn listening(address: &str) -> load::Override {
    load::Override {
        flag: "--listen".to_owned(),
        key: "http.listen".to_owned(),
        value: address.to_owned(),
    }
}

/// Serves one client until it leaves or a signal comes.
///
/// If it `waits`, nothing is read before everything required is ready, so the first answer comes
/// after that.
async fn stdio(loaded: Loaded, waits: bool) -> Result<(), Failure> {
    let admin = bind_admin(&loaded.config).await?;
    let (config, following) = loaded.followed(|_| || {});
    let interrupted = |exit| {
        // A client keeps what its servers say, and has not asked for this.
        if io::stderr().is_terminal() {
            output::say(STOPPING);
        }
        Err(Failure::silent(exit))
    };
    session::until_shutdown(config, following, interrupted, async |app, shutdown| {
        if io::stdin().is_terminal() {
            output::say(WAITING);
        }
        app.router().instance().listens("stdio");
        tell_watched(admin.as_ref().map(Admin::address));
        app.open_admin(admin);
        if waits {
            // Nobody has said what the client can do; what it cannot is refused when it is asked.
            app.open();
            let router = app.everything();
            let outcome = tokio::select! {
                outcome = router.ready() => outcome,
                () = shutdown.begun() => return Ok(()),
            };
            outcome.map_err(|unready| ready::failure(&unready, output::say))?;
        }
        let (router, callers) = (Arc::clone(app.everything()), app.callers().clone());
        let service =
            Service::try_new(router, callers, Principal::process(), limits(app), app.on_open())
                .context("cannot make keys")?;
        let input = pipes::stdin().context("cannot read stdin")?;
        let output = pipes::stdout().context("cannot write stdout")?;
        stdio::serve(service, input, output, shutdown).await.context("cannot read stdin")?;
        Ok(())
    })
    .await
}

/// Serves everybody who comes to the configured address until a signal comes.
///
/// If it `waits`, it says where it listens when everything required is ready, and ends if that does
/// not come about. Who comes earlier is served as ever, so that probes are answered.
async fn http(loaded: Loaded, waits: bool) -> Result<(), Failure> {
    let access = Access::of(&loaded.config).context("cannot ask providers for their keys")?;
    let front = bind(&loaded.config, access.clone()).await?;
    let admin = bind_admin(&loaded.config).await?;
    let certificate = front.certificate().cloned();
    let renewed = access.clone();
    let (config, following) = loaded.followed(move |config| {
        if let (Some(certificate), Some(tls)) = (&certificate, &config.http.tls) {
            certificate.renew(tls);
        }
        renewed.renew(config)
    });
    // A signal is how such a service is meant to end.
    let on_signal = |_| {
        output::say(STOPPING);
        Ok(())
    };
    session::until_shutdown(config, following, on_signal, async |app, shutdown| {
        let url = front.url();
        let listen = app.config().http.listen.clone();
        let watched = admin.as_ref().map(Admin::address);
        app.open_admin(admin);
        let serving = front.serve(service(app, &url)?, shutdown.clone());
        tokio::pin!(serving);
        if waits {
            let router = app.everything();
            let outcome = tokio::select! {
                outcome = router.ready() => outcome,
                () = &mut serving => return Ok(()),
            };
            if let Err(unready) = outcome {
                shutdown.begin();
                serving.await;
                return Err(ready::failure(&unready, |json| drop(output::data(json))));
            }
        }
        output::say(&format!("listening on {url}"));
        tell_watched(watched);
        let is_local = listen.is_local();
        let doubts = [
            (!is_local && access.is_open()).then(|| open_to_everybody(&listen)),
            (!is_local && !access.is_open() && url.starts_with("http:")).then(in_the_clear),
            access.is_shut().then(shut),
        ];
        output::tell(&doubts.into_iter().flatten().collect::<Vec<_>>());
        if waits {
            output::tell(&ready::doubts(app));
        }
        serving.await;
        Ok(())
    })
    .await
}

/// Takes the address that the configuration names, for those whom `access` lets in.
pub(in crate::cli) async fn bind(config: &Config, access: Access) -> Result<Front, Failure> {
    let listen = &config.http.listen;
    Front::bind(&config.http, access).await.map_err(|error| {
        let whom = format!("cannot serve clients at `{listen}`");
        no_address(whom, ["--listen", "http.listen"], listen, error)
    })
}

/// Takes the address for those who watch, if there is to be one.
async fn bind_admin(config: &Config) -> Result<Option<Admin>, Failure> {
    let Some(address) = config.admin.listen else { return Ok(None) };
    let bound = Admin::bind(address, &config.admin).await.map_err(|error| {
        let whom = format!("cannot serve metrics and status at `{address}`");
        no_address(whom, ["--admin", "admin.listen"], &Listen::Address(address), error)
    });
    bound.map(Some)
}

/// Says where those who watch are answered, if they are.
fn tell_watched(address: Option<SocketAddr>) {
    if let Some(address) = address {
        output::say(&format!("metrics and status at http://{address}"));
    }
}

/// Makes what is served at `url`, and has the upstreams started that start by themselves.
pub(in crate::cli) fn service(app: &App, url: &str) -> anyhow::Result<Service> {
    let (router, callers) = (Arc::clone(app.everything()), app.callers().clone());
    app.router().instance().listens(url);
    // Whatever a client can answer, some upstream is told that it may ask for it.
    app.open();
    Service::try_new(router, callers, Principal::anonymous(), limits(app), |_| {})
        .context("cannot make keys")
}

/// Says why there is no place to serve somebody at, which is said by the flag or the key.
fn no_address(
    what: String,
    [flag, key]: [&str; 2],
    listen: &Listen,
    error: http::Error,
) -> Failure {
    let notice = Notice::error(what);
    let choose = |what: &str| format!("choose {what} with `{flag}` or `{key}`");
    match error {
        http::Error::Listen(error) => {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse if matches!(listen, Listen::Local { .. }) => {
                    let who = "another program, perhaps another Conflux, listens there, or \
                               something lies there that is no socket";
                    format!("{who}; end it, or {}", choose("another path"))
                }
                _ if matches!(listen, Listen::Local { .. }) => {
                    choose("a path in a directory that is there and that you can write to")
                }
                io::ErrorKind::AddrInUse => {
                    let another = choose("another port");
                    let who = "another program, perhaps another Conflux, listens there";
                    format!("{who}; end it, or {another}")
                }
                io::ErrorKind::AddrNotAvailable => {
                    "this machine has no such address; choose one of its own, such as `127.0.0.1`"
                        .to_owned()
                }
                io::ErrorKind::PermissionDenied => {
                    let another = choose("another one");
                    format!("ports below 1024 are often not for everybody; {another}")
                }
                _ => choose("another address"),
            };
            Failure::new(exit::ADDRESS, notice.cause(error).hint(hint))
        }
        error @ http::Error::Tls(_) => Failure::new(exit::FAILURE, notice.cause(error)),
    }
}

/// Says what it means that others than this machine can come.
fn open_to_everybody(listen: &Listen) -> Notice {
    let who = match listen {
        Listen::Address(address) if address.ip().is_unspecified() => {
            "any address of this machine".to_owned()
        }
        Listen::Address(_) | Listen::Local { .. } => format!("`{listen}`"),
    };
    let message = format!("everybody who can reach {who} may use everything behind this gateway");
    Notice::warning(message).hint(
        "put a proxy that authenticates or a firewall in front; names and addresses by which \
         clients come must be in `http.hosts`",
    )
}

/// Says that tokens can be read on their way.
fn in_the_clear() -> Notice {
    Notice::warning("tokens can be read by everybody on the way, because this is not HTTPS").hint(
        "put a proxy that serves HTTPS in front, and let nobody else reach this address; or set \
         `http.tls`",
    )
}

/// Says that nobody can come.
fn shut() -> Notice {
    Notice::warning("nobody can come: there is no token, and no provider gives any")
        .hint("make one with `conflux token create NAME`")
}

fn limits(app: &App) -> downstream::Limits {
    let limits = &app.config().limits;
    downstream::Limits { message: limits.message, in_flight: limits.in_flight }
}
