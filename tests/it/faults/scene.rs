//! A gateway with one upstream that goes wrong and one that does not, and a client in front.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::timeout;

use crate::faults::server::Era;
use crate::faults::table::Case;
use crate::faults::table::Outcome;
use crate::faults::table::TOO_MANY;
use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::programs::Program;
use crate::support::programs::example;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;
use crate::support::wire_client::Message;

const FAILURE: &str = "dev.conflux/error";
const POLL: Duration = Duration::from_millis(20);
/// The most that one message may have.
pub(super) const MESSAGE_LIMIT: &str = "64KiB";

/// A running gateway with the upstreams `faulty` and `healthy`.
pub(super) struct Scene {
    gateway: Gateway,
    pub(super) client: Client,
}

/// The program that goes wrong as it is told.
pub(super) fn faulty(era: Era) -> Program {
    example("faulty_upstream").args(&["--era", era.word()])
}

impl Case {
    /// The entry of the upstream. What is to pass passes soon; what need not pass has all the time
    /// a busy machine may want.
    pub(super) fn entry(&self, entry: Value) -> Value {
        match self.call {
            Outcome::Failed { kind: "start_timeout", .. } => {
                with(entry, "timeout", json!({"start": "1s"}))
            }
            Outcome::Failed { kind: "timeout" | "suspended", .. } => {
                with(entry, "timeout", json!({"call": "2s"}))
            }
            _ => entry,
        }
    }
}

impl Scene {
    /// Starts a gateway; its client speaks the other era than the upstream.
    pub(super) async fn begin(era: Era, upstream: Value) -> Self {
        let gateway = gateway(upstream);
        let client = match era {
            Era::Legacy => gateway.modern(json!({})),
            Era::Modern => gateway.legacy("2025-11-25", json!({})).await,
        };
        Self { gateway, client }
    }

    /// Starts a gateway; its client has a session, and hears whatever an upstream says.
    pub(super) async fn listening(upstream: Value) -> Self {
        let gateway = gateway(upstream);
        let client = gateway.legacy("2025-11-25", json!({})).await;
        Self { gateway, client }
    }

    /// Begins a call of the upstream that goes wrong.
    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> u64 {
        let params = json!({"name": format!("faulty__{tool}"), "arguments": arguments});
        self.client.start("tools/call", params).await
    }

    /// Has the upstream go wrong in a call whose progress is told.
    pub(super) async fn fault_with_progress(&mut self, how: &str, count: u64) -> u64 {
        let params = json!({
            "name": "faulty__fault",
            "arguments": {"how": how, "count": count},
            "_meta": {"progressToken": "t"},
        });
        self.client.start("tools/call", params).await
    }

    /// Has as many calls fail as make the upstream be left alone; returns another one.
    pub(super) async fn fail_often(&mut self, how: &str) -> u64 {
        let mut failing = Vec::new();
        for _ in 0..TOO_MANY {
            failing.push(self.call("fault", json!({"how": how})).await);
        }
        for id in failing {
            assert_eq!(self.answer(id).await.result()["isError"], true);
        }
        self.call("echo", json!({})).await
    }

    /// Waits for the answer to a call; the upstream that is well answers all the while.
    pub(super) async fn answer(&mut self, id: u64) -> Message {
        let answered = async {
            while !self.client.has_reply_to(id) {
                self.healthy().await;
                tokio::time::sleep(POLL).await;
            }
        };
        timeout(LIMIT, answered).await.expect("every call is answered");
        self.healthy().await;
        self.client.reply_to(id).await
    }

    /// Calls the upstream that is well.
    pub(super) async fn healthy(&mut self) {
        let reply = self.client.call("healthy__echo", json!({})).await;
        assert!(reply.structured()["instance"].is_u64(), "{}", reply.line);
    }

    /// Calls the upstream that goes wrong until it answers; returns what it says of itself.
    pub(super) async fn usable(&mut self) -> Value {
        let usable = async {
            loop {
                let id = self.call("echo", json!({})).await;
                let reply = self.answer(id).await.result();
                if reply["structuredContent"].is_object() {
                    return reply["structuredContent"].clone();
                }
                assert!(reply["_meta"][FAILURE]["kind"].is_string(), "{reply}");
                tokio::time::sleep(POLL).await;
            }
        };
        timeout(LIMIT, usable).await.expect("the upstream can be used again")
    }

    /// The names of all tools.
    pub(super) async fn tools(&mut self) -> Vec<String> {
        let listed = self.client.request("tools/list", json!({})).await.result();
        let tools = listed["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the upstream that went wrong has a tool that it did not have before. A client
    /// with a session is told.
    pub(super) async fn expect_listed(&mut self, tool: &str) {
        let tool = format!("faulty__{tool}");
        let listed = async {
            if !self.client.is_modern() {
                self.client.wait_for("notifications/tools/list_changed", 1).await;
            }
            while !self.tools().await.contains(&tool) {
                tokio::time::sleep(POLL).await;
            }
        };
        timeout(LIMIT, listed).await.expect("the new list is there");
        let reply = self.client.call(&tool, json!({})).await;
        assert!(reply.structured().is_object(), "{}", reply.line);
    }

    /// Ends the gateway, and checks that nobody got more than one answer.
    pub(super) async fn end(self) {
        let stderr = self.client.stderr();
        assert!(!stderr.contains("panicked"), "{stderr}");
        let (status, rest) = self.client.leave_with_rest().await;
        assert!(status.success(), "{status}");
        assert!(rest.is_empty(), "nobody waits for these: {rest:?}");
        drop(self.gateway);
    }
}

fn gateway(upstream: Value) -> Gateway {
    let mut gateway = Gateway::new(&[("faulty", upstream)]);
    gateway.add("healthy", faulty(Era::Legacy).entry());
    gateway.limit("message", json!(MESSAGE_LIMIT))
}

/// How much memory a process has had at most.
pub(super) struct Peak {
    process: u32,
    before: u64,
}

impl Peak {
    /// Begins to watch.
    pub(super) fn of(process: u32) -> Self {
        Self { process, before: peak(process) }
    }

    /// Checks that it has grown by no more than so many MiB.
    #[track_caller]
    pub(super) fn assert_within(&self, mib: u64) {
        let grown = peak(self.process) - self.before;
        assert!(grown <= mib * 1024, "from {} KiB by {grown} KiB", self.before);
    }
}

/// The most memory that a process has had, in KiB.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Checks what a call came to.
#[track_caller]
pub(super) fn assert_outcome(reply: &Message, expected: Outcome) {
    let result = reply.result();
    match expected {
        Outcome::Answered | Outcome::AnsweredLater => {
            assert!(result["structuredContent"].is_object(), "{result}");
        }
        Outcome::Failed { kind, executed, says } => {
            assert_eq!(result["isError"], true, "{result}");
            let failure = &result["_meta"][FAILURE];
            assert_eq!(failure["upstream"], "faulty", "{result}");
            assert_eq!(failure["kind"], kind, "{result}");
            assert_eq!(failure["executed"], executed, "{result}");
            // What a server asked for, and what Conflux decided, is said to callers.
            if kind == "suspended" || says.contains("429") {
                assert!(failure["retry_after_ms"].is_u64(), "{result}");
            }
            let text = reply.text();
            assert!(text.contains("faulty") && text.contains(says), "`{says}` is not in {text}");
        }
    }
}
