//! What a page may ask for: that sockets are disconnected, and nothing else. Each use is written down before it is done, and
//! what cannot be written down is not done. Does not know: how the page is told who is there.

use engineio::server::outbox::encode_text;
use serde_json::Value;

use super::desk::Page;
use super::{Admin, SESSIONS, telling};
use crate::app::App;
use crate::identity::is_subject;
use crate::registry::{SocketId, UserKey, Which};
use crate::store::{Action, Actor, Audit, User};

/// Something that a page asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// One socket, or all of a room, which is a user.
    Disconnect(String),
    /// What is not done for anybody: its name.
    Refused(&'static str),
}

/// Whose sockets are meant.
struct Target {
    user: UserKey,
    which: Which,
}

impl Command {
    /// Reads an event by its name and its whole array; `None` for one that is none of the page's.
    pub(super) fn parse(name: &str, json: &str) -> Option<Self> {
        Some(match name {
            "_disconnect" => Self::disconnect(json),
            "join" => Self::Refused("join"),
            "leave" => Self::Refused("leave"),
            "emit" => Self::Refused("emit"),
            _ => return None,
        })
    }

    /// `["_disconnect", namespace, whether to close the connection, socket or room]`: here both go. Without the last it would
    /// be everybody.
    fn disconnect(json: &str) -> Self {
        let arguments: Vec<Value> = serde_json::from_str(json).unwrap_or_default();
        match &arguments[..] {
            [_, Value::String(namespace), _, Value::String(filter)]
                if namespace == SESSIONS && !filter.is_empty() =>
            {
                Self::Disconnect(filter.clone())
            }
            [_, Value::String(namespace), ..] if namespace == SESSIONS => {
                Self::Refused("disconnect everybody")
            }
            _ => Self::Refused("disconnect elsewhere"),
        }
    }
}

/// Does what a page asks for, and acknowledges it if it asks for that by `id`.
pub(super) async fn carry_out(app: &App, admin: &Admin, page: &Page, command: Command, id: Option<u64>) {
    let done = match command {
        Command::Disconnect(filter) => match find(app, admin, &filter).await {
            Some(target) => disconnect(app, page, target).await,
            None => refuse(app, page, "disconnect nobody").await.and(Err("session_not_found")),
        },
        Command::Refused(what) => refuse(app, page, what).await.and(Err("forbidden")),
    };
    let Some(id) = id else { return };
    let mut frame = Vec::new();
    encode_text(&mut frame, |out| match done {
        Ok(disconnected) => telling::done(id, disconnected, out),
        Err(code) => telling::refused(id, code, out),
    });
    page.mailbox.offer(app.overload.waiting.frame(frame));
}

async fn disconnect(app: &App, page: &Page, target: Target) -> Result<usize, &'static str> {
    let Target { user, which } = target;
    let detail = match &which {
        Which::One(id) => format!("socket {}", id.as_str()),
        _ => "all sockets".to_owned(),
    };
    let named = User { issuer: user.issuer, subject: &user.subject };
    note(app, page, Action::AdminDisconnected, Some(named), &detail).await?;
    Ok(app.disconnect_everywhere(&user, &which, Actor::Admin.at(page.address)).await)
}

async fn refuse(app: &App, page: &Page, what: &'static str) -> Result<(), &'static str> {
    note(app, page, Action::AdminRefused, None, what).await
}

async fn note(
    app: &App,
    page: &Page,
    action: Action,
    user: Option<User<'_>>,
    detail: &str,
) -> Result<(), &'static str> {
    let audit = Audit { detail: Some(detail), ..Audit::of(action, Actor::Admin.at(page.address), user) };
    app.store.note(app.clock.unix_millis(), &audit).await.map_err(|error| {
        tracing::warn!(%error, "what an admin page asks for could not be written down, and is not done");
        "unavailable"
    })
}

/// A socket by its id, or a user by the name of the room. A socket that is shown is known; another one is looked for among
/// all that this node knows.
async fn find(app: &App, admin: &Admin, filter: &str) -> Option<Target> {
    if let Some((issuer, subject)) = filter.split_once(':') {
        let issuer = app.identity.issuer_named(issuer).filter(|_| is_subject(subject))?;
        return Some(Target { user: UserKey { issuer, subject: subject.into() }, which: Which::All });
    }
    let id = SocketId::parse(filter)?;
    if let Some(socket) = admin.desk.shown(&id) {
        return Some(Target { user: socket.user.clone(), which: Which::One(id) });
    }
    for users in app.presence.users().chunks(USERS_AT_ONCE) {
        if let Some(user) = users.iter().find(|user| user.roster().find(&id).is_some()) {
            return Some(Target { user: user.key().clone(), which: Which::One(id) });
        }
        tokio::task::yield_now().await;
    }
    None
}

/// As long as some hundred microseconds.
const USERS_AT_ONCE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_or_a_room_of_the_sessions_is_disconnected() {
        let check =
            |json: &str, expected| assert_eq!(Command::parse("_disconnect", json), Some(expected), "{json}");
        let everybody = || Command::Refused("disconnect everybody");
        let elsewhere = || Command::Refused("disconnect elsewhere");
        check(r#"["_disconnect","/sessions",false,"x"]"#, Command::Disconnect("x".to_owned()));
        check(
            r#"["_disconnect","/sessions",true,"built-in:ada"]"#,
            Command::Disconnect("built-in:ada".to_owned()),
        );
        check(r#"["_disconnect","/sessions",true]"#, everybody());
        check(r#"["_disconnect","/sessions",true,null]"#, everybody());
        check(r#"["_disconnect","/sessions",true,""]"#, everybody());
        check(r#"["_disconnect","/sessions",true,["x"]]"#, everybody());
        check(r#"["_disconnect","/admin",true,"x"]"#, elsewhere());
        check(r#"["_disconnect","/","x"]"#, elsewhere());
        check(r#"["_disconnect"]"#, elsewhere());
    }

    #[test]
    fn what_else_the_page_can_ask_for_is_refused_by_name() {
        for name in ["join", "leave", "emit"] {
            assert_eq!(Command::parse(name, "[]"), Some(Command::Refused(name)));
        }
        assert_eq!(Command::parse("disconnect everybody", "[]"), None);
    }
}
