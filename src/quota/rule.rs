//! Which requests a limit is about, and for whom each of them counts.

use std::fmt::Write as _;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sha2::Digest as _;
use sha2::Sha256;
use smallvec::SmallVec;

use crate::config::patterns::Patterns;
use crate::config::quota::Dimension;
use crate::config::quota::Quota;
use crate::quota::Subject;

/// Between the parts of a key. No part has it: control characters are taken out.
const BETWEEN: char = '\u{1f}';
/// The longest part of a key, in bytes; of a longer one a digest is kept with its beginning.
const PART: usize = 256;
/// How much of that beginning.
const BEGINNING: usize = 128;
/// How many bytes of a digest tell one thing from another.
const DIGEST: usize = 8;

/// A limit, and what tells it from others.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its number in this run.
    pub(super) number: u64,
    /// The same in every run, and whatever its numbers are: what was used stays used when a limit
    /// is raised.
    pub(super) identity: String,
    pub(super) quota: Quota,
    /// How many requests it has refused.
    pub(super) refused: Arc<AtomicU64>,
}

/// For whom a request counts: a text without its meaning, which the limit knows.
pub(super) type Key = String;

impl Rule {
    /// Returns for whom a request counts; nobody if the limit is not about it.
    pub(super) fn keys(&self, subject: &Subject<'_>) -> SmallVec<[Key; 1]> {
        let Quota { per, about, .. } = &self.quota;
        let is_met = is_met(&about.tools, subject.tool)
            && is_met(&about.upstreams, Some(subject.upstream))
            && is_met(&about.principals, Some(subject.principal))
            && is_met(&about.clients, subject.client);
        if !is_met || (subject.tool.is_none() && self.quota.is_about_tools()) {
            return SmallVec::new();
        }
        let matches = |group: &&&str| about.groups.is_empty() || about.groups.is_match(group);
        if !per.contains(&Dimension::Group) {
            let is_in_one = about.groups.is_empty() || subject.groups.iter().any(|it| matches(&it));
            return is_in_one.then(|| key(per, subject, "")).into_iter().collect();
        }
        let mut keys: SmallVec<[Key; 1]> = SmallVec::new();
        for group in subject.groups.iter().filter(matches) {
            let key = key(per, subject, group);
            // To be in a group twice is to be in it.
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// Returns what a key stands for, as people read it.
    pub(super) fn shown(&self, key: &str) -> Vec<String> {
        let parts = iter::zip(&self.quota.per, parts(key));
        let shown = |(dimension, part): (&Dimension, &str)| match (dimension, part) {
            (Dimension::Client, "") => "a client without a name".to_owned(),
            (_, part) => format!("`{part}`"),
        };
        parts.map(shown).collect()
    }
}

/// Returns the parts of a key.
pub(super) fn parts(key: &str) -> impl Iterator<Item = &str> {
    key.split(BETWEEN)
}

/// Puts the parts of a key together.
pub(super) fn joined<'a>(parts: impl Iterator<Item = &'a str>) -> Key {
    parts.collect::<Vec<_>>().join(&BETWEEN.to_string())
}

fn is_met(patterns: &Patterns, name: Option<&str>) -> bool {
    patterns.is_empty() || name.is_some_and(|name| patterns.is_match(name))
}

fn key(per: &[Dimension], subject: &Subject<'_>, group: &str) -> Key {
    let mut key = Key::new();
    for (index, dimension) in per.iter().enumerate() {
        if index > 0 {
            key.push(BETWEEN);
        }
        add(
            &mut key,
            match dimension {
                Dimension::Principal => subject.principal,
                Dimension::Group => group,
                Dimension::Client => subject.client.unwrap_or_default(),
                Dimension::Upstream => subject.upstream,
                Dimension::Tool => subject.tool.unwrap_or_default(),
            },
        );
    }
    key
}

/// Adds a part to a key, bounded and without control characters.
fn add(key: &mut Key, part: &str) {
    if part.len() > PART {
        let end = part.floor_char_boundary(BEGINNING);
        add(key, part.get(..end).unwrap_or_default());
        key.push('…');
        key.push_str(&hex(&Sha256::digest(part)));
    } else if part.chars().any(char::is_control) {
        key.extend(part.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
    } else {
        key.push_str(part);
    }
}

/// Returns what tells limits apart: what they are about and what they count, and not how much there
/// may be. Of two that are equal in that, the second one is another.
pub(super) fn identities(quotas: &[Quota]) -> Vec<String> {
    let mut known: Vec<String> = Vec::with_capacity(quotas.len());
    for quota in quotas {
        let mut nth: u64 = 0;
        let mut identity = identity(quota, nth);
        while known.contains(&identity) {
            nth += 1;
            identity = self::identity(quota, nth);
        }
        known.push(identity);
    }
    known
}

fn identity(quota: &Quota, nth: u64) -> String {
    let mut digest = Sha256::new();
    // With its length, so that no part can pass for the end of one and the beginning of another.
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    };
    for dimension in &quota.per {
        add(dimension.as_str().as_bytes());
    }
    let about = &quota.about;
    let all = [&about.tools, &about.upstreams, &about.principals, &about.groups, &about.clients];
    for patterns in all {
        // Where one list ends and the next begins.
        add(&[]);
        patterns.iter().for_each(|pattern| add(pattern.as_bytes()));
    }
    add(quota.name.as_deref().unwrap_or_default().as_bytes());
    add(&nth.to_le_bytes());
    hex(&digest.finalize())
}

fn hex(digest: &[u8]) -> String {
    let mut text = String::with_capacity(2 * DIGEST);
    for byte in digest.iter().take(DIGEST) {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}
