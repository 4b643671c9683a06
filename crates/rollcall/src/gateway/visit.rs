//! A user's list, wherever the sessions are: of one who has some here it is known, of another Redis is asked. Does not know:
//! what anybody wants with it.

use std::sync::Arc;

use crate::app::App;
use crate::registry::{Roster, Session, User, UserKey};

/// The list of one user.
#[derive(Debug)]
pub struct Visit(Known);

#[derive(Debug)]
enum Known {
    /// Has sessions here.
    Here(Arc<User>),
    Elsewhere(Elsewhere),
}

/// What Redis knows of a user without sessions here.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct Elsewhere {
    /// In their order.
    pub(crate) sessions: Vec<Session>,
    /// On which node each of them is.
    pub(crate) nodes: Vec<u64>,
    pub(crate) revision: u64,
    /// Redis has answered.
    pub(crate) is_complete: bool,
}

/// The list while nothing can change.
pub enum Visited<'a> {
    #[doc(hidden)]
    Here(Roster<'a>),
    #[doc(hidden)]
    Elsewhere(&'a Elsewhere),
}

impl App {
    /// Looks a user up.
    pub async fn visit(&self, user: &UserKey) -> Visit {
        let known = match (self.presence.find(user), &self.cluster) {
            // Of one who is just coming the other nodes may know more.
            (Some(user), _) if user.roster().is_told() => Known::Here(user),
            (Some(user), None) => Known::Here(user),
            (None, None) => Known::Elsewhere(Elsewhere { is_complete: true, ..Elsewhere::default() }),
            (_, Some(cluster)) => Known::Elsewhere(cluster.read(&self.identity, user).await),
        };
        Visit(known)
    }
}

impl Visit {
    /// Looks at the list.
    pub fn look<T>(&self, look: impl FnOnce(Visited<'_>) -> T) -> T {
        look(match &self.0 {
            Known::Here(user) => Visited::Here(user.roster()),
            Known::Elsewhere(elsewhere) => Visited::Elsewhere(elsewhere),
        })
    }
}

impl Visited<'_> {
    /// All sessions, in order.
    pub fn sessions(&self) -> &[Session] {
        match self {
            Self::Here(roster) => roster.sessions(),
            Self::Elsewhere(elsewhere) => &elsewhere.sessions,
        }
    }

    /// Whether a session is one of this node.
    pub fn is_here(&self, session: &Session) -> bool {
        match self {
            Self::Here(roster) => roster.is_here(session),
            Self::Elsewhere(_) => false,
        }
    }

    /// On which node a session is, if not on this one.
    pub(crate) fn node_of(&self, session: &Session) -> Option<u64> {
        match self {
            Self::Here(roster) => roster.node_of(&session.id),
            Self::Elsewhere(elsewhere) => {
                let place = elsewhere.sessions.iter().position(|other| other.id == session.id)?;
                elsewhere.nodes.get(place).copied()
            }
        }
    }

    /// Grows with each change; 0 when nobody is there.
    pub fn revision(&self) -> u64 {
        match self {
            Self::Here(roster) => roster.revision(),
            Self::Elsewhere(elsewhere) => elsewhere.revision,
        }
    }

    /// Whether the list holds the sessions of all nodes.
    pub fn is_complete(&self) -> bool {
        match self {
            Self::Here(roster) => roster.is_complete(),
            Self::Elsewhere(elsewhere) => elsewhere.is_complete,
        }
    }
}
