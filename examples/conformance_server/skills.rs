//! The one skill of the server (the extension `io.modelcontextprotocol/skills`): `letters/`.

use rmcp::ErrorData;
use rmcp::model::Resource;
use rmcp::model::Skill;
use rmcp::model::SkillFrontmatter;
use rmcp::model::SkillResource;
use rmcp::model::SkillResources;
use serde_json::Value;
use serde_json::json;

const NAME: &str = "letters";
const DESCRIPTION: &str = "How to begin and end a letter.";
const ROOT: &str = "skill://letters";
const MANIFEST: &str = "skill://letters/SKILL.md";

/// Every file with its address.
const FILES: [(&str, &str); 2] = [
    (MANIFEST, include_str!("letters/SKILL.md")),
    ("skill://letters/references/names.md", include_str!("letters/references/names.md")),
];

/// Returns the entry of the skill.
pub(crate) fn skill() -> Skill {
    let file = |(uri, text): (&str, &str)| SkillResource::from_bytes(uri, text.as_bytes());
    let files = SkillResources::Files(FILES.map(file).to_vec());
    Skill::new(MANIFEST, SkillFrontmatter::new(NAME, DESCRIPTION), files)
}

/// Returns the entry of the skill whose manifest is at `uri`.
pub(crate) fn get(uri: &str) -> Result<Skill, ErrorData> {
    if uri == MANIFEST { Ok(skill()) } else { Err(unknown("skill", uri)) }
}

/// Returns the manifest as a resource, as lists have it.
pub(crate) fn resource() -> Resource {
    Resource::new(MANIFEST, NAME).with_description(DESCRIPTION).with_mime_type("text/markdown")
}

/// Returns what `resources/read` says about a file, if there is one at `uri`.
pub(crate) fn read(uri: &str) -> Option<Value> {
    let (uri, text) = FILES.iter().find(|(known, _)| *known == uri)?;
    Some(json!({"contents": [{"uri": uri, "mimeType": "text/markdown", "text": text}]}))
}

/// Returns what is directly in the directory at `uri`.
pub(crate) fn directory(uri: &str) -> Result<Vec<Resource>, ErrorData> {
    let names = |known: &str| Resource::new(known, "names.md").with_mime_type("text/markdown");
    match uri {
        ROOT => {
            let references = Resource::new("skill://letters/references", "references");
            Ok(vec![resource(), references.with_mime_type("inode/directory")])
        }
        "skill://letters/references" => Ok(vec![names("skill://letters/references/names.md")]),
        _ => Err(unknown("directory", uri)),
    }
}

fn unknown(what: &str, uri: &str) -> ErrorData {
    ErrorData::invalid_params(format!("unknown {what}"), Some(json!({ "uri": uri })))
}
