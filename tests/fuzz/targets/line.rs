//! Newline framing: the lines are the same however they are cut.
//!
//! The input is a limit, two sizes of chunks, and the stream.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use conflux::wire::line::Line;
use conflux::wire::line::Lines;
use tokio::io::AsyncRead;
use tokio::io::ReadBuf;

/// Gives chunks of two sizes in turn, and is always ready.
struct Chunks<'a> {
    rest: &'a [u8],
    sizes: [usize; 2],
}

impl AsyncRead for Chunks<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _ctx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.sizes[0].min(self.rest.len()).min(buf.remaining());
        let (chunk, rest) = self.rest.split_at(size);
        buf.put_slice(chunk);
        self.rest = rest;
        self.sizes.reverse();
        Poll::Ready(Ok(()))
    }
}

fn shown(line: Line) -> Result<Vec<u8>, String> {
    match line {
        Line::Whole(bytes) | Line::Beyond(bytes) => Ok(bytes.to_vec()),
        Line::TooLong { id, kind } => Err(format!("{id:?} {kind:?}")),
    }
}

fn lines(stream: &[u8], sizes: [usize; 2], limit: usize) -> Vec<Result<Vec<u8>, String>> {
    let mut lines = Lines::new(Chunks { rest: stream, sizes }, limit);
    let mut ctx = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    loop {
        // Others have their turn between two lines, but not twice.
        let mut polls = (0..2).map(|_| pin!(lines.next()).poll(&mut ctx));
        let line = polls.find_map(|poll| match poll {
            Poll::Ready(line) => Some(line),
            Poll::Pending => None,
        });
        match line.expect("the reader is always ready").expect("the reader never fails") {
            Some(line) => seen.push(shown(line)),
            None => return seen,
        }
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Some(([limit, one, two], stream)) = bytes.split_first_chunk() else { return };
    let limit = usize::from(*limit);
    let seen = lines(stream, [usize::MAX; 2], limit);
    let sizes = [one, two].map(|size| usize::from(*size) + 1);
    assert_eq!(lines(stream, sizes, limit), seen);

    // Word for word what framing means.
    let written = stream.split(|byte| *byte == b'\n');
    let written = written.filter(|line| line.len() > limit || !line.trim_ascii().is_empty());
    for (written, seen) in written.clone().zip(&seen) {
        match seen {
            Ok(line) => assert_eq!(line, written),
            Err(_) => assert!(written.len() > limit),
        }
    }
    assert_eq!(written.count(), seen.len());
}
