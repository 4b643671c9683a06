//! What nodes say to one another over channels: JSON objects, a kind each. A kind or a field of a later release is passed
//! over, so two releases run side by side. Whatever is lost here is found out in another way. Does not know: channels.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reconcile::{Entry, Login, Message as Agreement, NodeId};
use serde::{Deserialize, Serialize};

use super::names::{node_text, parse_node};
use crate::registry::SocketId;

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    /// What the nodes need to agree.
    Agreement(Agreement<Arc<str>>),
    /// [`Agreement::Changed`] with the whole list, so that whoever hears it need not ask for it.
    List { user: Arc<str>, revision: u64, list: Vec<Entry<SocketId, Bytes>> },
    /// What a node says to itself with each renewal of its lease, to hear whether it is heard.
    Echo(u64),
    /// SQL has news: revocations, keys.
    Look,
    /// For a user's sessions on the node that reads it.
    Send(Relay),
    /// A login was seen for the first time: for those of its user's other sessions that were there before.
    New {
        user: Arc<str>,
        session: Arc<str>,
        /// Its record.
        record: String,
        since: u64,
    },
    /// What a device, or a login, is called from now on.
    Label { user: Arc<str>, of: String, label: Option<String> },
}

/// A message between a user's sessions that goes to another node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Relay {
    pub(super) user: Arc<str>,
    /// One session; none for all.
    pub(super) to: Option<String>,
    /// Of all, this one is left out.
    pub(super) but: Option<String>,
    pub(super) from: Option<String>,
    pub(super) event: String,
    /// JSON, with a placeholder for each attachment.
    pub(super) data: String,
    pub(super) attachments: Vec<Bytes>,
    /// In milliseconds since the epoch.
    pub(super) sent_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Wire {
    Changed {
        user: Arc<str>,
        revision: u64,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        list: Vec<Listed>,
    },
    Loss {
        from: String,
    },
    Said {
        nodes: Vec<String>,
    },
    Ask {
        nodes: Vec<String>,
        age_ms: u64,
    },
    /// What this node says to itself, to hear whether it is heard.
    Echo {
        number: u64,
    },
    Look {},
    Send {
        user: Arc<str>,
        #[serde(default)]
        to: Option<String>,
        #[serde(default)]
        but: Option<String>,
        #[serde(default)]
        from: Option<String>,
        event: String,
        data: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<String>,
        sent_at: u64,
    },
    New {
        user: Arc<str>,
        session: Arc<str>,
        record: String,
        since: u64,
    },
    Label {
        user: Arc<str>,
        of: String,
        #[serde(default)]
        label: Option<String>,
    },
}

/// A session of a list.
#[derive(Serialize, Deserialize)]
struct Listed {
    id: Box<str>,
    node: String,
    order: u64,
    login: Arc<str>,
    record: String,
}

impl Message {
    /// That a user has changed, with the list if that is short enough to be sent along.
    pub(super) fn changed(user: &Arc<str>, revision: u64, list: &[Entry<SocketId, Bytes>]) -> Self {
        let user = user.clone();
        let bytes: usize = list.iter().map(|entry| entry.item.len() + LISTED_BYTES).sum();
        match list.is_empty() || bytes > LIST_BYTES {
            true => Self::Agreement(Agreement::Changed { user, revision }),
            false => Self::List { user, revision, list: list.to_vec() },
        }
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let wire = match self {
            Self::Agreement(Agreement::Changed { user, revision }) => {
                Wire::Changed { user, revision, list: Vec::new() }
            }
            Self::List { user, revision, list } => {
                let list: Option<Vec<Listed>> = list.iter().map(Listed::of).collect();
                Wire::Changed { user, revision, list: list.unwrap_or_default() }
            }
            Self::Agreement(Agreement::Loss { from }) => Wire::Loss { from: node_text(from) },
            Self::Agreement(Agreement::Said { nodes }) => {
                Wire::Said { nodes: nodes.into_iter().map(node_text).collect() }
            }
            Self::Agreement(Agreement::Ask { nodes, age }) => Wire::Ask {
                nodes: nodes.into_iter().map(node_text).collect(),
                age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            },
            Self::Echo(number) => Wire::Echo { number },
            Self::Look => Wire::Look {},
            Self::Send(Relay { user, to, but, from, event, data, attachments, sent_at }) => {
                let attachments = attachments.iter().map(|data| STANDARD.encode(data)).collect();
                Wire::Send { user, to, but, from, event, data, attachments, sent_at }
            }
            Self::New { user, session, record, since } => Wire::New { user, session, record, since },
            Self::Label { user, of, label } => Wire::Label { user, of, label },
        };
        // Texts and numbers alone: this cannot fail.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// `None` for what is no message, or one of a later release.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let parse = |nodes: Vec<String>| -> Option<Vec<NodeId>> {
            nodes.iter().map(|node| parse_node(node)).collect()
        };
        Some(match serde_json::from_slice(bytes).ok()? {
            Wire::Changed { user, revision, list } => {
                match list.into_iter().map(Listed::entry).collect::<Option<Vec<_>>>() {
                    Some(list) if !list.is_empty() => Self::List { user, revision, list },
                    // What a later release says of a session can be asked for.
                    Some(_) | None => Self::Agreement(Agreement::Changed { user, revision }),
                }
            }
            Wire::Loss { from } => Self::Agreement(Agreement::Loss { from: parse_node(&from)? }),
            Wire::Said { nodes } => Self::Agreement(Agreement::Said { nodes: parse(nodes)? }),
            Wire::Ask { nodes, age_ms } => {
                let age = Duration::from_millis(age_ms);
                Self::Agreement(Agreement::Ask { nodes: parse(nodes)?, age })
            }
            Wire::Echo { number } => Self::Echo(number),
            Wire::Look {} => Self::Look,
            Wire::Send { user, to, but, from, event, data, attachments, sent_at } => {
                let decoded: Result<Vec<Bytes>, _> =
                    attachments.iter().map(|data| STANDARD.decode(data).map(Bytes::from)).collect();
                Self::Send(Relay { user, to, but, from, event, data, attachments: decoded.ok()?, sent_at })
            }
            Wire::New { user, session, record, since } => Self::New { user, session, record, since },
            Wire::Label { user, of, label } => Self::Label { user, of, label },
        })
    }
}

impl Listed {
    /// `None` for a record that is no text.
    fn of(entry: &Entry<SocketId, Bytes>) -> Option<Self> {
        Some(Self {
            id: entry.session.as_str().into(),
            node: node_text(entry.node),
            order: entry.order,
            login: entry.login.0.clone(),
            record: std::str::from_utf8(&entry.item).ok()?.to_owned(),
        })
    }

    fn entry(self) -> Option<Entry<SocketId, Bytes>> {
        Some(Entry {
            session: SocketId::parse(&self.id)?,
            node: parse_node(&self.node)?,
            order: self.order,
            login: Login(self.login),
            item: Bytes::from(self.record),
        })
    }
}

/// A list of some tens of sessions. A longer one is asked for, so that many changes of a user with many sessions do not fill
/// the channels.
const LIST_BYTES: usize = 16 * 1024;
/// What is said of a session besides its record.
const LISTED_BYTES: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_comes_back_as_it_was() {
        let user: Arc<str> = "built-in:ada \"1\"".into();
        let relay = Relay {
            user: user.clone(),
            to: None,
            but: Some("y".to_owned()),
            from: Some("x".to_owned()),
            event: "e".to_owned(),
            data: r#"{"_placeholder":true,"num":0}"#.to_owned(),
            attachments: vec![Bytes::from_static(&[0, 255, 1])],
            sent_at: 1 << 41,
        };
        let list = vec![listed(r#"{"c":1,"ua":"\\"x\\""}"#), listed("{}")];
        for message in [
            Message::Agreement(Agreement::Changed { user: user.clone(), revision: 1 << 52 }),
            Message::List { user: user.clone(), revision: 7, list },
            Message::Agreement(Agreement::Loss { from: NodeId(7) }),
            Message::Agreement(Agreement::Said { nodes: vec![NodeId(1), NodeId(u64::MAX)] }),
            Message::Agreement(Agreement::Ask { nodes: vec![NodeId(3)], age: Duration::from_millis(1500) }),
            Message::Echo(7),
            Message::Look,
            Message::Send(relay),
            Message::New { user: user.clone(), session: "s".into(), record: "{}".to_owned(), since: 5 },
            Message::Label { user, of: "device:00".to_owned(), label: None },
        ] {
            assert_eq!(Message::decode(&message.clone().encode()), Some(message));
        }
    }

    fn listed(record: &str) -> Entry<SocketId, Bytes> {
        Entry {
            session: SocketId::parse("AbCdEfGhIjKlMnOpQrSt").expect("as long as an id is"),
            node: NodeId(9),
            order: 1 << 41,
            login: Login("0a1b".into()),
            item: Bytes::copy_from_slice(record.as_bytes()),
        }
    }

    #[test]
    fn a_list_is_sent_along_when_it_is_short() {
        let user: Arc<str> = "built-in:ada".into();
        let changed = |list: &[Entry<SocketId, Bytes>]| Message::changed(&user, 7, list);
        let without = Message::Agreement(Agreement::Changed { user: user.clone(), revision: 7 });
        assert_eq!(changed(&[]), without);
        let list = vec![listed("{}"); LIST_BYTES / (LISTED_BYTES + 2)];
        assert_eq!(changed(&list), Message::List { user: user.clone(), revision: 7, list: list.clone() });
        assert!(changed(&list).encode().len() <= LIST_BYTES);
        assert_eq!(changed(&[list, vec![listed("{}")]].concat()), without);
    }

    #[test]
    fn a_list_that_cannot_be_read_or_said_is_asked_for() {
        let without = Message::Agreement(Agreement::Changed { user: "u".into(), revision: 7 });
        let other = br#"{"kind":"changed","user":"u","revision":7,"list":[{"id":"x","node":"1","order":1,"login":"","record":""}]}"#;
        assert_eq!(Message::decode(other), Some(without.clone()));
        let mut entry = listed("");
        entry.item = Bytes::from_static(&[0xff]);
        let said = Message::List { user: "u".into(), revision: 7, list: vec![entry] };
        assert_eq!(Message::decode(&said.encode()), Some(without));
    }

    #[test]
    fn what_a_later_release_says_is_passed_over() {
        for other in
            ["", "[]", r#"{"kind":"later"}"#, r#"{"kind":"loss","from":"here"}"#, r#"{"kind":"send"}"#]
        {
            assert_eq!(Message::decode(other.as_bytes()), None, "{other}");
        }
        let more = br#"{"kind":"look","later":1}"#;
        assert_eq!(Message::decode(more), Some(Message::Look));
    }
}
