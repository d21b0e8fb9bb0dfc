//! `conflux import`: what clients have becomes upstreams.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use clap::ValueEnum;

use crate::cli::command::clients;
use crate::cli::command::clients::difference;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::clients::Client;
use crate::config::load;
use crate::config::problem::Problem;
use crate::config::secrets::Secrets;
use crate::disk::document;
use crate::disk::document::Document;
use crate::disk::file;
use crate::setup::Entry;
use crate::setup::import;
use crate::setup::import::Note;
use crate::setup::import::Origin;
use crate::setup::import::Plan;
use crate::setup::import::Source;
use crate::setup::secrets;
use crate::setup::secrets::Keep;
use crate::setup::secrets::Secret;
use crate::setup::secrets::Vault;
use crate::setup::survey;
use crate::setup::survey::Survey;
use crate::setup::value::Value;
use crate::setup::yaml;

/// The largest secret that may be in its place already, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// The directory of secrets, beside the user's own configuration.
const SECRETS: &str = "secrets";

/// Take over the MCP servers that clients have
///
/// Reads the files of Claude Desktop, Claude Code, Cursor, VS Code, Codex, Gemini CLI, Windsurf,
/// Zed and OpenCode, of the user and of the project in the working directory, and adds what they
/// have to the configuration. Nothing is changed in the files of clients: `conflux install` does
/// that.
#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// Take over those of this client alone; repeat it for several
    #[arg(long, value_name = "CLIENT", value_parser = clients::parser())]
    from: Vec<Client>,
    /// Take over those of this file, whosever it is; repeat it for several
    #[arg(long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// Where secrets go that are written out
    #[arg(long, value_enum, default_value_t = Place::File)]
    secrets: Place,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Where secrets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Place {
    /// Each into a file of its own, which its owner alone may read
    File,
    /// Into variables, which you have to set
    Env,
}

/// Everything that is read before anything is written.
struct Work<'a> {
    context: &'a Context<'a>,
    survey: Survey<'a>,
    /// The file that is changed.
    target: Document,
    /// The directory of secrets, and how it is written in the configuration.
    secrets: (PathBuf, String),
}

impl Import {
    /// Takes over what is there.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let survey = Survey::new(&context.around);
        let mut sources = self.sources(&survey)?;
        if sources.is_empty() {
            let notice = Notice::error("no client has MCP servers that could be taken over");
            let hint = "name a file with `--file PATH`, or begin with `conflux add`";
            return Err(Failure::new(exit::FAILURE, notice.hint(hint)));
        }
        let work = Work::new(context, survey)?;
        work.leave_out_faulty(&mut sources)?;
        let plan = work.plan(&sources, self.secrets)?;
        told(&sources, &plan);
        work.write(&plan, self.secrets, self.dry_run)
    }

    /// Reads what was named, or else what there is.
    fn sources(&self, survey: &Survey<'_>) -> Result<Vec<Source>, Failure> {
        let mut sources = Vec::new();
        for path in &self.file {
            sources.push(survey.file(path)?);
        }
        let named = self.from.clone();
        let is_open = named.is_empty() && self.file.is_empty();
        for client in Client::ALL.into_iter().filter(|it| is_open || named.contains(it)) {
            let before = sources.len();
            for place in client.places(&survey.directories) {
                match survey.source(&place) {
                    Ok(source) => sources.extend(source.filter(|it| !it.servers.is_empty())),
                    // One that was not asked for does not keep the others from coming.
                    Err(error) if is_open => output::tell(&[skipped(error)]),
                    Err(error) => return Err(error.into()),
                }
            }
            if !is_open && sources.len() == before {
                output::say(&format!("{} has no MCP servers", client.title()));
            }
        }
        Ok(sources)
    }
}

fn skipped(error: survey::Error) -> Notice {
    let error = anyhow::Error::from(error);
    let notice = Notice::warning(format!("{error}; it is left out"));
    error.chain().skip(1).fold(notice, Notice::cause)
}

impl<'a> Work<'a> {
    fn new(context: &'a Context<'a>, survey: Survey<'a>) -> Result<Self, Failure> {
        let target = context.changed_file()?;
        let directory = target.parent().unwrap_or(Path::new("")).to_owned();
        let own = context.around.config.as_ref().map(|config| config.join("conflux"));
        let own = own.unwrap_or_else(|| directory.clone());
        let files = own.join(SECRETS);
        let written = if own == directory {
            SECRETS.to_owned()
        } else {
            match context.around.home.as_ref().and_then(|home| files.strip_prefix(home).ok()) {
                Some(rest) => format!("~/{}", rest.display()),
                None => files.display().to_string(),
            }
        };
        let target = Document::read(&target)?;
        Ok(Self { context, survey, target, secrets: (files, written) })
    }

    fn plan(&self, sources: &[Source], place: Place) -> Result<Plan, Failure> {
        let taken = |name: &str| {
            let text = file::small(&self.secrets.0.join(name), MAX_SECRET)?;
            Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
        };
        let vault = match place {
            Place::File => Keep::Files { directory: self.secrets.1.clone(), taken: &taken },
            Place::Env => Keep::Variables,
        };
        let files = load::counting(&self.context.options(), &self.context.around);
        let existing = self.survey.upstreams(&files)?;
        let directory = self.target.path().parent().unwrap_or(Path::new(""));
        let lookup = |inside: &str| self.survey.lookup(inside, directory);
        Ok(import::plan(sources, &existing, &lookup, Vault::new(vault)))
    }

    fn text(&self, plan: &Plan) -> Result<String, Failure> {
        let text = self.target.text()?;
        yaml::with_added(text, &plan.entries).map_err(|error| {
            let path = self.target.path().display();
            let notice = Notice::error(format!("cannot change `{path}`"));
            Failure::new(exit::CONFIG, notice.hint(error.advice()).cause(error))
        })
    }

    /// Leaves out the entries that the configuration would be wrong with, unless none is left then.
    fn leave_out_faulty(&self, sources: &mut [Source]) -> Result<(), Failure> {
        loop {
            let plan = self.plan(sources, Place::Env)?;
            let problems = self.problems(&plan)?;
            let mut faulty = Vec::new();
            for problem in &problems {
                let is_at_fault = |entry: &&Entry| is_about(problem, &entry.key);
                let Some(entry) = plan.entries.iter().find(is_at_fault) else {
                    return Err(Failure::of(&problems));
                };
                faulty.push((entry.key.clone(), problem.message.clone()));
            }
            if faulty.is_empty() {
                return Ok(());
            }
            if plan.entries.iter().all(|entry| faulty.iter().any(|(key, _)| *key == entry.key)) {
                return Err(Failure::of(&problems));
            }
            import::leave_out(sources, &plan, &faulty);
        }
    }

    /// Returns what would be wrong with the configuration. No secret is in its place yet, so it is
    /// checked with variables, which need not be set.
    fn problems(&self, plan: &Plan) -> Result<Vec<Problem>, Failure> {
        let text = self.text(plan)?;
        let options = self.context.options();
        let edited = [(self.target.path().to_owned(), text)];
        let loaded = load::load_edited(&options, &self.context.around, &edited);
        let Err(problems) = loaded else { return Ok(Vec::new()) };
        let unset: Vec<_> = problems.iter().filter(|it| it.is_unset_variable()).collect();
        // What is wrong with a value that could not be filled in may be right then.
        let is_excused = |problem: &Problem| unset.iter().any(|it| it.key == problem.key);
        Ok(problems.iter().filter(|it| !is_excused(it)).cloned().collect())
    }

    fn write(&self, plan: &Plan, place: Place, is_dry: bool) -> Result<(), Failure> {
        let path = self.target.path();
        if plan.entries.is_empty() {
            output::say(&format!("nothing to add: `{}` has all of them", path.display()));
            return Ok(());
        }
        let text = self.text(plan)?;
        let keys: Vec<_> = plan.entries.iter().map(|entry| entry.key.clone()).collect();
        let fresh = plan.secrets.iter().filter(|secret| !secret.is_kept);
        if is_dry {
            let before = self.target.text()?.unwrap_or_default();
            let known = self.survey.upstreams(&[path.to_owned()]).unwrap_or_default();
            let literals = secrets::literals(known.iter().map(|it| &it.1));
            let whole = Value::from(&parsed(before));
            let mask = Secrets::new(literals.into_iter().chain(secrets::in_file(&whole)));
            output::data(mask.mask(&difference(before, &text, path)).trim_end())?;
            output::say(&format!("would add {} to `{}`", import::and(&keys), path.display()));
        } else {
            if place == Place::File {
                keep(&self.secrets.0, fresh.clone())?;
            }
            self.target.replace(text.as_bytes())?;
            output::say(&format!("added {} to `{}`", import::and(&keys), path.display()));
        }
        self.tell_secrets(place, &fresh.collect::<Vec<_>>(), is_dry);
        self.tell_unset(&text);
        if !is_dry {
            output::say("try them: `conflux check --connect`");
            output::say("put Conflux in their place: `conflux install --all`");
        }
        Ok(())
    }

    fn tell_secrets(&self, place: Place, fresh: &[&Secret], is_dry: bool) {
        if place == Place::Env {
            let set = &self.context.around.variables;
            for Secret { key, name, value, .. } in fresh {
                if set.get(name).is_some_and(|set| set != value) {
                    output::say(&format!("`{name}` is set to something else than `{key}` had"));
                }
            }
        } else if !fresh.is_empty() {
            let names: Vec<_> = fresh.iter().map(|secret| secret.name.clone()).collect();
            let count = match fresh.len() {
                1 => "1 secret".to_owned(),
                many => format!("{many} secrets"),
            };
            let verb = if is_dry { "would go" } else { "went" };
            let directory = self.secrets.0.display();
            output::say(&format!("{count} {verb} into `{directory}`: {}", import::and(&names)));
        }
    }

    /// Says which variables must be set before the upstreams work.
    fn tell_unset(&self, text: &str) {
        let mut unset = BTreeSet::new();
        collect(&parsed(text), &mut |inside| {
            let name = inside.strip_prefix("env:").unwrap_or(inside);
            let is_variable = crate::config::interpolate::is_name(name);
            if is_variable && !self.context.around.variables.contains_key(name) {
                unset.insert(format!("`{name}`"));
            }
        });
        if !unset.is_empty() {
            output::say(&format!(
                "set {} where Conflux is started: where your client is, or in its entry",
                import::and(&unset.into_iter().collect::<Vec<_>>()),
            ));
        }
    }
}

/// Returns what a configuration says; nothing if it cannot be read.
fn parsed(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default()
}

/// Whether a problem is one of this upstream.
fn is_about(problem: &Problem, key: &str) -> bool {
    let whole = problem.key.to_string();
    let rest = whole.strip_prefix("upstreams.").and_then(|rest| rest.strip_prefix(key));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Calls `each` with what stands in every reference of a value.
fn collect(value: &serde_json::Value, each: &mut dyn FnMut(&str)) {
    use crate::config::interpolate::Piece;
    match value {
        serde_json::Value::String(text) => {
            for piece in crate::config::interpolate::pieces(text) {
                if let Piece::Reference(inside) = piece {
                    each(inside);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, each)),
        serde_json::Value::Object(map) => map.values().for_each(|item| collect(item, each)),
        _ => {}
    }
}

/// Writes secrets into files that their owner alone may read.
fn keep<'s>(directory: &Path, secrets: impl Iterator<Item = &'s Secret>) -> Result<(), Failure> {
    for secret in secrets {
        let path = directory.join(&secret.name);
        let document = Document::read(&path)?;
        if document.bytes().is_some() {
            let error =
                document::Error::Unwritable { path, cause: io::ErrorKind::AlreadyExists.into() };
            return Err(error.into());
        }
        document.replace(format!("{}\n", secret.value).as_bytes())?;
    }
    Ok(())
}

/// Says what was found, and what a person should know about it.
fn told(sources: &[Source], plan: &Plan) {
    for source in sources {
        let count = source.servers.len();
        let word = if count == 1 { "server" } else { "servers" };
        output::say(&format!("{}: {count} {word}", source.title));
    }
    for note in &plan.notes {
        let Note { origin: Origin { title, name }, text } = note;
        output::say(&format!("  {title}, `{name}`: {text}"));
    }
    for (key, titles) in &plan.present {
        output::say(&format!("`{key}` is there already (in {titles}, too)"));
    }
}
