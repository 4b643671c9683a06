//! What the process of a node holds while time goes by: resident memory and descriptors. Does not know: how much is right.

use std::time::{Duration, Instant};

use crate::served::Served;

/// Looks at one process every ten seconds.
pub struct Upkeep {
    since: Instant,
    next: Instant,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Since the first look, in seconds.
    pub at: f64,
    pub resident_bytes: f64,
    pub descriptors: usize,
}

impl Upkeep {
    pub fn new(now: Instant) -> Self {
        Self { since: now, next: now, samples: Vec::new() }
    }

    /// Looks when it is time.
    pub fn step(&mut self, served: &Served, now: Instant) {
        if now >= self.next {
            self.next = now + Duration::from_secs(10);
            self.samples.push(self.look(served, now));
        }
    }

    pub fn look(&self, served: &Served, now: Instant) -> Sample {
        let at = (now - self.since).as_secs_f64();
        Sample { at, resident_bytes: served.resident_bytes() as f64, descriptors: served.descriptors() }
    }

    /// Growth of memory in bytes an hour: the straight line that fits the samples best, the first `warm_up` left out.
    /// `None` when there are too few to say.
    pub fn slope(&self, warm_up: Duration) -> Option<f64> {
        let samples: Vec<&Sample> =
            self.samples.iter().filter(|sample| sample.at > warm_up.as_secs_f64()).collect();
        if samples.len() < 60 {
            return None;
        }
        let count = samples.len() as f64;
        let mean = |of: fn(&Sample) -> f64| samples.iter().map(|sample| of(sample)).sum::<f64>() / count;
        let (at, resident) = (mean(|sample| sample.at), mean(|sample| sample.resident_bytes));
        let together: f64 =
            samples.iter().map(|sample| (sample.at - at) * (sample.resident_bytes - resident)).sum();
        let alone: f64 = samples.iter().map(|sample| (sample.at - at).powi(2)).sum();
        Some(together / alone * 3600.0)
    }

    pub fn first(&self) -> Option<&Sample> {
        self.samples.first()
    }

    pub fn most_descriptors(&self) -> usize {
        self.samples.iter().map(|sample| sample.descriptors).max().unwrap_or(0)
    }
}

#[test]
fn the_slope_is_that_of_the_samples_after_the_warm_up() {
    let now = rollcall::clock::Clock::system().now();
    let mut upkeep = Upkeep::new(now);
    assert!(upkeep.slope(Duration::ZERO).is_none(), "too few");
    for look in 0..200 {
        let at = f64::from(look) * 10.0;
        let warm = if at < 600.0 { at * 1e6 } else { 6e8 + (at - 600.0) * 2.0 };
        upkeep.samples.push(Sample { at, resident_bytes: warm, descriptors: 0 });
    }
    let slope = upkeep.slope(Duration::from_secs(610)).unwrap();
    assert!((slope - 7200.0).abs() < 1.0, "{slope}");
    assert!(upkeep.slope(Duration::ZERO).unwrap() > 1e6);
}
