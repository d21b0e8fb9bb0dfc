//! Connections and edges against a scripted server on the other end of a pipe in memory.

mod calls;
mod changes;
mod eras;
mod farewell;
mod outcomes;
mod questions;
mod tasks;
mod turns;
mod visits;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::config::secrets::Secrets;
use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::exchange::deadline::Limits;
use crate::exchange::queue;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::telemetry::Metrics;
use crate::upstream::Error;
use crate::upstream::Fault;
use crate::upstream::Lists;
use crate::upstream::changes::Changes;
use crate::upstream::connection;
use crate::upstream::connection::Connection;
use crate::upstream::connection::OUTGOING_CAPACITY;
use crate::upstream::errors::Errors;
use crate::upstream::gate::Gate;
use crate::upstream::legacy;
use crate::upstream::reader::Noise;
use crate::upstream::reader::Reader;
use crate::upstream::transport::pipes;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

const LIMIT: Duration = Duration::from_mins(1);
const MESSAGE_LIMIT: usize = 64 * 1024;
const SECRET: &str = "a-secret-of-the-toy";

/// The server's end of a connection.
struct Server {
    input: BufReader<ReadHalf<DuplexStream>>,
    output: WriteHalf<DuplexStream>,
}

impl Server {
    async fn read(&mut self) -> Value {
        let mut line = String::new();
        self.input.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a message: {line:?}"))
    }

    async fn write(&mut self, message: &Value) {
        self.write_line(&message.to_string()).await;
    }

    async fn write_line(&mut self, line: &str) {
        self.output.write_all(line.as_bytes()).await.unwrap();
        self.output.write_all(b"\n").await.unwrap();
    }

    /// Reads a request and answers it.
    async fn answer(&mut self, outcome: (&str, Value)) -> Value {
        let request = self.read().await;
        let (key, value) = outcome;
        self.write(&json!({ "jsonrpc": "2.0", "id": request["id"], key: value })).await;
        request
    }
}

struct World {
    connection: Connection,
    server: Server,
    callers: Callers,
    lists: watch::Receiver<Lists>,
    tasks: TaskTracker,
}

fn gate() -> Gate {
    gate_of(64, 256)
}

fn gate_of(calls: usize, queue: usize) -> Gate {
    let metrics = Metrics::default().upstream(errors().upstream());
    Gate::new(config::Concurrency { calls, queue }, errors(), metrics)
}

fn errors() -> Errors {
    Errors::new(UpstreamId::new("toy"), Secrets::new([SECRET.to_owned()]))
}

fn around(gate: Gate) -> connection::Surroundings {
    connection::Surroundings {
        callers: Callers::default(),
        gate,
        task_ids: Arc::default(),
        lists: watch::channel(Lists::default()).0,
        changes: Changes::default(),
        tasks: TaskTracker::new(),
        mirrors: None,
        errors: errors(),
    }
}

fn world() -> World {
    guarded(gate())
}

fn guarded(gate: Gate) -> World {
    let (ours, theirs) = tokio::io::duplex(1024 * 1024);
    let (input, output) = tokio::io::split(ours);
    let (outgoing, queue) = mpsc::channel(OUTGOING_CAPACITY);
    let (lists_sender, lists) = watch::channel(Lists::default());
    let callers = Callers::default();
    let around =
        connection::Surroundings { callers: callers.clone(), lists: lists_sender, ..around(gate) };
    let connection = Connection::new(outgoing, &around);
    let noise = Noise::new(connection.errors());
    around.tasks.spawn(pipes::write(connection.clone(), queue, output));
    let reader = Reader::new(connection.clone(), noise);
    around.tasks.spawn(pipes::read(reader, input, MESSAGE_LIMIT));
    let (input, output) = tokio::io::split(theirs);
    let server = Server { input: BufReader::new(input), output };
    World { connection, server, callers, lists, tasks: around.tasks }
}

fn caller(number: u64, capabilities: &Value) -> Arc<Caller> {
    let capabilities = Arc::new(Capabilities::parse(Some(Raw::of(capabilities)), Revision::LATEST));
    Arc::new(Caller::new(CallerId(number), capabilities, Reach::Anytime))
}

fn exchange(caller: &Arc<Caller>) -> (Exchange, queue::Receiver<Back>) {
    let wishes = Wishes { progress: true, ..Wishes::default() };
    let capabilities = Arc::clone(caller.capabilities());
    let (exchange, back) = Exchange::new(Arc::clone(caller), capabilities, wishes);
    exchange.deadline().set(Limits::of(LIMIT));
    (exchange, back)
}

/// Sends `tools/call` in the legacy way, as a task.
fn call(world: &World, exchange: Exchange) -> tokio::task::JoinHandle<Result<Raw, Fault>> {
    let connection = world.connection.clone();
    world.tasks.spawn(async move {
        let params = Raw::of(&json!({ "name": "t" }));
        legacy::request(&connection, method::TOOLS_CALL, Some(&params), &exchange).await
    })
}

fn progress(request: &Value, step: u64) -> Value {
    let params =
        json!({ "progressToken": request["params"]["_meta"]["progressToken"], "progress": step });
    json!({ "jsonrpc": "2.0", "method": method::PROGRESS, "params": params })
}

#[track_caller]
fn failed(outcome: Result<Raw, Fault>) -> Error {
    match outcome {
        Err(Fault::Failed(error)) => error,
        other => panic!("expected a failure, got {other:?}"),
    }
}
