//! What all upstreams offer, merged into one list of each kind; and who owns what is in it.
//!
//! A catalog is a value: made once by `merge`, then only read; further forms of a list are written
//! when they are first wanted. It depends on nothing but the listings it was made from and the
//! rules, so two machines with one file have one catalog.

/// Two that want one name or one address.
pub mod conflict;
/// A definition that breaks the specification.
pub mod defect;
/// About how many tokens a text costs a model.
pub mod tokens;
/// What a client can take of a definition that others can take whole.
pub mod hygiene;
/// Public names, and the only place that knows how they are put together.
pub mod name;

mod audience;
mod hints;
mod item;
mod merge;
mod naming;
mod prepared;
mod rewrite;
mod search;
mod section;
mod shape;
mod shaping;
mod template;
mod traits;
mod uri;
mod words;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

use crate::catalog::section::Section;
use crate::catalog::uri::Addresses;
use crate::config;
use crate::config::hints::Hints;
use crate::config::hints::Wanted;
use crate::ids::UpstreamId;
use crate::wire::Raw;

pub use self::audience::Audience;
pub use self::audience::Audiences;
pub use self::conflict::Conflict;
pub use self::defect::Defect;
pub use self::merge::merge;
pub use self::prepared::Prepared;
pub use self::rewrite::ResultKind;
pub use self::shape::Change;
pub use self::shape::Refused;
pub use self::shape::Shape;
pub use self::shape::Unfollowed;
pub use self::traits::Traits;

/// One upstream and what it listed last, whether or not it is up; nothing if it never did.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its key in the file.
    pub upstream: UpstreamId,
    /// What its names start with; empty if they stay as they are.
    pub prefix: String,
    /// Whether it is reached over HTTP, where arguments may have to be repeated in headers.
    pub over_http: bool,
    /// What it listed last.
    pub listing: Arc<Listing>,
}

/// What one upstream lists: all pages, each item as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The items of `tools/list`.
    pub tools: Vec<Raw>,
    /// The items of `prompts/list`.
    pub prompts: Vec<Raw>,
    /// The items of `resources/list`.
    pub resources: Vec<Raw>,
    /// The items of `resources/templates/list`.
    pub templates: Vec<Raw>,
    /// The items of `skills/list`.
    pub skills: Vec<Raw>,
}

/// What the configuration says about the catalog as a whole.
pub struct Rules<'a> {
    /// How long a public name may be, in characters; at least [`name::SHORTEST_LIMIT`].
    pub max_length: usize,
    /// The prefixes of upstreams that are not among the sources: what stands under them is theirs
    /// all the same, so that a name is the same wherever it is seen.
    pub reserved: Vec<(String, UpstreamId)>,
    /// Whether an upstream's tool, by its local name, is to be listed at all.
    pub permits: &'a dyn Fn(&UpstreamId, &str) -> bool,
    /// Whether a tool, by its public name, is to be listed at all. What is not keeps its name.
    pub shows: &'a dyn Fn(&str) -> bool,
    /// What the configuration says about an upstream, whose tools may be wanted by what their
    /// annotations say.
    pub upstream: &'a dyn Fn(&UpstreamId) -> Option<Arc<config::Upstream>>,
    /// What the annotations of all tools must say to be listed at all.
    pub wanted: Option<&'a Wanted>,
    /// The tools of Conflux itself, with public names under `conflux__`.
    pub own: Vec<Raw>,
}

impl Default for Rules<'_> {
    /// Nothing is said: everything is listed as it is.
    fn default() -> Self {
        Self {
            max_length: 50,
            reserved: Vec::new(),
            permits: &|_, _| true,
            shows: &|_| true,
            upstream: &|_| None,
            wanted: None,
            own: Vec::new(),
        }
    }
}

impl fmt::Debug for Rules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Rules");
        out.field("max_length", &self.max_length).field("own", &self.own).finish_non_exhaustive()
    }
}

/// The kinds of things an upstream lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Tools, by name.
    Tools,
    /// Prompts, by name.
    Prompts,
    /// Resources, by URI.
    Resources,
    /// Resource templates, by URI template.
    Templates,
    /// Skills, by the URI of their main file.
    Skills,
}

/// One thing in the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub upstream: UpstreamId,
    /// The name, URI or URI template the upstream gave.
    pub local: String,
    /// What its public name is made of: the one its upstream gave, unless it is configured.
    pub name: String,
    /// The one it has downstream.
    pub public: String,
    /// Its definition as it is listed downstream.
    pub definition: Raw,
    /// How it is called, if it is a tool.
    pub traits: Traits,
    /// How it differs from what its upstream lists, if it is a tool that was configured to.
    pub shape: Option<Arc<Shape>>,
}

/// Who answers for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The upstream.
    pub upstream: UpstreamId,
    /// The address as that upstream knows it.
    pub local: String,
}

/// Returns which hints hold for the tool with this definition.
pub fn hints(definition: &Raw) -> Hints {
    hints::read(definition)
}

/// Returns every address that a result mentions in the places the specification defines.
pub fn mentioned(result: &Raw, kind: ResultKind) -> Vec<String> {
    let seen = RefCell::new(Vec::new());
    rewrite::result(result, kind, &|uri| {
        seen.borrow_mut().push(uri.to_owned());
        None
    });
    seen.into_inner()
}

/// Everything the upstreams offer, as callers see it.
#[derive(Debug)]
pub struct Catalog {
    tools: Section,
    prompts: Section,
    resources: Section,
    templates: Section,
    skills: Section,
    addresses: Addresses,
    conflicts: Vec<Conflict>,
    defects: Vec<Defect>,
    lists: Audiences,
    /// Made ahead where most clients search, else when somebody does.
    search: OnceLock<search::Index>,
}

impl Catalog {
    /// Returns the upstream's tool with this public name; the tools of Conflux are not among them.
    pub fn tool(&self, public: &str) -> Option<&Entry> {
        self.tools.find(public)
    }

    /// Returns the definition of the tool of Conflux itself that has this name.
    pub fn own_tool(&self, public: &str) -> Option<&Raw> {
        self.tools.find_own(public)
    }

    /// Returns the prompt with this public name.
    pub fn prompt(&self, public: &str) -> Option<&Entry> {
        self.prompts.find(public)
    }

    /// Returns what upstreams offer of one kind under this public name or address.
    pub fn named(&self, kind: Kind, public: &str) -> Option<&Entry> {
        self.section(kind).find(public)
    }

    /// Returns the place among [`Self::entries`] of what has this public name or address.
    pub fn position(&self, kind: Kind, public: &str) -> Option<usize> {
        self.section(kind).position(public)
    }

    /// Returns the definitions of the tools of Conflux itself, in the order they are listed.
    pub fn own_tools(&self) -> &[Raw] {
        self.tools.own()
    }

    /// Returns the prepared JSON array of everything of one kind, in its lasting order.
    ///
    /// It is equal to that of another catalog exactly if callers would see no difference.
    pub fn list(&self, kind: Kind) -> &Raw {
        self.prepared(kind).list()
    }

    /// Returns the prepared result that holds that array as its only member.
    pub fn result(&self, kind: Kind) -> &Raw {
        self.prepared(kind).result()
    }

    /// Returns that result, and the other forms that were made of it.
    pub fn prepared(&self, kind: Kind) -> &Arc<Prepared> {
        self.section(kind).prepared()
    }

    /// Returns the list of tools for this `audience`, with what `make` puts into it when it is
    /// first wanted; that of everybody if it says nothing. It is kept as long as the catalog, so
    /// there must be few audiences.
    pub fn tools_for(
        &self,
        audience: Audience,
        make: impl FnOnce() -> Option<Vec<Raw>>,
    ) -> Arc<Prepared> {
        self.lists.list(audience, make, || self.prepared(Kind::Tools))
    }

    /// Returns the tools of upstreams that fit a `question`, the best one first; all of them in
    /// their order if it asks for nothing.
    pub fn search(&self, question: &str) -> Vec<&Entry> {
        let tools = self.tools.entries();
        if question.trim().is_empty() {
            return tools.iter().collect();
        }
        let found = self.index().ranked(question).into_iter();
        found.filter_map(|place| tools.get(place)).collect()
    }

    /// Reads all tools for [`Self::search`], so that the first one need not: it takes as long as
    /// merging them does.
    pub fn prepare_search(&self) {
        self.index();
    }

    fn index(&self) -> &search::Index {
        self.search.get_or_init(|| search::Index::new(self.tools.entries()))
    }

    /// Returns how many tools are on the list of all, those of Conflux itself among them.
    pub fn listed_tools(&self) -> usize {
        self.tools.listed()
    }

    /// Returns about how many tokens the list of all tools costs a model.
    pub fn tokens(&self) -> usize {
        tokens::estimate(self.list(Kind::Tools).get())
    }

    /// Returns everything of one kind that upstreams offer, in the order it is listed.
    pub fn entries(&self, kind: Kind) -> impl ExactSizeIterator<Item = &Entry> {
        self.section(kind).entries().iter()
    }

    /// Returns who answers for `uri`: who lists it, whose alias it is, or whose template fits best.
    pub fn resolve(&self, uri: &str) -> Option<Owner> {
        self.addresses.resolve(uri)
    }

    /// Returns who answers for the target of a completion: a template as listed, or a URI.
    pub fn template_owner(&self, uri_template: &str) -> Option<Owner> {
        self.addresses.template_owner(uri_template)
    }

    /// Returns what came in each other's way, in the order it was found.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Returns the definitions that were repaired or withheld, in the order they were found.
    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }

    /// Returns whether any address of this upstream has an alias, so that results need a look.
    pub fn aliased(&self, upstream: &UpstreamId) -> bool {
        self.addresses.has_aliases(upstream)
    }

    /// Returns the alias under which callers know an upstream's own URI, if it has one.
    pub fn alias(&self, upstream: &UpstreamId, local: &str) -> Option<String> {
        self.addresses.alias(upstream, local)
    }

    /// Returns what an upstream sends with each of its aliased URIs replaced by the alias.
    ///
    /// Every other byte stays. Links in text and in structured content are not known as such.
    pub fn rewrite_result(&self, upstream: &UpstreamId, kind: ResultKind, result: &Raw) -> Raw {
        if !self.aliased(upstream) {
            return result.clone();
        }
        rewrite::result(result, kind, &|uri| self.alias(upstream, uri))
    }

    fn section(&self, kind: Kind) -> &Section {
        match kind {
            Kind::Tools => &self.tools,
            Kind::Prompts => &self.prompts,
            Kind::Resources => &self.resources,
            Kind::Templates => &self.templates,
            Kind::Skills => &self.skills,
        }
    }
}

impl Listing {
    /// Returns the items of one kind.
    pub fn items(&self, kind: Kind) -> &[Raw] {
        match kind {
            Kind::Tools => &self.tools,
            Kind::Prompts => &self.prompts,
            Kind::Resources => &self.resources,
            Kind::Templates => &self.templates,
            Kind::Skills => &self.skills,
        }
    }

    /// Replaces the items of one kind.
    pub fn set(&mut self, kind: Kind, items: Vec<Raw>) {
        *match kind {
            Kind::Tools => &mut self.tools,
            Kind::Prompts => &mut self.prompts,
            Kind::Resources => &mut self.resources,
            Kind::Templates => &mut self.templates,
            Kind::Skills => &mut self.skills,
        } = items;
    }
}

impl Kind {
    /// Every kind, in the order it is merged and shown.
    pub const ALL: [Self; 5] =
        [Self::Tools, Self::Prompts, Self::Resources, Self::Templates, Self::Skills];

    /// Returns the member of a definition that tells one item from another.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources | Self::Skills => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// Returns the member of a result that lists them.
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Skills => "skills",
        }
    }
}

impl fmt::Display for Kind {
    /// Writes the word for one of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tools => "tool",
            Self::Prompts => "prompt",
            Self::Resources => "resource",
            Self::Templates => "resource template",
            Self::Skills => "skill",
        })
    }
}
