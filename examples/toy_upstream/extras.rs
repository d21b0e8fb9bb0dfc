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
use crate::tasks;
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

/// The extensions it declares, as a member of its capabilities.
pub(crate) fn extensions(toy: &Toy, era: Era) -> String {
    let mut all = serde_json::Map::new();
    if toy.flags.tasks && era == Era::Modern {
        all.insert(tasks::EXTENSION.to_owned(), json!({}));
    }
    if toy.flags.skills {
        all.insert("io.modelcontextprotocol/skills".to_owned(), json!({"directoryRead": true}));
    }
    for id in &toy.flags.extension {
        all.insert(id.clone(), json!({"of": "toy"}));
    }
    if all.is_empty() { String::new() } else { format!(r#","extensions":{}"#, Value::Object(all)) }
}

/// Answers what belongs to an extension; nothing if this does not.
pub(crate) fn extended(toy: &Toy, method: &str, params: &Params) -> Option<Outcome> {
    let name = |id: &String| id.rsplit('/').next().unwrap_or_default().to_owned();
    if let Some(name) = toy.flags.extension.iter().map(name).find(|name| begins(method, name)) {
        let told = format!("notifications/{name}/asked");
        toy.out.notify(&told, &params.text);
        return Some(Outcome::Result(format!(r#"{{"method":{},"n":1.0}}"#, quote(method))));
    }
    if !toy.flags.skills {
        return None;
    }
    let uri = params.parts.uri.clone().unwrap_or_default();
    let skill = uri.strip_suffix("/SKILL.md").and_then(|root| root.strip_prefix("skill://"));
    match method {
        "skills/list" => {
            let skills = [self::skill("pdf"), self::skill(&toy.flags.scheme)];
            Some(Outcome::Cacheable(json!({"skills": skills}).to_string()))
        }
        "skills/get" => Some(match skill {
            Some(name) => Outcome::Cacheable(json!({"skill": self::skill(name)}).to_string()),
            None => Outcome::Refused(Refusal::new(-32602, "no such skill")),
        }),
        "resources/directory/read" => {
            let file = format!("{}/help.md", uri.trim_end_matches('/'));
            let file = json!({"uri": file, "name": "help.md"});
            Some(Outcome::Cacheable(json!({"resources": [file]}).to_string()))
        }
        "resources/read" if uri.starts_with("skill://") => {
            let text = format!("{} of {}", uri, toy.flags.scheme);
            let contents = json!([{"uri": uri, "text": text}]);
            Some(Outcome::Cacheable(json!({"contents": contents}).to_string()))
        }
        _ => None,
    }
}

fn begins(method: &str, name: &str) -> bool {
    method.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))
}

fn skill(name: &str) -> Value {
    let uri = format!("skill://{name}/SKILL.md");
    let help = json!({"uri": format!("skill://{name}/help.md"), "size": 1});
    let files = json!([{"uri": uri, "size": 1}, help]);
    json!({"uri": uri, "frontmatter": {"name": name, "description": "d"}, "resources": files})
}
