//! The official conformance suite, and the server and the client that it meets.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::time::timeout;

use crate::support::programs::Program;
use crate::support::programs::example;
use crate::support::real;
use crate::support::wire_client::LIMIT;

/// How long a whole set of scenarios may take; most of it waits for the suite's own timers.
const SET_LIMIT: Duration = Duration::from_mins(2);

/// So that a list that is read wrongly is noticed; there are more for servers and for clients.
const SCENARIOS_AT_LEAST: usize = 40;

/// Scenarios that belong together, against one generation of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// Everything that the last suite before the modern era has.
    First,
    /// What 2025-11-25 requires, and what is reported beside it.
    Legacy,
    /// What 2026-07-28 requires, and what is reported beside it: the tasks extension above all.
    Modern,
    /// The skills extension.
    Skills,
}

impl Set {
    pub(crate) const ALL: [Self; 4] = [Self::First, Self::Legacy, Self::Modern, Self::Skills];

    /// The name of the file that says what passes; see `Findings`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Legacy => "legacy",
            Self::Modern => "modern",
            Self::Skills => "skills",
        }
    }

    fn suite(self) -> Program {
        match self {
            Self::First => suite("0.1"),
            Self::Legacy | Self::Modern | Self::Skills => suite("0.2"),
        }
    }

    /// The flags of each run.
    fn runs(self) -> &'static [[&'static str; 2]] {
        match self {
            Self::First => &[["--suite", "all"]],
            Self::Legacy => &[["--requirements", "2025-11-25"]],
            Self::Modern => &[["--requirements", "2026-07-28"]],
            Self::Skills => &[
                ["--scenario", "sep-2640-skills-directory"],
                ["--scenario", "sep-2640-skills-enumeration"],
                ["--scenario", "sep-2640-skills-manifest"],
            ],
        }
    }

    /// What a server has to pass, as it is written down.
    pub(crate) fn written_down(self) -> String {
        fs::read_to_string(snapshots().join(format!("{}.snap", self.name()))).unwrap()
    }

    /// Runs the scenarios for servers against the one at `url`.
    pub(crate) async fn check(self, url: &str) -> Findings {
        let mut findings = Findings::default();
        for flags in self.runs() {
            findings.add(run(self.suite().args(&["server", "--url", url]).args(flags)).await);
        }
        findings
    }
}

/// Runs one scenario for servers against the one at `url`.
pub(crate) async fn check_server(scenario: &str, url: &str) -> Findings {
    run(suite("0.2").args(&["server", "--url", url, "--scenario", scenario])).await
}

/// Runs one scenario for clients; the suite starts the client with the URL of its server.
pub(crate) async fn check_client(scenario: &str, revision: &str) -> Findings {
    let client = example("conformance_client").path;
    let program = suite("0.2").args(&["client", "--command", &client, "--scenario", scenario]);
    run(program.args(&["--spec-version", revision])).await
}

/// Whom a scenario tests, as the list of the suite says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tested {
    Server,
    Client,
}

/// The scenarios that there are, each with the revisions of Conflux's two eras that have it.
pub(crate) async fn scenarios(tested: Tested) -> Vec<(String, String)> {
    let output = suite("0.2").args(&["list"]).command().output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let heading = |line: &str| line.starts_with(&format!("{tested:?} scenarios"));
    let lines = text.lines().skip_while(|line| !heading(line)).skip(1);
    let lines = lines.map_while(|line| line.trim().strip_prefix("- "));
    let mut found = Vec::new();
    for (scenario, revisions) in lines.map(|line| line.split_once(' ').unwrap()) {
        for revision in ["2025-11-25", "2026-07-28", "extension"] {
            if revisions.contains(revision) {
                found.push((revision.to_owned(), scenario.to_owned()));
            }
        }
    }
    assert!(found.len() > SCENARIOS_AT_LEAST, "{text}");
    found
}

fn suite(version: &str) -> Program {
    real::suite(&format!("node_modules/conformance-{version}/dist/index.js"))
}

/// What one check came to, the worst last. What is only told is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Info,
    Success,
    Skipped,
    Warning,
    Failure,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    id: String,
    status: Status,
    #[serde(default)]
    error_message: String,
}

/// Every check of a run by `scenario check`, with the worst that it came to and why.
#[derive(Debug, Default)]
pub(crate) struct Findings(BTreeMap<String, (Status, String)>);

impl Findings {
    /// Why the checks failed that did.
    pub(crate) fn complaints(&self) -> String {
        let bad = self.0.iter().filter(|(_, (status, _))| *status >= Status::Warning);
        bad.fold(String::new(), |mut text, (check, (status, message))| {
            writeln!(text, "{check} {status:?}: {message}").unwrap();
            text
        })
    }

    /// Takes out the checks that are excused, and adds a complaint of those that pass: an excuse
    /// that nobody needs hides what breaks later.
    pub(crate) fn excusing(mut self, excused: &[&str]) -> Self {
        for check in excused {
            let found = self.0.remove(*check);
            if found.is_none_or(|(status, _)| status < Status::Warning) {
                self.note((*check).to_owned(), Status::Failure, "needs no excuse".to_owned());
            }
        }
        self
    }

    /// Takes out the scenarios that begin like this and returns their names.
    pub(crate) fn take_scenarios(&mut self, start: &str) -> BTreeSet<String> {
        let taken = self.0.extract_if(.., |check, _| check.starts_with(start));
        taken.filter_map(|(check, _)| Some(check.split_once(' ')?.0.to_owned())).collect()
    }

    pub(crate) fn add(&mut self, more: Self) {
        for (check, (status, message)) in more.0 {
            self.note(check, status, message);
        }
    }

    fn note(&mut self, check: String, status: Status, message: String) {
        let known = self.0.entry(check).or_insert((Status::Info, String::new()));
        if *known < (status, message.clone()) {
            *known = (status, message);
        }
    }

    fn read(directory: &Path) -> Self {
        let mut findings = Self::default();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = fs::read_to_string(path.join("checks.json")) else { continue };
            let scenario = scenario(&path);
            for check in serde_json::from_str::<Vec<Check>>(&text).unwrap() {
                if check.status == Status::Info {
                    continue;
                }
                let name = format!("{scenario} {}", check.id);
                findings.note(name, check.status, check.error_message);
            }
        }
        findings
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (check, (status, _)) in &self.0 {
            writeln!(f, "{check} {status:?}")?;
        }
        Ok(())
    }
}

/// The directory of a scenario is its name with the side in front and the time behind.
fn scenario(directory: &Path) -> String {
    let name = directory.file_name().unwrap().to_str().unwrap();
    let name = name.strip_prefix("server-").unwrap_or(name);
    let time = "-2026-11-21T07-46-20-600Z".len();
    name[..name.len() - time].to_owned()
}

async fn run(program: Program) -> Findings {
    let output = TempDir::new().unwrap();
    let program = program.args(&["-o"]).arg(output.path()).directory(output.path());
    let mut command = program.command();
    command.stdin(Stdio::null()).kill_on_drop(true);
    let Ok(ended) = timeout(SET_LIMIT, command.output()).await else {
        panic!("`{}` did not end within {SET_LIMIT:?}", program.args.join(" "));
    };
    let ended = ended.unwrap();
    let findings = Findings::read(output.path());
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!findings.0.is_empty(), "`{}` found nothing: {said}", program.args.join(" "));
    findings
}

pub(crate) fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conformance")
}

/// The conformance server over stdio.
pub(crate) fn server(flags: &[&str]) -> Program {
    example("conformance_server").args(&["--stdio"]).args(flags)
}

/// The conformance server at an address of its own. It ends when this is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    _child: Child,
}

impl Server {
    /// Starts it with `--http` or `--sse`, and further flags.
    pub(crate) async fn start(transport: &str, flags: &[&str]) -> Self {
        let program = example("conformance_server").args(&[transport, "127.0.0.1:0"]).args(flags);
        let mut command = program.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        timeout(LIMIT, stdout.read_line(&mut line)).await.unwrap().unwrap();
        let announced: Value = serde_json::from_str(&line).unwrap();
        Self { url: announced["url"].as_str().unwrap().to_owned(), _child: child }
    }
}
