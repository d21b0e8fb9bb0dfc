//! What a task looks like on the wire in both kinds, and the places where its id stands.

use std::time::Duration;

use serde::Deserialize;

use crate::exchange::ask::InputRequest;
use crate::exchange::task::Dialect;
use crate::exchange::task_ids;
use crate::ids::UpstreamId;
use crate::wire::Raw;
use crate::wire::meta;
use crate::wire::object;

/// How often a task is looked at when its server says nothing about that.
const POLL: Duration = Duration::from_secs(1);
/// The shortest and the longest pause between two looks, whatever its server says.
const POLL_BOUNDS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Phase {
    /// It is being worked on.
    Working,
    /// It waits for the client.
    InputRequired,
    /// It has a result.
    Completed,
    /// It has an error, or (2025-11-25) a result that says so.
    Failed,
    /// It was ended.
    Cancelled,
}

/// What a server says about a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Status {
    /// The server's own id.
    pub(in crate::upstream) id: String,
    /// How far it is.
    pub(in crate::upstream) phase: Phase,
    /// What people may read about that.
    pub(in crate::upstream) message: Option<String>,
    /// How long it is kept from its creation on, if that is limited.
    pub(in crate::upstream) ttl: Option<Duration>,
    /// How long to wait before the next look, within bounds.
    pub(in crate::upstream) poll: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct View {
    task_id: String,
    status: String,
    status_message: Option<String>,
    ttl: Option<f64>,
    ttl_ms: Option<f64>,
    poll_interval: Option<f64>,
    poll_interval_ms: Option<f64>,
}

impl Phase {
    /// Returns whether nothing changes any more.
    pub(in crate::upstream) fn is_last(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl Status {
    /// Reads a task of either kind; nothing if this is none, or its id cannot be carried.
    pub(in crate::upstream) fn read(task: &Raw) -> Option<Self> {
        let view: View = task.read().ok()?;
        if view.task_id.len() > task_ids::LOCAL_LIMIT {
            return None;
        }
        let phase = match view.status.as_str() {
            "input_required" => Phase::InputRequired,
            "completed" => Phase::Completed,
            "failed" => Phase::Failed,
            "cancelled" => Phase::Cancelled,
            // What a later revision may add is no end.
            _ => Phase::Working,
        };
        let time = |millis: f64| Duration::try_from_secs_f64(millis / 1000.0).ok();
        let poll = view.poll_interval_ms.or(view.poll_interval).and_then(time).unwrap_or(POLL);
        Some(Self {
            id: view.task_id,
            phase,
            message: view.status_message.filter(|message| !message.is_empty()),
            ttl: view.ttl_ms.or(view.ttl).and_then(time),
            poll: poll.clamp(POLL_BOUNDS.0, POLL_BOUNDS.1),
        })
    }

    /// Reads the task that a call was answered with; nothing if it was answered with a result.
    pub(in crate::upstream) fn created(result: &Raw, dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::None => None,
            Dialect::Core => Self::read(&result.member("task")?),
            Dialect::Extension => is_task(result).then(|| Self::read(result)).flatten(),
        }
    }
}

/// Whether the extension marks this as a task.
pub(in crate::upstream) fn is_task(result: &Raw) -> bool {
    // Every other result is spared the reading.
    result.get().contains("\"task\"")
        && result.member("resultType").is_some_and(|kind| kind.get() == "\"task\"")
}

/// Returns the task that a message says it belongs to (2025-11-25, "Related Task Metadata").
pub(in crate::upstream) fn related(body: Option<&Raw>) -> Option<String> {
    let body = body.filter(|body| body.get().contains(meta::RELATED_TASK))?;
    body.member("_meta")?.member(meta::RELATED_TASK)?.member("taskId")?.string()
}

/// Returns a message that belongs to the task `id`, or to none.
pub(in crate::upstream) fn relate(body: &Raw, id: Option<&str>) -> Raw {
    let edited = match id {
        Some(id) => {
            let task = Raw::of(&serde_json::json!({ "taskId": id }));
            meta::edit(Some(body), &[(meta::RELATED_TASK, task.get())], &[])
        }
        None => meta::edit(Some(body), &[], &[meta::RELATED_TASK]),
    };
    edited.unwrap_or_else(|| body.clone())
}

/// Returns a message that belongs to a task with that task's id replaced; any other as it is.
pub(in crate::upstream) fn relate_again(body: Raw, id: Option<&str>) -> Raw {
    if related(Some(&body)).is_some() { relate(&body, id) } else { body }
}

/// Returns a task with another id.
pub(in crate::upstream) fn renamed(task: &Raw, id: &str) -> Raw {
    let id = Raw::of(id);
    match task.object() {
        Ok(object) if object.get("taskId").is_some() => {
            object.edit().set("taskId", id.get()).apply()
        }
        _ => task.clone(),
    }
}

/// Returns a task as its caller may see it: under the id it knows, its questions as it
/// may see them.
pub(in crate::upstream) fn presented(task: &Raw, public: &str, upstream: &UpstreamId) -> Raw {
    let task = renamed(task, public);
    let Some(requests) = task.member("inputRequests") else { return task };
    let Ok(object) = requests.object() else { return task };
    let presented = object.iter().map(|(key, text)| {
        let request = requests.part(text);
        let present = || {
            let question = InputRequest::parse(
                &request.member("method")?.string()?,
                request.member("params"),
            )?;
            let params = question.presented(upstream)?;
            Some(request.object().ok()?.edit().set("params", params.get()).apply())
        };
        (key.to_owned(), present().unwrap_or_else(|| request.clone()))
    });
    let presented: Vec<(String, Raw)> = presented.collect();
    let all = object::build(presented.iter().map(|(key, raw)| (key.as_str(), raw.get())));
    match task.object() {
        Ok(object) => object.edit().set("inputRequests", all.get()).apply(),
        Err(_) => task.clone(),
    }
}

/// Returns the parameters of a request about the task `id`.
pub(in crate::upstream) fn params(id: &str) -> Raw {
    object::build([("taskId", Raw::of(id).get())])
}
