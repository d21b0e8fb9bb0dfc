//! Who may do what, as rules that cannot be wrong but in what they name.

use std::path::PathBuf;

use serde_json::Number;
use serde_json::Value;

use crate::config::cedar::Written;
use crate::config::file;
use crate::config::file::WrittenValue;
use crate::config::file::policy::Texts;
use crate::config::hints::Wanted;
use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Problem;
use crate::config::secrets::Secrets;
use crate::config::spot::Spot;
use crate::config::suggest;
use crate::config::validate::Check;
use crate::ids::UpstreamId;

/// The upstream that stands for Conflux itself.
pub const CONFLUX: &str = "conflux";

/// How many digits a number may have before the point, if it has any behind it.
const WHOLE: usize = 14;
/// How many digits it may have behind the point.
const PART: usize = 4;

/// Who may do what; everybody everything if there is neither a rule nor a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether nothing is refused, and what would have been is only said.
    pub is_shadow: bool,
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
    /// The policies in Cedar, file by file.
    pub cedar: Vec<Written>,
}

/// One rule. A condition that nothing is said about holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it allows or denies.
    pub effect: Effect,
    /// What it is called.
    pub name: Option<String>,
    /// Where it is written.
    pub spot: Spot,
    /// The tools it is about, by their public names.
    pub tools: Names,
    /// The prompts it is about, by their public names.
    pub prompts: Names,
    /// The resources it is about, by the addresses their servers give them.
    pub resources: Names,
    /// The upstreams whose things these must be, if any are named.
    pub upstreams: Vec<UpstreamId>,
    /// What the annotations of a tool must say.
    pub wanted: Wanted,
    /// Patterns of who must call, if there are any.
    pub principals: Vec<String>,
    /// Groups of which whoever calls must be in one, if there are any.
    pub groups: Vec<String>,
    /// Patterns of what the client must call itself, in lower case.
    pub clients: Vec<String>,
    /// Profiles of which one must be in use.
    pub profiles: Vec<String>,
    /// What arguments must be.
    pub arguments: Vec<Argument>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever others allow.
    Deny,
}

/// Of which things of one kind a rule speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Of none.
    None,
    /// Of all.
    All,
    /// Of those that match one of these.
    Matching(Vec<Pattern>),
}

/// A pattern in which `*` stands for any text, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern.
    pub text: String,
    /// Where it is written.
    pub spot: Spot,
}

impl Pattern {
    /// Returns whether it is the name of one thing.
    pub fn is_literal(&self) -> bool {
        !self.text.contains('*')
    }
}

/// What an argument must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The name of the argument, and of what lies inside of it.
    pub path: Vec<String>,
    /// One of these must match.
    pub values: Values,
    /// Where it is written.
    pub spot: Spot,
}

/// Values of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Patterns of texts.
    Texts(Vec<String>),
    /// Numbers.
    Numbers(Vec<Exact>),
    /// `true` or `false`, or both.
    Flags(Vec<bool>),
}

/// A number that can be compared exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exact {
    /// A whole number.
    Integer(i64),
    /// One with up to four digits behind the point, as it is written.
    Decimal(String),
}

impl Policy {
    /// Returns whether it says anything, so that not everybody may do everything.
    pub fn is_any(&self) -> bool {
        !self.rules.is_empty() || !self.cedar.is_empty()
    }

    /// Takes secrets out of what rules are called, which callers are told.
    pub(super) fn masked(mut self, secrets: &Secrets) -> Self {
        let names = self.rules.iter_mut().map(|rule| &mut rule.name);
        let names = names.chain(self.cedar.iter_mut().map(|policy| &mut policy.name));
        for name in names.flatten() {
            *name = secrets.mask(name).into_owned();
        }
        self
    }

    /// Returns the files of policies, absolute.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            self.cedar.iter().map(|policy| policy.source.absolute.clone()).collect();
        files.dedup();
        files
    }
}

impl Check<'_> {
    /// Checks every rule; `upstreams` and `profiles` are the names of all there are.
    pub(super) fn policy(
        &mut self,
        written: &file::Policy,
        upstreams: &[String],
        profiles: &[String],
    ) -> Policy {
        let path = KeyPath::of(&["policy"]);
        let before = self.problems.len();
        let rules = written.rules.iter().enumerate();
        let known = Known { upstreams, profiles };
        let rules = rules
            .filter_map(|(index, rule)| self.rule(rule, &path.key("rules").index(index), &known));
        let rules = rules.collect();
        let cedar = self.cedar(&written.cedar, &path.key("cedar"));
        let policy = Policy { is_shadow: written.shadow, rules, cedar };
        if !policy.is_any() && self.problems.len() == before {
            self.no_rule(&path);
        }
        policy
    }

    /// Warns of a policy that was meant to say something.
    fn no_rule(&mut self, path: &KeyPath) {
        let place = self.context.places.value(path);
        if matches!(place, Place::Nowhere) || self.is_excused(&path.key("rules")) {
            return;
        }
        let message = format!("`{path}` has no rule, so everybody may do everything");
        let hint = "write what is allowed under `rules` or in files of `cedar`, or remove the key";
        self.warnings.push(Problem::at(&place, path, message).hint(hint));
    }

    fn rule(
        &mut self,
        written: &file::policy::Rule,
        path: &KeyPath,
        known: &Known<'_>,
    ) -> Option<Rule> {
        let (effect, what, key) = match (&written.allow, &written.deny) {
            (Some(what), None) => (Effect::Allow, what, "allow"),
            (None, Some(what)) => (Effect::Deny, what, "deny"),
            (Some(_), Some(_)) => {
                let hint = "make two rules of it";
                self.wrong(path, "a rule cannot both `allow` and `deny`".to_owned(), hint);
                return None;
            }
            (None, None) => {
                let is_excused = self.is_excused(&path.key("allow"))
                    || self.is_excused(&path.key("deny"))
                    || self.is_excused(path);
                if !is_excused {
                    let hint = "write what it is about, as in `allow: [\"github__*\"]`";
                    self.wrong(path, "a rule needs `allow` or `deny`".to_owned(), hint);
                }
                return None;
            }
        };
        let at = path.key(key);
        let arguments = self.argument_rules(written, &path.key("arguments"));
        let wanted = Wanted::new(&what.annotations);
        let [tools, prompts, resources] =
            self.things(what, &at, wanted.is_any() || !arguments.is_empty());
        if !arguments.is_empty() && (prompts != Names::None || resources != Names::None) {
            let message = "`arguments` are those of tools, but the rule is about other things, too";
            self.wrong(&path.key("arguments"), message.to_owned(), "make two rules of it");
        }
        self.upstreams_named(&what.upstreams, &at.key("upstreams"), known.upstreams);
        for (index, profile) in written.profiles.0.iter().enumerate() {
            self.named_profile(profile, &path.key("profiles"), index, known.profiles);
        }
        for (index, group) in written.groups.0.iter().enumerate() {
            if group.contains('*') {
                let message = format!("`{group}` is a pattern, but groups are named in full");
                self.wrong(&self.item(&path.key("groups"), index), message, "name each group");
            }
        }
        let name = written.name.as_ref();
        let clients = self.plain_texts(&written.clients, &path.key("clients"));
        Some(Rule {
            effect,
            name: name.and_then(|name| self.plain(name, &path.key("name"))),
            spot: Spot::from(&self.context.places.value(path)),
            tools,
            prompts,
            resources,
            upstreams: what.upstreams.0.iter().map(|key| UpstreamId::new(key)).collect(),
            wanted,
            principals: self.plain_texts(&written.principals, &path.key("principals")),
            groups: self.plain_texts(&written.groups, &path.key("groups")),
            clients: clients.iter().map(|client| client.to_lowercase()).collect(),
            profiles: written.profiles.0.clone(),
            arguments,
        })
    }

    /// Returns of which tools, prompts and resources a rule speaks.
    fn things(
        &mut self,
        what: &file::policy::What,
        path: &KeyPath,
        needs_tools: bool,
    ) -> [Names; 3] {
        use file::policy::Kind;
        let all = [
            (Kind::Tools, "tools", &what.tools),
            (Kind::Prompts, "prompts", &what.prompts),
            (Kind::Resources, "resources", &what.resources),
        ];
        let is_named = all.iter().any(|(_, _, texts)| texts.is_some());
        all.map(|(kind, key, texts)| match texts {
            Some(texts) => Names::Matching(self.policy_patterns(texts, &path.key(key))),
            None if what.kinds.contains(&kind) => Names::All,
            None if is_named || !what.kinds.is_empty() => Names::None,
            None if needs_tools && kind != Kind::Tools => Names::None,
            None => Names::All,
        })
    }

    fn policy_patterns(&mut self, texts: &Texts, path: &KeyPath) -> Vec<Pattern> {
        let read = |(index, text): (usize, &String)| {
            let path = self.item(path, index);
            let spot = Spot::from(&self.context.places.value(&path));
            self.plain(text, &path).map(|text| Pattern { text, spot })
        };
        texts.0.iter().enumerate().filter_map(read).collect()
    }

    fn upstreams_named(&mut self, named: &Texts, path: &KeyPath, known: &[String]) {
        for (index, key) in named.0.iter().enumerate() {
            if known.contains(key) || key == CONFLUX {
                continue;
            }
            let hint = match suggest::nearest(key, known.iter().map(String::as_str)) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "name keys under `upstreams`".to_owned(),
            };
            let path = self.item(path, index);
            self.wrong(&path, format!("there is no upstream `{key}`"), &hint);
        }
    }

    fn named_profile(&mut self, name: &str, path: &KeyPath, index: usize, known: &[String]) {
        if known.iter().any(|other| other == name) {
            return;
        }
        let hint = match suggest::nearest(name, known.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "name keys under `profiles`".to_owned(),
        };
        let path = self.item(path, index);
        self.wrong(&path, format!("there is no profile `{name}`"), &hint);
    }

    fn argument_rules(&mut self, written: &file::policy::Rule, path: &KeyPath) -> Vec<Argument> {
        let mut arguments = Vec::new();
        for key in self.context.places.order(path) {
            let Some(WrittenValue(value)) = written.arguments.get(&key) else { continue };
            let path = path.key(&key);
            let spot = Spot::from(&self.context.places.value(&path));
            let parts: Vec<String> = key.split('.').map(str::to_owned).collect();
            let values = values(value).map(|values| match values {
                Values::Texts(texts) => Values::Texts(self.plain_texts(&Texts(texts), &path)),
                Values::Numbers(_) | Values::Flags(_) => values,
            });
            match values {
                Some(values) if parts.iter().all(|part| !part.is_empty()) => {
                    arguments.push(Argument { path: parts, values, spot });
                }
                Some(_) => {
                    let hint = "write the names of the argument and of what lies inside, as in \
                                `options.force`";
                    self.wrong(&path, format!("`{key}` does not name an argument"), hint);
                }
                None => {
                    let message = format!("`{path}` cannot be compared with an argument");
                    let hint = "write patterns of texts, or numbers, or `true` or `false`; all of \
                                one type";
                    self.wrong(&path, message, hint);
                }
            }
        }
        arguments
    }
}

/// What rules can name.
struct Known<'a> {
    upstreams: &'a [String],
    profiles: &'a [String],
}

/// Reads one value or a list of values of one type.
fn values(value: &Value) -> Option<Values> {
    let all = match value {
        Value::Array(items) if items.is_empty() => return None,
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    each(all, |it| it.as_str().map(str::to_owned))
        .map(Values::Texts)
        .or_else(|| each(all, |it| exact(it.as_number()?)).map(Values::Numbers))
        .or_else(|| each(all, Value::as_bool).map(Values::Flags))
}

fn each<T>(all: &[Value], read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    all.iter().map(read).collect()
}

/// Reads a number that is whole, or has few enough digits behind the point.
fn exact(number: &Number) -> Option<Exact> {
    if let Some(integer) = number.as_i64() {
        return Some(Exact::Integer(integer));
    }
    let number = number.as_f64()?;
    let text = format!("{number:?}");
    let (whole, part) = text.split_once('.')?;
    let is_short = whole.trim_start_matches('-').len() <= WHOLE && part.len() <= PART;
    let is_plain = part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_short || !is_plain {
        return None;
    }
    match part {
        "0" => whole.parse().ok().map(Exact::Integer),
        _ => Some(Exact::Decimal(text)),
    }
}
