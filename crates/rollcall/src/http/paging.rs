//! A long list in pieces: `?limit=` and `?cursor=`. A cursor names the last session that was given, so that those who
//! come and go between two pieces make nothing appear twice and nothing that stays be left out. Does not know: whose list.

use crate::registry::{Session, SocketId};

use super::{Problem, query};

/// Which piece.
pub(super) struct Paging {
    limit: usize,
    after: Option<(u64, SocketId)>,
}

impl Paging {
    /// The whole list in one piece.
    pub(super) const ALL: Self = Self { limit: usize::MAX, after: None };

    /// From the query of a request.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        Ok(Self { limit: limit(query, LIMIT_MAX)?, after: cursor(query, parse_cursor)? })
    }

    /// The piece, and the cursor of the next one when there is more. `sessions` are in their order.
    pub(super) fn cut<'s>(&self, sessions: &'s [Session]) -> (&'s [Session], Option<String>) {
        let begin = match &self.after {
            Some(after) => sessions.partition_point(|session| session.order() <= *after),
            None => 0,
        };
        let rest = &sessions[begin..];
        let piece = &rest[..rest.len().min(self.limit)];
        let next = match piece.last() {
            Some(last) if piece.len() < rest.len() => {
                Some(format!("{}.{}", last.connected_at, last.id.as_str()))
            }
            Some(_) | None => None,
        };
        (piece, next)
    }
}

/// How many are wanted in one answer; `usual` when it is not said.
pub(super) fn limit(query: Option<&str>, usual: usize) -> Result<usize, Problem> {
    let Some(text) = query::find(query, "limit")? else { return Ok(usual) };
    text.parse()
        .ok()
        .filter(|limit| (1..=LIMIT_MAX).contains(limit))
        .ok_or_else(|| Problem::field("limit", format!("limit must be a whole number from 1 to {LIMIT_MAX}")))
}

/// Where the answer before has ended, which `parse` reads.
pub(super) fn cursor<T>(
    query: Option<&str>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = query::find(query, "cursor")? else { return Ok(None) };
    let invalid = || Problem::field("cursor", "cursor must be the `next` of an earlier answer");
    parse(&text).map(Some).ok_or_else(invalid)
}

fn parse_cursor(text: &str) -> Option<(u64, SocketId)> {
    let (connected_at, id) = text.split_once('.')?;
    Some((connected_at.parse().ok()?, SocketId::parse(id)?))
}

/// Sessions in one answer: some 300 to 400 bytes each.
const LIMIT_MAX: usize = 1000;
