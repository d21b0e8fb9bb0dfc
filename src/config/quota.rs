//! What callers may use up, and the checks of what is written about that.

use std::fmt;
use std::ops::RangeInclusive;

use crate::config::file;
use crate::config::file::Dimension as Written;
use crate::config::pace;
use crate::config::pace::Period;
use crate::config::patterns;
use crate::config::patterns::Case;
use crate::config::patterns::Patterns;
use crate::config::problem::KeyPath;
use crate::config::problem::Problem;
use crate::config::suggest;
use crate::config::units;
use crate::config::units::Misread;
use crate::config::validate::Check;

/// How many limits there may be: every request is compared with each.
const QUOTAS: usize = 64;
/// How often something may happen in the time of a rate.
const RATE: RangeInclusive<u64> = 1..=1_000_000;
/// How many calls a budget may have.
const CALLS: RangeInclusive<u64> = 1..=1_000_000_000_000;
/// How many bytes a budget may have.
const BYTES: RangeInclusive<u64> = 1 << 10..=1 << 50;
/// How long the name of a limit may be, in characters: callers are told it with each refusal.
const NAME: usize = 80;

/// One limit on what callers may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What callers are told it is called.
    pub name: Option<String>,
    /// What has a counter of its own, each at most once and in order; nothing if all is counted
    /// together.
    pub per: Vec<Dimension>,
    /// The requests it is about.
    pub about: Conditions,
    /// How often.
    pub rate: Option<Rate>,
    /// How many may be under way; at least 1.
    pub concurrency: Option<usize>,
    /// How many calls in a time.
    pub calls: Option<Budget>,
    /// How many bytes in a time.
    pub bytes: Option<Budget>,
}

/// What requests differ in, as far as they are counted for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Who calls.
    Principal,
    /// Each group of who calls.
    Group,
    /// What the client calls itself.
    Client,
    /// Whose tool, prompt or resource it is.
    Upstream,
    /// Which tool, by its public name.
    Tool,
}

/// The requests a limit is about: those that match all of these. Without patterns everything
/// matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Of tools, by their public names.
    pub tools: Patterns,
    /// Of upstreams.
    pub upstreams: Patterns,
    /// Of principals.
    pub principals: Patterns,
    /// Of groups, of which the principal has to be in one.
    pub groups: Patterns,
    /// Of clients.
    pub clients: Patterns,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How often in the time; at least 1.
    pub count: u64,
    /// The time.
    pub period: Period,
    /// How often at once after a pause; at least 1.
    pub burst: u64,
}

/// How much there is for a time of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How much; at least 1.
    pub amount: u64,
    /// The time: a minute, an hour or a day.
    pub period: Period,
}

impl Quota {
    /// Returns whether it is about calls of tools alone.
    pub fn is_about_tools(&self) -> bool {
        self.per.contains(&Dimension::Tool) || !self.about.tools.is_empty()
    }

    /// Returns whether something of it is to outlive a run.
    pub fn lasts(&self) -> bool {
        [self.calls, self.bytes].into_iter().flatten().any(Budget::lasts)
    }
}

impl Budget {
    /// Returns whether it is for so long that what is used of it should outlive a run.
    pub fn lasts(self) -> bool {
        self.period > Period::Minute
    }
}

impl Dimension {
    fn of(written: Written) -> Option<Self> {
        match written {
            Written::Principal => Some(Self::Principal),
            Written::Group => Some(Self::Group),
            Written::Client => Some(Self::Client),
            Written::Upstream => Some(Self::Upstream),
            Written::Tool => Some(Self::Tool),
            Written::All => None,
        }
    }

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Group => "group",
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Tool => "tool",
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.period.as_str())
    }
}

impl Check<'_> {
    /// Checks all limits on what callers may do.
    pub(super) fn quotas(&mut self, written: &[file::Quota], path: &KeyPath) -> Vec<Quota> {
        if written.len() > QUOTAS {
            let message = format!("there are {} limits, and may be {QUOTAS}", written.len());
            self.wrong(path, message, "make one of several, with patterns and lists in `per`");
        }
        let each = written.iter().take(QUOTAS).enumerate();
        each.map(|(index, written)| self.quota(written, &path.index(index))).collect()
    }

    fn quota(&mut self, written: &file::Quota, path: &KeyPath) -> Quota {
        // Taken apart, so that a new key cannot be forgotten.
        let file::Quota {
            name,
            per,
            tools,
            upstreams,
            principals,
            groups,
            clients,
            rate,
            burst,
            concurrency,
            calls,
            bytes,
        } = written;
        self.quota_name(name.as_deref(), path);
        let is_there = |key: &str, is_written: bool| is_written || self.is_excused(&path.key(key));
        let limits_something = is_there("rate", rate.is_some())
            || is_there("concurrency", concurrency.is_some())
            || is_there("calls", calls.is_some())
            || is_there("bytes", bytes.is_some());
        if !limits_something {
            let hint = "write at least one of `rate`, `concurrency`, `calls` and `bytes`, as in \
                        `rate: 60/min`";
            self.wrong(path, format!("`{path}` limits nothing"), hint);
        }
        if burst.is_some() && rate.is_none() && !self.is_excused(&path.key("rate")) {
            let message = format!("`{path}` has a `burst`, but no `rate`");
            self.wrong(&path.key("burst"), message, "write the rate, too, as in `rate: 60/min`");
        }
        let rate = rate.as_ref().and_then(|written| {
            let read = pace::rate(&written.0);
            let (count, period) = self.paced(read, &RATE, &written.0, &path.key("rate"))?;
            Some(Rate { count, period, burst: burst.unwrap_or(count) })
        });
        let calls = calls.as_ref().and_then(|written| {
            let read = pace::calls(&written.0);
            let (amount, period) = self.paced(read, &CALLS, &written.0, &path.key("calls"))?;
            Some(Budget { amount, period })
        });
        let bytes = bytes.as_ref().and_then(|written| {
            let read = pace::bytes(&written.0);
            let (amount, period) = self.paced(read, &BYTES, &written.0, &path.key("bytes"))?;
            Some(Budget { amount, period })
        });
        Quota {
            name: name.clone(),
            per: self.per(&per.0, path),
            about: Conditions {
                tools: self.patterns(tools, &path.key("tools"), Case::Matters),
                upstreams: self.patterns(upstreams, &path.key("upstreams"), Case::Matters),
                principals: self.patterns(principals, &path.key("principals"), Case::Matters),
                groups: self.patterns(groups, &path.key("groups"), Case::Matters),
                clients: self.patterns(clients, &path.key("clients"), Case::Ignored),
            },
            rate,
            concurrency: *concurrency,
            calls,
            bytes,
        }
    }

    fn quota_name(&mut self, name: Option<&str>, path: &KeyPath) {
        let Some(name) = name else { return };
        let is_empty = name.trim().is_empty();
        if is_empty || name.chars().count() > NAME || name.chars().any(char::is_control) {
            let message = format!("`{}` is no name that callers could be told", path.key("name"));
            let hint = format!("write one line of at most {NAME} characters, or remove it");
            self.wrong(&path.key("name"), message, &hint);
        }
    }

    /// Checks what is counted for itself.
    fn per(&mut self, written: &[Written], path: &KeyPath) -> Vec<Dimension> {
        let key = path.key("per");
        if written.is_empty() && !self.is_excused(&key) {
            let message = format!("`{path}` does not say what is counted for itself");
            let hint = "write `per: principal`, or `per: all` for everything together";
            self.wrong(path, message, hint);
        }
        if written.len() > 1 && written.contains(&Written::All) {
            let message = format!("`{key}` has `all` beside something else");
            let hint = "write `per: all` for everything together, or leave `all` out";
            self.wrong(&key, message, hint);
        }
        let mut per: Vec<_> = written.iter().filter_map(|one| Dimension::of(*one)).collect();
        per.sort_unstable();
        per.dedup();
        per
    }

    /// Reports a number in a time that cannot be read or is out of range.
    fn paced(
        &mut self,
        read: Result<(u64, Period), Misread>,
        range: &RangeInclusive<u64>,
        written: &str,
        path: &KeyPath,
    ) -> Option<(u64, Period)> {
        let (least, most) = (*range.start(), *range.end());
        match read {
            Ok((number, period)) if range.contains(&number) => return Some((number, period)),
            Ok((0, _)) => {
                let message = format!("`{path}` is `{written}`, which lets nothing through");
                self.wrong(
                    path,
                    message,
                    "write a number from 1, or remove what may not be called",
                );
            }
            Ok((number, period)) => {
                let nearest = if number < least { least } else { most };
                let show = |number: u64| match usize::try_from(number) {
                    Ok(bytes) if *range == BYTES => units::show_size(bytes),
                    _ => number.to_string(),
                };
                let (least, most, nearest) = (show(least), show(most), show(nearest));
                let time = period.as_str();
                let message = format!(
                    "`{path}` is `{written}`, but must be from `{least}/{time}` to `{most}/{time}`"
                );
                self.wrong(path, message, &format!("write `{nearest}/{time}`"));
            }
            Err(Misread { message, hint }) => self.wrong(path, message, &hint),
        }
        None
    }

    /// Checks that limits name upstreams that there are; `known` are the keys of all.
    pub(super) fn quotas_name_upstreams(
        &mut self,
        written: &[file::Quota],
        known: &[String],
        path: &KeyPath,
    ) {
        for (index, quota) in written.iter().take(QUOTAS).enumerate() {
            let path = path.index(index).key("upstreams");
            for (index, text) in quota.upstreams.iter().enumerate() {
                let Ok(pattern) = patterns::pattern(text, Case::Matters) else { continue };
                let pattern = pattern.compile_matcher();
                if known.iter().any(|key| pattern.is_match(key)) {
                    continue;
                }
                let path = path.index(index);
                let place = self.context.places.value(&path);
                let nearest = suggest::nearest(text, known.iter().map(String::as_str));
                let is_pattern = text.contains(['*', '?', '[', '{', '\\']);
                let message = format!("there is no upstream `{text}`");
                let hint = match nearest {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => "name keys under `upstreams`, or patterns of them".to_owned(),
                };
                let problem = Problem::at(&place, &path, message).hint(hint);
                if is_pattern {
                    self.warnings.push(problem);
                } else {
                    self.problems.push(problem);
                }
            }
        }
    }
}
