//! The requests under way on one connection, and whose each of them is.

use std::collections::BTreeMap;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exchange::Exchange;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::deadline::Asking;
use crate::exchange::queue;
use crate::upstream::error::Error;
use crate::upstream::incoming::Incoming;
use crate::upstream::incoming::Meant;
use crate::upstream::task::registry::Role;

/// How many things may wait for one call before its answer.
const CALL_CAPACITY: usize = 255;

/// The requests under way on one connection, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The number of the one that began last.
    last: u64,
    /// All of them.
    pub(super) calls: BTreeMap<u64, Pending>,
    /// Whether no new one can begin.
    pub(super) is_closed: bool,
    /// Why nothing new can begin, if those under way go on.
    pub(super) left: Option<Error>,
    /// When a request last began or ended; those of Conflux itself, such as for lists, count too.
    pub(super) used: Option<Instant>,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Pending {
    /// Where it is told what comes back.
    pub(super) queue: queue::Sender<Incoming>,
    /// For whom it is; nothing if it is Conflux's own.
    pub(super) exchange: Option<Exchange>,
    /// Whether its caller has been waited for once.
    pub(super) is_slow: bool,
    /// What it has to do with a task.
    pub(super) role: Option<Role>,
    /// Where somebody wants to know when it is no longer under way.
    pub(super) gone: Gone,
}

/// Says that a request is no longer under way, if anybody wants to know.
#[derive(Debug, Default)]
pub(super) struct Gone(Option<CancellationToken>);

impl Gone {
    /// Returns the token that is cancelled then.
    pub(super) fn token(&mut self) -> CancellationToken {
        self.0.get_or_insert_default().clone()
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(token) = &self.0 {
            token.cancel();
        }
    }
}

impl Table {
    /// Makes room for a request; returns its number, when it began, and what comes back for it.
    ///
    /// Returns nothing if no new one can begin.
    pub(super) fn begin(
        &mut self,
        exchange: Option<&Exchange>,
    ) -> Option<(u64, Instant, queue::Receiver<Incoming>)> {
        if self.is_closed {
            return None;
        }
        self.last += 1;
        let (begun, number) = (Instant::now(), self.last);
        self.used = Some(begun);
        let (queue, incoming) = queue::channel(CALL_CAPACITY);
        let (exchange, gone) = (exchange.cloned(), Gone::default());
        let pending = Pending { queue, exchange, is_slow: false, role: None, gone };
        self.calls.insert(number, pending);
        Some((number, begun, incoming))
    }

    /// Returns whether a caller's request is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.calls.values().any(|pending| pending.exchange.is_some())
    }

    /// Returns the only request under way, if there is exactly one.
    pub(super) fn only_number(&self) -> Option<u64> {
        let mut numbers = self.calls.keys();
        numbers.next().copied().filter(|_| numbers.next().is_none())
    }

    /// Returns the request that waits for the result of the task `id`.
    pub(super) fn serving(&self, id: &str) -> Option<Meant> {
        let serves = |pending: &Pending| {
            pending.role.as_ref().and_then(Role::served).is_some_and(|served| served == id)
        };
        let all = self.calls.iter().filter(|(_, pending)| serves(pending));
        let (number, pending) = all.max_by_key(|(number, _)| **number)?;
        Some(Meant::Call { number: *number, exchange: pending.exchange.clone()? })
    }

    /// Returns the request that a message must be meant for; nothing if no caller's is under way.
    ///
    /// If all of them have one caller, it is the one that began last. Where the message came with
    /// the answer to the request `origin`, it is that one.
    pub(super) fn meant(&self, origin: Option<u64>) -> Result<Option<Meant>, Refusal> {
        if let Some(number) = origin {
            // What belongs to a request that is over belongs to nobody else.
            let pending = self.calls.get(&number).ok_or(Refusal::Gone)?;
            if let Some(exchange) = &pending.exchange {
                return Ok(Some(Meant::Call { number, exchange: exchange.clone() }));
            }
        }
        let mut meant: Option<(u64, &Exchange)> = None;
        for (number, pending) in &self.calls {
            let Some(exchange) = &pending.exchange else { continue };
            match meant {
                Some((_, other)) if other.caller().id() != exchange.caller().id() => {
                    return Err(Refusal::Ambiguous);
                }
                Some((later, _)) if later > *number => {}
                _ => meant = Some((*number, exchange)),
            }
        }
        Ok(meant.map(|(number, exchange)| Meant::Call { number, exchange: exchange.clone() }))
    }

    /// Stops the clocks of all requests of a caller until what is returned is dropped.
    pub(super) fn stand_still(&self, caller: &Caller) -> Vec<Asking> {
        let exchanges = self.calls.values().filter_map(|pending| pending.exchange.as_ref());
        let own = exchanges.filter(|exchange| exchange.caller().id() == caller.id());
        own.map(Exchange::stand_still).collect()
    }
}
