//! The one argument of an event: an object whose keys are known. Whatever else comes is `payload_invalid`, which names
//! the field. Does not know: what a field means.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::reply::EventError;
use crate::gateway::strict;

/// Reads arguments of events.
pub(super) struct Fields;

impl Fields {
    /// The values of `names` in the first argument, each as it came, `None` for one that is not there. Without any names
    /// the argument may be missing or `null` as well.
    ///
    /// # Errors
    /// [`EventError::PayloadInvalid`] for a key that is unknown or there twice, for a value that is not
    /// [`strict`], with `payload` as the field for what is no object, or a second argument.
    pub(super) fn read<'a, const N: usize>(
        json: &'a str,
        names: [&'static str; N],
    ) -> Result<[Option<&'a RawValue>; N], EventError> {
        let whole = || EventError::invalid("payload");
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let argument = deserializer.deserialize_seq(OneArgument).map_err(|_| whole())?;
        let argument = match argument {
            Some(argument) if N > 0 || argument.get() != "null" => argument.get(),
            _ if N == 0 => return Ok([None; N]),
            _ => return Err(whole()),
        };
        let mut entries = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_str(argument);
        deserializer.deserialize_map(Entries(&mut entries)).map_err(|_| whole())?;
        let mut values = [None; N];
        for (key, value) in entries {
            let Some(place) = names.iter().position(|name| *name == key) else {
                // What stands in JSON for bytes: the client has sent no object at all.
                return Err(if key == PLACEHOLDER { whole() } else { EventError::invalid(&key) });
            };
            if values[place].is_some() || !strict::is_strict(value) {
                return Err(EventError::invalid(names[place]));
            }
            values[place] = Some(value);
        }
        Ok(values)
    }
}

/// The text of a field.
///
/// # Errors
/// [`EventError::PayloadInvalid`] when it is missing or no string.
pub(super) fn text<'a>(value: Option<&'a RawValue>, name: &'static str) -> Result<Cow<'a, str>, EventError> {
    let json = value.map(RawValue::get).ok_or_else(|| EventError::invalid(name))?;
    match json.as_bytes() {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Ok(Cow::Borrowed(&json[1..json.len() - 1])),
        _ => serde_json::from_str(json).map(Cow::Owned).map_err(|_| EventError::invalid(name)),
    }
}

/// The second element of an event's array; the first is its name, and there may be no third.
struct OneArgument;

impl<'de> Visitor<'de> for OneArgument {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name and one argument")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        elements.next_element::<IgnoredAny>()?;
        let argument = elements.next_element()?;
        match elements.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom("more than one argument")),
            None => Ok(argument),
        }
    }
}

/// The entries of an object in their order, up to one more than any event knows.
struct Entries<'v, 'de>(&'v mut Vec<(Cow<'de, str>, &'de RawValue)>);

impl<'de> Visitor<'de> for Entries<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while self.0.len() <= FIELDS_MAX {
            match entries.next_entry()? {
                Some(entry) => self.0.push(entry),
                None => return Ok(()),
            }
        }
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// The key by which an object of the protocol stands for an attachment.
const PLACEHOLDER: &str = "_placeholder";
/// No event has more: one above that is known to be wrong.
const FIELDS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<[Option<&str>; 2], &str>) {
        let found =
            Fields::read(json, ["to", "data"]).map(|values| values.map(|value| value.map(RawValue::get)));
        assert_eq!(found, expected.map_err(EventError::invalid), "{json:.120}");
    }

    #[test]
    fn known_fields_come_as_they_were_sent_and_no_others() {
        check(r#"["x",{"data":{"a":[1, 2]},"to":"all"}]"#, Ok([Some("\"all\""), Some(r#"{"a":[1, 2]}"#)]));
        check(r#"["x",{}]"#, Ok([None, None]));
        check(r#"["x",{"to":"all","to":"others"}]"#, Err("to"));
        check(r#"["x",{"to":"all","extra":1}]"#, Err("extra"));
        check(r#"["x",{"__proto__":{}}]"#, Err("__proto__"));
        check(r#"["x",{"constructor":{}}]"#, Err("constructor"));
        for json in [
            r#"["x"]"#,
            r#"["x",null]"#,
            r#"["x",[]]"#,
            r#"["x","to"]"#,
            r#"["x",{},{}]"#,
            r#"["x",{"\ud800":1}]"#,
            r#"["x",{"_placeholder":true,"num":0}]"#,
        ] {
            check(json, Err("payload"));
        }
    }

    #[test]
    fn ten_thousand_keys_and_deep_nesting_are_refused_by_name() {
        let keys: Vec<String> = (0..10_000).map(|number| format!("\"k{number}\":1")).collect();
        check(&format!("[\"x\",{{{}}}]", keys.join(",")), Err("k0"));
        check(&format!("[\"x\",{{\"data\":{{{}}}}}]", keys.join(",")), Err("data"));
        let deep = format!("[\"x\",{{\"data\":{}{}}}]", "[".repeat(10_000), "]".repeat(10_000));
        check(&deep, Err("data"));
    }

    #[test]
    fn an_event_without_fields_needs_no_argument() {
        for json in [r#"["x"]"#, r#"["x",null]"#, r#"["x",{}]"#] {
            assert_eq!(Fields::read(json, []).map(|[]| ()), Ok(()), "{json}");
        }
        assert_eq!(Fields::read(r#"["x",{"a":1}]"#, []).map(|[]| ()), Err(EventError::invalid("a")));
        let bytes = Fields::read(r#"["x",{"_placeholder":true,"num":0}]"#, []).map(|[]| ());
        assert_eq!(bytes, Err(EventError::invalid("payload")));
    }

    #[test]
    fn texts_are_strings() {
        let read =
            |json| text(Some(serde_json::from_str::<&RawValue>(json).unwrap()), "to").map(Cow::into_owned);
        assert_eq!(read("\"a\""), Ok("a".to_owned()));
        assert_eq!(read(r#""\u0041\n""#), Ok("A\n".to_owned()));
        for json in ["1", "null", "[\"a\"]", r#""\ud800""#] {
            assert_eq!(read(json), Err(EventError::invalid("to")), "{json}");
        }
        assert_eq!(text(None, "to"), Err(EventError::invalid("to")));
    }
}
