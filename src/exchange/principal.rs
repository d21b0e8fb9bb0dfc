//! On whose behalf a client calls: who may come back for what was begun before, and whom rules
//! speak of.
//!
//! Who somebody is was found out where the request came in; from here on it is only compared.

use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::OnceLock;

use sha2::Digest as _;
use sha2::Sha256;

use crate::config::patterns::Patterns;

static PROCESS: LazyLock<Principal> = LazyLock::new(|| Principal::named("process"));
static ANONYMOUS: LazyLock<Principal> = LazyLock::new(|| Principal::named("anonymous"));

/// Somebody on whose behalf requests are made; cheap to clone.
///
/// Two are equal if they have the same name and the same rights: somebody who is in other groups
/// since does not get what was begun with the groups of before.
#[derive(Clone)]
pub struct Principal(Arc<Identity>);

/// Who somebody is, and what was found out with that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What nobody else is called, the same in every run: `process`, `anonymous`, `local:` and the
    /// number of a user, `token:` and its name, or the name of a provider, `:` and its subject.
    pub name: String,
    /// The groups they are in, each once, in order.
    pub groups: Vec<String>,
    /// Who acts for them, if that is somebody else: a program, by the words of the provider.
    pub actor: Option<String>,
    /// What they see at all, whatever rules say.
    pub bounds: Bounds,
}

/// What the token of one request is good for, and what it was found to lack. Everything, if no
/// token says so.
#[derive(Clone, Debug, Default)]
pub struct Grant(Option<Arc<Granted>>);

#[derive(Debug)]
struct Granted {
    scopes: Arc<[String]>,
    lacking: OnceLock<Vec<String>>,
}

impl Grant {
    /// Returns the grant of a token with these scopes.
    pub fn of(scopes: Arc<[String]>) -> Self {
        Self(Some(Arc::new(Granted { scopes, lacking: OnceLock::new() })))
    }

    /// Returns the scopes, if anything less than everything is granted.
    pub fn scopes(&self) -> Option<&[String]> {
        self.0.as_ref().map(|granted| &*granted.scopes)
    }

    /// Notes all scopes that the request needs, because it lacks some of them; the first word
    /// counts.
    pub fn lacks(&self, needed: &[String]) {
        if let Some(granted) = &self.0 {
            granted.lacking.get_or_init(|| needed.to_vec());
        }
    }

    /// Returns all scopes that the request needs, if it was found to lack some of them.
    pub fn lacking(&self) -> Option<&[String]> {
        self.0.as_ref()?.lacking.get().map(Vec::as_slice)
    }
}

/// What somebody sees at all, whatever rules say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The profiles they may look through, the first of them if they ask for none; every view if
    /// there is no list.
    pub profiles: Option<Vec<String>>,
    /// The tools they may see and call, by their public names; all if nothing is said.
    pub tools: Option<Patterns>,
}

impl Principal {
    /// Returns whoever started this process and holds its pipes.
    pub fn process() -> Self {
        PROCESS.clone()
    }

    /// Returns anybody who can reach the HTTP front end.
    pub fn anonymous() -> Self {
        ANONYMOUS.clone()
    }

    /// Returns a user of this machine, by the number that the system knows them by.
    pub fn local(user: u32) -> Self {
        Self::named(&format!("local:{user}"))
    }

    fn named(name: &str) -> Self {
        let (groups, bounds) = (Vec::new(), Bounds::default());
        Identity { name: name.to_owned(), groups, actor: None, bounds }.into()
    }

    /// Returns what nobody else is called, the same in every run.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the groups they are in, each once, in order.
    pub fn groups(&self) -> &[String] {
        &self.0.groups
    }

    /// Returns who acts for them, if that is somebody else.
    pub fn actor(&self) -> Option<&str> {
        self.0.actor.as_deref()
    }

    /// Returns what they see at all.
    pub fn bounds(&self) -> &Bounds {
        &self.0.bounds
    }

    /// Returns what is the same for two of them exactly if they are equal, in every run.
    pub fn digest(&self) -> [u8; 32] {
        let Identity { name, groups, actor, bounds } = &*self.0;
        let Bounds { profiles, tools } = bounds;
        let mut digest = Sha256::new();
        let mut add = |part: &str| {
            // With its length: no part can pass for the end of one and the beginning of another.
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        };
        add(name);
        let tools = tools.as_ref().map(|tools| tools.iter().collect::<Vec<_>>());
        let lists = [
            Some(groups.iter().map(String::as_str).collect()),
            actor.as_deref().map(|actor| vec![actor]),
            profiles.as_ref().map(|profiles| profiles.iter().map(String::as_str).collect()),
            tools,
        ];
        for list in lists {
            // That there is none is something else than that it is empty.
            add(&list.as_ref().map_or(-1, |list| list.len().cast_signed()).to_string());
            list.into_iter().flatten().for_each(&mut add);
        }
        digest.finalize().into()
    }

    /// Returns whether it is known who it is: it can be told apart from others.
    pub fn is_known(&self) -> bool {
        *self != *ANONYMOUS
    }

    /// Returns whether it is whoever started this process, who shares its upstreams with nobody.
    pub fn is_process(&self) -> bool {
        *self == *PROCESS
    }
}

impl Bounds {
    /// Returns whether a tool with this public name may be seen and called.
    pub fn permit_tool(&self, public: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.is_match(public))
    }
}

impl From<Identity> for Principal {
    fn from(mut identity: Identity) -> Self {
        identity.groups.sort_unstable();
        identity.groups.dedup();
        Self(Arc::new(identity))
    }
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Principal {}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

#[cfg(test)]
mod tests {
    use super::Bounds;
    use super::Identity;
    use super::Principal;
    use crate::config::patterns::Patterns;

    fn alice(groups: &[&str]) -> Principal {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let name = "corp:alice".to_owned();
        Identity { name, groups, actor: None, bounds: Bounds::default() }.into()
    }

    #[test]
    fn somebody_is_the_same_with_the_same_rights_alone() {
        assert_eq!(alice(&["a", "b"]), alice(&["b", "a", "b"]));
        assert_ne!(alice(&["a"]), alice(&["a", "b"]));
        assert_ne!(Principal::process(), Principal::anonymous());
        assert!(Principal::process().is_process() && !alice(&[]).is_process());
    }

    #[test]
    fn those_who_differ_in_anything_have_other_digests() {
        let tools = |all: &[&str]| Patterns::of_names(all.iter().copied()).unwrap();
        let bounds = |profiles: Option<&[&str]>, tools| Bounds {
            profiles: profiles.map(|all| all.iter().map(|it| (*it).to_owned()).collect()),
            tools,
        };
        let names: [(&str, &[&str], Option<&str>, Bounds); 10] = [
            ("a", &[], None, bounds(None, None)),
            ("b", &[], None, bounds(None, None)),
            ("a", &["g"], None, bounds(None, None)),
            ("a", &["g", "h"], None, bounds(None, None)),
            ("a", &["gh"], None, bounds(None, None)),
            ("a", &[], Some("g"), bounds(None, None)),
            ("a", &[], None, bounds(Some(&["g"]), None)),
            ("a", &[], None, bounds(Some(&[]), None)),
            ("a", &[], None, bounds(None, Some(tools(&["g"])))),
            ("a", &[], None, bounds(None, Some(tools(&["g", "h"])))),
        ];
        let all: Vec<Principal> = names
            .into_iter()
            .map(|(name, groups, actor, bounds)| {
                let groups = groups.iter().map(|group| (*group).to_owned()).collect();
                let (name, actor) = (name.to_owned(), actor.map(str::to_owned));
                Identity { name, groups, actor, bounds }.into()
            })
            .collect();
        for one in &all {
            for other in &all {
                assert_eq!(one == other, one.digest() == other.digest(), "{one:?} {other:?}");
            }
        }
    }
}
