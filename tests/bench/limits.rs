//! What it costs to count a request by limits, and to let it end.

use conflux::config;
use conflux::config::load::Options;
use conflux::config::surroundings::Surroundings;
use conflux::quota::Now;
use conflux::quota::Quotas;
use conflux::quota::Subject;
use divan::Bencher;

/// Four limits that are about every call, with everything that can be limited.
const FOUR: &str = r#"
limits:
  quotas:
    - { per: principal, rate: 1000000/s, concurrency: 64, calls: 1000000000/day }
    - { per: [principal, tool], tools: ["files__*"], rate: 1000000/s }
    - { per: group, groups: ["dev*"], bytes: 1024GiB/day }
    - { per: all, upstreams: [files], rate: 1000000/s }
upstreams:
  files: { command: files }
"#;

fn limited(text: &str) -> Quotas {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("upstreams.yaml");
    std::fs::write(&file, text).unwrap();
    let options = Options { files: vec![file], overrides: Vec::new() };
    let state = Some(home.path().to_owned());
    let around = Surroundings { state, ..Surroundings::default() };
    let config = config::load::load_within(&options, &around).unwrap();
    let quotas = Quotas::default();
    quotas.apply(&config.limits.quotas, Now::read());
    quotas
}

fn subject(principal: &str) -> Subject<'_> {
    Subject {
        principal,
        groups: ["development", "sales"].into_iter().collect(),
        client: Some("bench"),
        upstream: "files",
        tool: Some("files__read_text_file"),
        bytes: 100,
    }
}

/// One of a thousand principals calls; both clocks are looked at for each beginning and each end.
#[divan::bench(args = [0, 4])]
fn admit(bencher: Bencher<'_, '_>, limits: usize) {
    let quotas = limited(if limits == 0 { "upstreams: {}" } else { FOUR });
    let names: Vec<_> = (0..1000).map(|number| format!("corp:{number}")).collect();
    let mut names = names.iter().cycle();
    bencher.bench_local(move || {
        if quotas.is_empty() {
            return;
        }
        let principal = names.next().unwrap();
        let admission = quotas.admit(&subject(principal), Now::read()).unwrap();
        admission.end(1000, Now::read());
    });
}
