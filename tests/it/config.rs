//! Configurations as files: each has its outcome beside it.
//!
//! A case is a `.yaml` or `.json` in `tests/data/config`, or a directory there whose files are
//! layered in the order of their names. `# env: NAME=value` and `# flag: key=value` in a file add
//! to the fixed surroundings.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::panic;
use std::path::Path;
use std::path::PathBuf;

use conflux::config;
use conflux::config::Cache;
use conflux::config::Concurrency;
use conflux::config::Config;
use conflux::config::Start;
use conflux::config::StartBudget;
use conflux::config::Target;
use conflux::config::Upstream;
use conflux::config::argument::Argument;
use conflux::config::load::Options;
use conflux::config::load::Override;
use conflux::config::load::load_within;
use conflux::config::overrides::Different;
use conflux::config::overrides::Variant;
use conflux::config::problem::Problem;
use conflux::config::problem::Problems;
use conflux::config::quota::Conditions;
use conflux::config::quota::Quota;
use conflux::config::surroundings::Surroundings;
use conflux::config::tools::ToolFilter;
use conflux::ids::UpstreamId;
use url::Url;

#[test]
fn every_file_loads_as_recorded() {
    let cases = cases();
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    let names: BTreeSet<_> = cases.iter().map(|case| case.name.clone()).collect();
    assert_eq!(names.len(), cases.len(), "two cases share a snapshot");
    for path in listing(&data()).iter().filter(|path| has_extension(path, &["snap"])) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(names.contains(&name), "{path:?} has no case");
    }
    let failed: Vec<_> = cases.iter().filter(|case| !matches_snapshot(case)).collect();
    let failed: Vec<_> = failed.iter().map(|case| &case.name).collect();
    assert!(failed.is_empty(), "differ from their snapshots: {failed:?}");
}

#[test]
fn problems_say_their_place_and_key_as_data() {
    let case = cases().into_iter().find(|case| case.name == "units").unwrap();
    let (options, around) = surroundings(&case);
    let problems = load_within(&options, &around).unwrap_err();
    let problems: Vec<_> = problems.iter().collect();
    check_place(&problems, 0, (4, 23), "upstreams.a.timeout.start");
    check_place(&problems, 10, (11, 44), "limits.start_budget");
}

#[track_caller]
fn check_place(problems: &[&Problem], index: usize, place: (u32, u32), key: &str) {
    let problem = problems[index];
    assert_eq!(problem.file.as_deref(), Some(Path::new("units.yaml")));
    assert_eq!(problem.line.zip(problem.column), Some(place));
    assert_eq!(problem.key.to_string(), key);
}

#[test]
fn configurations_are_looked_for() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().join("here");
    let user = directory.path().join("user/conflux");
    fs::create_dir_all(&here).unwrap();
    fs::create_dir_all(&user).unwrap();
    let mut around = Surroundings {
        directory: here.clone(),
        config: Some(directory.path().join("user")),
        state: Some(directory.path().join("state")),
        ..Surroundings::default()
    };
    let first_key = |around: &Surroundings, files: &[&str]| {
        let files = files.iter().map(PathBuf::from).collect();
        let config = load_within(&Options { files, ..Options::default() }, around)?;
        Ok::<_, Problems>(config.upstreams.keys().next().unwrap().to_string())
    };
    let put = |path: PathBuf, key: &str| {
        fs::write(path, format!("upstreams: {{ {key}: {{ command: x }} }}")).unwrap();
    };

    let nothing = first_key(&around, &[]).unwrap_err().to_string();
    assert!(nothing.contains("there is no `upstreams.yaml` and no `"), "{nothing}");
    assert!(nothing.contains("command: npx"), "{nothing}");
    // A relative directory would be whatever directory a client starts the gateway in.
    assert!(nothing.contains("${HOME}/Documents"), "{nothing}");
    put(user.join("upstreams.yaml"), "user");
    assert_eq!(first_key(&around, &[]).unwrap(), "user");
    put(here.join("upstreams.yaml"), "here");
    assert_eq!(first_key(&around, &[]).unwrap(), "here");
    put(here.join("named.yaml"), "variable");
    put(here.join("second.yaml"), "second");
    let both = env::join_paths(["second.yaml", "named.yaml"]).unwrap().into_string().unwrap();
    around.variables.insert("CONFLUX_CONFIG".to_owned(), both);
    assert_eq!(first_key(&around, &[]).unwrap(), "second");
    put(here.join("flag.yaml"), "flag");
    assert_eq!(first_key(&around, &["flag.yaml", "named.yaml"]).unwrap(), "flag");
    around.variables.insert("CONFLUX_CONFIG".to_owned(), "gone.yaml".to_owned());
    let gone = first_key(&around, &[]).unwrap_err().to_string();
    assert!(gone.starts_with("gone.yaml: there is no such file"), "{gone}");
    around.variables.insert("CONFLUX_CONFIG".to_owned(), String::new());
    assert_eq!(first_key(&around, &[]).unwrap(), "here");
}

#[test]
fn no_debug_output_holds_a_secret() {
    let case = cases().into_iter().find(|case| case.name == "references").unwrap();
    let (options, around) = surroundings(&case);
    let config = load_within(&options, &around).unwrap();
    let debug = format!("{config:?}");
    assert!(!debug.contains("ghp_0123456789") && !debug.contains("file-secret"), "{debug}");
}

#[test]
fn the_debug_output_of_a_remote_upstream_holds_no_secret() {
    let case = cases().into_iter().find(|case| case.name == "remote").unwrap();
    let (options, around) = surroundings(&case);
    let config = load_within(&options, &around).unwrap();
    let debug = format!("{config:?}");
    assert!(debug.contains("https://api.example.com/mcp"), "{debug}");
    for secret in ["ghp_0123456789", "written-out-key", "in-the-query", "ann:pass"] {
        assert!(!debug.contains(secret), "{debug}");
    }
}

#[test]
fn the_process_has_surroundings() {
    let around = Surroundings::of_process();
    assert_eq!(around.directory, env::current_dir().unwrap());
    assert!(around.variables.contains_key("PATH"));
}

#[test]
fn schema_is_checked_in() {
    let schema = serde_json::to_string_pretty(&config::schema()).unwrap() + "\n";
    assert_checked_in("upstreams.schema.json", &schema);
}

#[test]
fn reference_is_checked_in() {
    assert_checked_in("docs/configuration.md", &config::reference());
}

struct Case {
    name: String,
    directory: PathBuf,
    files: Vec<PathBuf>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for path in listing(&data()) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "values" {
            let files = listing(&path).into_iter().filter(|path| is_config(path));
            let files = files.map(|path| path.strip_prefix(data()).unwrap().to_owned()).collect();
            cases.push(Case { name, directory: data(), files });
        } else if is_config(&path) {
            let files = vec![PathBuf::from(path.file_name().unwrap())];
            cases.push(Case { name, directory: data(), files });
        }
    }
    cases
}

fn matches_snapshot(case: &Case) -> bool {
    let (options, around) = surroundings(case);
    let outcome = match load_within(&options, &around) {
        Ok(config) => show(&config),
        Err(problems) => show_problems(&problems),
    };
    let outcome = outcome.replace(data().to_str().unwrap(), "{data}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(data());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let check = || settings.bind(|| insta::assert_snapshot!(case.name.as_str(), outcome));
    panic::catch_unwind(panic::AssertUnwindSafe(check)).is_ok()
}

/// Returns what a case is loaded with; a file may add to it.
fn surroundings(case: &Case) -> (Options, Surroundings) {
    let mut options = Options { files: case.files.clone(), overrides: Vec::new() };
    let mut variables: BTreeMap<String, String> = [
        ("GITHUB_TOKEN", "ghp_0123456789"),
        ("EMPTY", ""),
        ("HOME", "/home/ann"),
        ("PATH", "/usr/bin"),
        ("LC_ALL", "C.UTF-8"),
        ("HTTPS_PROXY", "http://ann:pass@proxy.example:3128"),
        ("NO_PROXY", "localhost"),
        ("AWS_SECRET_ACCESS_KEY", "not for children"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for file in &case.files {
        let text =
            String::from_utf8_lossy(&fs::read(case.directory.join(file)).unwrap_or_default())
                .into_owned();
        for line in text.lines() {
            if let Some((name, value)) = line.strip_prefix("# env: ").and_then(split) {
                variables.insert(name, value);
            }
            if let Some((key, value)) = line.strip_prefix("# flag: ").and_then(split) {
                options.overrides.push(Override { flag: format!("--{key}"), key, value });
            }
            if let Some(file) = line.strip_prefix("# config: ") {
                options.files.push(PathBuf::from(file));
            }
        }
    }
    let home = PathBuf::from("/home/ann");
    let around = Surroundings {
        variables,
        directory: case.directory.clone(),
        config: Some(home.join(".config")),
        state: Some(home.join(".local/state")),
        home: Some(home),
    };
    (options, around)
}

fn split(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    Some((name.to_owned(), value.to_owned()))
}

fn show_problems(problems: &Problems) -> String {
    for problem in problems.iter() {
        assert!(problem.hint.as_ref().is_none_or(|hint| !hint.is_empty()));
        assert!(!problem.message.ends_with('.'), "{problem}");
    }
    format!("problems: {}\n{problems}", problems.iter().len())
}

fn show_quota(out: &mut String, quota: &Quota) {
    let Quota { name, per, about, rate, concurrency, calls, bytes } = quota;
    writeln!(out, "quota {name:?} per {per:?}").unwrap();
    let Conditions { tools, upstreams, principals, groups, clients } = about;
    let about = [tools, upstreams, principals, groups, clients];
    let about = about.map(|patterns| patterns.iter().collect::<Vec<_>>());
    writeln!(out, "  about {about:?}").unwrap();
    writeln!(out, "  {rate:?} {concurrency:?} calls {calls:?} bytes {bytes:?}").unwrap();
}

fn show(config: &Config) -> String {
    let mut out = String::new();
    for upstream in config.upstreams.values() {
        show_upstream(&mut out, upstream);
    }
    writeln!(out, "names: max_length {}", config.names.max_length).unwrap();
    let limits = &config.limits;
    let (budget, said) = match limits.start_budget {
        StartBudget::Unsaid(budget) => (budget, ""),
        StartBudget::Said(budget) => (budget, " as written"),
    };
    writeln!(
        out,
        "limits: message {}, in_flight {}, start_budget {budget:?}{said}",
        limits.message, limits.in_flight
    )
    .unwrap();
    for quota in &limits.quotas {
        show_quota(&mut out, quota);
    }
    let http = &config.http;
    let is_said =
        |file: &PathBuf| fs::read_to_string(file).unwrap().lines().any(|line| line == "http:");
    if config.files.iter().any(is_said) {
        writeln!(out, "http: {http:?}").unwrap();
    }
    let is_said = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        text.lines().any(|line| line.starts_with("audit:") || line.starts_with("auth:"))
    };
    if config.files.iter().any(is_said) {
        writeln!(out, "audit: {:?}", config.audit).unwrap();
    }
    for (name, profile) in &config.profiles {
        let (allow, deny): (Vec<_>, Vec<_>) =
            (profile.tools.allow().collect(), profile.tools.deny().collect());
        let members = profile.upstreams.as_ref().map(|ids| ids.iter().map(UpstreamId::as_str));
        let members = members.map(Iterator::collect::<Vec<_>>);
        writeln!(out, "profile {name}: {members:?} allow {allow:?} deny {deny:?}").unwrap();
        show_wanted(&mut out, &profile.tools);
        let clients: Vec<_> = profile.clients.iter().collect();
        if !clients.is_empty() {
            writeln!(out, "  for {clients:?}").unwrap();
        }
    }
    for warning in &config.warnings {
        assert!(warning.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{warning}");
        writeln!(out, "warning: {warning}").unwrap();
    }
    writeln!(out, "state: {}", config.state.display()).unwrap();
    for file in &config.files {
        writeln!(out, "file: {}", file.display()).unwrap();
    }
    writeln!(out, "children: {:?}", config.child_environment).unwrap();
    let masked = config.secrets.mask(&out).into_owned();
    for line in masked.lines().filter(|line| line.contains("***")) {
        writeln!(out, "masked: {}", line.trim()).unwrap();
    }
    out
}

fn show_upstream(out: &mut String, upstream: &Upstream) {
    let start = match upstream.start {
        Start::Lazy => "lazy",
        Start::Eager => "eager",
    };
    let flags = [("required", upstream.required), ("disabled", upstream.disabled)];
    let flags: Vec<_> = flags.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
    writeln!(out, "{} (prefix {:?}) {start} {flags:?}", upstream.id, upstream.prefix).unwrap();
    match &upstream.target {
        Target::Command(command) => {
            writeln!(out, "  run {:?} {:?}", command.program, command.args).unwrap();
            writeln!(out, "  env {:?}, cwd {:?}", command.env, command.cwd).unwrap();
        }
        Target::Remote(remote) => {
            writeln!(out, "  at {} {:?}", remote.url, remote.headers).unwrap();
            let proxy = remote.proxy.as_ref().map(Url::as_str);
            let transport = remote.transport;
            writeln!(out, "  transport {transport:?}, proxy {proxy:?}, ca {:?}", remote.ca)
                .unwrap();
        }
    }
    let timeout = &upstream.timeout;
    writeln!(out, "  wait {:?} {:?} {:?}", timeout.start, timeout.call, timeout.idle).unwrap();
    if let Some(progress) = timeout.progress {
        writeln!(out, "  with progress {progress:?}").unwrap();
    }
    if let Some(Cache { ttl, tools, shared, limit }) = &upstream.cache {
        let tools = tools.as_ref().map(|tools| tools.iter().collect::<Vec<_>>());
        writeln!(out, "  kept {ttl:?} of {tools:?}, shared {shared}, at most {limit}").unwrap();
    }
    let Concurrency { calls, queue } = upstream.concurrency;
    if (calls, queue) != (64, 256) {
        writeln!(out, "  at once {calls}, wait {queue}").unwrap();
    }
    let allow: Vec<_> = upstream.tools.allow().collect();
    let deny: Vec<_> = upstream.tools.deny().collect();
    writeln!(out, "  allow {allow:?} deny {deny:?}").unwrap();
    show_wanted(out, &upstream.tools);
    for (tool, timeout) in upstream.overrides.timeouts() {
        writeln!(out, "  override {tool:?}: timeout {timeout:?}").unwrap();
        show_different(out, &upstream.overrides.different(tool));
    }
    for variant in upstream.overrides.variants() {
        let Variant { name, of, .. } = variant;
        writeln!(out, "  variant {name:?} of {of:?}: timeout {:?}", variant.timeout()).unwrap();
        show_different(out, &variant.different());
    }
}

fn show_different(out: &mut String, different: &Different<'_>) {
    let Different { name, title, description, annotation_title, hints, arguments } = different;
    let texts = [name, title, description, annotation_title];
    if texts.iter().any(|text| text.is_some()) || !hints.is_empty() {
        writeln!(out, "    {texts:?} {hints:?}").unwrap();
    }
    for told in arguments {
        let Argument { name, description, given, is_hidden } = told.argument;
        let filled = given.filled().map(|filled| (&filled.json, filled.is_secret));
        writeln!(out, "    {}: {name:?} {description:?} hidden {is_hidden}", told.name).unwrap();
        writeln!(out, "      {given:?} {filled:?}").unwrap();
    }
}

fn show_wanted(out: &mut String, tools: &ToolFilter) {
    let wanted: Vec<_> = tools.wanted().iter().collect();
    if !wanted.is_empty() {
        writeln!(out, "  wanted {wanted:?}").unwrap();
    }
}

/// Compares a generated file with the one in the repository, or accepts it.
#[track_caller]
fn assert_checked_in(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    #[expect(clippy::disallowed_methods, reason = "the way snapshots are accepted")]
    if env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, generated).unwrap();
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == generated, "`{name}` is out of date; run `just accept`");
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config")
}

fn listing(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn is_config(path: &Path) -> bool {
    has_extension(path, &["yaml", "json"])
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|own| extensions.iter().any(|extension| own == *extension))
}
