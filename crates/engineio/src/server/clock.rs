//! The one place of this crate that reads the clock. tokio's, so that a test can move it by hand.

use std::time::Instant;

/// Now, by the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "everybody else is given `now`")]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
