//! `http.allowed_origins`: everybody, or a list of web origins (RFC 6454). Does not know: which headers follow.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::setting;

/// Who may call from a browser. A request without `Origin` does not come from a page and is not judged by this.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AllowedOrigins {
    /// `*`: any page, never with credentials.
    #[default]
    Any,
    /// These pages only, with credentials; lower case, without a default port.
    List(Vec<String>),
}

impl AllowedOrigins {
    /// Whether a page of this origin may call: compared whole, so `https://good.example.evil` is another origin.
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::List(origins) => origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)),
        }
    }
}

impl<'de> Deserialize<'de> for AllowedOrigins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = setting::deserialize_texts(deserializer, ALLOWED)?;
        if texts == ["*"] {
            return Ok(Self::Any);
        }
        let origins: Option<Vec<String>> = texts.iter().map(|text| parse_origin(text)).collect();
        match origins {
            Some(origins) if !origins.is_empty() => Ok(Self::List(origins)),
            Some(_) | None => {
                Err(D::Error::custom(format!("given {:?}; allowed: {ALLOWED}", texts.join(","))))
            }
        }
    }
}

impl Serialize for AllowedOrigins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => ["*"].serialize(serializer),
            Self::List(origins) => origins.serialize(serializer),
        }
    }
}

/// `scheme://host[:port]` and nothing behind it; browsers leave a default port out, so it is left out here too.
fn parse_origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let scheme_is_name = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let known =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']');
    if !scheme_is_name || authority.is_empty() || !authority.bytes().all(known) {
        return None;
    }
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let authority = match default_port {
        "" => authority,
        port => authority.strip_suffix(port).unwrap_or(authority),
    };
    Some(format!("{scheme}://{authority}"))
}

const ALLOWED: &str = "* alone, or a list of origins like https://app.example.org or http://localhost:5173 \
                       (scheme, host and port, no path, no * among them)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_else() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(parse_origin(text).as_deref(), expected, "{text}")
        };
        check("https://App.Example.org", Some("https://app.example.org"));
        check("https://app.example.org:443", Some("https://app.example.org"));
        check("http://localhost:5173", Some("http://localhost:5173"));
        check("http://[::1]:3000", Some("http://[::1]:3000"));
        check("https://app.example.org/", None);
        check("https://*.example.org", None);
        check("app.example.org", None);
        check("null", None);
        check("https://", None);
    }

    #[test]
    fn a_list_compares_whole_origins() {
        let list = AllowedOrigins::List(vec!["https://good.example".to_owned()]);
        assert!(list.allows("https://good.example") && list.allows("HTTPS://GOOD.example"));
        for other in
            ["https://good.example.evil", "http://good.example", "https://good.example:8443", "null", ""]
        {
            assert!(!list.allows(other), "{other}");
        }
    }
}
