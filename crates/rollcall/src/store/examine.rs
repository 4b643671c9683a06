//! What an operator wants to know of the database before a start. Changes nothing. Does not know: what is good or bad.

use std::time::Duration;

use sqlx::{AnyConnection, Connection, Executor};

use super::connect::{self, Found, OpenError};
use super::{Kind, StorageError, bounded};
use crate::clock::Clock;
use crate::config::Config;

/// What was found.
#[derive(Debug)]
pub struct DatabaseFacts {
    /// Its file or its URL without the password.
    pub shown: String,
    /// What it has; `None` for an empty one and for one that the first start makes.
    pub schema: Option<i64>,
    /// The oldest program that can read it.
    pub readable_from: i64,
    /// What this program needs.
    pub needed: i64,
    /// Why it takes no writes.
    pub problem: Option<String>,
    /// Of PostgreSQL.
    pub postgres: Option<PostgresFacts>,
    /// A question and its answer.
    pub took: Duration,
}

/// What PostgreSQL says of itself.
#[derive(Debug)]
pub struct PostgresFacts {
    /// `server_version_num`.
    pub version: i64,
    /// `max_connections`.
    pub max_connections: i64,
    /// Whether this user may make tables.
    pub may_create: bool,
    /// Its clock, in milliseconds since the epoch.
    pub unix_millis: i64,
    /// This machine's when it was asked.
    pub asked: u64,
    /// This machine's when it had answered.
    pub answered: u64,
}

/// Looks at the configured database.
///
/// # Errors
/// It cannot be reached, or does not let this program in.
pub async fn examine(config: &Config, clock: &Clock) -> Result<DatabaseFacts, OpenError> {
    let Found { kind, shown, schema, connection } = connect::look(config).await?;
    let mut facts = DatabaseFacts {
        shown,
        schema: schema.map(|(schema, _)| schema),
        readable_from: schema.map_or(0, |(_, readable_from)| readable_from),
        needed: connect::SCHEMA,
        problem: None,
        postgres: None,
        took: Duration::ZERO,
    };
    let Some(mut connection) = connection else { return Ok(facts) };
    let began = clock.now();
    let probed = bounded(probe(kind, &mut connection)).await;
    facts.took = clock.now().saturating_duration_since(began);
    facts.problem = probed.err().map(|error| error.to_string());
    if kind == Kind::Postgres && facts.problem.is_none() {
        facts.postgres = Some(bounded(of_postgres(clock, &mut connection)).await.map_err(OpenError::Read)?);
    }
    // What is known is known.
    let _ = connection.close().await;
    Ok(facts)
}

/// What a write would meet, without writing.
async fn probe(kind: Kind, connection: &mut AnyConnection) -> Result<(), StorageError> {
    match kind {
        Kind::Sqlite => {
            connection.execute("BEGIN IMMEDIATE").await?;
            connection.execute("ROLLBACK").await?;
        }
        Kind::Postgres => {
            let read_only = "SELECT current_setting('transaction_read_only')";
            let read_only: String = sqlx::query_scalar(read_only).fetch_one(connection).await?;
            if read_only == "on" {
                return Err(StorageError::ReadOnly);
            }
        }
    }
    Ok(())
}

async fn of_postgres(clock: &Clock, connection: &mut AnyConnection) -> Result<PostgresFacts, StorageError> {
    let question = "SELECT current_setting('server_version_num')::bigint, \
                    current_setting('max_connections')::bigint, \
                    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)";
    let (version, max_connections, may_create) = sqlx::query_as(question).fetch_one(&mut *connection).await?;
    let asked = clock.unix_millis();
    let time = "SELECT (extract(epoch from clock_timestamp()) * 1000)::bigint";
    let unix_millis = sqlx::query_scalar(time).fetch_one(connection).await?;
    let answered = clock.unix_millis();
    Ok(PostgresFacts { version, max_connections, may_create, unix_millis, asked, answered })
}
