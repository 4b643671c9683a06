//! The end (7): what still counts behind a close frame, and which closes may be sent.

use crate::case::{CLOSE, Case, ENDS, PING, TEXT, TEXT_BEGINS};

const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();

pub(crate) fn cases() -> Vec<Case> {
    [behind_a_close(), payloads(), codes()].concat()
}

fn behind_a_close() -> Vec<Case> {
    let closed = |number: &str| Case::new(number).send(CLOSE, NORMAL).closed_with(NORMAL);
    let long = "BAsd7&jh23".repeat(26_215); // 256 KiB and a little
    vec![
        Case::new("7.1.1").echo(TEXT, "Hello World!"),
        closed("7.1.2").send(CLOSE, ""),
        closed("7.1.3").send(PING, ""),
        closed("7.1.4").send(TEXT, "Hello World!"),
        // The message that was begun is never whole.
        Case::new("7.1.5").send(TEXT_BEGINS, "1").send(CLOSE, NORMAL).send(ENDS, "2").closed_with(NORMAL),
        // Undefined is whether the messages before the close come back: here they do.
        Case::new("7.1.6")
            .send(TEXT, &long)
            .send(TEXT, "Hello World!")
            .send(CLOSE, NORMAL)
            .send(PING, "")
            .get(TEXT, &long)
            .get(TEXT, "Hello World!")
            .closed_with(NORMAL),
    ]
}

/// Nothing, a code, a code and a reason of up to 123 bytes; the answer is the same.
fn payloads() -> Vec<Case> {
    let with = |reason: &[u8]| [&NORMAL[..], reason].concat();
    let echoed = |number: &str, payload: &[u8]| Case::new(number).send(CLOSE, payload).closed_with(payload);
    vec![
        echoed("7.3.1", b""),
        Case::new("7.3.2").send(CLOSE, "a").fails(1002),
        echoed("7.3.3", &NORMAL),
        echoed("7.3.4", &with(b"Hello World!")),
        echoed("7.3.5", &with(&[b'*'; 123])),
        Case::new("7.3.6").send(CLOSE, with(&[b'*'; 124])).fails(1002),
        Case::new("7.5.1").send(CLOSE, with(b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited")).fails(1007),
    ]
}

fn codes() -> Vec<Case> {
    let valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999_u16];
    let invalid = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999_u16];
    let numbered = |group: &str, at: usize, code: u16| {
        Case::new(format!("{group}.{}", at + 1)).send(CLOSE, code.to_be_bytes())
    };
    let mut cases = Vec::new();
    for (at, code) in valid.into_iter().enumerate() {
        cases.push(numbered("7.7", at, code).closed_with(code.to_be_bytes()));
    }
    for (at, code) in invalid.into_iter().enumerate() {
        cases.push(numbered("7.9", at, code).fails(1002));
    }
    // Undefined there. Here a code that nobody may give out is as invalid as the others.
    for (at, code) in [5000, u16::MAX].into_iter().enumerate() {
        cases.push(numbered("7.13", at, code).fails(1002));
    }
    cases
}
