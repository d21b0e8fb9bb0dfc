//! Whatever is changed after it was written is found.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use crate::audit::digest::Digest;
use crate::audit::merkle::Tree;
use crate::audit::receipt::Receipt;
use crate::audit::record::Outcome;
use crate::audit::tests::config;
use crate::audit::tests::decided;
use crate::audit::tests::ended;
use crate::audit::tests::finds;
use crate::audit::tests::intact;
use crate::audit::tests::journal;
use crate::audit::tests::keys;
use crate::audit::tests::report;
use crate::audit::verify::State;
use crate::audit::verify::verify;

/// The leaves and roots by which Certificate Transparency tests its logs.
const VECTORS: [(&str, &str); 8] = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> =
        hex.chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn a_tree_has_the_roots_that_others_have() {
    let mut tree = Tree::default();
    assert_eq!(tree.root(), Digest::of(b""));
    for (leaf, root) in VECTORS {
        tree.add(Digest::leaf(&bytes(leaf)));
        assert_eq!(tree.root().to_string(), root);
    }
    assert_eq!(tree.size(), 8);
}

/// The root as RFC 6962 defines it.
fn defined(leaves: &[Digest]) -> Digest {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    Digest::node(defined(left), defined(right))
}

#[test]
fn a_tree_of_any_size_has_the_root_that_is_defined() {
    let (mut tree, mut leaves) = (Tree::default(), Vec::new());
    for number in 0..300_u32 {
        let leaf = Digest::leaf(&number.to_be_bytes());
        tree.add(leaf);
        leaves.push(leaf);
        assert_eq!(tree.root(), defined(&leaves), "{number}");
    }
}

/// Two streams, one of them of three segments, as files.
static RECORDED: LazyLock<(TempDir, BTreeMap<PathBuf, Vec<u8>>)> = LazyLock::new(|| {
    let home = TempDir::new().unwrap();
    let mut config = config(home.path());
    (config.segment, config.checkpoint_records) = (3000, 2);
    let mut first = journal(&config);
    for event in 0..8 {
        first
            .write(None, &[decided(event, "toy__echo"), ended(event, "toy__echo", Outcome::Ok)])
            .unwrap();
        if let Some(sealed) = first.seal_if_due() {
            sealed.unwrap();
        }
    }
    first.close().unwrap();
    let mut second = journal(&config);
    second.write(None, &[ended(9, "toy__fail", Outcome::ToolError)]).unwrap();
    second.close().unwrap();
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(&config.directory).unwrap() {
        let path = entry.unwrap().path();
        let inside = if path.is_dir() {
            fs::read_dir(&path).unwrap().map(|it| it.unwrap().path()).collect()
        } else {
            vec![path]
        };
        for path in inside {
            let name = path.strip_prefix(home.path()).unwrap().to_owned();
            files.insert(name, fs::read(path).unwrap());
        }
    }
    for key in ["audit.key", "audit.pub"] {
        files.insert(key.into(), fs::read(home.path().join(key)).unwrap());
    }
    (home, files)
});

/// A copy to change.
fn copy() -> TempDir {
    let home = TempDir::new().unwrap();
    for (name, bytes) in &RECORDED.1 {
        let path = home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    home
}

/// The files of records, and those of the ledger.
fn names() -> Vec<PathBuf> {
    RECORDED.1.keys().filter(|name| name.starts_with("audit")).cloned().collect()
}

fn segments() -> Vec<PathBuf> {
    names().into_iter().filter(|name| name.components().count() == 3).collect()
}

#[test]
fn what_nobody_changed_is_intact() {
    let home = copy();
    assert!(segments().len() >= 4, "{:?}", names());
    let report = intact(&config(home.path()));
    let records: Vec<_> = report.streams.iter().map(|stream| stream.records).collect();
    assert_eq!(records.iter().sum::<u64>(), 17);
    for stream in report.streams {
        assert_eq!((stream.state, stream.unsealed), (State::Closed, 0));
    }
}

/// Something that somebody does to a file.
#[derive(Clone, Debug)]
enum Edit {
    Flip(Index, u8),
    Cut(Index),
    Remove(Index),
    Double(Index),
    Swap(Index, Index),
    /// A line of another place.
    Insert(Index, Index),
    Append(Vec<u8>),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 1..=255_u8).prop_map(|(at, bits)| Edit::Flip(at, bits)),
        2 => at().prop_map(Edit::Cut),
        1 => at().prop_map(Edit::Remove),
        1 => at().prop_map(Edit::Double),
        1 => (at(), at()).prop_map(|(one, other)| Edit::Swap(one, other)),
        1 => (at(), at()).prop_map(|(from, to)| Edit::Insert(from, to)),
        1 => proptest::collection::vec(any::<u8>(), 1..20).prop_map(Edit::Append),
    ]
}

/// The file after the edit.
fn edited(edit: &Edit, before: &[u8]) -> Vec<u8> {
    let mut bytes = before.to_vec();
    let mut lines: Vec<Vec<u8>> =
        before.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let count = lines.len();
    match edit {
        Edit::Flip(at, bits) => {
            bytes[at.index(before.len())] ^= bits;
            return bytes;
        }
        Edit::Cut(at) => {
            bytes.truncate(at.index(before.len()));
            return bytes;
        }
        Edit::Append(more) => {
            bytes.extend(more);
            return bytes;
        }
        Edit::Remove(at) => drop(lines.remove(at.index(count))),
        Edit::Double(at) => lines.insert(at.index(count), lines[at.index(count)].clone()),
        Edit::Swap(one, other) => lines.swap(one.index(count), other.index(count)),
        Edit::Insert(from, to) => {
            lines.insert(to.index(count + 1), lines[from.index(count)].clone());
        }
    }
    lines.concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_edit_of_any_file_is_found(which: Index, edit in edit()) {
        let names = names();
        let name = which.get(&names);
        let before = &RECORDED.1[name];
        let after = edited(&edit, before);
        prop_assume!(after != *before);
        let home = copy();
        fs::write(home.path().join(name), after).unwrap();
        // Half an entry at the end of the ledger is what a process leaves that is killed.
        let is_half = matches!(&edit, Edit::Append(more) if !more.contains(&b'\n'));
        prop_assume!(!(name.ends_with("ledger.jsonl") && is_half));
        let report = report(&config(home.path()));
        prop_assert!(!report.findings.is_empty(), "{:?} of {:?}", edit, name);
    }
}

#[test]
fn every_bit_of_a_file_counts() {
    let names = segments();
    let name = names.last().unwrap();
    let home = copy();
    let before = &RECORDED.1[name];
    for at in 0..before.len() {
        let mut bytes = before.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(home.path().join(name), bytes).unwrap();
        assert!(!report(&config(home.path())).findings.is_empty(), "byte {at} of {name:?}");
    }
}

#[test]
fn segments_and_streams_that_are_missing_are_missed() {
    for name in segments() {
        let home = copy();
        fs::remove_file(home.path().join(&name)).unwrap();
        finds(&config(home.path()), "missing");
    }
    for name in segments() {
        let home = copy();
        fs::remove_dir_all(home.path().join(name).parent().unwrap()).unwrap();
        finds(&config(home.path()), "the whole stream is missing");
    }
    for (name, said) in [("head.json", "the file is missing"), ("ledger.jsonl", "are missing")] {
        let home = copy();
        fs::remove_file(home.path().join("audit").join(name)).unwrap();
        finds(&config(home.path()), said);
    }
}

#[test]
fn what_others_signed_is_not_trusted() {
    let home = copy();
    let other = TempDir::new().unwrap();
    let config = config(home.path());
    let strange = super::config(other.path());
    journal(&strange).prepare().unwrap();
    let report = verify(&config.directory, &keys(&strange), None).unwrap();
    let said = "which is not one that is trusted";
    assert!(report.findings.iter().any(|finding| finding.what.contains(said)), "{report:#?}");
}

fn copy_stream(from: &Path, to: &Path, id: &str) {
    fs::create_dir_all(to.join(id)).unwrap();
    for entry in fs::read_dir(from.join(id)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(id).join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_checkpoint_that_was_kept_shows_that_all_was_replaced() {
    let home = TempDir::new().unwrap();
    let config = config(home.path());
    let mut journal_before = journal(&config);
    journal_before.write(None, &[decided(1, "toy__echo")]).unwrap();
    let text = journal_before.close().unwrap().unwrap();
    let receipt = Receipt::parse(&text, &keys(&config)).unwrap();
    let compared = || verify(&config.directory, &keys(&config), Some(&receipt)).unwrap().findings;
    assert_eq!(compared(), []);
    // Who has the key makes all of it anew.
    let kept = TempDir::new().unwrap();
    copy_stream(&config.directory, kept.path(), &receipt.stream);
    fs::remove_dir_all(&config.directory).unwrap();
    let mut again = journal(&config);
    again.write(None, &[decided(1, "toy__innocent")]).unwrap();
    again.close().unwrap();
    intact(&config);
    let findings = compared();
    assert!(
        findings.iter().any(|it| it.what.contains("which the checkpoint is of")),
        "{findings:?}"
    );
    assert!(findings.iter().any(|it| it.place == "ledger.jsonl"), "{findings:?}");
    let is_forged = Receipt::parse(&text.replace(":2:", ":3:"), &keys(&config));
    assert!(is_forged.is_err() && Receipt::parse("conflux", &keys(&config)).is_err());
}
