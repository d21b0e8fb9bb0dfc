//! The client of rmcp in the matrix: how it connects, what it answers and what it hears.
#![expect(deprecated, reason = "what the newest revision gives up is still spoken")]

use std::sync::Arc;
use std::sync::Mutex;

use rmcp::ClientHandler;
use rmcp::ErrorData;
use rmcp::RoleClient;
use rmcp::model::ClientConfig;
use rmcp::model::CreateMessageRequestParams;
use rmcp::model::CreateMessageResult;
use rmcp::model::ElicitRequestParams;
use rmcp::model::ElicitResult;
use rmcp::model::ElicitationAction;
use rmcp::model::Implementation;
use rmcp::model::ListRootsResult;
use rmcp::model::LoggingLevel;
use rmcp::model::LoggingMessageNotificationParam;
use rmcp::model::ProgressNotificationParam;
use rmcp::model::ProtocolVersion;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::model::Root;
use rmcp::model::SamplingMessage;
use rmcp::model::ServerNotification;
use rmcp::model::SetLevelRequestParams;
use rmcp::model::SubscriptionFilter;
use rmcp::service::ClientLifecycleMode;
use rmcp::service::ClientServiceExt as _;
use rmcp::service::NotificationContext;
use rmcp::service::Peer;
use rmcp::service::RequestContext;
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::TokioChildProcess;
use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::matrix_rmcp::Wish;
use crate::support::programs::Program;
use crate::support::wire_client::LIMIT;

/// What came outside of results.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) progress: Vec<f64>,
    pub(crate) logs: Vec<Value>,
    pub(crate) tools_changed: usize,
    pub(crate) updated: Vec<String>,
}

/// Fixed answers to every question, and everything that was heard.
pub(crate) struct Answers {
    config: ClientConfig,
    heard: Arc<Mutex<Heard>>,
}

/// Connects in the way of the revision; a modern client comes with what follows its subscription.
pub(crate) async fn connect(
    wish: &Wish,
    server: &Program,
) -> (RunningService<RoleClient, Answers>, Option<JoinSet<()>>) {
    let all = ProtocolVersion::KNOWN_VERSIONS.iter();
    let version = all.clone().find(|version| version.as_str() == wish.revision).unwrap().clone();
    let is_modern = version == ProtocolVersion::V_2026_07_28;
    let lifecycle = if is_modern {
        ClientLifecycleMode::Discover { preferred_versions: vec![version.clone()] }
    } else {
        ClientLifecycleMode::Initialize
    };
    let capabilities = serde_json::from_value(capabilities(&wish.revision)).unwrap();
    let config = ClientConfig::new(capabilities, Implementation::new("rmcp-matrix", "1"));
    let config = config.with_protocol_version(version);
    let heard = Arc::new(Mutex::new(Heard::default()));
    let handler = Answers { config, heard: Arc::clone(&heard) };
    let connected = if wish.transport == "http" {
        let transport = StreamableHttpClientTransport::from_uri(server.path.clone());
        timeout(LIMIT, handler.serve_with_lifecycle(transport, lifecycle)).await
    } else {
        let transport = TokioChildProcess::new(server.command()).unwrap();
        timeout(LIMIT, handler.serve_with_lifecycle(transport, lifecycle)).await
    };
    let client = connected.expect("rmcp connects in time").unwrap();
    if is_modern {
        let subscription = follow(client.peer().clone(), wish, heard).await;
        return (client, Some(subscription));
    }
    client.set_level(SetLevelRequestParams::new(LoggingLevel::Debug)).await.unwrap();
    (client, None)
}

/// What a client of a revision can do.
fn capabilities(revision: &str) -> Value {
    let mut capabilities = json!({"roots": {}, "sampling": {}});
    if revision >= "2025-06-18" {
        capabilities["elicitation"] = json!({});
    }
    if revision >= "2025-11-25" {
        capabilities["elicitation"] = json!({"form": {}, "url": {}});
    }
    if revision >= "2026-07-28" {
        capabilities["extensions"] = json!({"io.modelcontextprotocol/tasks": {}});
    }
    capabilities
}

async fn follow(peer: Peer<RoleClient>, wish: &Wish, heard: Arc<Mutex<Heard>>) -> JoinSet<()> {
    let uris = wish.walk.iter().map(|target| format!("matrix://{}/state", target.key));
    let filter = SubscriptionFilter::builder().tools_list_changed().resource_subscriptions(uris);
    let mut subscription = peer.listen(filter.build()).await.unwrap();
    let mut follower = JoinSet::new();
    follower.spawn(async move {
        while let Ok(Some(notification)) = subscription.next().await {
            let mut heard = heard.lock().unwrap();
            match notification {
                ServerNotification::ToolListChangedNotification(_) => heard.tools_changed += 1,
                ServerNotification::ResourceUpdatedNotification(updated) => {
                    heard.updated.push(updated.params.uri);
                }
                _ => {}
            }
        }
    });
    follower
}

impl Answers {
    pub(crate) fn heard(&self) -> Arc<Mutex<Heard>> {
        Arc::clone(&self.heard)
    }
}

impl ClientHandler for Answers {
    fn get_info(&self) -> ClientConfig {
        self.config.clone()
    }

    async fn create_message(
        &self,
        _params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let message = SamplingMessage::assistant_text("hello");
        Ok(CreateMessageResult::new(message, "none".to_owned()))
    }

    async fn list_roots(
        &self,
        _context: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///x")]))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let accepted = ElicitResult::new(ElicitationAction::Accept);
        Ok(match request {
            // An address is visited, there is nothing to fill in.
            ElicitRequestParams::UrlElicitationParams { .. } => accepted,
            _ => accepted.with_content(json!({"name": "Ada"})),
        })
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.heard.lock().unwrap().progress.push(params.progress);
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.heard.lock().unwrap().logs.push(params.data);
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.heard.lock().unwrap().tools_changed += 1;
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.heard.lock().unwrap().updated.push(params.uri);
    }
}
