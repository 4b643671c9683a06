//! `sessions:refresh`: another token for an open session, judged as at connect. Does not know: where tokens come from.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;

use super::Call;
use super::fields::Fields;
use super::reply::{Answer, EventError};
use super::steps::{Outcome, Progress, Request};
use crate::config::TokenPlace;
use crate::gateway::Gateway;
use crate::gateway::lifetime::Lifetime;
use crate::gateway::stay::Stay;
use crate::identity::{TokenRefusal, Unproven, find};
use crate::registry::{Grant, Regrant};

/// A token that is to be judged. It appears in no log.
pub(super) struct Token(Box<str>);

/// The token of the argument.
pub(super) fn read(call: &Call<'_>) -> Result<Request, EventError> {
    let [token]: [Option<&RawValue>; 1] = Fields::read(call.json, ["token"])?;
    let token = find(&[TokenPlace::Auth], None, token, None).map_err(EventError::Token)?;
    Ok(Request::Refresh(Token(token.into())))
}

/// Judges the token; a good one counts from now on.
pub(super) fn refresh(gateway: &Arc<Gateway>, now: Instant, stay: &mut Stay, token: &Token) -> Progress {
    let app = &gateway.app;
    if app.is_unavailable() {
        return Progress::Done(Err(EventError::Unavailable));
    }
    let principal = match app.identity.judge(&token.0, app.clock.unix_seconds()) {
        Ok(principal) => principal,
        Err(Unproven::Refused(refusal)) => return Progress::Done(Err(EventError::Token(refusal))),
        Err(Unproven::Unavailable) => return Progress::Done(Err(EventError::Unavailable)),
        Err(Unproven::Pending(pending)) => {
            return Progress::Later(Box::pin(async move {
                pending.resolved().await;
                Outcome::Again
            }));
        }
    };
    let key = stay.user.key();
    if (principal.issuer, &principal.subject) != (key.issuer, &key.subject) {
        return Progress::Done(Err(EventError::UserMismatch));
    }
    let tag = app.identity.login_tag(key.issuer, &key.subject, &principal.login);
    let grant = Grant::new(&principal, tag, app.clock.unix_seconds());
    let expires_at = grant.expires_at;
    // Asked once more under the lock: a refresh that races with a revocation loses.
    let admit = || !app.identity.revocations().refuses(&principal);
    let regrant = app.presence.regrant(now, &stay.user, &stay.id, grant, admit);
    if regrant == Regrant::Changed {
        gateway.newcomers.note(&stay.user, &stay.id, &principal.login, app.clock.unix_millis());
    }
    Progress::Done(match regrant {
        Regrant::Done | Regrant::Changed => {
            stay.lifetime = Lifetime::new(expires_at);
            let seconds_left = stay.lifetime.seconds_left(&app.clock);
            Ok(Answer::Refreshed { lifetime: stay.lifetime, seconds_left })
        }
        Regrant::Gone | Regrant::NotAdmitted => Err(EventError::Token(TokenRefusal::Revoked)),
    })
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}
