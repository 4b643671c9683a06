//! Which browsers' origins may use the server (the Fetch standard's CORS protocol). A WebSocket is judged too, which
//! browsers themselves do not do.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The origins that are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// All, and so never with credentials.
    #[default]
    Any,
    /// These, compared whole and in any case; credentials (a load balancer's cookie) may come along.
    Listed(Vec<String>),
}

impl Origins {
    /// Whether a request with these headers may pass. One without an `Origin` is no browser's, and may.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(header::ORIGIN).iter();
        match (self, given.next(), given.next()) {
            (Self::Any, _, _) | (Self::Listed(_), None, _) => true,
            (Self::Listed(_), Some(_), Some(_)) => false, // no browser sends two
            (Self::Listed(origins), Some(origin), None) => {
                origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
            }
        }
    }

    /// Adds what a browser needs to see to `response`, the answer to a request with these headers. With a list a cache
    /// must not mix up origins, refusals included.
    pub fn answer(&self, headers: &HeaderMap, response: &mut HeaderMap) {
        match self {
            Self::Any => {
                response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Self::Listed(_) => {
                response.append(header::VARY, HeaderValue::from_static("Origin"));
                if let Some(origin) = headers.get(header::ORIGIN).filter(|_| self.allow(headers)) {
                    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                    response
                        .insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
                }
            }
        }
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    }

    /// Adds the answer to a preflight; `methods` is a list such as `GET, POST`.
    pub fn answer_preflight(&self, headers: &HeaderMap, methods: &'static str, response: &mut HeaderMap) {
        self.answer(headers, response);
        let fixed: [(HeaderName, &'static str); 3] = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        for (name, value) in fixed {
            response.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
        Origins::Listed(vec!["https://good.example".into()]).allow(&headers)
    }

    // Seen failing: any origin is allowed.
    #[test]
    fn only_the_listed_origin_itself_is_allowed() {
        assert!(allowed(Some("https://good.example")));
        assert!(allowed(None));
        for other in [
            "null",
            "https://evil.example",
            "https://good.example.evil.example",
            "https://good.example:8443",
            "http://good.example",
            "",
        ] {
            assert!(!allowed(Some(other)), "{other}");
        }
    }

    #[test]
    fn any_origin_never_gets_credentials() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static("https://x.example"));
        let mut response = HeaderMap::new();
        Origins::Any.answer(&headers, &mut response);
        assert_eq!(response[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!response.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}
