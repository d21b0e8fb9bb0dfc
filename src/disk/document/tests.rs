//! Files are replaced whole, with their permissions, and only by whoever read them last.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::disk::document::Document;
use crate::disk::document::Error;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_with_its_permissions_and_a_copy_is_kept() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("a.json");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let document = Document::read(&path).unwrap();
    let copy = document.back_up(".bak").unwrap();
    document.replace(b"new").unwrap();
    assert_eq!((fs::read_to_string(&path).unwrap(), mode(&path)), ("new".to_owned(), 0o640));
    assert_eq!((fs::read_to_string(&copy).unwrap(), mode(&copy)), ("old".to_owned(), 0o640));
    assert_eq!(names(place.path()), ["a.json", "a.json.bak"]);
}

#[test]
fn a_new_file_and_its_directory_are_for_their_owner_alone() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("some/where/a.json");
    let document = Document::read(&path).unwrap();
    assert_eq!(document.text().unwrap(), None);
    document.replace(b"new").unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    Document::read(&path).unwrap().remove().unwrap();
    assert!(!path.exists());
}

#[test]
fn what_changed_in_the_meantime_is_left_alone() {
    let place = TempDir::new().unwrap();
    let (path, new) = (place.path().join("a"), place.path().join("b"));
    fs::write(&path, "old").unwrap();
    let (document, absent) = (Document::read(&path).unwrap(), Document::read(&new).unwrap());
    fs::write(&path, "other").unwrap();
    fs::write(&new, "other").unwrap();
    for document in [document, absent] {
        assert!(matches!(document.replace(b"new"), Err(Error::Changed { .. })));
        assert!(matches!(document.remove(), Err(Error::Changed { .. })));
        assert_eq!(fs::read_to_string(document.path()).unwrap(), "other");
    }
    assert_eq!(names(place.path()), ["a", "b"]);
}

#[test]
fn links_stay_and_what_they_lead_to_is_replaced() {
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("dots")).unwrap();
    let (link, real) = (place.path().join("a"), place.path().join("dots/a"));
    symlink("dots/a", &link).unwrap();
    Document::read(&link).unwrap().replace(b"first").unwrap();
    Document::read(&link).unwrap().replace(b"second").unwrap();
    assert!(link.is_symlink() && !real.is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "second");

    let round = place.path().join("round");
    symlink("round", &round).unwrap();
    assert!(matches!(Document::read(&round), Err(Error::Circle { .. })));
}

#[test]
fn what_is_protected_or_no_text_is_refused() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("a");
    fs::write(&path, b"\xff").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let document = Document::read(&path).unwrap();
    assert!(matches!(document.text(), Err(Error::NotText { .. })));
    assert!(matches!(document.replace(b"new"), Err(Error::ReadOnly { .. })));
    assert!(matches!(document.remove(), Err(Error::ReadOnly { .. })));
    assert!(matches!(Document::read(place.path()), Err(Error::NotAFile { .. })));
    assert_eq!(names(place.path()), ["a"]);
}
