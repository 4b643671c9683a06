//! A connection that is wanted always: opened, and opened again after a pause when it has ended. Does not know: what it is
//! for.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use redis::RedisError;

use crate::clock::Clock;
use crate::ids;

/// One connection.
pub(super) enum Way<T> {
    /// Until then nobody tries.
    Pausing {
        until: Instant,
        pause: Duration,
    },
    Opening {
        opening: BoxFuture<'static, Result<T, RedisError>>,
        pause: Duration,
    },
    Open(T, Duration),
}

impl<T> Way<T> {
    pub(super) fn new(now: Instant) -> Self {
        Self::Pausing { until: now, pause: SHORTEST }
    }

    /// The connection has ended.
    pub(super) fn close(&mut self, now: Instant) {
        let pause = if let Self::Open(_, pause) = self { *pause } else { SHORTEST };
        *self = Self::Pausing { until: now + jittered(pause), pause: (pause * 2).min(LONGEST) };
    }

    /// The connection has proved good: when it ends it is tried again soon.
    pub(super) fn settle(&mut self) {
        if let Self::Open(_, pause) = self {
            *pause = SHORTEST;
        }
    }

    pub(super) fn open(&mut self) -> Option<&mut T> {
        match self {
            Self::Open(connection, _) => Some(connection),
            Self::Pausing { .. } | Self::Opening { .. } => None,
        }
    }

    /// Gets the connection open; gives why it could not be this time. Never ends when it is open. May be dropped at any
    /// time and called again.
    pub(super) async fn opened(
        &mut self,
        clock: &Clock,
        connect: impl Fn() -> BoxFuture<'static, Result<T, RedisError>>,
    ) -> Result<(), RedisError> {
        loop {
            match self {
                Self::Pausing { until, pause } => {
                    let pause = *pause;
                    tokio::time::sleep_until((*until).into()).await;
                    *self = Self::Opening { opening: connect(), pause };
                }
                Self::Opening { opening, pause } => {
                    let pause = *pause;
                    return match opening.await {
                        Ok(connection) => {
                            *self = Self::Open(connection, pause);
                            Ok(())
                        }
                        Err(error) => {
                            *self = Self::Pausing {
                                until: clock.now() + jittered(pause),
                                pause: (pause * 2).min(LONGEST),
                            };
                            Err(error)
                        }
                    };
                }
                Self::Open(..) => std::future::pending().await,
            }
        }
    }
}

/// Nodes that lost Redis together do not come back together.
fn jittered(pause: Duration) -> Duration {
    ids::duration_between(pause / 2, pause)
}

/// Between two tries to connect, doubled with each.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);
