//! Which processes hang on another one, as Linux tells it in `/proc`; elsewhere none are seen.

use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// Sends a signal to every process below this one, and returns which they were.
///
/// A number is looked at again once its process is held, so that what took the number of one that
/// ended meanwhile is left alone.
#[cfg(target_os = "linux")]
pub(super) fn signal_all_below(signal: Signal) -> Vec<Pid> {
    let this = Pid::this();
    let found = linux::below(this);
    for pid in &found {
        linux::signal(*pid, signal, |about| about.parent == this || found.contains(&about.parent));
    }
    found
}

/// The children of this process, as far as the system lists them by themselves.
#[cfg(target_os = "linux")]
pub(super) fn children() -> Vec<Pid> {
    linux::children(Pid::this()).unwrap_or_default()
}

/// Sends a signal to every process of a session whose leader has ended, and returns whether there
/// was one; no signal only looks.
#[cfg(target_os = "linux")]
pub(super) fn signal_session(session: Pid, signal: Option<Signal>) -> bool {
    let found = linux::in_session(session);
    for pid in found.iter().filter(|_| signal.is_some()) {
        linux::signal(*pid, signal.unwrap_or(Signal::SIGKILL), |about| about.session == session);
    }
    !found.is_empty()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn signal_all_below(_: Signal) -> Vec<Pid> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn children() -> Vec<Pid> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn signal_session(_: Pid, _: Option<Signal>) -> bool {
    false
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use nix::sys::signal::Signal;
    use nix::unistd::Pid;
    use rustix::process::PidfdFlags;

    /// What is known about one process.
    pub(super) struct About {
        pub(super) parent: Pid,
        pub(super) session: Pid,
        has_ended: bool,
    }

    fn about(pid: Pid) -> Option<About> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold anything, a closing bracket included.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X");
        let parent = Pid::from_raw(fields.next()?.parse().ok()?);
        let session = Pid::from_raw(fields.nth(1)?.parse().ok()?);
        Some(About { parent, session, has_ended })
    }

    fn all() -> impl Iterator<Item = Pid> {
        let entries = fs::read_dir("/proc").into_iter().flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        entries.flatten().filter_map(number).map(Pid::from_raw)
    }

    /// Sends a signal to a process if it is one that is `meant`.
    pub(super) fn signal(pid: Pid, signal: Signal, meant: impl Fn(&About) -> bool) {
        let raw = rustix::process::Pid::from_raw(pid.as_raw());
        let held = raw.map(|raw| rustix::process::pidfd_open(raw, PidfdFlags::empty()));
        if !about(pid).is_some_and(|about| meant(&about)) {
            return;
        }
        // It may have ended meanwhile, which is what is wanted.
        let _ = match held {
            Some(Ok(held)) => match rustix::process::Signal::from_named_raw(signal as i32) {
                Some(signal) => rustix::process::pidfd_send_signal(held, signal).is_ok(),
                None => false,
            },
            // A system that cannot hold processes, or does not let this one do so.
            _ => nix::sys::signal::kill(pid, signal).is_ok(),
        };
    }

    /// Every process below `root`, parents first.
    pub(super) fn below(root: Pid) -> Vec<Pid> {
        // Where the system lists children, there is no need to look at everybody's processes, and
        // less time for a process to be another one when it is its turn.
        if children(root).is_some() {
            return collect(root, |parent| children(parent).unwrap_or_default());
        }
        let parents: Vec<(Pid, Pid)> =
            all().filter_map(|pid| Some((pid, about(pid)?.parent))).collect();
        collect(root, |parent| {
            parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid).collect()
        })
    }

    fn collect(root: Pid, children: impl Fn(Pid) -> Vec<Pid>) -> Vec<Pid> {
        let mut found = vec![root];
        let mut next = 0;
        while let Some(&parent) = found.get(next) {
            // One that loses its parent while this goes on is met again elsewhere.
            let more: Vec<Pid> =
                children(parent).into_iter().filter(|pid| !found.contains(pid)).collect();
            found.extend(more);
            next += 1;
        }
        found.split_off(1)
    }

    /// The children of a process; nothing where the system does not list them.
    pub(super) fn children(parent: Pid) -> Option<Vec<Pid>> {
        let mut found = Vec::new();
        for thread in fs::read_dir(format!("/proc/{parent}/task")).ok()?.flatten() {
            let listed = fs::read_to_string(thread.path().join("children")).ok()?;
            let pids = listed.split_whitespace().filter_map(|pid| pid.parse().ok());
            found.extend(pids.map(Pid::from_raw));
        }
        Some(found)
    }

    /// Every process of a session that has not ended.
    pub(super) fn in_session(session: Pid) -> Vec<Pid> {
        let is_in = |pid: &Pid| {
            about(*pid).is_some_and(|about| about.session == session && !about.has_ended)
        };
        all().filter(is_in).collect()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use nix::sys::signal::Signal;
    use nix::unistd::Pid;

    use super::linux;

    #[test]
    fn who_took_the_number_of_another_one_is_left_alone() {
        #[expect(clippy::disallowed_methods, reason = "a process to be found")]
        let mut sleeper = Command::new("sleep").arg("300").spawn().unwrap();
        let pid = Pid::from_raw(sleeper.id().cast_signed());
        assert!(linux::below(Pid::this()).contains(&pid));
        assert!(!linux::below(pid).contains(&pid));
        linux::signal(pid, Signal::SIGKILL, |about| about.parent != Pid::this());
        linux::signal(pid, Signal::SIGTERM, |about| about.parent == Pid::this());
        let ended = sleeper.wait().unwrap();
        assert_eq!(ended.signal(), Some(Signal::SIGTERM as i32), "the first one was not for it");
    }
}
