//! Changes of configuration files on behalf of a person: which file, whether the result is right,
//! and only then the disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use crate::cli::context::Context;
use crate::cli::context::nowhere;
use crate::cli::exit;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::unknown;
use crate::config::load;
use crate::config::problem::Problem;
use crate::config::problem::Problems;
use crate::config::surroundings::Surroundings;
use crate::disk::document::Document;
use crate::setup::mentions;
use crate::setup::yaml;

/// What stands for the value of a variable that is not set here: it may be set where Conflux runs.
const UNSET: &str = "http://unset.invalid";
/// Variables that are not values, but keys of the configuration.
const KEYS: &str = "CONFLUX_";

/// Files that are being changed; nothing is written before [`Edits::write`].
pub(in crate::cli) struct Edits<'c> {
    context: &'c Context<'c>,
    options: load::Options,
    files: Vec<File>,
}

struct File {
    document: Document,
    path: PathBuf,
    before: Option<String>,
    now: Option<String>,
}

impl<'c> Edits<'c> {
    /// Reads the files that count.
    ///
    /// # Errors
    ///
    /// One of them cannot be read.
    pub(in crate::cli) fn begin(context: &'c Context<'c>) -> Result<Self, Failure> {
        let options = context.options();
        let layers = load::layers(&options, &context.around);
        let files = layers.into_iter().map(File::read).collect::<Result<_, _>>()?;
        Ok(Self { context, options, files })
    }

    /// Returns the file that goes over the others, and to which things are added; it need not be
    /// there.
    ///
    /// # Errors
    ///
    /// There is no place for a configuration, or what is there cannot be read.
    pub(in crate::cli) fn last(&mut self) -> Result<&Path, Failure> {
        if self.files.is_empty() {
            // One for the user is found wherever a client starts Conflux.
            let place = self.context.changed_file()?;
            self.options.files.push(place.clone());
            self.files.push(File::read(place)?);
        }
        self.files.last().map(|file| file.path.as_path()).ok_or_else(nowhere)
    }

    /// Changes the text of the file that things are added to; nothing is passed if it is not there.
    ///
    /// # Errors
    ///
    /// As `change` says.
    pub(in crate::cli) fn add(
        &mut self,
        change: impl FnOnce(Option<&str>) -> Result<String, yaml::Error>,
    ) -> Result<(), Failure> {
        self.last()?;
        let file = self.files.last_mut().ok_or_else(nowhere)?;
        let text = change(file.now.as_deref()).map_err(|error| file.refusal(&error))?;
        file.now = Some(text);
        Ok(())
    }

    /// Changes the text of the last file that has the upstream, and returns which one that is.
    ///
    /// # Errors
    ///
    /// None of the files has it, or as `change` says.
    pub(in crate::cli) fn change(
        &mut self,
        key: &str,
        change: impl FnOnce(&str) -> Result<String, yaml::Error>,
    ) -> Result<&Path, Failure> {
        self.change_member(key, &[], change)
    }

    /// Does the same with the last file that has one of these `members` of it, if one has: what
    /// stands there counts.
    ///
    /// # Errors
    ///
    /// None of the files has the upstream, or as `change` says.
    pub(in crate::cli) fn change_member(
        &mut self,
        key: &str,
        members: &[&str],
        change: impl FnOnce(&str) -> Result<String, yaml::Error>,
    ) -> Result<&Path, Failure> {
        let (mut known, mut last, mut deciding) = (Vec::new(), None, None);
        for (number, file) in self.files.iter().enumerate() {
            for written in yaml::outline(file.text()).map_err(|error| file.refusal(&error))? {
                if written.key == key {
                    last = Some(number);
                    let has = |value: &yaml::Value| members.contains(&value.path.as_str());
                    deciding = written.values.iter().any(has).then_some(number).or(deciding);
                }
                known.push(written.key);
            }
        }
        let Some(number) = deciding.or(last) else { return Err(self.unknown(key, &known)) };
        let file = self.files.get_mut(number).ok_or_else(nowhere)?;
        let text = change(file.text()).map_err(|error| file.refusal(&error))?;
        file.now = Some(text);
        Ok(&file.path)
    }

    /// Returns the files that have the upstream as they are now.
    pub(in crate::cli) fn holders(&self, key: &str) -> Vec<&Path> {
        let holds = |file: &&File| {
            let keys = yaml::keys(file.text()).unwrap_or_default();
            keys.iter().any(|other| other == key)
        };
        self.files.iter().filter(holds).map(|file| file.path.as_path()).collect()
    }

    /// Writes what was changed, unless the configuration would have problems then that it does not
    /// have already. Returns whether anything was changed.
    ///
    /// # Errors
    ///
    /// These problems; or the disk refuses, or a file was changed meanwhile.
    pub(in crate::cli) fn write(self) -> Result<bool, Failure> {
        let changed: Vec<_> = self.files.iter().filter(|file| file.now != file.before).collect();
        if changed.is_empty() {
            return Ok(false);
        }
        let problems = self.new_problems(&changed);
        if !problems.is_empty() {
            let mut failure = Failure::of(&problems);
            let notice =
                Notice::error("nothing was written, since the configuration would be wrong");
            failure.notices.insert(0, notice);
            return Err(failure);
        }
        for file in &changed {
            file.document.check()?;
        }
        for file in changed {
            file.document.replace(file.text().as_bytes())?;
        }
        Ok(true)
    }

    fn new_problems(&self, changed: &[&File]) -> Vec<Problem> {
        let edited: Vec<_> =
            changed.iter().map(|file| (file.path.clone(), file.text().to_owned())).collect();
        let texts =
            self.files.iter().flat_map(|file| [file.before.as_deref(), file.now.as_deref()]);
        let around = filled(&self.context.around, texts.flatten());
        let Err(after) = load::load_edited(&self.options, &around, &edited) else {
            return Vec::new();
        };
        let before = load::load_edited(&self.options, &around, &[]).err();
        let is_old = |problem: &&Problem| {
            let mut before = before.iter().flat_map(Problems::iter);
            before.any(|old| old.message == problem.message && old.key == problem.key)
        };
        after.iter().filter(|problem| !is_old(problem)).cloned().collect()
    }

    fn unknown(&self, key: &str, known: &[String]) -> Failure {
        let files: Vec<_> =
            self.files.iter().map(|file| format!("`{}`", file.path.display())).collect();
        let place = format!(" in {}", files.join(" and "));
        let place = if files.is_empty() { "" } else { place.as_str() };
        unknown::no_upstream_in(place, key, known.iter().map(String::as_str))
    }
}

impl File {
    fn read(path: PathBuf) -> Result<Self, Failure> {
        let document = Document::read(&path)?;
        let before = document.text()?.map(str::to_owned);
        Ok(Self { document, path, now: before.clone(), before })
    }

    fn text(&self) -> &str {
        self.now.as_deref().unwrap_or_default()
    }

    fn refusal(&self, error: &yaml::Error) -> Failure {
        let notice = Notice::error(format!("cannot edit `{}`", self.path.display()));
        Failure::new(exit::CONFIG, notice.cause(error).hint(error.advice()))
    }
}

/// Returns the surroundings with a value for every variable that the texts refer to.
pub(in crate::cli) fn filled<'t>(
    around: &Surroundings,
    texts: impl Iterator<Item = &'t str>,
) -> Surroundings {
    let names = texts.flat_map(mentions::variables).filter(|name| !name.starts_with(KEYS));
    let unset: BTreeMap<_, _> = names.map(|name| (name.to_owned(), UNSET.to_owned())).collect();
    let mut around = around.clone();
    for (name, value) in unset {
        around.variables.entry(name).or_insert(value);
    }
    around
}
