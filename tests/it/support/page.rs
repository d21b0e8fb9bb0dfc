//! Pages of the documentation with sections that are generated from what the tests know.

use std::env;
use std::fs;
use std::fs::File;
use std::path::Path;

/// Compares one section of the page with what it should say, or accepts it.
#[track_caller]
pub(crate) fn assert_section(page: &str, name: &str, generated: &str) {
    // Tests run side by side, each with sections of its own.
    let lock = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages.lock");
    let lock = File::create(lock).unwrap();
    lock.lock().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no `{begin}`"));
    let (checked_in, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no `{end}`"));
    let generated = format!("\n{generated}\n");
    #[expect(clippy::disallowed_methods, reason = "the way snapshots are accepted")]
    if env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(path, format!("{before}{begin}{generated}{end}{after}")).unwrap();
        return;
    }
    let message = format!("`{page}`, section {name}, is out of date; run `just accept`");
    assert!(checked_in == generated, "{message}:\n{generated}");
}
