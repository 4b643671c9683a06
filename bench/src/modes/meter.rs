//! Looks at the server's process, if one was named. Does not know: what happens between two looks.

use std::time::Duration;

use crate::process::{ProcessError, Usage};

/// The process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter(pub(super) Option<u32>);

impl Meter {
    /// What it has used and holds now.
    pub(super) fn read(self) -> Result<Option<Usage>, ProcessError> {
        self.0.map(Usage::of).transpose()
    }

    /// CPU time since `before`, in microseconds, over `count` of whatever was done; absent without a process or a count.
    pub(super) fn micros_each(self, before: Option<Usage>, count: u64) -> Result<Option<f64>, ProcessError> {
        Ok(match (before, self.read()?) {
            (Some(before), Some(after)) if count > 0 => {
                Some(micros(after.cpu.saturating_sub(before.cpu)) / count as f64)
            }
            _ => None,
        })
    }
}

/// `duration` in microseconds.
pub(super) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shared_out_and_absent_without_a_process() {
        let own = Meter(Some(std::process::id()));
        let before = own.read().unwrap().map(|usage| Usage { cpu: Duration::ZERO, ..usage });
        let all = own.micros_each(before, 1).unwrap().unwrap();
        let half = own.micros_each(before, 2).unwrap().unwrap();
        assert!(all > 0.0 && half >= all / 2.0 && half < all * 10.0, "{all} {half}");
        assert_eq!(own.micros_each(before, 0).unwrap(), None);
        assert_eq!(Meter(None).micros_each(None, 1).unwrap(), None);
    }
}
