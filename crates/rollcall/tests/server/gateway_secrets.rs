//! What a server must never repeat: the Engine.IO `sid` of a session, and any token, in whatever place it came. The real
//! command runs with its log at its finest, and all that it says to anybody else is searched.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::config::{Config, Secret, Setting};
use serde_json::{Value, json};

use crate::issuer::Key;
use crate::live::wire::{Wire, upgrade_headers};
use crate::live::{POLL, WEBSOCKET, event};
use crate::served::Served;
use crate::support::SECRET;

/// A token that is good where `folder` holds the data.
fn token_of(user: &str, folder: &Path) -> String {
    let mut config = Config { data_dir: folder.join("data"), ..Config::default() };
    config.identity.secret = Secret::parse(SECRET);
    let identity = rollcall::app::open_identity(&config).unwrap();
    identity.mint(user, None, Clock::system().unix_seconds(), Duration::from_secs(3600)).unwrap()
}

fn open_of(text: &str) -> String {
    let open: Value = serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap();
    open["sid"].as_str().unwrap().to_owned()
}

/// Reads packets up to the update of a list with this many sessions; gives all of them as they came.
async fn hear(wire: &mut Wire, sessions: usize) -> String {
    let mut heard = String::new();
    loop {
        let text = wire.text().await;
        writeln!(heard, "{text}").unwrap();
        if let Some((name, arguments)) = event(&text)
            && name == "sessions:update"
            && arguments[0].as_array().unwrap().len() == sessions
        {
            return heard;
        }
    }
}

/// A token that stands for a good one and must never be seen again.
fn canary(place: &str) -> String {
    format!("canary-{place}-7f3a.canary-{place}-91c2.canary-{place}-e05d")
}

/// Brings one to every kind of route; gives what was answered.
async fn ask_everywhere(address: SocketAddr) -> String {
    let mut told = String::new();
    let bearer = format!("authorization: Bearer {}\r\n", canary("bearer"));
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let logout = format!("logout_token={}", canary("logout"));
    for (method, path, headers, body) in [
        ("GET", "/auth/me", &*bearer, ""),
        ("GET", "/api/sessions", &bearer, ""),
        ("DELETE", "/api/sessions?scope=all", &bearer, ""),
        ("GET", "/api/users/ada/sessions", &bearer, ""),
        ("DELETE", "/api/users/ada", &bearer, ""),
        ("POST", "/auth/backchannel-logout", form, &logout),
        ("GET", "/metrics", &bearer, ""),
        ("GET", "/readyz", &bearer, ""),
        ("GET", "/livez", &bearer, ""),
        ("GET", "/", &bearer, ""),
        ("GET", "/nothing", &bearer, ""),
        ("GET", "/socket.io/?EIO=4", &bearer, ""),
    ] {
        let answer = Wire::connect(address).await.request(method, path, headers, body).await;
        told += &answer.head;
        told += &answer.body;
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_sid_nor_a_token_is_ever_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = json!([{
        "name": "shop", "issuer": "https://id.example", "audience": "api", "client_id": "client",
        "key": Key::p256().public_pem,
    }]);
    let served = Served::start(folder.path(), &[("IDENTITY__ISSUERS", &issuer.to_string())]);
    let address = served.address;
    let token = token_of("ada", folder.path());
    let connect = format!(r#"40/sessions,{{"token":"{token}"}}"#);
    let mut told = String::new();
    let mut sids = Vec::new();

    let mut witness = Wire::websocket(address, WEBSOCKET).await;
    sids.push(open_of(&witness.text().await));
    witness.say(&connect).await;
    told += &hear(&mut witness, 1).await;

    // A polling session that joins, upgrades and says something wrong.
    let mut polling = Wire::connect(address).await;
    let sid = open_of(&polling.get(POLL).await.body);
    let target = format!("{POLL}&sid={sid}");
    sids.push(sid);
    polling.post(&target, &connect).await.check(200, "ok");
    told += &hear(&mut witness, 2).await;
    told += &polling.get(&target).await.body;
    let mut candidate = Wire::websocket(address, &target.replace("polling", "websocket")).await;
    candidate.say("2probe").await;
    told += &candidate.text().await;
    candidate.say("5").await;
    candidate.say("42/sessions,1[\"no such event\"]").await;
    told += &candidate.text().await;
    told += &polling.post(&target, "4late").await.body;
    candidate.say("garbage").await;
    candidate.close_code().await;
    told += &hear(&mut witness, 1).await;

    // A canary in each place of a token, once alone and once where it is not looked at.
    for auth in ["{}".to_owned(), format!(r#"{{"token":"{}","context":7}}"#, canary("auth"))] {
        for header in [String::new(), format!("authorization: Bearer {}\r\n", canary("header"))] {
            for query in [String::new(), format!("&token={}", canary("query"))] {
                let mut wire = Wire::connect(address).await;
                let headers = upgrade_headers() + &header;
                let answer = wire.request("GET", &format!("{WEBSOCKET}{query}"), &headers, "").await;
                told += &answer.head;
                sids.push(open_of(&wire.text().await));
                wire.say(&format!("40/sessions,{auth}")).await;
                for _ in 0..3 {
                    told += &wire.text().await; // connected, the error, disconnected
                }
            }
        }
    }
    told += &ask_everywhere(address).await;
    witness.say(&format!(r#"42/sessions,9["sessions:refresh",{{"token":"{}"}}]"#, canary("refresh"))).await;
    let refused = witness.text().await;
    assert!(refused.starts_with(r#"43/sessions,9[{"ok":false,"code":"token_invalid""#), "{refused}");
    told += &refused;
    assert!(told.contains("rollcall_connects") && told.contains("token_invalid"), "{told}");
    let (status, log) = served.end("-TERM");
    assert!(status.success(), "{log}");
    assert!(log.contains("refused a session"), "{log}");

    assert_eq!(sids.len(), 10);
    for (name, text) in [("said", &told), ("log", &log)] {
        for sid in &sids {
            let (_, random) = sid.split_once('.').unwrap();
            assert!(random.len() >= 20, "too few random bits: {sid}");
            assert!(!text.contains(random), "a sid in what was {name}: {text}");
        }
        assert!(!text.contains("canary-"), "a token in what was {name}: {text}");
        assert!(!text.contains(token.rsplit('.').next().unwrap()), "a good token in what was {name}");
    }
}
