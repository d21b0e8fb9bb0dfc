//! A message that is to be written: what stands around a value, and the value as it came.

use bytes::Bytes;
use smallvec::SmallVec;
use smallvec::smallvec;

use crate::wire::Raw;
use crate::wire::edits::Piece;

/// What stands behind the value of a message.
const TAIL: &[u8] = b"}";

/// A message that is to be written. Cloning shares the value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    head: Vec<u8>,
    value: Option<Raw>,
}

impl Written {
    /// Puts a message together from what stands before its value, and the value, which is its last
    /// member.
    pub(in crate::wire) fn around(head: Vec<u8>, value: Raw) -> Self {
        Self { head, value: Some(value) }
    }

    /// Returns how many bytes it has.
    pub fn size(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }

    /// Returns its parts, in order.
    pub fn parts(&self) -> SmallVec<[&[u8]; 3]> {
        let mut parts = smallvec![&*self.head];
        if let Some(value) = &self.value {
            parts.extend(value.pieces().map(|piece| piece.text.as_bytes()));
            parts.push(TAIL);
        }
        parts
    }

    /// Returns its parts, in order, the large ones shared.
    pub fn into_parts(self) -> impl Iterator<Item = Bytes> {
        let tail = self.value.as_ref().map(|_| Bytes::from_static(TAIL));
        let pieces: Vec<Bytes> =
            self.value.iter().flat_map(Raw::pieces).map(Piece::bytes).collect();
        std::iter::once(self.head.into()).chain(pieces).chain(tail)
    }

    /// Returns the same message without line breaks, as newline framing needs it.
    #[must_use]
    pub fn on_one_line(self) -> Self {
        Self { value: self.value.map(Raw::on_one_line), ..self }
    }

    /// Returns it in one piece.
    pub fn into_bytes(mut self) -> Bytes {
        if let Some(value) = &self.value {
            self.head.reserve_exact(value.size() + TAIL.len());
            for piece in value.pieces() {
                self.head.extend_from_slice(piece.text.as_bytes());
            }
            self.head.extend_from_slice(TAIL);
        }
        self.head.into()
    }
}

impl From<Vec<u8>> for Written {
    /// Takes a message that is in one piece, and on one line, already.
    fn from(whole: Vec<u8>) -> Self {
        Self { head: whole, value: None }
    }
}
