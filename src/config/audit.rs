//! The checks of what is said about the audit.

use std::ops::RangeInclusive;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::file;
use crate::config::interpolate;
use crate::config::problem::KeyPath;
use crate::config::units;
use crate::config::validate::Check;

pub use crate::config::units::Keep;

/// Less would not hold a plain call; more would make a record of a message.
const ARGUMENT_LIMIT: RangeInclusive<usize> = 256..=64 << 10;
/// Smaller ones would be more files than records are worth; larger ones are kept for too long.
const SEGMENT: RangeInclusive<usize> = 64 << 10..=1 << 30;
/// Signing takes microseconds, and a write to the disk.
const TIME: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(1);
/// Whatever is kept must outlive the segment it is in.
const KEPT_TIME: Duration = Duration::from_hours(1);
/// The same, in bytes.
const KEPT_SIZE: u64 = 1 << 20;
/// The name of the directory of records within that of state.
const DIRECTORY: &str = "audit";

/// Whether and how it is recorded who called what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Whether it is.
    pub mode: Mode,
    /// Where records are.
    pub directory: PathBuf,
    /// The directory of the key that they are signed with.
    pub keys: PathBuf,
    /// What records have of arguments.
    pub arguments: Arguments,
    /// How much of the arguments of one call, in bytes.
    pub argument_limit: usize,
    /// How large a segment grows, in bytes.
    pub segment: u64,
    /// What is kept.
    pub keep: Keep,
    /// After how many records they are signed.
    pub checkpoint_records: usize,
    /// And after how long.
    pub checkpoint_time: Duration,
    /// What is searched.
    pub index: Index,
}

/// Whether records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// None are.
    Off,
    /// They are, as well as that goes.
    On,
    /// They are, or calls are refused.
    Required,
}

impl Mode {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Required => "required",
        }
    }
}

/// What records have of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// All but secrets.
    Masked,
    /// A digest.
    Digest,
    /// Nothing.
    None,
}

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// A database made of the records.
    Sqlite,
    /// The records.
    None,
}

impl Check<'_> {
    /// Checks what is said about the audit. Where nothing is said, there is one if it `is_governed`
    /// who may do what.
    pub(super) fn audit(
        &mut self,
        written: Option<&file::Audit>,
        is_governed: bool,
        state: Option<&Path>,
    ) -> Audit {
        let path = KeyPath::of(&["audit"]);
        let mode = match (written, is_governed) {
            (Some(written), _) => written.mode.unwrap_or(file::AuditMode::On),
            (None, true) => file::AuditMode::On,
            (None, false) => file::AuditMode::Off,
        };
        let default = file::Audit::default();
        let written = written.unwrap_or(&default);
        let segment = self.size(&written.segment, &SEGMENT, &path.key("segment"));
        let file::Checkpoint { records, ref time } = written.checkpoint;
        // Without one there is a problem already.
        let state = state.unwrap_or(Path::new(""));
        let directory = written.directory.as_deref();
        Audit {
            mode: match mode {
                file::AuditMode::Off => Mode::Off,
                file::AuditMode::On => Mode::On,
                file::AuditMode::Required => Mode::Required,
            },
            directory: match directory {
                Some(text) => self.audit_directory(text, &path.key("directory")),
                None => state.join(DIRECTORY),
            },
            keys: state.to_owned(),
            arguments: match written.arguments {
                file::Arguments::Masked => Arguments::Masked,
                file::Arguments::Digest => Arguments::Digest,
                file::Arguments::None => Arguments::None,
            },
            argument_limit: self.size(
                &written.argument_limit,
                &ARGUMENT_LIMIT,
                &path.key("argument_limit"),
            ),
            segment: segment as u64,
            keep: self.keep(&written.keep, &path.key("keep")),
            checkpoint_records: records,
            checkpoint_time: self.duration(time, &TIME, &path.key("checkpoint").key("time")),
            index: match written.index {
                file::Index::Sqlite => Index::Sqlite,
                file::Index::None => Index::None,
            },
        }
    }

    fn audit_directory(&mut self, text: &str, path: &KeyPath) -> PathBuf {
        let place = self.context.places.value(path);
        let text = self.expand_openly(text, path, &place, false).text;
        if text.is_empty() {
            let message = format!("`{path}` is empty");
            self.wrong(path, message, "name a directory, or remove the key");
        }
        let directory = self.directory(&place).to_owned();
        interpolate::resolve(&text, &self.sources(&directory)).unwrap_or_else(|misread| {
            self.wrong(path, misread.message, &misread.hint);
            directory
        })
    }

    fn keep(&mut self, written: &units::WrittenKeep, path: &KeyPath) -> Keep {
        let too_little =
            || format!("`{path}` is `{}`, but must be at least `1h` or `1MiB`", written.0);
        match units::keep(&written.0) {
            Ok(Keep::Age(age)) if age < KEPT_TIME => {
                self.wrong(path, too_little(), "write `400d`, for example");
            }
            Ok(Keep::Size(size)) if size < KEPT_SIZE => {
                self.wrong(path, too_little(), "write `10GiB`, for example");
            }
            Ok(keep) => return keep,
            Err(misread) => self.wrong(path, misread.message, &misread.hint),
        }
        Keep::Age(KEPT_TIME)
    }
}
