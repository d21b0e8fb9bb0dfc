//! The floor: bytes from one side to the other, in both directions, unread.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::thread;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpStream;

use crate::process;
use crate::upstream;

/// How much is moved at once.
const CHUNK: usize = 256 * 1024;

/// Moves bytes between its own streams and a command, or between connections.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Flags {
    /// Listens here instead of on stdin, until stdin ends.
    #[arg(long, requires = "to")]
    http: Option<SocketAddr>,
    /// Connects here for every connection.
    #[arg(long)]
    to: Option<SocketAddr>,
    /// The server behind it.
    #[arg(last = true)]
    command: Vec<String>,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    match (flags.http, flags.to) {
        (Some(address), Some(to)) => {
            upstream::accept_each(address, move |stream| connect(stream, to))
        }
        _ => between_pipes(&flags.command),
    }
}

async fn connect(mut front: TcpStream, to: SocketAddr) {
    let Ok(mut back) = TcpStream::connect(to).await else { return };
    if back.set_nodelay(true).is_ok() {
        // Either side may go at any time.
        drop(copy_bidirectional_with_sizes(&mut front, &mut back, CHUNK, CHUNK).await);
    }
}

/// Two threads, each waiting in `read`.
fn between_pipes(command: &[String]) -> anyhow::Result<()> {
    let mut child =
        process::command(command)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
        anyhow::bail!("the child has no pipes");
    };
    let mut input = upstream::bare(&io::stdin())?;
    let mut output: File = upstream::bare(&io::stdout())?;
    let forward = thread::spawn(move || {
        let mut stdin = stdin;
        // A closed pipe is how either side ends; dropping the child's stdin tells it.
        drop(copy(&mut input, &mut stdin));
    });
    copy(&mut stdout, &mut output)?;
    drop(forward);
    child.wait()?;
    Ok(())
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        to.write_all(buffer.get(..length).unwrap_or_default())?;
    }
}
