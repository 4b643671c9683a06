//! `rollcall sessions list`: a user's live sessions, as a server that runs gives them for an API key of scope `read`.

use std::fmt::Write as _;

use rollcall::config::Config;
use serde_json::Value;

use super::Failure;
use super::asking::{Asked, Server, name_of, shown};
use super::plain::plain;
use super::storing::block_on;

/// A line for each session, the oldest first: id, when, from where, what it is called.
pub(super) fn list(config: &Config, asked: &Asked) -> Result<String, Failure> {
    super::start_logs(config)?;
    let server = Server::new(config, asked)?;
    block_on(async {
        let mut text = String::new();
        for session in &server.sessions().await?.sessions {
            write_line(&mut text, session).map_err(Failure::because)?;
        }
        Ok(text)
    })
}

fn write_line(text: &mut String, session: &Value) -> std::fmt::Result {
    writeln!(
        text,
        "{}\t{}\t{}\t{}\t{}",
        shown(&session["socketId"]),
        shown(&session["connectedAt"]),
        shown(&session["metadata"]["ip"]),
        shown(&session["login"]),
        plain(name_of(session).unwrap_or("-")),
    )
}
