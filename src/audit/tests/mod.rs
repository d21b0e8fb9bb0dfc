//! Tests of the room: what is written, what is found when it was changed, and what is lost.

mod chain;
mod finding;
mod log;
mod lives;

use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;

use crate::audit::journal::Journal;
use crate::audit::key::PublicKey;
use crate::audit::record::Arguments;
use crate::audit::record::Decision;
use crate::audit::record::Fact;
use crate::audit::record::Name;
use crate::audit::record::Outcome;
use crate::audit::record::Record;
use crate::audit::record::Subject;
use crate::audit::record::What;
use crate::audit::record::Who;
use crate::audit::verify::Report;
use crate::audit::verify::verify;
use crate::config::audit;
use crate::config::audit::Audit;
use crate::config::audit::Keep;
use crate::config::audit::Mode;
use crate::config::secrets::Secrets;
use crate::exchange::principal::Principal;
use crate::ids::CallerId;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::wire::Raw;

/// A configuration for records in `home`.
fn config(home: &Path) -> Audit {
    Audit {
        mode: Mode::On,
        directory: home.join("audit"),
        keys: home.to_owned(),
        arguments: audit::Arguments::Masked,
        argument_limit: 4096,
        segment: 64 << 10,
        keep: Keep::Age(Duration::from_hours(24)),
        checkpoint_records: 1000,
        checkpoint_time: Duration::from_hours(1),
        index: audit::Index::Sqlite,
    }
}

fn journal(config: &Audit) -> Journal {
    Journal::new(config.clone(), Secrets::new(["hunter2!".to_owned()]))
}

/// The end of a call.
fn ended(event: u64, tool: &str, outcome: Outcome) -> Record {
    Record { fact: fact(outcome), ..decided(event, tool) }
}

fn fact(outcome: Outcome) -> Fact {
    let took = Duration::from_micros(1500);
    Fact::Ended { outcome, reason: None, took, bytes_in: 40, bytes_out: 90, is_cached: false }
}

/// The decision on a call.
fn decided(event: u64, tool: &str) -> Record {
    let local = tool.split_once("__").map(|(_, local)| local.into());
    Record {
        event: Some(event.into()),
        at: SystemTime::now(),
        who: Who {
            principal: Some(Principal::process()),
            session: Some(CallerId(7)),
            ..Who::default()
        },
        what: What {
            method: "tools/call".into(),
            upstream: Some(UpstreamId::new("toy")),
            subject: Some(Subject::Tool(Name { public: tool.into(), local })),
            arguments: Some(Arguments::of(Raw::parse(r#"{"a": 1.0}"#).unwrap(), 4096)),
            generation: Generation(3),
            trace: None,
        },
        fact: Fact::Decided { decision: Decision::Allow, rule: None },
    }
}

fn keys(config: &Audit) -> Vec<PublicKey> {
    PublicKey::in_state(&config.keys).unwrap().into_iter().collect()
}

fn report(config: &Audit) -> Report {
    verify(&config.directory, &keys(config), None).unwrap()
}

/// Nothing was changed.
#[track_caller]
fn intact(config: &Audit) -> Report {
    let report = report(config);
    assert_eq!(report.findings, []);
    report
}

/// Something was, and this is said about it.
#[track_caller]
fn finds(config: &Audit, expected: &str) {
    let report = report(config);
    let is_said = report.findings.iter().any(|finding| finding.what.contains(expected));
    assert!(is_said, "{:#?}", report.findings);
}
