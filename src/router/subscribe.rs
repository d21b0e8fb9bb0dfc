//! Wishes that outlive their request: resource subscriptions and the level of log messages.

use crate::catalog::Owner;
use crate::exchange::Exchange;
use crate::exchange::mailbox::Topic;
use crate::ids::UpstreamId;
use crate::router::Error;
use crate::router::Router;
use crate::router::params::named;
use crate::router::target::Target;
use crate::router::target::Thing;
use crate::wire::Raw;
use crate::wire::method;
use crate::wire::object;

impl Router {
    pub(super) async fn subscribe(
        &self,
        params: Option<&Raw>,
        exchange: &Exchange,
    ) -> Result<Raw, Error> {
        let (_, uri) = named(params, "uri")?;
        let (snapshot, Owner { upstream, local }) = self.owner(exchange, &uri).await?;
        let target = Target {
            method: method::RESOURCES_SUBSCRIBE,
            thing: Thing::Resource(&uri, &local),
            upstream: &upstream,
            params,
            sent: None,
        };
        let _pass = self.admitted(&snapshot, exchange, &target).await?;
        let (mailbox, topic) = (exchange.caller().mailbox(), Topic::Resource(local));
        if mailbox.is_held(&upstream, &topic) {
            return Ok(object::build([]));
        }
        // First, so that an update right behind the answer is not missed.
        let Some(claim) = mailbox.claim(&upstream, &topic, Raw::of(&*uri)) else {
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
        let (snapshot, owner) = self.owner(exchange, &uri).await?;
        let is_seen = snapshot.shows_address(exchange, &owner);
        let Owner { upstream, local } = owner;
        let (mailbox, topic) = (exchange.caller().mailbox(), Topic::Resource(local));
        // Whoever was told of it until now may say that it was enough.
        if !is_seen && !mailbox.is_held(&upstream, &topic) {
            return Err(Error::UnknownResource(uri.into_owned()));
        }
        mailbox.give_up(&upstream, &topic);
        Ok(object::build([]))
    }

    /// Tells every upstream, whether seen here or not, the lowest level of log messages that is
    /// wanted of it, as raw JSON; nothing where nobody wants one.
    pub fn set_levels(&self, lowest: impl Fn(&UpstreamId) -> Option<Raw>) {
        for (id, upstream) in &self.shared.world.load().upstreams {
            upstream.handle.set_level(lowest(id));
        }
    }

    /// Returns whether anything of this upstream is seen here.
    pub fn sees(&self, upstream: &UpstreamId) -> bool {
        self.lens(&self.shared.world.load()).shows(upstream)
    }
}
