//! What is said last holds up nobody's end.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::config::Remote;
use crate::config::secrets::Secrets;
use crate::exchange::caller::Callers;
use crate::ids::UpstreamId;
use crate::upstream::Lists;
use crate::upstream::changes::Changes;
use crate::upstream::connection;
use crate::upstream::connection::Connection;
use crate::upstream::connection::OUTGOING_CAPACITY;
use crate::upstream::errors::Errors;
use crate::upstream::reader::Noise;
use crate::upstream::reader::Reader;
use crate::upstream::tests::MESSAGE_LIMIT;
use crate::upstream::tests::gate;
use crate::upstream::transport::http::Http;
use crate::upstream::transport::roots::Roots;
use crate::upstream::transport::site::Site;
use crate::wire::era::Revision;
use crate::wire::method;

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_nothing_does_not_hold_up_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
    let remote = Remote { url, headers: IndexMap::new(), transport: None, proxy: None, ca: None };
    let errors = Errors::new(UpstreamId::new("far"), Secrets::default());
    let around = connection::Surroundings {
        callers: Callers::default(),
        lists: watch::channel(Lists::default()).0,
        changes: Changes::default(),
        tasks: TaskTracker::new(),
        gate: gate(),
        task_ids: Arc::default(),
        mirrors: None,
        errors: errors.clone(),
    };
    let (outgoing, queue) = mpsc::channel(OUTGOING_CAPACITY);
    let connection = Connection::new(outgoing, &around);
    connection.agree(Revision::LATEST_LEGACY);
    let reader = Reader::new(connection.clone(), Noise::new(&errors));
    let site = Site::new(&remote, errors, &Roots::default()).await.unwrap();
    around.tasks.spawn(Http::new(site, reader, MESSAGE_LIMIT).run(queue));
    connection.notify(method::CANCELLED, None).await;
    // It came, and is never answered.
    let _socket = listener.accept().await.unwrap();
    connection.close();
    around.tasks.close();
    let ended = time::timeout(Duration::from_secs(1), around.tasks.wait()).await;
    assert!(ended.is_ok(), "a message is still on its way");
}
