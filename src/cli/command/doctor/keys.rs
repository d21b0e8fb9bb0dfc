//! Files of the directory of state that nobody but their owner may read: what they are good for,
//! and what to do when somebody else has read one.

use std::path::Path;
use std::path::PathBuf;

use crate::audit;
use crate::auth;
use crate::auth::Store;
use crate::upstream;

/// Such a file.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    /// What who has read it can do.
    pub(super) why: &'static str,
    /// What makes that worthless, if there is anything.
    pub(super) anew: Option<&'static str>,
    /// Its permissions, as in `600`.
    pub(super) mode: u32,
}

/// Returns all that are there, by what `mode` says of each.
pub(super) fn all(state: &Path, mode: impl Fn(&Path) -> Option<u32>) -> Vec<Kept> {
    let tokens = Store::new(auth::directory(state));
    let files = [
        (
            audit::key::path(state),
            "it signs the checkpoints of audit records: who has it can make records anew, and \
             nobody could tell",
            Some(
                "move it, `audit.pub` and the records elsewhere and start Conflux again, which \
                 makes a new one; `conflux audit verify` takes the old ones by `--directory` and \
                 `--key`",
            ),
        ),
        (
            tokens.key_file(),
            "it makes the hashes of tokens: who has it can make one that passes for that of a \
             token of this gateway",
            Some(
                "revoke all tokens (`conflux token revoke`), remove it, and make them anew \
                 (`conflux token create`), which makes a new key, too",
            ),
        ),
        (
            tokens.tokens_file(),
            "it says for whom tokens were made and what they are good for, and has their hashes",
            None,
        ),
        (
            upstream::key_of_task_ids(state),
            "it seals the ids of tasks: who has it can make ids of tasks of others",
            Some(
                "remove it and start Conflux again, which makes a new one; ids that clients have \
                 lead nowhere then",
            ),
        ),
    ];
    let found = files.into_iter();
    found
        .filter_map(|(path, why, anew)| Some(Kept { mode: mode(&path)?, path, why, anew }))
        .collect()
}
