//! What a client is told in which words: codes of errors, shapes of results.

use std::time::Duration;

use crate::downstream::codes;
use crate::downstream::fit;
use crate::downstream::tests::client;
use crate::downstream::tests::raw;
use crate::exchange::caller::Capabilities;
use crate::ids::UpstreamId;
use crate::router;
use crate::upstream;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::wire::era::Revision;
use crate::wire::method;

/// What the requests here are noted under.
const ID: u64 = 0xff;

fn failure(kind: Kind, executed: Executed) -> router::Error {
    router::Error::Upstream(upstream::Error {
        upstream: UpstreamId::new("github"),
        kind,
        detail: "exit status 1".into(),
        executed,
        stderr: vec!["Error: no token".into(), "  at main".into()],
        retry_after: Some(Duration::from_millis(1500)),
    })
}

#[test]
fn a_failed_upstream_is_a_tool_result_or_an_error() {
    let error = failure(Kind::Exited, Executed::No);
    let tool =
        codes::outcome(&error, ID.into(), &client(Revision::V2025_11_25), method::TOOLS_CALL)
            .unwrap();
    let text = concat!(
        r"`github` exited before it was ready: exit status 1.",
        r"\n\nstderr:\n  Error: no token\n    at main\n\nWhat to do: ",
        r"start its command by hand to see why; `conflux check --connect` shows more.",
    );
    let data = concat!(
        r#"{"upstream":"github","kind":"exited","executed":"no","retry_after_ms":1500,"#,
        r#""id":"00000000000000ff"}"#,
    );
    let meta = format!(r#""_meta":{{"dev.conflux/error":{data}}}"#);
    let expected =
        format!(r#"{{"content":[{{"type":"text","text":"{text}"}}],"isError":true,{meta}}}"#);
    assert_eq!(tool.get(), expected);
    let other = codes::outcome(&error, ID.into(), &client(Revision::LATEST), method::PROMPTS_GET)
        .unwrap_err();
    let expected = format!(r#"{{"code":-32603,"message":"{text}","data":{data}}}"#);
    assert_eq!(other.get(), expected);
    let unknown = failure(Kind::ConnectionLost, Executed::Unknown);
    let tool =
        codes::outcome(&unknown, ID.into(), &client(Revision::LATEST), method::TOOLS_CALL).unwrap();
    assert!(tool.get().contains("The request may have been carried out."));
    assert!(tool.get().contains(r#""executed":"unknown""#));
}

/// What an upstream's error is to a client: a code, or `result` for a tool result in words.
#[track_caller]
fn check_code(code: i64, method: &str, client: &Capabilities, expected: &str) {
    let error = format!(r#"{{"code":{code},"message":"m","data":{{"uri":"a:b"}}}}"#);
    let said = codes::outcome(&router::Error::Answered(raw(&error)), ID.into(), client, method);
    let code = said.as_ref().map_or_else(|error| error.member("code"), |_| None);
    let told = code.map_or_else(|| "result".to_owned(), |code| code.get().to_owned());
    assert_eq!(told, expected, "{error} in {method}");
    assert!(said.unwrap_or_else(|error| error).get().contains('m'));
}

#[test]
fn what_an_upstream_answers_is_said_in_the_codes_of_the_client() {
    let url = raw(r#"{"elicitation":{"url":{}}}"#);
    let legacy = client(Revision::V2025_06_18);
    let visitor = Capabilities::parse(Some(url.clone()), Revision::V2025_11_25);
    let modern = Capabilities::parse(Some(url), Revision::LATEST);
    let (call, prompt, read) = (method::TOOLS_CALL, method::PROMPTS_GET, method::RESOURCES_READ);
    let table = [
        // Code, method, 2025-06-18, 2025-11-25 with visits, modern.
        (-32700, call, ["-32700", "-32700", "-32700"]),
        (-32600, call, ["-32600", "-32600", "-32600"]),
        (-32601, call, ["-32601", "-32601", "-32601"]),
        (-32602, call, ["-32602", "-32602", "-32602"]),
        (-32602, prompt, ["-32602", "-32602", "-32602"]),
        (-32602, read, ["-32002", "-32002", "-32602"]),
        (-32602, method::RESOURCES_SUBSCRIBE, ["-32002", "-32002", "-32602"]),
        (-32603, call, ["-32603", "-32603", "-32603"]),
        (-32000, call, ["-32000", "-32000", "-32000"]),
        (-32001, read, ["-32001", "-32001", "-32001"]),
        (-32002, read, ["-32002", "-32002", "-32602"]),
        (-32002, call, ["-32002", "-32002", "-32602"]),
        (-32020, call, ["-32603", "-32603", "-32603"]),
        (-32021, call, ["result", "result", "-32021"]),
        (-32021, read, ["-32603", "-32603", "-32021"]),
        (-32022, call, ["-32603", "-32603", "-32603"]),
        (-32042, call, ["result", "-32042", "result"]),
        (-32042, read, ["-32603", "-32042", "-32603"]),
        (-32050, call, ["-32050", "-32050", "-32603"]),
        (-32100, call, ["-32100", "-32100", "-32100"]),
        (-1, call, ["-1", "-1", "-1"]),
        (42, call, ["42", "42", "42"]),
    ];
    for (code, method, expected) in table {
        for (client, expected) in [&legacy, &visitor, &modern].into_iter().zip(expected) {
            check_code(code, method, client, expected);
        }
    }
}

#[test]
fn visits_are_said_in_words_to_who_cannot_be_asked() {
    let visit = r#"{"url":"https://a.example/x","message":"Sign in.","elicitationId":"1"}"#;
    let error =
        format!(r#"{{"code":-32042,"message":"first","data":{{"elicitations":[{visit}]}}}}"#);
    let error = router::Error::Answered(raw(&error));
    for revision in Revision::ALL {
        let tool =
            codes::outcome(&error, ID.into(), &client(revision), method::TOOLS_CALL).unwrap();
        let text = tool.member("content").unwrap().elements().unwrap()[0].member("text").unwrap();
        let expected = "first\n\nBefore this is done again, these must be opened:\n\
            - https://a.example/x Sign in.";
        assert_eq!(text.string().unwrap(), expected);
        assert_eq!(tool.member("isError"), Some(raw("true")));
        let other =
            codes::outcome(&error, ID.into(), &client(revision), method::PROMPTS_GET).unwrap_err();
        assert_eq!(other.member("message").unwrap().string().unwrap(), expected);
        assert_eq!(other.member("code"), Some(raw("-32603")));
    }
}

#[test]
fn errors_have_the_codes_of_their_era() {
    #[track_caller]
    fn check(error: &router::Error, method: &str, legacy: &str, modern: &str) {
        let said =
            |revision| codes::outcome(error, ID.into(), &client(revision), method).unwrap_err();
        assert_eq!(said(Revision::LATEST_LEGACY).get(), legacy);
        assert_eq!(said(Revision::LATEST).get(), modern);
    }
    let same = |error: router::Error, text: &str| check(&error, "m", text, text);
    same(
        router::Error::UnknownTool("x".to_owned()),
        r#"{"code":-32602,"message":"Unknown tool `x`"}"#,
    );
    same(
        router::Error::UnknownPrompt("x".to_owned()),
        r#"{"code":-32602,"message":"Unknown prompt `x`"}"#,
    );
    same(
        router::Error::UnknownMethod("x".to_owned()),
        r#"{"code":-32601,"message":"Unknown method `x`"}"#,
    );
    same(
        router::Error::InvalidParams("`name` is missing".to_owned()),
        r#"{"code":-32602,"message":"`name` is missing"}"#,
    );
    check(
        &router::Error::UnknownResource("a:b".to_owned()),
        method::RESOURCES_READ,
        r#"{"code":-32002,"message":"Unknown resource `a:b`","data":{"uri":"a:b"}}"#,
        r#"{"code":-32602,"message":"Unknown resource `a:b`","data":{"uri":"a:b"}}"#,
    );
    check(
        &router::Error::Answered(raw(r#"{"message": "gone", "code": -32002, "x":1.0}"#)),
        method::RESOURCES_READ,
        r#"{"message": "gone", "code": -32002, "x":1.0}"#,
        r#"{"message": "gone", "code": -32602, "x":1.0}"#,
    );
    same(
        router::Error::Answered(raw(r#"{"code":-32000.0,"message":"odd"}"#)),
        r#"{"code":-32000.0,"message":"odd"}"#,
    );
}

#[test]
fn results_fit_the_era_of_their_caller() {
    let modern = concat!(
        r#"{"resultType":"complete","contents":[1.0],"ttlMs":5,"cacheScope":"public","#,
        r#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"}}}"#
    );
    let stripped =
        r#"{"contents":[1.0],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"}}}"#;
    assert_eq!(
        fit::legacy(raw(modern), Revision::LATEST_LEGACY, method::RESOURCES_READ).get(),
        stripped
    );
    assert_eq!(fit::modern(raw(modern), method::RESOURCES_READ).get(), modern);
    // A legacy upstream may use these names for its own ends.
    let own = r#"{"ttlMs":1,"text":"\"resultType\""}"#;
    assert_eq!(fit::legacy(raw(own), Revision::LATEST_LEGACY, method::TOOLS_CALL).get(), own);
    let server = format!(r#"{{"name":"conflux","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    let meta = format!(r#""_meta":{{"io.modelcontextprotocol/serverInfo":{server}}}"#);
    assert_eq!(
        fit::modern(raw(r#"{"contents":[]}"#), method::RESOURCES_READ).get(),
        format!(
            r#"{{"contents":[],"resultType":"complete","ttlMs":0,"cacheScope":"private",{meta}}}"#
        )
    );
    // A list was written in the right words, and is sent as it is.
    let list = raw(r#"{"tools":[{"outputSchema":true,"resultType":"x"}]}"#);
    let ways = [
        fit::legacy(list.clone(), Revision::LATEST_LEGACY, method::TOOLS_LIST),
        fit::modern(list.clone(), method::TOOLS_LIST),
    ];
    assert_eq!(ways.map(|it| it.get().as_ptr()), [list.get().as_ptr(); 2]);
    assert_eq!(
        fit::modern(raw(r#"{"content":[]}"#), method::TOOLS_CALL).get(),
        format!(r#"{{"content":[],"resultType":"complete",{meta}}}"#)
    );
}
