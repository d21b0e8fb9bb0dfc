//! The relay over stdin and stdout, and its servers as children.

use std::cell::RefCell;
use std::process::Stdio;
use std::rc::Rc;

use anyhow::Context as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::task::LocalSet;

use crate::lines::Lines;
use crate::process;
use crate::relay::Flags;
use crate::relay::edit;
use crate::relay::edit::Pending;
use crate::upstream;

/// The ids under which the client knows its requests.
type Ids = Rc<RefCell<Pending<Box<[u8]>>>>;

/// Starts the servers; they end when the child values are dropped.
pub(super) fn start(
    flags: &Flags,
) -> anyhow::Result<(Vec<Child>, Vec<pipe::Sender>, Vec<pipe::Receiver>)> {
    let (mut children, mut inputs, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    for words in &flags.commands.each {
        let mut command = tokio::process::Command::from(process::command(words)?);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).context("no pipes")?;
        inputs.push(pipe::Sender::from_owned_fd(stdin.into_owned_fd()?)?);
        outputs.push(pipe::Receiver::from_owned_fd(stdout.into_owned_fd()?)?);
        children.push(child);
    }
    Ok((children, inputs, outputs))
}

pub(super) fn serve(flags: &Flags) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(async {
        let (_children, inputs, outputs) = start(flags)?;
        let (stdin, stdout) = upstream::pipes()?;
        let stdout = Rc::new(Mutex::new(stdout));
        let ids: Ids = Rc::new(RefCell::new(Pending::new()));
        let mut tasks = JoinSet::new();
        for output in outputs {
            tasks.spawn_local(backward(output, Rc::clone(&stdout), Rc::clone(&ids)));
        }
        forward(stdin, inputs, ids).await
    }))
}

/// From the client to the servers; what one read brought goes to each with one write.
async fn forward(
    mut stdin: pipe::Receiver,
    mut inputs: Vec<pipe::Sender>,
    ids: Ids,
) -> anyhow::Result<()> {
    let mut lines = Lines::default();
    let mut outs = vec![Vec::new(); inputs.len()];
    loop {
        let length = stdin.read(lines.room()).await?;
        lines.filled(length);
        if length == 0 {
            return Ok(());
        }
        while let Some(line) = lines.line() {
            let Some(request) = edit::request(line) else { continue };
            let Some(out) = outs.get_mut(request.upstream) else { continue };
            let id = request.id.clone().and_then(|place| line.get(place));
            let id = id.map_or(0, |id| ids.borrow_mut().add(id.into()));
            request.write(line, id, out);
            out.push(b'\n');
        }
        for (input, out) in inputs.iter_mut().zip(&mut outs).filter(|(_, out)| !out.is_empty()) {
            input.write_all(out).await?;
            out.clear();
        }
    }
}

/// From a server to the client.
async fn backward(
    mut output: pipe::Receiver,
    stdout: Rc<Mutex<pipe::Sender>>,
    ids: Ids,
) -> anyhow::Result<()> {
    let mut lines = Lines::default();
    let mut out = Vec::new();
    loop {
        let length = output.read(lines.room()).await?;
        lines.filled(length);
        if length == 0 {
            return Ok(());
        }
        while let Some(line) = lines.line() {
            let Some((place, id)) = edit::answer(line) else { continue };
            let Some(id) = ids.borrow_mut().take(id) else { continue };
            edit::splice(line, &[(place, &id)], &mut out);
            out.push(b'\n');
        }
        stdout.lock().await.write_all(&out).await?;
        out.clear();
    }
}
