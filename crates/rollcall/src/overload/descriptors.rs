//! When to stop accepting: before the process has no file descriptor left for its database, its Redis and its log.
//!
//! The system gives the lowest number that is free, so the number of a new descriptor says how many are used, however they
//! came about: nothing has to be counted. Does not know: who holds them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::process::{Resource, getrlimit};

/// The most descriptors that the process may have now: it may be changed while it runs.
pub(crate) fn max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Whether this descriptor, just made, is so high that no other connection is to be accepted.
pub(crate) fn is_last(made: &impl AsFd) -> bool {
    u64::try_from(made.as_fd().as_raw_fd()).is_ok_and(|number| number >= usable(max()))
}

/// Whether there are some to spare again. `any` is an open one.
pub(crate) fn are_left(any: BorrowedFd<'_>) -> bool {
    any.try_clone_to_owned().is_ok_and(|copy| !is_last(&copy))
}

/// Whether this is the error of a process that has none left, or of a system that has none.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        rustix::io::Errno::from_io_error(error),
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)
    )
}

/// How many of `max` connections may take.
fn usable(max: u64) -> u64 {
    max - (max / SPARE_SHARE).clamp(SPARE_LEAST, SPARE_MOST).min(max)
}

/// Of all descriptors, what is spared for others than clients: databases, Redis, files, operators.
const SPARE_SHARE: u64 = 8;
const SPARE_LEAST: u64 = 8;
const SPARE_MOST: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_always_spared() {
        let check = |max, expected| assert_eq!(usable(max), expected, "{max}");
        check(0, 0);
        check(8, 0);
        check(64, 56);
        check(256, 224);
        check(1024, 960);
        check(1_048_576, 1_048_512);
    }

    #[test]
    fn a_process_with_room_has_some_left() {
        assert!(are_left(io::stderr().as_fd()));
        assert!(!is_last(&io::stderr()));
    }
}
