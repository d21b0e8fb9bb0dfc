//! Brings spans to a collector, many at a time, and never in anybody's way.
//!
//! A collector that is away is said once; what it was to get is tried again for a while, then
//! given up and counted.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use reqwest::Client;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect;
use tokio::sync::mpsc;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::config::secrets::Secrets;
use crate::config::telemetry::Otlp;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Spans;
use crate::telemetry::shown;
use crate::telemetry::trace::Span;
use crate::telemetry::trace::otlp;

/// How many spans are exported at once.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a collector may take for a batch.
const LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to reach it.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How often a batch is tried that a collector may take later.
const TRIES: u32 = 4;
/// How long to wait before the second time; twice as long each time after that.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest that a collector can make the exporter wait.
const PAUSE_LIMIT: Duration = Duration::from_secs(30);
/// How much of an answer is read, in bytes.
const WORDS: usize = 16 * 1024;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// Brings spans to one collector.
pub(super) struct Exporter {
    settings: Otlp,
    secrets: Secrets,
    metrics: Metrics,
    /// Made when there is something to send: the certificates to trust take a while to read.
    client: Option<Client>,
    is_away: bool,
}

/// Why a batch was not taken.
struct Trouble {
    why: String,
    /// When it may be taken; nothing if it never will be.
    again: Option<Duration>,
}

impl Exporter {
    /// Makes one for the collector of `settings`.
    pub(super) fn new(settings: Otlp, secrets: Secrets, metrics: Metrics) -> Self {
        Self { settings, secrets, metrics, client: None, is_away: false }
    }

    /// Exports what is queued until `stop`, and then what there is.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Span>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        while stop.run_until_cancelled(gather(&mut queue, &mut batch)).await == Some(true) {
            self.export(&batch, &stop).await;
            batch.clear();
        }
        queue.close();
        while !batch.is_empty() || queue.recv_many(&mut batch, BATCH).await > 0 {
            self.export(&batch, &stop).await;
            batch.clear();
        }
    }

    /// Exports a batch; again after pauses that grow, unless everything stops.
    async fn export(&mut self, batch: &[Span], stop: &CancellationToken) {
        let request = otlp::request(&self.settings.resource, batch, &self.secrets);
        let body = Bytes::from(request.encode_to_vec());
        let count = batch.len() as u64;
        for attempt in 0..TRIES {
            let trouble = match self.send(body.clone()).await {
                Ok(rejected) => {
                    self.succeeds();
                    self.metrics.spans(Spans::Failed, rejected.min(count));
                    self.metrics.spans(Spans::Exported, count.saturating_sub(rejected));
                    return;
                }
                Err(trouble) => trouble,
            };
            self.fails(&trouble.why);
            let Some(again) = trouble.again.filter(|_| attempt + 1 < TRIES) else { break };
            let pause = again.max(PAUSE * 2_u32.pow(attempt)).min(PAUSE_LIMIT);
            if stop.run_until_cancelled(time::sleep(pause)).await.is_none() {
                break;
            }
        }
        self.metrics.spans(Spans::Failed, count);
    }

    fn succeeds(&mut self) {
        if std::mem::take(&mut self.is_away) {
            let collector = &self.settings.shown();
            tracing::info!(collector, "spans are exported again");
        }
    }

    /// Says it once, until it works again.
    fn fails(&mut self, why: &str) {
        let collector = &self.settings.shown();
        if std::mem::replace(&mut self.is_away, true) {
            tracing::debug!(collector, why, "spans are not exported");
        } else {
            tracing::warn!(
                collector,
                why,
                "spans are not exported; nothing else waits for that, and it is not said again"
            );
        }
    }

    /// Sends a batch; returns how many spans were not taken.
    async fn send(&mut self, body: Bytes) -> Result<u64, Trouble> {
        let client = self.client()?;
        let posted = client.post(self.settings.endpoint.clone()).body(body).send();
        let response = posted.await.map_err(|error| Trouble::passing(shown::cause(&error)))?;
        let status = response.status();
        if !status.is_success() {
            return Err(Trouble::of(status, response.headers()));
        }
        // What a collector says does not matter so much that its end is waited for.
        let said = time::timeout(LIMIT, words(response)).await.unwrap_or_default();
        let said = otlp::Response::decode(said.as_slice()).unwrap_or_default();
        let Some(partial) = said.partial_success else { return Ok(0) };
        if partial.rejected_spans > 0 || !partial.error_message.is_empty() {
            let (count, why) = (partial.rejected_spans, partial.error_message);
            tracing::debug!(count, ?why, "the collector did not take all spans");
        }
        Ok(u64::try_from(partial.rejected_spans).unwrap_or(0))
    }

    fn client(&mut self) -> Result<Client, Trouble> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = connect(&self.settings).map_err(|why| Trouble { why, again: None })?;
        self.client = Some(client.clone());
        Ok(client)
    }
}

/// Waits for a span, and then for others; returns whether there are any. Cancel safe.
async fn gather(queue: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>) -> bool {
    if batch.is_empty() && queue.recv_many(batch, BATCH).await == 0 {
        return false;
    }
    let more = async {
        while batch.len() < BATCH && queue.recv_many(batch, BATCH - batch.len()).await > 0 {}
    };
    // What came until then is in the batch.
    let _is_full = time::timeout(PATIENCE, more).await.is_ok();
    true
}

/// Makes the connections to the collector of `settings`; fails with a sentence fragment.
fn connect(settings: &Otlp) -> Result<Client, String> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, PROTOBUF)]);
    for (name, value) in &settings.headers {
        let problem = || format!("the header `{name}` cannot be sent");
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| problem())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| problem())?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    let mut builder = Client::builder()
        // The environment is read by `config` alone.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .timeout(LIMIT)
        .default_headers(headers)
        .user_agent(concat!("conflux/", env!("CARGO_PKG_VERSION")));
    if settings.endpoint.scheme() == "http" {
        // Nobody has to be trusted there, and to read whom to trust takes a while.
        builder = builder.tls_certs_only([]);
    }
    if let Some(proxy) = &settings.proxy {
        let proxy = reqwest::Proxy::all(proxy.clone()).map_err(|error| shown::cause(&error))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| shown::cause(&error))
}

/// Reads the beginning of an answer.
async fn words(mut response: reqwest::Response) -> Vec<u8> {
    let mut words = Vec::new();
    while words.len() < WORDS
        && let Ok(Some(chunk)) = response.chunk().await
    {
        words.extend_from_slice(&chunk);
    }
    words
}

impl Trouble {
    fn passing(why: String) -> Self {
        Self { why, again: Some(Duration::ZERO) }
    }

    /// What a status means (OTLP, "OTLP/HTTP Response", "Failures").
    fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let why = format!("the collector answers with HTTP status {}", status.as_u16());
        let after = headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        match status.as_u16() {
            429 | 502 | 503 | 504 => {
                let pause = Duration::from_secs(after.unwrap_or(0));
                Self { why, again: Some(pause) }
            }
            _ => Self { why, again: None },
        }
    }
}
