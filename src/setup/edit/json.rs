//! Edits of JSON by the places of its parts; comments, commas at the end and white space stay.

use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;

use crate::setup::edit::Error;
use crate::setup::edit::New;
use crate::setup::value;
use crate::setup::value::Value;

/// How deep what is new is indented where nothing shows how it is done.
const USUAL_UNIT: &str = "  ";

/// A member of an object.
struct Member {
    name: String,
    at: Range<usize>,
    /// Where the comma behind it is.
    comma: Option<usize>,
}

/// What is done to a text: bytes that others take the place of.
#[derive(Default)]
struct Changes(Vec<(Range<usize>, String)>);

/// How an object is laid out.
struct Layout {
    newline: &'static str,
    /// What is in front of each member, and of the brace at the end; nothing on one line.
    lines: Option<(String, String)>,
    unit: String,
}

/// A member that an object gets.
enum Fresh<'a> {
    Value(&'a str, &'a Value),
    Written(&'a str),
}

pub(super) fn replaced<'a>(
    text: &str,
    keys: &[String],
    is_gone: &dyn Fn(&str) -> bool,
    new: &[New<'a>],
) -> Result<String, Error> {
    let fresh = |new: &New<'a>| match *new {
        New::Entry(name, value) => Ok(Fresh::Value(name, value)),
        New::From(text, name) => slice(text, keys, name).map(Fresh::Written),
    };
    let new: Vec<_> = new.iter().map(fresh).collect::<Result<_, _>>()?;
    let new = new.as_slice();
    let Some(root) = value::parse_json(text)? else {
        let newline = newline(text);
        let layout = Layout::block(newline, "", USUAL_UNIT);
        return Ok(format!("{}{newline}", wrapped(keys, new, &layout)));
    };
    let mut object = object(&root, &keys.join("."))?;
    for (depth, key) in keys.iter().enumerate() {
        let found = object.properties.iter().rev().find(|it| it.name.as_str() == key);
        let Some(found) = found else {
            return add_map(text, object, keys.get(depth..).unwrap_or_default(), new);
        };
        if matches!(found.value, ast::Value::NullKeyword(_)) {
            let layout = Layout::of(text, object).inner(text, object);
            let inner = wrapped(keys.get(depth + 1..).unwrap_or_default(), new, &layout);
            return Ok(Changes(vec![(range(&found.value), inner)]).applied(text));
        }
        object = self::object(&found.value, &keys.join("."))?;
    }
    Ok(replace_members(text, object, is_gone, new))
}

fn object<'a, 't>(value: &'a ast::Value<'t>, keys: &str) -> Result<&'a ast::Object<'t>, Error> {
    value.as_object().ok_or_else(|| Error::NoMap(keys.to_owned()))
}

fn range(node: &impl jsonc_parser::common::Ranged) -> Range<usize> {
    node.start()..node.end()
}

/// Adds the map itself, behind everything that its object has.
fn add_map(
    text: &str,
    object: &ast::Object<'_>,
    keys: &[String],
    new: &[Fresh<'_>],
) -> Result<String, Error> {
    let Some((key, rest)) = keys.split_first() else { return Err(Error::Unwanted) };
    let layout = Layout::of(text, object);
    let inner = wrapped(rest, new, &layout.inner(text, object));
    let member = format!("{}: {inner}", quoted(key));
    let mut changes = Changes::default();
    changes.append(text, object, &layout, &[member]);
    Ok(changes.applied(text))
}

/// Returns an object in objects, which has what is new.
fn wrapped(keys: &[String], new: &[Fresh<'_>], layout: &Layout) -> String {
    let members = match keys.split_first() {
        Some((key, rest)) => {
            vec![format!("{}: {}", quoted(key), wrapped(rest, new, &layout.deeper()))]
        }
        None => members_of(new, layout),
    };
    let (front, end) = layout.around();
    let separator = layout.separator();
    format!("{{{front}{}{end}}}", members.join(&format!(",{separator}")))
}

fn replace_members(
    text: &str,
    object: &ast::Object<'_>,
    is_gone: &dyn Fn(&str) -> bool,
    new: &[Fresh<'_>],
) -> String {
    let layout = Layout::of(text, object);
    let all = members(text, object);
    let texts = members_of(new, &layout);
    let mut changes = Changes::default();
    let mut gone = all.iter().filter(|member| is_gone(&member.name));
    let replaced = if texts.is_empty() { None } else { gone.next() };
    if let Some(first) = replaced {
        changes.0.push((first.at.clone(), texts.join(&format!(",{}", layout.separator()))));
    } else if !texts.is_empty() {
        changes.append(text, object, &layout, &texts);
    }
    for member in gone {
        changes.remove(text, member);
    }
    let is_last =
        |member: &&Member| !is_gone(&member.name) || replaced.is_some_and(|it| it.at == member.at);
    let had_comma = all.last().is_some_and(|last| last.comma.is_some());
    // What is last now has a comma that separated it from what went.
    if let Some(comma) = all.iter().rev().find(is_last).and_then(|last| last.comma)
        && !had_comma
        && (replaced.is_some() || texts.is_empty())
    {
        changes.0.push((comma..comma + 1, String::new()));
    }
    changes.applied(text)
}

fn members(text: &str, object: &ast::Object<'_>) -> Vec<Member> {
    let member = |property: &ast::ObjectProp<'_>| {
        let at = property.range.start..property.value.end();
        let next = skipped(text, at.end);
        let comma = text.get(next..).is_some_and(|rest| rest.starts_with(',')).then_some(next);
        Member { name: property.name.as_str().to_owned(), at, comma }
    };
    object.properties.iter().map(member).collect()
}

/// Returns where the next thing is that is neither white space nor a comment.
fn skipped(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let bare = rest.trim_start();
        at += rest.len() - bare.len();
        let comment = if bare.starts_with("//") {
            bare.find('\n').unwrap_or(bare.len())
        } else if bare.starts_with("/*") {
            bare.find("*/").map_or(bare.len(), |end| end + 2)
        } else {
            return at;
        };
        at += comment;
    }
}

/// Returns what is new as members of an object that is laid out so.
fn members_of(new: &[Fresh<'_>], layout: &Layout) -> Vec<String> {
    let member = |new: &Fresh<'_>| match new {
        Fresh::Value(name, value) => {
            format!("{}: {}", quoted(name), written(value, &layout.deeper()))
        }
        Fresh::Written(text) => (*text).to_owned(),
    };
    new.iter().map(member).collect()
}

/// Returns a server of another text as it is written there, its name included.
fn slice<'t>(text: &'t str, keys: &[String], name: &str) -> Result<&'t str, Error> {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = value::parse_json(bare)?;
    let last = |object: &ast::Object<'_>, key: &str| {
        object.properties.iter().rposition(|property| property.name.as_str() == key)
    };
    let mut object = root.as_ref().and_then(ast::Value::as_object);
    for key in keys {
        let found = object.and_then(|it| it.properties.get(last(it, key)?));
        object = found.and_then(|property| property.value.as_object());
    }
    let found = object.and_then(|it| members(bare, it).into_iter().nth(last(it, name)?));
    found.and_then(|member| bare.get(member.at)).ok_or(Error::Unwanted)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns a value of ours as JSON: a map laid out so, lists on one line.
fn written(value: &Value, layout: &Layout) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.clone(),
        Value::Text(text) => quoted(text),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| written(item, layout)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let inner = layout.deeper();
            let entry = |(key, value): &(String, Value)| {
                format!("{}: {}", quoted(key), written(value, &inner))
            };
            let entries: Vec<_> = entries.iter().map(entry).collect();
            let (front, end) = layout.around();
            format!("{{{front}{}{end}}}", entries.join(&format!(",{}", layout.separator())))
        }
    }
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Returns the white space that a line begins with, if there is nothing else in front of `at`.
fn indent(text: &str, at: usize) -> Option<&str> {
    let line = text.get(..at)?.rsplit('\n').next()?;
    line.trim().is_empty().then_some(line)
}

impl Layout {
    /// Returns how something is laid out whose own line is indented so.
    fn block(newline: &'static str, indent: &str, unit: &str) -> Self {
        let members = format!("{indent}{unit}");
        Self { newline, lines: Some((members, indent.to_owned())), unit: unit.to_owned() }
    }

    /// Returns how the members of an object are laid out.
    fn of(text: &str, object: &ast::Object<'_>) -> Self {
        let newline = newline(text);
        let line = text.get(..object.range.start).unwrap_or_default().rsplit('\n').next();
        let line = line.unwrap_or_default();
        let outer: String = line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
        let inside = text.get(object.range.start..object.range.end).unwrap_or_default();
        let first = object.properties.first().map(|it| indent(text, it.range.start));
        let unit = |member: &str| {
            let unit = member.strip_prefix(outer.as_str()).unwrap_or(USUAL_UNIT);
            if unit.is_empty() { USUAL_UNIT.to_owned() } else { unit.to_owned() }
        };
        match first {
            Some(Some(member)) => {
                let lines = Some((member.to_owned(), outer.clone()));
                Self { newline, lines, unit: unit(member) }
            }
            // On one line, all of it.
            Some(None) if !inside.contains('\n') => {
                Self { newline, lines: None, unit: USUAL_UNIT.to_owned() }
            }
            _ => Self::block(newline, &outer, &usual_unit(text)),
        }
    }

    /// Returns how an object is laid out that becomes a member of `object`.
    fn inner(&self, text: &str, object: &ast::Object<'_>) -> Self {
        let own = self.lines.as_ref().map(|(member, _)| member.clone());
        match own {
            Some(own) => Self::block(self.newline, &own, &self.unit),
            None if object.properties.is_empty() => Self::block(newline(text), "", USUAL_UNIT),
            None => Self { newline: self.newline, lines: None, unit: self.unit.clone() },
        }
    }

    /// Returns how the members of a member are laid out.
    fn deeper(&self) -> Self {
        let lines = self.lines.as_ref();
        let lines = lines.map(|(member, _)| (format!("{member}{}", self.unit), member.clone()));
        Self { newline: self.newline, lines, unit: self.unit.clone() }
    }

    /// Returns what is between two members, after the comma.
    fn separator(&self) -> String {
        match &self.lines {
            Some((member, _)) => format!("{}{member}", self.newline),
            None => " ".to_owned(),
        }
    }

    /// Returns what is behind the brace at the beginning and in front of the one at the end.
    fn around(&self) -> (String, String) {
        match &self.lines {
            Some((member, outer)) => {
                (format!("{}{member}", self.newline), format!("{}{outer}", self.newline))
            }
            None => (String::new(), String::new()),
        }
    }
}

/// Returns the white space of the first line that is indented.
fn usual_unit(text: &str) -> String {
    let indents = text
        .lines()
        .map(|line| line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect::<String>());
    indents.into_iter().find(|it| !it.is_empty()).unwrap_or_else(|| USUAL_UNIT.to_owned())
}

impl Changes {
    /// Adds members behind those that an object has.
    fn append(&mut self, text: &str, object: &ast::Object<'_>, layout: &Layout, new: &[String]) {
        let (front, end) = layout.around();
        let own = layout.separator();
        let joined = new.join(&format!(",{own}"));
        if let Some(last) = members(text, object).last() {
            match last.comma {
                Some(comma) => self.0.push((comma + 1..comma + 1, format!("{own}{joined},"))),
                None => self.0.push((last.at.end..last.at.end, format!(",{own}{joined}"))),
            }
            return;
        }
        let inside = object.range.start + 1..object.range.end.saturating_sub(1);
        let is_bare = text.get(inside.clone()).is_none_or(|inside| inside.trim().is_empty());
        if is_bare {
            self.0.push((inside, format!("{front}{joined}{end}")));
        } else {
            self.0.push((inside.start..inside.start, format!("{front}{joined}")));
        }
    }

    /// Takes out a member, its comma, and its line if nothing else is on it.
    fn remove(&mut self, text: &str, member: &Member) {
        let mut end = member.at.end;
        if let Some(comma) = member.comma {
            let between = text.get(end..comma).unwrap_or_default();
            if between.trim().is_empty() {
                end = comma + 1;
            } else {
                self.0.push((comma..comma + 1, String::new()));
            }
        }
        let start = member.at.start;
        let rest = text.get(end..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
        let line_ends = rest.get(blank..).unwrap_or_default().strip_prefix('\n').is_some();
        match indent(text, start) {
            Some(indent) if line_ends => {
                self.0.push((start - indent.len()..end + blank + 1, String::new()));
            }
            _ if member.comma.is_some() => self.0.push((start..end + blank, String::new())),
            // The last one on a line with others leaves no space behind it.
            _ => {
                let before = text.get(..start).unwrap_or_default();
                let bare = before.trim_end_matches([' ', '\t']).len();
                self.0.push((bare..end, String::new()));
            }
        }
    }

    fn applied(mut self, text: &str) -> String {
        self.0.sort_by_key(|(at, _)| (at.start, at.end));
        let (mut edited, mut end) = (String::new(), 0);
        for (at, new) in self.0 {
            edited.push_str(text.get(end..at.start).unwrap_or_default());
            edited.push_str(&new);
            end = end.max(at.end);
        }
        edited.push_str(text.get(end..).unwrap_or_default());
        edited
    }
}
