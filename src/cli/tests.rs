//! What the program as a whole cannot be asked: tables on a terminal, names alike, texts of others.

use crate::cli::exit;
use crate::cli::report::Notice;
use crate::cli::suggest::Candidate;
use crate::cli::suggest::nearest;
use crate::cli::table;

fn rows() -> Vec<[String; 2]> {
    [["a", "short"], ["longer", "as long as it takes to be cut off somewhere"]]
        .map(|row| row.map(str::to_owned))
        .into()
}

#[test]
fn a_table_is_as_wide_as_its_text_unless_there_is_a_terminal() {
    insta::assert_snapshot!(table::render(["NAME", "TEXT"], &rows(), None), @r"
    NAME    TEXT
    a       short
    longer  as long as it takes to be cut off somewhere
    ");
    insta::assert_snapshot!(table::render(["NAME", "TEXT"], &rows(), Some(34)), @r"
    NAME    TEXT
    a       short
    longer  as long as it takes to be…
    ");
}

#[test]
fn a_table_that_is_too_wide_for_a_terminal_becomes_paragraphs() {
    let rows = [
        ["github__create_issue", "github", "Creates an issue\tin a repository"],
        ["files__read", "files", ""],
    ]
    .map(|row| row.map(str::to_owned));
    let header = ["NAME", "UPSTREAM", "DESCRIPTION"];
    insta::assert_snapshot!(table::render(header, &rows, Some(52)), @r"
    NAME                  UPSTREAM  DESCRIPTION
    github__create_issue  github    Creates an issue in…
    files__read           files
    ");
    insta::assert_snapshot!(table::render(header, &rows, Some(32)), @r"
    github__create_issue
      upstream: github
      description: Creates an issue…
    files__read
      upstream: files
    ");
}

#[test]
fn an_empty_table_is_its_header() {
    assert_eq!(
        table::render(["NAME", "TEXT"], &[], Some(80)),
        "NAME    TEXT".replace("    ", "  ")
    );
}

#[test]
fn names_that_could_be_meant_are_few_and_good() {
    let cases: [(&str, &[&str]); 7] = [
        ("files__read_fil", &["files__read_file", "files__read_files"]),
        ("read_file", &["files__read_file", "files__read_files"]),
        ("file__read_file", &["files__read_file", "files__read_files"]),
        ("FILES__WRITE", &["files__write"]),
        ("plian", &["plain"]),
        // That they are of one upstream makes none of them more probable.
        ("files__x", &[]),
        ("", &[]),
    ];
    for (wanted, expected) in cases {
        let names = ["read_file", "read_files", "write", "append"]
            .map(|local| Candidate { public: format!("files__{local}"), local: local.to_owned() });
        let plain = Candidate { public: "plain".to_owned(), local: "plain".to_owned() };
        let found = nearest(wanted, names.into_iter().chain([plain]).collect());
        assert_eq!(found, expected, "for `{wanted}`");
    }
}

#[test]
fn no_text_of_others_moves_the_cursor() {
    let notice = Notice::warning("a\u{1b}[2Jb").cause("c\rd").hint("e\u{7}f\n  g");
    assert_eq!(notice.to_string(), "warning: a[2Jb\n  caused by: cd\n\nhint: ef\n  g");
}

#[test]
fn every_exit_code_means_one_thing() {
    let codes = exit::ALL.map(|exit| exit.code);
    assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
}
