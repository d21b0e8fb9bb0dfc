//! How a modern client is asked, and how long that is waited for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::downstream::park;
use crate::downstream::park::Parking;
use crate::downstream::park::Refused;
use crate::downstream::tests::Bench;
use crate::downstream::tests::ask;
use crate::downstream::tests::id;
use crate::downstream::tests::raw;
use crate::downstream::tests::told;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Reach;
use crate::exchange::principal::Principal;
use crate::ids::CallerId;
use crate::router;
use crate::wire::method;

/// The `requestState` of an answer.
fn state_of(line: &str) -> String {
    let result = raw(line).member("result").expect("a result");
    assert_eq!(result.member("resultType"), Some(raw("\"input_required\"")));
    result.member("requestState").unwrap().string().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_modern_client_is_asked_by_rounds() {
    let mut bench = Bench::new();
    let params = r#"{"name":"t","arguments":{"a":1,"b":[2]},"_meta":{"x":1}}"#;
    bench.rounds(params, |exchange| async move {
        exchange.progress(raw(r#"{"progressToken":9,"progress":1}"#)).await;
        let first = ask(&exchange, &["a", "b"]).await;
        exchange.progress(raw(r#"{"progressToken":9,"progress":2}"#)).await;
        let second = ask(&exchange, &["c"]).await;
        Ok(told(&first.and_then(|first| Ok([first, second?].concat()))))
    });
    assert!(bench.line().await.contains(r#""progressToken":1.0,"progress":1"#));
    let line = bench.line().await;
    let state = state_of(&line);
    let asks = |key| {
        let meta = r#""_meta":{"dev.conflux/upstream":"files"}"#;
        let params = format!(r#"{{"message":"[files] {key}?","x":1.0,{meta}}}"#);
        format!(r#""{key}":{{"method":"elicitation/create","params":{params}}}"#)
    };
    let server = format!(r#"{{"name":"conflux","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    let result = format!(
        r#""resultType":"input_required","inputRequests":{{{},{}}},"requestState":"{state}""#,
        asks("a"),
        asks("b"),
    );
    let meta = format!(r#""_meta":{{"io.modelcontextprotocol/serverInfo":{server}}}"#);
    let expected = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{result},{meta}}}}}"#);
    assert_eq!(line, expected);
    assert!(!bench.flights.contains(&id("1")), "the first request is answered");

    // The same request, written anew; one answer is missing, one was not asked for.
    let again =
        r#"{"requestState":"","inputResponses":{},"arguments":{"b": [2],"a":1},"name":"t"}"#;
    bench.come_back("2", again, &state, &[("a", "{\"n\":1}"), ("z", "0")]).unwrap();
    let line = bench.line().await;
    assert!(line.contains("[files] b?") && !line.contains("[files] a?"), "{line}");
    bench.come_back("3", params, &state_of(&line), &[("b", "2.0")]).unwrap();
    assert!(bench.line().await.contains(r#""progressToken":3.0,"progress":2"#));
    let line = bench.line().await;
    assert!(line.starts_with(r#"{"jsonrpc":"2.0","id":3,"#) && line.contains("[files] c?"));
    bench.come_back("4", params, &state_of(&line), &[("c", "3")]).unwrap();
    let line = bench.line().await;
    let answers = r#"Ok([(\"a\", Ok({\"n\":1})), (\"b\", Ok(2.0)), (\"c\", Ok(3))])"#;
    assert!(line.contains(answers) && line.contains(r#""resultType":"complete""#), "{line}");
    bench.silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_ticket_is_good_for_one_use_by_its_principal_with_its_request() {
    let mut bench = Bench::new();
    let params = r#"{"name":"t","arguments":{"a":1}}"#;
    bench.rounds(params, |exchange| async move { Ok(told(&ask(&exchange, &["a"]).await)) });
    let state = state_of(&bench.line().await);
    let other = r#"{"name":"t","arguments":{"a":2}}"#;
    assert_eq!(bench.come_back("2", other, &state, &[]), Err(Refused::OtherRequest));
    let fingerprint = park::fingerprint(method::TOOLS_CALL, Some(&raw(params)));
    let refused = bench.parking.claim(&Principal::anonymous(), &fingerprint, &state);
    assert_eq!(refused.unwrap_err(), Refused::OtherPrincipal);
    for index in 0..state.len() {
        let mut altered = state.clone().into_bytes();
        altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_eq!(bench.come_back("2", params, &altered, &[]), Err(Refused::Altered), "{index}");
    }
    let another =
        Parking::try_new(64).unwrap().claim(bench.caller.principal(), &fingerprint, &state);
    assert_eq!(another.unwrap_err(), Refused::Altered, "keys differ");
    bench.come_back("2", params, &state, &[("a", "1")]).unwrap();
    assert_eq!(bench.come_back("3", params, &state, &[("a", "1")]), Err(Refused::Used));
    assert!(bench.line().await.contains("Ok(1)"));
    assert_eq!(bench.come_back("3", params, &state, &[("a", "1")]), Err(Refused::Used));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_come_back_in_time_has_cancelled() {
    let mut bench = Bench::new();
    let (ended, mut saw_end) = mpsc::channel(1);
    let params = r#"{"name":"t"}"#;
    bench.rounds(params, |exchange| async move {
        // An upstream may go on without answers, but not without an end.
        drop(ask(&exchange, &["a"]).await);
        exchange.cancelled().cancelled().await;
        ended.send(()).await.unwrap();
        Err(router::Error::Cancelled)
    });
    let state = state_of(&bench.line().await);
    time::sleep(park::EXPIRY + Duration::from_secs(1)).await;
    assert_eq!(bench.come_back("2", params, &state, &[("a", "1")]), Err(Refused::Expired));
    saw_end.recv().await.unwrap();
    bench.silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_result_waits_for_a_client_that_is_away() {
    let mut bench = Bench::new();
    let params = r#"{"name":"t"}"#;
    bench.rounds(params, |exchange| async move {
        let asking = ask(&exchange, &["a"]);
        drop(time::timeout(Duration::from_secs(1), asking).await);
        exchange.log(raw(r#"{"level":"error","data":"nobody hears this"}"#)).await;
        Ok(raw(r#"{"content":[]}"#))
    });
    let state = state_of(&bench.line().await);
    time::sleep(Duration::from_mins(1)).await;
    bench.come_back("2", params, &state, &[("a", "1")]).unwrap();
    let line = bench.line().await;
    assert!(line.starts_with(r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]"#), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_client_can_have_only_so_many_exchanges_parked() {
    let bench = Bench::new();
    let cancel = CancellationToken::new();
    let fingerprint = park::fingerprint("m", None);
    let caller = |principal| {
        let caller = Caller::new(CallerId(1), Arc::default(), Reach::InCallsOnly);
        caller.on_behalf_of(principal)
    };
    let park = |principal| bench.parking.park(&caller(principal), &fingerprint, &cancel);
    let parked: Vec<_> = std::iter::from_fn(|| park(Principal::anonymous())).take(1000).collect();
    assert_eq!(parked.len(), 64);
    assert!(park(Principal::process()).is_some(), "others are not concerned");
    drop(parked);
    assert!(park(Principal::anonymous()).is_some());
}
