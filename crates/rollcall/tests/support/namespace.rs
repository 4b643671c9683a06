//! The namespace as a test speaks it: joins, asks with an acknowledgement, waits for an event.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::live::wire::{PATIENCE, Wire};
use crate::live::{Live, event};

/// One socket in the namespace, and all events that it was told.
pub struct Tab {
    pub wire: Wire,
    /// Its `socket.id`.
    pub id: String,
    pub ready: Value,
    next_ack: u64,
    /// What was read too early.
    unread: VecDeque<String>,
    /// Acknowledgements that came before the one that was waited for.
    answers: Vec<String>,
}

impl Tab {
    /// A WebSocket of this user, in the namespace.
    pub async fn join(live: &Live, user: &str) -> Self {
        Self::join_with(live, &live.connect_packet(user)).await
    }

    /// The same with this CONNECT packet.
    pub async fn join_with(live: &Live, packet: &str) -> Self {
        let mut wire = live.socket().await;
        wire.say(packet).await;
        assert!(wire.text().await.starts_with(r#"40/sessions,{"sid":""#));
        let (name, arguments) = event(&wire.text().await).unwrap();
        assert_eq!(name, "sessions:ready", "{arguments:?}");
        let ready = arguments.into_iter().next().unwrap();
        let id = ready["socketId"].as_str().unwrap().to_owned();
        // Lists are in the order of milliseconds: whoever joins next is to stand behind this one.
        tokio::time::sleep(Duration::from_millis(2)).await;
        Self { wire, id, ready, next_ack: 0, unread: VecDeque::new(), answers: Vec::new() }
    }

    /// The same with a token of this login.
    pub async fn join_as(live: &Live, user: &str, login: &str) -> Self {
        let token = live.token_of(user, Some(login), Duration::from_secs(3600));
        Self::join_with(live, &format!(r#"40/sessions,{{"token":"{token}"}}"#)).await
    }

    /// The next message; pings are answered.
    pub async fn text(&mut self) -> String {
        if let Some(text) = self.unread.pop_front() {
            return text;
        }
        loop {
            match self.wire.text().await {
                ping if ping == "2" => self.wire.say("3").await,
                text => return text,
            }
        }
    }

    /// How the socket ends: the code of its last event, and whether a DISCONNECT followed.
    pub async fn end(&mut self) -> (Value, bool) {
        let error = self.event("sessions:error").await.remove(0);
        let frame = self.wire.frame().await.unwrap();
        match frame.first {
            0x81 => {
                assert_eq!(frame.payload, b"41/sessions,");
                (error, true)
            }
            _ => {
                assert_eq!(frame.first, 0x88, "{frame:?}");
                (error, false)
            }
        }
    }

    /// It is told that it was revoked, and stock clients stay away.
    pub async fn check_revoked(&mut self) {
        let (error, disconnected) = self.end().await;
        assert_eq!((told(&error), disconnected), (serde_json::json!({"code": "session_revoked"}), true));
    }

    /// Emits with an acknowledgement, and gives its argument; what comes before it is passed over.
    pub async fn ask(&mut self, name: &str, argument: &str) -> Value {
        let id = self.emit(name, argument).await;
        self.acknowledgement(id).await
    }

    /// Emits with an acknowledgement that is waited for later.
    pub async fn emit(&mut self, name: &str, argument: &str) -> u64 {
        self.next_ack += 1;
        let comma = if argument.is_empty() { "" } else { "," };
        self.wire.say(&format!("42/sessions,{}[\"{name}\"{comma}{argument}]", self.next_ack)).await;
        self.next_ack
    }

    /// The answer; what comes before it is passed over.
    pub async fn acknowledgement(&mut self, id: u64) -> Value {
        self.try_acknowledgement(id).await.expect("an answer before the end")
    }

    /// `None` when the last event comes instead, which is then still to be had.
    pub async fn try_acknowledgement(&mut self, id: u64) -> Option<Value> {
        let head = format!("43/sessions,{id}[");
        let answer = async {
            loop {
                let text = self.text().await;
                if let Some(argument) = text.strip_prefix(&head) {
                    return Some(serde_json::from_str(argument.strip_suffix(']').unwrap()).unwrap());
                }
                if text.starts_with("42/sessions,[\"sessions:error\"") {
                    self.unread.push_back(text);
                    return None;
                }
                if text.starts_with("43/") {
                    self.answers.push(text);
                }
            }
        };
        in_time(answer, "the answer").await
    }

    /// The answer, be it before or behind others.
    pub async fn answers(&mut self, id: u64) -> Value {
        let head = format!("43/sessions,{id}[");
        match self.answers.iter().find_map(|text| text.strip_prefix(&head)) {
            Some(argument) => serde_json::from_str(argument.strip_suffix(']').unwrap()).unwrap(),
            None => self.acknowledgement(id).await,
        }
    }

    /// The arguments of the next event of this name; what comes before it is passed over.
    pub async fn event(&mut self, name: &str) -> Vec<Value> {
        let wanted = async {
            loop {
                match event(&self.text().await) {
                    Some((found, arguments)) if found == name => return arguments,
                    _ => {}
                }
            }
        };
        in_time(wanted, name).await
    }

    /// The next update whose list has this many sessions.
    pub async fn list_of(&mut self, sessions: usize) -> Vec<Value> {
        let wanted = async {
            loop {
                let arguments = self.event("sessions:update").await;
                let list = arguments[0].as_array().unwrap();
                if list.len() == sessions {
                    return list.clone();
                }
            }
        };
        in_time(wanted, "the list").await
    }

    /// The names of the events that come in this time.
    pub async fn heard_in(&mut self, time: Duration) -> Vec<String> {
        let mut names = Vec::new();
        let listen = async {
            loop {
                names.extend(event(&self.text().await).map(|(name, _)| name));
            }
        };
        let _ = timeout(time, listen).await;
        names
    }

    /// The names of the events that came before the answer to a question that is asked now.
    pub async fn heard(&mut self) -> Vec<String> {
        let id = self.emit("sessions:none", "").await;
        let head = format!("43/sessions,{id}[");
        let mut names = Vec::new();
        let answer = async {
            loop {
                let text = self.text().await;
                if text.starts_with(&head) {
                    return names;
                }
                names.extend(event(&text).map(|(name, _)| name));
            }
        };
        in_time(answer, "the answer").await
    }
}

/// What an answer says besides its sentence.
pub fn told(answer: &Value) -> Value {
    let mut told = answer.clone();
    told.as_object_mut().unwrap().remove("message");
    told
}

/// What is waited for. Each read has a deadline of its own, which pings and other events put off: this one is over all.
async fn in_time<T>(wanted: impl Future<Output = T>, what: &str) -> T {
    timeout(PATIENCE, wanted).await.unwrap_or_else(|_| panic!("{what} did not come in time"))
}
