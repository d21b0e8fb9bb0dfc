//! Which upstream last mentioned an address to a caller, for addresses that nobody lists.

use std::sync::Mutex;
use std::sync::PoisonError;

use indexmap::IndexMap;

use crate::catalog;
use crate::catalog::ResultKind;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Memory;
use crate::ids::UpstreamId;
use crate::wire::Raw;

/// How many addresses are remembered for all callers; the oldest give way.
const CAPACITY: usize = 8192;
/// How many of one caller make no room for those of others.
const FAIR: usize = 1024;
/// The longest address that is remembered, in bytes.
const LONGEST: usize = 4096;

/// The last upstream that mentioned each address.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    seen: Mutex<IndexMap<(Memory, String), UpstreamId>>,
}

impl Mentions {
    /// Remembers every address a result mentions.
    pub(super) fn note(
        &self,
        caller: &Caller,
        upstream: &UpstreamId,
        kind: ResultKind,
        result: &Raw,
    ) {
        // Most results link to nothing; a glance at the text spares reading them.
        if !result.get().contains("\"uri\"") {
            return;
        }
        let mut uris = catalog::mentioned(result, kind);
        uris.retain(|uri| uri.len() <= LONGEST);
        if uris.is_empty() {
            return;
        }
        let memory = caller.memory();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for uri in uris {
            let key = (memory.clone(), uri);
            seen.shift_remove(&key);
            seen.insert(key, upstream.clone());
        }
        let surplus = seen.len().saturating_sub(CAPACITY);
        if surplus > 0 {
            make_room(&mut seen, &memory, surplus);
        }
    }

    /// Returns who last mentioned `uri` to the caller.
    pub(super) fn who(&self, caller: Memory, uri: &str) -> Option<UpstreamId> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&(caller, uri.to_owned())).cloned()
    }
}

/// Lets the oldest addresses go: first of the caller for whom there are too many, if that is why.
fn make_room(
    seen: &mut IndexMap<(Memory, String), UpstreamId>,
    memory: &Memory,
    mut surplus: usize,
) {
    let own = seen.keys().filter(|(whose, _)| whose == memory).count();
    let mut own_surplus = own.saturating_sub(FAIR).min(surplus);
    surplus -= own_surplus;
    if own_surplus > 0 {
        seen.retain(|(whose, _), _| {
            let goes = own_surplus > 0 && whose == memory;
            own_surplus -= usize::from(goes);
            !goes
        });
    }
    seen.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::CAPACITY;
    use super::FAIR;
    use super::LONGEST;
    use super::Mentions;
    use crate::catalog::ResultKind;
    use crate::exchange::caller::Caller;
    use crate::exchange::caller::Reach;
    use crate::ids::CallerId;
    use crate::ids::UpstreamId;
    use crate::wire::Raw;

    #[test]
    fn what_is_too_long_is_not_remembered() {
        let (mentions, upstream) = (Mentions::default(), UpstreamId::new("a"));
        let uris = [LONGEST, LONGEST + 1].map(|length| format!("a:{}", "x".repeat(length - 2)));
        let link = |uri| json!({ "type": "resource_link", "name": "n", "uri": uri });
        let result = Raw::of(&json!({ "content": [link(&uris[0]), link(&uris[1])] }));
        let caller = Caller::new(CallerId(1), Arc::default(), Reach::InCallsOnly);
        mentions.note(&caller, &upstream, ResultKind::Tool, &result);
        let who = uris.each_ref().map(|uri| mentions.who(caller.memory(), uri));
        assert_eq!(who, [Some(upstream), None]);
    }

    #[test]
    fn one_who_is_told_of_much_leaves_others_what_they_were_told() {
        let (mentions, upstream) = (Mentions::default(), UpstreamId::new("a"));
        let [one, other] =
            [1, 2].map(|number| Caller::new(CallerId(number), Arc::default(), Reach::InCallsOnly));
        let tell = |caller: &Caller, from: usize, count: usize| {
            let link = |number| json!({ "type": "resource_link", "uri": format!("a:{number}") });
            let links: Vec<_> = (from..from + count).map(link).collect();
            mentions.note(
                caller,
                &upstream,
                ResultKind::Tool,
                &Raw::of(&json!({ "content": links })),
            );
        };
        let known = |caller: &Caller, number: usize| {
            mentions.who(caller.memory(), &format!("a:{number}")).is_some()
        };
        tell(&one, 0, FAIR);
        for part in 0..10 {
            tell(&other, part * CAPACITY, CAPACITY);
        }
        assert!(known(&one, 0) && known(&one, FAIR - 1));
        assert!(known(&other, 10 * CAPACITY - 1) && !known(&other, 0));
        assert_eq!(mentions.seen.lock().unwrap().len(), CAPACITY);
        tell(&one, FAIR, CAPACITY);
        assert!(!known(&one, 0) && known(&one, FAIR + CAPACITY - 1));
        assert!(known(&other, 10 * CAPACITY - 1));
    }
}
