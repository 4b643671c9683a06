//! The mode `storm`: all sessions are cut, and all return at once, each with the back-off of a stock client when it is
//! turned away. Does not know: sockets, and who cuts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::meter::Meter;
use super::{LEAVE_MAX, LISTS_MAX, ModeError, TICK};
use crate::args::{Cut, StormArgs, Transport};
use crate::clock;
use crate::crowd::{Crowd, CrowdError, End, News, Progress, What, backoff, chance};
use crate::ledger::Violation;
use crate::report::{Report, line, mebibytes};
use crate::session::SessionEnd;
use crate::stats::{Latency, micros_u32};

/// How all came back.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Storm {
    /// Sessions that were cut.
    pub(crate) cut: usize,
    /// Of these, how many were ready in the end.
    pub(crate) ready: usize,
    pub(crate) tries: u64,
    pub(crate) turned_away: TurnedAway,
    /// From the first client's first try until the last was ready.
    pub(crate) seconds: f64,
    /// From a client's own first try, its back-off included.
    pub(crate) to_ready: Latency,
    /// Absent when no process was named, as the next.
    pub(crate) cpu_micros_per_return: Option<f64>,
    pub(crate) resident_peak_bytes: Option<u64>,
}

/// Tries that came to nothing and were repeated.
#[derive(Debug, Default, Serialize)]
pub(crate) struct TurnedAway {
    /// 503 or 429 at the handshake.
    pub(crate) shed: u64,
    /// `sessions:error` with a code after which clients come back, and then the end of the transport.
    pub(crate) told: u64,
    /// The connection was refused, closed or reset.
    pub(crate) broken: u64,
    /// Not ready within the 20 s that a client waits.
    pub(crate) late: u64,
    /// Another answer to the handshake.
    pub(crate) other: u64,
}

/// Connects all gently, waits until they are cut, and lets them return.
pub(crate) fn run(args: &StormArgs) -> Result<Report<Storm>, ModeError> {
    let load = &args.load;
    if args.cut == Cut::Client && load.transport == Transport::Polling {
        return Err(ModeError::Arguments(
            "--cut client: a server learns of a polling client's end only when a ping stays unanswered; \
             allowed is --cut server",
        ));
    }
    let mut crowd = Crowd::new(load, load.sessions, load.per_user)?;
    crowd.ramp(0..crowd.seats(), load.in_flight)?;
    crowd.compare_lists(LISTS_MAX)?;
    let pid = match args.cut {
        Cut::Client => {
            (0..crowd.seats()).for_each(|index| crowd.hang_up(index));
            load.server_pid
        }
        Cut::Server => wait_for_cut(&mut crowd)?.or(load.server_pid),
    };
    // What was cut without a goodbye may still be in a list when its user is back.
    crowd.allow_ghosts();
    let figures = Returning::new(&crowd, args).run(&mut crowd, args, Meter(pid))?;
    crowd.compare_lists(LISTS_MAX)?;
    crowd.leave_all(LEAVE_MAX)?;
    Ok(Report::new("storm", load, figures, crowd.ledger()))
}

/// Says that all stand, and lives on until it is told to go on; gives the server's new process, if one was named.
fn wait_for_cut(crowd: &mut Crowd) -> Result<Option<u32>, ModeError> {
    let words = words();
    let mut out = io::stdout();
    let said = out.write_all(b"standing\n").and_then(|()| out.flush());
    said.map_err(|source| ModeError::Io { what: "saying that all sessions stand", source })?;
    let word = loop {
        crowd.turn(100 * TICK)?;
        if let Ok(word) = words.try_recv() {
            break word;
        }
    };
    // The word may be here before all the closings have been looked at.
    while ended(&crowd.turn(100 * TICK)?) {}
    let mut parts = word.split_whitespace();
    match (parts.next(), parts.next().map(str::parse)) {
        (Some("go"), None) => Ok(None),
        (Some("go"), Some(Ok(pid))) => Ok(Some(pid)),
        _ => Err(ModeError::Arguments("on standard input is allowed: go, or go PID")),
    }
}

/// Whether a session has ended.
fn ended(news: &[News]) -> bool {
    news.iter().any(|News { what, .. }| matches!(what, What::Ended { .. }))
}

/// The lines of standard input; at its end an empty one.
fn words() -> Receiver<String> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        let mut word = String::new();
        let _ = io::stdin().read_line(&mut word);
        let _ = sender.send(word);
    });
    receiver
}

/// The clients that return.
struct Returning {
    began: Instant,
    /// When each client tried for the first time; `None` for one that was never cut.
    first: Vec<Option<Instant>>,
    tries: Vec<u32>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    latencies: Vec<u32>,
    storm: Storm,
}

impl Returning {
    /// Spreads the first tries of whoever is not there.
    fn new(crowd: &Crowd, args: &StormArgs) -> Self {
        let began = clock::now();
        let mut returning = Self {
            began,
            first: vec![None; crowd.seats()],
            tries: vec![0; crowd.seats()],
            due: BinaryHeap::new(),
            latencies: Vec::new(),
            storm: Storm::default(),
        };
        for index in (0..crowd.seats()).filter(|&index| crowd.session(index).is_none()) {
            let at = began + args.within_ms.mul_f64(chance(index, 0));
            returning.first[index] = Some(at);
            returning.due.push(Reverse((at, index)));
            returning.storm.cut += 1;
        }
        returning
    }

    fn run(mut self, crowd: &mut Crowd, args: &StormArgs, meter: Meter) -> Result<Storm, ModeError> {
        let before = meter.read()?;
        let mut progress = Progress::new(self.began, "returning");
        let mut settled = 0;
        let mut last_look = self.began;
        let (mut last_ready, mut peak) = (self.began, 0);
        while settled < self.storm.cut {
            let now = clock::now();
            if now > self.began + args.patience {
                break;
            }
            self.try_those_due(now, crowd)?;
            for News { index, at, what } in crowd.turn(TICK)? {
                match what {
                    What::Ready(_) => {
                        last_ready = at;
                        self.note_ready(index, at);
                    }
                    What::Settled => settled += 1,
                    What::Ended { end, settled: true, .. } => {
                        crowd.ledger().note(Violation::EndedEarly, index, end);
                        // As good as it gets for this one.
                    }
                    What::Ended { end, .. } => settled += usize::from(!self.turn_away(index, end, crowd)),
                    _ => {}
                }
            }
            if now - last_look > LOOK {
                last_look = now;
                for index in crowd.overdue(ATTEMPT_MAX) {
                    crowd.hang_up(index);
                    self.storm.turned_away.late += 1;
                    self.schedule(index);
                }
                peak = peak.max(meter.read()?.map_or(0, |usage| usage.resident_bytes));
            }
            if progress.is_due(now) {
                progress.say(now, settled, self.storm.cut);
            }
        }
        for index in 0..crowd.seats() {
            if self.first[index].is_some() && crowd.session(index).is_none_or(|session| !session.is_ready()) {
                let tries = self.tries[index];
                crowd.ledger().note(Violation::NotReadyAgain, index, format_args!("{tries} tries"));
            }
        }
        self.storm.ready = self.latencies.len();
        self.storm.seconds = (last_ready - self.began).as_secs_f64();
        self.storm.to_ready = Latency::of(&mut self.latencies);
        self.storm.cpu_micros_per_return = meter.micros_each(before, self.storm.ready as u64)?;
        self.storm.resident_peak_bytes = before.map(|_| peak);
        Ok(self.storm)
    }

    fn try_those_due(&mut self, now: Instant, crowd: &mut Crowd) -> Result<(), ModeError> {
        while let Some(&Reverse((at, index))) = self.due.peek()
            && at <= now
        {
            self.due.pop();
            self.tries[index] += 1;
            self.storm.tries += 1;
            match crowd.open(index) {
                Ok(()) => {}
                Err(CrowdError::Refused(_)) => {
                    self.storm.turned_away.broken += 1;
                    self.schedule(index);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn note_ready(&mut self, index: usize, at: Instant) {
        if let Some(first) = self.first[index] {
            self.latencies.push(micros_u32(at.saturating_duration_since(first)));
        }
    }

    /// Counts why a try came to nothing; `false` when a stock client would not try again.
    fn turn_away(&mut self, index: usize, end: End, crowd: &mut Crowd) -> bool {
        let count = &mut self.storm.turned_away;
        match Fate::of(&end) {
            Fate::Shed => count.shed += 1,
            Fate::Told => count.told += 1,
            Fate::Broken => count.broken += 1,
            Fate::Other => count.other += 1,
            Fate::Final => {
                crowd.ledger().note(Violation::NotReadyAgain, index, end);
                self.first[index] = None;
                return false;
            }
        }
        self.schedule(index);
        true
    }

    fn schedule(&mut self, index: usize) {
        // The first try was number 1; the wait behind it is the first of the back-off.
        let at = clock::now() + backoff(index, self.tries[index].saturating_sub(1));
        self.due.push(Reverse((at, index)));
    }
}

/// What a stock client makes of an end before `ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Shed,
    Told,
    Broken,
    Other,
    /// It does not come back by itself.
    Final,
}

impl Fate {
    fn of(end: &End) -> Self {
        use crate::handshake::HandshakeError;
        let by_status = |status| if matches!(status, 429 | 503) { Self::Shed } else { Self::Other };
        match end {
            End::Handshake(HandshakeError::Status { code, .. }) => by_status(*code),
            End::Status { status, .. } => by_status(*status),
            End::Session(SessionEnd::Refused { code, .. }) => match code.as_str() {
                "rate_limited" | "unavailable" | "server_shutdown" => Self::Told,
                _ => Self::Final,
            },
            End::Session(_) | End::Token(_) | End::Message(_) => Self::Final,
            End::Socket(_) | End::Closed | End::ClosedWith(_) => Self::Broken,
            End::Handshake(_) | End::Frame(_) | End::Http(_) | End::ShortWrite(..) | End::TimedOut(_) => {
                Self::Other
            }
        }
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TurnedAway { shed, told, broken, late, other } = self.turned_away;
        writeln!(f, "  {} of {} ready after {:.1} s", self.ready, self.cut, self.seconds)?;
        writeln!(f, "  first try to ready: {}", self.to_ready)?;
        writeln!(
            f,
            "  {} tries: {shed} answered 503 or 429, {told} told to come again, {broken} broken",
            self.tries
        )?;
        writeln!(f, "  {late} late, {other} answered otherwise")?;
        if let Some(cpu) = self.cpu_micros_per_return {
            line(f, "server CPU", cpu, "µs a return")?;
        }
        match self.resident_peak_bytes {
            Some(peak) => line(f, "resident, at most", mebibytes(peak), "MiB"),
            None => Ok(()),
        }
    }
}

/// Between two looks at who is late and at the server's memory.
const LOOK: Duration = Duration::from_millis(250);
/// `timeout` of `socket.io-client`.
const ATTEMPT_MAX: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::super::bare;
    use super::*;
    use crate::args::Load;
    use crate::crowd::tests::{address_of, load};
    use crate::handshake::HandshakeError;
    use std::io::Read;
    use std::net::TcpListener;

    #[test]
    fn a_client_that_is_cut_and_then_turned_away_is_ready_in_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let load = Load { sessions: 1, per_user: 1, canned: true, ..load(address_of(&listener)) };
        thread::spawn(move || {
            let update = bare::update(0);
            let first = bare::greet(listener.accept().unwrap().0, &update).unwrap();
            let (mut second, _) = listener.accept().unwrap();
            let mut request = [0; 64];
            assert!(second.read(&mut request).unwrap() > 0);
            second.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
            let mut third = bare::greet(listener.accept().unwrap().0, &update).unwrap();
            drop(first);
            // Until the goodbye.
            assert!(third.read(&mut request).unwrap() > 0);
        });
        let (within_ms, patience) = (Duration::ZERO, Duration::from_secs(30));
        let report = run(&StormArgs { load, cut: Cut::Client, within_ms, patience }).unwrap();
        let Storm { cut, ready, tries, turned_away, to_ready, .. } = report.figures;
        assert_eq!((cut, ready, tries, turned_away.shed, to_ready.count), (1, 1, 2, 1, 1));
        assert!(to_ready.max_ms >= 500.0, "the back-off of a second, less a half at most: {to_ready}");
        assert_eq!(report.violations_total, 0, "{:?}", report.examples);
    }

    #[test]
    fn a_client_comes_back_unless_it_was_told_not_to() {
        let status = |code| {
            let (status, body) = (format!("HTTP/1.1 {code} X"), String::new());
            End::Handshake(HandshakeError::Status { code, status, body })
        };
        let refused =
            |code: &str| End::Session(SessionEnd::Refused { code: code.into(), message: String::new() });
        let check = |end: End, fate| assert_eq!(Fate::of(&end), fate, "{end}");
        check(status(503), Fate::Shed);
        check(status(429), Fate::Shed);
        check(status(502), Fate::Other);
        check(End::Status { status: 503, body: String::new() }, Fate::Shed);
        check(refused("rate_limited"), Fate::Told);
        check(refused("token_invalid"), Fate::Final);
        check(End::Session(SessionEnd::Disconnected), Fate::Final);
        check(End::Closed, Fate::Broken);
        check(End::ClosedWith(1006), Fate::Broken);
    }
}
