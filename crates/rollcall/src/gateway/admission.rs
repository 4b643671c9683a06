//! May this client in? The token is judged first, then what it says of itself. Does not know: what becomes of the answer.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Gateway;
use super::codes::{Field, SessionError};
use super::greeting::Greeting;
use crate::identity::{Pending, Principal, TokenRefusal, Unproven, find};
use crate::registry::SocketId;
use crate::registry::session::DeviceId;

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

/// Who it is, and what it says of itself.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) principal: Principal,
    /// The label that it gave.
    pub(super) context: Option<Box<str>>,
    /// What it calls the device that it runs on.
    pub(super) device: Option<DeviceId>,
    /// The session that it says it had before.
    pub(super) replaces: Option<SocketId>,
}

/// Who it is, or why it may not in; `auth` is a JSON object, or `""`.
pub(super) fn judge(gateway: &Gateway, greeting: &Greeting, auth: &str) -> Result<Admitted, NotAdmitted> {
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
    let device = device_id(auth.device_id)?.map(|sent| DeviceId {
        tag: app.identity.device_tag(principal.issuer, &principal.subject, &sent),
        key: device_key(&sent),
    });
    Ok(Admitted { principal, context, device, replaces: auth.replaces.and_then(socket_id) })
}

/// What the client calls its device. `null` and `""` count as absent.
fn device_id(auth: Option<&RawValue>) -> Result<Option<String>, SessionError> {
    let invalid = SessionError::ContextInvalid(Field::DeviceId);
    let sent: Option<String> = match auth {
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| invalid)?,
        None => None,
    };
    match sent {
        Some(sent) if sent.chars().count() > DEVICE_CHARACTERS => Err(invalid),
        sent => Ok(sent.filter(|sent| !sent.is_empty())),
    }
}

fn device_key(sent: &str) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest(&SHA256, sent.as_bytes()).as_ref()[..16]);
    half
}

/// What is no `socketId` names no session.
fn socket_id(raw: &RawValue) -> Option<SocketId> {
    serde_json::from_str::<&str>(raw.get()).ok().and_then(SocketId::parse)
}

/// The label of `auth`, else that of the query. `null` and `""` count as absent.
fn context(auth: Option<&RawValue>, query: Option<&str>) -> Result<Option<Box<str>>, SessionError> {
    let from_auth: Option<String> = match auth {
        Some(raw) => {
            serde_json::from_str(raw.get()).map_err(|_| SessionError::ContextInvalid(Field::Context))?
        }
        None => None,
    };
    let label =
        from_auth.as_deref().filter(|label| !label.is_empty()).or(query.filter(|label| !label.is_empty()));
    match label {
        Some(label) if label.chars().count() > CONTEXT_CHARACTERS => {
            Err(SessionError::ContextInvalid(Field::Context))
        }
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
    #[serde(borrow, default, rename = "deviceId")]
    device_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    replaces: Option<&'a RawValue>,
}

/// Unicode code points: what a page shows on two lines.
const CONTEXT_CHARACTERS: usize = 256;
/// The same: more than a UUID, and a name.
const DEVICE_CHARACTERS: usize = 64;

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
        check(None, Some(&"é".repeat(257)), Err(SessionError::ContextInvalid(Field::Context)));
        for other in ["1", "true", "[]", "{}", "[\"a\"]", "\"\\ud800\""] {
            check(Some(other), Some("tab"), Err(SessionError::ContextInvalid(Field::Context)));
        }
    }

    #[test]
    fn a_device_id_is_a_short_text_or_absent() {
        let check = |json: Option<&str>, expected: Result<Option<&str>, SessionError>| {
            let raw: Option<Box<RawValue>> = json.map(|json| serde_json::from_str(json).unwrap());
            let found = device_id(raw.as_deref());
            assert_eq!(found.as_ref().map(Option::as_deref), expected.as_ref().map(|sent| *sent), "{json:?}");
        };
        check(None, Ok(None));
        check(Some("null"), Ok(None));
        check(Some("\"\""), Ok(None));
        check(Some("\"phone 1\""), Ok(Some("phone 1")));
        let longest = "é".repeat(64);
        check(Some(&format!("\"{longest}\"")), Ok(Some(&longest)));
        for json in [&format!("\"{longest}x\""), "1", "{}", "[\"a\"]", "\"\\ud800\""] {
            check(Some(json), Err(SessionError::ContextInvalid(Field::DeviceId)));
        }
    }

    #[test]
    fn what_is_no_socket_id_replaces_nothing() {
        let read = |json: &str| socket_id(serde_json::from_str::<&RawValue>(json).unwrap());
        assert!(read("\"6LxqSTgyTWhfGnk21B8D\"").is_some());
        for json in ["null", "1", "\"\"", "\"6LxqSTgyTWhfGnk21B8\"", "[\"6LxqSTgyTWhfGnk21B8D\"]"] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
