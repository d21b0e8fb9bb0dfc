//! Where clients keep their entries, and in which words.
//!
//! Functions of directories that somebody else has found: nothing here looks at the disk.

use std::collections::HashSet;
use std::path::Path;
use std::path::PathBuf;

use crate::clients::Client;

/// The directories that clients start from.
#[derive(Clone, Debug, Default)]
pub struct Directories {
    /// The user's home directory.
    pub home: PathBuf,
    /// Where programs for terminals have their configuration: `$XDG_CONFIG_HOME` or `~/.config`.
    pub config: PathBuf,
    /// Where programs with windows have theirs: the same on Linux, `~/Library/Application Support`
    /// on macOS, `%APPDATA%` on Windows.
    pub applications: PathBuf,
    /// The directory of the project: the working directory.
    pub project: PathBuf,
    /// What `CLAUDE_CONFIG_DIR` says.
    pub claude: Option<PathBuf>,
    /// What `CODEX_HOME` says.
    pub codex: Option<PathBuf>,
}

/// For whom an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// For the user, in every project.
    User,
    /// For everybody in one project.
    Project,
}

impl Scope {
    /// Returns what it is called on a command line.
    pub fn id(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
        }
    }
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, perhaps with comments and commas at the end.
    Json,
    /// TOML.
    Toml,
}

/// A map of servers in a file of a client, there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose it is.
    pub client: Client,
    /// For whom its entries are.
    pub scope: Scope,
    /// The file.
    pub path: PathBuf,
    /// How it is written.
    pub format: Format,
    /// The keys that lead to the map, from the root.
    pub keys: Vec<String>,
    /// Whether Conflux may be entered there; else it is only looked at.
    pub is_home: bool,
}

impl Place {
    /// Returns what people call it.
    pub fn title(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        match (self.client, self.scope) {
            // Many programs read this one.
            (Client::ClaudeCode, Scope::Project) => name.into_owned(),
            (client, _) => client.title().to_owned(),
        }
    }
}

impl Client {
    /// Returns the maps of servers it reads, those first where Conflux may be entered.
    pub fn places(self, around: &Directories) -> Vec<Place> {
        let Directories { home, config, applications, project, .. } = around;
        let at = |scope, path, keys: &[&str]| self.place(scope, path, keys);
        let user = |path, keys: &[&str]| at(Scope::User, path, keys);
        let shared = |path: &str, keys: &[&str]| at(Scope::Project, project.join(path), keys);
        let servers = ["mcpServers"];
        let mut places = match self {
            Self::ClaudeDesktop => {
                vec![user(applications.join("Claude/claude_desktop_config.json"), &servers)]
            }
            Self::ClaudeCode => {
                let file = around.claude.as_ref().unwrap_or(home).join(".claude.json");
                let local = ["projects", &project.to_string_lossy(), "mcpServers"];
                let local = Place { is_home: false, ..user(file.clone(), &local) };
                vec![user(file, &servers), shared(".mcp.json", &servers), local]
            }
            Self::Cursor => vec![
                user(home.join(".cursor/mcp.json"), &servers),
                shared(".cursor/mcp.json", &servers),
            ],
            Self::VsCode => {
                let user_file = |name: &str| applications.join("Code/User").join(name);
                let older = user(user_file("settings.json"), &["mcp", "servers"]);
                vec![
                    user(user_file("mcp.json"), &["servers"]),
                    shared(".vscode/mcp.json", &["servers"]),
                    Place { is_home: false, ..older },
                ]
            }
            Self::Codex => {
                let own = around.codex.clone().unwrap_or_else(|| home.join(".codex"));
                let keys = ["mcp_servers"];
                vec![user(own.join("config.toml"), &keys), shared(".codex/config.toml", &keys)]
            }
            Self::Gemini => vec![
                user(home.join(".gemini/settings.json"), &servers),
                shared(".gemini/settings.json", &servers),
            ],
            Self::Windsurf => vec![user(home.join(".codeium/windsurf/mcp_config.json"), &servers)],
            Self::Zed => {
                let keys = ["context_servers"];
                vec![
                    user(config.join("zed/settings.json"), &keys),
                    shared(".zed/settings.json", &keys),
                ]
            }
            Self::OpenCode => {
                let own = config.join("opencode");
                let keys = ["mcp"];
                // It reads all of them; which one is written is a matter of which is there.
                vec![
                    user(own.join("opencode.json"), &keys),
                    user(own.join("opencode.jsonc"), &keys),
                    shared("opencode.json", &keys),
                    shared("opencode.jsonc", &keys),
                ]
            }
        };
        // In the home directory, a project's file may be the user's.
        let mut seen = HashSet::new();
        places.retain(|place| seen.insert((place.path.clone(), place.keys.clone())));
        places
    }

    fn place(self, scope: Scope, path: PathBuf, keys: &[&str]) -> Place {
        let format = if self == Self::Codex { Format::Toml } else { Format::Json };
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        Place { client: self, scope, path, format, keys, is_home: true }
    }

    /// Returns the directories of which one is there if the client is.
    pub fn traces(self, around: &Directories) -> Vec<PathBuf> {
        let parents = self.places(around).into_iter().filter(|place| place.scope == Scope::User);
        let parents = parents.filter_map(|place| place.path.parent().map(Path::to_owned));
        match self {
            // Its file is in the home directory itself.
            Self::ClaudeCode => {
                vec![around.claude.clone().unwrap_or_else(|| around.home.join(".claude"))]
            }
            _ => parents.collect(),
        }
    }
}
