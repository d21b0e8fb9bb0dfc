//! How bytes get to an upstream and back.

/// Server-sent events in the body of an answer, within limits.
mod events;
/// Whether a program can be started at all.
pub mod executable;
/// The process between Conflux and a program, which leaves nothing of it behind.
#[cfg(unix)]
pub mod guard;
/// Streamable HTTP, of all revisions.
pub(super) mod http;
/// What messages say in headers besides their bodies.
mod headers;
/// When a server wants to be asked again.
mod later;
/// The stream a legacy server may send on outside of requests.
pub(super) mod listening;
/// Messages on the pipes of a child.
pub(super) mod pipes;
/// How often an answer that broke off is taken up again.
mod resumes;
/// Which processes hang on another one.
#[cfg(unix)]
mod processes;
/// Whom this machine trusts to say who a server is.
pub(super) mod roots;
/// Where a remote upstream is, and the pool of connections to it.
pub(super) mod site;
/// HTTP+SSE, as it was until 2024-11-05.
pub(super) mod sse;
/// Children that speak over their standard input and output.
pub(super) mod stdio;
