//! Configurations for tests, loaded from a text as they are from a file.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::config::Config;
use crate::config::Upstream;
use crate::config::load::Options;
use crate::config::load::load_within;
use crate::config::surroundings::Surroundings;

/// Loads `text` from a file in `home`, which is also the directory for what outlives a run; nothing
/// else is around.
#[track_caller]
pub fn load(home: &Path, text: &str) -> Config {
    let file = home.join("upstreams.yaml");
    fs::write(&file, text).unwrap();
    let options = Options { files: vec![file], overrides: Vec::new() };
    let around = Surroundings {
        directory: home.to_owned(),
        state: Some(home.to_owned()),
        ..Surroundings::default()
    };
    load_within(&options, &around).unwrap()
}

/// Loads the upstream `toy` with this entry.
#[track_caller]
pub fn upstream(entry: &str) -> Upstream {
    let home = TempDir::new().unwrap();
    let config = load(home.path(), &format!("upstreams:\n  toy: {entry}\n"));
    config.upstreams.into_values().next().unwrap()
}
