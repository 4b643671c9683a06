//! One session as the other nodes of a cluster read it: a JSON object with short names, since Redis holds one for each
//! live session. A release adds names and never gives one another meaning: what is unknown is passed over, what is missing
//! has its empty value, so two releases run side by side. Does not know: where records are kept.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::intern::{Agent, Interner};
use super::session::{Activity, Details, DeviceId, Grant, Session, SocketId, State};
use crate::identity::{Login, Tag};

/// What is said of a session. Its id stands beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Record<'a> {
    /// `connected_at`, in milliseconds since the Unix epoch.
    #[serde(rename = "c")]
    connected_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    /// A JSON string inside a JSON string: what every list shows, escaped once.
    #[serde(rename = "ua", borrow, default, skip_serializing_if = "str::is_empty")]
    user_agent: Cow<'a, str>,
    /// A JSON object, likewise.
    #[serde(rename = "d", borrow, default, skip_serializing_if = "str::is_empty")]
    device: Cow<'a, str>,
    #[serde(rename = "x", borrow, default, skip_serializing_if = "Option::is_none")]
    context: Option<Cow<'a, str>>,
    /// As [`Login`] writes itself.
    #[serde(rename = "l")]
    login: String,
    /// The public id of the login.
    #[serde(rename = "t")]
    tag: String,
    /// Seconds since the epoch.
    #[serde(rename = "e")]
    expires_at: u32,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    issued_at: Option<NonZeroU32>,
    /// The public id and the key of a device, both in hexadecimal.
    #[serde(rename = "dev", default, skip_serializing_if = "Option::is_none")]
    device_id: Option<(String, String)>,
    #[serde(rename = "n", borrow, default, skip_serializing_if = "Option::is_none")]
    label: Option<Cow<'a, str>>,
    /// The word of `sessions:state`, and when its user was last active.
    #[serde(rename = "s", borrow, default, skip_serializing_if = "Option::is_none")]
    activity: Option<(Cow<'a, str>, Option<u64>)>,
}

/// The record of a session.
pub fn encode(session: &Session) -> Vec<u8> {
    let Session { connected_at, ip, agent, context, grant, details, .. } = session;
    let details = details.as_deref();
    let record = Record {
        connected_at: *connected_at,
        ip: *ip,
        user_agent: (&*agent.user_agent).into(),
        device: (&*agent.device).into(),
        context: context.as_deref().map(Cow::from),
        login: grant.login.to_string(),
        tag: hex(grant.tag.as_bytes()),
        expires_at: grant.expires_at,
        issued_at: grant.issued_at().and_then(NonZeroU32::new),
        device_id: details
            .and_then(|details| details.device)
            .map(|device| (hex(device.tag.as_bytes()), hex(&device.key))),
        label: details.and_then(|details| details.label.as_deref()).map(Cow::from),
        activity: details
            .and_then(|details| details.activity)
            .map(|activity| (activity.state.as_str().into(), activity.last_active_at)),
    };
    // Texts and numbers alone: this cannot fail.
    serde_json::to_vec(&record).unwrap_or_default()
}

/// The session of a record; `None` when it is none that can be read. It is on another node: it has no mailbox.
pub fn decode(id: SocketId, record: &[u8], agents: &Interner) -> Option<Session> {
    let record: Record<'_> = serde_json::from_slice(record).ok()?;
    let device = match record.device_id {
        Some((tag, key)) => Some(DeviceId { tag: Tag::from(unhex::<8>(&tag)?), key: unhex::<16>(&key)? }),
        None => None,
    };
    let label = record.label.map(|label| label.into_owned().into());
    let activity = match record.activity {
        // A word of a later release is none here.
        Some((word, last_active_at)) => State::parse(&word).map(|state| Activity { state, last_active_at }),
        None => None,
    };
    let details = Details { device, label, activity };
    let (login, tag) = (Login::parse(&record.login)?, Tag::from(unhex::<6>(&record.tag)?));
    let issued_at = record.issued_at.map(NonZeroU32::get);
    let joined_at = u32::try_from(record.connected_at / 1000).unwrap_or(u32::MAX);
    let grant = Grant::of(login, tag, record.expires_at, issued_at, joined_at);
    Some(Session {
        id,
        connected_at: record.connected_at,
        ip: record.ip,
        agent: intern(agents, &record.user_agent, &record.device)?,
        context: record.context.map(|context| context.into_owned().into()),
        grant,
        details: (details != Details::default()).then(|| Box::new(details)),
        mailbox: None,
    })
}

/// Shared with the sessions of this node that say the same of themselves. What is put into lists as it is has to be the
/// JSON that it says it is: `None` when it is not.
fn intern(agents: &Interner, user_agent: &str, device: &str) -> Option<super::Interned> {
    let said: Cow<'_, str> = match user_agent {
        "" => "".into(),
        json => serde_json::from_str::<String>(json).ok()?.into(),
    };
    if !device.is_empty() {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(device).ok()?;
    }
    let key = if said.is_empty() { device.into() } else { said };
    Some(agents.intern(&key, || Agent { user_agent: user_agent.into(), device: device.into() }))
}

/// Twice as many hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing into a string cannot fail
        text
    })
}

pub(super) fn unhex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> SocketId {
        SocketId::parse("abcdefghijklmnopqrst").unwrap()
    }

    fn full(agents: &Interner) -> Session {
        let agent = Agent {
            user_agent: r#""Firefox \"1\"""#.into(),
            device: r#"{"os":"Linux","type":"desktop"}"#.into(),
        };
        Session {
            id: id(),
            connected_at: 1_700_000_000_123,
            ip: Some("2001:db8::1".parse().unwrap()),
            agent: agents.intern("Firefox \"1\"", || agent),
            context: Some("tab \u{1f980}".into()),
            grant: Grant::of(
                Login::Session("s 1:\"2\"".into()),
                Tag::from([1, 2, 3, 4, 5, 255]),
                4_000_000_000,
                Some(1_700_000_000),
                1_700_000_000,
            ),
            details: Some(Box::new(Details {
                device: Some(DeviceId { tag: Tag::from([7; 8]), key: [9; 16] }),
                label: Some("Küche".into()),
                activity: Some(Activity { state: State::Idle, last_active_at: Some(5) }),
            })),
            mailbox: None,
        }
    }

    #[test]
    fn a_session_comes_back_as_it_was_and_shares_its_agent() {
        let agents = Interner::default();
        let session = full(&agents);
        let again = decode(id(), &encode(&session), &agents).unwrap();
        assert_eq!(format!("{again:?}"), format!("{session:?}"));
        assert_eq!(agents.len(), 1);
    }

    #[test]
    fn the_least_that_a_record_may_say_is_enough() {
        let agents = Interner::default();
        let least = br#"{"c":1,"l":"jti:x","t":"010203040506","e":2,"later":{"a":[1]},"s":["asleep",null]}"#;
        let session = decode(id(), least, &agents).unwrap();
        assert_eq!((session.connected_at, session.grant.expires_at), (1, 2));
        assert!(session.ip.is_none() && session.context.is_none() && session.details.is_none());
        assert_eq!((&*session.agent.user_agent, &*session.agent.device), ("", ""));
    }

    #[test]
    fn what_is_no_record_is_none() {
        let agents = Interner::default();
        let good = String::from_utf8(encode(&full(&agents))).unwrap();
        for (part, other) in [
            ("\"c\":1700000000123", "\"c\":-1"),
            ("sid:", "sud:"),
            ("01020304", "0102030x"),
            ("2001:db8::1", "2001:db8::1::"),
            ("{\\\"os\\\"", "[\\\"os\\\""),
            ("\"ua\":\"\\\"", "\"ua\":\""),
        ] {
            let bad = good.replacen(part, other, 1);
            assert_ne!(bad, good, "{part}");
            assert!(decode(id(), bad.as_bytes(), &agents).is_none(), "{part}");
        }
        for bad in ["", "{}", "[]", "null", "{\"c\":1}"] {
            assert!(decode(id(), bad.as_bytes(), &agents).is_none(), "{bad}");
        }
    }
}
