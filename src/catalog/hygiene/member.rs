//! Members of a definition that clients read by their type: what says nothing is left out.

use crate::catalog::hygiene::Mended;
use crate::catalog::hygiene::Reason;
use crate::catalog::hygiene::Repair;
use crate::catalog::hygiene::member_of;
use crate::catalog::hygiene::schema;
use crate::catalog::hygiene::with_member;
use crate::catalog::hygiene::without_member;
use crate::config::hints::Hint;
use crate::wire::Raw;

/// Leaves out members of the wrong type, and puts the frame of the schemas right.
pub(super) fn proper(tool: &Raw) -> Mended {
    let mut now = tool.clone();
    let mut gone = Vec::new();
    for (key, value) in schema::members(tool) {
        if !is_proper(&key, &value) {
            now = without_member(&now, &key);
            gone.push(key);
        }
    }
    if let Some(annotations) = member_of(&now, "annotations") {
        let mut kept = annotations.clone();
        for (key, value) in schema::members(&annotations) {
            let is_proper = match key.as_str() {
                "title" => is_string(&value),
                key if Hint::ALL.iter().any(|hint| hint.key() == key) => schema::is_boolean(&value),
                _ => true,
            };
            if !is_proper {
                kept = without_member(&kept, &key);
                gone.push(format!("annotations.{key}"));
            }
        }
        if kept != annotations {
            now = with_member(&now, "annotations", &kept);
        }
    }
    if let Some(input) = member_of(&now, "inputSchema")
        && let Some((input, words)) = framed(&input)?
    {
        now = with_member(&now, "inputSchema", &input);
        gone.extend(words.into_iter().map(|word| format!("inputSchema.{word}")));
    }
    if let Some(output) = member_of(&now, "outputSchema")
        && !matches!(framed(&output), Ok(None))
    {
        now = without_member(&now, "outputSchema");
        gone.push("outputSchema".to_owned());
    }
    Ok((!gone.is_empty()).then_some((now, Repair::LeftOut(gone))))
}

/// Whether a member is of the type that the specification gives it.
fn is_proper(key: &str, value: &Raw) -> bool {
    match key {
        "title" | "description" => is_string(value),
        "annotations" | "_meta" | "outputSchema" => is_object(value),
        "icons" => {
            let has_source = |icon: &Raw| schema::string(icon, "src").is_some();
            value.elements().is_some_and(|icons| icons.iter().all(has_source))
        }
        "execution" => {
            let support = member_of(value, "taskSupport");
            let is_known = |support: &Raw| {
                let words = ["required", "optional", "forbidden"];
                support.string().is_some_and(|support| words.contains(&support.as_str()))
            };
            is_object(value) && support.is_none_or(|support| is_known(&support))
        }
        _ => true,
    }
}

/// A schema whose `properties` and `required` can be read, and what had to go for that.
fn framed(input: &Raw) -> Result<Option<(Raw, Vec<&'static str>)>, Reason> {
    let mut now = input.clone();
    let mut gone = Vec::new();
    for word in ["properties", "required"] {
        let Some(value) = member_of(input, word) else { continue };
        let is_readable = if word == "properties" {
            is_object(&value)
        } else {
            value.read::<Vec<String>>().is_ok()
        };
        // How some languages write an empty map.
        let is_empty = value.get() == "null" || value.elements().is_some_and(|all| all.is_empty());
        if is_readable {
            continue;
        }
        if !is_empty {
            return Err(Reason::Invalid(word.to_owned()));
        }
        now = without_member(&now, word);
        gone.push(word);
    }
    let properties = member_of(&now, "properties").map(|it| schema::members(&it));
    let odd = properties.into_iter().flatten().find(|(_, value)| !schema::is_schema(value));
    if let Some((name, _)) = odd {
        return Err(Reason::Invalid(format!("properties.{name}")));
    }
    Ok((!gone.is_empty()).then_some((now, gone)))
}

fn is_string(value: &Raw) -> bool {
    value.get().starts_with('"')
}

fn is_object(value: &Raw) -> bool {
    value.get().starts_with('{')
}
