//! The SDK clients of other languages, connected directly: they work before Conflux is between.

use rmcp::model::CallToolRequestParams;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::support::programs::Program;
use crate::support::programs::toy;
use crate::support::rmcp_client;
use crate::support::rmcp_client::Declines;
use crate::support::sdk::Mode;
use crate::support::sdk::Sdk;
use crate::support::servers::Server;

#[tokio::test]
async fn typescript_1_uses_everything() {
    check_everything(Sdk::TypeScript1).await;
}

#[tokio::test]
async fn typescript_2_uses_everything() {
    check_everything(Sdk::TypeScript2(Mode::Legacy)).await;
    check_everything(Sdk::TypeScript2(Mode::Auto)).await;
}

#[tokio::test]
async fn python_1_uses_everything() {
    check_everything(Sdk::Python1).await;
}

#[tokio::test]
async fn python_2_uses_everything() {
    check_everything(Sdk::Python2(Mode::Legacy)).await;
    check_everything(Sdk::Python2(Mode::Auto)).await;
}

#[tokio::test]
async fn typescript_2_uses_a_modern_server() {
    check_modern(Sdk::TypeScript2(Mode::Auto), &toy(&["--era", "modern"])).await;
    check_modern(Sdk::TypeScript2(Mode::Modern), &toy(&["--era", "dual"])).await;
}

#[tokio::test]
async fn python_2_uses_a_modern_server() {
    check_modern(Sdk::Python2(Mode::Auto), &toy(&["--era", "locked"])).await;
    check_modern(Sdk::Python2(Mode::Modern), &toy(&["--era", "modern"])).await;
}

#[tokio::test]
async fn typescript_2_modern_uses_a_real_server() {
    check_time(Sdk::TypeScript2(Mode::Modern), "2026-07-28").await;
}

#[tokio::test]
async fn typescript_1_uses_a_dual_server() {
    check_time(Sdk::TypeScript1, "2025-11-25").await;
}

#[tokio::test]
async fn rmcp_uses_both_eras() {
    for (era, mode) in [
        ("legacy", Mode::Auto),
        ("dual", Mode::Legacy),
        ("locked", Mode::Auto),
        ("modern", Mode::Modern),
    ] {
        let handler = Declines::default();
        let client =
            rmcp_client::connect(&toy(&["--era", era, "--page-size", "7"]), mode, handler.clone())
                .await;
        assert_eq!(client.list_all_tools().await.unwrap().len(), 20);
        let arguments = json!({"kind": "elicit"}).as_object().cloned().unwrap();
        let params = CallToolRequestParams::new("ask_twice").with_arguments(arguments);
        let result = client.call_tool(params).await.unwrap();
        let declined = json!({"result": {"action": "decline"}});
        assert_eq!(result.structured_content.unwrap(), json!({"answers": [declined, declined]}));
        assert_eq!(handler.asked(), ["Who are you?", "Who are you?"]);
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn rmcp_uses_everything() {
    let home = TempDir::new().unwrap();
    let server = Server::Everything.program(home.path());
    let client = rmcp_client::connect(&server, Mode::Auto, Declines::default()).await;
    assert!(client.list_all_tools().await.unwrap().len() > 10);
    assert_eq!(client.list_all_resources().await.unwrap().len(), 7);
    client.cancel().await.unwrap();
}

async fn check_everything(sdk: Sdk) {
    let home = TempDir::new().unwrap();
    let wish = json!({
        "calls": [
            {"name": "get-sum", "arguments": {"a": 1, "b": 2}},
            {"name": "trigger-sampling-request", "arguments": {"prompt": "x", "maxTokens": 5}},
            {"name": "trigger-elicitation-request", "arguments": {}},
            {"name": "trigger-long-running-operation", "arguments": {"duration": 0.2, "steps": 2}},
            {"name": "unheard-of", "arguments": {}},
        ],
        "reads": ["demo://resource/static/document/startup.md", "demo://resource/nowhere"],
        "prompts": [{"name": "args-prompt", "arguments": {"city": "Oslo"}}],
    });
    let report = sdk.report(&wish, &Server::Everything.program(home.path())).await;

    assert_eq!(report["protocol"], "2025-11-25", "{report}");
    assert_eq!(report["server"]["name"], "mcp-servers/everything");
    assert!(report["instructions"].as_str().unwrap().contains("Everything Server"));
    assert_eq!(lengths(&report), [17, 7, 2, 4]);
    let texts: Vec<&str> = (0..3).map(|at| text(&report["called"][at])).collect();
    assert_eq!(texts[0], "The sum of 1 and 2 is 3.");
    assert!(texts[1].contains("hello"), "{texts:?}");
    assert!(texts[2].contains("provided"), "{texts:?}");
    assert_eq!(report["called"][4]["result"]["isError"], true);
    // Of two: the TypeScript SDKs forget the last one when it comes in one piece with the result.
    assert!(!report["progress"].as_array().unwrap().is_empty(), "{report}");
    let asked = report["asked"].as_array().unwrap();
    for method in ["sampling/createMessage", "elicitation/create"] {
        assert!(asked.contains(&json!(method)), "{asked:?}");
    }
    assert!(report["read"][0]["result"]["contents"][0]["text"].is_string());
    assert_eq!(report["read"][1]["error"]["code"], -32602);
    let prompt = &report["prompted"][0]["result"]["messages"][0]["content"]["text"];
    assert!(prompt.as_str().unwrap().contains("Oslo"));
}

async fn check_modern(sdk: Sdk, server: &Program) {
    let wish = json!({
        "calls": [
            {"name": "ask_twice", "arguments": {"kind": "elicit"}},
            {"name": "ask", "arguments": {"kind": "sampling"}},
            {"name": "ask", "arguments": {"kind": "roots"}},
            // Some SDKs drop progress that they read together with the answer.
            {"name": "progress", "arguments": {"steps": 2, "gap": 300}},
        ],
        "reads": ["toy://item/7", "toy://nowhere/1"],
        "prompts": [{"name": "greet", "arguments": {"name": "Ada"}}],
    });
    let report = sdk.report(&wish, server).await;

    assert_eq!(report["protocol"], "2026-07-28", "{report}");
    assert_eq!(lengths(&report), [20, 3, 1, 1]);
    let asked =
        ["elicitation/create", "elicitation/create", "sampling/createMessage", "roots/list"];
    assert_eq!(report["asked"], json!(asked), "{report}");
    for (at, count) in [(0, 2), (1, 1), (2, 1)] {
        let answers = &report["called"][at]["result"]["structuredContent"]["answers"];
        assert_eq!(answers.as_array().unwrap().len(), count, "{report}");
    }
    let steps = report["progress"].as_array().unwrap().iter();
    let steps = steps.filter(|progress| progress["total"] == 2.0 || progress["total"] == 2);
    assert_eq!(steps.count(), 2, "{report}");
    assert_eq!(report["read"][0]["result"]["contents"][0]["text"], "item 7");
    assert_eq!(report["read"][1]["error"]["code"], -32602);
    let prompt = &report["prompted"][0]["result"]["messages"][0]["content"]["text"];
    assert_eq!(*prompt, "Hello, Ada!");
}

async fn check_time(sdk: Sdk, protocol: &str) {
    let home = TempDir::new().unwrap();
    let arguments =
        json!({"source_timezone": "UTC", "time": "12:30", "target_timezone": "Asia/Tokyo"});
    let wish = json!({"calls": [{"name": "convert_time", "arguments": arguments}]});
    let report = sdk.report(&wish, &Server::Time.program(home.path())).await;
    assert_eq!(report["protocol"], protocol, "{report}");
    let difference = &report["called"][0]["result"]["structuredContent"]["time_difference"];
    assert_eq!(*difference, "+9.0h", "{report}");
}

fn lengths(report: &Value) -> [usize; 4] {
    ["tools", "resources", "templates", "prompts"]
        .map(|list| report[list].as_array().map_or(0, Vec::len))
}

fn text(called: &Value) -> &str {
    let text = called["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("expected a text: {called}"))
}
