//! Everything a server lists, and what it answers to a table of calls, as raw JSON.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::support::raw::Raw;
use crate::support::wire_client::Client;

/// Lists: method, member of the result.
pub(crate) const LISTS: [(&str, &str); 4] = [
    ("tools/list", "tools"),
    ("resources/list", "resources"),
    ("resources/templates/list", "resourceTemplates"),
    ("prompts/list", "prompts"),
];
/// What the server asks in the middle of a call, and says on its way.
const ON_THE_WAY: [&str; 3] =
    ["sampling/createMessage", "elicitation/create", "notifications/progress"];

/// What differs from run to run in an answer and is therefore not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mask {
    /// Nothing does.
    Nothing,
    /// The time: runs of digits in strings count as equal.
    Clock,
    /// An id made up by the server: every UUID counts as equal.
    Uuids,
    /// What strings say: only the shape is compared.
    Strings,
}

/// One request whose answer is worth comparing.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    method: &'static str,
    params: Value,
    mask: Mask,
}

/// A server's lists and answers.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    pub(crate) modern: bool,
    /// Items by list, in order.
    pub(crate) lists: BTreeMap<&'static str, Vec<Raw>>,
    pub(crate) answers: Vec<Answer>,
}

/// The answer to one step.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The request, with local names.
    pub(crate) step: String,
    /// The whole answer but for its envelope: one member, `result` or `error`.
    pub(crate) reply: Raw,
    /// Questions and progress on the way: method and `params` of each.
    pub(crate) on_the_way: Vec<(String, Raw)>,
}

impl Step {
    pub(crate) fn call(name: &str, arguments: Value) -> Self {
        let meta = json!({"progressToken": "inventory"});
        let params = json!({"name": name, "arguments": arguments, "_meta": meta});
        Self { method: "tools/call", params, mask: Mask::Nothing }
    }

    pub(crate) fn read(uri: &str) -> Self {
        Self { method: "resources/read", params: json!({"uri": uri}), mask: Mask::Nothing }
    }

    pub(crate) fn prompt(name: &str, arguments: Value) -> Self {
        let params = json!({"name": name, "arguments": arguments});
        Self { method: "prompts/get", params, mask: Mask::Nothing }
    }

    pub(crate) fn complete(reference: Value, argument: Value) -> Self {
        let params = json!({"ref": reference, "argument": argument});
        Self { method: "completion/complete", params, mask: Mask::Nothing }
    }

    pub(crate) fn mask(self, mask: Mask) -> Self {
        Self { mask, ..self }
    }

    /// The `params` to send where names carry a prefix.
    fn public_params(&self, prefix: Option<&str>) -> Value {
        let mut params = self.params.clone();
        for place in ["/name", "/ref/name"] {
            if let Some(name) = params.pointer_mut(place)
                && let Some(local) = name.as_str()
            {
                *name = json!(public_name(local, prefix));
            }
        }
        params
    }
}

impl Mask {
    fn apply(self, raw: Raw) -> Raw {
        match self {
            Self::Nothing => raw,
            Self::Clock => raw.map_strings(&without_digits),
            Self::Uuids => raw.map_strings(&|text| {
                let uuid = text.len() == 38 && text.matches('-').count() == 4;
                if uuid { "\"uuid\"".to_owned() } else { text.to_owned() }
            }),
            Self::Strings => raw.map_strings(&|_| "\"…\"".to_owned()),
        }
    }
}

/// Takes the inventory of a connected client's server: follows every page, reads every resource,
/// takes every step. `prefix` is the upstream's key when Conflux is in between, and only what
/// carries it is looked at.
pub(crate) async fn inventory(
    client: &mut Client,
    steps: &[Step],
    prefix: Option<&str>,
) -> Inventory {
    client.answer("roots/list", json!({"roots": [{"uri": "file:///x", "name": "x"}]}));
    let content = json!({"type": "text", "text": "hello"});
    let message = json!({"role": "assistant", "content": content, "model": "none"});
    client.answer("sampling/createMessage", message);
    let accepted = json!({"action": "accept", "content": {"name": "Ada", "integer": 7}});
    client.answer("elicitation/create", accepted);

    let mut lists = BTreeMap::new();
    for (method, member) in LISTS {
        let items = list(client, method, member).await;
        let named = |item: &Raw| match (member, prefix) {
            ("tools" | "prompts", Some(prefix)) => {
                item.string("name").is_some_and(|name| name.starts_with(&format!("{prefix}__")))
            }
            _ => true,
        };
        lists.insert(member, items.into_iter().filter(named).collect::<Vec<_>>());
    }
    check_every_tool_is_called(&lists["tools"], steps, prefix);

    let uris = lists["resources"].iter().filter_map(|resource| resource.string("uri"));
    let reads: Vec<Step> = uris.map(|uri| Step::read(&uri)).collect();
    let mut answers = Vec::new();
    for step in reads.iter().chain(steps) {
        answers.push(take(client, step, prefix).await);
    }
    Inventory { modern: client.is_modern(), lists, answers }
}

/// Lists all pages; a server that does not know the method has none.
pub(crate) async fn list(client: &mut Client, method: &str, member: &str) -> Vec<Raw> {
    let mut items = Vec::new();
    let mut params = json!({});
    loop {
        let reply = client.request(method, params).await;
        let reply = Raw::parse(&reply.line);
        let Some(result) = reply.get("result") else { return items };
        items.extend(result.get(member).unwrap().items().iter().cloned());
        let Some(cursor) = result.string("nextCursor") else { return items };
        assert!(items.len() < 10_000, "`{method}` never ends");
        params = json!({"cursor": cursor});
    }
}

async fn take(client: &mut Client, step: &Step, prefix: Option<&str>) -> Answer {
    client.take_seen();
    let reply = client.converse(step.method, step.public_params(prefix)).await;
    let reply = Raw::parse(&reply.line).without(|key| !matches!(key, "result" | "error"));
    let mut on_the_way = Vec::new();
    for message in client.take_seen() {
        let method = message.method().unwrap();
        if ON_THE_WAY.contains(&method.as_str()) {
            on_the_way.push((method, Raw::parse(message.raw_params())));
        }
    }
    let step_text = format!("{} {}", step.method, step.params);
    Answer { step: step_text, reply: step.mask.apply(reply), on_the_way }
}

#[track_caller]
fn check_every_tool_is_called(tools: &[Raw], steps: &[Step], prefix: Option<&str>) {
    let calls = steps.iter().filter(|step| step.method == "tools/call");
    let called: BTreeSet<String> =
        calls.map(|step| public_name(step.params["name"].as_str().unwrap(), prefix)).collect();
    let listed: BTreeSet<String> = tools.iter().filter_map(|tool| tool.string("name")).collect();
    assert_eq!(listed, called, "the table calls exactly what the server lists");
}

fn public_name(local: &str, prefix: Option<&str>) -> String {
    match prefix {
        Some(prefix) => format!("{prefix}__{local}"),
        None => local.to_owned(),
    }
}

fn without_digits(text: &str) -> String {
    let mut masked = String::new();
    for c in text.chars() {
        let shown = if c.is_ascii_digit() { '#' } else { c };
        if shown != '#' || !masked.ends_with('#') {
            masked.push(shown);
        }
    }
    masked
}
