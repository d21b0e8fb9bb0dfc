//! Load over connections that stay open, one call at a time on each.

use std::io::ErrorKind;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context as _;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use tokio::time::Instant;

use crate::load::Extent;
use crate::load::Flight;
use crate::load::Sample;
use crate::load::answer;
use crate::load::request::Request;
use crate::load::response::Response;
use crate::load::response::Responses;

/// A connection that is never waited for alone.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    out: Vec<u8>,
    written: usize,
    responses: Responses,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { address, stream, out: Vec::new(), written: 0, responses: Responses::default() })
    }

    /// Opens it anew if the other side closed it while nothing was under way.
    pub(crate) fn renew(&mut self) -> anyhow::Result<()> {
        let read = self.responses.input.read(&mut self.stream);
        if !matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock) {
            *self = Self::open(self.address)?;
        }
        Ok(())
    }

    /// Puts a request on its way.
    pub(crate) fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> anyhow::Result<()> {
        write(&mut self.out);
        self.write()
    }

    fn write(&mut self) -> anyhow::Result<()> {
        while self.written < self.out.len() {
            match self.stream.write(self.out.get(self.written..).unwrap_or_default()) {
                Ok(length) => self.written += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("cannot write to the connection"),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    fn interest(&self) -> PollFd<'_> {
        let writes = if self.out.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        PollFd::new(&self.stream, PollFlags::IN | writes)
    }

    /// Reads and writes what can be; returns a response that is whole.
    fn progress(&mut self) -> anyhow::Result<Option<Response>> {
        self.write()?;
        match self.responses.input.read(&mut self.stream) {
            Ok(true) => self.responses.next(),
            Ok(false) => anyhow::bail!("the connection was closed"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error).context("cannot read from the connection"),
        }
    }

    /// Waits for the whole response.
    pub(crate) fn receive(&mut self, patience: Duration) -> anyhow::Result<Response> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            anyhow::ensure!(!left.is_zero(), "no answer within {patience:?}");
            poll(&mut [self.interest()], Some(&Timespec::try_from(left)?))?;
            if let Some(response) = self.progress()? {
                return Ok(response);
            }
        }
    }
}

/// Keeps a call under way on each connection, then waits for the last answers.
pub(crate) fn load(
    connections: &mut [Connection],
    requests: &[Request],
    extent: Extent,
    id: &mut u64,
) -> anyhow::Result<Sample> {
    let count = u64::try_from(requests.len().max(1))?;
    let of = |id: u64| requests.get(usize::try_from(id % count).unwrap_or(0));
    let text = |id: u64| of(id).map_or(&[][..], |it| &it.text);
    let mut flight = Flight::new(*id, extent);
    for connection in &mut *connections {
        connection.renew()?;
        next(connection, &mut flight, &of)?;
    }
    while flight.under_way() > 0 {
        let mut interest: Vec<_> = connections.iter().map(Connection::interest).collect();
        poll(&mut interest, Some(&Timespec::try_from(flight.patience()?)?))?;
        let ready: Vec<_> = interest.iter().map(|it| !it.revents().is_empty()).collect();
        for (connection, _) in connections.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            let Some(response) = connection.progress()? else { continue };
            let now = Instant::now();
            let answered = answered(&response, &text)?;
            flight.finish(answered, now)?;
            next(connection, &mut flight, &of)?;
        }
    }
    *id = flight.next_id();
    Ok(flight.done())
}

fn next<'a>(
    connection: &mut Connection,
    flight: &mut Flight,
    of: &impl Fn(u64) -> Option<&'a Request>,
) -> anyhow::Result<()> {
    let Some(id) = flight.start(Instant::now()) else { return Ok(()) };
    let request = of(id).context("no request to send")?;
    connection.send(|out| request.write(id, out))
}

fn answered<'a>(response: &Response, text: &impl Fn(u64) -> &'a [u8]) -> anyhow::Result<u64> {
    for message in response.messages() {
        if let Some(id) = answer::check(message, text)? {
            return Ok(id);
        }
    }
    let (status, said) = (response.head.status, answer::start(&response.body));
    anyhow::bail!("a response without an answer: {status} {said}")
}
