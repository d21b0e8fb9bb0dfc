//! The server as the SDK sees it: lists, prompts, resources, subscriptions, tasks.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::ServerHandler;
use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResponse;
use rmcp::model::CancelTaskParams;
use rmcp::model::CompleteRequestParams;
use rmcp::model::CompleteResult;
use rmcp::model::CompletionInfo;
use rmcp::model::GetPromptRequestParams;
use rmcp::model::GetPromptResponse;
use rmcp::model::GetPromptResult;
use rmcp::model::GetSkillRequestParams;
use rmcp::model::GetSkillResult;
use rmcp::model::GetTaskParams;
use rmcp::model::GetTaskResult;
use rmcp::model::Implementation;
use rmcp::model::ListPromptsResult;
use rmcp::model::ListResourceTemplatesResult;
use rmcp::model::ListResourcesResult;
use rmcp::model::ListSkillsResult;
use rmcp::model::ListToolsResult;
use rmcp::model::LoggingLevel;
use rmcp::model::PaginatedRequestParams;
use rmcp::model::ProtocolVersion;
use rmcp::model::ReadResourceDirectoryRequestParams;
use rmcp::model::ReadResourceDirectoryResult;
use rmcp::model::ReadResourceRequestParams;
use rmcp::model::ReadResourceResponse;
use rmcp::model::ReadResourceResult;
use rmcp::model::RequestStateCodec;
use rmcp::model::ServerConfig;
use rmcp::model::SetLevelRequestParams;
use rmcp::model::SubscribeRequestParams;
use rmcp::model::SubscriptionFilter;
use rmcp::model::Tool;
use rmcp::model::UnsubscribeRequestParams;
use rmcp::model::UpdateTaskParams;
use rmcp::service::NotificationContext;
use rmcp::service::RequestContext;
use rmcp::service::SubscriptionContext;
use rmcp::task_manager::TaskManager;
use serde_json::Value;
use serde_json::json;

use crate::changes;
use crate::changes::Change;
use crate::changes::Changes;
use crate::data;
use crate::data::Answers;
use crate::data::Catalog;
use crate::flags::Eras;
use crate::interview;
use crate::interview::Interview;
use crate::interview::Stop;
use crate::skills;
use crate::tasks;
use crate::tools::Call;

/// What all sessions share.
pub(crate) struct Shared {
    eras: Eras,
    catalog: Catalog,
    codec: RequestStateCodec,
    pub(crate) answers: Answers,
    pub(crate) changes: Changes,
    pub(crate) tasks: TaskManager,
}

/// What one session of a legacy client sets.
#[derive(Default)]
struct Session {
    level: Option<LoggingLevel>,
    subscribed: HashSet<String>,
}

/// The server of one session, or of one modern request.
pub(crate) struct Server {
    shared: Arc<Shared>,
    session: Mutex<Session>,
}

impl Server {
    pub(crate) fn new(eras: Eras) -> Result<Self, String> {
        let (catalog, answers) = data::read().map_err(|error| error.to_string())?;
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| error.to_string())?;
        let codec = RequestStateCodec::new(key);
        let (changes, tasks) = (Changes::new(), TaskManager::new());
        let shared = Arc::new(Shared { eras, catalog, codec, answers, changes, tasks });
        Ok(Self { shared, session: Mutex::default() })
    }

    /// The same server for another session.
    pub(crate) fn again(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), session: Mutex::default() }
    }

    /// The least level of log messages that a request's client wants, if any.
    fn level(&self, context: &RequestContext<RoleServer>) -> Option<LoggingLevel> {
        if interview::is_modern(context) {
            return context.meta.log_level();
        }
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        Some(session.level.unwrap_or(LoggingLevel::Debug))
    }

    async fn prompt(
        &self,
        request: &GetPromptRequestParams,
        mut interview: Interview,
    ) -> Result<GetPromptResult, Stop> {
        let answers = &self.shared.answers;
        if let Some(answer) = answers.prompt(&request.name) {
            return Ok(answer);
        }
        let argument = |name: &str| {
            let value = request.arguments.as_ref().and_then(|given| given.get(name)?.as_str());
            value.unwrap_or_default().to_owned()
        };
        let says = |content: Value| json!({"role": "user", "content": content});
        let text = |text: String| says(json!({"type": "text", "text": text}));
        let messages = match request.name.as_str() {
            "test_prompt_with_arguments" => {
                let (first, second) = (argument("arg1"), argument("arg2"));
                vec![text(format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))]
            }
            "test_prompt_with_embedded_resource" => {
                let resource = json!({
                    "uri": argument("resourceUri"),
                    "mimeType": "text/plain",
                    "text": "Embedded resource content for testing.",
                });
                let embedded = says(json!({"type": "resource", "resource": resource}));
                vec![embedded, text("Please process the embedded resource above.".to_owned())]
            }
            name => {
                let Some(questions) = answers.questions(name, None) else {
                    let message = format!("unknown prompt `{name}`");
                    return Err(ErrorData::invalid_params(message, None).into());
                };
                let answers = interview.ask(&questions).await?;
                vec![text(format!("The context is {}.", Value::from_iter(answers)))]
            }
        };
        let result = data::result(json!({ "messages": messages }));
        Ok(result.map_err(|error| ErrorData::internal_error(error.to_string(), None))?)
    }

    /// Returns what is at `uri`; `test://template/{id}/data` is the one template.
    fn resource(&self, uri: &str) -> Option<ReadResourceResult> {
        if let Some(answer) = self.shared.answers.resource(uri) {
            return Some(answer);
        }
        if let Some(file) = skills::read(uri) {
            return data::result(file).ok();
        }
        let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
        let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
        let content = json!({"uri": uri, "mimeType": "application/json", "text": data.to_string()});
        data::result(json!({ "contents": [content] })).ok()
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = json!({
            "tools": {"listChanged": true},
            "prompts": {"listChanged": true},
            "resources": {"subscribe": true},
            "logging": {},
            "completions": {},
            "extensions": {
                "io.modelcontextprotocol/skills": {"directoryRead": true},
                "io.modelcontextprotocol/tasks": {},
            },
        });
        let capabilities = serde_json::from_value(capabilities).unwrap_or_default();
        let identity = Implementation::new("conformance-server", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(identity)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(match self.shared.eras {
            Eras::Legacy => ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_11_25),
            Eras::Modern => &[ProtocolVersion::V_2026_07_28],
            Eras::Both => ProtocolVersion::KNOWN_VERSIONS,
        })
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let mut receiver = self.shared.changes.subscribe();
        while let Some(change) = changes::next(&mut receiver).await {
            let told = match change {
                Change::Tools => context.peer.notify_tool_list_changed().await,
                Change::Prompts => context.peer.notify_prompt_list_changed().await,
            };
            if told.is_err() {
                return;
            }
        }
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.level = Some(request.level);
        Ok(())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let known = ["paris", "park", "party", "test"].map(str::to_owned);
        let fits = |value: &String| value.starts_with(&request.argument.value);
        let info = CompletionInfo::new(known.into_iter().filter(fits).collect());
        let info = info.map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(CompleteResult::new(info))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut tools = self.shared.catalog.tools.clone();
        if self.shared.changes.added(Change::Tools) {
            tools.push(self.shared.catalog.added_tool.clone());
        }
        Ok(ListToolsResult::with_all_items(tools))
    }

    /// The SDK compares the headers of a call with what this says.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.catalog.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.to_string();
        let interview = Interview::open(
            &context,
            self.shared.codec.clone(),
            &format!("tool {name}"),
            request.input_responses,
            request.request_state.as_deref(),
        )?;
        let (shared, level) = (Arc::clone(&self.shared), self.level(&context));
        let arguments = request.arguments.unwrap_or_default();
        let call = Call { shared, name, arguments, context, interview, level };
        interview::response(tasks::run(call).await)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut prompts = self.shared.catalog.prompts.clone();
        if self.shared.changes.added(Change::Prompts) {
            prompts.push(self.shared.catalog.added_prompt.clone());
        }
        Ok(ListPromptsResult::with_all_items(prompts))
    }

    async fn get_prompt(
        &self,
        mut request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let interview = Interview::open(
            &context,
            self.shared.codec.clone(),
            &format!("prompt {}", request.name),
            request.input_responses.take(),
            request.request_state.as_deref(),
        )?;
        interview::response(self.prompt(&request, interview).await)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut resources = self.shared.catalog.resources.clone();
        resources.push(skills::resource());
        Ok(ListResourcesResult::with_all_items(resources))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = self.shared.catalog.resource_templates.clone();
        Ok(ListResourceTemplatesResult::with_all_items(templates))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let Some(result) = self.resource(&request.uri) else {
            let data = json!({ "uri": request.uri });
            return Err(ErrorData::resource_not_found("Resource not found", Some(data)));
        };
        Ok(result.into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.subscribed.insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.subscribed.remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut receiver = self.shared.changes.subscribe();
        let accepted = context.accepted();
        let (tools, prompts) = (accepted.tools_list_changed, accepted.prompts_list_changed);
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes::next(&mut receiver) => change,
            };
            let told = match change {
                Some(Change::Tools) if tools == Some(true) => {
                    context.sink().notify_tool_list_changed().await
                }
                Some(Change::Prompts) if prompts == Some(true) => {
                    context.sink().notify_prompt_list_changed().await
                }
                Some(_) => Ok(()),
                None => return Ok(()),
            };
            if told.is_err() {
                return Ok(());
            }
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.shared.tasks.get_task(&request.task_id)?))
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.shared.tasks.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.shared.tasks.cancel_task(&request.task_id)
    }

    async fn list_skills(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        Ok(ListSkillsResult::with_all_items(vec![skills::skill()]))
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        Ok(GetSkillResult::new(skills::get(&request.uri)?))
    }

    async fn read_resource_directory(
        &self,
        request: ReadResourceDirectoryRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(skills::directory(&request.uri)?))
    }
}
