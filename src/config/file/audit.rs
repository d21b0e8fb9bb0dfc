//! Whether and how it is recorded who called what, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::config::units::WrittenDuration;
use crate::config::units::WrittenKeep;
use crate::config::units::WrittenSize;

/// Whether and how it is recorded who called what. A word alone is the `mode`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-short" = "mode"))]
pub struct Audit {
    /// Whether records are written. Without it: `on` if anything else is said here, or if the
    /// file says who may do what; else `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<AuditMode>,

    /// The directory of the records, relative to the directory of this file; without it, `audit`
    /// in the directory of state. Nobody else may be able to write there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,

    /// What records have of the arguments of calls.
    pub arguments: Arguments,

    /// How much of the arguments of one call a record has, from `256B` to `64KiB`. Long texts in
    /// longer ones are cut, with their size and SHA-256.
    pub argument_limit: WrittenSize,

    /// How large a segment, a file of records, grows until the next one is begun; from `64KiB` to
    /// `1GiB`. Each day begins one anyhow.
    pub segment: WrittenSize,

    /// How long records are kept, or how much of them, in whole segments: `400d`, `10GiB`; at
    /// least `1h` and `1MiB`.
    pub keep: WrittenKeep,

    /// When what has been recorded is signed.
    pub checkpoint: Checkpoint,

    /// What `conflux audit search` looks in.
    pub index: Index,
}

impl Default for Audit {
    fn default() -> Self {
        let size = |text: &str| WrittenSize(text.to_owned());
        Self {
            mode: None,
            directory: None,
            arguments: Arguments::default(),
            argument_limit: size("4KiB"),
            segment: size("64MiB"),
            keep: WrittenKeep("400d".to_owned()),
            checkpoint: Checkpoint::default(),
            index: Index::default(),
        }
    }
}

/// Whether records are written.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditMode {
    /// None are.
    Off,
    /// They are; what cannot be written is counted and reported, and no call waits for it.
    On,
    /// They are, and a call of which the record cannot be written is refused.
    Required,
}

/// What records have of the arguments of calls.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arguments {
    /// The arguments, with `***` in the place of secrets: values that came out of `${…}`, values
    /// under names such as `password` and `token`, and what looks like a token.
    #[default]
    Masked,
    /// Their size and the SHA-256 of their canonical form (RFC 8785).
    Digest,
    /// Nothing but their size.
    None,
}

/// When what has been recorded is signed: after so many records, or so long after the first one
/// that is not.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoint {
    /// After how many records.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub records: usize,

    /// After how long, from `100ms` to `1h`.
    pub time: WrittenDuration,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { records: 1000, time: WrittenDuration("10s".to_owned()) }
    }
}

/// What `conflux audit search` looks in.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Index {
    /// A database beside the records, made of them alone, which may be deleted at any time.
    #[default]
    Sqlite,
    /// The records themselves, all of them each time.
    None,
}
