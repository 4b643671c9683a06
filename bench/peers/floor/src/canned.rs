//! The bytes that are written, made once. They have the sizes of Rollcall's answers to the load client: two sessions of
//! one user, `A` and `B`, with an address of 127.0.x.y, a context, a login, and a User-Agent and a device as long as
//! those of the load client are on average.
//! Does not know: who they are written to.

/// Which of a pair: the first or the second to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The first.
    A,
    /// The second.
    B,
}

/// All that is ever said.
#[derive(Debug)]
pub struct Canned {
    /// The answer to the head of the request, and the Engine.IO open packet.
    pub opened: Vec<u8>,
    /// What follows a CONNECT, by role: `40`, `ready` and `update`; alone, or with the other one there.
    pub joined: [Joined; 2],
    /// The list of both, for the one who was there before.
    pub update: Vec<u8>,
    /// The list of one, for the one who stays.
    pub left: [Vec<u8>; 2],
    /// Engine.IO's ping.
    pub ping: Vec<u8>,
    /// The answer to a close frame, with the code 1001 that a browser's tab leaves with.
    pub close: Vec<u8>,
}

/// What one who joins is told.
#[derive(Debug)]
pub struct Joined {
    /// While the other one is not there.
    pub alone: Vec<u8>,
    /// While it is.
    pub together: Vec<u8>,
}

impl Canned {
    /// Makes them.
    pub fn new() -> Self {
        let both = list(&[Role::A, Role::B]);
        let joined = [Role::A, Role::B]
            .map(|role| Joined { alone: greeting(role, &list(&[role])), together: greeting(role, &both) });
        Self {
            opened: [SWITCHING.replace('\n', "\r\n").into_bytes(), frame(OPEN)].concat(),
            joined,
            update: frame(&update(&both)),
            left: [Role::A, Role::B].map(|role| frame(&update(&list(&[role])))),
            ping: frame("2"),
            close: vec![0x88, 2, 0x03, 0xe9],
        }
    }
}

impl Role {
    /// By the place of a connection: even ones come first.
    pub fn of(place: usize) -> Self {
        if place.is_multiple_of(2) { Self::A } else { Self::B }
    }

    /// A socket id, of the gateway's length.
    fn id(self) -> String {
        let letter = if self == Self::A { "A" } else { "B" };
        letter.repeat(20)
    }
}

fn greeting(role: Role, list: &str) -> Vec<u8> {
    let id = role.id();
    let mut bytes = frame(&format!(r#"40/sessions,{{"sid":"{id}"}}"#));
    bytes.extend(frame(&format!(
        r#"42/sessions,["sessions:ready",{{"socketId":"{id}","sessions":{list},{ABOUT},"expiresAt":"{TIME}"}}]"#
    )));
    bytes.extend(frame(&update(list)));
    bytes
}

fn update(list: &str) -> String {
    format!(r#"42/sessions,["sessions:update",{list},{{{ABOUT}}}]"#)
}

fn list(roles: &[Role]) -> String {
    let items: Vec<String> = roles.iter().map(|role| item(&role.id())).collect();
    format!("[{}]", items.join(","))
}

fn item(id: &str) -> String {
    let agent = "M".repeat(AGENT_LENGTH);
    format!(
        r#"{{"socketId":"{id}","connectedAt":"{TIME}","metadata":{{"ip":"{IP}","userAgent":"{agent}","context":"{CONTEXT}"}},"login":"{LOGIN}","device":{DEVICE}}}"#
    )
}

/// An unmasked text frame (RFC 6455 section 5.2).
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length) if length < 126 => bytes.push(length),
        _ => {
            bytes.push(126);
            // All texts here are shorter than 64 KiB.
            bytes.extend((text.len() as u16).to_be_bytes());
        }
    }
    bytes.extend(text.as_bytes());
    bytes
}

/// `Sec-WebSocket-Accept` answers the key of the load client, the example of RFC 6455 section 1.3.
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\n\
    connection: Upgrade\n\
    upgrade: websocket\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n\
    access-control-allow-origin: *\n\
    access-control-expose-headers: retry-after\n\
    \n";
const OPEN: &str = r#"0{"sid":"00000000.AAAAAAAAAAAAAAAAAAAAAA","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}"#;
/// As long as `"revision":1`, under a name that no client compares: canned lists have no order.
const ABOUT: &str = r#""canned__":1,"complete":true"#;
const TIME: &str = "2026-01-01T00:00:00.000Z";
const IP: &str = "127.0.42.119";
const CONTEXT: &str = "dashboard-tab-0";
const LOGIN: &str = "0123456789ab";
/// As long as what Rollcall reads out of the load client's five agents, on average.
const DEVICE: &str = r#"{"os":"macOS","browser":"Safari","type":"desktop"}"#;
/// The mean of the load client's five.
const AGENT_LENGTH: usize = 109;

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured between Rollcall and the load client, whose five agents have 70 to 135 characters. How long updates are
    /// on average is compared again in each run of `make bench`.
    #[test]
    fn the_sizes_are_those_of_the_gateway() {
        let canned = Canned::new();
        assert_eq!(canned.opened.len(), 205 + 119);
        let Joined { alone, together } = &canned.joined[0];
        assert!((871..=1_009).contains(&alone.len()), "{}", alone.len());
        assert!((1_479..=1_755).contains(&together.len()), "{}", together.len());
        assert!((676..=814).contains(&canned.update.len()), "{}", canned.update.len());
    }
}
