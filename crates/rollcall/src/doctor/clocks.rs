//! Whether this machine's clock agrees with those of the others that are asked anyway: tokens, leases and revocations
//! are compared by it. Does not know: how the others were asked.

use super::Finding;
use crate::clock::{Clock, to_iso8601};
use crate::config::Config;

/// What time another machine says it is.
#[derive(Clone, Debug)]
pub(super) struct Other {
    /// Who says so.
    pub(super) who: String,
    /// Milliseconds by which it is ahead of this machine's.
    pub(super) ahead: i64,
    /// Milliseconds that its answer took, or within which it says the time at all: it may be off by so much.
    pub(super) precision: i64,
}

impl Other {
    /// `said` is what it said, milliseconds since the epoch, between `asked` and `answered` of this machine's clock.
    pub(super) fn new(who: impl Into<String>, asked: u64, said: u64, answered: u64, precision: i64) -> Self {
        let middle = asked / 2 + answered / 2;
        Self {
            who: who.into(),
            ahead: said.cast_signed().saturating_sub(middle.cast_signed()),
            precision: answered.saturating_sub(asked).cast_signed() / 2 + precision,
        }
    }

    /// Milliseconds by which the two differ for sure.
    fn differs(&self) -> i64 {
        self.ahead.abs().saturating_sub(self.precision).max(0)
    }
}

pub(super) fn compare(config: &Config, clock: &Clock, others: &[Other]) -> Finding {
    let now = clock.unix_millis();
    let shown = to_iso8601(now);
    let Some(worst) = others.iter().max_by_key(|other| other.differs()) else {
        if now < RELEASED {
            let found = format!("{shown}, which is before this program was written");
            return Finding::failed(CHECK, found, SET_IT);
        }
        return Finding::ok(CHECK, format!("{shown}; there is no other machine to compare it with"));
    };
    let side = if worst.ahead > 0 { "behind" } else { "ahead of" };
    let differs = worst.differs();
    let found = format!("{shown}; {}.{} s {side} {}", differs / 1000, differs % 1000 / 100, worst.who);
    let leeway = i64::try_from(config.identity.leeway.as_millis()).unwrap_or(i64::MAX);
    if differs > leeway.max(DOUBTFUL) {
        let advice = format!(
            "{SET_IT}: by more than identity.leeway ({} s) good tokens are refused or expired ones taken",
            leeway / 1000
        );
        Finding::failed(CHECK, found, advice)
    } else if differs > DOUBTFUL {
        Finding::warning(CHECK, found, SET_IT)
    } else {
        let who: Vec<&str> = others.iter().map(|other| other.who.as_str()).collect();
        Finding::ok(CHECK, format!("{shown}; agrees with {}", who.join(", ")))
    }
}

const CHECK: &str = "clock";
const SET_IT: &str = "let the clock be set by the network (systemd-timesyncd or chrony) on both machines";
/// Milliseconds: machines that are set by the network differ by less.
const DOUBTFUL: i64 = 2000;
/// 2026-11-01T00:00:00Z.
const RELEASED: u64 = 1_793_491_200_000;

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn state(ahead: i64, precision: i64) -> State {
        let other = Other { who: "Redis".to_owned(), ahead, precision };
        compare(&Config::default(), &Clock::manual(RELEASED), &[other]).state
    }

    #[test]
    fn a_clock_may_differ_by_two_seconds_and_never_by_more_than_the_leeway() {
        for (ahead, precision, expected) in [
            (0, 0, State::Ok),
            (-2000, 0, State::Ok),
            (2100, 0, State::Warning),
            (-30_000, 0, State::Warning),
            (30_100, 0, State::Failed),
            (-86_400_000, 0, State::Failed),
            (2900, 1000, State::Ok),
        ] {
            assert_eq!(state(ahead, precision), expected, "{ahead} {precision}");
        }
    }

    #[test]
    fn the_clock_that_differs_most_is_named_with_its_side() {
        let clock = Clock::manual(RELEASED);
        let others = [
            Other { who: "Redis".to_owned(), ahead: 100, precision: 0 },
            Other::new("PostgreSQL", RELEASED, RELEASED - 45_300, RELEASED, 0),
        ];
        let finding = compare(&Config::default(), &clock, &others);
        assert!(finding.found.ends_with("45.3 s ahead of PostgreSQL"), "{finding:?}");
    }

    #[test]
    fn a_clock_that_was_never_set_is_found_without_another_one() {
        let check =
            |now, expected| assert_eq!(compare(&Config::default(), &Clock::manual(now), &[]).state, expected);
        check(0, State::Failed);
        check(RELEASED, State::Ok);
    }
}
