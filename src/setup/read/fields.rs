//! The fields of one entry, under all the names that clients have for them.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;

use crate::clients::Client;
use crate::config::Transport;
use crate::config::interpolate;
use crate::config::interpolate::Piece;
use crate::setup::Command;
use crate::setup::Remote;
use crate::setup::Server;
use crate::setup::Target;
use crate::setup::Timeout;
use crate::setup::Tools;
use crate::setup::read::Reading;
use crate::setup::reference::Context;
use crate::setup::reference::Dialect;
use crate::setup::value::Value;

/// The longest limit that an upstream may have.
const MAX_TIMEOUT: Duration = Duration::from_hours(24);

/// A time limit without a unit that is at least this is one of milliseconds.
const SURELY_MILLISECONDS: f64 = 1000.0;

/// Conflux does not speak like this.
struct Unspoken;

/// An entry whose fields are taken one after the other; what is left in the end is not known.
pub(super) struct Fields<'a> {
    value: &'a Value,
    reading: &'a Reading<'a>,
    context: &'a Context<'a>,
    taken: Vec<&'a str>,
    notes: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        value: &'a Value,
        reading: &'a Reading<'a>,
        context: &'a Context<'a>,
    ) -> Self {
        Self { value, reading, context, taken: Vec::new(), notes: Vec::new() }
    }

    pub(super) fn into_notes(self) -> Vec<String> {
        self.notes
    }

    /// Reads the whole entry; nothing, and a note, if Conflux cannot have it.
    pub(super) fn server(&mut self) -> Option<Server> {
        if !matches!(self.value, Value::Map(_)) {
            self.note("is left out: it is no map");
            return None;
        }
        let transport = self.transport().ok()?;
        let command = self.take(&["command", "cmd"]);
        let url = self.take(&["url", "httpUrl", "serverUrl", "serverURL", "uri"]);
        let target = match (command, url) {
            (Some(command), url) => {
                if url.is_some() {
                    self.note("has a program and an address; only the program is carried over");
                }
                Target::Command(self.command(command)?)
            }
            (None, Some(url)) => Target::Remote(self.remote(url, transport)?),
            (None, None) => {
                self.neither();
                return None;
            }
        };
        let mut server = Server::new(target);
        server.disabled = self.disabled();
        server.tools = self.tools();
        server.timeout = self.timeout();
        self.rest();
        Some(server)
    }

    /// Returns the first field that is there under one of these names, the better name first.
    fn take(&mut self, names: &[&'a str]) -> Option<&'a Value> {
        self.taken.extend(names);
        let found = names.iter().filter_map(|name| self.value.get(name));
        found.into_iter().find(|value| **value != Value::Null)
    }

    fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn ours(&mut self, text: &str) -> String {
        self.context.ours(text, &mut self.notes)
    }

    fn neither(&mut self) {
        let is_extension = self.value.get("source").and_then(Value::text) == Some("extension")
            || self.value.get("settings").is_some();
        self.note(if is_extension {
            "is left out: it belongs to an extension, which alone knows how to start it"
        } else {
            "is left out: it has neither a command nor an address"
        });
    }

    /// Returns the way to speak that the entry names, which must be one that Conflux knows.
    fn transport(&mut self) -> Result<Option<Transport>, Unspoken> {
        let word = self.take(&["type", "transport"]).and_then(Value::text).unwrap_or_default();
        match word.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
            "http" | "streamablehttp" | "streaming" => Ok(Some(Transport::Http)),
            "sse" => Ok(Some(Transport::Sse)),
            "" | "stdio" | "local" | "remote" | "custom" => Ok(None),
            _ => {
                self.note(format!("is left out: it speaks `{word}`, which Conflux does not"));
                Err(Unspoken)
            }
        }
    }

    fn command(&mut self, written: &Value) -> Option<Command> {
        // Zed once wrote a map here.
        let inner = |key: &str| written.get(key).cloned();
        let program = inner("path").unwrap_or_else(|| written.clone());
        let mut words: Vec<String> = match &program {
            Value::Text(text) => vec![text.clone()],
            Value::List(words) => words.iter().filter_map(Value::plain).collect(),
            _ => Vec::new(),
        };
        let args = self.take(&["args", "arguments"]).cloned().or_else(|| inner("args"));
        let args = args.unwrap_or(Value::List(Vec::new()));
        let usable = args.items().iter().filter_map(Value::plain).collect::<Vec<_>>();
        if usable.len() < args.items().len() || !matches!(args, Value::List(_)) {
            self.note("`args` holds what is no text; that is not carried over");
        }
        if let ([whole], true) = (words.as_slice(), usable.is_empty())
            && let Some(split) = command_line(whole)
        {
            self.note("`command` is a whole command line, which is taken apart at its spaces");
            words = split;
        }
        words.extend(usable);
        let mut words =
            words.into_iter().map(|word| self.ours(&word)).collect::<Vec<_>>().into_iter();
        let Some(command) = words.next().filter(|word| !word.trim().is_empty()) else {
            self.note("is left out: its command is empty");
            return None;
        };
        let env = self.env(inner("env").as_ref());
        let cwd = self.take(&["cwd", "workingDirectory", "working_directory"]);
        let cwd = cwd.and_then(Value::text).map(|cwd| self.ours(cwd));
        let cwd = cwd.map(|cwd| self.based(cwd, true));
        Some(Command { command: self.based(command, false), args: words.collect(), env, cwd })
    }

    /// Makes a path absolute that is relative to where the entry was written.
    fn based(&self, path: String, is_directory: bool) -> String {
        let starts = ["./", "../", ".\\", "..\\"];
        let is_relative = starts.iter().any(|start| path.starts_with(start))
            || is_directory && Path::new(&path).is_relative() && !path.starts_with(['~', '$']);
        match self.reading.base.filter(|_| is_relative) {
            Some(base) => {
                let whole: std::path::PathBuf = base.join(path).components().collect();
                whole.display().to_string()
            }
            None => path,
        }
    }

    fn env(&mut self, inner: Option<&Value>) -> IndexMap<String, String> {
        let mut env = IndexMap::new();
        if let Some(file) = self.take(&["envFile", "env_file"]).and_then(Value::text) {
            self.env_file(file, &mut env);
        }
        let written = self.take(&["env", "environment", "envs"]).cloned();
        for (name, value) in written.iter().chain(inner).flat_map(Value::entries) {
            match value.plain() {
                Some(text) => {
                    let text = self.ours(&text);
                    env.insert(name.clone(), text);
                }
                // So write those that want it handed on.
                None if *value == Value::Null => {
                    env.insert(name.clone(), format!("${{{name}}}"));
                }
                None => self.note(format!("`env.{name}` is no text; it is not carried over")),
            }
        }
        // Codex hands these on from its own environment.
        for name in self.take(&["env_vars"]).map(Value::items).unwrap_or_default() {
            let name = name.text().or_else(|| name.get("name").and_then(Value::text));
            if let Some(name) = name {
                env.insert(name.to_owned(), format!("${{{name}}}"));
            }
        }
        env
    }

    fn env_file(&mut self, file: &str, env: &mut IndexMap<String, String>) {
        // Its path is in the client's words; only what is known without an environment is opened.
        let path = self.reading.project.display().to_string();
        let plain = file.replace("${workspaceFolder}", &path);
        let plain = self.based(plain, true);
        let Some(text) = (self.reading.open)(Path::new(&plain)) else {
            self.note(format!("`envFile`: `{file}` cannot be read; its variables are missing"));
            return;
        };
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let Some((name, value)) = line.split_once('=') else { continue };
            let value = value.trim();
            let quoted = ['"', '\''].iter().find_map(|&quote| {
                value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote))
            });
            let value = quoted.unwrap_or(value).replace("${", "$${");
            env.insert(name.trim().to_owned(), value);
        }
        self.note(format!("the variables of `{file}` are carried over as they are now"));
    }

    fn remote(&mut self, url: &Value, transport: Option<Transport>) -> Option<Remote> {
        let Some(url) = url.text().filter(|url| !url.trim().is_empty()) else {
            self.note("is left out: its address is no text");
            return None;
        };
        let mut headers = IndexMap::new();
        let url = self.without_password(url, &mut headers)?;
        let url = self.ours(&url);
        let written = self.take(&["headers", "http_headers", "httpHeaders", "requestInit"]);
        let written = written.map(|it| it.get("headers").unwrap_or(it));
        for (name, value) in written.map(Value::entries).unwrap_or_default() {
            match value.plain() {
                Some(text) => {
                    let text = self.ours(&text);
                    headers.insert(name.clone(), text);
                }
                None => self.note(format!("`headers.{name}` is no text; it is not carried over")),
            }
        }
        for (name, value) in
            self.take(&["env_http_headers"]).map(Value::entries).unwrap_or_default()
        {
            if let Some(variable) = value.text() {
                headers.insert(name.clone(), format!("${{{variable}}}"));
            }
        }
        if let Some(name) = self.take(&["bearer_token_env_var"]).and_then(Value::text) {
            headers.insert("Authorization".to_owned(), format!("Bearer ${{{name}}}"));
        }
        Some(Remote { url, headers, transport })
    }

    /// Moves a user and a password out of an address into the header that says the same. All else
    /// of the address stays as it is written, with its references. Nothing, and a note, if they are
    /// references themselves.
    fn without_password(
        &mut self,
        url: &str,
        headers: &mut IndexMap<String, String>,
    ) -> Option<String> {
        let Some(at) = user_info(url) else { return Some(url.to_owned()) };
        let written = url.get(at.clone()).unwrap_or_default();
        let is_reference = |piece| matches!(piece, Piece::Reference(_));
        if interpolate::pieces(&self.ours(written)).into_iter().any(is_reference) {
            // In the header they would be encoded, where nobody fills them in.
            self.note(
                "is left out: the user or the password of its address is a reference; write them \
                 as the header `Authorization: Basic …`",
            );
            return None;
        }
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
        let (user, password) = written.split_once(':').unwrap_or((written, ""));
        let pair = [decoded(user), vec![b':'], decoded(password)].concat();
        headers.insert("Authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair)));
        self.note("the user and the password of its address are a header now");
        let (front, back) = (url.get(..at.start), url.get(at.end + 1..));
        Some([front.unwrap_or_default(), back.unwrap_or_default()].concat())
    }

    fn disabled(&mut self) -> bool {
        let enabled = self.take(&["enabled", "isActive"]);
        let disabled = self.take(&["disabled"]);
        enabled == Some(&Value::Bool(false)) || disabled == Some(&Value::Bool(true))
    }

    fn tools(&mut self) -> Tools {
        // Some allow a name with its arguments: `read(path)`.
        let names = |value: &Value| -> Vec<String> {
            let texts = value.items().iter().filter_map(Value::text);
            texts.map(|name| name.split('(').next().unwrap_or(name).to_owned()).collect()
        };
        let allow = self.take(&["includeTools", "enabled_tools", "enabledTools"]).map(names);
        let deny = self.take(&["excludeTools", "disabledTools", "disabled_tools"]).map(names);
        let mut tools = Tools { deny: deny.unwrap_or_default(), allow: Vec::new() };
        match allow {
            // A list without names allows nothing.
            Some(allow) if allow.is_empty() => tools.deny = vec!["*".to_owned()],
            Some(allow) => tools.allow = allow,
            None => {}
        }
        tools
    }

    fn timeout(&mut self) -> Timeout {
        let start = self.limit("startup_timeout_sec", 1000.0);
        let start = start.or_else(|| self.limit("startup_timeout_ms", 1.0));
        let mut timeout = Timeout { start, call: self.limit("tool_timeout_sec", 1000.0) };
        match self.reading.dialect {
            // Until it has listed its tools.
            Dialect::Of(Client::OpenCode) => timeout.start = self.limit("timeout", 1.0),
            Dialect::Of(Client::Gemini | Client::ClaudeCode) => {
                timeout.call = self.limit("timeout", 1.0);
            }
            Dialect::Of(Client::Zed) => timeout.call = self.limit("timeout", 1000.0),
            // Our own limits have units and places of their own, and compare nothing.
            Dialect::Ours => self.taken.push("timeout"),
            _ => {
                let number = self.value.get("timeout").and_then(Value::plain);
                match number.and_then(|number| number.parse::<f64>().ok()) {
                    Some(number) if number < SURELY_MILLISECONDS => {
                        self.taken.push("timeout");
                        self.note("`timeout` has no unit; it is not carried over");
                    }
                    _ => timeout.call = timeout.call.or_else(|| self.limit("timeout", 1.0)),
                }
            }
        }
        timeout
    }

    /// Reads a limit of so many units, each of which has so many milliseconds.
    fn limit(&mut self, name: &'a str, milliseconds: f64) -> Option<Duration> {
        let number = self.take(&[name])?.plain()?.parse::<f64>().ok();
        let limit = number.and_then(|it| Duration::try_from_secs_f64(it * milliseconds / 1e3).ok());
        let limit =
            limit.map(|limit| Duration::from_millis(limit.as_millis().try_into().unwrap_or(0)));
        let limit = limit.filter(|limit| !limit.is_zero() && *limit <= MAX_TIMEOUT);
        if limit.is_none() {
            self.note(format!("`{name}` is no limit that Conflux knows; it is not carried over"));
        }
        limit
    }

    /// Names the fields that nothing was made of.
    fn rest(&mut self) {
        // These say only what the entry is called or what the rest says already.
        let idle = ["name", "description", "source", "title", "gallery", "version", "metadata"];
        if self.reading.dialect == Dialect::Ours {
            return;
        }
        let keys = self.value.entries().iter().map(|(key, _)| key.as_str());
        let is_left = |key: &&str| !self.taken.contains(key) && !idle.contains(key);
        let mut left: Vec<_> = keys.filter(is_left).collect();
        left.dedup();
        if !left.is_empty() {
            let left = left.join("`, `");
            self.note(format!("not carried over: `{left}`"));
        }
    }
}

/// Returns where a user and a password stand in an address, in bytes and without the `@` behind
/// them; references, which may hold anything, are passed over.
fn user_info(url: &str) -> Option<Range<usize>> {
    let start = url.find("://")? + "://".len();
    let (mut at, mut depth) = (None, 0_usize);
    for (index, c) in url.get(start..)?.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '/' | '?' | '#' if depth == 0 => break,
            '@' if depth == 0 => at = Some(start + index),
            _ => {}
        }
    }
    at.map(|at| start..at).filter(|at| !at.is_empty())
}

/// Takes a command line apart that holds no quotes; nothing if it may be one path with spaces.
fn command_line(text: &str) -> Option<Vec<String>> {
    let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    let first = words.first()?;
    let is_path = first.contains(['/', '\\', '~', '$', '"', '\'']);
    (words.len() > 1 && !is_path && !text.contains(['"', '\''])).then_some(words)
}
