//! Reads JSON text in one pass and makes no values of it: all it tells is what stands where.
//!
//! It takes exactly what `serde_json` takes where that skips a value (RFC 8259, nesting without an
//! end, escapes that only a decoder could object to), at a fraction of its cost. What is wrong with
//! a text it does not say: whoever has to tell asks `serde_json`, which refuses the same texts.

use std::borrow::Cow;
use std::ops::Range;

/// How many words of a string are looked at one by one before it counts as long.
const SHORT: usize = 4;
/// How much of a long string is looked at in one go, in bytes; compilers make vectors of it.
const BLOCK: usize = 64;

/// The text is not JSON, or not what was to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) struct Broken;

/// The key of a member.
#[derive(Clone, Debug)]
pub(in crate::wire) struct Key<'a> {
    /// What it says.
    pub(in crate::wire) name: Cow<'a, str>,
    /// Where it stands, without its quotes.
    pub(in crate::wire) place: Range<usize>,
}

/// Goes through one text from its start to its end.
#[derive(Clone, Debug)]
pub(in crate::wire) struct Reader<'a> {
    text: &'a str,
    rest: &'a [u8],
}

/// Returns whether `text` is exactly one JSON value, with or without white space around it.
pub(in crate::wire) fn is_value(text: &str) -> bool {
    let mut reader = Reader::new(text);
    reader.value().and_then(|_| reader.end()).is_ok()
}

impl<'a> Reader<'a> {
    /// Starts at the start of `text`.
    pub(in crate::wire) fn new(text: &'a str) -> Self {
        Self { text, rest: text.as_bytes() }
    }

    /// Returns how many bytes have been read.
    pub(in crate::wire) fn position(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    /// Returns whether an object begins here.
    pub(in crate::wire) fn is_at_object(&self) -> bool {
        self.rest.first() == Some(&b'{')
    }

    /// Reads an object. At the value of each member `member` is called, and must read it.
    pub(in crate::wire) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Key<'a>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.space();
        self.expect(b'{')?;
        self.space();
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            self.space();
            member(self, key)?;
            self.space();
            match self.next()? {
                b',' => self.space(),
                b'}' => return Ok(()),
                _ => return Err(Broken),
            }
        }
    }

    /// Reads an array. At each element `element` is called, and must read it.
    pub(in crate::wire) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.space();
        self.expect(b'[')?;
        self.space();
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.space();
            element(self)?;
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Ok(()),
                _ => return Err(Broken),
            }
        }
    }

    /// Reads a value of any kind, and returns where it stands.
    pub(in crate::wire) fn value(&mut self) -> Result<Range<usize>, Broken> {
        self.space();
        let start = self.position();
        self.skip()?;
        Ok(start..self.position())
    }

    /// Reads a value of any kind, and returns its text.
    pub(in crate::wire) fn part(&mut self) -> Result<&'a str, Broken> {
        let place = self.value()?;
        self.text.get(place).ok_or(Broken)
    }

    /// Returns the text from `start`, a position, to here.
    pub(in crate::wire) fn since(&self, start: usize) -> Result<&'a str, Broken> {
        self.text.get(start..self.position()).ok_or(Broken)
    }

    /// Reads a string, and returns what it says.
    pub(in crate::wire) fn string(&mut self) -> Result<Cow<'a, str>, Broken> {
        self.space();
        self.expect(b'"')?;
        Ok(self.decoded()?.name)
    }

    /// Fails if anything but white space follows.
    pub(in crate::wire) fn end(&mut self) -> Result<(), Broken> {
        self.space();
        if self.rest.is_empty() { Ok(()) } else { Err(Broken) }
    }

    /// Passes a value.
    fn skip(&mut self) -> Result<(), Broken> {
        match self.next()? {
            b'{' | b'[' => {
                self.rest = self.text.as_bytes().get(self.position() - 1..).ok_or(Broken)?;
                self.skip_nested()
            }
            first => self.scalar(first),
        }
    }

    /// Passes what begins with `first` and is neither an object nor an array.
    #[inline]
    fn scalar(&mut self, first: u8) -> Result<(), Broken> {
        match first {
            b'"' => self.pass_string().map(drop),
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            _ => self.number(first),
        }
    }

    /// Passes an object or an array. What is open is noted aside, so that depth costs a bit each.
    #[inline(never)]
    fn skip_nested(&mut self) -> Result<(), Broken> {
        let mut open = Open::default();
        loop {
            match self.next()? {
                b'{' => {
                    self.space();
                    if !self.eat(b'}') {
                        open.push(true);
                        self.pass_key()?;
                        continue;
                    }
                }
                b'[' => {
                    self.space();
                    if !self.eat(b']') {
                        open.push(false);
                        continue;
                    }
                }
                first => self.scalar(first)?,
            }
            // A value has ended, and with it perhaps what it stands in.
            loop {
                let Some(is_object) = open.last() else { return Ok(()) };
                self.space();
                match (self.next()?, is_object) {
                    (b',', true) => {
                        self.space();
                        self.pass_key()?;
                        break;
                    }
                    (b',', false) => {
                        self.space();
                        break;
                    }
                    (b'}', true) | (b']', false) => open.pop(),
                    _ => return Err(Broken),
                }
            }
        }
    }

    /// Reads a key and its colon.
    #[inline]
    fn key(&mut self) -> Result<Key<'a>, Broken> {
        self.expect(b'"')?;
        let key = self.decoded()?;
        self.space();
        self.expect(b':')?;
        Ok(key)
    }

    /// Passes a key, its colon, and the space before its value.
    fn pass_key(&mut self) -> Result<(), Broken> {
        self.expect(b'"')?;
        self.pass_string()?;
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(())
    }

    /// Reads what follows an opening quote. Half a surrogate pair says nothing and is refused.
    #[inline]
    fn decoded(&mut self) -> Result<Key<'a>, Broken> {
        let start = self.position();
        let has_escapes = self.pass_string()?;
        let place = start..self.position() - 1;
        if has_escapes {
            return self.unescaped(place);
        }
        let name = self.text.get(place.clone()).ok_or(Broken)?;
        Ok(Key { name: Cow::Borrowed(name), place })
    }

    /// Reads what stands at `place`, with escapes in it, between two quotes.
    #[cold]
    fn unescaped(&self, place: Range<usize>) -> Result<Key<'a>, Broken> {
        let quoted = self.text.get(place.start - 1..place.end + 1).ok_or(Broken)?;
        let name = serde_json::from_str(quoted).map_err(|_| Broken)?;
        Ok(Key { name: Cow::Owned(name), place })
    }

    /// Passes what follows an opening quote, up to the closing one; tells whether it has escapes.
    #[inline]
    fn pass_string(&mut self) -> Result<bool, Broken> {
        // Most keys end within one word.
        if let Some((word, _)) = self.rest.split_first_chunk()
            && let before = plain_start(u64::from_le_bytes(*word))
            && let Some([b'"', behind @ ..]) = self.rest.get(before..)
        {
            self.rest = behind;
            return Ok(false);
        }
        self.pass_long_string()
    }

    #[inline(never)]
    fn pass_long_string(&mut self) -> Result<bool, Broken> {
        let mut has_escapes = false;
        loop {
            self.rest = behind_plain(self.rest);
            match self.next()? {
                b'"' => return Ok(has_escapes),
                b'\\' => {
                    has_escapes = true;
                    self.escape()?;
                }
                _control => return Err(Broken),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Broken> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let (digits, rest) = self.rest.split_first_chunk::<4>().ok_or(Broken)?;
                self.rest = rest;
                if digits.iter().all(u8::is_ascii_hexdigit) { Ok(()) } else { Err(Broken) }
            }
            _ => Err(Broken),
        }
    }

    /// Passes the rest of a number.
    ///
    /// A digit behind a leading zero is not looked for: no value may follow another.
    fn number(&mut self, first: u8) -> Result<(), Broken> {
        let first = if first == b'-' { self.next()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.pass_digits(),
            _ => return Err(Broken),
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _has_sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Broken> {
        if !self.next()?.is_ascii_digit() {
            return Err(Broken);
        }
        self.pass_digits();
        Ok(())
    }

    fn pass_digits(&mut self) {
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn word(&mut self, rest: &[u8]) -> Result<(), Broken> {
        self.rest = self.rest.strip_prefix(rest).ok_or(Broken)?;
        Ok(())
    }

    fn space(&mut self) {
        // Mostly there is none.
        while let [byte, rest @ ..] = self.rest
            && *byte <= b' '
            && matches!(byte, b' ' | b'\n' | b'\t' | b'\r')
        {
            self.rest = rest;
        }
    }

    fn next(&mut self) -> Result<u8, Broken> {
        let (byte, rest) = self.rest.split_first().ok_or(Broken)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Broken> {
        if self.eat(byte) { Ok(()) } else { Err(Broken) }
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

/// Which objects and arrays are open, the innermost last: one bit each, set for an object.
#[derive(Debug, Default)]
struct Open {
    depth: usize,
    last: u64,
    /// Full words of bits, once there is more than one.
    before: Vec<u64>,
}

impl Open {
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.before.push(self.last);
        }
        self.last = self.last << 1 | u64::from(is_object);
        self.depth += 1;
    }

    fn last(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.last & 1 == 1)
    }

    fn pop(&mut self) {
        self.last >>= 1;
        self.depth -= 1;
        if self.depth.is_multiple_of(64)
            && let Some(word) = self.before.pop()
        {
            self.last = word;
        }
    }
}

/// Returns what follows all that stands for itself in a string.
fn behind_plain(mut rest: &[u8]) -> &[u8] {
    let mut words = 0;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let before = plain_start(u64::from_le_bytes(*word));
        if before < size_of::<u64>() {
            return rest.get(before..).unwrap_or_default();
        }
        rest = behind;
        words += 1;
        if words == SHORT {
            while let Some((block, behind)) = rest.split_first_chunk::<BLOCK>()
                && is_plain(block)
            {
                rest = behind;
            }
        }
    }
    while let Some((byte, behind)) = rest.split_first()
        && is_plain(std::slice::from_ref(byte))
    {
        rest = behind;
    }
    rest
}

/// How many bytes of a word, the lowest first, stand for themselves in a string.
///
/// A byte's highest bit is set where it is none of those. A borrow can set it wrongly, but only
/// above a byte where it is set rightly.
fn plain_start(word: u64) -> usize {
    let all = |byte: u8| u64::from_le_bytes([byte; 8]);
    let quote = word ^ all(b'"');
    let backslash = word ^ all(b'\\');
    let control = word.wrapping_sub(all(0x20)) & !word;
    let quote = quote.wrapping_sub(all(1)) & !quote;
    let backslash = backslash.wrapping_sub(all(1)) & !backslash;
    let special = (control | quote | backslash) & all(0x80);
    special.trailing_zeros() as usize / 8
}

/// Whether all these bytes stand for themselves in a string. Without an early end, so that many
/// are looked at at once.
pub(in crate::wire) fn is_plain(bytes: &[u8]) -> bool {
    let is_special = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    !bytes.iter().fold(false, |found, byte| found | is_special(*byte))
}
