//! A bounded queue between two who work on one request.
//!
//! Every request has two, and most put one thing into one of them. So an empty queue holds nothing,
//! where a channel of tokio makes room for 32 things when it is made.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use tokio::sync::Notify;

/// The end that is filled; cloning shares it.
#[derive(Debug)]
pub struct Sender<T>(Arc<Shared<T>>);

/// The end that is emptied.
#[derive(Debug)]
pub struct Receiver<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    capacity: usize,
    /// Tells those who wait for room that there is some, or that nobody reads any more.
    room: Notify,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    senders: usize,
    is_closed: bool,
    reader: Option<Waker>,
}

/// Makes a queue in which `capacity` things may wait, and one that is the last.
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { waiting: VecDeque::new(), senders: 1, is_closed: false, reader: None };
    let shared = Arc::new(Shared { state: Mutex::new(state), capacity, room: Notify::new() });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    /// Puts something in if there is room and `fits` agrees, which is told how many wait already;
    /// otherwise gives it back.
    pub fn try_send(&self, value: T, fits: impl FnOnce(usize) -> bool) -> Result<(), T> {
        let mut state = self.0.lock();
        let waiting = state.waiting.len();
        if state.is_closed || waiting >= self.0.capacity || !fits(waiting) {
            return Err(value);
        }
        state.push(value);
        Ok(())
    }

    /// Waits for room and puts something in; gives it back if nobody reads any more. Cancel safe:
    /// then it is lost.
    pub async fn send(&self, value: T, fits: impl Fn(usize) -> bool) -> Result<(), T> {
        let mut value = value;
        loop {
            // First, so that no room is missed that there is from now on.
            let room = self.0.room.notified();
            value = match self.try_send(value, &fits) {
                Ok(()) => return Ok(()),
                Err(value) if self.is_closed() => return Err(value),
                Err(value) => value,
            };
            room.await;
        }
    }

    /// Puts the last thing in, for which there always is room.
    pub fn finish(&self, value: T) {
        let mut state = self.0.lock();
        if !state.is_closed {
            state.push(value);
        }
    }

    /// Takes nothing more in, from anybody; what is there can still be read.
    pub fn close(&self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        state.wake();
        self.0.room.notify_waiters();
    }

    /// Returns whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.0.lock().is_closed
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        if state.senders == 0 {
            state.wake();
        }
    }
}

impl<T> Receiver<T> {
    /// Waits for the next thing; nothing once the queue is empty and closed, or nobody can fill it
    /// any more. Cancel safe.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Returns the next thing if one is there.
    pub fn try_recv(&mut self) -> Option<T> {
        self.0.pop(&mut self.0.lock())
    }

    /// Takes nothing more in; what is there can still be read.
    pub fn close(&mut self) {
        self.0.lock().is_closed = true;
        self.0.room.notify_waiters();
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<T>> {
        let mut state = self.0.lock();
        if let Some(value) = self.0.pop(&mut state) {
            return Poll::Ready(Some(value));
        }
        if state.is_closed || state.senders == 0 {
            return Poll::Ready(None);
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
        // Outside of the lock: what is in there may hold the other end.
        let _unread = std::mem::take(&mut self.0.lock().waiting);
    }
}

impl<T> Shared<T> {
    fn pop(&self, state: &mut State<T>) -> Option<T> {
        let value = state.waiting.pop_front()?;
        // There may be somebody who waits for less to wait before it, full or not.
        self.room.notify_one();
        Some(value)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn push(&mut self, value: T) {
        self.waiting.push_back(value);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::channel;

    const ANY: fn(usize) -> bool = |_| true;

    #[tokio::test]
    async fn what_is_put_in_comes_out_in_order_and_the_last_always_has_room() {
        let (sender, mut receiver) = channel(2);
        assert_eq!(sender.try_send(1, ANY), Ok(()));
        assert_eq!(sender.try_send(2, |waiting| waiting < 1), Err(2));
        assert_eq!(sender.try_send(2, ANY), Ok(()));
        assert_eq!(sender.try_send(3, ANY), Err(3));
        sender.finish(4);
        for expected in [1, 2, 4] {
            assert_eq!(receiver.recv().await, Some(expected));
        }
        assert!(receiver.recv().now_or_never().is_none());
        drop(sender);
        assert_eq!(receiver.recv().await, None);
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_there_is_some_or_nobody() {
        let (sender, mut receiver) = channel(1);
        sender.finish(1);
        let (mut second, mut third) =
            (Box::pin(sender.send(2, ANY)), Box::pin(sender.send(3, ANY)));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        assert_eq!(receiver.try_recv(), Some(1));
        assert_eq!((&mut second).now_or_never(), Some(Ok(())));
        assert!((&mut third).now_or_never().is_none());
        drop(receiver);
        assert_eq!(third.now_or_never(), Some(Err(3)));
        assert!(sender.is_closed());
    }

    #[tokio::test]
    async fn who_reads_is_woken_by_what_comes_and_by_the_last_who_could_send() {
        let (sender, mut receiver) = channel(1);
        let sending = async {
            tokio::task::yield_now().await;
            sender.clone().finish(1);
            tokio::task::yield_now().await;
            drop(sender);
        };
        let reading = async { (receiver.recv().await, receiver.recv().await) };
        assert_eq!(tokio::join!(reading, sending).0, (Some(1), None));
    }

    #[tokio::test]
    async fn what_is_there_when_it_is_closed_can_be_read() {
        let (sender, mut receiver) = channel(1);
        sender.finish(1);
        receiver.close();
        sender.finish(2);
        assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), None));
    }

    #[tokio::test]
    async fn who_reads_is_told_when_it_is_closed_at_the_other_end() {
        let (sender, mut receiver) = channel(1);
        sender.finish(1);
        let closing = async {
            tokio::task::yield_now().await;
            sender.close();
        };
        let reading = async { (receiver.recv().await, receiver.recv().await) };
        assert_eq!(tokio::join!(reading, closing).0, (Some(1), None));
        assert_eq!(sender.try_send(2, ANY), Err(2));
    }
}
