//! What the room promises: whole conversations from files, and the parts that need an upstream.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::downstream::Limits;
use crate::downstream::Service;
use crate::downstream::asks::Questions;
use crate::downstream::call;
use crate::downstream::call::Reply;
use crate::downstream::call::Stream;
use crate::downstream::codes;
use crate::downstream::fit;
use crate::downstream::flights::Flights;
use crate::downstream::level::Level;
use crate::downstream::level::Wanted;
use crate::downstream::lines;
use crate::downstream::outbox;
use crate::downstream::outbox::Outbox;
use crate::downstream::park;
use crate::downstream::park::Parking;
use crate::downstream::park::Refused;
use crate::downstream::park::Resume;
use crate::downstream::pipes;
use crate::downstream::rounds::Rounds;
use crate::downstream::shutdown::Shutdown;
use crate::downstream::stdio;
use crate::downstream::stdio::End;
use crate::downstream::watches::Watches;
use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::ask::Answers;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Principal;
use crate::exchange::caller::Reach;
use crate::exchange::mailbox::ListKind;
use crate::exchange::mailbox::Topic;
use crate::ids::CallerId;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::router;
use crate::router::Router;
use crate::router::World;
use crate::upstream;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;
use indexmap::IndexMap;

/// Longer than anything here may take; time is paused, so it costs nothing.
const PATIENCE: Duration = Duration::from_secs(30);

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned()).unwrap()
}

fn id(text: &str) -> Id {
    Id::parse(raw(text)).unwrap()
}

/// A client of a revision that declared nothing.
fn client(revision: Revision) -> Capabilities {
    Capabilities::parse(None, revision)
}

fn files() -> UpstreamId {
    UpstreamId::new("files")
}

// Conversations.

/// A client in front of a front end.
struct Client {
    input: DuplexStream,
    output: BufReader<DuplexStream>,
    serving: JoinHandle<Result<End, crate::downstream::Error>>,
    shutdown: Shutdown,
    opened: Arc<Mutex<Vec<Arc<Caller>>>>,
    answers: Option<JoinHandle<Result<Answers, Refusal>>>,
}

impl Client {
    fn start() -> Self {
        let opened: Arc<Mutex<Vec<Arc<Caller>>>> = Arc::default();
        let told = Arc::clone(&opened);
        let limits = Limits { message: 4000, in_flight: 4 };
        let service = Service::try_new(
            router(),
            Callers::default(),
            Principal::Process,
            limits,
            move |caller| {
                told.lock().unwrap().push(Arc::clone(caller));
            },
        );
        let (input, reader) = tokio::io::duplex(64 * 1024);
        let (writer, output) = tokio::io::duplex(64 * 1024);
        let shutdown = Shutdown::default();
        let serving = stdio::serve(service.unwrap(), reader, writer, shutdown.clone());
        #[expect(clippy::disallowed_methods, reason = "the test itself waits for it")]
        let serving = tokio::spawn(serving);
        let output = BufReader::new(output);
        Self { input, output, serving, shutdown, opened, answers: None }
    }

    async fn send(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        next_line(&mut self.output).await
    }

    /// Waits until everything sent so far has been looked at.
    async fn settle(&self) {
        time::sleep(Duration::from_millis(1)).await;
    }

    fn caller(&self) -> Arc<Caller> {
        Arc::clone(self.opened.lock().unwrap().last().unwrap())
    }

    async fn act(&mut self, what: &str) {
        let (what, rest) = what.split_once(' ').unwrap_or((what, ""));
        self.settle().await;
        match what {
            "stop" => self.shutdown.begin(),
            // What was sent before has had its effects.
            "settle" => {}
            "changed" => self.caller().mailbox().list_changed(match rest {
                "tools" => ListKind::Tools,
                "prompts" => ListKind::Prompts,
                _ => ListKind::Resources,
            }),
            "updated" => {
                let (caller, uri) = (self.caller(), Raw::of(rest));
                let topic = Topic::Resource(rest.to_owned());
                caller.mailbox().claim(&files(), &topic, uri.clone()).unwrap().keep(());
                caller.mailbox().updated(&files(), &uri);
            }
            "log" => self.caller().mailbox().log(raw(rest)),
            "ask" => {
                let request = InputRequest::parse(method::ROOTS, Some(raw(rest))).unwrap();
                let caller = self.caller();
                let asking =
                    async move { caller.ask(&files(), vec![("it".to_owned(), request)]).await };
                #[expect(clippy::disallowed_methods, reason = "the test itself waits for it")]
                let asking = tokio::spawn(asking);
                self.answers = Some(asking);
            }
            "answered" => {
                let answers = self.answers.take().unwrap().await.unwrap();
                assert_eq!(format!("{answers:?}"), rest);
            }
            other => panic!("unknown step `{other}`"),
        }
    }

    /// Closes the client's end; nothing may be left unsaid, and the front end must end.
    async fn finish(mut self) {
        self.settle().await;
        let expected = if self.shutdown.has_begun() { End::Stopped } else { End::Closed };
        drop(self.input);
        let end = time::timeout(PATIENCE, self.serving).await.expect("it must end");
        assert_eq!(end.unwrap().unwrap(), expected);
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "", "nothing more was expected");
    }
}

/// The data plane without upstreams.
fn router() -> Arc<Router> {
    let generation = Generation::default();
    let world = World { generation, upstreams: IndexMap::new(), max_name_length: 50 };
    let router = Router::new(world, &IndexMap::new(), Callers::default(), Duration::ZERO);
    router.settle(true);
    Arc::new(router)
}

async fn next_line(output: &mut BufReader<DuplexStream>) -> String {
    let mut line = String::new();
    let read = time::timeout(PATIENCE, output.read_line(&mut line)).await;
    read.expect("an answer is due").unwrap();
    line.trim_end_matches('\n').to_owned()
}

/// Plays `tests/data/wire/{name}.txt`: `>` the client says, `<` the front end must say, exactly.
async fn converse(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire");
    let text = fs::read_to_string(root.join(format!("{name}.txt"))).unwrap();
    let extensions = concat!(
        r#"{"io.modelcontextprotocol/skills":{"directoryRead":true},"#,
        r#""io.modelcontextprotocol/ui":{}}"#
    );
    let text = text.replace("${extensions}", extensions);
    let text =
        text.replace("${version}", env!("CARGO_PKG_VERSION")).replace("${5000}", &"x".repeat(5000));
    let mut client = Client::start();
    for (number, line) in text.lines().enumerate() {
        let at = format!("{name}.txt:{}", number + 1);
        match line.split_at(1.min(line.len())) {
            (">", message) => client.send(message.trim_start()).await,
            ("<", expected) => assert_eq!(client.line().await, expected.trim_start(), "{at}"),
            ("!", " again") => {
                client.finish().await;
                client = Client::start();
            }
            ("!", step) => client.act(step.trim_start()).await,
            ("#", _) => {}
            _ => panic!("{at}: what is this?"),
        }
    }
    client.finish().await;
}

macro_rules! conversations {
    ($($name:ident)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            converse(stringify!($name)).await;
        }
    )*};
}

conversations! {
    batches
    legacy_before_initialize
    legacy_handshakes
    legacy_notices
    listen
    malformed
    modern
    tasks
    tasks_before
    too_long
}

#[test]
fn every_conversation_is_played() {
    let source = include_str!("tests.rs");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire");
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(source.contains(&format!("\n    {name}\n")), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_client_is_announced_once_with_its_own_capabilities() {
    let mut client = Client::start();
    let modern = r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}}"#;
    for _ in 0..2 {
        client.send(&modern.replace('\n', "")).await;
        assert!(client.line().await.contains("supportedVersions"));
    }
    client.settle().await;
    assert_eq!(client.opened.lock().unwrap().len(), 1);
    assert_eq!(client.caller().capabilities().raw(), Some(&raw(r#"{"sampling":{}}"#)));
    client
        .send(
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":
                "2025-06-18","capabilities":{"roots":{}}}}"#
                .replace('\n', "")
                .as_str(),
        )
        .await;
    assert!(client.line().await.contains("2025-06-18"));
    client.settle().await;
    assert_eq!(client.opened.lock().unwrap().len(), 2);
    assert_eq!(client.caller().capabilities().raw(), Some(&raw(r#"{"roots":{}}"#)));
    client.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_holds_up_nobody_else_and_no_shutdown() {
    let mut client = Client::start();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let flood = async {
        loop {
            client.send(ping).await;
        }
    };
    assert!(time::timeout(PATIENCE, flood).await.is_err(), "memory must be bounded");
    client.shutdown.begin();
    let end = time::timeout(PATIENCE, client.serving).await.expect("it must end");
    assert_eq!(end.unwrap().unwrap(), End::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_ends_the_conversation() {
    let mut client = Client::start();
    drop(client.output);
    for _ in 0..3 {
        let ping = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
        drop(client.input.write_all(ping.as_bytes()).await);
    }
    let end = time::timeout(PATIENCE, client.serving).await.expect("it must end");
    assert_eq!(end.unwrap().unwrap(), End::Closed);
}

/// A front end with the client of an SDK in front of it.
async fn sdk_client(
    lifecycle: rmcp::ClientLifecycleMode,
) -> (rmcp::service::RunningService<rmcp::RoleClient, ()>, Client) {
    let mut client = Client::start();
    let (input, _) = tokio::io::duplex(1);
    let (output, _) = tokio::io::duplex(1);
    let input = std::mem::replace(&mut client.input, input);
    let output = std::mem::replace(&mut client.output, BufReader::new(output));
    let serving = rmcp::serve_client_with_lifecycle((), (output, input), lifecycle).await;
    (serving.unwrap(), client)
}

#[tokio::test]
async fn a_legacy_client_of_the_sdk_is_served() {
    let (sdk, client) = sdk_client(rmcp::ClientLifecycleMode::Initialize).await;
    let server = sdk.peer_info().unwrap();
    assert_eq!(server.server_info.as_ref().unwrap().name, "conflux");
    assert!(server.capabilities.tools.is_some());
    sdk.cancel().await.unwrap();
    assert_eq!(client.serving.await.unwrap().unwrap(), End::Closed);
}

#[tokio::test]
async fn a_modern_client_of_the_sdk_is_served() {
    let lifecycle = rmcp::ClientLifecycleMode::Auto {
        preferred_versions: vec![rmcp::model::ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let (sdk, client) = sdk_client(lifecycle).await;
    let server = sdk.peer_info().unwrap();
    assert_eq!(server.protocol_version.as_str(), "2026-07-28");
    let mut filter = rmcp::model::SubscriptionFilter::default();
    filter.tools_list_changed = Some(true);
    let mut subscription = sdk.listen(filter.clone()).await.unwrap();
    assert_eq!(*subscription.acknowledged(), filter);
    client.caller().mailbox().list_changed(ListKind::Tools);
    let told = subscription.next().await.unwrap();
    assert!(matches!(told, Some(rmcp::model::ServerNotification::ToolListChangedNotification(_))));
    client.shutdown.begin();
    assert!(subscription.next().await.unwrap().is_none(), "it must end in order");
    assert_eq!(client.serving.await.unwrap().unwrap(), End::Stopped);
}

// Calls.

/// Everything one call needs, without a router.
struct Bench {
    outbox: Outbox,
    output: BufReader<DuplexStream>,
    flights: Arc<Flights>,
    questions: Arc<Questions>,
    parking: Arc<Parking>,
    caller: Arc<Caller>,
    tasks: TaskTracker,
}

impl Bench {
    fn new() -> Self {
        Self::of(Revision::LATEST_LEGACY)
    }

    /// With a client of this revision.
    fn of(revision: Revision) -> Self {
        let tasks = TaskTracker::new();
        let (writer, output) = tokio::io::duplex(64 * 1024);
        let (outbox, outgoing) = Outbox::channel();
        tasks.spawn(lines::write(outgoing, writer));
        let declared = r#"{"roots":{},"elicitation":{},"sampling":{}}"#;
        let capabilities = Arc::new(Capabilities::parse(Some(raw(declared)), revision));
        Self {
            questions: Arc::new(Questions::new(tasks.clone())),
            outbox,
            output: BufReader::new(output),
            flights: Arc::new(Flights::new(8)),
            parking: Arc::new(Parking::try_new(64).unwrap()),
            caller: Arc::new(Caller::new(CallerId(7), capabilities, Reach::Anytime)),
            tasks,
        }
    }

    fn exchange(&self) -> (Exchange, mpsc::Receiver<Back>) {
        self.exchange_in(self.caller.capabilities().revision())
    }

    fn exchange_in(&self, revision: Revision) -> (Exchange, mpsc::Receiver<Back>) {
        let declared = self.caller.capabilities().raw().cloned();
        let capabilities = Arc::new(Capabilities::parse(declared, revision));
        Exchange::new(Arc::clone(&self.caller), capabilities, Wishes::default())
    }

    fn stream(&self, name: &str, cancel: &CancellationToken) -> Stream {
        Stream {
            flight: self.flights.board(&id(name), cancel).unwrap(),
            reply: Reply::to(&self.outbox),
            progress_token: Some(raw(&format!("{name}.0"))),
            logs: Wanted::From(Level::Warning),
        }
    }

    /// Runs a legacy call whose work is `work`.
    fn call<F>(&self, work: impl FnOnce(Exchange) -> F)
    where
        F: Future<Output = Result<Raw, router::Error>> + Send + 'static,
    {
        let (exchange, way_back) = self.exchange();
        let stream = self.stream("1", exchange.cancelled());
        let questions = Arc::clone(&self.questions);
        let work = work(exchange.clone());
        self.tasks.spawn(async move {
            let method = method::TOOLS_CALL;
            call::run(stream, method, &exchange, way_back, &questions, work).await;
        });
    }

    /// Runs a modern call whose work is `work`.
    fn rounds<F>(&self, params: &str, work: impl FnOnce(Exchange) -> F) -> CancellationToken
    where
        F: Future<Output = Result<Raw, router::Error>> + Send + 'static,
    {
        let (exchange, way_back) = self.exchange_in(Revision::LATEST);
        let cancel = exchange.cancelled().clone();
        let stream = self.stream("1", &cancel);
        let work = work(exchange.clone());
        let rounds = Rounds {
            parking: Arc::clone(&self.parking),
            method: method::TOOLS_CALL.to_owned(),
            params: Some(raw(params)),
            exchange,
        };
        self.tasks.spawn(async move { rounds.run(stream, way_back, work).await });
        cancel
    }

    /// Comes back as the request `name` with a ticket and answers.
    fn come_back(
        &self,
        name: &str,
        params: &str,
        state: &str,
        responses: &[(&str, &str)],
    ) -> Result<(), Refused> {
        let fingerprint = park::fingerprint(method::TOOLS_CALL, Some(&raw(params)));
        let claim = self.parking.claim(self.caller.principal(), &fingerprint, state)?;
        let stream = self.stream(name, &claim.cancel);
        let response = |(key, text): &(&str, &str)| ((*key).to_owned(), raw(text));
        let responses = responses.iter().map(response).collect();
        assert!(claim.resume(Resume { stream, responses }).is_none());
        Ok(())
    }

    async fn line(&mut self) -> String {
        next_line(&mut self.output).await
    }

    /// Nothing more is said, whatever time passes.
    async fn silence(&mut self) {
        let mut byte = [0];
        let read = time::timeout(park::EXPIRY * 2, self.output.read(&mut byte)).await;
        assert!(read.is_err(), "nothing more was expected");
    }
}

fn question(method: &str, params: &str) -> InputRequest {
    InputRequest::parse(method, Some(raw(params))).unwrap()
}

async fn ask(exchange: &Exchange, keys: &[&str]) -> Result<Answers, Refusal> {
    let request = |key: &&str| {
        ((*key).to_owned(), question(method::ELICIT, &format!(r#"{{"message":"{key}?","x":1.0}}"#)))
    };
    exchange.ask(&files(), keys.iter().map(request).collect()).await
}

/// What was asked and answered, as a result.
fn told(answers: &Result<Answers, Refusal>) -> Raw {
    raw(&format!(r#"{{"told":{}}}"#, Raw::of(&format!("{answers:?}")).get()))
}

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

// Rounds.

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
    let refused = bench.parking.claim(Principal::Anonymous, &fingerprint, &state);
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
    let parked: Vec<_> = std::iter::from_fn(|| park(Principal::Anonymous)).take(1000).collect();
    assert_eq!(parked.len(), 64);
    assert!(park(Principal::Process).is_some(), "others are not concerned");
    drop(parked);
    assert!(park(Principal::Anonymous).is_some());
}

// Words.

fn failure(kind: Kind, executed: Executed) -> router::Error {
    router::Error::Upstream(upstream::Error {
        upstream: UpstreamId::new("github"),
        kind,
        detail: "exit status 1".to_owned(),
        executed,
        stderr: vec!["Error: no token".to_owned(), "  at main".to_owned()],
        retry_after: Some(Duration::from_millis(1500)),
    })
}

#[test]
fn a_failed_upstream_is_a_tool_result_or_an_error() {
    let error = failure(Kind::Exited, Executed::No);
    let tool = codes::outcome(&error, &client(Revision::V2025_11_25), method::TOOLS_CALL).unwrap();
    let text = concat!(
        r"`github` exited before it was ready: exit status 1.",
        r"\n\nstderr:\n  Error: no token\n    at main\n\nWhat to do: ",
        r"start its command by hand to see why; `conflux check --connect` shows more.",
    );
    let data = r#"{"upstream":"github","kind":"exited","executed":"no","retry_after_ms":1500}"#;
    let meta = format!(r#""_meta":{{"dev.conflux/error":{data}}}"#);
    let expected =
        format!(r#"{{"content":[{{"type":"text","text":"{text}"}}],"isError":true,{meta}}}"#);
    assert_eq!(tool.get(), expected);
    let other = codes::outcome(&error, &client(Revision::LATEST), method::PROMPTS_GET).unwrap_err();
    let expected = format!(r#"{{"code":-32603,"message":"{text}","data":{data}}}"#);
    assert_eq!(other.get(), expected);
    let unknown = failure(Kind::ConnectionLost, Executed::Unknown);
    let tool = codes::outcome(&unknown, &client(Revision::LATEST), method::TOOLS_CALL).unwrap();
    assert!(tool.get().contains("The request may have been carried out."));
    assert!(tool.get().contains(r#""executed":"unknown""#));
}

/// What an upstream's error is to a client: a code, or `result` for a tool result in words.
#[track_caller]
fn check_code(code: i64, method: &str, client: &Capabilities, expected: &str) {
    let error = format!(r#"{{"code":{code},"message":"m","data":{{"uri":"a:b"}}}}"#);
    let said = codes::outcome(&router::Error::Answered(raw(&error)), client, method);
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
        let tool = codes::outcome(&error, &client(revision), method::TOOLS_CALL).unwrap();
        let text = tool.member("content").unwrap().elements().unwrap()[0].member("text").unwrap();
        let expected = "first\n\nBefore this is done again, these must be opened:\n\
            - https://a.example/x Sign in.";
        assert_eq!(text.string().unwrap(), expected);
        assert_eq!(tool.member("isError"), Some(raw("true")));
        let other = codes::outcome(&error, &client(revision), method::PROMPTS_GET).unwrap_err();
        assert_eq!(other.member("message").unwrap().string().unwrap(), expected);
        assert_eq!(other.member("code"), Some(raw("-32603")));
    }
}

#[test]
fn errors_have_the_codes_of_their_era() {
    #[track_caller]
    fn check(error: &router::Error, method: &str, legacy: &str, modern: &str) {
        let said = |revision| codes::outcome(error, &client(revision), method).unwrap_err();
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
        r#"{"resultType":"complete","tools":[1.0],"ttlMs":5,"cacheScope":"public","#,
        r#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"}}}"#
    );
    let stripped =
        r#"{"tools":[1.0],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"}}}"#;
    assert_eq!(
        fit::legacy(raw(modern), Revision::LATEST_LEGACY, method::TOOLS_LIST).get(),
        stripped
    );
    assert_eq!(fit::modern(raw(modern), method::TOOLS_LIST).get(), modern);
    // A legacy upstream may use these names for its own ends.
    let own = r#"{"ttlMs":1,"text":"\"resultType\""}"#;
    assert_eq!(fit::legacy(raw(own), Revision::LATEST_LEGACY, method::TOOLS_CALL).get(), own);
    let server = format!(r#"{{"name":"conflux","version":"{}"}}"#, env!("CARGO_PKG_VERSION"));
    let meta = format!(r#""_meta":{{"io.modelcontextprotocol/serverInfo":{server}}}"#);
    assert_eq!(
        fit::modern(raw(r#"{"tools":[]}"#), method::TOOLS_LIST).get(),
        format!(
            r#"{{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private",{meta}}}"#
        )
    );
    assert_eq!(
        fit::modern(raw(r#"{"content":[]}"#), method::TOOLS_CALL).get(),
        format!(r#"{{"content":[],"resultType":"complete",{meta}}}"#)
    );
}

// Parts.

#[tokio::test(start_paused = true)]
async fn only_the_first_watch_asks_and_only_the_last_takes_back() {
    let watches = Watches::default();
    let calls = Mutex::new(Vec::new());
    let upstream = |what: &'static str, agrees: bool| {
        let calls = &calls;
        async move {
            calls.lock().unwrap().push(what);
            agrees
        }
    };
    assert!(!watches.add("u", upstream("refused", false)).await);
    assert!(watches.add("u", upstream("first", true)).await);
    assert!(watches.add("u", upstream("second", true)).await);
    assert!(watches.add("v", upstream("other", true)).await);
    watches.remove("u", upstream("not yet", true)).await;
    watches.remove("u", upstream("last", true)).await;
    assert!(watches.add("u", upstream("anew", true)).await);
    assert_eq!(*calls.lock().unwrap(), ["refused", "first", "other", "last", "anew"]);
}

#[tokio::test(start_paused = true)]
async fn line_breaks_never_leave_as_such() {
    let mut bench = Bench::new();
    bench.call(|_exchange| async { Ok(raw("{\n  \"a\":\r\n 1}")) });
    assert_eq!(bench.line().await, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{   \"a\":   1}}");
}

#[tokio::test]
async fn large_messages_and_many_small_ones_arrive_whole() {
    let bench = Bench::new();
    let Bench { outbox, mut output, .. } = bench;
    let sizes = [1, 70_000, 3, 65_536, 65_535, 200_000, 2];
    let sending = async {
        for size in sizes {
            assert!(outbox.push(outbox::Kind::Word, "y".repeat(size).into()).await);
        }
        outbox.close();
    };
    let receiving = async {
        let mut all = String::new();
        output.read_to_string(&mut all).await.unwrap();
        all
    };
    let ((), all) = tokio::join!(sending, receiving);
    assert_eq!(all.lines().map(str::len).collect::<Vec<_>>(), sizes);
}

/// The flags of an open file, as Linux tells them.
fn is_nonblocking(descriptor: &impl std::os::fd::AsRawFd) -> bool {
    let path = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
    let text = fs::read_to_string(path).unwrap();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(flags.trim(), 8).unwrap() & 0o4000 != 0
}

#[tokio::test]
async fn pipes_are_polled_without_touching_the_open_file() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut input = pipes::pollable_input(&reader).unwrap().unwrap();
    let mut output = pipes::pollable_output(&writer).unwrap().unwrap();
    assert!(!is_nonblocking(&reader) && !is_nonblocking(&writer));
    output.write_all(b"hello").await.unwrap();
    let mut five = [0; 5];
    input.read_exact(&mut five).await.unwrap();
    assert_eq!(&five, b"hello");
    drop((output, writer));
    assert_eq!(input.read(&mut five).await.unwrap(), 0, "the end must be seen");
}

#[tokio::test]
async fn sockets_are_polled_and_files_are_pumped() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut output = pipes::pollable_output(&ours).unwrap().unwrap();
    let mut input = pipes::pollable_input(&theirs).unwrap().unwrap();
    output.write_all(b"hello").await.unwrap();
    let mut five = [0; 5];
    input.read_exact(&mut five).await.unwrap();
    assert_eq!(&five, b"hello");
    let file = tempfile::tempfile().unwrap();
    assert!(pipes::pollable_input(&file).unwrap().is_none());
    let mut pumped = pipes::pumped(std::io::Cursor::new(vec![b'z'; 300_000])).unwrap();
    let mut all = Vec::new();
    pumped.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len(), 300_000);
}
