//! Tokens that were made here are good for whom and as long as they were made, and no longer.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::auth::Authenticator;
use crate::auth::Credential;
use crate::auth::Refused;
use crate::auth::Source;
use crate::auth::Terms;
use crate::auth::metadata;
use crate::auth::store;
use crate::auth::store::Scope;
use crate::auth::store::Store;
use crate::auth::token::Token;
use crate::config::auth::Auth;
use crate::config::auth::Provider;
use crate::config::auth::Scopes;
use crate::exchange::principal::Principal;

const HOUR: Duration = Duration::from_hours(1);

fn store() -> (TempDir, Store) {
    let directory = TempDir::new().unwrap();
    let store = Store::new(directory.path().join("tokens"));
    (directory, store)
}

fn config() -> Auth {
    Auth {
        resource: None,
        providers: [].into(),
        local: false,
        scopes: crate::config::auth::Scopes::default(),
    }
}

#[test]
fn a_token_is_kept_as_a_hash_alone() {
    let (_directory, store) = store();
    let (token, record) = store.create("ci", Scope::default(), None).unwrap();
    for file in std::fs::read_dir(store.directory()).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let secret = token.reveal();
        assert!(!text.contains(secret.get(13..).unwrap()));
    }
    assert_eq!(store.list().unwrap(), [record]);
}

#[test]
fn a_token_is_good_until_it_ends_or_is_revoked() {
    let (_directory, store) = store();
    let now = SystemTime::now();
    let scope = Scope { groups: vec!["bots".to_owned()], ..Scope::default() };
    let (token, _) = store.create("ci", scope, Some(now + HOUR)).unwrap();
    let find = |token: &Token, now| store.load().unwrap().find(token, now);
    let credential = find(&token, now).unwrap();
    assert_eq!(credential.principal.name(), "token:ci");
    assert_eq!(credential.principal.groups(), ["bots"]);
    assert!(find(&token, now + HOUR / 2).is_ok());
    assert_eq!(find(&token, now + HOUR).unwrap_err(), "it has expired");
    assert_eq!(find(&Token::try_new().unwrap(), now).unwrap_err(), "no token has its id");
    let id = token.id();
    let forged = format!("cfx_{id}_{}", "A".repeat(43));
    let forged = Token::parse(&forged).unwrap();
    assert_eq!(find(&forged, now).unwrap_err(), "its secret is another one");
    store.revoke("ci").unwrap();
    assert_eq!(find(&token, now).unwrap_err(), "it was revoked");
    assert!(matches!(store.revoke("ci"), Err(store::Error::Unknown(_))));
}

#[test]
fn a_name_is_free_again_when_its_token_is_no_longer_good() {
    let (_directory, store) = store();
    let create = || store.create("ci", Scope::default(), None);
    let (first, _) = create().unwrap();
    assert!(matches!(create(), Err(store::Error::Taken(_))));
    store.revoke(first.id()).unwrap();
    let (second, _) = create().unwrap();
    let tokens = store.load().unwrap();
    assert!(tokens.find(&first, SystemTime::now()).is_err());
    assert!(tokens.find(&second, SystemTime::now()).is_ok());
    assert_eq!(store.list().unwrap().len(), 2);
}

#[test]
fn tokens_made_at_the_same_time_are_all_there() {
    let (_directory, store) = store();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let store = &store;
            scope.spawn(move || {
                store.create(&format!("t{number}"), Scope::default(), None).unwrap()
            });
        }
    });
    assert_eq!(store.list().unwrap().len(), 8);
}

#[test]
fn bounds_are_those_it_was_made_with() {
    let (_directory, store) = store();
    let scope = Scope {
        profiles: vec!["ci".to_owned()],
        tools: vec!["git__*".to_owned()],
        ..Scope::default()
    };
    let (token, _) = store.create("ci", scope, None).unwrap();
    let credential = store.load().unwrap().find(&token, SystemTime::now()).unwrap();
    let bounds = credential.principal.bounds();
    assert_eq!(bounds.profiles.as_deref(), Some(&["ci".to_owned()][..]));
    assert!(bounds.permit_tool("git__status") && !bounds.permit_tool("files__read"));
}

#[tokio::test(start_paused = true)]
async fn what_is_made_and_revoked_meanwhile_counts() {
    let (_directory, store) = store();
    let authenticator = Authenticator::try_new(&config(), store.clone()).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let look = async {
        let (token, _) = store.create("ci", Scope::default(), None).unwrap();
        let token = token.reveal();
        let credential = loop {
            match authenticator.identify(&token, "/mcp").await {
                Ok(credential) => break credential,
                Err(Refused::Invalid(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(other) => panic!("{other:?}"),
            }
        };
        store.revoke("ci").unwrap();
        authenticator.ended(&credential).await;
        assert!(authenticator.identify(&token, "/mcp").await.is_err());
        stop.cancel();
    };
    tokio::join!(authenticator.follow(stop.clone()), look);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_is_read_when_it_can_be() {
    let (_directory, store) = store();
    let (token, _) = store.create("ci", Scope::default(), None).unwrap();
    let token = token.reveal();
    let authenticator = Authenticator::try_new(&config(), store.clone()).unwrap();
    let credential = authenticator.identify(&token, "/mcp").await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let look = async {
        let path = store.directory().join("key");
        let key = std::fs::read(&path).unwrap();
        std::fs::write(&path, "no key").unwrap();
        store.revoke("ci").unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let known = authenticator.identify(&token, "/mcp").await;
        assert!(known.is_ok(), "those of before count: {known:?}");
        std::fs::write(&path, key).unwrap();
        authenticator.ended(&credential).await;
        assert!(authenticator.identify(&token, "/mcp").await.is_err());
        stop.cancel();
    };
    tokio::join!(authenticator.follow(stop.clone()), look);
}

#[tokio::test(start_paused = true)]
async fn whoever_was_let_in_on_other_terms_is_let_in_no_longer() {
    let (_directory, store) = store();
    let provider = Provider {
        issuer: "https://login.example.com".to_owned(),
        audience: vec!["one".to_owned(), "other".to_owned()],
        algorithms: vec![],
        subject: "sub".to_owned(),
        groups: Some(vec!["groups".to_owned()]),
        map: [("platform".to_owned(), vec!["admins".to_owned()])].into(),
        jwks: None,
        outage: HOUR,
        leeway: Duration::ZERO,
    };
    let of = |provider: &Provider| {
        let providers = [("corp".to_owned(), provider.clone())].into();
        let resource = Some("https://mcp.example.com".parse().unwrap());
        Auth { resource, providers, ..config() }
    };
    let before = of(&provider);
    let authenticator = Authenticator::try_new(&before, store).unwrap();
    let terms = Terms {
        name: "corp".to_owned(),
        provider: provider.clone(),
        resource: before.resource.clone(),
    };
    let credential = Credential {
        principal: Principal::process(),
        scopes: Some(["mcp".to_owned()].into()),
        until: Some(SystemTime::now() + HOUR),
        source: Source::Issuer(Arc::new(terms)),
    };
    let is_ended = async |config: &Auth| {
        let renewed = authenticator.renewed(config);
        tokio::time::timeout(HOUR / 2, renewed.ended(&credential)).await.is_ok()
    };
    let other = Provider { issuer: "https://other.example.com".to_owned(), ..provider.clone() };
    let mut more = before.clone();
    more.providers.insert("other".to_owned(), other.clone());
    for same in [&before, &more, &Auth { local: true, ..before.clone() }] {
        assert!(!is_ended(same).await, "{same:?}");
    }
    let moved = Some("https://other.example.com".parse().unwrap());
    for differs in [
        config(),
        of(&other),
        of(&Provider { audience: vec!["one".to_owned()], ..provider.clone() }),
        of(&Provider { map: [].into(), ..provider.clone() }),
        Auth { resource: moved, ..before.clone() },
        Auth { scopes: Scopes::requiring("admin"), ..before.clone() },
    ] {
        assert!(is_ended(&differs).await, "{differs:?}");
    }
}

#[tokio::test]
async fn what_is_no_token_of_anybody_is_refused() {
    let (_directory, store) = store();
    let authenticator = Authenticator::try_new(&config(), store).unwrap();
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL3gifQ.c2ln";
    for token in ["", "x", "cfx_x", jwt, "a.b.c"] {
        let refused = authenticator.identify(token, "/mcp").await.unwrap_err();
        assert!(matches!(refused, Refused::Invalid(_)), "{token}: {refused:?}");
        let challenge = metadata::challenge(None, "/mcp", &[], &refused);
        assert_eq!(
            challenge,
            "Bearer realm=\"conflux\", error=\"invalid_token\", \
             error_description=\"the token is not good here, or no longer\""
        );
    }
}
