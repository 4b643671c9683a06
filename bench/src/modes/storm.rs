//! The mode `storm`: all sessions are cut, and all return at once. Does not know: sockets, who cuts, and when each client
//! tries again (`returning`).

use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use serde::Serialize;

use super::meter::Meter;
use super::returning::Returning;
use super::{LEAVE_MAX, LISTS_MAX, ModeError, TICK};
use crate::args::{Cut, StormArgs, Transport};
use crate::crowd::{Crowd, News, What};
use crate::report::{Report, line, mebibytes};
use crate::stats::Latency;

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

#[cfg(test)]
mod tests {
    use super::super::bare;
    use super::*;
    use crate::args::Load;
    use crate::crowd::tests::{address_of, load};
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Duration;

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
    fn a_client_that_is_lost_after_its_ready_and_comes_again_is_counted_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let load = Load { sessions: 1, per_user: 1, canned: true, ..load(address_of(&listener)) };
        thread::spawn(move || {
            let update = bare::update(0);
            let first = bare::greet(listener.accept().unwrap().0, &update).unwrap();
            // Ready, and gone before its update.
            drop(bare::greet(listener.accept().unwrap().0, b"").unwrap());
            let mut third = bare::greet(listener.accept().unwrap().0, &update).unwrap();
            drop(first);
            assert!(third.read(&mut [0; 64]).unwrap() > 0);
        });
        let (within_ms, patience) = (Duration::ZERO, Duration::from_secs(30));
        let report = run(&StormArgs { load, cut: Cut::Client, within_ms, patience }).unwrap();
        let Storm { ready, tries, to_ready, .. } = report.figures;
        assert_eq!((ready, tries, to_ready.count), (1, 2, 2));
    }
}
