//! What every database makes of events that webhooks are owed: each to one at a time, until it has them.

use std::collections::HashSet;

use rollcall::config::Webhooks;
use rollcall::identity::{IssuerId, Login};
use rollcall::store::{Debt, Outcome, Owed, Store, User};
use serde_json::json;

use super::database;
use crate::databases::{Database, issuers, start};

const NOW: u64 = 1_800_000_000_000;
const ADA: User<'_> = User { issuer: IssuerId::BUILT_IN, subject: "acc_ada" };

/// So many logins that were never seen before.
async fn owe(store: &Store, logins: std::ops::Range<usize>) {
    for login in logins {
        let login = Login::Session(login.to_string().into());
        assert!(store.first_seen(NOW, ADA, &login).await.unwrap());
    }
}

async fn claim(store: &Store, now: u64, limit: usize) -> Vec<Owed> {
    store.claim_owed(now, 0, now + 30_000, limit).await.unwrap()
}

/// With these entries in the place of the usual one.
async fn open_with(database: &Database, webhooks: serde_json::Value) -> Store {
    let mut config = database.config.clone();
    config.webhooks = serde_json::from_value::<Webhooks>(webhooks).unwrap();
    Store::open(&config, issuers()).await.unwrap()
}

#[tokio::test]
async fn what_one_has_claimed_nobody_else_gets_until_it_is_taken_for_dead() {
    let database = database().await;
    let (store, other) = (database.open().await, database.open().await);
    owe(&store, 0..5).await;
    let first = claim(&store, NOW, 2).await;
    assert_eq!((first.len(), first[0].event.as_str(), first[0].at()), (2, "login.new", NOW));
    assert!(first[0].message.starts_with("msg_") && first[0].message != first[1].message);
    let second = claim(&other, NOW, 10).await;
    assert_eq!(second.len(), 3);
    assert_eq!(claim(&store, NOW + 29_999, 10).await, []);
    // The second one dies; the first one tells what it knows.
    let outcomes = [(first[0].clone(), Outcome::Delivered), (first[1].clone(), Outcome::Again(NOW + 60_000))];
    store.settle_owed(&outcomes).await.unwrap();
    let third = claim(&store, NOW + 30_000, 10).await;
    let messages = |owed: &[Owed]| owed.iter().map(|owed| owed.message.clone()).collect::<HashSet<_>>();
    assert_eq!(messages(&third), messages(&second), "the same ids");
    assert!(third.iter().all(|owed| owed.attempts() == 2));
    // Who was taken for dead comes back and knows no better.
    other.settle_owed(&[(second[0].clone(), Outcome::Again(NOW))]).await.unwrap();
    assert_eq!(claim(&other, NOW + 30_001, 10).await, []);
    other.settle_owed(&[(second[0].clone(), Outcome::Delivered)]).await.unwrap();
    let fourth = claim(&store, NOW + 120_000, 10).await;
    assert_eq!((fourth.len(), messages(&fourth).contains(&second[0].message)), (3, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_claim_together_get_each_event_once() {
    let database = database().await;
    let stores = [database.open().await, database.open().await];
    owe(&stores[0], 0..60).await;
    let claiming: Vec<_> = (0..4)
        .map(|place: usize| {
            let store = stores[place % 2].clone();
            start(async move {
                let mut all = Vec::new();
                loop {
                    let claimed = claim(&store, NOW, 4).await;
                    if claimed.is_empty() {
                        return all;
                    }
                    all.extend(claimed.into_iter().map(|owed| owed.message));
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for claimed in claiming {
        all.extend(claimed.await.unwrap());
    }
    // Rows that another one looked at in that moment are passed over and left: nobody gets one twice.
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    all.extend(claim(&stores[0], NOW, 100).await.into_iter().map(|owed| owed.message));
    assert_eq!(all.len(), 60);
}

#[tokio::test]
async fn each_receiver_is_owed_what_it_wants_and_keeps_it_under_its_name() {
    let database = database().await;
    let secret = "whsec_dGhpcnR5LXR3byBieXRlcyB0aGF0IG5vYm9keSBrbm93cw==";
    let entry = |url: &str, more: serde_json::Value| {
        let mut entry = json!({"url": url, "secret": secret});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let both = json!([
        entry("https://a.example/?key=hunter2", json!({"name": "app", "events": ["login.new"]})),
        entry("https://b.example/?key=hunter2", json!({"events": ["session.started", "login.revoked"]})),
    ]);
    let store = open_with(&database, both).await;
    owe(&store, 0..2).await;
    assert_eq!(store.debt(0).await.unwrap(), Debt { events: 2, oldest: Some(NOW) });
    assert_eq!(store.debt(1).await.unwrap(), Debt::default());
    assert!(!database.dump().await.contains("hunter2"));
    // It has moved, and is still owed what it was.
    let moved = open_with(&database, json!([entry("https://c.example/", json!({"name": "app"}))])).await;
    assert_eq!(claim(&moved, NOW, 10).await.len(), 2);
    let unnamed = open_with(&database, json!([entry("https://c.example/", json!({}))])).await;
    assert_eq!(claim(&unnamed, NOW + 60_000, 10).await, []);
    // Nobody wants anything: nothing is owed.
    let nobody = open_with(&database, json!([])).await;
    owe(&nobody, 2..3).await;
    assert_eq!(database.number("SELECT COUNT(*) FROM outbox").await, 2);
    assert_eq!(claim(&nobody, NOW + 60_000, 10).await, []);
}

#[tokio::test]
async fn what_an_earlier_release_has_written_is_delivered_to_nobody_and_leaves() {
    let database = database().await;
    let store = database.open().await;
    let row = format!(
        "INSERT INTO outbox (at, event, issuer, subject, body) VALUES ({NOW}, 'login.new', 'a', 'b', '{{}}')"
    );
    database.execute(&row).await;
    assert_eq!(claim(&store, NOW + 60_000, 10).await, []);
    assert_eq!(store.debt(0).await.unwrap(), Debt::default());
}

#[tokio::test]
async fn a_receiver_that_is_owed_too_much_gets_no_more_sessions_until_it_takes_some() {
    let database = database().await;
    let store = database.open().await;
    owe(&store, 0..1).await;
    let fill = "WITH RECURSIVE numbers (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < 100000) \
         INSERT INTO outbox (at, event, body, endpoint, message, due_at) \
         SELECT at, event, body, endpoint, 'msg_' || CAST(value AS TEXT), at + 1 FROM outbox, numbers";
    database.execute(fill).await;
    assert_eq!(store.debt(0).await.unwrap().events, 100_001);
    let note = super::history::started_for_tests(1);
    let noted = store.note_sessions(true, &mut vec![note.clone()], None).await.unwrap();
    assert_eq!(noted.untold, 1);
    owe(&store, 1..2).await;
    let count = "SELECT COUNT(*) FROM outbox WHERE event";
    assert_eq!(database.number(&format!("{count} = 'session.started'")).await, 0);
    assert_eq!(database.number(&format!("{count} = 'login.new'")).await, 100_002);
    database.execute("DELETE FROM outbox WHERE message LIKE 'msg_1%'").await;
    store.debt(0).await.unwrap();
    let noted = store.note_sessions(true, &mut vec![note], None).await.unwrap();
    assert_eq!((noted.untold, database.number(&format!("{count} = 'session.started'")).await), (0, 1));
}
