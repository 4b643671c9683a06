//! A stock `rust_socketio` client with a notebook: what it was told, in order, and ways to wait for it.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rust_socketio::asynchronous::{Client, ClientBuilder, ReconnectSettings};
use rust_socketio::{Event, Payload, TransportType};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

use crate::server::Server;
use crate::tokens::token_of;

/// The three ways a stock client reaches the gateway.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// WebSocket from the first request on.
    WebSocket,
    /// Long-polling only.
    Polling,
    /// Long-polling, then WebSocket.
    Upgrade,
}

/// How a client says who it is.
pub enum Auth {
    /// This object, as `auth` of the CONNECT packet.
    Object(Value),
    /// A token in the `Authorization` header.
    Header(String),
    /// A token in the query.
    Query(String),
    /// A new token of this user at each connect; the client comes back by itself.
    Fresh(String),
}

/// One event as the client was told it; its own `close` and `error` are among them.
#[derive(Debug)]
pub struct Told {
    /// The event's name.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Value>,
}

/// A client and what it was told.
pub struct Notebook {
    client: Client,
    told: Receiver<Told>,
    /// The socket id of the last `ready`.
    pub id: String,
    /// How often a client with `Auth::Fresh` was asked for a token after its first.
    pub asked: Arc<AtomicUsize>,
}

impl Notebook {
    /// Opens a client in the namespace `sessions`.
    pub async fn open(server: &Server, mode: Mode, auth: Auth) -> Self {
        Self::open_at(server.url.clone(), mode, auth).await
    }

    /// Opens a client of the gateway at `url`.
    pub async fn open_at(url: String, mode: Mode, auth: Auth) -> Self {
        let (sender, told) = channel(10_000);
        let asked = Arc::new(AtomicUsize::new(0));
        let url = match &auth {
            Auth::Query(token) => format!("{url}/?token={token}"),
            Auth::Object(_) | Auth::Header(_) | Auth::Fresh(_) => url,
        };
        let mut builder = ClientBuilder::new(url)
            .namespace("/sessions")
            .transport_type(match mode {
                Mode::WebSocket => TransportType::Websocket,
                Mode::Polling => TransportType::Polling,
                Mode::Upgrade => TransportType::WebsocketUpgrade,
            })
            .reconnect_delay(100, 300);
        for event in [Event::Close, Event::Error] {
            let sender = sender.clone();
            let name = String::from(event.as_str());
            builder = builder.on(event, move |payload, _| {
                let _ = sender.try_send(Told { name: name.clone(), args: arguments(payload) });
                Box::pin(future::ready(()))
            });
        }
        builder = builder.on_any(move |event, payload, _| {
            let _ = sender.try_send(Told { name: String::from(event.as_str()), args: arguments(payload) });
            Box::pin(future::ready(()))
        });
        builder = match auth {
            Auth::Object(object) => builder.auth(object),
            Auth::Header(value) => builder.opening_header("authorization", value),
            Auth::Query(_) => builder,
            Auth::Fresh(user) => {
                let asked = asked.clone();
                builder.auth(json!({"token": token_of(&user)})).reconnect(true).on_reconnect(move || {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let mut settings = ReconnectSettings::new();
                    settings.auth(json!({"token": token_of(&user)}));
                    Box::pin(future::ready(settings))
                })
            }
        };
        let client = builder.connect().await.expect("the transport opens");
        Self { client, told, id: String::new(), asked }
    }

    /// Opens a client of `user` and waits for its `ready`.
    pub async fn join(server: &Server, mode: Mode, user: &str) -> Self {
        let mut notebook = Self::open(server, mode, Auth::Object(json!({"token": token_of(user)}))).await;
        notebook.ready().await;
        notebook
    }

    /// The next thing told.
    pub async fn next(&mut self) -> Told {
        let next = timeout(PATIENCE, self.told.recv()).await;
        next.unwrap_or_else(|_| panic!("nothing told for {PATIENCE:?}")).expect("the client lives")
    }

    /// Waits for an event `name`, passing over others, and returns its arguments.
    pub async fn event(&mut self, name: &str) -> Vec<Value> {
        loop {
            let told = self.next().await;
            if told.name == name {
                return told.args;
            }
        }
    }

    /// Waits for `ready`, keeps the socket id and returns the payload.
    pub async fn ready(&mut self) -> Value {
        let payload = self.event("sessions:ready").await.swap_remove(0);
        self.id = String::from(payload["socketId"].as_str().expect("socketId is a string"));
        payload
    }

    /// Waits for an update whose list holds exactly these sockets; returns the lists told on the way.
    pub async fn list_is(&mut self, ids: &[&str]) -> Vec<Vec<String>> {
        let mut wanted: Vec<_> = ids.iter().map(|id| String::from(*id)).collect();
        wanted.sort();
        let mut lists = Vec::new();
        loop {
            let update = self.event("sessions:update").await;
            let mut list = ids_in(&update[0]);
            list.sort();
            lists.push(list.clone());
            if list == wanted {
                return lists;
            }
        }
    }

    /// Asserts that nothing more is told: the client has not come back.
    pub async fn stays_away(&mut self) {
        let told = timeout(Duration::from_secs(3), self.event("sessions:error")).await;
        assert!(told.is_err(), "the client came back and was refused again: {told:?}");
    }

    /// Emits with an acknowledgement and returns its argument.
    pub async fn ask(&self, event: &str, data: Value) -> Value {
        let (sender, mut answer) = channel(1);
        let callback = move |payload: Payload, _: Client| -> _ {
            let _ = sender.try_send(arguments(payload));
            Box::pin(future::ready(())) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
        };
        self.client.emit_with_ack(event, data, PATIENCE, callback).await.expect("the packet is sent");
        let args = timeout(PATIENCE, answer.recv()).await.expect("an ack in time").expect("one ack");
        // This client hands over the ack's list of arguments as one value.
        args.into_iter().next().and_then(|list| list.get(0).cloned()).expect("an ack with an argument")
    }

    /// Emits without an acknowledgement; `false` when the packet could not be sent.
    pub async fn emit(&self, event: &str, data: Value) -> bool {
        matches!(timeout(PATIENCE, self.client.emit(event, data)).await, Ok(Ok(())))
    }

    /// Waits for the next `ready` of a client that was refused or ended with `code`, and may be so again until then.
    /// Asserts that it was never told to stay away: that is the event `close`, which this client gives for a
    /// DISCONNECT packet and for nothing else.
    pub async fn comes_back_after(&mut self, code: &str) {
        loop {
            let told = self.next().await;
            match told.name.as_str() {
                "sessions:ready" => {
                    self.id = String::from(told.args[0]["socketId"].as_str().expect("socketId is a string"));
                    return;
                }
                "sessions:error" => assert_eq!(told.args[0]["code"], code),
                name => assert_eq!(name, "error", "told between the end and the return: {told:?}"),
            }
        }
    }

    /// Leaves.
    pub async fn close(self) {
        self.client.disconnect().await.expect("a clean leave");
    }
}

/// How long an awaited event may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn ids_in(list: &Value) -> Vec<String> {
    let items = list.as_array().expect("a list");
    items.iter().map(|item| String::from(item["socketId"].as_str().expect("socketId"))).collect()
}

fn arguments(payload: Payload) -> Vec<Value> {
    match payload {
        Payload::Text(values) => values,
        Payload::Binary(bytes) => vec![json!({"binary": bytes.len()})],
        // The variant is deprecated and never made by this version of the client.
        _ => Vec::new(),
    }
}
