//! `conflux audit verify`: whether records are as they were written.

use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::audit::key::PublicKey;
use crate::audit::receipt::Receipt;
use crate::audit::verify;
use crate::audit::verify::Finding;
use crate::audit::verify::Found;
use crate::audit::verify::Report;
use crate::audit::verify::State;
use crate::cli::command::audit::place::Place;
use crate::cli::command::audit::place::unreadable;
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::report::printable;
use crate::cli::table;
use crate::disk::key;

/// Find what was changed in the records since they were written
///
/// Every edit, removal, insertion and other order is found, and ends that are missing. How far each
/// stream, which is what one process wrote, is covered by a signature is told. If anything was
/// changed, this ends with 1. Who has the private key can make all of it anew: `--checkpoint` finds
/// that, with a checkpoint that was kept elsewhere.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A public key to trust, in PEM; repeat it for several. Without it, the one of this gateway,
    /// `audit.pub` in its directory of state
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// A checkpoint that was kept elsewhere, as it was logged, to compare with
    #[arg(long, value_name = "TEXT")]
    checkpoint: Option<String>,
    /// Print what is found as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Verify {
    /// Looks, and says what is found.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<(), Failure> {
        let (directory, config) = self.place.find(context)?;
        let keys = match (config, self.key.is_empty()) {
            (_, false) => self.keys()?,
            (Some(config), true) => own(&config.audit.keys)?,
            (None, true) => own(&context.state()?)?,
        };
        let receipt = self.checkpoint.as_deref().map(|text| Receipt::parse(text, &keys));
        let receipt = receipt.transpose().map_err(|error| {
            let notice = Notice::error("cannot compare with the checkpoint").cause(error);
            let hint = "give it as it was logged, in one piece, and the key it is signed with";
            Failure::new(exit::USAGE, notice.hint(hint))
        })?;
        let report = verify::verify(&directory, &keys, receipt.as_ref()).map_err(unreadable)?;
        if self.json {
            output::data(&document(&report).to_string())?;
        } else {
            output::data(&table(&report, context.width()))?;
        }
        judged(&report, &directory)
    }

    fn keys(&self) -> Result<Vec<PublicKey>, Failure> {
        let read = |path: &PathBuf| PublicKey::read(path).map_err(no_key);
        self.key.iter().map(read).collect()
    }
}

/// Returns the key of this gateway; none where nothing was ever signed.
fn own(state: &Path) -> Result<Vec<PublicKey>, Failure> {
    Ok(PublicKey::in_state(state).map_err(no_key)?.into_iter().collect())
}

fn no_key(error: key::Error) -> Failure {
    let notice = Notice::error("cannot read the public key").cause(error);
    Failure::new(exit::FAILURE, notice.hint("name the file with `--key`"))
}

fn table(report: &Report, width: Option<usize>) -> String {
    if report.streams.is_empty() {
        return "there are no records".to_owned();
    }
    let row = |found: &Found| {
        [
            printable(&found.id).replace('\n', " "),
            found.state.as_str().to_owned(),
            found.segments.to_string(),
            found.records.to_string(),
            found.unsealed.to_string(),
            remark(found),
        ]
    };
    let rows: Vec<_> = report.streams.iter().map(row).collect();
    table::render(["STREAM", "STATE", "SEGMENTS", "RECORDS", "UNSEALED", "REMARK"], &rows, width)
}

fn remark(found: &Found) -> String {
    let mut remarks = Vec::new();
    match found.state {
        State::CutOff if found.unsealed > 0 => remarks.push(format!(
            "its process was killed; nothing proves that its last {} lines are all there were",
            found.unsealed
        )),
        State::CutOff => remarks.push("its process was killed".to_owned()),
        State::Running if found.unsealed > 0 => {
            remarks.push("its last lines are signed with the next checkpoint".to_owned());
        }
        State::Running | State::Closed | State::Found => {}
    }
    if found.is_torn && found.state != State::Running {
        remarks.push("its last line is only half there".to_owned());
    }
    if found.lost > 0 {
        remarks.push(format!("{} records could not be written", found.lost));
    }
    remarks.join("; ")
}

fn document(report: &Report) -> Value {
    let stream = |found: &Found| {
        json!({
            "stream": found.id,
            "state": found.state.as_str().replace(' ', "_"),
            "segments": found.segments,
            "records": found.records,
            "unsealed": found.unsealed,
            "lost": found.lost,
            "torn": found.is_torn,
        })
    };
    let finding = |finding: &Finding| {
        json!({
            "place": finding.place,
            "segment": finding.segment,
            "line": finding.line,
            "what": finding.what,
        })
    };
    json!({
        "intact": report.findings.is_empty(),
        "streams": report.streams.iter().map(stream).collect::<Vec<_>>(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn judged(report: &Report, directory: &Path) -> Result<(), Failure> {
    if report.findings.is_empty() {
        return Ok(());
    }
    let message = format!("the records in `{}` are not as they were written", directory.display());
    let notice = report
        .findings
        .iter()
        .fold(Notice::error(message), |notice, finding| notice.cause(told(finding)));
    let hint = "keep a copy of all of it as it is now; what stands before the first place that is \
                named can be trusted up to its last checkpoint";
    Err(Failure::new(exit::FAILURE, notice.hint(hint)))
}

fn told(finding: &Finding) -> String {
    let mut place = finding.place.clone();
    if let Some(segment) = finding.segment {
        place = format!("{place}, segment {segment}");
    }
    if let Some(line) = finding.line {
        place = format!("{place}, line {line}");
    }
    format!("{place}: {}", finding.what)
}
