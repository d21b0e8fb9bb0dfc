//! URI templates (RFC 6570, all four levels) read backwards: does a URI come from this one?
//!
//! Each part moves a set of positions in the URI forward, so the work is at most the length of the
//! URI times the length of the template. What servers in the field mean counts beside the letter:
//! `{x}` takes what a lax client forgot to escape, and `{x*}` takes slashes.

use std::fmt::Write as _;

/// Longer templates and URIs match nothing; addresses in the field are far shorter.
const LONGEST_TEMPLATE: usize = 1024;
const LONGEST_URI: usize = 4096;

/// A template ready to be matched.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct Template {
    parts: Vec<Part>,
    literals: usize,
}

#[derive(Clone, Debug)]
enum Part {
    /// As it stands, or as an expansion escapes it.
    Literal { text: String, escaped: String },
    /// The value of a variable, which may be empty.
    Run(Run),
    /// Nothing, or a character and a value.
    Optional { first: u8, run: Run },
    /// Nothing, or a character and `key=value` pairs; without keys, any will do.
    Pairs { first: u8, keys: Vec<String> },
}

#[derive(Clone, Copy, Debug)]
struct Run {
    takes: Takes,
    /// The most characters, where the template says so.
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Takes {
    /// All but `/`, `?` and `#`.
    Segment,
    /// All but `?` and `#`.
    Path,
    /// Everything.
    All,
}

impl Template {
    /// Reads a template; nothing if it is none, or too long.
    pub(in crate::catalog) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_TEMPLATE {
            return None;
        }
        let mut parts = Vec::new();
        let mut literals = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, behind) = rest.split_once('{').unwrap_or((rest, ""));
            if literal.contains('}') {
                return None;
            }
            if !literal.is_empty() {
                literals += literal.chars().count();
                parts.push(Part::Literal { text: literal.to_owned(), escaped: escaped(literal) });
            }
            if literal.len() == rest.len() {
                break;
            }
            let (expression, behind) = behind.split_once('}')?;
            read_expression(expression, &mut parts)?;
            rest = behind;
        }
        Some(Self { parts, literals })
    }

    /// Returns how many characters it fixes: the more, the more specific.
    pub(in crate::catalog) fn literals(&self) -> usize {
        self.literals
    }

    /// Returns whether some values for the variables give `uri`.
    pub(in crate::catalog) fn matches(&self, uri: &str) -> bool {
        if uri.len() > LONGEST_URI {
            return false;
        }
        if let Some(Part::Literal { text, escaped }) = self.parts.first()
            && !uri.starts_with(text)
            && !uri.starts_with(escaped)
        {
            return false;
        }
        let mut reach = vec![false; uri.len() + 1];
        mark(&mut reach, 0);
        for part in &self.parts {
            reach = part.advance(uri, &reach);
            if !reach.contains(&true) {
                return false;
            }
        }
        reach.last().copied().unwrap_or_default()
    }
}

/// Reads what stands between braces.
fn read_expression(expression: &str, parts: &mut Vec<Part>) -> Option<()> {
    let operator = expression.chars().next().filter(|first| "+#./;?&".contains(*first));
    let names = match operator {
        Some(operator) => expression.strip_prefix(operator)?,
        None => expression,
    };
    let variables: Vec<Variable<'_>> =
        names.split(',').map(Variable::parse).collect::<Option<_>>()?;
    let limit = match variables.as_slice() {
        [only] => only.limit,
        _ => None,
    };
    let explodes = variables.iter().any(|variable| variable.explodes);
    let single = if explodes { Takes::Path } else { Takes::Segment };
    match operator {
        None => parts.push(Part::Run(Run { takes: single, limit })),
        Some('+') => parts.push(Part::Run(Run { takes: Takes::All, limit })),
        Some('#') => {
            parts.push(Part::Optional { first: b'#', run: Run { takes: Takes::All, limit } });
        }
        Some('?' | '&') => {
            let first = if operator == Some('?') { b'?' } else { b'&' };
            let keys = variables.iter().map(|variable| variable.name.to_owned());
            let keys = if explodes { Vec::new() } else { keys.collect() };
            parts.push(Part::Pairs { first, keys });
        }
        Some(operator) => parts.extend(variables.iter().map(|variable| {
            let is_path = operator == '/' && variable.explodes;
            let takes = if is_path { Takes::Path } else { Takes::Segment };
            // `;x=…` repeats the name, which the limit does not count.
            let limit = variable.limit.filter(|_| operator != ';');
            Part::Optional { first: operator as u8, run: Run { takes, limit } }
        })),
    }
    Some(())
}

struct Variable<'a> {
    name: &'a str,
    explodes: bool,
    limit: Option<usize>,
}

impl<'a> Variable<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (name, explodes) = match text.strip_suffix('*') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let (name, limit) = match name.split_once(':') {
            Some((name, limit)) => (name, Some(limit.parse().ok()?)),
            None => (name, None),
        };
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '%' | '-');
        let is_good = !name.is_empty() && name.chars().all(is_name);
        is_good.then_some(Self { name, explodes, limit })
    }
}

impl Part {
    /// Returns where this part can end if it begins at one of the positions in `reach`.
    fn advance(&self, uri: &str, reach: &[bool]) -> Vec<bool> {
        match self {
            Self::Literal { text, escaped } => {
                let mut ends = vec![false; reach.len()];
                for start in marked(reach) {
                    let rest = uri.as_bytes().get(start..).unwrap_or_default();
                    for form in [text, escaped] {
                        if rest.starts_with(form.as_bytes()) {
                            mark(&mut ends, start + form.len());
                        }
                    }
                }
                ends
            }
            Self::Run(run) => run.advance(uri, reach),
            Self::Optional { first, run } => {
                union(run.advance(uri, &behind(*first, uri, reach)), reach)
            }
            Self::Pairs { first, keys } => {
                let starts = behind(*first, uri, reach);
                let ends = if keys.is_empty() {
                    Run { takes: Takes::All, limit: None }.advance(uri, &starts)
                } else {
                    pairs(uri, starts, keys)
                };
                union(ends, reach)
            }
        }
    }
}

impl Run {
    fn advance(self, uri: &str, reach: &[bool]) -> Vec<bool> {
        let limit = self.limit.unwrap_or(usize::MAX);
        let mut ends = Vec::with_capacity(reach.len());
        // How much more the most hopeful of the runs that are under way may take.
        let mut left: Option<usize> = None;
        let mut bytes = uri.bytes().enumerate();
        for is_start in reach {
            if *is_start {
                left = Some(limit);
            }
            ends.push(left.is_some());
            let Some((position, byte)) = bytes.next() else { break };
            left = left.filter(|_| self.takes.contains(byte));
            if self.limit.is_some() && begins_character(uri, position) {
                left = left.and_then(|left| left.checked_sub(1));
            }
        }
        ends
    }
}

impl Takes {
    fn contains(self, byte: u8) -> bool {
        match self {
            Self::Segment => !matches!(byte, b'/' | b'?' | b'#'),
            Self::Path => !matches!(byte, b'?' | b'#'),
            Self::All => true,
        }
    }
}

/// Whether a byte is the first of a character, escaped or not.
fn begins_character(uri: &str, position: usize) -> bool {
    let escape = |start: usize| -> Option<u8> {
        let digits = uri.get(start..start + 3)?.strip_prefix('%')?;
        u8::from_str_radix(digits, 16).ok()
    };
    let is_inside_escape =
        (1..=2).any(|back| position.checked_sub(back).and_then(escape).is_some());
    let byte = escape(position).or_else(|| uri.as_bytes().get(position).copied());
    !is_inside_escape && !byte.is_some_and(|byte| (0x80..0xC0).contains(&byte))
}

/// Where `key=value` pairs can end that begin at one of the positions in `starts`.
fn pairs(uri: &str, mut starts: Vec<bool>, keys: &[String]) -> Vec<bool> {
    let mut enters = vec![false; starts.len()];
    let mut ends = Vec::with_capacity(starts.len());
    let mut is_inside = false;
    let bytes = uri.bytes().map(Some).chain([None]);
    for (position, byte) in bytes.enumerate() {
        if starts.get(position).copied().unwrap_or_default() {
            let rest = uri.as_bytes().get(position..).unwrap_or_default();
            for key in keys {
                let Some(behind) = rest.strip_prefix(key.as_bytes()) else { continue };
                if matches!(behind.first(), None | Some(b'=' | b'&' | b'#')) {
                    mark(&mut enters, position + key.len());
                }
            }
        }
        is_inside |= enters.get(position).copied().unwrap_or_default();
        ends.push(is_inside);
        if byte == Some(b'&') && is_inside {
            mark(&mut starts, position + 1);
        }
        is_inside &= !matches!(byte, Some(b'&' | b'#'));
    }
    ends
}

/// The positions behind `first` where it stands at one of the positions in `reach`.
fn behind(first: u8, uri: &str, reach: &[bool]) -> Vec<bool> {
    let taken = reach.iter().zip(uri.bytes()).map(|(reached, byte)| *reached && byte == first);
    [false].into_iter().chain(taken).collect()
}

fn union(mut one: Vec<bool>, other: &[bool]) -> Vec<bool> {
    for (mine, theirs) in one.iter_mut().zip(other) {
        *mine |= theirs;
    }
    one
}

fn marked(reach: &[bool]) -> impl Iterator<Item = usize> {
    reach.iter().enumerate().filter(|(_, reached)| **reached).map(|(position, _)| position)
}

fn mark(reach: &mut [bool], position: usize) {
    if let Some(reached) = reach.get_mut(position) {
        *reached = true;
    }
}

/// A literal as an expansion writes it: what no URI may contain is escaped.
fn escaped(literal: &str) -> String {
    let mut out = String::with_capacity(literal.len());
    for byte in literal.bytes() {
        let stays = byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'|');
        if stays {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    out
}
