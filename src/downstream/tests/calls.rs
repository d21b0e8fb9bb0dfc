//! One call: what is said on its way, in which order, and how it ends.

use std::time::Duration;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use tokio::io::AsyncBufReadExt as _;
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::time;

use crate::downstream::tests::Bench;
use crate::downstream::tests::ask;
use crate::downstream::tests::id;
use crate::downstream::tests::raw;
use crate::downstream::tests::told;
use crate::exchange::Exchange;
use crate::router;
use crate::wire::Raw;
use crate::wire::era::Revision;

#[tokio::test(start_paused = true)]
async fn progress_log_and_result_keep_their_order_and_bytes() {
    let mut bench = Bench::new();
    bench.call(|exchange| async move {
        for step in 0..100 {
            exchange
                .progress(raw(&format!(r#"{{"progressToken":"up", "progress":{step}.0}}"#)))
                .await;
        }
        exchange.log(raw(r#"{"level":"info","data":"dropped"}"#)).await;
        exchange.log(raw(r#"{"level":"error","data":1e2}"#)).await;
        exchange.log(raw(r#"{"level":"novel","data":2}"#)).await;
        Ok(raw(r#"{"n":123456789012345678901234567890, "content":[]}"#))
    });
    for step in 0..100 {
        let params = format!(r#"{{"progressToken":1.0, "progress":{step}.0}}"#);
        let expected =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{params}}}"#);
        assert_eq!(bench.line().await, expected);
    }
    for params in [r#"{"level":"error","data":1e2}"#, r#"{"level":"novel","data":2}"#] {
        let expected =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{params}}}"#);
        assert_eq!(bench.line().await, expected);
    }
    let result = r#"{"n":123456789012345678901234567890, "content":[]}"#;
    let expected = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    assert_eq!(bench.line().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_has_no_answer_and_its_id_is_free() {
    let mut bench = Bench::new();
    let (ended, mut saw_end) = mpsc::channel(1);
    bench.call(|exchange| async move {
        exchange.cancelled().cancelled().await;
        ended.send(()).await.unwrap();
        Err(router::Error::Cancelled)
    });
    time::sleep(Duration::from_millis(1)).await;
    bench.flights.cancel(&id("1"));
    saw_end.recv().await.unwrap();
    assert!(!bench.flights.contains(&id("1")));
    bench.silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ignores_the_end_is_answered_all_the_same() {
    let mut bench = Bench::new();
    bench.call(|_exchange| std::future::pending());
    time::sleep(Duration::from_millis(1)).await;
    bench.flights.cancel_all();
    let expected = concat!(
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"#,
        r#""message":"The request was ended because Conflux is stopping"}}"#
    );
    assert_eq!(bench.line().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_call_only() {
    let mut bench = Bench::new();
    bench.call(|_exchange| async { panic!("on purpose") });
    let expected = concat!(
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"#,
        r#""message":"Conflux failed on this request; please report it with the log"}}"#
    );
    assert_eq!(bench.line().await, expected);
    bench.call(|_exchange| async { Ok(raw("{}")) });
    assert_eq!(bench.line().await, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
}

#[tokio::test(start_paused = true)]
async fn a_legacy_client_is_asked_by_requests_that_name_the_upstream() {
    let mut bench = Bench::new();
    bench.call(|exchange| async move { Ok(told(&ask(&exchange, &["a", "b"]).await)) });
    let first = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":"#,
        r#"{"message":"[files] a?","x":1.0,"_meta":{"dev.conflux/upstream":"files"}}}"#
    );
    assert_eq!(bench.line().await, first);
    assert!(bench.line().await.contains("[files] b?"));
    bench.questions.settle(&id("\"2\""), Ok(raw(r#"{"action":"decline"}"#)));
    bench.questions.settle(&id("1"), Err(raw(r#"{"code":-1,"message":"no"}"#)));
    let expected = concat!(
        r#"{"told":"Ok([(\"a\", Err({\"code\":-1,\"message\":\"no\"})), "#,
        r#"(\"b\", Ok({\"action\":\"decline\"}))])"}"#
    );
    assert_eq!(bench.line().await, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{expected}}}"#));
}

#[tokio::test(start_paused = true)]
async fn a_question_nobody_waits_for_is_taken_back() {
    let mut bench = Bench::new();
    bench.call(|exchange| async move {
        let asking = ask(&exchange, &["a"]);
        assert!(time::timeout(Duration::from_secs(1), asking).await.is_err());
        Ok(raw("{}"))
    });
    assert!(bench.line().await.contains("[files] a?"));
    let mut rest = [bench.line().await, bench.line().await];
    rest.sort();
    assert_eq!(rest[0], r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(
        rest[1],
        concat!(
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":"#,
            r#"{"requestId":1,"reason":"the answer is no longer needed"}}"#
        )
    );
}

/// One second of a call.
#[derive(Clone, Copy, Debug)]
enum Second {
    Progress,
    Ask,
    Succeed,
    Fail,
    Panic,
    /// The client cancels it.
    Cancel,
    /// Its connection ends.
    Leave,
}

fn seconds() -> impl Strategy<Value = Vec<Second>> {
    let second = prop_oneof![
        Just(Second::Progress),
        Just(Second::Ask),
        Just(Second::Succeed),
        Just(Second::Fail),
        Just(Second::Panic),
        Just(Second::Cancel),
        Just(Second::Leave),
    ];
    proptest::collection::vec(second, 0..6)
}

/// What is done upstream; it never ends by itself unless it is told how.
async fn work(exchange: Exchange, seconds: Vec<Second>) -> Result<Raw, router::Error> {
    for second in seconds {
        time::sleep(Duration::from_secs(1)).await;
        match second {
            Second::Progress => exchange.progress(raw(r#"{"progress":1}"#)).await,
            Second::Ask => drop(ask(&exchange, &["a"]).now_or_never()),
            Second::Succeed => return Ok(raw("{}")),
            Second::Fail => return Err(router::Error::UnknownTool("t".to_owned())),
            Second::Panic => panic!("on purpose"),
            Second::Cancel | Second::Leave => {}
        }
    }
    std::future::pending().await
}

async fn check(seconds: Vec<Second>, is_modern: bool) {
    let mut bench = Bench::of(if is_modern { Revision::LATEST } else { Revision::LATEST_LEGACY });
    let upstream = seconds.clone();
    if is_modern {
        drop(bench.rounds("{}", |exchange| work(exchange, upstream)));
    } else {
        bench.call(|exchange| work(exchange, upstream));
    }
    let mut may_be_silent = false;
    let mut is_over = false;
    for second in &seconds {
        time::sleep(Duration::from_secs(1)).await;
        match second {
            Second::Cancel => {
                bench.flights.cancel(&id("1"));
                may_be_silent |= !is_over;
            }
            Second::Leave => bench.flights.cancel_all(),
            Second::Progress | Second::Ask => continue,
            Second::Succeed | Second::Fail | Second::Panic => {}
        }
        is_over = true;
    }
    // Whatever is under way ends with its connection.
    time::sleep(Duration::from_secs(1)).await;
    bench.flights.cancel_all();
    let mut answers = 0;
    let mut line = String::new();
    while time::timeout(Duration::from_mins(1), bench.output.read_line(&mut line)).await.is_ok() {
        answers += usize::from(is_answer(&line));
        line.clear();
    }
    let least = usize::from(!may_be_silent);
    assert!((least..=1).contains(&answers), "{answers} answers: {seconds:?}");
    assert!(bench.flights.is_empty());
}

fn is_answer(line: &str) -> bool {
    line.starts_with(r#"{"jsonrpc":"2.0","id":1,"#) && !line.contains(r#""method""#)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_call_is_answered_once_unless_its_client_cancelled_it(
        seconds in seconds(),
        is_modern: bool,
    ) {
        let runtime =
            runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(check(seconds, is_modern));
    }
}
