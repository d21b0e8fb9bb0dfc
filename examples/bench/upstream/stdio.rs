//! The server over stdin and stdout.

use std::fs::File;
use std::io;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::Mutex;
use tokio::task::LocalSet;

use crate::lines::Lines;
use crate::upstream::Flags;
use crate::upstream::answers::Server;

/// A standard stream without the locks and buffers of the library.
pub(crate) fn bare(stream: &impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// One thread that waits in `read` and answers everything a read brought with one `write`.
pub(super) fn serve(flags: &Flags, server: &Server) -> anyhow::Result<()> {
    let (mut input, mut output) = (bare(&io::stdin())?, bare(&io::stdout())?);
    if flags.hangs() {
        io::copy(&mut input, &mut io::sink())?;
        return Ok(());
    }
    let mut lines = Lines::default();
    let mut out = Vec::new();
    while lines.read(&mut input)? {
        while let Some(line) = lines.line() {
            if server.answer(line, &mut out) {
                out.push(b'\n');
            }
        }
        output.write_all(&out)?;
        out.clear();
    }
    Ok(())
}

/// The same, where a call takes its time and does not keep others waiting.
pub(super) fn serve_late(server: &Server, delay: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(async {
        let (mut input, output) = pipes()?;
        let output = Rc::new(Mutex::new(output));
        let mut lines = Lines::default();
        loop {
            let length = input.read(lines.room()).await?;
            lines.filled(length);
            if length == 0 {
                return Ok(());
            }
            while let Some(line) = lines.line() {
                let mut out = Vec::new();
                if !server.answer(line, &mut out) {
                    continue;
                }
                out.push(b'\n');
                let delay =
                    if crate::json::has(line, b"tools/call") { delay } else { Duration::ZERO };
                let output = Rc::clone(&output);
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(delay).await;
                    output.lock().await.write_all(&out).await
                });
            }
        }
    }))
}

/// The standard streams, both of them pipes, for a runtime.
pub(crate) fn pipes() -> io::Result<(pipe::Receiver, pipe::Sender)> {
    let input = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let output = pipe::Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?;
    Ok((input, output))
}
