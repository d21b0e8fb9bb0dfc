//! Calls that go on as tasks (the extension `io.modelcontextprotocol/tasks`).

use rmcp::ErrorData;
use rmcp::model::CallToolResponse;
use rmcp::model::ClientCapabilities;
use rmcp::model::CreateTaskResult;
use rmcp::task_manager::TaskExit;
use rmcp::task_manager::TaskOptions;

use crate::interview;
use crate::interview::Stop;
use crate::tools;
use crate::tools::Call;

/// How long a task is kept, in milliseconds.
const TTL: u64 = 60_000;
/// How often a client should look, in milliseconds.
const POLL_INTERVAL: u64 = 100;

/// Whether a tool becomes a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    Never,
    /// For clients that know tasks.
    Optional,
    Required,
}

fn support(tool: &str) -> Support {
    match tool {
        "slow_compute" | "protocol_error_job" | "confirm_delete" | "multi_input" => {
            Support::Optional
        }
        "failing_job" | "test_tool_with_task" => Support::Required,
        _ => Support::Never,
    }
}

/// Runs a call here and now, or starts a task for it.
pub(crate) async fn run(mut call: Call) -> Result<CallToolResponse, Stop> {
    let modern = interview::is_modern(&call.context);
    let client = call.context.client_capabilities().unwrap_or_default();
    match (support(&call.name), modern && client.supports_tasks()) {
        (Support::Required, false) => {
            let required = ClientCapabilities::builder().enable_tasks().build();
            Err(interview::lacks(modern, required).into())
        }
        (Support::Never, _) | (Support::Optional, false) => Ok(tools::run(&mut call).await?.into()),
        (Support::Optional | Support::Required, true) => {
            if call.name == "test_tool_with_task" {
                // Its question comes before there is a task, so that the client comes back.
                let questions = call.questions(None);
                call.interview.ask(&questions).await?;
            }
            Ok(start(call))
        }
    }
}

fn start(mut call: Call) -> CallToolResponse {
    let options = TaskOptions::new().with_ttl_ms(TTL).with_poll_interval_ms(POLL_INTERVAL);
    let tasks = call.shared.tasks.clone();
    let task = tasks.spawn(options, |context| {
        call.interview = call.interview.into_task(context);
        Box::pin(async move {
            tools::run(&mut call).await.map_err(|stop| match stop {
                Stop::Cancelled => TaskExit::Cancelled,
                Stop::Refused(error) => TaskExit::Error(error),
                Stop::InputRequired(_) => {
                    TaskExit::Error(ErrorData::internal_error("a task asks by its state", None))
                }
            })
        })
    });
    CallToolResponse::Task(CreateTaskResult::new(task))
}
