//! What an answer must be: the id of a request, and its text.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json;

#[derive(Deserialize)]
struct Result<'a> {
    #[serde(borrow, default)]
    content: Vec<Block<'a>>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

/// Returns which request `message` answers, if it is an answer; `text` says what must be in one.
///
/// Whoever writes like this program is read by its bytes, others through a parser.
pub(crate) fn check<'a>(
    message: &[u8],
    text: impl Fn(u64) -> &'a [u8],
) -> anyhow::Result<Option<u64>> {
    if let Some(id) = quick(message, &text) {
        return Ok(Some(id));
    }
    let Some(envelope) = json::envelope(message) else {
        anyhow::bail!("this is no message: {}", start(message));
    };
    if envelope.method.is_some() {
        return Ok(None);
    }
    let id = envelope.id.and_then(|id| id.get().parse::<u64>().ok());
    let said = envelope.result.and_then(|result| {
        let result: Result<'_> = serde_json::from_str(result.get()).ok()?;
        result.content.first()?.text
    });
    match (id, said) {
        (Some(id), Some(said)) if is_right(said.get().as_bytes(), id, text(id)) => Ok(Some(id)),
        _ => anyhow::bail!("a wrong answer: {}", start(message)),
    }
}

fn quick<'a>(message: &[u8], text: &impl Fn(u64) -> &'a [u8]) -> Option<u64> {
    let rest = message.strip_prefix(json::HEAD)?;
    let (digits, rest) = rest.split_at_checked(10)?;
    let rest = rest.strip_prefix(br#","result":{"#)?;
    let id = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let said = json::after(rest, br#""text":"#)?;
    let length = text(id).len() + 12;
    is_right(said.get(..length)?, id, text(id)).then_some(id)
}

/// Whether a JSON string is the id and what follows it.
fn is_right(said: &[u8], id: u64, text: &[u8]) -> bool {
    let said = said.strip_prefix(b"\"").and_then(|said| said.strip_suffix(b"\""));
    let Some((digits, said)) = said.and_then(|said| said.split_at_checked(10)) else {
        return false;
    };
    said == text && digits == id.to_string().as_bytes()
}

/// The beginning of a message, for a complaint.
pub(crate) fn start(message: &[u8]) -> String {
    String::from_utf8_lossy(message.get(..message.len().min(400)).unwrap_or_default()).into_owned()
}
