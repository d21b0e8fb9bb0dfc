//! Finds the layers of a configuration, puts them over each other and has them validated.
//!
//! Defaults, then files, then the environment, then flags; later goes over earlier. Nothing else
//! in Conflux reads figment.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use figment::Figment;
use figment::providers::Serialized;

use crate::config::Config;
use crate::config::dialect;
use crate::config::environment;
use crate::config::environment::Setting;
use crate::config::file;
use crate::config::file::File;
use crate::config::layer::Layer;
use crate::config::layer::Places;
use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Problem;
use crate::config::problem::Problems;
use crate::config::problem::Source;
use crate::config::shape::Checker;
use crate::config::skim;
use crate::config::surroundings::Surroundings;
use crate::config::tree;
use crate::config::tree::Node;
use crate::config::validate;

/// The name of a configuration that nobody named.
const FILE_NAME: &str = "upstreams.yaml";

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The files to layer, from `--config`; if there are none, they are looked for.
    pub files: Vec<PathBuf>,
    /// Values from flags, which go over everything else.
    pub overrides: Vec<Override>,
}

/// One value from a flag.
#[derive(Clone, Debug)]
pub struct Override {
    /// The flag, for messages.
    pub flag: String,
    /// The key it sets, with dots, as in `limits.message`.
    pub key: String,
    /// The value, as it would be written in a file.
    pub value: String,
}

/// Loads a configuration from the disk, with everything else given.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn load_within(options: &Options, around: &Surroundings) -> Result<Config, Problems> {
    load_from(find(options, around)?, options, around, |path| fs::read(path))
}

/// Loads it as it would be if some files, by their absolute paths, had other texts.
///
/// # Errors
///
/// Everything that would be wrong with it, at once.
pub fn load_edited(
    options: &Options,
    around: &Surroundings,
    edited: &[(PathBuf, String)],
) -> Result<Config, Problems> {
    let found = find(options, around);
    // A file that is about to be written is there as soon as it is needed.
    let about_to_be = || edited.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    let files = match found {
        Err(problems) if edited.is_empty() => return Err(problems),
        Err(_) => about_to_be(),
        Ok(found) => found,
    };
    load_from(files, options, around, |path| match edited.iter().find(|(other, _)| other == path) {
        Some((_, text)) => Ok(text.as_bytes().to_owned()),
        None => fs::read(path),
    })
}

fn load_from(
    files: Vec<PathBuf>,
    options: &Options,
    around: &Surroundings,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Config, Problems> {
    let text = |shown: PathBuf| {
        let absolute: PathBuf = around.directory.join(&shown).components().collect();
        Text { written: read(&absolute), source: Arc::new(Source { shown, absolute }) }
    };
    let texts: Vec<_> = files.into_iter().map(text).collect();
    let schema = file::schema();
    let load = |reading| Draft::new(&schema, reading).read(&texts, options, around);
    match load(Reading::Skimming) {
        // Whoever is refused something is told the place of the rule.
        Ok(config) if config.warnings.is_empty() && config.policy.rules.is_empty() => Ok(config),
        Ok(_) | Err(_) => load(Reading::Places),
    }
}

/// What a file holds, which may be a pipe, so that it is read once.
struct Text {
    source: Arc<Source>,
    written: io::Result<Vec<u8>>,
}

/// How the files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// In a fraction of the time, without the places of what is in them: enough if there is
    /// nothing to say about that.
    Skimming,
    /// So that all that is to be said has its place.
    Places,
}

/// Loads it again, from files that may have changed since.
///
/// # Errors
///
/// Everything that is wrong with it; that is also a file that can be read only once, such as a
/// pipe, and one that is empty, as those are that somebody has just begun to write.
pub fn load_again(options: &Options, around: &Surroundings) -> Result<Config, Problems> {
    for path in candidates(options, around) {
        // What is not there is told by who looks for it.
        let Ok(found) = fs::metadata(&path) else { continue };
        let (what, hint) = match found.len() {
            _ if !found.is_file() => ("no file", "only a configuration in files is read again"),
            0 => ("empty", "to leave no upstream, write `upstreams: {}`"),
            _ => continue,
        };
        let problem = Problem::new(format!("`{}` is {what}", path.display()));
        return Err(problem.hint(hint).into());
    }
    load_within(options, around)
}

/// Returns the files that count, or would count if they were there; absolute.
pub fn candidates(options: &Options, around: &Surroundings) -> Vec<PathBuf> {
    let files = named(options, around).unwrap_or_else(|| places(around));
    files.iter().map(|path| around.directory.join(path).components().collect()).collect()
}

/// Returns the files that the user named, if they named any.
fn named(options: &Options, around: &Surroundings) -> Option<Vec<PathBuf>> {
    if !options.files.is_empty() {
        return Some(options.files.clone());
    }
    around.variable("CONFLUX_CONFIG").map(|named| env::split_paths(named).collect())
}

/// Returns where a file is looked for that nobody named.
fn places(around: &Surroundings) -> Vec<PathBuf> {
    let user = around.config.as_ref().map(|config| config.join("conflux").join(FILE_NAME));
    [Some(PathBuf::from(FILE_NAME)), user].into_iter().flatten().collect()
}

/// Returns the file that commands change: of those the user named the last one, else the first that
/// is there, else the one of the user, if the user has a directory for it.
pub fn changed(options: &Options, around: &Surroundings) -> Option<PathBuf> {
    if let Some(named) = named(options, around) {
        return named.last().map(|path| around.directory.join(path).components().collect());
    }
    let places = candidates(options, around);
    let there = places.iter().find(|path| path.is_file());
    there.or_else(|| places.get(1)).cloned()
}

/// Returns the files that are layered; none if no file was named and none is found. Those that
/// were named need not be there. Absolute.
pub fn layers(options: &Options, around: &Surroundings) -> Vec<PathBuf> {
    let candidates = candidates(options, around);
    if named(options, around).is_some() {
        return candidates;
    }
    candidates.into_iter().find(|path| path.is_file()).into_iter().collect()
}

/// Returns the files that count: all those the user named, else the one that commands change.
pub fn counting(options: &Options, around: &Surroundings) -> Vec<PathBuf> {
    if named(options, around).is_some() {
        return candidates(options, around);
    }
    changed(options, around).into_iter().collect()
}

/// Returns the files to layer, as the user named them.
fn find(options: &Options, around: &Surroundings) -> Result<Vec<PathBuf>, Problems> {
    if let Some(named) = named(options, around) {
        return Ok(named);
    }
    let places = places(around);
    let found = places.iter().find(|path| around.directory.join(path).is_file());
    found.map(|path| vec![path.clone()]).ok_or_else(|| nothing_found(&places).into())
}

fn nothing_found(places: &[PathBuf]) -> Problem {
    let places: Vec<_> = places.iter().map(|path| format!("`{}`", path.display())).collect();
    let message = format!("no configuration found: there is no {}", places.join(" and no "));
    Problem::new(message).hint(format!(
        "name one with `--config FILE` or `CONFLUX_CONFIG`, or begin with an `upstreams.yaml` \
         like this:\n\n{}",
        validate::EXAMPLE
    ))
}

fn setting(flag: &Override) -> Setting {
    Setting {
        path: flag.key.split('.').map(str::to_owned).collect(),
        text: flag.value.clone(),
        place: Place::Flag(flag.flag.clone()),
    }
}

/// A configuration on its way: the layers so far, and everything found wrong with them.
struct Draft<'a> {
    reading: Reading,
    schema: &'a serde_json::Value,
    sources: Vec<Arc<Source>>,
    figment: Figment,
    places: Places,
    problems: Vec<Problem>,
    excused: Vec<KeyPath>,
    /// Whether a file could not be read at all: what is missing may be in there.
    incomplete: bool,
}

impl<'a> Draft<'a> {
    fn new(schema: &'a serde_json::Value, reading: Reading) -> Self {
        Self {
            reading,
            schema,
            sources: Vec::new(),
            figment: Figment::from(Serialized::defaults(File::default())),
            places: Places::default(),
            problems: Vec::new(),
            excused: Vec::new(),
            incomplete: false,
        }
    }

    fn read(
        mut self,
        texts: &[Text],
        options: &Options,
        around: &Surroundings,
    ) -> Result<Config, Problems> {
        for text in texts {
            self.add_file(text);
        }
        let keys = self.places.order(&KeyPath::of(&["upstreams"]));
        self.add_settings("environment", environment::settings(&around.variables, &keys));
        self.add_settings("flags", options.overrides.iter().map(setting).collect());
        self.finish(around)
    }

    fn add_file(&mut self, Text { source, written }: &Text) {
        self.sources.push(Arc::clone(source));
        let root = match written.as_deref().map(str::from_utf8) {
            Ok(Ok(text)) if self.reading == Reading::Skimming => skim::parse(text, source),
            Ok(Ok(text)) => tree::parse(text, source, &mut self.problems),
            Ok(Err(_)) => self.unreadable(source, "the file is not UTF-8", "save it as UTF-8"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let hint = "check the path; a relative one starts in the working directory";
                self.unreadable(source, "there is no such file", hint)
            }
            Err(error) => {
                let message = format!("cannot be read: {}", error.kind());
                self.unreadable(source, &message, "name a file that Conflux may read")
            }
        };
        match root {
            Some(root) => self.add(source.shown.display().to_string(), root),
            None => self.incomplete = true,
        }
    }

    fn unreadable(&mut self, source: &Arc<Source>, message: &str, hint: &str) -> Option<Node> {
        let place = Place::File { source: Arc::clone(source), line: 0, column: 0 };
        self.problems.push(Problem::at(&place, &KeyPath::default(), message).hint(hint));
        None
    }

    fn add_settings(&mut self, name: &str, settings: Vec<Setting>) {
        let root = environment::tree(settings, &mut self.problems);
        self.add(name.to_owned(), root);
    }

    fn add(&mut self, name: String, root: Node) {
        let Self { schema, problems, excused, .. } = self;
        let mut root = Checker { schema, problems, excused }.check(root);
        dialect::normalize(&mut root, &mut self.problems);
        let layer = Layer { name, root: &root };
        self.figment = std::mem::take(&mut self.figment).merge(layer);
        self.places.add(root);
    }

    fn finish(mut self, around: &Surroundings) -> Result<Config, Problems> {
        if self.incomplete {
            return Err(Problems::new(self.problems, &self.sources));
        }
        let file: File = match self.figment.extract() {
            Ok(file) => file,
            Err(error) => {
                // Not to be expected, as every layer fits the types. Only the key is named:
                // figment's own message repeats the value, which may be a secret.
                let message = format!("`{}` does not fit its type", error.path.join("."));
                self.problems.push(Problem::new(message));
                return Err(Problems::new(self.problems, &self.sources));
            }
        };
        let context = validate::Context { places: &self.places, around, excused: &self.excused };
        let files = self.sources.iter().map(|source| source.absolute.clone()).collect();
        let (config, problems) = validate::compile(file, files, &context);
        self.problems.extend(problems);
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(Problems::new(self.problems, &self.sources)),
        }
    }
}
