//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.6): an issuer says that a login, or a user, has ended.
//! Gives what is to be revoked. Does not know: whether that was said before, who carries it out.

use serde_json::Value;

use super::claims::Claims;
use super::issuer::Issuer;
use super::{Identity, IssuerId, Login, Revocation, TOKEN_MAX, TokenRefusal, Unproven};
use crate::jose::Jws;

/// What a good logout token says.
#[derive(Clone, Debug, PartialEq)]
pub struct Logout {
    /// Whose it is.
    pub issuer: IssuerId,
    /// What ends with it: one, or a login and with it those tokens of its user that name none.
    pub revocations: Vec<Revocation>,
    /// `jti`: a logout token of this issuer is good once.
    pub token_id: Box<str>,
    /// The last second, in seconds since the epoch, at which it could be good: until then its `jti` must be remembered.
    pub until: u64,
}

impl Identity {
    /// Whether `token` is a good logout token of an entry with a `client_id`, and what it ends.
    pub fn judge_logout(&self, token: &str, now_unix_seconds: u64) -> Result<Logout, Unproven> {
        let invalid = || Unproven::from(TokenRefusal::Invalid);
        if token.len() > TOKEN_MAX {
            return Err(invalid());
        }
        let jws = Jws::parse(token).ok_or_else(invalid)?;
        let claims = Claims::parse(&jws.payload).ok_or_else(invalid)?;
        let (id, issuer) = self.only_issuer(|issuer| issuer.is_told(&claims)).ok_or_else(invalid)?;
        if !is_logout_token(&jws, &claims) {
            return Err(invalid());
        }
        issuer.verify(&jws)?;
        self.times.check(&claims, now_unix_seconds)?;
        let until = self.times.last_good(claims.expires_at);
        let revocations = self.named(id, issuer, &claims, now_unix_seconds).ok_or_else(invalid)?;
        let token_id = claims.token_id.ok_or_else(invalid)?;
        Ok(Logout { issuer: id, revocations, token_id, until })
    }

    /// A login if one is named, else all of a user's tokens up to now. With both, the login, and those tokens of the user
    /// that name none: nobody can tell whether they are of it (section 2.7: the sessions "identified by the iss and sub
    /// Claims and/or the sid Claim").
    fn named(&self, id: IssuerId, issuer: &Issuer, claims: &Claims<'_>, now: u64) -> Option<Vec<Revocation>> {
        let until = self.revoked_until(now);
        let (subject, issued_at) = (issuer.user(claims), claims.issued_at?);
        // Its name in access tokens, if the issuer uses that here too; the specification's otherwise.
        let session = issuer.session(claims)?.or_else(|| claims.session.clone());
        let by_login = session.map(|session| {
            let (subject, login) = (subject.clone(), Login::Session(session.into()));
            Revocation::Login { issuer: id, subject, login, until }
        });
        let by_user = subject.map(|subject| match by_login {
            Some(_) => Revocation::Nameless { issuer: id, subject, issued_before: issued_at, until },
            None => Revocation::User { issuer: id, subject, issued_before: issued_at, except: None, until },
        });
        let named: Vec<Revocation> = by_login.into_iter().chain(by_user).collect();
        (!named.is_empty()).then_some(named)
    }
}

/// Has what an access token has not, and the other way round. Its type is "recommended" only, so it may be missing.
fn is_logout_token(jws: &Jws<'_>, claims: &Claims<'_>) -> bool {
    let event = claims.events.and_then(|json| serde_json::from_str::<Value>(json).ok());
    let says_logout = event.is_some_and(|events| events.get(EVENT).is_some_and(Value::is_object));
    let typ_is_good = matches!(jws.typ.as_deref(), None | Some("jwt" | "logout+jwt"));
    says_logout && typ_is_good && !claims.has_nonce
}

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
