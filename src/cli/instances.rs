//! Finding the gateways that run on this machine for this user, and asking them something.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use futures_util::future;
use serde_json::Value;

use crate::cli::exit;
use crate::cli::report::Failure;
use crate::cli::report::Notice;
use crate::downstream::local::ask;
use crate::downstream::local::place::Place;
use crate::downstream::local::place::Question;

/// Asks the gateways whose sockets are in `directories`, or the one with this `pid` alone; returns
/// what they say, and who could not be asked.
///
/// Fails if nobody could be asked.
pub(in crate::cli) async fn asked(
    question: Question,
    directories: &[PathBuf],
    pid: Option<u32>,
) -> Result<(Vec<Value>, Vec<Notice>), Failure> {
    let ask = async |path: &Path| ask::document(path).await;
    let (answers, notices) = reached(question, directories, pid, ask).await?;
    Ok((answers.into_iter().map(|(_, document)| document).collect(), notices))
}

/// Does the same in another way than asking for a document; what is had is by process id.
pub(in crate::cli) async fn reached<T>(
    question: Question,
    directories: &[PathBuf],
    pid: Option<u32>,
    ask: impl AsyncFn(&Path) -> io::Result<T>,
) -> Result<(Vec<(u32, T)>, Vec<Notice>), Failure> {
    let (sockets, mut notices) = find(question, directories, pid).await;
    let answers = future::join_all(sockets.iter().map(|(_, path)| ask(path))).await;
    let mut found = Vec::new();
    for ((pid, path), answer) in sockets.iter().zip(answers) {
        match answer {
            Ok(answer) => found.push((*pid, answer)),
            Err(error) => notices.push(
                Notice::warning(format!("the gateway with the process id {pid} cannot be asked"))
                    .cause(format!("`{}`: {error}", path.display()))
                    .hint("if the process hangs or is stopped, end it"),
            ),
        }
    }
    if found.is_empty() {
        notices.push(nobody(question, pid, directories));
        return Err(Failure { exit: exit::NO_INSTANCE, notices });
    }
    Ok((found, notices))
}

/// Returns the sockets to ask at, and what is wrong with the places where they would be. Those of
/// processes that are gone are taken away.
async fn find(
    question: Question,
    directories: &[PathBuf],
    pid: Option<u32>,
) -> (Vec<(u32, PathBuf)>, Vec<Notice>) {
    let (mut sockets, mut notices) = (Vec::new(), Vec::new());
    for directory in directories {
        match Place::find(directory) {
            Ok(Some(place)) => {
                place.sweep().await;
                sockets.extend(place.sockets(question));
            }
            Ok(None) => {}
            Err(error) => notices.push(
                Notice::warning("gateways cannot be looked for everywhere")
                    .cause(error)
                    .hint("the directory must be yours and have mode 0700"),
            ),
        }
    }
    sockets.retain(|(process, _)| pid.is_none_or(|pid| pid == *process));
    (sockets, notices)
}

/// Returns the sockets there are, whether or not anybody listens; no gateway notices.
pub(in crate::cli) fn sockets(
    question: Question,
    directories: &[PathBuf],
) -> impl Iterator<Item = (u32, PathBuf)> {
    let places = directories.iter().filter_map(|it| Place::find(it).ok().flatten());
    places.flat_map(move |place| place.sockets(question))
}

fn nobody(question: Question, pid: Option<u32>, directories: &[PathBuf]) -> Notice {
    let message = match pid {
        Some(pid) => format!("no gateway with the process id {pid} could be asked"),
        None => "no running gateway could be asked".to_owned(),
    };
    let places: Vec<_> = directories.iter().map(|it| format!("`{}`", it.display())).collect();
    let also = match question {
        Question::Status | Question::Logs | Question::Calls => "",
        Question::Reload => "; that of `conflux exec` does not reload",
    };
    Notice::error(message).cause(format!("looked in {}", places.join(" and "))).hint(format!(
        "start one with `conflux serve`; one that runs is found by the same user, with the same \
         `XDG_RUNTIME_DIR` and `CONFLUX_STATE`{also}"
    ))
}
