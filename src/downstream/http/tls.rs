//! The certificate to serve HTTPS with.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::ClientHello;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::config;

/// The certificate that new connections are shown; cloning shares it.
#[derive(Clone, Debug)]
pub struct Certificate(Arc<ArcSwap<CertifiedKey>>);

impl Certificate {
    pub(super) fn new(tls: &config::Tls) -> Self {
        Self(Arc::new(ArcSwap::new(Arc::clone(tls.identity.certified_key()))))
    }

    /// Puts another one in its place, for connections from now on.
    pub fn renew(&self, tls: &config::Tls) {
        self.0.store(Arc::clone(tls.identity.certified_key()));
    }

    /// Makes what encrypts connections, for HTTP/2 and HTTP/1.1.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}
