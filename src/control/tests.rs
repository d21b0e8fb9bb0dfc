//! What follows from what happens, without any process.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::catalog::Kind;
use crate::config::StartBudget;
use crate::control::announcement::Announcement;
use crate::control::patience::Patience;
use crate::control::plan::Heard;
use crate::control::plan::Lasts;
use crate::control::plan::List;
use crate::control::plan::Listings;
use crate::ids::UpstreamId;
use crate::router::Lasting;
use crate::router::Settled;
use crate::upstream::Moment;
use crate::wire::Raw;
use crate::wire::freshness::Freshness;

fn id(name: &str) -> UpstreamId {
    UpstreamId::new(name)
}

fn tools(names: &[&str]) -> Vec<Raw> {
    let tool = |name: &&str| {
        Raw::of(&serde_json::json!({ "name": name, "inputSchema": { "type": "object" } }))
    };
    names.iter().map(tool).collect()
}

/// What an upstream answers that lists these tools and has nothing else.
fn listed(names: &[&str], lasts: Option<Lasts>) -> Vec<(Kind, List)> {
    let one = |kind| match kind {
        Kind::Tools => (kind, Ok((tools(names), lasts))),
        _ => (kind, Ok((Vec::new(), None))),
    };
    Kind::ALL.into_iter().map(one).collect()
}

#[test]
fn a_list_waits_until_everybody_listed_or_failed() {
    let mut listings = Listings::new([id("a"), id("b")]);
    assert_eq!(listings.settled(), Settled::No);
    assert!(listings.begin(&id("a")));
    assert!(!listings.listed(&id("a"), listed(&["x"], None), Instant::now()));
    assert_eq!(listings.settled(), Settled::No);
    listings.failed(&id("b"), "gone".to_owned());
    assert_eq!(listings.failures()[&id("b")], "gone");
    assert_eq!(listings.settled(), Settled::Live);
    assert_eq!(listings.lacking(Instant::now()), [id("b")]);
}

#[test]
fn a_list_does_not_wait_longer_than_the_budget() {
    let mut listings = Listings::new([id("a")]);
    listings.settle(Settled::Enough);
    assert_eq!(listings.settled(), Settled::Enough);
    listings.settle(Settled::Live);
    assert_eq!(listings.settled(), Settled::Live);
    listings.settle(Settled::Enough);
    assert_eq!(listings.settled(), Settled::Live, "that is over");
}

/// A wait that began at `now`, and what is heard in it: when, and how many had then listed or
/// failed, and how many had listed.
fn waits(now: Instant, budget: StartBudget, heard: &[(u64, usize, usize)]) -> Patience {
    let mut patience = Patience::default();
    patience.begin(now, budget);
    for (milliseconds, settled, listed) in heard {
        let at = now + Duration::from_millis(*milliseconds);
        assert_eq!(patience.over(at), Settled::No, "{heard:?} after {milliseconds} ms");
        patience.hear(Heard { settled: *settled, listed: *listed }, at);
    }
    patience
}

#[test]
fn lists_wait_while_upstreams_come_and_never_beyond_the_budget() {
    let budget = Duration::from_secs(5);
    let (unsaid, said) = (StartBudget::Unsaid(budget), StartBudget::Said(budget));
    let now = Instant::now();
    for (budget, heard, quiet) in [
        (unsaid, &[][..], 5000),
        (unsaid, &[(100, 1, 0)], 5000),
        (unsaid, &[(100, 1, 1)], 850),
        (unsaid, &[(100, 1, 0), (900, 2, 1)], 1650),
        (unsaid, &[(100, 1, 1), (500, 2, 1), (600, 2, 1)], 1250),
        (unsaid, &[(100, 1, 1), (500, 2, 1), (600, 2, 2)], 1350),
        (unsaid, &[(500, 1, 1), (1000, 2, 2), (1500, 3, 3), (2000, 4, 4)], 2750),
        (unsaid, &[(4200, 1, 1), (4700, 2, 2)], 5000),
        (said, &[(100, 1, 1)], 5000),
        (StartBudget::Said(Duration::ZERO), &[], 0),
    ] {
        let mut patience = waits(now, budget, heard);
        let quiet = now + Duration::from_millis(quiet);
        assert_eq!(patience.due(), Some(quiet), "{budget:?} {heard:?}");
        if let Some(before) = quiet.checked_sub(Duration::from_millis(1)).filter(|it| *it > now) {
            assert_eq!(patience.over(before), Settled::No, "{budget:?} {heard:?}");
        }
        if quiet < now + budget.limit() {
            assert_eq!(patience.over(quiet), Settled::Enough, "{budget:?} {heard:?}");
            patience.hear(Heard { settled: 9, listed: 9 }, quiet);
            assert_eq!(patience.over(quiet), Settled::Enough, "lists do not wait again");
        }
        assert_eq!(patience.due(), Some(now + budget.limit()), "{budget:?} {heard:?}");
        assert_eq!(patience.over(now + budget.limit()), Settled::Live, "{budget:?} {heard:?}");
        assert_eq!(patience.due(), None, "everything is over");
    }
}

#[test]
fn what_listed_before_the_first_list_was_wanted_is_enough_after_a_quiet_moment() {
    let (now, mut patience) = (Instant::now(), Patience::default());
    patience.hear(Heard { settled: 1, listed: 1 }, now);
    assert_eq!(patience.due(), None, "nobody waits");
    let later = now + Duration::from_mins(1);
    patience.begin(later, StartBudget::Unsaid(Duration::from_secs(5)));
    assert_eq!(patience.over(later), Settled::No, "the others were not asked until now");
    assert_eq!(patience.due(), Some(later + Duration::from_millis(750)));
    patience.begin(later + Duration::from_secs(1), StartBudget::Said(Duration::from_mins(1)));
    assert_eq!(patience.due(), Some(later + Duration::from_millis(750)), "it has begun");
}

#[test]
fn what_failed_and_what_listed_is_counted() {
    let mut listings = Listings::new([id("a"), id("b"), id("c")]);
    assert_eq!(listings.heard(), Heard::default());
    let heard = |settled, listed| Heard { settled, listed };
    listings.failed(&id("a"), "gone".to_owned());
    assert_eq!(listings.heard(), heard(1, 0));
    listings.failed(&id("a"), "gone again".to_owned());
    assert_eq!(listings.heard(), heard(1, 0), "that is nothing new");
    listings.listed(&id("a"), listed(&["x"], None), Instant::now());
    listings.listed(&id("b"), listed(&["x"], None), Instant::now());
    assert_eq!(listings.heard(), heard(2, 2));
    let from = Moment::from(SystemTime::UNIX_EPOCH);
    listings.recall(&id("c"), vec![(Kind::Tools, tools(&["x"]))], from);
    assert_eq!(listings.heard(), heard(2, 2), "that was in an earlier run");
}

#[test]
fn nobody_has_nothing_to_wait_for() {
    assert_eq!(Listings::new([]).settled(), Settled::Live);
}

#[test]
fn what_is_remembered_is_shown_at_once_and_asked_for_all_the_same() {
    let from = Moment::from(SystemTime::UNIX_EPOCH);
    let mut listings = Listings::new([id("a"), id("b")]);
    let now = Instant::now();
    listings.recall(&id("a"), vec![(Kind::Tools, tools(&["x"])), (Kind::Skills, Vec::new())], from);
    assert_eq!(listings.settled(), Settled::No, "nothing is known of `b`");
    listings.recall(&id("b"), vec![(Kind::Tools, tools(&["y"]))], from);
    assert_eq!(listings.settled(), Settled::Enough);
    assert_eq!(listings.get(&id("a")).tools, tools(&["x"]));
    assert_eq!(listings.lacking(now), [id("a"), id("b")]);
    assert_eq!(listings.unread(&id("a")), Kind::ALL, "a name that is not known may be new");
    assert!(listings.lasting(&id("a")).is_empty());

    let before = listings.get(&id("a"));
    listings.listed(&id("a"), listed(&["x"], None), now);
    assert!(Arc::ptr_eq(&before, &listings.get(&id("a"))), "it is as it was");
    assert_eq!((listings.remembered(&id("a")), listings.remembered(&id("b"))), (None, Some(from)));
    assert_eq!(listings.settled(), Settled::Enough);
    listings.failed(&id("b"), "gone".to_owned());
    assert_eq!(listings.settled(), Settled::Live);
    assert_eq!(listings.get(&id("b")).tools, tools(&["y"]), "it stays listed");
    assert_eq!(listings.remembered(&id("b")), Some(from));
}

#[test]
fn a_change_while_listing_leads_to_one_more_listing() {
    let mut listings = Listings::new([id("a")]);
    assert!(listings.begin(&id("a")));
    assert!(!listings.begin(&id("a")), "it is being asked already");
    assert!(!listings.begin(&id("a")));
    assert!(listings.listed(&id("a"), listed(&["x"], None), Instant::now()), "what came is stale");
    assert!(listings.begin(&id("a")));
    assert!(!listings.listed(&id("a"), listed(&["x"], None), Instant::now()));
}

#[test]
fn what_was_listed_outlives_a_failure() {
    let mut listings = Listings::new([id("a")]);
    listings.begin(&id("a"));
    listings.listed(&id("a"), listed(&["x"], None), Instant::now());
    listings.begin(&id("a"));
    assert!(listings.failed(&id("a"), "gone".to_owned()));
    assert!(!listings.failed(&id("a"), "gone".to_owned()), "that is no news");
    assert!(listings.is_asked(&id("a")), "whoever asks it has not been told yet");
    listings.unasked(&id("a"));
    assert_eq!(listings.get(&id("a")).tools, tools(&["x"]));
    assert_eq!(listings.unread(&id("a")), []);
    assert!(listings.begin(&id("a")), "it can be asked again");
}

#[test]
fn a_list_that_cannot_be_had_costs_no_other_and_nothing_that_was_listed() {
    let mut listings = Listings::new([id("a")]);
    let refused = |kind| {
        let lists = listed(&["y"], None).into_iter();
        lists.map(|(it, list)| (it, if it == kind { Err("no".to_owned()) } else { list })).collect()
    };
    let now = Instant::now();
    listings.listed(&id("a"), refused(Kind::Prompts), now);
    assert_eq!(listings.get(&id("a")).tools, tools(&["y"]), "the others count");
    assert_eq!(listings.unread(&id("a")), [Kind::Prompts]);
    assert_eq!(listings.failures()[&id("a")], "prompts: no");
    assert!(listings.lasting(&id("a"))[&Kind::Prompts].is_over(now), "it is not whole");
    assert_eq!(listings.lacking(now + Duration::from_mins(2)), [id("a")]);

    listings.listed(&id("a"), listed(&["x"], None), now);
    assert!(listings.failures().is_empty() && listings.unread(&id("a")).is_empty());
    listings.listed(&id("a"), refused(Kind::Tools), now);
    assert_eq!(listings.get(&id("a")).tools, tools(&["x"]), "what was listed stays");
    assert_eq!(listings.failures()[&id("a")], "tools: no");
    assert_eq!(listings.unread(&id("a")), []);
}

#[test]
fn who_could_not_list_everything_is_asked_again_after_pauses_that_grow_and_end() {
    let mut listings = Listings::new([id("a")]);
    let mut now = Instant::now();
    let mut pauses = Vec::new();
    loop {
        assert!(listings.begin(&id("a")));
        let refused = Kind::ALL.map(|kind| (kind, Err("no".to_owned())));
        assert!(!listings.listed(&id("a"), refused.into(), now));
        let Some(due) = listings.next_due() else { break };
        pauses.push((due - now).as_secs());
        assert_eq!(listings.lacking(now), [], "it is left alone");
        assert_eq!(listings.take_due(now), []);
        now = due;
        assert_eq!(listings.take_due(now), [id("a")]);
        assert_eq!(listings.next_due(), None, "it is taken");
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32]);
    assert_eq!(listings.lacking(now), [], "it is left alone for a while even if it is wanted");
    assert_eq!(listings.lacking(now + Duration::from_mins(1)), [id("a")]);
    listings.listed(&id("a"), listed(&["x"], None), now);
    assert_eq!(listings.lacking(now + Duration::from_mins(1)), []);
}

#[test]
fn who_tells_of_changes_again_and_again_is_asked_less_and_less_often() {
    let mut listings = Listings::new([id("a")]);
    let mut now = Instant::now();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        for _ in 0..1000 {
            listings.changed(&id("a"), now);
        }
        let due = listings.next_due().unwrap();
        pauses.push((due - now).as_millis());
        now = due;
        assert_eq!(listings.take_due(now), [id("a")]);
        assert_eq!(listings.take_due(now), [], "once for all of them");
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    now += Duration::from_secs(2);
    listings.changed(&id("a"), now);
    assert_eq!(listings.next_due().unwrap() - now, Duration::from_millis(100), "it was calm");
}

#[test]
fn what_is_listed_as_before_is_the_same_value() {
    let mut listings = Listings::new([id("a")]);
    let now = Instant::now();
    listings.listed(&id("a"), listed(&["x"], None), now);
    let before = listings.get(&id("a"));
    listings.listed(&id("a"), listed(&["x"], None), now);
    assert!(Arc::ptr_eq(&before, &listings.get(&id("a"))));
    listings.listed(&id("a"), listed(&["y"], None), now);
    assert!(!Arc::ptr_eq(&before, &listings.get(&id("a"))));
}

#[test]
fn an_old_list_is_asked_for_again_unless_its_upstream_tells_of_changes() {
    let now = Instant::now();
    let lasts = |seconds, is_told| {
        let freshness = Freshness { ttl: Duration::from_secs(seconds), is_public: true };
        let lasting = Lasting::new(now, freshness);
        Some(Lasts { lasting, is_told })
    };
    let mut listings = Listings::new([id("a"), id("b")]);
    listings.listed(&id("a"), listed(&["x"], lasts(100, false)), now);
    listings.listed(&id("b"), listed(&["x"], lasts(300, true)), now);
    let outdated = |after| listings.outdated(now + Duration::from_secs(after));
    assert_eq!(outdated(99), []);
    assert_eq!(outdated(1000), [id("a")], "who tells of changes need not be asked");
    assert!(listings.lasting(&id("a")).contains_key(&Kind::Tools));
    assert!(!listings.lasting(&id("a")).contains_key(&Kind::Prompts));
}

#[test]
fn what_takes_the_place_of_another_shows_what_that_listed_until_it_lists() {
    let (mut listings, now) = (Listings::new([id("a")]), Instant::now());
    listings.listed(&id("a"), listed(&["x"], None), now);
    assert!(listings.begin(&id("a")));
    listings.renew(&id("a"));
    assert!(!listings.is_asked(&id("a")), "nobody asks this one");
    assert_eq!(listings.get(&id("a")).tools, tools(&["x"]));
    assert_eq!(listings.unread(&id("a")), Kind::ALL);
    assert_eq!(listings.lacking(now), [id("a")]);
    listings.listed(&id("a"), listed(&["y"], None), now);
    assert_eq!(listings.get(&id("a")).tools, tools(&["y"]));
    listings.renew(&id("b"));
    assert_eq!(listings.lacking(now), [id("b")], "one that was not there before");
    listings.forget(&id("a"));
    assert!(listings.get(&id("a")).tools.is_empty());
}

#[test]
fn callers_are_told_when_what_is_new_was_heard_or_is_late() {
    let (mut it, now) = (Announcement::default(), Instant::now());
    let after = |milliseconds| now + Duration::from_millis(milliseconds);
    it.news(now);
    it.news(after(50));
    assert_eq!(it.due(), Some(after(100)), "changes are collected");
    it.wait_for(id("a"), after(5000));
    it.wait_for(id("b"), after(9000));
    assert_eq!(it.due(), Some(after(5000)), "who comes later makes nobody wait longer");
    it.heard(&id("a"));
    assert_eq!(it.due(), Some(after(5000)));
    it.heard(&id("b"));
    assert_eq!(it.due(), Some(after(100)));
    it.made();
    assert_eq!(it.due(), None);
    it.wait_for(id("c"), after(5000));
    assert_eq!(it.due(), None, "there is nothing to tell");
}
