//! How a gateway is, at every door: the tool, the local socket, the addresses for probes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::gateway::with;
use crate::support::http::Server;
use crate::support::output::run;
use crate::support::output::stderr;
use crate::support::output::stdout;
use crate::support::programs::toy;
use crate::support::wire_client::Client;
use crate::support::wire_client::LIMIT;

const POLL: Duration = Duration::from_millis(20);

fn required(entry: Value) -> Value {
    with(entry, "required", json!(true))
}

fn broken() -> Value {
    json!({ "command": "sh", "args": ["-c", "echo out of luck >&2; exit 3"] })
}

/// What every running gateway says, by `conflux status --json`.
async fn documents(gateway: &Gateway) -> Vec<Value> {
    let output = run(gateway, &["status", "--json"]).await;
    stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sockets(gateway: &Gateway) -> PathBuf {
    gateway.path().join("state/run")
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Takes out what changes from moment to moment.
fn lasting(mut document: Value) -> Value {
    document.as_object_mut().unwrap().remove("uptimeMs").unwrap();
    document
}

#[tokio::test]
async fn one_document_is_behind_every_door() {
    let mut gateway = Gateway::new(&[("toy", required(toy(&["--era", "dual"]).entry()))]);
    gateway.add("off", json!({ "command": "x", "disabled": true }));
    let server = Server::start_ready(&gateway).await;
    let session = server.session("2025-11-25", json!({})).await;
    let called = session.call(1, "conflux__status", json!({})).reply().await.result();
    let by_tool = lasting(called["structuredContent"].clone());
    let by_socket = documents(&gateway).await;
    let verbose = server.request(Method::GET, "/readyz?verbose").reply().await;
    assert_eq!((by_socket.len(), verbose.status), (1, 200));
    assert_eq!(lasting(by_socket[0].clone()), by_tool);
    assert_eq!(lasting(verbose.json()), by_tool);

    assert_eq!(by_tool["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(by_tool["pid"], server.process_id());
    assert_eq!(by_tool["listening"], format!("{}/mcp", server.origin));
    assert_eq!(by_tool["files"], json!([gateway.path().join("gateway.yaml")]));
    assert_eq!(by_tool["ready"], true);
    assert_eq!(by_tool["upstreams"][1], json!({ "name": "off", "state": "disabled" }));
    let upstream = &by_tool["upstreams"][0];
    assert_eq!((&upstream["state"], &upstream["required"]), (&json!("ready"), &json!(true)));
    assert_eq!((&upstream["era"], &upstream["listed"]), (&json!("modern"), &json!(true)));
    let process = session.call(2, "toy__process", json!({})).reply().await.result();
    assert_eq!(upstream["pid"], process["structuredContent"]["pid"], "{upstream}");
}

/// What is shown, with what differs from run to run left out.
fn masked(shown: &str, pids: &[String]) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ';']);
        let mask = match bare {
            pid if pids.iter().any(|other| other == pid) => "{pid}",
            time if time.ends_with('s') && time.starts_with(|c: char| c.is_ascii_digit()) => {
                "{time}"
            }
            file if file.starts_with('/') => "{file}",
            url if url.starts_with("http://") => "{url}",
            _ => return word.to_owned(),
        };
        word.replace(bare, mask)
    };
    let line = |line: &str| match line {
        counted if counted.starts_with("generation: ") => "generation: {count}".to_owned(),
        other => other.split_whitespace().map(word).collect::<Vec<_>>().join(" "),
    };
    shown.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_is_shown_of_a_gateway_is_all_there_is_to_know() {
    let toy = required(toy(&["--era", "dual"]).entry());
    let gateway = Gateway::new(&[("toy", toy), ("boom", broken())]);
    let server = Server::start_ready(&gateway).await;
    let session = server.session("2025-11-25", json!({})).await;
    session.call(1, "boom__any", json!({})).reply().await.result();
    let upstreams = documents(&gateway).await[0]["upstreams"].clone();
    let pids = upstreams.as_array().unwrap().iter().map(|upstream| upstream["pid"].to_string());
    let pids: Vec<_> = pids.chain([server.process_id().to_string()]).collect();
    let one = masked(&stdout(&run(&gateway, &["status"]).await), &pids);
    insta::assert_snapshot!("status", one);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("toy__echo", json!({})).await.result();
    let pids: Vec<_> = pids.into_iter().chain([client.process_id().to_string()]).collect();
    let several = masked(&stdout(&run(&gateway, &["status"]).await), &pids);
    insta::assert_snapshot!("status-of-several", several);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_table_tells_people_of_one_gateway_and_a_list_of_several() {
    let toy = required(toy(&["--era", "dual"]).entry());
    let gateway = Gateway::new(&[("toy", toy), ("boom", broken())]);
    let server = Server::start_ready(&gateway).await;
    let session = server.session("2025-11-25", json!({})).await;
    let failed = session.call(1, "boom__any", json!({})).reply().await.result();
    assert_eq!(failed["isError"], true, "{failed}");
    let output = run(&gateway, &["status"]).await;
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let shown = stdout(&output);
    let row = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("conflux ").contains(&format!("process {}", server.process_id())), "{shown}");
    assert!(row("conflux ").ends_with(", ready"), "{shown}");
    assert!(row("listening").contains(&server.origin), "{shown}");
    assert!(row("toy ").contains("ready") && row("toy ").ends_with("required"), "{shown}");
    let why = "`boom` exited before it was ready: exit code 3; tried again in ";
    assert!(row("boom ").contains(why) && row("boom ").contains("hint: start its"), "{shown}");

    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let several = stdout(&run(&gateway, &["status"]).await);
    assert!(several.starts_with("PID "), "{several}");
    let pids = [server.process_id(), client.process_id()].map(|pid| pid.to_string());
    for pid in &pids {
        assert!(several.lines().any(|line| line.starts_with(pid)), "{several}");
    }
    let one = stdout(&run(&gateway, &["status", "--pid", &pids[1]]).await);
    assert!(one.contains(&format!("process {}", pids[1])), "{one}");
    assert!(one.contains("listening: stdio"), "{one}");
    // Whoever is asked this way goes on as before.
    client.call("toy__echo", json!({})).await.result();
    assert!(client.leave().await.success());
    assert_eq!(documents(&gateway).await.len(), 1);
}

#[tokio::test]
async fn without_a_gateway_it_says_what_to_do() {
    let gateway = Gateway::new(&[]);
    for args in [&["status"][..], &["status", "--json"], &["status", "--pid", "1"]] {
        let output = run(&gateway, args).await;
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(10), ""));
        let said = stderr(&output);
        assert!(said.contains("could be asked\n  caused by: looked in `"), "{said}");
        assert!(said.contains("hint: start one with `conflux serve`"), "{said}");
    }
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_goes_with_the_gateway() {
    let gateway = Gateway::new(&[("toy", toy(&[]).entry())]);
    let client = gateway.legacy("2025-11-25", json!({})).await;
    let socket = sockets(&gateway).join(format!("{}.sock", client.process_id()));
    assert_eq!((mode(&socket), mode(&sockets(&gateway))), (0o600, 0o700));
    assert!(client.leave().await.success());
    assert!(!socket.exists());

    // In the directory of the user's session, if there is one.
    let session = gateway.path().join("session");
    fs::create_dir(&session).unwrap();
    let mut command = gateway.conflux(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("XDG_RUNTIME_DIR", &session).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut said = [0; 9];
    let listening = child.stderr.as_mut().unwrap().read_exact(&mut said);
    timeout(LIMIT, listening).await.unwrap().unwrap();
    let pid = child.id().unwrap();
    let socket = session.join("conflux").join(format!("{pid}.sock"));
    assert_eq!((mode(&socket), mode(&session.join("conflux"))), (0o600, 0o700));
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(timeout(LIMIT, child.wait()).await.unwrap().unwrap().code(), Some(0));
    assert!(!socket.exists());
}

#[tokio::test]
async fn what_a_killed_gateway_left_is_taken_away() {
    let gateway = Gateway::new(&[]);
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    let pid = client.process_id();
    let socket = sockets(&gateway).join(format!("{pid}.sock"));
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
    client.wait().await;
    assert!(socket.exists(), "nobody could take it away");
    assert_eq!(run(&gateway, &["status"]).await.status.code(), Some(10));
    assert!(!socket.exists());

    // One that lives is no worse off for what others left, and takes away nothing else.
    drop(UnixListener::bind(&socket).unwrap());
    fs::write(sockets(&gateway).join("notes.txt"), "mine").unwrap();
    fs::write(sockets(&gateway).join("1234567.sock"), "no socket").unwrap();
    let client = gateway.legacy("2025-11-25", json!({})).await;
    assert!(!socket.exists());
    assert_eq!(documents(&gateway).await.len(), 1);
    assert!(sockets(&gateway).join("1234567.sock").exists());
    assert!(sockets(&gateway).join("notes.txt").exists());
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_gateway_that_hangs_is_said_to() {
    let gateway = Gateway::new(&[]);
    let (hung, other) = (gateway.start(), gateway.legacy("2025-11-25", json!({})).await);
    let pid = Pid::from_raw(hung.process_id().try_into().unwrap());
    let its = hung.process_id().to_string();
    let both = async {
        while documents(&gateway).await.len() < 2 {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, both).await.expect("both are there");
    kill(pid, Signal::SIGSTOP).unwrap();
    let output = run(&gateway, &["status"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(&format!("process {}", other.process_id())));
    let said = stderr(&output);
    assert!(said.contains(&format!("process id {its} cannot be asked")), "{said}");
    assert!(said.contains("no answer within 10s"), "{said}");
    let alone = run(&gateway, &["status", "--pid", &its]).await;
    assert_eq!(alone.status.code(), Some(10), "{}", stderr(&alone));
    kill(pid, Signal::SIGCONT).unwrap();
    assert!(hung.leave().await.success() && other.leave().await.success());
}

#[tokio::test]
async fn a_directory_that_others_could_change_is_not_trusted() {
    let gateway = Gateway::new(&[]);
    let client = gateway.legacy("2025-11-25", json!({})).await;
    fs::set_permissions(sockets(&gateway), fs::Permissions::from_mode(0o755)).unwrap();
    let output = run(&gateway, &["status"]).await;
    assert_eq!(output.status.code(), Some(10));
    let said = stderr(&output);
    assert!(said.contains("is open to other users"), "{said}");
    assert!(said.contains("must be yours and have mode 0700"), "{said}");
    assert!(client.leave().await.success());

    // A link leads to where somebody else wants; a gateway does without a socket then.
    let elsewhere = gateway.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::remove_dir_all(sockets(&gateway)).unwrap();
    symlink(&elsewhere, sockets(&gateway)).unwrap();
    let mut client = gateway.legacy("2025-11-25", json!({})).await;
    client.call("conflux__status", json!({})).await.result();
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    let said = stderr(&run(&gateway, &["status"]).await);
    assert!(said.contains("is no directory"), "{said}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn who_does_not_read_at_the_socket_keeps_nobody_out() {
    let gateway = Gateway::new(&[]);
    let client = gateway.legacy("2025-11-25", json!({})).await;
    let socket = sockets(&gateway).join(format!("{}.sock", client.process_id()));
    let idlers: Vec<_> =
        (0..20).map(|_| std::os::unix::net::UnixStream::connect(&socket).unwrap()).collect();
    assert_eq!(documents(&gateway).await.len(), 1);
    drop(idlers);
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn probes_tell_life_from_readiness() {
    let slow = with(required(toy(&["--hang"]).entry()), "timeout", json!({ "start": "500ms" }));
    let gateway = Gateway::new(&[("good", required(toy(&[]).entry())), ("slow", slow)]);
    let server = Server::start(&gateway).await;
    let probe = |path: &'static str| server.request(Method::GET, path);
    let alive = probe("/healthz").reply().await;
    assert_eq!((alive.status, alive.json()), (200, json!({ "alive": true })));
    assert_eq!(alive.header("cache-control"), Some("no-store"));
    let failed = async {
        loop {
            let unready = probe("/readyz").reply().await;
            assert_eq!(unready.status, 503, "{unready:?}");
            let said = unready.json();
            let causes = said["upstreams"].as_array().unwrap().clone();
            if causes.len() == 1 && causes[0]["errorKind"] == "start_timeout" {
                return (unready.header("retry-after").map(str::to_owned), causes[0].clone());
            }
            sleep(POLL).await;
        }
    };
    let (retry, cause) = timeout(LIMIT, failed).await.expect("it fails");
    assert_eq!((retry.as_deref(), &cause["name"]), (Some("1"), &json!("slow")));
    assert!(cause["hint"].as_str().unwrap().contains("timeout.start"), "{cause}");
    let verbose = probe("/readyz?verbose").reply().await;
    assert_eq!((verbose.status, &verbose.json()["ready"]), (503, &json!(false)));
    let head = server.request(Method::HEAD, "/readyz").reply().await;
    assert_eq!((head.status, head.body.as_str()), (503, ""));
    for path in ["/healthz", "/readyz"] {
        let wrong = server.request(Method::POST, path).reply().await;
        assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD")));
    }
}

#[tokio::test]
async fn what_is_required_is_started_even_if_a_profile_does_not_show_it() {
    let shown = ("shown", toy(&[]).entry());
    let mut gateway = Gateway::new(&[shown, ("needed", required(toy(&[]).entry()))])
        .profile("some", json!({ "upstreams": ["shown"] }));
    gateway.set("profile", json!("some"));
    let server = Server::start_ready(&gateway).await;
    assert_eq!(server.request(Method::GET, "/readyz").reply().await.status, 200);
    let upstreams = documents(&gateway).await[0]["upstreams"].clone();
    assert_eq!(upstreams[1]["state"], "ready", "{upstreams}");
    server.stop().await;
}

#[tokio::test]
async fn whoever_the_guard_would_refuse_learns_one_bit() {
    let gateway = Gateway::new(&[("secretive", required(broken()))]);
    let server = Server::start(&gateway).await;
    for (name, value) in [("Host", "10.1.2.3:8080"), ("Origin", "https://evil.example")] {
        for path in ["/readyz", "/readyz?verbose"] {
            let reply = server.request(Method::GET, path).header(name, value).reply().await;
            assert_eq!((reply.status, reply.json()), (503, json!({ "ready": false })));
            assert_eq!(reply.header("access-control-allow-origin"), None);
        }
        let alive = server.request(Method::GET, "/healthz").header(name, value).reply().await;
        assert_eq!(alive.status, 200);
        assert_eq!(
            server.request(Method::GET, "/mcp").header(name, value).reply().await.status,
            403
        );
    }
    // Some balancers still ask like this.
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    timeout(LIMIT, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.starts_with("HTTP/1.0 200 OK"), "{text}");
}

#[tokio::test]
async fn a_gateway_that_is_full_is_not_taken_for_dead() {
    let gateway =
        Gateway::new(&[("toy", toy(&[]).entry())]).http("limits", json!({ "connections": 1 }));
    let server = Server::start(&gateway).await;
    let _first = TcpStream::connect(server.address()).await.unwrap();
    let fresh = || reqwest::Client::builder().no_proxy().build().unwrap();
    let refused = async {
        while server.request(Method::GET, "/mcp").over(&fresh()).reply().await.status != 503 {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, refused).await.expect("the place is taken");
    for path in ["/healthz", "/readyz"] {
        let reply = server.request(Method::GET, path).over(&fresh()).reply().await;
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")), "{path}");
    }
}

#[tokio::test]
async fn what_is_required_is_started_again_without_being_asked_for() {
    let gateway = Gateway::new(&[("toy", required(toy(&[]).entry()))]);
    let server = Server::start_ready(&gateway).await;
    assert_eq!(server.request(Method::GET, "/readyz").reply().await.status, 200);
    let pid = documents(&gateway).await[0]["upstreams"][0]["pid"].as_i64().unwrap();
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
    let back = async {
        let mut was_away = false;
        loop {
            let reply = server.request(Method::GET, "/readyz").reply().await;
            match reply.status {
                503 => was_away = true,
                200 if was_away => return,
                _ => {}
            }
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, back).await.expect("it comes back by itself");
    let again = &documents(&gateway).await[0]["upstreams"][0]["pid"];
    assert_ne!(again.as_i64(), Some(pid));
}

#[tokio::test]
async fn what_is_put_away_still_counts_as_ready() {
    let entry = with(required(toy(&[]).entry()), "timeout", json!({ "idle": "1ms" }));
    let gateway = Gateway::new(&[("toy", entry)]);
    let server = Server::start_ready(&gateway).await;
    let idle = async {
        while documents(&gateway).await[0]["upstreams"][0]["state"] != "idle" {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, idle).await.expect("it is put away");
    assert_eq!(server.request(Method::GET, "/readyz").reply().await.status, 200);
}

#[tokio::test]
async fn ready_fails_with_every_cause_at_once() {
    let short = json!({ "start": "500ms" });
    let gateway = Gateway::new(&[
        ("boom", required(broken())),
        ("good", required(toy(&[]).entry())),
        ("mute", with(required(toy(&["--hang"]).entry()), "timeout", short)),
        ("optional", broken()),
    ]);
    let http = run(&gateway, &["serve", "--listen", "127.0.0.1:0", "--ready"]).await;
    let stdio = run(&gateway, &["serve", "--ready"]).await;
    for (output, is_http) in [(&http, true), (&stdio, false)] {
        assert_eq!(output.status.code(), Some(4), "{}", stderr(output));
        let said = stderr(output);
        assert!(!said.contains("listening on"), "{said}");
        assert!(said.contains("error: upstream `boom`, which is required, is not ready"), "{said}");
        assert!(said.contains("stderr: out of luck"), "{said}");
        // Over stdio, stdout belongs to the protocol.
        let json = if is_http { stdout(output) } else { said.clone() };
        let json = json.lines().find(|line| line.starts_with('{')).unwrap_or_default();
        let report: Value = serde_json::from_str(json).unwrap();
        assert_eq!(report["ready"], false);
        let causes: Vec<_> = report["upstreams"].as_array().unwrap().iter().collect();
        let kinds: Vec<_> = causes.iter().map(|it| (&it["name"], &it["errorKind"])).collect();
        assert_eq!(
            kinds,
            [(&json!("boom"), &json!("exited")), (&json!("mute"), &json!("start_timeout")),]
        );
        assert!(is_http || output.stdout.is_empty());
    }
}

#[tokio::test]
async fn ready_waits_for_an_address_that_is_not_there_yet() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let backend = Gateway::new(&[("toy", toy(&[]).entry())]);
    let entry = required(json!({ "url": format!("http://{address}/mcp") }));
    let gateway = Gateway::new(&[("late", entry)]);
    let mut early = gateway.command();
    early.args(["--listen", "127.0.0.1:0", "--ready"]).stdin(Stdio::null());
    let mut early = early.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let one = async {
        loop {
            match documents(&gateway).await.as_slice() {
                [only] if only["upstreams"][0]["errorKind"] == "unreachable" => return,
                _ => sleep(POLL).await,
            }
        }
    };
    timeout(LIMIT, one).await.expect("it has tried");
    let mut late = backend.command();
    late.args(["--listen", &address.to_string()]).stderr(Stdio::null()).kill_on_drop(true);
    let _late = late.spawn().unwrap();
    let mut lines = BufReader::new(early.stderr.take().unwrap()).lines();
    let reading = async {
        loop {
            // The log says first that nobody was there.
            let line = lines.next_line().await.unwrap().expect("it goes on");
            if line.starts_with("listening on ") {
                return;
            }
        }
    };
    timeout(LIMIT, reading).await.expect("it becomes ready");
    assert_eq!(documents(&gateway).await[0]["ready"], true);
}

#[tokio::test]
async fn ready_over_stdio_means_that_the_first_answer_waits() {
    let late = toy(&["--late", "700"]).entry();
    let gateway = Gateway::new(&[("late", required(late))]);
    let mut command = gateway.command();
    let mut client = Client::spawn(command.arg("--ready"));
    client.initialize("2025-11-25", json!({})).await.result();
    let status = client.call("conflux__status", json!({})).await.structured();
    assert_eq!(status["ready"], true, "{status}");
    assert_eq!(status["upstreams"][0]["listed"], true, "{status}");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn whose_program_it_is_counts_at_the_socket() {
    let toy = toy(&["--era", "dual"]).entry();
    let gateway = Gateway::new(&[("toy", toy)]);
    let server = Server::start(&gateway).await;
    documents(&gateway).await;
    let socket = sockets(&gateway).join(format!("{}.sock", server.process_id()));
    // Somebody opens what belongs to them alone.
    for path in socket.ancestors().take_while(|path| path.starts_with(gateway.path())) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let ask = "import os, socket, sys
user = int(sys.argv[1])
if user != os.getuid(): os.setuid(user)
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[2])
print(len(peer.makefile().read()))";
    let told = async |user: &str| {
        let mut python = tokio::process::Command::new("python3");
        let output = python.args(["-c", ask, user]).arg(&socket).output();
        let output = timeout(LIMIT, output).await.unwrap().unwrap();
        stdout(&output).trim().parse::<usize>().unwrap_or_else(|_| panic!("{output:?}"))
    };
    let own = nix::unistd::geteuid();
    assert!(told(&own.to_string()).await > 100, "one's own program is told");
    // Nobody else can become somebody else.
    if own.is_root() {
        assert_eq!(told("65534").await, 0, "that of somebody else is not");
    }
}
