//! A command's time with a running gateway: whatever happens, every upstream is stopped after it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time;

use crate::app::App;
use crate::cli::exit;
use crate::cli::exit::Exit;
use crate::cli::report::Failure;
use crate::config::Config;
use crate::downstream::shutdown::Shutdown;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::ids::CallerId;

/// How long calls that a second signal ends may take to be answered.
const LAST_WORDS_LIMIT: Duration = Duration::from_millis(500);

/// Runs `work` with the gateway of `config`, until it is done or a signal ends it. What it sees is
/// what upstreams list now.
pub(in crate::cli) async fn within(
    config: Config,
    work: impl AsyncFnOnce(&App) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut signals = Signals::install().context("cannot listen for signals")?;
    let app = App::start_afresh(config, guard()).await;
    let outcome = tokio::select! {
        outcome = work(&app) => outcome,
        exit = signals.next() => Err(Failure::silent(exit)),
    };
    tokio::select! {
        () = app.stop() => outcome,
        // Whoever asks twice does not want to wait; dropping the rest kills it.
        exit = signals.next() => Err(Failure::silent(exit)),
    }
}

/// Runs the gateway of `config` until `work` ends by itself, which it does soon after its shutdown
/// begins. A first signal begins it, and `on_signal` says what comes of that; a second one leaves
/// no time but for the last answers.
pub(in crate::cli) async fn until_shutdown(
    config: Config,
    on_signal: impl Fn(Exit) -> Result<(), Failure>,
    work: impl AsyncFnOnce(&App, Shutdown) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut signals = Signals::install().context("cannot listen for signals")?;
    let app = App::start(config, guard()).await;
    app.open_door().await;
    let shutdown = Shutdown::default();
    let mut signalled = None;
    let outcome = {
        let work = work(&app, shutdown.clone());
        tokio::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                exit = signals.next() => {
                    if signalled.is_some() {
                        shutdown.hurry();
                        drop(time::timeout(LAST_WORDS_LIMIT, &mut work).await);
                        // Dropping the rest kills it.
                        return Err(Failure::silent(exit));
                    }
                    signalled = Some(on_signal(exit));
                    shutdown.begin();
                }
            }
        }
    };
    let outcome = outcome.and(signalled.unwrap_or(Ok(())));
    tokio::select! {
        () = app.stop() => outcome,
        exit = signals.next() => Err(Failure::silent(exit)),
    }
}

/// Lets a command wait for all upstreams, where a client would be shown a list without them.
pub(in crate::cli) fn patient(mut config: Config) -> Config {
    let enabled = config.upstreams.values().filter(|upstream| !upstream.disabled);
    if let Some(longest) = enabled.map(|upstream| upstream.timeout.start).max() {
        config.limits.start_budget = config.limits.start_budget.max(longest);
    }
    config
}

/// Makes the caller that a command is: one that can be asked nothing.
pub(in crate::cli) fn caller(app: &App) -> Arc<Caller> {
    let capabilities = Arc::new(Capabilities::default());
    let caller = Arc::new(Caller::new(CallerId(0), capabilities, Reach::InCallsOnly));
    app.callers().attach(&caller);
    caller
}

/// What tells the program to end.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::SignalKind;
        use tokio::signal::unix::signal;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal and says how the program ends by it. Cancel safe.
    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => exit::INTERRUPTED,
            _ = self.terminate.recv() => exit::TERMINATED,
        }
    }
}

/// What tells the program to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    fn install() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits for Ctrl-C. Cancel safe.
    async fn next(&mut self) -> Exit {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        exit::INTERRUPTED
    }
}

/// The program that upstreams are started under, which is this one, even if its file was replaced.
#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "other systems may not know it")]
pub(in crate::cli) fn guard() -> Option<PathBuf> {
    Some(PathBuf::from("/proc/self/exe"))
}

#[cfg(all(unix, not(target_os = "linux")))]
pub(in crate::cli) fn guard() -> Option<PathBuf> {
    std::env::current_exe().ok()
}

#[cfg(not(unix))]
pub(in crate::cli) fn guard() -> Option<PathBuf> {
    None
}
