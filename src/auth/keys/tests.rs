//! Keys are asked for once, whoever wants them and whoever goes away, and outlive an outage.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future;
use jsonwebtoken::Algorithm;
use serde_json::json;
use tokio::time;
use tokio::time::Instant;

use super::Error;
use super::FRESH;
use super::Keys;
use super::LIMIT;
use super::PATIENCE;
use super::PAUSE;
use super::PAUSE_AFTER_CHANGE;
use super::PAUSE_AFTER_FAILURE;
use super::STALE;
use crate::auth::jwks::Set;

const OUTAGE: Duration = Duration::from_hours(1);
const MOMENT: Duration = Duration::from_millis(1);

/// What a provider does when it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// It takes a while and says that it has the first keys of a sequence, as many as this.
    Has(u64),
    Fails,
    Hangs,
}

/// A provider.
struct Provider {
    mood: AtomicU64,
    asked: AtomicU64,
}

const FAILS: u64 = u64::MAX;
const HANGS: u64 = u64::MAX - 1;

impl Provider {
    fn new(mood: Mood) -> Self {
        let provider = Self { mood: AtomicU64::new(0), asked: AtomicU64::new(0) };
        provider.becomes(mood);
        provider
    }

    fn becomes(&self, mood: Mood) {
        let number = match mood {
            Mood::Has(keys) => keys,
            Mood::Fails => FAILS,
            Mood::Hangs => HANGS,
        };
        self.mood.store(number, Ordering::Relaxed);
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    async fn ask(&self) -> Result<Set, Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        time::sleep(MOMENT).await;
        match self.mood.load(Ordering::Relaxed) {
            FAILS => Err(Error::Slow),
            HANGS => future::pending().await,
            keys => Ok(set(keys)),
        }
    }
}

fn set(keys: u64) -> Set {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let key = |number| json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": name(number) });
    let keys: Vec<_> = (0..keys).map(key).collect();
    Set::of(serde_json::from_value(json!({ "keys": keys })).unwrap())
}

fn name(number: u64) -> String {
    format!("key-{number}")
}

/// Runs a test while somebody asks the provider.
async fn while_kept(provider: &Provider, keys: &Keys, test: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = test => {}
        () = keys.keep(|| provider.ask()) => panic!("it keeps them as long as it is polled"),
    }
}

/// Returns how many keys are found, or nothing if that cannot be known.
async fn find(keys: &Keys, number: u64) -> Option<usize> {
    let name = name(number);
    let found = keys.find(Some(&name), Algorithm::EdDSA, OUTAGE).await;
    found.ok().map(|found| found.len())
}

#[tokio::test(start_paused = true)]
async fn they_are_asked_for_once_however_many_want_them() {
    let (provider, keys) = (Provider::new(Mood::Has(1)), Keys::new());
    let test = async {
        let all = future::join_all((0..20).map(|_| find(&keys, 0))).await;
        assert!(all.iter().all(|found| *found == Some(1)));
        assert_eq!(provider.asked(), 1);
        assert_eq!(find(&keys, 0).await, Some(1));
        assert_eq!(provider.asked(), 1, "they are kept");
        provider.becomes(Mood::Has(2));
        let all = future::join_all((0..20).map(|_| find(&keys, 1))).await;
        assert!(all.iter().all(|found| *found == Some(1)), "a new one is found at once");
        assert_eq!(provider.asked(), 2);
    };
    while_kept(&provider, &keys, test).await;
}

#[tokio::test(start_paused = true)]
async fn made_up_names_cost_the_provider_next_to_nothing() {
    let (provider, keys) = (Provider::new(Mood::Has(1)), Keys::new());
    let test = async {
        assert_eq!(find(&keys, 0).await, Some(1));
        let begun = Instant::now();
        for number in 0..1000 {
            assert_eq!(find(&keys, 100 + number).await, Some(0), "it is refused, not put off");
        }
        assert_eq!(provider.asked(), 2);
        time::sleep_until(begun + PAUSE_AFTER_CHANGE + PAUSE + 10 * MOMENT).await;
        provider.becomes(Mood::Has(2));
        assert_eq!(find(&keys, 1).await, Some(1), "after a pause it is asked again");
        assert_eq!(provider.asked(), 3);
    };
    while_kept(&provider, &keys, test).await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_writes_the_same_twice_is_not_asked_for_ever() {
    let (provider, keys) = (Provider::new(Mood::Has(1)), Keys::new());
    let test = async {
        assert_eq!(find(&keys, 0).await, Some(1));
        for others in 2..7 {
            provider.becomes(Mood::Has(others));
            let begun = Instant::now();
            let all = future::join_all((0..20).map(|_| find(&keys, 100))).await;
            assert!(all.iter().all(|found| *found == Some(0)));
            assert!(begun.elapsed() >= PAUSE_AFTER_CHANGE, "{:?}", begun.elapsed());
            assert_eq!(provider.asked(), others, "once for all of them");
        }
    };
    while_kept(&provider, &keys, test).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_away_takes_nothing_from_others() {
    let (provider, keys) = (Provider::new(Mood::Has(1)), Keys::new());
    let test = async {
        let left = time::timeout(MOMENT / 2, find(&keys, 7)).await;
        assert!(left.is_err(), "it left before there was an answer");
        assert_eq!(find(&keys, 0).await, Some(1));
        assert_eq!(provider.asked(), 1);
    };
    while_kept(&provider, &keys, test).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_who_has_keys_waits_for_newer_ones() {
    let (provider, keys) = (Provider::new(Mood::Has(1)), Keys::new());
    let test = async {
        assert_eq!(find(&keys, 0).await, Some(1));
        time::sleep(FRESH).await;
        provider.becomes(Mood::Hangs);
        let begun = Instant::now();
        assert_eq!(find(&keys, 0).await, Some(1));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        time::sleep(MOMENT).await;
        assert_eq!(provider.asked(), 2, "they are asked for meanwhile");
    };
    while_kept(&provider, &keys, test).await;
}

#[tokio::test(start_paused = true)]
async fn known_keys_outlive_an_outage_within_its_limit() {
    let (provider, keys) = (Provider::new(Mood::Has(1)), Keys::new());
    let test = async {
        assert_eq!(find(&keys, 0).await, Some(1));
        let known = Instant::now();
        provider.becomes(Mood::Fails);
        assert_eq!(find(&keys, 1).await, None, "nobody can know whether there is such a key");
        assert_eq!(find(&keys, 1).await, None, "nor a moment later");
        while known.elapsed() + 2 * FRESH < OUTAGE {
            time::sleep(FRESH).await;
            assert_eq!(find(&keys, 0).await, Some(1), "after {:?}", known.elapsed());
        }
        time::sleep_until(known + OUTAGE).await;
        assert_eq!(find(&keys, 0).await, None, "it has lasted too long");
        provider.becomes(Mood::Has(1));
        time::sleep(PAUSE_AFTER_FAILURE).await;
        assert_eq!(find(&keys, 0).await, Some(1), "it is back");
    };
    while_kept(&provider, &keys, test).await;
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_taken_back_are_no_longer_good() {
    let (provider, keys) = (Provider::new(Mood::Has(2)), Keys::new());
    let test = async {
        assert_eq!(find(&keys, 1).await, Some(1));
        provider.becomes(Mood::Has(1));
        time::sleep(FRESH).await;
        assert_eq!(find(&keys, 0).await, Some(1));
        time::sleep(2 * MOMENT).await;
        assert_eq!(find(&keys, 1).await, Some(0));
    };
    while_kept(&provider, &keys, test).await;
}

#[tokio::test(start_paused = true)]
async fn keys_that_nobody_needed_for_long_are_asked_for_first() {
    let (provider, keys) = (Provider::new(Mood::Has(2)), Keys::new());
    let test = async {
        assert_eq!(find(&keys, 1).await, Some(1));
        provider.becomes(Mood::Has(1));
        time::sleep(STALE).await;
        assert_eq!(find(&keys, 1).await, Some(0), "it was taken back meanwhile");
        assert_eq!((find(&keys, 0).await, provider.asked()), (Some(1), 2));
        provider.becomes(Mood::Hangs);
        time::sleep(STALE).await;
        let begun = Instant::now();
        let all = future::join_all((0..20).map(|_| find(&keys, 0))).await;
        assert!(all.iter().all(|found| *found == Some(1)), "an outage stops nobody");
        assert_eq!((begun.elapsed(), provider.asked()), (LIMIT, 3), "they wait together");
        assert_eq!(find(&keys, 0).await, Some(1));
        assert_eq!(begun.elapsed(), LIMIT, "and once");
    };
    while_kept(&provider, &keys, test).await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_holds_up_nobody_for_long() {
    let (provider, keys) = (Provider::new(Mood::Hangs), Keys::new());
    let test = async {
        let begun = Instant::now();
        let all = future::join_all((0..20).map(|_| find(&keys, 0))).await;
        assert!(all.iter().all(Option::is_none));
        assert_eq!(begun.elapsed(), LIMIT, "they wait together");
        assert_eq!(find(&keys, 0).await, None);
        assert_eq!((begun.elapsed(), provider.asked()), (LIMIT, 1));
    };
    while_kept(&provider, &keys, test).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_where_nobody_asks() {
    let (keys, begun) = (Keys::new(), Instant::now());
    assert_eq!(find(&keys, 0).await, None);
    assert_eq!(begun.elapsed(), PATIENCE);
}
