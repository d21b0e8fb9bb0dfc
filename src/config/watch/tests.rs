//! Which directories lead to a file, and what is noticed in them.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::sync::watch as channel;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::watch;
use crate::config::watch::Writers;
use crate::config::watch::trail::Trail;

/// How long a busy machine may need.
const LIMIT: Duration = Duration::from_secs(30);

fn home() -> (TempDir, PathBuf) {
    let home = TempDir::new().unwrap();
    // The directory for temporary files may be a link itself.
    let path = fs::canonicalize(home.path()).unwrap();
    (home, path)
}

#[track_caller]
fn check(home: &Path, file: &str, directories: &[&str], end: &str) {
    let trail = Trail::default().to(home.join(file));
    let join = |name: &&str| if name.is_empty() { home.to_owned() } else { home.join(name) };
    assert_eq!(trail.directories, directories.iter().map(join).collect(), "{file}");
    assert_eq!(trail.ends, [home.join(end)].into(), "{file}");
}

#[test]
fn every_link_and_the_file_are_watched_where_they_lie() {
    let (_home, home) = home();
    fs::create_dir_all(home.join("one/deep")).unwrap();
    fs::create_dir(home.join("two")).unwrap();
    fs::write(home.join("one/file"), "").unwrap();
    symlink("one/file", home.join("near")).unwrap();
    symlink(home.join("near"), home.join("two/far")).unwrap();
    symlink("one", home.join("current")).unwrap();
    symlink("round", home.join("round")).unwrap();
    check(&home, "one/file", &["one"], "one/file");
    check(&home, "one/deep/../file", &["one"], "one/file");
    check(&home, "near", &["", "one"], "one/file");
    check(&home, "two/far", &["", "one", "two"], "one/file");
    check(&home, "current/file", &["", "one"], "one/file");
    check(&home, "one/missing", &["one"], "one/missing");
    check(&home, "missing/deep/file", &[""], "missing");
    assert!(Trail::default().to(home.join("round")).ends.is_empty());
}

/// The watch on one file, which has said that it watches.
struct Watched {
    changed: Arc<Notify>,
    _files: channel::Sender<Vec<PathBuf>>,
    _running: JoinSet<()>,
}

impl Watched {
    async fn begin(file: &Path) -> Self {
        let (changed, (files, watched)) =
            (Arc::<Notify>::default(), channel::channel(vec![file.to_owned()]));
        let mut running = JoinSet::new();
        running.spawn(watch::run(watched, None, Writers::default(), Arc::clone(&changed)));
        let watched = Self { changed, _files: files, _running: running };
        watched.noticed().await;
        watched
    }

    async fn noticed(&self) {
        timeout(LIMIT, self.changed.notified()).await.expect("it is noticed");
    }

    /// Whether something was noticed by now.
    async fn is_noticed(&self) -> bool {
        timeout(Duration::ZERO, self.changed.notified()).await.is_ok()
    }
}

#[tokio::test]
async fn however_a_file_becomes_another_one_it_is_noticed() {
    let (_home, home) = home();
    let file = home.join("conf/upstreams.yaml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "one").unwrap();
    let watched = Watched::begin(&file).await;
    fs::write(&file, "two").unwrap();
    watched.noticed().await;
    fs::write(home.join("conf/draft"), "three").unwrap();
    fs::rename(home.join("conf/draft"), &file).unwrap();
    watched.noticed().await;
    fs::remove_file(&file).unwrap();
    watched.noticed().await;
    fs::write(&file, "four").unwrap();
    watched.noticed().await;
    fs::rename(home.join("conf"), home.join("old")).unwrap();
    watched.noticed().await;
    fs::create_dir(home.join("new")).unwrap();
    fs::write(home.join("new/upstreams.yaml"), "five").unwrap();
    fs::rename(home.join("new"), home.join("conf")).unwrap();
    watched.noticed().await;
    fs::write(&file, "six").unwrap();
    watched.noticed().await;
}

#[tokio::test]
async fn a_link_that_is_swapped_is_noticed() {
    let (_home, home) = home();
    for version in ["v1", "v2"] {
        fs::create_dir(home.join(version)).unwrap();
        fs::write(home.join(version).join("upstreams.yaml"), version).unwrap();
    }
    symlink("v1", home.join("..data")).unwrap();
    symlink("..data/upstreams.yaml", home.join("upstreams.yaml")).unwrap();
    let watched = Watched::begin(&home.join("upstreams.yaml")).await;
    symlink("v2", home.join("..data_tmp")).unwrap();
    fs::rename(home.join("..data_tmp"), home.join("..data")).unwrap();
    watched.noticed().await;
    fs::write(home.join("v2/upstreams.yaml"), "v3").unwrap();
    watched.noticed().await;
}

#[tokio::test]
async fn what_does_not_change_the_file_is_not_told() {
    let (_home, home) = home();
    let file = home.join("upstreams.yaml");
    fs::write(&file, "one").unwrap();
    let watched = Watched::begin(&file).await;
    fs::write(home.join("other"), "one").unwrap();
    fs::write(&file, "one").unwrap();
    // What follows is noticed, so what was before is over.
    time_passes().await;
    assert!(!watched.is_noticed().await);
    fs::write(&file, "two").unwrap();
    watched.noticed().await;
    time_passes().await;
    assert!(!watched.is_noticed().await, "once");
}

/// Longer than changes are collected; on a machine too busy for that nothing is found wrong.
async fn time_passes() {
    tokio::time::sleep(watch::QUIET * 4).await;
}
