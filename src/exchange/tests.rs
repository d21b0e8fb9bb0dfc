//! Who is asked, who is refused, and what waits for a caller.

use std::sync::Arc;

use serde_json::json;

use crate::exchange::ANSWER_LIMIT;
use crate::exchange::Back;
use crate::exchange::Exchange;
use crate::exchange::Wishes;
use crate::exchange::ask::InputRequest;
use crate::exchange::ask::Kind;
use crate::exchange::ask::Refusal;
use crate::exchange::caller::Caller;
use crate::exchange::caller::Callers;
use crate::exchange::caller::Capabilities;
use crate::exchange::caller::Reach;
use crate::exchange::mailbox::ListKind;
use crate::exchange::mailbox::Notice;
use crate::exchange::mailbox::Topic;
use crate::exchange::principal;
use crate::exchange::task::Dialect;
use crate::exchange::task_ids;
use crate::ids::CallerId;
use crate::ids::UpstreamId;
use crate::wire::Raw;
use crate::wire::era::Revision;
use crate::wire::method;

fn capabilities(declared: &serde_json::Value) -> Capabilities {
    Capabilities::parse(Some(Raw::of(declared)), Revision::LATEST)
}

fn caller(number: u64, declared: &serde_json::Value, reach: Reach) -> Arc<Caller> {
    Arc::new(Caller::new(CallerId(number), Arc::new(capabilities(declared)), reach))
}

fn question(method: &str, params: &serde_json::Value) -> InputRequest {
    InputRequest::parse(method, Some(Raw::of(params))).unwrap()
}

fn toy() -> UpstreamId {
    UpstreamId::new("toy")
}

#[test]
fn a_declaration_says_what_can_be_asked() {
    let form = question(method::ELICIT, &json!({ "message": "?" }));
    let url = question(method::ELICIT, &json!({ "mode": "url" }));
    let sampling = question(method::SAMPLE, &json!({}));
    let roots = question(method::ROOTS, &json!({}));
    let cases = [
        (json!({}), [false, false, false, false]),
        (json!({ "elicitation": {} }), [true, false, false, false]),
        (json!({ "elicitation": { "form": {} } }), [true, false, false, false]),
        (json!({ "elicitation": { "url": {} } }), [false, true, false, false]),
        (json!({ "elicitation": { "form": {}, "url": {} } }), [true, true, false, false]),
        (json!({ "sampling": {}, "roots": {} }), [false, false, true, true]),
    ];
    for (declared, expected) in cases {
        let capabilities = capabilities(&declared);
        let can = [&form, &url, &sampling, &roots].map(|one| capabilities.permit([one]).is_ok());
        assert_eq!(can, expected, "{declared}");
    }
}

#[test]
fn only_what_clients_answer_is_a_question() {
    assert!(InputRequest::parse("tools/call", None).is_none());
    assert_eq!(InputRequest::parse(method::ROOTS, None).unwrap().kind(), Kind::Roots);
}

#[tokio::test]
async fn a_question_without_the_capability_never_reaches_the_caller() {
    let caller = caller(1, &json!({}), Reach::Anytime);
    let capabilities = Arc::clone(caller.capabilities());
    let (exchange, mut back) = Exchange::new(caller, capabilities, Wishes::default());
    let asked = vec![("k".to_owned(), question(method::ROOTS, &json!({})))];
    let refused = exchange.ask(&toy(), asked).await;
    assert_eq!(refused.unwrap_err(), Refusal::Unsupported(Kind::Roots));
    drop(exchange);
    assert!(back.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_person_who_never_answers_is_waited_for_within_a_limit() {
    let caller = caller(1, &json!({ "roots": {} }), Reach::Anytime);
    let capabilities = Arc::clone(caller.capabilities());
    let (exchange, mut back) = Exchange::new(caller, capabilities, Wishes::default());
    let asked = vec![("k".to_owned(), question(method::ROOTS, &json!({})))];
    let start = tokio::time::Instant::now();
    let upstream = toy();
    let (refused, held) = tokio::join!(exchange.ask(&upstream, asked), back.recv());
    assert_eq!(refused.unwrap_err(), Refusal::TimedOut(ANSWER_LIMIT));
    assert_eq!(start.elapsed(), ANSWER_LIMIT);
    let Some(Back::Ask(mut ask)) = held else { panic!("not asked") };
    ask.withdrawn().await;
}

#[tokio::test]
async fn a_caller_that_leaves_leaves_no_question_open() {
    let caller = caller(1, &json!({ "roots": {} }), Reach::Anytime);
    let capabilities = Arc::clone(caller.capabilities());
    let (exchange, back) = Exchange::new(caller, capabilities, Wishes::default());
    drop(back);
    let asked = vec![("k".to_owned(), question(method::ROOTS, &json!({})))];
    assert_eq!(exchange.ask(&toy(), asked).await.unwrap_err(), Refusal::Gone);
}

#[tokio::test]
async fn outside_of_calls_only_a_session_can_be_asked() {
    let modern = caller(1, &json!({ "roots": {} }), Reach::InCallsOnly);
    let asked = vec![("k".to_owned(), question(method::ROOTS, &json!({})))];
    assert_eq!(modern.ask(&toy(), asked).await.unwrap_err(), Refusal::Nobody);
}

#[test]
fn a_caller_is_named_only_if_there_is_no_other() {
    let callers = Callers::default();
    assert_eq!(callers.only(&UpstreamId::new("any")).unwrap_err(), Refusal::Nobody);
    let one = caller(1, &json!({}), Reach::Anytime);
    callers.attach(&one);
    assert_eq!(callers.only(&UpstreamId::new("any")).unwrap().id(), CallerId(1));
    let two = caller(2, &json!({}), Reach::Anytime);
    callers.attach(&two);
    assert_eq!(callers.only(&UpstreamId::new("any")).unwrap_err(), Refusal::Ambiguous);
    drop(one);
    assert_eq!(callers.only(&UpstreamId::new("any")).unwrap().id(), CallerId(2));
}

#[tokio::test]
async fn what_happens_often_is_told_once() {
    let caller = caller(1, &json!({}), Reach::Anytime);
    let mailbox = caller.mailbox();
    let topic = Topic::Resource("toy://a".to_owned());
    mailbox.claim(&toy(), &topic, Raw::of("toy://a")).unwrap().keep(());
    for _ in 0..1000 {
        mailbox.list_changed(ListKind::Tools);
        mailbox.updated(&toy(), &Raw::of("toy://a"));
        mailbox.updated(&UpstreamId::new("other"), &Raw::of("toy://a"));
    }
    mailbox.log(Raw::of("last"));
    assert!(matches!(mailbox.next().await, Notice::ListChanged(ListKind::Tools)));
    assert!(matches!(mailbox.next().await, Notice::Updated(uri) if uri.get() == "\"toy://a\""));
    assert!(matches!(mailbox.next().await, Notice::Log(text) if text.get() == "\"last\""));
}

#[tokio::test]
async fn a_flood_of_log_messages_costs_the_oldest() {
    let caller = caller(1, &json!({}), Reach::Anytime);
    for number in 0..100_000 {
        caller.mailbox().log(Raw::of(&number));
    }
    let Notice::Log(first) = caller.mailbox().next().await else { panic!("not a log message") };
    assert!(first.read::<u64>().unwrap() > 99_000);
}

#[tokio::test]
async fn large_log_messages_cost_the_oldest_sooner() {
    let caller = caller(1, &json!({}), Reach::Anytime);
    let mailbox = caller.mailbox();
    for number in 0..100_u64 {
        mailbox.log(Raw::of(&(number, "x".repeat(100_000))));
    }
    let Notice::Log(first) = mailbox.next().await else { panic!("not a log message") };
    assert_eq!(first.read::<(u64, String)>().unwrap().0, 90);
    // One that is larger than all that may wait is told all the same.
    mailbox.log(Raw::of(&"x".repeat(3_000_000)));
    let Notice::Log(huge) = mailbox.next().await else { panic!("not a log message") };
    assert!(huge.get().len() > 3_000_000);
    mailbox.log(Raw::of("end"));
    let Notice::Log(end) = mailbox.next().await else { panic!("not a log message") };
    assert_eq!(end.string().unwrap(), "end");
}

#[test]
fn unanswered_questions_are_limited() {
    let caller = caller(1, &json!({ "roots": {} }), Reach::Anytime);
    let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
    let upstream = toy();
    let ask = || {
        let asked = vec![("k".to_owned(), question(method::ROOTS, &json!({})))];
        Box::pin(caller.ask(&upstream, asked))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let mut open: Vec<_> = (0..16).map(|_| ask()).collect();
    for one in &mut open {
        assert!(one.as_mut().poll(context).is_pending());
    }
    let last = ask().as_mut().poll(context);
    assert!(matches!(last, std::task::Poll::Ready(Err(Refusal::TooMany))));
}

#[tokio::test]
async fn what_lies_below_a_subscription_is_told_within_bounds() {
    let caller = caller(1, &json!({}), Reach::Anytime);
    let mailbox = caller.mailbox();
    let topic = Topic::Resource("file:///a".to_owned());
    mailbox.claim(&toy(), &topic, Raw::of("file:///a")).unwrap().keep(());
    for other in ["file:///ab", "file:///", "file:///b/a"] {
        mailbox.updated(&toy(), &Raw::of(other));
    }
    for number in 0..100_000 {
        mailbox.updated(&toy(), &Raw::of(&format!("file:///a/{number}")));
    }
    mailbox.log(Raw::of("end"));
    let mut told = Vec::new();
    while let Notice::Updated(uri) = mailbox.next().await {
        told.push(uri.string().unwrap());
    }
    assert_eq!(told[0], "file:///a/0");
    assert_eq!(told.last().unwrap(), "file:///a");
    assert!(told.len() < 2000, "{}", told.len());
    mailbox.updated(&toy(), &Raw::of(&format!("file:///a/{}", "x".repeat(5000))));
    let Notice::Updated(uri) = mailbox.next().await else { panic!("not an update") };
    assert_eq!(uri.string().unwrap(), "file:///a", "the one above has to do for a long one");
}

#[tokio::test]
async fn what_lies_below_an_alias_is_told_below_the_alias() {
    let caller = caller(1, &json!({}), Reach::Anytime);
    let mailbox = caller.mailbox();
    let topic = Topic::Resource("file:///dir".to_owned());
    let known = Raw::of("conflux+toy:file:///dir");
    mailbox.claim(&toy(), &topic, known).unwrap().keep(());
    for (local, told) in [
        ("file:///dir", "conflux+toy:file:///dir"),
        ("file:///dir/x y", "conflux+toy:file:///dir/x y"),
    ] {
        mailbox.updated(&toy(), &Raw::of(local));
        let Notice::Updated(uri) = mailbox.next().await else { panic!("not an update") };
        assert_eq!(uri.string().unwrap(), told);
    }
}

fn someone() -> Caller {
    Caller::new(CallerId(1), Arc::default(), Reach::Anytime)
}

proptest::proptest! {
    #[test]
    fn the_id_of_a_task_leads_back_and_is_the_same_each_time(
        upstream in "[a-z][a-z0-9_-]{0,20}",
        local in "\\PC{0,80}",
    ) {
        let (ids, upstream) = (task_ids::Ids::default(), UpstreamId::new(&upstream));
        let public = ids.close(&someone(), Dialect::Core, &upstream, &local);
        let is_safe = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        proptest::prop_assert!(public.chars().all(is_safe), "{public}");
        let again = ids.close(&someone(), Dialect::Core, &upstream, &local);
        proptest::prop_assert_eq!(&public, &again);
        let owner = ids.open(&someone(), Dialect::Core, &public);
        proptest::prop_assert_eq!(owner, Some((upstream, local)));
    }
}

#[test]
fn an_id_is_good_for_the_same_principal_with_the_same_rights_alone() {
    let known = |groups: &[&str]| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let (name, bounds) = ("corp:ann".to_owned(), principal::Bounds::default());
        let identity = principal::Identity { name, groups, actor: None, bounds };
        let caller = Caller::new(CallerId(1), Arc::default(), Reach::InCallsOnly);
        caller.on_behalf_of(identity.into())
    };
    let (ids, files) = (task_ids::Ids::default(), UpstreamId::new("files"));
    let public = ids.close(&known(&["a"]), Dialect::Core, &files, "1");
    let opens = |caller: &Caller| ids.open(caller, Dialect::Core, &public).is_some();
    assert!(opens(&known(&["a"])));
    assert!(!opens(&known(&["a", "b"])) && !opens(&known(&[])) && !opens(&someone()));
}

#[test]
fn an_id_that_was_not_given_leads_nowhere() {
    let key = [7; task_ids::KEY_SIZE];
    let (ids, files) = (task_ids::Ids::new(&key), UpstreamId::new("files"));
    let public = ids.close(&someone(), Dialect::Core, &files, "1");
    let opens =
        |ids: &task_ids::Ids, dialect, id: &str| ids.open(&someone(), dialect, id).is_some();
    assert!(
        opens(&task_ids::Ids::new(&key), Dialect::Core, &public),
        "another run has the same key"
    );
    assert!(!opens(&task_ids::Ids::default(), Dialect::Core, &public), "another key");
    assert!(!opens(&ids, Dialect::Extension, &public), "another kind of tasks");
    for made_up in ["", "1", "files", "=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert!(!opens(&ids, Dialect::Core, made_up), "{made_up}");
    }
    for (index, letter) in public.char_indices() {
        let other = if letter == 'A' { "B" } else { "A" };
        let mut altered = public.clone();
        altered.replace_range(index..=index, other);
        assert!(!opens(&ids, Dialect::Core, &altered), "letter {index} of {public}");
    }
    assert_ne!(public, ids.close(&someone(), Dialect::Core, &files, "2"));
    assert_ne!(public, ids.close(&someone(), Dialect::Core, &UpstreamId::new("file"), "1"));
}
