//! The one timer of the process: the earliest deadline of each session, in slots of 100 ms. Arming, moving and removing
//! cost a few list links; an idle session costs 24 bytes and no timer of its own. Slots in which nothing is due are slept
//! through: waking an idle process costs more than a ping.
//! Does not know: what is due. It nudges the session, which looks for itself.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Factory, Mailbox, Server, clock};

/// The timer wheel.
#[derive(Debug)]
pub(super) struct Wheel {
    start: Instant,
    slots: Mutex<Slots>,
    /// Something is due before the tick that is slept for.
    sooner: Notify,
    /// Milliseconds after `start` of the last tick, and of the one that is slept for: how a process finds that it stood
    /// still.
    last_tick: AtomicU64,
    expected_tick: AtomicU64,
    /// Milliseconds that the process stood still, in all.
    paused: AtomicU32,
}

/// One session's place in the wheel, and the tick that it is armed for.
#[derive(Debug)]
pub(super) struct Timer {
    key: u32,
    armed_for: u32,
}

#[derive(Debug)]
struct Slots {
    entries: Vec<Entry>,
    free: u32,
    heads: Box<[u32]>,
    /// The next tick that has not been looked at.
    next_tick: u32,
    /// The tick that is slept for; what is armed for an earlier one wakes the sleeper.
    planned: u32,
}

#[derive(Debug)]
struct Entry {
    mailbox: Option<Arc<Mailbox>>,
    previous: u32,
    next: u32,
    slot: u32,
}

/// Each session has one.
const _: () = assert!(size_of::<Entry>() <= 24);

impl Wheel {
    pub(super) fn new(start: Instant) -> Self {
        let heads = vec![NONE; SLOTS as usize].into_boxed_slice();
        let slots = Slots { entries: Vec::new(), free: NONE, heads, next_tick: 0, planned: NEVER };
        Self {
            start,
            slots: Mutex::new(slots),
            sooner: Notify::new(),
            last_tick: AtomicU64::new(0),
            expected_tick: AtomicU64::new(0),
            paused: AtomicU32::new(0),
        }
    }

    /// Takes a session in; it is not armed yet.
    pub(super) fn insert(&self, mailbox: Arc<Mailbox>) -> Timer {
        Timer { key: self.lock().insert(mailbox), armed_for: NEVER }
    }

    /// Sees to it that the session is nudged at `deadline`, up to one slot later, and not at the one before.
    pub(super) fn arm(&self, timer: &mut Timer, deadline: Instant) {
        let tick = self.tick_of(deadline);
        if timer.armed_for == tick {
            return;
        }
        let mut slots = self.lock();
        timer.armed_for = slots.arm(timer.key, tick);
        let sooner = timer.armed_for < slots.planned;
        slots.planned = slots.planned.min(timer.armed_for);
        drop(slots);
        if sooner {
            self.sooner.notify_one();
        }
    }

    /// The timer has nudged: it has to be armed anew.
    pub(super) fn disarmed(&self, timer: &mut Timer, now: Instant) {
        let now_tick = (self.millis(now) / SLOT_MILLIS) as u32;
        if timer.armed_for <= now_tick {
            timer.armed_for = NEVER;
        }
    }

    pub(super) fn remove(&self, timer: &Timer) {
        let removed = self.lock().remove(timer.key);
        drop(removed); // outside the lock: it may be the mailbox's last owner
    }

    pub(super) fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        self.lock().entries.iter().filter_map(|entry| entry.mailbox.clone()).collect()
    }

    /// Nudges all that are due by `now`. Gives the time of the next tick, at most [`LONGEST_SLEEP_SLOTS`] from now.
    pub(super) fn tick(&self, now: Instant) -> Instant {
        self.observe(now);
        self.last_tick.store(self.millis(now), Ordering::Relaxed);
        let now_tick = (self.millis(now) / SLOT_MILLIS) as u32;
        let mut due = Vec::new();
        let next = {
            let mut slots = self.lock();
            slots.take_due(now_tick, &mut due);
            slots.plan()
        };
        for mailbox in due {
            mailbox.nudge();
        }
        let next = u64::from(next) * SLOT_MILLIS;
        self.expected_tick.store(next, Ordering::Relaxed);
        self.start + Duration::from_millis(next)
    }

    /// Milliseconds that the whole process has stood still so far. Each session looks at every wake, so that none is
    /// judged by a deadline that passed while nobody could run.
    pub(super) fn observe(&self, now: Instant) -> u32 {
        let last = self.last_tick.load(Ordering::Relaxed);
        let expected = self.expected_tick.load(Ordering::Relaxed).max(last);
        let now = self.millis(now);
        let pause = now.saturating_sub(last);
        if now > expected + SLOT_MILLIS + PAUSE_MILLIS
            && self.last_tick.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.paused.fetch_add(pause as u32, Ordering::Relaxed);
        }
        self.paused.load(Ordering::Relaxed)
    }

    /// The tick at whose beginning `deadline` has passed.
    fn tick_of(&self, deadline: Instant) -> u32 {
        self.millis(deadline).div_ceil(SLOT_MILLIS) as u32
    }

    fn millis(&self, instant: Instant) -> u64 {
        instant.saturating_duration_since(self.start).as_millis() as u64
    }

    /// Nothing between lock and unlock can panic half-way, so a poisoned lock is taken as it is.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ticks until the server is gone.
pub(super) async fn run<F: Factory>(server: Weak<Server<F>>) {
    loop {
        let Some(alive) = server.upgrade() else { return };
        let now = clock::now();
        let next = alive.wheel.tick(now);
        alive.sids.forget_upgraded(now);
        // Held while asleep, for a moment at most: who has gone is found at the next tick.
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            () = alive.wheel.sooner.notified() => {}
        }
    }
}

impl Slots {
    fn insert(&mut self, mailbox: Arc<Mailbox>) -> u32 {
        let entry = Entry { mailbox: Some(mailbox), previous: NONE, next: NONE, slot: NONE };
        match self.free {
            NONE => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
            key => {
                self.free = self.entries[key as usize].next;
                self.entries[key as usize] = entry;
                key
            }
        }
    }

    /// Arms for `tick`, or for as far as the wheel reaches: the session then looks and arms again.
    fn arm(&mut self, key: u32, tick: u32) -> u32 {
        self.unlink(key);
        let tick = tick.clamp(self.next_tick, self.next_tick + SLOTS - 1);
        let slot = tick % SLOTS;
        let head = std::mem::replace(&mut self.heads[slot as usize], key);
        if head != NONE {
            self.entries[head as usize].previous = key;
        }
        let entry = &mut self.entries[key as usize];
        (entry.previous, entry.next, entry.slot) = (NONE, head, slot);
        tick
    }

    fn unlink(&mut self, key: u32) {
        let entry = &mut self.entries[key as usize];
        let (previous, next) = (entry.previous, entry.next);
        let slot = std::mem::replace(&mut entry.slot, NONE);
        if slot == NONE {
            return;
        }
        match previous {
            NONE => self.heads[slot as usize] = next,
            previous => self.entries[previous as usize].next = next,
        }
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
    }

    fn remove(&mut self, key: u32) -> Option<Arc<Mailbox>> {
        self.unlink(key);
        let entry = &mut self.entries[key as usize];
        entry.next = std::mem::replace(&mut self.free, key);
        entry.mailbox.take()
    }

    /// Chooses the tick to sleep for: the next one with something in its slot.
    fn plan(&mut self) -> u32 {
        let ticks = self.next_tick..self.next_tick + LONGEST_SLEEP_SLOTS;
        let in_use = |tick: &u32| self.heads[(*tick % SLOTS) as usize] != NONE;
        self.planned = ticks.clone().find(in_use).unwrap_or(ticks.end);
        self.planned
    }

    fn take_due(&mut self, now_tick: u32, due: &mut Vec<Arc<Mailbox>>) {
        // After a long pause one turn of the wheel finds all that is due.
        for tick in self.next_tick.max(now_tick.saturating_sub(SLOTS))..=now_tick {
            let mut key = std::mem::replace(&mut self.heads[(tick % SLOTS) as usize], NONE);
            while key != NONE {
                let entry = &mut self.entries[key as usize];
                entry.slot = NONE;
                due.extend(entry.mailbox.clone());
                key = entry.next;
            }
        }
        self.next_tick = self.next_tick.max(now_tick + 1);
    }
}

/// One slot: how late a deadline may be seen. 100 ms is nothing to a heartbeat, and at most ten wake-ups a second.
const SLOT_MILLIS: u64 = 100;
/// One turn is 51.2 s: longer than the interval and the timeout of the default heartbeat together.
const SLOTS: u32 = 512;
/// Slots that are slept through at once: how coarsely a pause of the process is found.
const LONGEST_SLEEP_SLOTS: u32 = 10;
/// A tick later than this means that the process was stopped, not busy.
const PAUSE_MILLIS: u64 = 2000;
const NONE: u32 = u32::MAX;
const NEVER: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::AtomicBool;
    use std::task::{Context, Wake, Waker};

    /// A session of which nothing is there but whether it was nudged since somebody looked.
    #[derive(Default)]
    struct Nudged(AtomicBool);

    impl Wake for Nudged {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn at(wheel: &Wheel, millis: u64) -> Instant {
        wheel.start + Duration::from_millis(millis)
    }

    fn armed(wheel: &Wheel, millis: u64) -> (Arc<Nudged>, Timer) {
        let mailbox = Arc::new(Mailbox::new(1));
        let session = Arc::new(Nudged::default());
        assert!(!mailbox.poll_news(&Context::from_waker(&Waker::from(session.clone()))));
        let mut timer = wheel.insert(mailbox);
        wheel.arm(&mut timer, at(wheel, millis));
        (session, timer)
    }

    fn nudged(session: &Nudged) -> bool {
        session.0.swap(false, Ordering::Relaxed)
    }

    #[test]
    fn a_session_is_nudged_at_its_deadline_and_not_before() {
        let wheel = Wheel::new(clock::now());
        let (session, _timer) = armed(&wheel, 1_010);
        for millis in (0..=1_000).step_by(100) {
            wheel.tick(at(&wheel, millis));
            assert!(!nudged(&session), "at {millis} ms");
        }
        wheel.tick(at(&wheel, 1_100));
        assert!(nudged(&session));
    }

    #[test]
    fn slots_in_which_nothing_is_due_are_slept_through() {
        let wheel = Wheel::new(clock::now());
        assert_eq!(wheel.tick(at(&wheel, 0)), at(&wheel, 1_100));
        let (_session, _timer) = armed(&wheel, 1_750);
        assert_eq!(wheel.tick(at(&wheel, 1_100)), at(&wheel, 1_800));
        assert_eq!(wheel.tick(at(&wheel, 1_800)), at(&wheel, 2_900));
    }

    #[test]
    fn the_sleeper_is_woken_by_what_is_due_sooner_and_by_nothing_else() {
        let woken = |wheel: &Wheel| {
            pin!(wheel.sooner.notified()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
        };
        let wheel = Wheel::new(clock::now());
        wheel.tick(at(&wheel, 0));
        let (_later, _later_timer) = armed(&wheel, 25_000);
        assert!(!woken(&wheel));
        let (_soon, _soon_timer) = armed(&wheel, 300);
        assert!(woken(&wheel));
        assert_eq!(wheel.tick(at(&wheel, 10)), at(&wheel, 300));
    }

    #[test]
    fn moving_and_removing_leave_the_others_in_place() {
        let wheel = Wheel::new(clock::now());
        let (first, mut first_timer) = armed(&wheel, 500);
        let (second, second_timer) = armed(&wheel, 500);
        let (third, _third_timer) = armed(&wheel, 500);
        wheel.arm(&mut first_timer, at(&wheel, 900));
        wheel.remove(&second_timer);
        wheel.tick(at(&wheel, 500));
        assert_eq!([&first, &second, &third].map(|session| nudged(session)), [false, false, true]);
        wheel.tick(at(&wheel, 900));
        assert!(nudged(&first));
        assert_eq!(wheel.mailboxes().len(), 2);
    }

    #[test]
    fn a_deadline_beyond_the_wheel_is_looked_at_once_a_turn() {
        let wheel = Wheel::new(clock::now());
        let (session, _timer) = armed(&wheel, 1_000_000);
        wheel.tick(at(&wheel, 60_000));
        assert!(nudged(&session));
    }

    #[test]
    fn a_pause_of_the_process_is_counted_once() {
        let wheel = Wheel::new(clock::now());
        wheel.tick(at(&wheel, 1_000));
        assert_eq!(wheel.observe(at(&wheel, 3_000)), 0);
        assert_eq!(wheel.observe(at(&wheel, 11_000)), 10_000);
        wheel.tick(at(&wheel, 11_010));
        assert_eq!(wheel.observe(at(&wheel, 11_020)), 10_000);
    }
}
