//! What the toy offers beside its usual things, when a flag says so: prompts and resources that
//! ask, and a tool that wants an address visited first.

use serde_json::Value;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::ask;
use crate::calls::Call;
use crate::calls::structured;
use crate::era::Era;
use crate::serve::Outcome;
use crate::serve::Toy;
use crate::wire::Params;
use crate::wire::Refusal;
use crate::wire::quote;

/// The definition of the prompt that asks.
pub(crate) fn prompt() -> String {
    json!({"name": "ask", "arguments": [{"name": "kind", "required": true}]}).to_string()
}

/// The definition of the resources that ask.
pub(crate) fn template(toy: &Toy) -> String {
    let template = format!("{}://ask/{{kind}}", toy.flags.scheme);
    json!({"uriTemplate": template, "name": "ask"}).to_string()
}

/// Answers `prompts/get` and `resources/read` of what asks; nothing if this is neither.
pub(crate) async fn answer(
    toy: &Toy,
    era: Era,
    method: &str,
    params: &Params,
    token: &CancellationToken,
) -> Option<Outcome> {
    if !toy.flags.asking {
        return None;
    }
    let uri = params.parts.uri.clone().unwrap_or_default();
    let start = format!("{}://ask/", toy.flags.scheme);
    let name = params.parts.name.as_deref().unwrap_or_default();
    let kind = match (method, name, uri.strip_prefix(&start)) {
        ("prompts/get", "ask", _) => {
            let arguments = params.parts.arguments.as_ref()?;
            let arguments: Value = serde_json::from_str(arguments.get()).unwrap_or_default();
            arguments.get("kind")?.as_str()?.to_owned()
        }
        ("resources/read", _, Some(kind)) => kind.to_owned(),
        _ => return None,
    };
    let arguments = json!({"kind": kind});
    let text = arguments.to_string();
    let call = Call { toy, era, name: method, params, text: &text, arguments };
    let shape = |answers: &str| {
        let text = quote(answers);
        Outcome::Cacheable(if method == "prompts/get" {
            let content = format!(r#"{{"type":"text","text":{text}}}"#);
            format!(r#"{{"messages":[{{"role":"user","content":{content}}}]}}"#)
        } else {
            format!(r#"{{"contents":[{{"uri":{},"text":{text}}}]}}"#, quote(&uri))
        })
    };
    Some(tokio::select! {
        outcome = ask::ask(&call, 1, &shape) => outcome,
        () = token.cancelled() => Outcome::Silent,
    })
}

/// Wants an address visited first, so many `times`; then tells how often it was called.
pub(crate) fn visit(call: &Call<'_>) -> Outcome {
    let times = call.arguments.get("times").and_then(Value::as_u64).unwrap_or(1);
    let number = {
        let mut state = call.toy.state();
        state.visits += 1;
        state.visits
    };
    let id = format!("visit-{number}");
    let url = format!("https://example.com/{id}");
    let visit = json!({"mode": "url", "message": "Sign in.", "url": url, "elicitationId": id});
    match call.era {
        Era::Legacy if number <= times => {
            let refusal = Refusal::new(-32042, "somebody must sign in first");
            Outcome::Refused(refusal.with(json!({"elicitations": [visit]})))
        }
        Era::Modern if number <= times => {
            let params = json!({"mode": "url", "message": "Sign in.", "url": url});
            let question = json!({"method": "elicitation/create", "params": params});
            let asked = json!({"resultType": "input_required", "inputRequests": {"it": question}});
            Outcome::Verbatim(asked.to_string())
        }
        era => {
            if era == Era::Legacy {
                let over = json!({"elicitationId": format!("visit-{}", number - 1)});
                call.toy.out.notify("notifications/elicitation/complete", &over.to_string());
            }
            structured(&json!({"calls": number}).to_string())
        }
    }
}
