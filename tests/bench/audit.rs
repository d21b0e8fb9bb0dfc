//! What it costs a call to be recorded: what it waits for, and what the thread of the writer does
//! later. A call has two records.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use conflux::audit::Log;
use conflux::audit::record::Decision;
use conflux::audit::record::Fact;
use conflux::audit::record::Name;
use conflux::audit::record::Record;
use conflux::audit::record::Subject;
use conflux::audit::record::What;
use conflux::audit::record::Who;
use conflux::config::audit::Arguments;
use conflux::config::audit::Audit;
use conflux::config::audit::Index;
use conflux::config::audit::Keep;
use conflux::config::audit::Mode;
use conflux::config::secrets::Secrets;
use conflux::exchange::caller::Capabilities;
use conflux::exchange::principal::Principal;
use conflux::ids::CallerId;
use conflux::ids::Generation;
use conflux::ids::UpstreamId;
use conflux::wire::Raw;
use divan::Bencher;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// So many records fit into the queue, so that none finds it full.
const ROUND: usize = 512;

struct Stage {
    log: Log,
    capabilities: Arc<Capabilities>,
    upstream: UpstreamId,
    runtime: Runtime,
    _home: TempDir,
}

impl Stage {
    fn new(mode: Mode) -> Self {
        let home = TempDir::new().unwrap();
        let config = Audit {
            mode,
            directory: home.path().join("audit"),
            keys: home.path().to_owned(),
            arguments: Arguments::Masked,
            argument_limit: 4096,
            segment: 64 << 20,
            keep: Keep::Age(Duration::from_hours(24)),
            checkpoint_records: 1000,
            checkpoint_time: Duration::from_secs(10),
            index: Index::None,
        };
        let secrets = (0..20).map(|number| format!("a-secret-of-some-length-{number}"));
        Self {
            log: Log::start(&config, &Secrets::new(secrets)),
            capabilities: Arc::default(),
            upstream: UpstreamId::new("files"),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            _home: home,
        }
    }

    /// A decision on a call with these arguments, made as the router makes it.
    fn record(&self, arguments: &Raw) -> Record {
        Record {
            event: Some(1.into()),
            at: SystemTime::now(),
            who: Who {
                principal: Some(Principal::process()),
                capabilities: Some(Arc::clone(&self.capabilities)),
                session: Some(CallerId(7)),
                peer: None,
            },
            what: What {
                method: "tools/call".into(),
                upstream: Some(self.upstream.clone()),
                subject: Some(Subject::Tool(Name {
                    public: "files__read_text_file".into(),
                    local: Some("read_text_file".into()),
                })),
                arguments: self.log.arguments(arguments.clone()),
                generation: Generation(3),
                trace: None,
            },
            fact: Fact::Decided { decision: Decision::Allow, rule: None },
        }
    }
}

fn arguments() -> Raw {
    let text =
        r#"{"path":"/home/ann/notes.md","head":40,"note":"what a model says, in a sentence"}"#;
    Raw::parse(text).unwrap()
}

/// What a call waits for, for one record of the two that it has.
#[divan::bench(sample_count = 200, sample_size = 1)]
fn hand_over(bencher: Bencher<'_, '_>) {
    let (stage, arguments) = (Stage::new(Mode::On), arguments());
    bencher.counter(ROUND).bench_local(|| {
        for _ in 0..ROUND {
            stage.log.record(stage.record(&arguments));
        }
    });
    stage.runtime.block_on(stage.log.close());
}

/// What a call waits for where it must be recorded: until the record was handed to the system.
#[divan::bench]
fn confirm(bencher: Bencher<'_, '_>) {
    let (stage, arguments) = (Stage::new(Mode::Required), arguments());
    bencher.bench_local(|| {
        stage.runtime.block_on(stage.log.confirm(stage.record(&arguments))).unwrap();
    });
    stage.runtime.block_on(stage.log.close());
}

/// All that is done for so many records, until the last of them was handed to the system.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn write(bencher: Bencher<'_, '_>) {
    let (stage, arguments) = (Stage::new(Mode::On), arguments());
    bencher.counter(ROUND).bench_local(|| {
        for _ in 1..ROUND {
            stage.log.record(stage.record(&arguments));
        }
        stage.runtime.block_on(stage.log.confirm(stage.record(&arguments))).unwrap();
    });
    stage.runtime.block_on(stage.log.close());
}
