//! The certificate of the server itself, if it has one: whether it can be used, with its key, and for how long.

use super::Finding;
use crate::clock::{Clock, to_iso8601};
use crate::config::Config;
use crate::tls::{TlsError, not_after};

pub(super) fn examine(config: &Config, clock: &Clock) -> Option<Finding> {
    let (certificate, key) = (config.http.tls_certificate_file.as_ref()?, config.http.tls_key_file.as_ref()?);
    Some(judge(&certificate.display().to_string(), not_after(certificate, key), clock.unix_seconds()))
}

fn judge(shown: &str, ends: Result<u64, TlsError>, now: u64) -> Finding {
    let ends = match ends {
        Ok(ends) => ends,
        // Its text says which file, and what is allowed.
        Err(error) => {
            return Finding::failed(
                CHECK,
                error.to_string(),
                "a start ends with this error until it is put right",
            );
        }
    };
    let date = to_iso8601(ends.saturating_mul(1000));
    let found = |word: &str| format!("{shown} {word} {}", &date[..DATE]);
    match ends.saturating_sub(now) {
        0 => Finding::failed(CHECK, found("has expired on"), "renew it: clients refuse it"),
        1..SOON => Finding::warning(
            CHECK,
            found("is good until"),
            "renew it: a running server takes the new files by itself",
        ),
        _ => Finding::ok(CHECK, found("is good until")),
    }
}

const CHECK: &str = "tls";
/// Letters of a date without its time.
const DATE: usize = 10;
/// Seconds: programs that renew certificates do so a month before.
const SOON: u64 = 14 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_certificate_is_good_until_two_weeks_before_its_end() {
        let check = |now, state| assert_eq!(judge("c.pem", Ok(1_893_456_000), now).state, state, "{now}");
        check(1_800_000_000, State::Ok);
        check(1_893_456_000 - SOON, State::Ok);
        check(1_893_456_000 - SOON + 1, State::Warning);
        check(1_893_456_000, State::Failed);
        assert!(judge("c.pem", Ok(1_893_456_000), 0).found.ends_with("good until 2030-01-01"));
    }
}
