//! Secrets that must be found nowhere, and who looks for them.
//!
//! The telling parts of each are random letters, so that whatever was escaped, encoded, cut or
//! broken over lines leaves something that can only have come from it.

use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash as _;
use std::hash::Hasher as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The letters of a telling part; two of them make a secret.
const PART: usize = 16;
/// How much of one is looked for: less is no secret any more, and may be chance.
const WINDOW: usize = 8;

/// What a secret looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Letters and digits alone.
    Plain,
    /// What JSON, shells and addresses must escape.
    Odd,
    /// What addresses and JSON must escape, and may stand in an address as it is.
    Mild,
    /// More than one line, as keys in PEM are.
    Lines,
}

/// One secret.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    pub(crate) name: String,
    pub(crate) value: String,
    parts: [String; 2],
}

impl Canary {
    /// The secret of this name, the same in each run.
    pub(crate) fn new(name: &str, shape: Shape) -> Self {
        let parts = [1, 2].map(|number| part(name, number));
        let [one, two] = &parts;
        let value = match shape {
            Shape::Plain => format!("{one}{two}"),
            Shape::Odd => format!("{one}\"/\\&%+<=>:@' ?#{two}"),
            Shape::Mild => format!("{one}\"+=~{two}"),
            Shape::Lines => format!("{one}\n{two}"),
        };
        Self { name: name.to_owned(), value, parts }
    }

    /// A secret that somebody else made; its beginning may be known.
    pub(crate) fn found(name: &str, value: &str) -> Self {
        let tail = &value[value.len().saturating_sub(2 * PART)..];
        let parts = [&tail[..tail.len() / 2], &tail[tail.len() / 2..]].map(str::to_owned);
        Self { name: name.to_owned(), value: value.to_owned(), parts }
    }
}

fn part(name: &str, number: u8) -> String {
    let mut hasher = DefaultHasher::new();
    (name, number).hash(&mut hasher);
    let mut state = hasher.finish() | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"abcdefghijkmnpqrstuvwxyz23456789"[usize::try_from(state >> 59).unwrap()])
    };
    (0..PART).map(|_| letter()).collect()
}

/// Looks for secrets.
pub(crate) struct Lookout {
    names: Vec<String>,
    /// Whose telling part this is a window of.
    windows: HashMap<[u8; WINDOW], usize>,
}

impl Lookout {
    pub(crate) fn new(canaries: &[Canary]) -> Self {
        let mut windows = HashMap::new();
        for (number, canary) in canaries.iter().enumerate() {
            for half in canary.parts.iter().flat_map(|part| part.as_bytes().chunks_exact(WINDOW)) {
                windows.insert(half.try_into().unwrap(), number);
                for before in 0..3 {
                    let encoded = STANDARD.encode([&[0; 3][..before], half].concat());
                    // The first characters also have bits of what stands before.
                    let sure = &encoded.as_bytes()[(before * 8_usize).div_ceil(6)..][..WINDOW];
                    windows.insert(sure.try_into().unwrap(), number);
                }
            }
        }
        Self { names: canaries.iter().map(|canary| canary.name.clone()).collect(), windows }
    }

    /// The names of all that are there, in their order.
    pub(crate) fn find_all(&self, text: &[u8]) -> Vec<&str> {
        let mut found: Vec<_> = self.find(text).into_iter().map(|(name, _)| name).collect();
        found.sort_by_key(|name| self.names.iter().position(|known| known == name));
        found
    }

    /// The names of those of which a part stands in `text`, with what stands around it.
    pub(crate) fn find(&self, text: &[u8]) -> Vec<(&str, String)> {
        let mut found: Vec<(&str, String)> = Vec::new();
        for (at, window) in text.windows(WINDOW).enumerate() {
            let Some(number) = self.windows.get(window) else { continue };
            let name = self.names[*number].as_str();
            if found.iter().all(|(known, _)| *known != name) {
                let around = &text[at.saturating_sub(160)..(at + 80).min(text.len())];
                found.push((name, String::from_utf8_lossy(around).into_owned()));
            }
        }
        found
    }
}
