//! What a stream remembers, and for whom; how a quiet one is kept alive.

use std::sync::Arc;
use std::time::Duration;

use crate::downstream::http::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::downstream::flights::Flights;
use crate::downstream::http::replay::Absence;
use crate::downstream::http::replay::Position;
use crate::downstream::http::replay::Reader;
use crate::downstream::http::replay::Replay;
use crate::downstream::http::status;
use crate::downstream::http::stream;
use crate::downstream::http::stream::HangUp;
use crate::downstream::http::stream::Source;
use crate::downstream::outbox::Kind;
use crate::downstream::outbox::Outbox;
use crate::downstream::outbox::Verdict;
use crate::wire::Id;
use crate::wire::code;
use crate::wire::sse;

/// Longer than anything here may take; time is paused, so it costs nothing.
const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER: Kind = Kind::Answer(Verdict::Done);

/// A stream and the way into it.
struct Bench {
    outbox: Outbox,
    replay: Arc<Replay>,
    tasks: TaskTracker,
}

impl Bench {
    fn new(absence: Absence) -> Self {
        let (outbox, outgoing) = Outbox::channel();
        let (replay, tasks) = (Replay::new(3, absence), TaskTracker::new());
        tasks.spawn(Arc::clone(&replay).follow(None, outgoing));
        Self { outbox, replay, tasks }
    }

    async fn say(&self, kind: Kind, text: &str) {
        assert!(self.outbox.push(kind, text.as_bytes().to_vec().into()).await);
    }

    /// Waits until everything said so far is in the stream.
    async fn settle(&self) {
        time::sleep(Duration::from_millis(1)).await;
    }
}

async fn text(reader: &mut Reader) -> Option<String> {
    let next = time::timeout(PATIENCE, reader.next()).await.expect("an event, or the end");
    next.map(|(_, frame)| String::from_utf8(frame.to_vec()).unwrap())
}

async fn rest(reader: &mut Reader) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(text) = text(reader).await {
        all.push(text);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_gets_what_followed() {
    let bench = Bench::new(Absence::Remembers);
    let mut first = bench.replay.read(None);
    for event in ["a", "b", "c"] {
        bench.say(Kind::News, event).await;
    }
    assert_eq!(text(&mut first).await.as_deref(), Some("a"));
    let known = first.position();
    assert_eq!(known.to_string(), "3-1");
    assert_eq!(text(&mut first).await.as_deref(), Some("b"));
    drop(first);
    bench.say(ANSWER, "d").await;
    let mut again = bench.replay.read(Some(known.event));
    assert_eq!(rest(&mut again).await, ["b", "c", "d"]);
    // And once more, as often as it likes.
    assert_eq!(rest(&mut bench.replay.read(Some(2))).await, ["c", "d"]);
    assert_eq!(rest(&mut bench.replay.read(None)).await, [""; 0]);
    assert!(bench.replay.is_over() && bench.replay.is_handed());
}

#[tokio::test(start_paused = true)]
async fn a_new_reader_ends_the_one_before() {
    let bench = Bench::new(Absence::Remembers);
    let mut first = bench.replay.read(None);
    bench.say(Kind::Word, "a").await;
    let mut second = bench.replay.read(None);
    assert_eq!(text(&mut first).await, None);
    assert!(first.is_outdated() && !second.is_outdated());
    drop(first);
    assert_eq!(text(&mut second).await.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn without_a_reader_news_give_way_and_nothing_else_does() {
    let bench = Bench::new(Absence::Remembers);
    bench.say(Kind::Word, "question").await;
    for step in 0..1000 {
        bench.say(Kind::News, &step.to_string()).await;
    }
    bench.say(ANSWER, "answer").await;
    bench.settle().await;
    let kept = rest(&mut bench.replay.read(None)).await;
    assert_eq!(kept.len(), 256);
    assert_eq!((kept[0].as_str(), kept[255].as_str()), ("question", "answer"));
    assert_eq!((kept[1].as_str(), kept[254].as_str()), ("746", "999"));
}

#[tokio::test(start_paused = true)]
async fn large_events_count_by_their_size() {
    let bench = Bench::new(Absence::Remembers);
    let large = "x".repeat(400 * 1024);
    for _ in 0..5 {
        bench.say(Kind::News, &large).await;
    }
    bench.say(Kind::Word, &large).await;
    bench.say(Kind::Word, &large).await;
    bench.say(ANSWER, &large.repeat(4)).await;
    bench.settle().await;
    assert_eq!(rest(&mut bench.replay.read(None)).await.len(), 3, "what must arrive");
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_out_gives_way_first() {
    let bench = Bench::new(Absence::Remembers);
    let mut reader = bench.replay.read(None);
    for step in 0..300 {
        bench.say(Kind::Word, &step.to_string()).await;
        assert_eq!(text(&mut reader).await, Some(step.to_string()));
    }
    drop(reader);
    bench.say(Kind::News, "news").await;
    bench.settle().await;
    let mut again = bench.replay.read(Some(0));
    assert_eq!(text(&mut again).await.as_deref(), Some("45"), "300 and one, of which 256 are kept");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_waited_for_and_a_lost_one_is_not() {
    let bench = Bench::new(Absence::Remembers);
    let mut reader = bench.replay.read(None);
    let flood = async {
        for step in 0..1000 {
            bench.say(Kind::News, &step.to_string()).await;
        }
    };
    assert!(time::timeout(PATIENCE, flood).await.is_err(), "nothing is lost");
    for step in 0..64 {
        assert_eq!(text(&mut reader).await, Some(step.to_string()));
    }
    drop(reader);
    let flood = async {
        for step in 0..1000 {
            bench.say(Kind::News, &step.to_string()).await;
        }
    };
    time::timeout(PATIENCE, flood).await.expect("nobody is waited for");
}

#[tokio::test(start_paused = true)]
async fn what_can_wait_elsewhere_waits_there() {
    let bench = Bench::new(Absence::Waits);
    bench.say(Kind::News, "a").await;
    bench.settle().await;
    assert_eq!(bench.replay.bytes(), 0);
    let mut reader = bench.replay.read(None);
    assert_eq!(text(&mut reader).await.as_deref(), Some("a"));
    drop(reader);
    bench.say(Kind::Word, "b").await;
    bench.outbox.close();
    bench.replay.end();
    bench.tasks.close();
    time::timeout(PATIENCE, bench.tasks.wait()).await.expect("the end wakes whoever waits");
}

#[test]
fn a_position_is_read_as_it_is_written() {
    let position = Position { stream: 12, event: 345 };
    assert_eq!(Position::parse(&position.to_string()), Some(position));
    for wrong in ["", "-", "1", "1-", "-1", "1-x", "1-2-3", "99999999999999999999-1"] {
        assert_eq!(Position::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_verdict_has_the_status_of_its_era() {
    use Verdict::Done;
    use Verdict::Failed;
    use Verdict::Refused;
    let table = [
        (Done, 200, 200),
        (Failed(code::INVALID_PARAMS), 200, 200),
        (Failed(code::INTERNAL_ERROR), 200, 200),
        (Failed(code::METHOD_NOT_FOUND), 404, 200),
        (Failed(code::MISSING_CLIENT_CAPABILITY), 400, 200),
        (Refused(code::METHOD_NOT_FOUND), 404, 200),
        (Refused(code::INVALID_PARAMS), 400, 200),
        (Refused(code::INVALID_REQUEST), 400, 200),
        (Refused(code::UNSUPPORTED_VERSION), 400, 200),
        (Refused(code::INTERNAL_ERROR), 429, 200),
        (Refused(code::PARSE_ERROR), 400, 400),
    ];
    for (verdict, modern, legacy) in table {
        assert_eq!(status::modern(verdict), modern, "{verdict:?}");
        assert_eq!(status::legacy(verdict), legacy, "{verdict:?}");
    }
}

/// Says so many things, each after so long a silence, and then nothing.
struct Slow {
    silence: Duration,
    left: usize,
}

impl Source for Slow {
    async fn next(&mut self) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        time::sleep(self.silence).await;
        self.left -= 1;
        Some(Bytes::from_static(b"data: x\n\n"))
    }
}

async fn said(response: Response) -> String {
    let body = response.into_body().collect();
    let body = time::timeout(10 * PATIENCE, body).await.expect("it ends").unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_kept_alive_and_a_busy_one_needs_nothing() {
    let (interval, little) = (stream::KEEP_ALIVE_INTERVAL, Duration::from_millis(1));
    let busy = Slow { silence: interval.checked_sub(little).unwrap(), left: 3 };
    assert_eq!(said(stream::events(busy)).await, "data: x\n\n".repeat(3));
}

#[tokio::test(start_paused = true)]
async fn a_response_begins_after_a_moment_and_is_kept_alive_until_its_answer() {
    let started = Instant::now();
    let (outbox, outgoing) = Outbox::channel();
    let (flights, id) = (Arc::new(Flights::new(1)), Id::number(1));
    let cancel = CancellationToken::new();
    let flight = flights.board(&id, &cancel).unwrap();
    let response = stream::respond(outgoing, HangUp::new(&flights, &id)).await;
    assert_eq!(started.elapsed(), stream::FIRST_LIMIT);
    let mut body = response.into_body();
    for _ in 0..3 {
        let before = Instant::now();
        let comment = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(comment, sse::KEEP_ALIVE);
        assert!(comment.starts_with(b":") && comment.ends_with(b"\n\n"), "it is a comment");
        assert_eq!(before.elapsed(), stream::KEEP_ALIVE_INTERVAL);
    }
    assert!(flight.land());
    outbox.push(ANSWER, b"{}".to_vec().into()).await;
    let answer = body.collect().await.unwrap().to_bytes();
    assert_eq!(answer, "data: {}\n\n");
    assert!(!cancel.is_cancelled(), "it was answered");
}
