//! Edits of TOML; lines that stay keep their ends, whatever those are.

use similar::ChangeTag;
use similar::TextDiff;
use toml_edit::Array;
use toml_edit::DocumentMut;
use toml_edit::InlineTable;
use toml_edit::Item;
use toml_edit::Table;
use toml_edit::TableLike;
use toml_edit::value;

use crate::setup::edit::Error;
use crate::setup::edit::New;
use crate::setup::value::Value;
use crate::setup::value::parse_toml;

pub(super) fn replaced(
    text: &str,
    keys: &[String],
    is_gone: &dyn Fn(&str) -> bool,
    new: &[New<'_>],
) -> Result<String, Error> {
    let [key] = keys else { return Err(Error::NoMap(keys.join("."))) };
    let plain = text.replace("\r\n", "\n");
    let mut document = parse_toml(&plain)?;
    let map = document.as_table_mut().entry(key).or_insert_with(|| {
        let mut map = Table::new();
        map.set_implicit(true);
        Item::Table(map)
    });
    match map {
        Item::Table(map) => in_table(map, key, is_gone, new)?,
        Item::Value(toml_edit::Value::InlineTable(map)) => in_inline(map, key, is_gone, new)?,
        _ => return Err(Error::NoMap(key.clone())),
    }
    Ok(relined(text, &plain, &document.to_string()))
}

fn gone(map: &dyn TableLike, is_gone: &dyn Fn(&str) -> bool) -> Vec<String> {
    map.iter().map(|(name, _)| name.to_owned()).filter(|name| is_gone(name)).collect()
}

fn in_table(
    map: &mut Table,
    key: &str,
    is_gone: &dyn Fn(&str) -> bool,
    new: &[New<'_>],
) -> Result<(), Error> {
    let (mut place, mut comments) = (None, String::new());
    for name in gone(map, is_gone) {
        if let Some(Item::Table(table)) = map.remove(&name) {
            place = place.or(table.position());
            let prefix = table.decor().prefix().and_then(|prefix| prefix.as_str());
            comments.push_str(detached(prefix.unwrap_or_default()));
        }
    }
    let mut is_first = true;
    for new in new {
        let mut item = item_of(new, key)?;
        if let Item::Table(table) = &mut item
            && !table.is_dotted()
        {
            if let Some(place) = place {
                table.set_position(Some(place));
            }
            if matches!(new, New::Entry(..)) {
                let own = if map.position() == Some(0) && comments.is_empty() { "" } else { "\n" };
                let front = if is_first { std::mem::take(&mut comments) } else { String::new() };
                table.decor_mut().set_prefix(format!("{front}{own}"));
            }
        }
        is_first = false;
        map.insert(new.name(), item);
    }
    Ok(())
}

fn in_inline(
    map: &mut InlineTable,
    key: &str,
    is_gone: &dyn Fn(&str) -> bool,
    new: &[New<'_>],
) -> Result<(), Error> {
    for name in gone(map, is_gone) {
        map.remove(&name);
    }
    for new in new {
        let item = item_of(new, key)?.into_value().map_err(|_| Error::Unwanted)?;
        map.insert(new.name(), item);
    }
    Ok(())
}

/// Returns what is above a table and apart from it by an empty line: it is not about the table.
fn detached(prefix: &str) -> &str {
    let end = prefix.trim_end_matches('\n').rfind("\n\n").map(|at| at + 1);
    let front = prefix.get(..end.unwrap_or(0)).unwrap_or_default();
    if front.trim().is_empty() { "" } else { front }
}

fn item_of(new: &New<'_>, key: &str) -> Result<Item, Error> {
    match new {
        New::Entry(_, value) => Ok(Item::Table(table_of(value))),
        New::From(text, name) => {
            let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
            let document: DocumentMut = parse_toml(&text)?;
            let map = document.get(key).and_then(Item::as_table_like);
            map.and_then(|map| map.get(name)).cloned().ok_or(Error::Unwanted)
        }
    }
}

fn table_of(map: &Value) -> Table {
    let mut table = Table::new();
    for (key, value) in map.entries() {
        table.insert(key, plain(value));
    }
    table
}

fn plain(written: &Value) -> Item {
    match written {
        Value::Bool(truth) => value(*truth),
        Value::List(items) => value(items.iter().filter_map(Value::text).collect::<Array>()),
        Value::Map(_) => Item::Table(table_of(written)),
        Value::Text(text) | Value::Number(text) => value(text.as_str()),
        Value::Null => Item::None,
    }
}

/// Gives the lines that stay the ends that they had, and new ones what most have.
fn relined(original: &str, before: &str, after: &str) -> String {
    if !original.contains('\r') {
        return after.to_owned();
    }
    let lines: Vec<_> = original.split_inclusive('\n').collect();
    let crlf = lines.iter().filter(|line| line.ends_with("\r\n")).count() * 2 > lines.len();
    let mut text = String::new();
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        match (change.tag(), change.old_index().and_then(|index| lines.get(index))) {
            (ChangeTag::Equal, Some(line)) => text.push_str(line),
            (ChangeTag::Delete, _) => {}
            _ if crlf => text.push_str(&change.value().replace('\n', "\r\n")),
            _ => text.push_str(change.value()),
        }
    }
    text
}
