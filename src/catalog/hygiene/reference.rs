//! References to other parts of a schema, replaced by what they lead to.

use crate::catalog::hygiene::Mended;
use crate::catalog::hygiene::Reason;
use crate::catalog::hygiene::Repair;
use crate::catalog::hygiene::member_of;
use crate::catalog::hygiene::schema;
use crate::catalog::hygiene::schema::Changed;
use crate::catalog::hygiene::without_member;
use crate::wire::Raw;
use crate::wire::object::Object;

/// How large a schema may become, in bytes: what is longer costs a model more than it is worth.
const LARGEST: usize = 128 * 1024;
/// Words that name a place, or depend on names of places.
const ANCHORS: [&str; 5] =
    ["$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$recursiveAnchor"];
/// Words that say nothing about which values are right.
const REMARKS: [&str; 8] = [
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
];
/// Where definitions stand that nothing refers to any more.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// Writes out all references of a schema, and takes out the definitions they led to.
pub(super) fn written_out(input: &Raw) -> Mended {
    let count = schema::references(input)?.len();
    if count == 0 {
        return Ok(None);
    }
    if let Some(anchor) = schema::first_of(input, &ANCHORS)? {
        return Err(Reason::Anchor(anchor.to_owned()));
    }
    let mut work = Work { root: input, is_old: schema::is_old(input), trail: Vec::new(), size: 0 };
    let changed = work.schema(input)?;
    Ok(changed.map(|changed| (changed, Repair::References(count))))
}

/// Writing out, and where it is.
struct Work<'a> {
    root: &'a Raw,
    /// Whether what stands beside `$ref` counts for nothing, as in draft 7 and before.
    is_old: bool,
    /// The references that are being written out, from the outermost on.
    trail: Vec<String>,
    /// How much was written, in bytes.
    size: usize,
}

impl Work<'_> {
    fn schema(&mut self, part: &Raw) -> Changed {
        if self.trail.len() > schema::DEEPEST {
            return Err(Reason::TooDeep(schema::DEEPEST));
        }
        let is_root = part.get().as_ptr() == self.root.get().as_ptr();
        if !is_root && schema::has(part, "$id") {
            return Err(Reason::Anchor("$id".to_owned()));
        }
        let mut now = None;
        for word in DEFINITIONS {
            let before = now.as_ref().unwrap_or(part);
            if schema::has(before, word) {
                now = Some(without_member(before, word));
            }
        }
        let before = now.as_ref().unwrap_or(part);
        let inner = schema::inside(before, &mut |inner| self.schema(inner))?;
        let now = inner.or(now);
        let before = now.as_ref().unwrap_or(part);
        let Some(reference) = schema::string(before, "$ref") else { return Ok(now) };
        let target = self.target(&reference)?;
        Ok(Some(together(before, &target, self.is_old)))
    }

    /// What a reference leads to, with all references in it written out.
    fn target(&mut self, reference: &str) -> Result<Raw, Reason> {
        if self.trail.iter().any(|before| before == reference) {
            return Err(Reason::Recursive(reference.to_owned()));
        }
        let target = schema::target(self.root, reference)?;
        self.trail.push(reference.to_owned());
        let changed = self.schema(&target)?;
        self.trail.pop();
        let target = changed.unwrap_or(target);
        self.size += target.get().len();
        if self.size > LARGEST {
            return Err(Reason::TooLarge(LARGEST));
        }
        Ok(target)
    }
}

/// A schema with a reference, and what the reference leads to, as one schema.
fn together(part: &Raw, target: &Raw, is_old: bool) -> Raw {
    let beside = schema::members(part);
    let mut beside: Vec<_> = beside.into_iter().filter(|(word, _)| word != "$ref").collect();
    if is_old {
        beside.retain(|(word, _)| REMARKS.contains(&word.as_str()));
    }
    if beside.is_empty() {
        return target.clone();
    }
    let are_remarks = beside.iter().all(|(word, _)| REMARKS.contains(&word.as_str()));
    if are_remarks && let Ok(object) = Object::parse_allowing_duplicates(target.get()) {
        // What is said at the place of use counts for more than what is said of all uses.
        let edit = object.edit();
        return beside.iter().fold(edit, |edit, (word, value)| edit.put(word, value)).apply();
    }
    let Ok(object) = Object::parse_allowing_duplicates(part.get()) else { return target.clone() };
    if is_old {
        return target.clone();
    }
    let mut all = member_of(part, "allOf").and_then(|all| all.elements()).unwrap_or_default();
    all.push(target.clone());
    object.edit().remove("$ref").put("allOf", &Raw::array(&all)).apply()
}
