//! One change to an argument that is made.

use crate::catalog::shape::argument::Put;
use crate::catalog::shape::argument::Rule;
use crate::config::argument::Argument;
use crate::config::argument::Filled;
use crate::config::argument::Given;

/// A change to an argument that is made, and how the argument is shown.
#[derive(Clone, Debug)]
pub(super) struct Step<'a> {
    /// What the server calls it.
    pub(super) original: &'a str,
    /// What is different.
    pub(super) argument: &'a Argument,
}

impl Step<'_> {
    /// Returns what callers call it, if they are shown it.
    pub(super) fn shown(&self) -> Option<&str> {
        let Argument { name, is_hidden, .. } = self.argument;
        (!is_hidden).then(|| name.as_deref().unwrap_or(self.original))
    }

    /// Returns whether the server is sent it whatever callers do.
    pub(super) fn is_always_sent(&self) -> bool {
        self.argument.given != Given::Nothing
    }

    /// Returns whether the schema says of it what it said, but for its description.
    pub(super) fn is_described_only(&self) -> bool {
        let Argument { given, .. } = self.argument;
        *given == Given::Nothing && self.shown() == Some(self.original)
    }

    /// Returns what becomes of it in calls.
    pub(super) fn rule(&self) -> Rule {
        let put = match &self.argument.given {
            Given::Nothing => Put::Nothing,
            Given::Default(Filled { json, .. }) => Put::Missing(json.clone()),
            Given::Value(Filled { json, .. }) => Put::Always(json.clone()),
        };
        let shown = self.shown().map(str::to_owned);
        Rule { original: self.original.to_owned(), shown, put }
    }
}
