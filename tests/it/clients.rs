//! The clients of four SDKs with Conflux between them and servers of both eras.
//!
//! Behind Conflux stand a legacy server, a real modern one and the modern toy, so every client
//! has at least one server of the other era, with questions in the middle of calls.

use std::path::Path;

use rmcp::model::CallToolRequestParams;
use rmcp::model::GetPromptRequestParams;
use rmcp::model::ReadResourceRequestParams;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::support::gateway;
use crate::support::programs::Program;
use crate::support::programs::toy;
use crate::support::rmcp_client;
use crate::support::rmcp_client::Declines;
use crate::support::sdk::Mode;
use crate::support::sdk::Sdk;
use crate::support::servers::Server;

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";
/// Of everything, time, the toy, and one of Conflux itself.
const TOOLS: usize = 17 + 2 + 20 + 1;
const RESOURCES: usize = 7 + 3;
const TEMPLATES: usize = 2 + 1;
const PROMPTS: usize = 4 + 1;

#[tokio::test]
async fn typescript_1_works_through_conflux() {
    check(Sdk::TypeScript1, LEGACY).await;
}

#[tokio::test]
async fn typescript_2_works_through_conflux_as_legacy() {
    check(Sdk::TypeScript2(Mode::Legacy), LEGACY).await;
}

#[tokio::test]
async fn typescript_2_works_through_conflux_as_modern() {
    check(Sdk::TypeScript2(Mode::Modern), MODERN).await;
}

#[tokio::test]
async fn typescript_2_finds_the_modern_era_of_conflux() {
    check(Sdk::TypeScript2(Mode::Auto), MODERN).await;
}

#[tokio::test]
async fn python_1_works_through_conflux() {
    check(Sdk::Python1, LEGACY).await;
}

#[tokio::test]
async fn python_2_works_through_conflux_as_legacy() {
    check(Sdk::Python2(Mode::Legacy), LEGACY).await;
}

#[tokio::test]
async fn python_2_works_through_conflux_as_modern() {
    check(Sdk::Python2(Mode::Modern), MODERN).await;
}

#[tokio::test]
async fn python_2_finds_the_modern_era_of_conflux() {
    check(Sdk::Python2(Mode::Auto), MODERN).await;
}

#[tokio::test]
async fn rmcp_works_through_conflux_as_legacy() {
    check_rmcp(Mode::Legacy, LEGACY).await;
}

#[tokio::test]
async fn rmcp_works_through_conflux_as_modern() {
    check_rmcp(Mode::Modern, MODERN).await;
}

#[tokio::test]
async fn rmcp_finds_the_modern_era_of_conflux() {
    check_rmcp(Mode::Auto, MODERN).await;
}

fn conflux(home: &Path) -> Program {
    let everything = Server::Everything.program(home);
    let time = Server::Time.program(home);
    let toy = toy(&["--era", "modern"]);
    gateway::conflux(home, &[("everything", everything), ("time", time), ("toy", toy)])
}

async fn check(sdk: Sdk, protocol: &str) {
    let home = TempDir::new().unwrap();
    let report = sdk.report(&wish(), &conflux(home.path())).await;
    assert_eq!(report["protocol"], protocol, "{report}");
    // Pinned to the modern era, this SDK asks for nothing but what it needs.
    let introduced = sdk != Sdk::Python2(Mode::Modern);
    assert_eq!(report["server"]["name"], if introduced { json!("conflux") } else { Value::Null });
    // Conflux introduces itself at once, before it knows what the upstreams have to say.
    assert_eq!(report["instructions"], Value::Null);
    let lengths = ["tools", "resources", "templates", "prompts"]
        .map(|list| report[list].as_array().map_or(0, Vec::len));
    assert_eq!(lengths, [TOOLS, RESOURCES, TEMPLATES, PROMPTS]);
    check_calls(&report);
    check_questions(&report);
    check_the_rest(&report, sdk, protocol);
}

fn wish() -> Value {
    let convert =
        json!({"source_timezone": "UTC", "time": "12:30", "target_timezone": "Asia/Tokyo"});
    let long = json!({"duration": 0.3, "steps": 3});
    let department = json!({"name": "department", "value": "E"});
    let id = json!({"name": "resourceId", "value": "4"});
    let template = "demo://resource/dynamic/text/{resourceId}";
    json!({
        "calls": [
            {"name": "everything__get-sum", "arguments": {"a": 1, "b": 2}},
            {"name": "time__convert_time", "arguments": convert},
            {"name": "everything__trigger-sampling-request", "arguments": {"prompt": "x"}},
            {"name": "everything__trigger-elicitation-request", "arguments": {}},
            {"name": "everything__trigger-long-running-operation", "arguments": long},
            {"name": "toy__progress", "arguments": {"steps": 2}},
            {"name": "toy__ask_twice", "arguments": {"kind": "elicit"}},
            {"name": "toy__ask", "arguments": {"kind": "sampling"}},
            {"name": "toy__ask", "arguments": {"kind": "roots"}},
            {"name": "everything__unheard-of", "arguments": {}},
        ],
        "reads": ["demo://resource/static/document/startup.md", "toy://item/7", "demo://nowhere"],
        "prompts": [
            {"name": "everything__args-prompt", "arguments": {"city": "Oslo"}},
            {"name": "toy__greet", "arguments": {"name": "Ada"}},
        ],
        "completions": [
            {"ref": {"type": "ref/prompt", "name": "everything__completable-prompt"},
             "argument": department},
            {"ref": {"type": "ref/resource", "uri": template}, "argument": id},
        ],
    })
}

fn check_calls(report: &Value) {
    let result = |at: usize| &report["called"][at]["result"];
    let text = |at: usize| result(at)["content"][0]["text"].as_str().unwrap_or_default();
    assert_eq!(text(0), "The sum of 1 and 2 is 3.", "{report}");
    assert_eq!(result(1)["structuredContent"]["time_difference"], "+9.0h", "{report}");
    assert!(text(2).contains("hello"), "{report}");
    assert!(text(3).contains("provided"), "{report}");
    assert!(text(4).contains("completed"), "{report}");
    for (at, count) in [(6, 2), (7, 1), (8, 1)] {
        let answers = &result(at)["structuredContent"]["answers"];
        assert_eq!(answers.as_array().map(Vec::len), Some(count), "{report}");
    }
    assert_eq!(report["called"][9]["error"]["code"], -32602, "{report}");
}

fn check_questions(report: &Value) {
    let expected = [
        "sampling/createMessage",
        "elicitation/create",
        "elicitation/create",
        "elicitation/create",
        "sampling/createMessage",
    ];
    let asked = report["asked"].as_array().unwrap().iter();
    let (roots, asked): (Vec<&str>, Vec<&str>) =
        asked.map(|method| method.as_str().unwrap()).partition(|method| *method == "roots/list");
    assert_eq!(asked, expected, "{report}");
    // The toy asks for the roots in a call; everything also on its own, once, which a modern client
    // hears only if it is in a call just then.
    assert!((1..=2).contains(&roots.len()), "{report}");
}

fn check_the_rest(report: &Value, sdk: Sdk, protocol: &str) {
    let steps = |total: f64| {
        let of_total = |progress: &&Value| progress["total"].as_f64() == Some(total);
        report["progress"].as_array().unwrap().iter().filter(of_total).count()
    };
    // The TypeScript SDKs forget the last one when it comes in one piece with the result.
    assert!((2..=3).contains(&steps(3.0)), "{report}");
    assert!((1..=2).contains(&steps(2.0)), "{report}");

    let content = |at: usize| &report["read"][at]["result"]["contents"][0]["text"];
    assert!(content(0).as_str().unwrap().contains("Everything"), "{report}");
    assert_eq!(content(1), "item 7", "{report}");
    let unknown = if protocol == MODERN { -32602 } else { -32002 };
    // TypeScript 2.x takes both codes, and shows the modern one.
    let shown = if matches!(sdk, Sdk::TypeScript2(_)) { -32602 } else { unknown };
    assert_eq!(report["read"][2]["error"]["code"], shown, "{report}");

    let prompt = |at: usize| &report["prompted"][at]["result"]["messages"][0]["content"]["text"];
    assert!(prompt(0).as_str().unwrap().contains("Oslo"), "{report}");
    assert_eq!(prompt(1), "Hello, Ada!", "{report}");

    let values = |at: usize| &report["completed"][at]["result"]["completion"]["values"];
    assert_eq!(*values(0), json!(["Engineering"]), "{:#}", report["completed"]);
    assert_eq!(*values(1), json!(["4"]), "{report}");
}

async fn check_rmcp(mode: Mode, protocol: &str) {
    let home = TempDir::new().unwrap();
    let handler = Declines::default();
    let client = rmcp_client::connect(&conflux(home.path()), mode, handler.clone()).await;
    let agreed = client.peer_info().unwrap().protocol_version.to_string();
    assert_eq!(agreed, protocol);
    // It has no roots, does not sample and opens no URLs: everything has no tools for these then.
    assert_eq!(client.list_all_tools().await.unwrap().len(), TOOLS - 3);
    assert_eq!(client.list_all_resources().await.unwrap().len(), RESOURCES);
    assert_eq!(client.list_all_resource_templates().await.unwrap().len(), TEMPLATES);
    assert_eq!(client.list_all_prompts().await.unwrap().len(), PROMPTS);

    let object = |value: Value| value.as_object().cloned().unwrap();
    let call = |name: &'static str, arguments: Value| {
        client.call_tool(CallToolRequestParams::new(name).with_arguments(object(arguments)))
    };
    let sum = json!(call("everything__get-sum", json!({"a": 1, "b": 2})).await.unwrap());
    assert_eq!(sum["content"][0]["text"], "The sum of 1 and 2 is 3.");
    let asked = json!(call("toy__ask_twice", json!({"kind": "elicit"})).await.unwrap());
    let declined = json!({"result": {"action": "decline"}});
    assert_eq!(asked["structuredContent"], json!({"answers": [declined, declined]}));
    let asked = call("everything__trigger-elicitation-request", json!({})).await.unwrap();
    assert!(json!(asked).to_string().contains("declined"), "{asked:?}");
    let asked = handler.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    for (message, upstream) in asked.iter().zip(["toy", "toy", "everything"]) {
        assert!(message.contains(upstream), "{asked:?}");
    }

    let read = client.read_resource(ReadResourceRequestParams::new("toy://item/7")).await.unwrap();
    assert_eq!(json!(read)["contents"][0]["text"], "item 7");
    let greet = GetPromptRequestParams::new("toy__greet");
    let greet = greet.with_arguments(object(json!({"name": "Ada"})));
    let prompt = client.get_prompt(greet).await.unwrap();
    assert_eq!(json!(prompt)["messages"][0]["content"]["text"], "Hello, Ada!");
    let prompt = "everything__completable-prompt";
    let values = client.complete_prompt_simple(prompt, "department", "E").await.unwrap();
    assert_eq!(values, ["Engineering"]);
    client.cancel().await.unwrap();
}
