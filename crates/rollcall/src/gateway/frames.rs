//! Lists and messages as frames, encoded once for all who get them. Does not know: who that is.

use engineio::server::Outbox;
use engineio::server::outbox::{encode_binary, encode_text};
use socketio::connection::encode_connected;
use socketio::event;

use super::fanout::Message;
use super::items::{encode_list, encode_revision};
use super::sessions::NAMESPACE;
use crate::clock::encode_iso8601;
use crate::registry::{Roster, SocketId};

/// The text and the attachments behind it as one piece: nothing comes between them.
pub(super) fn encode_message(message: &Message<'_>) -> Vec<u8> {
    let attachments = message.attachments.iter().map(|data| data.len() + FRAME_HEADER_BYTES).sum::<usize>();
    let mut frames = Vec::with_capacity(MESSAGE_BYTES + message.data.len() + attachments);
    encode_text(&mut frames, |out| {
        let arguments = |out: &mut Vec<u8>| {
            out.extend_from_slice(br#",{"from":"#);
            match message.from {
                Some(from) => event::encode_string(from.as_str(), out),
                None => out.extend_from_slice(b"null"),
            }
            out.extend_from_slice(br#","event":"#);
            event::encode_string(message.event, out);
            out.extend_from_slice(br#","data":"#);
            out.extend_from_slice(message.data.as_bytes());
            out.extend_from_slice(br#","sentAt":""#);
            encode_iso8601(message.sent_at, out);
            out.extend_from_slice(br#""}"#);
        };
        match u32::try_from(message.attachments.len()) {
            Ok(count @ 1..) => event::encode_binary(out, NAMESPACE, "sessions:message", count, arguments),
            Ok(0) | Err(_) => event::encode(out, NAMESPACE, "sessions:message", arguments),
        }
    });
    for data in message.attachments {
        encode_binary(&mut frames, data);
    }
    frames
}

/// CONNECT and `ready` of a session. Gives the list as JSON, for the `update` that follows: it is encoded once.
pub(super) fn welcome(roster: &Roster<'_>, id: &SocketId, out: &mut Outbox<'_>) -> Vec<u8> {
    let expires_at = roster.find(id).map_or(0, |session| u64::from(session.grant.expires_at) * 1000);
    let mut list = Vec::with_capacity(ITEM_BYTES * roster.sessions().len());
    encode_list(roster.sessions(), &mut list);
    out.text(|out| encode_connected(NAMESPACE, id.as_str(), out));
    out.text(|out| {
        event::encode(out, NAMESPACE, "sessions:ready", |out| {
            out.extend_from_slice(br#",{"socketId":""#);
            out.extend_from_slice(id.as_str().as_bytes());
            out.extend_from_slice(br#"","sessions":"#);
            out.extend_from_slice(&list);
            out.push(b',');
            encode_revision(roster, out);
            out.extend_from_slice(br#","expiresAt":""#);
            encode_iso8601(expires_at, out);
            out.extend_from_slice(br#""}"#);
        });
    });
    list
}

/// Appends a whole frame with the list, which may be JSON already.
pub(super) fn encode_update(roster: &Roster<'_>, list: Option<&[u8]>, frame: &mut Vec<u8>) {
    encode_text(frame, |out| {
        event::encode(out, NAMESPACE, "sessions:update", |out| {
            out.push(b',');
            match list {
                Some(list) => out.extend_from_slice(list),
                None => encode_list(roster.sessions(), out),
            }
            out.extend_from_slice(b",{");
            encode_revision(roster, out);
            out.push(b'}');
        });
    });
}

/// What surrounds a list, and what one item takes: first guesses of a buffer's size.
pub(super) const FRAME_BYTES: usize = 96;
pub(super) const ITEM_BYTES: usize = 384;
/// The same of a message without its data, and of what stands in front of each attachment.
const MESSAGE_BYTES: usize = 320;
const FRAME_HEADER_BYTES: usize = 10;
