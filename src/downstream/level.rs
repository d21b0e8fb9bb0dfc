//! Levels of log messages, and who wants to be told from which level on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::ids::CallerId;
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
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((level, raw.detached()));
    }

    /// Returns the level as it was written.
    pub(super) fn raw(&self) -> Option<Raw> {
        let set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set.as_ref().map(|(_, raw)| raw.clone())
    }

    fn level(&self) -> Option<Level> {
        let set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set.as_ref().map(|(level, _)| *level)
    }
}

/// The levels that the sessions of all clients have set: an upstream has one for all of them.
#[derive(Debug, Default)]
pub(super) struct Levels(Mutex<HashMap<CallerId, (Level, Raw)>>);

impl Levels {
    /// Sets the level of one session; returns the lowest of all, as it was written.
    pub(super) fn set(&self, caller: CallerId, level: Level, raw: &Raw) -> Raw {
        let mut levels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        levels.insert(caller, (level, raw.detached()));
        let lowest = levels.values().min_by_key(|(level, _)| *level);
        lowest.map_or_else(|| raw.detached(), |(_, raw)| raw.clone())
    }

    /// Forgets the level of a session that is over.
    pub(super) fn forget(&self, caller: CallerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&caller);
    }
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
