//! The root of a tree that only grows (RFC 6962, 2.1), from as many digests as its size has bits.
//!
//! `ct-merkle` keeps every node, which is eight megabytes for a segment; all that is needed here is
//! the root, and for that the roots of the full trees side by side are enough.

use crate::audit::digest::Digest;

/// A tree, as far as its root needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    /// The roots of the full trees it consists of, the largest first: one for each bit of `size`.
    full: Vec<Digest>,
    size: u64,
}

impl Tree {
    /// Adds a leaf.
    pub(super) fn add(&mut self, leaf: Digest) {
        let mut node = leaf;
        let mut size = self.size;
        while size & 1 == 1 {
            let left = self.full.pop().expect("there is a full tree for each bit of the size");
            node = Digest::node(left, node);
            size >>= 1;
        }
        self.full.push(node);
        self.size += 1;
    }

    /// Returns how many leaves there are.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the root.
    pub(super) fn root(&self) -> Digest {
        let from_right = self.full.iter().rev().copied();
        let root = from_right.reduce(|right, left| Digest::node(left, right));
        root.unwrap_or_else(|| Digest::of(&[]))
    }
}
