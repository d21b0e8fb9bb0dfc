//! The checks of what an upstream starts: its program, arguments, variables and directory.

use std::path::Path;
use std::path::PathBuf;

use indexmap::IndexMap;

use crate::config::Command;
use crate::config::environment;
use crate::config::file;
use crate::config::interpolate;
use crate::config::interpolate::Expanded;
use crate::config::interpolate::Sources;
use crate::config::interpolate::Value;
use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Problem;
use crate::config::units::Misread;
use crate::config::validate::Check;

/// A variable or header named like this holds a secret even if the file writes its value out.
const SECRET_NAMES: &[&str] =
    &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL", "AUTH", "COOKIE"];

/// Written-out values shorter than this are more likely words than secrets.
pub(super) const MIN_WRITTEN_SECRET: usize = 8;

impl Check<'_> {
    /// Checks what an upstream starts; one that is disabled need not have anything.
    pub(super) fn command(&mut self, written: &file::Upstream, path: &KeyPath) -> Option<Command> {
        let lenient = written.disabled;
        let cwd = written.cwd.as_ref().and_then(|cwd| self.cwd(cwd, &path.key("cwd"), lenient));
        let args = self.args(&written.args, &path.key("args"), lenient);
        let env = self.env(written, &path.key("env"), lenient);
        let Some(command) = &written.command else {
            self.missing(path, lenient);
            return None;
        };
        let program = self.program(command, cwd.as_ref(), &path.key("command"), lenient);
        Some(Command { program, args, env, cwd })
    }

    fn missing(&mut self, path: &KeyPath, lenient: bool) {
        // A `url` that was taken out stands for an upstream without a command.
        if lenient || ["command", "url"].iter().any(|key| self.is_excused(&path.key(key))) {
            return;
        }
        let key = path.last().unwrap_or_default();
        let message = format!("the upstream `{key}` has no `command` and no `url`");
        let hint = "add the program to start, as in `command: npx`, or the address of a remote \
                    server, as in `url: https://example.com/mcp`";
        self.wrong_key(path, message, hint);
    }

    fn program(
        &mut self,
        written: &str,
        cwd: Option<&PathBuf>,
        path: &KeyPath,
        lenient: bool,
    ) -> String {
        let place = self.context.places.value(path);
        let program = self.expand_openly(written, path, &place, lenient).text;
        if let Some(misread) = not_a_program(written, &program) {
            self.report(&place, path, misread, lenient);
        }
        if !["~/", "./", "../"].iter().any(|start| program.starts_with(start)) {
            return program;
        }
        let directory = cwd.map_or_else(|| self.directory(&place), PathBuf::as_path).to_owned();
        let sources = self.sources(&directory);
        match interpolate::resolve(&program, &sources) {
            Ok(program) => program.to_string_lossy().into_owned(),
            Err(misread) => {
                self.report(&place, path, misread, lenient);
                program
            }
        }
    }

    fn cwd(&mut self, written: &str, path: &KeyPath, lenient: bool) -> Option<PathBuf> {
        let place = self.context.places.value(path);
        let text = self.expand_openly(written, path, &place, lenient).text;
        let directory = self.directory(&place).to_owned();
        match interpolate::resolve(&text, &self.sources(&directory)) {
            Ok(cwd) => Some(cwd),
            Err(misread) => {
                self.report(&place, path, misread, lenient);
                None
            }
        }
    }

    fn args(&mut self, written: &[String], path: &KeyPath, lenient: bool) -> Vec<String> {
        let mut args = Vec::new();
        for (index, arg) in written.iter().enumerate() {
            let path = path.index(index);
            args.push(self.expand(arg, &path, &self.context.places.value(&path), lenient));
        }
        args
    }

    fn env(
        &mut self,
        written: &file::Upstream,
        path: &KeyPath,
        lenient: bool,
    ) -> IndexMap<String, String> {
        let mut env = IndexMap::new();
        for name in self.context.places.order(path) {
            let Some(text) = written.env.get(&name) else { continue };
            let path = path.key(&name);
            let place = self.context.places.value(&path);
            if name.is_empty() || name.contains(['=', '\0']) {
                let message = format!("`{name}` cannot be the name of a variable");
                let hint = "use letters, digits and `_`".to_owned();
                self.report(
                    &self.context.places.key(&path),
                    &path,
                    Misread { message, hint },
                    false,
                );
            }
            let value = self.expand(text, &path, &place, lenient);
            let from_environment = matches!(place, Place::Variable(_));
            if from_environment || (is_secret_name(&name) && value.len() >= MIN_WRITTEN_SECRET) {
                self.secrets.push(value.clone());
            }
            env.insert(name, value);
        }
        env
    }

    /// Fills in the references of a text whose values may be secret.
    pub(super) fn expand(
        &mut self,
        text: &str,
        path: &KeyPath,
        place: &Place,
        lenient: bool,
    ) -> String {
        let expanded = self.expand_openly(text, path, place, lenient);
        self.secrets.extend(expanded.values.into_iter().filter_map(secret));
        expanded.text
    }

    /// Fills in the references of a path: masked, it would be missing from every message about
    /// it. Where that fails the text stays as it is.
    pub(super) fn expand_openly(
        &mut self,
        text: &str,
        path: &KeyPath,
        place: &Place,
        lenient: bool,
    ) -> Expanded {
        let directory = self.directory(place).to_owned();
        let wrong = match interpolate::expand(text, &self.sources(&directory)) {
            Ok(expanded) => {
                if !lenient {
                    self.blanks(&expanded, path, place);
                }
                return expanded;
            }
            Err(wrong) => wrong,
        };
        for Misread { message, hint } in wrong {
            let message = format!("`{path}`: {message}");
            self.report(place, path, Misread { message, hint }, lenient);
        }
        Expanded { text: text.to_owned(), values: Vec::new() }
    }

    /// Warns of variables that are set and hold nothing, where no default says that they may.
    fn blanks(&mut self, expanded: &Expanded, path: &KeyPath, place: &Place) {
        for value in &expanded.values {
            let Value::Variable { name, text } = value else { continue };
            if text.is_empty() {
                let message = format!("`{path}`: the variable `{name}` is set, but empty");
                let hint =
                    format!("give it a value, or write `${{{name}:-}}` if it may hold nothing");
                self.warnings.push(Problem::at(place, path, message).hint(hint));
            }
        }
    }

    pub(super) fn sources<'s>(&'s self, directory: &'s Path) -> Sources<'s> {
        let around = self.context.around;
        Sources { variables: &around.variables, home: around.home.as_deref(), directory }
    }

    pub(super) fn report(
        &mut self,
        place: &Place,
        path: &KeyPath,
        misread: Misread,
        lenient: bool,
    ) {
        if !lenient {
            let problem = Problem::at(place, path, misread.message);
            self.problems.push(problem.hint(misread.hint));
        }
    }
}

/// Returns a value that must not be shown: not what the file says or every child is given.
fn secret(value: Value) -> Option<String> {
    match value {
        Value::Default(_) => None,
        Value::Variable { name, text } => (!environment::is_given(&name, &text)).then_some(text),
        Value::File(text) => Some(text),
    }
}

/// Recognizes a command that is empty or a whole command line; names only what was written.
fn not_a_program(written: &str, program: &str) -> Option<Misread> {
    if program.trim().is_empty() {
        let message = "`command` is empty".to_owned();
        let hint = "write the program to start, as in `command: npx`".to_owned();
        return Some(Misread { message, hint });
    }
    let (first, _) = written.trim().split_once(char::is_whitespace)?;
    // A path may have spaces in it; a name that is looked up in `PATH` hardly ever has.
    if first.contains(['/', '\\', '~', '$']) {
        return None;
    }
    let message = "`command` holds arguments, but no shell takes it apart".to_owned();
    // The arguments themselves are not repeated: one may be a secret.
    let hint = format!("write `command: {first}`, and the rest under `args`");
    Some(Misread { message, hint })
}

pub(super) fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|part| upper.contains(part))
}
