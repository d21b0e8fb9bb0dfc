//! How the calls of an upstream are treated: how long they may take, and for which of its tools
//! that is different.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use globset::Glob;
use globset::GlobMatcher;

use crate::config::Concurrency;
use crate::config::Results;
use crate::config::Timeout;
use crate::config::file;
use crate::config::problem::KeyPath;
use crate::config::problem::Problem;
use crate::config::validate::Check;

const MILLISECOND: Duration = Duration::from_millis(1);
const WAIT: RangeInclusive<Duration> = MILLISECOND..=Duration::from_hours(24);
const SPILL: RangeInclusive<usize> = 1 << 10..=16 << 20;
const IDLE: RangeInclusive<Duration> = MILLISECOND..=Duration::from_hours(720);

/// What is different for some tools of an upstream, by its own names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(Vec<Override>);

#[derive(Clone, Debug)]
struct Override {
    glob: Glob,
    matcher: GlobMatcher,
    timeout: Option<Duration>,
}

impl Overrides {
    /// Returns how long the answer to a call of this tool may take, if that is said of it: by its
    /// very name, or else by the first pattern that matches.
    pub fn timeout(&self, local_name: &str) -> Option<Duration> {
        let timed = || self.0.iter().filter_map(|rule| Some((rule, rule.timeout?)));
        let named = timed().find(|(rule, _)| rule.glob.glob() == local_name);
        let found = named.or_else(|| timed().find(|(rule, _)| rule.matcher.is_match(local_name)));
        found.map(|(_, timeout)| timeout)
    }

    /// Returns the longest time that is said of any tool.
    pub fn longest(&self) -> Option<Duration> {
        self.0.iter().filter_map(|rule| rule.timeout).max()
    }

    /// Returns the patterns that match none of `names`, as written.
    pub fn idle<'n, N>(&self, names: impl Fn() -> N) -> Vec<&str>
    where
        N: Iterator<Item = &'n str>,
    {
        let is_idle = |rule: &&Override| !names().any(|name| rule.matcher.is_match(name));
        self.0.iter().filter(is_idle).map(|rule| rule.glob.glob()).collect()
    }

    /// Returns what is said of which pattern, as written.
    pub fn timeouts(&self) -> impl Iterator<Item = (&str, Option<Duration>)> {
        self.0.iter().map(|rule| (rule.glob.glob(), rule.timeout))
    }
}

impl PartialEq for Override {
    fn eq(&self, other: &Self) -> bool {
        (&self.glob, self.timeout) == (&other.glob, other.timeout)
    }
}

impl Eq for Override {}

impl Check<'_> {
    pub(super) fn timeout(&mut self, written: &file::Timeout, path: &KeyPath) -> Timeout {
        let call = self.duration(&written.call, &WAIT, &path.key("call"));
        let key = path.key("progress");
        let progress = written.progress.as_ref().map(|most| self.duration(most, &WAIT, &key));
        if progress.is_some_and(|most| most <= call) {
            let message = format!("`{key}` is not longer than `call`, so it extends nothing");
            let problem = Problem::at(&self.context.places.value(&key), &key, message);
            self.warnings.push(problem.hint("write how long a call may take in all, or remove it"));
        }
        Timeout {
            start: self.duration(&written.start, &WAIT, &path.key("start")),
            call,
            progress,
            idle: self.duration(&written.idle, &IDLE, &path.key("idle")),
        }
    }

    pub(super) fn concurrency(written: &file::Concurrency) -> Concurrency {
        // The schema has their ranges.
        let file::Concurrency { calls, queue } = *written;
        Concurrency { calls, queue }
    }

    /// Checks what becomes of large results.
    pub(super) fn results(&mut self, written: &file::Results, path: &KeyPath) -> Results {
        let spill = written.spill.as_ref();
        Results { spill: spill.map(|written| self.size(written, &SPILL, &path.key("spill"))) }
    }

    /// Checks what is different for some tools.
    pub(super) fn overrides(
        &mut self,
        written: &BTreeMap<String, file::Override>,
        path: &KeyPath,
    ) -> Overrides {
        let mut overrides = Vec::new();
        for name in self.context.places.order(path) {
            let Some(file::Override { timeout }) = written.get(&name) else { continue };
            let path = path.key(&name);
            let key = path.key("timeout");
            let timeout = timeout.as_ref().map(|written| self.duration(written, &WAIT, &key));
            let Some(glob) = self.pattern(&name, &path, &self.context.places.key(&path)) else {
                continue;
            };
            let matcher = glob.compile_matcher();
            overrides.push(Override { glob, matcher, timeout });
        }
        Overrides(overrides)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Override;
    use super::Overrides;
    use crate::config::tools;

    #[test]
    fn a_name_goes_before_patterns_and_the_first_pattern_before_later_ones() {
        let written = [("get_*", Some(1)), ("get_b", None), ("get_a", Some(2)), ("*_a", Some(3))];
        let rule = |(pattern, seconds): (&str, Option<u64>)| {
            let glob = tools::pattern(pattern).unwrap();
            let matcher = glob.compile_matcher();
            Override { glob, matcher, timeout: seconds.map(Duration::from_secs) }
        };
        let overrides = Overrides(written.map(rule).into());
        for (name, expected) in
            [("get_a", Some(2)), ("get_b", Some(1)), ("put_a", Some(3)), ("put_b", None)]
        {
            let timeout = overrides.timeout(name).map(|timeout| timeout.as_secs());
            assert_eq!(timeout, expected, "{name}");
        }
        assert_eq!(overrides.idle(|| ["get_a", "b"].into_iter()), ["get_b"]);
    }
}
