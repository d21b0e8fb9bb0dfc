//! References to variables: from the words of each client into ours.
//!
//! What is no reference to a client stays the text that it is, so `${` is escaped.

use std::path::Path;

use crate::clients::Client;
use crate::config::interpolate;

/// Whose words a file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Those of one client.
    Of(Client),
    /// Those of no client in particular: what most of them understand.
    Common,
    /// Our own: nothing is translated.
    Ours,
}

/// Something that a client asks its user for before it starts a server (`inputs`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) id: String,
    pub(super) description: Option<String>,
    /// What it suggests.
    pub(super) default: Option<String>,
}

/// What references are understood by.
pub(super) struct Context<'a> {
    pub(super) dialect: Dialect,
    /// The directory of the project.
    pub(super) project: &'a Path,
    pub(super) inputs: &'a [Input],
}

/// A text in our words, on its way.
struct Written<'a, 'n> {
    context: &'a Context<'a>,
    text: String,
    notes: &'n mut Vec<String>,
}

impl Context<'_> {
    /// Returns `text` in our words, and adds what a person should know about that to `notes`.
    pub(super) fn ours(&self, text: &str, notes: &mut Vec<String>) -> String {
        let mut written = Written { context: self, text: String::new(), notes };
        match self.dialect {
            Dialect::Ours => return text.to_owned(),
            Dialect::Of(Client::ClaudeDesktop | Client::Codex | Client::Zed) => {
                if let Some(reference) = first_reference(text) {
                    written.note(format!(
                        "`{reference}` is plain text there and stays it; write it into the \
                         configuration yourself if a variable is meant"
                    ));
                }
                written.plain(text);
            }
            Dialect::Of(Client::OpenCode) => written.between(text, "{", &["env:", "file:"]),
            Dialect::Of(Client::Gemini) => written.dollars(text),
            Dialect::Of(_) | Dialect::Common => written.between(text, "${", &[""]),
        }
        written.text
    }
}

/// Returns the first thing in a text that looks like a reference.
fn first_reference(text: &str) -> Option<&str> {
    let from = text.find("${")?;
    let end = text.get(from..)?.find('}')?;
    text.get(from..=from + end)
}

impl Written<'_, '_> {
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn plain(&mut self, text: &str) {
        self.text.push_str(&text.replace("${", "$${"));
    }

    /// Understands what stands between `open` and `}` and begins with one of `kinds`.
    fn between(&mut self, text: &str, open: &str, kinds: &[&str]) {
        // What is no reference is written in one piece, as it may hold one of ours.
        let (mut plain, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once(open) {
            plain.push_str(before);
            let inside = after.split_once('}');
            let known = |inside: &str| kinds.iter().any(|kind| inside.starts_with(kind));
            let Some((inside, after)) = inside.filter(|(inside, _)| known(inside)) else {
                plain.push_str(open);
                rest = after;
                continue;
            };
            self.plain(&std::mem::take(&mut plain));
            self.reference(inside, &format!("{open}{inside}}}"));
            rest = after;
        }
        plain.push_str(rest);
        self.plain(&plain);
    }

    /// Understands `$NAME` as well as `${NAME}`.
    fn dollars(&mut self, text: &str) {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            self.plain(before);
            if let Some((inside, behind)) =
                after.strip_prefix('{').and_then(|it| it.split_once('}'))
            {
                self.reference(inside, &format!("${{{inside}}}"));
                rest = behind;
                continue;
            }
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
            let (name, behind) = after.split_at_checked(end).unwrap_or((after, ""));
            if interpolate::is_name(name) {
                self.text.extend(["${", name, "}"]);
            } else {
                self.text.push('$');
                self.plain(name);
            }
            rest = behind;
        }
        self.plain(rest);
    }

    fn reference(&mut self, inside: &str, whole: &str) {
        let project = self.context.project.display().to_string();
        let ours = match inside.split_once(':') {
            Some(("env", name)) => variable(name),
            Some(("file", path)) => Some(format!("${{file:{path}}}")),
            Some(("input", id)) => Some(self.input(id)),
            Some(("workspaceFolder", _)) => Some(self.folder(whole, &project)),
            _ => match inside {
                "workspaceFolder" | "workspaceRoot" | "cwd" | "CLAUDE_PROJECT_DIR" => {
                    Some(self.folder(whole, &project))
                }
                "workspaceFolderBasename" => {
                    let name = self.context.project.file_name().unwrap_or_default();
                    Some(self.folder(whole, &name.to_string_lossy()))
                }
                "userHome" => Some("${HOME}".to_owned()),
                "pathSeparator" | "/" => Some(std::path::MAIN_SEPARATOR.to_string()),
                _ => variable(inside),
            },
        };
        if let Some(ours) = ours {
            self.text.push_str(&ours);
        } else {
            self.note(format!("`{whole}` is nothing that Conflux fills in; it stays as it is"));
            self.plain(whole);
        }
    }

    fn folder(&mut self, whole: &str, value: &str) -> String {
        self.note(format!("`{whole}` is written out as `{value}`"));
        value.replace("${", "$${")
    }

    fn input(&mut self, id: &str) -> String {
        let name = variable_name(id);
        let known = self.context.inputs.iter().find(|input| input.id == id);
        let about = known.and_then(|input| input.description.as_ref());
        let about = about.map(|about| format!(" ({about})")).unwrap_or_default();
        self.note(format!("`${{input:{id}}}` is the variable `{name}` now: set it{about}"));
        match known.and_then(|input| input.default.as_ref()) {
            Some(default) if !default.contains(['}', '$']) => format!("${{{name}:-{default}}}"),
            _ => format!("${{{name}}}"),
        }
    }
}

/// Returns the reference to a variable, perhaps with a default, if it can be written.
fn variable(inside: &str) -> Option<String> {
    let name = inside.split_once(":-").map_or(inside, |(name, _)| name);
    let is_ours = interpolate::is_name(name) && !inside.contains("${");
    is_ours.then(|| format!("${{{inside}}}"))
}

/// Returns `text` as the name of a variable: `my-token` becomes `MY_TOKEN`.
pub fn variable_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = text.chars().map(plain).collect();
    let name = name.trim_matches('_');
    if interpolate::is_name(name) { name.to_owned() } else { format!("VALUE_{name}") }
}
