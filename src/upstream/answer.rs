//! Fits a client's answer to the revision of the legacy upstream that asked.

use serde_json::Value;
use serde_json::json;

use crate::exchange::ask::Kind;
use crate::wire::Raw;
use crate::wire::era::Revision;

/// Returns the answer in the words of `revision`; fails with what it cannot say.
///
/// Until 2025-06-18 what a model said is one block. Blocks of text are one text; of anything else
/// nothing may be left out.
pub(super) fn fit(kind: Kind, answer: Raw, revision: Revision) -> Result<Raw, &'static str> {
    let is_sampling = matches!(kind, Kind::Sampling | Kind::SamplingWithTools);
    if !is_sampling || revision >= Revision::V2025_11_25 {
        return Ok(answer);
    }
    let Ok(object) = answer.object() else { return Ok(answer) };
    let blocks = object.get("content").map(|text| answer.part(text)).and_then(|it| it.elements());
    let Some(blocks) = blocks else { return Ok(answer) };
    let block = match blocks.as_slice() {
        [block] => block.clone(),
        _ => text(&blocks).ok_or("the model's answer has several parts, and not only text")?,
    };
    Ok(object.edit().set("content", block.get()).apply())
}

/// Joins blocks that are all text.
fn text(blocks: &[Raw]) -> Option<Raw> {
    let mut whole = String::new();
    for block in blocks {
        let block: Value = block.read().ok()?;
        if block.get("type")? != "text" {
            return None;
        }
        whole.push_str(block.get("text")?.as_str()?);
    }
    Some(Raw::of(&json!({ "type": "text", "text": whole })))
}
