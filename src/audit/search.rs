//! Finds records, with the index or without it.
//!
//! Whatever is found by is only where to look: what is shown stands in a segment, and matches.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;

use crate::audit::error::Error;
use crate::audit::files;
use crate::audit::index;
use crate::audit::query::Query;
use crate::audit::query::Record;
use crate::config::audit::Index;

/// Returns the newest records that match, the oldest of them first.
pub async fn search(directory: &Path, index: Index, query: &Query) -> Result<Vec<Record>, Error> {
    let found = match index {
        Index::Sqlite => index::search(directory, query).await?,
        Index::None => None,
    };
    found.map_or_else(|| scan(directory, query), Ok)
}

/// Does so by reading everything.
pub fn scan(directory: &Path, query: &Query) -> Result<Vec<Record>, Error> {
    // By time, and in the order in which they were found.
    let mut newest = BTreeMap::new();
    let mut count: u64 = 0;
    for stream in files::streams(directory)? {
        for path in stream.segments.values() {
            let file = match File::open(path) {
                // It was removed in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(Error::at(path))?,
            };
            for line in BufReader::new(file).split(b'\n') {
                let line = line.map_err(Error::at(path))?;
                let record = Record::parse(&stream.id, &String::from_utf8_lossy(&line));
                let Some(record) = record.filter(|record| query.matches(record)) else { continue };
                count += 1;
                newest.insert((record.time, count), record);
                if newest.len() > query.limit {
                    newest.pop_first();
                }
            }
        }
    }
    Ok(newest.into_values().collect())
}
