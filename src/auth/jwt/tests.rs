//! Nothing but what a provider signed, for here and for now, is taken.

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
use aws_lc_rs::signature::EcdsaKeyPair;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::Header;
use jsonwebtoken::jwk::Jwk;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::Issuer;
use crate::auth::Credential;
use crate::auth::Refused;
use crate::auth::Terms;
use crate::auth::jwks::Set;
use crate::config::auth::Algorithm as Allowed;
use crate::config::auth::Provider;

const ISSUER: &str = "https://login.example.com";
const HERE: &str = "https://mcp.example.com/mcp";
const LEEWAY: i64 = 30;
const ALL: [(Allowed, Algorithm); 6] = [
    (Allowed::EdDsa, Algorithm::EdDSA),
    (Allowed::Es256, Algorithm::ES256),
    (Allowed::Rs256, Algorithm::RS256),
    (Allowed::Rs512, Algorithm::RS512),
    (Allowed::Ps256, Algorithm::PS256),
    (Allowed::Ps384, Algorithm::PS384),
];

/// The keys of a provider, one of each kind.
struct Keys {
    ed: EncodingKey,
    ec: EncodingKey,
    rsa: EncodingKey,
}

/// Those of the provider, and those of somebody else.
static KEYS: LazyLock<[Keys; 2]> = LazyLock::new(|| [Keys::make(), Keys::make()]);

impl Keys {
    fn make() -> Self {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let ed: Pkcs8V1Der<'_> = Ed25519KeyPair::generate().unwrap().as_der().unwrap();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let rsa: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
        // PKCS#8 is a fixed head here, and then what is asked for.
        let (_, rsa) = rsa.as_ref().split_at(26);
        Self {
            ed: EncodingKey::from_ed_der(ed.as_ref()),
            ec: EncodingKey::from_ec_der(ec.as_ref()),
            rsa: EncodingKey::from_rsa_der(rsa),
        }
    }

    fn of(&self, algorithm: Algorithm) -> &EncodingKey {
        match algorithm {
            Algorithm::EdDSA => &self.ed,
            Algorithm::ES256 => &self.ec,
            _ => &self.rsa,
        }
    }

    /// What the provider publishes. The one for RSA is for every algorithm of its kind.
    fn published(&self) -> Set {
        let key = |algorithm: Algorithm| {
            let jwk = Jwk::from_encoding_key(self.of(algorithm), algorithm).unwrap();
            let mut jwk = serde_json::to_value(jwk).unwrap();
            jwk["kid"] = json!("key");
            jwk.as_object_mut().unwrap().remove("alg");
            jwk
        };
        let keys: Vec<Value> =
            [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256].map(key).into();
        Set::of(serde_json::from_value(json!({ "keys": keys })).unwrap())
    }
}

fn provider(algorithms: Vec<Allowed>) -> Provider {
    Provider {
        issuer: ISSUER.to_owned(),
        audience: vec!["api://conflux".to_owned()],
        algorithms,
        subject: "sub".to_owned(),
        groups: None,
        map: [].into(),
        jwks: None,
        outage: Duration::ZERO,
        leeway: Duration::from_secs(LEEWAY.unsigned_abs()),
    }
}

fn issuer_of(provider: Provider) -> Issuer {
    Issuer::new(Terms { name: "corp".to_owned(), provider, resource: None })
}

fn issuer(algorithms: Vec<Allowed>) -> Issuer {
    issuer_of(provider(algorithms))
}

fn now() -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    i64::try_from(now).unwrap()
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({ "iss": ISSUER, "sub": "alice", "aud": HERE, "exp": now() + 600 });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn signed(keys: &Keys, algorithm: Algorithm, more: &Value) -> String {
    let header = Header { kid: Some("key".to_owned()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, &claims(more), keys.of(algorithm)).unwrap()
}

/// Returns what becomes of a token where the first keys are those of the provider.
fn verified(issuer: &Issuer, token: &str) -> Result<Credential, Refused> {
    waited_for(async {
        let here = [HERE.to_owned()];
        tokio::select! {
            verified = issuer.verified(token, &here) => verified,
            () = issuer.keys.keep(async || Ok(KEYS[0].published())) => unreachable!("it goes on"),
        }
    })
}

fn waited_for<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

fn is_good(token: &str) -> bool {
    verified(&issuer(ALL.map(|(allowed, _)| allowed).into()), token).is_ok()
}

#[test]
fn only_what_is_signed_in_a_way_that_is_allowed_is_good() {
    for (allowed, _) in ALL {
        let issuer = issuer(vec![allowed]);
        for (signed_with, algorithm) in ALL {
            let token = signed(&KEYS[0], algorithm, &json!({}));
            let is_good = verified(&issuer, &token).is_ok();
            assert_eq!(is_good, allowed == signed_with, "{signed_with:?} where {allowed:?} is");
            let strange = signed(&KEYS[1], algorithm, &json!({}));
            assert!(verified(&issuer, &strange).is_err(), "{algorithm:?} of somebody else");
        }
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let jwk = Jwk::from_encoding_key(&KEYS[0].rsa, Algorithm::RS256).unwrap();
    let jwk = serde_json::to_value(jwk).unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for secret in [modulus, jwk.to_string().into_bytes(), jwk["n"].to_string().into_bytes()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let key = EncodingKey::from_secret(&secret);
            let header = Header { kid: Some("key".to_owned()), ..Header::new(algorithm) };
            let token = jsonwebtoken::encode(&header, &claims(&json!({})), &key).unwrap();
            assert!(!is_good(&token), "{algorithm:?}");
        }
    }
}

#[test]
fn a_token_without_a_signature_is_none() {
    let body = URL_SAFE_NO_PAD.encode(claims(&json!({})).to_string());
    for algorithm in ["none", "None", "NONE", "", "EdDSA", "RS256"] {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm, "kid": "key" }).to_string());
        for token in [format!("{header}.{body}."), format!("{header}.{body}")] {
            assert!(!is_good(&token), "{algorithm}");
        }
    }
}

#[test]
fn it_is_good_until_it_ends_and_not_longer() {
    let ends = now() + 600;
    let token = signed(&KEYS[0], Algorithm::EdDSA, &json!({ "exp": ends, "scope": "b a" }));
    let issuer = issuer(vec![Allowed::EdDsa]);
    let credential = verified(&issuer, &token).unwrap();
    let until = credential.until.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(i64::try_from(until.as_secs()).unwrap(), ends + LEEWAY);
    assert_eq!(credential.scopes.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]));
    assert_eq!(credential.principal.name(), "corp:alice");
    for ends in [json!(1e19), json!(1e300), json!(-1), json!("x"), json!(null), json!([ends])] {
        let token = signed(&KEYS[0], Algorithm::EdDSA, &json!({ "exp": ends }));
        assert!(verified(&issuer, &token).is_err(), "{ends}");
    }
}

#[test]
fn a_successor_knows_the_keys_of_the_same_provider_alone() {
    let before = issuer(vec![Allowed::EdDsa]);
    let token = signed(&KEYS[0], Algorithm::EdDSA, &json!({}));
    assert!(verified(&before, &token).is_ok());
    let unasked = |issuer: &Issuer| waited_for(issuer.verified(&token, &[HERE.to_owned()])).is_ok();
    assert!(unasked(&issuer(vec![Allowed::EdDsa]).succeeding(&before)));
    let jwks = Some("https://login.example.com/keys".parse().unwrap());
    let elsewhere = Provider { jwks, ..provider(vec![Allowed::EdDsa]) };
    assert!(!unasked(&issuer_of(elsewhere).succeeding(&before)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_byte_of_a_token_can_be_changed(at in any::<prop::sample::Index>(), by in 1..=255_u8) {
        let token = signed(&KEYS[0], Algorithm::ES256, &json!({}));
        let mut bytes = token.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(!is_good(&changed), "{changed}");
        }
    }

    #[test]
    fn times_count_within_the_leeway(
        ends in -90..90_i64,
        begins in prop::option::of(-90..90_i64),
    ) {
        // What is due in this second may be over in the next.
        prop_assume!((ends + LEEWAY).abs() > 3);
        prop_assume!(begins.is_none_or(|begins| (begins - LEEWAY).abs() > 3));
        let mut more = json!({ "exp": now() + ends });
        if let Some(begins) = begins {
            more["nbf"] = json!(now() + begins);
        }
        let expected = ends + LEEWAY > 0 && begins.is_none_or(|begins| begins - LEEWAY < 0);
        prop_assert_eq!(is_good(&signed(&KEYS[0], Algorithm::EdDSA, &more)), expected);
    }

    #[test]
    fn it_must_be_meant_for_here(
        others in prop::collection::vec("(https://)?(mcp|MCP|evil)[.]example[.]com(/mcp|/)?", 0..3),
        own in prop::option::of(prop::sample::select(&[HERE, "api://conflux"][..])),
        at in any::<prop::sample::Index>(),
    ) {
        let same = "https://MCP.example.com/mcp";
        let expected = own.is_some() || others.iter().any(|it| it == HERE || it == same);
        let mut all = others;
        if let Some(own) = own {
            all.insert(at.index(all.len() + 1), own.to_owned());
        }
        let token = signed(&KEYS[0], Algorithm::EdDSA, &json!({ "aud": all }));
        prop_assert_eq!(is_good(&token), expected);
        if let [one] = &all[..] {
            let token = signed(&KEYS[0], Algorithm::EdDSA, &json!({ "aud": one }));
            prop_assert_eq!(is_good(&token), expected);
        }
    }

    #[test]
    fn only_the_provider_itself_is_believed(issuer in "(https://login[.]example[.]com/?|.{0,20})") {
        let token = signed(&KEYS[0], Algorithm::EdDSA, &json!({ "iss": issuer }));
        prop_assert_eq!(is_good(&token), issuer == ISSUER);
    }

    #[test]
    fn nothing_makes_it_panic(text in "[a-zA-Z0-9_.{}\"-]{0,80}") {
        prop_assert!(!is_good(&text));
        drop(super::issuer(&text));
    }
}
