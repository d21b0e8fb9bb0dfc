//! Which arguments the tools of an upstream want repeated in headers, as it last listed them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::ids::UpstreamId;
use crate::wire::Raw;
use crate::wire::mirror;
use crate::wire::mirror::Mirror;

/// The mirrors of each tool that has some; cloning shares them. They outlive sessions, because
/// a call may be the first thing that is asked of the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Mirrors(Arc<Mutex<HashMap<String, Arc<[Mirror]>>>>);

impl Mirrors {
    /// Takes over what these definitions say, and forgets everything said before. Tools whose
    /// annotations cannot be followed are taken out: over HTTP, a client must not offer them
    /// (2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters").
    pub(super) fn learn(&self, upstream: &UpstreamId, tools: &mut Vec<Raw>) {
        let mut learned = HashMap::new();
        tools.retain(|tool| {
            let name = tool.member("name").and_then(|name| name.string()).unwrap_or_default();
            let Some(schema) = tool.member("inputSchema") else { return true };
            match mirror::mirrors(&schema) {
                Ok(mirrors) if mirrors.is_empty() => {}
                Ok(mirrors) => drop(learned.insert(name, mirrors.into())),
                Err(defect) => {
                    tracing::warn!(%upstream, tool = name, %defect, "a tool is left out");
                    return false;
                }
            }
            true
        });
        *self.lock() = learned;
    }

    /// Returns the headers that a call with these `params` must have, name and value, not encoded.
    pub(super) fn headers(&self, params: &Raw) -> Vec<(String, String)> {
        let Some(name) = params.member("name").and_then(|name| name.string()) else {
            return Vec::new();
        };
        let Some(mirrors) = self.lock().get(&name).cloned() else { return Vec::new() };
        let arguments = params.member("arguments");
        let header = |mirror: &Mirror| {
            let value = mirror.value(arguments.as_ref())?;
            Some((mirror.header().to_owned(), value))
        };
        mirrors.iter().filter_map(header).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<[Mirror]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
