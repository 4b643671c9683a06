//! The audit says from where somebody did what, as far as the operator lets an address be kept.

use rollcall::clock::Clock;
use rollcall::config::{IpPrivacy, ProxyRange, TrustedProxies};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection};

use crate::calls::{self, KEY, make_key};
use crate::issuer::Key;
use crate::live::wire::{Answer, upgrade_headers};
use crate::live::{Live, WEBSOCKET};
use crate::support::ADA;

const NOW: u64 = 1_800_000_000;

struct World {
    live: Live,
    key: Key,
}

impl World {
    async fn new(ip: IpPrivacy) -> Self {
        let key = Key::p256();
        let entry = json!([{
            "name": "shop", "issuer": "https://shop", "audience": "api", "client_id": "client", "key": key.public_pem
        }]);
        let live = Live::start_by(Clock::manual(NOW * 1000), |config| {
            config.privacy.ip = ip;
            config.accounts.registration = true;
            config.http.trusted_proxies =
                TrustedProxies(vec![ProxyRange::Network { address: [127, 0, 0, 1].into(), prefix: 32 }]);
            config.identity.issuers = serde_json::from_value(entry).unwrap();
        })
        .await;
        Self { live, key }
    }

    /// As the client of this last part of an address.
    async fn call(&self, client: u8, call: &str, bearer: &str, body: &str) -> Answer {
        let (method, target) = call.split_once(' ').unwrap();
        let kind = if body.starts_with('{') { "json" } else { "x-www-form-urlencoded" };
        let headers = format!(
            "x-forwarded-for: 198.51.100.9, 192.0.2.{client}\r\nauthorization: Bearer {bearer}\r\n\
             content-type: application/{kind}\r\n"
        );
        let answer = self.live.wire().await.request(method, target, &headers, body).await;
        assert!([200, 201, 204, 401].contains(&answer.status), "{call}: {answer:?}");
        answer
    }

    async fn login(&self, password: &str) -> Value {
        let body = json!({"email": "ada@example.org", "password": password}).to_string();
        calls::body(&self.call(1, "POST /auth/login", "", &body).await)
    }

    /// Ends all logins of the token's user by a socket.
    async fn revoke_by_socket(&self, client: u8, token: &str) {
        let mut wire = self.live.wire().await;
        let headers = format!("x-forwarded-for: 192.0.2.{client}\r\n{}", upgrade_headers());
        assert_eq!(wire.request("GET", WEBSOCKET, &headers, "").await.status, 101);
        assert!(wire.text().await.starts_with('0'));
        wire.say(&format!("40/sessions,{}", json!({ "token": token }))).await;
        wire.say(r#"42/sessions,1["sessions:revoke",{"all":true}]"#).await;
        while !wire.text().await.starts_with(r#"43/sessions,1[{"ok":true"#) {}
    }

    fn of_shop(&self, aud: &str, more: Value) -> String {
        let mut claims =
            json!({"iss": "https://shop", "aud": aud, "sub": "bob", "iat": NOW, "exp": NOW + 600});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.key.sign(&claims)
    }

    async fn rows(&self) -> Vec<String> {
        sqlx::any::install_default_drivers();
        let path = self.live.folder.path().join("data/rollcall.db");
        let mut connection = AnyConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
        let statement = "SELECT action || ' ' || actor || ' ' || COALESCE(address, '-') FROM audit \
             WHERE action <> 'api_key.made' ORDER BY id";
        sqlx::query_scalar(statement).fetch_all(&mut connection).await.unwrap()
    }
}

fn text(pair: &Value, name: &str) -> String {
    pair[name].as_str().unwrap().to_owned()
}

async fn check(ip: IpPrivacy, kept: fn(u8) -> String) {
    let world = World::new(ip).await;
    make_key(&world.live, KEY, "revoke", None).await;
    let mut expected = Vec::new();
    let mut expect = |what: &str, client: u8| expected.push(format!("{what} {}", kept(client)));

    let first = calls::body(&world.call(10, "POST /auth/register", "", ADA).await);
    expect("account.registered user", 10);
    let refresh = json!({"refresh_token": first["refresh_token"]}).to_string();
    world.call(11, "POST /auth/refresh", "", &refresh).await;
    world.live.clock.set_unix_millis((NOW + 60) * 1000);
    assert_eq!(world.call(12, "POST /auth/refresh", "", &refresh).await.status, 401);
    expect("refresh_token.reused server", 12);

    let access = text(&world.login("correct horse").await, "access_token");
    let change = json!({"current_password": "correct horse", "new_password": "battery staple"}).to_string();
    world.call(13, "POST /auth/password", &access, &change).await;
    expect("password.changed user", 13);
    world.call(14, "DELETE /api/sessions?scope=others", &access, "").await;
    expect("user.revoked user", 14);
    world.call(15, "POST /auth/logout", &access, "").await;
    expect("login.revoked user", 15);
    let pair = world.login("battery staple").await;
    let leaving = json!({"refresh_token": pair["refresh_token"]}).to_string();
    world.call(16, "POST /auth/logout", "", &leaving).await;
    expect("login.revoked user", 16);

    world.revoke_by_socket(17, &world.of_shop("api", json!({"sid": "a"}))).await;
    expect("user.revoked user", 17);
    world.call(18, "DELETE /api/users/bob/sessions?issuer=shop", KEY, "").await;
    expect(&format!("user.revoked api_key:{KEY}"), 18);
    let events = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    let logout = world.of_shop("client", json!({"jti": "j", "sid": "b", "events": events}));
    world.call(19, "POST /auth/backchannel-logout", "", &format!("logout_token={logout}")).await;
    expect("login.revoked issuer", 19);
    assert_eq!(world.rows().await, expected);

    world.call(20, "DELETE /api/users/bob?issuer=shop", KEY, "").await;
    let access = text(&world.login("battery staple").await, "access_token");
    let password = json!({"password": "battery staple"}).to_string();
    assert_eq!(world.call(21, "DELETE /auth/me", &access, &password).await.status, 204);
    let last = [format!("user.erased api_key:{KEY} {}", kept(20)), "user.erased user -".to_owned()];
    assert_eq!(world.rows().await, last, "nothing else of who was erased");
}

#[tokio::test]
async fn the_audit_says_from_where() {
    check(IpPrivacy::Full, |client| format!("192.0.2.{client}")).await;
}

#[tokio::test]
async fn the_audit_keeps_no_more_of_an_address_than_a_session_does() {
    check(IpPrivacy::Truncated, |_| "192.0.2.0".to_owned()).await;
    check(IpPrivacy::None, |_| "-".to_owned()).await;
}
