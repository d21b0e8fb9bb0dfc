//! Levels of log messages, and who wants to be told from which level on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::ids::CallerId;
use crate::router::Router;
use crate::wire::Raw;

/// How serious a log message is, least first (RFC 5424, as MCP takes it over).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Level {
    /// Reads a level, a JSON string.
    pub(super) fn parse(raw: &Raw) -> Option<Self> {
        Some(match raw.string()?.as_str() {
            "debug" => Self::Debug,
            "info" => Self::Info,
            "notice" => Self::Notice,
            "warning" => Self::Warning,
            "error" => Self::Error,
            "critical" => Self::Critical,
            "alert" => Self::Alert,
            "emergency" => Self::Emergency,
            _ => return None,
        })
    }
}

/// The level a legacy session set, if it did; it counts from then on, calls under way included.
#[derive(Debug, Default)]
pub(super) struct SessionLevel(Mutex<Option<(Level, Raw)>>);

impl SessionLevel {
    /// Sets the level.
    pub(super) fn set(&self, level: Level, raw: &Raw) {
        *self.lock() = Some((level, raw.detached()));
    }

    /// Returns the level as it was written.
    pub(super) fn raw(&self) -> Option<Raw> {
        self.lock().as_ref().map(|(_, raw)| raw.clone())
    }

    fn level(&self) -> Option<Level> {
        self.lock().as_ref().map(|(level, _)| *level)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Level, Raw)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sessions that have set a level: an upstream has one for all that see it, the lowest.
///
/// Where nobody who sees it wants a level any more, the upstream is told nothing: no message takes
/// a level back, and which messages are sent where none was set is the server's own choice
/// (2025-11-25, schema, `LoggingMessageNotification`). It makes that choice when it starts again.
#[derive(Debug, Default)]
pub(super) struct Levels(Mutex<HashMap<CallerId, Setter>>);

/// One that has set a level.
#[derive(Debug)]
struct Setter {
    level: Arc<SessionLevel>,
    /// What it sees.
    router: Arc<Router>,
}

impl Levels {
    /// Counts the level of one session from now on, and tells the upstreams.
    pub(super) fn count(&self, caller: CallerId, level: &Arc<SessionLevel>, router: &Arc<Router>) {
        let mut setters = self.lock();
        let setter = Setter { level: Arc::clone(level), router: Arc::clone(router) };
        setters.insert(caller, setter);
        // Under the lock, so that the last word upstreams hear is the newest one.
        tell(&setters, router);
    }

    /// Forgets the level of a session that is over, and tells the upstreams.
    pub(super) fn forget(&self, caller: CallerId) {
        let mut setters = self.lock();
        if let Some(gone) = setters.remove(&caller) {
            tell(&setters, &gone.router);
        }
    }

    /// Tells the upstreams again: others may be there, or seen, than before.
    pub(super) fn repeat(&self, router: &Router) {
        tell(&self.lock(), router);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallerId, Setter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells every upstream the lowest level of those who see it.
fn tell(setters: &HashMap<CallerId, Setter>, router: &Router) {
    router.set_levels(|upstream| {
        let seeing = setters.values().filter(|setter| setter.router.sees(upstream));
        seeing.min_by_key(|setter| setter.level.level()).and_then(|setter| setter.level.raw())
    });
}

/// Which log messages are wanted.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// None: a modern request that named no level.
    Nothing,
    /// Those of a level, and all above.
    From(Level),
    /// What the session set; until then everything.
    BySession(Arc<SessionLevel>),
}

impl Wanted {
    /// Returns whether the log message with these parameters is wanted.
    ///
    /// A level that nobody knows passes: it may be from a later revision.
    pub(super) fn admits(&self, params: &Raw) -> bool {
        let lowest = match self {
            Self::Nothing => return false,
            Self::From(level) => *level,
            Self::BySession(session) => match session.level() {
                Some(level) => level,
                None => return true,
            },
        };
        let level = params.member("level").as_ref().and_then(Level::parse);
        level.is_none_or(|level| level >= lowest)
    }
}
