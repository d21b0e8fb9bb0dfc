//! What `docs/running.md` says about faults: the table, in words.

use std::fmt::Write as _;

use crate::faults::table::Act;
use crate::faults::table::Case;
use crate::faults::table::FAULTS;
use crate::faults::table::Outcome;
use crate::faults::table::Then;

/// Returns the table of the faults.
pub(super) fn table() -> String {
    let mut text = String::from("| an upstream that | over stdio | over HTTP |\n|---|---|---|\n");
    for fault in FAULTS {
        let (stdio, http) = (words(fault.stdio.as_ref(), false), words(fault.http.as_ref(), true));
        writeln!(text, "| {} | {stdio} | {http} |", fault.what).unwrap();
    }
    text
}

/// What the caller sees, and what becomes of the upstream.
fn words(case: Option<&Case>, is_remote: bool) -> String {
    let Some(case) = case else { return "–".to_owned() };
    let call = match case.call {
        Outcome::Answered => "the call is answered".to_owned(),
        Outcome::AnsweredLater => "the call is sent once more, and answered".to_owned(),
        Outcome::Failed { kind, executed, says } => {
            format!("“{says}” (`{kind}`, `{executed}`)")
        }
    };
    let then = match (case.then, case.act, is_remote) {
        (Then::Stays, Act::Often(_), _) => "after a pause that grows one call tries it",
        (Then::Stays, Act::Stop, _) => "used again when it goes on",
        (Then::Stays, _, _) => "stays in use",
        (Then::Anew, _, false) => "started again for the next call, which waits for it",
        (Then::Anew, _, true) => "another session is opened first",
        (Then::OnceWell, _, _) => "tried again after pauses, by itself and for calls",
        (Then::Changed, _, _) => "once it is there again, clients are told of the new list",
    };
    format!("{call}; {then}")
}
