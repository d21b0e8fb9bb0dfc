//! What tells one configuration from another, and what has to happen for it; pure.
//!
//! Only keys are ever named: values may be secret.

#[cfg(test)]
mod tests;

use std::fmt;

use indexmap::IndexMap;
use serde_json::Value;
use serde_json::json;

use crate::config::Command;
use crate::config::Config;
use crate::config::Http;
use crate::config::Limits;
use crate::config::Names;
use crate::config::Profile;
use crate::config::Remote;
use crate::config::Target;
use crate::config::Timeout;
use crate::config::Upstream;
use crate::config::exposure::Exposure;
use crate::ids::UpstreamId;

/// What a reload has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What becomes of upstreams: those of the new configuration in its order, then those that are
    /// gone. Of the others nothing differs.
    pub upstreams: IndexMap<UpstreamId, Fate>,
    /// Whether those that are in both, and are not disabled, stand in another order.
    pub is_reordered: bool,
    /// What differs outside of `upstreams`.
    pub settings: Vec<Setting>,
}

/// What becomes of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is new.
    Added,
    /// It is no longer `disabled`.
    Enabled,
    /// Another one takes its place: what is started, or spoken to, differs in these keys.
    Restarted(Vec<String>),
    /// It goes on as it is: only how it is shown or awaited differs, in these keys.
    Adopted(Vec<String>),
    /// It is `disabled` from now on.
    Disabled,
    /// It is gone.
    Removed,
}

/// Something that differs outside of `upstreams`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key.
    pub key: String,
    /// When it comes into force.
    pub when: When,
}

/// When a setting comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With the reload.
    AtOnce,
    /// When Conflux is started the next time.
    AtRestart,
}

/// How an upstream stands in a configuration.
enum Standing<'a> {
    Absent,
    Disabled,
    Enabled(&'a Upstream),
}

impl Difference {
    /// Compares two configurations of one process. What comes from its environment alone is the
    /// same in both.
    pub fn between(old: &Config, new: &Config) -> Self {
        let gone = old.upstreams.keys().filter(|id| !new.upstreams.contains_key(*id));
        let fate =
            |id: &UpstreamId| Some((id.clone(), fate(standing(old, id), standing(new, id))?));
        Self {
            upstreams: new.upstreams.keys().chain(gone).filter_map(fate).collect(),
            is_reordered: !same_order(old, new),
            settings: settings(old, new),
        }
    }

    /// Returns whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.upstreams.is_empty() && !self.is_reordered && self.settings.is_empty()
    }

    /// Returns what comes into force with the reload, a sentence each.
    pub fn changes(&self) -> Vec<String> {
        let fate = |(id, fate): (&UpstreamId, &Fate)| format!("`{id}` {fate}");
        let order = self.is_reordered.then(|| "the order of upstreams differs".to_owned());
        let settings = self.settings_at(When::AtOnce).map(|key| format!("`{key}` is applied"));
        self.upstreams.iter().map(fate).chain(order).chain(settings).collect()
    }

    /// Returns the keys of what comes into force when Conflux is started the next time.
    pub fn at_restart(&self) -> Vec<&str> {
        self.settings_at(When::AtRestart).collect()
    }

    /// Returns the same as data.
    pub fn document(&self) -> Value {
        let upstream = |(id, fate): (&UpstreamId, &Fate)| {
            let keys = fate.keys();
            json!({ "name": id.as_str(), "change": fate.word(), "keys": keys })
        };
        json!({
            "upstreams": self.upstreams.iter().map(upstream).collect::<Vec<_>>(),
            "reordered": self.is_reordered,
            "applied": self.settings_at(When::AtOnce).collect::<Vec<_>>(),
        })
    }

    fn settings_at(&self, when: When) -> impl Iterator<Item = &str> {
        self.settings.iter().filter(move |it| it.when == when).map(|it| it.key.as_str())
    }
}

impl Fate {
    /// Returns the word for it in data.
    fn word(&self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Enabled => "enabled",
            Self::Restarted(_) => "restarted",
            Self::Adopted(_) => "adopted",
            Self::Disabled => "disabled",
            Self::Removed => "removed",
        }
    }

    /// Returns the keys that differ.
    fn keys(&self) -> &[String] {
        match self {
            Self::Restarted(keys) | Self::Adopted(keys) => keys,
            Self::Added | Self::Enabled | Self::Disabled | Self::Removed => &[],
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differ = |keys: &[String]| {
            let named: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
            named.join(", ")
        };
        match self {
            Self::Restarted(keys) => write!(f, "is restarted, for its {}", differ(keys)),
            Self::Adopted(keys) => write!(f, "goes on, with another {}", differ(keys)),
            Self::Added | Self::Enabled | Self::Disabled | Self::Removed => {
                write!(f, "is {}", self.word())
            }
        }
    }
}

/// Returns what is in force after a reload: the new configuration, with what needs a restart as it
/// was.
pub fn in_force(old: &Config, new: Config) -> Config {
    let tls = if old.http.tls.is_some() { new.http.tls.clone() } else { None };
    // Without one there is nothing to exchange it for.
    let tls = tls.or_else(|| old.http.tls.clone());
    let Limits { message, in_flight, start_budget: _, quotas: _ } = old.limits;
    let limits = Limits { message, in_flight, ..new.limits.clone() };
    let http = Http { tls, ..old.http.clone() };
    let (admin, audit, otlp) = (old.admin.clone(), old.audit.clone(), old.otlp.clone());
    let auth = if opens_elsewhere(old, &new) { old.auth.clone() } else { new.auth };
    Config { limits, http, auth, audit, admin, otlp, ..new }
}

/// Returns whether others may come without a token, but only at the place where clients are waited
/// for from the next start on: where they come until then, that may be everybody.
fn opens_elsewhere(old: &Config, new: &Config) -> bool {
    // Some come without one by the word of the system; without `auth` all do.
    let open = |config: &Config| config.auth.as_ref().map_or(2, |auth| u8::from(auth.local));
    open(new) > open(old) && old.http.listen != new.http.listen
}

fn standing<'a>(config: &'a Config, id: &UpstreamId) -> Standing<'a> {
    match config.upstreams.get(id) {
        None => Standing::Absent,
        Some(upstream) if upstream.disabled => Standing::Disabled,
        Some(upstream) => Standing::Enabled(upstream),
    }
}

fn fate(old: Standing<'_>, new: Standing<'_>) -> Option<Fate> {
    use Standing::Absent;
    use Standing::Disabled;
    use Standing::Enabled;
    match (old, new) {
        (Absent, Absent) | (Disabled, Disabled) => None,
        (Absent, Enabled(_)) => Some(Fate::Added),
        (Disabled, Enabled(_)) => Some(Fate::Enabled),
        (Absent | Enabled(_), Disabled) => Some(Fate::Disabled),
        (Disabled | Enabled(_), Absent) => Some(Fate::Removed),
        (Enabled(old), Enabled(new)) => changed(old, new),
    }
}

/// Tells apart what makes another server of an upstream and what does not.
fn changed(old: &Upstream, new: &Upstream) -> Option<Fate> {
    // Taken apart, so that a new key cannot be forgotten.
    let Upstream {
        id: _,
        target,
        required,
        start,
        timeout,
        concurrency,
        results,
        cache,
        prefix,
        tools,
        overrides,
        disabled: _,
    } = old;
    let other = other_target(target, &new.target);
    if !other.is_empty() {
        return Some(Fate::Restarted(other));
    }
    let Timeout { start: until_ready, call, progress, idle } = timeout;
    let adopted = keys([
        ("prefix", *prefix != new.prefix),
        ("tools", *tools != new.tools),
        ("tools.override", overrides.rules != new.overrides.rules),
        ("tools.variants", overrides.variants != new.overrides.variants),
        ("concurrency", *concurrency != new.concurrency),
        ("results", *results != new.results),
        ("cache", *cache != new.cache),
        ("required", *required != new.required),
        ("start", *start != new.start),
        ("timeout.start", *until_ready != new.timeout.start),
        ("timeout.call", *call != new.timeout.call),
        ("timeout.progress", *progress != new.timeout.progress),
        ("timeout.idle", *idle != new.timeout.idle),
    ]);
    (!adopted.is_empty()).then_some(Fate::Adopted(adopted))
}

fn other_target(old: &Target, new: &Target) -> Vec<String> {
    match (old, new) {
        (Target::Command(_), Target::Remote(_)) | (Target::Remote(_), Target::Command(_)) => {
            vec!["command".to_owned(), "url".to_owned()]
        }
        (Target::Command(old), Target::Command(new)) => {
            let Command { program, args, env, cwd } = old;
            let mut other = keys([
                ("command", *program != new.program),
                ("args", *args != new.args),
                ("cwd", *cwd != new.cwd),
            ]);
            other.extend(entries("env", env, &new.env));
            other
        }
        (Target::Remote(old), Target::Remote(new)) => {
            let Remote { url, headers, transport, proxy, ca } = old;
            let mut other = keys([
                ("url", *url != new.url),
                ("transport", *transport != new.transport),
                ("proxy", *proxy != new.proxy),
                ("tls.ca", *ca != new.ca),
            ]);
            other.extend(entries("headers", headers, &new.headers));
            other
        }
    }
}

fn settings(old: &Config, new: &Config) -> Vec<Setting> {
    let setting = |when: When| move |key: String| Setting { key, when };
    let Names { max_length } = old.names;
    let Limits { message, in_flight, start_budget, ref quotas } = old.limits;
    let Http { listen, hosts, origins, tls, limits } = &old.http;
    let is_exchanged = tls.is_some() && new.http.tls.is_some();
    let is_other_tls = *tls != new.http.tls;
    let mut at_once = keys([
        ("names.max_length", max_length != new.names.max_length),
        ("limits.start_budget", start_budget != new.limits.start_budget),
        ("limits.quotas", *quotas != new.limits.quotas),
    ]);
    let Exposure { mode, pinned } = &old.exposure;
    at_once.extend(keys([
        ("profile", old.profile != new.profile),
        ("exposure", *mode != new.exposure.mode),
        ("pinned", *pinned != new.exposure.pinned),
        ("auth", old.auth != new.auth && !opens_elsewhere(old, new)),
    ]));
    at_once.extend(entries::<Profile>("profiles", &old.profiles, &new.profiles));
    at_once.extend(keys([
        ("policy", old.policy != new.policy),
        ("http.tls", is_other_tls && is_exchanged),
    ]));
    let at_restart = keys([
        ("auth", opens_elsewhere(old, new)),
        ("limits.message", message != new.limits.message),
        ("limits.in_flight", in_flight != new.limits.in_flight),
        ("http.listen", *listen != new.http.listen),
        ("http.hosts", *hosts != new.http.hosts),
        ("http.origins", *origins != new.http.origins),
        ("http.tls", is_other_tls && !is_exchanged),
        ("http.limits", *limits != new.http.limits),
        ("audit", old.audit != new.audit),
        ("admin.listen", old.admin.listen != new.admin.listen),
        ("admin.hosts", old.admin.hosts != new.admin.hosts),
        ("admin.per_tool", old.admin.per_tool != new.admin.per_tool),
        ("telemetry.otlp", old.otlp != new.otlp),
    ]);
    let at_once = at_once.into_iter().map(setting(When::AtOnce));
    at_once.chain(at_restart.into_iter().map(setting(When::AtRestart))).collect()
}

/// Returns the keys of what differs.
fn keys<const N: usize>(all: [(&str, bool); N]) -> Vec<String> {
    all.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()).collect()
}

/// Returns the keys of the entries below `key` that differ.
fn entries<T: PartialEq>(
    key: &str,
    old: &IndexMap<String, T>,
    new: &IndexMap<String, T>,
) -> Vec<String> {
    let differ = new.iter().filter(|(name, value)| old.get(*name) != Some(*value));
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    let names = differ.map(|(name, _)| name).chain(gone);
    names.map(|name| format!("{key}.{name}")).collect()
}

/// Whether those that are in both, and are not disabled, stand in the same order.
fn same_order(old: &Config, new: &Config) -> bool {
    let is_enabled =
        |config: &Config, id: &UpstreamId| matches!(standing(config, id), Standing::Enabled(_));
    let is_in_both = |id: &&UpstreamId| is_enabled(old, id) && is_enabled(new, id);
    old.upstreams.keys().filter(is_in_both).eq(new.upstreams.keys().filter(is_in_both))
}
