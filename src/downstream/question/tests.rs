//! What each revision of a client is asked, and what it cannot be asked.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::downstream::question;
use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

use Revision::V2024_11_05 as A;
use Revision::V2025_03_26 as B;
use Revision::V2025_06_18 as C;
use Revision::V2025_11_25 as D;
use Revision::V2026_07_28 as E;

const EVERYTHING: &str =
    r#"{"roots":{},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#;

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned()).unwrap()
}

fn request(method: &str, params: &str) -> InputRequest {
    InputRequest::parse(method, Some(raw(params))).unwrap()
}

/// Asks a client that declared `declared` in `revision`; returns the parameters it would see, or
/// what the upstream is told at once. Time stands still.
async fn asked_with(
    declared: &str,
    revision: Revision,
    request: InputRequest,
) -> Result<String, Refusal> {
    let client = Arc::new(Capabilities::parse(Some(raw(declared)), revision));
    let caller = Arc::new(Caller::new(CallerId(1), Arc::clone(&client), Reach::Anytime));
    let (exchange, mut way_back) = Exchange::new(caller, Arc::clone(&client), Wishes::default());
    let upstream = UpstreamId::new("files");
    let asking = exchange.ask(&upstream, vec![("k".to_owned(), request)]);
    let seeing = async {
        let Some(Back::Ask(ask)) = way_back.recv().await else { panic!("a question was expected") };
        let ask = question::fit(ask, &client)?;
        let (_, request) = ask.requests.first().unwrap();
        Some(request.params().unwrap().get().to_owned())
    };
    let before = tokio::time::Instant::now();
    let outcome = tokio::select! {
        biased;
        answered = asking => Err(answered.unwrap_err()),
        seen = async {
            match seeing.await {
                Some(seen) => seen,
                // Refused: what the upstream is told comes by the other branch.
                None => std::future::pending().await,
            }
        } => Ok(seen),
    };
    assert_eq!(before.elapsed(), std::time::Duration::ZERO, "nobody waits for a refusal");
    outcome
}

async fn asked(revision: Revision, request: InputRequest) -> Result<String, Refusal> {
    asked_with(EVERYTHING, revision, request).await
}

/// What the client sees, without what every question gets.
async fn seen(revision: Revision, method: &str, params: &str) -> String {
    let seen = asked(revision, request(method, params)).await.unwrap();
    let meta = r#","_meta":{"dev.conflux/upstream":"files"}}"#;
    assert!(seen.ends_with(meta), "{seen}");
    seen.replace(meta, "}").replace("[files] ", "")
}

fn form(property: &str) -> String {
    let properties = format!(r#"{{"before":{{"type":"string"}},"it":{property}}}"#);
    let schema = format!(r#"{{"type":"object", "properties":{properties},"required":["it"]}}"#);
    format!(r#"{{"message":"?","requestedSchema":{schema},"x":1.0}}"#)
}

#[tokio::test(start_paused = true)]
async fn forms_are_said_in_the_words_of_the_client() {
    let titled = concat!(
        r#"{"type":"string","title":"T","oneOf":[{"const":"r","title":"Red"},{"const":"b"}],"#,
        r#""default":"b"}"#
    );
    let older = concat!(
        r#"{"type":"string","title":"T","default":"b","enum":["r","b"],"#,
        r#""enumNames":["Red","b"]}"#
    );
    let same = [
        r#"{"type":"string","minLength":1.0,"format":"email","default":"a@b.c"}"#,
        r#"{"type":"integer","minimum":0,"default":5}"#,
        r#"{"type":"boolean","default":true}"#,
        r#"{"type":"string","enum":["a","b"]}"#,
        r#"{"type":"string","enum":["a","b"],"enumNames":["A","B"]}"#,
        r#"{"type":"string","oneOf":"odd"}"#,
        "true",
    ];
    for revision in [A, B, C, D, E] {
        for property in same {
            let form = form(property);
            assert_eq!(seen(revision, method::ELICIT, &form).await, form);
        }
        let expected = if revision < D { older } else { titled };
        assert_eq!(seen(revision, method::ELICIT, &form(titled)).await, form(expected));
    }
    let several = r#"{"type":"array","items":{"type":"string","enum":["a","b"]}}"#;
    for revision in [D, E] {
        assert_eq!(seen(revision, method::ELICIT, &form(several)).await, form(several));
    }
    for revision in [A, B, C] {
        let refused = asked(revision, request(method::ELICIT, &form(several))).await;
        assert!(matches!(refused, Err(Refusal::Unfit(_))), "{refused:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn visits_have_an_id_where_the_revision_has_one() {
    let with = r#"{"mode":"url","message":"?","url":"https://a.example","elicitationId":"7"}"#;
    let without = r#"{"mode":"url","message":"?","url":"https://a.example"}"#;
    for given in [with, without] {
        assert_eq!(seen(E, method::ELICIT, given).await, without);
    }
    assert_eq!(seen(D, method::ELICIT, with).await, with);
    let (first, second) =
        (seen(D, method::ELICIT, without).await, seen(D, method::ELICIT, without).await);
    assert!(first.contains(r#""elicitationId":"conflux-"#), "{first}");
    assert_ne!(first, second, "an id is used once");
}

#[tokio::test(start_paused = true)]
async fn messages_are_said_in_the_words_of_the_client() {
    let text = r#"{"type":"text","text":"a","n":1.0}"#;
    let audio = r#"{"type":"audio","data":"","mimeType":"audio/wav"}"#;
    let tool = r#"{"type":"tool_use","id":"1","name":"n","input":{}}"#;
    let message = |content: &str| format!(r#"{{"role":"user", "content":{content},"y":2.0}}"#);
    let params = |messages: &str| format!(r#"{{"messages":[{messages}],"maxTokens":10}}"#);
    let plain = params(&message(text));
    for revision in [A, B, C, D, E] {
        assert_eq!(seen(revision, method::SAMPLE, &plain).await, plain);
    }
    let one = params(&message(&format!("[{text}]")));
    let two = params(&message(&format!("[{text},{text}]")));
    for revision in [D, E] {
        assert_eq!(seen(revision, method::SAMPLE, &one).await, one);
        assert_eq!(seen(revision, method::SAMPLE, &two).await, two);
    }
    for revision in [A, B, C] {
        assert_eq!(seen(revision, method::SAMPLE, &one).await, plain);
        let split = params(&format!("{0},{0}", message(text)));
        assert_eq!(seen(revision, method::SAMPLE, &two).await, split);
    }
    let spoken = params(&message(audio));
    for revision in [B, C, D, E] {
        assert_eq!(seen(revision, method::SAMPLE, &spoken).await, spoken);
    }
    let refused =
        [(A, spoken), (C, params(&message(tool))), (A, params(&message(&format!("[{tool}]"))))];
    for (revision, params) in refused {
        let refused = asked(revision, request(method::SAMPLE, &params)).await;
        assert!(matches!(refused, Err(Refusal::Unfit(_))), "{refused:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn context_and_tools_are_for_who_declared_them() {
    let params = |context: &str| format!(r#"{{"messages":[],"includeContext":{context}}}"#);
    for revision in [A, D, E] {
        for (declared, given, expected) in [
            (r#"{"sampling":{}}"#, r#""allServers""#, r#""none""#),
            (r#"{"sampling":{}}"#, r#""thisServer""#, r#""none""#),
            (r#"{"sampling":{}}"#, r#""none""#, r#""none""#),
            (r#"{"sampling":{"context":{}}}"#, r#""thisServer""#, r#""thisServer""#),
        ] {
            let question = request(method::SAMPLE, &params(given));
            let seen = asked_with(declared, revision, question).await.unwrap();
            let expected = format!(r#""includeContext":{expected}"#);
            assert!(seen.contains(&expected), "{revision} {declared}: {seen}");
        }
        for given in [r#""tools":[]"#, r#""toolChoice":{"mode":"auto"}"#] {
            let question = || request(method::SAMPLE, &format!(r#"{{"messages":[],{given}}}"#));
            let refused = asked_with(r#"{"sampling":{}}"#, revision, question()).await;
            assert!(matches!(refused, Err(Refusal::Unsupported(_))), "{refused:?}");
            let seen = asked_with(r#"{"sampling":{"tools":{}}}"#, revision, question()).await;
            assert!(seen.unwrap().contains(given));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_did_not_declare_is_refused_at_once() {
    for revision in [A, C, D, E] {
        for (declared, method, params) in [
            ("{}", method::ROOTS, "{}"),
            ("{}", method::SAMPLE, r#"{"messages":[]}"#),
            ("{}", method::ELICIT, r#"{"message":"?"}"#),
            (r#"{"elicitation":{}}"#, method::ELICIT, r#"{"mode":"url","message":"?"}"#),
            (r#"{"elicitation":{"url":{}}}"#, method::ELICIT, r#"{"message":"?"}"#),
            (r#"{"elicitation":{"url":{}}}"#, method::ELICIT, r#"{"mode":"form","message":"?"}"#),
        ] {
            let refused = asked_with(declared, revision, request(method, params)).await;
            assert!(matches!(refused, Err(Refusal::Unsupported(_))), "{refused:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_upstream_says_to_conflux_alone_reaches_no_client() {
    let own = concat!(
        r#""progressToken":"up","io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/logLevel":"info""#
    );
    let kept = r#""traceparent":"00-1","com.example/x":{"n":1.0}"#;
    let said = format!(r#"{{"task":{{"ttl":1}},"_meta":{{{own},{kept}}},"x":1.0}}"#);
    let seen = format!(r#"{{"_meta":{{{kept},"dev.conflux/upstream":"files"}},"x":1.0}}"#);
    let (sender, _receiver) = mpsc::channel(1);
    for revision in [A, B, C, D, E] {
        for method in [method::ROOTS, method::SAMPLE, method::ELICIT] {
            assert_eq!(asked(revision, request(method, &said)).await.unwrap(), seen);
            // The token of who wants to hear is replaced when the question is sent.
            let heard = request(method, &said).reporting(sender.clone());
            assert_eq!(asked(revision, heard).await.unwrap(), seen);
        }
    }
}
