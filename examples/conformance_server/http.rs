//! Streamable HTTP, by the SDK.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::net::TcpListener;

use crate::announce;
use crate::server::Server;

/// Serves at `/mcp` of `address` until `ends`.
pub(crate) async fn serve(
    server: Server,
    address: SocketAddr,
    ends: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    let origins = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];
    let config = StreamableHttpServerConfig::default().with_allowed_origins(origins);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.again()), sessions, config);
    announce(&url)?;
    tokio::select! {
        served = axum::serve(listener, Router::new().route_service("/mcp", service)) => served,
        () = ends => Ok(()),
    }
}
