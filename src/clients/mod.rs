//! What is known about the programs in front: who they are and what they can take.
//!
//! Facts alone, each with its source: nothing here reads a file or the environment.

pub mod crowd;
pub mod places;
/// Which definitions of tools break which of them.
pub mod schema;

#[cfg(test)]
mod tests;

/// A program that uses MCP servers, and that Conflux knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Client {
    /// Anthropic's app for the desktop.
    ClaudeDesktop,
    /// Anthropic's agent for the terminal.
    ClaudeCode,
    /// The editor by Anysphere, and its agent for the terminal.
    Cursor,
    /// Visual Studio Code with Copilot.
    VsCode,
    /// OpenAI's agent for the terminal.
    Codex,
    /// Google's agent for the terminal.
    Gemini,
    /// The editor that was called Codeium.
    Windsurf,
    /// The editor by Zed Industries.
    Zed,
    /// The open agent for the terminal.
    OpenCode,
}

/// What a client can take; nothing where it sets no limit that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many tools it uses at most, of all servers together.
    pub most_tools: Option<usize>,
    /// From how many tools on it warns its user, of all servers together.
    pub warns_at: Option<usize>,
    /// The longest name of a tool that it, or the model behind it, takes: in bytes, with what the
    /// client itself puts in front ([`Client::exposed`]).
    pub longest_name: Option<usize>,
    /// The most that the names of a server and a tool may have together, in bytes.
    pub server_and_tool: Option<usize>,
}

impl Limits {
    /// Returns how many tools it takes without losing any or warning of them; nothing if any
    /// number.
    pub fn comfortable(&self) -> Option<usize> {
        self.most_tools.into_iter().chain(self.warns_at).min()
    }

    /// Returns the longest name of a tool that fits, in bytes, for a server that the client knows
    /// as `server`; nothing if there is no limit.
    pub fn room(&self, client: Client, server: &str) -> Option<usize> {
        let front = client.exposed(server, "").len();
        let name = self.longest_name.map(|most| most.saturating_sub(front));
        let both = self.server_and_tool.map(|most| most.saturating_sub(server.len()));
        name.into_iter().chain(both).min()
    }
}

impl Client {
    /// All of them, in the order in which people are shown them.
    pub const ALL: [Self; 9] = [
        Self::ClaudeDesktop,
        Self::ClaudeCode,
        Self::Cursor,
        Self::VsCode,
        Self::Codex,
        Self::Gemini,
        Self::Windsurf,
        Self::Zed,
        Self::OpenCode,
    ];

    /// Returns what it is called on a command line.
    pub fn id(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Windsurf => "windsurf",
            Self::Zed => "zed",
            Self::OpenCode => "opencode",
        }
    }

    /// Returns what it is called among people.
    pub fn title(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::VsCode => "VS Code",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Windsurf => "Windsurf",
            Self::Zed => "Zed",
            Self::OpenCode => "OpenCode",
        }
    }

    /// Returns the client with this [`id`](Self::id).
    pub fn with_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|client| client.id() == id)
    }

    /// Returns who calls itself `name` in `clientInfo.name`. Case does not matter, and its
    /// [`id`](Self::id) will do; a name that only looks like one of theirs is nobody's.
    pub fn recognize(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        let is_one_of = |client: &Self| {
            let begins = |start: &&str| name.starts_with(*start);
            client.id() == name
                || client.names().contains(&name.as_str())
                || client.beginnings().iter().any(begins)
        };
        Self::ALL.into_iter().find(is_one_of)
    }

    /// Returns the names it gives itself besides its id, in lower case.
    fn names(self) -> &'static [&'static str] {
        match self {
            // Desktop and claude.ai are one name: both take what the same front end takes.
            Self::ClaudeDesktop => &["claude-ai", "claude desktop"],
            Self::ClaudeCode => &["claude code"],
            Self::Cursor => &["cursor-vscode", "cursor-agent", "cursor-cli"],
            Self::VsCode => &[
                "visual studio code",
                "visual studio code - insiders",
                "visual-studio-code",
                "code - oss",
                "github-copilot-developer",
            ],
            Self::Codex => &["codex-mcp-client", "codex-cli"],
            Self::Gemini => &["gemini-cli", "gemini-cli-mcp-client"],
            Self::Windsurf => &["windsurf-client", "windsurf-next"],
            Self::Zed | Self::OpenCode => &[],
        }
    }

    /// Returns how the names begin that it gives itself once for each server.
    fn beginnings(self) -> &'static [&'static str] {
        match self {
            // Gemini CLI appends the name of the server: `gemini-cli-mcp-client-<server>`.
            Self::Gemini => &["gemini-cli-mcp-client-"],
            // VS Code appends the name of its build.
            Self::VsCode => &["visual studio code - "],
            _ => &[],
        }
    }

    /// Returns what it can take.
    pub fn limits(self) -> Limits {
        // OpenAI's models take names of 64 bytes; Anthropic's take 128 from Anthropic itself, but
        // 64 from Bedrock and in the front end of claude.ai and the app for the desktop
        // (`FrontendRemoteMcpToolDefinition.name`).
        let common = Limits { longest_name: Some(64), ..Limits::default() };
        match self {
            Self::ClaudeDesktop | Self::ClaudeCode | Self::Codex | Self::Zed | Self::OpenCode => {
                common
            }
            // Leaves out tools whose names have more than 60 with their server's; took 40 tools
            // once, and warns at 80 now.
            Self::Cursor => Limits { warns_at: Some(80), server_and_tool: Some(60), ..common },
            // Refuses a request with more than 128 tools, which is what OpenAI's API takes.
            Self::VsCode => Limits { most_tools: Some(128), ..common },
            // Cuts the middle out of longer names.
            Self::Gemini => Limits { longest_name: Some(63), ..common },
            // Uses the first hundred tools that are switched on.
            Self::Windsurf => Limits { most_tools: Some(100), ..common },
        }
    }

    /// Returns how it names a tool to its model, for a server that it knows as `server`.
    pub fn exposed(self, server: &str, tool: &str) -> String {
        match self {
            Self::ClaudeCode | Self::Codex => format!("mcp__{server}__{tool}"),
            Self::Gemini | Self::VsCode => format!("mcp_{server}_{tool}"),
            Self::OpenCode => format!("{server}_{tool}"),
            Self::ClaudeDesktop | Self::Cursor | Self::Windsurf | Self::Zed => tool.to_owned(),
        }
    }

    /// Returns whether it searches among tools itself, so that a long list costs its model little.
    pub fn searches_tools_itself(self) -> bool {
        // Claude Code defers the definitions of MCP tools behind a search of its own.
        self == Self::ClaudeCode
    }
}
