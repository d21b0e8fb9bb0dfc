//! Wishes that outlive their request: resource subscriptions and the level of log messages.

use crate::catalog::Owner;
use crate::exchange::Exchange;
use crate::exchange::mailbox::Topic;
use crate::router::Error;
use crate::router::Router;
use crate::router::call::named;
use crate::wire::Raw;
use crate::wire::object;

impl Router {
    pub(super) async fn subscribe(
        &self,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let (_, uri) = named(params, "uri")?;
        let (snapshot, Owner { upstream, local }) = self.owner(exchange, &uri).await?;
        let (mailbox, topic) = (exchange.caller().mailbox(), Topic::Resource(local));
        if mailbox.is_held(&upstream, &topic) {
            return Ok(object::build([]));
        }
        // First, so that an update right behind the answer is not missed.
        let Some(claim) = mailbox.claim(&upstream, &topic, Raw::of(uri.as_str())) else {
            let problem = "this client has too many subscriptions; take some back first";
            return Err(Error::InvalidParams(problem.to_owned()));
        };
        claim.keep(snapshot.handle(&upstream)?.watch_topic(topic, exchange).await?);
        Ok(object::build([]))
    }

    pub(super) async fn unsubscribe(
        &self,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let (_, uri) = named(params, "uri")?;
        let (_, Owner { upstream, local }) = self.owner(exchange, &uri).await?;
        exchange.caller().mailbox().give_up(&upstream, &Topic::Resource(local));
        Ok(object::build([]))
    }

    pub(super) fn set_level(&self, params: Option<&Raw>) -> Result<Raw, Error> {
        named(params, "level")?;
        let level = params.and_then(|params| params.member("level"));
        if let Some(level) = level {
            for handle in self.snapshot().upstreams.values() {
                handle.set_level(&level.detached());
            }
        }
        Ok(object::build([]))
    }
}
