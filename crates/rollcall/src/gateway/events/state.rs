//! `sessions:state`: whether somebody uses the client. One change in ten seconds counts; of several the last one does,
//! when the ten seconds are over. In memory only. Does not know: how the others are told.

use std::time::{Duration, Instant};

use super::Call;
use super::fields::{Fields, text};
use super::reply::EventError;
use crate::gateway::Gateway;
use crate::gateway::stay::Stay;
use crate::registry::Amendment;
use crate::registry::session::{Activity, State};

/// What one client has said of its user.
#[derive(Debug)]
pub(in crate::gateway) struct Spoken {
    /// The word that counts, as it is listed.
    listed: Activity,
    /// Since when.
    since: Instant,
    /// A newer one that has yet to count, and when it was said, in milliseconds since the Unix epoch.
    held: Option<(State, u64)>,
}

/// Takes the word of the argument.
pub(super) fn state(
    gateway: &Gateway,
    now: Instant,
    stay: &mut Stay,
    call: &Call<'_>,
) -> Result<(), EventError> {
    let [state] = Fields::read(call.json, ["state"])?;
    let state = State::parse(&text(state, "state")?).ok_or_else(|| EventError::invalid("state"))?;
    let said_at = gateway.app.clock.unix_millis();
    let spoken = &mut stay.rare_mut().spoken;
    let listed = match spoken {
        None => {
            let listed = Activity { state, last_active_at: (state == State::Active).then_some(said_at) };
            *spoken = Some(Spoken { listed, since: now, held: None });
            Some(listed)
        }
        Some(spoken) => spoken.take(now, state, said_at),
    };
    tell(gateway, now, stay, listed);
    Ok(())
}

/// A word that was held back counts now, if it is time.
pub(in crate::gateway) fn handle_timeout(gateway: &Gateway, now: Instant, stay: &mut Stay) {
    let spoken = stay.rare.as_mut().and_then(|rare| rare.spoken.as_mut());
    let listed = spoken.and_then(|spoken| spoken.handle_timeout(now));
    tell(gateway, now, stay, listed);
}

fn tell(gateway: &Gateway, now: Instant, stay: &Stay, listed: Option<Activity>) {
    if let Some(listed) = listed {
        gateway.app.presence.amend(now, &stay.user, &Amendment::Activity(stay.id, listed));
    }
}

impl Spoken {
    /// When [`handle_timeout`] is due.
    pub(in crate::gateway) fn next_timeout(&self) -> Option<Instant> {
        self.held.map(|_| self.since + INTERVAL)
    }

    /// What is to be listed from now on, if it changes now.
    fn take(&mut self, now: Instant, state: State, said_at: u64) -> Option<Activity> {
        self.held = (state != self.listed.state).then_some((state, said_at));
        self.handle_timeout(now)
    }

    fn handle_timeout(&mut self, now: Instant) -> Option<Activity> {
        let (state, said_at) = self.held.take_if(|_| self.since + INTERVAL <= now)?;
        // Whoever is active now, or was until now, was active at this moment.
        if state == State::Active || self.listed.state == State::Active {
            self.listed.last_active_at = Some(said_at);
        }
        self.listed.state = state;
        self.since = now;
        Some(self.listed)
    }
}

/// A change is told to every session of the user.
const INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays words at these seconds; gives the seconds at which something was listed, and what.
    fn listed(first: State, words: &[(u64, State)], until: u64) -> Vec<(u64, State, Option<u64>)> {
        let start = engineio::server::clock::now();
        let last_active_at = (first == State::Active).then_some(0);
        let mut spoken =
            Spoken { listed: Activity { state: first, last_active_at }, since: start, held: None };
        let mut found = Vec::new();
        for second in 1..=until {
            let now = start + Duration::from_secs(second);
            let mut note = |listed: Option<Activity>| {
                found.extend(listed.map(|listed| (second, listed.state, listed.last_active_at)));
            };
            assert!(spoken.next_timeout().is_none_or(|at| at >= now), "nobody waits longer than ten seconds");
            note(spoken.handle_timeout(now));
            for (_, state) in words.iter().filter(|(at, _)| *at == second) {
                note(spoken.take(now, *state, second));
            }
        }
        found
    }

    #[test]
    fn one_change_in_ten_seconds_counts_and_the_last_word_stays() {
        use State::{Active, Hidden, Idle};
        let found = listed(Active, &[(3, Idle), (5, Hidden), (25, Active), (26, Idle)], 60);
        assert_eq!(found, [(10, Hidden, Some(5)), (25, Active, Some(25)), (35, Idle, Some(26))]);
    }

    #[test]
    fn who_comes_back_in_time_was_never_away() {
        use State::{Active, Idle};
        assert_eq!(listed(Active, &[(3, Idle), (5, Active), (30, Active)], 60), []);
    }

    #[test]
    fn who_was_never_active_has_no_last_time() {
        use State::{Hidden, Idle};
        assert_eq!(listed(Idle, &[(20, Hidden)], 30), [(20, Hidden, None)]);
    }
}
