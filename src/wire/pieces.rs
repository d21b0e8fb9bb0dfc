//! A message as the body of an HTTP message: a large one is sent from where it was read.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;

use crate::wire::Written;

/// Up to which size it costs less to copy a message into one piece.
const SMALL: usize = 16 * 1024;

/// The pieces of a message that are still to be sent.
#[derive(Debug)]
pub struct Pieces(VecDeque<Bytes>);

impl From<Written> for Pieces {
    fn from(message: Written) -> Self {
        if message.size() <= SMALL {
            return Self([message.into_bytes()].into());
        }
        Self(message.into_parts().collect())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let left: usize = self.0.iter().map(Bytes::len).sum();
        SizeHint::with_exact(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::Pieces;
    use super::SMALL;
    use crate::wire::Raw;
    use crate::wire::frame;

    #[tokio::test]
    async fn large_messages_are_sent_from_where_they_are_and_their_length_is_known() {
        for size in [10, 2 * SMALL] {
            let value = Raw::of(&"x".repeat(size));
            let message = frame::response(None, Ok(&value));
            let mut body = Pieces::from(message.clone());
            let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
            assert_eq!(length, Some(message.size()));
            let (mut sent, mut is_shared) = (Vec::new(), false);
            while let Some(piece) = body.frame().await {
                let piece = piece.unwrap().into_data().unwrap();
                is_shared |= piece.as_ptr() == value.get().as_ptr();
                sent.extend_from_slice(&piece);
            }
            assert_eq!(sent, message.into_bytes());
            assert_eq!(is_shared, size > SMALL);
        }
    }
}
