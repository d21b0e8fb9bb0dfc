//! A message that comes in pieces, of which most have but one.

use std::mem;

use bytes::Bytes;
use bytes::BytesMut;

/// What has come of one message so far.
#[derive(Debug, Default)]
pub struct Pieces {
    limit: usize,
    expected: usize,
    length: usize,
    /// The only one so far.
    first: Bytes,
    /// All of them, once there is more than one.
    whole: BytesMut,
}

/// A message has more bytes than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Pieces {
    /// Begins a message of at most `limit` bytes, of which `expected` are promised.
    pub fn new(limit: usize, expected: u64) -> Self {
        let expected = usize::try_from(expected).unwrap_or(limit).min(limit);
        Self { limit, expected, ..Self::default() }
    }

    /// Takes the next piece.
    pub fn add(&mut self, piece: Bytes) -> Result<(), TooLong> {
        let length = self.length + piece.len();
        if length > self.limit {
            return Err(TooLong);
        }
        if self.length == 0 {
            self.first = piece;
        } else {
            if self.whole.is_empty() {
                self.whole.reserve(self.expected.max(length));
                self.whole.extend_from_slice(&mem::take(&mut self.first));
            }
            self.whole.extend_from_slice(&piece);
        }
        self.length = length;
        Ok(())
    }

    /// Returns the message in one piece; one that came so is not copied.
    pub fn into_bytes(self) -> Bytes {
        if self.whole.is_empty() { self.first } else { self.whole.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(limit: usize, expected: u64, pieces: &[&'static str]) -> Result<Bytes, TooLong> {
        let mut all = Pieces::new(limit, expected);
        for piece in pieces {
            all.add(Bytes::from_static(piece.as_bytes()))?;
        }
        Ok(all.into_bytes())
    }

    #[test]
    fn pieces_make_a_message_within_its_limit_whatever_was_promised() {
        for promised in [0, 3, 6, u64::MAX] {
            for pieces in [&["abcdef"][..], &["", "abc", "", "d", "ef"], &["a", "bcdef", ""]] {
                assert_eq!(joined(6, promised, pieces), Ok(Bytes::from("abcdef")), "{pieces:?}");
                assert_eq!(joined(5, promised, pieces), Err(TooLong), "{pieces:?}");
            }
            assert_eq!(joined(0, promised, &[]), Ok(Bytes::new()));
        }
    }

    #[test]
    fn what_comes_in_one_piece_stays_where_it_is() {
        let piece = Bytes::from(vec![b'x'; 100]);
        let mut pieces = Pieces::new(100, 100);
        pieces.add(piece.clone()).unwrap();
        assert_eq!(pieces.into_bytes().as_ptr(), piece.as_ptr());
    }
}
