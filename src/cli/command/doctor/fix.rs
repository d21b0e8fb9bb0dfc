//! What `--fix` does: only what changes nothing but what is wrong, and can be undone.

use std::fs;
use std::io;
use std::path::Path;

use crate::cli::command::doctor::finding::Finding;
use crate::cli::command::doctor::finding::Fix;
use crate::cli::context::Context;
use crate::cli::edit::Edits;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::setup::yaml;

/// Mends what can be mended, and marks it; returns what could not be.
pub(super) fn all(findings: &mut [Finding], context: &Context<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    for finding in findings {
        let Some(fix) = &finding.fix else { continue };
        match one(fix, context) {
            Ok(()) => finding.is_fixed = true,
            Err(failure) => notices.extend(failure.notices),
        }
    }
    notices
}

fn one(fix: &Fix, context: &Context<'_>) -> Result<(), Failure> {
    let failed = |path: &Path, error: io::Error| {
        Failure::from(
            anyhow::Error::new(error).context(format!("cannot mend `{}`", path.display())),
        )
    };
    match fix {
        Fix::Close(path) => close(path).map_err(|error| failed(path, error)),
        Fix::Sweep(path) => fs::remove_file(path).map_err(|error| failed(path, error)),
        Fix::Locate { key, path } => {
            let mut edits = Edits::begin(context)?;
            let program = path.to_string_lossy();
            edits
                .change_member(key, &["command"], |text| yaml::with_command(text, key, &program))?;
            edits.write().map(drop)
        }
    }
}

#[cfg(unix)]
fn close(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn close(_: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
