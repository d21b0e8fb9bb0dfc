//! What comes in each other's way, who keeps what, and what the one at the file can do.

use std::fmt;

use crate::catalog::Kind;
use crate::ids::UpstreamId;

/// Two that want one name or one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// An upstream lists one thing twice; the first stays.
    Repeated {
        /// Of which kind.
        kind: Kind,
        /// Which one, by its own name.
        item: Item,
    },
    /// Two names meet; one of them ends in a hash.
    Renamed {
        /// Of which kind.
        kind: Kind,
        /// The name both would have.
        wanted: String,
        /// The one that had to give way.
        item: Item,
        /// The name it has now.
        public: String,
        /// The one it met.
        other: Item,
    },
    /// Two names meet even with a hash; the later one is not listed.
    Withheld {
        /// Of which kind.
        kind: Kind,
        /// The name both would have.
        wanted: String,
        /// The one that is not listed.
        item: Item,
        /// The one that keeps the name.
        other: Item,
    },
    /// A name that looks like one of another upstream, because its own has no prefix.
    Foreign {
        /// Of which kind.
        kind: Kind,
        /// The name it would have.
        wanted: String,
        /// The one that had to give way.
        item: Item,
        /// The name it has now.
        public: String,
        /// Whose prefix the name starts with.
        owner: UpstreamId,
    },
    /// A name under `conflux__`, which is not listed.
    Reserved {
        /// Of which kind.
        kind: Kind,
        /// The name it would have.
        wanted: String,
        /// The one that is not listed.
        item: Item,
    },
    /// Two upstreams have one address; the later one is known by an alias.
    Aliased {
        /// Of which kind.
        kind: Kind,
        /// The one with the alias.
        item: Item,
        /// The alias.
        alias: String,
        /// Who keeps the address; nobody if the address is of the form that aliases have.
        owner: Option<UpstreamId>,
    },
}

/// One thing as its upstream names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Whose it is.
    pub upstream: UpstreamId,
    /// The name or address it has there.
    pub local: String,
    /// The name it is configured to have instead.
    pub configured: Option<String>,
}

impl Item {
    pub(in crate::catalog) fn new(upstream: &UpstreamId, local: &str) -> Self {
        Self { upstream: upstream.clone(), local: local.to_owned(), configured: None }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.local.escape_debug())?;
        if let Some(name) = &self.configured {
            write!(f, ", configured to be `{}`,", name.escape_debug())?;
        }
        write!(f, " of upstream `{}`", self.upstream)
    }
}

impl fmt::Display for Conflict {
    /// Writes one sentence: both sides, who keeps what, and the remedy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeated { kind, item } => {
                write!(f, "{kind} {item} is listed twice: the first one counts; ")?;
                f.write_str("report this to the author of the server")
            }
            Self::Renamed { kind, wanted, item, public, other } => {
                write!(f, "{kind} {item} and {other} meet in the name `{wanted}`: ")?;
                write!(f, "the former is listed as `{public}`; ")?;
                f.write_str(remedy(item, other))
            }
            Self::Withheld { kind, wanted, item, other } => {
                write!(f, "{kind} {item} and {other} meet in the name `{wanted}`: ")?;
                write!(f, "the former is not listed; {}", remedy(item, other))
            }
            Self::Foreign { kind, wanted, item, public, owner } => {
                write!(f, "{kind} {item} would have the name `{wanted}`, ")?;
                write!(f, "which is one of upstream `{owner}`: it is listed as `{public}`; ")?;
                match item.configured {
                    Some(_) => f.write_str("configure another name"),
                    None => write!(f, "give `{}` a `prefix`", item.upstream),
                }
            }
            Self::Reserved { kind, wanted, item } => {
                write!(f, "{kind} {item} would have the name `{wanted}`, ")?;
                f.write_str("which belongs to Conflux: it is not listed; ")?;
                match item.configured {
                    Some(_) => f.write_str("configure another name"),
                    None => write!(f, "give `{}` another `prefix`", item.upstream),
                }
            }
            Self::Aliased { kind, item, alias, owner } => {
                let alias = alias.escape_debug();
                let Some(owner) = owner else {
                    write!(f, "{kind} {item} looks like an alias that Conflux gives: ")?;
                    return write!(f, "it is known as `{alias}`; nothing needs to be done");
                };
                write!(f, "{kind} {item} is also one of upstream `{owner}`: the former is known ")?;
                write!(f, "as `{alias}`; put `{}` before `{owner}` in ", item.upstream)?;
                f.write_str("the file if it is to keep the address")
            }
        }
    }
}

fn remedy(item: &Item, other: &Item) -> &'static str {
    if item.configured.is_some() || other.configured.is_some() {
        "configure another name"
    } else if item.upstream == other.upstream {
        "report this to the author of the server"
    } else {
        "give one of the two upstreams another `prefix`"
    }
}
