//! What the upstreams of a text say, value by value, and where.

use crate::setup::yaml::Error;
use crate::setup::yaml::OURS;
use crate::setup::yaml::THEIRS;
use crate::setup::yaml::layout;
use crate::setup::yaml::layout::Kind;
use crate::setup::yaml::layout::Node;

/// An upstream as it is written in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its key.
    pub key: String,
    /// Where that stands.
    pub place: Place,
    /// Its values, in their order; what is written elsewhere (`*base`) is not among them.
    pub values: Vec<Value>,
}

/// A single value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The way to it from its upstream, as in `env.TOKEN` or `args[0]`.
    pub path: String,
    /// The last key on that way, if it is no item of a list.
    pub name: Option<String>,
    /// What it says.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// A place in a text; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

/// Returns the upstreams of a text, in their order.
///
/// # Errors
///
/// It cannot be read.
pub fn outline(text: &str) -> Result<Vec<Written>, Error> {
    let Some(root) = layout::of(text)? else { return Ok(Vec::new()) };
    let section = root.pair(OURS).or_else(|| root.pair(THEIRS));
    let pairs = section.and_then(|section| section.value.map()).map_or(&[][..], |(pairs, _)| pairs);
    let written = pairs.iter().filter_map(|pair| {
        let mut values = Vec::new();
        collect(text, &pair.value, "", None, &mut values);
        let place = place(text, pair.key.range.start);
        Some(Written { key: pair.name()?.to_owned(), place, values })
    });
    Ok(written.collect())
}

fn collect(text: &str, node: &Node, path: &str, name: Option<&str>, values: &mut Vec<Value>) {
    match &node.kind {
        Kind::Scalar { text: said, .. } => values.push(Value {
            path: path.to_owned(),
            name: name.map(str::to_owned),
            text: said.clone(),
            place: place(text, node.range.start),
        }),
        Kind::Alias => {}
        Kind::Map { pairs, .. } => {
            for pair in pairs {
                let Some(key) = pair.name() else { continue };
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                collect(text, &pair.value, &path, Some(key), values);
            }
        }
        Kind::List { items } => {
            for (index, item) in items.iter().enumerate() {
                collect(text, item, &format!("{path}[{index}]"), None, values);
            }
        }
    }
}

fn place(text: &str, at: usize) -> Place {
    let before = text.get(..at).unwrap_or_default().trim_start_matches('\u{feff}');
    let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    Place { line: number(line), column: number(column) }
}
