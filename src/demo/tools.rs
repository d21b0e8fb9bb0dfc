//! The four tools.

use std::time::Duration;

use serde_json::json;

use crate::demo::content;
use crate::demo::reply;
use crate::demo::reply::Client;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::era::Era;
use crate::wire::frame;
use crate::wire::method;
use crate::wire::object;

/// The highest number to count down from.
const HIGHEST: u64 = 60;
/// The key of the one question.
const ANSWER: &str = "answer";

/// What comes of a call.
#[derive(Debug)]
pub(in crate::demo) enum Outcome {
    /// A result, before it is shaped.
    Result(Raw),
    /// A modern result that wants to be asked again.
    InputRequired(Raw),
    /// A result that takes time.
    Later(Work),
}

/// What takes time.
#[derive(Debug)]
pub(in crate::demo) enum Work {
    /// Count down from a number with a pause before each step.
    Countdown(u64, Duration),
    /// Ask the client of a legacy session: the parameters of the question.
    Ask(Raw),
}

/// Returns the result of `tools/list`.
pub(in crate::demo) fn definitions() -> Raw {
    let read_only = json!({ "readOnlyHint": true, "openWorldHint": false });
    let number = |text: &str| json!({ "type": "number", "description": text });
    Raw::of(&json!({ "tools": [
        {
            "name": "echo",
            "description": "Returns its arguments exactly as they came",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "message": { "type": "string", "description": "What to return as text" },
                },
            },
            "outputSchema": { "type": "object" },
            "annotations": read_only,
        },
        {
            "name": "add",
            "description": "Adds two numbers",
            "inputSchema": {
                "type": "object",
                "properties": { "a": number("One number"), "b": number("The other number") },
                "required": ["a", "b"],
            },
            "outputSchema": {
                "type": "object",
                "properties": { "sum": { "type": "number" } },
                "required": ["sum"],
            },
            "annotations": read_only,
        },
        {
            "name": "countdown",
            "description": "Counts down to zero and tells how far it is",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "from": {
                        "type": "integer", "minimum": 1, "maximum": HIGHEST, "default": 3,
                        "description": "Where to begin",
                    },
                    "pause_ms": {
                        "type": "integer", "minimum": 0, "maximum": 1000, "default": 100,
                        "description": "How long one step takes, in milliseconds",
                    },
                },
            },
            "annotations": read_only,
        },
        {
            "name": "ask",
            "description": "Asks the person in front of the client and returns the answer",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "question": { "type": "string", "description": "What to ask" },
                },
                "required": ["question"],
            },
            "annotations": read_only,
        },
    ] }))
}

/// Begins a call; what takes no time is done.
pub(in crate::demo) fn call(client: &Client, params: Option<&Raw>) -> Result<Outcome, Raw> {
    let name = content::text(params, "name")?;
    let arguments = params.and_then(|params| params.member("arguments"));
    let arguments = arguments.unwrap_or_else(reply::nothing);
    match name.as_str() {
        "echo" => Ok(Outcome::Result(echo(&arguments))),
        "add" => Ok(Outcome::Result(add(&arguments))),
        "countdown" => Ok(countdown(&arguments)),
        "ask" => ask(client, params, &arguments),
        other => Err(content::invalid(&format!("unknown tool `{other}`"))),
    }
}

/// Returns what the answer to a question comes to.
pub(in crate::demo) fn answered(answer: &Raw) -> Raw {
    let action = answer.member("action").and_then(|action| action.string()).unwrap_or_default();
    if action != "accept" {
        return said(&format!("No answer: the question was met with `{action}`."));
    }
    let content = answer.member("content");
    let text = content.and_then(|content| content.member(ANSWER)?.string());
    said(&format!("The answer is: {}", text.unwrap_or_default()))
}

/// Returns the result of a tool that went wrong.
pub(in crate::demo) fn failed(text: &str) -> Raw {
    Raw::of(&json!({ "content": [{ "type": "text", "text": text }], "isError": true }))
}

/// Returns a result that is one text.
pub(in crate::demo) fn said(text: &str) -> Raw {
    Raw::of(&json!({ "content": [{ "type": "text", "text": text }] }))
}

fn echo(arguments: &Raw) -> Raw {
    let message = arguments.member("message").and_then(|message| message.string());
    let text = message.unwrap_or_else(|| arguments.get().to_owned());
    structured(&text, arguments)
}

fn structured(text: &str, value: &Raw) -> Raw {
    let content = Raw::of(&json!([{ "type": "text", "text": text }]));
    object::build([("content", content.get()), ("structuredContent", value.get())])
}

fn add(arguments: &Raw) -> Raw {
    let (a, b) = match (number(arguments, "a"), number(arguments, "b")) {
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => {
            let wrong: Vec<_> = [a.err(), b.err()].into_iter().flatten().collect();
            return failed(&wrong.join(", and "));
        }
    };
    let exact = a.parse::<i128>().ok().zip(b.parse::<i128>().ok());
    let exact = exact.and_then(|(a, b)| a.checked_add(b)).map(|sum| sum.to_string());
    let about = || a.parse::<f64>().ok().zip(b.parse::<f64>().ok()).map(|(a, b)| a + b);
    let sum = exact.or_else(|| about().filter(|sum| sum.is_finite()).map(|sum| sum.to_string()));
    let Some(sum) = sum else { return failed("the sum is too large") };
    structured(&sum, &object::build([("sum", sum.as_str())]))
}

/// Returns the text of a number among the arguments, or what is wrong with it.
fn number(arguments: &Raw, key: &str) -> Result<String, String> {
    let value = arguments.member(key).ok_or_else(|| format!("`{key}` is missing"))?;
    let is_number = value.read::<f64>().is_ok();
    is_number.then(|| value.get().to_owned()).ok_or_else(|| format!("`{key}` must be a number"))
}

fn countdown(arguments: &Raw) -> Outcome {
    let number = |key, default| match arguments.member(key) {
        None => Some(default),
        Some(value) => value.read::<u64>().ok(),
    };
    let (from, pause) = (number("from", 3), number("pause_ms", 100));
    match (from, pause) {
        (Some(from @ 1..=HIGHEST), Some(pause @ 0..=1000)) => {
            Outcome::Later(Work::Countdown(from, Duration::from_millis(pause)))
        }
        _ => Outcome::Result(failed(&format!(
            "`from` must be an integer from 1 to {HIGHEST}, and `pause_ms` one from 0 to 1000"
        ))),
    }
}

fn ask(client: &Client, params: Option<&Raw>, arguments: &Raw) -> Result<Outcome, Raw> {
    let question = content::text(Some(arguments), "question")?;
    if !client.shows_forms() {
        return match client.era {
            Era::Legacy => Ok(Outcome::Result(failed("this client cannot ask anybody"))),
            Era::Modern => {
                let needed = json!({ "requiredCapabilities": { "elicitation": { "form": {} } } });
                let message = "`ask` needs a client that can ask somebody";
                let code = code::MISSING_CLIENT_CAPABILITY;
                Err(frame::error(code, message, Some(&Raw::of(&needed))))
            }
        };
    }
    let form = json!({
        "message": question,
        "requestedSchema": {
            "type": "object",
            "properties": { ANSWER: { "type": "string", "description": "The answer" } },
            "required": [ANSWER],
        },
    });
    if client.era == Era::Legacy {
        return Ok(Outcome::Later(Work::Ask(Raw::of(&form))));
    }
    let given = params.and_then(|params| params.member("inputResponses")?.member(ANSWER));
    Ok(match given {
        Some(answer) => Outcome::Result(answered(&answer)),
        None => Outcome::InputRequired(Raw::of(&json!({
            "resultType": "input_required",
            "inputRequests": { ANSWER: { "method": method::ELICIT, "params": form } },
        }))),
    })
}
