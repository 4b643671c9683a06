//! Logout tokens of an issuer, as they come over HTTP: what they end, how often, and what is none.

use std::time::Duration;

use databases::Database;
use rollcall::clock::Clock;
use rollcall::config::{Config, DatabaseUrl, Issuers};
use serde_json::{Value, json};

use crate::calls::{check_left, check_problem, get};
use crate::issuer::Key;
use crate::live::Live;
use crate::live::databases;
use crate::live::wire::Answer;
use crate::namespace::Tab;

const ISSUER: &str = "https://id.example";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

struct World {
    live: Live,
    key: Key,
    now: u64,
    database: Option<DatabaseUrl>,
}

fn issuers(key: &Key) -> Issuers {
    serde_json::from_value(json!([{
        "name": "shop", "issuer": ISSUER, "audience": "api", "client_id": "client", "key": key.public_pem
    }]))
    .unwrap()
}

impl World {
    async fn new() -> Self {
        Self::by(Clock::system()).await
    }

    async fn by(clock: Clock) -> Self {
        Self::on(clock, None).await
    }

    async fn on(clock: Clock, database: Option<DatabaseUrl>) -> Self {
        let key = Key::p256();
        let start = |config: &mut Config| {
            config.identity.issuers = issuers(&key);
            config.database.url = database.clone();
        };
        let live = Live::start_by(clock, start).await;
        Self { now: live.clock.unix_seconds(), live, key, database }
    }

    /// Another server on the same data: after a restart, or beside it.
    async fn again(&self) -> Live {
        let (data, issuers) = (self.live.folder.path().join("data"), issuers(&self.key));
        Live::start_by(self.live.clock.clone(), |config| {
            config.data_dir = data;
            config.identity.issuers = issuers;
            config.database.url = self.database.clone();
        })
        .await
    }

    /// An access token of a login.
    fn access(&self, user: &str, login: &str) -> String {
        let (iat, exp) = (self.now, self.now + 600);
        self.key
            .sign(&json!({"iss": ISSUER, "aud": "api", "sub": user, "sid": login, "iat": iat, "exp": exp}))
    }

    /// One that names no login; `null` takes a claim out.
    fn nameless(&self, user: &str, more: Value) -> String {
        let claims =
            json!({"iss": ISSUER, "aud": "api", "sub": user, "iat": self.now, "exp": self.now + 600});
        self.key.sign(&with(claims, &more))
    }

    async fn join(&self, user: &str, login: &str) -> Tab {
        self.join_by(&self.access(user, login)).await
    }

    async fn join_by(&self, token: &str) -> Tab {
        Tab::join_with(&self.live, &format!(r#"40/sessions,{{"token":"{token}"}}"#)).await
    }

    /// A logout token; `null` takes a claim out.
    fn logout(&self, id: &str, more: &Value) -> String {
        let claims = json!({
            "iss": ISSUER, "aud": "client", "iat": self.now, "exp": self.now + 120, "jti": id,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        let claims = with(claims, more);
        self.key.sign_text(r#"{"alg":"ES256","typ":"logout+jwt"}"#, &claims.to_string())
    }

    async fn post(&self, token: &str) -> Answer {
        let form = format!("logout_token={token}");
        self.live.wire().await.request("POST", "/auth/backchannel-logout", FORM, &form).await
    }

    async fn is_good(&self, token: &str) -> bool {
        get(&self.live, "/api/sessions", token).await.status == 200
    }
}

fn with(mut claims: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[tokio::test]
async fn a_login_or_a_user_ends_durably_and_each_token_counts_once() {
    let world = World::new().await;
    let mut phone = world.join("ada", "phone").await;
    let mut laptop = world.join("ada", "laptop").await;
    let mut bob = world.join("bob", "other").await;
    let login = world.logout("j1", &json!({"sid": "phone"}));
    let answer = world.post(&login).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(answer.head.contains("cache-control: no-store"), "{answer:?}");
    check_left(&world.live, 2).await;
    phone.check_revoked().await;
    assert!(
        !world.is_good(&world.access("ada", "phone")).await
            && world.is_good(&world.access("ada", "laptop")).await
    );
    check_problem(&world.post(&login).await, 400, "invalid_request");

    assert_eq!(world.post(&world.logout("j2", &json!({"sub": "ada"}))).await.status, 200);
    laptop.check_revoked().await;
    assert!(!world.is_good(&world.access("ada", "laptop")).await);
    assert_eq!(
        world.post(&world.logout("j3", &json!({"sub": "nobody"}))).await.status,
        200,
        "nothing matched"
    );
    assert_eq!(bob.ask("sessions:list", "").await["ok"], true);

    let restarted = world.again().await;
    let answer = get(&restarted, "/api/sessions", &world.access("ada", "phone")).await;
    check_problem(&answer, 401, "token_revoked");
}

#[tokio::test]
async fn what_is_no_logout_token_ends_nothing() {
    let world = World::new().await;
    let mut tab = world.join("ada", "phone").await;
    for bad in [
        world.access("ada", "phone"),
        world.logout("a", &json!({"sid": "phone", "nonce": "n"})),
        world.logout("b", &json!({"sid": "phone", "aud": "api"})),
        world.logout("c", &json!({"sid": "phone", "events": null})),
        world.logout("d", &json!({"sid": "phone", "exp": world.now - 120})),
        world.logout("e", &json!({"sid": null})),
        world.logout("f", &json!({"sid": "phone", "jti": null})),
        Key::p256().sign(&json!({"iss": ISSUER, "aud": "client"})),
        "x.y.z".to_owned(),
        String::new(),
    ] {
        check_problem(&world.post(&bad).await, 400, "invalid_request");
    }
    let good = world.logout("g", &json!({"sid": "phone"}));
    let request = async |headers: &str, body: &str| {
        world.live.wire().await.request("POST", "/auth/backchannel-logout", headers, body).await
    };
    check_problem(&request(FORM, "").await, 400, "payload_invalid");
    check_problem(
        &request(FORM, &format!("logout_token={good}&logout_token={good}")).await,
        400,
        "payload_invalid",
    );
    check_problem(&request("", &format!("logout_token={good}")).await, 415, "unsupported_media_type");
    check_problem(&request(FORM, &"x".repeat(20_000)).await, 413, "payload_too_large");
    assert!(tab.heard().await.iter().all(|name| name != "sessions:error"));
    assert_eq!(world.post(&good).await.status, 200, "none of it has spent the good one");
    tab.check_revoked().await;
}

/// In browsers of the same user: the one that is named ends, and what nobody can tell from it.
async fn check_logout_of_one_login(world: World) {
    let laptop_token = world.access("ada", "laptop");
    let phone_token = world.access("ada", "phone");
    let (nameless, digest) =
        (world.nameless("ada", json!({"jti": "t1"})), world.nameless("ada", json!({"jti": null})));
    let undated = world.nameless("ada", json!({"jti": "t2", "iat": null}));
    let unseen = world.nameless("ada", json!({"jti": "t5"}));
    let bobs = world.nameless("bob", json!({"jti": "t3"}));
    let mut laptop = world.join("ada", "laptop").await;
    let mut ending = Vec::new();
    for token in [&phone_token, &phone_token, &nameless, &digest, &undated] {
        ending.push(world.join_by(token).await);
    }
    laptop.list_of(6).await;
    let logout = world.logout("j1", &json!({"sid": "phone", "sub": "ada"}));
    assert_eq!(world.post(&logout).await.status, 200);
    for tab in &mut ending {
        tab.check_revoked().await;
    }
    assert_eq!(laptop.list_of(1).await.len(), 1);
    let packet = json!({"token": nameless});
    assert_eq!(laptop.ask("sessions:refresh", &packet.to_string()).await["code"], "token_revoked");
    let later = world.nameless("ada", json!({"jti": "t4", "iat": world.now + 1}));
    let check = async |live: &Live| {
        for token in [&phone_token, &nameless, &digest, &undated, &unseen] {
            let answer = get(live, "/api/sessions", token).await;
            check_problem(&answer, 401, "token_revoked");
        }
        for token in [&laptop_token, &bobs, &later] {
            assert_eq!(get(live, "/api/sessions", token).await.status, 200);
        }
    };
    world.live.clock.set_unix_millis((world.now + 1) * 1000);
    check(&world.live).await;
    assert_eq!(laptop.ask("sessions:list", "").await["sessions"].as_array().unwrap().len(), 1);
    check(&world.again().await).await;
}

#[tokio::test]
async fn a_logout_of_a_login_leaves_the_users_other_browser_alone() {
    let world = World::by(Clock::manual(1_800_000_000_000)).await;
    check_logout_of_one_login(world).await;
}

#[tokio::test]
async fn a_logout_of_a_login_leaves_the_users_other_browser_alone_on_postgresql() {
    let database = Database::postgres().await;
    let world = World::on(Clock::manual(1_800_000_000_000), database.config.database.url.clone()).await;
    check_logout_of_one_login(world).await;
}

#[tokio::test]
async fn another_process_ends_the_same_and_no_more() {
    let world = World::by(Clock::system()).await;
    let node = world.again().await;
    let nameless = world.nameless("ada", json!({"jti": "t1"}));
    let packet = |token: &str| format!(r#"40/sessions,{{"token":"{token}"}}"#);
    let mut laptop = Tab::join_with(&node, &packet(&world.access("ada", "laptop"))).await;
    let mut phone = Tab::join_with(&node, &packet(&world.access("ada", "phone"))).await;
    let mut script = Tab::join_with(&node, &packet(&nameless)).await;
    let logout = world.logout("j1", &json!({"sid": "phone", "sub": "ada"}));
    assert_eq!(world.post(&logout).await.status, 200);
    phone.check_revoked().await;
    script.check_revoked().await;
    assert_eq!(laptop.list_of(1).await.len(), 1);
    assert_eq!(laptop.ask("sessions:list", "").await["ok"], true);
}

#[tokio::test]
async fn a_token_by_a_clock_that_is_ahead_ends_with_its_socket() {
    let world = World::new().await;
    let now = world.now;
    let ahead = |login: &str| {
        let (iat, exp) = (now + 25, now + 600);
        world
            .key
            .sign(&json!({"iss": ISSUER, "aud": "api", "sub": "ada", "sid": login, "iat": iat, "exp": exp}))
    };
    let (shown, later) = (ahead("shown"), ahead("later"));
    let mut tab = Tab::join_with(&world.live, &format!(r#"40/sessions,{{"token":"{shown}"}}"#)).await;
    let logout = world.logout("j1", &json!({"sub": "ada", "iat": now + 5}));
    assert_eq!(world.post(&logout).await.status, 200);
    tab.check_revoked().await;
    assert!(!world.is_good(&shown).await);
    assert!(world.is_good(&later).await, "nobody can tell it from one that was issued after the logout");
}

/// What was revoked is read back from the database up to two seconds later, here and on other nodes.
#[tokio::test]
async fn who_signs_in_again_after_a_logout_by_a_clock_that_is_ahead_stays() {
    let world = World::by(Clock::manual(1_800_000_000_000)).await;
    let node = world.again().await;
    let now = world.now;
    let logout = world.logout("j1", &json!({"sub": "ada", "iat": now + 25}));
    assert_eq!(world.post(&logout).await.status, 200);
    world.live.clock.set_unix_millis((now + 1) * 1000);
    let token = world.key.sign(&json!({
        "iss": ISSUER, "aud": "api", "sub": "ada", "sid": "again", "iat": now + 26, "exp": now + 600
    }));
    let packet = format!(r#"40/sessions,{{"token":"{token}"}}"#);
    let mut tabs = [Tab::join_with(&world.live, &packet).await, Tab::join_with(&node, &packet).await];
    tokio::time::sleep(Duration::from_millis(2500)).await;
    for tab in &mut tabs {
        assert_eq!(tab.ask("sessions:list", "").await["ok"], true);
    }
    assert!(world.is_good(&token).await);
}

#[tokio::test]
async fn without_a_client_id_there_is_no_such_thing() {
    let live = Live::start(|_| {}).await;
    let answer =
        live.wire().await.request("POST", "/auth/backchannel-logout", FORM, "logout_token=x.y.z").await;
    check_problem(&answer, 404, "not_found");
}
