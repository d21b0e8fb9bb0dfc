//! Limits against a naive model, and the bounds of what they hold.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use smallvec::SmallVec;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::pace::Period;
use crate::config::quota::Budget;
use crate::config::quota::Dimension;
use crate::config::quota::Quota;
use crate::config::quota::Rate;
use crate::config::sample;
use crate::quota::Admission;
use crate::quota::Now;
use crate::quota::Quotas;
use crate::quota::Subject;
use crate::quota::counter;
use crate::quota::sheet;
use crate::quota::table::Table;

/// Reads limits as they are written.
fn quotas(written: &str) -> Vec<Quota> {
    let home = tempfile::tempdir().unwrap();
    sample::load(home.path(), &format!("limits:\n  quotas:{written}\n")).limits.quotas
}

fn limited(written: &str) -> Quotas {
    let all = Quotas::default();
    all.apply(&quotas(written), Now::read());
    all
}

/// A moment some time after the beginning, which is midnight.
fn moment(begun: Instant, after: Duration) -> Now {
    Now { steady: begun + after, utc: Duration::from_hours(24 * 20_000) + after }
}

fn subject<'a>(principal: &'a str, tool: Option<&'a str>) -> Subject<'a> {
    let groups = SmallVec::new();
    Subject { principal, groups, client: None, upstream: "toy", tool, bytes: 0 }
}

struct Clock {
    begun: Instant,
    after: Duration,
}

impl Clock {
    fn new() -> Self {
        Self { begun: Instant::now(), after: Duration::ZERO }
    }

    fn now(&self) -> Now {
        moment(self.begun, self.after)
    }

    fn pass(&mut self, time: Duration) {
        self.after += time;
    }
}

#[track_caller]
fn refused(outcome: Result<Admission, crate::quota::Refusal>) -> (String, Option<Duration>) {
    let refusal = outcome.expect_err("it is over a limit");
    (refusal.to_string(), refusal.retry_after)
}

#[test]
fn a_refusal_says_which_limit_for_whom_how_much_and_when_to_try_again() {
    let written = "
    - { per: [principal, tool], tools: ['gh__create_*'], rate: 6/min, burst: 1, name: few issues }
    - { per: principal, concurrency: 1 }
    - { per: client, calls: 2/day }
    - { per: all, bytes: 1KiB/h }";
    let mut clock = Clock::new();
    let tool = |tool| subject("alice", Some(tool));
    let all = limited(written);
    let first = all.admit(&tool("gh__create_issue"), clock.now()).unwrap();
    let (text, retry) = refused(all.admit(&tool("gh__create_issue"), clock.now()));
    assert_eq!(
        text,
        "the limit `few issues` is reached for `alice` and `gh__create_issue`: at most 6/min; \
         try again in 10s"
    );
    assert_eq!(retry, Some(Duration::from_secs(10)));
    let (text, retry) = refused(all.admit(&tool("gh__list"), clock.now()));
    assert_eq!(
        text,
        "the limit per principal is reached for `alice`: at most 1 under way at once; try again \
         when another request has ended"
    );
    assert_eq!(retry, None);
    clock.pass(Duration::from_secs(3600 * 23 + 1));
    first.end(1024 + 512, clock.now());
    let (text, _) = refused(all.admit(&tool("gh__list"), clock.now()));
    assert_eq!(
        text,
        "the limit of everything together is reached: at most 1KiB/h of arguments and results; \
         try again in 59m 59s"
    );
    // What was taken beyond it was taken from the next one.
    clock.pass(Duration::from_hours(1));
    all.admit(&tool("gh__list"), clock.now()).unwrap().end(511, clock.now());
    all.admit(&tool("gh__list"), clock.now()).unwrap().end(1, clock.now());
    let (text, retry) = refused(all.admit(&tool("gh__list"), clock.now()));
    assert!(text.contains("per client is reached for a client without a name: at most 2/day"));
    assert_eq!(retry, Some(Duration::from_secs(24 * 3600 - 1)), "{text}");
}

#[test]
fn a_limit_is_about_what_meets_its_conditions() {
    let written = "
    - { per: group, groups: ['dev-*', ops], rate: 1/h }
    - { per: all, principals: [bob], clients: ['Claude*'], calls: 1/day }
    - { per: all, upstreams: ['to*'], groups: [guests], calls: 1/day }";
    let clock = Clock::new();
    let all = limited(written);
    let mut carol = subject("carol", None);
    carol.groups = ["dev-a", "ops", "dev-a", "sales"].into_iter().collect();
    drop(all.admit(&carol, clock.now()).unwrap());
    let mut dave = subject("dave", None);
    dave.groups = ["sales"].into_iter().collect();
    for _ in 0..3 {
        drop(all.admit(&dave, clock.now()).unwrap());
    }
    // Each group has a counter of its own, and each must let it through.
    dave.groups = ["dev-b", "ops"].into_iter().collect();
    assert!(refused(all.admit(&dave, clock.now())).0.contains("for `ops`"));
    dave.groups = ["dev-b"].into_iter().collect();
    drop(all.admit(&dave, clock.now()).unwrap());
    let mut bob = subject("bob", None);
    for _ in 0..2 {
        drop(all.admit(&bob, clock.now()).unwrap());
    }
    bob.client = Some("claude-code");
    drop(all.admit(&bob, clock.now()).unwrap());
    assert!(all.admit(&bob, clock.now()).is_err());
    bob.client = None;
    bob.groups = ["guests"].into_iter().collect();
    drop(all.admit(&bob, clock.now()).unwrap());
    assert!(all.admit(&bob, clock.now()).is_err());
}

#[test]
fn what_can_be_called_nothing_counts_nowhere() {
    let all =
        limited("\n    - { per: tool, calls: 1/day }\n    - { per: all, tools: ['*'], rate: 1/h }");
    let clock = Clock::new();
    for _ in 0..3 {
        drop(all.admit(&subject("alice", None), clock.now()).unwrap());
    }
    drop(all.admit(&subject("alice", Some("a")), clock.now()).unwrap());
    assert!(all.admit(&subject("alice", Some("b")), clock.now()).is_err());
}

#[test]
fn names_cannot_pass_for_others() {
    let all = limited("\n    - { per: [client, principal], calls: 1/day }");
    let clock = Clock::new();
    let of = |client, principal| Subject { client: Some(client), ..subject(principal, None) };
    for (client, principal) in
        [("a", "b"), ("a\u{1f}b", ""), ("a\u{1f}b", "b"), ("", "a\u{1f}b"), ("a", "b\u{1f}")]
    {
        drop(all.admit(&of(client, principal), clock.now()).unwrap());
        assert!(all.admit(&of(client, principal), clock.now()).is_err());
    }
    let long = "x".repeat(100_000);
    let other = format!("{long}y");
    let of = |client| Subject { client: Some(client), ..subject("p", None) };
    drop(all.admit(&of(&long), clock.now()).unwrap());
    drop(all.admit(&of(&other), clock.now()).unwrap());
    assert!(refused(all.admit(&of(&long), clock.now())).0.len() < 500);
}

#[test]
fn other_numbers_leave_what_was_used() {
    let clock = Clock::new();
    let all = limited("\n    - { per: principal, calls: 3/day, rate: 1/h, burst: 3 }");
    let alice = subject("alice", None);
    for _ in 0..3 {
        drop(all.admit(&alice, clock.now()).unwrap());
    }
    assert!(all.admit(&alice, clock.now()).is_err());
    // The rate before would have kept it for hours.
    let other = quotas(
        "
    - { per: all, rate: 100/s }
    - { per: principal, calls: 5/day, rate: 60/min }",
    );
    all.apply(&other, clock.now());
    let mut clock = clock;
    clock.pass(Duration::from_secs(61));
    for _ in 0..2 {
        drop(all.admit(&alice, clock.now()).unwrap());
    }
    assert!(refused(all.admit(&alice, clock.now())).0.contains("5/day"));
    // Another limit knows nothing of it.
    all.apply(&quotas("\n    - { per: principal, name: other, calls: 5/day }"), clock.now());
    drop(all.admit(&alice, clock.now()).unwrap());
    all.apply(&[], clock.now());
    assert!(all.is_empty());
}

#[test]
fn less_in_a_budget_is_no_debt() {
    let mut clock = Clock::new();
    let all = limited("\n    - { per: principal, bytes: 1GiB/day }");
    let alice = subject("alice", None);
    all.admit(&alice, clock.now()).unwrap().end(800 << 20, clock.now());
    all.apply(&quotas("\n    - { per: principal, bytes: 1MiB/day }"), clock.now());
    assert!(all.admit(&alice, clock.now()).is_err());
    clock.pass(Duration::from_hours(24));
    drop(all.admit(&alice, clock.now()).unwrap());
}

#[test]
fn a_clock_that_is_set_back_gives_nothing_and_takes_nothing() {
    let (begun, day) = (Instant::now(), Duration::from_hours(24));
    let all = limited("\n    - { per: all, calls: 2/day }");
    let alice = subject("alice", None);
    drop(all.admit(&alice, moment(begun, day * 400)).unwrap());
    drop(all.admit(&alice, moment(begun, day)).unwrap());
    assert!(all.admit(&alice, moment(begun, day)).is_err());
    drop(all.admit(&alice, moment(begun, day * 2)).unwrap());
}

#[test]
fn who_has_no_room_is_refused_and_idle_counters_make_room() {
    let clock = &mut Clock::new();
    let all = limited("\n    - { per: principal, rate: 1/min }\n    - { per: all, rate: 1000/s }");
    *all.table() = Table::bounded(2, 10);
    all.table().keep(&all.0.rules.load(), clock.now());
    for principal in ["a", "b"] {
        drop(all.admit(&subject(principal, None), clock.now()).unwrap());
    }
    let before = all.report();
    let (text, retry) = refused(all.admit(&subject("c", None), clock.now()));
    assert!(text.contains("too many others are counted"), "{text}");
    assert_eq!(retry, None);
    assert_eq!(all.report()[1].counters, before[1].counters);
    assert!(all.admit(&subject("a", None), clock.now()).is_err(), "it is known still");
    clock.pass(Duration::from_mins(1));
    drop(all.admit(&subject("c", None), clock.now()).unwrap());
    assert_eq!(all.report()[0].counters, 1);
    assert_eq!(all.report()[0].refused, 2);
}

#[test]
fn what_began_before_a_limit_on_what_is_under_way_makes_no_room_in_it() {
    let clock = Clock::new();
    let all = limited("\n    - { per: principal, bytes: 1MiB/h }");
    let admit = || all.admit(&subject("alice", Some("t")), clock.now());
    let before = admit().unwrap();
    let more = quotas("\n    - { per: principal, bytes: 1MiB/h, concurrency: 1 }");
    all.apply(&more, clock.now());
    let one = admit().unwrap();
    drop(before);
    let (text, _) = refused(admit());
    assert!(text.contains("at most 1 under way at once"), "{text}");
    drop(one);
    drop(admit().unwrap());
}

#[test]
fn many_at_once_get_no_more_than_there_is() {
    let all = limited(
        "
    - { per: principal, calls: 100/day }
    - { per: all, concurrency: 3 }
    - { per: tool, rate: 1/h, burst: 150 }",
    );
    let clock = Clock::new();
    let (admitted, under_way) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let now = clock.now();
                    let Ok(admission) = all.admit(&subject("alice", Some("t")), now) else {
                        thread::yield_now();
                        continue;
                    };
                    assert!(under_way.fetch_add(1, Ordering::SeqCst) < 3);
                    admitted.fetch_add(1, Ordering::SeqCst);
                    thread::yield_now();
                    under_way.fetch_sub(1, Ordering::SeqCst);
                    drop(admission);
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 100);
}

// What is written down.

#[test]
fn what_is_written_down_while_a_budget_ends_takes_nothing_from_the_next_one() {
    let state = tempfile::tempdir().unwrap();
    let all = limited("\n    - { per: principal, calls: 10/h, bytes: 10KiB/h }");
    let mut clock = Clock::new();
    let alice = subject("alice", None);
    let spend = |times: usize, now| {
        (0..times).filter_map(|_| all.admit(&alice, now).ok()).map(|it| it.end(1, now)).count()
    };
    assert_eq!(spend(8, clock.now()), 8);
    let (before, news) = (clock.now(), all.news(clock.now()));
    let sheet = sheet::record(state.path(), &news, before).unwrap();
    clock.pass(Duration::from_hours(1));
    assert_eq!(spend(6, clock.now()), 6);
    // The disk was slow: what it says is of the hour before.
    all.learn(&sheet, &news, before);
    assert_eq!(spend(6, clock.now()), 4, "six and four are ten");
    // So is what somebody asks for who looked at the clock before the hour was over.
    assert_eq!(spend(1, before), 0);
    assert_eq!(spend(1, clock.now()), 0);
}

#[test]
fn names_of_any_length_leave_a_file_that_can_be_read() {
    let state = tempfile::tempdir().unwrap();
    let all = limited("\n    - { per: [principal, client], calls: 1000/day }");
    let now = Clock::new().now();
    let quotes = "\"".repeat(240);
    let alice = subject("alice", None);
    for _ in 0..3 {
        drop(all.admit(&alice, now).unwrap());
    }
    let mut news = all.news(now);
    let (line, (budget, _)) = news.first_key_value().map(|(line, of)| (line.clone(), *of)).unwrap();
    for number in 0..19_999 {
        let key = format!("{quotes}{number}\u{1f}{quotes}");
        news.insert(sheet::Line { key, ..line.clone() }, (budget, 1));
    }
    let written = sheet::record(state.path(), &news, now).unwrap();
    assert!(written.lines().count() > 5000, "there is room for many");
    let read = sheet::record(state.path(), &sheet::News::new(), now).unwrap();
    assert_eq!(read, written);
    assert!(read.lines().any(|(kept, _)| *kept == line), "most was used of it");
}

#[test]
fn gateways_that_share_a_directory_share_their_budgets() {
    let state = tempfile::tempdir().unwrap();
    let written = "
    - { per: principal, calls: 10/day, bytes: 100KiB/day }
    - { per: principal, calls: 1000/min, rate: 100/s, name: not kept }";
    let (one, two) = (limited(written), limited(written));
    let mut clock = Clock::new();
    let alice = Subject { bytes: 1000, ..subject("alice", None) };
    let sync = |all: &Quotas, now| {
        let news = all.news(now);
        let sheet = sheet::record(state.path(), &news, now).unwrap();
        all.learn(&sheet, &news, now);
    };
    let spend = |all: &Quotas, times: usize, now| {
        (0..times).filter_map(|_| all.admit(&alice, now).ok()).map(|it| it.end(9000, now)).count()
    };
    assert_eq!(spend(&one, 4, clock.now()), 4);
    assert_eq!(spend(&two, 5, clock.now()), 5);
    sync(&one, clock.now());
    // What was used while it is written is not lost either.
    let news = two.news(clock.now());
    assert_eq!(spend(&two, 1, clock.now()), 1);
    let sheet = sheet::record(state.path(), &news, clock.now()).unwrap();
    two.learn(&sheet, &news, clock.now());
    assert_eq!(spend(&two, 3, clock.now()), 0, "four, five and one are ten");
    sync(&two, clock.now());
    sync(&one, clock.now());
    assert_eq!(spend(&one, 3, clock.now()), 0);
    // A gateway that is started learns it.
    let three = limited(written);
    sync(&three, clock.now());
    let (text, _) = refused(three.admit(&alice, clock.now()));
    assert!(text.contains("10/day"), "{text}");
    clock.pass(Duration::from_hours(24));
    assert_eq!(spend(&three, 20, clock.now()), 10);
    for all in [&three, &one, &two, &three] {
        sync(all, clock.now());
    }
    assert_eq!(spend(&one, 1, clock.now()) + spend(&two, 1, clock.now()), 0);
    let text = std::fs::read_to_string(state.path().join("budgets.json")).unwrap();
    assert_eq!(text.matches("\"limit\"").count(), 2, "{text}");
}

#[test]
fn a_file_that_is_damaged_is_set_aside_and_one_of_another_version_is_left_alone() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("budgets.json");
    let all = limited("\n    - { per: all, calls: 10/day }");
    let clock = Clock::new();
    drop(all.admit(&subject("alice", None), clock.now()).unwrap());
    let news = all.news(clock.now());
    std::fs::write(&file, "{\"version\":1,\"budgets\":[{\"limit\":").unwrap();
    let sheet = sheet::record(state.path(), &news, clock.now()).unwrap();
    assert_eq!(sheet.lines().count(), 1);
    assert!(state.path().join("budgets.broken").exists());
    std::fs::write(&file, "{\"version\":2}").unwrap();
    let error = sheet::record(state.path(), &news, clock.now()).unwrap_err();
    assert_eq!(error.to_string(), "it is of version 2, not 1");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"version\":2}");
}

#[tokio::test(start_paused = true)]
async fn what_was_used_at_the_end_is_written_and_known_at_the_next_start() {
    let state = tempfile::tempdir().unwrap();
    let written = "\n    - { per: principal, calls: 2/day }";
    for left in [true, false] {
        let all = limited(written);
        all.recall(state.path()).await;
        let stop = CancellationToken::new();
        for _ in 0..2 {
            let now = Now::read();
            assert_eq!(all.admit(&subject("alice", None), now).is_ok(), left);
        }
        stop.cancel();
        all.keep(state.path().to_owned(), stop).await;
    }
}

// Against a naive model.

/// Something that happens to limits.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks: who, for which tool, with so many bytes.
    Ask(usize, usize, u64),
    /// One of those under way ends, with so many bytes.
    End(usize, u64),
    Pass(Duration),
}

const PRINCIPALS: [&str; 3] = ["alice", "bob", "carol"];
const TOOLS: [&str; 2] = ["read", "write"];

fn step() -> impl Strategy<Value = Step> {
    let pass = prop_oneof![0..2_000u64, 0..100_000u64, 0..90_000_000u64];
    prop_oneof![
        6 => (0..3usize, 0..2usize, 0..3000u64).prop_map(|(a, b, c)| Step::Ask(a, b, c)),
        3 => (0..8usize, 0..3000u64).prop_map(|(a, b)| Step::End(a, b)),
        3 => pass.prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
    ]
}

fn limit() -> impl Strategy<Value = Quota> {
    let period = prop_oneof![Just(Period::Second), Just(Period::Minute), Just(Period::Hour)];
    let rate = (1..7u64, period, 1..6u64);
    let rate = rate.prop_map(|(count, period, burst)| Rate { count, period, burst });
    let long = || prop_oneof![Just(Period::Minute), Just(Period::Hour), Just(Period::Day)];
    let calls = (1..6u64, long()).prop_map(|(amount, period)| Budget { amount, period });
    let bytes = (1..9000u64, long()).prop_map(|(amount, period)| Budget { amount, period });
    let per = prop_oneof![
        Just(vec![]),
        Just(vec![Dimension::Principal]),
        Just(vec![Dimension::Tool]),
        Just(vec![Dimension::Principal, Dimension::Tool]),
    ];
    let about = quotas("\n    - { per: all, rate: 1/s }").remove(0).about;
    let limits = (
        proptest::option::of(rate),
        proptest::option::of(1..4usize),
        proptest::option::of(calls),
        proptest::option::of(bytes),
    );
    (per, limits).prop_map(move |(per, (rate, concurrency, calls, bytes))| {
        let (name, about) = (None, about.clone());
        Quota { name, per, about, rate, concurrency, calls, bytes }
    })
}

/// One limit, by its place, and one of those it counts for.
type Counted = (usize, Vec<&'static str>);

/// What was counted for one limit and one of those it counts for: everything that ever happened.
#[derive(Default)]
struct History {
    begun: Vec<Duration>,
    under_way: usize,
    /// When bytes were used, and how many.
    bytes: Vec<(Duration, u64)>,
}

impl History {
    /// Says from everything that ever happened whether there is one more.
    fn admits(&self, quota: &Quota, now: Duration) -> bool {
        quota.rate.is_none_or(|rate| self.has_token(rate, now))
            && quota.concurrency.is_none_or(|most| self.under_way < most)
            && quota.calls.is_none_or(|budget| {
                let window = |at: Duration| at.as_secs() / budget.period.length().as_secs();
                let used = self.begun.iter().filter(|at| window(**at) == window(now)).count();
                (used as u64) < budget.amount
            })
            && quota.bytes.is_none_or(|budget| {
                let window = |at: Duration| at.as_secs() / budget.period.length().as_secs();
                let (mut owed, mut at) = (0, 0);
                for (when, used) in &self.bytes {
                    owed = rolled(owed, window(*when) - at, budget.amount) + used;
                    at = window(*when);
                }
                rolled(owed, window(now) - at, budget.amount) < budget.amount
            })
    }

    /// A bucket that is filled drop by drop, counted in billionths of what one request takes.
    fn has_token(&self, rate: Rate, now: Duration) -> bool {
        let one = counter::interval(rate).as_nanos();
        let most = one * u128::from(rate.burst);
        let (mut tokens, mut at) = (most, Duration::ZERO);
        for when in &self.begun {
            tokens = most.min(tokens + when.saturating_sub(at).as_nanos()) - one;
            at = *when;
        }
        most.min(tokens + now.saturating_sub(at).as_nanos()) >= one
    }
}

fn rolled(owed: u64, windows: u64, amount: u64) -> u64 {
    owed.saturating_sub(windows.saturating_mul(amount))
}

proptest! {
    #[test]
    fn as_much_is_admitted_as_a_naive_model_admits_and_refusals_use_up_nothing(
        limits in proptest::collection::vec(limit(), 1..4),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let all = Quotas::default();
        let mut clock = Clock::new();
        all.apply(&limits, clock.now());
        let mut model: HashMap<Counted, History> = HashMap::new();
        let mut under_way: Vec<(Admission, Vec<Counted>)> = Vec::new();
        for step in steps {
            match step {
                Step::Pass(time) => clock.pass(time),
                Step::Ask(who, what, bytes) => {
                    let (principal, tool) = (PRINCIPALS[who], TOOLS[what]);
                    let keys: Vec<_> = limits.iter().enumerate().map(|(index, quota)| {
                        let part = |dimension: &Dimension| match dimension {
                            Dimension::Principal => principal,
                            _ => tool,
                        };
                        (index, quota.per.iter().map(part).collect::<Vec<_>>())
                    }).collect();
                    let expected = keys.iter().all(|key| {
                        model.entry(key.clone()).or_default().admits(&limits[key.0], clock.after)
                    });
                    let size = usize::try_from(bytes).unwrap();
                    let asks = Subject { bytes: size, ..subject(principal, Some(tool)) };
                    let admitted = all.admit(&asks, clock.now());
                    prop_assert_eq!(admitted.is_ok(), expected, "{:?}", admitted);
                    if let Err(refusal) = &admitted && let Some(wait) = refusal.retry_after {
                        prop_assert!(!wait.is_zero());
                    }
                    if let Ok(admission) = admitted {
                        for key in &keys {
                            let history = model.get_mut(key).unwrap();
                            history.begun.push(clock.after);
                            history.under_way += 1;
                            history.bytes.push((clock.after, bytes));
                        }
                        under_way.push((admission, keys));
                    }
                }
                Step::End(index, bytes) if index < under_way.len() => {
                    let (admission, keys) = under_way.remove(index);
                    admission.end(usize::try_from(bytes).unwrap(), clock.now());
                    for key in &keys {
                        let history = model.get_mut(key).unwrap();
                        history.under_way -= 1;
                        history.bytes.push((clock.after, bytes));
                    }
                }
                Step::End(..) => {}
            }
        }
        // In any time there were no more than the rate has for it.
        for ((index, _), history) in &model {
            let Some(rate) = limits[*index].rate else { continue };
            for (first, from) in history.begun.iter().enumerate() {
                for (last, to) in history.begun.iter().enumerate().skip(first) {
                    let time = to.saturating_sub(*from).as_nanos() * u128::from(rate.count);
                    let fair = u128::from(rate.burst) + time / rate.period.length().as_nanos();
                    prop_assert!(((last - first) as u128) < fair.max(1));
                }
            }
        }
    }

    #[test]
    fn who_waits_as_told_is_let_through(
        limit in limit(),
        pauses in proptest::collection::vec(0..5000u64, 1..30),
    ) {
        let all = Quotas::default();
        let mut clock = Clock::new();
        all.apply(&[Quota { concurrency: None, ..limit }], clock.now());
        let asks = Subject { bytes: 700, ..subject("alice", Some("read")) };
        for pause in pauses {
            clock.pass(Duration::from_millis(pause));
            match all.admit(&asks, clock.now()) {
                Ok(admission) => admission.end(300, clock.now()),
                Err(refusal) => {
                    let wait = refusal.retry_after.unwrap();
                    // A moment earlier it is not.
                    let early = wait.checked_sub(Duration::from_nanos(1)).unwrap();
                    let before = moment(clock.begun, clock.after + early);
                    prop_assert!(all.admit(&asks, before).is_err());
                    clock.pass(wait);
                    let admitted = all.admit(&asks, clock.now());
                    prop_assert!(admitted.is_ok(), "{admitted:?} after {wait:?}");
                }
            }
        }
    }
}

#[test]
fn a_model_that_counts_nothing_would_be_noticed() {
    let history = History { begun: vec![Duration::ZERO], ..History::default() };
    let limit = quotas("\n    - { per: all, rate: 1/s }").remove(0);
    assert!(!history.admits(&limit, Duration::from_millis(999)));
    assert!(history.admits(&limit, Duration::from_secs(1)));
}
