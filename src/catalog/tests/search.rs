//! Searching: what fits best comes first, and it is the same on every machine.

use serde_json::json;

use super::merge;
use crate::catalog::Catalog;
use crate::catalog::Listing;
use crate::catalog::Source;
use crate::ids::UpstreamId;
use crate::wire::Raw;

fn tool(name: &str, title: &str, description: &str, arguments: &[&str]) -> Raw {
    let properties: serde_json::Map<_, _> =
        arguments.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
    Raw::of(&json!({
        "name": name,
        "title": title,
        "description": description,
        "inputSchema": { "type": "object", "properties": properties },
    }))
}

fn catalog() -> Catalog {
    let of = |key: &str, tools: Vec<Raw>| {
        let listing = Listing { tools, ..Listing::default() };
        let (upstream, prefix) = (UpstreamId::new(key), key.to_owned());
        Source { upstream, prefix, over_http: false, listing: listing.into() }
    };
    let github = vec![
        tool(
            "create_issue",
            "Create issue",
            "Open a new issue in a repository",
            &["owner", "repo"],
        ),
        tool("list_issues", "List issues", "List the issues of a repository", &["owner", "state"]),
        tool("mergePullRequest", "", "Merge a pull request", &["owner", "pullNumber"]),
        tool("search_code", "", "Search for code on all of the hub", &["query"]),
    ];
    let files = vec![
        tool("read_file", "Read", "Read the whole of a file as text", &["path", "head"]),
        tool("search_files", "", "Find files whose names match a pattern", &["path", "pattern"]),
        tool("move_file", "", "Move or rename a file", &["source", "destination"]),
    ];
    merge(&[of("github", github), of("files", files)], 50)
}

fn found<'c>(catalog: &'c Catalog, question: &str) -> Vec<&'c str> {
    catalog.search(question).into_iter().map(|tool| tool.public.as_str()).collect()
}

#[test]
fn what_fits_best_comes_first() {
    let catalog = catalog();
    let cases = [
        ("create an issue", "github__create_issue"),
        ("list issues", "github__list_issues"),
        ("merge pull request", "github__mergePullRequest"),
        ("pullNumber", "github__mergePullRequest"),
        ("rename a file", "files__move_file"),
        ("files__read_file", "files__read_file"),
        ("repo", "github__create_issue"),
        ("destination", "files__move_file"),
        ("SEARCH CODE", "github__search_code"),
    ];
    for (question, best) in cases {
        assert_eq!(found(&catalog, question).first(), Some(&best), "{question}");
    }
}

#[test]
fn what_does_not_fit_is_not_found() {
    let catalog = catalog();
    assert_eq!(found(&catalog, "weather tomorrow"), [""; 0]);
    assert_eq!(found(&catalog, "!?"), [""; 0]);
    let files = found(&catalog, "destination");
    assert_eq!(files, ["files__move_file"]);
}

#[test]
fn whoever_asks_for_nothing_is_told_everything_in_order() {
    let catalog = catalog();
    let all: Vec<_> =
        catalog.entries(crate::catalog::Kind::Tools).map(|tool| tool.public.as_str()).collect();
    assert_eq!(found(&catalog, " "), all);
}

#[test]
fn of_two_that_fit_alike_the_first_comes_first() {
    let twin = |key: &str| {
        let tools = vec![tool("same", "", "the very same words", &[])];
        let listing = Listing { tools, ..Listing::default() };
        let upstream = UpstreamId::new(key);
        Source { upstream, prefix: key.to_owned(), over_http: false, listing: listing.into() }
    };
    let catalog = merge(&[twin("b"), twin("a"), twin("c")], 50);
    for _ in 0..3 {
        assert_eq!(found(&catalog, "very same"), ["b__same", "a__same", "c__same"]);
    }
}
