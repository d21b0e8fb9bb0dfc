//! The certificate to serve HTTPS with.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::sign::SingleCertAndKey;
use tokio_rustls::TlsAcceptor;

use crate::config;

/// Makes what encrypts connections, for HTTP/2 and HTTP/1.1.
pub(super) fn acceptor(tls: &config::Tls) -> Result<TlsAcceptor, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let identity = SingleCertAndKey::from(Arc::clone(tls.identity.certified_key()));
    let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(identity));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
