//! Numbers as decimal digits. What `format!` does besides, for padding, signs and errors, costs many times the digits,
//! and every connect writes some.

/// Appends `number`.
pub fn encode_decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; LONGEST];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8; // one digit
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Digits of the largest number.
const LONGEST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_display_writes_them() {
        for number in [0, 1, 9, 10, 99, 100, 25_000, 1_234_567_890, u64::MAX - 1, u64::MAX] {
            let mut out = b"x".to_vec();
            encode_decimal(number, &mut out);
            assert_eq!(out, format!("x{number}").into_bytes());
        }
    }
}
