//! Finds the id in a message too large to be read, while its bytes go by.
//!
//! The message is dropped, but whoever waits for it must be told; for that its id is needed,
//! which may stand before or behind the large part. Memory is bounded: only the members of the
//! outermost object are looked at, and of those only the start.

use crate::wire::Id;
use crate::wire::Raw;

/// The longest key or id that is kept, in bytes.
const LONGEST_TOKEN: usize = 256;

/// What is known so far of a message that goes by.
#[derive(Debug, Default)]
pub struct Skim {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The key of the member being read, once its colon has passed; empty if it is none of ours.
    key: Option<String>,
    token: Vec<u8>,
    id: Option<Id>,
    kind: Option<Kind>,
}

/// What a message that goes by is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request or a notification.
    Call,
    /// An answer.
    Answer,
}

impl Skim {
    /// Looks at the next bytes, until all is known: what was told once stays, so that it does not
    /// depend on how the bytes are cut.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.is_done() {
                return;
            }
            self.step(*byte);
        }
    }

    /// Returns whether both the id and the kind are known.
    pub fn is_done(&self) -> bool {
        self.id.is_some() && self.kind.is_some()
    }

    /// Returns the id, once it has passed.
    pub fn id(&self) -> Option<&Id> {
        self.id.as_ref()
    }

    /// Returns what the message is, once that can be told.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            self.keep(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.token.clear();
            }
            b'}' | b']' => {
                if self.depth == 1 {
                    self.member_ends();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            b':' if self.depth == 1 && self.key.is_none() => self.key_ends(),
            b',' if self.depth == 1 => self.member_ends(),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => self.keep(byte),
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.token.len() <= LONGEST_TOKEN {
            self.token.push(byte);
        }
    }

    fn key_ends(&mut self) {
        let key = std::mem::take(&mut self.token);
        let key: String = serde_json::from_slice(&key).unwrap_or_default();
        match key.as_str() {
            "method" => self.kind = Some(Kind::Call),
            "result" | "error" => self.kind = Some(Kind::Answer),
            _ => {}
        }
        self.key = Some(key);
    }

    fn member_ends(&mut self) {
        let value = std::mem::take(&mut self.token);
        let key = self.key.take();
        if key.as_deref() == Some("id") && value.len() <= LONGEST_TOKEN {
            self.id = Raw::from_bytes(value.into()).ok().and_then(Id::parse);
        }
    }
}
