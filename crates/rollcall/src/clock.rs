//! The one place that reads the time. Everything else is handed a [`Clock`], or better, a `now`.
//!
//! Two times that never mix: a monotonic instant for whatever waits, and the wall clock for what is shown to people
//! or compared with a token. Does not know: who waits for what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Reads both clocks; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock {
    wall: Wall,
}

#[derive(Clone, Debug)]
enum Wall {
    System,
    /// Milliseconds since the epoch, moved by hand.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self { wall: Wall::System }
    }

    /// For tests: the wall clock stands at `unix_millis` until [`Clock::set_unix_millis`] moves it, in all clones.
    pub fn manual(unix_millis: u64) -> Self {
        Self { wall: Wall::Manual(Arc::new(AtomicU64::new(unix_millis))) }
    }

    /// For tests: moves the wall clock of a [`Clock::manual`]; does nothing to the clock of the machine.
    pub fn set_unix_millis(&self, unix_millis: u64) {
        match &self.wall {
            Wall::System => {}
            Wall::Manual(millis) => millis.store(unix_millis, Ordering::Relaxed),
        }
    }

    /// Monotonic time. Taken from tokio's clock, so that a test that pauses its runtime moves it too.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z; 0 if the machine believes in an earlier year.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn unix_millis(&self) -> u64 {
        match &self.wall {
            Wall::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
            }
            Wall::Manual(millis) => millis.load(Ordering::Relaxed),
        }
    }

    /// Wall-clock time in whole seconds since the epoch: what a NumericDate of a token is compared with.
    pub fn unix_seconds(&self) -> u64 {
        self.unix_millis() / 1000
    }
}

/// `2026-01-31T23:59:59.007Z`: ISO 8601, UTC, always with milliseconds, so that texts sort as times do.
pub fn to_iso8601(unix_millis: u64) -> String {
    let mut out = Vec::with_capacity(24);
    encode_iso8601(unix_millis, &mut out);
    String::from_utf8(out).unwrap_or_default() // digits and signs
}

/// Appends the text of [`to_iso8601`]. A list has one for each session, so the digits are written by hand.
pub fn encode_iso8601(unix_millis: u64, out: &mut Vec<u8>) {
    // Beyond the year 9999, which no clock shows, the epoch stands in.
    let seconds = i64::try_from(unix_millis / 1000).unwrap_or(i64::MAX);
    let (at, millisecond) = match time::OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(at) => (at, (unix_millis % 1000) as u32), // below 1000
        Err(_) => (time::OffsetDateTime::UNIX_EPOCH, 0),
    };
    let (hour, minute, second) = at.time().as_hms();
    let mut text = *b"0000-00-00T00:00:00.000Z";
    // Divisors that the compiler knows cost no division.
    let mut digits = |place: usize, number: u32| {
        text[place] += (number / 10) as u8; // both are digits
        text[place + 1] += (number % 10) as u8;
    };
    let year = at.year().unsigned_abs();
    digits(0, year / 100);
    digits(2, year % 100);
    digits(5, u8::from(at.month()).into());
    digits(8, at.day().into());
    digits(11, hour.into());
    digits(14, minute.into());
    digits(17, second.into());
    digits(20, millisecond / 10);
    text[22] += (millisecond % 10) as u8; // a digit
    out.extend_from_slice(&text);
}

/// Milliseconds since the epoch of a date (its midnight in UTC), or of a time as RFC 3339 writes it; `None` for any other
/// text, and for what was before the epoch.
pub fn unix_millis_of(text: &str) -> Option<u64> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let at = time::OffsetDateTime::parse(&whole, &time::format_description::well_known::Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_in_all_clones() {
        let clock = Clock::manual(1_500);
        let clone = clock.clone();
        assert_eq!(clone.unix_millis(), 1_500);
        clock.set_unix_millis(7_999);
        assert_eq!((clone.unix_millis(), clone.unix_seconds()), (7_999, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn monotonic_time_follows_a_paused_runtime() {
        let clock = Clock::system();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(clock.now() - before, Duration::from_secs(3600));
    }

    #[test]
    fn times_are_written_with_milliseconds_in_utc() {
        assert_eq!(to_iso8601(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(to_iso8601(1_709_210_096_007), "2024-02-29T12:34:56.007Z");
        assert_eq!(to_iso8601(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        assert_eq!(to_iso8601(253_402_300_800_000), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn the_system_clock_is_past_the_year_2025() {
        assert!(Clock::system().unix_seconds() > 1_735_689_600);
    }
}
