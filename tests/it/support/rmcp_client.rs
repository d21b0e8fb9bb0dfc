//! The client of rmcp: another peer that tests put in front of a server.

use std::sync::Arc;
use std::sync::Mutex;

use rmcp::ClientHandler;
use rmcp::ErrorData;
use rmcp::RoleClient;
use rmcp::model::ClientCapabilities;
use rmcp::model::ClientConfig;
use rmcp::model::ElicitRequestParams;
use rmcp::model::ElicitResult;
use rmcp::model::ElicitationAction;
use rmcp::model::Implementation;
use rmcp::model::ProtocolVersion;
use rmcp::service::ClientLifecycleMode;
use rmcp::service::ClientServiceExt as _;
use rmcp::service::RequestContext;
use rmcp::service::RunningService;
use rmcp::transport::TokioChildProcess;
use tokio::time::timeout;

use crate::support::programs::Program;
use crate::support::sdk::Mode;
use crate::support::wire_client::LIMIT;

/// Declines every elicitation and remembers its message.
#[derive(Clone, Default)]
pub(crate) struct Declines {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Declines {
    /// The messages of all elicitations so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl ClientHandler for Declines {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("rmcp-tests", "1"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let message = match request {
            ElicitRequestParams::FormElicitationParams { message, .. }
            | ElicitRequestParams::UrlElicitationParams { message, .. } => message,
            _ => "unknown".to_owned(),
        };
        self.asked.lock().unwrap().push(message);
        Ok(ElicitResult::new(ElicitationAction::Decline))
    }
}

/// Connects to a server in one mode; the server ends when the result is dropped or cancelled.
pub(crate) async fn connect(
    server: &Program,
    mode: Mode,
    handler: Declines,
) -> RunningService<RoleClient, Declines> {
    let modern = vec![ProtocolVersion::V_2026_07_28];
    let lifecycle = match mode {
        Mode::Legacy => ClientLifecycleMode::Initialize,
        Mode::Modern => ClientLifecycleMode::Discover { preferred_versions: modern },
        Mode::Auto => {
            ClientLifecycleMode::Auto { preferred_versions: modern, legacy_version: None }
        }
    };
    let transport = TokioChildProcess::new(server.command()).unwrap();
    let connected = timeout(LIMIT, handler.serve_with_lifecycle(transport, lifecycle)).await;
    connected.expect("rmcp connects in time").unwrap()
}
