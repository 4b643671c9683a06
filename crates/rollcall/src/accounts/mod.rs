//! Built-in accounts: register, log in, look up. E-mail and password become an account, or the reason why not.
//! Does not know: HTTP, tokens.

mod fields;

mod health;
mod password;
mod sqlite;

use sqlx::SqlitePool;

pub use fields::{DisplayName, Email, FieldError, Password};
pub use health::Health;
pub use password::{HashError, Hasher};
pub use sqlite::{OpenError, open as open_database};

use crate::clock::Clock;
use crate::config::Config;
use crate::ids;
use password::Verdict;

/// The accounts in the database. Cheap calls wait for the database only, [`register`](Accounts::register) and
/// [`login`](Accounts::login) for a core as well.
pub struct Accounts {
    pool: SqlitePool,
    hasher: Hasher,
    health: Health,
    clock: Clock,
}

/// One person.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Account {
    /// `acc_…`: what `sub` of its tokens says.
    pub id: String,
    /// As it was typed at registration.
    pub email: String,
    /// What the person calls itself.
    pub name: Option<String>,
    /// Milliseconds since the epoch.
    pub created_at: i64,
}

/// What a new account is made of.
#[derive(Debug)]
pub struct NewAccount {
    /// Compared without regard to case.
    pub email: Email,
    /// Kept as a hash only.
    pub password: Password,
    /// Optional.
    pub name: Option<DisplayName>,
}

/// Why there is no account in the answer.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Another account has this e-mail address.
    #[error("an account with this e-mail address exists")]
    EmailTaken,
    /// No such account, or another password: never said which.
    #[error("e-mail address or password are wrong")]
    CredentialsInvalid,
    /// More hashes wait than `accounts.hash_queue` allows; trying again in a moment helps.
    #[error("too many logins at once")]
    Busy,
    /// The hash could not be computed.
    #[error("the password could not be hashed: {0}")]
    Hashing(HashError),
    /// The database did not do it: nothing has changed.
    #[error("the database is not available: {0}")]
    Storage(#[from] sqlx::Error),
}

impl Accounts {
    /// Opens (and makes, and migrates) the database and starts the hasher.
    pub async fn open(config: &Config, clock: Clock) -> Result<Self, OpenError> {
        let (pool, file) = sqlite::open(config).await?;
        let hasher = Hasher::new(config.accounts.hash_queue).await?;
        let health = Health::new(pool.clone(), file);
        Ok(Self { pool, hasher, health, clock })
    }

    /// Makes an account; true after a crash once it has answered.
    pub async fn register(&self, new: NewAccount) -> Result<Account, AccountError> {
        let password = self.hasher.hash(new.password).await?;
        let account = Account {
            id: ids::account_id(),
            email: new.email.as_str().to_owned(),
            name: new.name.map(|name| name.as_str().to_owned()),
            created_at: i64::try_from(self.clock.unix_millis()).unwrap_or(i64::MAX),
        };
        let statement = "INSERT INTO accounts (id, email, email_key, name, password, created_at) VALUES (?, ?, ?, ?, ?, ?)";
        let inserted = sqlx::query(statement)
            .bind(&account.id)
            .bind(&account.email)
            .bind(new.email.key())
            .bind(&account.name)
            .bind(password)
            .bind(account.created_at)
            .execute(&self.pool)
            .await;
        match inserted {
            Ok(_) => Ok(account),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(AccountError::EmailTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// The account with this e-mail address and password. An unknown address costs one hash, as a known one does.
    pub async fn login(&self, email: &Email, password: Password) -> Result<Account, AccountError> {
        #[derive(sqlx::FromRow)]
        struct Row {
            #[sqlx(flatten)]
            account: Account,
            password: String,
        }
        let statement = "SELECT id, email, name, created_at, password FROM accounts WHERE email_key = ?";
        let row: Option<Row> = sqlx::query_as(statement).bind(email.key()).fetch_optional(&self.pool).await?;
        let (account, stored) = row.map(|row| (row.account, row.password)).unzip();
        match (self.hasher.verify(password, stored.clone()).await?, account) {
            (Verdict::Right { rehashed }, Some(account)) => {
                if let (Some(raised), Some(stored)) = (rehashed, stored) {
                    self.replace_hash(&account.id, &stored, &raised).await;
                }
                Ok(account)
            }
            (Verdict::Right { .. } | Verdict::Wrong, _) => Err(AccountError::CredentialsInvalid),
        }
    }

    /// The account with this id, if there is one.
    pub async fn find(&self, id: &str) -> Result<Option<Account>, sqlx::Error> {
        let statement = "SELECT id, email, name, created_at FROM accounts WHERE id = ?";
        sqlx::query_as(statement).bind(id).fetch_optional(&self.pool).await
    }

    /// Whether the database is there, and since when not.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// How many hashes are computed or wait for it.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Ends all connections; what was acknowledged is on the disk already.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A login must not fail because a better hash could not be kept; unless the password was changed meanwhile.
    async fn replace_hash(&self, id: &str, stored: &str, raised: &str) {
        let statement = "UPDATE accounts SET password = ? WHERE id = ? AND password = ?";
        let updated = sqlx::query(statement).bind(raised).bind(id).bind(stored).execute(&self.pool).await;
        if let Err(error) = updated {
            tracing::warn!(%error, account = id, "a password hash could not be renewed");
        }
    }
}

impl From<HashError> for AccountError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Failed(_) => Self::Hashing(error),
        }
    }
}
