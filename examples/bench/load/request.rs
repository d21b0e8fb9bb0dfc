//! Requests as bytes, in which only the id is replaced.

use std::fmt::Write as _;

use crate::json;

/// All ids have as many digits as this one.
pub(crate) const FIRST_ID: u64 = 1_000_000_000;
const ID_LENGTH: usize = 10;

/// The era a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Era {
    Legacy,
    Modern,
}

impl Era {
    pub(crate) const ALL: [Self; 2] = [Self::Legacy, Self::Modern];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }

    pub(crate) fn revision(self) -> &'static str {
        match self {
            Self::Legacy => json::LEGACY,
            Self::Modern => json::MODERN,
        }
    }

    /// The parameters `members` as a client of this era sends them.
    pub(crate) fn params(self, members: &str) -> String {
        let comma = if members.is_empty() { "" } else { "," };
        match self {
            Self::Legacy => format!("{{{members}}}"),
            Self::Modern => format!(
                r#"{{{members}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"{}","io.modelcontextprotocol/clientCapabilities":{{"elicitation":{{"form":{{}}}}}},"io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"1.0.0"}}}}}}"#,
                json::MODERN
            ),
        }
    }
}

/// One request, and the text that its answer must have.
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Where the digits of the id are: as the id, and at the start of the text.
    id_places: [usize; 2],
    /// What follows them in the text, as JSON.
    pub(crate) text: Vec<u8>,
}

/// Where requests go over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) path: String,
    pub(crate) session: Option<String>,
    /// The revision that was agreed on, if one was.
    pub(crate) revision: Option<String>,
    /// What shows who comes, if anybody wants to know.
    pub(crate) token: Option<String>,
}

impl Target {
    /// Everything in front of a body of this length.
    pub(crate) fn head(&self, era: Era, method: &str, name: Option<&str>, length: usize) -> String {
        let Self { address, path, session, revision, token } = self;
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\ncontent-length: {length}\r\n"
        );
        let mut add = |name: &str, value: &str| {
            let written = write!(head, "{name}: {value}\r\n");
            debug_assert!(written.is_ok(), "a string takes what is written");
        };
        if method != "initialize" {
            add("mcp-protocol-version", revision.as_deref().unwrap_or(era.revision()));
        }
        if let Some(token) = token {
            add("authorization", &format!("Bearer {token}"));
        }
        if let Some(session) = session {
            add("mcp-session-id", session);
        }
        if era == Era::Modern {
            add("mcp-method", method);
            if let Some(name) = name {
                add("mcp-name", name);
            }
        }
        head.push_str("\r\n");
        head
    }
}

impl Request {
    /// A call of `tool` with a text of `payload` bytes: as a line, or as a request to `target`.
    pub(crate) fn new(era: Era, tool: &str, payload: usize, target: Option<&Target>) -> Self {
        let text = text(payload.saturating_sub(ID_LENGTH));
        let members = format!(r#""name":"{tool}","arguments":{{"text":"{FIRST_ID}{text}"}}"#);
        let params = era.params(&members);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{FIRST_ID},"method":"tools/call","params":{params}}}"#
        );
        let head = target.map(|target| target.head(era, "tools/call", Some(tool), body.len()));
        let id_at = head.as_ref().map_or(0, String::len) + json::HEAD.len();
        let bytes = match head {
            Some(head) => head + &body,
            None => body + "\n",
        };
        let marker = format!(r#""text":"{FIRST_ID}"#);
        let text_at = bytes.find(&marker).map_or(id_at, |at| at + marker.len() - ID_LENGTH);
        Self { bytes: bytes.into_bytes(), id_places: [id_at, text_at], text: text.into_bytes() }
    }

    /// Adds the request with this id.
    pub(crate) fn write(&self, id: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let digits = id.to_string();
        for place in self.id_places {
            let at = start + place;
            if let Some(slot) = out.get_mut(at..at + ID_LENGTH) {
                slot.copy_from_slice(digits.as_bytes());
            }
        }
    }
}

/// Text of `length` bytes as JSON: words, and now and then what must be escaped.
fn text(length: usize) -> String {
    const PIECE: &str =
        r#" some words that a tool would say, and more of them; \"quoted\" here,\n"#;
    let mut text = PIECE.repeat(length / PIECE.len() + 1);
    // A cut may leave half an escape.
    text.truncate(length / PIECE.len() * PIECE.len());
    text.push_str(&"x".repeat(length - text.len()));
    text
}
