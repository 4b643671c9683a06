//! What every database makes of revocations: durable, in order, seen by every node, gone when their time is over.

use rollcall::identity::{IssuerId, Login, Revocation};
use rollcall::store::{Action, Actor, Audit, Keep, LogoutToken, User};

use super::database;
use crate::databases::{revocations_since, start};

const NOW: u64 = 1_800_000_000_000;
const SHOP: IssuerId = IssuerId(1);
const DAY: u64 = 24 * 3600 * 1000;

fn audit() -> Audit<'static> {
    Audit::of(Action::LoginRevoked, Actor::User, Some(User { issuer: SHOP, subject: "ada" }))
}

fn login(number: usize, until: u64) -> Revocation {
    let login = Login::Session(number.to_string().into());
    Revocation::Login { issuer: SHOP, subject: Some("ada".into()), login, until }
}

fn every_kind() -> Vec<Revocation> {
    let until = NOW / 1000 + 100;
    let user = |except| Revocation::User {
        issuer: IssuerId(2),
        subject: "bob".into(),
        issued_before: NOW / 1000,
        except,
        until,
    };
    vec![
        login(1, until),
        Revocation::Login { issuer: SHOP, subject: None, login: Login::TokenId("j".into()), until },
        Revocation::Login { issuer: SHOP, subject: None, login: Login::Digest([7; 16]), until },
        user(None),
        user(Some(Login::TokenId("j".into()))),
        Revocation::Nameless { issuer: SHOP, subject: "bob".into(), issued_before: NOW / 1000, until },
        Revocation::Everyone { issued_before: NOW / 1000, until },
    ]
}

#[tokio::test]
async fn what_was_revoked_is_read_again_by_every_node_and_after_a_restart() {
    let database = database().await;
    let store = database.open().await;
    let written = store.revoke(NOW, &every_kind(), &audit()).await.unwrap();
    assert_eq!(written, every_kind());
    // No orderly end.
    std::mem::forget(store);
    let again = database.open().await;
    assert_eq!(revocations_since(&again, NOW, 0).await, (every_kind(), 7));
    assert_eq!(revocations_since(&again, NOW, 3).await, (every_kind().split_off(3), 7));
    assert_eq!(revocations_since(&again, NOW, 7).await, (vec![], 7));
    let (written, _) = again.revocations_since(NOW, 0).await.unwrap();
    assert!(written.iter().all(|(_, written_at)| *written_at == NOW), "{written:?}");
    // A node that knows fewer entries has nothing to refuse for the others but what is for everyone.
    let other = rollcall::store::Store::open(&database.config, vec!["built-in".into()]).await.unwrap();
    assert_eq!(revocations_since(&other, NOW, 0).await, (every_kind().split_off(6), 7));
}

#[tokio::test]
async fn who_ends_all_logins_again_and_again_fills_no_table() {
    let database = database().await;
    let store = database.open().await;
    let user = |subject: &str, second, except: Option<&str>| Revocation::User {
        issuer: SHOP,
        subject: subject.into(),
        issued_before: NOW / 1000 + second,
        except: except.map(|login| Login::Session(login.into())),
        until: NOW / 1000 + 100,
    };
    let others = user("ada", 0, Some("other"));
    store.revoke(NOW, &[user("bob", 0, None), others.clone()], &audit()).await.unwrap();
    for second in 1..=5 {
        store.revoke(NOW, &[user("ada", second, Some("own"))], &audit()).await.unwrap();
    }
    // It spares another login than those after it, so these do not stand for it.
    let kept = vec![user("bob", 0, None), others, user("ada", 5, Some("own"))];
    assert_eq!(revocations_since(&store, NOW, 0).await, (kept, 7));
    store.revoke(NOW, &[user("ada", 6, None)], &audit()).await.unwrap();
    let kept = vec![user("bob", 0, None), user("ada", 6, None)];
    assert_eq!(revocations_since(&store, NOW, 0).await, (kept, 8));
}

#[tokio::test]
async fn logouts_of_a_users_logins_leave_one_row_of_the_tokens_without_one() {
    let database = database().await;
    let store = database.open().await;
    let (issuer, until) = (SHOP, NOW / 1000 + 100);
    let nameless = |subject: &str, second| Revocation::Nameless {
        issuer,
        subject: subject.into(),
        issued_before: NOW / 1000 + second,
        until,
    };
    let user = |second, except| Revocation::User {
        issuer,
        subject: "ada".into(),
        issued_before: NOW / 1000 + second,
        except,
        until,
    };
    let spared = user(0, Some(Login::Session("own".into())));
    store.revoke(NOW, &[user(0, None), spared.clone(), nameless("bob", 0)], &audit()).await.unwrap();
    for second in 1..=5 {
        store.revoke(NOW, &[nameless("ada", second)], &audit()).await.unwrap();
    }
    // It stands for none that refuses logins too.
    let kept = vec![user(0, None), spared, nameless("bob", 0), nameless("ada", 5)];
    assert_eq!(revocations_since(&store, NOW, 0).await, (kept, 8));
    store.revoke(NOW, &[user(6, None)], &audit()).await.unwrap();
    assert_eq!(revocations_since(&store, NOW, 0).await, (vec![nameless("bob", 0), user(6, None)], 9));
    // A release that does not know it reads the end of all of the user's logins, since this is none that could stay.
    let spared = database.texts("SELECT except_login FROM revocations WHERE except_login IS NOT NULL").await;
    assert_eq!((spared.len(), Login::parse(&spared[0])), (1, None), "{spared:?}");
}

#[tokio::test]
async fn what_is_worth_nothing_any_more_is_not_read_and_then_deleted() {
    let database = database().await;
    let store = database.open().await;
    let seconds = NOW / 1000;
    store.revoke(NOW, &[login(1, seconds - 1), login(2, seconds)], &audit()).await.unwrap();
    assert_eq!(revocations_since(&store, NOW, 0).await, (vec![login(2, seconds)], 2));
    let keep = Keep { audit: DAY, first_seen: DAY, history: DAY };
    assert_eq!(store.forget_expired(NOW, keep).await.unwrap().rows, 1);
    assert_eq!(database.number("SELECT COUNT(*) FROM revocations").await, 1);
    assert_eq!(revocations_since(&store, NOW, 0).await, (vec![login(2, seconds)], 2));
    // Numbers are never used again.
    store.revoke(NOW, &[login(3, seconds)], &audit()).await.unwrap();
    assert_eq!(revocations_since(&store, NOW, 2).await, (vec![login(3, seconds)], 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_while_others_write_misses_none() {
    let database = database().await;
    let nodes = [database.open().await, database.open().await];
    let until = NOW / 1000;
    let writers: Vec<_> = (0..10)
        .map(|writer| {
            let store = nodes[writer % 2].clone();
            start(async move {
                for turn in 0..10 {
                    let pair =
                        [login(writer * 100 + turn, until), login(10_000 + writer * 100 + turn, until)];
                    store.revoke(NOW, &pair, &audit()).await.unwrap();
                }
            })
        })
        .collect();
    let (mut known, mut seq) = (Vec::new(), 0);
    loop {
        let done = writers.iter().all(|writer| writer.is_finished());
        let (new, next) = revocations_since(&nodes[0], NOW, seq).await;
        (seq, known) = (next, [known, new].concat());
        if done {
            break;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!((seq, known.len()), (200, 200));
}

#[tokio::test]
async fn a_logout_token_counts_once() {
    let database = database().await;
    let store = database.open().await;
    let token = LogoutToken { issuer: SHOP, id: "j-1", until: NOW / 1000 + 60 };
    let revocation = [login(1, NOW / 1000 + 100)];
    let audit = Audit { by: Actor::Issuer, ..audit() };
    let first = store.revoke_once(NOW, token, &revocation, &audit).await.unwrap();
    assert_eq!(first.as_deref(), Some(&revocation[..]));
    assert_eq!(store.revoke_once(NOW, token, &revocation, &audit).await.unwrap(), None);
    // The same id of another issuer is another token.
    let other = LogoutToken { issuer: IssuerId(2), ..token };
    assert!(store.revoke_once(NOW, other, &[], &audit).await.unwrap().is_some());
    assert_eq!(revocations_since(&store, NOW, 0).await.1, 1);
    let keep = Keep { audit: DAY, first_seen: DAY, history: DAY };
    store.forget_expired(NOW + 61_000, keep).await.unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM used_logout_tokens").await, 0);
    assert_eq!(database.number("SELECT COUNT(*) FROM audit").await, 2);
}

#[tokio::test]
async fn each_revocation_is_owed_to_webhooks_and_the_audit_says_who() {
    let database = database().await;
    let store = database.open().await;
    let audit = Audit { by: Actor::ApiKey("crm"), address: Some([192, 0, 2, 1].into()), ..audit() };
    store.revoke(NOW, &every_kind(), &audit).await.unwrap();
    let owed = database.texts("SELECT body FROM outbox WHERE event = 'login.revoked' ORDER BY id").await;
    let owed: Vec<serde_json::Value> = owed.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let at = "2027-01-15T08:00:00.000Z";
    let by = "api_key:crm";
    let expected = serde_json::json!([
        {"user": "ada", "issuer": "shop", "sid": "1", "by": by, "at": at},
        {"issuer": "shop", "jti": "j", "by": by, "at": at},
        {"issuer": "shop", "digest": "07".repeat(16), "by": by, "at": at},
        {"user": "bob", "issuer": "desk", "by": by, "at": at},
        {"user": "bob", "issuer": "desk", "by": by, "at": at},
    ]);
    assert_eq!(serde_json::Value::Array(owed), expected);
    let rows = database.texts(
        "SELECT action || ' ' || actor || ' ' || issuer || ' ' || subject || ' ' || address FROM audit",
    );
    assert_eq!(rows.await, ["login.revoked api_key:crm shop ada 192.0.2.1"]);
    store.revoke(NOW, &[login(9, NOW / 1000 + 100)], &audit).await.unwrap();
    let details = database.texts("SELECT COALESCE(detail, '-') FROM audit ORDER BY id").await;
    assert_eq!(details, ["-", "sid:9"], "which one, when it is one");
}

#[tokio::test]
async fn what_a_later_release_has_written_is_left_out_and_the_rest_holds() {
    let database = database().await;
    let store = database.open().await;
    let until = NOW / 1000 + 100;
    store.revoke(NOW, &[login(1, until)], &audit()).await.unwrap();
    for (seq, values) in [
        (2, "'shop', 'ada', 'device:7', NULL, NULL"), // a login of a kind that is not known
        (3, "'shop', 'ada', NULL, NULL, NULL"),       // a user, and up to when is said elsewhere
        (4, "'shop', NULL, NULL, 1800000000, NULL"),  // all users of an issuer
        (5, "NULL, 'ada', NULL, 1800000000, NULL"),   // a user of every issuer: not everybody
        (6, "NULL, NULL, 'sid:7', NULL, NULL"),       // a login of every issuer
        (7, "'shop', 'ada', 'sid:8', 1800000000, NULL"), // a login's tokens up to a second
        (8, "'shop', 'bob', NULL, 1800000000, 'device:7'"), // spares what nobody here can be
    ] {
        let columns = "seq, at, until_seconds, issuer, subject, login, issued_seconds, except_login";
        let row = format!("INSERT INTO revocations ({columns}) VALUES ({seq}, {NOW}, {until}, {values})");
        database.execute(&row).await;
    }
    database.execute("UPDATE sequences SET value = 8 WHERE name = 'revocations'").await;
    store.revoke(NOW, &[login(2, until)], &audit()).await.unwrap();
    let bob = Revocation::User {
        issuer: SHOP,
        subject: "bob".into(),
        issued_before: NOW / 1000,
        except: None,
        until,
    };
    let known = vec![login(1, until), bob, login(2, until)];
    assert_eq!(revocations_since(&store, NOW, 0).await, (known, 9));
    // A page of nothing else is no end.
    assert_eq!(revocations_since(&store, NOW, 1).await.1, 9);
}

#[tokio::test]
async fn what_is_past_its_time_leaves_in_small_steps() {
    let database = database().await;
    let store = database.open().await;
    let fill = "WITH RECURSIVE numbers (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < 1200) \
         INSERT INTO audit (at, action, actor) SELECT value, 'x', 'y' FROM numbers";
    database.execute(fill).await;
    let keep = Keep { audit: 1000, first_seen: DAY, history: DAY };
    assert_eq!(store.forget_expired(2001, keep).await.unwrap().rows, 1000);
    assert_eq!(database.number("SELECT MIN(at) FROM audit").await, 1001);
}
