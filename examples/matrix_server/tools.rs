//! The tools that ask nobody, and how every call finds its tool.
#![expect(deprecated, reason = "what the newest revision gives up is still spoken")]

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResponse;
use rmcp::model::CallToolResult;
use rmcp::model::ContentBlock;
use rmcp::model::CreateTaskResult;
use rmcp::model::ErrorCode;
use rmcp::model::LoggingLevel;
use rmcp::model::LoggingMessageNotificationParam;
use rmcp::model::ProgressNotificationParam;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::model::TASKS_EXTENSION_ID;
use rmcp::service::RequestContext;
use rmcp::task_manager::TaskOptions;
use serde_json::Value;
use serde_json::json;
use tokio::time::sleep;

use crate::catalog::lock;
use crate::serve::Change;
use crate::serve::Matrix;

/// How long `wait` waits to be cancelled.
const PATIENCE: Duration = Duration::from_secs(20);
const WORK: Duration = Duration::from_millis(50);

impl Matrix {
    /// Calls one tool.
    pub(crate) async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tools = self.catalog.tools(&self.flags.revision, &lock(&self.state).added);
        if !tools.iter().any(|tool| tool.name == request.name) {
            let message = format!("unknown tool `{}`", request.name);
            return Err(ErrorData::invalid_params(message, None));
        }
        let argument = |name: &str| {
            let given = request.arguments.as_ref().and_then(|given| given.get(name));
            given.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        match &*request.name {
            "fail" => {
                let failure = ContentBlock::text(self.catalog.failure.clone());
                Ok(CallToolResult::error(vec![failure]).into())
            }
            "refuse" => {
                let refusal = &self.catalog.refusal;
                Err(ErrorData::new(ErrorCode(refusal.code), refusal.message.clone(), None))
            }
            "progress" => progress(&context).await,
            "wait" => self.wait(&context, argument("key")).await,
            "cancelled" => {
                let is_known = lock(&self.state).cancelled.contains(&argument("key"));
                Ok(text(if is_known { "yes" } else { "no" }))
            }
            "log" => log(&context, argument("text")).await,
            "add_tool" => self.add_tool(argument("name")).await,
            "touch" => self.touch(argument("text")).await,
            "sample" | "roots" | "elicit_form" | "elicit_url" => self.ask(&request, &context).await,
            "task" => self.task(&context).await,
            _ => Ok(text(&argument("text"))),
        }
    }

    async fn wait(
        &self,
        context: &RequestContext<RoleServer>,
        key: String,
    ) -> Result<CallToolResponse, ErrorData> {
        report(context, 1.0, 1.0).await;
        tokio::select! {
            () = sleep(PATIENCE) => Ok(text("nobody cancelled")),
            () = context.ct.cancelled() => {
                lock(&self.state).cancelled.insert(key);
                Err(ErrorData::internal_error("cancelled", None))
            }
        }
    }

    async fn add_tool(&self, name: String) -> Result<CallToolResponse, ErrorData> {
        let sessions = {
            let mut state = lock(&self.state);
            state.added.push(name);
            state.sessions.clone()
        };
        for session in sessions {
            // Some sessions have ended.
            let _gone = session.notify_tool_list_changed().await.is_err();
        }
        let _nobody_listens = self.changes.send(Change::Tools).is_err();
        Ok(text("added"))
    }

    async fn touch(&self, changed: String) -> Result<CallToolResponse, ErrorData> {
        let sessions = {
            let mut state = lock(&self.state);
            state.text = changed;
            state.subscribed.clone()
        };
        for session in sessions {
            let updated = ResourceUpdatedNotificationParam::new(self.uri());
            let _gone = session.notify_resource_updated(updated).await.is_err();
        }
        let _nobody_listens = self.changes.send(Change::Resource).is_err();
        Ok(text("touched"))
    }

    async fn task(
        &self,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let extensions = context.client_capabilities().and_then(|client| client.extensions);
        let has_tasks = extensions.is_some_and(|known| known.contains_key(TASKS_EXTENSION_ID));
        if !(self.is_modern() && has_tasks) {
            sleep(WORK).await;
            return Ok(text("worked"));
        }
        let options = TaskOptions::new().with_poll_interval_ms(20);
        let task = self.tasks.spawn(options, |_context| {
            Box::pin(async {
                sleep(WORK).await;
                Ok(CallToolResult::success(vec![ContentBlock::text("worked")]))
            })
        });
        Ok(CreateTaskResult::new(task).into())
    }
}

async fn progress(context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    for step in [1.0, 2.0, 3.0] {
        report(context, step, 3.0).await;
        sleep(Duration::from_millis(10)).await;
    }
    Ok(text("done"))
}

async fn report(context: &RequestContext<RoleServer>, step: f64, total: f64) {
    let Some(token) = context.meta.get_progress_token() else { return };
    let progress = ProgressNotificationParam::new(token, step).with_total(total);
    // A client that has gone is not told.
    let _gone = context.peer.notify_progress(progress).await.is_err();
}

async fn log(
    context: &RequestContext<RoleServer>,
    data: String,
) -> Result<CallToolResponse, ErrorData> {
    let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(data));
    let _gone = context.peer.notify_logging_message(message).await.is_err();
    Ok(text("logged"))
}

/// A result that is one text.
pub(crate) fn text(content: &str) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(content)]).into()
}
