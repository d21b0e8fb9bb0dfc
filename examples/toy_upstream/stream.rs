//! What a server says on one stream, kept so that it can be said again.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;

use hyper::body::Body;
use hyper::body::Bytes;
use hyper::body::Frame;
use tokio::sync::Notify;
use tokio::sync::mpsc;

/// How many events of a stream may be on their way to the client.
const CAPACITY: usize = 16;

/// One stream: the messages so far, whether there will be more, and what it answers.
pub(crate) struct Stream {
    /// What tells it from others in the ids of events.
    pub(crate) number: u64,
    /// The headers of the request it answers, as they came.
    pub(crate) headers: serde_json::Value,
    state: Mutex<State>,
    changed: Notify,
    /// Where its messages go instead.
    other: Option<Arc<Stream>>,
}

#[derive(Default)]
struct State {
    messages: Vec<String>,
    has_ended: bool,
    /// Whoever reads must ask again for what follows this many messages.
    cut_at: Option<usize>,
    /// How much some reader has had.
    read: usize,
}

/// What a reader finds.
enum Found {
    Message(String),
    Nothing,
    End,
}

impl Stream {
    pub(crate) fn new(number: u64, headers: serde_json::Value) -> Self {
        Self { number, headers, state: Mutex::default(), changed: Notify::new(), other: None }
    }

    /// Returns one with these headers whose messages go to `other`.
    pub(crate) fn carrying(&self, other: Arc<Self>) -> Arc<Self> {
        Arc::new(Self { other: Some(other), ..Self::new(self.number, self.headers.clone()) })
    }

    pub(crate) fn push(&self, message: &str) {
        if let Some(other) = &self.other {
            return other.push(message);
        }
        self.lock().messages.push(message.to_owned());
        self.changed.notify_waiters();
    }

    pub(crate) fn end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_waiters();
    }

    /// Has whoever reads it ask for the rest, and waits until somebody does, a second at most.
    pub(crate) async fn cut(&self) {
        let here = {
            let mut state = self.lock();
            let here = state.messages.len();
            state.cut_at = Some(here);
            here
        };
        self.changed.notify_waiters();
        let taken_up = async {
            while self.lock().cut_at == Some(here) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        drop(tokio::time::timeout(std::time::Duration::from_secs(1), taken_up).await);
    }

    /// Returns how many messages some reader has had.
    pub(crate) fn read(&self) -> usize {
        self.lock().read
    }

    /// Waits for the first message, or the end; returns all there is if that is all.
    pub(crate) async fn first(&self) -> Option<Vec<String>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.lock();
                if state.has_ended {
                    return Some(state.messages.clone());
                }
                if !state.messages.is_empty() {
                    return None;
                }
            }
            changed.await;
        }
    }

    fn find(&self, position: usize) -> Found {
        let mut state = self.lock();
        if state.cut_at == Some(position) {
            return Found::End;
        }
        match state.messages.get(position) {
            Some(message) => {
                let message = message.clone();
                state.read = state.read.max(position + 1);
                Found::Message(message)
            }
            None if state.has_ended => Found::End,
            None => Found::Nothing,
        }
    }

    /// Sends events from `position` on until the stream ends; says whether the client left before.
    pub(crate) async fn pump(&self, start: usize, ids: bool, body: &mpsc::Sender<Bytes>) -> bool {
        {
            let mut state = self.lock();
            if state.cut_at.is_some_and(|cut| cut <= start) {
                state.cut_at = None;
            }
        }
        if ids {
            // Lets a client resume a stream that breaks before it has said anything.
            let event = format!("id: {}_{start}\ndata:\n\n", self.number);
            drop(body.send(Bytes::from(event)).await);
        }
        let mut position = start;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.find(position) {
                Found::Message(message) => {
                    position += 1;
                    let id = if ids {
                        format!("id: {}_{position}\n", self.number)
                    } else {
                        String::new()
                    };
                    let event = format!("{id}event: message\ndata: {message}\n\n");
                    if body.send(Bytes::from(event)).await.is_err() {
                        return true;
                    }
                }
                Found::End => return false,
                Found::Nothing => tokio::select! {
                    () = changed => {}
                    () = body.closed() => return true,
                },
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body that is written while it is read.
pub(crate) struct Flow(mpsc::Receiver<Bytes>);

impl Flow {
    pub(crate) fn new() -> (mpsc::Sender<Bytes>, Self) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (sender, Self(receiver))
    }
}

impl Body for Flow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
