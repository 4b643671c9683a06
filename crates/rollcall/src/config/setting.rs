//! One value of the configuration: written as text in the environment and natively in TOML, parsed by one function.
//!
//! `#[serde(with = "setting")]` on a field takes a TOML string, number or boolean alike, turns it into text and
//! parses that, so `ROLLCALL_IDENTITY__SECRET=1234…` stays a secret and never becomes a number.

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A type that a key may have.
pub trait Setting: Sized {
    /// What is allowed, for the error message: completes "allowed: …".
    const ALLOWED: &'static str;

    /// The value that `text` stands for, or `None` when it is not [allowed](Self::ALLOWED).
    fn parse(text: &str) -> Option<Self>;

    /// How TOML and `config print` show the value; [`Setting::parse`] takes it back unless it is a secret.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// How an error message shows what was given; types that may hold a secret hide it.
    fn given(text: &str) -> String {
        format!("{text:?}")
    }
}

pub(super) fn deserialize<'de, T: Setting, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = deserializer.deserialize_any(ScalarVisitor { allowed: T::ALLOWED })?;
    parse_or_explain(&text)
}

pub(super) fn serialize<T: Setting, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.write(serializer)
}

/// `T::parse` with the message of the house: what was given, what is allowed.
pub(super) fn parse_or_explain<T: Setting, E: Error>(text: &str) -> Result<T, E> {
    T::parse(text).ok_or_else(|| E::custom(format!("given {}; allowed: {}", T::given(text), T::ALLOWED)))
}

/// Several values: a TOML array, or text with commas between them; blanks around a value do not count.
pub(super) fn deserialize_texts<'de, D: Deserializer<'de>>(
    deserializer: D,
    allowed: &'static str,
) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(ListVisitor { allowed })
}

struct ScalarVisitor {
    allowed: &'static str,
}

impl Visitor<'_> for ScalarVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.allowed)
    }
    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }
    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }
    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }
    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }
}

struct ListVisitor {
    allowed: &'static str,
}

impl<'de> Visitor<'de> for ListVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.allowed)
    }
    fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element::<String>()? {
            texts.push(text.trim().to_owned());
        }
        Ok(texts)
    }
}

/// A key that may be left out. There is no text for "nothing": an empty value is judged like any other.
impl<T: Setting> Setting for Option<T> {
    const ALLOWED: &'static str = T::ALLOWED;

    fn parse(text: &str) -> Option<Self> {
        T::parse(text).map(Some)
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => value.write(serializer),
            None => serializer.serialize_none(),
        }
    }
    fn given(text: &str) -> String {
        T::given(text)
    }
}

impl Setting for Duration {
    const ALLOWED: &'static str = "a whole number with its unit, like 500ms, 60s, 15m, 12h or 400d";

    fn parse(text: &str) -> Option<Self> {
        parse_duration(text)
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*self))
    }
}

/// Longest unit first, so that `format_duration` finds the shortest text; in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// `15m` and its like; `None` for anything else, a number without a unit included.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, unit_millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let millis = number.parse::<u64>().ok()?.checked_mul(*unit_millis)?;
    Some(Duration::from_millis(millis))
}

/// The inverse of [`parse_duration`], in the longest unit that needs no fraction.
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let exact = UNITS.iter().find(|(_, unit_millis)| millis.is_multiple_of(u128::from(*unit_millis)));
    match exact {
        Some((name, unit_millis)) => format!("{}{name}", millis / u128::from(*unit_millis)),
        None => format!("{millis}ms"),
    }
}

/// Types whose `FromStr` is what is wanted and that TOML holds natively.
macro_rules! native_settings {
    ($($type:ty, $allowed:literal;)*) => {$(
        impl Setting for $type {
            const ALLOWED: &'static str = $allowed;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }
        }
    )*};
}

native_settings! {
    bool, "true or false";
    u32, "a whole number from 0 to 4294967295";
    usize, "a whole number, 0 or more";
    NonZeroU32, "a whole number from 1 to 4294967295";
    NonZeroUsize, "a whole number, 1 or more";
    SocketAddr, "an IP address with a port, like 127.0.0.1:3000 or [::]:3000";
}

impl Setting for PathBuf {
    const ALLOWED: &'static str = "a path";

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::from(text))
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

impl Setting for String {
    const ALLOWED: &'static str = "a text of 1 to 255 bytes without control characters";

    fn parse(text: &str) -> Option<Self> {
        let allowed = (1..=255).contains(&text.len()) && !text.contains(char::is_control);
        allowed.then(|| text.to_owned())
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// An enum whose variants each have one word, said once.
macro_rules! word_setting {
    ($type:ty, $allowed:literal, { $($word:literal => $variant:path),* $(,)? }) => {
        impl $crate::config::Setting for $type {
            const ALLOWED: &'static str = $allowed;

            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some($variant),)*
                    _ => None,
                }
            }
            fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(match self { $($variant => $word,)* })
            }
        }
    };
}
pub(super) use word_setting;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        for (text, millis) in
            [("500ms", 500), ("60s", 60_000), ("15m", 900_000), ("400d", 34_560_000_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(parse_duration(&format_duration(Duration::from_millis(millis))), parse_duration(text));
        }
        for text in ["", "15", "m", "1.5s", "-1s", "1 s", "1w", "١s", "99999999999999999d", "1s1s"] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
        assert_eq!(format_duration(Duration::from_secs(900)), "15m");
        assert_eq!(format_duration(Duration::from_millis(1_500)), "1500ms");
    }
}
