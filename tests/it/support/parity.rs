//! Compares what a server says directly with what it says through Conflux, field by field.
//!
//! Allowed to differ: the prefix of tool and prompt names, JSON-RPC ids, `_meta` keys that begin
//! with `dev.conflux/`, the name of the upstream around an elicitation's message, and, where the
//! two eras differ, what only the modern one has in its results.

use crate::support::inventory::Answer;
use crate::support::inventory::Inventory;
use crate::support::raw::Raw;

const OWN: &str = "dev.conflux/";
const MODERN_ONLY: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];
const SERVER: &str = "io.modelcontextprotocol/serverInfo";

/// Returns every difference that is not allowed, one line each.
pub(crate) fn compare(direct: &Inventory, through: &Inventory, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (member, items) in &direct.lists {
        let others: Vec<Raw> = through.lists[member].iter().cloned().map(without_own).collect();
        let prefix = matches!(*member, "tools" | "prompts").then_some(prefix);
        compare_items(member, items, &others, prefix, &mut found);
    }
    let eras_differ = direct.modern != through.modern;
    let pairs = direct.answers.iter().zip(&through.answers);
    for (one, other) in pairs {
        compare_answers(one, other, eras_differ, &mut found);
    }
    if direct.answers.len() != through.answers.len() {
        let (one, other) = (direct.answers.len(), through.answers.len());
        found.push(format!("{one} answers directly, {other} through Conflux"));
    }
    found
}

fn compare_items(
    list: &str,
    items: &[Raw],
    others: &[Raw],
    prefix: Option<&str>,
    found: &mut Vec<String>,
) {
    if items.len() != others.len() {
        found.push(format!("{list}: {} items directly, {} through", items.len(), others.len()));
    }
    for (index, (item, other)) in items.iter().zip(others).enumerate() {
        let name = item.string("name").unwrap_or_default();
        let mut other = other.clone();
        if let Some(prefix) = prefix {
            let public = other.string("name").unwrap_or_default();
            if public != format!("{prefix}__{name}") {
                found.push(format!("{list}[{index}]: `{name}` became `{public}`"));
            }
            let own = item.get("name").cloned();
            other = other.with("name", |_| own);
        }
        differ(&format!("{list}.{name}"), item, &other, found);
    }
}

fn compare_answers(one: &Answer, other: &Answer, eras_differ: bool, found: &mut Vec<String>) {
    let place = &one.step;
    if *place != other.step {
        found.push(format!("`{place}` directly, `{}` through", other.step));
        return;
    }
    let mut reply = one.reply.clone();
    let mut through = without_own(other.reply.clone());
    if eras_differ {
        reply = reply.with("result", |result| Some(without_modern(result)));
        through = through.with("result", |result| Some(without_modern(result)));
    }
    differ(place, &reply, &through, found);

    let (asked, others) = (&one.on_the_way, &other.on_the_way);
    if asked.len() != others.len() {
        found.push(format!("{place}: {asked:?} on the way, {others:?} through"));
    }
    for ((method, params), (through, other)) in asked.iter().zip(others) {
        let place = format!("{place} on the way {method}");
        if method != through {
            found.push(format!("{place}: `{through}` through Conflux"));
        }
        let mut other = without_own(other.clone());
        if let (Some(told), Some(shown)) = (params.string("message"), other.string("message"))
            && method == "elicitation/create"
            && shown.contains(&told)
        {
            let own = params.get("message").cloned();
            other = other.with("message", |_| own);
        }
        differ(&place, params, &other, found);
    }
}

/// Removes Conflux's own keys from every `_meta`, and a `_meta` that had nothing else.
fn without_own(raw: Raw) -> Raw {
    match raw {
        Raw::Object(members) => {
            let members = members.into_iter().map(|(key, value)| (key, without_own(value)));
            Raw::Object(members.collect())
                .with("_meta", |meta| drop_keys(meta, |key| key.starts_with(OWN)))
        }
        Raw::Array(items) => Raw::Array(items.into_iter().map(without_own).collect()),
        Raw::Atom(text) => Raw::Atom(text),
    }
}

fn without_modern(result: Raw) -> Raw {
    let result = result.without(|key| MODERN_ONLY.contains(&key));
    result.with("_meta", |meta| drop_keys(meta, |key| key == SERVER))
}

/// Removes keys; nothing is left of an object that loses its last one.
fn drop_keys(meta: Raw, matches: impl Fn(&str) -> bool) -> Option<Raw> {
    let before = meta.members().len();
    let meta = meta.without(matches);
    let emptied = meta.members().is_empty() && before > 0;
    (!emptied).then_some(meta)
}

fn differ(place: &str, one: &Raw, other: &Raw, found: &mut Vec<String>) {
    match (one, other) {
        (Raw::Object(members), Raw::Object(others)) => {
            let keys = |members: &[(String, Raw)]| -> Vec<String> {
                members.iter().map(|(key, _)| key.clone()).collect()
            };
            let (mine, theirs) = (keys(members), keys(others));
            if mine != theirs {
                found.push(format!("{place}: members {mine:?} directly, {theirs:?} through"));
            }
            for (key, value) in members {
                if let Some(other) = other.get(key) {
                    differ(&format!("{place}.{key}"), value, other, found);
                }
            }
        }
        (Raw::Array(items), Raw::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                differ(&format!("{place}[{index}]"), item, other, found);
            }
        }
        _ if one == other => {}
        _ => found.push(format!("{place}: `{one}` directly, `{other}` through")),
    }
}
