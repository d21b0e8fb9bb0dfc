//! Load over the pipes of a process.

use std::io::ErrorKind;
use std::io::Write as _;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::time::Duration;

use anyhow::Context as _;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::event::poll;
use tokio::time::Instant;

use crate::lines::Lines;
use crate::load::Extent;
use crate::load::Flight;
use crate::load::Sample;
use crate::load::answer;
use crate::load::request::Request;

/// Both ends of a process, neither of which is ever waited for alone.
pub(crate) struct Pipes {
    stdin: ChildStdin,
    stdout: ChildStdout,
    lines: Lines,
    out: Vec<u8>,
    written: usize,
}

impl Pipes {
    pub(crate) fn new((stdin, stdout): (ChildStdin, ChildStdout)) -> anyhow::Result<Self> {
        rustix::io::ioctl_fionbio(&stdin, true)?;
        rustix::io::ioctl_fionbio(&stdout, true)?;
        Ok(Self { stdin, stdout, lines: Lines::default(), out: Vec::new(), written: 0 })
    }

    /// Adds to what is to be written.
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes what fits, then waits until something was read; says whether anything was.
    pub(crate) fn turn(&mut self, patience: Duration) -> anyhow::Result<bool> {
        self.write()?;
        let mut interest =
            [PollFd::new(&self.stdout, PollFlags::IN), PollFd::new(&self.stdin, PollFlags::OUT)];
        let wanted = if self.out.is_empty() { 1 } else { 2 };
        let wanted = interest.get_mut(..wanted).context("two at most")?;
        let patience = Timespec::try_from(patience)?;
        if poll(wanted, Some(&patience))? == 0 {
            return Ok(false);
        }
        match self.lines.read(&mut self.stdout) {
            Ok(true) => Ok(true),
            Ok(false) => anyhow::bail!("the process closed its stdout"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error).context("cannot read from the process"),
        }
    }

    /// Takes a line that was read.
    pub(crate) fn line(&mut self) -> Option<&[u8]> {
        self.lines.line()
    }

    fn write(&mut self) -> anyhow::Result<()> {
        while self.written < self.out.len() {
            match self.stdin.write(self.out.get(self.written..).unwrap_or_default()) {
                Ok(length) => self.written += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("cannot write to the process"),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Keeps `in_flight` calls under way, then waits for the last answers.
    ///
    /// Ids begin at `*id` and are never used twice; requests take turns.
    pub(crate) fn load(
        &mut self,
        requests: &[Request],
        in_flight: usize,
        extent: Extent,
        id: &mut u64,
    ) -> anyhow::Result<Sample> {
        let count = u64::try_from(requests.len().max(1))?;
        let of = |id: u64| requests.get(usize::try_from(id % count).unwrap_or(0));
        let mut flight = Flight::new(*id, extent);
        let mut free = in_flight;
        let mut now = Instant::now();
        loop {
            while free > 0
                && let Some(id) = flight.start(now)
            {
                of(id).context("no request to send")?.write(id, &mut self.out);
                free -= 1;
            }
            if flight.under_way() == 0 {
                break;
            }
            self.turn(flight.patience()?)?;
            now = Instant::now();
            while let Some(line) = self.lines.line() {
                let answered = answer::check(line, |id| of(id).map_or(&[], |it| &it.text))?;
                if let Some(id) = answered {
                    flight.finish(id, now)?;
                    free += 1;
                }
            }
        }
        *id = flight.next_id();
        Ok(flight.done())
    }
}
