//! The mode `relay`: how soon one session of a user hears of another. First sessions join and leave beside the ones
//! that stay, then the ones that stay send each other messages. Does not know: sockets.

use std::fmt;
use std::net::SocketAddrV4;
use std::time::Instant;

use serde::Serialize;

use super::meter::Meter;
use super::{LEAVE_MAX, LISTS_MAX, ModeError, STEP_MAX, TICK};
use crate::args::{RelayArgs, Transport};
use crate::clock;
use crate::crowd::{Crowd, News, Progress, What};
use crate::ledger::Violation;
use crate::message::{Ack, Relayed};
use crate::report::{Report, line};
use crate::stats::{Latency, micros_u32};

/// What was heard, and how soon.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Relay {
    /// Asked for: joins a second, and then sends.
    pub(crate) rate: u32,
    /// Had: those that were told to all, or answered.
    pub(crate) joins_per_second: f64,
    pub(crate) sends_per_second: f64,
    /// From a session's CONNECT on the wire to another one's `sessions:update` with it.
    pub(crate) join: Latency,
    /// From a session's goodbye to another one's `sessions:update` without it.
    pub(crate) leave: Latency,
    /// From `sessions:send` on the wire to another session's `sessions:message`.
    pub(crate) send: Latency,
    /// From `sessions:send` to its acknowledgement.
    pub(crate) ack: Latency,
    /// Why nothing is said about sending: the code of the first refusal.
    pub(crate) send_refused: Option<String>,
    /// Of a join, a leave and what is told of them; absent when no process was named, as the next.
    pub(crate) cpu_micros_per_join: Option<f64>,
    pub(crate) cpu_micros_per_send: Option<f64>,
}

/// Seats `--per-user` sessions of each user that stay, and one that comes and goes.
pub(crate) fn run(args: &RelayArgs) -> Result<Report<Relay>, ModeError> {
    let load = &args.load;
    if args.other_url.is_some() && load.transport != Transport::Websocket {
        return Err(ModeError::Arguments(
            "--other-url: given with polling, allowed is --transport websocket",
        ));
    }
    if load.per_user < 2 || load.sessions < load.per_user {
        return Err(ModeError::Arguments("--per-user: a relay needs at least 2 sessions of a user"));
    }
    let users = (load.sessions / load.per_user) as usize;
    let stay = load.per_user as usize;
    let seats = users * (stay + 1);
    let mut crowd = Crowd::new(load, seats as u32, load.per_user + 1)?;
    let standing: Vec<usize> = (0..seats).filter(|seat| seat % (stay + 1) < stay).collect();
    crowd.ramp(standing.into_iter(), load.in_flight)?;
    crowd.compare_lists(LISTS_MAX)?;
    let meter = Meter(load.server_pid);
    let mut figures = Relay { rate: args.rate, ..Relay::default() };

    let before = meter.read()?;
    let node = args.other_url.map_or(load.url.0, |url| url.0);
    let states = vec![Joiner::default(); users];
    let mut joins = Joins { stay, node, states, told: Vec::new(), untold: Vec::new() };
    joins.run(&mut crowd, args)?;
    figures.joins_per_second = (joins.told.len() / stay) as f64 / args.seconds.as_secs_f64();
    figures.cpu_micros_per_join = meter.micros_each(before, (joins.told.len() / stay) as u64)?;
    figures.join = Latency::of(&mut joins.told);
    figures.leave = Latency::of(&mut joins.untold);
    crowd.compare_lists(LISTS_MAX)?;

    let before = meter.read()?;
    let mut sends = Sends { stay, under_way: vec![None; users], ..Sends::default() };
    sends.run(&mut crowd, args)?;
    figures.sends_per_second = sends.acked.len() as f64 / args.seconds.as_secs_f64();
    figures.cpu_micros_per_send = meter.micros_each(before, sends.acked.len() as u64)?;
    figures.send = Latency::of(&mut sends.heard);
    figures.ack = Latency::of(&mut sends.acked);
    figures.send_refused = sends.refused;
    crowd.leave_all(LEAVE_MAX)?;
    Ok(Report::new("relay", load, figures, crowd.ledger()))
}

/// Runs `act` for one user after the other, `rate` times a second for `span`, and hands on all news, until `rest` says
/// that nothing is awaited any more.
fn at_rate<S>(
    crowd: &mut Crowd,
    args: &RelayArgs,
    what: &'static str,
    state: &mut S,
    mut act: impl FnMut(&mut S, &mut Crowd, u64),
    mut on_news: impl FnMut(&mut S, &mut Crowd, News) -> Result<(), ModeError>,
    rest: impl Fn(&S) -> bool,
) -> Result<(), ModeError> {
    let began = clock::now();
    let mut progress = Progress::new(began, what);
    let mut done = 0;
    loop {
        let passed = clock::now() - began;
        let over = passed >= args.seconds;
        if over && (rest(state) || passed >= args.seconds + STEP_MAX) {
            return Ok(());
        }
        let due = (passed.as_secs_f64() * f64::from(args.rate)) as u64;
        // What a slow moment left undone is not done all at once.
        done = done.max(due.saturating_sub(LAG_MAX));
        while !over && done < due {
            act(state, crowd, done);
            done += 1;
        }
        for news in crowd.watch(TICK)? {
            on_news(state, crowd, news)?;
        }
        let now = clock::now();
        if progress.is_due(now) {
            progress.say(now, done as usize, (args.seconds.as_secs() * u64::from(args.rate)) as usize);
        }
    }
}

/// The sessions that come and go, one of each user.
struct Joins {
    stay: usize,
    /// Where they join.
    node: SocketAddrV4,
    states: Vec<Joiner>,
    told: Vec<u32>,
    untold: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
enum Joiner {
    #[default]
    Away,
    /// Since when it is known to the server, and who has heard of it.
    Coming(Option<Instant>, usize),
    Leaving(Instant, usize),
}

impl Joins {
    fn run(&mut self, crowd: &mut Crowd, args: &RelayArgs) -> Result<(), ModeError> {
        at_rate(
            crowd,
            args,
            "joining",
            self,
            |joins, crowd, number| joins.come(crowd, number),
            Self::on_news,
            |joins| joins.states.iter().all(|state| matches!(state, Joiner::Away)),
        )
    }

    fn come(&mut self, crowd: &mut Crowd, number: u64) {
        let user = number as usize % self.states.len();
        let seat = user * (self.stay + 1) + self.stay;
        if matches!(self.states[user], Joiner::Away) && crowd.session(seat).is_none() {
            self.states[user] = Joiner::Coming(None, 0);
            // A refusal is among the news then.
            let _ = crowd.open_at(seat, self.node);
        }
    }

    fn on_news(&mut self, crowd: &mut Crowd, news: News) -> Result<(), ModeError> {
        let News { index, at, what } = news;
        let (user, seat) = (index / (self.stay + 1), index % (self.stay + 1));
        let all = self.stay as u32 + 1;
        let state = &mut self.states[user];
        match (what, &mut *state) {
            (What::Asked, Joiner::Coming(since, _)) if seat == self.stay => *since = Some(at),
            (What::Updated(len), Joiner::Coming(Some(since), heard)) if len == all && seat < self.stay => {
                self.told.push(micros_u32(at.saturating_duration_since(*since)));
                *heard += 1;
            }
            (What::Updated(len), Joiner::Leaving(since, heard)) if len < all && seat < self.stay => {
                self.untold.push(micros_u32(at.saturating_duration_since(*since)));
                *heard += 1;
            }
            _ => {}
        }
        let joiner = user * (self.stay + 1) + self.stay;
        match *state {
            Joiner::Coming(_, heard)
                if heard == self.stay
                    && crowd.session(joiner).is_some_and(|session| session.is_settled()) =>
            {
                *state = Joiner::Leaving(clock::now(), 0);
                crowd.leave(joiner);
            }
            Joiner::Leaving(_, heard) if heard == self.stay && crowd.session(joiner).is_none() => {
                *state = Joiner::Away;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The messages under way, at most one of each user.
#[derive(Default)]
struct Sends {
    stay: usize,
    under_way: Vec<Option<Sending>>,
    heard: Vec<u32>,
    acked: Vec<u32>,
    refused: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    number: u64,
    since: Instant,
    heard: usize,
    acked: bool,
}

impl Sends {
    fn run(&mut self, crowd: &mut Crowd, args: &RelayArgs) -> Result<(), ModeError> {
        at_rate(
            crowd,
            args,
            "sending",
            self,
            |sends, crowd, number| sends.send(crowd, number),
            |sends, crowd, news| {
                sends.on_news(crowd, news);
                Ok(())
            },
            |sends| sends.refused.is_some() || sends.under_way.iter().all(Option::is_none),
        )?;
        if self.refused.is_none() {
            for (user, sending) in self.under_way.iter().enumerate() {
                if let Some(Sending { heard, .. }) = sending {
                    let seen = format_args!("{heard} of {} heard it", self.stay - 1);
                    crowd.ledger().note(Violation::MessageLost, user * (self.stay + 1), seen);
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, crowd: &mut Crowd, number: u64) {
        let user = number as usize % self.under_way.len();
        if self.refused.is_some() || self.under_way[user].is_some() {
            return;
        }
        let packet = format!(
            r#"42/sessions,{number}["sessions:send",{{"to":"others","event":"{EVENT}","data":{number}}}]"#
        );
        self.under_way[user] = Some(Sending { number, since: clock::now(), heard: 0, acked: false });
        crowd.send(user * (self.stay + 1), packet.as_bytes());
    }

    fn on_news(&mut self, crowd: &mut Crowd, news: News) {
        let News { index, at, what } = news;
        let user = index / (self.stay + 1);
        let sender = crowd.session(user * (self.stay + 1)).map(|session| session.own());
        let Some(sending) = &mut self.under_way[user] else { return };
        let took = micros_u32(at.saturating_duration_since(sending.since));
        match what {
            What::Relayed(Relayed { from, event, data }) => {
                let right = Some(from) == sender && event == EVENT && data == sending.number;
                if !right || index % (self.stay + 1) == 0 {
                    let seen = format_args!("{event} {data} after {}", sending.number);
                    crowd.ledger().note(Violation::MessageWrong, index, seen);
                    return;
                }
                sending.heard += 1;
                self.heard.push(took);
            }
            What::Acked(id, Ack { ok: true, delivered, .. }) => {
                if (id, delivered) != (sending.number, Some(self.stay as u32 - 1)) {
                    let seen = format_args!("{delivered:?} delivered, number {id}");
                    crowd.ledger().note(Violation::AckWrong, index, seen);
                }
                sending.acked = true;
                self.acked.push(took);
            }
            What::Acked(_, Ack { code, .. }) => {
                self.refused.get_or_insert(code.unwrap_or_else(|| "without a code".to_owned()));
            }
            _ => {}
        }
        if sending.acked && sending.heard == self.stay - 1 {
            self.under_way[user] = None;
        }
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  join to update:     {}", self.join)?;
        writeln!(f, "  goodbye to update:  {}", self.leave)?;
        if let Some(cpu) = self.cpu_micros_per_join {
            line(f, "server CPU", cpu, "µs a join and leave")?;
        }
        if let Some(code) = &self.send_refused {
            return writeln!(f, "  sessions:send is refused: {code}");
        }
        writeln!(f, "  send to message:    {}", self.send)?;
        writeln!(f, "  send to its answer: {}", self.ack)?;
        match self.cpu_micros_per_send {
            Some(cpu) => line(f, "server CPU", cpu, "µs a message"),
            None => Ok(()),
        }
    }
}

const EVENT: &str = "note";
/// Things that may be done late; older ones are left out.
const LAG_MAX: u64 = 20;
