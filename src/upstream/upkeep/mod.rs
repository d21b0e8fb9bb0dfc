//! Keeps the wishes of all callers alive on one session: log level, subscriptions, list changes.

/// On sessions of 2024-11-05 to 2025-11-25.
mod legacy;
/// Towards servers of 2026-07-28.
mod modern;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::legacy::Legacy;
use self::modern::Modern;
use crate::upstream::session::Session;
use crate::upstream::wants::Wants;
use crate::wire::Raw;
use crate::wire::era::Era;

/// How long an upstream may take to answer what upkeep asks.
const LIMIT: Duration = Duration::from_secs(10);

/// What follows the wishes on one session.
#[derive(Debug)]
pub(super) struct Upkeep {
    closed: CancellationToken,
    by_era: ByEra,
}

#[derive(Debug)]
enum ByEra {
    Legacy(Legacy),
    Modern(Box<Modern>),
}

impl Upkeep {
    /// Sends what has to be said before the session is used, without waiting for answers.
    ///
    /// The subscription is asked for before anything is listed, so that no change is missed.
    pub(super) async fn begin(session: Arc<Session>, wants: watch::Receiver<Wants>) -> Self {
        let closed = session.connection.closed().clone();
        let by_era = match session.era() {
            Era::Legacy => ByEra::Legacy(Legacy::new(session, wants)),
            Era::Modern => ByEra::Modern(Box::new(Modern::begin(session, wants).await)),
        };
        Self { closed, by_era }
    }

    /// Follows the wishes until the session ends or is to end.
    pub(super) async fn run(self, over: CancellationToken) {
        let work = async move {
            match self.by_era {
                ByEra::Legacy(legacy) => legacy.run().await,
                ByEra::Modern(modern) => modern.run().await,
            }
        };
        tokio::select! {
            () = work => {}
            () = self.closed.cancelled() => {}
            () = over.cancelled() => {}
        }
    }
}

/// Has everybody look again at what may have changed while nobody listened.
fn catch_up(session: &Session, wants: &Wants) {
    let connection = &session.connection;
    connection.lists_changed();
    for uri in wants.resources() {
        connection.resource_updated(&Raw::of(uri));
    }
}
