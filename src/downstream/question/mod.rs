//! Fits a question to its client: names who asks, says it in the words of the client's revision,
//! and refuses at once what those words cannot say.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::exchange::ask::Ask;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Kind;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Capabilities;
use crate::ids::UpstreamId;
use crate::wire::Raw;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::object::Object;

#[cfg(test)]
mod tests;

/// Fits every question of `ask`; if one cannot be asked, all are refused, and nothing is left.
pub(super) fn fit(mut ask: Ask, client: &Capabilities) -> Option<Ask> {
    let mut fitted = Vec::with_capacity(ask.requests.len());
    for (key, request) in std::mem::take(&mut ask.requests) {
        match fit_one(&ask.from, request, client) {
            Ok(request) => fitted.push((key, request)),
            Err(refusal) => {
                ask.answer(Err(refusal));
                return None;
            }
        }
    }
    ask.requests = fitted;
    Some(ask)
}

fn fit_one(
    from: &UpstreamId,
    request: InputRequest,
    client: &Capabilities,
) -> Result<InputRequest, Refusal> {
    let fitted = match (request.kind(), request.params()) {
        (_, None) | (Kind::Roots, Some(_)) => None,
        (Kind::ElicitForm, Some(params)) => form(params, client.revision())?,
        (Kind::ElicitUrl, Some(params)) => visit(params, client.revision().era())?,
        (Kind::Sampling | Kind::SamplingWithTools, Some(params)) => sampling(params, client)?,
    };
    let request = match fitted {
        Some(params) => request.with_params(Some(params)),
        None => request,
    };
    let params = request.presented(from);
    Ok(request.with_params(params))
}

/// Says a form in the words of an older revision; nothing if it can stay as it is.
///
/// 2025-11-25 brought choices with titles and of several values. The former can be said in two
/// lists side by side, as 2025-06-18 does; the latter cannot be said at all.
fn form(params: &Raw, revision: Revision) -> Result<Option<Raw>, Refusal> {
    if revision >= Revision::V2025_11_25 {
        return Ok(None);
    }
    let schema = part(params.get(), "requestedSchema");
    let Some(properties) = schema.and_then(|schema| part(schema, "properties")) else {
        return Ok(None);
    };
    let Ok(properties) = Object::parse(properties) else { return Ok(None) };
    let mut changes = Vec::new();
    for (_, text) in properties.iter() {
        let Ok(property) = Object::parse(text) else { continue };
        if property.get("type") == Some("\"array\"") {
            return Err(Refusal::Unfit("its revision has no field for several values"));
        }
        let Some((values, titles)) = property.get("oneOf").and_then(choices) else { continue };
        let edit = property.edit().remove("oneOf");
        let edit = edit.set("enum", Raw::of(&values).get().to_owned());
        changes.push((text, edit.set("enumNames", Raw::of(&titles).get().to_owned()).apply()));
    }
    Ok((!changes.is_empty()).then(|| params.with_parts(changes)))
}

fn part<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    Object::parse(text).ok()?.get(key)
}

/// Reads choices with titles as two lists; nothing if they are none.
fn choices(text: &str) -> Option<(Vec<String>, Vec<String>)> {
    let all: Vec<Value> = serde_json::from_str(text).ok()?;
    let choice = |one: &Value| {
        let value = one.get("const")?.as_str()?;
        let title = one.get("title").and_then(Value::as_str).unwrap_or(value);
        Some((value.to_owned(), title.to_owned()))
    };
    all.iter().map(choice).collect()
}

/// Gives an elicitation by URL the id that 2025-11-25 wants, or takes it out where there is none.
///
/// An id made here is never reported complete: upstreams that give none do not report that.
fn visit(params: &Raw, era: Era) -> Result<Option<Raw>, Refusal> {
    let Ok(object) = params.object() else { return Ok(None) };
    let has_id = object.get("elicitationId").is_some_and(|id| id.starts_with('"'));
    match (era, has_id) {
        (Era::Modern, _) => Ok(Some(object.edit().remove("elicitationId").apply())),
        (Era::Legacy, true) => Ok(None),
        (Era::Legacy, false) => {
            let number = getrandom::u64();
            let number = number.map_err(|_| Refusal::Unfit("no id can be made for it"))?;
            let id = Raw::of(&format!("conflux-{number:016x}"));
            Ok(Some(object.edit().set("elicitationId", id.get()).apply()))
        }
    }
}

/// Fits a request for a message of the client's model; nothing if it can stay as it is.
///
/// "This server" is all of Conflux to the client, so what else it knows is given to an upstream
/// only if the client says that it looks after that itself (`sampling.context`).
fn sampling(params: &Raw, client: &Capabilities) -> Result<Option<Raw>, Refusal> {
    let Ok(object) = params.object() else { return Ok(None) };
    let mut edit = object.edit();
    let is_none = |text: &str| matches!(text, "\"none\"" | "null");
    let wants_context = object.get("includeContext").is_some_and(|text| !is_none(text));
    let drops_context = wants_context && !client.declares(&["sampling", "context"]);
    if drops_context {
        edit = edit.set("includeContext", "\"none\"");
    }
    let said = match object.get("messages") {
        Some(text) => older_messages(text, client.revision())?,
        None => None,
    };
    let is_changed = drops_context || said.is_some();
    if let Some(said) = said {
        edit = edit.set("messages", said.get().to_owned());
    }
    Ok(is_changed.then(|| edit.apply()))
}

/// Says messages in the words of an older revision; nothing if they can stay as they are.
///
/// Until 2025-06-18 a message has one block. Several blocks are as many messages of one role.
fn older_messages(text: &str, revision: Revision) -> Result<Option<Raw>, Refusal> {
    if revision >= Revision::V2025_11_25 {
        return Ok(None);
    }
    let Ok(messages) = serde_json::from_str::<Vec<&RawValue>>(text) else { return Ok(None) };
    let mut said = Vec::with_capacity(messages.len());
    let mut is_changed = false;
    for message in messages {
        let Ok(object) = Object::parse(message.get()) else { return Ok(None) };
        let content = object.get("content").unwrap_or("null");
        let blocks: Option<Vec<&RawValue>> = serde_json::from_str(content).ok();
        let Some(blocks) = blocks else {
            known_block(content, revision)?;
            said.push(object.edit().apply());
            continue;
        };
        is_changed = true;
        for block in blocks {
            known_block(block.get(), revision)?;
            said.push(object.edit().set("content", block.get()).apply());
        }
    }
    Ok(is_changed.then(|| Raw::array(&said)))
}

/// Refuses a block of a kind that came after `revision`.
fn known_block(text: &str, revision: Revision) -> Result<(), Refusal> {
    match part(text, "type") {
        Some("\"audio\"") if revision < Revision::V2025_03_26 => {
            Err(Refusal::Unfit("its revision has no audio"))
        }
        Some("\"tool_use\"" | "\"tool_result\"") => {
            Err(Refusal::Unfit("its revision has no tools in sampling"))
        }
        _ => Ok(()),
    }
}
