//! What an upstream lists, and how often it said that a list changed.

use crate::upstream::error::Fault;
use crate::wire::Raw;
use crate::wire::freshness::Freshness;

/// How often each list of an upstream was said to have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Its tools.
    pub tools: u64,
    /// Its prompts.
    pub prompts: u64,
    /// Its resources and templates.
    pub resources: u64,
}

/// Everything an upstream lists: each list, or why it could not be had.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its tools.
    pub tools: Result<List, Fault>,
    /// Its prompts.
    pub prompts: Result<List, Fault>,
    /// Its resources.
    pub resources: Result<List, Fault>,
    /// Its resource templates.
    pub templates: Result<List, Fault>,
    /// Its skills.
    pub skills: Result<List, Fault>,
}

/// One list of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// All of its items, as the upstream wrote them.
    pub items: Vec<Raw>,
    /// How long it may be kept; nothing if the upstream does not claim to have such a list.
    pub freshness: Option<Freshness>,
}
