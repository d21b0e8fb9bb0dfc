//! However a call goes, it has one answer, is carried out no more often than it may be, and the
//! answer says so if it may have been.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::config::sample;
use crate::upstream::Agreed;
use crate::upstream::Error;
use crate::upstream::Fault;
use crate::upstream::Handle;
use crate::upstream::Need;
use crate::upstream::Tool;
use crate::upstream::connection;
use crate::upstream::connection::Connection;
use crate::upstream::connection::OUTGOING_CAPACITY;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::incoming::Incoming;
use crate::upstream::session::Session;
use crate::upstream::state::Phase;
use crate::upstream::state::State;
use crate::upstream::tests::LIMIT;
use crate::upstream::tests::around;
use crate::upstream::tests::caller;
use crate::upstream::tests::exchange;
use crate::upstream::tests::gate;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::frame::Message;
use crate::wire::meta;
use crate::wire::method;

/// How long a start takes.
const START: Duration = Duration::from_secs(2);

/// What happens to a call that was delivered; after the last of these it is answered.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// It is answered.
    Answer,
    /// It is answered twice.
    AnswerTwice,
    /// It is answered when nobody waits any more.
    AnswerLate,
    /// A call that nobody made is answered.
    AnswerAnother,
    /// Nothing happens any more.
    Silence,
    /// The upstream says how far it is.
    Progress,
    /// The client no longer wants the answer.
    Cancel,
    /// The session is not known any more.
    LostSession,
    /// It is refused for a moment.
    TooMany,
    /// The upstream fails at it.
    Failure,
    /// Its answer breaks off.
    Cut,
    /// The upstream ends.
    End,
    /// Nobody is there any more.
    Away,
}

/// What happened.
#[derive(Debug, Default)]
struct Story {
    events: VecDeque<Event>,
    /// How many calls came.
    delivered: u64,
    /// How many of them may have been carried out.
    executed: u64,
    connections: Vec<Connection>,
}

type Shared = Arc<Mutex<Story>>;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        Just(Event::Answer),
        Just(Event::AnswerTwice),
        Just(Event::AnswerLate),
        Just(Event::AnswerAnother),
        Just(Event::Silence),
        Just(Event::Progress),
        Just(Event::Cancel),
        Just(Event::LostSession),
        Just(Event::TooMany),
        Just(Event::Failure),
        Just(Event::Cut),
        Just(Event::End),
        Just(Event::Away),
    ];
    proptest::collection::vec(event, 0..6)
}

/// An upstream that takes a minute to fail a call.
fn configured() -> Arc<config::Upstream> {
    static CONFIG: OnceLock<Arc<config::Upstream>> = OnceLock::new();
    Arc::clone(CONFIG.get_or_init(|| Arc::new(sample::upstream("{ command: none }"))))
}

/// Opens a session whenever one is wished for, and lets happen in it what is to happen.
async fn actor(
    mut wishes: mpsc::Receiver<()>,
    state: watch::Sender<Phase>,
    around: connection::Surroundings,
    story: Shared,
    client: CancellationToken,
) {
    while wishes.recv().await.is_some() {
        state.send_modify(|phase| phase.enter(State::Starting));
        time::sleep(START).await;
        let (outgoing, queue) = mpsc::channel(OUTGOING_CAPACITY);
        let connection = Connection::new(outgoing, &around);
        story.lock().unwrap().connections.push(connection.clone());
        let capabilities = Raw::of(&json!({}));
        let agreed = Agreed { revision: Revision::V2025_11_25, capabilities, instructions: None };
        let session = Session::new(connection.clone(), agreed);
        state.send_modify(|phase| phase.enter(State::Ready(Arc::new(session))));
        serve(&connection, queue, &story, &client).await;
        let error = connection.why_left();
        let error = error.unwrap_or_else(|| connection.error(Kind::Ended, "", Executed::No));
        drop(connection.ended().set(error.clone()));
        let until = Instant::now() + START;
        state.send_modify(|phase| phase.enter(State::BackingOff { error, until }));
    }
}

/// Takes calls until the session ends.
async fn serve(
    connection: &Connection,
    mut queue: mpsc::Receiver<Message>,
    story: &Shared,
    client: &CancellationToken,
) {
    loop {
        let message = tokio::select! {
            message = queue.recv() => message,
            () = connection.left().cancelled() => return,
            () = connection.closed().cancelled() => return,
        };
        let Some(Message::Request(request)) = message else { continue };
        assert_eq!(request.method, method::TOOLS_CALL);
        let number = request.id.as_number().unwrap();
        let count = {
            let mut story = story.lock().unwrap();
            story.delivered += 1;
            story.delivered
        };
        let next = || story.lock().unwrap().events.pop_front().unwrap_or(Event::Answer);
        while happen(next(), connection, number, count, client, story).await {}
    }
}

/// Lets one thing happen to a call; returns whether more follows.
async fn happen(
    event: Event,
    connection: &Connection,
    number: u64,
    count: u64,
    client: &CancellationToken,
    story: &Shared,
) -> bool {
    let answer = |number, result: &str| {
        connection.finish(number, Incoming::Answer(Ok(Raw::parse(result.to_owned()).unwrap())));
    };
    let fail = |error| connection.finish(number, Incoming::Failed(error));
    let error = |kind, executed| connection.error(kind, "as told", executed);
    let leave = |error: Error| {
        connection.leave(&error);
        fail(error);
    };
    let goes_on = matches!(event, Event::AnswerAnother | Event::Progress | Event::Cancel);
    let is_refused = matches!(event, Event::LostSession | Event::TooMany | Event::Away);
    if !goes_on && !is_refused {
        story.lock().unwrap().executed += 1;
    }
    match event {
        Event::Answer => answer(number, &count.to_string()),
        Event::AnswerTwice => {
            answer(number, &count.to_string());
            answer(number, "\"again\"");
        }
        Event::AnswerLate => {
            let connection = connection.clone();
            connection.tasks().clone().spawn(async move {
                time::sleep(LIMIT * 2).await;
                let late = Raw::parse("\"late\"".to_owned()).unwrap();
                connection.finish(number, Incoming::Answer(Ok(late)));
            });
        }
        Event::AnswerAnother => answer(number + 1000, "\"another\""),
        Event::Silence => {}
        Event::Progress => {
            let params = Raw::of(&json!({ meta::PROGRESS_TOKEN: number, "progress": count }));
            connection.tell(number, Incoming::Progress(params)).await;
        }
        Event::Cancel => client.cancel(),
        Event::LostSession => leave(error(Kind::ConnectionLost, Executed::No)),
        Event::TooMany => {
            let retry_after = Some(START);
            fail(Error { retry_after, ..error(Kind::Status(429), Executed::No) });
        }
        Event::Failure => fail(error(Kind::Status(502), Executed::Unknown)),
        Event::Cut => fail(error(Kind::ConnectionLost, Executed::Unknown)),
        Event::End => connection.close(),
        Event::Away => leave(error(Kind::Unreachable, Executed::No)),
    }
    goes_on
}

async fn call(handle: &Handle, may_repeat: bool, client: &CancellationToken) -> Result<Raw, Fault> {
    let (exchange, mut back) = exchange(&caller(1, &json!({})));
    let cancelled = exchange.cancelled().clone();
    let client = client.clone();
    let tasks = TaskTracker::new();
    let leaves = tasks.spawn(async move {
        client.cancelled().await;
        cancelled.cancel();
    });
    let hears = tasks.spawn(async move { while back.recv().await.is_some() {} });
    let params = Raw::of(&json!({ "name": "t" }));
    let noted = AtomicU32::new(0);
    let tool = Tool { name: "t", need: Need::None, may_repeat, timeout: None, noted: &noted };
    let outcome = handle.call(&params, &exchange, tool).await;
    leaves.abort();
    drop(exchange);
    hears.await.unwrap();
    outcome
}

/// An upstream in which these things happen.
struct World {
    handle: Handle,
    story: Shared,
    client: CancellationToken,
}

/// Makes the world; within a runtime, with which it ends.
fn world(events: Vec<Event>) -> World {
    let story = Shared::default();
    story.lock().unwrap().events = events.into();
    let (commands, wishes) = mpsc::channel(1);
    let (sender, state) = watch::channel(Phase::first());
    let (gate, client) = (gate(), CancellationToken::new());
    let handle = Handle::acted(configured(), commands, state, gate.clone());
    let around = around(gate);
    let tasks = around.tasks.clone();
    tasks.spawn(actor(wishes, sender, around, Arc::clone(&story), client.clone()));
    World { handle, story, client }
}

async fn check(events: Vec<Event>, may_repeat: bool) {
    let World { handle, story, client } = world(events);
    let begun = Instant::now();
    let outcome = call(&handle, may_repeat, &client).await;
    assert!(begun.elapsed() <= LIMIT + Duration::from_secs(2), "{:?}", begun.elapsed());
    let (delivered, executed) = {
        let story = story.lock().unwrap();
        (story.delivered, story.executed)
    };
    assert!(delivered <= 2 && executed <= if may_repeat { 2 } else { 1 }, "{executed} times");
    match outcome {
        // It is the answer to the last call that was delivered.
        Ok(result) => assert_eq!(result.get(), delivered.to_string()),
        Err(Fault::Failed(error)) if error.executed == Executed::No => {
            assert_eq!(executed, 0, "{error}");
        }
        Err(Fault::Failed(error)) => assert!(delivered > 0, "{error}"),
        Err(Fault::Cancelled) => assert!(client.is_cancelled()),
        Err(Fault::Answered(error)) => panic!("nobody answered {}", error.get()),
    }
    for connection in &story.lock().unwrap().connections {
        assert_eq!(connection.only_number(), None, "it is still under way");
    }

    // What is still said of it is nobody's, and the next call is one like any other.
    time::sleep(LIMIT * 3).await;
    story.lock().unwrap().events.clear();
    let delivered = story.lock().unwrap().delivered;
    let next = call(&handle, false, &CancellationToken::new()).await.unwrap();
    assert_eq!(next.get(), (delivered + 1).to_string());
}

/// Runs in a time of its own, which passes when nothing else happens.
fn run(test: impl Future<Output = ()>) {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_call_has_one_answer_and_is_carried_out_once(events in events(), may_repeat: bool) {
        run(check(events, may_repeat));
    }
}

#[test]
fn what_failed_in_passing_is_answered_all_the_same() {
    for (event, plain) in [
        (Event::LostSession, true),
        (Event::TooMany, true),
        (Event::Away, true),
        (Event::Failure, false),
        (Event::Cut, false),
        (Event::End, false),
    ] {
        for may_repeat in [false, true] {
            run(async move {
                let World { handle, client, .. } = world(vec![event]);
                let outcome = call(&handle, may_repeat, &client).await;
                assert_eq!(outcome.is_ok(), plain || may_repeat, "{event:?}: {outcome:?}");
            });
        }
    }
}
