//! The cases of `conflux policy test`, as they are written.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::command::policy::ask::Asking;
use crate::cli::command::policy::ask::Wanted;
use crate::cli::exit;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::config::secrets::Secrets;

/// One case: who wants what, and what is to become of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(rename = "as", default = "process")]
    pub(super) principal: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    client: String,
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    call: Option<String>,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    read: Option<String>,
    #[serde(default)]
    pub(super) arguments: Option<Value>,
    pub(super) expect: Expected,
    /// The rule that is to decide, by its name.
    #[serde(default)]
    pub(super) rule: Option<String>,
}

/// What is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Expected {
    Allow,
    Deny,
    Hidden,
}

fn process() -> String {
    "process".to_owned()
}

impl Expected {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hidden => "hidden",
        }
    }
}

impl Case {
    /// Returns who wants something.
    pub(super) fn asking(&self) -> Asking {
        Asking {
            principal: self.principal.clone(),
            groups: self.groups.clone(),
            client: self.client.to_lowercase(),
            profile: self.profile.clone(),
        }
    }

    /// Returns what they want; nothing unless that is one thing.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        match (self.call.clone(), self.prompt.clone(), self.read.clone()) {
            (Some(name), None, None) => Some(Wanted::Call(name)),
            (None, Some(name), None) => Some(Wanted::Prompt(name)),
            (None, None, Some(uri)) => Some(Wanted::Read(uri)),
            _ => None,
        }
    }
}

/// Reads all cases of a file, which may hold some of `secrets`.
pub(super) fn read(path: &Path, secrets: &Secrets) -> Result<Vec<Case>, Failure> {
    let shown = path.display();
    let wrong = |message: String| Failure::new(exit::USAGE, Notice::error(message));
    let text = std::fs::read_to_string(path).map_err(|error| {
        let notice = Notice::error(format!("cannot read `{shown}`")).cause(error);
        Failure::new(exit::USAGE, notice)
    })?;
    let mut cases: Vec<Case> = serde_saphyr::from_str(&text).map_err(|error| {
        let why = error.without_snippet().to_string();
        let notice = Notice::error(format!("`{shown}` does not hold cases"));
        let notice = notice.cause(secrets.mask(&why));
        let hint = "write a list, as in `- { as: \"token:ci\", call: files__read, expect: allow }`";
        Failure::new(exit::USAGE, notice.hint(hint))
    })?;
    for (place, case) in cases.iter_mut().enumerate() {
        // That is how rules are called.
        case.rule = case.rule.take().map(|rule| secrets.mask(&rule).into_owned());
        if case.wanted().is_none() {
            let message =
                format!("case {} of `{shown}` needs one of `call`, `prompt`, `read`", place + 1);
            return Err(wrong(message));
        }
    }
    Ok(cases)
}
