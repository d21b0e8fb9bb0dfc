//! `conflux show`: everything about one tool, prompt or resource, and what was changed of it.

use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::app::App;
use crate::catalog::Defect;
use crate::catalog::Entry;
use crate::catalog::Kind;
use crate::catalog::Traits;
use crate::catalog::tokens;
use crate::cli::context::Context;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::printable;
use crate::cli::runtime;
use crate::cli::session;
use crate::cli::table;
use crate::cli::unknown;
use crate::cli::upstreams;
use crate::config::hints::Hint;
use crate::ids::UpstreamId;
use crate::wire::Raw;
use crate::wire::object::Object;

/// Show everything about one tool, prompt or resource
///
/// Its description and schema, whose it is, and what was changed of what its upstream lists.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The name or address, as it is listed
    name: String,
    /// Print all of it as JSON, with the definition as its upstream lists it
    #[arg(long)]
    json: bool,
}

/// What is known of one of them.
struct Known {
    kind: Kind,
    entry: Entry,
    original: Option<Raw>,
    changes: Vec<String>,
}

impl Show {
    /// Finds it among what upstreams list now, and shows it.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let config = session::patient(context.config()?);
        let width = context.width();
        runtime::wait(session::within(config, async |app| self.show(app, width).await))
    }

    async fn show(&self, app: &App, width: Option<usize>) -> Result<(), Failure> {
        let caller = session::caller(app);
        app.on_open()(&caller);
        upstreams::settled(app).await;
        let Some(known) = find(app, &self.name) else {
            return Err(unknown::failure(app, &Kind::ALL, &self.name).await);
        };
        let shown = if self.json { document(&known).to_string() } else { at_length(&known, width) };
        output::data(&app.config().secrets.mask(&shown))
    }
}

fn find(app: &App, name: &str) -> Option<Known> {
    let snapshot = app.router().snapshot();
    let found = |kind: Kind| Some((kind, snapshot.catalog.named(kind, name)?.clone()));
    let own = || Some((Kind::Tools, own(name, snapshot.catalog.own_tool(name)?.clone())));
    let (kind, entry) = Kind::ALL.into_iter().find_map(found).or_else(own)?;
    let all = app.router().as_listed(&entry.upstream, kind);
    let key = |item: &Raw| item.member(kind.key()).and_then(|key| key.string());
    let original = all.into_iter().find(|item| key(item).as_ref() == Some(&entry.local));
    let shape = entry.shape.as_ref().map(|shape| shape.changes()).unwrap_or_default();
    let mut changes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let defects = snapshot.catalog.defects().iter();
    let is_its = |it: &&Defect| {
        it.upstream == entry.upstream && it.kind == kind && it.local.as_ref() == Some(&entry.local)
    };
    changes.extend(defects.filter(is_its).map(ToString::to_string));
    Some(Known { kind, entry, original, changes })
}

/// A tool of Conflux itself.
fn own(name: &str, definition: Raw) -> Entry {
    Entry {
        upstream: UpstreamId::new("conflux"),
        local: name.to_owned(),
        name: name.to_owned(),
        public: name.to_owned(),
        definition,
        traits: Traits::default(),
        shape: None,
    }
}

fn document(known: &Known) -> Value {
    let Known { kind, entry, original, changes } = known;
    let value = |raw: &Raw| raw.read::<Value>().unwrap_or_default();
    json!({
        "kind": kind.to_string(),
        "name": entry.public,
        "upstream": entry.upstream.as_str(),
        "upstreamName": entry.local,
        "tokens": tokens::estimate(entry.definition.get()),
        "changes": changes,
        "definition": value(&entry.definition),
        "original": original.as_ref().map(value),
    })
}

fn at_length(known: &Known, width: Option<usize>) -> String {
    let Known { kind, entry, changes, .. } = known;
    let definition = &entry.definition;
    let text = |key| definition.member(key).and_then(|text| text.string());
    let mut lines = vec![entry.public.clone()];
    let mut say = |word: &str, said: String| lines.push(format!("  {word:<12}{said}"));
    say("kind", kind.to_string());
    say("upstream", entry.upstream.to_string());
    say("its own", entry.local.clone());
    if let Some(title) = text("title") {
        say("title", title);
    }
    let hints = hints(definition);
    if !hints.is_empty() {
        say("hints", hints.join(", "));
    }
    say("tokens", format!("about {}", tokens::estimate(definition.get())));
    for (place, change) in changes.iter().enumerate() {
        say(if place == 0 { "changed" } else { "" }, change.clone());
    }
    if let Some(description) = text("description") {
        lines.push(String::new());
        lines.extend(description.trim().lines().map(|line| format!("  {line}")));
    }
    let arguments = arguments(definition);
    if !arguments.is_empty() {
        lines.push(String::new());
        lines.push(table::render(["ARGUMENT", "TYPE", "NEEDED", "DESCRIPTION"], &arguments, width));
    }
    for key in ["inputSchema", "outputSchema"] {
        let Some(schema) = definition.member(key) else { continue };
        lines.extend([String::new(), format!("{key}: {}", indented(schema.get()))]);
    }
    printable(&lines.join("\n"))
}

/// Writes JSON over several lines, its members in the order in which they came.
fn indented(json: &str) -> String {
    let mut text = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(json);
    let mut writer = serde_json::Serializer::pretty(&mut text);
    match serde_transcode::transcode(&mut reader, &mut writer) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => json.to_owned(),
    }
}

fn hints(definition: &Raw) -> Vec<String> {
    let Some(annotations) = definition.member("annotations") else { return Vec::new() };
    let hint = |hint: Hint| {
        let key = hint.key();
        Some(format!("{key}: {}", annotations.member(key)?.get()))
    };
    Hint::ALL.into_iter().filter_map(hint).collect()
}

/// The arguments of a tool or a prompt, as rows, in the order in which they are written.
fn arguments(definition: &Raw) -> Vec<[String; 4]> {
    let schema = definition.member("inputSchema");
    let member = |key| schema.as_ref().and_then(|schema| schema.member(key));
    let required: Vec<String> =
        member("required").and_then(|all| all.read().ok()).unwrap_or_default();
    let properties = member("properties");
    let properties = properties.as_ref().and_then(|properties| properties.object().ok());
    let of_tool = properties.iter().flat_map(Object::iter).map(|(name, json)| {
        let property = serde_json::from_str(json).unwrap_or_default();
        let is_required = required.iter().any(|key| key == name);
        row(name, &text(&property, "type"), is_required, &property)
    });
    let of_prompt = definition.member("arguments").and_then(|all| all.read::<Vec<Value>>().ok());
    let of_prompt = of_prompt.unwrap_or_default().into_iter().map(|argument| {
        let is_required = argument.get("required") == Some(&Value::Bool(true));
        row(&text(&argument, "name"), "string", is_required, &argument)
    });
    of_tool.chain(of_prompt).collect()
}

fn row(name: &str, kind: &str, is_needed: bool, described: &Value) -> [String; 4] {
    let needed = if is_needed { "yes" } else { "" };
    [name.to_owned(), kind.to_owned(), needed.to_owned(), text(described, "description")]
}

/// The first line of a member, or its JSON if it is no text.
fn text(holder: &Value, key: &str) -> String {
    match holder.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.lines().next().unwrap_or_default().to_owned(),
        Some(other) => other.to_string(),
    }
}
