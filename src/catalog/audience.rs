//! Lists of tools for some, of whom there are few kinds: each is written once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;

use crate::catalog::Kind;
use crate::catalog::Prepared;
use crate::clients::Client;
use crate::wire::Raw;

/// For whom a list of tools is, as far as that matters for what is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Audience {
    /// Whether it has a few tools only, by which the others are found.
    pub searches: bool,
    /// The client, if it is known and cannot take all that others can.
    pub client: Option<Client>,
}

/// The list of each audience that has wanted one.
#[derive(Debug, Default)]
pub struct Audiences(Mutex<HashMap<Audience, Arc<OnceLock<Arc<Prepared>>>>>);

impl Audiences {
    /// Returns the list for one, with what `make` puts into it when it is first wanted; that of
    /// `everybody` if it says nothing.
    pub fn list<'a>(
        &self,
        audience: Audience,
        make: impl FnOnce() -> Option<Vec<Raw>>,
        everybody: impl FnOnce() -> &'a Arc<Prepared>,
    ) -> Arc<Prepared> {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = Arc::clone(lists.entry(audience).or_default());
        // Whoever is of another audience does not wait until this one is written.
        drop(lists);
        let list = list.get_or_init(|| match make() {
            Some(items) => Arc::new(Prepared::new(Kind::Tools.member(), &items)),
            None => Arc::clone(everybody()),
        });
        Arc::clone(list)
    }
}
