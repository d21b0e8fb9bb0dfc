//! A database made of the records, so that finding some does not mean to read all (SQLite).
//!
//! It is a cache: whoever needs it brings it up to date with the segments first, and makes it anew
//! if it is missing, broken, or not of these segments. It knows where lines stand, and shows none.

use std::collections::HashSet;
use std::fs;
use std::fs::File;
use std::io;
use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Seek as _;
use std::io::SeekFrom;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::Connection as _;
use sqlx::QueryBuilder;
use sqlx::Row as _;
use sqlx::Sqlite;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::sqlite::SqliteJournalMode;
use sqlx::sqlite::SqliteSynchronous;
use tokio::task;

use crate::audit::digest::Digest;
use crate::audit::error::Error;
use crate::audit::files;
use crate::audit::files::MAX_LINE;
use crate::audit::query::Query;
use crate::audit::query::Record;
use crate::audit::query::micros;
use crate::disk::file;

/// The name of the database.
const NAME: &str = "index.sqlite";
/// How long another process may write to it.
const BUSY_LIMIT: Duration = Duration::from_secs(10);
/// How many lines are taken in at once; others can write in between.
const CHUNK: usize = 5000;
/// Changes when the tables do.
const TABLES_VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS segments (
        stream TEXT NOT NULL, segment INTEGER NOT NULL,
        size INTEGER NOT NULL, last INTEGER NOT NULL, hash TEXT NOT NULL,
        PRIMARY KEY (stream, segment)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS records (
        time INTEGER NOT NULL, stream TEXT NOT NULL, segment INTEGER NOT NULL,
        offset INTEGER NOT NULL, length INTEGER NOT NULL, kind TEXT NOT NULL,
        principal TEXT NOT NULL, upstream TEXT NOT NULL, name TEXT NOT NULL, outcome TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS by_time ON records (time);
    CREATE INDEX IF NOT EXISTS by_principal ON records (principal, time);
    CREATE INDEX IF NOT EXISTS by_upstream ON records (upstream, time);
    CREATE INDEX IF NOT EXISTS by_segment ON records (stream, segment);
";

/// A segment, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Segment {
    stream: String,
    number: i64,
}

/// How much of a segment was taken in.
#[derive(Clone, Debug, Default)]
struct Taken {
    /// Up to here, in bytes.
    size: u64,
    /// Where the last line begins that was.
    last: u64,
    /// The digest of that line.
    hash: String,
}

/// Lines that are to be taken in, and how much is taken in with them.
#[derive(Debug, Default)]
struct Chunk {
    records: Vec<(u64, u64, Record)>,
    taken: Taken,
}

/// Whether what was found was there.
enum Found {
    Records(Vec<Record>),
    /// The segment is not the one that was taken in.
    Differs(Segment),
}

/// Returns the newest records that match, the oldest of them first; nothing if the segments change
/// as fast as they are taken in.
pub async fn search(directory: &Path, query: &Query) -> Result<Option<Vec<Record>>, Error> {
    let path = directory.join(NAME);
    let mut is_new = false;
    loop {
        match found(directory, &path, query).await {
            Err(Failed::Database(error)) if !is_new => {
                // Whatever is wrong with it, there is nothing in it that is not elsewhere.
                tracing::debug!(%error, "the index of the audit is made anew");
                remove(&path).map_err(Error::at(&path))?;
                is_new = true;
            }
            Err(Failed::Database(error)) => {
                return Err(Error::Index { path, error: Box::new(error) });
            }
            Err(Failed::Other(error)) => return Err(error),
            Ok(records) => return Ok(records),
        }
    }
}

/// Takes in what was written since the last time.
pub async fn update(directory: &Path) -> Result<(), Error> {
    let path = directory.join(NAME);
    let update = async {
        let mut database = open(&path).await?;
        bring_up_to_date(directory, &mut database).await?;
        Ok(database.close().await?)
    };
    update.await.map_err(|failed| match failed {
        Failed::Database(error) => Error::Index { path: path.clone(), error: Box::new(error) },
        Failed::Other(error) => error,
    })
}

/// Why something did not come about.
enum Failed {
    Database(sqlx::Error),
    Other(Error),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

async fn found(
    directory: &Path,
    path: &Path,
    query: &Query,
) -> Result<Option<Vec<Record>>, Failed> {
    if !directory.is_dir() {
        return Ok(Some(Vec::new()));
    }
    let mut database = open(path).await?;
    let mut seen = HashSet::new();
    loop {
        bring_up_to_date(directory, &mut database).await?;
        match select(directory, &mut database, query).await? {
            Found::Records(records) => {
                database.close().await?;
                return Ok(Some(records));
            }
            Found::Differs(segment) => {
                forget(&mut database, &segment).await?;
                if !seen.insert(segment) {
                    return Ok(None);
                }
            }
        }
    }
}

async fn open(path: &Path) -> Result<SqliteConnection, Failed> {
    // SQLite gives its other files the mode of this one.
    let file = file::private().write(true).create(true).truncate(false).open(path);
    file.map_err(Error::at(path))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_LIMIT);
    let mut database = SqliteConnection::connect_with(&options).await?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut database).await?;
    if version != 0 && version != TABLES_VERSION {
        let drop = "DROP TABLE IF EXISTS segments; DROP TABLE IF EXISTS records;";
        sqlx::raw_sql(drop).execute(&mut database).await?;
    }
    sqlx::raw_sql(TABLES).execute(&mut database).await?;
    sqlx::raw_sql("PRAGMA user_version = 1").execute(&mut database).await?;
    Ok(database)
}

fn remove(path: &Path) -> io::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        match fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

async fn bring_up_to_date(directory: &Path, database: &mut SqliteConnection) -> Result<(), Failed> {
    let known =
        sqlx::query("SELECT stream, segment FROM segments").fetch_all(&mut *database).await?;
    let known = known.iter().map(|row| Segment { stream: row.get(0), number: row.get(1) });
    let mut gone: HashSet<Segment> = known.collect();
    for stream in files::streams(directory)? {
        for (number, path) in &stream.segments {
            let segment = Segment { stream: stream.id.clone(), number: (*number).into() };
            gone.remove(&segment);
            while take_in(database, &segment, path).await? {}
        }
    }
    for segment in gone {
        forget(database, &segment).await?;
    }
    Ok(())
}

/// Takes the next lines of a segment in; returns whether there may be more.
async fn take_in(
    database: &mut SqliteConnection,
    segment: &Segment,
    path: &Path,
) -> Result<bool, Failed> {
    let taken = taken(database, segment).await?;
    let is_same = taken.as_ref().is_none_or(|taken| is_of(taken, path));
    if !is_same {
        forget(database, segment).await?;
        return Ok(true);
    }
    let before = taken.map_or(0, |taken| taken.size);
    let (stream, path) = (segment.stream.clone(), path.to_owned());
    let reading = task::spawn_blocking(move || read(&stream, &path, before));
    let chunk = reading.await.expect("reading does not panic")?;
    let Some(Chunk { records, taken: now }) = chunk else { return Ok(false) };
    let mut change = database.begin_with("BEGIN IMMEDIATE").await?;
    // Another process may have been quicker.
    let size = "SELECT size FROM segments WHERE stream = ? AND segment = ?";
    let size = sqlx::query_scalar(size).bind(&segment.stream).bind(segment.number);
    let size: Option<i64> = size.fetch_optional(&mut *change).await?;
    if number(before) != size.unwrap_or_default() {
        change.rollback().await?;
        return Ok(true);
    }
    for (offset, length, record) in records {
        let insert = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let insert = sqlx::query(insert).bind(record.micros());
        let insert = insert.bind(&segment.stream).bind(segment.number);
        let insert = insert.bind(number(offset)).bind(number(length));
        let insert = insert.bind(record.text("kind")).bind(record.text("principal"));
        let insert = insert.bind(record.text("upstream")).bind(record.name());
        insert.bind(record.outcome()).execute(&mut *change).await?;
    }
    let note = "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?)";
    let note = sqlx::query(note).bind(&segment.stream).bind(segment.number);
    let note = note.bind(number(now.size)).bind(number(now.last)).bind(now.hash);
    note.execute(&mut *change).await?;
    change.commit().await?;
    Ok(true)
}

fn number(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

async fn taken(
    database: &mut SqliteConnection,
    segment: &Segment,
) -> Result<Option<Taken>, sqlx::Error> {
    let select = "SELECT size, last, hash FROM segments WHERE stream = ? AND segment = ?";
    let select = sqlx::query(select).bind(&segment.stream).bind(segment.number);
    let row = select.fetch_optional(database).await?;
    Ok(row.map(|row| Taken {
        size: u64::try_from(row.get::<i64, _>(0)).unwrap_or_default(),
        last: u64::try_from(row.get::<i64, _>(1)).unwrap_or_default(),
        hash: row.get(2),
    }))
}

/// Whether a segment still has the last line that was taken in where it was.
fn is_of(taken: &Taken, path: &Path) -> bool {
    let length = taken.size.saturating_sub(taken.last);
    let line = part(path, taken.last, length).ok();
    line.and_then(|line| Some(Digest::of(line.strip_suffix(b"\n")?).to_string() == taken.hash))
        .unwrap_or_default()
}

fn part(path: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length.min(MAX_LINE)).unwrap_or_default()];
    File::open(path)?.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// Reads complete lines from a place on; nothing if there is none.
fn read(stream: &str, path: &Path, start: u64) -> Result<Option<Chunk>, Error> {
    let read = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(start))?;
        let mut file = BufReader::new(file);
        let (mut chunk, mut at, mut lines) = (Chunk::default(), start, 0);
        let mut line = Vec::new();
        while lines < CHUNK {
            line.clear();
            let length = (&mut file).take(MAX_LINE).read_until(b'\n', &mut line)? as u64;
            let Some(text) = line.strip_suffix(b"\n") else { break };
            if let Some(record) = Record::parse(stream, &String::from_utf8_lossy(text)) {
                chunk.records.push((at, length - 1, record));
            }
            let hash = Digest::of(text).to_string();
            chunk.taken = Taken { size: at + length, last: at, hash };
            at += length;
            lines += 1;
        }
        Ok((lines > 0).then_some(chunk))
    };
    match read() {
        // It was removed in the meantime.
        Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => Ok(None),
        read => read.map_err(Error::at(path)),
    }
}

async fn forget(database: &mut SqliteConnection, segment: &Segment) -> Result<(), sqlx::Error> {
    let mut change = database.begin_with("BEGIN IMMEDIATE").await?;
    for delete in [
        "DELETE FROM records WHERE stream = ? AND segment = ?",
        "DELETE FROM segments WHERE stream = ? AND segment = ?",
    ] {
        let delete = sqlx::query(delete).bind(&segment.stream).bind(segment.number);
        delete.execute(&mut *change).await?;
    }
    change.commit().await
}

/// Finds lines, and reads them where they stand.
async fn select(
    directory: &Path,
    database: &mut SqliteConnection,
    query: &Query,
) -> Result<Found, Failed> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT stream, segment, offset, length FROM records WHERE time >= ",
    );
    sql.push_bind(query.since.map_or(0, micros));
    sql.push(" AND time < ").push_bind(query.until.map_or(i64::MAX, micros));
    for (column, wanted) in [
        (" AND principal = ", &query.principal),
        (" AND upstream = ", &query.upstream),
        (" AND kind = ", &query.kind),
    ] {
        if let Some(wanted) = wanted {
            sql.push(column).push_bind(wanted.as_str());
        }
    }
    if let Some(outcome) = &query.outcome {
        sql.push(" AND (outcome = ").push_bind(outcome.as_str());
        sql.push(" OR outcome GLOB ").push_bind(format!("{outcome}:*")).push(")");
    }
    sql.push(" ORDER BY time DESC, stream, segment DESC, offset DESC");
    let mut rows = sql.build().fetch(database);
    let mut records = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let segment = Segment { stream: row.get(0), number: row.get(1) };
        let (offset, length): (i64, i64) = (row.get(2), row.get(3));
        let at = u64::try_from(offset).ok().zip(u64::try_from(length).ok());
        let path = directory.join(&segment.stream).join(format!("{:06}.jsonl", segment.number));
        let line = at.and_then(|(offset, length)| part(&path, offset, length).ok());
        let text = line.and_then(|line| String::from_utf8(line).ok());
        let Some(record) = text.and_then(|text| Record::parse(&segment.stream, &text)) else {
            return Ok(Found::Differs(segment));
        };
        if query.matches(&record) {
            records.push(record);
        }
        if records.len() >= query.limit {
            break;
        }
    }
    records.reverse();
    Ok(Found::Records(records))
}
