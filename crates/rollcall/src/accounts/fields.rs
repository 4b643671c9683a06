//! What a person types, turned into types that can be trusted: whoever holds an [`Email`] need not check it again.
//! Does not know: where the text comes from.

use std::fmt;

/// Why a field is refused: completes "`field` …", without repeating what was given (it may be a password).
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{field} {allowed}")]
pub struct FieldError {
    /// The name of the field in the request.
    pub field: &'static str,
    /// What is allowed.
    pub allowed: &'static str,
}

/// An e-mail address that looks like one (a useful part of RFC 5321 section 4.1.2: no quoted local parts).
#[derive(Clone, Debug, PartialEq)]
pub struct Email(String);

impl Email {
    /// Trims and checks. Only a message could tell whether the address exists.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let error = FieldError {
            field: "email",
            allowed: "must be an address like name@example.org, at most 254 bytes",
        };
        let text = text.trim();
        let Some((local, domain)) = text.rsplit_once('@') else { return Err(error) };
        let forbidden = |c: char| is_deceptive(c) || c.is_whitespace() || "@\"(),:;<>[]\\".contains(c);
        let dots_are_good = |part: &str| part.split('.').all(|label| !label.is_empty());
        let labels_are_good = domain.split('.').all(|label| {
            label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
        let good = text.len() <= 254
            && local.len() <= 64
            && !local.contains(forbidden)
            && dots_are_good(local)
            && dots_are_good(domain)
            && labels_are_good;
        if good { Ok(Self(text.to_owned())) } else { Err(error) }
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one address have in common.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// 8 to 1024 bytes, any of them, none cut off.
#[derive(Clone, PartialEq)]
pub struct Password(String);

impl Password {
    /// Checks the length only: rules about characters make passwords worse (NIST SP 800-63B section 3.1.1.2).
    pub fn parse(text: String) -> Result<Self, FieldError> {
        Self::parse_field("password", text)
    }

    /// The same for a field of another name.
    pub fn parse_field(field: &'static str, text: String) -> Result<Self, FieldError> {
        if (8..=1024).contains(&text.len()) {
            return Ok(Self(text));
        }
        Err(FieldError { field, allowed: "must have 8 to 1024 bytes" })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a person calls itself: 1 to 256 characters, none of them deceptive.
#[derive(Clone, Debug, PartialEq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Trims and checks; `None` when nothing is left.
    pub fn parse(text: &str) -> Result<Option<Self>, FieldError> {
        let text = text.trim();
        if text.contains(is_deceptive) || text.chars().count() > 256 {
            return Err(FieldError {
                field: "name",
                allowed: "must have at most 256 characters, none that control or turn the text",
            });
        }
        Ok((!text.is_empty()).then(|| Self(text.to_owned())))
    }

    /// The trimmed text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What makes a text look like another one, or a line like two: control characters, separators of lines, and what
/// overrides the direction of writing (UAX #9, section 2).
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_kept_as_typed_and_compared_in_lower_case() {
        let email = Email::parse("  Ada.L+news@Example.ORG \n").unwrap();
        assert_eq!(
            (email.as_str(), email.key().as_str()),
            ("Ada.L+news@Example.ORG", "ada.l+news@example.org")
        );
        for good in [
            "a@b",
            "jürgen@münchen.example",
            "o'neil@x.example",
            &format!("{}@{}.example", "a".repeat(64), "b".repeat(63)),
        ] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("a@{}", ["b".repeat(60).as_str(); 5].join("."));
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "a b@c",
            "a@b c",
            "a@@b",
            "a\0@b",
            "a@b..c",
            ".a@b",
            "a.@b",
            "a@-b",
            "a@b_c",
            "<a@b>",
            "a\u{202e}b@c",
            "a@b\u{2066}c",
            &long,
        ] {
            assert_eq!(Email::parse(bad).map_err(|error| error.field), Err("email"), "{bad}");
        }
    }

    #[test]
    fn passwords_have_8_to_1024_bytes() {
        let check = |length: usize, good: bool| {
            assert_eq!(Password::parse("ä".repeat(length / 2)).is_ok(), good, "{length}")
        };
        check(6, false);
        check(8, true);
        check(1024, true);
        check(1026, false);
        assert_eq!(format!("{:?}", Password::parse("swordfish".to_owned()).unwrap()), "***");
    }

    #[test]
    fn a_name_is_short_and_visible_or_absent() {
        assert_eq!(DisplayName::parse(" Ada ").unwrap().unwrap().as_str(), "Ada");
        assert_eq!(DisplayName::parse("  "), Ok(None));
        assert!(DisplayName::parse(&"ä".repeat(256)).is_ok());
        for bad in ["a\nb", "a\u{9b}b", "a\u{202e}b", "a\u{2069}b", "a\u{2028}b", &"ä".repeat(257)] {
            assert!(DisplayName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
