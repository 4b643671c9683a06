//! What the first request of a socket says about its client: kept from the handshake until the client joins.
//! Does not know: whether a token is good.

use std::borrow::Cow;
use std::net::IpAddr;

use engineio::handshake::parameters;
use engineio::server::Opening;
use http::header::{AUTHORIZATION, USER_AGENT};
use socketio::event::encode_string;

use super::device;
use crate::app::App;
use crate::config::UserAgentPrivacy;
use crate::registry::{Agent, Interned, Interner, Session};

/// The client of one socket.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) ip: Option<IpAddr>,
    pub(super) agent: Interned,
    pub(super) given: Option<Box<Given>>,
}

/// What a request can carry in the place of `auth`.
#[derive(Default)]
pub(super) struct Given {
    pub(super) header_token: Option<String>,
    pub(super) query_token: Option<String>,
    pub(super) query_context: Option<String>,
}

impl std::fmt::Debug for Given {
    /// Tokens appear in no log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Given(…)")
    }
}

impl Greeting {
    /// `address` is the client's.
    pub(super) fn read(app: &App, opening: &Opening<'_>, address: IpAddr) -> Self {
        let text = |name| opening.headers.get(name).map(|value| lossy(value.as_bytes()));
        // One line is all there may be (RFC 9110 section 5.3): several are there and are no token.
        let header_token = match opening.headers.get_all(AUTHORIZATION).iter().count() {
            0 | 1 => text(AUTHORIZATION).map(|value| value.into_owned()),
            _ => Some("?".to_owned()),
        };
        let mut given = Given { header_token, ..Given::default() };
        for (name, value) in parameters(opening.query) {
            match &*name {
                "token" => given.query_token = Some(value.into_owned()),
                "context" => given.query_context = Some(value.into_owned()),
                _ => {}
            }
        }
        let user_agent = text(USER_AGENT).unwrap_or_default();
        let user_agent = clean_user_agent(&user_agent);
        Self {
            ip: app.config.privacy.ip.apply(address),
            agent: agent(app.presence.agents(), app.config.privacy.user_agent, &user_agent),
            given: given.is_used().then(|| Box::new(given)),
        }
    }

    /// The greeting of a client that has left and may join again over the same socket.
    pub(super) fn again(session: Session, given: Option<Box<Given>>) -> Self {
        Self { ip: session.ip, agent: session.agent, given }
    }
}

impl Given {
    fn is_used(&self) -> bool {
        self.header_token.is_some() || self.query_token.is_some() || self.query_context.is_some()
    }
}

/// `String::from_utf8_lossy`, which looks at each byte of a text that needs no repair.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// What may be kept of a User-Agent.
fn agent(agents: &Interner, privacy: UserAgentPrivacy, user_agent: &str) -> Interned {
    let device = || device::parse(user_agent).to_json().into_boxed_str();
    match privacy {
        UserAgentPrivacy::Full => agents.intern(user_agent, || {
            let mut json = Vec::with_capacity(user_agent.len() + 2);
            encode_string(user_agent, &mut json);
            let json = String::from_utf8(json).unwrap_or_default(); // JSON is UTF-8
            Agent { user_agent: json.into(), device: device() }
        }),
        UserAgentPrivacy::Parsed => {
            let device = device();
            agents.intern(&device.clone(), || Agent { user_agent: "\"\"".into(), device })
        }
        UserAgentPrivacy::None => {
            agents.intern("", || Agent { user_agent: "\"\"".into(), device: "".into() })
        }
    }
}

/// Without control characters, at most 256 bytes, cut between characters.
fn clean_user_agent(text: &str) -> Cow<'_, str> {
    // As good as all that are sent.
    if text.len() <= USER_AGENT_BYTES && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.into();
    }
    let mut clean: String = text.chars().filter(|character| !character.is_control()).collect();
    clean.truncate(clean.floor_char_boundary(USER_AGENT_BYTES));
    clean.into()
}

/// More than any browser sends.
const USER_AGENT_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agents_lose_control_characters_and_their_tail() {
        assert_eq!(clean_user_agent("a\u{1b}[2Jb\r\nc\u{9b}d\u{7f}"), "a[2Jbcd");
        assert_eq!(clean_user_agent(&"x".repeat(300)).len(), 256);
        assert_eq!(clean_user_agent(&"é".repeat(200)).len(), 256);
        assert_eq!(clean_user_agent(&("x".to_owned() + &"é".repeat(200))).len(), 255);
    }

    #[test]
    fn privacy_says_what_is_kept_of_a_user_agent() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0";
        let device = r#"{"os":"Linux","browser":"Firefox","type":"desktop"}"#;
        let check = |privacy, user_agent: &str, device: &str| {
            let kept = agent(&Interner::default(), privacy, firefox);
            assert_eq!((&*kept.user_agent, &*kept.device), (user_agent, device));
        };
        check(UserAgentPrivacy::Full, &format!("\"{firefox}\""), device);
        check(UserAgentPrivacy::Parsed, "\"\"", device);
        check(UserAgentPrivacy::None, "\"\"", "");
    }
}
