//! What a view shows, and what its callers are told of it.

mod visible;

use std::fs;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Log;
use crate::catalog;
use crate::catalog::Kind;
use crate::catalog::Listing;
use crate::catalog::Rules;
use crate::catalog::Source;
use crate::config;
use crate::config::exposure::Exposure;
use crate::config::exposure::Mode;
use crate::config::sample;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::exchange::caller::Reach;
use crate::exchange::mailbox::ListKind;
use crate::ids::CallerId;
use crate::ids::Generation;
use crate::ids::UpstreamId;
use crate::policy::Policy;
use crate::router::Lasting;
use crate::router::Router;
use crate::router::View;
use crate::router::World;
use crate::router::calls::Ending;
use crate::router::instructions;
use crate::router::lasting;
use crate::router::told::Told;
use crate::router::world::Known;
use crate::telemetry::Telemetry;
use crate::upstream;
use crate::wire::Raw;
use crate::wire::freshness::Freshness;
use crate::wire::method;

fn id(name: &str) -> UpstreamId {
    UpstreamId::new(name)
}

pub(super) fn listing(tools: &[&str]) -> Listing {
    let tool = |name: &&str| {
        Raw::of(&serde_json::json!({ "name": name, "inputSchema": { "type": "object" } }))
    };
    Listing { tools: tools.iter().map(tool).collect(), ..Listing::default() }
}

fn told(listing: Listing) -> Told {
    let source = Source {
        upstream: id("a"),
        prefix: "a".to_owned(),
        over_http: false,
        listing: listing.into(),
    };
    Told::of(&catalog::merge(&[source], &Rules::default()), &Exposure::default(), None)
}

#[test]
fn only_a_difference_is_announced() {
    let mut told = told(listing(&["x"]));
    assert!(told.news(self::told(listing(&["x"]))).is_empty());
    assert_eq!(told.news(self::told(listing(&["x", "y"]))), [ListKind::Tools]);
    assert!(told.news(self::told(listing(&["x", "y"]))).is_empty());
    let template = Raw::of(&serde_json::json!({ "uriTemplate": "a://{x}", "name": "t" }));
    let resource = Raw::of(&serde_json::json!({ "uri": "a://1", "name": "r" }));
    let (templates, resources) = (vec![template], vec![resource]);
    let both = Listing { resources, templates, ..listing(&["x", "y"]) };
    assert_eq!(told.news(self::told(both.clone())), [ListKind::Resources]);
    let searched = Exposure { mode: Mode::Search, ..Exposure::default() };
    let mut now = self::told(both);
    now.exposure = searched;
    assert_eq!(told.news(now), [ListKind::Tools]);
}

#[test]
fn instructions_are_put_together_under_their_upstream() {
    let texts = [
        ("files", id("files"), Some("Call `list` first.\n")),
        ("quiet", id("quiet"), None),
        ("blank", id("blank"), Some("  ")),
        ("", id("plain"), Some("No prefix here.")),
    ];
    let merged = instructions::merge(texts.iter().map(|(prefix, id, text)| (*prefix, id, *text)));
    let expected = "# files (its tools and prompts begin with `files__`)\n\nCall `list` first.\n\n\
                    # plain\n\nNo prefix here.\n";
    assert_eq!(merged.as_deref(), Some(expected));
    assert_eq!(instructions::merge(std::iter::empty()), None);
}

#[test]
fn instructions_are_bounded() {
    let long = "ä".repeat(100_000);
    let ids: Vec<_> = (0..100).map(|number| id(&number.to_string())).collect();
    let merged = instructions::merge(ids.iter().map(|id| ("", id, Some(long.as_str())))).unwrap();
    assert!(merged.len() < 33 * 1024, "{}", merged.len());
    assert!(merged.ends_with("(The instructions of further servers are left out.)\n"));
}

/// Upstreams of which none is ever started, and what each of them has listed so far.
pub(super) fn world(file: &str, listed: &[(&str, Listing)]) -> (Router, TempDir) {
    let home = TempDir::new().unwrap();
    let config = sample::load(home.path(), file);
    let around = upstream::Surroundings {
        roots: upstream::Roots::default(),
        callers: Callers::default(),
        front: upstream::Front::default(),
        task_ids: Arc::default(),
        environment: Arc::default(),
        guard: None,
        secrets: config.secrets.clone(),
        message_limit: config.limits.message,
        answers: crate::wire::budget::Budget::new(1 << 20),
        state: upstream::Disk::new(config.state.clone()),
        journal: crate::telemetry::Journal::default(),
        telemetry: Telemetry::default(),
        usage: upstream::usage::Ledger::default(),
        starts: Arc::new(tokio::sync::Semaphore::new(1)),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    };
    let known = |it: &config::Upstream| {
        let listing = listed.iter().find(|(key, _)| *key == it.id.as_str());
        let known = Known {
            handle: upstream::Handle::new(Arc::new(it.clone()), &around),
            listing: listing.map(|(_, listing)| Arc::new(listing.clone())).unwrap_or_default(),
            unread: if listing.is_some() { Vec::new() } else { Kind::ALL.to_vec() },
            lasting: IndexMap::new(),
            remembered: None,
            failure: None,
            instructions: None,
            extensions: None,
        };
        (it.id.clone(), known)
    };
    let upstreams = config.upstreams.values().map(known).collect();
    let (generation, disabled) = (Generation::default(), Vec::new());
    let profile =
        |(name, profile): (&String, &config::Profile)| (name.clone(), Arc::new(profile.clone()));
    let profiles = config.profiles.iter().map(profile).collect();
    let max_name_length = 50;
    let policy = Policy::new(&config.policy).map(Arc::new);
    let world = World {
        generation,
        upstreams,
        disabled,
        max_name_length,
        profiles,
        policy,
        has_bounds: config.auth.is_some(),
        ..World::default()
    };
    (Router::new(world, Arc::default(), Telemetry::default()), home)
}

const BARE_FIRST: &str = r#"
upstreams:
  bare: { command: none, prefix: "" }
  github: { command: none }
profiles:
  small: { upstreams: [bare] }
"#;

#[tokio::test]
async fn who_has_not_listed_yet_keeps_its_names_and_its_addresses() {
    let (router, _home) = world(BARE_FIRST, &[("bare", listing(&["github__x", "y"]))]);
    let small = router.view(&View::Profile("small".to_owned())).unwrap();
    for snapshot in [router.snapshot(), small.snapshot()] {
        let names = snapshot.catalog.entries(Kind::Tools).map(|entry| entry.public.as_str());
        let names: Vec<_> = names.collect();
        assert!(
            matches!(names[..], [hashed, "y"] if hashed.starts_with("github__x_")),
            "{names:?}"
        );
        assert!(snapshot.catalog.tool("github__x").is_none());
    }
    let owner = router.snapshot().catalog.resolve("conflux+github:file:///a").unwrap();
    assert_eq!((owner.upstream, owner.local.as_str()), (id("github"), "file:///a"));
    assert!(small.snapshot().catalog.resolve("conflux+github:file:///a").is_none());
    let alone = router.view(&View::Server("bare".to_owned())).unwrap();
    assert!(alone.snapshot().catalog.tool("github__x").is_some(), "alone it keeps its names");
    assert_eq!(router.snapshot().unlisted.keys().collect::<Vec<_>>(), [&id("github")]);
}

#[tokio::test]
async fn nothing_is_merged_anew_unless_a_listing_differs() {
    let (router, _home) = world(BARE_FIRST, &[("bare", listing(&["x"]))]);
    let router = Arc::new(router);
    let small = router.view(&View::Profile("small".to_owned())).unwrap();
    let catalogs = || [&router, &small].map(|it| Arc::clone(&it.snapshot().catalog));
    let publish = |change: &dyn Fn(&mut Known)| {
        let now = router.shared.world.load();
        let mut upstreams = now.upstreams.clone();
        change(&mut upstreams[&id("github")]);
        let (generation, disabled) = (now.generation.next(), Vec::new());
        router.publish(World { generation, upstreams, disabled, ..World::clone(&now) });
    };
    let before = catalogs();
    publish(&|known| known.failure = Some("gone".to_owned()));
    assert_eq!(router.snapshot().failures[&id("github")], "gone");
    let same = |after: &[_; 2]| [0, 1].map(|it| Arc::ptr_eq(&before[it], &after[it]));
    assert_eq!(same(&catalogs()), [true, true]);
    publish(&|known| known.listing = Arc::new(listing(&["y"])));
    assert_eq!(same(&catalogs()), [false, true], "the profile does not show who listed");
    assert!(router.snapshot().catalog.tool("github__y").is_some());
}

fn empty(generation: Generation) -> World {
    World { generation, max_name_length: 50, ..World::default() }
}

#[test]
fn there_are_only_the_views_that_the_configuration_names() {
    let first = empty(Generation::default());
    let router = Arc::new(Router::new(first, Arc::default(), Telemetry::default()));
    assert!(router.view(&View::Server("a".to_owned())).is_none());
    assert!(router.view(&View::Profile("a".to_owned())).is_none());
    assert!(router.views().is_empty());
    assert_eq!(router.family().len(), 1);
}

#[tokio::test]
async fn views_follow_the_configuration() {
    let (router, _home) = world(BARE_FIRST, &[("bare", listing(&["x"]))]);
    let router = Arc::new(router);
    let (small, bare) = (View::Profile("small".to_owned()), View::Server("bare".to_owned()));
    let open = router.view(&bare).unwrap();
    drop(router.view(&small).unwrap());
    let followed = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&followed);
    router.when_reloaded(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    let before = World::clone(&router.shared.world.load());
    let gone = World {
        generation: before.generation.next(),
        configured: 1,
        max_name_length: 50,
        ..World::default()
    };
    let back = World { generation: gone.generation.next(), configured: 2, ..before };
    assert!(open.snapshot().catalog.tool("x").is_some());
    router.publish(gone);
    router.reloaded();
    assert!(router.view(&bare).is_none() && router.view(&small).is_none(), "unknown to who comes");
    assert!(open.snapshot().catalog.tool("x").is_none(), "empty to who is there");
    assert!(Arc::ptr_eq(&router.known_view(&bare).unwrap(), &open));
    assert!(router.known_view(&small).is_none(), "nobody had it open");
    router.publish(back);
    router.reloaded();
    assert!(Arc::ptr_eq(&router.view(&bare).unwrap(), &open));
    assert!(open.snapshot().catalog.tool("x").is_some());
    assert_eq!(followed.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[test]
fn requests_see_what_was_published_last() {
    let first = empty(Generation::default());
    let router = Router::new(first, Arc::default(), Telemetry::default());
    let before = router.snapshot();
    let next = before.generation.next();
    router.publish(empty(next));
    assert_eq!(router.snapshot().generation, next);
    assert_eq!(before.generation, Generation::default(), "who has one keeps it");
}

#[test]
fn a_merged_list_lasts_as_long_as_all_of_its_parts() {
    let now = Instant::now();
    let lasts = |seconds, is_public| {
        let freshness = Freshness { ttl: Duration::from_secs(seconds), is_public };
        IndexMap::from([(Kind::Tools, Lasting::new(now, freshness))])
    };
    let left = |parts: &[Option<&IndexMap<Kind, Lasting>>], after| {
        let merged = lasting::merged(parts.iter().copied());
        merged.get(&Kind::Tools).map(|it| it.at(now + Duration::from_secs(after)))
    };
    let freshness =
        |seconds, is_public| Some(Freshness { ttl: Duration::from_secs(seconds), is_public });
    let (short, long, private) = (lasts(100, true), lasts(300, true), lasts(300, false));
    let nothing = IndexMap::new();
    assert_eq!(left(&[Some(&short), Some(&long), None], 0), None, "one is missing");
    let all = [Some(&short), Some(&long), Some(&nothing)];
    assert_eq!(left(&all, 0), freshness(100, true), "one has no such list");
    assert_eq!(left(&all, 40), freshness(60, true));
    assert_eq!(left(&all, 200), freshness(0, true));
    assert_eq!(left(&[Some(&short), Some(&private)], 0), freshness(100, false));
    assert!(!lasting::merged(all.into_iter()).contains_key(&Kind::Prompts));
}

#[tokio::test]
async fn a_request_that_panics_has_failed_and_one_that_is_dropped_was_cancelled() {
    let file = "audit: {}\nupstreams:\n  a: { command: none }\n";
    let (router, home) = world(file, &[("a", listing(&["x"]))]);
    let config = sample::load(home.path(), file);
    router.records_in(Log::start(&config.audit, &config.secrets));
    let caller = Caller::new(CallerId(1), Arc::default(), Reach::InCallsOnly);
    let (exchange, _back) = Exchange::new(Arc::new(caller), Arc::default(), Wishes::default());
    let begin = || Ending::of(&router, method::TOOLS_CALL, None, &exchange);
    drop(begin());
    let broken = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let _ending = begin();
        panic!("on purpose");
    }));
    assert!(broken.is_err());
    router.audit().close().await;
    let found = fs::read_dir(&config.audit.directory).unwrap().map(|entry| entry.unwrap().path());
    let stream = found.into_iter().find(|path| path.is_dir()).unwrap();
    let text = fs::read_to_string(stream.join("000001.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let outcomes: Vec<_> = lines.filter_map(|line| line.get("outcome").cloned()).collect();
    assert_eq!(outcomes, ["cancelled", "failed:panicked"]);
}
