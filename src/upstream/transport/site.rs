//! Where a remote upstream is, and the pool of connections to it.
//!
//! Every request towards a remote upstream is sent from here, so this is where redirects, proxies,
//! certificates and the headers of the entry are seen to, and where what went wrong gets its words.

use std::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use reqwest::Body;
use reqwest::Client;
use reqwest::Method;
use reqwest::Request;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderName;
use reqwest::header::HeaderValue;
use reqwest::header::LOCATION;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect;
use url::Url;

use crate::config;
use crate::telemetry::shown;
use crate::upstream::error::Error;
use crate::upstream::error::Executed;
use crate::upstream::error::Kind;
use crate::upstream::errors::Errors;
use crate::upstream::transport::later;
use crate::upstream::transport::roots::Roots;
use crate::upstream::trust;
use crate::upstream::trust::Trouble;

/// How long it may take to reach a server: its name, the connection, TLS.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How many redirects one request follows.
const REDIRECTS: usize = 5;
/// How long a connection that nobody uses stays open.
const POOL_IDLE: Duration = Duration::from_secs(90);
/// How many of those stay open.
const POOL_SIZE: usize = 32;
/// After how much silence the network is asked whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How much of what a server says about a refusal is read, in bytes.
const WORDS: usize = 64 * 1024;
/// How long those words may take to come.
const WORDS_LIMIT: Duration = Duration::from_secs(5);

/// A remote upstream; cloning shares the pool.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Site {
    url: Url,
    /// The address without what is never for showing.
    shown: String,
    client: Client,
    errors: Errors,
}

/// A status that is no success, with what the server says about it.
#[derive(Debug)]
pub(super) struct Refused {
    /// The status.
    pub(super) status: StatusCode,
    /// The body, or its beginning.
    pub(super) body: Bytes,
    error: Error,
}

impl Refused {
    /// Returns the error for whoever asked.
    pub(super) fn into_error(self) -> Error {
        self.error
    }

    /// Returns whether the server says that the session is not one it knows.
    ///
    /// Not found is what it must say. Some say that the request is wrong, or not allowed, and name
    /// the session in their words.
    pub(super) fn means_lost_session(&self) -> bool {
        let names_it = || String::from_utf8_lossy(&self.body).to_lowercase().contains("session");
        match self.status {
            StatusCode::NOT_FOUND => true,
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => names_it(),
            _ => false,
        }
    }
}

impl Site {
    /// Makes the pool for `remote`, which trusts `roots` and whom its entry names.
    ///
    /// Fails with a sentence fragment if the certificates cannot be read.
    pub(in crate::upstream) async fn new(
        remote: &config::Remote,
        errors: Errors,
        roots: &Roots,
    ) -> Result<Self, String> {
        let mut builder = Client::builder()
            // The environment is read by `config` alone.
            .no_proxy()
            .redirect(redirect::Policy::custom(follow))
            .referer(false)
            .connect_timeout(CONNECT_LIMIT)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .tcp_keepalive(KEEP_ALIVE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .default_headers(entry_headers(remote)?)
            .user_agent(concat!("conflux/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &remote.proxy {
            let proxy = reqwest::Proxy::all(proxy.clone()).map_err(|error| shown::cause(&error))?;
            builder = builder.proxy(proxy);
        }
        if let Some(file) = &remote.ca {
            let pem = tokio::fs::read(file).await.map_err(|error| {
                format!("the certificates in `{}` cannot be read: {error}", file.display())
            })?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem);
            let certificates = certificates.map_err(|error| {
                format!(
                    "the certificates in `{}` are broken: {}",
                    file.display(),
                    shown::cause(&error)
                )
            })?;
            builder = builder.tls_certs_merge(certificates);
        } else {
            builder = builder.tls_backend_preconfigured(roots.trusted().await?);
        }
        let client = builder.build().map_err(|error| shown::cause(&error))?;
        let site = Self { url: remote.url.clone(), shown: remote.shown(), client, errors };
        Ok(site)
    }

    /// Returns the address.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the address as errors name it.
    pub(in crate::upstream) fn shown(&self) -> &str {
        &self.shown
    }

    /// Makes a `GET` of the address.
    pub(super) fn get(&self, headers: HeaderMap) -> Request {
        request(Method::GET, &self.url, headers)
    }

    /// Makes a `DELETE` of the address.
    pub(super) fn delete(&self, headers: HeaderMap) -> Request {
        request(Method::DELETE, &self.url, headers)
    }

    /// Sends a request to this site's origin and waits for the head of its answer.
    ///
    /// Has no limit of its own but for reaching the server.
    pub(super) async fn send(&self, request: Request) -> Result<Response, Error> {
        self.client.execute(request).await.map_err(|error| {
            if let Some((trouble, why)) = trust::explain(&error) {
                let kind = match trouble {
                    Trouble::Untrusted(distrust) => Kind::Untrusted(distrust),
                    Trouble::NoTls => Kind::Unreachable,
                };
                let detail = format!("{}: {why}", self.shown);
                return self.error(kind, &detail, Executed::No);
            }
            let detail = format!("{}: {}", self.shown, shown::cause(&error));
            if error.is_connect() {
                return self.error(Kind::Unreachable, &detail, Executed::No);
            }
            self.error(Kind::ConnectionLost, &detail, Executed::Unknown)
        })
    }

    /// Reads why a request was not accepted.
    pub(super) async fn refused(&self, mut response: Response) -> Refused {
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after =
            retry_after.and_then(|after| later::read(after.to_str().ok()?, SystemTime::now()));
        let place = response.headers().get(LOCATION).and_then(|place| place.to_str().ok());
        let place = place.and_then(|place| self.url.join(place).ok()).map(without_query);
        let kind = content_type(&response);
        let mut body = Vec::new();
        let mut is_whole = false;
        let read = async {
            while body.len() < WORDS
                && let Ok(chunk) = response.chunk().await
            {
                let Some(chunk) = chunk else {
                    is_whole = true;
                    break;
                };
                body.extend_from_slice(&chunk);
            }
        };
        drop(tokio::time::timeout(WORDS_LIMIT, read).await);
        let mut detail = self.shown.clone();
        if status.is_redirection()
            && let Some(place) = place
        {
            detail = format!("{detail} redirects to {place}, which is not followed");
        } else if let Some(words) = words(&kind, &body) {
            let words = if is_whole {
                self.errors.shown(&words)
            } else {
                self.errors.shown_beginning(&words)
            };
            detail = format!("{detail}: {words}");
        }
        // Whatever a server refuses or puts off it has not carried out; what it failed at it may
        // have.
        let is_put_off = status == StatusCode::SERVICE_UNAVAILABLE && retry_after.is_some();
        let has_begun = status.is_server_error() && !is_put_off;
        let executed = if has_begun { Executed::Unknown } else { Executed::No };
        let error =
            Error { retry_after, ..self.error(Kind::Status(status.as_u16()), &detail, executed) };
        Refused { status, body: body.into(), error }
    }

    /// Makes an error of this upstream.
    pub(super) fn error(&self, kind: Kind, detail: &str, executed: Executed) -> Error {
        self.errors.error(kind, detail, executed)
    }

    /// Returns `error` as an error of this upstream, of a body that broke off.
    pub(super) fn cut(&self, error: Option<&reqwest::Error>) -> Error {
        let why = error
            .map_or_else(|| "the answer ends too early".to_owned(), |error| shown::cause(&error));
        let detail = format!("{}: {}", self.shown, why);
        self.error(Kind::ConnectionLost, &detail, Executed::Unknown)
    }
}

/// Makes a `POST` of a message.
pub(super) fn post(url: &Url, headers: HeaderMap, body: impl Into<Body>) -> Request {
    let mut request = request(Method::POST, url, headers);
    *request.body_mut() = Some(body.into());
    request
}

fn request(method: Method, url: &Url, headers: HeaderMap) -> Request {
    let mut request = Request::new(method, url.clone());
    *request.headers_mut() = headers;
    request
}

/// Returns the type of a body, in lower case and without parameters; empty if none is named.
pub(super) fn content_type(response: &Response) -> String {
    media_type(response).to_ascii_lowercase()
}

/// Returns whether a body is a stream of events.
pub(super) fn is_stream(response: &Response) -> bool {
    media_type(response).eq_ignore_ascii_case("text/event-stream")
}

fn media_type(response: &Response) -> &str {
    let named = response.headers().get(CONTENT_TYPE).and_then(|named| named.to_str().ok());
    named.and_then(|named| named.split(';').next()).unwrap_or_default().trim()
}

/// Follows redirects that keep the method and stay where the headers may go.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let keeps_method = matches!(attempt.status().as_u16(), 307 | 308);
    let first = attempt.previous().first().map(Url::origin);
    let stays = first.is_some_and(|first| first == attempt.url().origin());
    if keeps_method && stays && attempt.previous().len() <= REDIRECTS {
        return attempt.follow();
    }
    attempt.stop()
}

fn entry_headers(remote: &config::Remote) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &remote.headers {
        let problem = || format!("the header `{name}` cannot be sent");
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| problem())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| problem())?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

fn without_query(mut url: Url) -> Url {
    url.set_query(None);
    url
}

/// Returns what a server says for people, if that is what it says: the message of an error, or
/// the first line of plain text.
fn words(kind: &str, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let said = match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(json) => {
            let message = ["/error/message", "/error_description", "/message", "/detail", "/error"];
            let said = message.iter().find_map(|at| json.pointer(at)?.as_str().map(str::to_owned));
            said?
        }
        Err(_) if kind.is_empty() || kind == "text/plain" => text.lines().next()?.to_owned(),
        Err(_) => return None,
    };
    (!said.trim().is_empty()).then(|| said.trim().to_owned())
}
