//! `conflux token`: the tokens that clients over HTTP are known by.

use std::time::Duration;
use std::time::SystemTime;

use clap::Args;
use clap::Subcommand;
use serde_json::Value;
use serde_json::json;

use crate::auth;
use crate::auth::Store;
use crate::auth::StoreError;
use crate::auth::store::Record;
use crate::auth::store::Scope;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::report::printable;
use crate::cli::table;
use crate::config::Config;
use crate::config::patterns::Patterns;
use crate::config::suggest;

/// How long a token is good unless it is said.
const LIFETIME: &str = "90d";
/// What is said for one that has no end.
const NEVER: &str = "never";
/// The longest name of a token, in characters.
const LONGEST: usize = 64;

/// Make, list and revoke the tokens that clients over HTTP are known by
///
/// A gateway asks for one where its configuration has `auth`. Tokens are kept as keyed hashes in
/// the directory of state; a running gateway takes them over within a second.
#[derive(Debug, Args)]
pub(in crate::cli) struct Token {
    #[command(subcommand)]
    action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token, and print it: nobody can have it a second time
    Create(Create),
    /// List what is known of all tokens
    List {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; a running gateway refuses it within a second
    Revoke {
        /// Its name, or its id
        token: String,
    },
}

/// The token to make.
#[derive(Debug, Args)]
struct Create {
    /// What it is called: `token:NAME` in rules and records
    name: String,
    /// A group its holder is in, for rules; repeat it for several
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// A profile its holder may look through, the first one at `/mcp`; repeat it for several
    ///
    /// Without it: everything, and every profile.
    #[arg(long = "for", value_name = "PROFILE")]
    profiles: Vec<String>,
    /// A pattern of the tools its holder may see and call, by their public names, such as
    /// `git__*`; repeat it for several
    ///
    /// Without it: all.
    #[arg(long, value_name = "PATTERN")]
    tool: Vec<String>,
    /// How long it is good, such as `12h`, `30d` or `1y`; `never` for one without an end
    #[arg(long, value_name = "TIME", default_value = LIFETIME)]
    expires: String,
    /// Print what is known of it as JSON, the token with it
    #[arg(long)]
    json: bool,
}

impl Token {
    /// Does it.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let store = Store::new(auth::directory(&context.state()?));
        match &self.action {
            Action::Create(wanted) => wanted.run(context, &store),
            Action::List { json } => list(&store, *json, context.width()),
            Action::Revoke { token } => {
                let revoked = store.revoke(token).map_err(|error| failure(&error))?;
                output::say(&format!("`{}` ({}) is revoked", revoked.name, revoked.id));
                Ok(())
            }
        }
    }
}

impl Create {
    fn run(&self, context: &Context<'_>, store: &Store) -> Result<(), Failure> {
        self.check_name()?;
        Patterns::of_names(self.tool.iter().map(String::as_str))
            .map_err(|error| usage(&error.to_string(), "`git__*` is one"))?;
        let expires = expiry(&self.expires)?;
        // Tokens may be made before there is a configuration, or where it cannot be read.
        let config = context.config().ok();
        if let Some(config) = &config {
            self.check_profiles(config)?;
        }
        let (groups, profiles) = (self.group.clone(), self.profiles.clone());
        let scope = Scope { groups, profiles, tools: self.tool.clone() };
        let (token, record) =
            store.create(&self.name, scope, expires).map_err(|error| failure(&error))?;
        if self.json {
            let mut known = document(&record);
            if let Some(fields) = known.as_object_mut() {
                fields.insert("token".to_owned(), Value::from(token.reveal()));
            }
            output::data(&known.to_string())?;
        } else {
            output::data(&token.reveal())?;
            output::say(
                "clients send it as `Authorization: Bearer TOKEN`; it is not kept anywhere",
            );
        }
        if config.is_some_and(|config| config.auth.is_none()) {
            let notice = Notice::warning("this configuration asks nobody for a token");
            output::tell(&[notice.hint("add `auth: {}` to it")]);
        }
        Ok(())
    }

    fn check_name(&self) -> Result<(), Failure> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        let is_name = (1..=LONGEST).contains(&self.name.len()) && self.name.chars().all(is_part);
        if is_name {
            return Ok(());
        }
        let problem = format!("`{}` is no name for a token", self.name);
        let hint = format!("use up to {LONGEST} letters, digits, `.`, `_`, `-` and `@`");
        Err(usage(&problem, &hint))
    }

    fn check_profiles(&self, config: &Config) -> Result<(), Failure> {
        let names = || config.profiles.keys().map(String::as_str);
        let Some(unknown) = self.profiles.iter().find(|it| !config.profiles.contains_key(*it))
        else {
            return Ok(());
        };
        let hint = match suggest::nearest(unknown, names()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "`conflux profile list` shows those there are".to_owned(),
        };
        let notice = Notice::error(format!("there is no profile `{unknown}`"));
        Err(Failure::new(exit::UNKNOWN, notice.hint(hint)))
    }
}

/// Reads when a token ends; nothing if it never does.
fn expiry(written: &str) -> Result<Option<SystemTime>, Failure> {
    if written == NEVER {
        return Ok(None);
    }
    let hint = "write a number and a unit, such as `12h`, `30d` or `1y`, or `never`";
    let lifetime = humantime::parse_duration(written).ok().filter(|it| *it > Duration::ZERO);
    let end = lifetime.and_then(|lifetime| SystemTime::now().checked_add(lifetime));
    match end {
        Some(end) => Ok(Some(end)),
        None => Err(usage(&format!("`{written}` is no time to be good for"), hint)),
    }
}

fn usage(problem: &str, hint: &str) -> Failure {
    Failure::new(exit::USAGE, Notice::error(problem).hint(hint))
}

/// Says why tokens cannot be read or changed, and what to do.
pub(super) fn failure(error: &StoreError) -> Failure {
    let exit = if matches!(error, StoreError::Unknown(_)) { exit::UNKNOWN } else { exit::FAILURE };
    let hint = match error {
        StoreError::Taken(_) => Some("revoke it first with `conflux token revoke`"),
        StoreError::Unknown(_) => Some("`conflux token list` shows all"),
        StoreError::Damaged { .. } => Some("restore the file, or remove it and make new tokens"),
        StoreError::Randomness(_) | StoreError::Disk(_) | StoreError::Io { .. } => None,
    };
    let mut notice = Notice::error(error.to_string());
    if let Some(cause) = std::error::Error::source(error) {
        notice = notice.cause(cause);
    }
    if let Some(hint) = hint {
        notice = notice.hint(hint);
    }
    Failure::new(exit, notice)
}

fn list(store: &Store, json: bool, width: Option<usize>) -> Result<(), Failure> {
    let records = store.list().map_err(|error| failure(&error))?;
    if json {
        let all = records.iter().map(document).collect();
        return output::data(&Value::Array(all).to_string());
    }
    if records.is_empty() {
        let notice = Notice::warning("there is no token");
        output::tell(&[notice.hint("`conflux token create NAME` makes one")]);
        return Ok(());
    }
    let all = |words: &[String], none: &str| match words {
        [] => none.to_owned(),
        words => printable(&words.join(", ")),
    };
    let row = |record: &Record| {
        let Scope { groups, profiles, tools } = &record.scope;
        let (name, id) = (record.name.clone(), record.id.clone());
        let (profiles, tools) = (all(profiles, "all"), all(tools, "all"));
        [name, id, state(record), all(groups, "-"), profiles, tools]
    };
    let rows: Vec<_> = records.iter().map(row).collect();
    let head = ["NAME", "ID", "STATE", "GROUPS", "PROFILES", "TOOLS"];
    output::data(&table::render(head, &rows, width))
}

/// How a token is, for people.
pub(super) fn state(record: &Record) -> String {
    let day = |time: SystemTime| {
        let time = humantime::format_rfc3339_seconds(time).to_string();
        time.split('T').next().unwrap_or_default().to_owned()
    };
    match (record.revoked, record.expires) {
        (Some(revoked), _) => format!("revoked {}", day(revoked)),
        (None, Some(expires)) if record.is_good(SystemTime::now()) => {
            format!("good until {}", day(expires))
        }
        (None, Some(expires)) => format!("expired {}", day(expires)),
        (None, None) => "good".to_owned(),
    }
}

fn document(record: &Record) -> Value {
    let time = |time: Option<SystemTime>| {
        time.map(|time| humantime::format_rfc3339_seconds(time).to_string())
    };
    let Record { id, name, created, expires, revoked, scope, .. } = record;
    let Scope { groups, profiles, tools } = scope;
    json!({
        "name": name,
        "principal": record.principal_name(),
        "id": id,
        "good": record.is_good(SystemTime::now()),
        "created": time(*created),
        "expires": time(*expires),
        "revoked": time(*revoked),
        "groups": groups,
        "profiles": profiles,
        "tools": tools,
    })
}
