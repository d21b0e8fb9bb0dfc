//! The arguments of one call: what callers send becomes what the server is sent.

use crate::wire::Raw;
use crate::wire::object;

/// What becomes of the arguments of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) rules: Vec<Rule>,
    /// Names that callers are shown, and that could be mistaken for one that they are not.
    pub(super) shown: Vec<String>,
}

/// What becomes of one argument.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// What the server calls it.
    pub(super) original: String,
    /// What callers call it, if they are shown it.
    pub(super) shown: Option<String>,
    pub(super) put: Put,
}

/// What the server is sent beside what callers say.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Put {
    /// Nothing.
    Nothing,
    /// This JSON, if it is left out.
    Missing(String),
    /// This JSON.
    Always(String),
}

impl std::fmt::Debug for Rule {
    /// Does not show the value, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule")
            .field("original", &self.original)
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}

/// Why arguments are not passed on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// They cannot be read beyond doubt.
    #[error("`params.arguments`: {0}")]
    Unreadable(object::Error),
    /// They name one that callers are not shown.
    #[error("`params.arguments.{}` is not an argument of this tool", .0.escape_debug())]
    Hidden(String),
    /// They name one by what only its server calls it.
    #[error("`params.arguments.{}` is not an argument of this tool; \
             it is called `{}`", .0.escape_debug(), .1.escape_debug())]
    Renamed(String, String),
}

impl Rule {
    /// Whether callers must not say it by the server's name.
    fn is_guarded(&self) -> bool {
        self.shown.as_ref() != Some(&self.original) || matches!(self.put, Put::Always(_))
    }
}

impl Arguments {
    /// Takes rules; `properties` are all names that callers are shown.
    pub(super) fn new(rules: Vec<Rule>, properties: &[String]) -> Self {
        let is_like_guarded = |name: &&String| {
            let guarded = rules.iter().filter(|rule| rule.is_guarded());
            guarded.map(|rule| &rule.original).any(|original| is_alike(original, name))
        };
        let shown = properties.iter().filter(is_like_guarded).cloned().collect();
        Self { rules, shown }
    }

    /// Returns what the server is sent for what came; nothing if that is the same.
    pub(super) fn sent_for(&self, came: Option<&Raw>) -> Result<Option<Raw>, Refused> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        let empty = object::build([]);
        let came = came.filter(|came| came.get() != "null");
        let object = came.unwrap_or(&empty).object().map_err(Refused::Unreadable)?;
        object.iter().try_for_each(|(key, _)| self.check(key))?;
        let mut edit = object.edit();
        let mut is_same = true;
        // All first: what one is called may be what another was.
        for rule in &self.rules {
            let Some(shown) = rule.shown.as_ref().filter(|shown| **shown != rule.original) else {
                continue;
            };
            if object.get(shown).is_some() {
                edit = edit.remove(shown);
                is_same = false;
            }
        }
        for Rule { original, shown, put } in &self.rules {
            let said = shown.as_ref().and_then(|shown| object.get(shown));
            let sent = match (put, said) {
                (Put::Always(json), _) | (Put::Missing(json), None) => json.as_str(),
                (Put::Nothing, None) => continue,
                (_, Some(_)) if shown.as_ref() == Some(original) => continue,
                (Put::Nothing | Put::Missing(_), Some(said)) => said,
            };
            edit = edit.set(original, sent);
            is_same = false;
        }
        Ok((!is_same).then(|| edit.apply()))
    }

    /// Refuses what would be passed on as an argument that callers are not shown.
    ///
    /// Some servers do not tell upper case from lower case in keys, so that counts, too.
    fn check(&self, key: &str) -> Result<(), Refused> {
        if self.shown.iter().any(|shown| shown == key) {
            return Ok(());
        }
        for rule in self.rules.iter().filter(|rule| rule.is_guarded()) {
            if !is_alike(&rule.original, key) {
                continue;
            }
            return match (&rule.put, &rule.shown) {
                (Put::Always(_), shown)
                    if rule.original == key && shown.as_deref().is_none_or(|it| it == key) =>
                {
                    continue;
                }
                (_, Some(shown)) => Err(Refused::Renamed(key.to_owned(), shown.clone())),
                (_, None) => Err(Refused::Hidden(key.to_owned())),
            };
        }
        Ok(())
    }
}

/// Whether two keys are the same to a reader that does not tell upper case from lower case.
fn is_alike(one: &str, other: &str) -> bool {
    one == other || folded(one).eq(folded(other))
}

/// Upper case first, because some letters have a common one and lower cases that differ.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}
