//! May this client in? The token is judged first, then the label. Does not know: what becomes of the answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Gateway;
use super::codes::SessionError;
use super::greeting::Greeting;
use crate::identity::{Pending, Principal, TokenRefusal, Unproven, find};

/// Why a client is not let in now.
#[derive(Debug)]
pub(super) enum NotAdmitted {
    Refused(SessionError),
    /// To be judged again when this is resolved.
    Pending(Pending),
}

impl From<SessionError> for NotAdmitted {
    fn from(error: SessionError) -> Self {
        Self::Refused(error)
    }
}

/// Who it is and what it calls itself, or why it may not in; `auth` is a JSON object, or `""`.
pub(super) fn judge(
    gateway: &Gateway,
    greeting: &Greeting,
    auth: &str,
) -> Result<(Principal, Option<Box<str>>), NotAdmitted> {
    if gateway.is_closed() {
        return Err(SessionError::ServerShutdown.into());
    }
    if gateway.app.is_unavailable() {
        return Err(SessionError::Unavailable.into());
    }
    let auth: Auth<'_> = match auth {
        "" => Auth::default(),
        // The connection has checked that it is an object; what is left is a key that stands there twice.
        auth => serde_json::from_str(auth).map_err(|_| SessionError::Token(TokenRefusal::Invalid))?,
    };
    let given = greeting.given.as_deref();
    let app = &gateway.app;
    let token = find(
        app.config.identity.token_from.as_slice(),
        given.and_then(|given| given.header_token.as_deref()),
        auth.token,
        given.and_then(|given| given.query_token.as_deref()),
    )
    .map_err(SessionError::Token)?;
    let principal =
        app.identity.judge(&token, app.clock.unix_seconds()).map_err(|unproven| match unproven {
            Unproven::Refused(refusal) => SessionError::Token(refusal).into(),
            Unproven::Pending(pending) => NotAdmitted::Pending(pending),
            Unproven::Unavailable => SessionError::Unavailable.into(),
        })?;
    let context = context(auth.context, given.and_then(|given| given.query_context.as_deref()))?;
    Ok((principal, context))
}

/// The label of `auth`, else that of the query. `null` and `""` count as absent.
fn context(auth: Option<&RawValue>, query: Option<&str>) -> Result<Option<Box<str>>, SessionError> {
    let from_auth: Option<String> = match auth {
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| SessionError::ContextInvalid)?,
        None => None,
    };
    let label =
        from_auth.as_deref().filter(|label| !label.is_empty()).or(query.filter(|label| !label.is_empty()));
    match label {
        Some(label) if label.chars().count() > CONTEXT_CHARACTERS => Err(SessionError::ContextInvalid),
        label => Ok(label.map(Box::from)),
    }
}

/// What `auth` may hold besides keys that are passed over.
#[derive(Debug, Default, Deserialize)]
struct Auth<'a> {
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
}

/// Unicode code points: what a page shows on two lines.
const CONTEXT_CHARACTERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(auth: Option<&str>, query: Option<&str>, expected: Result<Option<&str>, SessionError>) {
        let raw: Option<Box<RawValue>> = auth.map(|auth| serde_json::from_str(auth).unwrap());
        let found = context(raw.as_deref(), query);
        assert_eq!(
            found.as_ref().map(Option::as_deref),
            expected.as_ref().map(|label| *label),
            "{auth:?} {query:?}"
        );
    }

    #[test]
    fn a_context_is_a_short_label_or_absent() {
        check(None, None, Ok(None));
        check(Some("null"), None, Ok(None));
        check(Some("\"\""), Some(""), Ok(None));
        check(Some("\"tab 1\""), Some("tab 2"), Ok(Some("tab 1")));
        check(Some("null"), Some("tab 2"), Ok(Some("tab 2")));
        let longest = "é".repeat(256);
        check(None, Some(&longest), Ok(Some(&longest)));
        check(None, Some(&"é".repeat(257)), Err(SessionError::ContextInvalid));
        for other in ["1", "true", "[]", "{}", "[\"a\"]", "\"\\ud800\""] {
            check(Some(other), Some("tab"), Err(SessionError::ContextInvalid));
        }
    }
}
