//! When a certificate ends: the one date of an X.509 certificate that anybody here wants (RFC 5280, section 4.1). rustls
//! checks the rest where it matters, at the client. Does not know: whether the certificate is good.

use time::{Date, Month, PrimitiveDateTime, Time};

/// `notAfter` in seconds since the epoch; `None` when this is no certificate.
pub(super) fn not_after(certificate: &[u8]) -> Option<u64> {
    let (certificate, _) = inside(SEQUENCE, certificate)?;
    let (mut to_be_signed, _) = inside(SEQUENCE, certificate)?;
    if let Some((_, rest)) = inside(VERSION, to_be_signed) {
        to_be_signed = rest;
    }
    // Serial number, algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, to_be_signed) = inside(tag, to_be_signed)?;
    }
    let (validity, _) = inside(SEQUENCE, to_be_signed)?;
    let (_, after) = moment(validity)?;
    let (ends, _) = moment(after)?;
    u64::try_from(ends).ok()
}

/// What is in the first value when it has this tag, and what comes behind it.
fn inside(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    if found != tag {
        return None;
    }
    rest.split_at_checked(length)
}

/// A time in one of its two spellings, in seconds since the epoch.
fn moment(der: &[u8]) -> Option<(i64, &[u8])> {
    let (text, century, rest) = match (inside(UTC_TIME, der), inside(GENERALIZED_TIME, der)) {
        (Some((text, rest)), _) => (text, None, rest),
        (None, Some((text, rest))) => {
            let (century, text) = text.split_at_checked(2)?;
            (text, Some(number(century)?), rest)
        }
        (None, None) => return None,
    };
    let (digits, zone) = text.split_at_checked(12)?;
    if zone != b"Z" {
        return None;
    }
    let mut pairs = digits.chunks(2).map(number);
    let mut next = || pairs.next().flatten();
    let year = next()?;
    // Of two digits: 1950 to 2049.
    let century = century.unwrap_or(if year < 50 { 20 } else { 19 });
    let month = Month::try_from(next()?).ok()?;
    let date = Date::from_calendar_date(i32::from(century) * 100 + i32::from(year), month, next()?).ok()?;
    let time = Time::from_hms(next()?, next()?, next()?).ok()?;
    Some((PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp(), rest))
}

/// Of two digits.
fn number(digits: &[u8]) -> Option<u8> {
    let digit = |digit: u8| digit.is_ascii_digit().then(|| digit - b'0');
    let &[tens, ones] = digits else { return None };
    Some(digit(tens)? * 10 + digit(ones)?)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_spellings() {
        let check = |year, month, day, expected: u64| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec!["rollcall.example".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, month, day);
            let certificate = params.self_signed(&key).unwrap();
            assert_eq!(not_after(certificate.der()), Some(expected));
        };
        check(2030, 1, 1, 1_893_456_000);
        check(2049, 12, 31, 2_524_521_600);
        check(2050, 1, 1, 2_524_608_000); // from here on with four digits
        check(2100, 3, 1, 4_107_542_400);
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["rollcall.example".to_owned()]).unwrap();
        let whole = params.self_signed(&key).unwrap().der().to_vec();
        for length in 0..160.min(whole.len()) {
            let _ = not_after(&whole[..length]); // no panic, wherever it is cut
        }
        for bytes in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x30\x01\x00"] {
            assert_eq!(not_after(bytes), None, "{bytes:x?}");
        }
    }
}
