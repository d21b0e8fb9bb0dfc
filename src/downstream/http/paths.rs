//! The paths of 2024-11-05, of which two are one resource.

/// Where clients open their stream.
pub(super) const STREAM: &str = "/sse";
/// Where they post their messages.
pub(super) const MESSAGES: &str = "/messages";

/// Returns the path of what a token must be made for that comes to this path. Clients ask for
/// tokens for the address they were given, which is that of the stream.
pub(super) fn resource(path: &str) -> &str {
    if path == MESSAGES { STREAM } else { path }
}
