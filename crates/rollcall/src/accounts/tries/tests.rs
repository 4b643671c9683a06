use super::*;
use std::net::Ipv6Addr;

const HERE: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1));
const THERE: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1));

fn tries(now: Instant) -> Tries {
    let per_minute = NonZeroU32::new(60).unwrap();
    let config = AccountsConfig {
        logins_per_minute: per_minute,
        refreshes_per_minute: per_minute,
        registrations_per_minute: NonZeroU32::new(2).unwrap(),
        longest_delay: Duration::from_secs(60),
        ..AccountsConfig::default()
    };
    Tries::new(&config, now)
}

fn now() -> Instant {
    crate::clock::Clock::system().now()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_address_has_a_minutes_worth_at_once_and_then_the_rate() {
    let now = now();
    let tries = tries(now);
    for _ in 0..60 {
        tries.admit(now, TryKind::Login, HERE).unwrap();
    }
    assert_eq!(tries.admit(now, TryKind::Login, HERE), Err(Wait(SECOND)));
    assert_eq!(tries.admit(now + SECOND / 4, TryKind::Login, HERE), Err(Wait(SECOND * 3 / 4)));
    tries.admit(now + SECOND, TryKind::Login, HERE).unwrap();
    assert_eq!(tries.admit(now + SECOND, TryKind::Login, HERE), Err(Wait(SECOND)));
    // Other kinds and other addresses have their own.
    tries.admit(now, TryKind::Refresh, HERE).unwrap();
    tries.admit(now, TryKind::Register, HERE).unwrap();
    tries.admit(now, TryKind::Register, HERE).unwrap();
    assert_eq!(tries.admit(now, TryKind::Register, HERE), Err(Wait(SECOND * 30)));
    tries.admit(now, TryKind::Login, THERE).unwrap();
    for _ in 0..60 {
        tries.admit(now + SECOND * 61, TryKind::Login, HERE).unwrap();
    }
}

#[test]
fn wrong_passwords_are_spaced_out_more_and_more_and_never_locked() {
    let mut now = now();
    let tries = tries(now);
    for _ in 0..5 {
        tries.begin(now, "ada", HERE).unwrap();
    }
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        let wait = Duration::from_secs(seconds);
        assert_eq!(tries.begin(now, "ada", HERE).unwrap_err(), Wait(wait));
        // What is refused does not count, and changes nothing.
        assert_eq!(tries.begin(now + wait / 2, "ada", HERE).unwrap_err(), Wait(wait / 2));
        now += wait;
        tries.begin(now, "ada", HERE).unwrap();
    }
    // From elsewhere it is the same name.
    assert_eq!(tries.begin(now, "ada", THERE).unwrap_err(), Wait(SECOND * 60));
    tries.begin(now, "bob", HERE).unwrap();
    now += Duration::from_millis(FORGOTTEN_AFTER);
    for _ in 0..5 {
        tries.begin(now, "ada", HERE).unwrap();
    }
    tries.begin(now, "ada", HERE).unwrap_err();
}

#[test]
fn many_tries_at_once_count_before_they_are_judged() {
    let now = now();
    let tries = tries(now);
    let begun: Vec<_> = (0..100).map(|_| tries.begin(now, "ada", HERE)).filter_map(Result::ok).collect();
    assert_eq!(begun.len(), 5);
}

#[test]
fn the_right_password_begins_anew_and_one_that_was_not_judged_does_not_count() {
    let now = now();
    let tries = tries(now);
    for _ in 0..20 {
        let one = tries.begin(now, "ada", HERE).unwrap();
        tries.settle(now, one, TryOutcome::NotJudged);
    }
    for _ in 0..4 {
        tries.begin(now, "ada", HERE).unwrap();
    }
    let right = tries.begin(now, "ada", HERE).unwrap();
    tries.settle(now, right, TryOutcome::Right);
    for _ in 0..5 {
        tries.begin(now, "ada", HERE).unwrap();
    }
    tries.begin(now, "ada", HERE).unwrap_err();
}

/// Everybody in `addresses` guesses ten times a second, without end, until the owner's first try at a new address; gives
/// what the owner had to wait and how many guesses were judged in that time.
fn guess_until_the_owner_is_in(addresses: &[IpAddr]) -> (Duration, u32) {
    let mut now = now();
    let tries = tries(now);
    let mut guess_for = |time: Duration| {
        let (until, mut judged) = (now + time, 0);
        while now < until {
            judged +=
                addresses.iter().map(|from| u32::from(tries.begin(now, "ada", *from).is_ok())).sum::<u32>();
            now += SECOND / 10;
        }
        (until, judged)
    };
    let (asked_at, _) = guess_for(SECOND * 900);
    let wait = tries.begin(asked_at, "ada", HERE).unwrap_err().0;
    let (promised, judged) = guess_for(wait);
    // A client waits whole seconds, a person longer; asking before the time changes nothing.
    let one = tries.begin(promised + SECOND * 40, "ada", HERE).unwrap();
    tries.settle(promised, one, TryOutcome::Right);
    tries.begin(promised, "ada", HERE).unwrap();
    (wait, judged)
}

#[test]
fn who_must_wait_is_told_when_the_try_comes_and_then_it_does_whatever_others_do() {
    let (wait, judged) = guess_until_the_owner_is_in(&[THERE]);
    assert!(wait <= SECOND * 120 && judged <= 2, "{wait:?}, {judged} guesses");
    let twenty: Vec<IpAddr> = (0..20).map(|number| IpAddr::from([192, 0, 2, number])).collect();
    let (wait, judged) = guess_until_the_owner_is_in(&twenty);
    assert!(wait <= SECOND * 60 * 21, "{wait:?}");
    assert!(u64::from(judged) <= wait.as_secs() / 60 + 1, "{wait:?}, {judged} guesses");
}

#[test]
fn a_line_has_a_bounded_number_of_places_and_the_last_one_is_shared() {
    let now = now();
    let tries = tries(now);
    while tries.begin(now, "ada", HERE).is_ok() {}
    let addresses = || (0..1000_u32).map(|number| IpAddr::V4(number.into()));
    let waits: Vec<_> =
        addresses().map(|address| tries.begin(now, "ada", address).unwrap_err().0.as_secs()).collect();
    let expected: Vec<u64> = (2..=30).chain(std::iter::repeat(30)).take(1000).collect();
    assert_eq!(waits, expected);
    for address in addresses() {
        tries.begin(now + SECOND * 30, "ada", address).unwrap();
    }
}

#[test]
fn a_place_is_for_one_try_and_kept_for_a_minute() {
    let now = now();
    let tries = tries(now);
    while tries.begin(now, "ada", HERE).is_ok() {}
    assert_eq!(tries.begin(now, "ada", THERE).unwrap_err(), Wait(SECOND * 2));
    let late = now + SECOND * 61;
    tries.begin(late, "ada", HERE).unwrap();
    // Who has failed stands behind who waits, and may not try again in the time of the same place.
    assert_eq!(tries.begin(late, "ada", HERE).unwrap_err(), Wait(SECOND * 2));
    // A try that was not judged is one that the place is still there for.
    let one = tries.begin(late, "ada", THERE).unwrap();
    tries.settle(late, one, TryOutcome::NotJudged);
    tries.begin(late, "ada", THERE).unwrap();
    let too_late = late + SECOND * 63;
    tries.begin(too_late, "ada", THERE).unwrap();
    assert!(tries.begin(too_late, "ada", HERE).is_err(), "a place outlived its time");
}

#[test]
fn where_a_name_was_registered_it_has_a_count_of_its_own() {
    let now = now();
    let tries = tries(now);
    tries.know(now, "ada", HERE);
    while tries.begin(now, "ada", THERE).is_ok() {}
    tries.begin(now, "ada", HERE).unwrap();
}

#[test]
fn who_guesses_elsewhere_does_not_keep_the_owner_out() {
    let now = now();
    let tries = tries(now);
    let right = tries.begin(now, "ada", HERE).unwrap();
    tries.settle(now, right, TryOutcome::Right);
    while tries.begin(now, "ada", THERE).is_ok() {}
    let again = tries.begin(now, "ada", HERE).unwrap();
    tries.settle(now, again, TryOutcome::Right);
    tries.begin(now, "ada", THERE).unwrap_err();
    // Nor may the owner's address guess for ever.
    for _ in 0..5 {
        tries.begin(now, "ada", HERE).unwrap();
    }
    tries.begin(now, "ada", HERE).unwrap_err();
}

#[test]
fn a_million_addresses_and_names_take_a_bounded_room() {
    let now = now();
    let tries = tries(now);
    // Whoever tries again and again is remembered while others come once.
    while tries.begin(now, "ada", HERE).is_ok() {}
    for number in 0..1_000_000_u32 {
        let address = IpAddr::V4(number.into());
        tries.admit(now, TryKind::Login, address).unwrap();
        tries.begin(now, &number.to_string(), address).unwrap();
        if number % 10_000 == 0 {
            tries.begin(now, "ada", HERE).unwrap_err();
        }
    }
    // Refused ones too: each takes a place.
    for number in 0..600_000_u32 {
        tries.begin(now, "ada", IpAddr::V4(number.into())).unwrap_err();
    }
    let names = lock(&tries.names);
    for len in [lock(&tries.addresses).len(), names.failures.len(), names.places.len()] {
        assert!(len <= KEYS, "{len}");
    }
    drop(names);
    tries.begin(now, "ada", HERE).unwrap_err();
}
