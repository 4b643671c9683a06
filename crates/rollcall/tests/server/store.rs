//! Both databases keep the one contract of `contract/store_*.rs`.

use crate::databases;

#[path = ".."]
mod sqlite {
    use super::databases::Database;

    async fn database() -> Database {
        Database::sqlite()
    }

    #[path = "contract/store_history.rs"]
    mod history;
    #[path = "contract/store_logins.rs"]
    mod logins;
    #[path = "contract/store_opening.rs"]
    mod opening;
    #[path = "contract/store_owed.rs"]
    mod owed;
    #[path = "contract/store_revocations.rs"]
    mod revocations;
    #[path = "contract/store_users.rs"]
    mod users;
}

#[path = ".."]
mod postgres {
    use super::databases::Database;

    async fn database() -> Database {
        Database::postgres().await
    }

    #[path = "contract/store_history.rs"]
    mod history;
    #[path = "contract/store_logins.rs"]
    mod logins;
    #[path = "contract/store_opening.rs"]
    mod opening;
    #[path = "contract/store_owed.rs"]
    mod owed;
    #[path = "contract/store_revocations.rs"]
    mod revocations;
    #[path = "contract/store_users.rs"]
    mod users;
}
