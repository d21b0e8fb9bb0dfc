//! Those who watch: metrics, status and probes on a listener of their own.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::canaries::callers::bearing;
use crate::support::aviary::Aviary;
use crate::support::aviary::Sink;
use crate::support::aviary::ruled;
use crate::support::http::Server;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);

/// Where those who watch are answered.
fn watched(server: &Server) -> String {
    let stderr = server.stderr();
    let (_, place) = stderr.split_once("metrics and status at ").unwrap();
    place.split(['\n', '"']).next().unwrap().to_owned()
}

/// What those who watch are told.
pub(super) async fn watch(server: &Server) -> Vec<Sink> {
    let origin = watched(server);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let response = client.get(format!("{origin}{path}")).send().await.unwrap();
        let head = format!("{} {:?}", response.status(), response.headers());
        format!("{head}\n{}\n", response.text().await.unwrap())
    };
    let metrics = get("/metrics").await;
    let tool = format!("gen_ai_tool_name=\"{}\"", ruled());
    assert!(metrics.contains(&tool), "{metrics}");
    vec![
        Sink::new("/metrics", metrics),
        Sink::new("/status", get("/status").await),
        Sink::new("/readyz?verbose", get("/readyz?verbose").await),
        Sink::new("/healthz, /readyz", get("/healthz").await + &get("/readyz").await),
    ]
}

/// Waits until it is known what those have that list something, so that it can be called.
pub(super) async fn listed(server: &Server, token: &str) {
    // Nobody is started before somebody wants to know.
    bearing(server.modern("tools/list", json!({})), token).reply().await.result();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let missing = async || {
        let status = client.get(format!("{}/status", watched(server))).send().await.unwrap();
        let status: Value = serde_json::from_str(&status.text().await.unwrap()).unwrap();
        let has_listed = |it: &&Value| it["tools"] == 1;
        let all = status["upstreams"].as_array().unwrap().iter().filter(has_listed);
        let all: Vec<Value> = all.map(|it| it["name"].clone()).collect();
        let is_missing = |name: &&String| !all.contains(&json!(name));
        Aviary::listing().iter().filter(is_missing).cloned().collect::<Vec<_>>()
    };
    let waiting = timeout(LIMIT, async {
        while !missing().await.is_empty() {
            sleep(POLL).await;
        }
    });
    assert!(waiting.await.is_ok(), "{:?}", missing().await);
}
