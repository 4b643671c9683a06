//! Revocations that are written down come true on this node: no token of theirs is taken any more, and the sockets that
//! are open are closed. Does not know: why something was revoked, by whom.

use std::collections::HashSet;
use std::time::Duration;

use super::codes::SessionError;
use crate::app::App;
use crate::identity::{IssuerId, Login, Principal, Revocation};
use crate::lifecycle::Phase;
use crate::registry::session::seconds;
use crate::registry::{Grant, Session, UserKey, Which};
use crate::store::{Action, Actor, StorageError};

/// What is to be looked for among all users.
#[derive(Debug, Default)]
struct Wide<'a> {
    logins: HashSet<(IssuerId, &'a Login)>,
    /// All tokens up to this second, and in which it was written down.
    issued_before: Option<(u32, u32)>,
}

impl App {
    /// Obeys revocations that were written down here in the course of something larger. Gives how many sessions have ended
    /// on this node; the others look.
    pub async fn carry_out(&self, revocations: Vec<Revocation>) -> usize {
        self.have_others_look();
        let now = self.clock.unix_millis();
        self.obey_written(revocations.into_iter().map(|revocation| (revocation, now)).collect()).await
    }

    /// Obeys what was written down, by whomever, at these milliseconds since the epoch.
    async fn obey_written(&self, written: Vec<(Revocation, u64)>) -> usize {
        self.refuse(written.iter().map(|(revocation, _)| revocation.clone()).collect());
        let now = self.clock.unix_millis();
        let mut total = 0;
        let mut wide = Wide::default();
        for (revocation, written_at) in &written {
            // Another machine's clock may be ahead of this one's.
            let written_at = seconds(now.min(*written_at) / 1000);
            match revocation {
                Revocation::Login { issuer, subject: Some(subject), login, .. } => {
                    let user = UserKey { issuer: *issuer, subject: subject.clone() };
                    total += self.disconnect(&user, &Which::Login(login.clone(), None)).len();
                }
                Revocation::Login { issuer, subject: None, login, .. } => {
                    wide.logins.insert((*issuer, login));
                }
                Revocation::User { issuer, subject, issued_before, except, .. } => {
                    let user = UserKey { issuer: *issuer, subject: subject.clone() };
                    let (second, except) = (seconds(*issued_before), except.clone());
                    let which = Which::IssuedUpTo { second, written_at, except };
                    total += self.end_and_refuse(&user, &which).await;
                }
                Revocation::Nameless { issuer, subject, issued_before, .. } => {
                    let user = UserKey { issuer: *issuer, subject: subject.clone() };
                    let which = Which::NamelessUpTo { second: seconds(*issued_before), written_at };
                    total += self.end_and_refuse(&user, &which).await;
                }
                Revocation::Everyone { issued_before, .. } => {
                    wide.issued_before = wide.issued_before.max(Some((seconds(*issued_before), written_at)));
                }
            }
        }
        total + self.carry_out_widely(&wide).await
    }

    /// Obeys what was written since the last time, on another node or before the start. What holds already, such as
    /// what this process has written itself, was carried out when it came: who has come back since then stays.
    pub(crate) async fn obey_new_revocations(&self) -> Result<(), StorageError> {
        let mut seen = self.revocations_seen.lock().await;
        loop {
            let (mut written, last) = self.store.revocations_since(self.clock.unix_millis(), *seen).await?;
            if last == *seen {
                return Ok(());
            }
            written.retain(|(revocation, _)| !self.identity.revocations().holds(revocation));
            let newest = written.last().map(|(_, written_at)| *written_at);
            let ended = self.obey_written(written).await;
            *seen = last;
            if let Some(written_at) = newest
                && self.lifecycle.phase() != Phase::Starting
            {
                let lag = self.clock.unix_millis().saturating_sub(written_at);
                self.metrics.revocation_learned(Duration::from_millis(lag));
            }
            if ended > 0 {
                tracing::info!(sessions = ended, "ended what another process has revoked");
            }
        }
    }

    /// Ends sessions of a user on this node and refuses no token: they may come back. Gives by which tokens they were there.
    fn disconnect(&self, user: &UserKey, which: &Which) -> Vec<Grant> {
        self.presence.end(self.clock.now(), user, which, (SessionError::SessionRevoked, None), None).grants
    }

    /// What names no user: each one is looked at, a thousand at a time.
    async fn carry_out_widely(&self, wide: &Wide<'_>) -> usize {
        let mut total = 0;
        if wide.logins.is_empty() && wide.issued_before.is_none() {
            return total;
        }
        for users in self.presence.users().chunks(USERS_AT_ONCE) {
            for user in users {
                let key = user.key();
                let is_meant = |session: &&Session| wide.logins.contains(&(key.issuer, &session.grant.login));
                let login = |session: &Session| session.grant.login.clone();
                let meant: HashSet<Login> = user.roster().here().filter(is_meant).map(login).collect();
                for login in meant {
                    total += self.disconnect(key, &Which::Login(login, None)).len();
                }
                if let Some((second, written_at)) = wide.issued_before {
                    let which = Which::IssuedUpTo { second, written_at, except: None };
                    total += self.end_and_refuse(key, &which).await;
                }
            }
            tokio::task::yield_now().await;
        }
        total
    }

    /// Ends sessions by the age of their tokens, and refuses the logins of those tokens that do not say it, or say it by a
    /// clock that is ahead: nothing else does. In memory before their sockets are closed, so that none comes back with
    /// the same token; written down behind it.
    async fn end_and_refuse(&self, user: &UserKey, which: &Which) -> usize {
        let unrefused = self.unrefused(user, which);
        self.refuse(unrefused.clone());
        let ended = self.disconnect(user, which).len();
        if !unrefused.is_empty()
            && let Err(error) = self.write(user, Action::LoginRevoked, Actor::Server.into(), &unrefused).await
        {
            tracing::warn!(%error, "tokens of live sessions are refused until a restart: it could not be written down");
        }
        ended
    }

    /// What refuses the logins of those of a user's live sessions whose tokens are good until now.
    fn unrefused(&self, user: &UserKey, which: &Which) -> Vec<Revocation> {
        let Some(found) = self.presence.find(user) else { return Vec::new() };
        let roster = found.roster();
        let is_good = |session: &&Session| {
            let grant = &session.grant;
            !self.identity.revocations().refuses(&Principal {
                issuer: user.issuer,
                subject: user.subject.clone(),
                login: grant.login.clone(),
                expires_at: grant.expires_at.into(),
                issued_at: grant.issued_at().map(u64::from),
            })
        };
        let meant = roster.here().filter(|session| which.holds(session));
        meant.filter(is_good).map(|session| self.row_of(user, &session.grant)).collect()
    }
}

/// Users that are looked at before other tasks have their turn.
const USERS_AT_ONCE: usize = 1000;
