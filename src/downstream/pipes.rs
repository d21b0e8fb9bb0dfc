//! The process's own stdin and stdout, without the blocking pool where that is possible.
//!
//! Pipes and sockets are what clients start programs with; both are polled. For a pipe a new open
//! file is made, because `O_NONBLOCK` belongs to the open file and others may share that one. What
//! cannot be polled (terminals, regular files) is read by a thread that nobody waits for.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net;
use std::thread;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// Something to read from.
pub type Input = Box<dyn AsyncRead + Unpin + Send>;
/// Something to write to.
pub type Output = Box<dyn AsyncWrite + Unpin + Send>;

/// What stands behind a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pipe,
    Socket,
    Other,
}

/// Opens the process's stdin. Must be called within the runtime, once.
pub fn stdin() -> io::Result<Input> {
    match pollable_input(&io::stdin())? {
        Some(input) => Ok(input),
        None => Ok(Box::new(pumped(io::stdin())?)),
    }
}

/// Opens the process's stdout. Must be called within the runtime, once.
pub fn stdout() -> io::Result<Output> {
    match pollable_output(&io::stdout())? {
        Some(output) => Ok(output),
        None => Ok(Box::new(tokio::io::stdout())),
    }
}

/// Returns the descriptor as something to poll, if it can be polled.
pub(super) fn pollable_input(descriptor: &impl AsFd) -> io::Result<Option<Input>> {
    let copy = descriptor.as_fd().try_clone_to_owned()?;
    Ok(match kind(&copy)? {
        Kind::Pipe => {
            let reopened = pipe::OpenOptions::new().open_receiver(place(&copy));
            let receiver = reopened.or_else(|_| pipe::Receiver::from_owned_fd(copy))?;
            Some(Box::new(receiver))
        }
        Kind::Socket => Some(Box::new(socket(copy)?)),
        Kind::Other => None,
    })
}

/// Returns the descriptor as something to poll, if it can be polled.
pub(super) fn pollable_output(descriptor: &impl AsFd) -> io::Result<Option<Output>> {
    let copy = descriptor.as_fd().try_clone_to_owned()?;
    Ok(match kind(&copy)? {
        Kind::Pipe => {
            let reopened = pipe::OpenOptions::new().open_sender(place(&copy));
            let sender = reopened.or_else(|_| pipe::Sender::from_owned_fd(copy))?;
            Some(Box::new(sender))
        }
        Kind::Socket => Some(Box::new(socket(copy)?)),
        Kind::Other => None,
    })
}

/// Where Linux lets a process open anew what it has open; elsewhere nothing is there.
fn place(descriptor: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

fn kind(descriptor: &OwnedFd) -> io::Result<Kind> {
    let file_type = File::from(descriptor.try_clone()?).metadata()?.file_type();
    if file_type.is_fifo() {
        return Ok(Kind::Pipe);
    }
    // Any socket but a Unix one has no address of this kind.
    let is_unix = file_type.is_socket()
        && net::UnixStream::from(descriptor.try_clone()?).local_addr().is_ok();
    Ok(if is_unix { Kind::Socket } else { Kind::Other })
}

/// Sockets cannot be opened anew; a client that uses one keeps its own end.
fn socket(descriptor: OwnedFd) -> io::Result<UnixStream> {
    let stream = net::UnixStream::from(descriptor);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Returns what a thread reads from `source`.
///
/// The thread may block for ever; the process ends without it, which the runtime's own blocking
/// pool would not let it do.
pub(super) fn pumped(mut source: impl io::Read + Send + 'static) -> io::Result<UnixStream> {
    let (ours, mut theirs) = net::UnixStream::pair()?;
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        if let Err(error) = io::copy(&mut source, &mut theirs) {
            tracing::debug!(%error, "stdin ended with an error");
        }
    })?;
    ours.set_nonblocking(true)?;
    UnixStream::from_std(ours)
}
