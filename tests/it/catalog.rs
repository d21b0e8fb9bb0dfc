//! Listings in, catalogs out: each `tests/data/catalog/*.yaml` beside what becomes of it.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use conflux::catalog;
use conflux::catalog::Catalog;
use conflux::catalog::Kind;
use conflux::catalog::Listing;
use conflux::catalog::ResultKind;
use conflux::catalog::Rules;
use conflux::catalog::Source;
use conflux::config;
use conflux::config::Config;
use conflux::config::load::Options;
use conflux::config::load::load_within;
use conflux::config::surroundings::Surroundings;
use conflux::ids::UpstreamId;
use conflux::wire::Raw;
use indexmap::IndexMap;
use serde::Deserialize;
use tempfile::TempDir;

/// One case. JSON is written as text, so that its bytes are the case's to choose.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default = "usual_length")]
    max_length: usize,
    upstreams: IndexMap<String, Upstream>,
    /// `upstream/tool` pairs that the file denies.
    #[serde(default)]
    deny: Vec<String>,
    /// What a profile wants annotations to say, as in a configuration.
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    own: Vec<String>,
    /// Addresses to find the owner of.
    #[serde(default)]
    resolve: Vec<String>,
    /// Targets of completions to find the owner of.
    #[serde(default)]
    complete: Vec<String>,
    /// What upstreams send.
    #[serde(default)]
    rewrite: Vec<Sent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    prefix: Option<String>,
    /// What stands under `tools` in the configuration.
    #[serde(default)]
    config: Option<String>,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    prompts: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    templates: Vec<String>,
    #[serde(default)]
    skills: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    from: String,
    kind: SentKind,
    json: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SentKind {
    Tool,
    Prompt,
    Resource,
    Sampling,
    Skill,
    Directory,
}

impl SentKind {
    fn real(self) -> ResultKind {
        match self {
            Self::Tool => ResultKind::Tool,
            Self::Prompt => ResultKind::Prompt,
            Self::Resource => ResultKind::Resource,
            Self::Sampling => ResultKind::SamplingParams,
            Self::Skill => ResultKind::Skill,
            Self::Directory => ResultKind::Directory,
        }
    }
}

fn usual_length() -> usize {
    50
}

#[test]
fn listings_become_catalogs() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/catalog");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    cases.sort();
    assert!(cases.len() >= 20, "{} cases", cases.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&dir);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for path in cases {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let case: Case = serde_saphyr::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            insta::assert_snapshot!(name, run(&case));
        }
    });
}

#[test]
fn every_snapshot_has_its_case() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/catalog");
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("yaml").exists(), "{} is left over", path.display());
    }
}

fn run(case: &Case) -> String {
    let sources: Vec<Source> = case.upstreams.iter().map(|(key, it)| source(key, it)).collect();
    let config = configured(case);
    let permits = |upstream: &UpstreamId, tool: &str| {
        let config = config.upstreams.get(upstream);
        let is_permitted = config.is_none_or(|config| config.tools.permits(tool));
        is_permitted && !case.deny.contains(&format!("{upstream}/{tool}"))
    };
    let profile = config.profiles.values().next();
    let configs: HashMap<UpstreamId, Arc<config::Upstream>> =
        config.upstreams.iter().map(|(id, it)| (id.clone(), Arc::new(it.clone()))).collect();
    let rules = Rules {
        max_length: case.max_length,
        permits: &permits,
        upstream: &|id| configs.get(id).cloned(),
        wanted: profile.map(|profile| profile.tools.wanted()),
        own: raws(&case.own),
        ..Rules::default()
    };
    let catalog = catalog::merge(&sources, &rules);
    let again = catalog::merge(&sources, &rules);
    for kind in Kind::ALL {
        assert_eq!(catalog.list(kind), again.list(kind), "the same bytes every time");
    }
    check(&catalog, &rules);
    render(case, &catalog)
}

/// What a case says of configuration, read as from a file.
fn configured(case: &Case) -> Config {
    let mut text = String::from("upstreams:\n");
    for (key, upstream) in &case.upstreams {
        let Some(tools) = &upstream.config else { continue };
        let tools = tools.trim().replace('\n', "\n      ");
        writeln!(text, "  {key}:\n    command: x\n    tools:\n      {tools}").unwrap();
    }
    if let Some(wanted) = &case.profile {
        writeln!(text, "profiles: {{ only: {{ tools: {{ annotations: {wanted} }} }} }}").unwrap();
    }
    let home = TempDir::new().unwrap();
    let file = home.path().join("upstreams.yaml");
    fs::write(&file, &text).unwrap();
    let options = Options { files: vec![file], overrides: Vec::new() };
    let directory = home.path().to_owned();
    let around =
        Surroundings { state: Some(directory.clone()), directory, ..Surroundings::default() };
    load_within(&options, &around).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}"))
}

/// What holds for every catalog.
fn check(catalog: &Catalog, rules: &Rules<'_>) {
    for kind in Kind::ALL {
        let mut publics = HashSet::new();
        let mut expected = Vec::new();
        for entry in catalog.entries(kind) {
            assert!(publics.insert(&entry.public), "{} twice", entry.public);
            let listed = entry.definition.member(kind.key()).unwrap().string().unwrap();
            assert_eq!(listed, entry.public, "what is listed is what is found");
            expected.push(entry.definition.clone());
        }
        if kind == Kind::Tools {
            expected.extend(rules.own.iter().cloned());
        }
        assert_eq!(catalog.list(kind).elements().unwrap(), expected);
    }
    for entry in catalog.entries(Kind::Tools) {
        assert_eq!(catalog.tool(&entry.public), Some(entry));
        assert!(catalog.own_tool(&entry.public).is_none());
    }
    for own in &rules.own {
        let name = own.member("name").unwrap().string().unwrap();
        assert_eq!((catalog.own_tool(&name), catalog.tool(&name)), (Some(own), None));
    }
    for entry in catalog.entries(Kind::Prompts) {
        assert_eq!(catalog.prompt(&entry.public), Some(entry));
    }
    for entry in catalog.entries(Kind::Resources) {
        let owner = catalog.resolve(&entry.public).unwrap();
        assert_eq!((owner.upstream, owner.local), (entry.upstream.clone(), entry.local.clone()));
    }
    for entry in catalog.entries(Kind::Templates) {
        let owner = catalog.template_owner(&entry.public).unwrap();
        assert_eq!((owner.upstream, owner.local), (entry.upstream.clone(), entry.local.clone()));
    }
}

fn render(case: &Case, catalog: &Catalog) -> String {
    let mut out = String::new();
    for kind in Kind::ALL {
        for entry in catalog.entries(kind) {
            writeln!(out, "{kind} {:?} of {}", entry.local, entry.upstream).unwrap();
            writeln!(out, "  {}", entry.definition.get()).unwrap();
            for change in entry.shape.iter().flat_map(|shape| shape.changes()) {
                writeln!(out, "  - {change}").unwrap();
            }
        }
    }
    for uri in &case.resolve {
        writeln!(out, "{uri} is {}", owner(catalog.resolve(uri))).unwrap();
    }
    for target in &case.complete {
        writeln!(out, "{target} is completed by {}", owner(catalog.template_owner(target)))
            .unwrap();
    }
    for sent in &case.rewrite {
        let upstream = UpstreamId::new(&sent.from);
        let before = Raw::parse(sent.json.clone()).unwrap();
        let after = catalog.rewrite_result(&upstream, sent.kind.real(), &before);
        let what = if before == after { "stays" } else { after.get() };
        writeln!(out, "{:?} from {}\n  {}\n  {what}", sent.kind, sent.from, before.get()).unwrap();
    }
    for conflict in catalog.conflicts() {
        writeln!(out, "conflict: {conflict}").unwrap();
    }
    for defect in catalog.defects() {
        let what = if defect.is_withheld() { "withheld" } else { "repaired" };
        writeln!(out, "{what}: {defect}").unwrap();
    }
    out
}

fn owner(owner: Option<catalog::Owner>) -> String {
    owner.map_or("nobody's".to_owned(), |owner| format!("{} of {}", owner.local, owner.upstream))
}

fn source(key: &str, upstream: &Upstream) -> Source {
    let listing = Listing {
        tools: raws(&upstream.tools),
        prompts: raws(&upstream.prompts),
        resources: raws(&upstream.resources),
        templates: raws(&upstream.templates),
        skills: raws(&upstream.skills),
    };
    Source {
        over_http: false,
        upstream: UpstreamId::new(key),
        prefix: upstream.prefix.clone().unwrap_or_else(|| key.to_owned()),
        listing: Arc::new(listing),
    }
}

fn raws(texts: &[String]) -> Vec<Raw> {
    texts.iter().map(|text| Raw::parse(text.clone()).unwrap()).collect()
}
