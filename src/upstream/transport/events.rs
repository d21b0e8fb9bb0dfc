//! Server-sent events in the body of an answer, within limits.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time;

use crate::upstream::reader::Reader;
use crate::wire::sse::Decoder;
use crate::wire::sse::Incoming;

/// The shortest wait before a stream is opened again, whatever its server says.
const LEAST_WAIT: Duration = Duration::from_millis(100);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// How long the end of a stream that has said everything may take; it frees the connection.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// The events of one stream, across the answers it is carried by.
#[derive(Debug)]
pub(super) struct Events {
    response: Response,
    decoder: Decoder,
    limit: usize,
    /// How much came since the last event.
    unfinished: usize,
    /// Where the stream can be taken up again.
    last_id: Option<String>,
    /// How long to wait before that, if the server said so.
    retry: Option<Duration>,
}

/// What comes next on a stream.
#[derive(Debug)]
pub(super) enum Next {
    /// A message was taken to whom it is for.
    Taken,
    /// An event of another kind: its kind and its data.
    Other(String, Bytes),
    /// The stream ended, or broke.
    End(Option<reqwest::Error>),
    /// One event in the answer to a request has no end.
    Endless,
}

impl Events {
    /// Begins with the body of `response`; one event may have `limit` bytes.
    pub(super) fn new(response: Response, limit: usize, reader: &Reader) -> Self {
        let decoder = Decoder::new(limit).through(reader.intake());
        Self { response, decoder, limit, unfinished: 0, last_id: None, retry: None }
    }

    /// Goes on with the body of another answer.
    pub(super) fn resume(&mut self, response: Response, reader: &Reader) {
        self.response = response;
        self.decoder = Decoder::new(self.limit).through(reader.intake());
        self.unfinished = 0;
    }

    /// Returns where the stream can be taken up again, if its server said so.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Returns how long to wait before the stream is opened again; `usual` unless its server said.
    pub(super) fn wait(&self, usual: Duration) -> Duration {
        self.retry.unwrap_or(usual).clamp(LEAST_WAIT, LONGEST_WAIT)
    }

    /// Reads on until something is there for somebody; messages go through `reader` as parts of
    /// the answer to the request `origin`. Not cancel safe: an event may get lost.
    pub(super) async fn next(&mut self, reader: &Reader, origin: Option<u64>) -> Next {
        loop {
            match self.decoder.next() {
                Some(Incoming::Event(event)) => {
                    self.unfinished = 0;
                    self.last_id = event.id.filter(|id| !id.is_empty()).or(self.last_id.take());
                    self.retry = event.retry.or(self.retry);
                    let kind = event.kind.unwrap_or_default();
                    match kind.as_str() {
                        // An event that only says where the stream can be resumed.
                        _ if event.data.is_empty() => {}
                        "" | "message" => {
                            reader.take(event.data, origin).await;
                            return Next::Taken;
                        }
                        _ => return Next::Other(kind, event.data),
                    }
                }
                Some(Incoming::TooLong { id, kind }) => {
                    self.unfinished = 0;
                    reader.take_too_long(id.as_ref(), kind, origin);
                    return Next::Taken;
                }
                None => match self.chunk().await {
                    Ok(Some(chunk)) => {
                        self.unfinished += chunk.len();
                        // Twice, because an event is more than its data. On a stream that is
                        // everybody's, what is too long is dropped as it comes instead.
                        let most = self.limit.saturating_mul(2).saturating_add(1 << 16);
                        if origin.is_some() && self.unfinished > most {
                            return Next::Endless;
                        }
                        self.decoder.feed(chunk);
                    }
                    Ok(None) => return Next::End(None),
                    Err(error) => return Next::End(Some(error)),
                },
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, reqwest::Error> {
        self.decoder.make_room().await;
        self.response.chunk().await
    }

    /// Reads what is left, so that the connection can be used again.
    pub(super) async fn drain(mut self) {
        let mut left = self.limit;
        let rest = async {
            while let Ok(Some(chunk)) = self.response.chunk().await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    break;
                }
            }
        };
        drop(time::timeout(DRAIN_LIMIT, rest).await);
    }
}
