//! Everything the toy answers without doing anything: lists, resources, prompts, completions.

use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;

use crate::era::Era;
use crate::extras;
use crate::flags::Flags;
use crate::serve::Outcome;
use crate::serve::Toy;
use crate::tools;
use crate::wire::Params;
use crate::wire::Refusal;

/// What flags made the toy read.
#[derive(Clone)]
pub(crate) struct Files {
    /// The definitions to list instead of the own tools.
    pub(crate) tools: Option<Vec<String>>,
    /// The result of the tool `raw`.
    pub(crate) reply: Option<String>,
}

impl Files {
    /// Reads the files; a line break inside a value would break the framing and is refused.
    pub(crate) fn read(flags: &Flags) -> Result<Self, String> {
        let tools = flags.tools_file.as_deref().map(read_tools).transpose()?;
        let reply = flags.reply_file.as_deref().map(read_line).transpose()?;
        Ok(Self { tools, reply })
    }
}

fn read_tools(path: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let items: Vec<Box<RawValue>> =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let items: Vec<String> = items.iter().map(|item| item.get().to_owned()).collect();
    if items.iter().any(|item| item.contains('\n')) {
        return Err(format!("{}: each item must be on one line", path.display()));
    }
    Ok(items)
}

fn read_line(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let line = text.trim();
    if line.contains('\n') {
        return Err(format!("{}: the reply must be on one line", path.display()));
    }
    Ok(line.to_owned())
}

/// Answers a request that only reads.
pub(crate) fn answer(toy: &Toy, era: Era, method: &str, params: &Params) -> Outcome {
    let cursor = params.parts.cursor.as_deref();
    match method {
        "tools/list" => page(toy, "tools", &tools::definitions(toy), cursor),
        "resources/list" => page(toy, "resources", &resources(toy), cursor),
        "resources/templates/list" => page(toy, "resourceTemplates", &templates(toy), cursor),
        "prompts/list" => page(toy, "prompts", &prompts(toy), cursor),
        "resources/read" => read(toy, era, params),
        "prompts/get" => prompt(params),
        "completion/complete" => complete(params),
        _ => Outcome::Refused(Refusal::new(-32601, "Method not found")),
    }
}

/// Cuts one page; a cursor is the index of the first item.
pub(crate) fn page(toy: &Toy, key: &str, items: &[String], cursor: Option<&str>) -> Outcome {
    let start = match cursor {
        None => 0,
        Some(_) if toy.flags.endless_cursor => 0,
        Some(cursor) => match cursor.parse::<usize>() {
            Ok(start) if start < items.len() => start,
            _ => return Outcome::Refused(Refusal::new(-32602, "unknown cursor")),
        },
    };
    let size = toy.flags.page_size.unwrap_or(usize::MAX).max(1);
    let shown: Vec<&str> = items.iter().skip(start).take(size).map(String::as_str).collect();
    let end = start + shown.len();
    let next = if toy.flags.endless_cursor {
        r#","nextCursor":"again""#.to_owned()
    } else if end < items.len() {
        format!(r#","nextCursor":"{end}""#)
    } else {
        String::new()
    };
    Outcome::Cacheable(format!(r#"{{"{key}":[{}]{next}}}"#, shown.join(",")))
}

fn resources(toy: &Toy) -> Vec<String> {
    let scheme = &toy.flags.scheme;
    let resource = |number: u32| {
        format!(
            r#"{{"uri":"{scheme}://static/{number}","name":"static {number}","mimeType":"text/plain","size":8,"x-kept":1.0}}"#
        )
    };
    (1..=3).map(resource).collect()
}

fn templates(toy: &Toy) -> Vec<String> {
    let template = format!("{}://item/{{id}}", toy.flags.scheme);
    let item = json!({"uriTemplate": template, "name": "item", "mimeType": "text/plain"});
    let asking = toy.flags.asking.then(|| extras::template(toy));
    std::iter::once(item.to_string()).chain(asking).collect()
}

fn prompts(toy: &Toy) -> Vec<String> {
    let argument = json!({"name": "name", "description": "whom to greet", "required": true});
    let greet = json!({"name": "greet", "description": "Greets.", "arguments": [argument]});
    let asking = toy.flags.asking.then(extras::prompt);
    std::iter::once(greet.to_string()).chain(asking).collect()
}

/// `static/N` is listed, `item/ID` is templated, `linked/N` appears only in results.
fn read(toy: &Toy, era: Era, params: &Params) -> Outcome {
    let uri = params.parts.uri.as_deref().unwrap_or_default();
    let rest = uri.strip_prefix(&format!("{}://", toy.flags.scheme)).unwrap_or_default();
    let (kind, name) = rest.split_once('/').unwrap_or_default();
    let known = match kind {
        "static" => matches!(name, "1" | "2" | "3"),
        "item" | "linked" => !name.is_empty(),
        _ => false,
    };
    if !known {
        let code = if era == Era::Modern { -32602 } else { -32002 };
        let refusal = Refusal::new(code, "Resource not found").with(json!({"uri": uri}));
        return Outcome::Refused(refusal);
    }
    let text = format!("{kind} {name}");
    let contents = json!([{"uri": uri, "mimeType": "text/plain", "text": text}]);
    Outcome::Cacheable(json!({"contents": contents}).to_string())
}

fn prompt(params: &Params) -> Outcome {
    let arguments: Value = params
        .parts
        .arguments
        .as_ref()
        .map_or(Value::Null, |raw| serde_json::from_str(raw.get()).unwrap_or_default());
    let name = arguments.get("name").and_then(Value::as_str);
    match (params.parts.name.as_deref(), name) {
        (Some("greet"), Some(name)) => {
            let content = json!({"type": "text", "text": format!("Hello, {name}!")});
            let messages = json!([{"role": "user", "content": content}]);
            Outcome::Result(json!({"description": "Greets.", "messages": messages}).to_string())
        }
        (Some("greet"), None) => Outcome::Refused(Refusal::new(-32602, "`name` is missing")),
        _ => Outcome::Refused(Refusal::new(-32602, "unknown prompt")),
    }
}

fn complete(params: &Params) -> Outcome {
    let reference = params.parts.reference.clone().unwrap_or_default();
    let argument = params.parts.argument.clone().unwrap_or_default();
    let begun = argument.get("value").and_then(Value::as_str).unwrap_or_default();
    let known: &[&str] = match reference.get("type").and_then(Value::as_str) {
        Some("ref/prompt") if reference.get("name") == Some(&json!("greet")) => {
            &["Ada", "Alan", "Grace"]
        }
        Some("ref/resource") => &["1", "2", "3"],
        _ => return Outcome::Refused(Refusal::new(-32602, "unknown reference")),
    };
    let values: Vec<&&str> = known.iter().filter(|value| value.starts_with(begun)).collect();
    let completion = json!({"values": values, "total": values.len(), "hasMore": false});
    Outcome::Result(json!({"completion": completion}).to_string())
}
