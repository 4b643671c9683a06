//! `rollcall cluster status`: the nodes that meet in Redis, as Redis and they themselves tell. Asks Redis alone: it also
//! answers when no node does.

use std::fmt::Write as _;

use rollcall::cluster::status::{self, NodeRow};
use rollcall::config::Config;

use super::Failure;
use super::plain::plain;

/// A table with a line a node, or JSON.
pub(super) fn status(config: &Config, as_json: bool) -> Result<String, Failure> {
    let Some(url) = &config.registry.redis_url else {
        return Err(Failure::Failed(
            "registry.redis_url: not set, so this is one node alone; allowed: the Redis where the nodes meet"
                .to_owned(),
        ));
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    let rows = runtime.block_on(status::read(url));
    let rows = rows.map_err(|error| Failure::Failed(format!("{}: {error}", url.masked())))?;
    if as_json {
        return serde_json::to_string_pretty(&rows).map(|text| text + "\n").map_err(Failure::because);
    }
    table(&rows).map_err(Failure::because)
}

fn table(rows: &[NodeRow]) -> Result<String, std::fmt::Error> {
    let head = ["TAG", "NODE", "RELEASE", "LEASE", "SESSIONS", "USERS", "WAITING", "ROUND TRIP", "LISTS"];
    let mut lines: Vec<[String; 9]> = vec![head.map(str::to_owned)];
    for NodeRow { node, lease_ms, users, status } in rows {
        let lists = match (lease_ms, status.is_complete) {
            (None, _) => "-",
            (Some(_), true) => "complete",
            (Some(_), false) => "incomplete",
        };
        // What another process has written moves no cursor.
        let shown = |text: &str| if text.is_empty() { "-".to_owned() } else { plain(text) };
        lines.push([
            shown(&status.tag),
            node.clone(),
            shown(&status.release),
            lease_ms.map_or_else(|| "ended".to_owned(), |left| format!("{left} ms")),
            status.sessions.to_string(),
            users.to_string(),
            status.dirty_users.to_string(),
            format!("{:.1} ms", status.round_trip_us as f64 / 1000.0),
            lists.to_owned(),
        ]);
    }
    let widths: Vec<usize> = (0..head.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollcall::cluster::status::NodeStatus;

    #[test]
    fn a_line_a_node_and_what_has_ended_says_so() {
        let status = NodeStatus {
            tag: "eu-1\u{1b}".to_owned(),
            release: "1.0.0".to_owned(),
            sessions: 12_345,
            dirty_users: 0,
            round_trip_us: 450,
            is_complete: true,
            ..NodeStatus::default()
        };
        let live = NodeRow { node: "0".repeat(16), lease_ms: Some(7_900), users: 6_000, status };
        let dead = NodeRow { node: "f".repeat(16), lease_ms: None, users: 3, status: NodeStatus::default() };
        let text = table(&[live, dead]).unwrap();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(lines[0].len(), 9);
        assert_eq!(
            lines[1],
            [
                "eu-1\\u{1b}",
                "0000000000000000",
                "1.0.0",
                "7900 ms",
                "12345",
                "6000",
                "0",
                "0.5 ms",
                "complete"
            ]
        );
        assert_eq!(lines[2], ["-", "ffffffffffffffff", "-", "ended", "0", "3", "0", "0.0 ms", "-"]);
    }
}
