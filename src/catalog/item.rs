//! One definition as an upstream listed it: read, and repaired where its meaning is plain.

use std::collections::HashSet;

use crate::catalog::Conflict;
use crate::catalog::Defect;
use crate::catalog::Kind;
use crate::catalog::Source;
use crate::catalog::conflict;
use crate::catalog::defect::Problem;
use crate::catalog::shape::Shaped;
use crate::wire::Raw;
use crate::wire::mirror;
use crate::wire::object;
use crate::wire::object::Object;

/// What a schema that says nothing means.
const ANY_OBJECT: &str = r#"{"type":"object"}"#;

/// A definition that can be listed.
#[derive(Debug)]
pub(in crate::catalog) struct Item<'a> {
    /// The name or address its upstream gave.
    pub(in crate::catalog) local: String,
    pub(in crate::catalog) raw: &'a Raw,
    pub(in crate::catalog) object: Object<'a>,
    /// The member that must be set, and its value.
    pub(in crate::catalog) repair: Option<Repair>,
    /// Where it stands in the upstream's list, from zero.
    pub(in crate::catalog) index: usize,
    /// How it differs from what its upstream listed.
    pub(in crate::catalog) shaped: Option<Shaped>,
}

impl Item<'_> {
    /// Returns the name that its public one is made of.
    pub(in crate::catalog) fn name(&self) -> &str {
        self.shaped.as_ref().map_or(&self.local, |shaped| &shaped.name)
    }

    /// Returns whether it stands beside the tool it is made of.
    pub(in crate::catalog) fn is_variant(&self) -> bool {
        self.shaped.as_ref().is_some_and(|shaped| shaped.is_variant)
    }

    /// Returns its definition as its upstream meant it.
    pub(in crate::catalog) fn repaired(&self) -> Raw {
        match &self.repair {
            Some((key, json)) => self.object.edit().set(key, json.as_str()).apply(),
            None => self.raw.clone(),
        }
    }

    /// Returns the same item once more, in another shape.
    pub(in crate::catalog) fn again(&self, shaped: Shaped) -> Option<Self> {
        let Self { local, raw, repair, index, .. } = self;
        Some(Self {
            local: local.clone(),
            object: raw.object().ok()?,
            raw,
            repair: repair.clone(),
            index: *index,
            shaped: Some(shaped),
        })
    }
}

/// A key, and the JSON value it gets.
type Repair = (&'static str, String);

/// What was found on the way and should be known.
#[derive(Debug, Default)]
pub(in crate::catalog) struct Findings {
    pub(in crate::catalog) conflicts: Vec<Conflict>,
    pub(in crate::catalog) defects: Vec<Defect>,
}

/// Reads what one upstream lists of one kind; of two with one name the first counts.
pub(in crate::catalog) fn read_all<'a>(
    source: &'a Source,
    kind: Kind,
    findings: &mut Findings,
) -> Vec<Item<'a>> {
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    for (index, raw) in source.listing.items(kind).iter().enumerate() {
        let read = read(kind, index, raw).and_then(|read| match unmirrored(source, kind, raw) {
            Some(problem) => Err(problem),
            None => Ok(read),
        });
        let (item, problem) = match read {
            Ok((item, problem)) => (Some(item), problem),
            Err(problem) => (None, Some(problem)),
        };
        if let Some(problem) = problem {
            let upstream = source.upstream.clone();
            let local = local(kind, raw);
            findings.defects.push(Defect { upstream, kind, index, local, problem });
        }
        let Some(item) = item else { continue };
        if seen.insert(item.local.clone()) {
            items.push(item);
        } else {
            let item = conflict::Item::new(&source.upstream, &item.local);
            findings.conflicts.push(Conflict::Repeated { kind, item });
        }
    }
    items
}

fn read(kind: Kind, index: usize, raw: &Raw) -> Result<(Item<'_>, Option<Problem>), Problem> {
    let object = raw.object().map_err(|error| match error {
        object::Error::NotAnObject => Problem::NotAnObject,
        object::Error::Duplicate(key) => Problem::DuplicateKey(key),
    })?;
    let local = object.get(kind.key()).and_then(string).filter(|local| !local.is_empty());
    let local = local.ok_or(Problem::NoKey(kind.key()))?;
    let (problem, repair) = match kind {
        Kind::Tools => schema(&object)?.unzip(),
        Kind::Prompts | Kind::Skills => (None, None),
        Kind::Resources | Kind::Templates => address_name(&object, &local).unzip(),
    };
    Ok((Item { local, raw, object, repair, index, shaped: None }, problem))
}

/// Why a tool cannot be called over HTTP: it is not clear which arguments go into headers.
fn unmirrored(source: &Source, kind: Kind, raw: &Raw) -> Option<Problem> {
    if !source.over_http || kind != Kind::Tools {
        return None;
    }
    mirror::mirrors(&raw.member("inputSchema")?).err().map(Problem::Mirror)
}

/// What is wrong with the schema of a tool, and what stands in for it.
fn schema(tool: &Object<'_>) -> Result<Option<(Problem, Repair)>, Problem> {
    let instead = |problem, json: &str| Ok(Some((problem, ("inputSchema", json.to_owned()))));
    let Some(text) = tool.get("inputSchema") else {
        return instead(Problem::NoSchema, ANY_OBJECT);
    };
    match text {
        "null" => return instead(Problem::EmptySchema("null"), ANY_OBJECT),
        "true" | "false" => return instead(Problem::EmptySchema("a boolean"), ANY_OBJECT),
        _ => {}
    }
    let Ok(schema) = Object::parse_allowing_duplicates(text) else {
        // How some languages write an empty map.
        let is_empty_array = text.starts_with('[') && text.len() > 1 && is_blank_inside(text);
        if is_empty_array {
            return instead(Problem::EmptySchema("an empty array"), ANY_OBJECT);
        }
        return Err(Problem::ForeignSchema);
    };
    let typed = || schema.edit().set("type", "\"object\"").apply();
    match schema.get("type") {
        Some(text) if string(text).as_deref() == Some("object") => Ok(None),
        None => instead(Problem::UntypedSchema, typed().get()),
        Some(text) if names_object(text) => instead(Problem::UntypedSchema, typed().get()),
        Some(_) => Err(Problem::ForeignSchema),
    }
}

/// Whether a `type` is a list of which `object` is one: arguments are always an object.
fn names_object(text: &str) -> bool {
    let types: Option<Vec<String>> = serde_json::from_str(text).ok();
    types.is_some_and(|types| types.iter().any(|name| name == "object"))
}

fn is_blank_inside(array: &str) -> bool {
    array.trim_start_matches('[').trim_end_matches(']').trim().is_empty()
}

fn address_name(object: &Object<'_>, address: &str) -> Option<(Problem, Repair)> {
    if object.get("name").is_some_and(|text| text.starts_with('"')) {
        return None;
    }
    Some((Problem::NoName, ("name", Raw::of(address).get().to_owned())))
}

/// The name of a definition that may be anything, as far as it has one.
fn local(kind: Kind, raw: &Raw) -> Option<String> {
    let object = Object::parse_allowing_duplicates(raw.get()).ok()?;
    object.get(kind.key()).and_then(string).filter(|local| !local.is_empty())
}

fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}
