//! `sessions:revoke`: a client ends another login, all others or all. Does not know: what the end of a login takes.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Call;
use super::fields::{Fields, text};
use super::reply::{Answer, EventError};
use super::steps::{Outcome, Progress, Request};
use crate::gateway::Gateway;
use crate::gateway::revoking::{Caller, NotRevoked, Revoked, Scope};
use crate::gateway::stay::Stay;
use crate::identity::TokenRefusal;
use crate::registry::SocketId;
use crate::store::Actor;

/// What the argument says is to end: exactly one thing.
pub(super) fn read(call: &Call<'_>) -> Result<Request, EventError> {
    let scope = match Fields::read(call.json, ["socketId", "others", "all"])? {
        [id @ Some(_), None, None] => {
            Scope::Session(SocketId::parse(&text(id, "socketId")?).ok_or(EventError::SessionNotFound)?)
        }
        [None, Some(others), None] => Scope::Others.if_true(others, "others")?,
        [None, None, Some(all)] => Scope::All.if_true(all, "all")?,
        _ => return Err(EventError::invalid("payload")),
    };
    Ok(Request::Revoke(scope))
}

/// Ends it, whatever becomes of the caller's own socket meanwhile.
pub(super) fn revoke(gateway: &Arc<Gateway>, stay: &Stay, scope: &Scope) -> Progress {
    let (app, user, id, scope) = (gateway.app.clone(), stay.user.clone(), stay.id, scope.clone());
    let Some((login, ip)) = user.roster().find(&id).map(|session| (session.grant.login.clone(), session.ip))
    else {
        // Ended while this waited for its turn: whoever has been signed out signs nobody out.
        return Progress::Done(Err(EventError::Token(TokenRefusal::Revoked)));
    };
    Progress::Later(Box::pin(async move {
        let caller = Caller { by: Actor::User.at(ip), login: Some(&login), session: Some(&id) };
        match app.revoke(user.key(), &scope, caller).await {
            Ok(Revoked { count, held, ends_caller }) => {
                Outcome::Done { answer: Ok(Answer::Revoked { count, held }), ends_caller }
            }
            Err(NotRevoked::SessionNotFound) => Outcome::answer(Err(EventError::SessionNotFound)),
            Err(NotRevoked::Storage(error)) => {
                tracing::warn!(%error, "a revocation could not be written");
                Outcome::answer(Err(EventError::Unavailable))
            }
        }
    }))
}

impl Scope {
    /// `false` is no way to say which ones stay.
    fn if_true(self, value: &RawValue, name: &'static str) -> Result<Self, EventError> {
        match value.get() {
            "true" => Ok(self),
            _ => Err(EventError::invalid(name)),
        }
    }
}
