//! Sessions as JSON: the list that `sessions:ready` and `sessions:update` carry.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use engineio::digits::encode_decimal;
use socketio::event::encode_string;

use crate::clock::encode_iso8601;
use crate::registry::{Details, Roster, Session};

/// Appends the whole list.
pub fn encode_list(sessions: &[Session], out: &mut Vec<u8>) {
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
    out.extend_from_slice(br#""revision":"#);
    encode_decimal(roster.revision(), out);
    out.extend_from_slice(br#","complete":"#);
    out.extend_from_slice(if roster.is_complete() { b"true" } else { b"false" });
}

/// Appends one session.
pub fn encode_item(session: &Session, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"socketId":""#);
    out.extend_from_slice(session.id.as_str().as_bytes());
    out.extend_from_slice(br#"","connectedAt":""#);
    encode_iso8601(session.connected_at, out);
    out.extend_from_slice(br#"","metadata":{"ip":""#);
    match session.ip {
        Some(IpAddr::V4(ip)) => encode_ipv4(ip, out),
        Some(IpAddr::V6(ip)) => {
            let _ = write!(out, "{ip}"); // writing into a vector cannot fail; an address needs no escape
        }
        None => {}
    }
    out.extend_from_slice(br#"","userAgent":"#);
    out.extend_from_slice(session.agent.user_agent.as_bytes());
    if let Some(context) = &session.context {
        out.extend_from_slice(br#","context":"#);
        encode_string(context, out);
    }
    out.extend_from_slice(br#"},"login":""#);
    encode_hex(session.grant.tag.as_bytes(), out);
    out.push(b'"');
    if !session.agent.device.is_empty() {
        out.extend_from_slice(br#","device":"#);
        out.extend_from_slice(session.agent.device.as_bytes());
    }
    if let Some(details) = &session.details {
        encode_details(details, out);
    }
    out.push(b'}');
}

fn encode_details(details: &Details, out: &mut Vec<u8>) {
    if let Some(device) = details.device {
        out.extend_from_slice(br#","deviceId":""#);
        encode_hex(device.tag.as_bytes(), out);
        out.push(b'"');
    }
    if let Some(label) = &details.label {
        out.extend_from_slice(br#","label":"#);
        encode_string(label, out);
    }
    if let Some(activity) = details.activity {
        let _ = write!(out, r#","state":"{}""#, activity.state.as_str()); // as above
        if let Some(at) = activity.last_active_at {
            out.extend_from_slice(br#","lastActiveAt":""#);
            encode_iso8601(at, out);
            out.push(b'"');
        }
    }
}

/// As `Display` writes it, whose padding and fill cost many times the digits: a list has an address for each session.
fn encode_ipv4(ip: Ipv4Addr, out: &mut Vec<u8>) {
    for (place, octet) in ip.octets().into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        if octet >= 100 {
            out.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            out.push(b'0' + octet / 10 % 10);
        }
        out.push(b'0' + octet % 10);
    }
}

fn encode_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_display_writes_it() {
        for octet in 0..=255 {
            let ip = Ipv4Addr::new(octet, 255 - octet, 0, octet);
            let mut out = Vec::new();
            encode_ipv4(ip, &mut out);
            assert_eq!(out, ip.to_string().into_bytes());
        }
    }
}
