//! Built-in accounts: register, log in, look up. E-mail and password become an account, or the reason why not.
//! Does not know: HTTP, tokens, SQL.

mod fields;
mod password;
mod tries;
mod logins;

use std::net::IpAddr;

pub use fields::{DisplayName, Email, FieldError, Password, is_deceptive};
pub use logins::{Pair, Renewed};
pub use password::{HashError, Hasher};
pub use tries::{Tries, TryKind, TryOutcome, Wait};

use crate::clock::Clock;
use crate::config::{Config, IpPrivacy};
use crate::identity::{IssuerId, Login, Revocation, TokenTimes};
use crate::ids;
use crate::store::{
    AccountRow, Actor, Asker, LoginTimes, NewAccountRow, PasswordChange, StorageError, Store, SuccessorKeys,
    User,
};
use password::Verdict;

/// The accounts in the database. Cheap calls wait for the database only, [`register`](Accounts::register) and
/// [`login`](Accounts::login) for a core as well.
pub struct Accounts {
    store: Store,
    hasher: Hasher,
    tries: Tries,
    /// What the audit keeps of an address.
    ip: IpPrivacy,
    clock: Clock,
    successors: SuccessorKeys,
    times: LoginTimes,
    token_times: TokenTimes,
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
    /// Too many tries of this address or for this name.
    #[error("too many tries; the next one is allowed in {} ms", .0.0.as_millis())]
    TooMany(Wait),
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

/// An account whose password was just given.
#[derive(Debug)]
struct Proven {
    account: Account,
    password_version: i64,
}

impl Accounts {
    /// On top of this store; `successors` are the keys of refresh tokens.
    pub fn new(
        config: &Config,
        store: Store,
        hasher: Hasher,
        successors: SuccessorKeys,
        clock: Clock,
    ) -> Self {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            ip: config.privacy.ip,
            tries: Tries::new(&config.accounts, clock.now()),
            times: LoginTimes {
                refresh_ttl: millis(config.accounts.refresh_ttl),
                access_ttl: config.identity.access_ttl.as_secs(),
            },
            token_times: TokenTimes::new(&config.identity),
            store,
            hasher,
            clock,
            successors,
        }
    }

    /// Hashes that run or wait, and the most there may be.
    pub fn hash_load(&self) -> (usize, usize) {
        self.hasher.load()
    }

    /// Whether this address may try once more, before anything else is done for it.
    pub fn admit(&self, kind: TryKind, address: IpAddr) -> Result<(), AccountError> {
        self.tries.admit(self.clock.now(), kind, address).map_err(AccountError::TooMany)
    }

    /// Makes an account; true after a crash once it has answered.
    pub async fn register(&self, new: NewAccount, by: impl Into<Asker<'_>>) -> Result<Account, AccountError> {
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

    /// The account with this id, if there is one.
    pub async fn find(&self, id: &str) -> Result<Option<Account>, StorageError> {
        Ok(self.store.account(id).await?.map(Account::from))
    }

    /// The account with this e-mail address, if there is one.
    pub async fn find_by_email(&self, email: &Email) -> Result<Option<Account>, StorageError> {
        Ok(self.store.account_by_email(&email.key()).await?.map(Account::from))
    }

    /// Another password, for who knows the present one. Ends all logins but `kept`; gives what is refused from now on,
    /// still to be carried out on live sockets.
    pub async fn change_password(
        &self,
        id: &str,
        current: Password,
        new: Password,
        kept: Login,
        address: IpAddr,
    ) -> Result<Vec<Revocation>, AccountError> {
        let proven = self.prove(id, current, address).await?;
        self.store_password(&proven, new, Some(kept), self.user_at(address)).await
    }

    /// Another password, whatever the present one is: for the operator. Ends all logins.
    pub async fn reset_password(&self, id: &str, new: Password) -> Result<Vec<Revocation>, AccountError> {
        let row = self.store.account(id).await?.ok_or(AccountError::CredentialsInvalid)?;
        self.store_password(&Proven::from(row), new, None, Actor::Operator).await
    }

    /// Forgets an account, for who knows its password. Gives what is refused from now on, still to be carried out on
    /// live sockets.
    pub async fn erase(
        &self,
        id: &str,
        password: Password,
        address: IpAddr,
    ) -> Result<Vec<Revocation>, AccountError> {
        let proven = self.prove(id, password, address).await?;
        // One row stays of an account that was erased: its address is not for it.
        Ok(self.forget(&proven.account.id, Actor::User).await?)
    }

    /// Forgets an account without asking it.
    pub async fn forget(&self, id: &str, by: impl Into<Asker<'_>>) -> Result<Vec<Revocation>, StorageError> {
        let user = User { issuer: IssuerId::BUILT_IN, subject: id };
        self.store.erase(self.clock.unix_millis(), user, &[self.all_logins(id, None)], by).await
    }

    /// How many hashes are computed or wait for it.
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// The user in question, at this address.
    fn user_at(&self, address: IpAddr) -> Asker<'static> {
        Actor::User.at(self.ip.apply(address))
    }

    /// All tokens of this account that there are by now, save those of one login.
    fn all_logins(&self, id: &str, except: Option<Login>) -> Revocation {
        let now = self.clock.unix_seconds();
        let (issuer, until) = (IssuerId::BUILT_IN, self.token_times.revoked_until(now));
        Revocation::User { issuer, subject: id.into(), issued_before: now, except, until }
    }

    async fn store_password(
        &self,
        proven: &Proven,
        new: Password,
        kept: Option<Login>,
        by: impl Into<Asker<'_>>,
    ) -> Result<Vec<Revocation>, AccountError> {
        let account = &proven.account.id;
        let password = self.hasher.hash(new).await?;
        let change =
            PasswordChange { account, password_version: proven.password_version, password: &password };
        let ended = [self.all_logins(account, kept)];
        let changed = self.store.change_password(self.clock.unix_millis(), change, &ended, by).await?;
        // Somebody else was faster: the password that was given is not the present one any more.
        changed.ok_or(AccountError::CredentialsInvalid)
    }

    /// The account of this id, if this is its password.
    async fn prove(&self, id: &str, password: Password, address: IpAddr) -> Result<Proven, AccountError> {
        let row = self.store.account(id).await?;
        // Tries count for the person, however it is named.
        let name = row.as_ref().map_or_else(|| id.to_owned(), |row| row.email.to_lowercase());
        self.judge(row, &name, password, address).await
    }

    /// Compares; without a row nothing is right, and it takes as long as with one.
    async fn judge(
        &self,
        row: Option<AccountRow>,
        name: &str,
        password: Password,
        address: IpAddr,
    ) -> Result<Proven, AccountError> {
        let one = self.tries.begin(self.clock.now(), name, address).map_err(AccountError::TooMany)?;
        let stored = row.as_ref().map(|row| row.password.clone());
        let verdict = match self.hasher.verify(password, stored).await {
            Ok(verdict) => verdict,
            Err(error) => {
                self.tries.settle(self.clock.now(), one, TryOutcome::NotJudged);
                return Err(error.into());
            }
        };
        match (verdict, row) {
            (Verdict::Right { rehashed }, Some(row)) => {
                self.tries.settle(self.clock.now(), one, TryOutcome::Right);
                if let Some(raised) = rehashed {
                    self.renew_hash(&row, &raised).await;
                }
                Ok(Proven::from(row))
            }
            (Verdict::Right { .. } | Verdict::Wrong, _) => Err(AccountError::CredentialsInvalid),
        }
    }

    /// A login must not fail because a better hash could not be kept.
    async fn renew_hash(&self, row: &AccountRow, raised: &str) {
        if let Err(error) = self.store.renew_hash(&row.id, &row.password, raised).await {
            tracing::warn!(%error, account = row.id, "a password hash could not be renewed");
        }
    }
}

impl From<AccountRow> for Proven {
    fn from(row: AccountRow) -> Self {
        Self { password_version: row.password_version, account: row.into() }
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
