//! What is remembered of calls, by whom, and what happens to files that say something else.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::SystemTime;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::config::sample;
use crate::disk::lock::Lock;
use crate::disk::shared;
use crate::upstream::Disk;
use crate::upstream::List;
use crate::upstream::usage;
use crate::upstream::usage::Account;
use crate::upstream::usage::Day;
use crate::upstream::usage::Ledger;
use crate::upstream::usage::sheet;
use crate::upstream::usage::sheet::Known;
use crate::upstream::usage::sheet::Sheet;
use crate::wire::Raw;

struct Place {
    home: TempDir,
    config: Arc<config::Upstream>,
}

impl Place {
    fn new() -> Self {
        let config = Arc::new(sample::upstream("{ command: none }"));
        Self { home: TempDir::new().unwrap(), config }
    }

    fn file(&self) -> PathBuf {
        let name = format!("{}.json", usage::stem(&self.config));
        self.home.path().join(usage::DIRECTORY).join(name)
    }

    /// What one run does, from its start until everything it noted is written.
    async fn run(&self, work: impl FnOnce(&Account)) {
        let (ledger, stop) = (Ledger::default(), CancellationToken::new());
        work(&ledger.account(Arc::clone(&self.config)));
        stop.cancel();
        ledger.keep(Disk::new(self.home.path().to_owned()), stop).await;
    }

    /// Since when a tool is known, and when it was called last.
    fn known(&self, tool: &str) -> (Option<Day>, Option<Day>) {
        let usage = usage::load(self.home.path());
        (usage.known_since(&self.config, tool), usage.last_called(&self.config, tool))
    }
}

fn list(names: &[&str]) -> List {
    let items = names.iter().map(|name| Raw::of(&serde_json::json!({ "name": name })));
    List { items: items.collect(), freshness: None }
}

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

#[test]
fn a_day_is_one_in_utc() {
    for text in ["1970-01-01", "2026-11-22", "2028-02-29", "9999-12-31"] {
        assert_eq!(day(text).to_string(), text);
    }
    for text in ["", "2026-11-31", "2026-11-22T00", "tomorrow"] {
        assert_eq!(Day::parse(text), None, "{text}");
    }
    let evening = humantime::parse_rfc3339("2026-11-22T23:59:59Z").unwrap();
    assert_eq!(Day::of(evening), day("2026-11-22"));
    assert_eq!(Day::left(evening), Duration::from_secs(1));
    assert_eq!(day("2026-12-01").days_since(day("2026-11-01")), 30);
    assert_eq!(day("2026-11-01").days_since(day("2026-12-01")), 0);
    // Whatever a clock says.
    assert_eq!(Day::of(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), day("1970-01-01"));
    let far = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 4_000_000);
    assert_eq!(Day::of(far), day("9999-12-31"));
}

#[tokio::test]
async fn what_is_listed_is_known_and_what_is_called_was_called() {
    let place = Place::new();
    let today = Day::today();
    place.run(|account| account.listed(&list(&["read", "write"]))).await;
    assert_eq!(place.known("read"), (Some(today), None));
    let mark = AtomicU32::new(0);
    place.run(|account| account.called("read", &mark)).await;
    assert_eq!(place.known("read"), (Some(today), Some(today)));
    assert_eq!(place.known("write"), (Some(today), None));
    assert_eq!(place.known("other"), (None, None));
    // Another server under the same key is another one.
    let other = sample::upstream("{ command: other }");
    assert_eq!(usage::load(place.home.path()).known_since(&other, "read"), None);
}

#[tokio::test]
async fn a_tool_is_noted_once_a_day_whatever_catalogs_there_are() {
    let place = Place::new();
    let (ledger, stop) = (Ledger::default(), CancellationToken::new());
    let account = ledger.account(Arc::clone(&place.config));
    let (first, second) = (AtomicU32::new(0), AtomicU32::new(0));
    account.called("read", &first);
    assert_ne!(first.load(Ordering::Relaxed), 0);
    stop.cancel();
    ledger.clone().keep(Disk::new(place.home.path().to_owned()), stop.clone()).await;
    fs::remove_file(place.file()).unwrap();
    // The one of a catalog that was merged anew knows nothing of it, but the account does.
    account.called("read", &first);
    account.called("read", &second);
    ledger.keep(Disk::new(place.home.path().to_owned()), stop).await;
    assert!(!place.file().exists());
    assert_eq!(first.load(Ordering::Relaxed), second.load(Ordering::Relaxed));
}

#[tokio::test]
async fn what_others_wrote_stays() {
    let place = Place::new();
    fs::create_dir_all(place.file().parent().unwrap()).unwrap();
    let text = r#"{"version":1,"tools":{"old":{"since":"2026-01-02"},
        "read":{"since":"2026-01-02","called":"2026-01-05"},
        "next":{"since":"2026-01-02","called":"9999-01-05"}}}"#;
    fs::write(place.file(), text).unwrap();
    place
        .run(|account| {
            account.called("read", &AtomicU32::new(0));
            account.called("next", &AtomicU32::new(0));
        })
        .await;
    let old = Some(day("2026-01-02"));
    assert_eq!(place.known("old"), (old, None));
    assert_eq!(place.known("read"), (old, Some(Day::today())));
    assert_eq!(place.known("next"), (old, Some(day("9999-01-05"))));
}

#[tokio::test]
async fn processes_that_write_at_the_same_time_lose_nothing() {
    let place = Place::new();
    let names: Vec<_> = (0..8).map(|number| format!("tool{number}")).collect();
    let run = async |name: &String| {
        for round in 0..5 {
            let tool = format!("{name}_{round}");
            place.run(|account| account.called(&tool, &AtomicU32::new(0))).await;
        }
    };
    futures_util::future::join_all(names.iter().map(run)).await;
    let usage = usage::load(place.home.path());
    for name in &names {
        for round in 0..5 {
            let tool = format!("{name}_{round}");
            assert!(usage.last_called(&place.config, &tool).is_some(), "{tool}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_damaged_is_set_aside_and_one_of_a_later_conflux_is_left_alone() {
    let place = Place::new();
    fs::create_dir_all(place.file().parent().unwrap()).unwrap();
    let call = |account: &Account| account.called("read", &AtomicU32::new(0));
    for damaged in ["", "{", "[]", r#"{"version":1,"tools":{"x":{"since":"soon"}}}"#] {
        fs::write(place.file(), damaged).unwrap();
        assert_eq!(place.known("read"), (None, None), "{damaged}");
        place.run(call).await;
        assert_eq!(place.known("read").1, Some(Day::today()), "{damaged}");
        let aside = place.file().with_extension(shared::BROKEN);
        assert_eq!(fs::read_to_string(aside).unwrap(), damaged);
    }
    let later = r#"{"version":2,"anything":true}"#;
    fs::write(place.file(), later).unwrap();
    place.run(call).await;
    assert_eq!(fs::read_to_string(place.file()).unwrap(), later);
    assert_eq!(place.known("read"), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_ends_the_notes_of_no_other() {
    let (good, bad) = (Place::new(), sample::upstream("{ command: other }"));
    let state = good.home.path();
    let bad_file = state.join(usage::DIRECTORY).join(format!("{}.json", usage::stem(&bad)));
    fs::create_dir_all(bad_file.parent().unwrap()).unwrap();
    let later = r#"{"version":2}"#.to_owned();
    let large = format!(r#"{{"version":1,"tools":{{}}{}}}"#, " ".repeat(4 << 20));
    for (round, text) in [later, large].into_iter().enumerate() {
        fs::write(&bad_file, &text).unwrap();
        let (ledger, stop) = (Ledger::default(), CancellationToken::new());
        let mut keeping = JoinSet::new();
        keeping.spawn(ledger.clone().keep(Disk::new(state.to_owned()), stop.clone()));
        ledger.account(Arc::new(bad.clone())).called("read", &AtomicU32::new(0));
        time::sleep(Duration::from_secs(10)).await;
        let tool = format!("read{round}");
        ledger.account(Arc::clone(&good.config)).called(&tool, &AtomicU32::new(0));
        stop.cancel();
        keeping.join_next().await.unwrap().unwrap();
        assert_eq!(good.known(&tool).1, Some(Day::today()), "{round}");
        assert_eq!(fs::read_to_string(&bad_file).unwrap(), text, "it is left alone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_ends_however_much_is_noted() {
    let place = Place::new();
    let begun = day("2026-01-01");
    let (ledger, stop) = (Ledger::begun(begun), CancellationToken::new());
    let account = ledger.account(Arc::clone(&place.config));
    let mut keeping = JoinSet::new();
    keeping.spawn(ledger.keep(Disk::new(place.home.path().to_owned()), stop.clone()));
    let mark = AtomicU32::new(0);
    account.called("read", &mark);
    assert_eq!(mark.load(Ordering::Relaxed), begun.number());
    for minute in 0..5 {
        account.called(&format!("read{minute}"), &AtomicU32::new(0));
        time::sleep(Duration::from_mins(1)).await;
    }
    account.called("read", &mark);
    assert_ne!(mark.load(Ordering::Relaxed), begun.number());
    stop.cancel();
    keeping.join_next().await.unwrap().unwrap();
    assert_eq!(place.known("read"), (Some(begun), Some(Day::today())));
}

#[tokio::test(start_paused = true)]
async fn an_account_knows_no_more_than_what_is_listed() {
    let place = Place::new();
    let (ledger, stop) = (Ledger::default(), CancellationToken::new());
    let account = ledger.account(Arc::clone(&place.config));
    let mut keeping = JoinSet::new();
    keeping.spawn(ledger.keep(Disk::new(place.home.path().to_owned()), stop.clone()));
    account.listed(&list(&["one"]));
    account.listed(&list(&["two"]));
    time::sleep(Duration::from_secs(10)).await;
    // What it knows shows in what it notes again.
    fs::remove_file(place.file()).unwrap();
    account.listed(&list(&["one", "two"]));
    stop.cancel();
    keeping.join_next().await.unwrap().unwrap();
    assert_eq!(place.known("one"), (Some(Day::today()), None), "it was not listed in between");
    assert_eq!(place.known("two"), (None, None), "it is known already");
}

#[tokio::test]
async fn an_account_has_bounds_as_its_file_has() {
    let place = Place::new();
    let long = (0..5).map(|number| format!("{number}{}", "x".repeat(sheet::NAME)));
    let names: Vec<_> = long.chain((0..sheet::TOOLS + 5).map(|it| format!("tool{it}"))).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    place.run(|account| account.listed(&list(&names))).await;
    let (first, last) = (place.known("tool0"), place.known(&format!("tool{}", sheet::TOOLS - 1)));
    assert!(first.0.is_some() && last.0.is_some(), "names that are too long take no room");
    assert_eq!(place.known(&format!("tool{}", sheet::TOOLS)), (None, None));
}

#[test]
fn no_file_grows_for_ever_and_what_was_called_last_stays() {
    let place = Place::new();
    let (since, mut sheet) = (day("2026-01-01"), Sheet::default());
    sheet.note(&"x".repeat(sheet::NAME + 1), Known { since, called: None });
    sheet.note("called", Known { since, called: Some(since) });
    for number in 0..sheet::TOOLS + 5 {
        let since = Day::numbered(since.number() + u32::try_from(number).unwrap());
        sheet.note(&format!("tool{number}"), Known { since, called: None });
    }
    let lock = Lock::try_take(&place.home.path().join("lock")).unwrap();
    sheet::record(&place.file(), &sheet, &lock).unwrap();
    let found: Sheet = shared::read(&place.file()).unwrap().unwrap();
    assert!(found.tool("called").is_some());
    assert!(found.tool("tool5").is_none() && found.tool("tool6").is_some());
    assert!(found.tool(&"x".repeat(sheet::NAME + 1)).is_none());
}
