//! The configuration while all runs: what cannot be, and secrets that become other ones.

use std::time::Duration;

use futures_util::future::join;
use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::aviary::Aviary;
use crate::support::aviary::CEDAR;
use crate::support::aviary::MARKER;
use crate::support::aviary::Sink;
use crate::support::aviary::reference;
use crate::support::aviary::ruled;
use crate::support::canary::Canary;
use crate::support::canary::Shape;
use crate::support::http::Server;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);

/// Has the file say what cannot be, with secrets in what is wrong; returns it to what it was.
pub(super) async fn reload_wrongly(aviary: &mut Aviary, server: &Server) -> Vec<Sink> {
    let [user, address, key] = [0, 1, 2].map(|number| reference(&aviary.variables[number]));
    let name = format!("{MARKER}_broken");
    let secret = aviary.ruled_secret();
    let upstream = |entry: Value| ("upstreams", entry);
    let tool = format!("{MARKER}_near_talking__{secret}");
    let action = format!("Action::{:?}", ruled());
    let cedar = |condition: &str| {
        format!("forbid (principal, action == {action}, resource) when {{ {condition} }};")
    };
    let wrong = [
        ("user", upstream(json!({ "url": format!("https://u:{user}@host/") })), None),
        ("header", upstream(json!({ "url": "https://host/", "headers": { "X-Key": key } })), None),
        ("address", upstream(json!({ "url": address })), None),
        (
            "proxy",
            upstream(json!({ "url": "https://host/", "proxy": format!("ftp://u:{user}@host") })),
            None,
        ),
        (
            "collector",
            ("telemetry", json!({ "otlp": { "endpoint": format!("http://u:{user}@host/") } })),
            None,
        ),
        ("rule", ("policy", json!({ "rules": [{ "deny": tool }] })), None),
        (
            "type",
            ("policy", aviary.policy.clone()),
            Some(cedar(&format!("context.arguments.word < {secret:?}"))),
        ),
        (
            "action",
            ("policy", aviary.policy.clone()),
            Some(cedar(&format!("action == Action::{secret:?}"))),
        ),
        (
            "word",
            ("policy", aviary.policy.clone()),
            Some(cedar(&format!("context.arguments.word == {}", aviary.variables[0].value))),
        ),
    ];
    let path = aviary.gateway.path().join(CEDAR);
    let right = std::fs::read_to_string(&path).unwrap();
    let mut sinks = Vec::new();
    for (what, (key, value), rules) in wrong {
        if key == "upstreams" {
            aviary.gateway.add(&name, value);
        } else {
            aviary.gateway.set(key, value);
        }
        aviary.gateway.write(CEDAR, rules.as_ref().unwrap_or(&right));
        aviary.gateway.save_at_once();
        let before = count(server, "not reloaded");
        server.hang_up();
        wait_for(server, "not reloaded", before).await;
        let names = ["check", "doctor"].map(|command| format!("{command} of a wrong {what}"));
        let (check, doctor) =
            join(aviary.said(&names[0], &["check"]), aviary.said(&names[1], &["doctor"])).await;
        sinks.extend([check, doctor]);
        match key {
            "upstreams" => aviary.gateway.remove(&name),
            "policy" => aviary.gateway.set(key, aviary.policy.clone()),
            _ => aviary.gateway.set(key, aviary.telemetry.clone()),
        }
    }
    aviary.gateway.write(CEDAR, &right);
    aviary.gateway.save_at_once();
    sinks
}

/// Has a secret become another one while everything runs, until the log has `said` so.
pub(super) async fn rotate(aviary: &mut Aviary, server: &Server, said: &str) {
    let canary = Canary::new("near_talking_file, the next", Shape::Lines);
    aviary.gateway.write("near_talking_file", &format!("{}\n", canary.value));
    aviary.others.push(canary);
    let before = count(server, said);
    server.hang_up();
    wait_for(server, said, before).await;
}

fn count(server: &Server, text: &str) -> usize {
    server.stderr().matches(text).count()
}

/// Waits until the log has this once more.
async fn wait_for(server: &Server, text: &str, before: usize) {
    let said = async {
        while count(server, text) <= before {
            sleep(POLL).await;
        }
    };
    let is_logged = timeout(LIMIT, said).await.is_ok();
    assert!(is_logged, "no `{text}` in the log: {}", server.stderr());
}
