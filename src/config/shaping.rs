//! The checks of what is different for some tools, and of the tools that are made of them.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

use crate::config::argument::Argument;
use crate::config::argument::Filled;
use crate::config::argument::Given;
use crate::config::calls;
use crate::config::command;
use crate::config::file;
use crate::config::hints::Hint;
use crate::config::overrides;
use crate::config::overrides::Changes;
use crate::config::overrides::Overrides;
use crate::config::overrides::Rule;
use crate::config::overrides::Variant;
use crate::config::patterns::Case;
use crate::config::problem::KeyPath;
use crate::config::problem::Place;
use crate::config::problem::Problem;
use crate::config::validate::Check;

/// Names that are given, and where.
type Taken = IndexMap<String, KeyPath>;

impl Check<'_> {
    /// Checks what is different for some tools of an upstream, and the variants it has. What is
    /// missing in one that is left out does not matter.
    pub(super) fn overrides(
        &mut self,
        written: &file::Tools,
        path: &KeyPath,
        lenient: bool,
    ) -> Overrides {
        let mut taken = Taken::new();
        let rules = self.rules(&written.r#override, &path.key("override"), &mut taken, lenient);
        let variants = self.variants(&written.variants, &path.key("variants"), &mut taken, lenient);
        Overrides { rules, variants }
    }

    fn rules(
        &mut self,
        written: &BTreeMap<String, file::Override>,
        path: &KeyPath,
        taken: &mut Taken,
        lenient: bool,
    ) -> Vec<Rule> {
        let mut rules = Vec::new();
        for key in self.context.places.order(path) {
            let Some(file::Override { name, changes }) = written.get(&key) else { continue };
            let path = path.key(&key);
            if let Some(name) = name {
                let path = path.key("name");
                let place = self.context.places.value(&path);
                if overrides::is_pattern(&key) {
                    let message = format!("`{path}` is one name, and `{key}` a pattern for many");
                    self.wrong(&path, message, "write the tool's own name, or no `name`");
                }
                self.called(name, &path, &place, taken);
            }
            let changes = self.changes(changes, &path, lenient);
            let place = self.context.places.key(&path);
            let Some(glob) = self.pattern(&key, &path, &place, Case::Matters) else {
                continue;
            };
            let matcher = glob.compile_matcher();
            rules.push(Rule { glob, matcher, name: name.clone(), changes });
        }
        rules
    }

    fn variants(
        &mut self,
        written: &BTreeMap<String, file::Variant>,
        path: &KeyPath,
        taken: &mut Taken,
        lenient: bool,
    ) -> Vec<Variant> {
        let mut variants = Vec::new();
        for name in self.context.places.order(path) {
            let Some(file::Variant { of, changes }) = written.get(&name) else { continue };
            let path = path.key(&name);
            let place = self.context.places.key(&path);
            self.called(&name, &path, &place, taken);
            let changes = self.changes(changes, &path, lenient);
            let Some(of) = of.as_ref().filter(|of| !of.is_empty()) else {
                if !self.is_excused(&path.key("of")) {
                    let message = format!("the variant `{name}` does not say what it is made of");
                    self.wrong_key(&path, message, "add the name of a tool, as in `of: search`");
                }
                continue;
            };
            variants.push(Variant { name, of: of.clone(), changes });
        }
        variants
    }

    /// Checks a name that a tool or an argument is given in the place of its own.
    fn called(&mut self, name: &str, path: &KeyPath, place: &Place, taken: &mut Taken) {
        if name.is_empty() {
            let problem = Problem::at(place, path, format!("the name at `{path}` is empty"));
            self.problems.push(problem.hint("write a name, or remove the key"));
        } else if let Some(other) = taken.get(name) {
            let message = format!("`{path}` and `{other}` give the same name `{name}`");
            self.problems.push(Problem::at(place, path, message).hint("choose another name"));
        } else {
            taken.insert(name.to_owned(), path.clone());
        }
    }

    fn changes(&mut self, written: &file::Changes, path: &KeyPath, lenient: bool) -> Changes {
        let file::Changes { timeout, title, description, annotations, arguments } = written;
        let key = path.key("timeout");
        let timeout = timeout.as_ref().map(|it| self.duration(it, &calls::WAIT, &key));
        let said = |hint| Some((hint, annotations.hint(hint)?));
        Changes {
            timeout,
            title: title.clone(),
            description: description.clone(),
            annotation_title: annotations.title.clone(),
            hints: Hint::ALL.into_iter().filter_map(said).collect(),
            arguments: self.arguments(arguments, &path.key("arguments"), lenient),
        }
    }

    fn arguments(
        &mut self,
        written: &BTreeMap<String, file::Argument>,
        path: &KeyPath,
        lenient: bool,
    ) -> IndexMap<String, Argument> {
        let mut arguments = IndexMap::new();
        let mut taken = Taken::new();
        for name in self.context.places.order(path) {
            let Some(written) = written.get(&name) else { continue };
            let path = path.key(&name);
            if let Some(name) = &written.name {
                let path = path.key("name");
                self.called(name, &path, &self.context.places.value(&path), &mut taken);
            }
            let argument = self.argument(&name, written, &path, lenient);
            arguments.insert(name, argument);
        }
        arguments
    }

    fn argument(
        &mut self,
        key: &str,
        written: &file::Argument,
        path: &KeyPath,
        lenient: bool,
    ) -> Argument {
        let file::Argument { name, description, default, value, hide } = written;
        let given = match (value, default) {
            (Some(value), _) => Given::Value(self.filled(key, value, &path.key("value"), lenient)),
            (None, Some(value)) => {
                Given::Default(self.filled(key, value, &path.key("default"), lenient))
            }
            (None, None) => Given::Nothing,
        };
        if value.is_some() && default.is_some() {
            let message = format!("`{path}` has both a `value` and a `default`");
            let hint = "`value` counts whatever the caller says, `default` if the caller says \
                        nothing; keep one of them";
            self.wrong(&path.key("default"), message, hint);
        }
        let is_fixed = value.is_some();
        let is_hidden = hide.unwrap_or(is_fixed);
        if is_hidden && name.is_some() {
            let message = format!("`{path}` is hidden, so nobody would see its `name`");
            let hint =
                if is_fixed { "remove `name`, or add `hide: false`" } else { "remove `name`" };
            self.wrong(&path.key("name"), message, hint);
        }
        let shows_secret = given.filled().is_some_and(|filled| filled.is_secret);
        if is_fixed && !is_hidden && shows_secret {
            let message = format!("`{path}` would show its secret `value` to everybody");
            self.wrong(&path.key("value"), message, "remove `hide: false`");
        }
        Argument { name: name.clone(), description: description.clone(), given, is_hidden }
    }

    /// Fills in the references of a value, wherever a text stands in it.
    fn filled(
        &mut self,
        argument: &str,
        written: &file::WrittenValue,
        path: &KeyPath,
        lenient: bool,
    ) -> Filled {
        let known = self.secrets.len();
        let mut value = written.0.clone();
        self.fill_in(&mut value, path, lenient);
        if let Value::String(text) = &value
            && command::is_secret_name(argument)
            && text.len() >= command::MIN_WRITTEN_SECRET
        {
            self.secrets.push(text.clone());
        }
        Filled { json: value.to_string(), is_secret: self.secrets.len() > known }
    }

    fn fill_in(&mut self, value: &mut Value, path: &KeyPath, lenient: bool) {
        match value {
            Value::String(text) => {
                let place = self.context.places.value(path);
                *text = self.expand(text, path, &place, lenient);
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.fill_in(item, &path.index(index), lenient);
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    self.fill_in(member, &path.key(key), lenient);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
