//! Many clients, many upstreams, half of which are killed all the time: every call has one answer,
//! its own, and was carried out at most once; who is not killed does not fail; nothing is piled up.
//!
//! It takes half a minute and more; `CONFLUX_SOAK` is another number of seconds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::sleep;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Event;
use crate::support::http::Reply;
use crate::support::http::Server;
use crate::support::processes::MARK;
use crate::support::processes::expect_nobody;
use crate::support::processes::marked;
use crate::support::programs::Program;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::soak::Asked;
use crate::support::soak::Book;
use crate::support::soak::Held;
use crate::support::soak::Random;
use crate::support::soak::held;
use crate::support::soak::median;
use crate::support::wire_client::Client;

/// How long it takes unless somebody says otherwise.
const SECONDS: u64 = 60;
/// How many upstreams are programs; every second one is killed.
const PROGRAMS: usize = 26;
/// How many are at an address; every second one is killed.
const REMOTES: usize = 6;
/// How many clients of each kind there are over HTTP.
const CLIENTS: usize = 6;
/// How many clients start a Conflux of their own, and how many programs that has.
const OWN: (usize, usize) = (2, 4);
/// How many calls one client has under way at most.
const BURST: usize = 4;
/// How long a client rests at most, in milliseconds.
const REST: usize = 60;
/// How long the server takes for a call at most, in milliseconds.
const WORK: usize = 20;
/// Memory may be higher by that in the second half, in KiB. In a minute some five thousand calls and
/// some twenty starts are between the middles of the halves, so a KiB lost with each call is more
/// than that, and so are 300 with each start; in an hour, a hundredth of it.
const MORE_MEMORY: usize = 5 * 1024;
/// Pipes and processes may be more by that in the second half: less than one for each start.
const MORE_DESCRIPTORS: usize = 12;
/// Connections may be more by that: some wait with a call for a server that is started, but far
/// fewer than there are calls.
const MORE_SOCKETS: usize = 60;

/// One upstream, as its callers and its killer see it.
#[derive(Clone, Debug)]
struct Upstream {
    name: String,
    is_victim: bool,
}

impl Upstream {
    fn mark(&self) -> String {
        format!("soak-{}-{}", std::process::id(), self.name)
    }

    /// How its server is started, in one of the eras.
    fn flags(&self, number: usize, ledger: &Path) -> Vec<String> {
        let era = ["legacy", "modern", "dual"][number % 3];
        let flags = ["--era", era, "--ledger", ledger.to_str().unwrap(), "--ledger-name"];
        flags.into_iter().chain([self.name.as_str()]).map(str::to_owned).collect()
    }

    /// Its entry if it is a program; some are started by a shell.
    fn program(&self, number: usize, ledger: &Path) -> Value {
        let flags = self.flags(number, ledger);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let toy = toy(&flags);
        let program = if number % 4 < 2 {
            toy
        } else {
            Program::new("sh").args(&["-c", "\"$0\" \"$@\"; :", &toy.path]).args(&flags)
        };
        with(program.env(MARK, self.mark()).entry(), "start", json!("eager"))
    }
}

fn upstreams(kind: &str, count: usize) -> Vec<Upstream> {
    let one = |number| Upstream { name: format!("{kind}{number}"), is_victim: number % 2 == 1 };
    (0..count).map(one).collect()
}

/// Servers at addresses; one that was killed is started again where it was.
struct Remotes {
    all: Vec<(Upstream, Vec<String>, String, Option<Remote>)>,
}

impl Remotes {
    async fn start(ledger: &Path) -> Self {
        let mut all = Vec::new();
        for (number, upstream) in upstreams("remote", REMOTES).into_iter().enumerate() {
            let flags = upstream.flags(number, ledger);
            // Not where clients come from, who could take its port while it is away.
            let remote = Self::run("127.0.0.2:0", &flags).await;
            all.push((upstream, flags, remote.address().to_owned(), Some(remote)));
        }
        Self { all }
    }

    async fn run(address: &str, flags: &[String]) -> Remote {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Remote::start("--http", address, &flags).await
    }

    /// Starts those again that were killed before.
    async fn revive(&mut self) {
        for (_, flags, address, remote) in &mut self.all {
            if remote.is_none() {
                *remote = Some(Self::run(address, flags).await);
            }
        }
    }
}

/// One client, and whom it calls.
#[derive(Clone)]
struct Caller {
    name: String,
    random: Random,
    last: usize,
    upstreams: Arc<[Upstream]>,
    book: Arc<Book>,
    until: Instant,
}

impl Caller {
    /// Some calls that are made at once; nothing when the time is over.
    async fn burst(&mut self) -> Option<Vec<Asked>> {
        sleep(Duration::from_millis(self.random.below(REST) as u64)).await;
        if Instant::now() >= self.until {
            return None;
        }
        let count = 1 + self.random.below(BURST);
        Some((0..count).map(|_| self.call()).collect())
    }

    fn call(&mut self) -> Asked {
        self.last += 1;
        let upstream = &self.upstreams[self.random.below(self.upstreams.len())];
        Asked {
            upstream: upstream.name.clone(),
            is_victim: upstream.is_victim,
            nonce: format!("{}-{}", self.name, self.last),
            ms: self.random.below(WORK),
        }
    }

    /// Is a client of 2026-07-28, or one with a session.
    async fn over_http(mut self, server: Arc<Server>, is_modern: bool) {
        let session =
            if is_modern { None } else { Some(server.session("2025-11-25", json!({})).await) };
        while let Some(burst) = self.burst().await {
            let first = self.last as u64;
            let calls = burst.into_iter().enumerate().map(|(number, asked)| {
                // Ids never meet, whatever number of calls there is.
                let id = if is_modern { 1 } else { first * 16 + number as u64 };
                let post = match &session {
                    None => server.call(&asked.tool(), asked.arguments()),
                    Some(session) => session.call(id, &asked.tool(), asked.arguments()),
                };
                let book = Arc::clone(&self.book);
                async move {
                    let began = Instant::now();
                    let reply = post.reply().await;
                    book.note(asked, &answers(&reply, id), began.elapsed());
                }
            });
            join_all(calls).await;
        }
    }

    /// Is the client of a Conflux of its own.
    async fn over_stdio(mut self, mut client: Client) {
        while let Some(burst) = self.burst().await {
            let (began, count) = (Instant::now(), burst.len());
            let mut open = Vec::new();
            for asked in burst {
                let params = json!({"name": asked.tool(), "arguments": asked.arguments()});
                open.push((client.start("tools/call", params).await, asked));
            }
            for _ in 0..count {
                let answer = loop {
                    let message = client.recv().await;
                    if message.method().is_none() {
                        break message;
                    }
                };
                let id = answer.id();
                match open.iter().position(|(open, _)| id == Some(json!(open))) {
                    Some(at) => {
                        let (_, asked) = open.swap_remove(at);
                        let answer = serde_json::from_str(&answer.line).unwrap();
                        self.book.note(asked, &[answer], began.elapsed());
                    }
                    None => self.book.complain(format!("a second answer: {}", answer.line)),
                }
            }
        }
        client.close_stdin();
        while let Some(Some(line)) = client.try_line(Duration::from_secs(20)).await {
            let is_answer = !line.contains("\"method\"");
            if is_answer {
                self.book.complain(format!("an answer too much: {line}"));
            }
        }
        assert!(client.wait().await.success());
    }
}

/// The answers with this id in what came over HTTP, as one message or as events.
fn answers(reply: &Reply, id: u64) -> Vec<Value> {
    let is_stream = reply.header("content-type") == Some("text/event-stream");
    let said = if is_stream {
        let events = reply.events();
        events.iter().filter(|event| !event.data.is_empty()).map(Event::json).collect()
    } else {
        vec![reply.json()]
    };
    let all: Vec<Value> = said.into_iter().filter(|one: &Value| one["method"].is_null()).collect();
    assert!(all.iter().all(|one| one["id"] == id), "{id}: {reply:?}");
    all
}

/// Waits until every upstream has listed its tool.
async fn until_listed(server: &Server, count: usize) {
    loop {
        let listed = server.modern("tools/list", json!({})).reply().await.result();
        let tools = listed["tools"].as_array().unwrap().iter();
        let ledgers = tools.filter(|tool| tool["name"].as_str().unwrap().ends_with("__ledger"));
        if ledgers.count() == count {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Kills some process of some victim: the server, the shell above it, or the guard. False if all
/// wait for their next start just now.
async fn kill_a_program(victims: &[Upstream], random: &mut Random) -> bool {
    for _ in 0..victims.len() {
        let mark = victims[random.below(victims.len())].mark();
        let found = tokio::task::spawn_blocking(move || marked(&mark)).await.unwrap();
        if let Some((pid, _)) = found.get(random.below(found.len().max(1)))
            && kill(*pid, Signal::SIGKILL).is_ok()
        {
            return true;
        }
    }
    false
}

/// Kills a victim every second, and looks what Conflux holds; says how many it killed.
async fn kill_and_look(
    victims: &[Upstream],
    remotes: &mut Remotes,
    pid: u32,
    until: Instant,
) -> (usize, Vec<Held>) {
    let (mut random, mut kills, mut seen) = (Random::new(7), 0, Vec::new());
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    while Instant::now() < until {
        tick.tick().await;
        seen.push(held(pid));
        remotes.revive().await;
        let is_program = random.below(victims.len() + REMOTES / 2) < victims.len();
        if !is_program || !kill_a_program(victims, &mut random).await {
            let at = random.below(REMOTES / 2) * 2 + 1;
            remotes.all[at].3.take().unwrap().kill().await;
        }
        kills += 1;
    }
    (kills, seen)
}

fn seconds() -> u64 {
    let said = std::env::var_os("CONFLUX_SOAK");
    said.map_or(SECONDS, |said| said.to_str().unwrap().parse().unwrap())
}

#[tokio::test]
async fn no_answer_is_lost_doubled_or_misdelivered_while_upstreams_are_killed() {
    let place = Gateway::new(&[]);
    let ledger = place.path().join("ledger");
    let mut remotes = Remotes::start(&ledger).await;
    let programs = upstreams("program", PROGRAMS);
    let mut gateway = Gateway::new(&[]);
    for (number, upstream) in programs.iter().enumerate() {
        gateway.add(&upstream.name, upstream.program(number, &ledger));
    }
    for (upstream, _, _, remote) in &remotes.all {
        gateway.add(&upstream.name, remote.as_ref().unwrap().entry("/mcp"));
    }
    let server = Arc::new(Server::start(&gateway).await);
    until_listed(&server, PROGRAMS + REMOTES).await;

    let until = Instant::now() + Duration::from_secs(seconds());
    let book = Arc::new(Book::default());
    let caller = |name: String, number: usize, upstreams: Vec<Upstream>| {
        let (book, upstreams) = (Arc::clone(&book), Arc::from(upstreams));
        let random = Random::new(number as u64 + 1);
        Caller { name, random, last: 0, upstreams, book, until }
    };
    let remote_upstreams = remotes.all.iter().map(|(upstream, ..)| upstream.clone());
    let all: Vec<Upstream> = programs.iter().cloned().chain(remote_upstreams).collect();
    let mut running = JoinSet::new();
    for number in 0..CLIENTS * 2 {
        let is_modern = number % 2 == 0;
        let caller = caller(format!("http{number}"), number, all.clone());
        running.spawn(caller.over_http(Arc::clone(&server), is_modern));
    }
    let mut everybody = programs;
    let mut own_gateways = Vec::new();
    for number in 0..OWN.0 {
        let own = upstreams(&format!("own{number}-"), OWN.1);
        let entries = own.iter().enumerate();
        let entries: Vec<(&str, Value)> =
            entries.map(|(at, it)| (it.name.as_str(), it.program(at, &ledger))).collect();
        let gateway = Gateway::new(&entries);
        let client = gateway.legacy("2025-06-18", json!({})).await;
        own_gateways.push(gateway);
        running.spawn(caller(format!("own{number}"), 50 + number, own.clone()).over_stdio(client));
        everybody.extend(own);
    }
    let victims: Vec<Upstream> = everybody.iter().filter(|it| it.is_victim).cloned().collect();
    let (kills, seen) = kill_and_look(&victims, &mut remotes, server.process_id(), until).await;
    running.join_all().await;

    let server = Arc::into_inner(server).expect("no client is left");
    let (status, said) = server.stop().await;
    assert!(status.success(), "{status}: {said}");
    for upstream in &everybody {
        expect_nobody(&upstream.mark(), Instant::now()).await;
    }
    let summary = book.compare(&ledger);
    // What it takes to get going is not looked at.
    let (_, steady) = seen.split_at(seen.len() / 6);
    let (first, second) = steady.split_at(steady.len() / 2);
    let (first, second) = (median(first), median(second));
    println!("{kills} kills in {} s; {summary};", seconds());
    println!("Conflux held {first} in the first half, {second} in the second");
    assert!(second.memory <= first.memory + MORE_MEMORY, "{first}; {second}");
    assert!(second.descriptors <= first.descriptors + MORE_DESCRIPTORS, "{first}; {second}");
    assert!(second.sockets <= first.sockets + MORE_SOCKETS, "{first}; {second}");
    assert!(summary.unknown > 0, "no call was hit");
}
