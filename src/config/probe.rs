//! A door for fuzzing: bytes in, a panic if what must hold does not.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::interpolate::Expanded;
use crate::config::interpolate::Sources;
use crate::config::interpolate::expand;

/// Fills references into a text; files are not read.
pub fn references(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let variables = [("A", "${A}"), ("B", ""), ("TOKEN_1", "x\n")];
    let variables: BTreeMap<String, String> =
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let sources = Sources { variables: &variables, home: None, directory: Path::new("/") };
    let plain = |text: &str| Ok(Expanded { text: text.to_owned(), values: Vec::new() });

    let escaped = text.replace("${", "$${");
    assert_eq!(expand(&escaped, &sources), plain(text), "escapes are taken back");
    if !text.contains("${") {
        assert_eq!(expand(text, &sources), plain(text), "what is no reference stays");
    }
    if text.contains("file:") {
        return;
    }
    // What is filled in is not looked at again, and what stands around it stays.
    if let Ok(expanded) = expand(text, &sources) {
        let around = expand(&format!("<{text}>${{A}}"), &sources);
        let around = around.expect("a reference more does no harm");
        assert_eq!(around.text, format!("<{}>${{A}}", expanded.text));
        assert_eq!(around.values.len(), expanded.values.len() + 1);
    }
}

#[test]
fn the_corpus_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/references");
    let mut played = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        references(&std::fs::read(entry.unwrap().path()).unwrap());
        played += 1;
    }
    assert!(played > 0);
}
