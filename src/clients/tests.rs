//! What is known of clients holds together.

use std::collections::BTreeSet;

use crate::clients::Client;
use crate::clients::Limits;
use crate::clients::schema::Quirk;

#[test]
fn every_client_has_names_of_its_own() {
    let ids: BTreeSet<_> = Client::ALL.iter().map(|client| client.id()).collect();
    let titles: BTreeSet<_> = Client::ALL.iter().map(|client| client.title()).collect();
    assert_eq!((ids.len(), titles.len()), (Client::ALL.len(), Client::ALL.len()));
    for client in Client::ALL {
        assert_eq!(Client::with_id(client.id()), Some(client));
    }
    assert_eq!(Client::with_id("Cursor"), None);
}

#[test]
fn clients_are_recognized_by_what_they_call_themselves() {
    let cases = [
        ("claude-ai", Some(Client::ClaudeDesktop)),
        ("claude-code", Some(Client::ClaudeCode)),
        ("cursor-vscode", Some(Client::Cursor)),
        ("Visual Studio Code", Some(Client::VsCode)),
        ("Visual Studio Code - Insiders", Some(Client::VsCode)),
        ("codex-mcp-client", Some(Client::Codex)),
        ("gemini-cli-mcp-client", Some(Client::Gemini)),
        ("gemini-cli-mcp-client-conflux", Some(Client::Gemini)),
        ("windsurf-client", Some(Client::Windsurf)),
        ("Zed", Some(Client::Zed)),
        ("opencode", Some(Client::OpenCode)),
        ("opencode-fork", None),
        ("my cursor", None),
        ("", None),
    ];
    for (name, expected) in cases {
        assert_eq!(Client::recognize(name), expected, "{name}");
    }
    for client in Client::ALL {
        assert_eq!(Client::recognize(client.id()), Some(client), "{}", client.id());
    }
}

#[test]
fn names_have_the_room_that_the_prefix_leaves() {
    let room = |client: Client| client.limits().room(client, "conflux");
    assert_eq!(room(Client::ClaudeCode), Some(50));
    assert_eq!(room(Client::Gemini), Some(51));
    assert_eq!(room(Client::Cursor), Some(53));
    assert_eq!(Limits::default().room(Client::Zed, "conflux"), None);
    let huge = "x".repeat(100);
    assert_eq!(Client::Codex.limits().room(Client::Codex, &huge), Some(0));
}

#[test]
fn every_quirk_has_a_source_and_a_client() {
    for client in Client::ALL {
        for quirk in Quirk::ALL {
            let fact = client.fact(quirk);
            let is_sourced = |source: &str| {
                source.starts_with("https://github.com/") || source.starts_with("npm ")
            };
            assert!(fact.is_none_or(|fact| is_sourced(fact.source)), "{fact:?}");
        }
        assert!(client.quirks().is_sorted(), "{client:?}");
    }
    let codes: BTreeSet<_> = Quirk::ALL.iter().map(|quirk| quirk.code()).collect();
    assert_eq!(codes.len(), Quirk::ALL.len());
    let has_client = |quirk: &Quirk| Client::ALL.iter().any(|client| client.fact(*quirk).is_some());
    assert!(Quirk::ALL.iter().all(has_client));
}
