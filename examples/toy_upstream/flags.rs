//! What the toy can be told to do.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A small MCP server over stdio, or HTTP, that misbehaves on request.
#[derive(clap::Parser, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each flag is one independent misbehaviour")]
pub(crate) struct Flags {
    /// Which eras the server speaks.
    #[arg(long, value_enum, default_value = "legacy")]
    pub(crate) era: Eras,
    /// The newest legacy revision it speaks.
    #[arg(long, default_value = "2025-11-25")]
    pub(crate) revision: String,
    /// Never answers `server/discover`, but everything else.
    #[arg(long)]
    pub(crate) silent_on_discover: bool,
    /// Exits with code 1 on `server/discover`.
    #[arg(long)]
    pub(crate) exit_on_discover: bool,
    /// Milliseconds to sleep before anything is read.
    #[arg(long)]
    pub(crate) late: Option<u64>,
    /// Never answers anything.
    #[arg(long)]
    pub(crate) hang: bool,
    /// Exits at once with this code and one line on stderr.
    #[arg(long)]
    pub(crate) exit: Option<u8>,
    /// Prints lines that are no JSON-RPC on stdout, then never answers anything.
    #[arg(long)]
    pub(crate) garbage: bool,
    /// Prints lines that are no JSON-RPC on stdout, then works.
    #[arg(long)]
    pub(crate) banner: bool,
    /// Exits with code 3 in the middle of its answer to any `tools/call`.
    #[arg(long)]
    pub(crate) die_on_call: bool,
    /// Items per page of every list.
    #[arg(long)]
    pub(crate) page_size: Option<usize>,
    /// Answers every list with its first page and the same cursor, for ever.
    #[arg(long)]
    pub(crate) endless_cursor: bool,
    /// How many more tools to offer, `extra_1` and so on; each works like `echo`.
    #[arg(long, default_value_t = 0)]
    pub(crate) tools: usize,
    /// A JSON array of definitions to list instead of the own tools, sent verbatim.
    #[arg(long)]
    pub(crate) tools_file: Option<PathBuf>,
    /// The JSON of the result of the tool `raw`, sent verbatim.
    #[arg(long)]
    pub(crate) reply_file: Option<PathBuf>,
    /// The server's instructions.
    #[arg(long)]
    pub(crate) instructions: Option<String>,
    /// The scheme of the resources it offers.
    #[arg(long, default_value = "toy")]
    pub(crate) scheme: String,
    /// How long lists and resources may be kept, in milliseconds, by anybody; a modern server's hint.
    #[arg(long)]
    pub(crate) ttl: Option<u64>,
    /// Says nothing when a list changes.
    #[arg(long)]
    pub(crate) no_list_changed: bool,
    /// Offers tools whose calls become tasks, and says so in either era.
    #[arg(long)]
    pub(crate) tasks: bool,
    /// Offers two skills: `pdf`, and one named like the scheme of its resources.
    #[arg(long)]
    pub(crate) skills: bool,
    /// Declares this extension, and answers methods that begin with its name.
    #[arg(long)]
    pub(crate) extension: Vec<String>,
    /// Offers also a prompt `ask` and resources `ask/KIND` that ask, and a tool `visit` that wants an
    /// address visited first.
    #[arg(long)]
    pub(crate) asking: bool,
    /// Serves Streamable HTTP at this address until stdin closes; the first line on stdout is a
    /// JSON object whose `url` ends before the path. The endpoint is `/mcp`; `/moved` redirects
    /// to it, `/elsewhere` to another origin, `/html` is a page, `/status/NUMBER` answers so,
    /// `/indiscreet/NUMBER/…` too and says back what came, `/endless` and `/bomb` never end.
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// The same with HTTP+SSE at `/sse`; at `/sse-elsewhere` the endpoint is of another origin.
    #[arg(long, value_name = "ADDR", conflicts_with = "http")]
    pub(crate) sse: Option<SocketAddr>,
    /// Over HTTP, answers with JSON instead of streams.
    #[arg(long)]
    pub(crate) json: bool,
    /// Over HTTP, opens legacy sessions without an id.
    #[arg(long)]
    pub(crate) no_session_id: bool,
    /// Over HTTP, gives events ids, so that streams can be resumed.
    #[arg(long)]
    pub(crate) event_ids: bool,
    /// Over HTTP, offers no stream outside of requests.
    #[arg(long)]
    pub(crate) no_get: bool,
    /// Over HTTP, ends the first stream outside of requests at once, and refuses the second as if
    /// the first were still there.
    #[arg(long)]
    pub(crate) stale_get: bool,
    /// Over HTTP, the status that says that a session is not known.
    #[arg(long, default_value_t = 404)]
    pub(crate) lost: u16,
    /// Offers the tool `mirrored`, whose argument must be repeated in a header; with `late`, that
    /// is said from the second list on only.
    #[arg(long, value_enum)]
    pub(crate) mirror: Option<Mirror>,
    /// Offers the tool `ledger`, which adds a line to this file for each call.
    #[arg(long)]
    pub(crate) ledger: Option<PathBuf>,
    /// How the server calls itself in it.
    #[arg(long, default_value = "toy")]
    pub(crate) ledger_name: String,
    /// Keeps running when stdin closes, and on SIGTERM.
    #[arg(long)]
    pub(crate) ignore_stdin_eof: bool,
    /// Starts `sleep 300` in its own process group and says its process id on stderr.
    #[arg(long)]
    pub(crate) spawn_grandchild: bool,
}

/// Which eras a server speaks.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eras {
    /// `initialize` only; `server/discover` is an unknown method.
    Legacy,
    /// 2026-07-28 only; `initialize` is refused.
    Modern,
    /// Both, told apart by each request.
    Dual,
    /// Both, but the first request decides for the whole process.
    Locked,
}

/// When a tool says which header it wants.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mirror {
    /// In every list.
    Always,
    /// From the second list on.
    Late,
}
