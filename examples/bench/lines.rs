//! Lines out of big reads: one buffer, no copy but what a read cut in two.

use std::io;
use std::io::Read;

/// How much room a read gets at least.
const CHUNK: usize = 256 * 1024;

/// A buffer that is read into at its end and taken from line by line at its start.
#[derive(Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    start: usize,
    /// Up to where no line end was found.
    searched: usize,
    end: usize,
}

impl Lines {
    /// Returns room to read into; [`Self::filled`] says how much of it was.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.searched, self.end) = (0, 0, 0);
        }
        if self.buffer.len() - self.end < CHUNK {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.searched -= self.start;
            self.start = 0;
            let wanted = (self.end + CHUNK).next_power_of_two();
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    pub(crate) fn filled(&mut self, length: usize) {
        self.end += length;
    }

    /// Reads once; says whether there was anything.
    pub(crate) fn read(&mut self, source: &mut impl Read) -> io::Result<bool> {
        let length = source.read(self.room())?;
        self.filled(length);
        Ok(length > 0)
    }

    /// Takes the next whole line, without its end.
    pub(crate) fn line(&mut self) -> Option<&[u8]> {
        let unseen = self.buffer.get(self.searched..self.end).unwrap_or_default();
        let Some(length) = memchr::memchr(b'\n', unseen) else {
            self.searched = self.end;
            return None;
        };
        let (from, to) = (self.start, self.searched + length);
        self.start = to + 1;
        self.searched = self.start;
        self.buffer.get(from..to)
    }

    /// Everything that was read and not taken.
    pub(crate) fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Takes so many bytes from the start.
    pub(crate) fn take(&mut self, length: usize) {
        self.start = (self.start + length).min(self.end);
        self.searched = self.searched.max(self.start);
    }
}
