//! Texts (6): empty and in pieces, valid and not. From 6.5 on each is one frame, and the octets are those of Markus Kuhn's
//! stress test of UTF-8 decoders.

use crate::case::{Case, ENDS, GOES_ON, PING, PONG, TEXT, TEXT_BEGINS};

/// "κόσμε".
const GREEK: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
const MIXED: &str = "Hello-µ@ßöäüàá-UTF-8!!";

pub(crate) fn cases() -> Vec<Case> {
    let stress =
        [well_formed(), boundaries(), out_of_place(), overlong(), surrogates(), not_characters()].concat();
    [in_pieces(), broken_early(), stress].concat()
}

/// 6.1 and 6.2, and the first of what is broken.
fn in_pieces() -> Vec<Case> {
    let three = |number: &str, middle: &str| {
        let sent = Case::new(number).send(TEXT_BEGINS, "").send(GOES_ON, middle).send(ENDS, "");
        sent.get(TEXT, middle)
    };
    let (first, second) = MIXED.split_at("Hello-µ@ßöä".len());
    let surrogate = [GREEK, b"\xed\xa0\x80edited"].concat();
    vec![
        Case::new("6.1.1").echo(TEXT, ""),
        three("6.1.2", ""),
        three("6.1.3", "middle"),
        Case::new("6.2.1").echo(TEXT, MIXED),
        Case::new("6.2.2").send(TEXT_BEGINS, first).send(ENDS, second).get(TEXT, MIXED),
        octet_by_octet("6.2.3", MIXED.as_bytes()).get(TEXT, MIXED),
        octet_by_octet("6.2.4", GREEK).get(TEXT, GREEK),
        Case::new("6.3.1").send(TEXT, &surrogate).fails(1007),
        octet_by_octet("6.3.2", &surrogate).fails(1007),
    ]
}

/// A frame for each octet.
fn octet_by_octet(number: &str, message: &[u8]) -> Case {
    let mut case = Case::new(number);
    for (at, octet) in message.iter().enumerate() {
        let opcode = if at == 0 { TEXT_BEGINS } else { GOES_ON };
        case = case.send(if at + 1 == message.len() { opcode | ENDS } else { opcode }, [*octet]);
    }
    case
}

/// A message that no further octet can make valid, long before its end. It may be refused then or at its end, which the
/// suite calls non-strict: here messages are judged whole.
fn broken_early() -> Vec<Case> {
    let message = [GREEK, b"\xf4\x90\x80\x80edited"].concat(); // one above the last code point
    let cuts = [(GREEK.len(), GREEK.len() + 4), (12, 13)];
    let mut cases = Vec::new();
    for (at, (first, second)) in cuts.into_iter().enumerate() {
        let [one, two, three] = [&message[..first], &message[first..second], &message[second..]];
        // Three frames: the ping shows that the first two were taken.
        let begun = Case::new(format!("6.4.{}", at + 1)).send(TEXT_BEGINS, one).send(GOES_ON, two);
        cases.push(begun.send(PING, "").get(PONG, "").send(ENDS, three).fails(1007));
        // One frame in three writes.
        let frame = crate::wire::client_frame(TEXT, &message);
        let header = frame.len() - message.len();
        let [one, rest] = [&frame[..header + first], &frame[header + first..]];
        let (two, three) = rest.split_at(second - first);
        let written = Case::new(format!("6.4.{}", at + 3)).send_bytes(one).send_bytes(two).send_bytes(three);
        cases.push(written.frame_by_frame().fails(1007));
    }
    cases
}

fn valid<'a>(group: u8, texts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Case> {
    texts.into_iter().enumerate().map(|(at, text)| numbered(group, at).echo(TEXT, text)).collect()
}

fn invalid<'a>(group: u8, texts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Case> {
    texts.into_iter().enumerate().map(|(at, text)| numbered(group, at).send(TEXT, text).fails(1007)).collect()
}

fn numbered(group: u8, at: usize) -> Case {
    Case::new(format!("6.{group}.{}", at + 1))
}

fn well_formed() -> Vec<Case> {
    let some: [&[u8]; 5] = [
        b"hello$world",
        b"hello\xc2\xa2world",
        b"hello\xe2\x82\xacworld",
        b"hello\xf0\xa4\xad\xa2world",
        GREEK,
    ];
    // All beginnings of a text: valid where a character ends.
    let beginnings = (1..=GREEK.len()).map(|length| {
        let case = numbered(6, length - 1);
        match [2, 5, 7, 9, 11].contains(&length) {
            true => case.echo(TEXT, &GREEK[..length]),
            false => case.send(TEXT, &GREEK[..length]).fails(1007),
        }
    });
    [valid(5, some), beginnings.collect()].concat()
}

/// The first and the last sequence of each length, and what lies beyond the last code point.
fn boundaries() -> Vec<Case> {
    let first: [&[u8]; 4] = [b"\0", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"];
    let first_longer: [&[u8]; 2] = [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"];
    let last: [&[u8]; 4] = [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"];
    let last_longer: [&[u8]; 3] = [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"];
    let others: [&[u8]; 4] = [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"];
    let beyond = numbered(11, 4).send(TEXT, b"\xf4\x90\x80\x80").fails(1007);
    [
        valid(7, first),
        invalid(8, first_longer),
        valid(9, last),
        invalid(10, last_longer),
        valid(11, others),
        vec![beyond],
    ]
    .concat()
}

/// Octets that go on with nothing, begin nothing, or are in no text at all.
fn out_of_place() -> Vec<Case> {
    let continuations: Vec<u8> = (0x80..=0xbf).collect();
    let lonely: Vec<Vec<u8>> = [0xc0..=0xdf, 0xe0..=0xef, 0xf0..=0xf7, 0xf8..=0xfb, 0xfc..=0xfd]
        .map(|starts| starts.flat_map(|start| [start, b' ']).collect())
        .to_vec();
    let cut_short: [&[u8]; 10] = [
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    let unexpected: [&[u8]; 8] = [
        b"\x80",
        b"\xbf",
        b"\x80\xbf",
        b"\x80\xbf\x80",
        b"\x80\xbf\x80\xbf",
        b"\x80\xbf\x80\xbf\x80",
        b"\x80\xbf\x80\xbf\x80\xbf",
        &continuations,
    ];
    [
        invalid(12, unexpected),
        invalid(13, lonely.iter().map(Vec::as_slice)),
        invalid(14, cut_short),
        invalid(15, [&cut_short.concat()[..]]),
        invalid(16, [&b"\xfe"[..], b"\xff", b"\xfe\xfe\xff\xff"]),
    ]
    .concat()
}

/// A slash, the last code point of the length below, and NUL in more octets than they need.
fn overlong() -> Vec<Case> {
    let slash: [&[u8]; 5] = [
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf8\x80\x80\x80\xaf",
        b"\xfc\x80\x80\x80\x80\xaf",
    ];
    let last: [&[u8]; 5] = [
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x87\xbf\xbf\xbf",
        b"\xfc\x83\xbf\xbf\xbf\xbf",
    ];
    let nul: [&[u8]; 5] = [
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xf8\x80\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80\x80",
    ];
    [invalid(17, slash), invalid(18, last), invalid(19, nul)].concat()
}

/// Halves of UTF-16, alone and in pairs.
fn surrogates() -> Vec<Case> {
    let high: [&[u8]; 4] = [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf"];
    let low: [&[u8]; 3] = [b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"];
    let pairs: Vec<Vec<u8>> =
        high.iter().flat_map(|high| [low[0], low[2]].map(|low| [*high, low].concat())).collect();
    let alone = high.into_iter().chain(low);
    [invalid(20, alone), invalid(21, pairs.iter().map(Vec::as_slice))].concat()
}

/// Code points that are no characters, and special ones: valid all the same.
fn not_characters() -> Vec<Case> {
    let text = |code: u32| char::from_u32(code).unwrap().to_string().into_bytes();
    let last_two: Vec<Vec<u8>> =
        (0..=16).flat_map(|plane| [0xFFFE, 0xFFFF].map(|code| text((plane << 16) | code))).collect();
    let special: Vec<Vec<u8>> = (0xFFF9..=0xFFFF).map(text).collect();
    [valid(22, last_two.iter().map(Vec::as_slice)), valid(23, special.iter().map(Vec::as_slice))].concat()
}
