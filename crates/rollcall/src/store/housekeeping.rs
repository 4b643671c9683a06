//! Rows whose time is over leave, a few at a time, so that nobody waits for it. Does not know: when it is called.

use super::{StorageError, Store, bounded, signed};

/// How long things stay that nobody's token depends on.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Milliseconds that the audit is kept.
    pub audit: u64,
    /// Milliseconds that a login stays known after it was last seen.
    pub first_seen: u64,
    /// Milliseconds that a session stays known after its end; 0 keeps none.
    pub history: u64,
}

/// What has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Rows of all kinds.
    pub rows: u64,
    /// Of them those that a webhook was owed.
    pub owed: u64,
}

impl Store {
    /// Deletes what is not needed any more and gives how many rows that were. To be called once in a while; it goes on
    /// until nothing is left to do, in steps that each hold the database for a moment.
    pub async fn forget_expired(&self, now: u64, keep: Keep) -> Result<Forgotten, StorageError> {
        let seconds = signed(now / 1000);
        let rules = [
            // A login ends with its newest refresh token, and the older ones are of no use any more: what is spent for
            // longer than a token lives is not worth noticing.
            (
                "DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE expires_at < $1 LIMIT 500)",
                signed(now),
            ),
            (
                "DELETE FROM refresh_tokens WHERE hash IN \
                     (SELECT hash FROM refresh_tokens WHERE expires_at < $1 LIMIT 500)",
                signed(now),
            ),
            (
                "DELETE FROM revocations WHERE seq IN \
                     (SELECT seq FROM revocations WHERE until_seconds < $1 LIMIT 500)",
                seconds,
            ),
            (
                "DELETE FROM used_logout_tokens WHERE (issuer, jti) IN \
                     (SELECT issuer, jti FROM used_logout_tokens WHERE until_seconds < $1 LIMIT 500)",
                seconds,
            ),
            (
                "DELETE FROM first_seen WHERE (issuer, subject, login) IN \
                     (SELECT issuer, subject, login FROM first_seen WHERE last_at < $1 LIMIT 500)",
                signed(now.saturating_sub(keep.first_seen)),
            ),
            (OWED, signed(now.saturating_sub(OUTBOX_KEEP))),
            (
                "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 LIMIT 500)",
                signed(now.saturating_sub(keep.audit)),
            ),
            (
                "DELETE FROM history WHERE id IN (SELECT id FROM history WHERE ended_at <= $1 LIMIT 500)",
                signed(now.saturating_sub(keep.history)),
            ),
        ];
        let mut forgotten = Forgotten::default();
        for (statement, before) in rules {
            loop {
                let deleted = bounded(async {
                    Ok(sqlx::query(statement).bind(before).execute(self.pool()).await?.rows_affected())
                })
                .await?;
                forgotten.rows += deleted;
                forgotten.owed += if statement == OWED { deleted } else { 0 };
                if deleted < STEP {
                    break;
                }
            }
        }
        Ok(forgotten)
    }
}

const OWED: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE at < $1 LIMIT 500)";
/// Rows a step, as in each statement: a few milliseconds of a writer's lock.
const STEP: u64 = 500;
/// Milliseconds: what no webhook has taken within a week is old news.
const OUTBOX_KEEP: u64 = 7 * 24 * 3600 * 1000;
