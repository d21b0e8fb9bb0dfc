//! A list is all of its pages, and one without end costs neither time nor memory.

use crate::upstream::pages::Pages;
use crate::upstream::pages::Problem;
use crate::wire::Raw;

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned()).unwrap()
}

/// A page with these items and a cursor.
fn page(items: &str, cursor: usize) -> Raw {
    raw(&format!("{{\"tools\":[{items}],\"nextCursor\":\"{cursor}\"}}"))
}

/// Takes pages as long as there is one more; returns how many were taken and why no more were.
fn taken(pages: impl Iterator<Item = Raw>) -> (usize, Result<Vec<Raw>, Problem>) {
    let (mut list, mut count) = (Pages::new("tools"), 0);
    for page in pages {
        match list.take(&page) {
            Ok(next) => count += usize::from(next.is_some()),
            Err(problem) => return (count, Err(problem)),
        }
    }
    (count, Ok(list.into_items()))
}

#[test]
fn pages_are_asked_for_by_the_cursor_as_it_was_written() {
    let mut pages = Pages::new("tools");
    let next = pages.take(&raw(r#"{"nextCursor":"\u0061","tools":[ {"a":1.0} ]}"#)).unwrap();
    assert_eq!(next, Some(raw(r#"{"cursor":"\u0061"}"#)));
    assert_eq!(pages.take(&raw(r#"{"tools":[2],"nextCursor":null}"#)), Ok(None));
    assert_eq!(pages.into_items(), [raw(r#"{"a":1.0}"#), raw("2")]);
}

#[test]
fn what_is_no_page_is_refused() {
    for text in ["{}", "[]", r#"{"tools":{}}"#, r#"{"tools":null}"#, r#"{"prompts":[]}"#] {
        let (_, list) = taken([raw(text)].into_iter());
        assert_eq!(list, Err(Problem::NoArray("tools".to_owned())), "{text}");
    }
}

#[test]
fn a_list_without_end_is_refused_in_time() {
    let same = taken([1, 2, 1].into_iter().map(|cursor| page("", cursor)));
    assert_eq!(same, (2, Err(Problem::SameCursor)));
    let (count, list) = taken((0..).map(|cursor| page("1", cursor)));
    assert_eq!((count, list), (999, Err(Problem::TooManyPages)));
    let many = vec!["1"; 30_000].join(",");
    let (count, list) = taken((0..).map(|cursor| page(&many, cursor)));
    assert_eq!((count, list), (3, Err(Problem::TooManyItems)));
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    let (count, list) = taken((0..).map(|cursor| page(&large, cursor)));
    assert_eq!((count, list), (63, Err(Problem::TooLarge)));
}
