//! Logins of accounts: what begins one, what goes on with it, what ends it. A login is a family of refresh tokens, of which
//! one is good (RFC 9700 section 4.14.2). Does not know: HTTP, access tokens.

use std::net::IpAddr;
use std::time::Duration;

use super::{Account, AccountError, Accounts, Email, Password, Wait};
use crate::identity::Revocation;
use crate::store::{Action, Audit, RefreshToken, Refreshed, StorageError, User};

/// What a client gets: a refresh token, and of what the access token beside it is made.
#[derive(Debug)]
pub struct Pair {
    /// `sub` of the access token.
    pub account: String,
    /// `sid` of the access token.
    pub login: String,
    /// `iat` of the access token, in seconds since the epoch.
    pub issued_at: u64,
    /// Kept by nobody else.
    pub refresh_token: RefreshToken,
    /// Milliseconds since the epoch.
    pub refresh_expires_at: u64,
}

/// What came of a refresh token.
#[derive(Debug)]
pub enum Renewed {
    /// A new pair.
    Pair(Pair),
    /// No refresh token of a login that there is.
    Invalid,
    /// Its time is over.
    Expired,
    /// Its login was refreshed too often; it can be again after this.
    TooOften(Wait),
    /// Spent long ago, so somebody else has it too: its login has ended, still to be carried out on live sockets.
    Reused(Vec<Revocation>),
}

impl Accounts {
    /// A login of the account with this e-mail address and password. An unknown address is answered as a wrong password
    /// is, after the same work.
    pub async fn login(
        &self,
        email: &Email,
        password: Password,
        address: IpAddr,
    ) -> Result<Pair, AccountError> {
        let name = email.key();
        let row = self.store.account_by_email(&name).await?;
        let proven = self.judge(row, &name, password, address).await?;
        self.begin(&proven.account.id, proven.password_version).await
    }

    /// The first login of an account that was just made, at this address.
    pub async fn first_login(&self, account: &Account, address: IpAddr) -> Result<Pair, AccountError> {
        self.tries.know(self.clock.now(), &account.email.to_lowercase(), address);
        self.begin(&account.id, 0).await
    }

    /// Spends a refresh token for a new pair.
    pub async fn refresh(&self, token: &RefreshToken, address: IpAddr) -> Result<Renewed, StorageError> {
        let now = self.clock.unix_millis();
        Ok(
            match self.store.refresh(now, token, &self.successors, self.times, self.ip.apply(address)).await?
            {
                Refreshed::Good { account, login, issued_at, refresh_token, refresh_expires_at } => {
                    Renewed::Pair(Pair { account, login, issued_at, refresh_token, refresh_expires_at })
                }
                Refreshed::Unknown => Renewed::Invalid,
                Refreshed::Expired => Renewed::Expired,
                Refreshed::TooOften { wait } => Renewed::TooOften(Wait(Duration::from_millis(wait))),
                Refreshed::Reused { account, revocations } => {
                    tracing::warn!(account, "a spent refresh token was used again: its login has ended");
                    Renewed::Reused(revocations)
                }
            },
        )
    }

    /// Ends the login that a refresh token belongs to, spent or not. Gives what is refused from now on, still to be
    /// carried out on live sockets; nothing when there is no such login.
    pub async fn end_login_of(
        &self,
        token: &RefreshToken,
        address: IpAddr,
    ) -> Result<Vec<Revocation>, StorageError> {
        match self.store.login_of(token).await? {
            Some(revocation) => self.end_login(revocation, address).await,
            None => Ok(Vec::new()),
        }
    }

    /// Ends a login, of whatever issuer, as its own user.
    pub async fn end_login(
        &self,
        revocation: Revocation,
        address: IpAddr,
    ) -> Result<Vec<Revocation>, StorageError> {
        let audit = Audit::of(Action::LoginRevoked, self.user_at(address), User::of(&revocation));
        self.store.revoke(self.clock.unix_millis(), std::slice::from_ref(&revocation), &audit).await
    }

    async fn begin(&self, account: &str, password_version: i64) -> Result<Pair, AccountError> {
        let now = self.clock.unix_millis();
        let begun = self.store.begin_login(now, account, password_version, self.times).await?;
        // The password was changed between the two looks at it.
        let login = begun.ok_or(AccountError::CredentialsInvalid)?;
        Ok(Pair {
            account: account.to_owned(),
            login: login.id,
            issued_at: login.issued_at,
            refresh_token: login.refresh_token,
            refresh_expires_at: now.saturating_add(self.times.refresh_ttl),
        })
    }
}
