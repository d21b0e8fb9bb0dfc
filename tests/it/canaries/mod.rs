//! No secret that Conflux was given comes out where Conflux says, notes or keeps something itself,
//! whatever fails and however much is logged.
//!
//! What an upstream answers is relayed as it is, so its answers are no such place.

mod callers;
mod changes;
mod sinks;
mod watchers;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::canaries::callers::call_against_rules;
use crate::canaries::callers::call_all;
use crate::canaries::callers::call_with_secrets;
use crate::canaries::callers::come_wrongly;
use crate::canaries::changes::reload_wrongly;
use crate::canaries::changes::rotate;
use crate::canaries::sinks::follow;
use crate::canaries::sinks::sinks;
use crate::canaries::sinks::wait_for_line;
use crate::canaries::watchers::listed;
use crate::canaries::watchers::watch;
use crate::support::aviary::Aviary;
use crate::support::aviary::MARKER;
use crate::support::aviary::Sink;
use crate::support::aviary::TOOL;
use crate::support::canary::Canary;
use crate::support::canary::Lookout;
use crate::support::canary::Shape;
use crate::support::http::Server;
use crate::support::indiscreet::Indiscreet;

/// Where a text is broken over lines, or cut.
const WIDTH: usize = 20;
/// How many secrets there are at least.
const ENOUGH: usize = 120;
/// What those speak of who speak of the configuration alone.
const FILE: &str = "gateway.yaml";

/// What is wrong with what was said: secrets, and places where nothing can have been looked for,
/// or nothing was hidden by those that had to hide something.
fn wrong_with(all: &[Sink], lookout: &Lookout, hiding: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Sink { name, said } in all {
        let text = String::from_utf8_lossy(said);
        if !text.contains(MARKER) && !text.contains(FILE) {
            wrong.push(format!("{name} says nothing: {text}"));
        }
        if hiding.contains(&name.as_str()) && !text.contains("***") {
            wrong.push(format!("{name} had none to hide"));
        }
        let leaks = lookout.find(said).into_iter();
        wrong.extend(leaks.map(|(canary, around)| format!("{name} has `{canary}`:\n{around}")));
    }
    let is_there = |name: &&&str| all.iter().any(|sink| sink.name == **name);
    let missing = hiding.iter().filter(|name| !is_there(name));
    wrong.extend(missing.map(|name| format!("there is no {name}")));
    wrong
}

/// Whether all secrets are found where they belong; returns the names of these.
fn wrong_with_upstreams(aviary: &Aviary, far: &Indiscreet, lookout: &Lookout) -> Vec<String> {
    let ledger = std::fs::read_to_string(aviary.gateway.path().join("ledger.txt")).unwrap();
    let reached = [ledger, far.told()].concat();
    let reached: Vec<&str> = lookout.find_all(reached.as_bytes());
    let got = |name: &String| reached.contains(&name.as_str());
    let usual = aviary.others.iter().filter(|canary| canary.name.starts_with("usual "));
    let all = aviary.variables.iter().chain(usual).map(|canary| &canary.name);
    let wrong = all.filter(|name| got(name) == aviary.stranded.contains(name));
    wrong.map(|name| format!("{name} got where it belongs: {}", got(name))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_anywhere() {
    let far = Indiscreet::start().await;
    let mut aviary = Aviary::new(&far);
    aviary.add_collector(&far);
    let token = aviary.token(&format!("{MARKER}-token")).await;
    let server = Server::start_by(aviary.command(&["serve"])).await;
    let (mut tail, told) = follow(&aviary, "tail.txt", &["tail", "--json"]);
    listed(&server, &token).await;
    let (mut own, mut relayed) = call_all(&aviary, &server, &token).await;
    own.push_str(&come_wrongly(&mut aviary, &server, &token).await);
    own.push_str(&call_with_secrets(&mut aviary, &server, &token).await);
    own.push_str(&call_against_rules(&mut aviary, &server, &token).await);
    let mut all = reload_wrongly(&mut aviary, &server).await;
    rotate(&mut aviary, &server, " reloaded").await;
    let (again, more) = call_all(&aviary, &server, &token).await;
    own.push_str(&again);
    relayed.push_str(&more);
    let last = format!("{MARKER}_absent__{TOOL}");
    wait_for_line(&told, &last).await;
    tail.kill().await.unwrap();
    aviary.keep_audit_key();
    all.extend(sinks(&aviary, &server, own, &told).await);
    let (status, _) = server.stop().await;
    assert!(status.success());
    all.push(Sink::new("spans", far.spans()));

    let canaries = aviary.canaries();
    assert!(canaries.len() >= ENOUGH, "{}", canaries.len());
    let lookout = Lookout::new(&canaries);
    let hiding = [
        "answers over HTTP",
        "conflux status --json",
        "conflux logs",
        "the log",
        "/status",
        "/readyz?verbose",
        "spans",
        "what was refused",
        "policy explain: a rule",
        "policy explain: Cedar",
        "policy explain --json: a rule",
        "policy explain --json: Cedar",
        "policy test",
    ];
    let mut wrong = wrong_with(&all, &lookout, &hiding);
    wrong.extend(wrong_with_upstreams(&aviary, &far, &lookout));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(!lookout.find(relayed.as_bytes()).is_empty(), "answers of upstreams are theirs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_in_what_machines_read() {
    let far = Indiscreet::start().await;
    let mut aviary = Aviary::new(&far);
    aviary.add_usual_collector(&far);
    let token = aviary.token(&format!("{MARKER}-token")).await;
    let server = Server::start_by(aviary.command(&["serve", "--log-format", "json"])).await;
    listed(&server, &token).await;
    call_all(&aviary, &server, &token).await;
    come_wrongly(&mut aviary, &server, &token).await;
    call_with_secrets(&mut aviary, &server, &token).await;
    call_against_rules(&mut aviary, &server, &token).await;
    rotate(&mut aviary, &server, r#""message":"reloaded""#).await;
    call_all(&aviary, &server, &token).await;
    let mut all = watch(&server).await;
    let (status, log) = server.stop().await;
    assert!(status.success());
    all.push(Sink::new("the log", log));
    all.push(Sink::new("spans", far.spans()));
    // A user in the address is refused without saying which.
    let user = aviary.written("usual user");
    aviary.describe("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{user}:{user}@host/"));
    let check = aviary.said("check of a user", &["check", "--log-format", "json"]).await;
    assert!(String::from_utf8_lossy(&check.said).contains("not the address of a collector"));
    all.push(check);

    let lookout = Lookout::new(&aviary.canaries());
    let mut wrong = wrong_with(&all, &lookout, &["the log", "spans", "/status"]);
    aviary.others.retain(|canary| canary.name != "usual user");
    wrong.extend(wrong_with_upstreams(&aviary, &far, &lookout));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn whoever_looks_for_secrets_finds_them_in_every_dress() {
    let canaries: Vec<Canary> = [Shape::Plain, Shape::Odd, Shape::Mild, Shape::Lines]
        .into_iter()
        .map(|shape| Canary::new(&format!("{shape:?}"), shape))
        .collect();
    let lookout = Lookout::new(&canaries);
    for canary in &canaries {
        let value = &canary.value;
        let encoded = |before: &str| STANDARD.encode(format!("{before}{value}"));
        let lines = |text: &str| {
            let (one, two) = text.split_at(WIDTH);
            format!("{one}\n{two}")
        };
        for said in [
            value.clone(),
            Value::from(value.as_str()).to_string(),
            format!("{value:?}"),
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            encoded(""),
            encoded("u"),
            encoded("u:"),
            lines(value),
            lines(&encoded("user:")),
            value[..WIDTH].to_owned(),
        ] {
            let found = lookout.find_all(format!("so {said} it is").as_bytes());
            assert_eq!(found, [canary.name.as_str()], "{said}");
        }
    }
    assert!(lookout.find(b"nothing of all this, but letters and digits 0123456789").is_empty());
}
