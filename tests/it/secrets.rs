//! What an upstream was given it may say back in every place that Conflux speaks of: no secret
//! comes out of there.

use std::process::Output;

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::programs::Program;
use crate::support::remote::Remote;

const PLAIN: &str = "plain-secret-42";
/// One that neither JSON nor an address takes as it is.
const ODD: &str = "odd\"secret+42=";
/// What no text may hold: the beginnings of both, as they are or in an address.
const TELLING: [&str; 3] = ["plain-s", "odd\"s", "odd%22s"];

/// Refuses what `$refused` names, and says its secret wherever it can.
const SCRIPT: &str = r#"
printf '%01020d%s\n' 0 "$KEY" >&2
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case $line in
    *"$refused"*|*'"server/discover"'*) body='"error":{"code":-32000,"message":"bad key '$KEY'"}' ;;
    *'"initialize"'*) body='"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}' ;;
    *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$body"
done
"#;

/// A gateway before servers that say back what they were given: in an error, to stderr, in the
/// words of a refusal, and in the address of a redirect.
fn gateway(remote: &Remote) -> Gateway {
    let script = |refused: &str| {
        let entry = Program::new("sh").args(&["-c", SCRIPT]).entry();
        with(entry, "env", json!({"KEY": "${PLAIN}", "refused": refused}))
    };
    let far = |status: &str| {
        let url = format!("{}/indiscreet/{status}/${{ODD}}/mcp", remote.url);
        json!({"url": url, "headers": {"Authorization": "Bearer ${ODD}"}})
    };
    Gateway::new(&[
        ("refusing", script("\"initialize\"")),
        ("unlisted", script("\"tools/list\"")),
        ("moved", far("301")),
        ("denied", far("403")),
        ("broken", far("500")),
    ])
}

fn command(gateway: &Gateway) -> tokio::process::Command {
    let mut command = gateway.command();
    command.env("PLAIN", PLAIN).env("ODD", ODD).env("CONFLUX_LOG", "debug");
    command
}

#[track_caller]
fn expect_masked(what: &str, text: &str) {
    assert!(text.contains("***"), "{what} says nothing: {text}");
    for secret in TELLING {
        let escaped = Value::from(secret).to_string();
        for form in [secret, escaped.trim_matches('"')] {
            assert!(!text.contains(form), "{what} shows `{form}`: {text}");
        }
    }
}

#[tokio::test]
async fn no_secret_reaches_a_client_or_the_log() {
    let remote = Remote::http(&[]).await;
    let gateway = gateway(&remote);
    let mut client = crate::support::wire_client::Client::spawn(&mut command(&gateway));
    client.initialize("2025-11-25", json!({})).await.result();
    client.request("tools/list", json!({})).await.result();
    for (name, said) in [
        ("refusing", "bad key ***"),
        ("moved", "redirects to"),
        ("denied", "you came with ***"),
        ("broken", "you came with ***"),
    ] {
        let reply = client.call(&format!("{name}__anything"), json!({})).await;
        expect_masked(name, &reply.line);
        assert!(reply.text().contains(said), "{name}: {}", reply.text());
    }
    let status = client.call("conflux__status", json!({})).await;
    expect_masked("the status", &status.line);
    let status = status.structured();
    let mut upstreams = status["upstreams"].as_array().unwrap().iter();
    let refusing = upstreams.find(|one| one["name"] == "refusing").unwrap();
    assert!(refusing["stderr"][0].as_str().unwrap().ends_with("0***"), "{refusing}");
    let log = client.wait_for_stderr("could not be listed").await;
    expect_masked("the log", &log);
    assert!(client.leave().await.success());
    remote.stop().await;
}

#[tokio::test]
async fn no_secret_is_told_by_a_check() {
    let remote = Remote::http(&[]).await;
    let gateway = gateway(&remote);
    let serving = command(&gateway);
    let mut check = tokio::process::Command::new(serving.as_std().get_program());
    check.args(["check", "--connect", "--config", "gateway.yaml"]).current_dir(gateway.path());
    check.env_clear();
    check.envs(serving.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    let Output { stdout, stderr, .. } = check.output().await.unwrap();
    let said = String::from_utf8(stderr).unwrap();
    expect_masked("the check", &said);
    for word in ["stderr: 0", "bad key ***", "redirects to", "you came with ***"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let table = String::from_utf8(stdout).unwrap();
    assert!(TELLING.iter().all(|secret| !table.contains(secret)), "{table}");
    remote.stop().await;
}
