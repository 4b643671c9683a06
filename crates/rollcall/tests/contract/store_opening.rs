//! What every database makes of being opened: made once, by whoever comes first; refused when it is too old or too new.

use rollcall::clock::Clock;
use rollcall::store::{Store, migrate};

use super::database;
use crate::databases::{issuers, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_start_on_an_empty_database_all_succeed() {
    let database = database().await;
    let starts: Vec<_> = (0..5)
        .map(|_| {
            let config = database.config.clone();
            start(async move { Store::open(&config, issuers()).await.map(drop) })
        })
        .collect();
    for begun in starts {
        begun.await.unwrap().unwrap();
    }
    assert_eq!(database.number("SELECT schema FROM rollcall_schema").await, 3);
}

#[tokio::test]
async fn a_database_of_a_later_release_is_used_if_it_allows_it() {
    let database = database().await;
    database.open().await;
    database.execute("UPDATE rollcall_schema SET schema = 9, readable_from = 2").await;
    database.execute("ALTER TABLE audit ADD COLUMN something TEXT").await;
    database.open().await;
    database.execute("UPDATE rollcall_schema SET readable_from = 4").await;
    let error = Store::open(&database.config, issuers()).await.unwrap_err().to_string();
    assert!(error.contains("knows schema 4") && error.contains("this one knows 3"), "{error}");
}

#[tokio::test]
async fn nothing_is_migrated_when_that_is_off_and_the_command_still_does() {
    let database = database().await;
    let mut config = database.config.clone();
    config.database.migrate = false;
    let error = Store::open(&config, issuers()).await.unwrap_err().to_string();
    assert!(error.contains("schema 0") && error.contains("rollcall migrate"), "{error}");
    assert_eq!(migrate(&config).await.unwrap(), 3);
    assert_eq!(migrate(&config).await.unwrap(), 3);
    Store::open(&config, issuers()).await.unwrap();
}

#[tokio::test]
async fn every_connection_keeps_what_it_acknowledges() {
    let database = database().await;
    if database.is_postgres() {
        database.open().await;
        // A server whose own default is to forget: the store asks for more.
        let name = database.texts("SELECT CAST(current_database() AS TEXT)").await.remove(0);
        database.execute(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
    }
    let store = database.open().await;
    let durable = store.durability().await.unwrap();
    assert_eq!(durable, if database.is_postgres() { "on" } else { "2" });
}

#[tokio::test]
async fn a_healthy_database_is_not_away() {
    let database = database().await;
    let store = database.open().await;
    store.health().look(&Clock::system()).await;
    assert_eq!(store.health().away_since(), None);
}
