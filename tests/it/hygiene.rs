//! Odd definitions: what becomes of each for each client, and that none costs a client its list.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use conflux::catalog::hygiene::Fitted;
use conflux::catalog::hygiene::fitted;
use conflux::clients::Client;
use conflux::wire::Raw;

use crate::support::gateway::Gateway;
use crate::support::programs::toy;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hygiene")
}

fn cases() -> Vec<(String, Raw)> {
    let mut cases: Vec<_> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, Raw::parse(fs::read_to_string(&path).unwrap().trim().to_owned()).unwrap())
        })
        .collect();
    cases.sort_by(|(a, _), (b, _)| a.cmp(b));
    cases
}

#[test]
fn definitions_become_what_clients_can_take() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(directory());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, tool) in cases() {
            insta::assert_snapshot!(name, outcome(&tool));
        }
    });
}

#[test]
fn every_snapshot_has_its_definition() {
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("json").exists(), "{} is left over", path.display());
    }
}

/// What becomes of a definition, with the clients for whom it does.
fn outcome(tool: &Raw) -> String {
    let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
    for client in Client::ALL {
        let text = match fitted(tool, client.quirks()) {
            Fitted::AsIs => "as it is".to_owned(),
            Fitted::Repaired(repaired, remarks) => {
                let remarks: Vec<_> = remarks.iter().map(ToString::to_string).collect();
                format!("repaired: {}\n{}", remarks.join("; "), repaired.get())
            }
            Fitted::Withheld(remark) => format!("withheld: {remark}"),
        };
        match outcomes.iter_mut().find(|(known, _)| *known == text) {
            Some((_, clients)) => clients.push(client.id()),
            None => outcomes.push((text, vec![client.id()])),
        }
    }
    let mut out = tool.get().to_owned();
    for (text, clients) in outcomes {
        write!(out, "\n\n{}\n{text}", clients.join(", ")).unwrap();
    }
    out
}

/// A gateway before a server that lists all the cases.
fn gateway() -> Gateway {
    let tools: Vec<Raw> = cases().into_iter().map(|(_, tool)| tool).collect();
    let mut gateway = Gateway::new(&[]);
    let path = gateway.write("tools.json", Raw::array(&tools).get());
    gateway.add("odd", toy(&["--tools-file", path.to_str().unwrap()]).entry());
    gateway.add("fine", toy(&[]).entry());
    gateway
}

/// What `lint` finds with these arguments, and its exit code.
async fn lint(gateway: &Gateway, args: &[&str]) -> (Option<i32>, String) {
    let output = gateway.conflux(&[&["lint"], args].concat()).output().await.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn lint_tells_which_tool_breaks_which_client() {
    let gateway = gateway();
    let (code, json) = lint(&gateway, &["--json"]).await;
    assert_eq!(code, Some(1));
    let findings: Vec<Value> = serde_json::from_str(&json).unwrap();
    let find = |tool: &str, code: &str| {
        let is_it = |it: &&Value| it["tool"] == tool && it["code"] == code;
        findings.iter().find(is_it).unwrap_or_else(|| panic!("no {code} of {tool}: {json}"))
    };
    let found = find("odd__inspect", "constructor-property");
    assert_eq!(found["severity"], "error");
    assert_eq!(found["clients"], json!(["gemini"]));
    let found = find("odd__update", "boolean-property");
    assert_eq!(found["severity"], "warning");
    assert_eq!(found["clients"], json!(["claude-desktop", "claude-code", "gemini", "opencode"]));
    assert_eq!(found["sources"].as_array().unwrap().len(), 4);
    assert!(!json.contains("odd__plain"));

    let (code, text) = lint(&gateway, &["--client", "gemini", "--upstream", "odd"]).await;
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(text, @r"
    odd__call (upstream `odd`)
      warning[output-without-object]: Gemini CLI loses all tools of the server
        conflux: repaired: `outputSchema` left out; results stay as they are
        author: begin `outputSchema` with `type: object`

    odd__create (upstream `odd`)
      warning[reference]: Gemini CLI has every request to its model refused
        conflux: repaired: references written out: 3
        author: write schemas out where they are used

    odd__inspect (upstream `odd`)
      error[constructor-property]: Gemini CLI loses all tools of the server
        conflux: withheld: the property `constructor` would need another name
        author: give the property another name than `constructor`

    odd__query (upstream `odd`)
      warning[boolean-property]: Gemini CLI loses all tools of the server
        conflux: repaired: boolean schemas written as objects: 1
        author: write `{}` for `true`

    odd__status (upstream `odd`)
      warning[odd-member]: Gemini CLI loses all tools of the server
        conflux: repaired: `title`, `annotations`, `outputSchema`, `_meta`, `inputSchema.properties`, `inputSchema.required` left out
        author: leave out members that say nothing instead of writing `null`

    odd__tree (upstream `odd`)
      error[reference]: Gemini CLI has every request to its model refused
        conflux: withheld: `#/$defs/Node` leads back to itself, and cannot be written out
        author: write schemas out where they are used

    odd__update (upstream `odd`)
      warning[boolean-property]: Gemini CLI loses all tools of the server
        conflux: repaired: boolean schemas written as objects: 3
        author: write `{}` for `true`

    2 errors, 5 warnings
    ");
}

#[tokio::test]
async fn lint_finds_no_error_where_nobody_loses_a_tool() {
    let gateway = gateway();
    let (code, text) = lint(&gateway, &["--client", "cursor", "--upstream", "odd"]).await;
    assert_eq!((code, text.lines().last().unwrap()), (Some(0), "2 warnings"));
    let (code, text) = lint(&gateway, &["--client", "netscape"]).await;
    assert_eq!((code, text.as_str()), (Some(2), ""));
    let (code, text) = lint(&gateway, &["--upstream", "nobody"]).await;
    assert_eq!((code, text.as_str()), (Some(5), ""));
}
