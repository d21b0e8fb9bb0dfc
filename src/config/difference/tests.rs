//! What each change of a configuration comes to.

use tempfile::TempDir;

use crate::config::difference::Difference;
use crate::config::difference::in_force;
use crate::config::sample;

const SECRET: &str = "abcdef123456";

const BEFORE: &str = "\
upstreams:
  files: { command: files, args: [here], env: { TOKEN: one } }
  site: { url: 'https://example.com/mcp?key=one', headers: { X-Key: one } }
  off: { command: off, disabled: true }
profiles:
  small: { upstreams: [files] }
";

/// What differs when each text is replaced by another one.
fn difference(replaced: &[(&str, &str)]) -> Difference {
    let home = TempDir::new().unwrap();
    let after = replaced.iter().fold(BEFORE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    Difference::between(&sample::load(home.path(), BEFORE), &sample::load(home.path(), &after))
}

#[track_caller]
fn check(replaced: &[(&str, &str)], changes: &[&str], at_restart: &[&str]) {
    let found = difference(replaced);
    assert_eq!(found.changes(), changes, "{replaced:?}");
    assert_eq!(found.at_restart(), at_restart, "{replaced:?}");
    assert_eq!(found.is_empty(), changes.is_empty() && at_restart.is_empty());
    let told = format!("{:?} {} {found:?}", found.changes(), found.document());
    assert!(!told.contains(SECRET), "{told}");
}

#[test]
fn what_is_written_differently_but_means_the_same_is_the_same() {
    check(&[], &[], &[]);
    check(&[("args: [here]", "args: ['here']")], &[], &[]);
    check(&[("{ command: files, args: [here]", "{ args: [here], command: files")], &[], &[]);
    check(&[("off: { command: off", "off: { command: on")], &[], &[]);
}

#[test]
fn upstreams_come_and_go() {
    let files = "  files: { command: files, args: [here], env: { TOKEN: one } }\n";
    check(
        &[(files, ""), ("[files]", "[site]")],
        &["`files` is removed", "`profiles.small` is applied"],
        &[],
    );
    check(&[("profiles:", "  more: { command: more }\nprofiles:")], &["`more` is added"], &[]);
    check(&[("off, disabled: true", "off")], &["`off` is enabled"], &[]);
    check(&[("here], env", "here], disabled: true, env")], &["`files` is disabled"], &[]);
    check(&[("  off: { command: off, disabled: true }\n", "")], &["`off` is removed"], &[]);
}

#[test]
fn what_runs_or_is_spoken_to_makes_another_server() {
    let env = format!("TOKEN: {SECRET}");
    let header = format!("X-Key: {SECRET}");
    let query = format!("key={SECRET}");
    for (from, to, keys) in [
        ("command: files", "command: other", "`command`"),
        ("[here]", "[there]", "`args`"),
        ("args: [here]", "args: [here], cwd: .", "`cwd`"),
        ("TOKEN: one", env.as_str(), "`env.TOKEN`"),
        ("TOKEN: one", "OTHER: one", "`env.OTHER`, `env.TOKEN`"),
        (", env: { TOKEN: one }", "", "`env.TOKEN`"),
    ] {
        check(&[(from, to)], &[&format!("`files` is restarted, for its {keys}")], &[]);
    }
    for (from, to, keys) in [
        ("key=one", query.as_str(), "`url`"),
        ("X-Key: one", header.as_str(), "`headers.x-key`"),
        ("url:", "transport: sse, url:", "`transport`"),
        ("url:", "proxy: 'http://proxy', url:", "`proxy`"),
    ] {
        check(&[(from, to)], &[&format!("`site` is restarted, for its {keys}")], &[]);
    }
    check(
        &[("command: files, args: [here], env: { TOKEN: one }", "url: 'https://example.com'")],
        &["`files` is restarted, for its `command`, `url`"],
        &[],
    );
}

#[test]
fn how_an_upstream_is_shown_or_awaited_leaves_it_running() {
    for (more, keys) in [
        ("prefix: other", "`prefix`"),
        ("tools: { deny: ['x*'] }", "`tools`"),
        ("required: true", "`required`"),
        ("start: eager", "`start`"),
        ("timeout: { start: 7s }", "`timeout.start`"),
        ("tools: { override: { 'x*': { timeout: 7s } } }", "`tools.override`"),
        ("concurrency: { calls: 1 }", "`concurrency`"),
        ("results: { spill: 64KiB }", "`results`"),
        ("timeout: { progress: 1h }", "`timeout.progress`"),
        ("timeout: { call: 7s, idle: 8s }", "`timeout.call`, `timeout.idle`"),
    ] {
        let to = format!("command: files, {more}");
        let expected = format!("`files` goes on, with another {keys}");
        check(&[("command: files", &to)], &[&expected], &[]);
    }
    // What makes another server of it comes first: the rest comes with it.
    check(
        &[("command: files", "prefix: other, command: files"), ("[here]", "[there]")],
        &["`files` is restarted, for its `args`"],
        &[],
    );
}

#[test]
fn the_order_of_upstreams_that_stay_counts() {
    let files = "  files: { command: files, args: [here], env: { TOKEN: one } }\n";
    let last = format!("{files}profiles:");
    check(&[(files, ""), ("profiles:", &last)], &["the order of upstreams differs"], &[]);
    let off = "  off: { command: off, disabled: true }\n";
    let moved = format!("upstreams:\n{off}");
    check(&[(off, ""), ("upstreams:\n", &moved)], &[], &[]);
    let first = "upstreams:\n  more: { command: more }\n";
    check(&[("upstreams:\n", first)], &["`more` is added"], &[]);
}

#[test]
fn settings_come_into_force_at_once_or_at_the_next_start() {
    for (more, changes, at_restart) in [
        ("names: { max_length: 30 }", "`names.max_length` is applied", ""),
        ("limits: { start_budget: 7s }", "`limits.start_budget` is applied", ""),
        ("limits: { message: 1MiB }", "", "limits.message"),
        ("limits: { in_flight: 7 }", "", "limits.in_flight"),
        ("http: { listen: '127.0.0.1:7' }", "", "http.listen"),
        ("http: { hosts: [gateway] }", "", "http.hosts"),
        ("http: { origins: ['https://example.com'] }", "", "http.origins"),
        ("http: { limits: { sessions: 7 } }", "", "http.limits"),
        ("admin: { listen: '127.0.0.1:7' }", "", "admin.listen"),
        ("admin: { hosts: [gateway] }", "", "admin.hosts"),
        ("admin: { per_tool: true }", "", "admin.per_tool"),
        ("telemetry: { otlp: { endpoint: 'http://127.0.0.1:7' } }", "", "telemetry.otlp"),
    ] {
        let to = format!("{more}\nprofiles:");
        let one = |text: &'static str| (!text.is_empty()).then_some(text);
        let (changes, at_restart) = (one(changes), one(at_restart));
        check(&[("profiles:", &to)], changes.as_slice(), at_restart.as_slice());
    }
    check(
        &[("small: { upstreams: [files] }", "large: {}")],
        &["`profiles.large` is applied", "`profiles.small` is applied"],
        &[],
    );
}

#[test]
fn what_needs_a_restart_is_said_until_there_is_one() {
    let home = TempDir::new().unwrap();
    let old = sample::load(home.path(), BEFORE);
    let more = "limits: { message: 1MiB, start_budget: 7s }\nhttp: { hosts: [gateway] }\n";
    let new = sample::load(home.path(), &format!("{more}{BEFORE}"));
    let in_force = in_force(&old, new.clone());
    assert_eq!((in_force.limits.message, &in_force.http), (old.limits.message, &old.http));
    assert_eq!(in_force.limits.start_budget, new.limits.start_budget);
    let again = Difference::between(&in_force, &new);
    assert!(again.changes().is_empty(), "{again:?}");
    assert_eq!(again.at_restart(), ["limits.message", "http.hosts"]);
}

#[test]
fn nobody_comes_without_a_token_where_a_restart_would_end_that() {
    let home = TempDir::new().unwrap();
    let load = |more: &str| sample::load(home.path(), &format!("{more}\n{BEFORE}"));
    let (anywhere, here) = ("http: { listen: '0.0.0.0:7' }", "http: { listen: '127.0.0.1:7' }");
    let socket = "http: { listen: 'unix:/run/a.sock' }";
    let open = "http: { listen: 'unix:/run/a.sock', unauthenticated: true }";
    for (old, new, waits) in [
        (format!("auth: {{}}\n{anywhere}"), here.to_owned(), true),
        // It is for everybody on this machine as long as there is `auth`.
        (format!("auth: {{}}\n{socket}"), socket.to_owned(), true),
        (format!("auth: {{ local: true }}\n{socket}"), here.to_owned(), true),
        (format!("auth: {{}}\n{socket}"), format!("auth: {{ local: true }}\n{here}"), true),
        (format!("auth: {{}}\n{socket}"), open.to_owned(), false),
        (format!("auth: {{}}\n{here}"), here.to_owned(), false),
        (here.to_owned(), format!("auth: {{}}\n{anywhere}"), false),
        (format!("auth: {{ local: true }}\n{here}"), format!("auth: {{}}\n{anywhere}"), false),
    ] {
        let (old, new) = (load(&old), load(&new));
        let found = Difference::between(&old, &new);
        assert_eq!(found.at_restart().contains(&"auth"), waits, "{:?} {:?}", old.http, new.http);
        let in_force = in_force(&old, new.clone());
        assert_eq!(in_force.auth, if waits { old.auth } else { new.auth }, "{:?}", new.http);
    }
}
