//! Calls that become tasks, in both kinds: those of 2025-11-25 and those of the extension.
//!
//! Ids are easy to guess on purpose. A task whose call asks for it puts a question, fails, or
//! never ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls;
use crate::era::Era;
use crate::lists;
use crate::serve::Answer;
use crate::serve::Outcome;
use crate::serve::Toy;
use crate::subscriptions;
use crate::wire::Params;
use crate::wire::Refusal;

/// The extension that has tasks in the modern era.
pub(crate) const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const RELATED: &str = "io.modelcontextprotocol/related-task";
/// The key of the question in `inputRequests`.
const KEY: &str = "name";
/// How often to look at a task, in milliseconds.
const POLL: u64 = 100;
const MOMENT: &str = "2026-01-01T00:00:00Z";

/// Every task since the start.
#[derive(Default)]
pub(crate) struct Tasks {
    all: BTreeMap<String, Task>,
    tracker: TaskTracker,
}

struct Task {
    status: &'static str,
    message: String,
    ttl: Value,
    outcome: Option<Answer>,
    /// Where the answer to its question goes, while it waits for one.
    question: Option<oneshot::Sender<Answer>>,
    changed: Arc<Notify>,
    cancelled: CancellationToken,
}

/// What a call wants done.
struct Work {
    steps: u64,
    gap: Duration,
    asks: bool,
    fails: String,
    holds: bool,
    links: bool,
    /// The length of the text it comes to; none if there is none.
    text: u64,
    token: Option<String>,
}

/// Returns the definitions of the tools that can be tasks.
pub(crate) fn definitions() -> Vec<String> {
    let tool = |name: &str, support: &str| {
        let schema = json!({"type": "object"});
        let execution = json!({"taskSupport": support, "x-unknown": 1});
        json!({"name": name, "inputSchema": schema, "execution": execution}).to_string()
    };
    let plain = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}}).to_string();
    vec![tool("work", "optional"), tool("must_work", "required"), plain("tasks"), plain("end_task")]
}

/// Runs a call of one of these tools; nothing if it is another one.
pub(crate) async fn call(toy: &Arc<Toy>, era: Era, params: &Params) -> Option<Outcome> {
    let name = params.parts.name.as_deref().unwrap_or_default();
    let must = match name {
        "work" => false,
        "must_work" => true,
        "tasks" => return Some(report(toy)),
        "end_task" => {
            let arguments = params.parts.arguments.as_ref().map_or("{}", |raw| raw.get());
            let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
            let id = arguments.get("id").and_then(Value::as_str).unwrap_or_default();
            return Some(cancel(toy, era, id));
        }
        _ => return None,
    };
    let declared = || params.parts.meta.capabilities.as_ref()?.get("extensions")?.get(EXTENSION);
    let is_task = match era {
        Era::Legacy => params.parts.task.is_some(),
        Era::Modern => declared().is_some(),
    };
    let text = params.parts.arguments.as_ref().map_or("{}", |raw| raw.get());
    let work = Work::read(&serde_json::from_str(text).unwrap_or_default(), params);
    if is_task {
        return Some(create(toy, era, params, work));
    }
    Some(match (must, era) {
        (true, Era::Legacy) => Outcome::Refused(Refusal::new(-32601, "a task is required")),
        (true, Era::Modern) => {
            let required = json!({"extensions": {EXTENSION: {}}});
            let refusal = Refusal::new(-32021, "a task is required");
            Outcome::Refused(refusal.with(json!({"requiredCapabilities": required})))
        }
        (false, _) => {
            tokio::time::sleep(work.gap * u32::try_from(work.steps).unwrap_or(0)).await;
            Outcome::Result(work.result(None))
        }
    })
}

/// Answers a request about tasks; nothing if it is about something else.
pub(crate) async fn answer(
    toy: &Toy,
    era: Era,
    method: &str,
    params: &Params,
    token: &CancellationToken,
) -> Option<Outcome> {
    let id = params.parts.task_id.as_deref().unwrap_or_default();
    if method == "tasks/list" && era == Era::Legacy {
        let all: Vec<String> = {
            let state = toy.state();
            state.tasks.all.iter().map(|(id, task)| task.legacy(id).to_string()).collect()
        };
        return Some(lists::page(toy, "tasks", &all, params.parts.cursor.as_deref()));
    }
    if !matches!(
        (method, era),
        ("tasks/get" | "tasks/cancel", _)
            | ("tasks/result", Era::Legacy)
            | ("tasks/update", Era::Modern)
    ) {
        return None;
    }
    if !toy.state().tasks.all.contains_key(id) {
        return Some(Outcome::Refused(Refusal::new(-32602, "Task not found")));
    }
    Some(match method {
        "tasks/get" => get(toy, era, id),
        "tasks/cancel" => cancel(toy, era, id),
        "tasks/update" => update(toy, id, params),
        _ => tokio::select! {
            outcome = result(toy, id) => outcome,
            () = token.cancelled() => Outcome::Silent,
        },
    })
}

impl Work {
    fn read(arguments: &Value, params: &Params) -> Self {
        let number =
            |key: &str, default| arguments.get(key).and_then(Value::as_u64).unwrap_or(default);
        let flag = |key: &str| arguments.get(key) == Some(&json!(true));
        let wants_progress = flag("progress");
        let token = params.parts.meta.progress_token.as_ref().filter(|_| wants_progress);
        Self {
            steps: number("steps", 0),
            gap: Duration::from_millis(number("gap", 0)),
            asks: flag("ask"),
            fails: arguments.get("fail").and_then(Value::as_str).unwrap_or_default().to_owned(),
            holds: flag("hold"),
            links: flag("link"),
            text: number("text", 0),
            token: token.map(|token| token.get().to_owned()),
        }
    }

    /// What the call comes to, with the answer to its question as it came.
    fn result(&self, answer: Option<&Answer>) -> String {
        let answer = match answer {
            None => "null".to_owned(),
            Some(Ok(result)) => format!(r#"{{"result":{result}}}"#),
            Some(Err(error)) => format!(r#"{{"error":{error}}}"#),
        };
        let uri = "toy://linked/1";
        let link = json!({"type": "resource_link", "uri": uri, "name": "1"}).to_string();
        let text = "x".repeat(usize::try_from(self.text).unwrap_or(0));
        let text = json!({"type": "text", "text": text}).to_string();
        let blocks = [(self.links, link), (self.text > 0, text)].into_iter();
        let blocks: Vec<_> = blocks.filter(|(is_there, _)| *is_there).map(|(_, it)| it).collect();
        let blocks = blocks.join(",");
        let content = format!(r#""content":[{blocks}],"structuredContent":{{"answer":{answer}}}"#);
        let error = if self.fails == "result" { r#","isError":true"# } else { "" };
        format!("{{{content}{error}}}")
    }
}

impl Task {
    fn legacy(&self, id: &str) -> Value {
        json!({
            "taskId": id, "status": self.status, "statusMessage": self.message,
            "createdAt": MOMENT, "lastUpdatedAt": MOMENT, "ttl": self.ttl, "pollInterval": POLL,
        })
    }

    /// The members of the extension's task, as JSON text without braces.
    fn modern(&self, id: &str) -> String {
        let task = json!({
            "taskId": id, "status": self.status, "statusMessage": self.message,
            "createdAt": MOMENT, "lastUpdatedAt": MOMENT, "ttlMs": null, "pollIntervalMs": POLL,
        });
        let outcome = match (&self.outcome, self.status) {
            (Some(Ok(result)), _) => format!(r#","result":{result}"#),
            (Some(Err(error)), _) => format!(r#","error":{error}"#),
            (None, "input_required") => {
                let question = json!({"method": "elicitation/create", "params": question()});
                format!(r#","inputRequests":{}"#, json!({KEY: question}))
            }
            (None, _) => String::new(),
        };
        let text = task.to_string();
        let members = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        format!("{}{outcome}", members.unwrap_or_default())
    }

    fn is_over(&self) -> bool {
        matches!(self.status, "completed" | "failed" | "cancelled")
    }
}

fn question() -> Value {
    let properties = json!({"name": {"type": "string"}});
    let schema = json!({"type": "object", "properties": properties, "required": ["name"]});
    json!({"message": "Who are you?", "requestedSchema": schema})
}

fn report(toy: &Toy) -> Outcome {
    let state = toy.state();
    let all: BTreeMap<&str, &str> =
        state.tasks.all.iter().map(|(id, task)| (id.as_str(), task.status)).collect();
    calls::structured(&json!(all).to_string())
}

fn create(toy: &Arc<Toy>, era: Era, params: &Params, work: Work) -> Outcome {
    let asked = params.parts.task.as_ref().and_then(|task| task.get("ttl"));
    let task = Task {
        status: "working",
        message: "begun".to_owned(),
        ttl: asked.cloned().unwrap_or_default(),
        outcome: None,
        question: None,
        changed: Arc::default(),
        cancelled: CancellationToken::new(),
    };
    let mut state = toy.state();
    let id = format!("task-{}", state.tasks.all.len() + 1);
    let text = match era {
        Era::Legacy => json!({"task": task.legacy(&id), "x-unknown": 1.0}).to_string(),
        Era::Modern => format!(r#"{{"resultType":"task",{}}}"#, task.modern(&id)),
    };
    let cancelled = task.cancelled.clone();
    state.tasks.all.insert(id.clone(), task);
    let tracker = state.tasks.tracker.clone();
    drop(state);
    let toy = Arc::clone(toy);
    tracker.spawn(async move {
        tokio::select! {
            () = run(&toy, era, &id, &work) => {}
            () = cancelled.cancelled() => {}
        }
    });
    Outcome::Verbatim(text)
}

async fn run(toy: &Toy, era: Era, id: &str, work: &Work) {
    for step in 1..=work.steps {
        tokio::time::sleep(work.gap).await;
        if let Some(token) = &work.token {
            let meta = json!({RELATED: {"taskId": id}});
            let done = format!(r#""progress":{step},"total":{}"#, work.steps);
            let params = format!(r#"{{"progressToken":{token},{done},"_meta":{meta}}}"#);
            toy.out.notify("notifications/progress", &params);
        }
        change(toy, era, id, |task| task.message = format!("step {step}"));
    }
    let mut answer = None;
    if work.asks {
        let (sender, receiver) = oneshot::channel();
        change(toy, era, id, |task| {
            task.status = "input_required";
            "a question".clone_into(&mut task.message);
            task.question = Some(sender);
        });
        answer = receiver.await.ok();
        change(toy, era, id, |task| {
            task.status = "working";
            "answered".clone_into(&mut task.message);
        });
    }
    if work.holds {
        std::future::pending::<()>().await;
    }
    let is_error = work.fails == "error";
    let has_failed = is_error || (era == Era::Legacy && work.fails == "result");
    change(toy, era, id, |task| {
        task.status = if has_failed { "failed" } else { "completed" };
        task.outcome = Some(if is_error {
            Err(json!({"code": -32000, "message": "it failed", "data": {"x": 1}}).to_string())
        } else {
            Ok(work.result(answer.as_ref()))
        });
    });
}

/// Changes a task, and tells whoever wants to know.
fn change(toy: &Toy, era: Era, id: &str, change: impl FnOnce(&mut Task)) {
    let mut state = toy.state();
    let Some(task) = state.tasks.all.get_mut(id) else { return };
    change(task);
    // Somebody may begin to wait a moment later.
    task.changed.notify_one();
    let (legacy, modern) = (task.legacy(id).to_string(), task.modern(id));
    drop(state);
    match era {
        Era::Legacy => toy.out.notify("notifications/tasks/status", &legacy),
        Era::Modern => subscriptions::task_changed(toy, id, &modern),
    }
}

fn get(toy: &Toy, era: Era, id: &str) -> Outcome {
    let state = toy.state();
    let Some(task) = state.tasks.all.get(id) else { return Outcome::Silent };
    Outcome::Result(match era {
        Era::Legacy => task.legacy(id).to_string(),
        Era::Modern => format!("{{{}}}", task.modern(id)),
    })
}

fn cancel(toy: &Toy, era: Era, id: &str) -> Outcome {
    let is_over = toy.state().tasks.all.get(id).is_some_and(Task::is_over);
    if is_over && era == Era::Legacy {
        return Outcome::Refused(Refusal::new(-32602, "the task is over already"));
    }
    if !is_over {
        change(toy, era, id, |task| {
            task.status = "cancelled";
            "as told".clone_into(&mut task.message);
            task.cancelled.cancel();
        });
    }
    if era == Era::Legacy { get(toy, era, id) } else { Outcome::Result("{}".to_owned()) }
}

fn update(toy: &Toy, id: &str, params: &Params) -> Outcome {
    let given = params.parts.input_responses.as_ref().and_then(|given| given.get(KEY));
    let waiting = toy
        .state()
        .tasks
        .all
        .get_mut(id)
        .filter(|_| given.is_some())
        .and_then(|it| it.question.take());
    if let (Some(waiting), Some(answer)) = (waiting, given) {
        drop(waiting.send(Ok(answer.get().to_owned())));
    }
    Outcome::Result("{}".to_owned())
}

/// Waits for the end of a task; its question goes to whoever waits.
async fn result(toy: &Toy, id: &str) -> Outcome {
    loop {
        let (question, changed, outcome) = {
            let mut state = toy.state();
            let Some(task) = state.tasks.all.get_mut(id) else { return Outcome::Silent };
            let outcome = match &task.outcome {
                None if task.status == "cancelled" => {
                    Some(Err(json!({"code": -32000, "message": "cancelled"}).to_string()))
                }
                outcome => outcome.clone(),
            };
            (task.question.take(), Arc::clone(&task.changed), outcome)
        };
        if let Some(outcome) = outcome {
            return told(id, outcome);
        }
        match question {
            Some(question) => drop(question.send(ask(toy, id).await)),
            None => changed.notified().await,
        }
    }
}

fn told(id: &str, outcome: Answer) -> Outcome {
    match outcome {
        Ok(result) => {
            let meta = json!({RELATED: {"taskId": id}});
            let rest = result.strip_prefix('{').unwrap_or(&result);
            Outcome::Result(format!(r#"{{"_meta":{meta},{rest}"#))
        }
        Err(error) => Outcome::RefusedVerbatim(error),
    }
}

async fn ask(toy: &Toy, id: &str) -> Answer {
    let (sender, receiver) = oneshot::channel();
    let number = {
        let mut state = toy.state();
        state.last_question += 1;
        let number = format!(r#""toy-{}""#, state.last_question);
        state.asked.insert(number.clone(), sender);
        number
    };
    let mut params = question();
    if let Some(params) = params.as_object_mut() {
        params.insert("_meta".to_owned(), json!({RELATED: {"taskId": id}}));
    }
    toy.out.request(&number, "elicitation/create", &params.to_string());
    receiver.await.unwrap_or_else(|_| Err("null".to_owned()))
}
