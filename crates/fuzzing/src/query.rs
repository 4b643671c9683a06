//! Query strings: what a handshake reads out of one, and the token in it. The parser of forms of the `url` crate is the
//! judge.

use std::borrow::Cow;

use engineio::config::Transports;
use engineio::handshake::{Query, Refusal, TransportName, parameters};
use rollcall::config::TokenPlace;
use rollcall::identity::{TokenRefusal, find};

/// Parameters are those of a form; the handshake takes one transport and no other; a token is a part of its parameter.
pub fn query(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let form: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(input).collect();
    assert_eq!(parameters(text).collect::<Vec<_>>(), form);
    for served in [Transports::Both, Transports::Polling, Transports::WebSocket] {
        handshake(text, served, &form);
    }
    let given = form.iter().find(|(name, _)| name == "token").map(|(_, value)| &**value);
    match find(&[TokenPlace::Header, TokenPlace::Query], None, None, given) {
        Ok(token) => {
            assert!(given.is_some_and(|given| given.contains(&*token)));
            assert!((1..=TOKEN_MAX).contains(&token.len()) && token.trim() == token);
        }
        Err(TokenRefusal::Invalid) => assert!(given.is_some_and(|given| given.len() > TOKEN_MAX)),
        Err(refusal) => {
            assert_eq!(refusal, TokenRefusal::Missing);
            let bare = given.unwrap_or_default().trim();
            assert!(bare.is_empty() || bare.eq_ignore_ascii_case("bearer"), "{given:?}");
        }
    }
}

fn handshake(text: &str, served: Transports, form: &[(Cow<'_, str>, Cow<'_, str>)]) {
    let values = |wanted: &str| -> Vec<&str> {
        form.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &**value).collect()
    };
    let transport = match values("transport").as_slice() {
        ["polling"] => Some(TransportName::Polling),
        ["websocket"] => Some(TransportName::WebSocket),
        _ => None,
    };
    let Some(transport) = transport.filter(|transport| served.contains(*transport)) else {
        return assert_eq!(Query::parse(text, served), Err(Refusal::UnknownTransport), "{text:?}");
    };
    let query = Query::parse(text, served).expect("a transport that is served, once");
    assert_eq!(query.transport, transport);
    assert_eq!(query.sid.as_deref(), values("sid").into_iter().rfind(|sid| !sid.is_empty()));
    assert_eq!(query.supported_version, values("EIO").last() == Some(&"4"));
    let opens = query.judge_opening("GET", transport == TransportName::WebSocket);
    assert_eq!(opens.is_ok(), query.supported_version);
    assert_eq!(query.judge_opening("POST", false), Err(Refusal::BadHandshakeMethod));
    assert_eq!(query.judge_opening("GET", transport == TransportName::Polling), Err(Refusal::BadRequest));
}

/// Bytes of a token that are looked at, as the documents say.
const TOKEN_MAX: usize = 8 * 1024;
