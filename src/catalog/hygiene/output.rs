//! Schemas for results: promises that results keep whether or not a client has read them.

use crate::catalog::hygiene::Reason;
use crate::catalog::hygiene::Repair;
use crate::catalog::hygiene::draft;
use crate::catalog::hygiene::member_of;
use crate::catalog::hygiene::schema;
use crate::catalog::hygiene::with_member;
use crate::catalog::hygiene::without_member;
use crate::wire::Raw;

const OUTPUT: &str = "outputSchema";

/// Leaves out a schema that does not begin with `type: object`.
pub(super) fn object(tool: &Raw) -> Option<(Raw, Repair)> {
    let is_object = |schema: &Raw| schema::string(schema, "type").is_some_and(|it| it == "object");
    let output = member_of(tool, OUTPUT);
    output.filter(|output| !is_object(output)).map(|_| left_out(tool))
}

/// Leaves out a schema whose references lead nowhere.
pub(super) fn references(tool: &Raw) -> Option<(Raw, Repair)> {
    let output = member_of(tool, OUTPUT)?;
    let leads = |reference: &String| {
        !matches!(schema::target(&output, reference), Err(Reason::Dangling(_)))
    };
    let is_whole = schema::references(&output).is_ok_and(|all| all.iter().all(leads));
    (!is_whole).then(|| left_out(tool))
}

/// Takes the name of an older draft out, or the schema with it if it depends on that draft.
pub(super) fn draft(tool: &Raw) -> Option<(Raw, Repair)> {
    let output = member_of(tool, OUTPUT)?;
    let named = member_of(&output, "$schema")?;
    if named.string().is_some_and(|named| named.contains("2020-12")) {
        return None;
    }
    if !matches!(draft::dependent(&output), Ok(None)) {
        return Some(left_out(tool));
    }
    let output = without_member(&output, "$schema");
    Some((with_member(tool, OUTPUT, &output), Repair::Dialect))
}

fn left_out(tool: &Raw) -> (Raw, Repair) {
    (without_member(tool, OUTPUT), Repair::Output)
}
