//! The namespace as AsyncAPI 3.0: which events there are, which way they go, how they are acknowledged. Their schemas are
//! made of the types. Does not know: HTTP.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use super::{
    AckError, DoneAck, ListAck, RefreshAck, RefreshRequest, RenameRequest, RevokeAck, RevokeRequest, SendAck,
    SendRequest, SessionItem, SessionsAuth, SessionsError, SessionsExpiring, SessionsMessage, SessionsNew,
    SessionsReady, StateRequest, UpdateMeta,
};

/// The whole document.
pub fn document() -> Value {
    let mut document = Document::default();
    document.sends("sessions:ready", "Once a connection, before everything else.", |schemas| {
        vec![schemas.of::<SessionsReady>()]
    });
    document.sends("sessions:update", "The whole list, after every change.", |schemas| {
        let list = json!({"type": "array", "items": schemas.of::<SessionItem>()});
        vec![list, schemas.of::<UpdateMeta>()]
    });
    document.sends("sessions:error", "Why the connection ends: the last event on it.", |schemas| {
        vec![schemas.of::<SessionsError>()]
    });
    document.sends("sessions:expiring", "The token of this connection ends soon.", |schemas| {
        vec![schemas.of::<SessionsExpiring>()]
    });
    document.sends("sessions:message", "What another session, or another server, has sent.", |schemas| {
        vec![schemas.of::<SessionsMessage>()]
    });
    document.sends("sessions:new", "A login of the user that was never seen before.", |schemas| {
        vec![schemas.of::<SessionsNew>()]
    });
    document.receives::<ListAck>("sessions:list", "Gives the list.", |_| vec![]);
    document.receives::<SendAck>("sessions:send", "Relays to sessions of the same user.", |schemas| {
        vec![schemas.of::<SendRequest>()]
    });
    document.receives::<DoneAck>("sessions:rename", "Names the device of this session.", |schemas| {
        vec![schemas.of::<RenameRequest>()]
    });
    document.receives::<DoneAck>("sessions:state", "Says what the user does with this client.", |schemas| {
        vec![schemas.of::<StateRequest>()]
    });
    document.receives::<RevokeAck>("sessions:revoke", "Ends logins.", |schemas| {
        vec![schemas.of::<RevokeRequest>()]
    });
    document.receives::<RefreshAck>("sessions:refresh", "Gives this session another token.", |schemas| {
        vec![schemas.of::<RefreshRequest>()]
    });
    document.finish()
}

/// Schemas by name, those that they refer to among them.
#[derive(Default)]
struct Schemas(Map<String, Value>);

impl Schemas {
    /// A reference to the schema of this type, which is there from now on.
    fn of<T: ToSchema>(&mut self) -> Value {
        let mut found: Vec<(String, RefOr<Schema>)> = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut found);
        for (name, schema) in found {
            // Maps with text as keys only, so this cannot fail.
            self.0.entry(name).or_insert_with(|| serde_json::to_value(schema).unwrap_or_default());
        }
        json!({"$ref": format!("#/components/schemas/{}", T::name())})
    }
}

#[derive(Default)]
struct Document {
    schemas: Schemas,
    messages: Map<String, Value>,
    operations: Map<String, Value>,
}

impl Document {
    /// An event that the server says; its arguments, in order.
    fn sends(&mut self, event: &str, summary: &str, arguments: impl FnOnce(&mut Schemas) -> Vec<Value>) {
        let arguments = arguments(&mut self.schemas);
        let message = self.message(event, event, summary, arguments);
        self.operations.insert(
            id(event),
            json!({
                "action": "send",
                "channel": {"$ref": CHANNEL},
                "summary": summary,
                "messages": [message],
            }),
        );
    }

    /// An event that a client says, and its acknowledgement.
    fn receives<A: ToSchema>(
        &mut self,
        event: &str,
        summary: &str,
        arguments: impl FnOnce(&mut Schemas) -> Vec<Value>,
    ) {
        let arguments = arguments(&mut self.schemas);
        let answer = json!({"oneOf": [self.schemas.of::<A>(), self.schemas.of::<AckError>()]});
        let message = self.message(event, event, summary, arguments);
        let about = format!("The acknowledgement of {event}, if one was asked for.");
        let answer = self.message(&format!("{event}:ack"), event, &about, vec![answer]);
        self.operations.insert(
            id(event),
            json!({
                "action": "receive",
                "channel": {"$ref": CHANNEL},
                "summary": summary,
                "messages": [message],
                "reply": {"channel": {"$ref": CHANNEL}, "messages": [answer]},
            }),
        );
    }

    fn message(&mut self, key: &str, name: &str, summary: &str, arguments: Vec<Value>) -> Value {
        let count = arguments.len();
        let payload = match count {
            0 => json!({"type": "array", "maxItems": 0}),
            _ => json!({"type": "array", "items": arguments, "minItems": count, "maxItems": count}),
        };
        let key = id(key);
        self.messages.insert(key.clone(), json!({"name": name, "summary": summary, "payload": payload}));
        json!({"$ref": format!("{CHANNEL}/messages/{key}")})
    }

    fn finish(mut self) -> Value {
        let auth = self.schemas.of::<SessionsAuth>();
        let references =
            |key: &String| (key.clone(), json!({"$ref": format!("#/components/messages/{key}")}));
        let in_channel: Map<String, Value> = self.messages.keys().map(references).collect();
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "Rollcall",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "The Socket.IO namespace `sessions` of a realtime sessions gateway. A payload is the list \
                    of the event's arguments. What is answered over HTTP is in /openapi.json.",
            },
            "defaultContentType": "application/json",
            "channels": {
                "sessions": {
                    "address": "/sessions",
                    "title": "The namespace",
                    "description": "Socket.IO v5 over Engine.IO v4. `auth` of the CONNECT packet is in `x-auth`.",
                    "messages": in_channel,
                    "x-auth": auth,
                },
            },
            "operations": self.operations,
            "components": {"messages": self.messages, "schemas": self.schemas.0},
        })
    }
}

/// A key of the document: `sessions:ready` is `sessionsReady`.
fn id(event: &str) -> String {
    let mut parts = event.split(':');
    let mut id = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (first, rest) = part.split_at(part.len().min(1));
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

/// The schema of what is always `true`.
pub(super) fn literal_true() -> Schema {
    literal(true)
}

/// The schema of what is always `false`.
pub(super) fn literal_false() -> Schema {
    literal(false)
}

fn literal(value: bool) -> Schema {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::Boolean)).enum_values(Some([value])).into()
}

const CHANNEL: &str = "#/channels/sessions";
