//! Exchanges that wait for a modern client to come back with answers.
//!
//! The client carries a sealed ticket, good for one use, by one principal, with the request it
//! belongs to, until it expires. What it stands for stays here: a parked exchange keeps running.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use sha2::Digest as _;
use sha2::Sha256;
use tokio::sync::oneshot;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::downstream::call::Stream;
use crate::downstream::seal::Seal;
use crate::exchange::caller::Caller;
use crate::exchange::principal::Principal;
use crate::ids::CallerId;
use crate::wire::Raw;

/// How long a client may take to come back with answers.
pub(super) const EXPIRY: Duration = Duration::from_mins(10);
/// The members of a request that differ from one round to the next.
const PER_ROUND: [&str; 3] = ["_meta", "inputResponses", "requestState"];

/// The exchanges that wait.
#[derive(Debug)]
pub(super) struct Parking {
    seal: Seal,
    start: Instant,
    limit: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    next: u64,
    taken: HashMap<u64, Slot>,
}

#[derive(Debug)]
struct Slot {
    /// Whose request it was.
    caller: CallerId,
    principal: Principal,
    resume: oneshot::Sender<Resume>,
    cancel: CancellationToken,
}

/// The client is back.
#[derive(Debug)]
pub(super) struct Resume {
    /// Where the request that came back is answered.
    pub(super) stream: Stream,
    /// The answers, by the keys of the questions.
    pub(super) responses: Vec<(String, Raw)>,
}

/// The waiting of one parked exchange. When it is dropped, its ticket is void.
#[derive(Debug)]
pub(super) struct Waiting {
    parking: Arc<Parking>,
    number: u64,
    resume: oneshot::Receiver<Resume>,
    until: Instant,
}

/// A parked exchange that was found, and is parked no longer.
#[derive(Debug)]
pub(super) struct Claim {
    resume: oneshot::Sender<Resume>,
    /// Ends the exchange.
    pub(super) cancel: CancellationToken,
}

/// What identifies a request from round to round.
pub(super) type Fingerprint = Digest;

type Digest = [u8; 32];

/// Why a ticket is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("`requestState` was altered, or is from another run of Conflux")]
    Altered,
    #[error("`requestState` has expired; send the request again without it")]
    Expired,
    #[error("`requestState` belongs to another client")]
    OtherPrincipal,
    #[error("`requestState` belongs to a request with another method or other parameters")]
    OtherRequest,
    #[error("`requestState` was used before, or its request has ended")]
    Used,
}

impl Parking {
    /// Makes an empty one; fails if the system has no randomness to give.
    ///
    /// Each principal may have `limit` exchanges parked.
    pub(super) fn try_new(limit: usize) -> Result<Self, getrandom::Error> {
        let (seal, slots) = (Seal::try_new()?, Mutex::default());
        Ok(Self { seal, start: Instant::now(), limit, slots })
    }

    /// Parks an exchange that ends by `cancel`; returns the ticket for the client.
    ///
    /// Returns nothing if the caller's principal has too many parked.
    pub(super) fn park(
        self: &Arc<Self>,
        caller: &Caller,
        fingerprint: &Fingerprint,
        cancel: &CancellationToken,
    ) -> Option<(String, Waiting)> {
        let principal = caller.principal();
        let (sender, resume) = oneshot::channel();
        let number = {
            let mut slots = self.lock();
            let is_same = |slot: &&Slot| slot.principal == *principal;
            if slots.taken.values().filter(is_same).count() >= self.limit {
                return None;
            }
            slots.next += 1;
            let number = slots.next;
            let (caller, cancel) = (caller.id(), cancel.clone());
            let principal = principal.clone();
            slots.taken.insert(number, Slot { caller, principal, resume: sender, cancel });
            number
        };
        let until = Instant::now() + EXPIRY;
        let (until_millis, principal) = (self.millis(until), principal.digest());
        let ticket = Ticket { number, until: until_millis, principal, request: *fingerprint };
        let state = self.seal.close(&ticket.write());
        Some((state, Waiting { parking: Arc::clone(self), number, resume, until }))
    }

    /// Finds what a ticket stands for, and makes the ticket void.
    pub(super) fn claim(
        &self,
        principal: &Principal,
        fingerprint: &Fingerprint,
        state: &str,
    ) -> Result<Claim, Refused> {
        let ticket = self.seal.open(state).and_then(|plain| Ticket::read(&plain));
        let ticket = ticket.ok_or(Refused::Altered)?;
        if ticket.principal != principal.digest() {
            return Err(Refused::OtherPrincipal);
        }
        if ticket.request != *fingerprint {
            return Err(Refused::OtherRequest);
        }
        if ticket.until <= self.millis(Instant::now()) {
            return Err(Refused::Expired);
        }
        let slot = self.lock().taken.remove(&ticket.number).ok_or(Refused::Used)?;
        Ok(Claim { resume: slot.resume, cancel: slot.cancel })
    }

    /// Ends every parked exchange of a caller that is gone.
    pub(super) fn evict(&self, caller: CallerId) {
        let slots = self.lock();
        for slot in slots.taken.values().filter(|slot| slot.caller == caller) {
            slot.cancel.cancel();
        }
    }

    /// Returns how many are parked.
    pub(super) fn len(&self) -> usize {
        self.lock().taken.len()
    }

    /// Ends every parked exchange.
    pub(super) fn evict_all(&self) {
        for slot in self.lock().taken.values() {
            slot.cancel.cancel();
        }
    }

    fn millis(&self, moment: Instant) -> u64 {
        let millis = moment.saturating_duration_since(self.start).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Waits until the client is back; nothing if it does not come in time. Cancel safe.
    pub(super) async fn resumed(&mut self) -> Option<Resume> {
        match time::timeout_at(self.until, &mut self.resume).await {
            Ok(resume) => resume.ok(),
            Err(_) => None,
        }
    }

    /// Returns the client if it came back while the exchange was ending.
    pub(super) fn late(&mut self) -> Option<Resume> {
        self.resume.try_recv().ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.parking.lock().taken.remove(&self.number));
    }
}

impl Claim {
    /// Lets the exchange go on; gives the stream back if it has ended in the meantime.
    pub(super) fn resume(self, resume: Resume) -> Option<Stream> {
        self.resume.send(resume).err().map(|resume| resume.stream)
    }
}

/// What the client carries.
#[derive(Debug)]
struct Ticket {
    number: u64,
    /// In milliseconds since the parking was opened.
    until: u64,
    principal: Digest,
    request: Fingerprint,
}

impl Ticket {
    fn write(&self) -> Vec<u8> {
        let numbers = [self.number, self.until].map(u64::to_be_bytes);
        [numbers.as_flattened(), &self.principal, &self.request].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let (principal, request) = rest.split_first_chunk()?;
        Some(Self {
            number: u64::from_be_bytes(*number),
            until: u64::from_be_bytes(*until),
            principal: *principal,
            request: request.try_into().ok()?,
        })
    }
}

/// Returns what identifies a request from round to round: its method and its parameters.
///
/// The order of keys and white space do not count; a client may write them anew each time. They do
/// in parameters with more depth or larger numbers than can be understood.
pub(super) fn fingerprint(method: &str, params: Option<&Raw>) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update(method.as_bytes());
    hash.update([0]);
    match params.map(|params| (params, params.read::<serde_json::Value>())) {
        None => {}
        Some((_, Ok(mut value))) => {
            if let Some(members) = value.as_object_mut() {
                members.retain(|key, _| !PER_ROUND.contains(&key.as_str()));
            }
            value.sort_all_objects();
            hash.update(value.to_string().as_bytes());
        }
        Some((params, Err(_))) => {
            let object = params.object().ok();
            let rest = object.map(|object| {
                PER_ROUND.iter().fold(object.edit(), |edit, key| edit.remove(key)).apply()
            });
            hash.update(rest.as_ref().unwrap_or(params).get().as_bytes());
        }
    }
    hash.finalize().into()
}
