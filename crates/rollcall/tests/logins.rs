//! `/auth` keeps the contract of `contract/http_logins.rs` on both databases.

#![allow(clippy::panic, clippy::unwrap_used, reason = "helpers of tests may panic too")]
#![expect(clippy::duplicate_mod, reason = "one contract, two databases")]

#[path = "support/databases.rs"]
mod databases;
mod support;

#[path = "."]
mod sqlite {
    use super::databases::Database;

    async fn database() -> Database {
        Database::sqlite()
    }

    #[path = "contract/http_logins.rs"]
    mod contract;
}

#[path = "."]
mod postgres {
    use super::databases::Database;

    async fn database() -> Database {
        Database::postgres().await
    }

    #[path = "contract/http_logins.rs"]
    mod contract;
}
