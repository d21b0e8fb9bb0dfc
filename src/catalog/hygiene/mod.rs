//! Definitions of tools as a client can take them: repaired where the meaning is kept, withheld
//! with a reason where it would not be.
//!
//! Whoever can take a definition gets it byte for byte; in a repaired one, all that was not
//! repaired is what the upstream wrote. What breaks the specification was seen to when the catalog
//! was merged ([`defect`](crate::catalog::defect)).

/// Definitions that are no JSON Schema 2020-12, said in it.
mod draft;
/// Members that are not what the specification says they are.
mod member;
/// What schemas for results need.
mod output;
/// References, written out.
mod reference;
/// Findings for people: which tool breaks whom.
mod report;
/// Schemas as trees: what in them is a schema again.
mod schema;
/// Repairs of one place.
mod spot;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::clients::schema::Quirk;
use crate::wire::Raw;
use crate::wire::object::Object;

pub use self::report::Finding;
pub use self::report::Severity;
pub use self::report::costs;
pub use self::report::report;

/// What becomes of a definition for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fitted {
    /// It can be listed as it is.
    AsIs,
    /// It is listed in these words, which mean the same; what was done, in order.
    Repaired(Raw, Vec<Remark>),
    /// It is not listed, and why.
    Withheld(Remark),
}

/// What was done to a definition, and for which quirk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What the client cannot take.
    pub quirk: Quirk,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of something that a client cannot take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was said in other words.
    Repaired(Repair),
    /// There are no other words that the client can take.
    Withheld(Reason),
}

/// What was changed; nothing of it changes which arguments are right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Repair {
    /// Members that say nothing a client could read.
    #[error("{} left out", names(.0))]
    LeftOut(Vec<String>),
    /// Boolean schemas of properties.
    #[error("boolean schemas written as objects: {0}")]
    Booleans(usize),
    /// Combinations of the whole input.
    #[error("`anyOf`, `oneOf` and `allOf` of the whole input moved into `then`")]
    Combination,
    /// References.
    #[error("references written out: {0}")]
    References(usize),
    /// Arrays that may have anything in them.
    #[error("arrays given `items: {{}}`: {0}")]
    Items(usize),
    /// Words of older drafts.
    #[error("schemas rewritten for JSON Schema 2020-12: {0}")]
    Draft(usize),
    /// A schema for results, which results do not depend on.
    #[error("`outputSchema` left out; results stay as they are")]
    Output,
    /// The name of a draft that the schema does not depend on.
    #[error("`$schema` of `outputSchema` left out")]
    Dialect,
}

/// Why nothing can be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It is deeper than anybody reads.
    #[error("the schema is more than {0} levels deep")]
    TooDeep(usize),
    /// A reference to itself.
    #[error("`{0}` leads back to itself, and cannot be written out")]
    Recursive(String),
    /// A reference to what is not there.
    #[error("`{0}` leads nowhere")]
    Dangling(String),
    /// A reference to another document.
    #[error("`{0}` leads out of the schema")]
    Foreign(String),
    /// Names for places, which move when something is written out.
    #[error("`{0}` gives a place a name that would be lost")]
    Anchor(String),
    /// More than is worth listing.
    #[error("written out, its references have more than {0} bytes")]
    TooLarge(usize),
    /// A reference to what would have to move.
    #[error("`{0}` refers to what would have to move")]
    PointsInside(String),
    /// A word that depends on whether `items` is there.
    #[error("`unevaluatedItems` depends on arrays having no `items`")]
    Unevaluated,
    /// A value that no draft allows.
    #[error("`{0}` has a value that JSON Schema does not allow")]
    Invalid(String),
    /// Words of which the draft decides what they mean.
    #[error("`{0}` means something else in JSON Schema 2020-12")]
    Draft(String),
    /// A word that only newer drafts have.
    #[error("the draft it is written in has no `then`")]
    NoCondition,
    /// A name that would have to be another.
    #[error("the property `{0}` would need another name")]
    Name(String),
}

impl Remark {
    /// Returns whether the definition is not listed because of this.
    pub fn is_withheld(&self) -> bool {
        matches!(self.outcome, Outcome::Withheld(_))
    }
}

impl fmt::Display for Remark {
    /// Writes what was done, or why nothing could be done.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Repaired(repair) => repair.fmt(f),
            Outcome::Withheld(reason) => reason.fmt(f),
        }
    }
}

/// Returns what becomes of the definition of a tool for a client with these quirks.
///
/// What is repaired allows the same arguments as before. A definition that was fitted once is as it
/// should be the second time.
pub fn fitted(definition: &Raw, quirks: &[Quirk]) -> Fitted {
    let mut now: Option<Raw> = None;
    let mut remarks = Vec::new();
    for quirk in Quirk::ALL {
        if !quirks.contains(&quirk) {
            continue;
        }
        match mended(now.as_ref().unwrap_or(definition), quirk) {
            Ok(None) => {}
            Ok(Some((raw, repair))) => {
                now = Some(raw);
                remarks.push(Remark { quirk, outcome: Outcome::Repaired(repair) });
            }
            Err(reason) => {
                return Fitted::Withheld(Remark { quirk, outcome: Outcome::Withheld(reason) });
            }
        }
    }
    now.map_or(Fitted::AsIs, |raw| Fitted::Repaired(raw, remarks))
}

/// A definition in other words, and what was done; nothing if there was nothing to do.
type Mended = Result<Option<(Raw, Repair)>, Reason>;

fn mended(tool: &Raw, quirk: Quirk) -> Mended {
    match quirk {
        Quirk::OddMember => member::proper(tool),
        Quirk::OldDraft => input(tool, draft::modern),
        Quirk::Reference => input(tool, reference::written_out),
        Quirk::BooleanProperty => spot::booleans(tool),
        Quirk::ConstructorProperty => spot::constructor(tool),
        Quirk::ArgumentName => spot::names(tool),
        Quirk::CombinationOnTop => input(tool, spot::combination),
        Quirk::ArrayWithoutItems => input(tool, spot::items),
        Quirk::OutputWithoutObject => Ok(output::object(tool)),
        Quirk::OutputReference => Ok(output::references(tool)),
        Quirk::OutputDraft => Ok(output::draft(tool)),
    }
}

/// Mends the schema of a tool's arguments.
fn input(tool: &Raw, mend: impl FnOnce(&Raw) -> Mended) -> Mended {
    let Some(schema) = member_of(tool, "inputSchema") else { return Ok(None) };
    let mended = mend(&schema)?;
    Ok(mended.map(|(schema, repair)| (with_member(tool, "inputSchema", &schema), repair)))
}

/// The member of an object that may have keys twice.
fn member_of(object: &Raw, key: &str) -> Option<Raw> {
    let members = Object::parse_allowing_duplicates(object.get()).ok()?;
    members.get(key).map(|text| object.part(text))
}

fn with_member(object: &Raw, key: &str, value: &Raw) -> Raw {
    match Object::parse_allowing_duplicates(object.get()) {
        Ok(members) => members.edit().put(key, value).apply(),
        Err(_) => object.clone(),
    }
}

fn without_member(object: &Raw, key: &str) -> Raw {
    match Object::parse_allowing_duplicates(object.get()) {
        Ok(members) => members.edit().remove(key).apply(),
        Err(_) => object.clone(),
    }
}

fn names(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
