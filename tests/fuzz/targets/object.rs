//! Edits of one object: the members they name change, and every other byte stays.
//!
//! The input is an object, a key and a value, with a byte 0x1E between each two.

use conflux::wire::Raw;
use conflux::wire::meta;
use conflux::wire::meta::RequestMeta;
use conflux::wire::object::Object;

/// The members without one of them.
fn without<'a>(object: &'a Object<'_>, left_out: &str) -> Vec<(&'a str, &'a str)> {
    object.iter().filter(|(key, _)| *key != left_out).collect()
}

fn members(raw: &Raw) -> Object<'_> {
    raw.object().expect("an edit gives an object")
}

fn check_edits(text: &str, object: &Object<'_>, key: &str, value: &str) {
    let set = object.edit().set(key, value).apply();
    assert_eq!(members(&set).get(key), Some(value));
    assert_eq!(without(&members(&set), key), without(object, key));
    let removed = object.edit().remove(key).apply();
    assert_eq!(members(&removed).get(key), None);
    assert_eq!(without(&members(&removed), key), without(object, key));
    let Some(before) = object.get(key) else {
        assert_eq!(removed.get(), text, "nothing was to be removed");
        assert_eq!(members(&set).edit().remove(key).apply().get(), text, "added and taken out");
        return;
    };
    let start = before.as_ptr().addr() - text.as_ptr().addr();
    let (front, back) = text.split_at(start);
    let (_, back) = back.split_at(before.len());
    assert_eq!(set.get(), format!("{front}{value}{back}"), "all around the value stays");
    assert_eq!(members(&set).edit().set(key, before).apply().get(), text, "there and back");
}

fn check_meta(whole: &Raw, object: &Object<'_>, key: &str, value: &str) {
    let set = meta::edit(Some(whole), &[(key, value)], &[]).expect("there is a body");
    let removed = meta::edit(Some(whole), &[], &[key]).expect("there is a body");
    for edited in [&set, &removed] {
        assert_eq!(without(&members(edited), "_meta"), without(object, "_meta"));
    }
    let meta = whole.member("_meta");
    match meta.as_ref().filter(|meta| meta.get().starts_with('{')) {
        None => {
            let meta = set.member("_meta").expect("it was set");
            assert_eq!(meta.member(key).expect("it was set").get(), value);
            assert_eq!(removed.get(), whole.get());
        }
        Some(meta) => {
            let Ok(before) = meta.object() else {
                assert_eq!((set.get(), removed.get()), (whole.get(), whole.get()));
                return;
            };
            let after = set.member("_meta").expect("it was there");
            assert_eq!(without(&members(&after), key), without(&before, key));
            assert_eq!(members(&after).get(key), Some(value));
            match removed.member("_meta") {
                Some(after) => assert_eq!(without(&members(&after), key), without(&before, key)),
                None => assert!(before.get(key).is_some() && without(&before, key).is_empty()),
            }
        }
    }
    let read = RequestMeta::read(Some(whole));
    let is_part = |raw: &Raw| whole.get().contains(raw.get());
    assert!(read.progress_token.as_ref().is_none_or(is_part));
}

pub(crate) fn run(bytes: &[u8]) {
    let mut fields = bytes.split(|byte| *byte == 0x1E);
    let mut field = || std::str::from_utf8(fields.next().unwrap_or_default()).ok();
    let (Some(text), Some(key), Some(value)) = (field(), field(), field()) else { return };
    let Ok(whole) = Raw::parse(text.to_owned()) else { return };
    let line = whole.clone().on_one_line();
    assert!(!line.get().contains(['\n', '\r']), "one line is one line");
    assert_eq!(line.get().len(), text.len(), "a line break becomes a space");
    if let Some(elements) = whole.elements() {
        let parts = elements.iter().map(|part| (part.get(), part.clone()));
        // The parts are shared with the array, so that they may stand for themselves.
        assert_eq!(whole.with_parts(parts.collect()).get(), text);
        assert_eq!(Raw::array(&elements).elements(), Some(elements));
    }
    let value = Raw::parse(value.to_owned()).unwrap_or_else(|_| Raw::of(value));
    let value = value.get().trim_matches([' ', '\t', '\r', '\n']);
    let Ok(object) = whole.object() else { return };
    check_edits(whole.get(), &object, key, value);
    check_meta(&whole, &object, key, value);
}
