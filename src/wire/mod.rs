//! Frames, eras and vocabulary: JSON-RPC as it is on its way, kept as the bytes it came in.
//!
//! Nothing here waits, decides or knows a peer. What is relayed stays raw text; what Conflux must
//! understand is read as a view over that text.

/// How many bytes of large messages may be in memory at a time.
pub mod budget;
/// JSON-RPC error codes, and those the specification has added to them.
pub mod code;
/// Eras and revisions of the protocol.
pub mod era;
/// Changes to a large object that were not written out.
mod edits;
/// Extensions of the protocol.
pub mod extension;
/// One JSON-RPC message: its envelope read, the rest raw.
pub mod frame;
/// How long a result may be kept, and for whom.
pub mod freshness;
/// Headers of modern requests over HTTP, and how they carry any text.
pub mod header;
/// Where the members of an object stand in its text.
mod index;
/// The bytes of one message while they come in.
pub mod intake;
/// Newline framing with a limit.
pub mod line;
/// One member of an object: where it stands.
mod member;
/// The keys of `_meta` that Conflux reads and writes.
pub mod meta;
/// The names of methods and notifications.
pub mod method;
/// Which arguments of a tool are mirrored into headers.
pub mod mirror;
/// One JSON object as text: its members, and edits that touch nothing else.
pub mod object;
/// A message as the body of an HTTP message.
pub mod pieces;
/// Strings, and how they stand in JSON.
pub mod quote;
/// One JSON value as text.
pub mod raw;
/// Reads JSON text in one pass, without making values of it.
mod reader;
/// Finds the id in a message too large to be read.
pub mod skim;
/// Server-sent events with a limit.
pub mod sse;
/// Messages on their way out.
pub mod written;

#[cfg(test)]
mod tests;

pub use self::frame::Id;
pub use self::raw::Raw;
pub use self::written::Written;
