//! Many principals at once behind one gateway, some of whom try what belongs to others: nobody is
//! told a byte that is somebody else's.

use std::collections::BTreeMap;
use std::sync::Arc;

use conflux::auth;
use conflux::auth::Store;
use conflux::auth::store::Scope;
use reqwest::Method;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Post;
use crate::support::http::Server;
use crate::support::http::initialize;
use crate::support::programs::toy;
use crate::support::remote::Remote;
use crate::support::wire_client::LIMIT;

/// How many there are.
const PRINCIPALS: usize = 50;
/// How long what is marked may be until it is taken out of results.
const SPILL: &str = "4KiB";

/// One of them: a token, a mark that stands in everything that is theirs, and what they were told.
struct Person {
    token: String,
    mark: String,
    told: String,
}

/// What belongs to one of them, and others try to get at.
#[derive(Clone, Debug, Default)]
struct Belongings {
    session: String,
    state: Value,
    responses: Value,
    page: String,
    linked: String,
    task: String,
}

impl Person {
    /// Sends a request; whatever comes back is what they were told.
    async fn send(&mut self, post: Post<'_>) -> (u16, String) {
        let post = post.header("Authorization", &format!("Bearer {}", self.token));
        let reply = timeout(LIMIT, post.reply()).await.expect("it is answered");
        self.told.push_str(&reply.body);
        (reply.status, reply.body)
    }

    /// Sends a request that is answered by one message, and returns its result.
    async fn result(&mut self, post: Post<'_>) -> Value {
        let (status, body) = self.send(post).await;
        // What comes before the answer makes it a stream, whose last event is the answer.
        let last = body.rsplit("data: ").next().unwrap_or_default();
        let message: Value = serde_json::from_str(last.trim()).unwrap_or_default();
        assert!(message["result"].is_object(), "{status}: {body}");
        message["result"].clone()
    }

    /// Does what people do, all of it marked, and returns what is theirs.
    async fn work(&mut self, server: &Server) -> Belongings {
        let mark = self.mark.clone();
        let mut own = Belongings::default();
        for upstream in ["toy", "web"] {
            let marked = json!({ "mark": mark });
            let echoed = self.result(server.call(&format!("{upstream}__echo"), marked.clone()));
            assert_eq!(echoed.await["structuredContent"], marked);
            let steps = json!({ "name": format!("{upstream}__progress"),
                "arguments": { "steps": 3 }, "_meta": { "progressToken": mark } });
            let progress = self.send(server.modern("tools/call", steps)).await;
            assert_eq!(progress.1.matches(&mark).count(), 3, "{progress:?}");
        }
        let long = json!({ "mark": mark.repeat(400) });
        let spilled = self.result(server.call("toy__echo", long)).await;
        let page = &spilled["_meta"]["dev.conflux/spilled"][0]["uri"];
        own.page = page.as_str().unwrap_or_default().to_owned();
        let linked = self.result(server.call("toy__link", json!({ "name": mark }))).await;
        own.linked = linked["content"][0]["uri"].as_str().unwrap().to_owned();
        let params = json!({ "uri": own.linked });
        let (status, body) = self.send(server.modern("resources/read", params)).await;
        assert!(status == 200 && body.contains(&mark), "{status}: {body}");
        let asked = self.result(ask(server, &mark, json!({}))).await;
        own.state = asked["requestState"].clone();
        let (key, _) = asked["inputRequests"].as_object().unwrap().iter().next().unwrap();
        own.responses = json!({ key: { "action": "accept", "content": { "name": mark } } });
        let work = json!({ "name": "toy__work", "arguments": { "hold": true } });
        let work = server.modern_with("tools/call", work, tasks());
        let task = self.result(work).await["taskId"].clone();
        own.task = task.as_str().unwrap_or_default().into();
        let opened = server
            .post(initialize("2025-11-25", json!({})))
            .header("Authorization", &format!("Bearer {}", self.token));
        let opened = opened.reply().await;
        own.session = opened.header("mcp-session-id").unwrap().to_owned();
        // Everybody's requests have the same ids.
        let call = in_session(server, &own.session, 1, &mark);
        let (status, body) = self.send(call).await;
        assert!(status == 200 && body.contains(&mark), "{status}: {body}");
        own
    }

    /// Tries to get at what belongs to somebody else.
    async fn steal(&mut self, server: &Server, theirs: &Belongings) {
        let Belongings { session, state, responses, page, linked, task } = theirs;
        let stream = server.request(Method::GET, "/mcp").header("Mcp-Session-Id", session);
        let tries = [
            ("session", in_session(server, session, 2, "stolen"), 404),
            ("stream", stream.header("Accept", "text/event-stream"), 404),
            ("end", server.request(Method::DELETE, "/mcp").header("Mcp-Session-Id", session), 404),
        ];
        for (what, post, expected) in tries {
            let (status, body) = self.send(post).await;
            assert_eq!(status, expected, "{what}: {body}");
        }
        let back = json!({ "requestState": state, "inputResponses": responses });
        let uri = |uri: &str| server.modern("resources/read", json!({ "uri": uri }));
        let id = json!({ "taskId": task });
        let about = |method: &str| server.modern_with(method, id.clone(), tasks());
        let about = |method: &str| about(method).header("Mcp-Name", task);
        let tries = [
            ("state", ask(server, &self.mark, back)),
            ("page", uri(page)),
            ("address", uri(linked)),
            ("task", about("tasks/get")),
            ("end of task", about("tasks/cancel")),
        ];
        for (what, post) in tries {
            let before = self.told.len();
            let (_, body) = self.send(post).await;
            assert!(body.contains("\"error\""), "{what}: {body}");
            // What they said themselves they may hear again.
            let told = self.told.split_off(before).replace(linked, "");
            self.told.push_str(&told);
        }
    }

    /// Finds everything that is theirs as they left it.
    async fn check(&mut self, server: &Server, own: &Belongings) {
        let back = json!({ "requestState": own.state, "inputResponses": own.responses });
        let answered = self.result(ask(server, &self.mark, back)).await;
        assert!(answered.to_string().contains(&self.mark), "{answered}");
        let read = server.modern("resources/read", json!({ "uri": own.page }));
        assert!(self.result(read).await.to_string().contains(&self.mark));
        let id = json!({ "taskId": own.task });
        let task = server.modern_with("tasks/get", id, tasks()).header("Mcp-Name", &own.task);
        assert_eq!(self.result(task).await["status"], "working");
        let call = in_session(server, &own.session, 3, &self.mark);
        assert_eq!(self.send(call).await.0, 200);
    }
}

fn tasks() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/tasks": {} }, "elicitation": { "form": {} } })
}

/// A call that asks who somebody is, or comes back with the answer.
fn ask<'s>(server: &'s Server, mark: &str, more: Value) -> Post<'s> {
    let mut params = json!({ "name": "toy__ask", "arguments": { "kind": "elicit", "mark": mark } });
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    server.modern_with("tools/call", params, json!({ "elicitation": { "form": {} } }))
}

fn in_session<'s>(server: &'s Server, session: &str, id: u64, mark: &str) -> Post<'s> {
    let params = json!({ "name": "web__echo", "arguments": { "mark": mark } });
    let call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
    server.post(call).header("Mcp-Session-Id", session)
}

fn people(gateway: &Gateway) -> Vec<Person> {
    let store = Store::new(auth::directory(&gateway.path().join("state")));
    let person = |number: usize| {
        let name = format!("p{number}");
        let (token, _) = store.create(&name, Scope::default(), None).unwrap();
        // None of them is a part of another one.
        let mark = format!("mark-of-{name}-{}", token.id());
        Person { token: token.reveal(), mark, told: String::new() }
    };
    (0..PRINCIPALS).map(person).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_what_is_somebody_elses() {
    let remote = Remote::http(&[]).await;
    let spilling = |entry| with(entry, "results", json!({ "spill": SPILL }));
    let toy = spilling(toy(&["--era", "dual", "--tasks"]).entry());
    let mut gateway = Gateway::new(&[("toy", toy), ("web", remote.entry("/mcp"))]);
    gateway.set("auth", json!({}));
    let people = people(&gateway);
    let server = Arc::new(Server::start(&gateway).await);
    let worked = Arc::new(Barrier::new(PRINCIPALS));
    let belongings = Arc::new(std::sync::Mutex::new(BTreeMap::new()));
    let mut all = JoinSet::new();
    for (number, mut person) in people.into_iter().enumerate() {
        let (server, worked) = (Arc::clone(&server), Arc::clone(&worked));
        let belongings = Arc::clone(&belongings);
        all.spawn(async move {
            let own = person.work(&server).await;
            belongings.lock().unwrap().insert(number, own.clone());
            worked.wait().await;
            for distance in [1, 7, PRINCIPALS / 2] {
                let other = (number + distance) % PRINCIPALS;
                let theirs = belongings.lock().unwrap()[&other].clone();
                person.steal(&server, &theirs).await;
            }
            worked.wait().await;
            person.check(&server, &own).await;
            person
        });
    }
    let people = all.join_all().await;
    for person in &people {
        assert!(person.told.contains(&person.mark), "what is theirs they were told");
        for other in people.iter().filter(|other| other.mark != person.mark) {
            assert!(!person.told.contains(&other.mark), "{} of {}", person.mark, other.mark);
        }
    }
}
