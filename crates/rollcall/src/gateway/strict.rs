//! Which JSON is taken from one client and handed to another: what every JSON library reads alike. A lenient parser in
//! front of a strict one is how one client breaks another. Does not know: fields, events.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Whether `value` nests at most 128 deep (what serde_json reads), has at most 4,096 keys in all, none twice in one
/// object, none that names an object's prototype in JavaScript or that serde_json takes for its own, no number that is
/// infinite as a double, no lone surrogate and no NUL, which SQL cannot keep.
pub fn is_strict(value: &RawValue) -> bool {
    let mut keys_left = KEYS_MAX;
    let mut deserializer = serde_json::Deserializer::from_str(value.get());
    Strict { keys_left: &mut keys_left }.deserialize(&mut deserializer).is_ok()
}

struct Strict<'k> {
    keys_left: &'k mut usize,
}

impl Strict<'_> {
    fn again(&mut self) -> Strict<'_> {
        Strict { keys_left: self.keys_left }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON that is read alike everywhere")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match text.contains('\0') {
            true => Err(E::custom("a NUL")),
            false => Ok(()),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(self.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let mut seen: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(key) = entries.next_key::<Cow<'de, str>>()? {
            let left = self.keys_left.checked_sub(1).ok_or_else(|| A::Error::custom("too many keys"))?;
            *self.keys_left = left;
            if PROTOTYPES.contains(&&*key) || key.starts_with(PRIVATE) || key.contains('\0') {
                return Err(A::Error::custom("a key that nobody needs"));
            }
            if !seen.insert(key) {
                return Err(A::Error::custom("a key that is there twice"));
            }
            entries.next_value_seed(self.again())?;
        }
        Ok(())
    }
}

/// Keys in one argument, in all of its objects: more than fits into most messages.
const KEYS_MAX: usize = 4096;
/// Keys by which a careless merge in JavaScript changes every object of the page (prototype pollution).
const PROTOTYPES: [&str; 2] = ["__proto__", "constructor"];
/// Keys that `serde_json`, read here and by other clients, takes for its own: it puts other JSON in the object's place.
const PRIVATE: &str = "$serde_json::private::";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: bool) {
        let value: &RawValue = serde_json::from_str(json).unwrap();
        assert_eq!(is_strict(value), expected, "{json:.80}");
    }

    #[test]
    fn ordinary_json_is_taken() {
        for json in [
            "null",
            "true",
            "-1.5e300",
            "123456789012345678901234567890",
            r#""\ud83d\ude00 é""#,
            r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#,
        ] {
            check(json, true);
        }
        check(&format!("{}{}", "[".repeat(100), "]".repeat(100)), true);
    }

    #[test]
    fn what_libraries_read_differently_or_cannot_read_is_refused() {
        for json in [
            "1e999",
            "[-1e999]",
            r#""\ud800""#,
            r#"{"a":"\udc00"}"#,
            r#"{"\ud800":1}"#,
            r#""a\u0000b""#,
            r#"{"a\u0000":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"[{"__proto__":{"isAdmin":true}}]"#,
            r#"{"constructor":{"prototype":{}}}"#,
        ] {
            check(json, false);
        }
        check(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), false);
    }

    /// Found by the fuzzer: the second is `{"_placeholder":true,"num":0}` to one reader and a text to all others.
    #[test]
    fn keys_that_one_library_takes_for_its_own_are_refused() {
        check(r#"{"$serde_json::private::RawValue":1}"#, false);
        check(r#"[{"$serde_json::private::RawValue":"{\"_placeholder\":true,\"num\":0}"}]"#, false);
        check(r#"{"\u0024serde_json::private::Number":"1"}"#, false);
        check(r#"{"$serde":1,"a":"$serde_json::private::RawValue"}"#, true);
    }

    #[test]
    fn keys_are_counted_over_all_objects() {
        let objects = |count: usize| format!("[{}]", vec![r#"{"a":1,"b":2}"#; count].join(","));
        check(&objects(KEYS_MAX / 2), true);
        check(&objects(KEYS_MAX / 2 + 1), false);
    }
}
