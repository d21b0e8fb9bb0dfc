//! The server over HTTP: hyper on one thread.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;

use http_body_util::BodyExt as _;
use http_body_util::Full;
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::Method;
use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use crate::upstream::Flags;
use crate::upstream::answers::Server;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The server and what its requests share.
struct Web {
    flags: Flags,
    server: Server,
    questions: Cell<u64>,
}

/// Serves at `address` until stdin ends.
pub(super) fn serve(flags: &Flags, server: Server, address: SocketAddr) -> anyhow::Result<()> {
    let web = Rc::new(Web { flags: flags.clone(), server, questions: Cell::new(0) });
    serve_each(address, move |request| {
        let web = Rc::clone(&web);
        async move { web.respond(request).await }
    })
}

/// Accepts connections on one thread until stdin ends; says where on stdout.
pub(crate) fn serve_each<F, R, B>(address: SocketAddr, respond: F) -> anyhow::Result<()>
where
    F: Fn(Request<Incoming>) -> R + Clone + 'static,
    R: Future<Output = Response<B>> + 'static,
    B: hyper::body::Body<Error = Infallible> + 'static,
{
    accept_each(address, move |stream| {
        let respond = respond.clone();
        async move {
            let service = service_fn(move |request| {
                let answering = respond(request);
                async move { Ok::<_, Infallible>(answering.await) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            // A client that leaves in the middle is its own affair.
            drop(http.max_buf_size(4 << 20).serve_connection(TokioIo::new(stream), service).await);
        }
    })
}

/// Does something with every connection, on one thread, until stdin ends.
pub(crate) fn accept_each<F, R>(address: SocketAddr, each: F) -> anyhow::Result<()>
where
    F: Fn(tokio::net::TcpStream) -> R,
    R: Future<Output = ()> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let accepting = async {
        let listener = TcpListener::bind(address).await?;
        writeln!(std::io::stdout(), "listening on http://{}/mcp", listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(each(stream));
        }
    };
    let ended = async {
        let mut stdin = tokio::io::stdin();
        let mut buffer = [0; 64];
        while stdin.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
    };
    let set = LocalSet::new();
    let outcome = runtime.block_on(set.run_until(async {
        tokio::select! {
            failed = accepting => failed,
            () = ended => Ok(()),
        }
    }));
    runtime.shutdown_background();
    outcome
}

impl Web {
    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        if request.method() != Method::POST {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Ok(body) = request.into_body().collect().await else {
            return empty(StatusCode::BAD_REQUEST);
        };
        if self.flags.hangs() {
            std::future::pending::<()>().await;
        }
        let body = body.to_bytes();
        if let Some(question) = self.server.question(&body, self.questions.get()) {
            self.questions.set(self.questions.get() + 1);
            return ask(&question);
        }
        let mut out = Vec::new();
        if !self.server.answer(&body, &mut out) {
            return empty(StatusCode::ACCEPTED);
        }
        if let Some(delay) = self.flags.delay()
            && crate::json::has(&body, b"tools/call")
        {
            tokio::time::sleep(delay).await;
        }
        with_type(Full::new(Bytes::from(out)).boxed_unsync(), "application/json")
    }
}

/// A stream with a question, and nothing after it.
fn ask(question: &str) -> Response<Body> {
    let event = Bytes::from(format!("event: message\ndata: {question}\n\n"));
    let asked = futures_util::stream::iter([Ok(Frame::data(event))]);
    let stream = futures_util::StreamExt::chain(asked, futures_util::stream::pending());
    with_type(StreamBody::new(stream).boxed_unsync(), "text/event-stream")
}

fn with_type(body: Body, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = status;
    response
}
