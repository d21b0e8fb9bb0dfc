//! A command's time with a running gateway: whatever happens, every upstream is stopped after it.

use std::io;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::Notify;
use tokio::time;

use crate::app::App;
use crate::app::Following;
use crate::cli::exit;
use crate::cli::exit::Exit;
use crate::cli::report::Failure;
use crate::config::Config;
use crate::config::StartBudget;
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

/// Runs `work` with the gateway of `config`, before which it is not said that any upstream is to be
/// started: what it sees is what they listed in earlier runs.
pub(in crate::cli) async fn remembering<T>(
    config: Config,
    work: impl AsyncFnOnce(&App) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let app = App::start(config, guard()).await;
    let outcome = work(&app).await;
    app.stop().await;
    outcome
}

/// Runs the gateway of `config`, and of what becomes of it while it is followed, until `work` ends
/// by itself, which it does soon after its shutdown begins. A first signal begins it, and
/// `on_signal` says what comes of that; a second one leaves no time but for the last answers.
pub(in crate::cli) async fn until_shutdown(
    config: Config,
    following: Following,
    on_signal: impl Fn(Exit) -> Result<(), Failure>,
    work: impl AsyncFnOnce(&App, Shutdown) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut signals = Signals::install().context("cannot listen for signals")?;
    signals.reload_by(&following.asked).context("cannot listen for signals")?;
    let app = App::start(config, guard()).await;
    app.check_policy()?;
    app.open_doors().await;
    app.follow(following).await;
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
        let limit = config.limits.start_budget.limit().max(longest);
        config.limits.start_budget = StartBudget::Said(limit);
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
    hangups: Option<Hangups>,
}

/// SIGHUP, which means two things: that the configuration is to be read again, or that the terminal
/// is gone from which the program was started.
#[cfg(unix)]
struct Hangups {
    signal: tokio::signal::unix::Signal,
    reload: Arc<Notify>,
    had_terminal: bool,
}

#[cfg(unix)]
impl Signals {
    fn install() -> io::Result<Self> {
        use tokio::signal::unix::SignalKind;
        use tokio::signal::unix::signal;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangups: None,
        })
    }

    /// Has SIGHUP tell `reload` from now on.
    fn reload_by(&mut self, reload: &Arc<Notify>) -> io::Result<()> {
        let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
        let hangups = Hangups { signal, reload: Arc::clone(reload), had_terminal: has_terminal() };
        self.hangups = Some(hangups);
        Ok(())
    }

    /// Waits for the next signal and says how the program ends by it. Cancel safe.
    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => exit::INTERRUPTED,
            _ = self.terminate.recv() => exit::TERMINATED,
            () = gone(self.hangups.as_mut()) => exit::HUNG_UP,
        }
    }
}

/// Waits until the terminal is gone; passes on everything else that SIGHUP means. Cancel safe.
#[cfg(unix)]
async fn gone(hangups: Option<&mut Hangups>) {
    let Some(hangups) = hangups else { return std::future::pending().await };
    while hangups.signal.recv().await.is_some() {
        if hangups.had_terminal && !has_terminal() {
            return;
        }
        hangups.reload.notify_one();
    }
    std::future::pending::<()>().await;
}

/// Whether the program is seen, or was started, by somebody at a terminal that is still there.
#[cfg(unix)]
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// What tells the program to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    fn install() -> io::Result<Self> {
        Ok(Self)
    }

    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "elsewhere it can fail")]
    fn reload_by(&mut self, _reload: &Arc<Notify>) -> io::Result<()> {
        Ok(())
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
