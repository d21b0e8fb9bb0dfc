//! A door for fuzzing: bytes in, a panic if what must hold does not.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::downstream::park;
use crate::downstream::park::Parking;
use crate::downstream::park::Refused;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Reach;
use crate::exchange::principal::Principal;
use crate::ids::CallerId;

/// Brings back `requestState`: the bytes as they are, and a ticket altered as they say.
///
/// Three bytes are one alteration: what is done, where, and with what.
pub fn request_state(bytes: &[u8]) {
    let parking = Arc::new(Parking::try_new(2).expect("the system has randomness"));
    let request = park::fingerprint("tools/call", None);
    let caller = Caller::new(CallerId(1), Arc::default(), Reach::InCallsOnly);
    let cancels = [CancellationToken::new(), CancellationToken::new()];
    let tickets = cancels
        .each_ref()
        .map(|cancel| parking.park(&caller, &request, cancel).expect("two have room"));
    let [(one, _waiting_one), (two, _waiting_two)] = &tickets;
    let claim = |state: &str| parking.claim(caller.principal(), &request, state);

    let text = String::from_utf8_lossy(bytes);
    assert_eq!(claim(&text).expect_err("nobody guesses a seal"), Refused::Altered);

    let mut altered = one.clone().into_bytes();
    for alteration in bytes.chunks_exact(3) {
        let &[what, place, with] = alteration else { continue };
        let place = usize::from(place).min(altered.len());
        match what % 5 {
            0 => altered.iter_mut().skip(place).take(1).for_each(|byte| *byte = with),
            1 => altered.insert(place, with),
            2 => drop(altered.drain(place..(place + usize::from(with)).min(altered.len()))),
            3 => altered.truncate(place),
            // Goes on as the other ticket does.
            _ => {
                let rest = two.as_bytes().get(usize::from(with)..).unwrap_or_default();
                altered.truncate(place);
                altered.extend_from_slice(rest);
            }
        }
    }
    let Ok(altered) = String::from_utf8(altered) else { return };
    let claimed = [one, two].into_iter().zip(&cancels).find(|(ticket, _)| **ticket == altered);
    let Some((_, cancel)) = claimed else {
        assert_eq!(claim(&altered).expect_err("it was altered"), Refused::Altered);
        return;
    };
    let other = parking.claim(&Principal::anonymous(), &request, &altered);
    assert!(other.is_err(), "it is another principal's");
    assert!(
        parking.claim(caller.principal(), &[0; 32], &altered).is_err(),
        "it is another request's"
    );
    claim(&altered).expect("it is a ticket").cancel.cancel();
    assert!(cancel.is_cancelled(), "it stands for another exchange");
    assert_eq!(claim(&altered).expect_err("it was used"), Refused::Used);
}

#[test]
fn the_corpus_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/request_state");
    let mut played = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        request_state(&std::fs::read(entry.unwrap().path()).unwrap());
        played += 1;
    }
    assert!(played > 0);
}
