//! Who answers for which address, and the aliases of those that two upstreams have.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::iter;

use crate::catalog::Conflict;
use crate::catalog::Kind;
use crate::catalog::Owner;
use crate::catalog::conflict;
use crate::catalog::template::Template;
use crate::ids::UpstreamId;

/// What the scheme of an alias begins with; no upstream's own address may.
const ALIAS_SCHEME: &str = "conflux+";

/// Schemes that a client looks at, so that an alias has to keep them.
const KEPT_SCHEMES: [&str; 2] = ["ui://", "skill://"];

/// The scheme of skills. Those that are listed as such may have any other.
const SKILL_SCHEME: &str = "skill://";

/// How the address of a skill's main file ends. Before it is the skill's directory, relative to
/// which all its other files are found.
const SKILL_FILE: &str = "/SKILL.md";

/// Longer addresses are found by their exact text only.
const LONGEST_SEARCHED: usize = 4096;

/// An address and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::catalog) struct Claim<'a> {
    pub(in crate::catalog) upstream: &'a UpstreamId,
    pub(in crate::catalog) local: &'a str,
}

/// How an address turns into its alias and back: another start.
#[derive(Clone, Debug)]
struct Alias {
    public: String,
    local: String,
}

#[derive(Debug, Default)]
pub(in crate::catalog) struct Addresses {
    /// By the address that callers know.
    resources: HashMap<String, Owner>,
    /// By the template that callers know.
    templates: HashMap<String, Owner>,
    /// The most specific first, then the first in the file.
    patterns: Vec<Pattern>,
    aliases: HashMap<UpstreamId, Aliases>,
    /// By the directory of the main file, as callers know it.
    skills: HashMap<String, (UpstreamId, Alias)>,
    /// By the scheme of their aliases.
    upstreams: HashMap<String, UpstreamId>,
}

#[derive(Debug)]
struct Pattern {
    template: Template,
    upstream: UpstreamId,
    alias: Option<Alias>,
}

/// The aliases of one upstream, by its own addresses.
#[derive(Debug, Default)]
struct Aliases {
    resources: HashMap<String, String>,
    templates: Vec<(Template, Alias)>,
    /// By the directory of the main file.
    skills: HashMap<String, Alias>,
}

impl Addresses {
    /// Knows the upstreams of the file, so that an alias is understood whatever is listed.
    pub(in crate::catalog) fn new<'a>(upstreams: impl Iterator<Item = &'a UpstreamId>) -> Self {
        let schemes = upstreams.map(|upstream| (alias_scheme(upstream), upstream.clone()));
        Self { upstreams: schemes.collect(), ..Self::default() }
    }

    /// Gives each resource the address callers will know, in order. With the main file of a skill
    /// goes its directory and all that is below, listed or not.
    pub(in crate::catalog) fn claim_resources(
        &mut self,
        claims: &[Claim<'_>],
        skills: &HashSet<Claim<'_>>,
        conflicts: &mut Vec<Conflict>,
    ) -> Vec<String> {
        let settled = settle(Kind::Resources, claims, conflicts);
        for (claim, (public, alias)) in claims.iter().zip(&settled) {
            self.resources.insert(public.clone(), claim.owner());
            if alias.is_some() {
                let aliases = self.aliases.entry(claim.upstream.clone()).or_default();
                aliases.resources.insert(claim.local.to_owned(), public.clone());
            }
            let is_skill = skills.contains(claim) || claim.local.starts_with(SKILL_SCHEME);
            let directories = skill_directory(claim.local).zip(skill_directory(public));
            let Some((local, public)) = directories.filter(|_| is_skill) else { continue };
            let below = Alias { public: public.to_owned(), local: local.to_owned() };
            if alias.is_some() {
                let aliases = self.aliases.entry(claim.upstream.clone()).or_default();
                aliases.skills.insert(local.to_owned(), below.clone());
            }
            self.skills.insert(public.to_owned(), (claim.upstream.clone(), below));
        }
        settled.into_iter().map(|(public, _)| public).collect()
    }

    /// Gives each template the text callers will know, in order.
    pub(in crate::catalog) fn claim_templates(
        &mut self,
        claims: &[Claim<'_>],
        conflicts: &mut Vec<Conflict>,
    ) -> Vec<String> {
        let settled = settle(Kind::Templates, claims, conflicts);
        for (claim, (public, alias)) in claims.iter().zip(&settled) {
            self.templates.insert(public.clone(), claim.owner());
            if let Some(alias) = alias
                && let Some(template) = Template::parse(claim.local)
            {
                let aliases = self.aliases.entry(claim.upstream.clone()).or_default();
                aliases.templates.push((template, alias.clone()));
            }
            if let Some(template) = Template::parse(public) {
                let (upstream, alias) = (claim.upstream.clone(), alias.clone());
                self.patterns.push(Pattern { template, upstream, alias });
            }
        }
        self.patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.template.literals()));
        settled.into_iter().map(|(public, _)| public).collect()
    }

    pub(in crate::catalog) fn resolve(&self, uri: &str) -> Option<Owner> {
        if let Some(owner) = self.resources.get(uri) {
            return Some(owner.clone());
        }
        self.by_scheme(uri).or_else(|| self.by_skill(uri)).or_else(|| self.by_template(uri))
    }

    pub(in crate::catalog) fn template_owner(&self, template: &str) -> Option<Owner> {
        self.templates.get(template).cloned().or_else(|| self.resolve(template))
    }

    pub(in crate::catalog) fn has_aliases(&self, upstream: &UpstreamId) -> bool {
        self.aliases.contains_key(upstream)
    }

    pub(in crate::catalog) fn alias(&self, upstream: &UpstreamId, local: &str) -> Option<String> {
        let aliases = self.aliases.get(upstream)?;
        if let Some(public) = aliases.resources.get(local) {
            return Some(public.clone());
        }
        // All files of a skill go with it, because they are found relative to it.
        let skill = directories(local).find_map(|root| aliases.skills.get(root)?.apply(local));
        let is_own = |owner: Owner| owner.upstream == *upstream && owner.local == local;
        if skill.is_some() || self.resolve(local).is_some_and(is_own) {
            return skill;
        }
        let fits = |(template, _): &&(Template, Alias)| template.matches(local);
        aliases.templates.iter().find(fits)?.1.apply(local)
    }

    /// Understands an alias by its scheme alone: also of what is not listed (any more).
    fn by_scheme(&self, uri: &str) -> Option<Owner> {
        let (scheme, local) = uri.split_once(':')?;
        // Some clients write schemes in small letters.
        let upstream = self.upstreams.get(&scheme.to_ascii_lowercase())?;
        Some(Owner { upstream: upstream.clone(), local: local.to_owned() })
    }

    fn by_skill(&self, uri: &str) -> Option<Owner> {
        if self.skills.is_empty() {
            return None;
        }
        let (upstream, alias) = directories(uri).find_map(|root| self.skills.get(root))?;
        Some(Owner { upstream: upstream.clone(), local: alias.undo(uri)? })
    }

    fn by_template(&self, uri: &str) -> Option<Owner> {
        let pattern = self.patterns.iter().find(|pattern| pattern.template.matches(uri))?;
        let local = match &pattern.alias {
            Some(alias) => alias.undo(uri)?,
            None => uri.to_owned(),
        };
        Some(Owner { upstream: pattern.upstream.clone(), local })
    }
}

impl Claim<'_> {
    fn owner(&self) -> Owner {
        Owner { upstream: self.upstream.clone(), local: self.local.to_owned() }
    }

    fn item(&self) -> conflict::Item {
        conflict::Item::new(self.upstream, self.local)
    }
}

impl Alias {
    fn of(claim: &Claim<'_>) -> Self {
        let start = |scheme: &str| claim.local.get(..scheme.len());
        let mut starts = KEPT_SCHEMES.into_iter().filter_map(|kept| Some((kept, start(kept)?)));
        let kept = starts.find(|(kept, start)| start.eq_ignore_ascii_case(kept));
        match kept {
            Some((_, scheme)) => Self {
                public: format!("{scheme}{}/", segment(claim.upstream)),
                local: scheme.to_owned(),
            },
            None => {
                Self { public: format!("{}:", alias_scheme(claim.upstream)), local: String::new() }
            }
        }
    }

    /// The alias of the alias, for when somebody lists just that.
    fn again(&self) -> Self {
        let added = self.public.strip_prefix(&self.local).unwrap_or_default();
        Self { public: format!("{}{added}", self.public), local: self.local.clone() }
    }

    fn apply(&self, local: &str) -> Option<String> {
        Some(format!("{}{}", self.public, local.strip_prefix(&self.local)?))
    }

    fn undo(&self, public: &str) -> Option<String> {
        Some(format!("{}{}", self.local, public.strip_prefix(&self.public)?))
    }
}

/// Settles who keeps an address: the first that claims it; others get an alias nobody lists.
fn settle(
    kind: Kind,
    claims: &[Claim<'_>],
    conflicts: &mut Vec<Conflict>,
) -> Vec<(String, Option<Alias>)> {
    let mut owners: HashMap<&str, &UpstreamId> = HashMap::new();
    for claim in claims.iter().filter(|claim| !is_alias(claim.local)) {
        owners.entry(claim.local).or_insert(claim.upstream);
    }
    let mut taken: HashSet<String> = owners.keys().map(|local| (*local).to_owned()).collect();
    let mut settled = Vec::with_capacity(claims.len());
    for claim in claims {
        let owner = owners.get(claim.local).copied();
        if owner == Some(claim.upstream) {
            settled.push((claim.local.to_owned(), None));
            continue;
        }
        let mut alias = Alias::of(claim);
        let mut public = alias.apply(claim.local).unwrap_or_default();
        while !taken.insert(public.clone()) {
            alias = alias.again();
            public = alias.apply(claim.local).unwrap_or_default();
        }
        let (item, owner) = (claim.item(), owner.cloned());
        conflicts.push(Conflict::Aliased { kind, item, alias: public.clone(), owner });
        settled.push((public, Some(alias)));
    }
    settled
}

fn is_alias(uri: &str) -> bool {
    uri.get(..ALIAS_SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(ALIAS_SCHEME))
}

/// The scheme of an upstream's aliases; a scheme has few characters, and its case means nothing.
fn alias_scheme(upstream: &UpstreamId) -> String {
    let stays = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    format!("{ALIAS_SCHEME}{}", escaped(upstream, '+', stays))
}

/// The upstream as the first segment of an address.
fn segment(upstream: &UpstreamId) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    escaped(upstream, '%', stays)
}

fn escaped(upstream: &UpstreamId, escape: char, stays: impl Fn(u8) -> bool) -> String {
    let mut out = String::new();
    for byte in upstream.as_str().bytes() {
        if stays(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "{escape}{byte:02x}").expect("writing to a string cannot fail");
        }
    }
    out
}

/// The directory of a skill, if this can be its main file: it has a name, after the scheme.
fn skill_directory(uri: &str) -> Option<&str> {
    let directory = uri.strip_suffix(SKILL_FILE)?;
    let (_, path) = directory.split_once("://")?;
    (!path.trim_matches('/').is_empty()).then_some(directory)
}

/// An address and the directories it lies in, the nearest first.
fn directories(uri: &str) -> impl Iterator<Item = &str> {
    let uri = if uri.len() <= LONGEST_SEARCHED { uri } else { "" };
    let above = uri.match_indices('/').rev().filter_map(move |(at, _)| uri.get(..at));
    iter::once(uri).chain(above)
}
