//! Bytes in are bytes out, through the whole program: arguments, results and definitions.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::programs::toy;
use crate::support::raw::Raw;
use crate::support::wire_client::Client;

const ERAS: [&str; 2] = ["legacy", "modern"];

/// Every file of the corpus: its name and its one value.
fn corpus() -> Vec<(String, String, PathBuf)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire/corpus");
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap().trim().to_owned(), path)
        })
        .collect();
    files.sort();
    assert!(files.len() > 20, "the corpus is there");
    files
}

#[tokio::test]
async fn arguments_arrive_and_return_as_they_were() {
    let gateway = Gateway::new(&ERAS.map(|era| (era, toy(&["--era", era]).entry())));
    for mut client in [gateway.legacy("2025-11-25", json!({})).await, gateway.modern(json!({}))] {
        for (name, value, _) in corpus() {
            let arguments =
                if value.starts_with('{') { value } else { format!(r#"{{"value": {value}}}"#) };
            for era in ERAS {
                check_arguments(&mut client, era, &name, &arguments).await;
            }
        }
    }
}

async fn check_arguments(client: &mut Client, era: &str, name: &str, arguments: &str) {
    let echoed = client.call_raw(&format!("{era}__echo"), arguments).await;
    let member = format!(r#""structuredContent":{arguments}"#);
    let whole = echoed.raw_result();
    assert!(whole.contains(&member), "{name} from {era}: {whole:.2000}");
    let received = client.call_raw(&format!("{era}__received"), arguments).await;
    let member = format!(r#""arguments":{arguments}"#);
    let whole = received.raw_result();
    assert!(whole.contains(&member), "{name} at {era}: {whole:.2000}");
}

#[tokio::test]
async fn results_arrive_as_they_were() {
    let files = corpus();
    let files: Vec<_> = files.iter().filter(|(_, value, _)| value.starts_with('{')).collect();
    for era in ERAS {
        let entries: Vec<(&str, Value)> = files
            .iter()
            .map(|(name, _, path)| (name.as_str(), toy(&["--era", era, "--reply-file"]).arg(path)))
            .map(|(name, program)| (name, program.entry()))
            .collect();
        let gateway = Gateway::new(&entries);
        let mut legacy = gateway.legacy("2025-11-25", json!({})).await;
        let mut modern = gateway.modern(json!({}));
        for (name, value, _) in &files {
            let tool = format!("{name}__raw");
            let reply = legacy.call_raw(&tool, "{}").await;
            assert_eq!(reply.raw_result(), value, "{name} of the {era} era");
            // What the modern era requires is added.
            let added = |key: &str| matches!(key, "_meta" | "resultType");
            let reply = modern.call_raw(&tool, "{}").await;
            let (kept, sent) = (Raw::parse(reply.raw_result()), Raw::parse(value));
            assert_eq!(kept.without(added), sent.without(added), "{name} of the {era} era");
        }
    }
}

/// A definition with the spelling of a careful author, and what no author thinks of.
fn good(number: usize, name: &str) -> String {
    let schema = match number % 4 {
        0 => r#"{"type":"object"}"#,
        1 => r#"{ "properties" : {"a":{"type":"number","default":1.0}},  "type" : "object" }"#,
        2 => r#"{"type":"object","$schema":"x","required":[],"additionalProperties":false}"#,
        _ => r#"{"\u0074ype":"object","properties":{"\u00e9":{"enum":[1e2,100,"\/"]}}}"#,
    };
    let rest = match number % 3 {
        0 => r#""annotations":{"readOnlyHint":true,"x":1E5},"title":"\u0054"#,
        1 => r#""_meta":{"a":{"b":123456789012345678901234567890}},"description":"d"#,
        _ => r#""outputSchema":{"type":"object"},"icons":[],"execution":null,"x":"y"#,
    };
    format!(r#"{{ {rest} {number}","name":"{name}" , "inputSchema":{schema}}}"#)
}

#[tokio::test]
async fn fifty_definitions_stay_and_broken_ones_are_told() {
    let mut definitions: Vec<String> = (0..50).map(|n| good(n, &format!("good_{n}"))).collect();
    let broken = [
        r#"{"description":"no name","inputSchema":{"type":"object"}}"#,
        r#"{"name":"missing","description":"kept"}"#,
        r#"{"name":"null","inputSchema":null,"x":1.0}"#,
        r#"{"inputSchema":true,"name":"true"}"#,
        r#"{"name":"untyped","inputSchema":{"properties":{"a":{}}}}"#,
        r#"{"name":"foreign","inputSchema":{"type":"string"}}"#,
        r#"{"name":"twice","inputSchema":{"type":"object"},"name":"twice"}"#,
        "42",
    ];
    for (place, item) in broken.into_iter().enumerate() {
        definitions.insert(place * 5, item.to_owned());
    }
    for era in ERAS {
        check_definitions(era, &format!("[\n{}\n]", definitions.join(",\n"))).await;
    }
}

async fn check_definitions(era: &str, file: &str) {
    let mut gateway = Gateway::new(&[]);
    let path = gateway.write("tools.json", file);
    let program = toy(&["--era", era, "--tools-file"]).arg(path);
    gateway.add("toy", program.entry());
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let reply = client.request("tools/list", json!({})).await;
    for number in 0..50 {
        let expected = good(number, &format!("toy__good_{number}"));
        assert!(reply.line.contains(&expected), "{expected} is not in {}", reply.line);
    }
    let listed = Raw::parse(reply.raw_result());
    let listed = listed.get("tools").unwrap().items();
    let names: Vec<String> = listed.iter().filter_map(|tool| tool.string("name")).collect();
    for name in ["missing", "null", "true", "untyped"] {
        let at = names.iter().position(|listed| *listed == format!("toy__{name}"));
        let at = at.unwrap_or_else(|| panic!("`{name}` is not in {names:?}"));
        let tool: Value = serde_json::from_str(&listed[at].to_string()).unwrap();
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        client.call(&format!("toy__{name}"), json!({"n": 1})).await.structured();
    }
    assert_eq!(listed.len(), 50 + 4 + 1, "{names:?}");

    let status = client.call("conflux__status", json!({})).await.structured();
    let defects = status["defects"].as_array().unwrap();
    assert_eq!(defects.len(), 8, "{defects:#?}");
    for defect in defects {
        let text = defect.as_str().unwrap();
        assert!(text.contains("toy"), "{text}");
        client.wait_for_stderr(text).await;
    }
    for name in ["missing", "null", "true", "untyped", "foreign", "twice"] {
        let quoted = format!("`{name}`");
        assert!(defects.iter().any(|it| it.to_string().contains(&quoted)), "{name}: {defects:#?}");
    }
}
