//! The checks of what is said about who may come over HTTP.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use indexmap::IndexMap;
use url::Url;

use crate::config::file;
use crate::config::host;
use crate::config::patterns::Case;
use crate::config::patterns::Patterns;
use crate::config::problem::KeyPath;
use crate::config::validate::Check;

pub use crate::config::file::Algorithm;

/// An outage that nobody noticed for a week is none.
const OUTAGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(7 * 24);
/// Clocks that are further apart are wrong.
const LEEWAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(5);
/// What names of principals begin with that no provider gives.
const TAKEN: [&str; 4] = ["token", "local", "process", "anonymous"];

/// What lets a client stay logged in, which is between it and the provider (2026-07-28,
/// authorization, "Refresh Tokens").
const OFFLINE: &str = "offline_access";

/// Who may come over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The address under which clients reach this gateway, without a path; there if there are
    /// providers.
    pub resource: Option<Url>,
    /// The providers whose tokens are taken, by name, in the order of the file.
    pub providers: IndexMap<String, Provider>,
    /// Whether users of this machine who connect to a socket in the file system need no token.
    pub local: bool,
    /// What their tokens must be good for.
    pub scopes: Scopes,
}

/// A provider whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Exactly what tokens name in `iss`.
    pub issuer: String,
    /// What else tokens may be made for.
    pub audience: Vec<String>,
    /// How tokens may be signed; at least one.
    pub algorithms: Vec<Algorithm>,
    /// The claim that says who somebody is.
    pub subject: String,
    /// The claim that lists their groups, as a path; nobody is in any if there is none.
    pub groups: Option<Vec<String>>,
    /// Groups here, by those of the provider.
    pub map: BTreeMap<String, Vec<String>>,
    /// Where its keys are, if its metadata is not asked.
    pub jwks: Option<Url>,
    /// How long keys that were had once are good while it cannot be reached.
    pub outage: Duration,
    /// How far clocks may be apart.
    pub leeway: Duration,
}

/// What tokens of providers must be good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    required: Vec<String>,
    tools: Vec<(Patterns, Vec<String>)>,
    implied: BTreeMap<String, Vec<String>>,
}

impl Scopes {
    /// Returns what says that every request needs one scope.
    #[cfg(test)]
    pub(crate) fn requiring(scope: &str) -> Self {
        Self { required: vec![scope.to_owned()], ..Self::default() }
    }

    /// Returns the scopes that every request needs.
    pub fn required(&self) -> &[String] {
        &self.required
    }

    /// Returns all scopes that a request needs that calls this tool, or none, if who was granted
    /// some lacks any of them: all at once, so that nobody has to ask for one after the other.
    pub fn lacking(&self, granted: &[String], tool: Option<&str>) -> Option<Vec<String>> {
        let needed = self.needed(tool);
        let has_all = needed.iter().all(|scope| self.are_enough(granted, scope));
        (!has_all).then(|| needed.into_iter().map(str::to_owned).collect())
    }

    /// Returns all scopes that a request needs that calls this tool, or none, each once.
    fn needed(&self, tool: Option<&str>) -> Vec<&str> {
        let of_tool =
            self.tools.iter().filter(|(tools, _)| tool.is_some_and(|it| tools.is_match(it)));
        let of_tool = of_tool.flat_map(|(_, scopes)| scopes);
        let mut needed: Vec<&str> = Vec::new();
        for scope in self.required.iter().chain(of_tool) {
            if !needed.contains(&scope.as_str()) {
                needed.push(scope);
            }
        }
        needed
    }

    /// Returns whether who was granted some scopes has this one: as it is, or as part of a broader
    /// one, of which that may again be a part.
    fn are_enough(&self, granted: &[String], needed: &str) -> bool {
        let mut open: Vec<&str> = granted.iter().map(String::as_str).collect();
        let mut seen: Vec<&str> = Vec::new();
        while let Some(scope) = open.pop() {
            if scope == needed {
                return true;
            }
            if !seen.contains(&scope) {
                seen.push(scope);
                open.extend(self.implied.get(scope).into_iter().flatten().map(String::as_str));
            }
        }
        false
    }
}

impl Check<'_> {
    /// Checks who may come over HTTP.
    pub(super) fn auth(&mut self, written: &file::Auth) -> Auth {
        let path = KeyPath::of(&["auth"]);
        let resource = written.resource.as_deref();
        let resource = resource.and_then(|text| self.resource(text, &path.key("resource")));
        if written.resource.is_none() && !written.providers.is_empty() {
            let hint = "write the address under which clients reach this gateway, such as \
                        `resource: https://mcp.example.com`";
            let message = "`auth.resource` is missing: tokens of providers must be made for it";
            self.wrong_key(&path.key("providers"), message.to_owned(), hint);
        }
        let providers = self.providers(&written.providers, &path.key("providers"));
        let scopes = self.scopes(&written.scopes, &path.key("scopes"));
        Auth { resource, providers, local: written.local, scopes }
    }

    fn resource(&mut self, text: &str, path: &KeyPath) -> Option<Url> {
        let url = self.secure_address(text, path)?;
        if url.path() != "/" {
            let message = format!("`{text}` has a path; the paths of MCP are added to it");
            let hint = format!("write `{}`", url.origin().ascii_serialization());
            self.wrong(path, message, &hint);
        }
        Some(url)
    }

    fn providers(
        &mut self,
        written: &BTreeMap<String, file::Provider>,
        path: &KeyPath,
    ) -> IndexMap<String, Provider> {
        let mut providers: IndexMap<String, Provider> = IndexMap::new();
        for name in self.context.places.order(path) {
            let Some(written) = written.get(&name) else { continue };
            let path = path.key(&name);
            self.name(&name, "name", "a provider", &path, &self.context.places.key(&path));
            if TAKEN.contains(&name.as_str()) {
                let message = format!("no provider can be called `{name}`: others are called so");
                self.wrong_key(&path, message, "give it another name, such as `corp`");
            }
            let provider = self.provider(written, &path);
            if let Some((other, _)) =
                providers.iter().find(|(_, other)| other.issuer == provider.issuer)
            {
                let message = format!("`{other}` and `{name}` have the same `issuer`");
                self.wrong(&path.key("issuer"), message, "remove one of them");
            }
            providers.insert(name, provider);
        }
        providers
    }

    fn provider(&mut self, written: &file::Provider, path: &KeyPath) -> Provider {
        if written.issuer.is_empty() {
            let hint = "write its address as its tokens name it in `iss`, such as \
                        `issuer: https://login.example.com/realms/main`";
            self.wrong_key(path, "`issuer` is missing".to_owned(), hint);
        } else {
            // What tokens say is compared letter by letter; that it is an address is all there is
            // to check.
            self.secure_address(&written.issuer, &path.key("issuer"));
        }
        // One that is none is told as such, and is not here.
        let first = path.key("algorithms").index(0);
        if written.algorithms.is_empty() && !self.is_excused(&first) {
            let hint = "name at least one, or leave `algorithms` out";
            let message = "no way to sign is allowed, so no token would be".to_owned();
            self.wrong(&path.key("algorithms"), message, hint);
        }
        let jwks = written.jwks.as_deref();
        let jwks = jwks.and_then(|text| self.secure_address(text, &path.key("jwks")));
        let steps = |claim: &String| claim.split('.').map(str::to_owned).collect();
        let groups = &written.groups;
        if groups.claim.is_none() && !groups.map.is_empty() {
            let message = "`map` maps nothing, because no `claim` lists groups".to_owned();
            let hint = "name the claim, such as `claim: groups`";
            self.wrong_key(&path.key("groups").key("map"), message, hint);
        }
        Provider {
            issuer: written.issuer.clone(),
            audience: written.audience.clone(),
            algorithms: written.algorithms.clone(),
            subject: written.subject.clone(),
            groups: groups.claim.as_ref().map(steps),
            map: groups.map.clone(),
            jwks,
            outage: self.duration(&written.outage, &OUTAGE, &path.key("outage")),
            leeway: self.duration(&written.leeway, &LEEWAY, &path.key("leeway")),
        }
    }

    fn scopes(&mut self, written: &file::Scopes, path: &KeyPath) -> Scopes {
        let all = written.required.iter().map(|scope| (scope, path.key("required")));
        let of_tools = written.tools.iter().flat_map(|(tools, scopes)| {
            scopes.iter().map(|scope| (scope, path.key("tools").key(tools)))
        });
        let parts = written.implied.iter().flat_map(|(broad, parts)| {
            parts.iter().chain([broad]).map(|scope| (scope, path.key("implied").key(broad)))
        });
        let all: Vec<_> = all.chain(of_tools).chain(parts).collect();
        for (scope, path) in all.into_iter().filter(|(scope, _)| !is_scope(scope)) {
            let message = format!("`{scope}` is no scope");
            self.wrong(&path, message, "a scope has no spaces, quotes or backslashes");
        }
        let needed = written.required.iter().chain(written.tools.values().flatten());
        if { needed }.any(|scope| scope == OFFLINE) {
            let message = format!("`{OFFLINE}` is nothing that a request needs");
            let hint = "leave it out: clients that want to stay logged in ask for it by themselves";
            self.wrong(path, message, hint);
        }
        let tools = written.tools.iter().filter_map(|(tools, scopes)| {
            let path = path.key("tools").key(tools);
            let place = self.context.places.key(&path);
            let pattern = self.pattern(tools, &path, &place, Case::Matters)?;
            Some((Patterns::new(vec![pattern]).ok()?, scopes.clone()))
        });
        let tools = tools.collect();
        Scopes { required: written.required.clone(), tools, implied: written.implied.clone() }
    }

    /// Reads an address that secrets or keys come from or go to.
    fn secure_address(&mut self, text: &str, path: &KeyPath) -> Option<Url> {
        let url = match Url::parse(text) {
            Ok(url) if url.has_host() && url.fragment().is_none() && url.query().is_none() => url,
            _ => {
                let message = format!("`{text}` is no address of this kind");
                let hint = "write one without query and fragment, such as \
                            `https://login.example.com`";
                self.wrong(path, message, hint);
                return None;
            }
        };
        if !host::is_safe(&url) {
            let message =
                format!("`{text}` is not safe: everybody on the way could read and change it");
            self.wrong(path, message, "write an address that begins with `https://`");
        }
        Some(url)
    }
}

/// Returns whether this can be a scope (RFC 6749, section 3.3).
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Scopes;
    use crate::config::patterns;
    use crate::config::patterns::Case;
    use crate::config::patterns::Patterns;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn broader_scopes_stand_for_narrower_ones() {
        let implied = [
            ("repo", words(&["repo.write"])),
            ("repo.write", words(&["repo.read"])),
            ("repo.read", words(&["repo"])),
        ];
        let implied: BTreeMap<_, _> =
            implied.into_iter().map(|(broad, parts)| (broad.to_owned(), parts)).collect();
        let scopes = Scopes { implied, ..Scopes::default() };
        assert!(scopes.are_enough(&words(&["repo"]), "repo.read"));
        assert!(scopes.are_enough(&words(&["other", "repo.read"]), "repo.write"), "in a circle");
        assert!(!scopes.are_enough(&words(&["other"]), "repo.read"));
        assert!(!scopes.are_enough(&[], ""));
    }

    #[test]
    fn every_pattern_that_matches_counts() {
        let of = |text, scopes: &[&str]| {
            let pattern = patterns::pattern(text, Case::Matters).unwrap();
            (Patterns::new(vec![pattern]).unwrap(), words(scopes))
        };
        let tools = vec![of("a__*", &["a", "mcp"]), of("*__delete", &["delete"])];
        let scopes = Scopes { required: words(&["mcp"]), tools, ..Scopes::default() };
        assert_eq!(scopes.needed(None), ["mcp"]);
        assert_eq!(scopes.needed(Some("b__read")), ["mcp"]);
        assert_eq!(scopes.needed(Some("a__delete")), ["mcp", "a", "delete"]);
    }
}
