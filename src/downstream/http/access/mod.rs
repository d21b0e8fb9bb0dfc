//! Who comes: on whose behalf a request is made, found out before anything else is done for it.

use std::future;
use std::sync::Arc;

use hyper::Method;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::auth;
use crate::auth::Authenticator;
use crate::auth::Credential;
use crate::auth::Refused;
use crate::auth::Store;
use crate::auth::bearer;
use crate::auth::metadata;
use crate::auth::token::Token;
use crate::config::Config;
use crate::config::Listen;
use crate::downstream::http::listener::Peer;
use crate::downstream::http::paths;
use crate::downstream::http::response::Response;
use crate::downstream::http::status;
use crate::downstream::http::status::Challenge;
use crate::downstream::http::status::Refusal;
use crate::exchange::caller::Carrier;
use crate::exchange::principal::Grant;
use crate::exchange::principal::Principal;

/// What another user of this machine is told.
const STRANGER: &str = "this gateway is for its own user alone; `auth` with `local: true`, or \
                        `http.unauthenticated: true`, in its configuration lets others come";

/// Who may come; cloning shares it. That is not known while another configuration comes into
/// force.
#[derive(Clone, Debug)]
pub struct Access(Arc<watch::Sender<Option<Rule>>>);

/// Whom requests must be made for.
#[derive(Clone, Debug)]
enum Rule {
    /// For anybody who can connect.
    Anybody,
    /// For the user of this process alone, by the word of the system.
    Own,
    /// For somebody whose token says so.
    Known(Arc<Authenticator>),
    /// For whoever holds a token that was made for one command, which runs in the place of this
    /// process.
    Holder(Arc<Token>),
}

/// On whose behalf a request comes.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// Who that is.
    pub(super) principal: Principal,
    /// What the token of the request is good for.
    pub(super) grant: Grant,
    peer: Peer,
    proof: Option<Proof>,
}

/// How it is known who a visitor is.
#[derive(Clone, Debug)]
struct Proof {
    authenticator: Arc<Authenticator>,
    credential: Credential,
    path: String,
}

impl Access {
    /// Lets in whom the configuration lets in.
    ///
    /// # Errors
    ///
    /// If providers cannot be asked over HTTP.
    pub fn of(config: &Config) -> Result<Self, reqwest::Error> {
        Ok(Self(Arc::new(watch::Sender::new(Some(rule(config)?)))))
    }

    /// Lets in whoever holds this token, and nobody else.
    pub fn of_holder(token: Token) -> Self {
        Self(Arc::new(watch::Sender::new(Some(Rule::Holder(Arc::new(token))))))
    }

    /// Lets in whom another configuration lets in, and nobody else, from the call of what is
    /// returned on. Whoever comes until then waits: the rest of it comes into force meanwhile, so
    /// that nobody is let in by it who is not under its rules.
    pub fn renew(&self, config: &Config) -> impl FnOnce() + use<> {
        let rule = match (&*self.0.borrow(), &config.auth) {
            (_, None) => unknown(config),
            (Some(Rule::Known(known)), Some(auth)) => Rule::Known(Arc::new(known.renewed(auth))),
            (_, Some(auth)) => Rule::Known(Arc::new(Authenticator::new(auth, store(config)))),
        };
        let rules = Arc::clone(&self.0);
        drop(rules.send_replace(None));
        move || drop(rules.send_replace(Some(rule)))
    }

    /// Returns whom requests must be made for; waits while another configuration comes into force.
    async fn rule(&self) -> Rule {
        let mut rules = self.0.subscribe();
        loop {
            if let Some(rule) = &*rules.borrow_and_update() {
                return rule.clone();
            }
            // The sender is here.
            drop(rules.changed().await);
        }
    }

    /// Returns whether nobody can come, because nobody has a token.
    pub fn is_shut(&self) -> bool {
        matches!(&*self.0.borrow(), Some(Rule::Known(known)) if !known.admits_anybody())
    }

    /// Returns whether anybody may come who can connect.
    pub fn is_open(&self) -> bool {
        matches!(&*self.0.borrow(), Some(Rule::Anybody))
    }

    /// Follows what becomes of tokens until `stop`.
    pub(super) async fn follow(&self, stop: CancellationToken) {
        let mut rules = self.0.subscribe();
        loop {
            let rule = rules.borrow_and_update().clone();
            let following = stop.child_token();
            let follow = async {
                match &rule {
                    Some(Rule::Known(known)) => known.follow(following).await,
                    Some(Rule::Anybody | Rule::Own | Rule::Holder(_)) | None => {
                        future::pending::<()>().await;
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = follow => return,
                changed = rules.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Finds out on whose behalf a request comes that this peer sent, or refuses it.
    pub(super) async fn identify(&self, head: &Parts, peer: &Peer) -> Result<Visitor, Refusal> {
        let rule = self.rule().await;
        let token = || {
            let values = head.headers.get_all(header::AUTHORIZATION).into_iter();
            bearer::token(values.map(HeaderValue::as_bytes), head.uri.query())
        };
        match rule {
            Rule::Own if !peer.is_own() => Err(Refusal::new(StatusCode::FORBIDDEN, STRANGER)),
            Rule::Anybody | Rule::Own => Ok(Visitor::known(peer.principal(), peer)),
            Rule::Holder(holder) => match token() {
                Ok(token) if holder.is(token) => Ok(Visitor::known(Principal::process(), peer)),
                Ok(_) => Err(refusal(&Refused::Invalid("it is another one".to_owned()), None)),
                Err(refused) => Err(refusal(&refused, None)),
            },
            Rule::Known(authenticator) => {
                let path = paths::resource(head.uri.path());
                let refuse = |refused: Refused| {
                    let challenge = authenticator.challenge(path, &refused);
                    refusal(&refused, Some(challenge))
                };
                let token = match token() {
                    Err(Refused::Missing) if peer.is_local() && authenticator.trusts_system() => {
                        return Ok(Visitor::known(peer.principal(), peer));
                    }
                    token => token.map_err(refuse)?,
                };
                let identified = authenticator.identify(token, path).await;
                let credential = identified.map_err(refuse)?;
                authenticator.permit(&credential).map_err(refuse)?;
                let (principal, grant) = (credential.principal.clone(), credential.grant());
                let path = path.to_owned();
                let authenticator = Arc::clone(&authenticator);
                let proof = Some(Proof { authenticator, credential, path });
                Ok(Visitor { principal, grant, peer: peer.clone(), proof })
            }
        }
    }

    /// Answers the question where tokens come from; nothing if a request asks for something else.
    ///
    /// Whoever asks has no token yet. That there is metadata for a path does not mean that there
    /// is anything at it.
    pub(super) async fn metadata(&self, head: &Parts) -> Option<Response> {
        let path = head.uri.path().strip_prefix(metadata::WELL_KNOWN)?;
        if !path.is_empty() && !path.starts_with('/') {
            return None;
        }
        let rule = self.rule().await;
        let resource = match &rule {
            Rule::Known(known) => known.resource(),
            Rule::Anybody | Rule::Own | Rule::Holder(_) => None,
        };
        let Some(resource) = resource else {
            let problem = "no provider gives tokens for this gateway";
            return Some(Refusal::new(StatusCode::NOT_FOUND, problem).into());
        };
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Some(Refusal::not_allowed("GET, HEAD", "metadata is read").into());
        }
        let document = resource.document(path).to_string().into_bytes();
        Some(status::message(StatusCode::OK, document.into()))
    }
}

impl Visitor {
    fn known(principal: Principal, peer: &Peer) -> Self {
        Self { principal, grant: Grant::default(), peer: peer.clone(), proof: None }
    }

    /// Returns what carries its messages.
    pub(super) fn carrier(&self) -> Carrier {
        if self.peer.is_local() { Carrier::Unix } else { Carrier::Tcp }
    }

    /// Says in the head of an answer which scopes a request lacked, if that was found out.
    pub(super) fn challenged(&self, response: Response) -> Response {
        let Some(Proof { authenticator, path, .. }) = &self.proof else { return response };
        let Some(needed) = self.grant.lacking() else { return response };
        let refused = Refused::InsufficientScope(needed.to_vec());
        match HeaderValue::from_str(&authenticator.challenge(path, &refused)) {
            Ok(challenge) => response.with(header::WWW_AUTHENTICATE, challenge),
            Err(_) => response,
        }
    }

    /// Waits until a visitor would no longer be let in: the token is no longer good, or others
    /// than those of before may come.
    pub(super) async fn ended(self, access: Access) {
        let mut rules = access.0.subscribe();
        loop {
            let rule = rules.borrow_and_update().clone();
            tokio::select! {
                () = self.ended_by(rule.as_ref()) => return,
                // If it is gone, nobody serves anybody any more.
                changed = rules.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn ended_by(&self, rule: Option<&Rule>) {
        let is_let_in = match (rule, &self.proof) {
            (Some(Rule::Known(authenticator)), Some(proof)) => {
                return authenticator.ended(&proof.credential).await;
            }
            (Some(Rule::Known(authenticator)), None) => {
                self.peer.is_local() && authenticator.trusts_system()
            }
            (Some(Rule::Own), _) => self.peer.is_own(),
            (Some(Rule::Anybody | Rule::Holder(_)) | None, _) => true,
        };
        if !is_let_in {
            return;
        }
        future::pending::<()>().await;
    }
}

fn rule(config: &Config) -> Result<Rule, reqwest::Error> {
    let Some(auth) = &config.auth else { return Ok(unknown(config)) };
    Ok(Rule::Known(Arc::new(Authenticator::try_new(auth, store(config))?)))
}

/// Returns who may come where nobody has to say who they are.
fn unknown(config: &Config) -> Rule {
    let is_own = matches!(config.http.listen, Listen::Local { is_shared: false, .. });
    if is_own { Rule::Own } else { Rule::Anybody }
}

/// Returns the tokens that were made here.
fn store(config: &Config) -> Store {
    Store::new(auth::directory(&config.state))
}

/// Refuses a request (2026-07-28, authorization, "Error Handling").
fn refusal(refused: &Refused, challenge: Option<String>) -> Refusal {
    let status = match refused {
        Refused::Missing | Refused::Invalid(_) => StatusCode::UNAUTHORIZED,
        Refused::Malformed(_) => StatusCode::BAD_REQUEST,
        Refused::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Refused::InsufficientScope(_) => StatusCode::FORBIDDEN,
    };
    let challenge = challenge.unwrap_or_else(|| "Bearer realm=\"conflux\"".to_owned());
    let challenge = Challenge { header: challenge, reason: refused.reason() };
    Refusal::new(status, &refused.to_string()).challenging(challenge)
}

#[cfg(test)]
mod tests;
