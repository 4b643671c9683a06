//! What every database makes of sessions that have ended: each once, with its reason and who did it, and nothing of who
//! was forgotten.

use rollcall::identity::{IssuerId, Login, Revocation};
use rollcall::registry::SocketId;
use rollcall::store::{
    Action, Actor, Audit, EndReason, EndedRow, Keep, Noted, SessionEnd, SessionNote, Store, Unrecorded, User,
};

use super::database;
use crate::databases::start;

const NOW: u64 = 1_800_000_000_000;
const DAY: u64 = 24 * 3600 * 1000;
const SHOP: IssuerId = IssuerId(1);
const ADA: User<'_> = User { issuer: SHOP, subject: "ada" };

fn id(number: usize) -> SocketId {
    SocketId::parse(&format!("socket{number:014}")).unwrap()
}

fn ended(number: usize, user: User<'_>, reason: EndReason) -> SessionNote {
    let id = id(number);
    SessionNote {
        socket_id: id,
        issuer: user.issuer,
        subject: user.subject.into(),
        login: Login::Session("phone".into()),
        connected_at: NOW - 60_000,
        item: format!(r#"{{"socketId":"{}"}}"#, id.as_str()),
        at: NOW,
        end: Some(SessionEnd { reason, detail: reason.as_str().into(), by: None }),
    }
}

fn started(number: usize, user: User<'_>) -> SessionNote {
    SessionNote { at: NOW - 60_000, end: None, ..ended(number, user, EndReason::Closed) }
}

/// For the contract of what is owed.
pub(super) fn started_for_tests(number: usize) -> SessionNote {
    started(number, ADA)
}

async fn note(store: &Store, notes: &[SessionNote]) -> Noted {
    store.note_sessions(true, &mut notes.to_vec(), None).await.unwrap()
}

async fn all(store: &Store, user: User<'_>) -> Vec<EndedRow> {
    store.ended_sessions(user, None, 1000).await.unwrap()
}

fn reasons(rows: &[EndedRow]) -> Vec<&str> {
    rows.iter().map(|row| row.reason.as_str()).collect()
}

#[tokio::test]
async fn a_session_ends_once_however_many_say_so_and_its_own_node_knows_best() {
    let database = database().await;
    let (store, other) = (database.open().await, database.open().await);
    let lost = ended(1, ADA, EndReason::NodeLost);
    assert_eq!(note(&store, std::slice::from_ref(&lost)).await.rows, 1);
    assert_eq!(note(&other, &[lost.clone(), lost.clone()]).await.rows, 0);
    assert_eq!(reasons(&all(&store, ADA).await), ["node_lost"]);
    // It was only cut off: what its own node says counts, and the first such word.
    assert_eq!(note(&other, &[ended(1, ADA, EndReason::Timeout)]).await.rows, 1);
    assert_eq!(note(&store, &[lost, ended(1, ADA, EndReason::Closed)]).await.rows, 0);
    let rows = all(&store, ADA).await;
    assert_eq!((reasons(&rows), rows[0].ended_at()), (vec!["timeout"], NOW));
    assert_eq!(rows[0].item, r#"{"socketId":"socket00000000000001"}"#);
    // Told as lost, and as ended.
    let owed = database.texts("SELECT body FROM outbox WHERE event = 'session.ended' ORDER BY id").await;
    assert!(owed.len() == 2 && owed[0].contains("node_lost") && owed[1].contains("timeout"), "{owed:?}");
}

#[tokio::test]
async fn two_ends_in_one_batch_are_one_and_not_the_lost_one() {
    let database = database().await;
    let store = database.open().await;
    let both = [ended(1, ADA, EndReason::NodeLost), ended(1, ADA, EndReason::Shutdown), started(1, ADA)];
    assert_eq!(note(&store, &both).await.rows, 1);
    assert_eq!(reasons(&all(&store, ADA).await), ["shutdown"]);
    let owed = database.texts("SELECT event FROM outbox ORDER BY event").await;
    assert_eq!(owed, ["session.ended", "session.started"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_write_the_same_ones_in_other_orders_do_not_stand_in_each_others_way() {
    let database = database().await;
    let stores = [database.open().await, database.open().await];
    let notes: Vec<SessionNote> = (0..700).map(|number| ended(number, ADA, EndReason::NodeLost)).collect();
    let reversed: Vec<SessionNote> = notes.iter().rev().cloned().collect();
    let writing: Vec<_> = [notes, reversed]
        .into_iter()
        .zip(stores.clone())
        .map(|(mut notes, store)| {
            start(async move { store.note_sessions(true, &mut notes, None).await.unwrap().rows })
        })
        .collect();
    let mut rows = 0;
    for written in writing {
        rows += written.await.unwrap();
    }
    assert_eq!((rows, all(&stores[0], ADA).await.len()), (700, 700));
    assert_eq!(database.number("SELECT COUNT(*) FROM outbox WHERE event = 'session.ended'").await, 700);
}

#[tokio::test]
async fn a_revoked_session_says_by_whom() {
    let database = database().await;
    let store = database.open().await;
    let user = |issuer, subject: &str, except| Revocation::User {
        issuer,
        subject: subject.into(),
        issued_before: NOW / 1000,
        except,
        until: NOW / 1000 + 100,
    };
    let audit = |by| Audit::of(Action::UserRevoked, by, None);
    store.revoke(NOW - DAY, &[user(SHOP, "ada", None)], &audit(Actor::Operator)).await.unwrap();
    store.revoke(NOW - 1000, &[user(SHOP, "ada", None)], &audit(Actor::ApiKey("crm"))).await.unwrap();
    // What the server adds by itself follows from that.
    let phone = Login::Session("phone".into());
    let login = Revocation::Login {
        issuer: SHOP,
        subject: Some("ada".into()),
        login: phone.clone(),
        until: NOW / 1000 + 100,
    };
    store.revoke(NOW - 500, &[login], &audit(Actor::Server)).await.unwrap();
    let bob = User { subject: "bob", ..ADA };
    store.revoke(NOW - 500, &[user(SHOP, "bob", Some(phone))], &audit(Actor::User)).await.unwrap();
    let mut known = ended(3, ADA, EndReason::Revoked);
    known.end.as_mut().unwrap().by = Some("user".into());
    let notes = [
        ended(1, ADA, EndReason::Revoked),
        ended(2, ADA, EndReason::Closed),
        known,
        ended(4, bob, EndReason::Revoked),
        ended(5, User { subject: "eve", ..ADA }, EndReason::Revoked),
        // It began a minute after the revocations: none of them ended it.
        SessionNote { connected_at: NOW + 60_000, at: NOW + 61_000, ..ended(6, ADA, EndReason::Revoked) },
    ];
    note(&store, &notes).await;
    let by = database.texts("SELECT COALESCE(actor, '-') FROM history ORDER BY socket_id").await;
    assert_eq!(by, ["api_key:crm", "-", "user", "-", "-", "-"], "bob's phone was spared by that one");
    let owed = database.texts("SELECT body FROM outbox WHERE event = 'session.ended' ORDER BY id").await;
    let first: serde_json::Value = serde_json::from_str(&owed[0]).unwrap();
    let expected = serde_json::json!({
        "user": "ada", "issuer": "shop", "sid": "phone", "session": {"socketId": "socket00000000000001"},
        "reason": "revoked", "detail": "revoked", "by": "api_key:crm", "at": "2027-01-15T08:00:00.000Z",
    });
    assert_eq!(first, expected);
}

#[tokio::test]
async fn of_who_was_forgotten_nothing_is_written_down_any_more() {
    let database = database().await;
    let store = database.open().await;
    let shop_and_desk = User { issuer: IssuerId(2), subject: "ada" };
    note(&store, &[ended(1, ADA, EndReason::Closed), ended(2, shop_and_desk, EndReason::Closed)]).await;
    store.erase(NOW, ADA, &[], Actor::User).await.unwrap();
    assert_eq!(all(&store, ADA).await, []);
    // These had begun before; of what begins later it is another matter.
    let late =
        [ended(3, ADA, EndReason::Revoked), started(4, ADA), ended(5, shop_and_desk, EndReason::Closed)];
    assert_eq!(note(&store, &late).await.rows, 1);
    store.note_sessions(false, &mut vec![ended(6, ADA, EndReason::Closed)], None).await.unwrap();
    let mut again = ended(7, ADA, EndReason::Closed);
    again.connected_at = NOW + 1;
    again.at = NOW + 2;
    assert_eq!(note(&store, &[again]).await.rows, 1);
    assert_eq!((all(&store, ADA).await.len(), all(&store, shop_and_desk).await.len()), (1, 2));
    let owed =
        database.number("SELECT COUNT(*) FROM outbox WHERE issuer = 'shop' AND event LIKE 'session.%'");
    assert_eq!(owed.await, 1);
}

#[tokio::test]
async fn the_last_ends_come_first_and_in_pieces_that_leave_nothing_out() {
    let database = database().await;
    let store = database.open().await;
    let mut notes: Vec<SessionNote> = (0..10).map(|number| ended(number, ADA, EndReason::Closed)).collect();
    for (number, note) in notes.iter_mut().enumerate() {
        note.at = NOW + (number as u64 / 3); // three at a time
    }
    note(&store, &notes).await;
    note(&store, &[ended(99, User { subject: "bob", ..ADA }, EndReason::Closed)]).await;
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let piece = store.ended_sessions(ADA, before, 4).await.unwrap();
        let Some(last) = piece.last() else { break };
        before = Some((last.ended_at, last.id));
        seen.extend(piece.into_iter().map(|row| (row.ended_at, row.id)));
    }
    let mut sorted = seen.clone();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (10, &sorted));
}

#[tokio::test]
async fn what_found_no_room_is_one_row_and_what_is_off_is_none() {
    let database = database().await;
    let store = database.open().await;
    let unrecorded = Some(Unrecorded { sessions: 70, since: NOW - 5 });
    store.note_sessions(true, &mut Vec::new(), unrecorded).await.unwrap();
    let row = "SELECT reason || ' ' || CAST(sessions AS TEXT) FROM history WHERE socket_id IS NULL";
    assert_eq!(database.texts(row).await, ["unrecorded 70"]);
    // Off: nothing is kept, and webhooks are told all the same, once.
    for _ in 0..2 {
        let mut notes = vec![ended(1, ADA, EndReason::Closed)];
        assert_eq!(store.note_sessions(false, &mut notes, unrecorded).await.unwrap().rows, 0);
    }
    assert_eq!(database.number("SELECT COUNT(*) FROM history").await, 1);
    assert_eq!(database.number("SELECT COUNT(*) FROM outbox WHERE event = 'session.ended'").await, 1);
}

#[tokio::test]
async fn ended_sessions_leave_when_their_time_is_over() {
    let database = database().await;
    let store = database.open().await;
    note(&store, &[ended(1, ADA, EndReason::Closed)]).await;
    let keep = Keep { audit: DAY, first_seen: DAY, history: 30 * DAY };
    let forgotten = store.forget_expired(NOW + 30 * DAY - 1, keep).await.unwrap();
    assert_eq!(
        (all(&store, ADA).await.len(), forgotten.owed),
        (1, 1),
        "a week is all that webhooks are waited for"
    );
    store.forget_expired(NOW + 30 * DAY, keep).await.unwrap();
    assert_eq!(all(&store, ADA).await, []);
}

#[tokio::test]
async fn what_cannot_be_stored_says_so() {
    let long = "x".repeat(1025);
    let mut notes = [
        ended(1, ADA, EndReason::Closed),
        ended(2, User { subject: &long, ..ADA }, EndReason::Closed),
        ended(3, User { subject: "a\0b", ..ADA }, EndReason::Closed),
        ended(4, ADA, EndReason::Closed),
    ];
    notes[3].item = format!("\"{}\"", "x".repeat(8192));
    let storable: Vec<bool> = notes.iter().map(SessionNote::is_storable).collect();
    assert_eq!(storable, [true, false, false, false]);
}
