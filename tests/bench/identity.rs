//! What it costs to find out who comes: with a token that was made here, and with one of a provider
//! that was seen a moment ago, or was not.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::rsa;
use conflux::auth::Authenticator;
use conflux::auth::Store;
use conflux::auth::store::Scope;
use conflux::config::auth::Algorithm as Allowed;
use conflux::config::auth::Auth;
use conflux::config::auth::Provider;
use conflux::config::auth::Scopes;
use divan::Bencher;
use jsonwebtoken::Algorithm;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use jsonwebtoken::jwk::Jwk;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const ISSUER: &str = "https://login.example.com";
const PATH: &str = "/mcp";

/// A gateway's knowledge of who may come.
struct Scene {
    runtime: Runtime,
    authenticator: Arc<Authenticator>,
    key: EncodingKey,
    own: String,
    _directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        let key = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let key: Pkcs8V1Der<'_> = key.as_der().unwrap();
        // PKCS#8 is a fixed head here, and then what is asked for.
        let key = EncodingKey::from_rsa_der(key.as_ref().split_at(26).1);
        let keys = json!({ "keys": [Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap()] });
        let provider = Provider {
            issuer: ISSUER.to_owned(),
            audience: Vec::new(),
            algorithms: vec![Allowed::Rs256],
            subject: "sub".to_owned(),
            groups: Some(vec!["groups".to_owned()]),
            map: [].into(),
            jwks: Some(serve(keys.to_string()).parse().unwrap()),
            outage: Duration::from_hours(1),
            leeway: Duration::from_secs(30),
        };
        let config = Auth {
            local: false,
            resource: Some("https://mcp.example.com".parse().unwrap()),
            providers: [("corp".to_owned(), provider)].into_iter().collect(),
            scopes: Scopes::default(),
        };
        let directory = TempDir::new().unwrap();
        let store = Store::new(directory.path().to_owned());
        let (own, _) = store.create("ci", Scope::default(), None).unwrap();
        let authenticator = Arc::new(Authenticator::try_new(&config, store).unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let followed = Arc::clone(&authenticator);
        runtime.spawn(async move { followed.follow(CancellationToken::new()).await });
        let own = own.reveal();
        Self { runtime, authenticator, key, own, _directory: directory }
    }

    fn token(&self, number: u64) -> String {
        let ends = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + 3600;
        let claims = json!({
            "iss": ISSUER, "aud": "https://mcp.example.com/mcp", "sub": "alice", "exp": ends,
            "scope": "mcp repo.read", "groups": ["platform", "dev"], "jti": number,
        });
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).unwrap()
    }

    fn identify(&self, token: &str) {
        self.runtime.block_on(self.authenticator.identify(token, PATH)).unwrap();
    }
}

/// Serves a document at an address of its own.
fn serve(document: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            assert!(lines.map_while(Result::ok).any(|line| line.is_empty()), "the head ends");
            let size = document.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n");
            write!(stream, "{head}\r\n{document}").unwrap();
        }
    });
    url
}

#[divan::bench]
fn own_token(bencher: Bencher<'_, '_>) {
    let scene = Scene::new();
    bencher.bench(|| scene.identify(&scene.own));
}

#[divan::bench]
fn seen_token_of_a_provider(bencher: Bencher<'_, '_>) {
    let scene = Scene::new();
    let token = scene.token(0);
    scene.identify(&token);
    bencher.bench(|| scene.identify(&token));
}

#[divan::bench(sample_count = 20, sample_size = 20)]
fn new_token_of_a_provider(bencher: Bencher<'_, '_>) {
    let scene = Scene::new();
    scene.identify(&scene.token(0));
    let mut number = 0;
    let next = || {
        number += 1;
        scene.token(number)
    };
    bencher.with_inputs(next).bench_local_values(|token| scene.identify(&token));
}
