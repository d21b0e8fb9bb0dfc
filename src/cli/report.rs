//! How people are spoken to: `error:`, indented `caused by:`, a blank line, `hint:`.

use std::fmt;

use crate::cli::exit;
use crate::cli::exit::Exit;
use crate::config::Config;
use crate::config::problem::Problem;
use crate::config::problem::Problems;
use crate::disk::document;
use crate::setup::record;
use crate::setup::survey;
use crate::setup::value;
use crate::upstream;

/// Where the advice of an upstream's error points to `check --connect`, which already shows all.
const POINTER: &str = "; `conflux check --connect` shows more";

/// One thing a person should know.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Notice {
    severity: Severity,
    message: String,
    causes: Vec<String>,
    /// What a program wrote, line by line.
    stderr: Vec<upstream::Shown>,
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Severity {
    Error,
    Warning,
}

impl Notice {
    /// Makes the notice of something that made a command fail.
    pub(in crate::cli) fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// Makes the notice of something that the command could do without.
    pub(in crate::cli) fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    /// Returns the level of a log at which it would be said.
    pub(in crate::cli) fn level(&self) -> &'static str {
        match self.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "WARN",
        }
    }

    fn new(severity: Severity, message: String) -> Self {
        Self { severity, message, causes: Vec::new(), stderr: Vec::new(), hint: None }
    }

    /// Adds why it happened.
    #[must_use]
    pub(in crate::cli) fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub(in crate::cli) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds why an upstream failed, the end of what it wrote to stderr, and what to do.
    #[must_use]
    pub(in crate::cli) fn because(mut self, error: &upstream::Error) -> Self {
        let hint = error.kind.advice();
        self.stderr.clone_from(&error.stderr);
        self.cause(error).hint(hint)
    }

    /// Takes the pointer to `check --connect` out of the hint.
    #[must_use]
    pub(in crate::cli) fn without_pointer(mut self) -> Self {
        self.hint = self.hint.map(|hint| hint.trim_end_matches(POINTER).to_owned());
        self
    }
}

impl fmt::Display for Notice {
    /// Writes the notice without a line end behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{word}: {}", printable(&self.message))?;
        for cause in &self.causes {
            write!(f, "\n  caused by: {}", printable(cause))?;
        }
        for line in &self.stderr {
            write!(f, "\n  stderr: {}", printable(line))?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n\nhint: {}", printable(hint)),
            None => Ok(()),
        }
    }
}

/// Why a command ends with something else than success.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Failure {
    /// How the program ends.
    pub(in crate::cli) exit: Exit,
    /// What people are told, if they were not told already.
    pub(in crate::cli) notices: Vec<Notice>,
}

impl Failure {
    /// Ends with `exit`, and tells people why.
    pub(in crate::cli) fn new(exit: Exit, notice: Notice) -> Self {
        Self { exit, notices: vec![notice] }
    }

    /// Ends with `exit`; why was said already.
    pub(in crate::cli) fn silent(exit: Exit) -> Self {
        Self { exit, notices: Vec::new() }
    }

    /// Ends because of what is wrong with a configuration.
    pub(in crate::cli) fn of<'p>(problems: impl IntoIterator<Item = &'p Problem>) -> Self {
        let notices = problems.into_iter().map(|problem| notice(problem, Notice::error));
        Self { exit: exit::CONFIG, notices: notices.collect() }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::of(problems.iter())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let notice = Notice::error(error.to_string());
        Self::new(exit::FAILURE, error.chain().skip(1).fold(notice, Notice::cause))
    }
}

impl From<document::Error> for Failure {
    fn from(error: document::Error) -> Self {
        anyhow::Error::new(error).into()
    }
}

impl From<survey::Error> for Failure {
    fn from(error: survey::Error) -> Self {
        anyhow::Error::new(error).into()
    }
}

impl From<value::Broken> for Failure {
    fn from(error: value::Broken) -> Self {
        anyhow::Error::new(error).into()
    }
}

impl From<record::Error> for Failure {
    fn from(error: record::Error) -> Self {
        let advice = error.advice();
        let mut failure = Self::from(anyhow::Error::new(error));
        for notice in &mut failure.notices {
            notice.hint.clone_from(&advice);
        }
        failure
    }
}

/// Says what is probably not meant as a configuration has it.
pub(in crate::cli) fn warnings(config: &Config) -> Vec<Notice> {
    config.warnings.iter().map(|problem| notice(problem, Notice::warning)).collect()
}

fn notice(problem: &Problem, severe: impl FnOnce(String) -> Notice) -> Notice {
    let mut bare = problem.clone();
    let hint = bare.hint.take();
    let notice = severe(bare.to_string());
    match hint {
        Some(hint) => notice.hint(hint),
        None => notice,
    }
}

/// Leaves out what could move the cursor or change colours: much of a text is not our own.
pub(in crate::cli) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// Says how many there are of each kind, as in `1 error, 2 notes`.
pub(in crate::cli) fn counted<const N: usize>(counts: [(usize, &str); N]) -> String {
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts = counts.map(|(count, word)| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {word}{plural}")
    });
    let counts: Vec<_> = counts.collect();
    if counts.is_empty() { "nothing is wrong".to_owned() } else { counts.join(", ") }
}
