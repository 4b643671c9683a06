//! The mode `fanout`: one change, told to many sockets of a user. What the server uses for each frame is compared with
//! a process that does nothing but write frames of the same size to as many sockets at the same pace on the same core.
//! Does not know: sockets.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::burst::{self, Burst};
use super::meter::Meter;
use super::{LEAVE_MAX, LISTS_MAX, ModeError, STEP_MAX, TICK, bare};
use crate::args::FanoutArgs;
use crate::clock;
use crate::crowd::{Crowd, News, Progress, What};
use crate::report::{Report, line};

/// What an update to many costs.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Fanout {
    pub(crate) seconds: f64,
    /// Updates that the clients got.
    pub(crate) frames: u64,
    pub(crate) bytes_per_frame: f64,
    /// All that the server used, joins and leaves included, over the frames; absent when no process was named.
    pub(crate) cpu_micros_per_frame: Option<f64>,
    /// The same of the bare writer; absent when it was left out.
    pub(crate) bare_micros_per_frame: Option<f64>,
    /// The one over the other.
    pub(crate) against_bare: Option<f64>,
    pub(crate) burst: Option<Burst>,
}

/// Seats `--per-user` sessions of each user that stay, and one whose coming and going they are told.
pub(crate) fn run(args: &FanoutArgs) -> Result<Report<Fanout>, ModeError> {
    let load = &args.load;
    let stay = load.per_user as usize;
    let users = (load.sessions / load.per_user) as usize;
    if users == 0 {
        return Err(ModeError::Arguments("--sessions: a fan-out needs at least --per-user of them"));
    }
    let seats = users * (stay + 1);
    let mut crowd = Crowd::new(load, seats as u32, load.per_user + 1)?;
    let standing: Vec<usize> = (0..seats).filter(|seat| seat % (stay + 1) < stay).collect();
    crowd.ramp(standing.into_iter(), load.in_flight)?;
    crowd.compare_lists(LISTS_MAX)?;

    let meter = Meter(load.server_pid);
    let (before, tally) = (meter.read()?, crowd.tally());
    let took = Actors::new(users, stay).run(&mut crowd, args.seconds)?;
    let frames = crowd.tally().updates - tally.updates;
    let bytes = (crowd.tally().update_bytes - tally.update_bytes) as f64 / frames.max(1) as f64;
    let mut figures = Fanout {
        seconds: took.as_secs_f64(),
        frames,
        bytes_per_frame: bytes,
        cpu_micros_per_frame: meter.micros_each(before, frames)?,
        ..Fanout::default()
    };
    crowd.compare_lists(LISTS_MAX)?;
    crowd.leave_all(LEAVE_MAX)?;

    if !args.no_bare {
        let pace = bare::Pace { sockets: users * stay, at_once: stay, bytes: bytes as usize, frames, took };
        let micros = bare::measure(load, pace)?;
        figures.bare_micros_per_frame = Some(micros);
        figures.against_bare = figures.cpu_micros_per_frame.map(|cpu| cpu / micros);
    }
    if args.burst > 0 {
        figures.burst = Some(burst::run(load, users as u32, args.burst, crowd.ledger())?);
    }
    Ok(Report::new("fanout", load, figures, crowd.ledger()))
}

/// The sessions that come and go, and who has heard of it.
struct Actors {
    stay: usize,
    users: Vec<Actor>,
}

#[derive(Clone, Debug)]
struct Actor {
    comes: bool,
    heard: Vec<bool>,
}

impl Actors {
    fn new(users: usize, stay: usize) -> Self {
        Self { stay, users: vec![Actor { comes: true, heard: vec![false; stay] }; users] }
    }

    /// Lets all come and go for `span`, each as soon as the last change was told to all; gives how long it took.
    fn run(mut self, crowd: &mut Crowd, span: Duration) -> Result<Duration, ModeError> {
        let began = clock::now();
        let mut progress = Progress::new(began, "telling");
        let mut last_told = began;
        for user in 0..self.users.len() {
            crowd.open(self.seat(user))?;
        }
        let mut going = self.users.len();
        while going > 0 {
            for News { index, what, .. } in crowd.watch(TICK)? {
                let (user, place) = (index / (self.stay + 1), index % (self.stay + 1));
                if let What::Updated(len) = what
                    && place < self.stay
                {
                    let actor = &mut self.users[user];
                    actor.heard[place] |= (len as usize > self.stay) == actor.comes;
                }
                if self.was_told(user, crowd) {
                    last_told = clock::now();
                    let over = last_told - began >= span && !self.users[user].comes;
                    going -= usize::from(over);
                    if !over {
                        self.turn_round(user, crowd)?;
                    }
                }
            }
            let now = clock::now();
            if now - last_told > STEP_MAX {
                return Err(ModeError::Stuck("a change was not told to all sessions of its user"));
            }
            if progress.is_due(now) {
                progress.say_left(span.saturating_sub(now - began), crowd.live());
            }
        }
        Ok(clock::now() - began)
    }

    fn was_told(&self, user: usize, crowd: &Crowd) -> bool {
        let Actor { comes, heard } = &self.users[user];
        let session = crowd.session(self.seat(user));
        let done = match session {
            Some(session) => *comes && session.is_settled(),
            None => !comes,
        };
        done && heard.iter().all(|heard| *heard)
    }

    fn turn_round(&mut self, user: usize, crowd: &mut Crowd) -> Result<(), ModeError> {
        let seat = self.seat(user);
        let actor = &mut self.users[user];
        actor.comes = !actor.comes;
        actor.heard.fill(false);
        match actor.comes {
            true => crowd.open(seat)?,
            false => crowd.leave(seat),
        }
        Ok(())
    }

    fn seat(&self, user: usize) -> usize {
        user * (self.stay + 1) + self.stay
    }
}

impl fmt::Display for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "frames", self.frames as f64 / self.seconds, "/s")?;
        line(f, "of", self.bytes_per_frame, "bytes")?;
        if let Some(cpu) = self.cpu_micros_per_frame {
            line(f, "server CPU", cpu, "µs a frame")?;
        }
        if let Some(bare) = self.bare_micros_per_frame {
            line(f, "bare write", bare, "µs a frame")?;
        }
        if let Some(times) = self.against_bare {
            writeln!(f, "  {times:.2} × the bare write")?;
        }
        match &self.burst {
            Some(burst) => write!(f, "{burst}"),
            None => Ok(()),
        }
    }
}
