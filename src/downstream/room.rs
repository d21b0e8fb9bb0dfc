//! Room for what clients send: what they do about it, and what becomes of what there is none for.
//!
//! A large request keeps its room until nobody needs it any more. A client whose large message
//! finds none is not read on for a moment. Then the message is read all the same, because it must
//! be seen what it is: an answer, without which those who hold the room might wait for ever, is
//! taken, and so is a notification. A request is refused, and gone.

use std::time::Duration;

use crate::downstream::codes;
use crate::downstream::rounds;
use crate::wire::Raw;
use crate::wire::budget::Budget;
use crate::wire::frame::Request;

/// How many bytes large messages of all clients may take.
pub(super) const SIZE: usize = 16 * 1024 * 1024;
/// How long a large message waits for room. What its client sent behind it, such as that something
/// is to be cancelled, waits with it where there is one stream for all.
pub(super) const LIMIT: Duration = Duration::from_secs(2);

/// Whether there was room for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There was.
    Within,
    /// There was none in time.
    Beyond,
}

impl Room {
    /// Returns what an intake says.
    pub(super) fn of(is_beyond: bool) -> Self {
        if is_beyond { Self::Beyond } else { Self::Within }
    }

    /// Returns why a request is not carried out, if there is no room in `budget` for it.
    pub(super) fn refusal(self, request: &Request, budget: &Budget) -> Option<Raw> {
        (self == Self::Beyond && !brings_answers(request)).then(|| codes::no_room(budget.size()))
    }
}

/// Returns whether a request is one that came back with answers: its exchange waits for them, and
/// has room already.
fn brings_answers(request: &Request) -> bool {
    let params = request.params.as_ref().filter(|_| rounds::may_ask(&request.method));
    params.is_some_and(|params| params.member("requestState").is_some())
}
