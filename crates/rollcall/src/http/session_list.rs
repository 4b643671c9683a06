//! A user's live sessions as HTTP gives them: the items of the socket, and which part of the list they are. Does not
//! know: who asks.

use std::io::Write;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;

use super::paging::Paging;
use crate::app::App;
use crate::gateway::items::encode_list;
use crate::registry::UserKey;
use crate::wire::SessionItem;

/// The answer for one user; nobody there is an empty list.
pub(super) async fn answer(app: &App, user: &UserKey, paging: &Paging) -> Response {
    let out = app.visit(user).await.look(|visited| {
        let mut out = br#"{"sessions":"#.to_vec();
        let (piece, next) = paging.cut(visited.sessions());
        encode_list(piece, &mut out);
        let revision = if visited.sessions().is_empty() { 0 } else { visited.revision() };
        // Writing into a vector cannot fail, here and below.
        let _ = write!(out, r#","revision":{revision},"complete":{}"#, visited.is_complete());
        if let Some(next) = next {
            let _ = write!(out, r#","next":"{next}""#);
        }
        out.push(b'}');
        out
    });
    ([(CONTENT_TYPE, "application/json")], out).into_response()
}

/// A user's live sessions, the oldest first.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what is written above")]
pub(super) struct SessionList {
    /// The sessions.
    sessions: Vec<SessionItem>,
    /// Grows with each change; 0 when nobody is there.
    revision: u64,
    /// `false` when other nodes cannot be asked just now.
    complete: bool,
    /// The cursor of the rest, when there is more.
    #[schema(nullable = false)]
    next: Option<String>,
}
