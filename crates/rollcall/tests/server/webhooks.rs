//! Webhooks as a receiver gets them: signed, until it has taken them, whatever it or the server does meanwhile.

use std::time::Duration;

use rollcall::config::DatabaseUrl;
use serde_json::{Value, json};

use crate::live::wire::{Wire, request};
use crate::live::{Live, databases::Database};
use crate::namespace::Tab;
use crate::receiver::{self, Mode, Receiver, closed_port, entries, webhooks};
use crate::served::Served;
use crate::support::ADA;

const ALL: [&str; 4] = ["login.revoked", "login.new", "session.started", "session.ended"];

/// Until so many tries have had this result.
async fn wait_for_tries(live: &Live, result: &str, count: u64) {
    let head = format!("rollcall_webhook_deliveries_total{{result=\"{result}\"}} ");
    for _ in 0..600 {
        let metrics = live.wire().await.get("/metrics").await.body;
        let found = metrics.lines().find_map(|line| line.strip_prefix(&head)).unwrap();
        if found.parse::<u64>().unwrap() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not {count} tries were {result}: {}", live.wire().await.get("/metrics").await.body);
}

#[tokio::test]
async fn what_happens_is_told_signed_and_once() {
    let receiver = Receiver::start().await;
    let live = Live::start(|config| config.webhooks = webhooks(&[receiver.address], &ALL)).await;
    let own = Tab::join_as(&live, "ada", "desk").await;
    let mut phone = Tab::join_as(&live, "ada", "phone").await;
    let fresh = receiver.events(2, "login.new").await;
    let begun = receiver.events(2, "session.started").await;
    let of = |sent: &[receiver::Sent], sid: &str| -> Value {
        sent.iter().find(|one| one.body["data"]["sid"] == sid).unwrap().body["data"].clone()
    };
    let started = of(&begun, "phone");
    assert_eq!(started["session"]["socketId"], phone.id.as_str());
    assert_eq!((&started["user"], &started["issuer"]), (&json!("ada"), &json!("built-in")));
    assert_eq!(of(&fresh, "phone")["user"], "ada");

    let mut own = own;
    let answer = own.ask("sessions:revoke", &json!({"socketId": phone.id}).to_string()).await;
    assert_eq!(answer["ok"], true, "{answer}");
    phone.check_revoked().await;
    let ended = of(&receiver.events(1, "session.ended").await, "phone");
    let revoked = of(&receiver.events(1, "login.revoked").await, "phone");
    let reason = ["reason", "detail", "by"].map(|name| ended[name].as_str().unwrap());
    assert_eq!(reason, ["revoked", "session_revoked", "user"]);
    assert_eq!(ended["session"]["metadata"]["ip"], "127.0.0.1");
    assert_eq!(revoked["by"], "user");
    drop(own);
    assert_eq!(of(&receiver.events(2, "session.ended").await, "desk")["reason"], "closed");
    wait_for_tries(&live, "delivered", 7).await;
    let sent = receiver.sent();
    assert!(sent.iter().all(|one| one.body["timestamp"] == one.body["data"]["at"]), "{sent:?}");
    assert_eq!(sent.len(), 7, "{sent:?}");
}

#[tokio::test]
async fn a_receiver_that_fails_gets_the_same_event_again_until_it_takes_it() {
    let receiver = Receiver::start().await;
    receiver.set(Mode::Answer("500 Internal Server Error", String::new()));
    let live =
        Live::start(|config| config.webhooks = webhooks(&[receiver.address], &["session.started"])).await;
    let _tab = Tab::join(&live, "ada").await;
    let tried = receiver.events(2, "session.started").await;
    assert_eq!((&tried[0].id, &tried[0].body), (&tried[1].id, &tried[1].body));
    assert!(tried[1].timestamp > tried[0].timestamp, "the time of the try: {tried:?}");
    wait_for_tries(&live, "refused", 2).await;
    receiver.set(Mode::Answer("200 OK", String::new()));
    wait_for_tries(&live, "delivered", 1).await;
    // And then nothing more, also of what comes next.
    let _other = Tab::join(&live, "bob").await;
    receiver.wait_for(1, |sent| sent.body["data"]["user"] == "bob").await;
    let ada = receiver.sent().iter().filter(|sent| sent.body["data"]["user"] == "ada").count();
    assert_eq!(ada, 3);
}

#[tokio::test]
async fn nobody_is_followed_elsewhere_and_a_wish_to_be_left_alone_is_obeyed() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let location = format!("location: http://{}/hooks?key=1\r\n", elsewhere.address);
    receiver.set(Mode::Answer("307 Temporary Redirect", location));
    let live =
        Live::start(|config| config.webhooks = webhooks(&[receiver.address], &["session.started"])).await;
    let _tab = Tab::join(&live, "ada").await;
    receiver.events(1, "session.started").await;
    receiver.set(Mode::Answer("429 Too Many Requests", "retry-after: 600\r\n".to_owned()));
    wait_for_tries(&live, "refused", 2).await;
    tokio::time::sleep(Duration::from_secs(4)).await; // without the wish the next try came by now
    assert_eq!((receiver.sent().len(), elsewhere.sent().len()), (2, 0));
}

#[tokio::test]
async fn one_that_says_nothing_and_one_that_is_not_there_hold_up_nobody_else() {
    let (silent, healthy, gone) = (Receiver::start().await, Receiver::start().await, closed_port().await);
    silent.set(Mode::Silent);
    let addresses = [silent.address, gone, healthy.address];
    let live = Live::start(|config| config.webhooks = webhooks(&addresses, &["session.started"])).await;
    let _first = Tab::join(&live, "ada").await;
    silent.events(1, "session.started").await;
    // While both others are being tried.
    let begun = std::time::Duration::from_secs(20);
    let told = tokio::time::timeout(begun, async {
        let _second = Tab::join(&live, "bob").await;
        healthy.events(2, "session.started").await
    });
    told.await.expect("nobody waits for the others");
    wait_for_tries(&live, "timed_out", 1).await;
    wait_for_tries(&live, "unreachable", 1).await;
    // It comes to life, and gets all that it is owed.
    let back = Receiver::start_at(gone).await;
    back.events(2, "session.started").await;
}

/// The command on a database, with a webhook there.
fn serve(database: &Database, address: std::net::SocketAddr) -> Served {
    let url = match database.config.database.url.as_ref().unwrap() {
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseUrl::Postgres(url) => url.expose().to_owned(),
    };
    let hooks = entries(&[address], &["login.revoked"]).to_string();
    let settings =
        [("ACCOUNTS__REGISTRATION", "true"), ("DATABASE__URL", url.as_str()), ("WEBHOOKS", hooks.as_str())];
    Served::start(&database.config.data_dir, &settings)
}

#[tokio::test]
async fn what_was_acknowledged_is_told_after_sigkill() {
    for database in [Database::sqlite(), Database::postgres().await] {
        let nobody = closed_port().await;
        let served = serve(&database, nobody);
        let mut wire = Wire::connect(served.address).await;
        let json = "content-type: application/json\r\n";
        wire.send(request("POST", "/auth/register", json, ADA)).await;
        let pair: Value = serde_json::from_str(&wire.answer().await.body).unwrap();
        let bearer = format!("authorization: Bearer {}\r\n", pair["access_token"].as_str().unwrap());
        wire.send(request("POST", "/auth/logout", &bearer, "")).await;
        assert_eq!(wire.answer().await.status, 204);
        let (_, log) = served.end("-KILL");
        assert!(!log.contains(&receiver::secret()), "{log}");
        let receiver = Receiver::start_at(nobody).await;
        let _served = serve(&database, nobody);
        let told = receiver.events(1, "login.revoked").await.remove(0);
        assert_eq!(told.body["data"]["by"], "user", "{told:?}");
    }
}
