//! Operations on a Socket.IO connection, a line each, against a small model: which namespaces are joined, how many
//! attachments are due.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use socketio::{Config, Connection, Event, Kind, NamespaceId, Packet, Violation, event};

/// A line is `t` and a text message, `b` and a binary one, `l` and the number of a namespace that the server puts the
/// client out of, `w` and milliseconds that pass. Other lines are passed over; a refused message is the last.
pub fn connection_operations(input: &[u8]) {
    let start = beginning();
    let mut trial =
        Trial { connection: Connection::new(&CONFIG, start), model: Model::default(), now: start };
    for line in input.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let Some((kind, rest)) = line.split_first() else { continue };
        let refused = match kind {
            b't' => std::str::from_utf8(rest).is_ok_and(|text| trial.text(text).is_err()),
            b'b' => trial.binary(rest).is_err(),
            b'l' => {
                trial.leave(usize::from(rest.first().is_some_and(|digit| *digit == b'1')));
                false
            }
            b'w' => trial.wait(rest).is_err(),
            _ => false,
        };
        if refused {
            return;
        }
        trial.agree();
    }
}

struct Trial {
    connection: Connection,
    model: Model,
    now: Instant,
}

#[derive(Default)]
struct Model {
    joined: [bool; 2],
    left: [bool; 2],
    /// Whether a namespace was ever joined: no time runs out from then on.
    welcome: bool,
    /// A packet that waits for attachments: those that came, how many are due, bytes of the packet itself.
    due: Option<(Vec<Vec<u8>>, u32, usize)>,
}

impl Trial {
    fn text(&mut self, text: &str) -> Result<(), Violation> {
        let outcome = self.connection.handle_text(&CONFIG, text);
        let packet = Packet::decode(text);
        match packet {
            _ if self.model.due.is_some() => {
                assert_eq!(outcome, Err(Violation::UnexpectedPacket), "a text among attachments");
            }
            Ok(packet) if self.model.passes_over(&packet) => assert_eq!(outcome, Ok(None), "{text:?}"),
            Ok(packet) if self.model.takes(&packet) => assert!(matches!(outcome, Ok(Some(_))), "{text:?}"),
            _ => {}
        }
        let Some(event) = outcome? else {
            let packet = packet.expect("what is waited for or passed over is a packet");
            let place = place(packet.namespace).expect("of a namespace that exists");
            match self.model.joined[place] {
                true => {
                    assert!((1..=CONFIG.max_attachments).contains(&packet.attachments), "{text:?}");
                    self.model.due = Some((Vec::new(), packet.attachments, text.len()));
                }
                false => assert!(self.model.left[place], "{text:?} was passed over"),
            }
            return Ok(());
        };
        let packet = packet.expect("an event is a packet");
        let model = &mut self.model;
        match event {
            Event::Connect { namespace, auth } => {
                assert_eq!((packet.kind, place(packet.namespace)), (Kind::Connect, Some(index(namespace))));
                assert_eq!(auth, packet.data);
                assert!(!std::mem::replace(&mut model.joined[index(namespace)], true));
                (model.left[index(namespace)], model.welcome) = (false, true);
            }
            Event::UnknownNamespace { namespace } => assert_eq!(place(namespace), None),
            Event::Disconnect { namespace } => {
                assert!(std::mem::take(&mut model.joined[index(namespace)]));
            }
            Event::Event { namespace, id, json, attachments, .. } => {
                assert!(model.joined[index(namespace)] && attachments.is_empty());
                assert_eq!((id, &*json), (packet.id, packet.data));
            }
            Event::Ack { namespace, id, json, attachments } => {
                assert!(model.joined[index(namespace)] && attachments.is_empty());
                assert_eq!((Some(id), &*json), (packet.id, packet.data));
            }
        }
        Ok(())
    }

    fn binary(&mut self, data: &[u8]) -> Result<(), Violation> {
        let outcome = self.connection.handle_binary(&CONFIG, data);
        let Some((mut came, due, text)) = self.model.due.take() else {
            assert_eq!(outcome, Err(Violation::UnexpectedPacket), "an attachment that nobody announced");
            return outcome.map(|_| ());
        };
        came.push(data.to_vec());
        let bytes: usize = came.iter().map(Vec::len).sum();
        if bytes > CONFIG.max_attachment_bytes {
            assert_eq!(outcome, Err(Violation::TooManyAttachments));
        }
        let event = outcome?;
        if came.len() < due as usize {
            assert_eq!(event, None);
            self.model.due = Some((came, due, text));
            return Ok(());
        }
        match event {
            Some(Event::Event { namespace, attachments, .. } | Event::Ack { namespace, attachments, .. }) => {
                assert!(self.model.joined[index(namespace)]);
                assert_eq!(attachments, came);
            }
            // The server has put the client out in between.
            None => assert!(self.model.left.contains(&true)),
            other => panic!("an attachment ends in {other:?}"),
        }
        Ok(())
    }

    fn leave(&mut self, place: usize) {
        self.connection.leave(NamespaceId(place as u8));
        (self.model.joined[place], self.model.left[place]) = (false, true);
    }

    fn wait(&mut self, digits: &[u8]) -> Result<(), Violation> {
        let digits = digits.iter().take(6).take_while(|byte| byte.is_ascii_digit());
        let millis = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        self.now += Duration::from_millis(millis);
        let outcome = self.connection.handle_timeout(self.now);
        let late = self.connection.next_timeout().is_some_and(|due| due <= self.now);
        assert_eq!(outcome.is_err(), late && !self.model.welcome);
        outcome
    }

    fn agree(&self) {
        let (connection, model) = (&self.connection, &self.model);
        for (place, joined) in model.joined.iter().enumerate() {
            assert_eq!(connection.is_joined(NamespaceId(place as u8)), *joined);
        }
        assert_eq!(connection.is_idle(), model.joined == [false; 2]);
        assert_eq!(connection.next_timeout().is_none(), model.welcome);
        let held =
            model.due.as_ref().map_or(0, |(came, _, text)| text + came.iter().map(Vec::len).sum::<usize>());
        assert_eq!(connection.incomplete_bytes(), held);
        assert!(held <= CONFIG.max_attachment_bytes + model.due.as_ref().map_or(0, |(_, _, text)| *text));
    }
}

impl Model {
    /// What its client has sent before it could know that it is out.
    fn passes_over(&self, packet: &Packet<'_>) -> bool {
        let left = |place: usize| self.left[place] && !self.joined[place];
        packet.kind != Kind::Connect && place(packet.namespace).is_some_and(left)
    }

    /// What nobody may refuse.
    fn takes(&self, packet: &Packet<'_>) -> bool {
        let Some(place) = place(packet.namespace) else { return false };
        match packet.kind {
            Kind::Connect => !self.joined[place] && event::check_auth(packet.data).is_ok(),
            Kind::Event => self.joined[place] && event::name(packet.data).is_ok(),
            Kind::Disconnect => self.joined[place] && packet.data.is_empty(),
            Kind::Ack => self.joined[place] && packet.id.is_some() && event::check_array(packet.data).is_ok(),
            Kind::ConnectError | Kind::BinaryEvent | Kind::BinaryAck => false,
        }
    }
}

fn place(namespace: &str) -> Option<usize> {
    CONFIG.namespaces.iter().position(|known| *known == namespace)
}

fn index(namespace: NamespaceId) -> usize {
    usize::from(namespace.0)
}

/// Small limits are reached by small inputs.
static CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
    namespaces: &["/", "/x"],
    max_attachments: 3,
    max_attachment_bytes: 40,
    ..Config::default()
});

/// Operations of one input.
const LINES_MAX: usize = 200;

/// Any instant will do: all others are counted from it.
#[expect(clippy::disallowed_methods, reason = "the beginning of a clock that is moved by hand")]
fn beginning() -> Instant {
    Instant::now()
}
