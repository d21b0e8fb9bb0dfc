//! Addresses that a person must visit before a legacy upstream goes on (2025-11-25).
//!
//! An upstream asks for a visit in the middle of a call, or ends the call with an error that wants
//! one first. When the visit is over it may say so, by the id it gave: that is told to the one
//! client that got the id.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;

use indexmap::IndexMap;

use crate::exchange::ask::Answers;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Kind;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::wire::Raw;
use crate::wire::code;
use crate::wire::era::Revision;
use crate::wire::method;

/// How many visits of one upstream are remembered; the oldest give way.
const CAPACITY: usize = 1024;
/// The longest id of a visit that is remembered, in bytes.
const LONGEST: usize = 1024;

/// Which client got which id.
#[derive(Debug, Default)]
pub(super) struct Visits {
    guests: Mutex<IndexMap<String, Weak<Caller>>>,
}

impl Visits {
    /// Remembers that a client is asked for the visit in `params`, if that has an id.
    pub(super) fn note(&self, params: &Raw, guest: &Arc<Caller>) {
        let Some(id) = id(params) else { return };
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        guests.shift_remove(&id);
        guests.insert(id, Arc::downgrade(guest));
        let surplus = guests.len().saturating_sub(CAPACITY);
        guests.drain(..surplus);
    }

    /// Remembers every visit that an error wants first.
    pub(super) fn note_all(&self, error: &Raw, guest: &Arc<Caller>) {
        for params in wanted(error).into_iter().flatten() {
            self.note(&params, guest);
        }
    }

    /// Returns the client that got the id in these parameters, for the last time.
    pub(super) fn over(&self, params: &Raw) -> Option<Arc<Caller>> {
        let id = id(params)?;
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        guests.shift_remove(&id)?.upgrade()
    }
}

fn id(params: &Raw) -> Option<String> {
    params.member("elicitationId")?.string().filter(|id| id.len() <= LONGEST)
}

/// Returns the questions of an error that wants visits first, if `client` is to be asked them.
///
/// A client of 2025-11-25 that knows visits gets the error itself, and repeats its own request.
pub(super) fn questions(
    error: &Raw,
    method: &str,
    client: &Capabilities,
) -> Option<Vec<(String, InputRequest)>> {
    let may_ask =
        matches!(method, method::TOOLS_CALL | method::PROMPTS_GET | method::RESOURCES_READ);
    let knows_the_error = client.revision() == Revision::V2025_11_25;
    if !may_ask || knows_the_error || !client.can(Kind::ElicitUrl) {
        return None;
    }
    let questions = wanted(error)?.into_iter().enumerate().map(|(index, params)| {
        let question = InputRequest::parse(method::ELICIT, Some(params))?;
        let is_visit = question.kind() == Kind::ElicitUrl;
        is_visit.then(|| (format!("visit-{}", index + 1), question))
    });
    let questions: Option<Vec<_>> = questions.collect();
    questions.filter(|questions| !questions.is_empty())
}

/// Returns whether every visit was agreed to; otherwise what the client said instead.
pub(super) fn agreed(answers: Answers) -> Result<(), String> {
    for (_, answer) in answers {
        let answer = answer.unwrap_or_else(|error| error);
        let said = answer.member("action").or_else(|| answer.member("message"));
        let said = said.and_then(|said| said.string()).unwrap_or_else(|| "an error".to_owned());
        if said != "accept" {
            return Err(said);
        }
    }
    Ok(())
}

/// The parameters of each visit that an error wants first; nothing if it is no such error.
fn wanted(error: &Raw) -> Option<Vec<Raw>> {
    let is_one = error.member("code")?.get() == code::URL_ELICITATION_REQUIRED.to_string();
    if !is_one {
        return None;
    }
    error.member("data")?.member("elicitations")?.elements()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::LONGEST;
    use super::Visits;
    use crate::exchange::caller::Caller;
    use crate::exchange::caller::Reach;
    use crate::ids::CallerId;
    use crate::wire::Raw;

    #[test]
    fn an_id_that_is_too_long_is_not_remembered() {
        let guest = Arc::new(Caller::new(CallerId(1), Arc::default(), Reach::Anytime));
        let visits = Visits::default();
        let over = |length| {
            let params = Raw::of(&json!({ "elicitationId": "x".repeat(length) }));
            visits.note(&params, &guest);
            visits.over(&params).is_some()
        };
        assert_eq!([over(LONGEST), over(LONGEST + 1)], [true, false]);
    }
}
