//! The sessions that are open: by ids nobody can guess, so many and no more, until nobody uses
//! them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::StatusCode;

use crate::downstream::http::headers;
use crate::downstream::http::session::Session;
use crate::downstream::http::status::Refusal;
use crate::exchange::principal::Principal;
use crate::router::Router;
use crate::wire::era::Era;
use crate::wire::era::Revision;

/// How many random bytes an id is made of.
const ID_LENGTH: usize = 24;

/// The sessions that are open.
#[derive(Debug)]
pub(super) struct Sessions {
    limit: usize,
    open: Mutex<HashMap<String, Arc<Session>>>,
}

impl Sessions {
    /// Makes room for `limit` sessions.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, open: Mutex::default() }
    }

    /// Adds a session and returns its id, and the session that had to give way for it: the one
    /// that nobody has used for longest. If all are in use there is no room.
    pub(super) fn add(
        &self,
        session: &Arc<Session>,
    ) -> Result<(String, Option<Arc<Session>>), Refusal> {
        let Some(id) = random_id() else {
            let problem = "the system has no random numbers for a session's id";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, problem));
        };
        let mut open = self.lock();
        let mut evicted = None;
        if open.len() >= self.limit {
            let idle = open.iter().filter_map(|(id, session)| Some((session.idle()?, id)));
            let Some(longest) = idle.max().map(|(_, id)| id.clone()) else {
                let problem = format!(
                    "{} sessions are open, and all are in use; try again later",
                    self.limit
                );
                return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, &problem));
            };
            evicted = open.remove(&longest);
        }
        open.insert(id.clone(), Arc::clone(session));
        Ok((id, evicted))
    }

    /// Returns the session that a message belongs to, if it is one of whoever sends it.
    pub(super) fn find(
        &self,
        headers: &HeaderMap,
        router: &Arc<Router>,
        principal: &Principal,
    ) -> Result<Arc<Session>, Refusal> {
        let id = id(headers)?;
        check_version(headers)?;
        let session = self.lock().get(id).cloned();
        session.filter(|session| session.belongs_to(router, principal)).ok_or_else(unknown)
    }

    /// Takes out the session that is to end.
    pub(super) fn remove(
        &self,
        headers: &HeaderMap,
        router: &Arc<Router>,
        principal: &Principal,
    ) -> Result<Arc<Session>, Refusal> {
        let session = self.find(headers, router, principal)?;
        // Somebody else may have ended it just now.
        self.lock().remove(id(headers)?).ok_or_else(unknown)?;
        Ok(session)
    }

    /// Takes out every session that nobody has used for `limit`.
    pub(super) fn remove_idle(&self, limit: Duration) -> Vec<Arc<Session>> {
        let is_idle = |session: &Session| session.idle().is_some_and(|idle| idle >= limit);
        self.lock().extract_if(|_, session| is_idle(session)).map(|(_, session)| session).collect()
    }

    /// Returns how many are open.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Takes out all.
    pub(super) fn remove_all(&self) -> Vec<Arc<Session>> {
        self.lock().drain().map(|(_, session)| session).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a message names a session.
pub(super) fn is_named(headers: &HeaderMap) -> bool {
    headers.contains_key(headers::SESSION_ID)
}

/// Returns an id nobody can guess; nothing if the system has no randomness to give.
pub(super) fn random_id() -> Option<String> {
    let mut bytes = [0; ID_LENGTH];
    getrandom::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

fn id(headers: &HeaderMap) -> Result<&str, Refusal> {
    headers::text(headers, headers::SESSION_ID).ok_or_else(|| {
        let problem = "`Mcp-Session-Id` is missing; it comes with the answer to `initialize`";
        Refusal::new(StatusCode::BAD_REQUEST, problem)
    })
}

fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(version) = headers.get(headers::PROTOCOL_VERSION) else { return Ok(()) };
    let revision = version.to_str().ok().and_then(Revision::parse);
    if revision.is_some_and(|revision| revision.era() == Era::Legacy) {
        return Ok(());
    }
    let problem = format!("`MCP-Protocol-Version` is {version:?}, which no session speaks");
    Err(Refusal::new(StatusCode::BAD_REQUEST, &problem))
}

fn unknown() -> Refusal {
    let problem = "there is no such session, or no longer; open one with `initialize`";
    Refusal::new(StatusCode::NOT_FOUND, problem)
}
