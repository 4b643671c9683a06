//! `rollcall audit`: who ended, changed, made or erased what, when, and from where. Reads the database, beside a server
//! that runs or without one.

use std::fmt::Write as _;
use std::time::Duration;

use rollcall::clock::{to_iso8601, unix_millis_of};
use rollcall::config::{Config, parse_duration};
use rollcall::store::{Action, AuditFilter, AuditRow};
use serde_json::{Value, json};

use super::Failure;
use super::plain::plain;
use super::storing::with_store;

/// What is wanted.
#[derive(Debug, clap::Args)]
pub(super) struct AuditArgs {
    /// Only about this user (its `sub`)
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only about users of this issuer entry, such as built-in; also of one that is configured no more
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Only this, such as login.revoked
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<String>,
    /// Only by these: user, operator, issuer, server, admin, api_key or api_key:NAME
    #[arg(long, value_name = "WHO", value_parser = actor)]
    by: Option<String>,
    /// Not before: a date or time in UTC (2026-11-28, 2026-11-28T09:30:00Z), or how long ago (90m, 12h, 30d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Before: the same
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// So many rows at most, the newest ones
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Milliseconds since the epoch.
    At(u64),
    Ago(Duration),
}

/// A line a row, the newest first, or JSON.
pub(super) fn audit(config: &Config, args: &AuditArgs) -> Result<String, Failure> {
    let rows = with_store(config, async |storing| {
        let now = storing.clock.unix_millis();
        let filter = AuditFilter {
            subject: args.user.as_deref(),
            issuer: args.issuer.as_deref(),
            action: args.action.as_deref(),
            actor: args.by.as_deref(),
            since: args.since.map(|moment| moment.millis(now)),
            until: args.until.map(|moment| moment.millis(now)),
        };
        storing.store.audit(&filter, args.limit as usize).await.map_err(Failure::because)
    })?;
    if args.json {
        let rows: Vec<Value> = rows.iter().map(to_json).collect();
        return serde_json::to_string_pretty(&rows).map(|text| text + "\n").map_err(Failure::because);
    }
    table(&rows).map_err(Failure::because)
}

impl Moment {
    fn millis(self, now: u64) -> u64 {
        match self {
            Self::At(millis) => millis,
            Self::Ago(ago) => now.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

fn at(row: &AuditRow) -> String {
    to_iso8601(u64::try_from(row.at).unwrap_or(0))
}

fn to_json(row: &AuditRow) -> Value {
    let AuditRow { action, actor, issuer, subject, detail, address, .. } = row;
    let mut object = json!({ "at": at(row), "action": action, "by": actor });
    for (name, value) in [("issuer", issuer), ("user", subject), ("detail", detail), ("address", address)] {
        if let Some(value) = value {
            object[name] = value.as_str().into();
        }
    }
    object
}

fn table(rows: &[AuditRow]) -> Result<String, std::fmt::Error> {
    // What others have made up, such as the subject of a token, moves no cursor and adds no column.
    let shown = |text: &Option<String>| match text.as_deref() {
        None | Some("") => "-".to_owned(),
        Some(text) => plain(text),
    };
    let mut lines: Vec<[String; 7]> =
        vec![["AT", "ACTION", "BY", "FROM", "ISSUER", "USER", "DETAIL"].map(str::to_owned)];
    for row in rows {
        let by = plain(&row.actor);
        lines.push([
            at(row),
            plain(&row.action),
            by,
            shown(&row.address),
            shown(&row.issuer),
            shown(&row.subject),
            shown(&row.detail),
        ]);
    }
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(text)
}

fn action(text: &str) -> Result<String, String> {
    let all = Action::ALL.map(Action::as_str);
    match all.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("allowed: {}", all.join(", "))),
    }
}

fn actor(text: &str) -> Result<String, String> {
    let is_key = text.strip_prefix("api_key:").is_some_and(|name| !name.is_empty());
    match is_key || ["user", "operator", "issuer", "server", "admin", "api_key"].contains(&text) {
        true => Ok(text.to_owned()),
        false => Err("allowed: user, operator, issuer, server, admin, api_key, api_key:NAME".to_owned()),
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    let at = || unix_millis_of(text).map(Moment::At);
    let moment = parse_duration(text).map(Moment::Ago).or_else(at);
    moment.ok_or_else(|| "allowed: 2026-11-28, 2026-11-28T09:30:00Z, or 90m, 12h, 30d ago".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_time_or_how_long_ago() {
        let check = |text: &str, expected: Option<Moment>| assert_eq!(moment(text).ok(), expected, "{text}");
        check("2027-01-15", Some(Moment::At(1_799_971_200_000)));
        check("2027-01-15T08:00:00Z", Some(Moment::At(1_800_000_000_000)));
        check("2027-01-15T09:00:00.250+01:00", Some(Moment::At(1_800_000_000_250)));
        check("90m", Some(Moment::Ago(Duration::from_secs(5400))));
        for text in ["", "yesterday", "2027-13-01", "2027-01-15 08:00", "90", "-1d", "1969-12-31"] {
            check(text, None);
        }
        assert_eq!(Moment::Ago(Duration::from_secs(10)).millis(5), 0);
    }

    #[test]
    fn what_a_row_says_moves_no_cursor_and_adds_no_column() {
        let row = AuditRow {
            at: 1_800_000_000_000,
            action: "login.revoked".to_owned(),
            actor: "api_key:crm".to_owned(),
            issuer: Some("shop".to_owned()),
            subject: Some("ada\u{1b}[2J\n".to_owned()),
            detail: None,
            address: Some("192.0.2.1".to_owned()),
        };
        let text = table(&[row]).unwrap();
        let expected =
            "2027-01-15T08:00:00.000Z  login.revoked  api_key:crm  192.0.2.1  shop    ada\\u{1b}[2J\\n  -";
        assert_eq!(text.lines().nth(1), Some(expected));
        assert!(text.starts_with("AT "), "{text}");
    }
}
