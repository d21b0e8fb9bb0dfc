//! Small parts: watches, lines, pipes.

use std::fs;
use std::sync::Mutex;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::downstream::outbox;
use crate::downstream::pipes;
use crate::downstream::tests::Bench;
use crate::downstream::tests::raw;
use crate::downstream::watches::Watches;

#[tokio::test(start_paused = true)]
async fn only_the_first_watch_asks_and_only_the_last_takes_back() {
    let watches = Watches::default();
    let calls = Mutex::new(Vec::new());
    let upstream = |what: &'static str, agrees: bool| {
        let calls = &calls;
        async move {
            calls.lock().unwrap().push(what);
            agrees
        }
    };
    assert!(!watches.add("u", upstream("refused", false)).await);
    assert!(watches.add("u", upstream("first", true)).await);
    assert!(watches.add("u", upstream("second", true)).await);
    assert!(watches.add("v", upstream("other", true)).await);
    watches.remove("u", upstream("not yet", true)).await;
    watches.remove("u", upstream("last", true)).await;
    assert!(watches.add("u", upstream("anew", true)).await);
    assert_eq!(*calls.lock().unwrap(), ["refused", "first", "other", "last", "anew"]);
}

#[tokio::test(start_paused = true)]
async fn line_breaks_never_leave_as_such() {
    let mut bench = Bench::new();
    bench.call(|_exchange| async { Ok(raw("{\n  \"a\":\r\n 1}")) });
    assert_eq!(bench.line().await, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{   \"a\":   1}}");
}

#[tokio::test]
async fn large_messages_and_many_small_ones_arrive_whole() {
    let bench = Bench::new();
    let Bench { outbox, mut output, .. } = bench;
    let sizes = [1, 70_000, 3, 65_536, 65_535, 200_000, 2];
    let sending = async {
        for size in sizes {
            assert!(outbox.push(outbox::Kind::Word, "y".repeat(size).into_bytes().into()).await);
        }
        outbox.close();
    };
    let receiving = async {
        let mut all = String::new();
        output.read_to_string(&mut all).await.unwrap();
        all
    };
    let ((), all) = tokio::join!(sending, receiving);
    assert_eq!(all.lines().map(str::len).collect::<Vec<_>>(), sizes);
}

/// The flags of an open file, as Linux tells them.
fn is_nonblocking(descriptor: &impl std::os::fd::AsRawFd) -> bool {
    let path = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
    let text = fs::read_to_string(path).unwrap();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(flags.trim(), 8).unwrap() & 0o4000 != 0
}

#[tokio::test]
async fn pipes_are_polled_without_touching_the_open_file() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut input = pipes::pollable_input(&reader).unwrap().unwrap();
    let mut output = pipes::pollable_output(&writer).unwrap().unwrap();
    assert!(!is_nonblocking(&reader) && !is_nonblocking(&writer));
    output.write_all(b"hello").await.unwrap();
    let mut five = [0; 5];
    input.read_exact(&mut five).await.unwrap();
    assert_eq!(&five, b"hello");
    drop((output, writer));
    assert_eq!(input.read(&mut five).await.unwrap(), 0, "the end must be seen");
}

#[tokio::test]
async fn sockets_are_polled_and_files_are_pumped() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut output = pipes::pollable_output(&ours).unwrap().unwrap();
    let mut input = pipes::pollable_input(&theirs).unwrap().unwrap();
    output.write_all(b"hello").await.unwrap();
    let mut five = [0; 5];
    input.read_exact(&mut five).await.unwrap();
    assert_eq!(&five, b"hello");
    let file = tempfile::tempfile().unwrap();
    assert!(pipes::pollable_input(&file).unwrap().is_none());
    let mut pumped = pipes::pumped(std::io::Cursor::new(vec![b'z'; 300_000])).unwrap();
    let mut all = Vec::new();
    pumped.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len(), 300_000);
}
