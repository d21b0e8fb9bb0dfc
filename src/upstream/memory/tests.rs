//! What comes back of what was written down, and what does not.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::config;
use crate::config::sample;
use crate::ids::UpstreamId;
use crate::upstream::Disk;
use crate::upstream::Inventory;
use crate::upstream::Recalled;
use crate::upstream::memory::Catalog;
use crate::upstream::memory::Recalling;
use crate::upstream::memory::fingerprint;
use crate::upstream::memory::inventory::LARGEST;
use crate::upstream::prune::Entry;
use crate::upstream::prune::prune;
use crate::upstream::prune::superfluous;
use crate::wire::Raw;

const DAY: Duration = Duration::from_hours(24);

fn tool(name: &str) -> Raw {
    Raw::parse(format!(r#"{{"name":"{name}","x":1.0}}"#)).unwrap()
}

fn tools(names: &[&str]) -> Inventory {
    let tools = names.iter().map(|name| tool(name)).collect();
    Inventory { tools: Some(tools), ..Inventory::default() }
}

struct Place {
    home: TempDir,
    config: config::Upstream,
}

impl Place {
    fn new() -> Self {
        Self { home: TempDir::new().unwrap(), config: sample::upstream("{ command: none }") }
    }

    fn catalog(&self) -> Catalog {
        Catalog::new(&Disk::new(self.home.path().to_owned()), &self.config)
    }

    async fn recalled(&self) -> Option<Inventory> {
        self.catalog().recall().await.map(|(inventory, _)| inventory)
    }

    fn files(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.home.path().join("catalogs")).unwrap();
        all.map(|entry| entry.unwrap().path()).collect()
    }

    fn file(&self) -> PathBuf {
        let files = self.files();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

#[tokio::test]
async fn what_was_listed_comes_back_byte_by_byte() {
    let place = Place::new();
    assert_eq!(place.recalled().await, None);
    let prompts = Some(vec![Raw::parse(r#"{ "name" : "ä\u00e4" }"#).unwrap()]);
    let listed = Inventory { prompts, skills: Some(Vec::new()), ..tools(&["a", "b"]) };
    assert!(place.catalog().keep(listed.clone()).await);
    assert_eq!(place.recalled().await, Some(listed));
}

#[tokio::test]
async fn a_list_that_could_not_be_had_stays_as_it_was() {
    let place = Place::new();
    let prompts = || Some(vec![tool("p")]);
    assert!(place.catalog().keep(Inventory { prompts: prompts(), ..tools(&["a"]) }).await);
    assert!(place.catalog().keep(tools(&["b"])).await);
    assert_eq!(place.recalled().await, Some(Inventory { prompts: prompts(), ..tools(&["b"]) }));
    assert!(place.catalog().keep(Inventory::default()).await);
    assert!(place.recalled().await.is_some(), "nothing was had, and nothing is lost");
}

#[tokio::test]
async fn what_is_listed_as_before_is_not_written_but_confirmed() {
    let place = Place::new();
    assert!(place.catalog().keep(tools(&["a"])).await);
    let path = place.file();
    let before = SystemTime::now() - 2 * DAY;
    fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
    let from = |found: Option<(Inventory, super::Moment)>| found.unwrap().1.to_string();
    let old = from(place.catalog().recall().await);
    let text = fs::read(&path).unwrap();
    assert!(place.catalog().keep(tools(&["a"])).await);
    let new = from(place.catalog().recall().await);
    assert!(old < new && new.ends_with('Z') && new.len() == 20, "{old} {new}");
    assert_eq!(fs::read(&path).unwrap(), text);
}

#[test]
fn whatever_time_a_disk_says_can_be_shown() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    for (time, shown) in [
        (at(1_700_000_000), "2023-11-14T22:13:20Z"),
        (before, "1970-01-01T00:00:00Z"),
        (at(1 << 40), "9999-12-31T23:59:59Z"),
    ] {
        assert_eq!(super::Moment::from(time).to_string(), shown);
    }
}

#[tokio::test]
async fn files_of_others_and_broken_ones_are_not_believed() {
    let place = Place::new();
    assert!(place.catalog().keep(tools(&["a"])).await);
    let path = place.file();
    let good = fs::read_to_string(&path).unwrap();
    let print = fingerprint(&place.config);
    let far_too_long = format!("{good}{}", " ".repeat(LARGEST));
    for wrong in [
        "",
        "{",
        "[]",
        "null",
        good.split_at(good.len() / 2).0,
        &good.replace("\"version\":1", "\"version\":2"),
        &good.replace("\"version\":1", "\"other\":1"),
        &good.replace(&print, &"0".repeat(print.len())),
        &good.replace("\"tools\":[", "\"tools\":7,\"x\":["),
        &good.replace("\"tools\":[", "\"tools\":[],\"tools\":["),
        &far_too_long,
    ] {
        fs::write(&path, wrong).unwrap();
        assert_eq!(place.recalled().await, None, "{wrong:.100}");
        assert!(place.catalog().keep(tools(&["a"])).await, "it is mended");
        assert_eq!(fs::read_to_string(&path).unwrap(), good);
    }
    fs::write(&path, [b'"', 0xff, b'"']).unwrap();
    assert_eq!(place.recalled().await, None);
    fs::write(&path, good.replace(r#""x":1.0"#, "\n\"x\":1.0\n")).unwrap();
    let lines = place.recalled().await.unwrap().tools.unwrap();
    assert!(!lines[0].get().contains('\n'), "it would end a message: {lines:?}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(place.recalled().await, None);
    assert!(!place.catalog().keep(tools(&["a"])).await);
}

async fn recalled(upstreams: &[config::Upstream], disk: &Disk) -> Vec<(UpstreamId, Recalled)> {
    Recalling::begin(upstreams.iter().cloned().map(Arc::new), disk).finish().await
}

#[tokio::test]
async fn many_are_read_at_once_and_each_has_its_own() {
    let place = Place::new();
    let disk = Disk::new(place.home.path().to_owned());
    let entries = (0..50).map(|number| sample::upstream(&format!("{{ command: c{number} }}")));
    let all: Vec<config::Upstream> = entries.collect();
    let name = |number: usize| format!("tool_{number}");
    // Every other one was there before.
    for (number, upstream) in all.iter().enumerate().step_by(2) {
        assert!(Catalog::new(&disk, upstream).keep(tools(&[&name(number)])).await);
    }
    let numbered = all.iter().enumerate().map(|(number, upstream)| {
        let id = UpstreamId::new(&name(number));
        config::Upstream { id, ..upstream.clone() }
    });
    let renamed: Vec<_> = numbered.collect();
    assert_eq!(recalled(&all, &disk).await.len(), 50);
    let order = recalled(&renamed, &disk).await.into_iter().map(|(id, _)| id);
    assert!(order.eq(renamed.iter().map(|it| it.id.clone())));
    assert!(recalled(&renamed, &disk).await.iter().all(|(_, it)| it.inventory.is_none()));
    assert!(recalled(&[], &disk).await.is_empty());
    for (number, upstream) in all.iter().enumerate() {
        let found = recalled(std::slice::from_ref(upstream), &disk).await;
        let [(_, found)] = &found[..] else { panic!("{found:?}") };
        let inventory = found.inventory.as_ref().map(|(inventory, _)| inventory.clone());
        assert_eq!(inventory, (number % 2 == 0).then(|| tools(&[&name(number)])));
    }
}

#[tokio::test]
async fn who_lists_too_much_is_not_remembered_at_all() {
    let place = Place::new();
    assert!(place.catalog().keep(tools(&["a"])).await);
    assert!(place.catalog().keep(tools(&[&"x".repeat(LARGEST)])).await);
    assert_eq!(place.files(), [] as [&Path; 0], "what it listed before is no longer so");
    assert!(place.catalog().keep(tools(&[&"x".repeat(LARGEST)])).await);
}

#[tokio::test]
async fn those_that_write_at_the_same_time_leave_one_whole_file() {
    let place = Place::new();
    let many: Vec<String> = (0..1000).map(|number| format!("tool_{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for round in 0..20 {
        let (one, two) = (place.catalog(), place.catalog());
        let kept = tokio::join!(one.keep(tools(&many[round..])), two.keep(tools(&["a"])));
        assert_eq!(kept, (true, true));
        let found = place.recalled().await;
        assert!([tools(&many[round..]), tools(&["a"])].map(Some).contains(&found), "{found:?}");
        place.file();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_what_is_remembered() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    assert!(place.catalog().keep(tools(&["a"])).await);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = place.file();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn another_configuration_has_another_fingerprint() {
    let entries = [
        "{ command: a }",
        "{ command: a, args: [b] }",
        "{ command: a, args: [b, c] }",
        "{ command: a, args: [bc] }",
        "{ command: a, args: [b], env: { c: d } }",
        "{ command: a, args: [b, c, d] }",
        "{ command: a, env: { b: c } }",
        "{ command: a, env: { b: d } }",
        "{ command: a, cwd: / }",
        "{ url: \"http://localhost/a\" }",
        "{ url: \"http://localhost/b\" }",
        "{ url: \"http://localhost/a\", headers: { x: y } }",
        "{ url: \"http://localhost/a\", headers: { x: z } }",
        "{ url: \"http://localhost/a\", proxy: \"http://localhost:1\" }",
    ];
    let all: HashSet<String> =
        entries.iter().map(|it| fingerprint(&sample::upstream(it))).collect();
    assert_eq!(all.len(), entries.len());
    // How it is used says nothing on what it lists.
    let used = sample::upstream("{ command: a, prefix: b, required: true, timeout: { idle: 1s } }");
    assert!(all.contains(&fingerprint(&used)));
}

#[test]
fn what_nobody_confirms_goes_and_so_does_what_is_too_much() {
    let now = SystemTime::now();
    let entry = |name: &str, age, size| Entry { path: name.into(), modified: now - age, size };
    let gone = |entries: Vec<Entry>| -> Vec<String> {
        let gone = superfluous(entries, now).into_iter();
        gone.map(|entry| entry.path.display().to_string()).collect()
    };
    let mega = 1024 * 1024;
    assert_eq!(gone(vec![entry("a.json", 91 * DAY, 1), entry("b.json", 89 * DAY, 1)]), ["a.json"]);
    let future = Entry { modified: now + DAY, ..entry("c.json", DAY, 1) };
    assert_eq!(gone(vec![future]), [] as [&str; 0]);
    let drafts = vec![entry("a.0.tmp", DAY, 1), entry("b.0.tmp", Duration::ZERO, 1)];
    assert_eq!(gone(drafts), ["a.0.tmp"]);
    let large = [(3, "c"), (1, "a"), (2, "b")];
    let large = large.map(|(age, name)| entry(name, age * DAY, 100 * mega));
    assert_eq!(gone(large.into()), ["c"], "those not confirmed for longest");
    let many = (0..600).map(|number| entry(&number.to_string(), DAY + number * DAY / 1000, 1));
    assert_eq!(gone(many.collect()).len(), 600 - 512);
}

#[tokio::test]
async fn old_files_are_removed_from_the_disk() {
    let place = Place::new();
    assert!(place.catalog().keep(tools(&["a"])).await);
    let old = place.home.path().join("catalogs/old.json");
    fs::write(&old, "{}").unwrap();
    let then = SystemTime::now() - 100 * DAY;
    fs::File::options().write(true).open(&old).unwrap().set_modified(then).unwrap();
    prune(Disk::new(place.home.path().to_owned())).await;
    assert!(!old.exists());
    assert_eq!(place.recalled().await, Some(tools(&["a"])));
    prune(Disk::new(place.home.path().join("none"))).await;
}
