//! What a gateway says on an open connection: Engine.IO v4 packets with Socket.IO v5 packets of the namespace
//! `/sessions` in them. Does not know: frames, and in which order things must be said.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use thiserror::Error;

/// One packet of the server.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    /// `0{…}`: the Engine.IO session is open.
    Open,
    /// `2`: to be answered with `3`.
    Ping,
    /// `6`: nothing.
    Noop,
    /// `1`: the server ends the Engine.IO session.
    Close,
    /// `40/sessions,{"sid":…}`, with the [`id_hash`] of the session's id.
    Connected(u64),
    /// `41/sessions,`.
    Disconnected,
    /// `44/…`, with its message.
    ConnectRefused(String),
    /// `sessions:ready`: the receiver's own id, hashed, and the list.
    Ready(u64, List),
    /// `sessions:update`.
    Update(List),
    /// `sessions:error`.
    Error {
        /// One of the codes that the gateway documents.
        code: String,
        /// A sentence for a person.
        message: String,
    },
    /// `sessions:message`.
    Relayed(Relayed),
    /// `43/sessions,ID[…]`: the answer to an event.
    Ack {
        /// The number that the event was sent with.
        id: u64,
        /// What it says.
        ack: Ack,
    },
    /// Any other event: named, not read.
    OtherEvent(String),
}

/// What one session has sent to another of its user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Relayed {
    /// The [`id_hash`] of the sender.
    #[serde(deserialize_with = "hashed")]
    pub(crate) from: u64,
    /// What the sender called it.
    pub(crate) event: String,
    /// The number that this client sends.
    pub(crate) data: u64,
}

/// How an event was taken: the fields that the gateway documents for `sessions:send`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Ack {
    pub(crate) ok: bool,
    /// To how many sessions it went.
    pub(crate) delivered: Option<u32>,
    /// Why it was not taken.
    pub(crate) code: Option<String>,
}

/// What is kept of a list of sessions: enough to compare it with the sessions that there should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    /// How many sessions it names.
    pub(crate) len: u32,
    /// The wrapping sum of the [`id_hash`] of all of them: the same for the same sessions in any order.
    pub(crate) digest: u64,
    /// Whether it has the id that was asked for when decoding.
    pub(crate) has_own: bool,
    /// The list's revision; servers that are only compared with have none.
    pub(crate) revision: Option<u64>,
}

/// Not a packet that the gateway documents.
#[derive(Debug, Error)]
#[error("{what}: {shown}")]
pub(crate) struct MessageError {
    what: &'static str,
    /// The packet, or its first characters.
    shown: String,
}

impl Message {
    /// Decodes one packet. Lists are searched for the id with the hash `own`.
    pub(crate) fn decode(text: &str, own: u64) -> Result<Self, MessageError> {
        let wrong = |what| MessageError { what, shown: text.chars().take(SHOWN).collect() };
        let mut kinds = text.chars();
        match (kinds.next(), kinds.next()) {
            (Some('0'), _) => Ok(Self::Open),
            (Some('1'), None) => Ok(Self::Close),
            (Some('2'), None) => Ok(Self::Ping),
            (Some('6'), None) => Ok(Self::Noop),
            (Some('4'), Some('4')) => Ok(Self::ConnectRefused(text[2..].to_owned())),
            (Some('4'), Some(kind @ '0'..='3')) => {
                let data = text[2..].strip_prefix(NAMESPACE).ok_or_else(|| wrong("another namespace"))?;
                match kind {
                    '0' => {
                        let connected: Connected<'_> =
                            serde_json::from_str(data).map_err(|_| wrong("CONNECT without a sid"))?;
                        Ok(Self::Connected(id_hash(&connected.sid)))
                    }
                    '1' => Ok(Self::Disconnected),
                    '3' => Self::decode_ack(data)
                        .ok_or_else(|| wrong("an acknowledgement in another form than documented")),
                    _ => Self::decode_event(data.trim_start_matches(|c: char| c.is_ascii_digit()), own)
                        .ok_or_else(|| wrong("an event in another form than documented")),
                }
            }
            _ => Err(wrong("an unknown packet")),
        }
    }

    fn decode_event(data: &str, own: u64) -> Option<Self> {
        let parts: Vec<&RawValue> = serde_json::from_str(data).ok()?;
        let name: String = serde_json::from_str(parts.first()?.get()).ok()?;
        let argument = parts.get(1).map(|argument| argument.get());
        Some(match name.as_str() {
            "sessions:ready" => {
                let ready: Ready<'_> = serde_json::from_str(argument?).ok()?;
                let own = id_hash(&ready.socket_id);
                Self::Ready(own, List::of(&ready.sessions, ready.revision, own))
            }
            "sessions:update" => {
                let sessions: Vec<Item<'_>> = serde_json::from_str(argument?).ok()?;
                let revision = match parts.get(2) {
                    Some(about) => serde_json::from_str::<About>(about.get()).ok()?.revision,
                    None => None,
                };
                Self::Update(List::of(&sessions, revision, own))
            }
            "sessions:error" => {
                let error: Refusal = serde_json::from_str(argument?).ok()?;
                Self::Error { code: error.code, message: error.message }
            }
            "sessions:message" => Self::Relayed(serde_json::from_str(argument?).ok()?),
            _ => Self::OtherEvent(name),
        })
    }

    fn decode_ack(data: &str) -> Option<Self> {
        let (id, arguments) = data.split_at(data.find('[')?);
        let [ack] = serde_json::from_str::<[Ack; 1]>(arguments).ok()?;
        Some(Self::Ack { id: id.parse().ok()?, ack })
    }
}

impl List {
    fn of(sessions: &[Item<'_>], revision: Option<u64>, own: u64) -> Self {
        let mut list = Self { revision, ..Self::default() };
        for item in sessions {
            let hash = id_hash(&item.socket_id);
            list.len += 1;
            list.digest = list.digest.wrapping_add(hash);
            list.has_own |= hash == own;
        }
        list
    }
}

/// Eight bytes that stand for a session's id, so that no text is kept for each of a million.
pub(crate) fn id_hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn hashed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(id_hash(&Cow::<'de, str>::deserialize(deserializer)?))
}

#[derive(Deserialize)]
struct Connected<'a> {
    #[serde(borrow)]
    sid: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    #[serde(borrow)]
    socket_id: Cow<'a, str>,
    sessions: Vec<Item<'a>>,
    revision: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow)]
    socket_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct About {
    revision: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

const NAMESPACE: &str = "/sessions,";
const SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ids: &[&str], has_own: bool, revision: Option<u64>) -> List {
        let digest = ids.iter().fold(0u64, |sum, id| sum.wrapping_add(id_hash(id)));
        List { len: ids.len() as u32, digest, has_own, revision }
    }

    #[test]
    fn packets_are_told_apart() {
        let check = |text: &str, message| {
            let decoded = Message::decode(text, id_hash("b")).unwrap();
            assert_eq!(decoded, message, "{text}");
        };
        check(r#"0{"sid":"x","upgrades":[],"pingInterval":25000}"#, Message::Open);
        check("1", Message::Close);
        check("2", Message::Ping);
        check("6", Message::Noop);
        check(r#"40/sessions,{"sid":"b"}"#, Message::Connected(id_hash("b")));
        check("41/sessions,", Message::Disconnected);
        check(
            r#"44/sessions,{"message":"no"}"#,
            Message::ConnectRefused(r#"/sessions,{"message":"no"}"#.into()),
        );
        check(
            r#"42/sessions,["sessions:ready",{"socketId":"b","revision":7,"sessions":[{"socketId":"b"}],"x":1}]"#,
            Message::Ready(id_hash("b"), list(&["b"], true, Some(7))),
        );
        check(
            r#"42/sessions,["sessions:update",[{"socketId":"b","metadata":{}},{"socketId":"c"}],{"revision":8}]"#,
            Message::Update(list(&["b", "c"], true, Some(8))),
        );
        check(
            r#"42/sessions,["sessions:update",[{"socketId":"c"}]]"#,
            Message::Update(list(&["c"], false, None)),
        );
        check(
            r#"42/sessions,["sessions:error",{"code":"token_expired","message":"Too late.","more":1}]"#,
            Message::Error { code: "token_expired".into(), message: "Too late.".into() },
        );
        check(
            r#"42/sessions,["sessions:message",{"from":"c","event":"note","data":7,"sentAt":"x"}]"#,
            Message::Relayed(Relayed { from: id_hash("c"), event: "note".into(), data: 7 }),
        );
        check(
            r#"43/sessions,12[{"ok":true,"delivered":1,"complete":true}]"#,
            Message::Ack { id: 12, ack: Ack { ok: true, delivered: Some(1), code: None } },
        );
        check(
            r#"43/sessions,0[{"ok":false,"code":"event_unknown","message":"There is no such event."}]"#,
            Message::Ack {
                id: 0,
                ack: Ack { ok: false, delivered: None, code: Some("event_unknown".into()) },
            },
        );
        check(
            r#"42/sessions, [ "sessions:update" , [ { "socketId" : "c" } ] ]"#,
            Message::Update(list(&["c"], false, None)),
        );
        check(r#"42/sessions,12["sessions:new",{}]"#, Message::OtherEvent("sessions:new".into()));
    }

    #[test]
    fn what_is_not_documented_is_refused() {
        let check = |text: &str| assert!(Message::decode(text, 0).is_err(), "{text}");
        for text in ["", "9", "22", "4", "49", "é", "4é", r#"40{"sid":"x"}"#, r#"40/sessions,{}"#] {
            check(text);
        }
        for ack in ["", "1", "1[]", "[{}]", "x[{\"ok\":true}]"] {
            check(&format!("43/sessions,{ack}"));
        }
        for event in ["", "[]", "[1]", r#"["sessions:ready"]"#, r#"["sessions:update",{}]"#, "{}"] {
            check(&format!("42/sessions,{event}"));
        }
    }
}
