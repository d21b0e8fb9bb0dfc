//! Turns a configuration as written into one that cannot be wrong, and reports everything that
//! stands in the way.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use globset::Glob;
use indexmap::IndexMap;

use crate::config::Config;
use crate::config::Limits;
use crate::config::Names;
use crate::config::Start;
use crate::config::StartBudget;
use crate::config::Target;
use crate::config::Upstream;
use crate::config::environment;
use crate::config::file;
use crate::config::hints::Wanted;
use crate::config::layer::Places;
use crate::config::name;
use crate::config::patterns;
use crate::config::patterns::Case;
use crate::config::patterns::Patterns;
use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Problem;
use crate::config::secrets::Secrets;
use crate::config::surroundings::Surroundings;
use crate::config::tools::ToolFilter;
use crate::config::units;
use crate::config::units::Misread;
use crate::config::units::WrittenDuration;
use crate::config::units::WrittenSize;
use crate::ids::UpstreamId;

/// What a first configuration may look like.
pub(super) const EXAMPLE: &str = "    upstreams:\n      files:\n        command: npx\n        \
     args: [-y, \"@modelcontextprotocol/server-filesystem\", \"${HOME}/Documents\"]";

/// The smallest lets a handshake pass; the largest still fits into memory once per direction.
const MESSAGE: RangeInclusive<usize> = 1 << 10..=1 << 30;
/// A client that waits longer for its first listing gives up.
const START_BUDGET: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(1);

/// What the checks may look at besides the file.
pub(super) struct Context<'a> {
    pub(super) places: &'a Places,
    pub(super) around: &'a Surroundings,
    /// Keys whose absence has been reported already.
    pub(super) excused: &'a [KeyPath],
}

/// Checks everything; without problems there is a configuration.
pub(super) fn compile(
    file: file::File,
    files: Vec<PathBuf>,
    context: &Context<'_>,
) -> (Option<Config>, Vec<Problem>) {
    let mut check =
        Check { context, problems: Vec::new(), warnings: Vec::new(), secrets: Vec::new() };
    let file::File {
        schema: _,
        upstreams,
        mcp_servers: _,
        names,
        limits,
        profiles,
        profile,
        http,
        auth,
        admin,
        telemetry,
        policy,
        exposure,
        pinned,
        audit,
    } = file;
    let known: Vec<String> = upstreams.keys().cloned().collect();
    let quotas = KeyPath::of(&["limits", "quotas"]);
    check.quotas_name_upstreams(&limits.quotas, &known, &quotas);
    let limits = check.limits(&limits);
    let upstreams = check.upstreams(upstreams, names.max_length);
    let exposure = check.exposure(exposure, &pinned);
    let written: Vec<String> = profiles.keys().cloned().collect();
    let profile = profile.inspect(|name| check.profile(name, &written));
    let profiles = check.profiles(&profiles, &known, &exposure);
    let before = check.problems.len();
    let policy = check.policy(&policy, &known, &written);
    let of_policy = before..check.problems.len();
    let http = check.http(&http, auth.is_some());
    let auth = auth.map(|auth| check.auth(&auth));
    let admin = check.admin(&admin);
    let otlp = check.telemetry(&telemetry);
    let state = check.state();
    let is_governed = auth.is_some() || policy.is_any();
    let audit = check.audit(audit.as_ref(), is_governed, state.as_deref());
    check.emptiness(&upstreams);
    let Check { mut problems, warnings, secrets, .. } = check;
    let secrets = Secrets::new(secrets);
    // Cedar quotes what it does not understand, which nobody here wrote.
    for problem in problems.get_mut(of_policy).into_iter().flatten() {
        *problem = problem.clone().masked(&secrets);
    }
    let config = state.filter(|_| problems.is_empty()).map(|state| Config {
        upstreams,
        names: Names { max_length: names.max_length },
        limits,
        profiles,
        profile,
        exposure,
        policy: policy.masked(&secrets),
        http,
        auth,
        audit,
        admin,
        otlp,
        files,
        state,
        runtime: context.around.runtime(),
        warnings,
        child_environment: environment::for_children(&context.around.variables),
        secrets,
    });
    (config, problems)
}

/// The checks and what they found.
pub(super) struct Check<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) problems: Vec<Problem>,
    /// What can be used, but is probably not meant.
    pub(super) warnings: Vec<Problem>,
    pub(super) secrets: Vec<String>,
}

impl Check<'_> {
    fn limits(&mut self, written: &file::Limits) -> Limits {
        let path = KeyPath::of(&["limits"]);
        Limits {
            message: self.size(&written.message, &MESSAGE, &path.key("message")),
            in_flight: written.in_flight,
            start_budget: self.start_budget(written, &path.key("start_budget")),
            quotas: self.quotas(&written.quotas, &path.key("quotas")),
        }
    }

    fn start_budget(&mut self, written: &file::Limits, path: &KeyPath) -> StartBudget {
        let default = || WrittenDuration(file::START_BUDGET.to_owned());
        let limit = written.start_budget.clone().unwrap_or_else(default);
        let limit = self.duration(&limit, &START_BUDGET, path);
        if written.start_budget.is_some() {
            StartBudget::Said(limit)
        } else {
            StartBudget::Unsaid(limit)
        }
    }

    fn state(&mut self) -> Option<PathBuf> {
        let state = self.context.around.state();
        if state.is_none() {
            let problem = Problem::new("there is no home directory to keep state in");
            self.problems.push(problem.hint("set `CONFLUX_STATE` to a directory"));
        }
        state
    }

    /// Warns of a gateway with nothing behind it.
    fn emptiness(&mut self, upstreams: &IndexMap<UpstreamId, Upstream>) {
        let path = KeyPath::of(&["upstreams"]);
        let place = self.context.places.key(&path);
        let (message, hint) = if upstreams.is_empty() {
            let hint = format!("add one, as in:\n\n{EXAMPLE}");
            ("there is no upstream, so clients find nothing but `conflux__status`", hint)
        } else if upstreams.values().all(|upstream| upstream.disabled) {
            let hint = "remove `disabled` from one of them".to_owned();
            ("every upstream is disabled, so clients find nothing but `conflux__status`", hint)
        } else {
            return;
        };
        self.warnings.push(Problem::at(&place, &path, message).hint(hint));
    }

    fn upstreams(
        &mut self,
        mut written: BTreeMap<String, file::Upstream>,
        max_length: usize,
    ) -> IndexMap<UpstreamId, Upstream> {
        let mut upstreams = IndexMap::with_capacity(written.len());
        for key in self.context.places.order(&KeyPath::of(&["upstreams"])) {
            let Some(written) = written.remove(&key) else { continue };
            if let Some(upstream) = self.upstream(&key, &written, max_length) {
                upstreams.insert(upstream.id.clone(), upstream);
            }
        }
        self.prefixes_differ(&upstreams);
        upstreams
    }

    /// Checks one upstream; nothing comes of one that is only there to be left out.
    fn upstream(
        &mut self,
        key: &str,
        written: &file::Upstream,
        max_length: usize,
    ) -> Option<Upstream> {
        let path = KeyPath::of(&["upstreams", key]);
        self.name(key, "key", "an upstream", &path, &self.context.places.key(&path));
        let prefix = self.prefix(key, written.prefix.as_deref(), &path, max_length);
        let timeout = self.timeout(&written.timeout, &path.key("timeout"));
        let file::Tools { allow, deny, annotations, .. } = &written.tools;
        let tools = self.tools(allow, deny, annotations, &path.key("tools"));
        let overrides = self.overrides(&written.tools, &path.key("tools"), written.disabled);
        let target = self.target(key, written, &path);
        let start = match written.start {
            file::Start::Lazy => Start::Lazy,
            file::Start::Eager => Start::Eager,
        };
        Some(Upstream {
            id: UpstreamId::new(key),
            target: target?,
            required: written.required,
            start,
            timeout,
            concurrency: Self::concurrency(&written.concurrency),
            results: self.results(&written.results, &path.key("results")),
            cache: written.cache.as_ref().map(|cache| self.cache(cache, &path.key("cache"))),
            prefix,
            tools,
            overrides,
            disabled: written.disabled,
        })
    }

    /// Checks how an upstream is reached: there is either a program or an address.
    fn target(&mut self, key: &str, written: &file::Upstream, path: &KeyPath) -> Option<Target> {
        if written.url.is_none() {
            self.nothing_of_a_remote(written, path);
            return self.command(written, path).map(Target::Command);
        }
        if written.command.is_some() && !written.disabled {
            let message = format!("`{key}` has both a `command` and a `url`");
            let place = self.context.places.key(&path.key("url"));
            let problem = Problem::at(&place, &path.key("url"), message);
            self.problems.push(problem.hint("remove one of them, or make two upstreams of it"));
        }
        self.remote(written, path).map(Target::Remote)
    }

    fn prefix(
        &mut self,
        key: &str,
        written: Option<&str>,
        path: &KeyPath,
        max_length: usize,
    ) -> String {
        let prefix = written.unwrap_or(key);
        let (path, place) = match written {
            Some(_) => (path.key("prefix"), self.context.places.value(&path.key("prefix"))),
            None => (path.clone(), self.context.places.key(path)),
        };
        if written.is_some_and(|written| !written.is_empty()) {
            self.name(prefix, "prefix", "an upstream", &path, &place);
        }
        let most = max_length.saturating_sub(name::SEPARATOR.len() + name::MIN_LOCAL);
        if prefix.len() > most {
            let message = format!(
                "the prefix `{prefix}` is {} long, which leaves no room for names within \
                 `names.max_length: {max_length}`",
                prefix.len()
            );
            let hint = format!("set `prefix` to {most} characters or fewer");
            self.problems.push(Problem::at(&place, &path, message).hint(hint));
        }
        prefix.to_owned()
    }

    pub(super) fn name(
        &mut self,
        text: &str,
        what: &str,
        whose: &str,
        path: &KeyPath,
        place: &Place,
    ) {
        if let Err(Misread { message, hint }) = name::check(text, what, whose) {
            self.problems.push(Problem::at(place, path, message).hint(hint));
        }
    }

    /// Two upstreams with one prefix would take each other's names.
    fn prefixes_differ(&mut self, upstreams: &IndexMap<UpstreamId, Upstream>) {
        let mut first: BTreeMap<&str, &UpstreamId> = BTreeMap::new();
        for (id, upstream) in upstreams {
            if upstream.disabled || upstream.prefix.is_empty() {
                continue;
            }
            let Some(other) = first.insert(&upstream.prefix, id) else { continue };
            first.insert(&upstream.prefix, other);
            let path = KeyPath::of(&["upstreams", id.as_str()]);
            let own = self.context.places.value(&path.key("prefix"));
            let place = match own {
                Place::Nowhere => self.context.places.key(&path),
                own => own,
            };
            let message =
                format!("`{other}` and `{id}` have the same prefix `{}`", upstream.prefix);
            let problem = Problem::at(&place, &path, message);
            self.problems.push(problem.hint("give one of them another `prefix`"));
        }
    }

    pub(super) fn tools(
        &mut self,
        allow: &[String],
        deny: &[String],
        annotations: &file::Annotations,
        path: &KeyPath,
    ) -> ToolFilter {
        let allow = self.patterns(allow, &path.key("allow"), Case::Matters);
        let deny = self.patterns(deny, &path.key("deny"), Case::Matters);
        ToolFilter::new(allow, deny, Wanted::new(annotations))
    }

    /// Reads a list of patterns; what is wrong in it matches nothing, and is a problem.
    pub(super) fn patterns(&mut self, written: &[String], path: &KeyPath, case: Case) -> Patterns {
        let read = |(index, text): (usize, &String)| {
            let path = path.index(index);
            self.pattern(text, &path, &self.context.places.value(&path), case)
        };
        let patterns = written.iter().enumerate().filter_map(read).collect();
        Patterns::new(patterns).unwrap_or_else(|error| {
            let message = format!("`{path}`: {}", error.kind());
            self.problems.push(Problem::at(&self.context.places.value(path), path, message));
            Patterns::none()
        })
    }

    /// Reads one pattern, which is written at `place`.
    pub(super) fn pattern(
        &mut self,
        text: &str,
        path: &KeyPath,
        place: &Place,
        case: Case,
    ) -> Option<Glob> {
        let error = match patterns::pattern(text, case) {
            Ok(pattern) => return Some(pattern),
            Err(error) => error,
        };
        let message = format!("`{text}` is not a pattern: {}", error.kind());
        let hint = "`*`, `?`, `[a-z]` and `{a,b}` are special; write `\\` before one that is not";
        self.problems.push(Problem::at(place, path, message).hint(hint));
        None
    }

    pub(super) fn duration(
        &mut self,
        written: &WrittenDuration,
        range: &RangeInclusive<Duration>,
        path: &KeyPath,
    ) -> Duration {
        let read = units::duration(&written.0);
        self.within(read, range, units::show_duration, &written.0, path)
    }

    pub(super) fn size(
        &mut self,
        written: &WrittenSize,
        range: &RangeInclusive<usize>,
        path: &KeyPath,
    ) -> usize {
        self.within(units::size(&written.0), range, units::show_size, &written.0, path)
    }

    /// Reports a quantity that cannot be read or is out of range; what it returns then is only
    /// good for going on with the checks.
    fn within<T: Copy + PartialOrd>(
        &mut self,
        read: Result<T, Misread>,
        range: &RangeInclusive<T>,
        show: fn(T) -> String,
        written: &str,
        path: &KeyPath,
    ) -> T {
        let (least, most) = (*range.start(), *range.end());
        let misread = match read {
            Ok(value) if range.contains(&value) => return value,
            Ok(value) => {
                let nearest = if value < least { least } else { most };
                let (least, most) = (show(least), show(most));
                let message =
                    format!("`{path}` is `{written}`, but must be from `{least}` to `{most}`");
                Misread { message, hint: format!("write `{}`", show(nearest)) }
            }
            Err(misread) => misread,
        };
        let place = self.context.places.value(path);
        self.problems.push(Problem::at(&place, path, misread.message).hint(misread.hint));
        least
    }

    /// Whether a problem that was reported already explains why `path` is not there.
    pub(super) fn is_excused(&self, path: &KeyPath) -> bool {
        self.context.excused.iter().any(|excused| path.is_within(excused))
    }

    /// Returns the directory that relative paths at `place` start from.
    pub(super) fn directory<'p>(&'p self, place: &'p Place) -> &'p Path {
        place.directory().unwrap_or(&self.context.around.directory)
    }
}
