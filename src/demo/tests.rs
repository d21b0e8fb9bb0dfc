//! Conversations with the demonstration server, in both eras.

use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::io::Lines;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::serve;

/// How a legacy client that can show forms begins.
const HELLO: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}}}"#;
const CANCELLED: &str = "notifications/cancelled";

fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

fn notification(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

fn open() -> String {
    request("0", "initialize", HELLO)
}

/// A client that is connected to the server.
struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Client {
    fn connect() -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (reader, writer) = tokio::io::split(theirs);
        let served = TaskTracker::new().spawn(serve(reader, writer));
        let (reader, writer) = tokio::io::split(ours);
        Self { lines: BufReader::new(reader).lines(), writer, served }
    }

    async fn say(&mut self, line: &str) {
        self.writer.write_all(line.as_bytes()).await.unwrap();
        self.writer.write_all(b"\n").await.unwrap();
    }

    async fn hear(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("the server has something to say")
    }

    async fn ask(&mut self, line: &str) -> String {
        self.say(line).await;
        self.hear().await
    }

    /// Leaves, and returns what the server had left to say.
    async fn leave(mut self) -> Vec<String> {
        self.writer.shutdown().await.unwrap();
        let mut rest = Vec::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            rest.push(line);
        }
        self.served.await.unwrap().unwrap();
        rest
    }
}

/// Opens a legacy session and returns the answer to one request in it.
async fn legacy(method: &str, params: &str) -> String {
    let mut client = Client::connect();
    client.ask(&open()).await;
    let answer = client.ask(&request("1", method, params)).await;
    assert_eq!(client.leave().await, Vec::<String>::new());
    answer
}

/// Returns the answer to one modern request; `params` begins after its `_meta`.
async fn modern(method: &str, capabilities: &str, params: &str) -> String {
    let mut client = Client::connect();
    let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    let capabilities = format!(r#""io.modelcontextprotocol/clientCapabilities":{capabilities}"#);
    let params = format!(r#"{{"_meta":{{{version},{capabilities}}}{params}}}"#);
    let answer = client.ask(&request("\"m\"", method, &params)).await;
    assert_eq!(client.leave().await, Vec::<String>::new());
    answer
}

#[track_caller]
fn check_has(answer: &str, parts: &[&str]) {
    for part in parts {
        assert!(answer.contains(part), "no {part} in {answer}");
    }
}

#[tokio::test]
async fn each_legacy_revision_is_granted_and_any_other_becomes_the_newest() {
    let cases = [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ];
    for (asked, granted) in cases {
        let mut client = Client::connect();
        let answer = client.ask(&open().replace("2025-06-18", asked)).await;
        check_has(&answer, &[&format!(r#""protocolVersion":"{granted}""#), "conflux-demo"]);
    }
}

#[tokio::test]
async fn modern_results_say_that_they_are_complete_and_who_wrote_them() {
    let shape = [r#""resultType":"complete""#, r#""name":"conflux-demo""#];
    let cached = [r#""ttlMs":3600000"#, r#""cacheScope":"public""#];
    let discovered = modern("server/discover", "{}", "").await;
    check_has(&discovered, &[r#""2026-07-28""#, r#""tools":{}"#]);
    for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
        let answer = modern(method, "{}", "").await;
        check_has(&answer, &shape);
        check_has(&answer, &cached);
        let answer = legacy(method, "{}").await;
        assert!(!answer.contains("resultType") && !answer.contains("_meta"), "{answer}");
    }
    let answer = modern("tools/call", "{}", r#","name":"echo""#).await;
    check_has(&answer, &shape);
    assert!(!answer.contains("ttlMs"), "{answer}");
}

#[tokio::test]
async fn a_request_in_no_era_is_refused() {
    let mut client = Client::connect();
    let answer = client.ask(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    check_has(&answer, &["-32602", "`initialize` first"]);
    let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2030-01-01"}}"#;
    let unknown = request("2", "tools/list", meta);
    check_has(&client.ask(&unknown).await, &["-32022", r#""supported":["2026-07-28"]"#]);
    let lacking = unknown.replace("2030-01-01", "2026-07-28");
    check_has(&client.ask(&lacking).await, &["-32602", "clientCapabilities"]);
}

#[tokio::test]
async fn what_is_no_request_is_answered_in_its_terms() {
    let mut client = Client::connect();
    check_has(&client.ask("{").await, &["-32700", r#""id":null"#]);
    check_has(&client.ask("[]").await, &["-32600"]);
    check_has(&client.ask(r#"{"jsonrpc":"1.0","id":7,"method":"x"}"#).await, &[r#""id":7"#]);
    let ping = client.ask(r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#).await;
    assert_eq!(ping, r#"{"jsonrpc":"2.0","id":8,"result":{}}"#);
    client.ask(&open()).await;
    let answer = client.ask(&request("9", "subscriptions/listen", "{}")).await;
    check_has(&answer, &["-32601", r#""id":9"#]);
}

#[tokio::test]
async fn echo_returns_the_bytes_it_was_given() {
    let arguments = r#"{"b":1.0, "a":123456789012345678901234567890,"message":"hi\u0021"}"#;
    let params = format!(r#"{{"name":"echo","arguments":{arguments}}}"#);
    let answer = legacy("tools/call", &params).await;
    check_has(&answer, &[&format!(r#""structuredContent":{arguments}"#), r#""text":"hi!""#]);
    check_has(&modern("tools/call", "{}", r#","name":"echo""#).await, &[r#""text":"{}""#]);
}

#[tokio::test]
async fn add_is_exact_where_it_can_be() {
    let cases = [
        (r#"{"a":2,"b":40}"#, r#""structuredContent":{"sum":42}"#),
        (r#"{"a":-1,"b":0.5}"#, r#""structuredContent":{"sum":-0.5}"#),
        (
            r#"{"a":123456789012345678901234567890,"b":1}"#,
            r#"{"sum":123456789012345678901234567891}"#,
        ),
        (r#"{"a":1e308,"b":1e308}"#, r#""isError":true"#),
        (r#"{"a":"1","b":1}"#, r#""isError":true"#),
        (r#"{"a":1}"#, r#""isError":true"#),
    ];
    for (arguments, expected) in cases {
        let params = format!(r#"{{"name":"add","arguments":{arguments}}}"#);
        check_has(&legacy("tools/call", &params).await, &[expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn countdown_tells_how_far_it_is_if_it_is_asked_to() {
    let mut client = Client::connect();
    client.ask(&open()).await;
    let wanted = r#"{"name":"countdown","arguments":{"from":2},"_meta":{"progressToken":"t"}}"#;
    let told = r#"{"progressToken":"t","progress":1,"total":2,"message":"1 to go"}"#;
    let first = client.ask(&request("1", "tools/call", wanted)).await;
    assert_eq!(first, notification("notifications/progress", told));
    check_has(&client.hear().await, &[r#""progress":2"#, "0 to go"]);
    check_has(&client.hear().await, &[r#""id":1"#, "Counted down from 2."]);
    let silent = legacy("tools/call", r#"{"name":"countdown"}"#).await;
    check_has(&silent, &["Counted down from 3."]);
    for arguments in [r#"{"from":0}"#, r#"{"from":61}"#, r#"{"from":"3"}"#, r#"{"pause_ms":1001}"#]
    {
        let params = format!(r#"{{"name":"countdown","arguments":{arguments}}}"#);
        check_has(&legacy("tools/call", &params).await, &[r#""isError":true"#]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_not_answered() {
    let mut client = Client::connect();
    client.ask(&open()).await;
    let slow = r#"{"name":"countdown","arguments":{"from":60,"pause_ms":1000}}"#;
    client.say(&request("\"slow\"", "tools/call", slow)).await;
    client.say(&notification(CANCELLED, r#"{"requestId":"slow"}"#)).await;
    assert_eq!(client.leave().await, Vec::<String>::new());
}

fn ask() -> String {
    request("5", "tools/call", r#"{"name":"ask","arguments":{"question":"Tea?"}}"#)
}

/// Has a legacy client asked, answers with `outcome` and returns the result.
async fn asked(outcome: &str) -> String {
    let mut client = Client::connect();
    client.ask(&open()).await;
    let question = client.ask(&ask()).await;
    check_has(&question, &[r#""method":"elicitation/create""#, "Tea?", r#""id":1"#]);
    client.ask(&format!(r#"{{"jsonrpc":"2.0","id":1,{outcome}}}"#)).await
}

#[tokio::test]
async fn ask_asks_a_legacy_client_in_the_middle_of_the_call() {
    let accepted = asked(r#""result":{"action":"accept","content":{"answer":"Yes"}}"#).await;
    check_has(&accepted, &[r#""id":5"#, "The answer is: Yes"]);
    let declined = asked(r#""result":{"action":"decline"}"#).await;
    check_has(&declined, &["met with `decline`"]);
    let failed = asked(r#""error":{"code":-1,"message":"nobody here"}"#).await;
    check_has(&failed, &[r#""isError":true"#, "nobody here"]);
}

#[tokio::test]
async fn a_question_of_a_cancelled_call_is_taken_back() {
    let mut client = Client::connect();
    client.ask(&open()).await;
    client.ask(&ask()).await;
    let withdrawal = client.ask(&notification(CANCELLED, r#"{"requestId":5}"#)).await;
    check_has(&withdrawal, &["notifications/cancelled", r#""requestId":1"#]);
    assert_eq!(client.leave().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_client_that_leaves_owes_no_answer() {
    let mut client = Client::connect();
    client.ask(&open()).await;
    client.ask(&ask()).await;
    let rest = client.leave().await;
    check_has(&rest.concat(), &[r#""id":5"#, "the client is gone"]);
}

#[tokio::test]
async fn ask_has_a_modern_client_come_back_with_the_answer() {
    let call = r#","name":"ask","arguments":{"question":"Tea?"}"#;
    let first = modern("tools/call", r#"{"elicitation":{}}"#, call).await;
    check_has(&first, &[r#""resultType":"input_required""#, r#""method":"elicitation/create""#]);
    let answer = r#","inputResponses":{"answer":{"action":"accept","content":{"answer":"Yes"}}}"#;
    let second = modern("tools/call", r#"{"elicitation":{}}"#, &format!("{call}{answer}")).await;
    check_has(&second, &[r#""resultType":"complete""#, "The answer is: Yes"]);
}

#[tokio::test]
async fn ask_says_so_when_there_is_nobody_to_ask() {
    let call = r#","name":"ask","arguments":{"question":"Tea?"}"#;
    for capabilities in ["{}", r#"{"elicitation":{"url":{}}}"#] {
        let answer = modern("tools/call", capabilities, call).await;
        check_has(&answer, &["-32021", r#""requiredCapabilities":{"elicitation":{"form":{}}}"#]);
    }
    let mut client = Client::connect();
    client.ask(&open().replace(r#""elicitation":{}"#, "")).await;
    check_has(&client.ask(&ask()).await, &[r#""isError":true"#, "cannot ask anybody"]);
}

#[tokio::test]
async fn there_is_one_resource_and_one_prompt() {
    let uri = r#"{"uri":"demo://welcome"}"#;
    check_has(&legacy("resources/read", uri).await, &["This text was read through Conflux."]);
    let unknown = legacy("resources/read", r#"{"uri":"demo://x"}"#).await;
    check_has(&unknown, &["-32002", r#""data":{"uri":"demo://x"}"#]);
    check_has(&modern("resources/read", "{}", r#","uri":"demo://x""#).await, &["-32602"]);
    let prompt = legacy("prompts/get", r#"{"name":"introduce","arguments":{"who":"Ann"}}"#).await;
    check_has(&prompt, &[r#""role":"user""#, "Introduce Ann"]);
    for params in [r#"{"name":"introduce"}"#, r#"{"name":"x"}"#, "{}"] {
        check_has(&legacy("prompts/get", params).await, &["-32602"]);
    }
    check_has(&legacy("tools/call", r#"{"name":"x"}"#).await, &["-32602", "unknown tool `x`"]);
}
