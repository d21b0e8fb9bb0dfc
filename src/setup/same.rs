//! Tells whether two entries are one server, though one has references where the other has values.

use indexmap::IndexMap;

use crate::config::interpolate;
use crate::config::interpolate::Piece;
use crate::setup::Command;
use crate::setup::Remote;
use crate::setup::Server;
use crate::setup::Target;

/// Returns what a reference stands for (what is between `${` and `}`), if that is known.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What a reference is whose value nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Itself, and nothing else.
    Itself,
    /// Whatever stands in its place.
    Anything,
}

/// Returns whether two entries are one server.
pub fn is_same(one: &Server, other: &Server, lookup: Lookup<'_>, unknown: Unknown) -> bool {
    let same = |one: &str, other: &str| {
        let (one, other) = (Text::of(one, lookup), Text::of(other, lookup));
        one == other || unknown == Unknown::Anything && one.may_be(&other)
    };
    match (&one.target, &other.target) {
        (Target::Command(one), Target::Command(other)) => {
            let cwd = match (&one.cwd, &other.cwd) {
                (Some(one), Some(other)) => same(one, other),
                (one, other) => one == other,
            };
            let args = || one.args.iter().zip(&other.args).all(|(one, other)| same(one, other));
            cwd && same(&one.command, &other.command)
                && one.args.len() == other.args.len()
                && args()
                && same_map(&one.env, &other.env, same)
        }
        (Target::Remote(one), Target::Remote(other)) => {
            let lower = |map: &IndexMap<String, String>| -> IndexMap<String, String> {
                map.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
            };
            let bare = |url: &str| url.trim_end_matches('/').to_owned();
            let is_one = one.transport == other.transport
                || one.transport.is_none()
                || other.transport.is_none();
            is_one
                && same(&bare(&one.url), &bare(&other.url))
                && same_map(&lower(&one.headers), &lower(&other.headers), same)
        }
        _ => false,
    }
}

/// Returns the references of a server that nobody knows, as they are written.
pub fn unknown(server: &Server, lookup: Lookup<'_>) -> Vec<String> {
    let texts: Vec<&String> = match &server.target {
        Target::Command(Command { command, args, env, cwd }) => {
            [command].into_iter().chain(args).chain(env.values()).chain(cwd).collect()
        }
        Target::Remote(Remote { url, headers, .. }) => {
            [url].into_iter().chain(headers.values()).collect()
        }
    };
    let mut unknown = Vec::new();
    for inside in texts.into_iter().flat_map(|text| Text::of(text, lookup).unknown) {
        let written = format!("${{{inside}}}");
        if !unknown.contains(&written) {
            unknown.push(written);
        }
    }
    unknown
}

fn same_map(
    one: &IndexMap<String, String>,
    other: &IndexMap<String, String>,
    same: impl Fn(&str, &str) -> bool,
) -> bool {
    let fits =
        |(name, value): (&String, &String)| other.get(name).is_some_and(|it| same(value, it));
    one.len() == other.len() && one.iter().all(fits)
}

/// A text as far as it is known.
#[derive(Debug, PartialEq, Eq)]
struct Text {
    /// What is known of it, between the references that nobody knows.
    known: Vec<String>,
    /// Those references.
    unknown: Vec<String>,
}

impl Text {
    fn of(text: &str, lookup: Lookup<'_>) -> Self {
        let (mut known, mut last, mut unknown) = (Vec::new(), String::new(), Vec::new());
        for piece in interpolate::pieces(text) {
            let (written, value) = match piece {
                Piece::Text(text) => (text, Some(text.to_owned())),
                Piece::Reference(inside) => (inside, lookup(inside)),
                Piece::Unclosed => ("", None),
            };
            if let Some(value) = value {
                last.push_str(&value);
            } else {
                known.push(std::mem::take(&mut last));
                unknown.push(written.to_owned());
            }
        }
        known.push(last);
        Self { known, unknown }
    }

    /// Whether one of them is known, and the other one could be the same.
    fn may_be(&self, other: &Self) -> bool {
        match (self.known.as_slice(), other.known.as_slice()) {
            ([first, .., last], [known]) | ([known], [first, .., last]) => {
                // A reference stands for something.
                known.len() > first.len() + last.len()
                    && known.starts_with(first.as_str())
                    && known.ends_with(last.as_str())
            }
            _ => false,
        }
    }
}
