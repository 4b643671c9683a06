//! The JSON of an event or an acknowledgement, read only as far as the protocol needs: is it an array, what is the
//! event's name. The rest is passed through as it came.
//! Does not know: packets, namespaces.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::Violation;
use crate::packet::{self, Kind};

/// The name of an event: the first element of its array, a string, or a number as it was written.
///
/// # Errors
/// [`Violation::InvalidPayload`] unless `json` is an array that begins with a string or a number;
/// [`Violation::ReservedEvent`].
pub fn name(json: &str) -> Result<Cow<'_, str>, Violation> {
    let first = read(json, FirstElement)?.ok_or(Violation::InvalidPayload)?;
    let written = first.get();
    let name = match written.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Cow::Borrowed(&written[1..written.len() - 1]),
        [b'"', ..] => Cow::Owned(serde_json::from_str(written).map_err(|_| Violation::InvalidPayload)?),
        [b'-' | b'0'..=b'9', ..] => Cow::Borrowed(written),
        _ => return Err(Violation::InvalidPayload),
    };
    match RESERVED.contains(&&*name) {
        true => Err(Violation::ReservedEvent),
        false => Ok(name),
    }
}

/// Checks that `json` is an array: the arguments of an acknowledgement.
///
/// # Errors
/// [`Violation::InvalidPayload`].
pub fn check_array(json: &str) -> Result<(), Violation> {
    read(json, FirstElement).map(|_| ())
}

/// Checks that `json` is an object, or nothing at all: what CONNECT carries.
///
/// # Errors
/// [`Violation::InvalidPayload`].
pub fn check_auth(json: &str) -> Result<(), Violation> {
    match json {
        "" => Ok(()),
        json => {
            let mut deserializer = serde_json::Deserializer::from_str(json);
            let checked = (&mut deserializer).deserialize_map(AnyObject).and_then(|()| deserializer.end());
            checked.map_err(|_| Violation::InvalidPayload)
        }
    }
}

/// Appends an event without attachments; `arguments` appends each one behind a comma of its own.
pub fn encode(out: &mut Vec<u8>, namespace: &str, name: &str, arguments: impl FnOnce(&mut Vec<u8>)) {
    packet::encode_head(Kind::Event, 0, namespace, None, out);
    out.push(b'[');
    encode_string(name, out);
    arguments(out);
    out.push(b']');
}

/// Appends an event that this many binary messages follow, in the order of the numbers in its placeholders.
pub fn encode_binary(
    out: &mut Vec<u8>,
    namespace: &str,
    name: &str,
    attachments: u32,
    arguments: impl FnOnce(&mut Vec<u8>),
) {
    packet::encode_head(Kind::BinaryEvent, attachments, namespace, None, out);
    out.push(b'[');
    encode_string(name, out);
    arguments(out);
    out.push(b']');
}

/// Appends an acknowledgement whose one argument `argument` appends.
pub fn encode_ack(out: &mut Vec<u8>, namespace: &str, id: u64, argument: impl FnOnce(&mut Vec<u8>)) {
    packet::encode_head(Kind::Ack, 0, namespace, Some(id), out);
    out.push(b'[');
    argument(out);
    out.push(b']');
}

/// Appends a JSON string (RFC 8259, section 7).
pub fn encode_string(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, text).is_err() {
        // Writing a string into a vector cannot fail; if it could, an empty string would still be JSON.
        out.truncate(start);
        out.extend_from_slice(b"\"\"");
    }
}

fn read(json: &str, visitor: FirstElement) -> Result<Option<&RawValue>, Violation> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let first = (&mut deserializer).deserialize_seq(visitor).map_err(|_| Violation::InvalidPayload)?;
    deserializer.end().map_err(|_| Violation::InvalidPayload)?;
    Ok(first)
}

/// Reads an array, keeps its first element's text and checks the rest. However deep it nests, the stack does not grow:
/// skipping is a loop in serde_json.
struct FirstElement;

impl<'de> Visitor<'de> for FirstElement {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let first = elements.next_element()?;
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

struct AnyObject;

impl<'de> Visitor<'de> for AnyObject {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>().map_err(Error::custom)?.is_some() {}
        Ok(())
    }
}

/// Names that a client library emits by itself (the reference parser's list).
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_strings_or_numbers() {
        assert_eq!(name(r#"["a",1,{"b":[]}]"#).as_deref(), Ok("a"));
        assert_eq!(name(r#" [ "a\"b" , 2 ] "#).as_deref(), Ok("a\"b"));
        assert_eq!(name("[12]").as_deref(), Ok("12"));
    }

    #[test]
    fn events_without_a_name_are_refused() {
        for json in [
            "",
            "{}",
            "[]",
            "[null]",
            "[{}]",
            "[[\"a\"]]",
            "[true]",
            "[\"a\"",
            "[\"a\"]x",
            "[\"a\",]",
            "[\"\\ud800\"]",
        ] {
            assert_eq!(name(json), Err(Violation::InvalidPayload), "{json}");
        }
        for reserved in RESERVED {
            assert_eq!(name(&format!("[\"{reserved}\"]")), Err(Violation::ReservedEvent));
        }
    }

    #[test]
    fn deep_nesting_is_passed_through_without_growing_the_stack() {
        let deep = format!("[\"a\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(name(&deep).as_deref(), Ok("a"));
        let auth = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(check_auth(&auth), Ok(()));
    }

    #[test]
    fn auth_is_an_object_or_nothing() {
        assert_eq!(check_auth(""), Ok(()));
        assert_eq!(check_auth(r#"{"token":"x","token":null}"#), Ok(()));
        for json in ["[]", "null", "1", "\"x\"", "{", "{}x"] {
            assert_eq!(check_auth(json), Err(Violation::InvalidPayload), "{json}");
        }
    }

    #[test]
    fn events_are_written_as_they_are_read() {
        let mut out = Vec::new();
        encode(&mut out, "/x", "a\"b", |out| out.extend_from_slice(b",1"));
        assert_eq!(out, br#"2/x,["a\"b",1]"#);
        out.clear();
        encode_ack(&mut out, "/", 7, |out| out.extend_from_slice(b"{}"));
        assert_eq!(out, b"37[{}]");
        out.clear();
        encode_binary(&mut out, "/x", "a", 2, |out| {
            out.extend_from_slice(br#",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}"#);
        });
        assert_eq!(out, br#"52-/x,["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(json: String) {
            let _ = (name(&json), check_array(&json), check_auth(&json));
        }

        #[test]
        fn any_name_survives_the_round_trip(event: String) {
            let mut out = Vec::new();
            encode(&mut out, "/", &event, |_| {});
            let json = String::from_utf8(out.split_off(1)).unwrap();
            match name(&json) {
                Ok(found) => proptest::prop_assert_eq!(found, event),
                Err(violation) => proptest::prop_assert_eq!(violation, Violation::ReservedEvent),
            }
        }
    }
}
