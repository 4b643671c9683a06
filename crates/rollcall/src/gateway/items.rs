//! Sessions as JSON: the list that `sessions:ready` and `sessions:update` carry.

use std::io::Write;

use socketio::event::encode_string;

use crate::clock::to_iso8601;
use crate::registry::{Roster, Session};

/// Appends the whole list.
pub(super) fn encode_list(sessions: &[Session], out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, session) in sessions.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        encode_item(session, out);
    }
    out.push(b']');
}

/// Appends `"revision":…,"complete":…`, without braces.
pub(super) fn encode_revision(roster: &Roster<'_>, out: &mut Vec<u8>) {
    // Writing into a vector cannot fail.
    let _ = write!(out, r#""revision":{},"complete":{}"#, roster.revision(), roster.is_complete());
}

fn encode_item(session: &Session, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"socketId":""#);
    out.extend_from_slice(session.id.as_str().as_bytes());
    out.extend_from_slice(br#"","connectedAt":""#);
    out.extend_from_slice(to_iso8601(session.connected_at).as_bytes());
    out.extend_from_slice(br#"","metadata":{"ip":""#);
    if let Some(ip) = session.ip {
        let _ = write!(out, "{ip}"); // as above; an address needs no escape
    }
    out.extend_from_slice(br#"","userAgent":"#);
    encode_string(&session.user_agent, out);
    if let Some(context) = &session.context {
        out.extend_from_slice(br#","context":"#);
        encode_string(context, out);
    }
    out.extend_from_slice(b"}}");
}
