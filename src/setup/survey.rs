//! Looks at what is there: the entries of clients, and those of the configuration.

use std::path::Path;
use std::path::PathBuf;

use crate::clients::Client;
use crate::clients::places::Directories;
use crate::clients::places::Format;
use crate::clients::places::Place;
use crate::config::interpolate;
use crate::config::interpolate::Sources;
use crate::config::surroundings::Surroundings;
use crate::disk::document;
use crate::disk::document::Document;
use crate::disk::file;
use crate::setup::Server;
use crate::setup::import::Source;
use crate::setup::read;
use crate::setup::read::Found;
use crate::setup::read::Reading;
use crate::setup::reference::Dialect;
use crate::setup::value::Broken;
use crate::setup::value::Value;

/// The maps of servers that a file may have that nobody knows, and whose words they are in.
const MAPS: &[(&str, Dialect)] = &[
    ("mcpServers", Dialect::Common),
    ("servers", Dialect::Of(Client::VsCode)),
    ("context_servers", Dialect::Of(Client::Zed)),
    ("mcp_servers", Dialect::Of(Client::Codex)),
    ("mcp", Dialect::Of(Client::OpenCode)),
];

/// The largest file of variables that an entry may name.
const MAX_ENV_FILE: u64 = 1024 * 1024;

/// Why something that is there cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error(transparent)]
    Disk(#[from] document::Error),
    /// It is not written as it should be.
    #[error("`{}` is broken", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        cause: Broken,
    },
    /// What should be a map of servers is none.
    #[error("`{}`: `{keys}` is no map of servers", path.display())]
    NoMap {
        /// The file.
        path: PathBuf,
        /// The keys that lead to it.
        keys: String,
    },
    /// It is not there, or has no servers.
    #[error("`{}` has no MCP servers", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
    },
    /// The configuration is neither YAML nor JSON.
    #[error("`{}` cannot be understood", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
    },
}

/// Looks around from one directory.
pub struct Survey<'a> {
    around: &'a Surroundings,
    /// Where clients have their files.
    pub directories: Directories,
}

impl<'a> Survey<'a> {
    /// Makes one for a process with these surroundings.
    pub fn new(around: &'a Surroundings) -> Self {
        let variable = |name: &str| around.variables.get(name).filter(|text| !text.is_empty());
        let home = around.home.clone().unwrap_or_default();
        let own = around.config.clone().unwrap_or_else(|| home.join(".config"));
        let directories = Directories {
            config: if cfg!(windows) { home.join(".config") } else { own.clone() },
            applications: if cfg!(target_os = "macos") {
                home.join("Library/Application Support")
            } else {
                own
            },
            project: around.directory.clone(),
            claude: variable("CLAUDE_CONFIG_DIR").map(PathBuf::from),
            codex: variable("CODEX_HOME").map(PathBuf::from),
            home,
        };
        Self { around, directories }
    }

    /// Returns the entries at a place; nothing if there is no such file or no such map in it.
    ///
    /// # Errors
    ///
    /// The file cannot be read or understood.
    pub fn source(&self, place: &Place) -> Result<Option<Source>, Error> {
        let document = Document::read(&place.path)?;
        let Some(text) = document.text()? else { return Ok(None) };
        let servers = self.servers(text, place)?;
        Ok(servers.map(|servers| Source { title: place.title(), servers }))
    }

    /// Returns the entries in the text of a place.
    ///
    /// # Errors
    ///
    /// The text cannot be understood.
    pub fn servers(&self, text: &str, place: &Place) -> Result<Option<Vec<Found>>, Error> {
        let root = parse(text, &place.path, place.format)?;
        let Some(map) = root.at(&place.keys).filter(|map| **map != Value::Null) else {
            return Ok(None);
        };
        if !matches!(map, Value::Map(_)) {
            let (path, keys) = (place.path.clone(), place.keys.join("."));
            return Err(Error::NoMap { path, keys });
        }
        let is_shared = place.scope == crate::clients::places::Scope::Project;
        let base = is_shared.then_some(self.directories.project.as_path());
        Ok(Some(self.read(map, &root, Dialect::Of(place.client), base)))
    }

    /// Returns the entries of a file, whosever it is.
    ///
    /// # Errors
    ///
    /// The file is not there, cannot be understood, or has no entries.
    pub fn file(&self, path: &Path) -> Result<Source, Error> {
        let absolute: PathBuf = self.around.directory.join(path).components().collect();
        let title = path.display().to_string();
        let known = Client::ALL.iter().flat_map(|client| client.places(&self.directories));
        for place in known.filter(|place| place.path == absolute) {
            if let Some(source) = self.source(&place)? {
                return Ok(source);
            }
        }
        let document = Document::read(&absolute)?;
        let nothing = || Error::Nothing { path: path.to_owned() };
        let text = document.text()?.ok_or_else(nothing)?;
        let is_toml = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"));
        let root = parse(text, path, if is_toml { Format::Toml } else { Format::Json })?;
        // Of VS Code's settings the map is one level deeper.
        let inner = root.get("mcp").filter(|mcp| mcp.get("servers").is_some());
        let found = MAPS.iter().find_map(|(key, dialect)| {
            let map = inner.unwrap_or(&root).get(key)?;
            matches!(map, Value::Map(_)).then_some((map, *dialect))
        });
        let (map, dialect) = found.ok_or_else(nothing)?;
        let servers = self.read(map, &root, dialect, absolute.parent());
        Ok(Source { title, servers })
    }

    /// Returns the upstreams that files of the configuration have, as they are written.
    ///
    /// # Errors
    ///
    /// One is there and cannot be understood.
    pub fn upstreams(&self, files: &[PathBuf]) -> Result<Vec<(String, Server)>, Error> {
        let mut all = Vec::new();
        for path in files {
            let document = Document::read(path)?;
            let Some(text) = document.text()? else { continue };
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let root: Option<serde_json::Value> = serde_saphyr::from_str(text)
                .map_err(|_| Error::Configuration { path: path.clone() })?;
            let root = Value::from(&root.unwrap_or_default());
            let map = root.get("upstreams").or_else(|| root.get("mcpServers"));
            let Some(map) = map else { continue };
            let found = self.read(map, &root, Dialect::Ours, None);
            all.extend(found.into_iter().filter_map(|it| Some((it.name, it.server?))));
        }
        Ok(all)
    }

    fn read(&self, map: &Value, root: &Value, dialect: Dialect, base: Option<&Path>) -> Vec<Found> {
        let open = |path: &Path| file::small(path, MAX_ENV_FILE);
        let project = self.directories.project.as_path();
        read::servers(map, root, &Reading { dialect, project, base, open: &open })
    }

    /// Returns what a reference stands for, in a file of the configuration in `directory`.
    pub fn lookup(&self, inside: &str, directory: &Path) -> Option<String> {
        let (variables, home) = (&self.around.variables, self.around.home.as_deref());
        interpolate::value(inside, &Sources { variables, home, directory })
    }
}

fn parse(text: &str, path: &Path, format: Format) -> Result<Value, Error> {
    Value::parse(text, format).map_err(|cause| Error::Broken { path: path.to_owned(), cause })
}
