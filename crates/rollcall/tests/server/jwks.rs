//! Issuers that publish their keys, well or badly: what their users notice of it, and how often anybody is asked.

use std::sync::Arc;
use std::time::Duration;

use rollcall::clock::Clock;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::issuer::{Answering, Key, Stub, set};
use crate::live::wire::Wire;
use crate::live::{self, Live, event};

const ISSUER: &str = "https://id.example";

async fn serve(stub: &Stub, cooldown: Duration, timeout: Duration) -> Live {
    let entry = json!([{"name": "shop", "issuer": ISSUER, "audience": "api", "jwks_url": stub.url()}]);
    Live::start(|config| {
        config.identity.issuers = serde_json::from_value(entry).unwrap();
        config.identity.jwks_cooldown = cooldown;
        config.identity.jwks_timeout = timeout;
    })
    .await
}

fn claims() -> Value {
    let now = Clock::system().unix_seconds();
    json!({"iss": ISSUER, "aud": "api", "sub": "ada", "exp": now + 600, "sid": "s"})
}

/// Sends CONNECT and hears nothing yet.
async fn ask(live: &Live, token: &str) -> Wire {
    let mut wire = live.socket().await;
    wire.say(&format!("40/sessions,{}", json!({ "token": token }))).await;
    wire
}

/// `ready`, or the code of the error.
async fn outcome(wire: &mut Wire) -> String {
    assert!(wire.text().await.starts_with("40/sessions,"));
    let (name, arguments) = event(&wire.text().await).unwrap();
    arguments[0]["code"].as_str().unwrap_or(name.trim_start_matches("sessions:")).to_owned()
}

async fn connect(live: &Live, token: &str) -> String {
    outcome(&mut ask(live, token).await).await
}

/// Tries until it comes out so: keys are fetched in the background.
async fn connect_until(live: &Live, token: &str, wanted: &str) {
    let mut last = String::new();
    for _ in 0..400 {
        last = connect(live, token).await;
        if last == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{last} and not {wanted}");
}

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_unknown_kids_cost_no_fetch_within_the_cooldown() {
    let key = Key::p256();
    let stub = Stub::start(Answering::Body(set(&[key.published("one", json!({}))]))).await;
    let live = serve(&stub, LONG, LONG).await;
    connect_until(&live, &key.sign_as("one", &claims()), "ready").await;
    let mut tries = JoinSet::new();
    for number in 0..1000 {
        let (token, good) = (key.sign_as(&format!("{number}"), &claims()), key.sign_as("one", &claims()));
        let address = live.address;
        tries.spawn(async move {
            let mut heard = Vec::new();
            for token in [token, good] {
                let mut wire = Wire::websocket(address, live::WEBSOCKET).await;
                wire.text().await;
                wire.say(&format!("40/sessions,{}", json!({ "token": token }))).await;
                heard.push(outcome(&mut wire).await);
            }
            heard
        });
        if tries.len() >= 50 {
            assert_eq!(tries.join_next().await.unwrap().unwrap(), ["token_invalid", "ready"]);
        }
    }
    while let Some(heard) = tries.join_next().await {
        assert_eq!(heard.unwrap(), ["token_invalid", "ready"]);
    }
    assert_eq!((stub.requests(), stub.connections()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_key_is_let_in_when_it_is_there_and_what_was_sent_is_looked_at_after_ready() {
    let (key, known) = (Key::ed25519(), Key::p256());
    let both = set(&[key.published("new", json!({})), known.published("known", json!({}))]);
    let stub = Stub::start(Answering::Body(set(&[known.published("known", json!({}))]))).await;
    let live = serve(&stub, SHORT, Duration::from_secs(5)).await;
    connect_until(&live, &known.sign_as("known", &claims()), "ready").await;
    tokio::time::sleep(2 * SHORT).await; // the cooldown
    stub.answer(Answering::Late(Duration::from_secs(2), both));
    let asked = stub.requests();
    let mut waiting = Vec::new();
    for number in 0..20 {
        let mut wire = ask(&live, &key.sign_as("new", &claims())).await;
        for event in 0..number.min(16) {
            wire.say(&format!("42/sessions,{event}[\"no such event\"]")).await;
        }
        waiting.push(wire);
    }
    // Others are served meanwhile: this comes back before the two seconds are over.
    for _ in 0..20 {
        assert_eq!(connect(&live, &known.sign_as("known", &claims())).await, "ready");
        assert_eq!(connect(&live, "x").await, "token_invalid");
    }
    let mut too_much = ask(&live, &key.sign_as("new", &claims())).await;
    for _ in 0..17 {
        too_much.say("42/sessions,[\"x\"]").await;
    }
    assert!(too_much.frame().await.is_none_or(|frame| frame.first == 0x88), "it said more than is kept");
    for (number, mut wire) in waiting.into_iter().enumerate() {
        assert_eq!(outcome(&mut wire).await, "ready");
        let mut acknowledged = 0;
        while acknowledged < number.min(16) {
            let text = wire.text().await;
            if text.starts_with(&format!("43/sessions,{acknowledged}[")) {
                acknowledged += 1;
            } else {
                assert_eq!(event(&text).expect("an update or the next answer").0, "sessions:update");
            }
        }
    }
    assert_eq!(stub.requests(), asked + 1, "one fetch for all of them");
}

/// One issuer that is bad at first, then good, then bad again.
async fn fail_recover_and_fail(key: &Key, bad: Answering) {
    let stub = Stub::start(bad.clone()).await;
    let live = serve(&stub, SHORT, Duration::from_secs(1)).await;
    let token = || key.sign_as("one", &claims());
    // The server is up though its issuer is not, and serves everybody else.
    assert_eq!(connect(&live, &live.token("ada")).await, "ready", "{bad:?}");
    assert_eq!(connect(&live, &token()).await, "unavailable", "{bad:?}");
    stub.answer(Answering::Body(set(&[key.published("one", json!({}))])));
    connect_until(&live, &token(), "ready").await;
    // From now on its failures harm nobody whose key is known.
    stub.answer(bad.clone());
    let asked = stub.requests();
    connect_until(&live, &key.sign_as("unknown", &claims()), "unavailable").await;
    assert_eq!(connect(&live, &token()).await, "ready", "{bad:?}");
    assert!(stub.requests() > asked, "{bad:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_keys_says_unavailable_and_recovers_by_itself() {
    let key = Arc::new(Key::p256());
    let symmetric =
        json!({"kty": "oct", "kid": "one", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"});
    let short = json!({"kty": "RSA", "kid": "one", "n": "w".repeat(86), "e": "AQAB"});
    let mut rounds = JoinSet::new();
    for bad in [
        Answering::HangUp,
        Answering::Head("500 Internal Server Error".to_owned()),
        Answering::Head("404 Not Found".to_owned()),
        Answering::Huge(10 * 1024 * 1024),
        Answering::Endless,
        Answering::Silence,
        Answering::Body("<html>".to_owned()),
        Answering::Body(set(&[])),
        Answering::Body(set(&[symmetric])),
        Answering::Body(set(&[short])),
    ] {
        let key = key.clone();
        rounds.spawn(async move { fail_recover_and_fail(&key, bad).await });
    }
    while let Some(round) = rounds.join_next().await {
        round.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_are_not_followed() {
    let key = Key::p256();
    let target = Stub::start(Answering::Body(set(&[key.published("one", json!({}))]))).await;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let stub = Stub::start(Answering::Head(format!("{status}\r\nlocation: {}", target.url()))).await;
        let live = serve(&stub, LONG, LONG).await;
        assert_eq!(connect(&live, &key.sign_as("one", &claims())).await, "unavailable", "{status}");
        assert_eq!(stub.requests(), 1);
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_new_is_good_within_a_cooldown_and_one_that_is_taken_out_is_not() {
    let (old, new) = (Key::rsa(), Key::p256());
    let stub = Stub::start(Answering::Body(set(&[old.published("old", json!({"use": "sig"}))]))).await;
    let live = serve(&stub, SHORT, Duration::from_secs(5)).await;
    connect_until(&live, &old.sign_as("old", &claims()), "ready").await;
    stub.answer(Answering::Body(set(&[new.published("new", json!({})), old.published("old", json!({}))])));
    connect_until(&live, &new.sign_as("new", &claims()), "ready").await;
    assert_eq!(connect(&live, &old.sign_as("old", &claims())).await, "ready");
    stub.answer(Answering::Body(set(&[new.published("new", json!({}))])));
    let unknown = || old.sign_as("unknown", &claims());
    let asked = stub.requests();
    while stub.requests() == asked {
        connect(&live, &unknown()).await;
    }
    connect_until(&live, &old.sign_as("old", &claims()), "token_invalid").await;
    assert_eq!(connect(&live, &new.sign_as("new", &claims())).await, "ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_key_says_of_itself_is_obeyed() {
    let (signing, encryption, rival, rsa) = (Key::p256(), Key::p256(), Key::p256(), Key::rsa());
    let keys = set(&[
        encryption.published("enc", json!({"use": "enc"})),
        signing.published("sig", json!({"use": "sig", "alg": "ES256"})),
        rival.published("sig", json!({})),
        rsa.published("sig", json!({"alg": "PS256"})),
        signing.published("mismatch", json!({"alg": "RS256"})),
    ]);
    let stub = Stub::start(Answering::Body(keys)).await;
    let live = serve(&stub, LONG, LONG).await;
    connect_until(&live, &signing.sign_as("sig", &claims()), "ready").await;
    for (token, expected) in [
        (encryption.sign_as("enc", &claims()), "token_invalid"),
        (rival.sign_as("sig", &claims()), "token_invalid"), // the first one of a kid counts
        (signing.sign_as("mismatch", &claims()), "token_invalid"),
        (rsa.sign_as("sig", &claims()), "token_invalid"), // RS256, and the key is for PS256
        (
            rsa.sign_with(
                jsonwebtoken::Algorithm::PS256,
                r#"{"alg":"PS256","kid":"sig"}"#,
                &claims().to_string(),
            ),
            "ready",
        ),
        (signing.sign(&claims()), "ready"), // without a kid: the only ES256 key
    ] {
        assert_eq!(connect(&live, &token).await, expected, "{token}");
    }
    assert_eq!(stub.requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_requests_wait_for_a_key_too() {
    let key = Key::p256();
    let stub =
        Stub::start(Answering::Late(Duration::from_secs(1), set(&[key.published("one", json!({}))]))).await;
    let live = serve(&stub, LONG, LONG).await;
    let bearer = |token: String| format!("authorization: Bearer {token}\r\n");
    let mut wire = live.wire().await;
    let answer = wire.request("GET", "/auth/me", &bearer(key.sign_as("one", &claims())), "").await;
    assert_eq!(answer.status, 404, "the token is good, and it has no account here: {answer:?}");
    let down = Stub::start(Answering::HangUp).await;
    let live = serve(&down, LONG, LONG).await;
    let mut wire = live.wire().await;
    let answer = wire.request("GET", "/auth/me", &bearer(key.sign_as("one", &claims())), "").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(
        answer.body.contains("\"code\":\"unavailable\"") && answer.head.contains("retry-after: "),
        "{answer:?}"
    );
}
