//! Odd definitions: what becomes of each for each client, and that none costs a client its list.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use conflux::catalog::hygiene::Fitted;
use conflux::catalog::hygiene::fitted;
use conflux::clients::Client;
use conflux::wire::Raw;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hygiene")
}

fn cases() -> Vec<(String, Raw)> {
    let mut cases: Vec<_> = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, Raw::parse(fs::read_to_string(&path).unwrap().trim().to_owned()).unwrap())
        })
        .collect();
    cases.sort_by(|(a, _), (b, _)| a.cmp(b));
    cases
}

#[test]
fn definitions_become_what_clients_can_take() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(directory());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, tool) in cases() {
            insta::assert_snapshot!(name, outcome(&tool));
        }
    });
}

#[test]
fn every_snapshot_has_its_definition() {
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("json").exists(), "{} is left over", path.display());
    }
}

/// What becomes of a definition, with the clients for whom it does.
fn outcome(tool: &Raw) -> String {
    let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
    for client in Client::ALL {
        let text = match fitted(tool, client.quirks()) {
            Fitted::AsIs => "as it is".to_owned(),
            Fitted::Repaired(repaired, remarks) => {
                let remarks: Vec<_> = remarks.iter().map(ToString::to_string).collect();
                format!("repaired: {}\n{}", remarks.join("; "), repaired.get())
            }
            Fitted::Withheld(remark) => format!("withheld: {remark}"),
        };
        match outcomes.iter_mut().find(|(known, _)| *known == text) {
            Some((_, clients)) => clients.push(client.id()),
            None => outcomes.push((text, vec![client.id()])),
        }
    }
    let mut out = tool.get().to_owned();
    for (text, clients) in outcomes {
        write!(out, "\n\n{}\n{text}", clients.join(", ")).unwrap();
    }
    out
}
