//! What each revision of a client is shown.

use crate::downstream::content;
use crate::downstream::fit;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

const LEGACY: [Revision; 4] =
    [Revision::V2024_11_05, Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25];
const LINK: &str = concat!(
    r#"{"type":"resource_link","name":"n","title":"T","uri":"a:b","description":"D","#,
    r#""annotations":{"priority":1.0}}"#
);
const BARE_LINK: &str = r#"{"type":"resource_link","name":"n","uri":"a:b"}"#;
const AUDIO: &str = r#"{"type":"audio","data":"AA==","mimeType":"audio/wav"}"#;
const OTHERS: &str = concat!(
    r#"{"type":"text","text":"\"audio\"","x":1.0},{"type":"image","data":"","mimeType":"i"},"#,
    r#"{"type":"resource","resource":{"uri":"a:b","text":""}},{"type":"novel","audio":"audio"}"#
);

/// Makes a result of blocks.
type Shape = fn(&[&str]) -> String;

#[track_caller]
fn check(method: &str, revision: Revision, given: &str, expected: &str) {
    let fitted = fit::legacy(Raw::parse(given.to_owned()).unwrap(), revision, method);
    assert_eq!(fitted.get(), expected, "{revision} {method}");
}

#[test]
fn kinds_of_content_that_came_later_are_said_in_words() {
    let link = r#"{"type":"text","text":"T: a:b (D)","annotations":{"priority":1.0}}"#;
    let bare = r#"{"type":"text","text":"n: a:b"}"#;
    let audio = concat!(
        r#"{"type":"text","text":"[audio in audio/wav, "#,
        r#"which this client's revision of MCP cannot carry]"}"#
    );
    let shapes: [(&str, Shape); 2] = [
        (method::TOOLS_CALL, |blocks| {
            format!(r#"{{"n":1.0, "content":[{}],"isError":false}}"#, blocks.join(", "))
        }),
        (method::PROMPTS_GET, |blocks| {
            let message = |block: &&str| format!(r#"{{"role":"user","content":{block}}}"#);
            let messages: Vec<String> = blocks.iter().map(message).collect();
            format!(r#"{{"messages":[{}], "x":1e2}}"#, messages.join(","))
        }),
    ];
    for (method, shape) in shapes {
        for revision in LEGACY {
            let is_oldest = revision == Revision::V2024_11_05;
            let has_links = revision >= Revision::V2025_06_18;
            let given = [LINK, BARE_LINK, AUDIO];
            let expected = [
                if has_links { LINK } else { link },
                if has_links { BARE_LINK } else { bare },
                if is_oldest { audio } else { AUDIO },
            ];
            check(method, revision, &shape(&given), &shape(&expected));
            check(method, revision, &shape(&[]), &shape(&[]));
        }
    }
    let others = format!(r#"{{"content":[{OTHERS}]}}"#);
    for revision in LEGACY {
        check(method::TOOLS_CALL, revision, &others, &others);
        check(method::RESOURCES_READ, revision, AUDIO, AUDIO);
    }
}

#[test]
fn structured_content_that_is_no_object_is_text_for_legacy_clients() {
    let modern = |content: &str, structured: &str| {
        format!(
            r#"{{"resultType":"complete","content":[{content}],"structuredContent":{structured}}}"#
        )
    };
    let legacy = |content: &str| format!(r#"{{"content":[{content}]}}"#);
    let text = |text: &str| format!(r#"{{"type":"text","text":{}}}"#, Raw::of(text).get());
    for revision in LEGACY {
        let check = |given: &str, expected: &str| {
            check(method::TOOLS_CALL, revision, given, expected);
        };
        for structured in ["[1,2.0]", "1e400", "\"s\"", "null", "false"] {
            check(&modern("", structured), &legacy(&text(structured)));
        }
        let said = text(" [1, 2.0] ");
        check(&modern(&said, "[1,2.0]"), &legacy(&said));
        let other = text("[1]");
        check(&modern(&other, "[2]"), &legacy(&format!("{other},{}", text("[2]"))));
        let object = r#"{"content":[],"structuredContent":{"a":[1]}}"#;
        check(&modern("", r#"{"a":[1]}"#), object);
        // A legacy upstream answers for itself.
        let own = r#"{"content":[],"structuredContent":[1]}"#;
        check(own, own);
    }
}

#[track_caller]
fn schemas(given: &str, expected: &str) {
    let given = Raw::parse(given.to_owned()).unwrap();
    assert_eq!(content::object_schemas(given).get(), expected);
}

#[test]
fn schemas_of_results_that_are_no_object_are_left_out_for_legacy_clients() {
    let tool = |name: &str, schema: &str| {
        format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}{schema},"x":1.0}}"#)
    };
    let with = |schema: &str| format!(r#","outputSchema":{schema}"#);
    let object = tool("object", &with(r#"{"type": "object","properties":{}}"#));
    let none = tool("none", "");
    for schema in [r#"{"type":"array"}"#, r#"{"anyOf":[]}"#, r#"{"type":["object"]}"#, "true"] {
        let given = format!(r#"{{"tools":[{object}, {},{none}]}}"#, tool("odd", &with(schema)));
        let expected = format!(r#"{{"tools":[{object}, {},{none}]}}"#, tool("odd", ""));
        schemas(&given, &expected);
    }
    let plain = format!(r#"{{"tools":[{object},{none}]}}"#);
    schemas(&plain, &plain);
}
