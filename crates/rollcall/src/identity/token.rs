//! Where a client puts its token, and which one counts when there are several.
//! Does not know: what makes a token good.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::TOKEN_MAX;
use crate::config::TokenPlace;

/// Why nobody comes in with this token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// No place that is looked at holds a token.
    Missing,
    /// Anything but a good token. Says no more, so that nobody learns which part was wrong.
    Invalid,
    /// A good token whose time is over.
    Expired,
    /// A good token that was revoked, or whose login or user was.
    Revoked,
}

impl TokenRefusal {
    /// The code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Invalid => "token_invalid",
            Self::Expired => "token_expired",
            Self::Revoked => "token_revoked",
        }
    }

    /// A fixed sentence for a person.
    pub fn message(self) -> &'static str {
        match self {
            Self::Missing => "No token was sent.",
            Self::Invalid => "The token is not valid.",
            Self::Expired => "The token has expired.",
            Self::Revoked => "The token has been revoked.",
        }
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for TokenRefusal {}

/// The token that counts: of the first place in `order` where one is present, even if it turns out to be bad.
///
/// `header` is the `Authorization` header, `auth` the raw JSON of `auth.token`, `query` the decoded parameter `token`.
/// `null`, an empty and a blank text count as absent, and so does `Bearer` with nothing behind it. The text that comes
/// back has no `Bearer ` prefix any more.
pub fn find<'a>(
    order: &[TokenPlace],
    header: Option<&'a str>,
    auth: Option<&'a RawValue>,
    query: Option<&'a str>,
) -> Result<Cow<'a, str>, TokenRefusal> {
    for place in order {
        let found = match place {
            TokenPlace::Header => header.and_then(header_token).map(Cow::Borrowed),
            TokenPlace::Auth => match auth {
                Some(raw) => json_token(raw)?,
                None => None,
            },
            TokenPlace::Query => query.and_then(bare_token).map(Cow::Borrowed),
        };
        match found {
            Some(token) if token.len() > TOKEN_MAX => return Err(TokenRefusal::Invalid),
            Some(token) => return Ok(token),
            None => {}
        }
    }
    Err(TokenRefusal::Missing)
}

/// `Bearer x` in any case, or a value without a space; another scheme (`Basic …`) is for somebody else.
fn header_token(value: &str) -> Option<&str> {
    let token = bare_token(value)?;
    let is_bearer = token.len() < value.trim().len();
    (is_bearer || !token.contains(char::is_whitespace)).then_some(token)
}

/// The text without blanks around it and without a `Bearer ` prefix; `None` when nothing is left.
fn bare_token(text: &str) -> Option<&str> {
    let text = text.trim();
    let token = match text.split_at_checked(SCHEME.len()) {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case(SCHEME) && !rest.starts_with(|c: char| !c.is_whitespace()) =>
        {
            rest.trim_start()
        }
        Some(_) | None => text,
    };
    (!token.is_empty()).then_some(token)
}

fn json_token(raw: &RawValue) -> Result<Option<Cow<'_, str>>, TokenRefusal> {
    let json = raw.get();
    if json == "null" {
        return Ok(None);
    }
    // Two quotes and the prefix: whatever is longer than this is too long without being decoded.
    if json.len() > TOKEN_MAX + 2 + SCHEME.len() + 1 {
        return Err(TokenRefusal::Invalid);
    }
    let text = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).ok_or(TokenRefusal::Invalid)?;
    if !text.contains('\\') {
        return Ok(bare_token(text).map(Cow::Borrowed));
    }
    let text: String = serde_json::from_str(json).map_err(|_| TokenRefusal::Invalid)?;
    Ok(bare_token(&text).map(|token| Cow::Owned(token.to_owned())))
}

const SCHEME: &str = "Bearer";

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [TokenPlace; 3] = [TokenPlace::Header, TokenPlace::Auth, TokenPlace::Query];

    fn check(
        header: Option<&str>,
        auth: Option<&str>,
        query: Option<&str>,
        expected: Result<&str, TokenRefusal>,
    ) {
        let auth = auth.map(|json| serde_json::from_str::<Box<RawValue>>(json).unwrap());
        let found = find(&ALL, header, auth.as_deref(), query);
        assert_eq!(found.as_deref().map_err(|refusal| *refusal), expected, "{header:?} {auth:?} {query:?}");
    }

    #[test]
    fn the_first_place_that_holds_a_token_counts() {
        check(Some("Bearer h"), Some("\"a\""), Some("q"), Ok("h"));
        check(None, Some("\"a\""), Some("q"), Ok("a"));
        check(None, None, Some("q"), Ok("q"));
        check(None, None, None, Err(TokenRefusal::Missing));
        let order = [TokenPlace::Query, TokenPlace::Header];
        assert_eq!(find(&order, Some("h"), None, Some("q")).as_deref(), Ok("q"));
        assert_eq!(find(&[TokenPlace::Header], None, None, Some("q")), Err(TokenRefusal::Missing));
    }

    #[test]
    fn a_bearer_prefix_is_taken_off_everywhere_in_any_case() {
        for text in ["Bearer x", "bearer x", "BEARER   x ", " x ", "x"] {
            check(Some(text), None, None, Ok("x"));
            check(None, Some(&format!("\"{text}\"")), None, Ok("x"));
            check(None, None, Some(text), Ok("x"));
        }
        check(Some("Bearerx"), None, None, Ok("Bearerx"));
    }

    #[test]
    fn blank_and_null_count_as_absent() {
        for blank in ["", "  ", "Bearer", "Bearer  "] {
            check(Some(blank), None, Some("q"), Ok("q"));
            check(None, Some(&format!("\"{blank}\"")), Some("q"), Ok("q"));
            check(None, None, Some(blank), Err(TokenRefusal::Missing));
        }
        check(None, Some("null"), Some("q"), Ok("q"));
    }

    #[test]
    fn another_scheme_in_the_header_is_passed_over_elsewhere_it_is_a_bad_token() {
        check(Some("Basic dTpw"), Some("\"a\""), None, Ok("a"));
        check(Some("Digest a=b, c=d"), None, None, Err(TokenRefusal::Missing));
        check(None, Some("\"Basic dTpw\""), Some("q"), Ok("Basic dTpw"));
    }

    #[test]
    fn what_is_not_a_string_is_invalid_and_does_not_fall_through() {
        for json in ["1", "true", "{}", "[\"a\"]", "{\"token\":\"a\"}", "\"\\ud800\""] {
            check(None, Some(json), Some("q"), Err(TokenRefusal::Invalid));
        }
        check(None, Some("\"\\u0061b\""), None, Ok("ab"));
    }

    #[test]
    fn more_than_8_kb_is_invalid() {
        let longest = "x".repeat(TOKEN_MAX);
        let json = format!("\"Bearer {longest}\"");
        check(Some(&longest), None, None, Ok(&longest));
        check(None, Some(&json), None, Ok(&longest));
        let longer = format!("{longest}x");
        check(Some(&longer), None, Some("q"), Err(TokenRefusal::Invalid));
        check(None, Some(&format!("\"{longer}\"")), Some("q"), Err(TokenRefusal::Invalid));
        check(None, None, Some(&longer), Err(TokenRefusal::Invalid));
    }
}
