//! What a request is answered with, and how HTTP says it.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::body::Frame;
use hyper::body::SizeHint;
use hyper::header;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;

use crate::wire::pieces::Pieces;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const UNCHANGED: HeaderValue = HeaderValue::from_static("no-cache, no-transform");
/// Some proxies would hold back what is small.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// What a request is answered with.
#[derive(Debug)]
pub(super) struct Response {
    status: StatusCode,
    body: Body,
    /// The headers that do not go without saying.
    fields: Vec<(HeaderName, HeaderValue)>,
    refusal: Option<String>,
}

/// What comes after the head of a response.
pub(super) enum Body {
    /// Nothing at all.
    Nothing,
    /// One message, or another document in JSON.
    Message(Pieces),
    /// Server-sent events, for as long as there are some.
    Events(BoxStream<'static, Bytes>),
}

impl Response {
    /// Answers with a status and a body.
    pub(super) fn new(status: StatusCode, body: Body) -> Self {
        Self { status, body, fields: Vec::new(), refusal: None }
    }

    /// Says something more in a header.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }

    /// Notes for the log why the request got no further.
    pub(super) fn refusing(self, why: String) -> Self {
        Self { refusal: Some(why), ..self }
    }

    /// Returns why the request got no further, if it did not.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Ends a stream of events once `end` has come about, whatever was still to come.
    pub(super) fn until(self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        let body = match self.body {
            Body::Events(events) => Body::Events(events.take_until(Box::pin(end)).boxed()),
            body => body,
        };
        Self { body, ..self }
    }

    /// Returns its status.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the same response without its body, as `HEAD` wants it.
    pub(super) fn without_body(self) -> Self {
        let length = hyper::body::Body::size_hint(&self.body).exact();
        let kind = self.body.kind();
        let kind = kind.map(|kind| (header::CONTENT_TYPE, kind));
        let length = length.map(|length| (header::CONTENT_LENGTH, length.into()));
        // What is said in a header of its own counts more than what goes without saying.
        let fields = kind.into_iter().chain(length).chain(self.fields).collect();
        Self { body: Body::Nothing, fields, ..self }
    }

    /// Writes it down for HTTP.
    ///
    /// `room` is where its headers go, whatever is in there now: those of the request, which nobody
    /// needs any more. The connection reads the next request into that very room, so that it is
    /// made but once.
    pub(super) fn write(self, mut room: HeaderMap) -> hyper::Response<Body> {
        room.clear();
        room.extend(self.body.kind().map(|kind| (header::CONTENT_TYPE, kind)));
        if matches!(self.body, Body::Events(_)) {
            room.extend([(header::CACHE_CONTROL, UNCHANGED), UNBUFFERED]);
        }
        for (name, value) in self.fields {
            room.insert(name, value);
        }
        let mut response = hyper::Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = room;
        response
    }

    #[cfg(test)]
    pub(super) fn into_body(self) -> Body {
        self.body
    }
}

impl Body {
    /// The media type of what is in there.
    fn kind(&self) -> Option<HeaderValue> {
        match self {
            Self::Nothing => None,
            Self::Message(_) => Some(JSON),
            Self::Events(_) => Some(EVENTS),
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Nothing => Poll::Ready(None),
            Self::Message(message) => return Pin::new(message).poll_frame(cx),
            Self::Events(events) => events.as_mut().poll_next(cx),
        };
        data.map(|data| data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Message(message) => message.is_end_stream(),
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Message(message) => message.size_hint(),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Nothing => "Nothing",
            Self::Message(_) => "Message",
            Self::Events(_) => "Events",
        };
        f.debug_tuple(name).finish_non_exhaustive()
    }
}
