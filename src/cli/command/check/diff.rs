//! `conflux check --diff`: what a reload of a running gateway would do.

use std::path::PathBuf;

use serde_json::Value;

use crate::cli::exit;
use crate::cli::instances;
use crate::cli::output;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::cli::report::printable;
use crate::downstream::local::place::Question;

/// Asks the gateways whose sockets are in `directories`, and prints what they say.
///
/// Fails if the files of one of them cannot be loaded.
pub(super) async fn run(
    directories: &[PathBuf],
    pid: Option<u32>,
    json: bool,
) -> Result<(), Failure> {
    let (documents, mut notices) = instances::asked(Question::Reload, directories, pid).await?;
    let lines: Vec<_> = if json {
        documents.iter().map(Value::to_string).collect()
    } else {
        documents.iter().map(|document| told(document, documents.len() > 1)).collect()
    };
    output::data(&lines.join("\n"))?;
    let problems = documents.iter().flat_map(|document| texts(&document["problems"]));
    let problems: Vec<_> = problems.map(Notice::error).collect();
    let is_wrong = !problems.is_empty();
    notices.extend(problems);
    if is_wrong {
        return Err(Failure { exit: exit::CONFIG, notices });
    }
    output::tell(&notices);
    Ok(())
}

/// Says what one gateway would do, a sentence a line.
fn told(document: &Value, is_one_of_several: bool) -> String {
    let mut lines = texts(&document["changes"]);
    let keys = texts(&document["needRestart"]);
    lines.extend(keys.iter().map(|key| format!("`{key}` needs a restart of Conflux")));
    if !document["problems"].is_null() {
        lines.push("nothing: the configuration is wrong".to_owned());
    } else if lines.is_empty() {
        lines.push("nothing differs".to_owned());
    }
    if is_one_of_several {
        let process = format!("process {}: ", document["pid"]);
        for line in &mut lines {
            line.insert_str(0, &process);
        }
    }
    printable(&lines.join("\n"))
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
