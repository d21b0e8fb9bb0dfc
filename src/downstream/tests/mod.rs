//! What the room promises: here is what its tests have in common.

mod calls;
mod conversations;
mod lists;
mod parking;
mod parts;
mod rounds;
mod words;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::downstream::asks::Questions;
use crate::downstream::call;
use crate::downstream::call::Reply;
use crate::downstream::call::Stream;
use crate::downstream::flights::Flights;
use crate::downstream::level::Level;
use crate::downstream::level::Wanted;
use crate::downstream::lines;
use crate::downstream::outbox::Outbox;
use crate::downstream::park;
use crate::downstream::park::Parking;
use crate::downstream::park::Refused;
use crate::downstream::park::Resume;
use crate::downstream::rounds::Rounds;
use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::ask::Answers;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::exchange::queue;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::router;
use crate::wire::Id;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

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

async fn next_line(output: &mut BufReader<DuplexStream>) -> String {
    let mut line = String::new();
    let read = time::timeout(PATIENCE, output.read_line(&mut line)).await;
    read.expect("an answer is due").unwrap();
    line.trim_end_matches('\n').to_owned()
}

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

    fn exchange(&self) -> (Exchange, queue::Receiver<Back>) {
        self.exchange_in(self.caller.capabilities().revision())
    }

    fn exchange_in(&self, revision: Revision) -> (Exchange, queue::Receiver<Back>) {
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
            method: method::TOOLS_CALL.into(),
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
