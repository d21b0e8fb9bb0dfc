//! What the doctor finds: each with a stable code, a place, and what to do.

use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use crate::config::problem::Problem;

/// What sort of thing was found. Numbers are never used again; `docs/doctor.md` explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Code {
    Configuration = 1,
    Doubtful = 2,
    Variable = 3,
    Command = 4,
    Unpinned = 5,
    Readable = 6,
    Literal = 7,
    Legacy = 8,
    TooManyTools = 9,
    LongNames = 10,
    Twins = 11,
    Disabled = 12,
    Failed = 13,
    Beside = 14,
    Stray = 15,
    Socket = 16,
    State = 17,
    Audit = 18,
    Rule = 19,
    Key = 20,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Something does not work.
    Error,
    /// Something works, but not as it should.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What `--fix` does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fix {
    /// Makes a file readable for its owner alone.
    Close(PathBuf),
    /// Writes the whole path of a program into an upstream.
    Locate { key: String, path: PathBuf },
    /// Takes away a socket that nobody listens at.
    Sweep(PathBuf),
}

/// Where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) file: Option<PathBuf>,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
    /// The key in the configuration, as in `upstreams.github.env.TOKEN`.
    pub(super) key: Option<String>,
}

impl Spot {
    /// Names a file.
    pub(super) fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: Some(path.into()), ..Self::default() }
    }

    /// Names a key.
    pub(super) fn key(key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// Writes it for people; nothing if it is nowhere in particular.
    pub(super) fn shown(&self) -> String {
        let mut shown = self.file.as_ref().map_or_else(String::new, |it| it.display().to_string());
        for number in [self.line, self.column].into_iter().flatten() {
            shown = format!("{shown}:{number}");
        }
        match (&self.key, shown.is_empty()) {
            (Some(key), true) => key.clone(),
            (Some(key), false) => format!("{key} ({shown})"),
            (None, _) => shown,
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) code: Code,
    pub(super) severity: Severity,
    pub(super) spot: Spot,
    pub(super) message: String,
    pub(super) hint: String,
    pub(super) fix: Option<Fix>,
    /// Whether that was done.
    pub(super) is_fixed: bool,
}

impl Finding {
    pub(super) fn new(
        code: Code,
        severity: Severity,
        spot: Spot,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self { code, severity, spot, message, hint, fix: None, is_fixed: false }
    }

    /// Finds what is wrong, or doubtful, with a configuration.
    pub(super) fn of(problem: &Problem, code: Code, severity: Severity) -> Self {
        let Problem { file, line, column, origin, key, message, hint } = problem;
        let key = (!key.is_empty()).then(|| key.to_string());
        let spot = Spot { file: file.clone(), line: *line, column: *column, key };
        let message = match origin {
            Some(origin) => format!("{origin}: {message}"),
            None => message.clone(),
        };
        Self::new(code, severity, spot, message, hint.clone().unwrap_or_default())
    }

    /// Adds what `--fix` does about it.
    #[must_use]
    pub(super) fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// Returns the code as it is written.
    pub(super) fn code(&self) -> String {
        format!("CFX{:03}", self.code as u16)
    }

    /// Writes it as data.
    pub(super) fn json(&self) -> Value {
        json!({
            "code": self.code(),
            "severity": self.severity.word(),
            "file": self.spot.file,
            "line": self.spot.line,
            "column": self.spot.column,
            "key": self.spot.key,
            "message": self.message,
            "hint": self.hint,
            "fixable": self.fix.is_some(),
            "fixed": self.is_fixed,
        })
    }
}
