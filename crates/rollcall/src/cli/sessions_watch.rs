//! `rollcall sessions watch`: a user's live sessions as a table that follows, or, where nobody looks at a terminal, a line for
//! each that comes and goes. Does not know: how a server is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use rollcall::clock::{Clock, to_iso8601};
use rollcall::config::Config;
use serde_json::Value;

use super::Failure;
use super::asking::{Asked, Listed, NoList, Server, name_of, shown};
use super::plain::plain;
use super::storing::block_on;

/// Asks every `interval` until Ctrl-C, or until whoever reads has gone.
pub(super) fn watch(config: &Config, asked: &Asked, interval: Duration) -> Result<String, Failure> {
    super::start_logs(config)?;
    if interval < SHORTEST {
        return Err(Failure::Failed("--interval: allowed: 200ms or longer".to_owned()));
    }
    let server = Server::new(config, asked)?;
    let mut screen = Screen::open();
    block_on(async {
        tokio::select! {
            ended = follow(&server, asked, interval, &mut screen) => ended,
            interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Failure::because),
        }
    })?;
    Ok(String::new())
}

async fn follow(
    server: &Server,
    asked: &Asked,
    interval: Duration,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let clock = Clock::system();
    let mut known = Known::default();
    loop {
        let listed = match server.sessions().await {
            Ok(listed) => Ok(listed),
            Err(NoList::Away(why)) => Err(why),
            Err(NoList::Refused(failure)) => return Err(failure),
        };
        let now = clock.unix_millis();
        let (rows, columns) = screen.size();
        let text = match screen.is_terminal {
            true => table(now, &asked.user, &listed, &mut known, rows, columns),
            false => changes(now, &listed, &mut known),
        };
        if screen.show(&text).is_err() {
            return Ok(()); // a reader that goes away early, as `head` does, is no failure
        }
        tokio::time::sleep(interval).await;
    }
}

/// What was there at the last look.
#[derive(Default)]
struct Known {
    /// By id: when it came, in milliseconds since the epoch; `None` for those of the first look.
    since: BTreeMap<String, Option<u64>>,
    has_looked: bool,
    is_away: bool,
}

impl Known {
    /// Takes the newest list; gives the ids that are new and those that are gone.
    fn learn(&mut self, now: u64, sessions: &[Value]) -> (BTreeSet<String>, Vec<String>) {
        let ids: BTreeSet<String> = sessions.iter().map(|session| shown(&session["socketId"])).collect();
        let gone: Vec<String> = self.since.keys().filter(|id| !ids.contains(*id)).cloned().collect();
        self.since.retain(|id, _| ids.contains(id));
        let new: BTreeSet<String> = ids.into_iter().filter(|id| !self.since.contains_key(id)).collect();
        let since = self.has_looked.then_some(now);
        self.since.extend(new.iter().map(|id| (id.clone(), since)));
        self.has_looked = true;
        (new, gone)
    }
}

/// The whole screen, no longer and no wider than it is.
fn table(
    now: u64,
    user: &str,
    listed: &Result<Listed, String>,
    known: &mut Known,
    rows: usize,
    columns: usize,
) -> String {
    let mut lines = Vec::new();
    match listed {
        Err(why) => {
            lines.push(format!("{}  no answer", to_iso8601(now)));
            lines.push(plain(why));
        }
        Ok(Listed { sessions, complete }) => {
            known.learn(now, sessions);
            let whole =
                if *complete { "" } else { ", of this node alone: the others cannot be asked just now" };
            lines.push(format!("{}  {}  sessions: {}{whole}", to_iso8601(now), plain(user), sessions.len()));
            lines.push(String::new());
            let room = rows.saturating_sub(lines.len() + 2).max(1);
            let (few, many) = sessions.split_at(room.min(sessions.len()));
            lines.extend(align(now, few, known));
            if !many.is_empty() {
                lines.push(format!("and {} more", many.len()));
            }
        }
    }
    let cut = |line: &String| line.chars().take(columns.max(20)).collect::<String>();
    lines.iter().map(|line| cut(line).trim_end().to_owned() + "\n").collect()
}

fn align(now: u64, sessions: &[Value], known: &Known) -> Vec<String> {
    let mut cells = vec![HEAD.map(str::to_owned)];
    for session in sessions {
        let id = shown(&session["socketId"]);
        let is_new = known
            .since
            .get(&id)
            .is_some_and(|since| since.is_some_and(|since| now.saturating_sub(since) < NEW_FOR));
        cells.push([
            if is_new { "+" } else { "" }.to_owned(),
            shown(&session["state"]),
            shown(&session["connectedAt"]),
            shown(&session["metadata"]["ip"]),
            id,
            shown(&session["device"]["os"]),
            plain(name_of(session).unwrap_or("-")).chars().take(NAME_MAX).collect(),
            shown(&session["metadata"]["context"]).chars().take(NAME_MAX).collect(),
            shown(&session["login"]),
        ]);
    }
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..HEAD.len()).map(|column| width(column).max(1)).collect();
    let line = |row: &[String; HEAD.len()]| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ")
    };
    cells.iter().map(line).collect()
}

/// A line for each session that came or went since the last look, and when the server could not be asked.
fn changes(now: u64, listed: &Result<Listed, String>, known: &mut Known) -> String {
    let time = to_iso8601(now);
    let mut text = String::new();
    // Writing into a string cannot fail.
    match listed {
        Err(why) if !known.is_away => {
            known.is_away = true;
            let _ = writeln!(text, "{time}\t!\t{}", plain(why));
        }
        Err(_) => {}
        Ok(Listed { sessions, .. }) => {
            known.is_away = false;
            let (new, gone) = known.learn(now, sessions);
            for id in gone {
                let _ = writeln!(text, "{time}\t-\t{id}");
            }
            for session in sessions.iter().filter(|session| new.contains(&shown(&session["socketId"]))) {
                let (id, ip) = (shown(&session["socketId"]), shown(&session["metadata"]["ip"]));
                let name = plain(name_of(session).unwrap_or("-"));
                let _ = writeln!(text, "{time}\t+\t{id}\t{ip}\t{name}");
            }
        }
    }
    text
}

/// Standard output; of a terminal the other screen, so that what was there before is there again afterwards.
struct Screen {
    is_terminal: bool,
}

impl Screen {
    fn open() -> Self {
        let screen = Self { is_terminal: std::io::stdout().is_terminal() };
        if screen.is_terminal {
            let _ = screen.write("\x1b[?1049h\x1b[?25l"); // shows again at the first table
        }
        screen
    }

    /// Rows and columns.
    fn size(&self) -> (usize, usize) {
        match rustix::termios::tcgetwinsize(std::io::stdout()) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
            Ok(_) | Err(_) => (24, 80),
        }
    }

    fn show(&self, text: &str) -> std::io::Result<()> {
        match self.is_terminal {
            // Line by line, so that nothing flickers.
            true => self.write(&format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n").trim_end())),
            false => self.write(text),
        }
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = self.write("\x1b[?25h\x1b[?1049l"); // a terminal that has gone needs nothing
        }
    }
}

const HEAD: [&str; 9] = ["", "STATE", "SINCE", "IP", "ID", "SYSTEM", "NAME", "CONTEXT", "LOGIN"];
/// Letters of a name or a context.
const NAME_MAX: usize = 32;
/// Milliseconds for which a session is marked as new.
const NEW_FOR: u64 = 5000;
/// A server is asked five times a second at most.
const SHORTEST: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn listed(ids: &[&str]) -> Result<Listed, String> {
        let session = |id: &&str| {
            json!({"socketId": id, "connectedAt": "2026-01-31T23:59:59.007Z", "login": "0a1b", "label": "Ada\u{1b}[2J",
                   "metadata": {"ip": "192.0.2.7", "userAgent": "", "context": "tab"}})
        };
        Ok(Listed { sessions: ids.iter().map(session).collect(), complete: true })
    }

    #[test]
    fn a_table_fits_its_screen_and_marks_what_is_new_for_a_while() {
        let mut known = Known::default();
        let first = table(0, "ada", &listed(&["a"]), &mut known, 24, 200);
        assert!(
            first.lines().nth(3).unwrap().starts_with("   -      2026-01-31T23:59:59.007Z  192.0.2.7"),
            "{first}"
        );
        assert!(first.contains(r"Ada\u{1b}[2J") && !first.contains('\u{1b}'), "{first:?}");
        let marked = |now, known: &mut Known| {
            table(now, "ada", &listed(&["a", "b"]), known, 24, 200)
                .lines()
                .filter(|line| line.starts_with('+'))
                .count()
        };
        assert_eq!((marked(10_000, &mut known), marked(15_000, &mut known)), (1, 0));

        let many: Vec<String> = (0..50).map(|id| id.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let text = table(20_000, "ada", &listed(&many), &mut known, 10, 44);
        assert!(text.lines().count() <= 10 && text.lines().all(|line| line.chars().count() <= 44), "{text}");
        assert!(text.ends_with("more\n") && text.contains("sessions: 50"), "{text}");

        let text = table(30_000, "ada", &Err("away\u{1b}[2J\n\n\n".to_owned()), &mut known, 10, 44);
        assert!(text.contains(r"away\u{1b}[2J\n") && text.lines().count() == 2, "{text:?}");
    }

    #[test]
    fn who_reads_no_terminal_gets_a_line_for_each_change_and_one_for_each_outage() {
        let mut known = Known::default();
        let mut look = |listed: Result<Listed, String>| {
            let text = changes(0, &listed, &mut known);
            text.lines()
                .map(|line| line.split('\t').skip(1).take(2).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!(look(listed(&["a", "b"])), ["+ a", "+ b"]);
        assert_eq!(look(listed(&["a", "b"])), [""; 0]);
        assert_eq!(look(listed(&["b", "c"])), ["- a", "+ c"]);
        assert_eq!(look(Err("away".to_owned())), ["! away"]);
        assert_eq!(look(Err("away".to_owned())), [""; 0]);
        assert_eq!(look(listed(&["b", "c"])), [""; 0]);
    }
}
