//! Socket.IO packets, and the JSON of events as far as the protocol looks into it.

use serde_json::Value;
use serde_json::value::RawValue;
use socketio::binary::check_placeholders;
use socketio::{Kind, Packet, Violation, event};

/// What was read is the same when it was written and read again; a name is what the JSON says that it is.
pub fn socketio_packet(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let packet = match Packet::decode(text) {
        Ok(packet) => packet,
        Err(violation) => {
            let is_kind = matches!(input.first(), Some(b'0'..=b'6'));
            let expected = if is_kind { Violation::InvalidNumber } else { Violation::UnknownPacket };
            return assert_eq!(violation, expected, "{text:?}");
        }
    };
    assert!(packet.attachments == 0 || matches!(packet.kind, Kind::BinaryEvent | Kind::BinaryAck));
    assert!(packet.namespace.starts_with('/') && !packet.namespace.contains(','));
    assert!(!packet.data.starts_with(|first: char| first.is_ascii_digit()));
    // No JSON begins with a slash: `0/,/x` is written as the namespace `/x` would be.
    if !packet.data.starts_with('/') {
        let mut out = Vec::new();
        packet.encode(&mut out);
        let again = std::str::from_utf8(&out).expect("a packet is text");
        assert_eq!(Packet::decode(again), Ok(packet), "{text:?}");
    }
    name(packet.data);
    auth(packet.data);
    placeholders(packet.data, packet.attachments.min(ATTACHMENTS_MAX));
}

fn name(json: &str) {
    let is_array = serde_json::from_str::<Vec<&RawValue>>(json);
    assert_eq!(event::check_array(json).is_ok(), is_array.is_ok(), "{json:?}");
    let found = event::name(json);
    let Ok(elements) = is_array else { return assert_eq!(found, Err(Violation::InvalidPayload)) };
    let expected = elements.first().and_then(|first| match serde_json::from_str(first.get()) {
        Ok(Value::String(text)) => Some(text),
        // As it was written: `1e999` is a number too, which no double holds.
        _ if first.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            Some(first.get().to_owned())
        }
        _ => None,
    });
    let Ok(found) = found else {
        let reserved = found == Err(Violation::ReservedEvent);
        return match expected {
            Some(expected) => assert!(reserved && RESERVED.contains(&&*expected), "{json:?}"),
            None => assert!(!reserved, "{json:?}"),
        };
    };
    assert_eq!(Some(&*found), expected.as_deref(), "{json:?}");
    assert!(!RESERVED.contains(&&*found));
    let mut out = Vec::new();
    event::encode(&mut out, "/x", &found, |_| {});
    let text = std::str::from_utf8(&out).expect("an event is text");
    let again = Packet::decode(text).expect("an event is a packet");
    assert_eq!((again.kind, again.namespace), (Kind::Event, "/x"));
    assert_eq!(event::name(again.data), Ok(found));
}

fn auth(json: &str) {
    if event::check_auth(json).is_ok() {
        assert!(json.is_empty() || json.trim_start().starts_with('{'), "{json:?}");
        if let Ok(value) = serde_json::from_str::<Value>(json) {
            assert!(value.is_object());
        }
    }
}

/// What passes names each number once, wherever it stands.
fn placeholders(json: &str, count: u32) {
    if check_placeholders(json, count).is_ok() {
        let value: Value = serde_json::from_str(json).expect("it is JSON");
        let mut numbers = Vec::new();
        collect(&value, &mut numbers);
        numbers.sort_unstable();
        assert_eq!(numbers, (0..u64::from(count)).collect::<Vec<_>>(), "{json:?}");
    }
}

fn collect(value: &Value, numbers: &mut Vec<u64>) {
    match value {
        Value::Object(object) if object.get("_placeholder") == Some(&Value::Bool(true)) => {
            numbers.push(object.get("num").and_then(Value::as_u64).expect("a number"));
        }
        Value::Object(object) => object.values().for_each(|value| collect(value, numbers)),
        Value::Array(array) => array.iter().for_each(|value| collect(value, numbers)),
        _ => {}
    }
}

/// Names that the client libraries emit by themselves.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
/// As the default of the protocol.
const ATTACHMENTS_MAX: u32 = 10;
