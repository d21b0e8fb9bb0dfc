//! The requests of both eras but calls of tools.
#![expect(deprecated, reason = "what the newest revision gives up is still spoken")]

use std::borrow::Cow;
use std::collections::VecDeque;
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
use rmcp::model::GetTaskParams;
use rmcp::model::GetTaskResult;
use rmcp::model::Implementation;
use rmcp::model::ListPromptsResult;
use rmcp::model::ListResourceTemplatesResult;
use rmcp::model::ListResourcesResult;
use rmcp::model::ListToolsResult;
use rmcp::model::PaginatedRequestParams;
use rmcp::model::Prompt;
use rmcp::model::PromptArgument;
use rmcp::model::PromptMessage;
use rmcp::model::ProtocolVersion;
use rmcp::model::ReadResourceRequestParams;
use rmcp::model::ReadResourceResponse;
use rmcp::model::ReadResourceResult;
use rmcp::model::Resource;
use rmcp::model::ResourceContents;
use rmcp::model::ResourceTemplate;
use rmcp::model::Role;
use rmcp::model::ServerCapabilities;
use rmcp::model::ServerConfig;
use rmcp::model::SetLevelRequestParams;
use rmcp::model::SubscribeRequestParams;
use rmcp::model::SubscriptionFilter;
use rmcp::model::UnsubscribeRequestParams;
use rmcp::service::NotificationContext;
use rmcp::service::RequestContext;
use rmcp::service::SubscriptionContext;
use rmcp::task_manager::TaskManager;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;
use crate::catalog::Flags;
use crate::catalog::State;
use crate::catalog::lock;

/// Changes that wait for a slow subscription; it misses older ones.
const CHANGES: usize = 64;

type Context = RequestContext<RoleServer>;

/// Something that subscriptions tell of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Tools,
    Resource,
}

/// The server; every session has a clone.
#[derive(Clone)]
pub(crate) struct Matrix {
    pub(crate) flags: Flags,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) changes: broadcast::Sender<Change>,
    /// What subscriptions hear that are accepted and not yet listened to: the SDK acknowledges one
    /// before it calls `listen`, and the client may change something in between.
    accepted: Arc<Mutex<VecDeque<broadcast::Receiver<Change>>>>,
    pub(crate) tasks: Arc<TaskManager>,
    /// Nobody is there any more.
    pub(crate) gone: CancellationToken,
}

impl Matrix {
    pub(crate) fn new(flags: Flags) -> Self {
        Self {
            flags,
            catalog: Arc::new(Catalog::new()),
            state: Arc::new(State::new()),
            changes: broadcast::channel(CHANGES).0,
            accepted: Arc::default(),
            tasks: Arc::new(TaskManager::new()),
            gone: CancellationToken::new(),
        }
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.flags.revision.as_str() >= "2026-07-28"
    }

    /// The URI of the one resource.
    pub(crate) fn uri(&self) -> String {
        format!("matrix://{}/state", self.flags.key)
    }

    fn version(&self) -> ProtocolVersion {
        let known = ProtocolVersion::KNOWN_VERSIONS.iter();
        let mut own = known.filter(|version| version.as_str() == self.flags.revision);
        own.next().cloned().unwrap_or_default()
    }
}

impl ServerHandler for Matrix {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_completions()
            .enable_logging();
        let capabilities = if self.is_modern() {
            capabilities.enable_tasks().build()
        } else {
            capabilities.build()
        };
        ServerConfig::new(capabilities)
            .with_protocol_version(self.version())
            .with_server_info(Implementation::new("matrix-rmcp", "1"))
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Owned(vec![self.version()])
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        lock(&self.state).sessions.push(context.peer);
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.catalog.tools(&self.flags.revision, &lock(&self.state).added);
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        self.call(request, context).await
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![Resource::new(self.uri(), "state")]))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = format!("matrix://{}/{}", self.flags.key, self.catalog.template);
        let template = ResourceTemplate::new(template, "any");
        Ok(ListResourceTemplatesResult::with_all_items(vec![template]))
    }

    async fn read_resource(
        &self,
        _request: ReadResourceRequestParams,
        _context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let text = lock(&self.state).text.clone();
        let contents = vec![ResourceContents::text(text, self.uri())];
        Ok(ReadResourceResult::new(contents).into())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompt = &self.catalog.prompt;
        let arguments = vec![PromptArgument::new(&prompt.argument)];
        let prompt = Prompt::new(&prompt.name, Some(&prompt.description), Some(arguments));
        Ok(ListPromptsResult::with_all_items(vec![prompt]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let argument = &self.catalog.prompt.argument;
        let name = request.arguments.as_ref().and_then(|given| given.get(argument)?.as_str());
        let text = format!("Hello, {}!", name.unwrap_or_default());
        let message = PromptMessage::new_text(Role::User, text);
        Ok(GetPromptResult::new(vec![message]).into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: Context,
    ) -> Result<CompleteResult, ErrorData> {
        let all = self.catalog.completions.iter();
        let values = all.filter(|value| value.starts_with(&request.argument.value)).cloned();
        let info = CompletionInfo::new(values.collect());
        Ok(CompleteResult::new(info.map_err(|error| ErrorData::internal_error(error, None))?))
    }

    async fn set_level(
        &self,
        _request: SetLevelRequestParams,
        _context: Context,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(
        &self,
        _request: SubscribeRequestParams,
        context: Context,
    ) -> Result<(), ErrorData> {
        lock(&self.state).subscribed.push(context.peer);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _request: UnsubscribeRequestParams,
        _context: Context,
    ) -> Result<(), ErrorData> {
        lock(&self.state).subscribed.clear();
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.push_back(self.changes.subscribe());
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let mut changes = accepted.unwrap_or_else(|| self.changes.subscribe());
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = self.gone.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            // What the filter does not have is refused by the sink, and rightly.
            let _refused = match change {
                Ok(Change::Tools) => context.sink().notify_tool_list_changed().await.is_err(),
                Ok(Change::Resource) => {
                    context.sink().notify_resource_updated(self.uri()).await.is_err()
                }
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return Ok(()),
            };
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _context: Context,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(GetTaskResult::new(self.tasks.get_task(&request.task_id)?))
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _context: Context,
    ) -> Result<(), ErrorData> {
        self.tasks.cancel_task(&request.task_id)
    }
}
