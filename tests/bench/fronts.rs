//! A list as a client gets it: a request to a front end, and the whole way of the answer but for
//! the client's own part. No upstream is started; what they listed is known.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;

use conflux::catalog::Source;
use conflux::config;
use conflux::config::Config;
use conflux::config::Listen;
use conflux::downstream::Limits;
use conflux::downstream::Service;
use conflux::downstream::http::Access;
use conflux::downstream::http::Front;
use conflux::downstream::shutdown::Shutdown;
use conflux::downstream::stdio;
use conflux::exchange::caller::Callers;
use conflux::exchange::principal::Principal;
use conflux::ids::UpstreamId;
use conflux::router::Router;
use conflux::router::Settled;
use conflux::router::World;
use conflux::router::world::Known;
use conflux::telemetry::Telemetry;
use conflux::upstream;
use divan::Bencher;
use indexmap::IndexMap;
use tempfile::TempDir;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::data;

/// Room for the longest list, so that nobody waits for anybody to read.
const ROOM: usize = 32 * 1024 * 1024;

/// Everything in front of upstreams that are not there, on one thread.
struct Stage {
    runtime: Runtime,
    config: Config,
    service: Service,
    shutdown: Shutdown,
    _home: TempDir,
}

impl Stage {
    fn new(tools: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let inside = runtime.enter();
        let home = TempDir::new().unwrap();
        let config = configure(&home);
        let callers = Callers::default();
        let world = world(&config, callers.clone(), data::sources(tools));
        let router = Arc::new(Router::new(world, Arc::default(), Telemetry::default()));
        router.settle(Settled::Live);
        let limits = Limits { message: config.limits.message, in_flight: 16 };
        let service =
            Service::try_new(router, callers, Principal::process(), limits, |_| {}).unwrap();
        drop(inside);
        Self { runtime, config, service, shutdown: Shutdown::default(), _home: home }
    }
}

fn configure(home: &TempDir) -> Config {
    let file = home.path().join("upstreams.yaml");
    let mut text = String::from("upstreams:\n");
    for upstream in 0..data::UPSTREAMS {
        writeln!(text, "  server{upstream}: {{ command: none }}").unwrap();
    }
    std::fs::write(&file, text).unwrap();
    let around = config::surroundings::Surroundings {
        directory: home.path().to_owned(),
        state: Some(home.path().to_owned()),
        ..config::surroundings::Surroundings::default()
    };
    let options = config::load::Options { files: vec![file], overrides: Vec::new() };
    config::load::load_within(&options, &around).unwrap()
}

/// A world in which everybody has listed.
fn world(config: &Config, callers: Callers, sources: Vec<Source>) -> World {
    let around = upstream::Surroundings {
        roots: upstream::Roots::default(),
        callers,
        front: upstream::Front::default(),
        task_ids: Arc::default(),
        environment: Arc::default(),
        guard: None,
        secrets: config.secrets.clone(),
        message_limit: config.limits.message,
        answers: conflux::wire::budget::Budget::new(1 << 20),
        state: upstream::Disk::new(config.state.clone()),
        journal: conflux::telemetry::Journal::default(),
        telemetry: Telemetry::default(),
        usage: upstream::usage::Ledger::default(),
        starts: Arc::new(Semaphore::new(1)),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    };
    let known = |source: Source| -> (UpstreamId, Known) {
        let upstream = config.upstreams.get(&source.upstream).unwrap();
        let known = Known {
            handle: upstream::Handle::new(Arc::new(upstream.clone()), &around),
            listing: source.listing,
            unread: Vec::new(),
            remembered: None,
            lasting: IndexMap::new(),
            failure: None,
            instructions: None,
            extensions: None,
        };
        (source.upstream, known)
    };
    let upstreams = sources.into_iter().map(known).collect();
    World { upstreams, max_name_length: 60, ..World::default() }
}

fn request() -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{}}}}}"#, data::MODERN)
}

#[divan::bench(args = data::TOOLS)]
fn list_over_stdio(bencher: Bencher<'_, '_>, tools: usize) {
    let stage = Stage::new(tools);
    let (near, far) = tokio::io::duplex(ROOM);
    let (input, output) = tokio::io::split(far);
    let served = stdio::serve(stage.service.clone(), input, output, stage.shutdown.clone());
    let served = stage.runtime.spawn(served);
    let (answers, mut requests) = tokio::io::split(near);
    let (mut answers, request) = (BufReader::with_capacity(64 * 1024, answers), request() + "\n");
    let mut answer = Vec::new();
    bencher.bench_local(|| {
        answer.clear();
        stage.runtime.block_on(async {
            requests.write_all(request.as_bytes()).await.unwrap();
            answers.read_until(b'\n', &mut answer).await.unwrap();
        });
    });
    assert!(count(&answer) >= tools, "an answer has all tools");
    stage.shutdown.hurry();
    stage.runtime.block_on(served).unwrap().unwrap();
}

/// The same with the checks of headers that a modern request over HTTP undergoes.
#[divan::bench(args = data::TOOLS)]
fn list_over_http(bencher: Bencher<'_, '_>, tools: usize) {
    let stage = Stage::new(tools);
    let mut settings = stage.config.http.clone();
    settings.listen = Listen::Address((Ipv4Addr::LOCALHOST, 0).into());
    let access = Access::of(&stage.config).unwrap();
    let front = stage.runtime.block_on(Front::bind(&settings, access)).unwrap();
    let address = front.address().unwrap();
    let served = stage.runtime.spawn(front.serve(stage.service.clone(), stage.shutdown.clone()));
    let client = stage.runtime.block_on(TcpStream::connect(address)).unwrap();
    client.set_nodelay(true).unwrap();
    let mut client = BufReader::with_capacity(64 * 1024, client);
    let body = request();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n\
         mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n\r\n{body}",
        body.len()
    );
    let mut answer = Vec::new();
    bencher.bench_local(|| stage.runtime.block_on(post(&mut client, &request, &mut answer)));
    assert!(count(&answer) >= tools, "an answer has all tools");
    drop(client);
    stage.shutdown.hurry();
    stage.runtime.block_on(served).unwrap();
}

/// Sends a request and reads the body of its response.
async fn post(client: &mut BufReader<TcpStream>, request: &str, body: &mut Vec<u8>) {
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        client.read_line(&mut line).await.unwrap();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    body.resize(length, 0);
    client.read_exact(body).await.unwrap();
}

/// How many tools an answer lists.
fn count(answer: &[u8]) -> usize {
    String::from_utf8_lossy(answer).matches(r#""inputSchema""#).count()
}
