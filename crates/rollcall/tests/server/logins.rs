//! `/auth` keeps the contract of `contract/http_logins.rs` on both databases.

use crate::databases;

#[path = ".."]
mod sqlite {
    use super::databases::Database;

    async fn database() -> Database {
        Database::sqlite()
    }

    #[path = "contract/http_logins.rs"]
    mod contract;
}

#[path = ".."]
mod postgres {
    use super::databases::Database;

    async fn database() -> Database {
        Database::postgres().await
    }

    #[path = "contract/http_logins.rs"]
    mod contract;
}
