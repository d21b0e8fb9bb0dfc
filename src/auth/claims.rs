//! What a token of a provider says about somebody; pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::exchange::principal::Bounds;
use crate::exchange::principal::Identity;
use crate::exchange::principal::Principal;

/// The longest name a provider may give somebody, in bytes.
const LONGEST: usize = 256;

/// How the claims of one provider are read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// The name of the provider here.
    pub(super) provider: String,
    /// The claim that says who somebody is.
    pub(super) subject: String,
    /// The claim that lists their groups, as a path.
    pub(super) groups: Option<Vec<String>>,
    /// Groups here, by those of the provider.
    pub(super) map: BTreeMap<String, Vec<String>>,
}

impl Reading {
    /// Returns who somebody is, by these claims.
    ///
    /// # Errors
    ///
    /// If no claim says so, or if what it says is no name; and if their groups are not in the token
    /// but elsewhere: whoever were taken to be in none would be denied nothing for one of them.
    pub(super) fn principal(&self, claims: &Value) -> Result<Principal, String> {
        let subject = claims.get(&self.subject).and_then(Value::as_str).unwrap_or_default();
        let is_name = !subject.is_empty()
            && subject.len() <= LONGEST
            && !subject.chars().any(|c| c.is_control() || c.is_whitespace());
        if !is_name {
            return Err(format!("its claim `{}` names nobody", self.subject));
        }
        if self.has_groups_elsewhere(claims) {
            return Err("its groups are not in it, but elsewhere (`_claim_names`)".to_owned());
        }
        Ok(Principal::from(Identity {
            name: format!("{}:{subject}", self.provider),
            groups: self.groups(claims),
            actor: actor(claims, subject).map(|actor| format!("{}:{actor}", self.provider)),
            bounds: Bounds::default(),
        }))
    }

    /// Whether there are groups that have to be asked for (OpenID Connect Core 1.0, section 5.6.2),
    /// as some providers have it for people in very many.
    fn has_groups_elsewhere(&self, claims: &Value) -> bool {
        let claim = self.groups.as_ref().and_then(|path| path.first());
        let elsewhere = |claim: &String| claims.get("_claim_names")?.get(claim);
        claim.is_some_and(|claim| claims.get(claim).is_none() && elsewhere(claim).is_some())
    }

    /// The groups somebody is in: by the names they have here, or by those of the provider, which
    /// its own name precedes, so that no provider puts anybody into a group of another one.
    fn groups(&self, claims: &Value) -> Vec<String> {
        let Some(path) = &self.groups else { return Vec::new() };
        let claim = path.iter().try_fold(claims, |at, step| at.get(step));
        let named = match claim {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let here = |group: &str| match self.map.get(group) {
            Some(here) => here.clone(),
            None => vec![format!("{}:{group}", self.provider)],
        };
        named.into_iter().flat_map(here).collect()
    }
}

/// Who acts for somebody else: `act` says so (RFC 8693, section 4.1), or the program that was
/// given the token.
fn actor<'c>(claims: &'c Value, subject: &str) -> Option<&'c str> {
    let act = claims.get("act").and_then(|act| act.get("sub"));
    let program = || ["azp", "client_id"].iter().find_map(|key| claims.get(key));
    let actor = act.or_else(program)?.as_str()?;
    (actor != subject && actor.len() <= LONGEST && !actor.chars().any(char::is_control))
        .then_some(actor)
}

/// Returns what a token is good for: words in `scope` (RFC 8693, section 4.2), or a list in `scp`,
/// as some providers have it.
pub(super) fn scopes(claims: &Value) -> Vec<String> {
    let words = |value: &Value| match value {
        Value::String(words) => words.split(' ').map(str::to_owned).collect(),
        Value::Array(words) => words.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let claims = ["scope", "scp"].iter().filter_map(|key| claims.get(key));
    let mut scopes: Vec<String> = claims.flat_map(words).filter(|it| !it.is_empty()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// Returns for what a token was made: one thing or several (RFC 7519, section 4.1.3).
pub(super) fn audience(claims: &Value) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;
    use serde_json::json;

    use super::Reading;
    use super::scopes;

    fn reading() -> Reading {
        let map = [("platform".to_owned(), vec!["admins".to_owned(), "ops".to_owned()])];
        Reading {
            provider: "corp".to_owned(),
            subject: "sub".to_owned(),
            groups: Some(vec!["realm_access".to_owned(), "roles".to_owned()]),
            map: BTreeMap::from(map),
        }
    }

    #[test]
    fn claims_say_who_somebody_is_and_in_which_groups() {
        let claims = json!({
            "sub": "alice", "azp": "agent", "realm_access": { "roles": ["platform", "dev", 7] },
        });
        let alice = reading().principal(&claims).unwrap();
        assert_eq!(alice.name(), "corp:alice");
        assert_eq!(alice.groups(), ["admins", "corp:dev", "ops"]);
        assert_eq!(alice.actor(), Some("corp:agent"));
        let alone = reading().principal(&json!({ "sub": "s", "client_id": "s" })).unwrap();
        assert_eq!((alone.groups(), alone.actor()), (&[] as &[String], None));
        let acted = json!({ "sub": "bob", "azp": "x", "act": { "sub": "agent7" } });
        assert_eq!(reading().principal(&acted).unwrap().actor(), Some("corp:agent7"));
        let one = json!({ "sub": "bob", "realm_access": { "roles": "dev" } });
        assert_eq!(reading().principal(&one).unwrap().groups(), ["corp:dev"]);
    }

    #[test]
    fn who_has_no_name_is_nobody() {
        let long = "x".repeat(257);
        for subject in [json!(null), json!(""), json!("a b"), json!("a\nb"), json!(7), json!(long)]
        {
            let read = reading().principal(&json!({ "sub": subject }));
            assert!(read.is_err(), "{subject}");
        }
        assert!(reading().principal(&Value::Null).is_err());
    }

    #[test]
    fn whoever_has_groups_that_the_token_does_not_name_is_nobody() {
        let elsewhere = json!({ "realm_access": "src1" });
        let claims = json!({ "sub": "alice", "_claim_names": elsewhere });
        assert!(reading().principal(&claims).unwrap_err().contains("`_claim_names`"));
        let here = json!({ "roles": ["dev"] });
        let claims = json!({ "sub": "alice", "realm_access": here, "_claim_names": elsewhere });
        assert_eq!(reading().principal(&claims).unwrap().groups(), ["corp:dev"]);
        let other = json!({ "sub": "alice", "_claim_names": { "address": "src1" } });
        assert!(reading().principal(&other).unwrap().groups().is_empty());
        let claims = json!({ "sub": "alice", "_claim_names": elsewhere });
        let without = Reading { groups: None, ..reading() };
        assert!(without.principal(&claims).unwrap().groups().is_empty());
    }

    #[test]
    fn scopes_are_words_or_a_list() {
        assert_eq!(scopes(&json!({ "scope": "b a  b" })), ["a", "b"]);
        assert_eq!(scopes(&json!({ "scp": ["b", 7, "a"] })), ["a", "b"]);
        assert!(scopes(&json!({ "scope": { "a": 1 } })).is_empty());
    }
}
