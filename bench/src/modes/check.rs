//! The mode `check`: a few sessions of two users, and each field that they must be told: `socketId`, `connectedAt`,
//! `metadata`. What a server says besides is not looked at. Does not know: sockets, and what anything costs.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{LEAVE_MAX, LISTS_MAX, ModeError};
use crate::args::{CheckArgs, Load};
use crate::cast::Cast;
use crate::crowd::{Crowd, CrowdError, End};
use crate::ledger::{Ledger, Violation};
use crate::report::Report;

/// What was looked at.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Check {
    pub(crate) readies: usize,
    pub(crate) updates: usize,
    /// Sessions in all these lists.
    pub(crate) items: usize,
    /// What a token signed by somebody else was answered.
    pub(crate) stranger: String,
}

/// Connects two users with three sessions each, one after the other, lets one leave, and reads all that was said.
pub(crate) fn run(args: &CheckArgs) -> Result<Report<Check>, ModeError> {
    let load = Load { sessions: 2 * TABS, per_user: TABS, in_flight: 1, ..args.load.clone() };
    let mut crowd = Crowd::new(&load, load.sessions, load.per_user)?;
    crowd.keep_transcript();
    crowd.ramp(0..crowd.seats(), 1)?;
    crowd.compare_lists(LISTS_MAX)?;
    let mut reader = Reader::new(&load);
    let transcript = crowd.take_transcript();
    // A session may be in another one's list before its own CONNECT was answered.
    for (index, packet) in &transcript {
        reader.learn(*index, packet);
    }
    for (index, packet) in &transcript {
        reader.read(*index, packet, crowd.ledger());
    }
    reader.finish(crowd.ledger());
    crowd.leave(1);
    crowd.compare_lists(LISTS_MAX)?;
    for (index, _) in crowd.take_transcript() {
        if index as u32 >= TABS {
            crowd.ledger().note(Violation::FieldWrong, index, "told of another user's session");
        }
    }
    crowd.leave_all(LEAVE_MAX)?;
    let mut check = reader.check;
    check.stranger = stranger(&load, crowd.ledger())?;
    Ok(Report::new("check", &load, check, crowd.ledger()))
}

/// Tries to come in with a token that is signed with another secret.
fn stranger(load: &Load, ledger: &mut Ledger) -> Result<String, ModeError> {
    let load = Load { secret: STRANGE_SECRET.to_owned(), ..load.clone() };
    let mut crowd = Crowd::new(&load, 1, 1)?;
    Ok(match crowd.ramp(0..1, 1) {
        Err(CrowdError::Session { end: End::TimedOut(_), .. }) => "nothing".to_owned(),
        Err(CrowdError::Session { end, .. }) => end.to_string(),
        Err(error) => return Err(error.into()),
        Ok(_) => {
            ledger.note(Violation::FieldWrong, 0, "a token with a strange signature was let in");
            "let in".to_owned()
        }
    })
}

/// Reads packets of the sessions of a cast, in the order in which they came.
struct Reader {
    cast: Cast,
    per_user: usize,
    /// By socket id: which session.
    ids: HashMap<String, usize>,
    check: Check,
}

impl Reader {
    fn new(load: &Load) -> Self {
        let cast = Cast::new(0, "", load.first_user, load.per_user);
        Self { cast, per_user: load.per_user as usize, ids: HashMap::new(), check: Check::default() }
    }

    /// Remembers the id of the session `index` when the packet tells it.
    fn learn(&mut self, index: usize, packet: &str) {
        let connected = packet.strip_prefix("40/sessions,").unwrap_or_default();
        if let Ok(Value::Object(fields)) = serde_json::from_str(connected)
            && let Some(Value::String(sid)) = fields.get("sid")
        {
            self.ids.insert(sid.clone(), index);
        }
    }

    fn read(&mut self, index: usize, packet: &str, ledger: &mut Ledger) {
        if let Err(wrong) = self.read_packet(index, packet) {
            ledger.note(Violation::FieldWrong, index, wrong);
        }
    }

    /// Whether all that had to be said was said.
    fn finish(&self, ledger: &mut Ledger) {
        let sessions = 2 * self.per_user;
        let (readies, updates) = (self.check.readies, self.check.updates);
        // The nth session of a user is told to n sockets; a server may tell several changes in one.
        if readies != sessions || updates < sessions {
            let seen = format_args!("{readies} ready and {updates} update to {sessions} sessions");
            ledger.note(Violation::FieldWrong, 0, seen);
        }
    }

    fn read_packet(&mut self, index: usize, packet: &str) -> Result<(), String> {
        let Some(data) = packet.strip_prefix("42/sessions,") else { return Ok(()) };
        let event: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
        match (event[0].as_str(), &event[1]) {
            (Some("sessions:ready"), ready) => {
                self.check.readies += 1;
                let own = text(ready, "socketId")?;
                if self.ids.get(own) != Some(&index) {
                    return Err(format!("socketId {own} is not the sid of CONNECT"));
                }
                // Sessions come one after the other, so the nth of a user is told of n.
                let expected = index % self.per_user + 1;
                match self.read_list(index, &ready["sessions"])? {
                    seen if seen == expected => Ok(()),
                    seen => Err(format!("ready lists {seen} sessions instead of {expected}")),
                }
            }
            (Some("sessions:update"), list) => {
                self.check.updates += 1;
                self.read_list(index, list).map(|_| ())
            }
            (name, _) => Err(format!("the event {name:?}")),
        }
    }

    /// Reads the list that the session `index` was told; gives its length.
    fn read_list(&mut self, index: usize, list: &Value) -> Result<usize, String> {
        let items = list.as_array().ok_or("a list that is no array")?;
        let mut last = None;
        for item in items {
            self.check.items += 1;
            let (id, connected_at) = (text(item, "socketId")?, text(item, "connectedAt")?);
            let of = *self.ids.get(id).ok_or_else(|| format!("a stranger in the list: {id}"))?;
            if of / self.per_user != index / self.per_user {
                return Err(format!("a session of another user: {id}"));
            }
            if !is_timestamp(connected_at) {
                return Err(format!("connectedAt {connected_at:?} is not ISO 8601 in UTC with milliseconds"));
            }
            let place = Some((connected_at, id));
            if last >= place {
                return Err("a list that is not sorted by connectedAt, then socketId".to_owned());
            }
            last = place;
            self.read_metadata(of, &item["metadata"])?;
        }
        Ok(items.len())
    }

    fn read_metadata(&self, index: usize, metadata: &Value) -> Result<(), String> {
        let expected =
            [("userAgent", self.cast.user_agent(index).to_owned()), ("context", self.cast.context(index))];
        for (name, expected) in expected {
            let given = text(metadata, name)?;
            if given != expected {
                return Err(format!("metadata.{name} is {given:?} instead of {expected:?}"));
            }
        }
        let ip = text(metadata, "ip")?;
        match ip.parse::<std::net::Ipv4Addr>() {
            Ok(address) if address.is_loopback() => Ok(()),
            _ => Err(format!("metadata.ip is {ip:?} instead of the client's address")),
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value[name].as_str().ok_or_else(|| format!("{name} is missing, or no text"))
}

/// `2026-11-24T03:18:07.720Z` and nothing else.
fn is_timestamp(text: &str) -> bool {
    let shape = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    shape.eq(*b"0000-00-00T00:00:00.000Z")
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { readies, updates, items, stranger } = self;
        writeln!(f, "  {readies} ready and {updates} update with {items} sessions were read")?;
        writeln!(f, "  a token signed by somebody else: {stranger}")
    }
}

/// Sessions of each of the two users.
const TABS: u32 = 3;
/// Not the secret of any server.
const STRANGE_SECRET: &str = "signed by somebody else, not by whom the server trusts";

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                         Chrome/140.0.0.0 Safari/537.36";

    fn reader() -> Reader {
        let ids = HashMap::from([("a".to_owned(), 0), ("b".to_owned(), 1), ("z".to_owned(), 3)]);
        let cast = Cast::new(0, "", 0, 3);
        Reader { cast, per_user: 3, ids, check: Check::default() }
    }

    fn item(id: &str, at: &str, context: &str, ip: &str) -> Value {
        serde_json::json!({
            "socketId": id,
            "connectedAt": at,
            "metadata": { "ip": ip, "userAgent": AGENT, "context": context },
        })
    }

    fn update(items: &[Value]) -> String {
        format!("42/sessions,{}", serde_json::json!(["sessions:update", items]))
    }

    const AT: &str = "2026-11-24T03:18:07.720Z";

    #[test]
    fn a_right_list_passes() {
        let mut reader = reader();
        let first = item("a", AT, "dashboard-tab-0", "127.0.1.1");
        let second = item("b", AT, "dashboard-tab-1", "127.0.1.1");
        assert_eq!(reader.read_packet(0, &update(&[first.clone(), second])), Ok(()));
        let ready = serde_json::json!(["sessions:ready", { "socketId": "a", "sessions": [first] }]);
        assert_eq!(reader.read_packet(0, &format!("42/sessions,{ready}")), Ok(()));
        assert_eq!((reader.check.readies, reader.check.updates, reader.check.items), (1, 1, 3));
    }

    #[test]
    fn each_wrong_field_is_named() {
        let check = |items: &[Value], part: &str| {
            let wrong = reader().read_packet(0, &update(items)).unwrap_err();
            assert!(wrong.contains(part), "{wrong}");
        };
        let right = item("a", AT, "dashboard-tab-0", "127.0.1.1");
        check(&[item("a", "2026-11-24T03:18:07Z", "dashboard-tab-0", "127.0.1.1")], "connectedAt");
        check(&[item("a", AT, "dashboard-tab-1", "127.0.1.1")], "metadata.context");
        check(&[item("a", AT, "dashboard-tab-0", "::ffff:127.0.0.1")], "metadata.ip");
        check(&[item("x", AT, "dashboard-tab-0", "127.0.1.1")], "stranger");
        check(&[item("z", AT, "dashboard-tab-0", "127.0.1.1")], "another user");
        check(&[item("b", AT, "dashboard-tab-1", "127.0.1.1"), right.clone()], "sorted");
        check(&[right.clone(), right], "sorted");
        check(&[serde_json::json!({ "socketId": 7 })], "socketId is missing");
    }

    #[test]
    fn a_ready_of_the_wrong_length_or_for_another_is_named() {
        let check = |index, own: &str, part: &str| {
            let sessions = [item("a", AT, "dashboard-tab-0", "127.0.1.1")];
            let ready = serde_json::json!(["sessions:ready", { "socketId": own, "sessions": sessions }]);
            let wrong = reader().read_packet(index, &format!("42/sessions,{ready}")).unwrap_err();
            assert!(wrong.contains(part), "{wrong}");
        };
        check(1, "b", "lists 1 sessions instead of 2");
        check(1, "a", "is not the sid");
        let mut reader = reader();
        reader.learn(2, r#"40/sessions,{ "sid": "c" }"#);
        reader.learn(4, r#"42/sessions,{"sid":"d"}"#);
        assert_eq!((reader.ids.get("c"), reader.ids.get("d")), (Some(&2), None));
    }
}
