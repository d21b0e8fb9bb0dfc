//! Where everything stands in a YAML or JSON text: a tree of byte ranges.
//!
//! The parser is the one beneath the reader of configurations, so that both see the same text.

use std::ops::Range;

use granit_parser::Event;
use granit_parser::Parser;
use granit_parser::ScalarStyle;
use granit_parser::Span;
use granit_parser::StructureStyle;

use crate::setup::yaml::Error;

/// A value, or a key, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// From its first byte to behind its last one. What is written in lines of its own ends
    /// behind the last thing in it, comments apart.
    pub(super) range: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
}

/// What stands somewhere.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A word, a number, a text.
    Scalar { text: String, is_quoted: bool },
    /// What is written elsewhere, as in `*base`.
    Alias,
    /// Keys and values.
    Map { is_flow: bool, pairs: Vec<Pair> },
    /// Values alone.
    List { items: Vec<Node> },
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) key: Node,
    pub(super) value: Node,
}

impl Pair {
    /// Returns the key as it is meant; nothing if it is no scalar.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.key.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::Alias | Kind::Map { .. } | Kind::List { .. } => None,
        }
    }

    /// Returns what ends behind its last byte.
    pub(super) fn end(&self) -> usize {
        self.key.range.end.max(self.value.range.end)
    }
}

impl Node {
    /// Returns its pairs, and whether they stand between braces, if it is a map.
    pub(super) fn map(&self) -> Option<(&[Pair], bool)> {
        match &self.kind {
            Kind::Map { is_flow, pairs } => Some((pairs, *is_flow)),
            Kind::Scalar { .. } | Kind::Alias | Kind::List { .. } => None,
        }
    }

    /// Returns the pair with this key, if it is a map that has one.
    pub(super) fn pair(&self, key: &str) -> Option<&Pair> {
        self.map()?.0.iter().find(|pair| pair.name() == Some(key))
    }

    /// Whether nothing is written here, or that there is nothing.
    pub(super) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, is_quoted } => {
                !is_quoted && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Kind::Alias | Kind::Map { .. } | Kind::List { .. } => false,
        }
    }
}

/// Returns the tree of a text that is right; nothing if there is nothing in it.
pub(super) fn of(text: &str) -> Result<Option<Node>, Error> {
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Error::Syntax(error.to_string()))?;
        let range = bytes(&span)?;
        let node = match event {
            Event::Scalar(meant, style, ..) => scalar(text, &meant, style, range),
            Event::Alias(_) => Node { range, kind: Kind::Alias },
            Event::MappingStart(style, ..) => {
                let kind = Kind::Map { is_flow: is_flow(style), pairs: Vec::new() };
                open.push(Open { node: Node { range, kind }, key: None });
                continue;
            }
            Event::SequenceStart(..) => {
                let kind = Kind::List { items: Vec::new() };
                open.push(Open { node: Node { range, kind }, key: None });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                // What is not between brackets ends where the next thing begins.
                Some(Open { mut node, .. }) if range.is_empty() => {
                    node.range.end = node.end_of_last();
                    node
                }
                Some(Open { mut node, .. }) => {
                    node.range.end = range.end;
                    node
                }
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            Some(around) => around.take(node),
            None => root = root.or(Some(node)),
        }
    }
    Ok(root)
}

/// A map or list whose end has not come yet.
struct Open {
    node: Node,
    /// The key whose value has not come yet.
    key: Option<Node>,
}

impl Open {
    fn take(&mut self, node: Node) {
        match &mut self.node.kind {
            Kind::List { items } => items.push(node),
            Kind::Map { pairs, .. } => match self.key.take() {
                Some(key) => pairs.push(Pair { key, value: node }),
                None => self.key = Some(node),
            },
            Kind::Scalar { .. } | Kind::Alias => {}
        }
    }
}

impl Node {
    fn end_of_last(&self) -> usize {
        let last = match &self.kind {
            Kind::Map { pairs, .. } => pairs.last().map(Pair::end),
            Kind::List { items } => items.last().map(|item| item.range.end),
            Kind::Scalar { .. } | Kind::Alias => None,
        };
        last.unwrap_or(self.range.end)
    }
}

fn scalar(text: &str, meant: &str, style: ScalarStyle, mut range: Range<usize>) -> Node {
    let is_quoted = !matches!(style, ScalarStyle::Plain);
    // A text in lines of its own reaches over the empty lines behind it, which are part of it only
    // if it says so.
    let keeps_lines = meant.ends_with("\n\n");
    if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) && !keeps_lines {
        let written = text.get(range.clone()).unwrap_or_default();
        range.end = range.start + written.trim_end().len();
    }
    // What is not written at all is nothing, wherever the parser noticed it.
    let meant = if range.is_empty() && !is_quoted { "" } else { meant };
    Node { range, kind: Kind::Scalar { text: meant.to_owned(), is_quoted } }
}

fn is_flow(style: StructureStyle) -> bool {
    matches!(style, StructureStyle::Flow)
}

fn bytes(span: &Span) -> Result<Range<usize>, Error> {
    match (span.start.byte_offset(), span.end.byte_offset()) {
        (Some(start), Some(end)) => Ok(start..end),
        // Not to be expected, as the whole text is there.
        _ => Err(Error::Syntax("it cannot be seen where things stand".to_owned())),
    }
}
