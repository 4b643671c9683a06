//! Built-in accounts: register, log in, look up. E-mail and password become an account, or the reason why not.
//! Does not know: HTTP, tokens, SQL.

mod fields;
mod password;

pub use fields::{DisplayName, Email, FieldError, Password};
pub use password::{HashError, Hasher};

use crate::clock::Clock;
use crate::ids;
use crate::store::{AccountRow, Actor, NewAccountRow, StorageError, Store};
use password::Verdict;

/// The accounts in the database. Cheap calls wait for the database only, [`register`](Accounts::register) and
/// [`login`](Accounts::login) for a core as well.
pub struct Accounts {
    store: Store,
    hasher: Hasher,
    clock: Clock,
}

/// One person.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// `acc_…`: what `sub` of its tokens says.
    pub id: String,
    /// As it was typed at registration.
    pub email: String,
    /// What the person calls itself.
    pub name: Option<String>,
    /// Milliseconds since the epoch.
    pub created_at: u64,
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
    Storage(#[from] StorageError),
}

impl Accounts {
    /// On top of this store.
    pub fn new(store: Store, hasher: Hasher, clock: Clock) -> Self {
        Self { store, hasher, clock }
    }

    /// Makes an account; true after a crash once it has answered.
    pub async fn register(&self, new: NewAccount, by: Actor<'_>) -> Result<Account, AccountError> {
        let password = self.hasher.hash(new.password).await?;
        let account = Account {
            id: ids::account_id(),
            email: new.email.as_str().to_owned(),
            name: new.name.map(|name| name.as_str().to_owned()),
            created_at: self.clock.unix_millis(),
        };
        let row = NewAccountRow {
            id: &account.id,
            email: &account.email,
            email_key: &new.email.key(),
            name: account.name.as_deref(),
            password: &password,
        };
        let added = self.store.add_account(account.created_at, row, by).await?;
        if added { Ok(account) } else { Err(AccountError::EmailTaken) }
    }

    /// The account with this e-mail address and password. An unknown address costs one hash, as a known one does.
    pub async fn login(&self, email: &Email, password: Password) -> Result<Account, AccountError> {
        let row = self.store.account_by_email(&email.key()).await?;
        let stored = row.as_ref().map(|row| row.password.clone());
        match (self.hasher.verify(password, stored).await?, row) {
            (Verdict::Right { rehashed }, Some(row)) => {
                if let Some(raised) = rehashed {
                    self.renew_hash(&row, &raised).await;
                }
                Ok(row.into())
            }
            (Verdict::Right { .. } | Verdict::Wrong, _) => Err(AccountError::CredentialsInvalid),
        }
    }

    /// The account with this id, if there is one.
    pub async fn find(&self, id: &str) -> Result<Option<Account>, StorageError> {
        Ok(self.store.account(id).await?.map(Account::from))
    }

    /// How many hashes are computed or wait for it.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// A login must not fail because a better hash could not be kept.
    async fn renew_hash(&self, row: &AccountRow, raised: &str) {
        if let Err(error) = self.store.renew_hash(&row.id, &row.password, raised).await {
            tracing::warn!(%error, account = row.id, "a password hash could not be renewed");
        }
    }
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        let AccountRow { id, email, name, created_at, .. } = row;
        Self { id, email, name, created_at: created_at.unsigned_abs() }
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
