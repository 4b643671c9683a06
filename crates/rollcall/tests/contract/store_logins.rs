//! What every database makes of logins of built-in accounts: rotation, grace, reuse, and what ends them.

use rollcall::identity::{IssuerId, Login, Revocation};
use rollcall::store::{
    Action, Actor, Audit, LoginTimes, NewAccountRow, NewLogin, PasswordChange, RefreshToken, Refreshed,
    Store, SuccessorKeys, User,
};

use super::database;
use crate::databases::{revocations_since, start};

const NOW: u64 = 1_800_000_000_000;
const SECOND: u64 = 1000;
const TIMES: LoginTimes = LoginTimes { refresh_ttl: 1000 * SECOND, access_ttl: 100 };
const ADA: User<'_> = User { issuer: IssuerId::BUILT_IN, subject: "acc_ada" };

fn keys() -> SuccessorKeys {
    SuccessorKeys::new([&[7; 32]])
}

async fn add(store: &Store, id: &str) {
    let email = format!("{id}@example.org");
    let row = NewAccountRow { id, email: &email, email_key: &email, name: None, password: "$argon2id$1" };
    assert!(store.add_account(NOW, row, Actor::Operator).await.unwrap());
}

async fn begin(store: &Store, now: u64) -> NewLogin {
    store.begin_login(now, "acc_ada", 0, TIMES).await.unwrap().unwrap()
}

/// The successor, its login and its end.
fn good(refreshed: Refreshed) -> (RefreshToken, String, u64) {
    match refreshed {
        Refreshed::Good { account, login, refresh_token, refresh_expires_at, .. } => {
            assert_eq!(account, "acc_ada");
            (refresh_token, login, refresh_expires_at)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_spent_for_its_successor_and_each_lives_its_own_time() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let first = begin(&store, NOW).await;
    let later = NOW + 500 * SECOND;
    let (second, login, expires_at) =
        good(store.refresh(later, &first.refresh_token, &keys(), TIMES, None).await.unwrap());
    assert_ne!(second, first.refresh_token);
    assert_eq!((login, expires_at), (first.id, later + 1000 * SECOND));
    let refreshed = store.refresh(expires_at - 1, &second, &keys(), TIMES, None).await.unwrap();
    let (third, _, expires_at) = good(refreshed);
    let refreshed = store.refresh(expires_at, &third, &keys(), TIMES, None).await.unwrap();
    assert!(matches!(refreshed, Refreshed::Expired), "{refreshed:?}");
    let unknown = store.refresh(NOW, &RefreshToken::random(), &keys(), TIMES, None).await.unwrap();
    assert!(matches!(unknown, Refreshed::Unknown), "{unknown:?}");
}

#[tokio::test]
async fn a_spent_token_gives_the_same_successor_for_ten_seconds_from_whatever_node() {
    let database = database().await;
    let (store, other) = (database.open().await, database.open().await);
    add(&store, "acc_ada").await;
    let first = begin(&store, NOW).await.refresh_token;
    let (second, ..) = good(store.refresh(NOW, &first, &keys(), TIMES, None).await.unwrap());
    // The clock of the other node is a little behind.
    for now in [NOW - 2 * SECOND, NOW, NOW + 10 * SECOND] {
        let (again, _, expires_at) = good(other.refresh(now, &first, &keys(), TIMES, None).await.unwrap());
        assert_eq!((again, expires_at), (second.clone(), NOW + 1000 * SECOND));
    }
    // Its successor may have been spent meanwhile: then that one leads on.
    let (third, ..) = good(store.refresh(NOW + SECOND, &second, &keys(), TIMES, None).await.unwrap());
    let (again, ..) = good(store.refresh(NOW + 2 * SECOND, &first, &keys(), TIMES, None).await.unwrap());
    assert_eq!(again, second);
    let (again, ..) = good(store.refresh(NOW + 2 * SECOND, &again, &keys(), TIMES, None).await.unwrap());
    assert_eq!(again, third);
}

#[tokio::test]
async fn who_logs_in_and_refreshes_in_the_second_of_a_revocation_has_tokens_that_it_does_not_refuse() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let second = NOW / 1000;
    let all = Revocation::User {
        issuer: IssuerId::BUILT_IN,
        subject: "acc_ada".into(),
        issued_before: second,
        except: None,
        until: second + 1000,
    };
    store.revoke(NOW, &[all], &Audit::of(Action::UserRevoked, Actor::User, Some(ADA))).await.unwrap();
    let login = begin(&store, NOW).await;
    assert_eq!(login.issued_at, second + 1);
    let mut token = login.refresh_token;
    for (now, expected) in [(NOW, second + 1), (NOW + 5 * SECOND, second + 5)] {
        let refreshed = store.refresh(now, &token, &keys(), TIMES, None).await.unwrap();
        let Refreshed::Good { issued_at, refresh_token, .. } = refreshed else { panic!("{refreshed:?}") };
        assert_eq!(issued_at, expected);
        token = refresh_token;
    }
}

#[tokio::test]
async fn the_key_of_successors_may_change_within_the_grace() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let first = begin(&store, NOW).await.refresh_token;
    let (second, ..) = good(store.refresh(NOW, &first, &keys(), TIMES, None).await.unwrap());
    let changed = SuccessorKeys::new([&[8; 32], &[7; 32]]);
    assert_eq!(good(store.refresh(NOW, &first, &changed, TIMES, None).await.unwrap()).0, second);
    // Without the former key nothing can be given, and nothing ends: the one who has the successor goes on.
    let lost = SuccessorKeys::new([&[8; 32]]);
    let refreshed = store.refresh(NOW, &first, &lost, TIMES, None).await.unwrap();
    assert!(matches!(refreshed, Refreshed::Unknown), "{refreshed:?}");
    good(store.refresh(NOW, &second, &lost, TIMES, None).await.unwrap());
}

#[tokio::test]
async fn a_token_that_was_spent_longer_ago_ends_its_login_and_no_other() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let (login, bystander) = (begin(&store, NOW).await, begin(&store, NOW).await);
    let (second, ..) = good(store.refresh(NOW, &login.refresh_token, &keys(), TIMES, None).await.unwrap());
    let later = NOW + 10 * SECOND + 1;
    let refreshed = store.refresh(later, &login.refresh_token, &keys(), TIMES, None).await.unwrap();
    let Refreshed::Reused { account, revocations } = refreshed else { panic!("{refreshed:?}") };
    assert_eq!(account, "acc_ada");
    let ended = Revocation::Login {
        issuer: IssuerId::BUILT_IN,
        subject: Some("acc_ada".into()),
        login: Login::Session(login.id.as_str().into()),
        until: NOW / 1000 + 100 + 30, // the last access token and the leeway
    };
    assert_eq!(revocations, std::slice::from_ref(&ended));
    assert_eq!(revocations_since(&store, later, 0).await, (vec![ended], 1));
    for token in [&login.refresh_token, &second] {
        let refreshed = store.refresh(later, token, &keys(), TIMES, None).await.unwrap();
        assert!(matches!(refreshed, Refreshed::Unknown), "{refreshed:?}");
    }
    good(store.refresh(later, &bystander.refresh_token, &keys(), TIMES, None).await.unwrap());
    let audit = database.texts("SELECT action FROM audit ORDER BY id").await;
    assert_eq!(audit, ["account.registered", "refresh_token.reused"]);
    let owed = database.texts("SELECT body FROM outbox WHERE event = 'login.revoked'").await;
    let owed: serde_json::Value = serde_json::from_str(&owed[0]).unwrap();
    let expected = serde_json::json!({
        "user": "acc_ada", "issuer": "built-in", "sid": login.id, "by": "server", "at": "2027-01-15T08:00:10.001Z"
    });
    assert_eq!(owed, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_refresh_at_once_one_rotates_and_all_get_its_successor() {
    for callers in [2, 3, 20] {
        let database = database().await;
        if database.is_postgres() {
            // A server may be set up like this; who waits for a row that another changes would fail.
            let isolation = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = \
                 ''repeatable read''', current_database()); END $$";
            database.execute(isolation).await;
        }
        let nodes = [database.open().await, database.open().await];
        add(&nodes[0], "acc_ada").await;
        let token = begin(&nodes[0], NOW).await.refresh_token;
        let tasks: Vec<_> = (0..callers)
            .map(|caller| {
                let (store, token) = (nodes[caller % 2].clone(), token.clone());
                start(async move { store.refresh(NOW, &token, &keys(), TIMES, None).await.unwrap() })
            })
            .collect();
        let mut successors = Vec::new();
        for task in tasks {
            successors.push(good(task.await.unwrap()).0);
        }
        assert_eq!(successors.len(), callers);
        assert!(successors.iter().all(|successor| *successor == successors[0]), "{callers} callers");
        assert_eq!(database.number("SELECT COUNT(*) FROM refresh_tokens").await, 2, "{callers} callers");
        good(nodes[1].refresh(NOW + 60 * SECOND, &successors[0], &keys(), TIMES, None).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_races_with_the_end_of_its_login_leaves_nothing_alive() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    for round in 0..10 {
        let login = begin(&store, NOW).await;
        let mut alive = vec![login.refresh_token.clone()];
        let revocation = store.login_of(&login.refresh_token).await.unwrap().unwrap();
        let task = {
            let (store, token) = (store.clone(), login.refresh_token.clone());
            start(async move { store.refresh(NOW + SECOND, &token, &keys(), TIMES, None).await.unwrap() })
        };
        let audit = Audit::of(Action::LoginRevoked, Actor::User, Some(ADA));
        let written = store.revoke(NOW + SECOND, &[revocation], &audit).await.unwrap();
        let Revocation::Login { until, .. } = written[0] else { panic!("{written:?}") };
        let mut last_access = NOW / 1000 + 100;
        match task.await.unwrap() {
            Refreshed::Good { refresh_token, .. } => {
                alive.push(refresh_token);
                last_access += 1;
            }
            Refreshed::Unknown => {}
            other => panic!("{other:?}"),
        }
        assert!(until >= last_access + 30, "round {round}: an access token outlives its revocation");
        for token in &alive {
            let refreshed = store.refresh(NOW + SECOND, token, &keys(), TIMES, None).await.unwrap();
            assert!(matches!(refreshed, Refreshed::Unknown), "round {round}: {refreshed:?}");
        }
    }
    assert_eq!(database.number("SELECT COUNT(*) FROM logins").await, 0);
    assert_eq!(database.number("SELECT COUNT(*) FROM refresh_tokens").await, 0);
}

#[tokio::test]
async fn half_a_rotation_is_none() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let token = begin(&store, NOW).await.refresh_token;
    forbid_inserts(&database, "refresh_tokens").await;
    store.refresh(NOW, &token, &keys(), TIMES, None).await.unwrap_err();
    store.begin_login(NOW, "acc_ada", 0, TIMES).await.unwrap_err();
    allow_inserts(&database, "refresh_tokens").await;
    assert_eq!(database.number("SELECT COUNT(*) FROM logins").await, 1);
    // Not spent: an hour later this would end the login.
    good(store.refresh(NOW + 600 * SECOND, &token, &keys(), TIMES, None).await.unwrap());
}

#[tokio::test]
async fn half_a_revocation_is_none() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let login = begin(&store, NOW).await;
    let revocation = store.login_of(&login.refresh_token).await.unwrap().unwrap();
    for table in ["revocations", "outbox", "audit"] {
        forbid_inserts(&database, table).await;
        let audit = Audit::of(Action::LoginRevoked, Actor::User, Some(ADA));
        store.revoke(NOW, std::slice::from_ref(&revocation), &audit).await.unwrap_err();
        let change = PasswordChange { account: "acc_ada", password_version: 0, password: "$argon2id$2" };
        let everything = [user_wide(None)];
        store.change_password(NOW, change, &everything, Actor::User).await.unwrap_err();
        store.erase(NOW, ADA, &everything, Actor::User).await.unwrap_err();
        allow_inserts(&database, table).await;
    }
    assert_eq!(revocations_since(&store, NOW, 0).await, (vec![], 0));
    assert_eq!(store.account("acc_ada").await.unwrap().unwrap().password, "$argon2id$1");
    good(store.refresh(NOW, &login.refresh_token, &keys(), TIMES, None).await.unwrap());
}

fn user_wide(except: Option<&str>) -> Revocation {
    Revocation::User {
        issuer: IssuerId::BUILT_IN,
        subject: "acc_ada".into(),
        issued_before: NOW / 1000,
        except: except.map(|id| Login::Session(id.into())),
        until: NOW / 1000 + 1_000_000,
    }
}

#[tokio::test]
async fn ending_all_logins_but_one_names_each_and_spares_that() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let (kept, ended) = (begin(&store, NOW).await, begin(&store, NOW).await);
    let audit = Audit::of(Action::UserRevoked, Actor::User, Some(ADA));
    let written = store.revoke(NOW, &[user_wide(Some(&kept.id))], &audit).await.unwrap();
    let by_login = Revocation::Login {
        issuer: IssuerId::BUILT_IN,
        subject: Some("acc_ada".into()),
        login: Login::Session(ended.id.as_str().into()),
        until: NOW / 1000 + 130,
    };
    assert_eq!(written, [by_login, user_wide(Some(&kept.id))]);
    assert_eq!(revocations_since(&store, NOW, 0).await, (written, 2));
    good(store.refresh(NOW, &kept.refresh_token, &keys(), TIMES, None).await.unwrap());
    let refreshed = store.refresh(NOW, &ended.refresh_token, &keys(), TIMES, None).await.unwrap();
    assert!(matches!(refreshed, Refreshed::Unknown), "{refreshed:?}");

    // Whoever logs in within the same second is not refused with the tokens of before.
    assert_eq!(begin(&store, NOW + 1).await.issued_at, NOW / 1000 + 1);
    assert_eq!(begin(&store, NOW + 2 * SECOND).await.issued_at, NOW / 1000 + 2);
}

#[tokio::test]
async fn when_everyone_is_signed_out_no_login_is_left_and_the_next_one_is_good() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let ended = begin(&store, NOW).await;
    let everyone = [Revocation::Everyone { issued_before: NOW / 1000, until: NOW / 1000 + 1_000_000 }];
    let audit = Audit::of(Action::EveryoneRevoked, Actor::Operator, None);
    assert_eq!(store.revoke(NOW, &everyone, &audit).await.unwrap(), everyone);
    let refreshed = store.refresh(NOW, &ended.refresh_token, &keys(), TIMES, None).await.unwrap();
    assert!(matches!(refreshed, Refreshed::Unknown), "{refreshed:?}");
    let next = begin(&store, NOW + 1).await;
    assert_eq!(next.issued_at, NOW / 1000 + 1);
    good(store.refresh(NOW + 1, &next.refresh_token, &keys(), TIMES, None).await.unwrap());
}

#[tokio::test]
async fn a_change_of_password_ends_the_other_logins_and_comes_once() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let (mine, other) = (begin(&store, NOW).await, begin(&store, NOW).await);
    let change = PasswordChange { account: "acc_ada", password_version: 0, password: "$argon2id$2" };
    let revocations = [user_wide(Some(&mine.id))];
    let written = store.change_password(NOW, change, &revocations, Actor::User).await.unwrap().unwrap();
    assert_eq!(written.len(), 2);
    assert_eq!(store.change_password(NOW, change, &revocations, Actor::User).await.unwrap(), None);
    let row = store.account("acc_ada").await.unwrap().unwrap();
    assert_eq!((row.password.as_str(), row.password_version), ("$argon2id$2", 1));
    good(store.refresh(NOW, &mine.refresh_token, &keys(), TIMES, None).await.unwrap());
    let refreshed = store.refresh(NOW, &other.refresh_token, &keys(), TIMES, None).await.unwrap();
    assert!(matches!(refreshed, Refreshed::Unknown), "{refreshed:?}");
    // Who has proven the former password a moment ago does not come in with it any more.
    assert!(store.begin_login(NOW, "acc_ada", 0, TIMES).await.unwrap().is_none());
    assert!(store.begin_login(NOW, "acc_ada", 1, TIMES).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_with_the_former_password_never_outlives_its_change() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    for version in 0..10 {
        let task = {
            let store = store.clone();
            start(async move { store.begin_login(NOW, "acc_ada", version, TIMES).await.unwrap() })
        };
        let change = PasswordChange { account: "acc_ada", password_version: version, password: "$argon2id$" };
        store.change_password(NOW, change, &[user_wide(None)], Actor::User).await.unwrap().unwrap();
        task.await.unwrap();
        assert_eq!(database.number("SELECT COUNT(*) FROM logins").await, 0, "version {version}");
    }
}

#[tokio::test]
async fn a_script_that_only_logs_in_keeps_a_thousand_logins() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let first = begin(&store, NOW).await;
    let fill = "INSERT INTO logins (id, account, created_at, used_at, expires_at, access_seconds) \
         SELECT 'x' || value, 'acc_ada', 1, 1800000000001 + value, 1, 1 FROM numbers";
    let numbers = "WITH RECURSIVE numbers (value) AS \
         (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < 999) ";
    database.execute(&format!("{numbers}{fill}")).await;
    let last = begin(&store, NOW + 2 * SECOND).await;
    assert_eq!(database.number("SELECT COUNT(*) FROM logins").await, 1000);
    let refreshed = store.refresh(NOW, &first.refresh_token, &keys(), TIMES, None).await.unwrap();
    assert!(matches!(refreshed, Refreshed::Unknown), "{refreshed:?}");
    good(store.refresh(NOW, &last.refresh_token, &keys(), TIMES, None).await.unwrap());
}

/// Gives this login 5,999 more spent tokens, spent within six seconds after [`NOW`].
async fn spend_5999(database: &super::Database, login: &str) {
    let blob = if database.is_postgres() { "BYTEA" } else { "BLOB" };
    let fill = format!(
        "WITH RECURSIVE numbers (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < 5999) \
         INSERT INTO refresh_tokens (hash, login, expires_at, spent_at) \
         SELECT CAST('x' || value AS {blob}), '{login}', 9000000000000, {NOW} + value FROM numbers"
    );
    database.execute(&fill).await;
}

const SPENT: &str = "SELECT COUNT(*) FROM refresh_tokens WHERE spent_at IS NOT NULL";
const DAY: u64 = 24 * 3600 * SECOND;
/// As they are without a setting.
const LONG: LoginTimes = LoginTimes { refresh_ttl: 30 * DAY, access_ttl: 900 };
/// A refresh token lasts for longer than it takes to renew 6,000 access tokens in time.
const SHORT: LoginTimes = LoginTimes { refresh_ttl: 30 * DAY, access_ttl: 10 };

#[tokio::test]
async fn a_login_keeps_its_newest_spent_tokens_and_a_much_older_one_is_nobodys() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let login = store.begin_login(NOW, "acc_ada", 0, SHORT).await.unwrap().unwrap();
    let (second, ..) = good(store.refresh(NOW, &login.refresh_token, &keys(), SHORT, None).await.unwrap());
    spend_5999(&database, &login.id).await;
    assert_eq!(database.number(SPENT).await, 6000);
    let later = NOW + 30_000 * SECOND;
    let (third, ..) = good(store.refresh(later, &second, &keys(), SHORT, None).await.unwrap());
    assert_eq!(database.number(SPENT).await, 6000);
    // The one that was forgotten ends nothing, and opens nothing.
    let forgotten = store.refresh(later, &login.refresh_token, &keys(), SHORT, None).await.unwrap();
    assert!(matches!(forgotten, Refreshed::Unknown), "{forgotten:?}");
    let (fourth, ..) = good(store.refresh(later + SECOND, &third, &keys(), SHORT, None).await.unwrap());
    assert_eq!(database.number(SPENT).await, 6000);
    // The others are known.
    let reused = store.refresh(later + 20 * SECOND, &second, &keys(), SHORT, None).await.unwrap();
    assert!(matches!(reused, Refreshed::Reused { .. }), "{reused:?}");
    let ended = store.refresh(later + 20 * SECOND, &fourth, &keys(), SHORT, None).await.unwrap();
    assert!(matches!(ended, Refreshed::Unknown), "{ended:?}");
}

#[tokio::test]
async fn who_refreshes_without_end_has_to_wait_and_washes_no_trace_away() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let login = store.begin_login(NOW, "acc_ada", 0, LONG).await.unwrap().unwrap();
    let (second, ..) = good(store.refresh(NOW, &login.refresh_token, &keys(), LONG, None).await.unwrap());
    let other = store.begin_login(NOW, "acc_ada", 0, LONG).await.unwrap().unwrap();
    spend_5999(&database, &login.id).await;
    // As long as the first token would be good, and not only for a day.
    for (later, left) in [(NOW + 2 * DAY, 28 * DAY), (NOW + 30 * DAY - SECOND, SECOND)] {
        let refused = store.refresh(later, &second, &keys(), LONG, None).await.unwrap();
        assert!(matches!(refused, Refreshed::TooOften { wait } if wait == left), "{refused:?}");
    }
    let later = NOW + 30 * DAY - SECOND;
    good(store.refresh(later, &other.refresh_token, &keys(), LONG, None).await.unwrap());
    // Where access tokens last 10 s, 6,000 are no more than who renews them early makes in half of the time.
    let refused = store.refresh(NOW + 30_000 * SECOND - 1, &second, &keys(), SHORT, None).await.unwrap();
    assert!(matches!(refused, Refreshed::TooOften { wait: 1 }), "{refused:?}");
    // Nothing was spent by what was refused, and the token that somebody else has as well is still known.
    assert_eq!(database.number(SPENT).await, 6001);
    let reused = store.refresh(later, &login.refresh_token, &keys(), LONG, None).await.unwrap();
    assert!(matches!(reused, Refreshed::Reused { .. }), "{reused:?}");
    let ended = store.refresh(later, &second, &keys(), LONG, None).await.unwrap();
    assert!(matches!(ended, Refreshed::Unknown), "{ended:?}");
}

#[tokio::test]
async fn no_copy_of_the_database_holds_a_token() {
    let database = database().await;
    let store = database.open().await;
    add(&store, "acc_ada").await;
    let first = begin(&store, NOW).await.refresh_token;
    let (second, ..) = good(store.refresh(NOW, &first, &keys(), TIMES, None).await.unwrap());
    let dump = database.dump().await;
    assert!(dump.contains("acc_ada"), "{dump}");
    for token in [&first, &second] {
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, token.text());
        assert!(!dump.contains(&token.text()) && !dump.contains(&format!("{:x?}", bytes.unwrap())), "{dump}");
        assert_eq!(RefreshToken::parse(&token.text()).as_ref(), Some(token));
        assert_eq!(format!("{token:?}"), "***");
    }
    for text in ["", "x", &first.text()[1..], &format!("{}=", first.text()), &"=".repeat(43), &"é".repeat(21)]
    {
        assert_eq!(RefreshToken::parse(text), None, "{text}");
    }
}

/// From now on nothing can be inserted into this table.
async fn forbid_inserts(database: &super::Database, table: &str) {
    let statement = if database.is_postgres() {
        format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'; \
             CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    } else {
        format!("CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END")
    };
    database.execute(&statement).await;
}

async fn allow_inserts(database: &super::Database, table: &str) {
    let statement = if database.is_postgres() {
        format!("DROP TRIGGER refuse ON {table}; DROP FUNCTION refuse")
    } else {
        "DROP TRIGGER refuse".to_owned()
    };
    database.execute(&statement).await;
}
