//! Whom this machine trusts to say who a server is: read once for all upstreams, and kept once.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::Verifier;
use tokio::sync::OnceCell;
use tokio::task;
use tokio::time::Instant;

/// How long what was read holds for further upstreams; what is installed later is read by those
/// that are new.
const FRESH: Duration = Duration::from_mins(1);
/// What is offered to a server, the best one first.
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// The certificates of the authorities this machine trusts; cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Roots(Arc<Mutex<Option<Read>>>);

/// One reading of them, which those that come at the same time wait for together.
#[derive(Clone, Debug)]
struct Read {
    begun: Instant,
    verifier: Arc<OnceCell<Arc<Verifier>>>,
}

impl Roots {
    /// Returns what connections are made with that trust these authorities.
    ///
    /// Fails with a sentence fragment if there are none.
    pub(super) async fn trusted(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let Read { verifier, .. } = self.read();
        let verifier = verifier.get_or_try_init(|| read(Arc::clone(&provider))).await?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Verifier>::clone(verifier))
            .with_no_client_auth();
        config.alpn_protocols = PROTOCOLS.map(|name| name.as_bytes().to_vec()).into();
        Ok(config)
    }

    /// Returns the reading that counts now.
    fn read(&self) -> Read {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let fresh = last.take().filter(|last| now.duration_since(last.begun) < FRESH);
        let read = fresh.unwrap_or_else(|| Read { begun: now, verifier: Arc::default() });
        last.insert(read).clone()
    }
}

/// Reads them where that holds nobody up.
async fn read(provider: Arc<CryptoProvider>) -> Result<Arc<Verifier>, String> {
    match task::spawn_blocking(move || Verifier::new(provider)).await {
        Ok(read) => read.map(Arc::new).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time;

    use super::FRESH;
    use super::Roots;

    #[tokio::test(start_paused = true)]
    async fn they_are_read_once_for_all_and_anew_for_those_that_come_much_later() {
        let roots = Roots::default();
        let (one, other) = tokio::join!(roots.trusted(), roots.trusted());
        assert_eq!(one.is_ok(), other.is_ok());
        let kept = roots.read().verifier;
        assert!(Arc::ptr_eq(&kept, &roots.clone().read().verifier));
        time::advance(FRESH).await;
        assert!(!Arc::ptr_eq(&kept, &roots.read().verifier));
    }
}
