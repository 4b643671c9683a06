//! What every database makes of users: accounts, names of devices, logins seen, API keys, and being forgotten.

use rollcall::identity::{IssuerId, Login, Revocation};
use rollcall::store::{
    Action, Actor, ApiKey, Audit, Keep, KeyScope, KeyScopes, Label, LoginTimes, NewAccountRow, StorageError,
    Store, User,
};

use super::database;

const NOW: u64 = 1_800_000_000_000;
const DAY: u64 = 24 * 3600 * 1000;
const ADA: User<'_> = User { issuer: IssuerId::BUILT_IN, subject: "acc_ada" };
const BOB: User<'_> = User { issuer: IssuerId::BUILT_IN, subject: "acc_bob" };
/// The same subject of another issuer is another user.
const SHOP_ADA: User<'_> = User { issuer: IssuerId(1), subject: "acc_ada" };

async fn add(store: &Store, id: &str, email: &str) -> bool {
    let key = email.to_lowercase();
    let name = Some("Lovelace");
    let row = NewAccountRow { id, email, email_key: &key, name, password: "$argon2id$1" };
    store.add_account(NOW, row, Actor::User).await.unwrap()
}

#[tokio::test]
async fn an_address_belongs_to_one_account() {
    let database = database().await;
    let store = database.open().await;
    assert!(add(&store, "acc_ada", "Ada@example.org").await);
    assert!(!add(&store, "acc_bob", "ada@Example.ORG").await);
    let row = store.account_by_email("ada@example.org").await.unwrap().unwrap();
    assert_eq!(
        (row.id.as_str(), row.email.as_str(), row.name.as_deref(), row.created_at, row.password_version),
        ("acc_ada", "Ada@example.org", Some("Lovelace"), 1_800_000_000_000, 0)
    );
    assert_eq!(store.account("acc_ada").await.unwrap(), Some(row));
    assert_eq!(store.account("acc_bob").await.unwrap(), None);
    assert_eq!(store.account_by_email("bob@example.org").await.unwrap(), None);
}

#[tokio::test]
async fn a_better_hash_is_kept_unless_the_password_has_changed() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada", "a@b").await;
    store.renew_hash("acc_ada", "$argon2id$0", "$argon2id$2").await.unwrap();
    assert_eq!(store.account("acc_ada").await.unwrap().unwrap().password, "$argon2id$1");
    store.renew_hash("acc_ada", "$argon2id$1", "$argon2id$2").await.unwrap();
    let row = store.account("acc_ada").await.unwrap().unwrap();
    assert_eq!((row.password.as_str(), row.password_version), ("$argon2id$2", 0));
}

#[tokio::test]
async fn names_of_devices_are_kept_changed_and_taken_away() {
    let database = database().await;
    let (store, other) = (database.open().await, database.open().await);
    assert!(!store.may_have_labels(ADA));
    store.set_label(NOW, ADA, "phone", Some("Ada's 📱")).await.unwrap();
    store.set_label(NOW, ADA, "desk", Some("Desk")).await.unwrap();
    store.set_label(NOW, ADA, "phone", Some("Old phone")).await.unwrap();
    let labels = |names: &[(&str, &str)]| -> Vec<Label> {
        let label =
            |(device, label): &(&str, &str)| Label { device: (*device).into(), label: (*label).into() };
        names.iter().map(label).collect()
    };
    assert_eq!(other.labels_of(ADA).await.unwrap(), labels(&[("desk", "Desk"), ("phone", "Old phone")]));
    assert_eq!(other.labels_of(SHOP_ADA).await.unwrap(), []);

    assert!(store.may_have_labels(ADA) && !store.may_have_labels(SHOP_ADA) && !store.may_have_labels(BOB));
    assert!(!other.may_have_labels(ADA));
    other.catch_up().await.unwrap();
    assert!(other.may_have_labels(ADA) && !other.may_have_labels(SHOP_ADA));
    assert!(database.open().await.may_have_labels(ADA));

    store.set_label(NOW, ADA, "phone", None).await.unwrap();
    store.set_label(NOW, ADA, "never named", None).await.unwrap();
    assert_eq!(store.labels_of(ADA).await.unwrap(), labels(&[("desk", "Desk")]));
}

#[tokio::test]
async fn of_too_many_names_the_oldest_go() {
    let database = database().await;
    let store = database.open().await;
    store.set_label(NOW, BOB, "bystander", Some("x")).await.unwrap();
    for number in 0..102 {
        store.set_label(NOW, ADA, &format!("{number:03}"), Some("x")).await.unwrap();
    }
    let labels = store.labels_of(ADA).await.unwrap();
    assert_eq!((labels.len(), labels[0].device.as_str()), (100, "002"));
    assert_eq!(store.labels_of(BOB).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_login_is_new_once_on_all_nodes_and_for_ever() {
    let database = database().await;
    let (store, other) = (database.open().await, database.open().await);
    let (first, second) = (Login::Session("1".into()), Login::Session("2".into()));
    assert!(store.first_seen(NOW, ADA, &first).await.unwrap());
    assert!(!store.first_seen(NOW, ADA, &first).await.unwrap());
    assert!(!other.first_seen(NOW, ADA, &first).await.unwrap());
    assert!(other.first_seen(NOW, ADA, &second).await.unwrap());
    assert!(other.first_seen(NOW, SHOP_ADA, &first).await.unwrap());
    assert!(!database.open().await.first_seen(NOW, ADA, &second).await.unwrap());
    let owed = database.texts("SELECT body FROM outbox WHERE event = 'login.new' ORDER BY id").await;
    let owed: Vec<serde_json::Value> = owed.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let at = "2027-01-15T08:00:00.000Z";
    let expected = serde_json::json!([
        {"user": "acc_ada", "issuer": "built-in", "sid": "1", "at": at},
        {"user": "acc_ada", "issuer": "built-in", "sid": "2", "at": at},
        {"user": "acc_ada", "issuer": "shop", "sid": "1", "at": at},
    ]);
    assert_eq!(serde_json::Value::Array(owed), expected);
}

#[tokio::test]
async fn a_login_that_is_used_stays_known_and_others_are_forgotten() {
    let database = database().await;
    let store = database.open().await;
    let (used, unused) = (Login::Session("1".into()), Login::Session("2".into()));
    let keep = Keep { audit: DAY, first_seen: 400 * DAY, history: DAY };
    for login in [&used, &unused] {
        assert!(store.first_seen(NOW, ADA, login).await.unwrap());
    }
    assert!(!store.first_seen(NOW + 300 * DAY, ADA, &used).await.unwrap());
    store.forget_expired(NOW + 401 * DAY, keep).await.unwrap();
    assert!(!store.first_seen(NOW + 401 * DAY, ADA, &used).await.unwrap());
    assert!(store.first_seen(NOW + 401 * DAY, ADA, &unused).await.unwrap());
}

#[tokio::test]
async fn api_keys_are_known_by_their_hash_on_every_node_until_they_are_revoked() {
    let database = database().await;
    let (store, other) = (database.open().await, database.open().await);
    let key = "rck_0123456789";
    let allows = ApiKey {
        name: "crm".into(),
        issuer: Some(IssuerId(1)),
        scopes: KeyScopes::parse("read,send").unwrap(),
    };
    let all = ApiKey { name: "ops".into(), issuer: None, scopes: KeyScopes::parse("revoke").unwrap() };
    assert!(store.add_api_key(NOW, key, &allows, Actor::Operator).await.unwrap());
    assert!(!store.add_api_key(NOW, "rck_other", &allows, Actor::Operator).await.unwrap());
    assert!(store.add_api_key(NOW, "rck_ops", &all, Actor::Operator).await.unwrap());
    assert_eq!(other.api_key(key), None);
    other.catch_up().await.unwrap();
    assert_eq!(other.api_key(key).as_deref(), Some(&allows));
    assert_eq!(other.api_key("rck_ops").as_deref(), Some(&all));
    assert_eq!(other.api_key("rck_other"), None);
    assert!(allows.scopes.contain(KeyScope::Send) && !allows.scopes.contain(KeyScope::Revoke));

    let listed = store.api_keys().await.unwrap();
    let listed: Vec<_> =
        listed.iter().map(|row| (row.name.as_str(), row.issuer.as_deref(), row.scopes.as_str())).collect();
    assert_eq!(listed, [("crm", Some("shop"), "read,send"), ("ops", None, "revoke")]);
    assert!(!database.dump().await.contains(key));

    assert!(store.revoke_api_key(NOW, "crm", Actor::Operator).await.unwrap());
    assert!(!store.revoke_api_key(NOW, "crm", Actor::Operator).await.unwrap());
    other.catch_up().await.unwrap();
    assert_eq!(other.api_key(key), None);
    let audit = database.texts("SELECT action || ' ' || detail FROM audit ORDER BY id").await;
    assert_eq!(audit, ["api_key.made crm", "api_key.made ops", "api_key.revoked crm"]);
}

#[tokio::test]
async fn of_an_erased_user_nothing_stays_but_who_erased_whom() {
    let database = database().await;
    let store = database.open().await;
    let times = LoginTimes { refresh_ttl: DAY, access_ttl: 900 };
    for (user, email) in [("acc_ada", "countess@example.org"), ("acc_bob", "bob@example.org")] {
        assert!(add(&store, user, email).await);
        store.begin_login(NOW, user, 0, times).await.unwrap().unwrap();
    }
    for user in [ADA, BOB, SHOP_ADA] {
        store.set_label(NOW, user, "phone", Some("my secret phone")).await.unwrap();
        store.first_seen(NOW, user, &Login::Session("seen".into())).await.unwrap();
        store.revoke(NOW, &[], &Audit::of(Action::UserRevoked, Actor::User, Some(user))).await.unwrap();
    }
    let everything = Revocation::User {
        issuer: IssuerId::BUILT_IN,
        subject: "acc_ada".into(),
        issued_before: NOW / 1000,
        except: None,
        until: NOW / 1000 + 1000,
    };
    let written = store.erase(NOW, ADA, std::slice::from_ref(&everything), Actor::User).await.unwrap();
    assert_eq!((written.len(), written.last()), (2, Some(&everything)));

    let of_ada = async |table: &str| {
        database
            .number(&format!(
                "SELECT COUNT(*) FROM {table} WHERE issuer = 'built-in' AND subject = 'acc_ada'"
            ))
            .await
    };
    for table in ["labels", "first_seen"] {
        assert_eq!(of_ada(table).await, 0, "{table}");
    }
    assert_eq!((of_ada("audit").await, of_ada("revocations").await), (1, 2));
    assert_eq!(
        database.texts("SELECT action FROM audit WHERE subject = 'acc_ada' AND issuer = 'built-in'").await,
        ["user.erased"]
    );
    assert_eq!(database.number("SELECT COUNT(*) FROM outbox WHERE event = 'login.new'").await, 2);
    assert!(!database.dump().await.contains("countess"));
    for table in ["accounts", "logins", "refresh_tokens"] {
        assert_eq!(database.number(&format!("SELECT COUNT(*) FROM {table}")).await, 1, "{table}");
    }
    // The others are as they were.
    assert_eq!(store.labels_of(BOB).await.unwrap().len(), 1);
    assert_eq!(store.labels_of(SHOP_ADA).await.unwrap().len(), 1);
    assert!(store.begin_login(NOW, "acc_ada", 0, times).await.unwrap().is_none());
    assert!(store.begin_login(NOW, "acc_bob", 0, times).await.unwrap().is_some());
}

#[tokio::test]
async fn a_text_that_no_column_takes_is_refused_before_it_is_sent() {
    let database = database().await;
    let store = database.open().await;
    let long = "x".repeat(1025);
    for text in [long.as_str(), "a\0b"] {
        let user = User { issuer: IssuerId::BUILT_IN, subject: text };
        let results = [
            store.account(text).await.err(),
            store.account_by_email(text).await.err(),
            store.set_label(NOW, ADA, "phone", Some(text)).await.err(),
            store.set_label(NOW, ADA, text, Some("x")).await.err(),
            store.set_label(NOW, ADA, text, None).await.err(),
            store.set_label(NOW, user, "phone", Some("x")).await.err(),
            store.labels_of(user).await.err(),
            store.first_seen(NOW, user, &Login::Session("1".into())).await.err(),
            store.first_seen(NOW, ADA, &Login::Session(text.into())).await.err(),
            store.revoke_api_key(NOW, text, Actor::Operator).await.err(),
            store.erase(NOW, user, &[], Actor::Operator).await.err(),
        ];
        for (place, error) in results.iter().enumerate() {
            assert!(matches!(error, Some(StorageError::Unstorable(_))), "{place}: {error:?}");
        }
    }
    // The longest that fits goes into every index.
    let longest = "x".repeat(1024);
    let subject = &longest[..255];
    let user = User { issuer: IssuerId::BUILT_IN, subject };
    store.set_label(NOW, user, &longest, Some(&longest)).await.unwrap();
    assert_eq!(store.labels_of(user).await.unwrap().len(), 1);
    assert!(store.first_seen(NOW, user, &Login::Session(longest[..1020].into())).await.unwrap());
}
