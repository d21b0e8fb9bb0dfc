//! A door for fuzzing: bytes in, a panic if what must hold does not.

use std::collections::HashSet;

use crate::upstream::pages::Pages;
use crate::wire::Raw;

/// Takes results, with a byte 0x1E between each two, for the pages of one list.
pub fn pages(bytes: &[u8]) {
    let results = bytes.split(|byte| *byte == 0x1E).map(<[u8]>::to_vec);
    let results = results.filter_map(|result| Raw::from_bytes(result.into()).ok());
    let mut pages = Pages::new("tools");
    let (mut expected, mut cursors) = (Vec::new(), HashSet::new());
    for result in results {
        let page = result.member("tools").and_then(|page| page.elements());
        let cursor = result.member("nextCursor").filter(|cursor| cursor.get() != "null");
        let Ok(next) = pages.take(&result) else {
            let is_known = cursor.as_ref().is_some_and(|cursor| cursors.contains(cursor));
            assert!(page.is_none() || is_known, "refused for no reason");
            return;
        };
        expected.extend(page.expect("what is no page is refused"));
        assert_eq!(next.as_ref().and_then(|next| next.member("cursor")), cursor);
        let Some(cursor) = cursor else { break };
        assert!(cursors.insert(cursor), "a cursor came twice");
    }
    assert_eq!(pages.into_items(), expected);
}

#[test]
fn the_corpus_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/pages");
    let mut played = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        pages(&std::fs::read(entry.unwrap().path()).unwrap());
        played += 1;
    }
    assert!(played > 0);
}
