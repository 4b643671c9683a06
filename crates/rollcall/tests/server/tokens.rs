//! Tokens that are no good, each in all three places where a token may stand and over HTTP, against a running server:
//! whatever is wrong with one, its client reads the same words, and nobody outside is asked anything.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use rollcall::clock::Clock;
use rollcall::config::{Setting, SigningKeyPem};
use serde_json::{Value, json};

use crate::issuer::{Answering, Key, Stub, set};
use crate::live::wire::{Wire, upgrade_headers};
use crate::live::{Live, WEBSOCKET, event};
use crate::support::{self, SECRET};

/// A server with issuers of every kind, and the keys to all of them.
struct World {
    live: Live,
    rsa: Key,
    p256: Key,
    p384: Key,
    ed25519: Key,
    /// Has a key set with one key, `known`.
    published: Key,
    stub: Stub,
    now: u64,
}

const RSA: &str = "https://rsa.example";
const CURVES: &str = "https://curves.example";
const PUBLISHED: &str = "https://published.example";

impl World {
    async fn new() -> Self {
        let (rsa, p256, p384, ed25519, published) =
            (Key::rsa(), Key::p256(), Key::p384(), Key::ed25519(), Key::p256());
        let stub =
            Stub::start(Answering::Body(set(&[published.published("known", json!({"alg": "ES256"}))]))).await;
        let curves = [&p256, &p384, &ed25519].map(|key| key.public_pem.clone()).concat();
        let issuers = json!([
            {"name": "rsa", "issuer": RSA, "audience": "api", "key": rsa.public_pem, "algorithms": ["RS256", "PS256"]},
            {"name": "rsa-web", "issuer": RSA, "audience": "web", "key": ed25519.public_pem},
            {"name": "curves", "issuer": CURVES, "audience": "api", "key": curves},
            {"name": "published", "issuer": PUBLISHED, "audience": "api", "jwks_url": stub.url()},
        ]);
        let live = Live::start(|config| {
            config.identity.issuers = serde_json::from_value(issuers).unwrap();
            config.http.page = false;
        })
        .await;
        stub.wait_for(1).await;
        let now = Clock::system().unix_seconds();
        Self { live, rsa, p256, p384, ed25519, published, stub, now }
    }

    fn claims(&self, issuer: &str, more: Value) -> Value {
        let mut claims = json!({"iss": issuer, "aud": "api", "sub": "ada", "exp": self.now + 600, "iat": self.now, "jti": "j"});
        for (name, value) in more.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    /// Tokens that open a socket: what the bad ones differ from.
    fn good(&self) -> Vec<(&'static str, String)> {
        let rsa = self.claims(RSA, json!({}));
        let curves = self.claims(CURVES, json!({}));
        let header = |algorithm: &str, more: &str| format!(r#"{{"alg":"{algorithm}"{more}}}"#);
        let trap = format!(
            r#","jku":"{url}","x5u":"{url}","jwk":{},"x5c":["AAAA"]"#,
            Key::p256().jwk,
            url = self.stub.url()
        );
        let built_in = Key::secret(SECRET.as_bytes());
        vec![
            ("RS256", self.rsa.sign(&rsa)),
            ("PS256", self.rsa.sign_with(Algorithm::PS256, &header("PS256", ""), &rsa.to_string())),
            ("ES256", self.p256.sign(&curves)),
            ("ES384", self.p384.sign(&curves)),
            ("EdDSA", self.ed25519.sign(&curves)),
            ("a list of audiences", self.rsa.sign(&self.claims(RSA, json!({"aud": ["x", "api"]})))),
            ("the other audience of one issuer", self.ed25519.sign(&self.claims(RSA, json!({"aud": "web"})))),
            (
                "an access token by type",
                self.p256.sign_text(&header("ES256", r#","typ":"at+jwt""#), &curves.to_string()),
            ),
            ("key hints are ignored", self.p256.sign_text(&header("ES256", &trap), &curves.to_string())),
            ("a static key asks for no kid", self.p256.sign_as("../../dev/null", &curves)),
            ("published", self.published.sign_as("known", &self.claims(PUBLISHED, json!({})))),
            ("published, the only key", self.published.sign(&self.claims(PUBLISHED, json!({})))),
            (
                "built-in with nothing but sub and exp",
                built_in.sign(&json!({"sub": 7, "exp": self.now + 60})),
            ),
            ("HS256 with a kid", built_in.sign_as("whatever", &json!({"sub": "u", "exp": self.now + 60}))),
        ]
    }

    fn bad(&self) -> Vec<(String, String)> {
        let mut bad = Vec::new();
        self.wrong_algorithms(&mut bad);
        self.wrong_signatures(&mut bad);
        self.wrong_issuers(&mut bad);
        self.wrong_headers(&mut bad);
        self.wrong_claims(&mut bad);
        bad
    }

    /// RFC 8725 sections 3.1 and 3.2.
    fn wrong_algorithms(&self, bad: &mut Vec<(String, String)>) {
        let claims = self.claims(RSA, json!({})).to_string();
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for name in ["none", "None", "nOnE", "NONE", ""] {
            let unsigned = format!("{}.{}.", encode(&format!(r#"{{"alg":"{name}"}}"#)), encode(&claims));
            bad.push((format!("alg {name:?} without a signature"), unsigned));
            let signed = self.rsa.sign_text(&format!(r#"{{"alg":"{name}"}}"#), &claims);
            bad.push((format!("alg {name:?} with a good signature"), signed));
        }
        for (what, secret) in [
            ("PEM", self.rsa.public_pem.as_bytes()),
            ("PEM without its last newline", self.rsa.public_pem.trim_end().as_bytes()),
            ("DER", &self.rsa.public_der),
            ("modulus", self.rsa.jwk["n"].as_str().unwrap().as_bytes()),
            ("nothing", b""),
        ] {
            bad.push((
                format!("HS256 with the public key as {what}"),
                Key::secret(secret).sign_text(r#"{"alg":"HS256"}"#, &claims),
            ));
        }
        let as_published = self.claims(PUBLISHED, json!({})).to_string();
        let jwk = self.published.published("known", json!({"alg": "ES256"})).to_string();
        for secret in [jwk.as_bytes(), &self.published.public_der] {
            let token = Key::secret(secret).sign_text(r#"{"alg":"HS256","kid":"known"}"#, &as_published);
            bad.push(("HS256 with the published key".to_owned(), token));
        }
        bad.push(("ES256 for an RSA key".to_owned(), self.p256.sign_text(r#"{"alg":"ES256"}"#, &claims)));
        bad.push((
            "an RSA signature that says ES256".to_owned(),
            self.rsa.sign_text(r#"{"alg":"ES256"}"#, &claims),
        ));
        bad.push((
            "an RSA signature that says PS256".to_owned(),
            self.rsa.sign_text(r#"{"alg":"PS256"}"#, &claims),
        ));
        bad.push(("RS384".to_owned(), self.rsa.sign_with(Algorithm::RS384, r#"{"alg":"RS384"}"#, &claims)));
        let curves = self.claims(CURVES, json!({})).to_string();
        bad.push(("ES384 by a P-256 key".to_owned(), self.p256.sign_text(r#"{"alg":"ES384"}"#, &curves)));
        let built_in = json!({"sub": "ada", "exp": self.now + 60}).to_string();
        bad.push((
            "HS384".to_owned(),
            Key::secret(SECRET.as_bytes()).sign_with(Algorithm::HS384, r#"{"alg":"HS384"}"#, &built_in),
        ));
        bad.push((
            "RS256 for the built-in issuer".to_owned(),
            self.rsa.sign_text(r#"{"alg":"RS256"}"#, &built_in),
        ));
        bad.push((
            "the secret for another issuer".to_owned(),
            Key::secret(SECRET.as_bytes()).sign_text(r#"{"alg":"HS256"}"#, &claims),
        ));
    }

    /// RFC 8725 sections 3.3 and 3.4.
    fn wrong_signatures(&self, bad: &mut Vec<(String, String)>) {
        for (name, good) in [
            ("RS256", self.rsa.sign(&self.claims(RSA, json!({})))),
            ("ES256", self.p256.sign(&self.claims(CURVES, json!({})))),
            ("EdDSA", self.ed25519.sign(&self.claims(CURVES, json!({})))),
            ("published", self.published.sign_as("known", &self.claims(PUBLISHED, json!({})))),
            ("HS256", Key::secret(SECRET.as_bytes()).sign(&json!({"sub": "ada", "exp": self.now + 60}))),
        ] {
            let (signed, signature) = good.rsplit_once('.').unwrap();
            let (header, payload) = signed.split_once('.').unwrap();
            let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let with = |signature: &[u8]| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            let flipped: Vec<u8> =
                bytes.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 7)).collect();
            let of_another = match name {
                "RS256" => Key::rsa().sign(&self.claims(RSA, json!({}))),
                _ => Key::p256().sign(&self.claims(CURVES, json!({}))),
            };
            for (what, token) in [
                ("no signature", with(&[])),
                ("a signature cut short", with(&bytes[..bytes.len() - 1])),
                ("half a signature", with(&bytes[..bytes.len() / 2])),
                ("one bit of the signature", with(&flipped)),
                ("all zero (r = s = 0)", with(&vec![0; bytes.len()])),
                ("bytes behind the signature", with(&[&bytes[..], &[0]].concat())),
                ("the signature twice", with(&[&bytes[..], &bytes].concat())),
                ("padding", format!("{good}=")),
                (
                    "standard base64",
                    format!("{signed}.{}", base64::engine::general_purpose::STANDARD.encode(&bytes)),
                ),
                ("two parts", signed.to_owned()),
                ("four parts", format!("{good}.{signature}")),
                ("five parts, as a JWE", format!("{header}.{signature}.{signature}.{payload}.{signature}")),
                ("an empty payload", format!("{header}..{signature}")),
                ("an empty header", format!(".{payload}.{signature}")),
                (
                    "another payload",
                    format!(
                        "{header}.{}.{signature}",
                        URL_SAFE_NO_PAD.encode("{\"sub\":\"eve\",\"exp\":9999999999}")
                    ),
                ),
                ("signed by a stranger", of_another),
            ] {
                // Standard base64 differs only when it has to.
                if what != "standard base64" || token != good {
                    bad.push((format!("{name}: {what}"), token));
                }
            }
            // A last character whose unused bits are not zero: the same bytes to a careless decoder.
            if bytes.len() % 3 != 0 {
                let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                let last =
                    alphabet.iter().position(|letter| *letter == *good.as_bytes().last().unwrap()).unwrap();
                let mut other = good.clone();
                other.pop();
                other.push(alphabet[last + 1] as char);
                bad.push((format!("{name}: not canonical"), other));
            }
        }
        let encrypted = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
        bad.push(("a JWE".to_owned(), format!("{encrypted}.AAAA.AAAA.AAAA.AAAA")));
    }

    /// RFC 8725 sections 3.8 and 3.9.
    fn wrong_issuers(&self, bad: &mut Vec<(String, String)>) {
        for (what, more) in [
            ("an issuer that is not configured", json!({"iss": "https://elsewhere.example"})),
            ("an issuer with a slash more", json!({"iss": format!("{RSA}/")})),
            ("another issuer", json!({"iss": CURVES})),
            ("no issuer", json!({"iss": null})),
            ("a list as issuer", json!({"iss": [RSA]})),
            ("no audience", json!({"aud": null})),
            ("another audience", json!({"aud": "other"})),
            ("an ID token of another client", json!({"aud": "some-client", "nonce": "n"})),
            ("a list of other audiences", json!({"aud": ["other", "API"]})),
            ("the audience of the other entry", json!({"aud": "web"})),
            ("the audiences of two entries", json!({"aud": ["api", "web"]})),
            ("an audience that is no text", json!({"aud": {"api": true}})),
        ] {
            bad.push((what.to_owned(), self.rsa.sign(&self.claims(RSA, more))));
        }
        // A key of one issuer for a token of another, both configured here.
        bad.push(("the key of another entry".to_owned(), self.ed25519.sign(&self.claims(RSA, json!({})))));
        bad.push((
            "a published key for another issuer".to_owned(),
            self.published.sign_as("known", &self.claims(CURVES, json!({}))),
        ));
        bad.push((
            "a static key for a published issuer".to_owned(),
            self.p256.sign_as("known", &self.claims(PUBLISHED, json!({}))),
        ));
    }

    /// RFC 8725 sections 3.10 to 3.12.
    fn wrong_headers(&self, bad: &mut Vec<(String, String)>) {
        let published = self.claims(PUBLISHED, json!({})).to_string();
        let jku = json!({"alg": "ES256", "kid": "mine", "jku": self.stub.url(), "x5u": self.stub.url()});
        for (what, header) in [
            ("a path as kid", json!({"alg": "ES256", "kid": "../../dev/null"})),
            ("SQL as kid", json!({"alg": "ES256", "kid": "' OR 1=1 --"})),
            ("NUL in the kid", json!({"alg": "ES256", "kid": "known\0"})),
            ("a long kid", json!({"alg": "ES256", "kid": "k".repeat(3000)})),
            ("a number as kid", json!({"alg": "ES256", "kid": 7})),
            ("null as kid", json!({"alg": "ES256", "kid": null})),
            ("an unknown kid with addresses of keys", jku),
        ] {
            bad.push((what.to_owned(), self.published.sign_text(&header.to_string(), &published)));
        }
        let stranger = Key::p256();
        let own = json!({"alg": "ES256", "jwk": stranger.jwk, "jku": self.stub.url(), "x5c": ["AAAA"]});
        bad.push((
            "a key that it brings".to_owned(),
            stranger.sign_text(&own.to_string(), &self.claims(CURVES, json!({})).to_string()),
        ));
        let curves = self.claims(CURVES, json!({})).to_string();
        for header in [
            r#"{"alg":"ES256","crit":["exp"],"exp":1}"#,
            r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"ES256","crit":[]}"#,
            r#"{"alg":"ES256","typ":"logout+jwt"}"#,
            r#"{"alg":"ES256","typ":"refresh+jwt"}"#,
            r#"{"alg":"ES256","typ":7}"#,
            r#"{"alg":"none","alg":"ES256"}"#,
            r#"["ES256"]"#,
            "",
        ] {
            bad.push((format!("header {header}"), self.p256.sign_text(header, &curves)));
        }
        let long = self.claims(CURVES, json!({"x": "x".repeat(8000)}));
        bad.push(("more than 8 KB".to_owned(), self.p256.sign(&long)));
        let opaque = "rt_Zm9yIHJlZnJlc2hpbmcgb25seSwgMjU2IGJpdHM";
        bad.push(("a refresh token".to_owned(), opaque.to_owned()));
    }

    fn wrong_claims(&self, bad: &mut Vec<(String, String)>) {
        let sign = |claims: &str| self.p256.sign_text(r#"{"alg":"ES256"}"#, claims);
        // GHSA-h395-gr6q-cpjc: what cannot be read as a date must not count as absent.
        for claim in ["exp", "nbf", "iat"] {
            for value in ["\"9\"", "null", "[]", "{}", "1e400", "-1", "9223372036854775808", "1.5", "true"] {
                let base = self.claims(CURVES, json!({"exp": null, "iat": null})).to_string();
                let exp = if claim == "exp" { String::new() } else { format!("\"exp\":{},", self.now + 60) };
                bad.push((
                    format!("{claim} = {value}"),
                    sign(&base.replacen('{', &format!("{{{exp}\"{claim}\":{value},"), 1)),
                ));
            }
        }
        let deep = format!(r#"{{"x":{}{},"sub":"ada"}}"#, "[".repeat(1000), "]".repeat(1000));
        bad.push((
            "deep JSON".to_owned(),
            sign(&self.claims(CURVES, json!({})).to_string().replacen(
                '{',
                &deep.replace("\"sub\":\"ada\"}", ""),
                1,
            )),
        ));
        for payload in [
            "",
            "x",
            "[]",
            "[\"ada\",9999999999]",
            "null",
            "7",
            "\"sub\"",
            "{\"sub\":\"ada\"}",
            "{\"sub\":\"ada\",",
            "\u{feff}{}",
        ] {
            bad.push((format!("payload {payload}"), sign(payload)));
        }
        for (what, more) in [
            ("no exp", json!({"exp": null})),
            ("good for too long", json!({"exp": self.now + 401 * 86_400})),
            ("not good yet", json!({"nbf": self.now + 300})),
            ("from the future", json!({"iat": self.now + 300})),
            ("no sub", json!({"sub": null})),
            ("an empty sub", json!({"sub": ""})),
            ("a long sub", json!({"sub": "x".repeat(256)})),
            ("a list as sub", json!({"sub": ["ada"]})),
            ("NUL in the sub", json!({"sub": "a\0b"})),
            ("a list as sid", json!({"sid": []})),
            (
                "an event that is announced",
                json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            ),
        ] {
            bad.push((what.to_owned(), self.p256.sign(&self.claims(CURVES, more))));
        }
        let twice = self.claims(CURVES, json!({})).to_string().replace("\"sub\"", "\"sub\":\"eve\",\"sub\"");
        bad.push(("sub twice".to_owned(), sign(&twice)));
        let hidden =
            self.claims(CURVES, json!({})).to_string().replace("\"sub\"", "\"\\u0073ub\":\"eve\",\"sub\"");
        bad.push(("sub twice, once escaped".to_owned(), sign(&hidden)));
    }

    /// What a client with this token hears until it is let in or sent away; `place` is header, auth or query.
    async fn hear(&self, place: &str, token: &str) -> Vec<String> {
        let mut wire = Wire::connect(self.live.address).await;
        let (headers, query, auth) = match place {
            "header" => (format!("authorization: Bearer {token}\r\n"), String::new(), "{}".to_owned()),
            "query" => (
                String::new(),
                format!("&token={}", token.replace('=', "%3D").replace('+', "%2B")),
                "{}".to_owned(),
            ),
            _ => (String::new(), String::new(), json!({ "token": token }).to_string()),
        };
        let upgrade = upgrade_headers() + &headers;
        let answer = wire.request("GET", &format!("{WEBSOCKET}{query}"), &upgrade, "").await;
        assert_eq!(answer.status, 101, "{answer:?}");
        assert!(wire.text().await.starts_with('0'));
        wire.say(&format!("40/sessions,{auth}")).await;
        assert!(wire.text().await.starts_with("40/sessions,{\"sid\":"));
        let mut heard = vec![wire.text().await];
        if heard[0].contains("sessions:error") {
            heard.push(wire.text().await);
        }
        heard
    }
}

const PLACES: [&str; 3] = ["header", "auth", "query"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_token_is_told_the_same_in_every_place_and_nobody_is_asked() {
    let world = World::new().await;
    for (name, token) in world.good() {
        for place in PLACES {
            let heard = world.hear(place, &token).await;
            assert_eq!(event(&heard[0]).unwrap().0, "sessions:ready", "{name} in {place}");
        }
    }
    let refused = [
        r#"42/sessions,["sessions:error",{"code":"token_invalid","message":"The token is not valid."}]"#,
        "41/sessions,",
    ];
    let bad = world.bad();
    assert!(bad.len() > 150, "{}", bad.len());
    for (name, token) in &bad {
        for place in PLACES {
            // What is absent in one place is absent, and not bad.
            assert_eq!(world.hear(place, token).await, refused, "{name} in {place}: {token}");
        }
    }
    // The one fetch at start was within the cooldown of all this; no address in a token was called.
    assert_eq!((world.stub.requests(), world.stub.connections()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_every_bad_token_gets_the_same_answer() {
    let world = World::new().await;
    let mut wire = world.live.wire().await;
    let mut answers = std::collections::HashSet::new();
    for (name, token) in world.bad() {
        let answer = wire.request("GET", "/auth/me", &format!("authorization: Bearer {token}\r\n"), "").await;
        assert_eq!(answer.status, 401, "{name}");
        let head: Vec<&str> = answer.head.lines().filter(|line| !line.starts_with("date:")).collect();
        answers.insert((head.join("\n"), answer.body));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let (head, body) = answers.into_iter().next().unwrap();
    assert!(head.contains("www-authenticate: bearer error=\"invalid_token\""), "{head}");
    assert!(body.contains("\"code\":\"token_invalid\""), "{body}");
    // Somebody of another issuer has no account here, even with an account's id.
    let token = world.rsa.sign(&world.claims(RSA, json!({})));
    let answer = wire.request("GET", "/auth/me", &format!("authorization: Bearer {token}\r\n"), "").await;
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_token_does_not_fall_through_to_a_good_one() {
    let world = World::new().await;
    let good = world.rsa.sign(&world.claims(RSA, json!({})));
    let expired = world.rsa.sign(&world.claims(RSA, json!({"exp": world.now - 60})));
    let connect = async |header: &str, auth: &str, query: &str| {
        let mut wire = Wire::connect(world.live.address).await;
        let headers = upgrade_headers() + header;
        wire.request("GET", &format!("{WEBSOCKET}{query}"), &headers, "").await;
        wire.text().await;
        wire.say(&format!("40/sessions,{auth}")).await;
        wire.text().await;
        let (name, arguments) = event(&wire.text().await).unwrap();
        arguments[0]["code"].as_str().map_or(name, str::to_owned)
    };
    let in_header = |token: &str| format!("authorization: Bearer {token}\r\n");
    let in_auth = |token: &str| json!({ "token": token }).to_string();
    let in_query = |token: &str| format!("&token={token}");
    assert_eq!(connect(&in_header("x"), &in_auth(&good), &in_query(&good)).await, "token_invalid");
    assert_eq!(connect(&in_header(&expired), &in_auth(&good), "").await, "token_expired");
    assert_eq!(connect("", &in_auth("x"), &in_query(&good)).await, "token_invalid");
    assert_eq!(connect("", r#"{"token":7}"#, &in_query(&good)).await, "token_invalid");
    assert_eq!(connect(&in_header(&good), &in_auth("x"), &in_query("x")).await, "sessions:ready");
    assert_eq!(connect("authorization: Basic eDp5\r\n", &in_auth(&good), "").await, "sessions:ready");
    assert_eq!(connect("", "{}", "").await, "token_missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_two_issuers_with_one_subject_never_meet() {
    let world = World::new().await;
    let tokens = [
        world.rsa.sign(&world.claims(RSA, json!({}))),
        world.ed25519.sign(&world.claims(RSA, json!({"aud": "web"}))),
        world.p256.sign(&world.claims(CURVES, json!({}))),
        world.published.sign_as("known", &world.claims(PUBLISHED, json!({}))),
        world.live.token("ada"),
    ];
    let mut sockets = Vec::new();
    for token in &tokens {
        let mut wire = world.live.socket().await;
        wire.say(&format!("40/sessions,{}", json!({ "token": token }))).await;
        wire.text().await;
        let (name, arguments) = event(&wire.text().await).unwrap();
        assert_eq!(name, "sessions:ready");
        assert_eq!(arguments[0]["sessions"].as_array().unwrap().len(), 1, "{token}");
        sockets.push(wire);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_key_signs_and_its_public_half_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("key.pem");
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "ed25519", "-out", private.to_str().unwrap()])
        .status();
    assert!(made.unwrap().success());
    let pem = std::fs::read_to_string(&private).unwrap();
    let live = Live::start(|config| {
        config.identity.key = SigningKeyPem::parse(&pem);
        config.accounts.registration = true;
    })
    .await;
    let mut wire = live.wire().await;
    let answer = wire.get("/.well-known/jwks.json").await;
    assert!(answer.head.contains("cache-control: public, max-age=300"), "{answer:?}");
    assert!(answer.head.contains("content-type: application/jwk-set+json"), "{answer:?}");
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&answer.body).unwrap();
    assert!(!answer.body.contains("\"oct\"") && !answer.body.contains("\"d\"") && keys.keys.len() == 1);

    // What is signed here another library verifies with what is published here.
    let registered =
        wire.request("POST", "/auth/register", "content-type: application/json\r\n", support::ADA).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let body: Value = serde_json::from_str(&registered.body).unwrap();
    let token = body["access_token"].as_str().unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let jwk = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
    let mut wanted = jsonwebtoken::Validation::new(Algorithm::EdDSA);
    wanted.set_issuer(&["rollcall"]);
    let claims = jsonwebtoken::decode::<Value>(token, &key, &wanted).unwrap().claims;
    assert!(claims["sub"].as_str().unwrap().starts_with("acc_"), "{claims}");
    let answer = wire.request("GET", "/auth/me", &format!("authorization: Bearer {token}\r\n"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");

    // With a secret alone nothing is published.
    let secret_only = Live::start(|_| {}).await;
    secret_only.wire().await.get("/.well-known/jwks.json").await.check(200, "{\"keys\":[]}");
}
