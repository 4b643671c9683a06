//! `/asyncapi.json` as it is served, held against what real sockets are told: every event and every acknowledgement.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::live::wire::{Wire, upgrade_headers};
use crate::live::{Live, WEBSOCKET};

/// The document, and which of its messages have been met.
struct Described {
    document: Value,
    met: BTreeSet<String>,
}

impl Described {
    async fn of(live: &Live) -> Self {
        let answer = live.wire().await.get("/asyncapi.json").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
        Self { document: serde_json::from_str(&answer.body).unwrap(), met: BTreeSet::new() }
    }

    /// These arguments are as the message says.
    fn check(&mut self, message: &str, arguments: &Value) {
        let payload = self.document["components"]["messages"][message]["payload"].clone();
        assert!(payload.is_object(), "{message} is not described");
        if let Err(why) = self.validate(&payload, arguments, message) {
            panic!("{why}: {arguments}");
        }
        self.met.insert(message.to_owned());
    }

    /// As much of JSON Schema as the document uses; what is not described is not allowed.
    fn validate(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.validate(self.document.pointer(&reference[1..]).unwrap(), value, at);
        }
        if let Some(schemas) = schema["oneOf"].as_array() {
            let results: Vec<_> = schemas.iter().map(|one| self.validate(one, value, at)).collect();
            return match results.iter().any(Result::is_ok) {
                true => Ok(()),
                false => Err(format!("{results:?}")),
            };
        }
        if let Some(allowed) = schema["enum"].as_array() {
            return if allowed.contains(value) {
                Ok(())
            } else {
                Err(format!("{at}: {value} is none of {allowed:?}"))
            };
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
            _ => return Ok(()),
        };
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !kinds.contains(&is) {
            return Err(format!("{at}: {value} is no {kinds:?}"));
        }
        match value {
            Value::Array(values) => {
                let places = schema["items"].as_array();
                let in_bounds = |name: &str, fits: fn(usize, usize) -> bool| {
                    schema[name].as_u64().is_none_or(|bound| fits(values.len(), bound as usize))
                };
                if !in_bounds("minItems", |count, least| count >= least)
                    || !in_bounds("maxItems", |count, most| count <= most)
                {
                    return Err(format!("{at}: {} of them", values.len()));
                }
                values.iter().enumerate().try_for_each(|(place, value)| {
                    let of = places.map_or(&schema["items"], |places| &places[place]);
                    self.validate(of, value, &format!("{at}[{place}]"))
                })
            }
            Value::Object(fields) => {
                let required =
                    schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
                for name in required {
                    if !fields.contains_key(name) {
                        return Err(format!("{at}: no {name}"));
                    }
                }
                fields.iter().try_for_each(|(name, value)| match schema["properties"].get(name) {
                    Some(of) => self.validate(of, value, &format!("{at}.{name}")),
                    None => Err(format!("{at}: {name} is not described")),
                })
            }
            _ => Ok(()),
        }
    }
}

/// `sessions:ready` is `sessionsReady` in the document.
fn key(event: &str) -> String {
    let (namespace, name) = event.split_once(':').unwrap();
    format!("{namespace}{}{}", name[..1].to_ascii_uppercase(), &name[1..])
}

/// A WebSocket of a phone that asks to join.
async fn connect(live: &Live, auth: &Value) -> Wire {
    let agent = "user-agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari/604.1\r\n";
    let mut wire = live.wire().await;
    let answer = wire.request("GET", WEBSOCKET, &(upgrade_headers() + agent), "").await;
    assert_eq!(answer.status, 101);
    assert!(wire.text().await.starts_with('0'));
    wire.say(&format!("40/sessions,{auth}")).await;
    assert!(wire.text().await.starts_with("40/sessions,"));
    wire
}

/// Reads until this event has come; all that come are held against the document.
async fn until(described: &mut Described, wire: &mut Wire, event: &str) -> Value {
    loop {
        let packet = wire.text().await;
        let Some(json) = packet.strip_prefix("42/sessions,") else { continue };
        let mut array: Vec<Value> = serde_json::from_str(json).unwrap();
        let name = array.remove(0);
        let arguments = Value::Array(array);
        described.check(&key(name.as_str().unwrap()), &arguments);
        if name == event {
            return arguments;
        }
    }
}

/// Emits, and holds argument and acknowledgement against the document; gives the acknowledgement.
async fn ask(described: &mut Described, wire: &mut Wire, event: &str, argument: Option<Value>) -> Value {
    let arguments: Vec<Value> = argument.into_iter().collect();
    described.check(&key(event), &json!(arguments));
    answer(described, wire, event, arguments).await
}

async fn answer(described: &mut Described, wire: &mut Wire, event: &str, arguments: Vec<Value>) -> Value {
    let mut array = vec![json!(event)];
    array.extend(arguments);
    wire.say(&format!("42/sessions,7{}", Value::Array(array))).await;
    loop {
        let packet = wire.text().await;
        if let Some(json) = packet.strip_prefix("43/sessions,7") {
            let acknowledged: Value = serde_json::from_str(json).unwrap();
            described.check(&format!("{}Ack", key(event)), &acknowledged);
            return acknowledged[0].clone();
        }
    }
}

#[tokio::test]
async fn what_sockets_are_told_is_what_the_document_says() {
    let live = Live::start(|_| {}).await;
    let mut described = Described::of(&live).await;
    let token = |login: &str, seconds: u64| live.token_of("ada", Some(login), Duration::from_secs(seconds));
    let auth = json!({"token": token("one", 50), "context": "tab", "deviceId": "phone"});
    let mut first = connect(&live, &auth).await;
    until(&mut described, &mut first, "sessions:update").await;
    until(&mut described, &mut first, "sessions:expiring").await;

    let mut second = connect(&live, &json!({"token": token("two", 3600)})).await;
    let ready = until(&mut described, &mut second, "sessions:ready").await;
    until(&mut described, &mut first, "sessions:new").await;

    ask(&mut described, &mut first, "sessions:state", Some(json!({"state": "active"}))).await;
    ask(&mut described, &mut first, "sessions:rename", Some(json!({"label": "Ada's phone"}))).await;
    let listed = ask(&mut described, &mut first, "sessions:list", None).await;
    let own = listed["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["metadata"]["context"] == "tab")
        .unwrap();
    for field in ["device", "deviceId", "label", "state", "lastActiveAt"] {
        assert!(own.get(field).is_some(), "no {field} in {own}: nothing was compared");
    }
    let send = json!({"to": "others", "event": "x", "data": {"any": ["thing"]}});
    ask(&mut described, &mut first, "sessions:send", Some(send)).await;
    until(&mut described, &mut second, "sessions:message").await;
    ask(&mut described, &mut first, "sessions:refresh", Some(json!({"token": token("one", 3600)}))).await;
    let wrong = json!({"to": 1, "event": "x", "data": 1});
    let refused = answer(&mut described, &mut first, "sessions:send", vec![wrong]).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("payload_invalid"), &json!("to")));
    loop {
        let send = json!({"to": "others", "event": "x", "data": null});
        if ask(&mut described, &mut first, "sessions:send", Some(send)).await["code"] == "rate_limited" {
            break;
        }
    }
    let revoke = json!({"socketId": ready[0]["socketId"]});
    ask(&mut described, &mut first, "sessions:revoke", Some(revoke)).await;
    until(&mut described, &mut second, "sessions:error").await;
    let mut refused = connect(&live, &json!({"token": token("three", 60), "context": 7})).await;
    until(&mut described, &mut refused, "sessions:error").await;

    let messages = described.document["components"]["messages"].as_object().unwrap();
    let missing: Vec<_> = messages.keys().filter(|name| !described.met.contains(*name)).collect();
    assert!(missing.is_empty(), "nothing was compared with {missing:?}");
}
