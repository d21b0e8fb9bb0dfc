//! Files of Cedar policies: found, read and parsed; what they mean is up to `policy`.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;

use cedar_policy::Policy;
use cedar_policy::PolicySet;
use globset::Glob;
use miette::Diagnostic;

use crate::config::file::policy::Texts;
use crate::config::problem::KeyPath;
use crate::config::problem::Problem;
use crate::config::spot::Spot;
use crate::config::validate::Check;

/// The largest file of policies that is read, in bytes; nobody reviews more.
const LARGEST: u64 = 1 << 20;
/// The annotations that name a policy, the first one first.
const NAMES: [&str; 2] = ["name", "id"];

/// A file of policies.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// As it is shown.
    pub shown: PathBuf,
    /// The same path, absolute.
    pub absolute: PathBuf,
    /// What is in it.
    pub text: String,
}

impl Source {
    /// Returns the place in the file that lies `offset` bytes from its beginning.
    pub fn spot(&self, offset: usize) -> Spot {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before.chars().rev().take_while(|c| *c != '\n').count();
        let from_one = |count: usize| u32::try_from(count).ok().and_then(|it| it.checked_add(1));
        Spot { file: Some(self.shown.clone()), line: from_one(lines), column: from_one(column) }
    }

    /// Returns what is wrong according to Cedar, where it found it.
    pub fn problem(&self, error: &dyn Diagnostic) -> Problem {
        let labels = error.labels().into_iter().flatten();
        let offset = labels.map(|label| label.offset()).min();
        let mut message = error.to_string();
        // Its parser tells what it met; what it wanted instead is in the label.
        let label = error.labels().and_then(|mut all| all.next()?.label().map(str::to_owned));
        if let Some(label) = label.filter(|label| !label.is_empty()) {
            message = format!("{message}: {label}");
        }
        let spot = offset.map_or_else(|| self.spot(0), |offset| self.spot(offset));
        let problem = spot.problem(message);
        match error.help() {
            Some(help) => problem.hint(help.to_string()),
            None => problem,
        }
    }
}

/// One policy of such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The policy.
    pub policy: Policy,
    /// What it is called, if it says so: `@name("…")`.
    pub name: Option<String>,
    /// Where it begins.
    pub spot: Spot,
    /// Where it begins and ends in its file, in bytes.
    pub range: (usize, usize),
    /// The file it is in.
    pub source: Arc<Source>,
}

impl Check<'_> {
    /// Reads every file of policies that is named at `path`.
    pub(super) fn cedar(&mut self, written: &Texts, path: &KeyPath) -> Vec<Written> {
        let mut policies = Vec::new();
        for (index, text) in written.0.iter().enumerate() {
            // One text may stand where a list does.
            let path = if written.0.len() == 1 { path.clone() } else { path.index(index) };
            for file in self.cedar_files(text, &path) {
                policies.extend(self.cedar_file(&file, &path));
            }
        }
        policies
    }

    /// Finds the files that a path stands for, in the order of their names.
    fn cedar_files(&mut self, text: &str, path: &KeyPath) -> Vec<PathBuf> {
        let Some(text) = self.plain(text, path) else { return Vec::new() };
        let place = self.context.places.value(path);
        let pattern: PathBuf = self.directory(&place).join(&text).components().collect();
        let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.contains('*') {
            return vec![pattern];
        }
        let directory = pattern.parent().unwrap_or(&pattern);
        let glob = match Glob::new(name) {
            Ok(glob) => glob.compile_matcher(),
            Err(error) => {
                self.wrong(path, format!("`{text}` is not a pattern: {}", error.kind()), "use `*`");
                return Vec::new();
            }
        };
        let found = fs::read_dir(directory).into_iter().flatten().flatten();
        let fits = |path: &PathBuf| path.file_name().is_some_and(|name| glob.is_match(name));
        let mut found: Vec<_> = found.map(|entry| entry.path()).filter(fits).collect();
        found.sort();
        if found.is_empty() {
            // Rules that somebody counts on would be missing.
            let hint = "check the path; a relative one starts at the directory of this file";
            self.wrong(path, format!("there is no file `{text}`"), hint);
        }
        found
    }

    fn cedar_file(&mut self, file: &Path, path: &KeyPath) -> Vec<Written> {
        let shown = file.strip_prefix(&self.context.around.directory).unwrap_or(file);
        let text = match read(file) {
            Ok(text) => text,
            Err(why) => {
                let message = format!("the file `{}` {why}", shown.display());
                self.wrong(path, message, "name a text file with policies in Cedar");
                return Vec::new();
            }
        };
        let (shown, absolute) = (shown.to_owned(), file.to_owned());
        let source = Arc::new(Source { shown, absolute, text });
        let set = match PolicySet::from_str(&source.text) {
            Ok(set) => set,
            Err(errors) => {
                let all = errors.iter().map(|error| source.problem(error));
                self.problems.extend(all);
                return Vec::new();
            }
        };
        for template in set.templates() {
            let message = format!("the policy `{}` is a template", template.id());
            let hint = "write it out: nothing fills in `?principal` and `?resource` here";
            self.problems.push(source.spot(0).problem(message).hint(hint));
        }
        let mut policies: Vec<_> = set.policies().map(|it| Written::new(it, &source)).collect();
        policies.sort_by_key(|policy| policy.range);
        policies
    }
}

impl Written {
    fn new(policy: &Policy, source: &Arc<Source>) -> Self {
        let span = policy.as_ref().loc().map(|place| (place.span.offset(), place.span.len()));
        let (start, length) = span.unwrap_or_default();
        let name = NAMES.iter().find_map(|key| policy.annotation(key)).map(str::to_owned);
        Self {
            policy: policy.clone(),
            name: name.filter(|name| !name.trim().is_empty()),
            spot: source.spot(start),
            range: (start, start.saturating_add(length)),
            source: Arc::clone(source),
        }
    }
}

/// Reads a file of policies; says what is wrong with it as the end of a sentence.
fn read(file: &Path) -> Result<String, &'static str> {
    let about = fs::metadata(file).map_err(|_| "cannot be found")?;
    if !about.is_file() || about.len() > LARGEST {
        return Err("is not a file of at most 1MiB");
    }
    let bytes = fs::read(file).map_err(|_| "cannot be read")?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8")
}
