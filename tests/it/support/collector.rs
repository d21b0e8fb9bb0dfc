//! A collector of traces that reads them with the official messages of OpenTelemetry.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::real;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);

/// The collector; it ends when this is dropped.
pub(crate) struct Collector {
    /// Its address, up to the path.
    pub(crate) url: String,
    spans: Arc<Mutex<Vec<Value>>>,
    _child: Child,
    _reader: JoinSet<()>,
}

impl Collector {
    /// Starts it at any free port.
    pub(crate) async fn start() -> Self {
        Self::at("0").await
    }

    /// Starts it at a port.
    pub(crate) async fn at(port: &str) -> Self {
        let mut command = Command::new(real::python_telemetry());
        command.arg(real::source().join("telemetry/collector.py")).arg(port);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
        let spans: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&spans);
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { url, spans, _child: child, _reader: reader }
    }

    /// Everything that came so far.
    pub(crate) fn spans(&self) -> Vec<Value> {
        self.spans.lock().unwrap().clone()
    }

    /// Waits until so many spans came that fit, and returns them in the order in which they began.
    pub(crate) async fn wait(&self, count: usize, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let found = || {
            let mut found = self.spans();
            found.retain(&fits);
            found.sort_by_key(|span| span["begun"].as_u64());
            found
        };
        let waiting = timeout(LIMIT, async {
            while found().len() < count {
                sleep(POLL).await;
            }
        });
        assert!(waiting.await.is_ok(), "{count} spans of {:#?}", self.spans());
        found()
    }
}
