//! The skim of a message that goes by: the same however it is cut, and what it told stays.
//!
//! The input is a size of chunks and the message.

use conflux::wire::Id;
use conflux::wire::skim::Kind;
use conflux::wire::skim::Skim;

fn told(skim: &Skim) -> (Option<Id>, Option<Kind>) {
    (skim.id().cloned(), skim.kind())
}

pub(crate) fn run(bytes: &[u8]) {
    let Some((size, message)) = bytes.split_first() else { return };
    let mut whole = Skim::default();
    whole.feed(message);
    let mut parts = Skim::default();
    let mut known = None;
    for chunk in message.chunks(usize::from(*size) + 1) {
        parts.feed(chunk);
        if let Some(known) = &known {
            assert_eq!(&told(&parts), known, "what was told once stays");
        }
        known = parts.is_done().then(|| told(&parts));
    }
    assert_eq!(told(&parts), told(&whole));
    assert_eq!(whole.is_done(), whole.id().is_some() && whole.kind().is_some());
    if let Some(id) = whole.id() {
        assert!(id.raw().get().len() <= 256);
        assert_eq!(Id::parse(id.raw().clone()).as_ref(), Some(id));
    }
}
