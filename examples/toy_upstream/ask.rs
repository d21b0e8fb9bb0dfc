//! Questions to the client: requests in mid-call, or `input_required` and a retry.

use std::hash::DefaultHasher;
use std::hash::Hash as _;
use std::hash::Hasher as _;

use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::calls::Call;
use crate::era::Era;
use crate::serve::Answer;
use crate::serve::Outcome;
use crate::wire::Refusal;
use crate::wire::quote;

/// The key of the question in `inputRequests`.
const KEY: &str = "the question";

/// One kind of question.
struct Question {
    method: &'static str,
    /// The capability it needs, as a path.
    needs: &'static [&'static str],
    /// JSON text, verbatim when the caller gave it.
    params: String,
}

/// Makes a result of the JSON of all answers.
pub(crate) type Shape<'a> = &'a (dyn Fn(&str) -> Outcome + Sync);

/// Asks `rounds` times, one after the other, and returns all answers.
pub(crate) async fn ask(call: &Call<'_>, rounds: usize, shape: Shape<'_>) -> Outcome {
    let Some(question) = question(call) else {
        return Outcome::Refused(Refusal::new(-32602, "unknown kind of question"));
    };
    match call.era {
        Era::Legacy => ask_in_session(call, &question, rounds, shape).await,
        Era::Modern => ask_by_retry(call, &question, rounds, shape),
    }
}

fn question(call: &Call<'_>) -> Option<Question> {
    let (method, needs, params): (_, &'static [&'static str], _) = match call.string("kind") {
        "sampling" => {
            let content = json!({"type": "text", "text": "Say hello."});
            let messages = json!([{"role": "user", "content": content}]);
            let params = json!({"messages": messages, "maxTokens": 10});
            ("sampling/createMessage", &["sampling"], params)
        }
        "elicit" => {
            let properties = json!({"name": {"type": "string"}});
            let schema = json!({"type": "object", "properties": properties, "required": ["name"]});
            let params = json!({"message": "Who are you?", "requestedSchema": schema});
            ("elicitation/create", &["elicitation"], params)
        }
        "elicit_url" => {
            let url = "https://example.com/sign-in";
            let params = match call.era {
                Era::Legacy => {
                    let id = "toy-elicitation";
                    json!({"mode": "url", "message": "Sign in.", "url": url, "elicitationId": id})
                }
                Era::Modern => json!({"mode": "url", "message": "Sign in.", "url": url}),
            };
            ("elicitation/create", &["elicitation", "url"], params)
        }
        "roots" => ("roots/list", &["roots"], json!({})),
        _ => return None,
    };
    let params = call.raw_argument("params").unwrap_or_else(|| params.to_string());
    Some(Question { method, needs, params })
}

/// Whether the client declared what the question needs, or the call says not to look.
fn may_ask(call: &Call<'_>, question: &Question) -> bool {
    if call.arguments.get("anyway") == Some(&json!(true)) {
        return true;
    }
    let mut declared = match call.era {
        Era::Legacy => call.toy.state().capabilities.clone(),
        Era::Modern => call.params.parts.meta.capabilities.clone().unwrap_or_default(),
    };
    for name in question.needs {
        match declared.get_mut(*name) {
            Some(inner) => declared = inner.take(),
            None => return false,
        }
    }
    true
}

async fn ask_in_session(
    call: &Call<'_>,
    question: &Question,
    rounds: usize,
    shape: Shape<'_>,
) -> Outcome {
    if !may_ask(call, question) {
        let text = format!("the client lacks {}", question.needs.join("."));
        let content = json!([{"type": "text", "text": text}]);
        return Outcome::Result(json!({"content": content, "isError": true}).to_string());
    }
    let mut answers = Vec::new();
    for _ in 0..rounds {
        let answer = ask_once(call, question).await;
        let params: Value = serde_json::from_str(&question.params).unwrap_or_default();
        if let Some(id) = params.get("elicitationId") {
            let params = json!({"elicitationId": id}).to_string();
            call.toy.out.notify("notifications/elicitation/complete", &params);
        }
        answers.push(answer);
    }
    told(&answers, shape)
}

async fn ask_once(call: &Call<'_>, question: &Question) -> Answer {
    let (sender, receiver) = oneshot::channel();
    let id = {
        let mut state = call.toy.state();
        state.last_question += 1;
        let id = format!(r#""toy-{}""#, state.last_question);
        state.asked.insert(id.clone(), sender);
        id
    };
    call.toy.out.request(&id, question.method, &question.params);
    receiver.await.unwrap_or_else(|_| Err("null".to_owned()))
}

/// Every round is a request of its own; what came before travels in `requestState`.
fn ask_by_retry(call: &Call<'_>, question: &Question, rounds: usize, shape: Shape<'_>) -> Outcome {
    if !may_ask(call, question) {
        let needs = question.needs.iter().rev();
        let required = needs.fold(json!({}), |inner, name| json!({ *name: inner }));
        let refusal = Refusal::new(-32021, "the client lacks a capability");
        return Outcome::Refused(refusal.with(json!({"requiredCapabilities": required})));
    }
    let parts = &call.params.parts;
    let Some(state) = &parts.request_state else {
        return match parts.input_responses {
            Some(_) => refused("`requestState` is missing"),
            None => required(call, question, &[]),
        };
    };
    let Some(mut answers) = open(call, state) else {
        return refused("`requestState` is not what this server sent for this request");
    };
    let Some(answer) = parts.input_responses.as_ref().and_then(|given| given.get(KEY)) else {
        return refused("`inputResponses` lacks the answer");
    };
    answers.push(answer.get().to_owned());
    if answers.len() < rounds {
        return required(call, question, &answers);
    }
    told(&answers.into_iter().map(Ok).collect::<Vec<_>>(), shape)
}

fn refused(message: &str) -> Outcome {
    Outcome::Refused(Refusal::new(-32602, message))
}

fn required(call: &Call<'_>, question: &Question, answers: &[String]) -> Outcome {
    let Question { method, params, .. } = question;
    let asked = format!(r#"{{"{KEY}":{{"method":"{method}","params":{params}}}}}"#);
    let state = quote(&seal(call, answers));
    Outcome::Verbatim(format!(
        r#"{{"resultType":"input_required","inputRequests":{asked},"requestState":{state}}}"#
    ))
}

/// Binds the answers so far to tool and arguments; quotes and spaces are there on purpose.
fn seal(call: &Call<'_>, answers: &[String]) -> String {
    let mut hasher = DefaultHasher::new();
    (call.name, call.text).hash(&mut hasher);
    format!("toy {:016x} \"{}\" [{}]", hasher.finish(), answers.len(), answers.join(","))
}

fn open(call: &Call<'_>, state: &str) -> Option<Vec<String>> {
    let (_, list) = state.split_once("\" ")?;
    let answers: Vec<Box<RawValue>> = serde_json::from_str(list).ok()?;
    let answers: Vec<String> = answers.iter().map(|answer| answer.get().to_owned()).collect();
    (seal(call, &answers) == state).then_some(answers)
}

/// Returns the answers to the caller as they came.
fn told(answers: &[Answer], shape: Shape<'_>) -> Outcome {
    let shown: Vec<String> = answers
        .iter()
        .map(|answer| match answer {
            Ok(result) => format!(r#"{{"result":{result}}}"#),
            Err(error) => format!(r#"{{"error":{error}}}"#),
        })
        .collect();
    shape(&format!(r#"{{"answers":[{}]}}"#, shown.join(",")))
}
