//! What the tools do.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CallToolResult;
use rmcp::model::ClientCapabilities;
use rmcp::model::ContentBlock;
use rmcp::model::InputRequests;
use rmcp::model::JsonObject;
use rmcp::model::LoggingLevel;
use rmcp::model::LoggingMessageNotificationParam;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use serde_json::Value;

use crate::changes::Change;
use crate::interview;
use crate::interview::Answers;
use crate::interview::Interview;
use crate::interview::Stop;
use crate::server::Shared;

/// Between two messages of one call, so that they do not arrive in one piece.
const GAP: Duration = Duration::from_millis(50);
/// How long the call takes whose stream may break.
const BREAK: Duration = Duration::from_millis(300);
/// How long a job works before it fails.
const WORK: Duration = Duration::from_secs(1);

/// One call of a tool.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: String,
    pub(crate) arguments: JsonObject,
    pub(crate) context: RequestContext<RoleServer>,
    pub(crate) interview: Interview,
    /// The least level of log messages that the caller wants, if any.
    pub(crate) level: Option<LoggingLevel>,
}

impl Call {
    /// What this tool asks; see `data::Answers::questions`.
    pub(crate) fn questions(&self, words: Option<&str>) -> InputRequests {
        self.shared.answers.questions(&self.name, words).unwrap_or_default()
    }

    fn string(&self, argument: &str) -> &str {
        self.arguments.get(argument).and_then(Value::as_str).unwrap_or_default()
    }

    async fn log(&self, data: &str) {
        // The order of the levels is the order of their declaration, debug first.
        if self.level.is_none_or(|least| (least as u8) > LoggingLevel::Info as u8) {
            return;
        }
        let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, data.into());
        // Who has gone is not told.
        drop(self.context.peer.notify_logging_message(message).await);
    }

    async fn tell_progress(&self) {
        for progress in [0.0, 50.0, 100.0] {
            if let Some(token) = self.context.meta.get_progress_token() {
                let told = ProgressNotificationParam::new(token, progress).with_total(100.0);
                drop(self.context.peer.notify_progress(told).await);
            }
            tokio::time::sleep(GAP).await;
        }
    }

    /// Waits, unless whoever called does not want the result any more.
    async fn work(&self, duration: Duration) -> Result<(), Stop> {
        let cancelled = async {
            match self.interview.task() {
                Some(task) => task.cancelled().await,
                None => self.context.ct.cancelled().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(duration) => Ok(()),
            () = cancelled => Err(Stop::Cancelled),
        }
    }
}

/// Runs a call to its end, or as far as the client's answers reach.
pub(crate) async fn run(call: &mut Call) -> Result<CallToolResult, Stop> {
    if let Some(answer) = call.shared.answers.tool(&call.name) {
        return Ok(answer);
    }
    match call.name.as_str() {
        "test_tool_with_logging" | "test_logging_tool" => {
            call.log("Tool execution started").await;
            tokio::time::sleep(GAP).await;
            call.log("Tool processing data").await;
            tokio::time::sleep(GAP).await;
            call.log("Tool execution completed").await;
            Ok(text("Logged what there was to log."))
        }
        "test_tool_with_progress" => {
            call.tell_progress().await;
            Ok(text("Made all the progress there was to make."))
        }
        "test_reconnection" => {
            call.work(BREAK).await?;
            Ok(text("Still here."))
        }
        "test_custom_headers" => Ok(text(&Value::from(call.arguments.clone()).to_string())),
        "test_missing_capability" => needs_sampling(call),
        "test_trigger_tool_change" => {
            call.shared.changes.toggle(Change::Tools);
            Ok(text("The tools changed."))
        }
        "test_trigger_prompt_change" => {
            call.shared.changes.toggle(Change::Prompts);
            Ok(text("The prompts changed."))
        }
        "greet" => Ok(text(&format!("Hello, {}!", call.string("name")))),
        "slow_compute" => {
            let seconds = call.arguments.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
            let duration = Duration::try_from_secs_f64(seconds);
            let refused = |_| ErrorData::invalid_params("`seconds` must be a duration", None);
            call.work(duration.map_err(refused)?).await?;
            Ok(text(&format!("Computed for {seconds} seconds.")))
        }
        "failing_job" => {
            call.work(WORK).await?;
            Ok(CallToolResult::error(vec![ContentBlock::text("The job failed.")]))
        }
        "protocol_error_job" => {
            call.work(GAP).await?;
            Err(ErrorData::internal_error("the job broke the server", None).into())
        }
        _ => ask(call).await,
    }
}

fn needs_sampling(call: &Call) -> Result<CallToolResult, Stop> {
    let client = call.context.client_capabilities().unwrap_or_default();
    if client.sampling.is_some() {
        return Ok(text("Nothing is missing."));
    }
    let required = ClientCapabilities::builder().enable_sampling().build();
    Err(interview::lacks(interview::is_modern(&call.context), required).into())
}

/// Tools that ask something and tell what was answered.
async fn ask(call: &mut Call) -> Result<CallToolResult, Stop> {
    let words = match call.name.as_str() {
        "test_sampling" => Some(call.string("prompt").to_owned()),
        "test_elicitation" => Some(call.string("message").to_owned()),
        _ => None,
    };
    let mut questions = call.questions(words.as_deref());
    if questions.is_empty() {
        let message = format!("unknown tool `{}`", call.name);
        return Err(ErrorData::invalid_params(message, None).into());
    }
    if call.name == "test_input_required_result_capabilities" {
        questions = call.interview.answerable(questions);
    }
    let mut answers = call.interview.ask(&questions).await?;
    if call.name == "test_input_required_result_multi_round" {
        let next = call.shared.answers.questions("step2", None).unwrap_or_default();
        answers = call.interview.ask(&next).await?;
    }
    Ok(text(&told(&call.name, &answers)))
}

fn told(tool: &str, answers: &Answers) -> String {
    let words = |place| answers.values().find_map(|answer| answer.pointer(place)?.as_str());
    let first = answers.values().next();
    let action = words("/action").unwrap_or_default();
    let content = first.and_then(|answer| answer.get("content")).unwrap_or(&Value::Null);
    match tool {
        "test_sampling" => format!("LLM response: {}", words("/content/text").unwrap_or_default()),
        "test_elicitation" => format!("User response: action={action}, content={content}"),
        "test_elicitation_sep1034_defaults" | "test_elicitation_sep1330_enums" => {
            format!("Elicitation completed: action={action}, content={content}")
        }
        "test_input_required_result_elicitation" | "test_tool_with_task" => {
            format!("Hello, {}!", words("/content/name").unwrap_or_default())
        }
        // The state was opened, or there would be no answer.
        "test_input_required_result_request_state" => format!("state-ok, action={action}"),
        _ => Value::from_iter(answers.clone()).to_string(),
    }
}

fn text(words: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(words)])
}
