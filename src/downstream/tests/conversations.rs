//! Whole conversations of one client with a front end, most of them from files.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time;

use crate::downstream::Limits;
use crate::downstream::Service;
use crate::downstream::shutdown::Shutdown;
use crate::downstream::stdio;
use crate::downstream::stdio::End;
use crate::downstream::tests::PATIENCE;
use crate::downstream::tests::files;
use crate::downstream::tests::next_line;
use crate::downstream::tests::raw;
use crate::exchange::ask::Answers;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::exchange::mailbox::ListKind;
use crate::exchange::mailbox::Topic;
use crate::exchange::principal::Principal;
use crate::ids::Generation;
use crate::router::Router;
use crate::router::Settled;
use crate::router::World;
use crate::telemetry::Telemetry;
use crate::wire::Raw;
use crate::wire::method;

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
            Principal::process(),
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
    let world = World { generation, max_name_length: 50, ..World::default() };
    let router = Router::new(world, Arc::default(), Telemetry::default());
    router.settle(Settled::Live);
    Arc::new(router)
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
    let source = include_str!("conversations.rs");
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
        "io.modelcontextprotocol/clientInfo":{"name":"new","version":"1"},
        "io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}}"#;
    for _ in 0..2 {
        client.send(&modern.replace('\n', "")).await;
        assert!(client.line().await.contains("supportedVersions"));
    }
    client.settle().await;
    assert_eq!(client.opened.lock().unwrap().len(), 1);
    assert_eq!(client.caller().capabilities().raw(), Some(&raw(r#"{"sampling":{}}"#)));
    assert_eq!(client.caller().capabilities().client_name(), Some("new"));
    client
        .send(
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":
                "2025-06-18","clientInfo":{"name":"old"},"capabilities":{"roots":{}}}}"#
                .replace('\n', "")
                .as_str(),
        )
        .await;
    assert!(client.line().await.contains("2025-06-18"));
    client.settle().await;
    assert_eq!(client.opened.lock().unwrap().len(), 2);
    assert_eq!(client.caller().capabilities().raw(), Some(&raw(r#"{"roots":{}}"#)));
    assert_eq!(client.caller().capabilities().client_name(), Some("old"));
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
