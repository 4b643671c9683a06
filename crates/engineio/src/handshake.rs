//! How a session begins: the query of a request, the refusals of the reference server, the open packet.
//! Does not know: sockets, HTTP libraries.

use std::borrow::Cow;
use std::time::Duration;

use crate::Config;
use crate::config::Transports;
use crate::digits::encode_decimal;

/// Why a request is refused before it reaches a session. Codes and sentences are the reference server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// `transport` is missing, twice there, or names none that is served.
    UnknownTransport,
    /// `sid` names no live session that could take this request.
    UnknownSid,
    /// The same to the client: `sid` is one of another node's, or of this node's before it was started anew under another
    /// tag.
    ForeignSid,
    /// A session is opened with `GET` only.
    BadHandshakeMethod,
    /// The request does not fit the transport that it names.
    BadRequest,
    /// The origin may not use this server.
    Forbidden,
    /// `EIO` is not 4. Clients of revision 3 (Socket.IO v2) are told so, and not served.
    UnsupportedProtocolVersion,
}

impl Refusal {
    /// The `code` of the JSON body.
    pub fn code(self) -> u8 {
        match self {
            Self::UnknownTransport => 0,
            Self::UnknownSid | Self::ForeignSid => 1,
            Self::BadHandshakeMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden => 4,
            Self::UnsupportedProtocolVersion => 5,
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::UnknownTransport
            | Self::UnknownSid
            | Self::ForeignSid
            | Self::BadHandshakeMethod
            | Self::BadRequest
            | Self::UnsupportedProtocolVersion => 400,
        }
    }

    /// The JSON body, `{"code":…,"message":…}`.
    pub fn body(self) -> &'static str {
        match self {
            Self::UnknownTransport => r#"{"code":0,"message":"Transport unknown"}"#,
            Self::UnknownSid | Self::ForeignSid => r#"{"code":1,"message":"Session ID unknown"}"#,
            Self::BadHandshakeMethod => r#"{"code":2,"message":"Bad handshake method"}"#,
            Self::BadRequest => r#"{"code":3,"message":"Bad request"}"#,
            Self::Forbidden => r#"{"code":4,"message":"Forbidden"}"#,
            Self::UnsupportedProtocolVersion => r#"{"code":5,"message":"Unsupported protocol version"}"#,
        }
    }
}

/// The transports of Engine.IO v4 that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportName {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

/// What the query of a request to the Engine.IO path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// `transport`.
    pub transport: TransportName,
    /// `sid`, when the request belongs to a session.
    pub sid: Option<Cow<'a, str>>,
    /// Whether `EIO` is 4.
    pub supported_version: bool,
}

impl<'a> Query<'a> {
    /// Reads a query string (without its `?`), percent-encoded as forms are, for a server of these transports. Unknown
    /// parameters are passed over.
    ///
    /// # Errors
    /// [`Refusal::UnknownTransport`], which the reference server checks before all else.
    pub fn parse(query: &'a str, served: Transports) -> Result<Self, Refusal> {
        let (mut transport, mut transports, mut sid, mut supported_version) = (None, 0, None, false);
        for (name, value) in parameters(query) {
            match &*name {
                "transport" => {
                    transports += 1;
                    transport = match &*value {
                        "polling" => Some(TransportName::Polling),
                        "websocket" => Some(TransportName::WebSocket),
                        _ => None,
                    };
                }
                "sid" if !value.is_empty() => sid = Some(value),
                "EIO" => supported_version = &*value == "4",
                _ => {}
            }
        }
        match transport {
            Some(transport) if transports == 1 && served.contains(transport) => {
                Ok(Self { transport, sid, supported_version })
            }
            _ => Err(Refusal::UnknownTransport),
        }
    }

    /// Judges a request that would open a session; `method` is the HTTP method, `upgrade` whether it asks for a
    /// WebSocket.
    ///
    /// # Errors
    /// The refusals in the order in which the reference server finds them.
    pub fn judge_opening(&self, method: &str, upgrade: bool) -> Result<(), Refusal> {
        if method != "GET" {
            return Err(Refusal::BadHandshakeMethod);
        }
        if upgrade != (self.transport == TransportName::WebSocket) {
            return Err(Refusal::BadRequest);
        }
        if !self.supported_version {
            return Err(Refusal::UnsupportedProtocolVersion);
        }
        Ok(())
    }
}

/// Appends the open packet's data (the JSON behind its `0`). `sid` is of base64url characters and dots only, so
/// that nothing in it needs an escape.
pub fn encode_open(config: &Config, sid: &str, transport: TransportName, out: &mut Vec<u8>) {
    let upgrades = match (transport, config.transports) {
        (TransportName::Polling, Transports::Both) => r#"["websocket"]"#,
        (TransportName::Polling | TransportName::WebSocket, _) => "[]",
    };
    out.extend_from_slice(br#"{"sid":""#);
    out.extend_from_slice(sid.as_bytes());
    out.extend_from_slice(br#"","upgrades":"#);
    out.extend_from_slice(upgrades.as_bytes());
    for (name, number) in [
        (r#","pingInterval":"#, millis(config.ping_interval)),
        (r#","pingTimeout":"#, millis(config.ping_timeout)),
        (r#","maxPayload":"#, config.max_payload as u64),
    ] {
        out.extend_from_slice(name.as_bytes());
        encode_decimal(number, out);
    }
    out.push(b'}');
}

/// The parameters of a query, decoded. Of one that has nothing encoded, as most have not, they are parts of it.
pub fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let is_plain = !query.bytes().any(|byte| matches!(byte, b'%' | b'+'));
    let (plain, encoded) = if is_plain { (query, "") } else { ("", query) };
    let plain = plain.split('&').filter(|pair| !pair.is_empty());
    plain
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.into(), value.into()))
        .chain(form_urlencoded::parse(encoded.as_bytes()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parameters_are_what_a_form_says(query in "([a-c=&%+é4]|%41|EIO=4|&){0,12}") {
            let expected: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
            prop_assert_eq!(parameters(&query).collect::<Vec<_>>(), expected);
        }
    }

    // Seen failing: a transport may be named twice.
    #[test]
    fn transports_that_are_not_served_are_unknown() {
        let long = format!("EIO=4&transport={}", "x".repeat(10_000));
        for query in [
            "",
            "EIO=4",
            "EIO=4&transport=",
            "EIO=4&transport=__proto__",
            "EIO=4&transport=constructor",
            "EIO=4&transport=polling&transport=polling",
            "EIO=4&transport=%00",
            "EIO=4&transport=%ff%fe",
            "EIO=4&transport=webtransport",
            &long,
        ] {
            assert_eq!(Query::parse(query, Transports::Both), Err(Refusal::UnknownTransport), "{query:.60}");
        }
    }

    #[test]
    fn openings_are_judged_as_the_reference_server_does() {
        let judge = |query: &str, method, upgrade| {
            Query::parse(query, Transports::Both).and_then(|query| query.judge_opening(method, upgrade))
        };
        assert_eq!(judge("EIO=4&transport=polling&t=x", "GET", false), Ok(()));
        assert_eq!(judge("EIO=4&transport=websocket", "GET", true), Ok(()));
        assert_eq!(judge("EIO=4&transport=polling", "POST", false), Err(Refusal::BadHandshakeMethod));
        assert_eq!(judge("EIO=4&transport=websocket", "GET", false), Err(Refusal::BadRequest));
        assert_eq!(judge("EIO=4&transport=polling", "GET", true), Err(Refusal::BadRequest));
        for version in ["EIO=3&", "EIO=abc&", "EIO=&", ""] {
            let query = format!("{version}transport=polling");
            assert_eq!(judge(&query, "GET", false), Err(Refusal::UnsupportedProtocolVersion), "{query}");
        }
    }

    #[test]
    fn transports_that_are_switched_off_are_unknown_and_not_offered() {
        let transport = |query, served| Query::parse(query, served).map(|query| query.transport);
        let (polling, websocket) = ("EIO=4&transport=polling", "EIO=4&transport=websocket");
        assert_eq!(transport(polling, Transports::WebSocket), Err(Refusal::UnknownTransport));
        assert_eq!(transport(websocket, Transports::WebSocket), Ok(TransportName::WebSocket));
        assert_eq!(transport(websocket, Transports::Polling), Err(Refusal::UnknownTransport));
        let offered = |transports| {
            let mut open = Vec::new();
            let config = Config { transports, ..Config::default() };
            encode_open(&config, "x", TransportName::Polling, &mut open);
            String::from_utf8(open).unwrap().contains(r#""upgrades":["websocket"]"#)
        };
        assert!(offered(Transports::Both));
        assert!(!offered(Transports::Polling));
    }

    #[test]
    fn bodies_carry_their_own_codes() {
        for refusal in [
            Refusal::UnknownTransport,
            Refusal::UnknownSid,
            Refusal::BadHandshakeMethod,
            Refusal::BadRequest,
            Refusal::Forbidden,
            Refusal::UnsupportedProtocolVersion,
        ] {
            let expected = format!(r#"{{"code":{},"#, refusal.code());
            assert!(refusal.body().starts_with(&expected), "{refusal:?}");
        }
    }
}
