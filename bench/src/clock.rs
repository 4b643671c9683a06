//! The one place of the load client that reads the time. Does not know: what is timed.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time, for whatever is measured or waited for.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time in whole seconds since 1970-01-01T00:00:00Z, for the claims of a token; 0 in an earlier year.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
