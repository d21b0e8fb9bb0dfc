//! Who may come is known all the time, but for the moment in which that changes.

use std::pin::pin;

use futures_util::poll;
use hyper::Request;
use tempfile::TempDir;

use super::Access;
use crate::config::sample;
use crate::downstream::http::listener::Peer;

#[tokio::test]
async fn while_another_configuration_comes_into_force_everybody_waits() {
    let home = TempDir::new().unwrap();
    let [open, closed] = ["", "auth: {}"].map(|text| sample::load(home.path(), text));
    let place = "/.well-known/oauth-protected-resource/mcp";
    let (head, ()) = Request::builder().uri(place).body(()).unwrap().into_parts();
    let peer = Peer::Address(([127, 0, 0, 1], 7).into());
    let access = Access::of(&closed).unwrap();
    assert!(access.identify(&head, &peer).await.is_err());
    for (config, is_let_in) in [(&open, true), (&closed, false)] {
        let admit = access.renew(config);
        let mut asking = pin!(access.identify(&head, &peer));
        let mut looking = pin!(access.metadata(&head));
        assert!(poll!(&mut asking).is_pending(), "neither of both counts");
        assert!(poll!(&mut looking).is_pending(), "nor is it known who gives tokens");
        admit();
        assert_eq!(asking.await.is_ok(), is_let_in);
        assert!(looking.await.is_some());
        assert_eq!(access.identify(&head, &peer).await.is_ok(), is_let_in);
    }
}
