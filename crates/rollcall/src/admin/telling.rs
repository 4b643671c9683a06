//! What pages are told, in the words of `@socket.io/admin-ui`: packets appended to an outbox, and whole frames. Of a socket's
//! handshake the headers, the query and the URL are empty: they hold tokens. Does not know: when anything is told.

use std::net::IpAddr;

use engineio::handshake::TransportName;
use engineio::server::outbox::encode_text;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use socketio::event::{encode, encode_ack, encode_string};

use super::sample::Socket;
use super::{NAMESPACE, SESSIONS};
use crate::clock::to_iso8601;

/// The id that a page keeps for its next visit.
pub(super) fn session(id: &str, out: &mut Vec<u8>) {
    say(out, "session", &[&id]);
}

/// What a page may show and do. Joining, leaving and emitting are not among it, and are refused all the same.
pub(super) fn config(out: &mut Vec<u8>) {
    let features = ["DISCONNECT", "MDISCONNECT", "AGGREGATED_EVENTS", "ALL_EVENTS"];
    say(out, "config", &[&json!({ "supportedFeatures": features })]);
}

/// A command was carried out.
pub(super) fn done(id: u64, disconnected: usize, out: &mut Vec<u8>) {
    encode_ack(out, NAMESPACE, id, |out| {
        out.extend_from_slice(format!(r#"{{"ok":true,"disconnected":{disconnected}}}"#).as_bytes());
    });
}

/// A command was not.
pub(super) fn refused(id: u64, code: &str, out: &mut Vec<u8>) {
    encode_ack(out, NAMESPACE, id, |out| {
        out.extend_from_slice(br#"{"ok":false,"code":"#);
        encode_string(code, out);
        out.push(b'}');
    });
}

/// A server, as it was counted just now.
pub(super) fn server_stats(stats: &Value, out: &mut Vec<u8>) {
    frame(out, "server_stats", &[stats]);
}

/// What a page shows from now on instead of all before.
pub(super) fn all_sockets<'a>(sockets: impl Iterator<Item = &'a Socket>, is_secure: bool, out: &mut Vec<u8>) {
    let sockets: Vec<Shown<'_>> = sockets.map(|socket| Shown::of(socket, is_secure)).collect();
    frame(out, "all_sockets", &[&sockets]);
}

/// A socket has come. Gives how many events that were, as the rest do.
pub(super) fn connected(socket: &Socket, is_secure: bool, now: u64, out: &mut Vec<u8>) -> usize {
    frame(out, "socket_connected", &[&Shown::of(socket, is_secure), &to_iso8601(now)]);
    1
}

/// A socket has another transport.
pub(super) fn updated(socket: &Socket, out: &mut Vec<u8>) -> usize {
    let updated = json!({ "id": socket.id.as_str(), "nsp": SESSIONS, "transport": transport(socket) });
    frame(out, "socket_updated", &[&updated]);
    1
}

/// A socket has gone.
pub(super) fn disconnected(socket: &Socket, now: u64, out: &mut Vec<u8>) -> usize {
    let (id, at) = (socket.id.as_str(), to_iso8601(now));
    frame(out, "socket_disconnected", &[&SESSIONS, &id, &"disconnect", &at]);
    frame(out, "room_left", &[&SESSIONS, &socket.room, &id, &at]);
    2
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    /// The page groups by it. The `sid` of the connection is a key and shown to nobody; there is one socket on each.
    client_id: &'a str,
    transport: &'static str,
    nsp: &'static str,
    data: Data<'a>,
    handshake: Handshake,
    rooms: [&'a str; 1],
}

/// What the page shows as it is.
#[derive(Serialize)]
struct Data<'a> {
    user: &'a str,
    node: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Handshake {
    address: String,
    headers: Empty,
    query: Empty,
    issued: u64,
    secure: bool,
    time: String,
    url: &'static str,
    xdomain: bool,
}

#[derive(Serialize)]
struct Empty {}

impl<'a> Shown<'a> {
    fn of(socket: &'a Socket, is_secure: bool) -> Self {
        let id = socket.id.as_str();
        Self {
            id,
            client_id: id,
            transport: transport(socket),
            nsp: SESSIONS,
            data: Data {
                user: &socket.user.subject,
                node: &socket.node,
                device: serde_json::from_str(&socket.device).ok(),
            },
            handshake: Handshake {
                address: socket.ip.map(|ip: IpAddr| ip.to_string()).unwrap_or_default(),
                headers: Empty {},
                query: Empty {},
                issued: socket.connected_at,
                secure: is_secure,
                time: to_iso8601(socket.connected_at),
                url: "",
                xdomain: false,
            },
            rooms: [&socket.room],
        }
    }
}

/// The page shows a word that it does not know as it is.
fn transport(socket: &Socket) -> &'static str {
    match socket.transport {
        Some(TransportName::Polling) => "polling",
        Some(TransportName::WebSocket) => "websocket",
        None => "unknown",
    }
}

fn frame(out: &mut Vec<u8>, name: &str, arguments: &[&dyn erased::Argument]) {
    encode_text(out, |out| say(out, name, arguments));
}

fn say(out: &mut Vec<u8>, name: &str, arguments: &[&dyn erased::Argument]) {
    encode(out, NAMESPACE, name, |out| {
        for argument in arguments {
            out.push(b',');
            argument.write(out);
        }
    });
}

/// Arguments of several types in one list.
mod erased {
    use serde::Serialize;

    pub(super) trait Argument {
        fn write(&self, out: &mut Vec<u8>);
    }

    impl<T: Serialize> Argument for T {
        fn write(&self, out: &mut Vec<u8>) {
            // Texts and numbers into a vector: this cannot fail.
            let _ = serde_json::to_writer(out, self);
        }
    }
}
