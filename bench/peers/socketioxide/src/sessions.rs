//! The namespace `sessions`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::ConnectInfo;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, SocketRef, TryData};
use socketioxide::socket::Sid;

use crate::identity::{INVALID, Identity, MISSING, Refusal};
use crate::registry::{Metadata, Registry, Session};

/// What all sessions share.
pub struct Gateway {
    pub identity: Identity,
    pub registry: Registry,
}

/// What a client says of itself.
#[derive(Default, Deserialize)]
struct Auth {
    token: Option<Value>,
    context: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    socket_id: Sid,
    sessions: &'a [Arc<Session>],
}

/// What a client sends to its user's sessions.
#[derive(Deserialize)]
struct Send {
    to: String,
    event: String,
    #[serde(default)]
    data: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    from: Sid,
    event: String,
    data: Value,
    sent_at: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Sent { ok: bool, delivered: usize },
    Refused { ok: bool, code: &'static str, message: &'static str },
}

impl Gateway {
    /// Serves the namespace.
    pub fn attach(self: Arc<Self>, io: &SocketIo) {
        io.ns(NAMESPACE, move |socket: SocketRef, TryData(auth): TryData<Auth>| {
            let gateway = self.clone();
            async move {
                if let Err(refusal) = gateway.on_connect(&socket, auth.unwrap_or_default()).await {
                    // A client that has gone by itself needs no word.
                    let _ = socket.emit("sessions:error", &refusal);
                    let _ = socket.disconnect();
                }
            }
        });
    }

    async fn on_connect(self: Arc<Self>, socket: &SocketRef, auth: Auth) -> Result<(), Refusal> {
        let user: Arc<str> = self.identity.judge(&token(auth.token)?)?.into();
        self.clone().listen(socket, &user);
        socket.join(user.to_string());
        let sessions = self.registry.join(&user, session(socket, auth.context));
        let _ = socket.emit("sessions:ready", &Ready { socket_id: socket.id, sessions: &sessions });
        let _ = socket.within(user.to_string()).emit("sessions:update", &sessions).await;
        Ok(())
    }

    fn listen(self: Arc<Self>, socket: &SocketRef, user: &Arc<str>) {
        let (gateway, owner) = (self.clone(), user.clone());
        socket.on(
            "sessions:send",
            move |io: SocketIo, socket: SocketRef, TryData(request): TryData<Send>, ack: AckSender| {
                let (gateway, user) = (gateway.clone(), owner.clone());
                async move {
                    let answer = match request {
                        Ok(request) => gateway.on_send(&io, &socket, &user, request).await,
                        Err(_) => refused("payload_invalid", "to and event must be strings."),
                    };
                    let _ = ack.send(&answer);
                }
            },
        );
        let (gateway, owner) = (self, user.clone());
        socket.on_disconnect(move |socket: SocketRef| {
            let (gateway, user) = (gateway.clone(), owner.clone());
            async move {
                let sessions = gateway.registry.leave(&user, socket.id);
                if !sessions.is_empty() {
                    let _ = socket.to(user.to_string()).emit("sessions:update", &sessions).await;
                }
            }
        });
    }

    async fn on_send(&self, io: &SocketIo, socket: &SocketRef, user: &str, request: Send) -> Answer {
        let Send { to, event, data } = request;
        let ids = self.registry.ids(user);
        let message = Message { from: socket.id, event, data, sent_at: now() };
        let delivered = match to.as_str() {
            "all" => {
                let _ = socket.within(user.to_owned()).emit("sessions:message", &message).await;
                ids.len()
            }
            "others" => {
                let _ = socket.to(user.to_owned()).emit("sessions:message", &message).await;
                ids.len() - 1
            }
            to => {
                let named = ids.into_iter().find(|id| id.as_str() == to);
                let Some(receiver) = named.and_then(|id| io.of(NAMESPACE)?.get_socket(id)) else {
                    return refused("session_not_found", "There is no such session.");
                };
                usize::from(receiver.emit("sessions:message", &message).is_ok())
            }
        };
        Answer::Sent { ok: true, delivered }
    }
}

fn token(token: Option<Value>) -> Result<String, Refusal> {
    match token {
        None | Some(Value::Null) => Err(MISSING),
        Some(Value::String(token)) if token.is_empty() => Err(MISSING),
        Some(Value::String(token)) => Ok(token),
        Some(_) => Err(INVALID),
    }
}

fn session(socket: &SocketRef, context: Option<String>) -> Session {
    let request = socket.req_parts();
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    let agent = request.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
    let metadata = Metadata {
        ip: peer.map(|ConnectInfo(address)| address.ip().to_string()).unwrap_or_default(),
        user_agent: agent.unwrap_or_default().to_owned(),
        context: context.filter(|context| !context.is_empty()),
    };
    Session { socket_id: socket.id, connected_at: now(), metadata }
}

/// ISO 8601, UTC, milliseconds.
fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

fn refused(code: &'static str, message: &'static str) -> Answer {
    Answer::Refused { ok: false, code, message }
}

const NAMESPACE: &str = "/sessions";
