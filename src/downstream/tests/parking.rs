//! What a client carries opens only as it was sealed, once, for whom it was sealed.
#![expect(clippy::string_slice, reason = "sealed text is ASCII")]

use std::sync::Arc;
use std::sync::LazyLock;

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::downstream::park::Fingerprint;
use crate::downstream::park::Parking;
use crate::downstream::park::Refused;
use crate::downstream::park::Waiting;
use crate::downstream::park::fingerprint;
use crate::downstream::seal::Seal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Reach;
use crate::exchange::principal::Bounds;
use crate::exchange::principal::Identity;
use crate::exchange::principal::Principal;
use crate::ids::CallerId;
use crate::wire::Raw;

fn seal() -> Seal {
    Seal::try_new().expect("the system has randomness")
}

#[test]
fn every_bit_of_a_seal_counts() {
    let seal = seal();
    let text = seal.close(b"number, moment, caller, request");
    for (at, byte) in text.bytes().enumerate() {
        for other in (0..=127_u8).filter(|other| *other != byte) {
            let mut altered = text.clone().into_bytes();
            altered[at] = other;
            assert_eq!(seal.open(std::str::from_utf8(&altered).unwrap()), None, "{at}: {other}");
        }
    }
    for end in 0..text.len() {
        assert_eq!(seal.open(&text[..end]), None, "cut at {end}");
        assert_eq!(seal.open(&text[end + 1..]), None, "begun behind {end}");
        let doubled = format!("{}{}", &text[..=end], &text[end..]);
        assert_eq!(seal.open(&doubled), None, "doubled at {end}");
    }
    for around in ["=", "==", "A", "AAAA", " ", "\n", "."] {
        assert_eq!(seal.open(&format!("{text}{around}")), None, "{around:?} behind");
        assert_eq!(seal.open(&format!("{around}{text}")), None, "{around:?} before");
    }
    assert!(seal.open(&text).is_some());
}

proptest! {
    #[test]
    fn what_is_sealed_opens_as_it_was_and_under_no_other_key(
        plain in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let seal = seal();
        let (one, two) = (seal.close(&plain), seal.close(&plain));
        prop_assert_ne!(&one, &two, "a nonce is never used again");
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        for text in [one, two] {
            prop_assert!(text.bytes().all(is_safe));
            prop_assert_eq!(seal.open(&text), Some(plain.clone()));
            prop_assert_eq!(self::seal().open(&text), None);
        }
    }

    #[test]
    fn no_two_seals_make_a_third(
        one in prop::collection::vec(any::<u8>(), 0..60),
        two in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let seal = seal();
        let (one, two) = (seal.close(&one), seal.close(&two));
        for front in 0..=one.len() {
            // The same place in both, and the same distance from both ends.
            for back in [front.min(two.len()), (front + two.len()).saturating_sub(one.len())] {
                let spliced = format!("{}{}", &one[..front], &two[back.min(two.len())..]);
                if spliced != one && spliced != two {
                    prop_assert_eq!(seal.open(&spliced), None, "{} {}", front, back);
                }
            }
        }
    }

    #[test]
    fn any_text_opens_nothing(text in prop_oneof![any::<String>(), "[A-Za-z0-9_-]{0,120}"]) {
        prop_assert_eq!(seal().open(&text), None);
    }
}

/// What may happen to parked exchanges; an index means one of those that were ever parked.
#[derive(Clone, Debug)]
enum Act {
    Park { who: usize, request: usize },
    Claim { which: prop::sample::Index, who: usize, request: usize, altered: Option<usize> },
    Splice { front: prop::sample::Index, back: prop::sample::Index, at: usize },
    End(prop::sample::Index),
}

fn act() -> impl Strategy<Value = Act> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        2 => (0..4_usize, 0..2_usize).prop_map(|(who, request)| Act::Park { who, request }),
        6 => (index(), 0..4_usize, 0..2_usize, prop::option::weighted(0.2, 0..114_usize)).prop_map(
            |(which, who, request, altered)| Act::Claim { which, who, request, altered },
        ),
        1 => (index(), index(), 1..113_usize)
            .prop_map(|(front, back, at)| Act::Splice { front, back, at }),
        1 => index().prop_map(Act::End),
    ]
}

/// One exchange that was parked.
struct Parked {
    who: usize,
    request: usize,
    state: String,
    cancel: CancellationToken,
    waiting: Option<Waiting>,
}

/// Those who may come back; of two of them the name is the same.
static PRINCIPALS: LazyLock<[Principal; 4]> =
    LazyLock::new(|| [Principal::process(), Principal::anonymous(), ann(&[]), ann(&["team"])]);

fn ann(groups: &[&str]) -> Principal {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    let (name, bounds) = ("corp:ann".to_owned(), Bounds::default());
    Identity { name, groups, actor: None, bounds }.into()
}

fn caller(who: usize) -> Caller {
    let caller = Caller::new(CallerId(0), Arc::default(), Reach::InCallsOnly);
    caller.on_behalf_of(PRINCIPALS[who].clone())
}

fn requests() -> [Fingerprint; 2] {
    let params = |text: &str| Raw::parse(text.to_owned()).unwrap();
    [r#"{"name":"a"}"#, r#"{"name":"b"}"#]
        .map(|text| fingerprint("tools/call", Some(&params(text))))
}

proptest! {
    #[test]
    fn a_ticket_is_good_for_what_it_was_made_for_and_once(
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let parking = Arc::new(Parking::try_new(100).unwrap());
        let requests = requests();
        let mut parked: Vec<Parked> = Vec::new();
        for act in acts {
            match act {
                Act::Park { who, request } => {
                    let cancel = CancellationToken::new();
                    let ticket = parking.park(&caller(who), &requests[request], &cancel);
                    let (state, waiting) = ticket.expect("there is room");
                    parked.push(Parked { who, request, state, cancel, waiting: Some(waiting) });
                }
                Act::End(which) if !parked.is_empty() => {
                    let index = which.index(parked.len());
                    parked[index].waiting = None;
                }
                Act::Claim { which, who, request, altered } if !parked.is_empty() => {
                    let index = which.index(parked.len());
                    let one = &mut parked[index];
                    let mut state = one.state.clone();
                    if let Some(at) = altered {
                        let at = at % state.len();
                        let other = if &state[at..=at] == "A" { "B" } else { "A" };
                        state.replace_range(at..=at, other);
                    }
                    let claim = parking.claim(&PRINCIPALS[who], &requests[request], &state);
                    let expected = if altered.is_some() {
                        Some(Refused::Altered)
                    } else if who != one.who {
                        Some(Refused::OtherPrincipal)
                    } else if request != one.request {
                        Some(Refused::OtherRequest)
                    } else if one.waiting.is_none() {
                        Some(Refused::Used)
                    } else {
                        None
                    };
                    prop_assert_eq!(claim.as_ref().err(), expected.as_ref());
                    if let Ok(claim) = claim {
                        claim.cancel.cancel();
                        prop_assert!(one.cancel.is_cancelled(), "it is another exchange");
                        one.waiting = None;
                    }
                }
                Act::Splice { front, back, at } if !parked.is_empty() => {
                    let (front, back) = (front.get(&parked), back.get(&parked));
                    let state = format!("{}{}", &front.state[..at], &back.state[at..]);
                    if state != front.state && state != back.state {
                        let claim = parking.claim(
                            &PRINCIPALS[front.who], &requests[front.request], &state,
                        );
                        prop_assert_eq!(claim.unwrap_err(), Refused::Altered);
                    }
                }
                Act::End(_) | Act::Claim { .. } | Act::Splice { .. } => {}
            }
        }
        let cancelled = parked.iter().filter(|one| one.cancel.is_cancelled());
        prop_assert!(cancelled.clone().all(|one| one.waiting.is_none()));
    }
}

#[test]
fn a_request_is_the_same_if_only_what_belongs_to_a_round_differs() {
    let of = |text: &str| fingerprint("m", Some(&Raw::parse(text.to_owned()).unwrap()));
    let deep = |text: &str| format!("{}{text}{}", "[".repeat(200), "]".repeat(200));
    let same = |one: &str, two: &str| assert_eq!(of(one), of(two), "{one} {two}");
    let other = |one: &str, two: &str| assert_ne!(of(one), of(two), "{one} {two}");
    same(r#"{"a":1,"b":{"c":2,"d":3}}"#, r#" { "b" : {"d":3, "c":2}, "\u0061":1 } "#);
    same(r#"{"a":1}"#, r#"{"a":1,"_meta":{"x":1},"inputResponses":{},"requestState":"s"}"#);
    other(r#"{"a":1}"#, r#"{"a":2}"#);
    other(r#"{"a":1}"#, r#"{"a":1,"b":1}"#);
    other(r#"{"a":{"_meta":1}}"#, r#"{"a":{"_meta":2}}"#);
    other(r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#);
    assert_ne!(fingerprint("m", None), fingerprint("n", None));
    // What is too deep or too large to be understood is compared as it is written.
    let params =
        |value: &str, round: &str| format!("{{\"a\":{value},\"requestState\":\"{round}\"}}");
    for (one, two) in [(deep("1"), deep("2")), ("1e999".to_owned(), "2e999".to_owned())] {
        same(&params(&one, "r"), &params(&one, "s"));
        other(&params(&one, "r"), &params(&two, "r"));
    }
}
