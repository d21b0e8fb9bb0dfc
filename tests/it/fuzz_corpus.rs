//! What fuzzing has found worth keeping goes through the same checks in every run of the tests.

#[path = "../fuzz/targets/catalog.rs"]
mod catalog;
#[path = "../fuzz/targets/frame.rs"]
mod frame;
#[path = "../fuzz/targets/header.rs"]
mod header;
#[path = "../fuzz/targets/line.rs"]
mod line;
#[path = "../fuzz/targets/mirror.rs"]
mod mirror;
#[path = "../fuzz/targets/object.rs"]
mod object;
#[path = "../fuzz/targets/skim.rs"]
mod skim;
#[path = "../fuzz/targets/sse.rs"]
mod sse;
#[path = "../fuzz/targets/template.rs"]
mod template;

use std::fs;
use std::path::Path;

/// Plays the corpus of one target.
#[track_caller]
fn replay(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut played = 0;
    for entry in fs::read_dir(&corpus).unwrap() {
        target(&fs::read(entry.unwrap().path()).unwrap());
        played += 1;
    }
    assert!(played > 0, "{} is empty", corpus.display());
}

macro_rules! replayed {
    ($($name:ident)*) => {
        const PUBLIC: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                replay(stringify!($name), self::$name::run);
            }
        )*
    };
}

replayed!(catalog frame header line mirror object skim sse template);

/// Targets behind doors of their rooms, which replay them.
const BEHIND_DOORS: &[&str] = &["pages", "references", "request_state"];

#[test]
fn every_target_is_replayed() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    for directory in ["bins", "corpus"] {
        let mut names = Vec::new();
        for entry in fs::read_dir(fuzz.join(directory)).unwrap() {
            let path = entry.unwrap().path();
            names.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
        names.sort();
        let mut expected = [PUBLIC, BEHIND_DOORS].concat();
        expected.sort_unstable();
        assert_eq!(names, expected, "{directory}");
    }
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for name in [PUBLIC, BEHIND_DOORS].concat() {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
