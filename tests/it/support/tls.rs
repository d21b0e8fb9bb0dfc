//! TLS in front of a server that has none.

use std::sync::Arc;

use rcgen::CertifiedKey;
use rcgen::KeyPair;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Encrypted connections that are passed on; they end when this is dropped.
pub(crate) struct Front {
    /// Where it listens.
    pub(crate) port: u16,
    _tasks: JoinSet<()>,
}

/// Decrypts what comes with `key`, HTTP/2 where the client knows it, and passes it on to `address`.
pub(crate) async fn front(key: &CertifiedKey<KeyPair>, address: &str) -> Front {
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let certificates = vec![key.cert.der().clone()];
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(certificates, private).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = address.to_owned();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, address) = (acceptor.clone(), address.clone());
            connections.spawn(async move {
                let Ok(mut outside) = acceptor.accept(socket).await else { return };
                let Ok(mut inside) = TcpStream::connect(address).await else { return };
                drop(copy_bidirectional(&mut outside, &mut inside).await);
            });
        }
    });
    Front { port, _tasks: tasks }
}
