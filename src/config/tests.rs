//! Tests of the small pieces: units, references, masks, names, variables of children.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use crate::config::environment;
use crate::config::hints::Wanted;
use crate::config::interpolate;
use crate::config::interpolate::Sources;
use crate::config::name;
use crate::config::patterns;
use crate::config::patterns::Case;
use crate::config::patterns::Patterns;
use crate::config::secrets::Secrets;
use crate::config::suggest;
use crate::config::tools::ToolFilter;
use crate::config::units;

fn sources(variables: &BTreeMap<String, String>) -> Sources<'_> {
    Sources { variables, home: Some(Path::new("/home/ann")), directory: Path::new("/etc/conflux") }
}

#[track_caller]
fn check_duration(text: &str, milliseconds: u64) {
    assert_eq!(units::duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
}

#[track_caller]
fn check_size(text: &str, bytes: usize) {
    assert_eq!(units::size(text), Ok(bytes), "{text}");
}

#[test]
fn units_have_their_usual_meaning() {
    check_duration("500ms", 500);
    check_duration("30s", 30_000);
    check_duration("10m", 600_000);
    check_duration("2h", 7_200_000);
    check_duration("0s", 0);
    check_size("4096B", 4096);
    check_size("100KB", 100_000);
    check_size("3MB", 3_000_000);
    check_size("1GB", 1_000_000_000);
    check_size("512KiB", 512 * 1024);
    check_size("16MiB", 16 * 1024 * 1024);
    check_size("1GiB", 1024 * 1024 * 1024);
}

#[test]
fn a_bare_number_is_given_the_likely_unit() {
    let hint = |result: Result<_, units::Misread>| result.unwrap_err().hint;
    assert_eq!(hint(units::duration("30").map(drop)), "did you mean `30s`?");
    assert_eq!(hint(units::duration("30000").map(drop)), "did you mean `30000ms`?");
    assert_eq!(hint(units::size("16").map(drop)), "did you mean `16MiB`?");
    assert_eq!(hint(units::size("16777216").map(drop)), "did you mean `16777216B`?");
}

proptest! {
    #[test]
    fn durations_survive_a_round_trip(milliseconds in 0..u64::MAX / 2) {
        let duration = Duration::from_millis(milliseconds);
        prop_assert_eq!(units::duration(&units::show_duration(duration)), Ok(duration));
    }

    #[test]
    fn sizes_survive_a_round_trip(bytes: usize) {
        prop_assert_eq!(units::size(&units::show_size(bytes)), Ok(bytes));
    }

    #[test]
    fn units_never_panic_and_guess_what_they_read(text in "\\PC{0,12}") {
        for misread in [units::duration(&text).err(), units::size(&text).err()] {
            let guess = misread.as_ref().and_then(|misread| misread.hint.split('`').nth(1));
            let is_guess = misread.as_ref().is_some_and(|misread| misread.hint.starts_with("did"));
            let guess = guess.filter(|_| is_guess).unwrap_or("1s");
            let fits = units::duration(guess).is_ok() || units::size(guess).is_ok();
            prop_assert!(fits || guess.len() > 18, "{} from {}", guess, text);
        }
    }

    #[test]
    fn text_without_references_stays(text in "[^{]{0,40}") {
        let variables = BTreeMap::new();
        let expanded = interpolate::expand(&text, &sources(&variables)).unwrap();
        prop_assert_eq!(expanded.text, text);
        prop_assert!(expanded.values.is_empty());
    }

    #[test]
    fn escaped_text_stands_for_itself(text in "[a-z${}:-]{0,40}") {
        let variables = BTreeMap::new();
        // A `$` before an escaped `${` would read as one more escape.
        let text = text.replace("$$", "$");
        let escaped = text.replace("${", "$${");
        let expanded = interpolate::expand(&escaped, &sources(&variables)).unwrap();
        prop_assert_eq!(expanded.text, text);
    }

    #[test]
    fn values_are_not_expanded_again(value in "\\PC{0,20}", front in "[a-z ]{0,5}") {
        let variables = BTreeMap::from([("NAME".to_owned(), value.clone())]);
        let text = format!("{front}${{NAME}}|${{env:NAME}}");
        let expanded = interpolate::expand(&text, &sources(&variables)).unwrap();
        prop_assert_eq!(expanded.text, format!("{front}{value}|{value}"));
    }

    #[test]
    fn no_secret_survives_masking(
        secrets in proptest::collection::vec("[a-c\"\\\\]{4,8}", 1..4),
        text in "[a-c\"\\\\ ]{0,40}",
        at in 0..40_usize,
    ) {
        let text: String = text.chars().take(at).chain(secrets.concat().chars())
            .chain(text.chars().skip(at)).collect();
        let masked = Secrets::new(secrets.clone()).mask(&text).into_owned();
        for secret in secrets {
            prop_assert!(!masked.contains(&secret), "{} in {}", secret, masked);
        }
    }

    #[test]
    fn a_repaired_name_is_a_name(text in "[ -~]{0,20}") {
        if let Err(misread) = name::check(&text, "key", "an upstream")
            && let Some(guess) = misread.hint.strip_prefix("did you mean `")
        {
            let guess = guess.trim_end_matches("`?");
            let is_right = name::check(guess, "key", "an upstream").is_ok();
            prop_assert!(guess == "conflux" || is_right, "{}", guess);
        }
    }
}

#[test]
fn a_number_too_large_is_said_to_be() {
    let huge = format!("{}h", u64::MAX);
    assert!(units::duration(&huge).unwrap_err().message.ends_with("is too large"));
}

#[test]
fn secrets_are_masked_in_every_shape() {
    let secrets = Secrets::new(["abc\"def".to_owned(), "line one\nline two\n".to_owned()]);
    assert_eq!(secrets.mask("x abc\"def y"), "x *** y");
    assert_eq!(secrets.mask(r#"{"x":"abc\"def"}"#), r#"{"x":"***"}"#);
    assert_eq!(secrets.mask("tail: line two"), "tail: ***");
    let secrets = Secrets::new(["a b\"c/d+e=".to_owned()]);
    for shape in ["/a%20b%22c/d+e=/mcp", "?key=a%20b%22c/d+e=", "?key=a+b%22c%2Fd%2Be%3D"] {
        let masked = secrets.mask(shape);
        assert!(masked.contains("***") && !masked.contains("%22"), "{masked}");
    }
    assert_eq!(secrets.mask("nothing here"), "nothing here");
    assert_eq!(format!("{secrets:?}"), "Secrets { .. }");
}

#[test]
fn what_is_all_over_any_text_is_not_masked() {
    let values = ["abc", "true", "8080", ""].map(str::to_owned);
    assert_eq!(Secrets::new(values).mask("abc true 8080"), "abc true 8080");
    assert_eq!(Secrets::new(["123456".to_owned()]).mask("pin 123456"), "pin ***");
}

#[test]
fn secrets_that_overlap_leave_nothing() {
    let secrets = Secrets::new(["abcdef".to_owned(), "defghi".to_owned(), "cdef".to_owned()]);
    assert_eq!(secrets.mask("<abcdefghi>"), "<***>");
}

#[test]
fn children_get_no_credentials() {
    let variables = [
        ("PATH", "/usr/bin"),
        ("LC_TIME", "C"),
        ("https_proxy", "http://proxy:3128"),
        ("HTTP_PROXY", "http://ann:pass@proxy:3128"),
        ("SSH_AUTH_SOCK", "/run/agent"),
        ("GITHUB_TOKEN", "x"),
        ("CONFLUX_LIMITS__MESSAGE", "1MiB"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let given = environment::for_children(&variables);
    let given: Vec<_> = given.keys().map(String::as_str).collect();
    assert_eq!(given, ["LC_TIME", "PATH", "https_proxy"]);
}

#[test]
fn paths_start_where_they_are_written() {
    let variables = BTreeMap::new();
    let resolve = |path| interpolate::resolve(path, &sources(&variables)).unwrap();
    assert_eq!(resolve("./a//b"), PathBuf::from("/etc/conflux/a/b"));
    assert_eq!(resolve("/a"), PathBuf::from("/a"));
    assert_eq!(resolve("~/a"), PathBuf::from("/home/ann/a"));
    assert_eq!(resolve("~"), PathBuf::from("/home/ann"));
    assert_eq!(resolve("~bob/a"), PathBuf::from("/etc/conflux/~bob/a"));
    let homeless = Sources { home: None, ..sources(&variables) };
    assert!(interpolate::resolve("~/a", &homeless).is_err());
}

#[test]
fn files_are_bounded_and_lose_one_newline() {
    let directory = tempfile::tempdir().unwrap();
    let variables = BTreeMap::new();
    let sources = Sources { variables: &variables, home: None, directory: directory.path() };
    let expand = |content: &[u8]| {
        std::fs::write(directory.path().join("value"), content).unwrap();
        interpolate::expand("<${file:value}>", &sources).map(|expanded| expanded.text)
    };
    assert_eq!(expand(b"a\n\n").unwrap(), "<a\n>");
    assert_eq!(expand(b"a\r\n").unwrap(), "<a>");
    assert_eq!(expand(b"").unwrap(), "<>");
    assert_eq!(expand(&vec![b'a'; 65536]).unwrap().len(), 65538);
    assert!(expand(&vec![b'a'; 65537]).unwrap_err()[0].message.contains("larger than 64KiB"));
}

#[test]
fn tool_patterns_match_whole_names_and_case() {
    let patterns = |written: &[&str]| {
        let read = |text: &&str| patterns::pattern(text, Case::Matters).unwrap();
        Patterns::new(written.iter().map(read).collect()).unwrap()
    };
    let filter = ToolFilter::new(
        patterns(&["get_*", "{list,find}_?", "a/*"]),
        patterns(&["*_all"]),
        Wanted::default(),
    );
    for name in ["get_x", "get_", "list_x", "find_1", "a/b/c"] {
        assert!(filter.permits(name), "{name}");
    }
    for name in ["Get_x", "xget_x", "list_xy", "get_all", "other", ""] {
        assert!(!filter.permits(name), "{name}");
    }
    let nothing = ToolFilter::new(Patterns::none(), Patterns::none(), Wanted::default());
    assert!(!nothing.permits("x"));
}

#[test]
fn only_slips_of_the_hand_are_guessed() {
    let known = ["command", "args", "env", "cwd", "disabled"];
    assert_eq!(suggest::key("comand", &known), Some("command"));
    assert_eq!(suggest::key("Command", &known), Some("command"));
    assert_eq!(suggest::key("environment", &known), Some("env"));
    assert_eq!(suggest::key("sharing", &known), None);
    assert_eq!(suggest::key("x", &known), None);
}

#[test]
fn what_a_reload_brings_is_masked_and_what_was_known_stays_masked() {
    let secrets = Secrets::new(["first-secret".to_owned()]);
    let shared = secrets.clone();
    secrets.learn(&Secrets::new(["second-secret".to_owned()]));
    secrets.learn(&Secrets::new(["third-secret".to_owned()]));
    let text = "first-secret second-secret third-secret";
    assert_eq!(shared.mask(text), "*** *** ***");
}

#[test]
fn secrets_of_the_past_take_up_only_so_much() {
    let secrets = Secrets::new(["first-secret".to_owned()]);
    secrets.learn(&Secrets::new((0..8000).map(|number| format!("secret-{number}"))));
    assert_eq!(secrets.mask("secret-7999 secret-0"), "*** ***", "all of those in force");
    assert_eq!(secrets.mask("first-secret"), "first-secret");
}
