//! Work on a disk that may be slow, or busy with other processes: nobody waits for it for ever.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task;
use tokio::time;

/// How often it is tried again while somebody else writes, which takes them no time.
const ATTEMPTS: usize = 100;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(20);

/// Does `work` where it holds nobody up, and no longer waits for it after `limit`; it goes on then.
///
/// # Errors
///
/// The work fails, or takes longer ([`io::ErrorKind::TimedOut`]).
pub async fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match time::timeout(limit, task::spawn_blocking(work)).await {
        Ok(done) => done.map_err(io::Error::other)?,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the disk is slow")),
    }
}

/// Does so again and again while somebody else has the lock that the work needs, for some seconds.
///
/// # Errors
///
/// The work fails, or takes longer, or somebody else has the lock for too long ([`is_busy`]).
pub async fn in_turn<T: Send + 'static>(
    limit: Duration,
    work: impl Fn() -> io::Result<T> + Send + Sync + 'static,
) -> io::Result<T> {
    let work = Arc::new(work);
    let attempt = || {
        let work = Arc::clone(&work);
        within(limit, move || work())
    };
    for _ in 0..ATTEMPTS {
        match attempt().await {
            Err(error) if is_busy(&error) => time::sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
    attempt().await
}

/// Returns whether work failed because somebody else had the lock it needs.
pub fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    /// Work that finds somebody else at it so many times.
    fn busy(times: usize) -> (Arc<AtomicUsize>, impl Fn() -> io::Result<usize> + Send + Sync) {
        let tried = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&tried);
        let work = move || match count.fetch_add(1, Ordering::Relaxed) {
            before if before < times => Err(io::ErrorKind::WouldBlock.into()),
            before => Ok(before),
        };
        (tried, work)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_busy_is_waited_for_but_not_for_ever() {
        let (_, work) = busy(3);
        assert_eq!(in_turn(LIMIT, work).await.unwrap(), 3);
        let (tried, work) = busy(usize::MAX);
        assert!(is_busy(&in_turn(LIMIT, work).await.unwrap_err()));
        assert_eq!(tried.load(Ordering::Relaxed), ATTEMPTS + 1);
    }

    #[tokio::test]
    async fn other_failures_are_not_tried_again() {
        let tried = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&tried);
        let work = move || {
            count.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(io::Error::other("full"))
        };
        let error = in_turn(LIMIT, work).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), is_busy(&error)), ("full", false));
        assert_eq!(tried.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_disk_that_is_slow_is_not_waited_for() {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let slow = within(Duration::from_millis(1), move || ended.recv().map_err(io::Error::other));
        assert_eq!(slow.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(end);
    }
}
