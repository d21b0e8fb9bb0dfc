//! `conflux add`: one more upstream, in the words of `claude mcp add`.

use clap::Args;
use clap::ValueEnum;
use indexmap::IndexMap;

use crate::cli::context::Context;
use crate::cli::edit::Edits;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::config;
use crate::setup::Command;
use crate::setup::Entry;
use crate::setup::Remote;
use crate::setup::Server;
use crate::setup::Target;
use crate::setup::mentions;
use crate::setup::reference;
use crate::setup::secrets;
use crate::setup::yaml;

/// What comes after a change.
pub(super) const NEXT: &str =
    "`conflux check --connect` tries it; a gateway that runs takes it over by itself";

/// What the help says at length.
const HELP: &str = "\
Add an upstream to the configuration

conflux add files -- npx -y @modelcontextprotocol/server-filesystem ~/Documents
conflux add github -e 'GITHUB_TOKEN=${GITHUB_TOKEN}' -- github-mcp-server stdio
conflux add docs https://example.com/mcp -H 'Authorization: Bearer ${DOCS_TOKEN}'

Values with `${NAME}` are written as they are, and filled in when Conflux starts; mind the
single quotes. The file is the last one of `--config`, or the one that is found without it; if
there is none, `conflux/upstreams.yaml` in the user's directory of configurations is made.";

/// Add an upstream to the configuration
#[derive(Debug, Args)]
#[command(long_about = HELP)]
pub(in crate::cli) struct Add {
    /// What it is called: the beginning of the names of its tools
    name: String,
    /// Its address, or the program to start
    #[arg(value_name = "URL|COMMAND")]
    words: Vec<String>,
    /// The program to start and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    rest: Vec<String>,
    /// How it is spoken to; without it, that is found out
    #[arg(short, long, value_name = "HOW")]
    transport: Option<Transport>,
    /// A variable of the program; repeat it for more
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// A header of every request; repeat it for more
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// The working directory of the program
    #[arg(long, value_name = "DIRECTORY")]
    cwd: Option<String>,
    /// Leave it out until `conflux enable`
    #[arg(long)]
    disabled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// A program, over its standard input and output
    Stdio,
    /// An address, over Streamable HTTP
    #[value(alias = "streamable-http")]
    Http,
    /// An address, over HTTP+SSE, as it was until 2024-11-05
    Sse,
}

impl Add {
    /// Adds it, unless the configuration would be wrong then.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let entry = Entry { key: self.name.clone(), server: self.server()?, comment: None };
        let mut edits = Edits::begin(context)?;
        edits.add(|text| yaml::with_added(text, std::slice::from_ref(&entry)))?;
        let place = edits.last()?.display().to_string();
        edits.write()?;
        output::say(&format!("added `{}` to {place}; {NEXT}", self.name));
        output::tell(&warnings(&entry, context));
        Ok(())
    }

    fn server(&self) -> Result<Server, Failure> {
        let mut words = self.words.iter().chain(&self.rest);
        let Some(first) = words.next() else {
            let hint =
                format!("write `conflux add {0} -- COMMAND …` or `conflux add {0} URL`", self.name);
            return Err(usage("there is neither a program nor an address", hint));
        };
        let rest: Vec<_> = words.cloned().collect();
        let is_address = first.starts_with("https://") || first.starts_with("http://");
        let is_remote = match self.transport {
            Some(Transport::Stdio) => false,
            Some(Transport::Http | Transport::Sse) => true,
            None => is_address,
        };
        let target =
            if is_remote { self.remote(first, &rest)? } else { self.command(first, rest)? };
        Ok(Server { disabled: self.disabled, ..Server::new(target) })
    }

    fn command(&self, program: &str, args: Vec<String>) -> Result<Target, Failure> {
        if !self.header.is_empty() {
            return Err(usage("`--header` is for an address", "a program has `--env`"));
        }
        let (command, cwd) = (program.to_owned(), self.cwd.clone());
        Ok(Target::Command(Command { command, args, env: map(&self.env), cwd }))
    }

    fn remote(&self, url: &str, rest: &[String]) -> Result<Target, Failure> {
        if !rest.is_empty() {
            return Err(usage("an address has no arguments", "write the address alone"));
        }
        if !self.env.is_empty() || self.cwd.is_some() {
            let hint = "an address has `--header`; leave out `--transport` for a program";
            return Err(usage("`--env` and `--cwd` are for a program", hint));
        }
        let transport = self.transport.and_then(|transport| match transport {
            Transport::Stdio => None,
            Transport::Http => Some(config::Transport::Http),
            Transport::Sse => Some(config::Transport::Sse),
        });
        Ok(Target::Remote(Remote { url: url.to_owned(), headers: map(&self.header), transport }))
    }
}

/// A value of an upstream.
struct Written<'a> {
    /// Where it stands.
    place: String,
    /// What it is called; an argument or an address is called nothing.
    name: Option<&'a str>,
    /// The argument before it.
    before: Option<&'a str>,
    value: &'a str,
}

/// Returns what is handed on to an upstream.
fn written(target: &Target) -> Vec<Written<'_>> {
    match target {
        Target::Command(Command { args, env, .. }) => {
            let befores = std::iter::once(None).chain(args.iter().map(|it| Some(it.as_str())));
            let args = args.iter().zip(befores).enumerate().map(|(index, (value, before))| {
                Written { place: format!("args[{index}]"), name: None, before, value }
            });
            named("env", env).chain(args).collect()
        }
        Target::Remote(Remote { url, headers, .. }) => {
            let url = Written { place: "url".to_owned(), name: None, before: None, value: url };
            std::iter::once(url).chain(named("headers", headers)).collect()
        }
    }
}

fn named<'a>(
    section: &'a str,
    values: &'a IndexMap<String, String>,
) -> impl Iterator<Item = Written<'a>> {
    values.iter().map(move |(name, value)| Written {
        place: format!("{section}.{name}"),
        name: Some(name.as_str()),
        before: None,
        value,
    })
}

/// Says what of a new upstream is probably not meant.
fn warnings(entry: &Entry, context: &Context<'_>) -> Vec<Notice> {
    let key = &entry.key;
    let mut notices = Vec::new();
    for Written { place, name, before, value } in written(&entry.server.target) {
        if secrets::is_literal(name, before, value) {
            let variable = variable_for(key, name);
            notices.push(
                Notice::warning(format!(
                    "`{place}` of `{key}` looks like a secret that is written out"
                ))
                .hint(format!(
                    "set a variable where Conflux runs, and write `${{{variable}}}` in its \
                         place, or keep it in a file and write `${{file:PATH}}`"
                )),
            );
        }
        for variable in mentions::variables(value) {
            if !context.around.variables.contains_key(variable) {
                notices.push(
                    Notice::warning(format!("`{place}` of `{key}`: `{variable}` is not set here"))
                        .hint("Conflux does not start without it; set it where Conflux runs"),
                );
            }
        }
    }
    notices
}

/// Returns the name of a variable that could hold a secret.
pub(in crate::cli) fn variable_for(key: &str, name: Option<&str>) -> String {
    let is_header = name.is_some_and(|name| name.eq_ignore_ascii_case("authorization"));
    let named = match name {
        Some(name) if !is_header => name.to_owned(),
        _ => format!("{key}_TOKEN"),
    };
    reference::variable_name(&named)
}

fn map(pairs: &[(String, String)]) -> IndexMap<String, String> {
    pairs.iter().cloned().collect()
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it like `NAME=value`".to_owned()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write it like `Name: value`".to_owned()),
    }
}

fn usage(message: &str, hint: impl Into<String>) -> Failure {
    Failure::new(exit::USAGE, Notice::error(message).hint(hint))
}
