//! What is different for some tools of an upstream, and the tools that are made of its tools.

use std::time::Duration;

use globset::Glob;
use globset::GlobMatcher;
use indexmap::IndexMap;

use crate::config::argument::Argument;
use crate::config::hints::Hint;

/// What is different for some tools of an upstream, by its own names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub(super) rules: Vec<Rule>,
    pub(super) variants: Vec<Variant>,
}

/// What is different for the tools that a name or pattern is about.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) glob: Glob,
    pub(super) matcher: GlobMatcher,
    /// What the tool is called instead, if the rule is about one.
    pub(super) name: Option<String>,
    pub(super) changes: Changes,
}

/// A further tool that is made of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What it is called.
    pub name: String,
    /// The tool it is made of, by the name its server gave it.
    pub of: String,
    pub(super) changes: Changes,
}

/// What can be said of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) timeout: Option<Duration>,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) annotation_title: Option<String>,
    pub(super) hints: Vec<(Hint, bool)>,
    pub(super) arguments: IndexMap<String, Argument>,
}

/// All that is different for one tool.
#[derive(Clone, Debug, Default)]
pub struct Different<'a> {
    /// What it is called instead.
    pub name: Option<&'a str>,
    /// The title that people are shown.
    pub title: Option<&'a str>,
    /// What a model is told about it.
    pub description: Option<&'a str>,
    /// The title among its annotations.
    pub annotation_title: Option<&'a str>,
    /// The hints it is to give.
    pub hints: Vec<(Hint, bool)>,
    /// Its arguments.
    pub arguments: Vec<Told<'a>>,
}

/// What is said of one argument, and where.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The name its server gave it.
    pub name: &'a str,
    /// What is different for it.
    pub argument: &'a Argument,
    /// The pattern it is said for, which may be about tools that have no such argument.
    pub pattern: Option<&'a str>,
}

impl Overrides {
    /// Returns how long the answer to a call of this tool may take, if that is said of it: by its
    /// very name, or else by the first pattern that matches.
    pub fn timeout(&self, local_name: &str) -> Option<Duration> {
        let timed = || self.rules.iter().filter_map(|rule| Some((rule, rule.changes.timeout?)));
        let named = timed().find(|(rule, _)| rule.glob.glob() == local_name);
        let found = named.or_else(|| timed().find(|(rule, _)| rule.matcher.is_match(local_name)));
        found.map(|(_, timeout)| timeout)
    }

    /// Returns the longest time that is said of any tool or variant.
    pub fn longest(&self) -> Option<Duration> {
        let variants = self.variants.iter().map(|variant| &variant.changes);
        let all = self.rules.iter().map(|rule| &rule.changes).chain(variants);
        all.filter_map(|changes| changes.timeout).max()
    }

    /// Returns the names and patterns that match none of `names`, as written.
    pub fn idle<'n, N>(&self, names: impl Fn() -> N) -> Vec<&str>
    where
        N: Iterator<Item = &'n str>,
    {
        let is_idle = |rule: &&Rule| !names().any(|name| rule.is_about(name));
        self.rules.iter().filter(is_idle).map(|rule| rule.glob.glob()).collect()
    }

    /// Returns the variants of tools that are not among `names`.
    pub fn lost<'n, N>(&self, names: impl Fn() -> N) -> impl Iterator<Item = &Variant>
    where
        N: Iterator<Item = &'n str>,
    {
        self.variants.iter().filter(move |variant| !names().any(|name| name == variant.of))
    }

    /// Returns what is said of which pattern, as written.
    pub fn timeouts(&self) -> impl Iterator<Item = (&str, Option<Duration>)> {
        self.rules.iter().map(|rule| (rule.glob.glob(), rule.changes.timeout))
    }

    /// Returns the patterns that say something of arguments, as written, and of which.
    pub fn patterns(&self) -> impl Iterator<Item = (&str, &str)> {
        let patterns = self.rules.iter().filter(|rule| is_pattern(rule.glob.glob()));
        patterns.flat_map(|rule| {
            rule.changes.arguments.keys().map(|name| (rule.glob.glob(), name.as_str()))
        })
    }

    /// Returns whether a pattern, as written, is about a tool.
    pub fn is_about(&self, pattern: &str, local_name: &str) -> bool {
        let rule = self.rules.iter().find(|rule| rule.glob.glob() == pattern);
        rule.is_some_and(|rule| rule.is_about(local_name))
    }

    /// Returns whether a tool can differ from what its server lists, or be made of one.
    pub fn is_shaping(&self) -> bool {
        let is_plain = |rule: &Rule| rule.name.is_none() && rule.changes.is_plain();
        !self.variants.is_empty() || !self.rules.iter().all(is_plain)
    }

    /// Returns all that is different for a tool; a name goes before patterns, the first pattern
    /// before later ones, for each thing that can be said.
    pub fn different(&self, local_name: &str) -> Different<'_> {
        let named = self.rules.iter().filter(|rule| rule.glob.glob() == local_name);
        let matching = self
            .rules
            .iter()
            .filter(|rule| rule.glob.glob() != local_name && rule.matcher.is_match(local_name));
        let mut different = Different::default();
        for rule in named.chain(matching) {
            different.name = different.name.or(rule.name.as_deref());
            let pattern = (rule.glob.glob() != local_name).then(|| rule.glob.glob());
            different.add(&rule.changes, pattern);
        }
        different
    }

    /// Returns every variant, in the order of the file.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }
}

impl Rule {
    fn is_about(&self, name: &str) -> bool {
        self.glob.glob() == name || self.matcher.is_match(name)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        let Self { glob, matcher: _, name, changes } = self;
        (glob, name, changes) == (&other.glob, &other.name, &other.changes)
    }
}

impl Eq for Rule {}

impl Changes {
    /// Whether they make no difference to what is listed and sent.
    fn is_plain(&self) -> bool {
        let timeout = self.timeout;
        *self == Self { timeout, ..Self::default() }
    }
}

impl Variant {
    /// Returns how long the answer to a call may take, if that is said of it.
    pub fn timeout(&self) -> Option<Duration> {
        self.changes.timeout
    }

    /// Returns all that is different from the tool it is made of, but for its name.
    pub fn different(&self) -> Different<'_> {
        let mut different = Different::default();
        different.add(&self.changes, None);
        different
    }
}

impl<'a> Different<'a> {
    /// Adds what was not said before.
    fn add(&mut self, changes: &'a Changes, pattern: Option<&'a str>) {
        let Changes { timeout: _, title, description, annotation_title, hints, arguments } =
            changes;
        self.title = self.title.or(title.as_deref());
        self.description = self.description.or(description.as_deref());
        self.annotation_title = self.annotation_title.or(annotation_title.as_deref());
        for (hint, says) in hints {
            if !self.hints.iter().any(|(said, _)| said == hint) {
                self.hints.push((*hint, *says));
            }
        }
        for (name, argument) in arguments {
            if !self.arguments.iter().any(|told| told.name == name) {
                self.arguments.push(Told { name, argument, pattern });
            }
        }
    }

    /// Returns whether nothing is different.
    pub fn is_nothing(&self) -> bool {
        let Self { name, title, description, annotation_title, hints, arguments } = self;
        let texts = [name, title, description, annotation_title];
        texts.iter().all(|text| text.is_none()) && hints.is_empty() && arguments.is_empty()
    }
}

/// Returns whether a text is about more than the name it is.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Changes;
    use super::Overrides;
    use super::Rule;
    use crate::config::patterns::Case;
    use crate::config::patterns::pattern;

    fn overrides<const N: usize>(written: [(&str, Changes); N]) -> Overrides {
        let rule = |(written, changes): (&str, Changes)| {
            let glob = pattern(written, Case::Matters).unwrap();
            let matcher = glob.compile_matcher();
            Rule { glob, matcher, name: None, changes }
        };
        Overrides { rules: written.map(rule).into(), variants: Vec::new() }
    }

    #[test]
    fn a_name_goes_before_patterns_and_the_first_pattern_before_later_ones() {
        let written = [("get_*", Some(1)), ("get_b", None), ("get_a", Some(2)), ("*_a", Some(3))];
        let timed = |(pattern, seconds): (&'static str, Option<u64>)| {
            let timeout = seconds.map(Duration::from_secs);
            (pattern, Changes { timeout, ..Changes::default() })
        };
        let overrides = overrides(written.map(timed));
        for (name, expected) in
            [("get_a", Some(2)), ("get_b", Some(1)), ("put_a", Some(3)), ("put_b", None)]
        {
            let timeout = overrides.timeout(name).map(|timeout| timeout.as_secs());
            assert_eq!(timeout, expected, "{name}");
        }
        assert_eq!(overrides.idle(|| ["get_a", "b"].into_iter()), ["get_b"]);
        assert!(!overrides.is_shaping());
    }

    #[test]
    fn so_it_is_for_each_thing_that_can_be_said() {
        let titled = |title: &str| Changes { title: Some(title.into()), ..Changes::default() };
        let told = |text: &str| Changes { description: Some(text.into()), ..Changes::default() };
        let overrides = overrides([
            ("*", titled("all")),
            ("get_?", Changes { title: Some("get".into()), ..told("gets") }),
            ("get_a", titled("a")),
        ]);
        assert!(overrides.is_shaping());
        let said = |name: &str| {
            let different = overrides.different(name);
            (different.title.map(str::to_owned), different.description.map(str::to_owned))
        };
        assert_eq!(said("get_a"), (Some("a".into()), Some("gets".into())));
        assert_eq!(said("get_b"), (Some("all".into()), Some("gets".into())));
        assert_eq!(said("put"), (Some("all".into()), None));
    }
}
