//! `/socket.io/`: the namespaces `/` and `/custom`. On joining, `auth` says what the client's auth holds; `message` is
//! answered with `message-back`, `message-with-ack` with an acknowledgement, both with the same arguments.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::server::{
    Application, CloseCode, Cut, Factory, Flow, Goodbye, Mailbox, Opening, Outbox, Rejection,
};
use engineio::{CloseReason, Message};
use socketio::connection::{encode_connected, encode_invalid_namespace};
use socketio::{Config, Connection, Event, Kind, event, packet};

/// Makes a [`Client`] for each session.
#[derive(Debug)]
pub(crate) struct Namespaces {
    config: Arc<Config>,
}

/// One Socket.IO connection.
#[derive(Debug)]
pub(crate) struct Client {
    config: Arc<Config>,
    connection: Connection,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self {
            config: Arc::new(Config {
                namespaces: &["/", "/custom"],
                connect_timeout: Duration::from_secs(45),
                max_attachment_bytes: 1_000_000,
                ..Config::default()
            }),
        }
    }
}

impl Factory for Namespaces {
    type Application = Client;

    fn open(&self, now: Instant, _: &Opening<'_>, _: &Arc<Mailbox>) -> Result<Client, Rejection> {
        Ok(Client { config: self.config.clone(), connection: Connection::new(&self.config, now) })
    }

    fn on_refused(&self, _: &'static str) {}
}

impl Client {
    fn on_event(&self, event: Event<'_>, out: &mut Outbox<'_>) {
        let name_of = |namespace: socketio::NamespaceId| self.config.namespaces[namespace.0 as usize];
        match event {
            Event::Connect { namespace, auth } => {
                let auth = if auth.is_empty() { "{}" } else { auth };
                let sid = format!("conformance-{}", namespace.0);
                out.text(|out| encode_connected(name_of(namespace), &sid, out));
                out.text(|out| {
                    event::encode(out, name_of(namespace), "auth", |out| {
                        out.push(b',');
                        out.extend_from_slice(auth.as_bytes());
                    });
                });
            }
            Event::UnknownNamespace { namespace } => {
                out.text(|out| encode_invalid_namespace(namespace, out));
            }
            Event::Event { namespace, id, name, json, attachments } => {
                // The arguments as they came: what stands behind the name.
                let arguments =
                    json[1..].trim_start().trim_start_matches(&format!("\"{name}\"")).trim_start();
                match (&*name, id) {
                    ("message", _) => {
                        let json = format!("[\"message-back\"{arguments}");
                        send(out, Kind::Event, name_of(namespace), None, &json, &attachments);
                    }
                    ("message-with-ack", Some(id)) => {
                        let json = format!("[{}", arguments.trim_start_matches(','));
                        send(out, Kind::Ack, name_of(namespace), Some(id), &json, &attachments);
                    }
                    _ => {}
                }
            }
            Event::Ack { .. } | Event::Disconnect { .. } => {}
        }
    }
}

fn send(
    out: &mut Outbox<'_>,
    kind: Kind,
    namespace: &str,
    id: Option<u64>,
    json: &str,
    attachments: &[Bytes],
) {
    let kind = match (kind, attachments) {
        (kind, []) => kind,
        (Kind::Ack, _) => Kind::BinaryAck,
        _ => Kind::BinaryEvent,
    };
    out.text(|out| {
        packet::encode_head(kind, attachments.len() as u32, namespace, id, out);
        out.extend_from_slice(json.as_bytes());
    });
    for attachment in attachments {
        out.binary(attachment);
    }
}

impl Application for Client {
    fn on_message(&mut self, _: Instant, message: Message<'_>, out: &mut Outbox<'_>) -> Flow {
        let event = match message {
            Message::Text(text) => self.connection.handle_text(&self.config, text),
            Message::Binary(data) => self.connection.handle_binary(&self.config, data),
        };
        match event {
            Ok(event) => {
                if let Some(event) = event {
                    self.on_event(event, out);
                }
                Flow::Continue
            }
            Err(_) => Flow::Close(Goodbye::Violation),
        }
    }

    fn on_wake(&mut self, _: Instant, _: &mut Outbox<'_>) -> Flow {
        Flow::Continue
    }

    fn on_close_request(&mut self, _: Instant, _: CloseCode, _: &mut Outbox<'_>) -> Flow {
        Flow::Close(Goodbye::Orderly)
    }

    fn on_timeout(&mut self, now: Instant, _: &mut Outbox<'_>) -> Flow {
        match self.connection.handle_timeout(now) {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Close(Goodbye::Violation),
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.connection.next_timeout()
    }

    fn on_cut(&mut self, _: Instant, _: Cut, _: &mut Outbox<'_>) {}

    fn on_closed(&mut self, _: Instant, _: CloseReason) {}
}
