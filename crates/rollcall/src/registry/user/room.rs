//! Whether a node that is alone has room for one more session, and who goes for it. Does not know: the rule, who is told.

use reconcile::caps::{Present, make_room};

use super::Roster;
use crate::registry::SocketId;
use crate::registry::change::{Caps, Joining};

impl Roster<'_> {
    /// Who has to go for a session that joins: the one that it replaces, and those that are too many. `None` when it may
    /// not join.
    pub(super) fn make_room(&self, joining: &Joining, caps: &Caps) -> Option<Vec<SocketId>> {
        let sessions = &self.state.sessions;
        // Almost always: nothing is counted then.
        if joining.replaces.is_none() && sessions.len() < caps.per_user.min(caps.per_login) {
            return Some(Vec::new());
        }
        let present = sessions.iter().map(|session| Present {
            session: &session.id,
            login: &session.grant.login,
            order: session.connected_at,
            may_go: true,
        });
        let login = &joining.session.grant.login;
        let leaving = make_room(present.collect(), login, joining.replaces.as_ref(), &caps.of_all_nodes())?;
        Some(leaving.into_iter().map(|(session, _)| session).collect())
    }
}
