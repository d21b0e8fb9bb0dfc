//! What the tools of the toy do.

use std::collections::BTreeMap;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::ask;
use crate::die;
use crate::era::Era;
use crate::extras;
use crate::ledger;
use crate::say;
use crate::serve::Outcome;
use crate::serve::Toy;
use crate::subscriptions;
use crate::tools;
use crate::wire::Params;
use crate::wire::Refusal;
use crate::wire::STREAM;
use crate::wire::quote;

/// The severities of log messages, least first.
const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// One call on its way.
pub(crate) struct Call<'a> {
    pub(crate) toy: &'a Toy,
    pub(crate) era: Era,
    pub(crate) name: &'a str,
    pub(crate) params: &'a Params,
    /// The text of the arguments.
    pub(crate) text: &'a str,
    pub(crate) arguments: Value,
}

impl Call<'_> {
    pub(crate) fn number(&self, name: &str, default: u64) -> u64 {
        self.arguments.get(name).and_then(Value::as_u64).unwrap_or(default)
    }

    /// Returns the text of one argument, byte for byte.
    pub(crate) fn raw_argument(&self, name: &str) -> Option<String> {
        let raw: BTreeMap<String, Box<RawValue>> = serde_json::from_str(self.text).ok()?;
        raw.get(name).map(|value| value.get().to_owned())
    }

    pub(crate) fn string(&self, name: &str) -> &str {
        self.arguments.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Runs one `tools/call`.
pub(crate) async fn call(
    toy: &Toy,
    id: &str,
    era: Era,
    params: &Params,
    token: &CancellationToken,
) -> Outcome {
    let name = params.parts.name.as_deref().unwrap_or_default();
    let text = params.parts.arguments.as_ref().map_or("{}", |raw| raw.get());
    let arguments = serde_json::from_str(text).unwrap_or_default();
    *toy.state().calls.entry(name.to_owned()).or_default() += 1;
    if toy.flags.die_on_call {
        toy.out.bytes(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"con"#).as_bytes());
        say("toy: dying in the middle of a call");
        die(3);
    }
    let call = Call { toy, era, name, params, text, arguments };
    tokio::select! {
        outcome = run(&call) => outcome,
        () = token.cancelled() => {
            toy.state().cancelled.push(id.to_owned());
            Outcome::Silent
        }
    }
}

async fn run(call: &Call<'_>) -> Outcome {
    match call.name {
        "slow" => {
            tokio::time::sleep(Duration::from_millis(call.number("ms", 0))).await;
            say_text("slept")
        }
        "progress" => progress(call).await,
        "ask" => ask::ask(call, 1, &structured).await,
        "ask_twice" => ask::ask(call, 2, &structured).await,
        "log" => log(call),
        "huge" => {
            let bytes = usize::try_from(call.number("bytes", 0)).unwrap_or(0);
            say_text(&"x".repeat(bytes))
        }
        "change_tools" => change_tools(call),
        "refuse" => refuse(call),
        "visit" if call.toy.flags.asking => extras::visit(call),
        "die" => {
            say("toy: dying as told");
            die(3)
        }
        "stderr" => {
            say(call.string("text"));
            say_text("said")
        }
        "cut" => cut(call).await,
        ledger::NAME => ledger::write(call).await,
        "raw" => match &call.toy.files.reply {
            Some(reply) => Outcome::Verbatim(reply.clone()),
            None => Outcome::Refused(Refusal::new(-32602, "`--reply-file` was not given")),
        },
        _ => plain(call),
    }
}

/// The tools that only look.
fn plain(call: &Call<'_>) -> Outcome {
    let toy = call.toy;
    match call.name {
        "cancelled" => {
            let ids = toy.state().cancelled.join(",");
            let count = toy.state().cancelled.len();
            structured(&format!(r#"{{"cancelled":{count},"ids":[{ids}]}}"#))
        }
        "count" => structured(&json!({"calls": toy.state().calls}).to_string()),
        "touch" => {
            let told = subscriptions::touched(toy, call.string("uri"));
            structured(&json!({"told": told}).to_string())
        }
        "end_listens" => structured(&json!({"ended": subscriptions::end_listens(toy)}).to_string()),
        "link" => link(call),
        "fail" => {
            let content = json!([{"type": "text", "text": call.string("text")}]);
            Outcome::Result(json!({"content": content, "isError": true}).to_string())
        }
        "process" => process_facts(),
        "web" => match &call.toy.web {
            Some(web) => structured(&web.facts(STREAM.try_with(Arc::clone).ok().as_deref())),
            None => Outcome::Refused(Refusal::new(-32602, "this is no server over HTTP")),
        },
        "forget_sessions" => {
            if let Some(web) = &call.toy.web {
                web.forget_sessions();
            }
            say_text("forgotten")
        }
        "received" => {
            let initialize = toy.state().initialize.clone().unwrap_or_else(|| "null".to_owned());
            let params = &call.params.text;
            let notified = toy.state().notified.join(",");
            let first = format!(r#""params":{params},"initialize":{initialize}"#);
            structured(&format!(r#"{{{first},"notified":[{notified}]}}"#))
        }
        name if name == "echo" || tools::is_listed(toy, name) => structured(call.text),
        name => Outcome::Refused(Refusal::new(-32602, format!("unknown tool `{name}`"))),
    }
}

fn say_text(text: &str) -> Outcome {
    let text = quote(text);
    Outcome::Result(format!(r#"{{"content":[{{"type":"text","text":{text}}}]}}"#))
}

/// A result with the bytes of `json` as text and as `structuredContent`.
pub(crate) fn structured(json: &str) -> Outcome {
    let text = quote(json);
    let content = format!(r#""content":[{{"type":"text","text":{text}}}]"#);
    Outcome::Result(format!(r#"{{{content},"structuredContent":{json}}}"#))
}

async fn progress(call: &Call<'_>) -> Outcome {
    let steps = call.number("steps", 3);
    // Clients lose progress that arrives in one piece with the result; `gap` 0 provokes that.
    let gap = Duration::from_millis(call.number("gap", 20));
    for step in 1..=steps {
        if let Some(token) = &call.params.parts.meta.progress_token {
            let done = format!(r#""progress":{step},"total":{steps},"message":"step {step}""#);
            let params = format!(r#"{{"progressToken":{token},{done}}}"#);
            call.toy.out.notify("notifications/progress", &params);
        }
        tokio::time::sleep(gap).await;
    }
    structured(&json!({"steps": steps}).to_string())
}

fn log(call: &Call<'_>) -> Outcome {
    let level = if call.string("level").is_empty() { "info" } else { call.string("level") };
    let severity = |level: &str| LEVELS.iter().position(|known| *known == level);
    let wanted = match call.era {
        Era::Modern => call.params.parts.meta.log_level.clone(),
        Era::Legacy => call.toy.state().log_level.clone().or_else(|| Some("debug".to_owned())),
    };
    let heard = wanted.is_some_and(|wanted| severity(level) >= severity(&wanted));
    let count = if heard { call.number("count", 1) } else { 0 };
    for line in 1..=count {
        let params = json!({"level": level, "logger": "toy", "data": {"line": line}});
        call.toy.out.notify("notifications/message", &params.to_string());
    }
    structured(&json!({"sent": count}).to_string())
}

/// Ends the stream of the call before its answer, which comes for those who ask for the rest.
async fn cut(call: &Call<'_>) -> Outcome {
    for time in 1..=call.number("times", 1) {
        call.toy
            .out
            .notify("notifications/message", &json!({"level": "info", "data": time}).to_string());
        if let Ok(stream) = STREAM.try_with(Arc::clone) {
            stream.cut().await;
        }
    }
    say_text("whole again")
}

fn change_tools(call: &Call<'_>) -> Outcome {
    let times = call.number("times", 1);
    for _ in 0..times {
        call.toy.state().added += 1;
        subscriptions::list_changed(call.toy, call.era == Era::Legacy, "tools");
    }
    structured(&json!({"added": call.toy.state().added}).to_string())
}

fn refuse(call: &Call<'_>) -> Outcome {
    let code = call.arguments.get("code").and_then(Value::as_i64).unwrap_or(-32000);
    let code = i32::try_from(code).unwrap_or(-32000);
    let refusal = Refusal::new(code, call.string("message"));
    Outcome::Refused(Refusal { data: call.arguments.get("data").cloned(), ..refusal })
}

fn link(call: &Call<'_>) -> Outcome {
    let scheme = &call.toy.flags.scheme;
    let name = if call.string("name").is_empty() { "1" } else { call.string("name") };
    let uri = format!("{scheme}://linked/{name}");
    let embedded = json!({"uri": uri, "mimeType": "text/plain", "text": format!("linked {name}")});
    let content = json!([
        {"type": "resource_link", "uri": uri, "name": name},
        {"type": "resource", "resource": embedded},
    ]);
    Outcome::Result(json!({"content": content}).to_string())
}

fn process_facts() -> Outcome {
    #[expect(clippy::disallowed_methods, reason = "tests ask what reached the child")]
    let environment: serde_json::Map<String, Value> =
        std::env::vars().map(|(name, value)| (name, json!(value))).collect();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let directory = std::env::current_dir().unwrap_or_default();
    let facts = json!({
        "pid": process::id(),
        "args": arguments,
        "directory": directory,
        "environment": environment,
    });
    structured(&facts.to_string())
}
