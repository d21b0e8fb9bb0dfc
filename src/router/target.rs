//! What a request is about, as far as that decides whether it goes on.

use crate::catalog::Entry;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::wire::Raw;
use crate::wire::method;

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// Its method.
    pub(super) method: &'a str,
    /// What it names.
    pub(super) thing: Thing<'a>,
    /// Whose that is.
    pub(super) upstream: &'a UpstreamId,
    /// Its parameters, as they came.
    pub(super) params: Option<&'a Raw>,
    /// The same as they are sent, for a call; nothing if there is something wrong with them, so
    /// that nothing will be sent.
    pub(super) sent: Option<&'a Raw>,
}

/// What a request names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Thing<'a> {
    /// A tool.
    Tool(&'a Entry),
    /// A prompt.
    Prompt(&'a Entry),
    /// A tool of Conflux itself, by its name.
    Own(&'a str),
    /// An address, as the caller knows it and as its upstream does.
    Resource(&'a str, &'a str),
    /// Nothing that is listed: a method of an extension, which concerns its upstream as a whole.
    Extension,
}

impl Target<'_> {
    /// Returns how large its arguments are, or the parameters of what has none, in bytes.
    pub(super) fn size(&self) -> usize {
        let Some(params) = self.params else { return 0 };
        match self.thing {
            Thing::Tool(_) | Thing::Prompt(_) if self.method != method::COMPLETE => {
                let object = params.object().ok();
                object.and_then(|object| object.get("arguments").map(str::len)).unwrap_or_default()
            }
            _ => params.get().len(),
        }
    }

    /// Returns what it names.
    pub(super) fn name(&self) -> &str {
        match self.thing {
            Thing::Tool(entry) | Thing::Prompt(entry) => &entry.public,
            Thing::Own(name) | Thing::Resource(name, _) => name,
            Thing::Extension => self.method,
        }
    }

    /// Says that there is nothing of this name.
    pub(super) fn unknown(&self) -> Error {
        match self.thing {
            Thing::Tool(tool) => Error::UnknownTool(tool.public.clone()),
            Thing::Prompt(prompt) => Error::UnknownPrompt(prompt.public.clone()),
            Thing::Own(name) => Error::UnknownTool(name.to_owned()),
            Thing::Resource(uri, _) => Error::UnknownResource(uri.to_owned()),
            Thing::Extension => Error::UnknownMethod(self.method.to_owned()),
        }
    }
}
