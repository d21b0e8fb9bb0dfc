//! `conflux install`: Conflux takes the place of the MCP servers of clients.

use std::env;
use std::fs;
use std::io;
use std::io::IsTerminal as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use clap::ValueEnum;

use crate::cli::command::clients;
use crate::cli::command::clients::difference;
use crate::cli::context::Context;
use crate::cli::edit;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::clients::Client;
use crate::clients::places;
use crate::clients::places::Place;
use crate::config::load;
use crate::config::problem::Problem;
use crate::config::problem::Problems;
use crate::config::secrets::Secrets;
use crate::config::surroundings::Surroundings;
use crate::disk::document::Document;
use crate::setup::NAME;
use crate::setup::import;
use crate::setup::import::Known;
use crate::setup::install;
use crate::setup::install::Step;
use crate::setup::install::Wish;
use crate::setup::read::Found;
use crate::setup::record;
use crate::setup::secrets;
use crate::setup::survey::Survey;
use crate::setup::value::Value;

/// The option that names what clients see.
const PROFILE: &str = "--profile";

/// How the names of backups end.
const BACKUP: &str = "conflux-backup";

/// Put Conflux into clients, in the place of their MCP servers
///
/// Shows what would change and asks before anything is written. Beside each file a copy of what it
/// was stays, and `conflux uninstall` puts that back. Servers that the configuration does not have
/// are not taken away: `conflux import` takes them over first.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(in crate::cli) struct Install {
    /// The client; repeat it for several
    #[arg(
        long,
        value_name = "CLIENT",
        value_parser = clients::parser(),
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    client: Vec<Client>,
    /// Every client that is here
    #[arg(long)]
    all: bool,
    /// For whom: the user in every project, or everybody in the project in the working directory
    #[arg(long, value_enum, default_value_t = Scope::User)]
    scope: Scope,
    /// Leave the other servers beside Conflux
    #[arg(long)]
    keep: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// For whom an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// For the user, in every project
    User,
    /// For everybody in the project
    Project,
}

impl From<Scope> for places::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::User => Self::User,
            Scope::Project => Self::Project,
        }
    }
}

/// What is to change in one file.
struct Change {
    place: Place,
    document: Document,
    text: String,
    /// The names of the servers that go.
    gone: Vec<String>,
    /// Those that stay, because Conflux cannot have them.
    stay: Vec<String>,
    /// Whether a list of Gemini CLI names those to use, and Conflux is not one of them.
    is_hidden: bool,
    mask: Secrets,
}

impl Install {
    /// Puts Conflux into the files of all clients that are meant. What is wrong with one is found
    /// before the first is written; if the disk refuses after that, those before it keep Conflux,
    /// and it is said how to take it out.
    pub(in crate::cli) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let survey = Survey::new(&context.around);
        let wish = self.wish(context)?;
        let mut changes = Vec::new();
        for place in self.places(&survey)? {
            match self.change(context, &survey, &place, &wish)? {
                Some(change) => changes.push(change),
                None => output::say(&format!(
                    "{}: nothing to do, Conflux is in `{}`",
                    place.client.title(),
                    place.path.display()
                )),
            }
        }
        for change in &changes {
            change.show(self.dry_run)?;
        }
        if changes.is_empty() || self.dry_run {
            return Ok(());
        }
        let state = context.state()?;
        self.confirm()?;
        let record =
            |it: &Change| record::Entry::read(&state, it.place.client.id(), &it.place.path);
        let records = changes.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        let mut written = Vec::new();
        for (change, record) in changes.iter().zip(records) {
            if let Err(mut failure) = change.apply(record) {
                failure.notices.extend(halfway(&written));
                return Err(failure);
            }
            written.push(change.place.client);
        }
        Ok(())
    }

    /// Returns the entry that clients get.
    fn wish(&self, context: &Context<'_>) -> Result<Wish, Failure> {
        let (options, around) = (context.options(), &context.around);
        let candidates = load::candidates(&options, around);
        let target = load::changed(&options, around).filter(|path| path.is_file());
        let Some(target) = target else {
            let places: Vec<_> =
                candidates.iter().map(|it| format!("`{}`", it.display())).collect();
            let message = format!("there is no configuration yet: no {}", places.join(" and no "));
            let notice = Notice::error(message);
            let hint = "take over the servers of your clients with `conflux import`, or add some";
            return Err(Failure::new(exit::CONFIG, notice.hint(hint)));
        };
        known_profile(&options, around)?;
        let set = around.variables.get("CONFLUX_CONFIG").is_some_and(|it| !it.is_empty());
        let is_named = set || !options.files.is_empty();
        // Where a client starts Conflux nobody knows; only the user's own file is found anywhere.
        let is_local = self.scope == Scope::User && target.parent() == Some(&around.directory);
        let files = match (is_named, is_local) {
            (true, _) => candidates,
            (false, true) => vec![target],
            (false, false) => Vec::new(),
        };
        let mut args = vec!["serve".to_owned()];
        for file in files {
            let within = file.strip_prefix(&around.directory).ok();
            let within = within.filter(|_| self.scope == Scope::Project);
            args.extend(["--config".to_owned(), within.unwrap_or(&file).display().to_string()]);
        }
        for profile in options.overrides.iter().filter(|it| it.flag == PROFILE) {
            args.extend([PROFILE.to_owned(), profile.value.clone()]);
        }
        let program = match self.scope {
            Scope::User => own_path(context)?,
            Scope::Project => NAME.to_owned(),
        };
        Ok(Wish { program, args, keep: self.keep })
    }

    /// Returns the places where Conflux is to be.
    fn places(&self, survey: &Survey<'_>) -> Result<Vec<Place>, Failure> {
        let directories = &survey.directories;
        let scope = places::Scope::from(self.scope);
        let homes = |client: Client| -> Vec<Place> {
            let places = client.places(directories).into_iter();
            places.filter(|place| place.is_home && place.scope == scope).collect()
        };
        // Of several files the one that is there is used.
        let best = |places: Vec<Place>| {
            let there = places.iter().position(|place| place.path.is_file());
            places.into_iter().nth(there.unwrap_or(0))
        };
        if !self.all {
            let one = |client: &Client| {
                best(homes(*client)).ok_or_else(|| {
                    let message = format!("{} has no files of projects", client.title());
                    Failure::new(exit::USAGE, Notice::error(message))
                })
            };
            let mut places = self.client.iter().map(one).collect::<Result<Vec<_>, _>>()?;
            places.dedup();
            return Ok(places);
        }
        let is_here = |client: &Client| {
            homes(*client).iter().any(|place| place.path.is_file())
                || (scope == places::Scope::User
                    && client.traces(directories).iter().any(|path| path.is_dir()))
        };
        let places: Vec<_> =
            Client::ALL.into_iter().filter(is_here).filter_map(|it| best(homes(it))).collect();
        if places.is_empty() {
            let notice = Notice::error("no client that Conflux knows is here");
            return Err(Failure::new(exit::FAILURE, notice.hint("name one with `--client NAME`")));
        }
        Ok(places)
    }

    /// Returns what is to change at a place; nothing if all is right there already.
    fn change(
        &self,
        context: &Context<'_>,
        survey: &Survey<'_>,
        place: &Place,
        wish: &Wish,
    ) -> Result<Option<Change>, Failure> {
        let document = Document::read(&place.path)?;
        let text = document.text()?.unwrap_or_default();
        let found = survey.servers(text, place)?.unwrap_or_default();
        let edited = install::installed(text, place, &found, wish).map_err(|error| {
            let message = format!("cannot edit `{}`", place.path.display());
            Failure::from(anyhow::Error::from(error).context(message))
        })?;
        let Some(edited) = edited else { return Ok(None) };
        self.check(context, survey, place, &found)?;
        document.check()?;
        let named = |is: &dyn Fn(&Found) -> bool| -> Vec<String> {
            found.iter().filter(|it| is(it)).map(|it| it.name.clone()).collect()
        };
        let is_gone = |it: &Found| install::is_replaced(&it.name, &found, self.keep);
        let gone = named(&|it| is_gone(it) && it.name != NAME && it.server.is_some());
        let stay = named(&|it| !self.keep && !is_gone(it));
        let root = Value::parse(text, place.format)?;
        let literals = secrets::literals(found.iter().filter_map(|it| it.server.as_ref()));
        let allowed = root.get("mcp").and_then(|mcp| mcp.get("allowed")).map(Value::items);
        let is_ours = |name: &Value| name.text() == Some(NAME);
        let is_hidden = allowed.is_some_and(|names| !names.iter().any(is_ours));
        let mask = Secrets::new(literals.into_iter().chain(secrets::in_file(&root)));
        Ok(Some(Change {
            place: place.clone(),
            document,
            text: edited,
            gone,
            stay,
            is_hidden,
            mask,
        }))
    }

    /// Refuses to take away what the configuration does not have.
    fn check(
        &self,
        context: &Context<'_>,
        survey: &Survey<'_>,
        place: &Place,
        found: &[Found],
    ) -> Result<(), Failure> {
        let (options, around) = (context.options(), &context.around);
        let target = load::changed(&options, around).unwrap_or_default();
        let files = load::counting(&options, around);
        let known = survey.upstreams(&files)?;
        let directory = target.parent().unwrap_or(Path::new(""));
        let lookup = |inside: &str| survey.lookup(inside, directory);
        let (mut missing, mut doubts) = (Vec::new(), Vec::new());
        for it in found.iter().filter(|it| !self.keep && !it.is_conflux()) {
            let Some(server) = &it.server else { continue };
            match import::known(&it.name, server, &known, &lookup) {
                Known::Is(_) => continue,
                Known::MayBe(key, unknown) => doubts.push(format!(
                    "if `{}` is `{key}`, make `{}` known here; otherwise ",
                    it.name,
                    unknown.join("` and `")
                )),
                Known::Missing => {}
            }
            missing.push(format!("`{}`", it.name));
        }
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{} has servers that `{}` does not have: {}",
            place.client.title(),
            target.display(),
            import::and(&missing)
        );
        let hint = format!(
            "{}take them over first with `conflux import --from {}`, or leave them beside Conflux \
             with `--keep`; nothing was written",
            doubts.concat(),
            place.client.id()
        );
        Err(Failure::new(exit::FAILURE, Notice::error(message).hint(hint)))
    }

    fn confirm(&self) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let notice = Notice::error("nobody can be asked here, so nothing was written");
            return Err(Failure::new(exit::USAGE, notice.hint("say `--yes` if that is all right")));
        }
        output::say("Write this? [y/N]");
        let mut answer = String::new();
        // An answer that cannot be read is no.
        let is_read = io::stdin().read_line(&mut answer).is_ok();
        if is_read && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
        Err(Failure::new(exit::FAILURE, Notice::error("nothing was written")))
    }
}

/// Fails if clients would be told to start Conflux with a profile that there is not. Whatever else
/// is wrong matters only when they start it, perhaps with other variables.
fn known_profile(options: &load::Options, around: &Surroundings) -> Result<(), Failure> {
    let layers = load::layers(options, around);
    let texts: Vec<_> = layers.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let filled = edit::filled(around, texts.iter().map(String::as_str));
    let problems = load::load_within(options, &filled).err();
    let is_about = |problem: &&Problem| problem.key.to_string() == "profile";
    let wrong: Vec<_> = problems.iter().flat_map(Problems::iter).filter(is_about).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Failure::of(wrong)) }
}

/// Returns the path of this program that is good for longest: the one in `PATH` if it is the same,
/// as the program itself may be in a directory of its version.
fn own_path(context: &Context<'_>) -> Result<String, Failure> {
    let own = env::current_exe().map_err(anyhow::Error::from)?;
    let path = context.around.variables.get("PATH").map(String::as_str).unwrap_or_default();
    let is_own =
        |path: &PathBuf| path.is_absolute() && path.canonicalize().ok() == own.canonicalize().ok();
    let name = format!("{}{}", NAME, env::consts::EXE_SUFFIX);
    let found = env::split_paths(path).map(|directory| directory.join(&name)).find(is_own);
    Ok(found.unwrap_or(own).display().to_string())
}

/// Says what was done already when the disk refused.
fn halfway(written: &[Client]) -> Option<Notice> {
    let titles: Vec<_> = written.iter().map(|client| client.title().to_owned()).collect();
    let options: Vec<_> = written.iter().map(|it| format!(" --client {}", it.id())).collect();
    let notice = Notice::warning(format!("Conflux is in {} already", import::and(&titles)));
    let notice = notice.hint(format!("`conflux uninstall{}` takes it out", options.concat()));
    (!written.is_empty()).then_some(notice)
}

impl Change {
    /// Shows what would change, without secrets.
    fn show(&self, is_dry: bool) -> Result<(), Failure> {
        let before = self.document.text()?.unwrap_or_default();
        let difference = difference(before, &self.text, &self.place.path);
        let shown = self.mask.mask(difference.trim_end());
        if is_dry {
            output::data(&shown)?;
        } else {
            output::say(&shown);
        }
        for name in &self.stay {
            output::say(&format!("`{name}` stays: Conflux cannot have it"));
        }
        if self.is_hidden {
            output::say("add `conflux` to `mcp.allowed` there, or it is not used");
        }
        Ok(())
    }

    /// Writes down how to undo the change, and then the file: a step that was not taken is undone
    /// by leaving all as it is, but one that nobody knows of is undone by nobody.
    fn apply(&self, mut entry: record::Entry) -> Result<(), Failure> {
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let backup = match self.document.bytes() {
            Some(_) => {
                let number = entry.record.steps.len();
                let ending = format!(".{}-{number}.{BACKUP}", time.replace(':', "-"));
                Some(self.document.back_up(&ending)?)
            }
            None => None,
        };
        let left = install::digest(&self.text);
        entry.record.steps.push(Step { time, backup: backup.clone(), left });
        let recorded = entry.write();
        let written = recorded.and_then(|()| self.document.replace(self.text.as_bytes()));
        if let Err(error) = written {
            entry.record.steps.pop();
            // What cannot be taken back does no harm: it undoes nothing.
            drop(entry.write());
            drop(backup.map(fs::remove_file));
            return Err(error.into());
        }
        self.tell(backup.as_deref());
        Ok(())
    }

    fn tell(&self, backup: Option<&Path>) {
        let title = self.place.client.title();
        output::say(&format!("{title}: Conflux is in `{}` now", self.place.path.display()));
        if !self.gone.is_empty() {
            output::say(&format!("  in the place of {}", import::and(&self.gone)));
        }
        if let Some(backup) = backup {
            output::say(&format!("  what was there is in `{}`", backup.display()));
        }
        output::say(&format!("  start {title} again to use it"));
    }
}
