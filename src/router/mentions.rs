//! Which upstream last mentioned an address to a caller, for addresses that nobody lists.

use std::sync::Mutex;
use std::sync::PoisonError;

use indexmap::IndexMap;

use crate::catalog;
use crate::catalog::ResultKind;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::wire::Raw;

/// How many addresses are remembered for all callers; the oldest give way.
const CAPACITY: usize = 8192;

/// The last upstream that mentioned each address.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    seen: Mutex<IndexMap<(CallerId, String), UpstreamId>>,
}

impl Mentions {
    /// Remembers every address a result mentions.
    pub(super) fn note(
        &self,
        caller: CallerId,
        upstream: &UpstreamId,
        kind: ResultKind,
        result: &Raw,
    ) {
        // Most results link to nothing; a glance at the text spares reading them.
        if !result.get().contains("\"uri\"") {
            return;
        }
        let uris = catalog::mentioned(result, kind);
        if uris.is_empty() {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for uri in uris {
            let key = (caller, uri);
            seen.shift_remove(&key);
            seen.insert(key, upstream.clone());
        }
        let surplus = seen.len().saturating_sub(CAPACITY);
        seen.drain(..surplus);
    }

    /// Returns who last mentioned `uri` to the caller.
    pub(super) fn who(&self, caller: CallerId, uri: &str) -> Option<UpstreamId> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&(caller, uri.to_owned())).cloned()
    }
}
