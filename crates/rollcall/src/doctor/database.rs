//! The database: whether it is there, takes writes, and has the tables that this program needs.

use super::Finding;
use super::clocks::Other;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{DatabaseFacts, OpenError, PostgresFacts, examine as look};

pub(super) async fn examine(config: &Config, clock: &Clock) -> (Vec<Finding>, Option<Other>) {
    match look(config, clock).await {
        Ok(facts) => {
            let others = facts.postgres.as_ref().map(|postgres| {
                Other::new(
                    "PostgreSQL",
                    postgres.asked,
                    postgres.unix_millis.unsigned_abs(),
                    postgres.answered,
                    0,
                )
            });
            let mut findings = vec![judge(config, &facts)];
            findings.extend(facts.postgres.as_ref().and_then(|postgres| room(config, &facts, postgres)));
            (findings, others)
        }
        Err(error) => (vec![unreachable(&error)], None),
    }
}

fn unreachable(error: &OpenError) -> Finding {
    let advice = match error {
        OpenError::File { .. } => "let the server's user read and write the file and its folder",
        OpenError::Database { .. } | OpenError::Read(_) => {
            "see whether the server at database.url runs, lets this address in (pg_hba.conf), and knows the user and the \
             password"
        }
        OpenError::Migration { .. } => "run `rollcall migrate` and read what it says",
        OpenError::TooNew { .. } | OpenError::TooOld { .. } => "as it says",
    };
    Finding::failed(CHECK, error.to_string(), advice)
}

fn judge(config: &Config, facts: &DatabaseFacts) -> Finding {
    let DatabaseFacts { shown, schema, readable_from, needed, problem, postgres, took } = facts;
    if let Some(problem) = problem {
        let advice = "let it take writes: another process may hold its lock, or it is a copy that follows another server";
        return Finding::failed(CHECK, format!("{shown} takes no writes: {problem}"), advice);
    }
    if let Some(PostgresFacts { version, .. }) = postgres
        && *version < POSTGRES_NEEDED
    {
        let found = format!("{shown} is PostgreSQL {}", version / 10_000);
        return Finding::failed(CHECK, found, format!("PostgreSQL {} or later", POSTGRES_NEEDED / 10_000));
    }
    if *readable_from > *needed {
        let found =
            format!("{shown} needs a program that knows schema {readable_from}; this one knows {needed}");
        return Finding::failed(CHECK, found, "run the newer release, or restore a backup from before it");
    }
    let may_create = postgres.as_ref().is_none_or(|postgres| postgres.may_create);
    let server = postgres.as_ref().map(|postgres| format!(", PostgreSQL {}", postgres.version / 10_000));
    let server = server.unwrap_or_default();
    match schema {
        Some(schema) if schema >= needed => {
            let millis = took.as_micros() as f64 / 1000.0;
            Finding::ok(CHECK, format!("{shown}{server}, schema {schema}, answers in {millis:.1} ms"))
        }
        _ if !config.database.migrate => {
            let found = format!("{shown} has schema {}, this program needs {needed}", schema.unwrap_or(0));
            Finding::failed(CHECK, found, "run `rollcall migrate`, since database.migrate is off")
        }
        _ if !may_create => {
            let found = format!("{shown}: the next start makes tables, and this user may make none");
            Finding::failed(
                CHECK,
                found,
                "`GRANT CREATE ON SCHEMA public TO USER`, or run `rollcall migrate` as another user",
            )
        }
        Some(schema) => {
            Finding::ok(CHECK, format!("{shown}{server}, schema {schema}; the next start makes it {needed}"))
        }
        None => Finding::ok(CHECK, format!("{shown}{server} is empty; the first start makes its tables")),
    }
}

/// Whether the server lets all nodes have their connections.
fn room(config: &Config, facts: &DatabaseFacts, postgres: &PostgresFacts) -> Option<Finding> {
    let wanted = i64::from(config.database.max_connections.get());
    (postgres.max_connections < wanted + CONNECTIONS_KEPT).then(|| {
        let found = format!(
            "{} allows {} connections, and each node may open {wanted}",
            facts.shown, postgres.max_connections
        );
        Finding::warning(
            CHECK,
            found,
            "raise max_connections of PostgreSQL, or lower database.max_connections",
        )
    })
}

const CHECK: &str = "database";
/// `server_version_num`.
const POSTGRES_NEEDED: i64 = 140_000;
/// For superusers, backups and a person who looks.
const CONNECTIONS_KEPT: i64 = 5;

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use std::time::Duration;

    fn facts() -> DatabaseFacts {
        DatabaseFacts {
            shown: "postgres://db/rollcall".to_owned(),
            schema: Some(7),
            readable_from: 1,
            needed: 7,
            problem: None,
            postgres: Some(PostgresFacts {
                version: 150_004,
                max_connections: 100,
                may_create: false,
                unix_millis: 0,
                asked: 0,
                answered: 0,
            }),
            took: Duration::from_micros(900),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Config, &mut DatabaseFacts), state: State, part: &str) {
        let (mut config, mut facts) = (Config::default(), facts());
        change(&mut config, &mut facts);
        let finding = judge(&config, &facts);
        let text = format!("{} {}", finding.found, finding.advice.as_deref().unwrap_or_default());
        assert!(finding.state == state && text.contains(part), "{finding:?}");
    }

    #[test]
    fn each_way_in_which_a_database_is_not_ready_is_told_with_what_to_do() {
        check(|_, _| {}, State::Ok, "PostgreSQL 15, schema 7, answers in 0.9 ms");
        check(|_, facts| facts.problem = Some("locked".to_owned()), State::Failed, "takes no writes: locked");
        check(|_, facts| facts.readable_from = 8, State::Failed, "newer release");
        check(|_, facts| facts.schema = Some(6), State::Failed, "GRANT CREATE");
        check(|_, facts| facts.schema = None, State::Failed, "GRANT CREATE");
        let may = |facts: &mut DatabaseFacts| facts.postgres.as_mut().unwrap().may_create = true;
        check(
            |_, facts| {
                facts.schema = Some(6);
                may(facts);
            },
            State::Ok,
            "schema 6; the next start makes it 7",
        );
        check(
            |_, facts| {
                facts.schema = None;
                may(facts);
            },
            State::Ok,
            "the first start makes its tables",
        );
        check(
            |config, facts| {
                config.database.migrate = false;
                facts.schema = Some(6);
                may(facts);
            },
            State::Failed,
            "rollcall migrate",
        );
        check(
            |_, facts| facts.postgres.as_mut().unwrap().version = 130_011,
            State::Failed,
            "PostgreSQL 14 or later",
        );
    }

    #[test]
    fn a_server_that_has_too_few_connections_for_one_node_is_told_of() {
        let mut facts = facts();
        let config = Config::default();
        assert_eq!(room(&config, &facts, facts.postgres.as_ref().unwrap()), None);
        facts.postgres.as_mut().unwrap().max_connections = 10;
        assert!(room(&config, &facts, facts.postgres.as_ref().unwrap()).is_some());
    }
}
