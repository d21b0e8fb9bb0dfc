//! Clients over HTTP that come through a socket in the file system: the system says who they are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::process::Command;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::support::gateway::Gateway;
use crate::support::http::Server;
use crate::support::http::initialize;
use crate::support::programs::toy;
use crate::support::wire_client::LIMIT;

/// Sends a POST as another user, who may not even read the modules of Python; prints the answer.
const POST: &str = "
import os, socket, sys
user, path, token, body = sys.argv[1:]
if int(user) != os.getuid(): os.setuid(int(user))
peer = socket.socket(socket.AF_UNIX)
try:
    peer.connect(path)
except PermissionError:
    sys.exit('no permission')
head = ['POST /mcp HTTP/1.1', 'Host: localhost', 'Connection: close',
        'Content-Type: application/json', 'Accept: application/json, text/event-stream',
        'Content-Length: %d' % len(body)]
if token: head.append('Authorization: Bearer ' + token)
peer.sendall('\\r\\n'.join(head + ['', body]).encode())
print(peer.makefile().read())
";
const POLL: Duration = Duration::from_millis(20);
/// Somebody else, on every machine.
const NOBODY: u32 = 65534;

fn gateway() -> (Gateway, PathBuf) {
    let gateway = Gateway::new(&[("toy", toy(&["--era", "dual"]).entry())]);
    let socket = gateway.path().join("mcp.sock");
    // Somebody else can come as far as the socket.
    for path in [gateway.path(), gateway.path().parent().unwrap()] {
        let mode = fs::metadata(path).unwrap().permissions().mode() | 0o011;
        drop(fs::set_permissions(path, fs::Permissions::from_mode(mode)));
    }
    (gateway, socket)
}

/// Sends what begins a session as a user; returns what is answered, or why nothing is.
async fn begun(user: u32, socket: &Path, token: &str) -> String {
    let mut python = Command::new("python3");
    let body = initialize("2025-11-25", json!({})).to_string();
    python.args(["-c", POST, &user.to_string()]).arg(socket).args([token, &body]);
    let output = python.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(LIMIT, output).await.unwrap().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Whether this process can become somebody else, whom the system then names.
fn can_be_others() -> bool {
    nix::unistd::geteuid().is_root()
}

#[tokio::test]
async fn everything_works_at_a_socket_and_its_file_goes_with_the_gateway() {
    let (gateway, socket) = gateway();
    let server = Server::start_at(&gateway, &socket).await;
    let reply = server.call("toy__echo", json!({"a": 2})).reply().await;
    assert_eq!(reply.result()["structuredContent"]["a"], 2, "{reply:?}");
    let session = server.session("2025-11-25", json!({})).await;
    let reply = session.call(2, "toy__echo", json!({"a": 3})).reply().await;
    assert_eq!(reply.result()["structuredContent"]["a"], 3, "{reply:?}");
    if can_be_others() {
        let refused = begun(NOBODY, &socket, "").await;
        assert!(refused.contains("no permission"), "the file is closed to others: {refused}");
        // Somebody opens what belongs to them alone.
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
        let refused = begun(NOBODY, &socket, "").await;
        assert!(
            refused.starts_with("HTTP/1.1 403") && refused.contains("its own user alone"),
            "{refused}"
        );
    }
    let (status, _) = server.stop().await;
    assert!(status.success());
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_system_says_who_comes_where_no_token_is_needed() {
    let (mut gateway, socket) = gateway();
    gateway.set("auth", json!({"local": true}));
    gateway.set("audit", json!({}));
    let server = Server::start_at(&gateway, &socket).await;
    let reply = server.call("toy__echo", json!({})).reply().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let refused = begun(nix::unistd::geteuid().as_raw(), &socket, "cfx_x").await;
    assert!(refused.starts_with("HTTP/1.1 401"), "a token that is no good is none: {refused}");
    if can_be_others() {
        let let_in = begun(NOBODY, &socket, "").await;
        assert!(let_in.starts_with("HTTP/1.1 200"), "{let_in}");
    }
    drop(server.stop().await);
    let mut search = gateway.conflux(&["audit", "search", "--json"]);
    let output = timeout(LIMIT, search.stdin(Stdio::null()).output()).await.unwrap().unwrap();
    let records = String::from_utf8(output.stdout).unwrap();
    let own = format!("\"local:{}\"", nix::unistd::geteuid());
    assert!(records.contains(&own), "{records}");
    if can_be_others() {
        assert!(records.contains(&format!("\"local:{NOBODY}\"")), "{records}");
    }
}

#[tokio::test]
async fn with_auth_a_token_is_needed_at_a_socket_too_unless_it_says_otherwise() {
    let (mut gateway, socket) = gateway();
    gateway.set("auth", json!({}));
    let server = Server::start_at(&gateway, &socket).await;
    let reply = server.modern("tools/list", json!({})).reply().await;
    assert_eq!(reply.status, 401, "{reply:?}");
    if can_be_others() {
        let refused = begun(NOBODY, &socket, "").await;
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    }
}

#[tokio::test]
async fn a_socket_for_everybody_needs_tokens_until_it_is_for_its_user_alone() {
    let (mut gateway, socket) = gateway();
    gateway.set("auth", json!({}));
    let server = Server::start_at(&gateway, &socket).await;
    gateway.set("auth", Value::Null);
    gateway.save_at_once();
    server.hang_up();
    let told = async {
        while !server.stderr().contains("needs a restart of Conflux") {
            sleep(POLL).await;
        }
    };
    timeout(LIMIT, told).await.expect("it reads what it says now");
    let reply = server.modern("tools/list", json!({})).reply().await;
    assert_eq!(reply.status, 401, "{reply:?} {}", server.stderr());
    if can_be_others() {
        let refused = begun(NOBODY, &socket, "").await;
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_had_is_told_with_what_to_do() {
    let (gateway, socket) = gateway();
    let serve = async |place: &str| {
        let mut command = gateway.command();
        command.args(["--listen", place]).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(LIMIT, command.output()).await.unwrap().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    fs::write(&socket, "of somebody").unwrap();
    let (code, says) = serve(&format!("unix:{}", socket.display())).await;
    assert_eq!(code, Some(9), "{says}");
    assert!(says.contains("something lies there that is no socket"), "{says}");
    assert_eq!(fs::read_to_string(&socket).unwrap(), "of somebody");
    let (code, says) = serve("unix:/nowhere/at/all.sock").await;
    assert_eq!(code, Some(9), "{says}");
    assert!(says.contains("a directory that is there"), "{says}");
    let (code, says) = serve("unix:mcp.sock").await;
    assert_eq!(code, Some(3), "{says}");
    assert!(says.contains("write the whole path after `unix:`"), "{says}");
}
