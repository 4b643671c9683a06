//! The end of logins that somebody asks for: a client, HTTP, an operator. First SQL, so that it holds over a restart; then
//! memory, so that nobody comes in with it; then the live sockets. What was written down in the course of something
//! larger, or elsewhere, is `obeying`'s. Does not know: who may ask.

use super::codes::SessionError;
use super::presence::Ended;
use crate::app::App;
use crate::identity::{Login, Revocation};
use crate::registry::{Grant, Session, SocketId, UserKey, Which};
use crate::store::{Action, Asker, Audit, StorageError, User};

/// What is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The login of this session; with a caller of the same login only the session.
    Session(SocketId),
    /// Every login but the caller's.
    Others,
    /// Every login.
    All,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// For the audit and the webhook.
    pub by: Asker<'a>,
    /// What their token belongs to, if they have one.
    pub login: Option<&'a Login>,
    /// Their own session: it is told last, by whoever called.
    pub session: Option<&'a SocketId>,
}

/// What has ended.
#[derive(Debug)]
pub struct Revoked {
    /// Sessions.
    pub count: usize,
    /// What it is worth.
    pub held: Held,
    /// The caller's own session is among them, and still has to be told.
    pub(super) ends_caller: bool,
}

/// What a revocation is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// A socket was closed; its tokens are as good as before.
    None,
    /// A token is refused; its issuer can give another.
    Token,
    /// New tokens of the login are refused too.
    Login,
}

/// Why nothing has ended.
#[derive(Debug, thiserror::Error)]
pub enum NotRevoked {
    /// The user has no such session.
    #[error("there is no such session")]
    SessionNotFound,
    /// It could not be written down.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Held {
    /// As it is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Token => "token",
            Self::Login => "login",
        }
    }

    fn of(login: &Login) -> Self {
        match login {
            Login::Session(_) => Self::Login,
            Login::TokenId(_) | Login::Digest(_) => Self::Token,
        }
    }
}

impl Ended {
    /// What is said of it: the weakest of all, or `otherwise` when nobody was there.
    fn told(self, otherwise: Held) -> Revoked {
        let weakest = self.grants.iter().map(|grant| Held::of(&grant.login)).min();
        let held = weakest.unwrap_or(otherwise);
        Revoked { count: self.grants.len(), held, ends_caller: self.spared }
    }
}

impl App {
    /// Ends logins of a user, durably: when this returns their tokens are refused and their sockets are being closed.
    ///
    /// # Errors
    /// [`NotRevoked`]: nothing has ended.
    pub async fn revoke(
        &self,
        user: &UserKey,
        scope: &Scope,
        caller: Caller<'_>,
    ) -> Result<Revoked, NotRevoked> {
        // Of what ends when nobody is there any more: what the caller's own login shows of its issuer.
        let mut held = caller.login.map_or(Held::Token, Held::of);
        let (which, rows) = match scope {
            Scope::Session(id) => {
                let grant = self.grant_of(user, id).await.ok_or(NotRevoked::SessionNotFound)?;
                if caller.login == Some(&grant.login) {
                    return self.close_one(user, *id, caller).await;
                }
                let row = self.row_of(user, &grant);
                held = Held::of(&grant.login);
                (Which::Login(grant.login, Some(*id)), vec![row])
            }
            Scope::Others => match caller.login {
                Some(own) => {
                    let which = Which::AllBut(own.clone(), caller.session.copied());
                    (which, self.rows_of_all(user, Some(own)).await)
                }
                None => (Which::All, self.rows_of_all(user, None).await),
            },
            Scope::All => {
                let mut rows = self.rows_of_all(user, None).await;
                // By name too, whether it has a session or not: its token may not say when it was issued, and of a login
                // new tokens are refused.
                if let Some(own) = caller.login
                    && !rows.iter().any(|row| is_of(row, own))
                {
                    rows.push(row(user, own, self.identity.revoked_until(self.clock.unix_seconds())));
                }
                (Which::All, rows)
            }
        };
        let action = match scope {
            Scope::Session(_) => Action::LoginRevoked,
            Scope::Others | Scope::All => Action::UserRevoked,
        };
        self.write(user, action, caller.by, &rows).await?;
        let ended = self.end_live(user, &which, action, caller, rows).await?;
        Ok(ended.told(held))
    }

    /// Closes sessions of a user on all nodes and refuses no token: they may come back. Gives how many they were.
    pub async fn disconnect_everywhere(&self, user: &UserKey, which: &Which, by: Asker<'_>) -> usize {
        self.end_everywhere(user, which, by, None).await.grants.len()
    }

    /// Forgets a user, as [`Store::erase`] does, and ends every login.
    ///
    /// [`Store::erase`]: crate::store::Store::erase
    ///
    /// # Errors
    /// Nothing was forgotten and nothing has ended.
    pub async fn erase(&self, user: &UserKey, by: Asker<'_>) -> Result<Revoked, StorageError> {
        let rows = self.rows_of_all(user, None).await;
        let named = User { issuer: user.issuer, subject: &user.subject };
        let written = self.store.erase(self.clock.unix_millis(), named, &rows, by).await?;
        self.refuse(written);
        self.have_others_look();
        let caller = Caller { by, login: None, session: None };
        let ended = self.end_live(user, &Which::All, Action::UserErased, caller, rows).await?;
        Ok(ended.told(Held::Token))
    }

    /// Ends the live sessions of what was written down as `rows`, and of what came meanwhile.
    async fn end_live(
        &self,
        user: &UserKey,
        which: &Which,
        action: Action,
        caller: Caller<'_>,
        mut rows: Vec<Revocation>,
    ) -> Result<Ended, StorageError> {
        let mut total = self.end_everywhere(user, which, caller.by, caller.session).await;
        // A session may have come, or have got another token, between the look at the list and its end.
        for _ in 0..ROUNDS {
            let is_new = |grant: &&Grant| !rows.iter().any(|row| is_of(row, &grant.login));
            let more: Vec<Revocation> =
                total.grants.iter().filter(is_new).map(|grant| self.row_of(user, grant)).collect();
            if more.is_empty() {
                break;
            }
            self.write(user, action, caller.by, &more).await?;
            for row in &more {
                if let Revocation::Login { login, .. } = row {
                    let which = Which::Login(login.clone(), None);
                    // Those elsewhere that were found before are asked again, and counted once.
                    let again = self.end_everywhere(user, &which, caller.by, caller.session).await;
                    total.add(Ended { grants: again.grants.into_iter().take(again.here).collect(), ..again });
                }
            }
            rows.extend(more);
        }
        Ok(total)
    }

    /// Closes one socket of the caller's own login: its tokens are as good as before.
    async fn close_one(
        &self,
        user: &UserKey,
        id: SocketId,
        caller: Caller<'_>,
    ) -> Result<Revoked, NotRevoked> {
        let ended = self.end_everywhere(user, &Which::One(id), caller.by, caller.session).await;
        match ended.grants.len() {
            0 => Err(NotRevoked::SessionNotFound),
            count => Ok(Revoked { count, held: Held::None, ends_caller: ended.spared }),
        }
    }

    pub(super) async fn write(
        &self,
        user: &UserKey,
        action: Action,
        by: Asker<'_>,
        rows: &[Revocation],
    ) -> Result<(), StorageError> {
        let named = User { issuer: user.issuer, subject: &user.subject };
        let audit = Audit::of(action, by, Some(named));
        let written = self.store.revoke(self.clock.unix_millis(), rows, &audit).await?;
        self.refuse(written);
        self.have_others_look();
        Ok(())
    }

    /// Ends sessions of a user on all nodes: those of this one now, the others by way of their nodes.
    async fn end_everywhere(
        &self,
        user: &UserKey,
        which: &Which,
        by: Asker<'_>,
        spare: Option<&SocketId>,
    ) -> Ended {
        let elsewhere = self.elsewhere(user, which).await;
        let by = by.actor.as_text();
        let why = (SessionError::SessionRevoked, Some(&*by));
        let mut ended = self.presence.end(self.clock.now(), user, which, why, spare);
        if let Some(cluster) = &self.cluster {
            for (session, grant) in elsewhere {
                cluster.end(user, &session);
                ended.grants.push(grant);
            }
        }
        ended
    }

    /// Sessions of a user on other nodes, and by which tokens they are there.
    async fn elsewhere(&self, user: &UserKey, which: &Which) -> Vec<(SocketId, Grant)> {
        if self.cluster.is_none() {
            return Vec::new();
        }
        self.visit(user).await.look(|visited| {
            let is_meant = |session: &&Session| which.holds(session) && !visited.is_here(session);
            let named = |session: &Session| (session.id, session.grant.clone());
            visited.sessions().iter().filter(is_meant).map(named).collect()
        })
    }

    /// Takes no token of these any more.
    pub(super) fn refuse(&self, written: Vec<Revocation>) {
        for revocation in written {
            self.identity.revocations().insert(revocation);
        }
    }

    async fn grant_of(&self, user: &UserKey, id: &SocketId) -> Option<Grant> {
        self.visit(user).await.look(|visited| {
            let found = visited.sessions().iter().find(|session| session.id == *id);
            found.map(|session| session.grant.clone())
        })
    }

    /// All tokens of a user up to now, and by name those logins that are live: a token without `iat` is not found by
    /// time, and of a login new tokens are refused too.
    async fn rows_of_all(&self, user: &UserKey, except: Option<&Login>) -> Vec<Revocation> {
        let now = self.clock.unix_seconds();
        let mut rows = vec![Revocation::User {
            issuer: user.issuer,
            subject: user.subject.clone(),
            issued_before: now,
            except: except.cloned(),
            until: self.identity.revoked_until(now),
        }];
        self.visit(user).await.look(|visited| {
            for session in visited.sessions() {
                let login = &session.grant.login;
                if except != Some(login) && !rows.iter().any(|row| is_of(row, login)) {
                    rows.push(self.row_of(user, &session.grant));
                }
            }
        });
        rows
    }

    pub(super) fn row_of(&self, user: &UserKey, grant: &Grant) -> Revocation {
        let until = match &grant.login {
            // Its issuer may go on making tokens of it.
            Login::Session(_) => self.identity.revoked_until(self.clock.unix_seconds()),
            Login::TokenId(_) | Login::Digest(_) => self.identity.last_good(grant.expires_at.into()),
        };
        row(user, &grant.login, until)
    }
}

/// A login of a user, refused until this second.
fn row(user: &UserKey, login: &Login, until: u64) -> Revocation {
    let (issuer, subject) = (user.issuer, Some(user.subject.clone()));
    Revocation::Login { issuer, subject, login: login.clone(), until }
}

fn is_of(row: &Revocation, login: &Login) -> bool {
    matches!(row, Revocation::Login { login: of, .. } if of == login)
}

/// Times that logins are looked for which came while others were written down: each needs a token that was judged before.
const ROUNDS: usize = 3;
