//! Records of sessions, as other nodes write them.

use rollcall::registry::record::{decode, encode};
use rollcall::registry::{Interner, SocketId};
use serde_json::Value;

/// What was read is the same when it was written and read again, and whatever goes into lists as it is is JSON.
pub fn registry_record(input: &[u8]) {
    let id = SocketId::parse("AbCdEfGhIjKlMnOpQrSt").expect("20 characters");
    let agents = Interner::default();
    let Some(session) = decode(id, input, &agents) else { return assert!(agents.is_empty(), "it is kept") };
    let (user_agent, device) = (&*session.agent.user_agent, &*session.agent.device);
    if !user_agent.is_empty() {
        assert!(serde_json::from_str::<Value>(user_agent).is_ok_and(|json| json.is_string()), "{user_agent}");
    }
    if !device.is_empty() {
        assert!(serde_json::from_str::<Value>(device).is_ok_and(|json| json.is_object()), "{device}");
    }
    assert!(session.id == id && session.mailbox.is_none());
    let record = encode(&session);
    for agents in [&agents, &Interner::default()] {
        let again = decode(id, &record, agents).expect("what is written can be read");
        assert_eq!(format!("{again:?}"), format!("{session:?}"));
        assert_eq!(encode(&again), record);
    }
}
