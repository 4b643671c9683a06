//! Lengths (1), pings and pongs (2), reserved bits (3) and opcodes (4), pieces (5), and many pieces (10).

use crate::case::{BINARY, Case, ENDS, GOES_ON, PING, PONG, TEXT, TEXT_BEGINS};

const HELLO: &str = "Hello, world!";

pub(crate) fn cases() -> Vec<Case> {
    [lengths(), pings(), reserved_bits(), reserved_opcodes(), pieces(), pieces_out_of_place(), many_pieces()]
        .concat()
}

/// Around each length of a header: 7, 16 and 64 bits.
fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, first, byte) in [(1, TEXT, b'*'), (2, BINARY, 0xFE)] {
        for (at, length) in [0, 125, 126, 127, 128, 65_535, 65_536].into_iter().enumerate() {
            cases.push(Case::new(format!("1.{kind}.{}", at + 1)).echo(first, vec![byte; length]));
        }
        cases.push(Case::new(format!("1.{kind}.8")).echo(first, vec![byte; 65_536]).in_octets(997));
    }
    cases
}

fn pings() -> Vec<Case> {
    let answered = |number: &str, payload: &[u8]| Case::new(number).send(PING, payload).get(PONG, payload);
    let ten = |number: &str| {
        let payloads = || (0..10).map(|number| format!("payload-{number}"));
        let sent = payloads().fold(Case::new(number), |case, payload| case.send(PING, payload));
        payloads().fold(sent, |case, payload| case.get(PONG, payload))
    };
    vec![
        answered("2.1", b""),
        answered("2.2", HELLO.as_bytes()),
        answered("2.3", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"),
        answered("2.4", &[0xFE; 125]),
        Case::new("2.5").send(PING, [0xFE; 126]).fails(1002),
        answered("2.6", &[0xFE; 125]).in_octets(1),
        // A pong that nobody asked for says nothing.
        Case::new("2.7").send(PONG, ""),
        Case::new("2.8").send(PONG, "unasked"),
        Case::new("2.9").send(PONG, "unasked").send(PING, "asked").get(PONG, "asked"),
        ten("2.10"),
        ten("2.11").in_octets(1),
    ]
}

/// The three bits behind FIN belong to extensions, and none is ever agreed.
fn reserved_bits() -> Vec<Case> {
    let alone = |number: &str, first: u8, bits: u8, payload: &str| {
        Case::new(number).send(first | (bits << 4), payload)
    };
    // The text before it is echoed, the ping behind it is not answered.
    let between = |number: &str, bits: u8| {
        let sent = Case::new(number).send(TEXT, HELLO).send(TEXT | (bits << 4), HELLO).send(PING, "");
        sent.get(TEXT, HELLO).fails(1002)
    };
    vec![
        alone("3.1", TEXT, 1, HELLO).fails(1002),
        between("3.2", 2),
        between("3.3", 3).frame_by_frame(),
        between("3.4", 4).in_octets(1),
        alone("3.5", BINARY, 5, "\0\u{1}").fails(1002),
        alone("3.6", PING, 6, HELLO).fails(1002),
        alone("3.7", crate::case::CLOSE, 7, "").fails(1002),
    ]
}

fn reserved_opcodes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, lowest) in [(1, 0x3), (2, 0xB)] {
        let number = |at: u8| Case::new(format!("4.{group}.{at}"));
        let first = |at: u8| 0x80 | (lowest + at - 1);
        let between = |at: u8, payload: &str| {
            let sent = number(at).send(TEXT, HELLO).send(first(at), payload).send(PING, "");
            sent.get(TEXT, HELLO).fails(1002)
        };
        cases.extend([
            number(1).send(first(1), "").fails(1002),
            number(2).send(first(2), "something").fails(1002),
            between(3, ""),
            between(4, HELLO),
            between(5, HELLO).in_octets(1),
        ]);
    }
    cases
}

/// Messages in pieces that are as they should be.
fn pieces() -> Vec<Case> {
    let two = |number: &str| {
        Case::new(number)
            .send(TEXT_BEGINS, "fragment1")
            .send(ENDS, "fragment2")
            .get(TEXT, "fragment1fragment2")
    };
    let ping_between = |number: &str| {
        let sent =
            Case::new(number).send(TEXT_BEGINS, "fragment1").send(PING, "asked").send(ENDS, "fragment2");
        sent.get(PONG, "asked").get(TEXT, "fragment1fragment2")
    };
    // The first ping is answered before the rest of the message is sent.
    let two_pings = |number: &str| {
        let begun = Case::new(number).send(TEXT_BEGINS, "1").send(GOES_ON, "2").send(PING, "first");
        let goes_on = begun.get(PONG, "first").send(GOES_ON, "3").send(GOES_ON, "4").send(PING, "second");
        goes_on.send(ENDS, "5").get(PONG, "second").get(TEXT, "12345")
    };
    vec![
        two("5.3"),
        two("5.4").frame_by_frame(),
        two("5.5").in_octets(1),
        ping_between("5.6"),
        ping_between("5.7").frame_by_frame(),
        ping_between("5.8").in_octets(1),
        two_pings("5.19"),
        two_pings("5.20").frame_by_frame(),
    ]
}

fn pieces_out_of_place() -> Vec<Case> {
    let fails = |number: &str, frames: &[(u8, &str)]| {
        let sent = frames.iter().fold(Case::new(number), |case, (first, payload)| case.send(*first, payload));
        sent.fails(1002)
    };
    let in_pieces = |number: &str, control: u8| fails(number, &[(control & 0x0F, "1"), (ENDS, "2")]);
    // What goes on without having begun, whether it ends or not.
    let nothing_begun = |number: &str, first: u8| fails(number, &[(first, "nowhere"), (TEXT, HELLO)]);
    let twice =
        |number: &str, first: u8| fails(number, &[(first, "1"), (TEXT_BEGINS, "2"), (ENDS, "3")].repeat(2));
    let behind_another = Case::new("5.15").send(TEXT_BEGINS, "1").send(ENDS, "2").send(GOES_ON, "3");
    vec![
        in_pieces("5.1", PING),
        in_pieces("5.2", PONG),
        nothing_begun("5.9", ENDS),
        nothing_begun("5.10", ENDS).frame_by_frame(),
        nothing_begun("5.11", ENDS).in_octets(1),
        nothing_begun("5.12", GOES_ON),
        nothing_begun("5.13", GOES_ON).frame_by_frame(),
        nothing_begun("5.14", GOES_ON).in_octets(1),
        behind_another.send(TEXT, "4").get(TEXT, "12").fails(1002),
        twice("5.16", GOES_ON),
        twice("5.17", ENDS),
        fails("5.18", &[(TEXT_BEGINS, "1"), (TEXT, "2")]),
    ]
}

/// As a library sends it that cuts each message at 1,300 bytes.
fn many_pieces() -> Vec<Case> {
    let message = [b'*'; 65_536];
    let mut case = Case::new("10.1.1");
    for (at, piece) in message.chunks(1300).enumerate() {
        let opcode = if at == 0 { TEXT_BEGINS } else { GOES_ON };
        case = case.send(if piece.len() < 1300 { opcode | ENDS } else { opcode }, piece);
    }
    vec![case.get(TEXT, message)]
}
