//! The real third-party servers: how each is started, and what is called on it.

use std::fs;
use std::path::Path;

use serde_json::Value;
use serde_json::json;

use crate::support::inventory::Mask;
use crate::support::inventory::Step;
use crate::support::programs::Program;
use crate::support::real;

const PACKAGES: &str = "node_modules/@modelcontextprotocol";
/// Makes every commit the same one, whoever runs the tests.
const GIT: [(&str, &str); 8] = [
    ("GIT_AUTHOR_NAME", "Ada"),
    ("GIT_AUTHOR_EMAIL", "ada@example.com"),
    ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"),
    ("GIT_COMMITTER_NAME", "Ada"),
    ("GIT_COMMITTER_EMAIL", "ada@example.com"),
    ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
];

/// A real third-party server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Everything,
    Filesystem,
    Memory,
    SequentialThinking,
    Time,
    Git,
}

impl Server {
    /// Its key in an `upstreams.yaml`.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Filesystem => "files",
            Self::Memory => "memory",
            Self::SequentialThinking => "thinking",
            Self::Time => "time",
            Self::Git => "git",
        }
    }

    /// Whether it speaks the modern revision.
    pub(crate) fn is_dual(self) -> bool {
        matches!(self, Self::Time | Self::Git)
    }

    /// What a client should declare, so that the server offers everything it has.
    /// Roots would move the file server elsewhere.
    pub(crate) fn capabilities(self) -> Value {
        match self {
            Self::Everything => {
                json!({"roots": {}, "sampling": {}, "elicitation": {"form": {}, "url": {}}})
            }
            _ => json!({}),
        }
    }

    /// How to start it on a directory made by [`Server::prepare`]; installs it if need be.
    pub(crate) fn program(self, directory: &Path) -> Program {
        let package = |name: &str| real::javascript(&format!("{PACKAGES}/{name}/dist/index.js"));
        let module = |name: &str| Program::new(real::python()).args(&["-m", name]);
        match self {
            Self::Everything => package("server-everything"),
            Self::Filesystem => package("server-filesystem").arg(directory),
            Self::Memory => {
                package("server-memory").env("MEMORY_FILE_PATH", directory.join("memory.jsonl"))
            }
            Self::SequentialThinking => package("server-sequential-thinking"),
            Self::Time => module("mcp_server_time").args(&["--local-timezone", "UTC"]),
            Self::Git => with_git(module("mcp_server_git").arg("--repository").arg(directory)),
        }
    }

    /// Makes `directory` what the server's calls expect, whatever was there before.
    pub(crate) fn prepare(self, directory: &Path) {
        if directory.exists() {
            fs::remove_dir_all(directory).unwrap();
        }
        fs::create_dir_all(directory).unwrap();
        let write = |name: &str, text: &str| fs::write(directory.join(name), text).unwrap();
        match self {
            Self::Filesystem => {
                write("a.txt", "one\ntwo\nthree\n");
                write("b.txt", "größe \u{1f980}\n");
                write("dot.png", "no picture, but bytes");
                fs::create_dir(directory.join("sub")).unwrap();
                write("sub/c.txt", "deep\n");
            }
            Self::Git => {
                real::require("git", "git 2.30 or later");
                let git = |args: &[&str]| {
                    let git = Program::new("git").args(&["-c", "core.autocrlf=false"]).args(args);
                    real::run(with_git(git).directory(directory));
                };
                git(&["init", "--quiet", "--initial-branch=main"]);
                write("a.txt", "one\n");
                git(&["add", "."]);
                git(&["commit", "--quiet", "-m", "first"]);
                write("a.txt", "two\n");
            }
            _ => {}
        }
    }

    /// Calls with the same outcome on every run, in this order. Every listed tool is called.
    pub(crate) fn steps(self, directory: &Path) -> Vec<Step> {
        match self {
            Self::Everything => everything(),
            Self::Filesystem => filesystem(directory),
            Self::Memory => memory(),
            Self::SequentialThinking => thinking(),
            Self::Time => time(),
            Self::Git => git(directory),
        }
    }
}

/// How to start GitLab's server with all of its two hundred tools. It reaches nobody, so it is listed
/// and not called.
pub(crate) fn gitlab() -> Program {
    let server = real::javascript("node_modules/@zereight/mcp-gitlab/build/index.js");
    ["USE_PIPELINE", "USE_MILESTONE", "USE_GITLAB_WIKI"]
        .into_iter()
        .fold(server, |server, toolset| server.env(toolset, "true"))
        .env("GITLAB_PERSONAL_ACCESS_TOKEN", "none")
        .env("GITLAB_API_URL", "http://127.0.0.1:9")
}

fn with_git(program: Program) -> Program {
    GIT.iter().fold(program, |program, (name, value)| program.env(name, value))
}

fn everything() -> Vec<Step> {
    let gzip =
        |kind: &str| json!({"name": "a.gz", "data": "data:text/plain,hi", "outputType": kind});
    let link = |fails: bool| {
        let url = "https://example.com/sign-in";
        json!({"url": url, "elicitationId": format!("id-{fails}"), "errorPath": fails})
    };
    let annotated = |kind: &str| json!({"messageType": kind, "includeImage": kind == "error"});
    let reference = |kind: &str| json!({"resourceType": kind, "resourceId": 1});
    let argument = |name: &str, value: &str| json!({"name": name, "value": value});
    let prompt = json!({"type": "ref/prompt", "name": "completable-prompt"});
    let template = "demo://resource/dynamic/text/{resourceId}";
    let template = json!({"type": "ref/resource", "uri": template});
    vec![
        Step::call("echo", json!({"message": "größe \u{1f980} \"x\"\n"})),
        Step::call("get-annotated-message", annotated("error")),
        Step::call("get-annotated-message", annotated("success")),
        Step::call("get-annotated-message", annotated("debug")),
        // The environment is what each way of starting the server makes it.
        Step::call("get-env", json!({})).mask(Mask::Strings),
        Step::call("get-resource-links", json!({"count": 3})),
        // The resources say when they were made.
        Step::call("get-resource-reference", reference("Text")).mask(Mask::Clock),
        Step::call("get-resource-reference", reference("Blob")).mask(Mask::Strings),
        Step::call("get-roots-list", json!({})),
        Step::call("get-structured-content", json!({"location": "New York"})),
        Step::call("get-sum", json!({"a": 1, "b": 2.5})),
        Step::call("get-sum", json!({"a": "not a number"})),
        Step::call("get-tiny-image", json!({})),
        Step::call("gzip-file-as-resource", gzip("resource")),
        Step::call("gzip-file-as-resource", gzip("resourceLink")),
        Step::read("demo://resource/session/a.gz"),
        Step::call("trigger-long-running-operation", json!({"duration": 0.3, "steps": 3})),
        Step::call("trigger-elicitation-request", json!({})),
        Step::call("trigger-url-elicitation", link(false)),
        // The error carries an id of its own, whatever it was given.
        Step::call("trigger-url-elicitation", link(true)).mask(Mask::Uuids),
        Step::call("trigger-sampling-request", json!({"prompt": "hi", "maxTokens": 10})),
        // It insists on a task and says so.
        Step::call("simulate-research-query", json!({"topic": "x"})),
        Step::call("toggle-simulated-logging", json!({})),
        Step::call("toggle-simulated-logging", json!({})),
        Step::call("toggle-subscriber-updates", json!({})),
        Step::call("toggle-subscriber-updates", json!({})),
        Step::read("demo://resource/dynamic/text/7").mask(Mask::Clock),
        Step::read("demo://resource/dynamic/blob/7").mask(Mask::Strings),
        Step::read("demo://resource/nowhere"),
        Step::prompt("simple-prompt", json!({})),
        Step::prompt("args-prompt", json!({"city": "Oslo"})),
        Step::prompt("args-prompt", json!({"city": "Austin", "state": "Texas"})),
        Step::prompt("completable-prompt", json!({"department": "Sales", "name": "David"})),
        Step::prompt("resource-prompt", json!({"resourceType": "Text", "resourceId": "1"}))
            .mask(Mask::Clock),
        Step::complete(prompt, argument("department", "E")),
        Step::complete(template, argument("resourceId", "4")),
    ]
}

fn filesystem(directory: &Path) -> Vec<Step> {
    let at = |name: &str| directory.join(name);
    let edit = json!([{"oldText": "two", "newText": "2"}]);
    vec![
        Step::call("read_file", json!({"path": at("a.txt")})),
        Step::call("read_text_file", json!({"path": at("b.txt")})),
        Step::call("read_text_file", json!({"path": at("a.txt"), "head": 1})),
        Step::call("read_text_file", json!({"path": at("missing.txt")})),
        Step::call("read_media_file", json!({"path": at("dot.png")})),
        Step::call("read_multiple_files", json!({"paths": [at("a.txt"), at("b.txt")]})),
        Step::call("write_file", json!({"path": at("new.txt"), "content": "new\n"})),
        Step::call("edit_file", json!({"path": at("a.txt"), "edits": edit})),
        Step::call("create_directory", json!({"path": at("made")})),
        Step::call("list_directory", json!({"path": directory})),
        Step::call("list_directory_with_sizes", json!({"path": directory, "sortBy": "size"})),
        Step::call("directory_tree", json!({"path": directory})),
        Step::call("move_file", json!({"source": at("new.txt"), "destination": at("old.txt")})),
        Step::call("search_files", json!({"path": directory, "pattern": "**/c.txt"})),
        Step::call("get_file_info", json!({"path": at("a.txt")})).mask(Mask::Clock),
        Step::call("list_allowed_directories", json!({})),
    ]
}

fn memory() -> Vec<Step> {
    let entity = |name: &str| json!({"name": name, "entityType": "p", "observations": ["first"]});
    let relations = json!({"relations": [{"from": "Ada", "to": "Alan", "relationType": "knows"}]});
    let observed = json!([{"entityName": "Ada", "contents": ["second"]}]);
    let deleted = json!([{"entityName": "Ada", "observations": ["first"]}]);
    vec![
        Step::call("create_entities", json!({"entities": [entity("Ada"), entity("Alan")]})),
        Step::call("create_relations", relations.clone()),
        Step::call("add_observations", json!({"observations": observed})),
        Step::call("read_graph", json!({})),
        Step::call("search_nodes", json!({"query": "Ada"})),
        Step::call("open_nodes", json!({"names": ["Alan"]})),
        Step::call("delete_observations", json!({"deletions": deleted})),
        Step::call("delete_relations", relations),
        Step::call("delete_entities", json!({"entityNames": ["Alan"]})),
        Step::call("read_graph", json!({})),
    ]
}

fn thinking() -> Vec<Step> {
    let thought = |number: u32| {
        let more = number < 2;
        json!({"thought": "hm", "thoughtNumber": number, "totalThoughts": 2, "nextThoughtNeeded": more})
    };
    let call = |arguments: Value| Step::call("sequentialthinking", arguments);
    vec![call(thought(1)), call(thought(2)), call(json!({"thought": 1}))]
}

fn time() -> Vec<Step> {
    let convert =
        |zone: &str| json!({"source_timezone": "UTC", "time": "12:30", "target_timezone": zone});
    vec![
        Step::call("get_current_time", json!({"timezone": "UTC"})).mask(Mask::Clock),
        Step::call("get_current_time", json!({"timezone": "Nowhere"})),
        Step::call("convert_time", convert("Asia/Tokyo")).mask(Mask::Clock),
        Step::call("convert_time", convert("Nowhere")),
    ]
}

fn git(directory: &Path) -> Vec<Step> {
    let with = |mut arguments: Value| {
        arguments["repo_path"] = json!(directory);
        arguments
    };
    vec![
        Step::call("git_status", with(json!({}))),
        Step::call("git_diff_unstaged", with(json!({}))),
        Step::call("git_add", with(json!({"files": ["a.txt"]}))),
        Step::call("git_diff_staged", with(json!({"context_lines": 1}))),
        Step::call("git_reset", with(json!({}))),
        Step::call("git_add", with(json!({"files": ["a.txt"]}))),
        Step::call("git_commit", with(json!({"message": "second"}))),
        Step::call("git_log", with(json!({"max_count": 5}))),
        Step::call("git_show", with(json!({"revision": "HEAD"}))),
        Step::call("git_diff", with(json!({"target": "HEAD~1"}))),
        Step::call("git_create_branch", with(json!({"branch_name": "side"}))),
        Step::call("git_checkout", with(json!({"branch_name": "side"}))),
        Step::call("git_checkout", with(json!({"branch_name": "missing"}))),
        Step::call("git_branch", with(json!({"branch_type": "local"}))),
    ]
}
