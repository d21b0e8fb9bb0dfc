//! Who asks in which era, and results in the shape of that era.

use serde_json::json;

use crate::wire::Raw;
use crate::wire::code;
use crate::wire::era::Era;
use crate::wire::era::Revision;
use crate::wire::frame;
use crate::wire::frame::Request;
use crate::wire::meta;
use crate::wire::meta::RequestMeta;

/// What a model is told about this server.
const INSTRUCTIONS: &str = "A demonstration: it echoes, adds, counts down and asks.";

/// Who sent one request, as far as the answer depends on it.
#[derive(Clone, Debug)]
pub(in crate::demo) struct Client {
    /// How it speaks.
    pub(in crate::demo) era: Era,
    /// What it can do.
    pub(in crate::demo) capabilities: Raw,
    /// Under which token it wants to hear of progress.
    pub(in crate::demo) progress: Option<Raw>,
}

impl Client {
    /// Reads who sent a request; outside of a `session` the request has to say so itself.
    pub(in crate::demo) fn of(request: &Request, session: Option<&Raw>) -> Result<Self, Raw> {
        let meta = RequestMeta::read(request.params.as_ref());
        let progress = meta.progress_token;
        let Some(version) = meta.protocol_version else {
            let capabilities = session.cloned().ok_or_else(|| {
                let message = "`initialize` first, or name the protocol version in `_meta`";
                frame::error(code::INVALID_PARAMS, message, None)
            })?;
            return Ok(Self { era: Era::Legacy, capabilities, progress });
        };
        let version = version.string().unwrap_or_default();
        if Revision::parse(&version).is_none_or(|revision| revision.era() == Era::Legacy) {
            let data = json!({ "supported": [Revision::LATEST.as_str()], "requested": version });
            let message = "unsupported protocol version";
            return Err(frame::error(code::UNSUPPORTED_VERSION, message, Some(&Raw::of(&data))));
        }
        let capabilities = meta.client_capabilities.ok_or_else(|| {
            let message = format!("`_meta` lacks `{}`", meta::CLIENT_CAPABILITIES);
            frame::error(code::INVALID_PARAMS, &message, None)
        })?;
        Ok(Self { era: Era::Modern, capabilities, progress })
    }

    /// Returns whether it can show a form to a person.
    pub(in crate::demo) fn shows_forms(&self) -> bool {
        let elicitation = self.capabilities.member("elicitation");
        // `{}` means forms alone.
        elicitation.is_some_and(|it| it.member("form").is_some() || it.member("url").is_none())
    }

    /// Returns a result in the shape of the client's era.
    pub(in crate::demo) fn complete(&self, result: &Raw) -> Raw {
        self.shaped(result, &[("resultType", "\"complete\"")])
    }

    /// Returns a result that is the same for everybody until the program ends.
    pub(in crate::demo) fn cacheable(&self, result: &Raw) -> Raw {
        let fields =
            [("resultType", "\"complete\""), ("ttlMs", "3600000"), ("cacheScope", "\"public\"")];
        self.shaped(result, &fields)
    }

    fn shaped(&self, result: &Raw, fields: &[(&str, &str)]) -> Raw {
        if self.era == Era::Legacy {
            return result.clone();
        }
        let object = result.object().expect("every result of this server is an object");
        let mut edit = object.edit();
        for (key, json) in fields {
            edit = edit.set(key, *json);
        }
        let info = Raw::of(&server_info());
        let result = edit.apply();
        meta::edit(Some(&result), &[(meta::SERVER_INFO, info.get())], &[]).unwrap_or(result)
    }
}

/// Returns `{}`.
pub(in crate::demo) fn nothing() -> Raw {
    Raw::of(&json!({}))
}

/// Returns the result of `initialize`, in the revision asked for if it has sessions.
pub(in crate::demo) fn initialized(params: Option<&Raw>) -> Raw {
    let asked = params.and_then(|params| params.member("protocolVersion")?.string());
    let revision = asked.as_deref().and_then(Revision::parse);
    let revision = revision.filter(|revision| revision.era() == Era::Legacy);
    Raw::of(&json!({
        "protocolVersion": revision.unwrap_or(Revision::LATEST_LEGACY).as_str(),
        "capabilities": capabilities(),
        "serverInfo": server_info(),
        "instructions": INSTRUCTIONS,
    }))
}

/// Returns the result of `server/discover`, before it is shaped.
pub(in crate::demo) fn discovered() -> Raw {
    Raw::of(&json!({
        "supportedVersions": Revision::ALL.map(Revision::as_str),
        "capabilities": capabilities(),
        "instructions": INSTRUCTIONS,
    }))
}

fn capabilities() -> serde_json::Value {
    json!({ "tools": {}, "resources": {}, "prompts": {} })
}

fn server_info() -> serde_json::Value {
    json!({ "name": "conflux-demo", "version": env!("CARGO_PKG_VERSION") })
}
