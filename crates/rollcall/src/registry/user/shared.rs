//! A user whose sessions are on several nodes: who waits here to be listed, where the others are, and how a list of all
//! nodes is taken over. Does not know: how nodes agree, who is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use engineio::server::Mailbox;

use super::super::change::{Caps, Joining};
use super::super::{NotJoined, Session, SocketId, record};
use super::{Obstacle, Roster, share};

/// What a roster has in a cluster besides the list that was told.
#[derive(Debug, Default)]
pub struct Shared {
    /// Sessions of this node that the others have not taken note of yet: in no list.
    joining: Vec<Joining>,
    /// The ways into sessions of this node that are listed, and that their own tasks have yet to greet.
    waiting: Vec<(SocketId, Arc<Mailbox>)>,
    /// Sessions that there was no room for, until their tasks look.
    refused: Vec<Session>,
    elsewhere: Vec<Elsewhere>,
    is_complete: bool,
    /// What has changed here is still to be looked at.
    is_queued: bool,
    /// When the oldest change was made here that nobody was told of.
    changed_at: Option<Instant>,
}

/// Where a session of another node is, and what that node says of it.
#[derive(Debug)]
struct Elsewhere {
    id: SocketId,
    node: u64,
    record: Bytes,
}

/// A session of this node as the other nodes are told of it.
#[derive(Debug)]
pub struct Local {
    /// Which session.
    pub id: SocketId,
    /// What is said of it.
    pub record: Bytes,
    /// The public id of its login.
    pub login: [u8; 6],
    /// When it joined, in milliseconds since the epoch.
    pub connected_at: u64,
    /// The session that its client had before.
    pub replaces: Option<SocketId>,
}

/// A session of the list of all nodes.
#[derive(Debug)]
pub struct Listed {
    /// Which session.
    pub id: SocketId,
    /// On which node.
    pub node: u64,
    /// What that node says of it.
    pub record: Bytes,
}

/// What follows from a new list.
#[derive(Debug, Default)]
#[must_use]
pub struct TakenOver {
    /// Sessions that are listed no more, or as others: what they shared is to be given back.
    pub dropped: Vec<Session>,
    /// Sessions of this node that are listed now, to be greeted by their tasks.
    pub to_wake: Vec<Arc<Mailbox>>,
    /// So many records came that this release cannot read. Their sessions are missing, and the list says that it is not
    /// whole.
    pub unreadable: usize,
    /// Since when those who are told now have waited, if it began here.
    pub since: Option<Instant>,
}

/// What has become of a session that waited to be listed.
#[derive(Debug)]
pub enum Entered {
    /// Nothing yet.
    NotYet,
    /// It is listed; whether no other session of its login is.
    Listed {
        /** Whether. */
        is_first_of_login: bool,
    },
    /// There was no room for it.
    Refused(Box<Session>),
    /// Somebody has ended it.
    Gone,
}

impl Roster<'_> {
    /// A session waits to be listed. Only those that wait are counted: the rest is judged where all nodes meet.
    ///
    /// # Errors
    /// The session itself, and why.
    pub(in crate::registry) fn enter(
        &mut self,
        mut joining: Joining,
        caps: &Caps,
        admit: &impl Fn(&Session) -> bool,
    ) -> Result<(), Box<(Joining, Obstacle)>> {
        if self.state.retired {
            return Err(Box::new((joining, Obstacle::Retired)));
        }
        if !admit(&joining.session) {
            return Err(Box::new((joining, Obstacle::Refused(NotJoined::NotAdmitted))));
        }
        // Whoever opens more at once than are allowed in all is not let in to fill memory.
        if self.shared_mut().joining.len() >= caps.per_user {
            return Err(Box::new((joining, Obstacle::Refused(NotJoined::TooMany))));
        }
        share(&mut joining.session, &self.state.sessions);
        self.shared_mut().joining.push(joining);
        Ok(())
    }

    /// What the other nodes are to be told: all sessions that are here.
    pub fn locals(&self) -> Vec<Local> {
        let Some(shared) = &self.state.shared else { return Vec::new() };
        let local = |session: &Session, replaces: Option<SocketId>| {
            let mut login = [0; 6];
            login.copy_from_slice(session.grant.tag.as_bytes());
            Local {
                id: session.id,
                record: record::encode(session).into(),
                login,
                connected_at: session.connected_at,
                replaces,
            }
        };
        let listed = self.state.sessions.iter().filter(|session| shared.is_here(session));
        let joining = shared.joining.iter().map(|joining| local(&joining.session, joining.replaces));
        listed.map(|session| local(session, None)).chain(joining).collect()
    }

    /// Takes over the list of all nodes, except that what is here is known better. `decode` reads a record.
    pub fn take_over(
        &mut self,
        revision: u64,
        is_complete: bool,
        list: Vec<Listed>,
        own_node: u64,
        decode: impl Fn(&Listed) -> Option<Session>,
    ) -> TakenOver {
        let mut taken = TakenOver::default();
        let state = &mut *self.state;
        if state.retired {
            return taken; // nobody is here any more who could be told, or let go of what is known
        }
        let shared = state.shared.get_or_insert_default();
        let mut known: HashMap<SocketId, Session> =
            state.sessions.drain(..).map(|session| (session.id, session)).collect();
        let records: HashMap<SocketId, Bytes> =
            shared.elsewhere.drain(..).map(|one| (one.id, one.record)).collect();
        let mut all_read = true;
        state.sessions.reserve_exact(list.len());
        for listed in list {
            let old = known.remove(&listed.id);
            if let Some(session) = old.as_ref()
                && shared.is_here(session)
            {
                state.sessions.extend(old);
                continue;
            }
            if let Some(place) = shared.joining.iter().position(|one| one.session.id == listed.id) {
                let mut session = shared.joining.swap_remove(place).session;
                if let Some(mailbox) = session.mailbox.take() {
                    taken.to_wake.push(mailbox.clone());
                    shared.waiting.push((session.id, mailbox));
                }
                state.sessions.push(session);
            } else if listed.node != own_node {
                let is_same = records.get(&listed.id) == Some(&listed.record);
                let session = match old {
                    Some(session) if is_same => Some(session),
                    None if is_same => None, // it could not be read before
                    old => {
                        taken.dropped.extend(old);
                        let session = decode(&listed);
                        taken.unreadable += usize::from(session.is_none());
                        session
                    }
                };
                all_read &= session.is_some();
                state.sessions.extend(session);
                shared.elsewhere.push(Elsewhere { id: listed.id, node: listed.node, record: listed.record });
            } else {
                taken.dropped.extend(old); // it was here, and has left since the list was made
            }
        }
        for (_, session) in known {
            match shared.is_here(&session) {
                true => state.sessions.push(session),
                false => taken.dropped.push(session),
            }
        }
        shared.elsewhere.shrink_to_fit();
        shared.waiting.shrink_to_fit();
        state.sessions.sort_unstable_by_key(Session::order);
        // One that begins anew may count from less than was told.
        state.revision = revision.max(state.revision + 1);
        shared.is_complete = is_complete && all_read;
        taken.since = shared.changed_at.take();
        taken
    }

    /// There was no room for a session: its task is to be woken.
    pub fn refuse(&mut self, id: &SocketId) -> Option<Arc<Mailbox>> {
        let shared = self.state.shared.as_mut()?;
        let place = shared.joining.iter().position(|one| one.session.id == *id)?;
        let session = shared.joining.swap_remove(place).session;
        let mailbox = session.mailbox.clone();
        shared.refused.push(session);
        mailbox
    }

    /// The task of a session that waits looks what has become of it. When it is listed, it gets lists from now on.
    pub fn greet(&mut self, id: &SocketId) -> Entered {
        let state = &mut *self.state;
        let Some(shared) = &mut state.shared else { return Entered::Gone };
        if let Some(place) = shared.refused.iter().position(|session| session.id == *id) {
            return Entered::Refused(Box::new(shared.refused.swap_remove(place)));
        }
        if shared.joining.iter().any(|one| one.session.id == *id) {
            return Entered::NotYet;
        }
        let Some(place) = shared.waiting.iter().position(|(waiting, _)| waiting == id) else {
            return Entered::Gone;
        };
        let (_, mailbox) = shared.waiting.swap_remove(place);
        let Some(place) = state.sessions.iter().position(|session| session.id == *id) else {
            return Entered::Gone;
        };
        state.sessions[place].mailbox = Some(mailbox);
        // Two that have come together are listed together: one of them is the first.
        let own = &state.sessions[place];
        let is_before = |other: &Session| other.grant.login == own.grant.login && other.order() < own.order();
        Entered::Listed { is_first_of_login: !state.sessions.iter().any(is_before) }
    }

    /// On which node a session is that is not here.
    pub fn node_of(&self, id: &SocketId) -> Option<u64> {
        let shared = self.state.shared.as_ref()?;
        shared.elsewhere.iter().find(|one| one.id == *id).map(|one| one.node)
    }

    /// The nodes on which the user has sessions, but this one: each once.
    pub fn other_nodes(&self) -> Vec<u64> {
        let Some(shared) = &self.state.shared else { return Vec::new() };
        let mut nodes: Vec<u64> = shared.elsewhere.iter().map(|one| one.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Notes that something has changed here; `false` when that is noted already.
    pub fn note_change(&mut self, now: Instant) -> bool {
        let shared = self.shared_mut();
        shared.changed_at.get_or_insert(now);
        !std::mem::replace(&mut shared.is_queued, true)
    }

    /// What has changed is about to be looked at.
    pub fn look_at_changes(&mut self) {
        self.shared_mut().is_queued = false;
    }

    /// All sessions of this node, those that are in no list yet too.
    pub fn here(&self) -> impl Iterator<Item = &Session> {
        let shared = self.state.shared.as_deref();
        let is_here = move |session: &&Session| {
            session.mailbox.is_some() || shared.is_some_and(|shared| shared.is_here(session))
        };
        let unlisted = shared
            .into_iter()
            .flat_map(|shared| shared.joining.iter().map(|one| &one.session).chain(&shared.refused));
        self.state.sessions.iter().filter(is_here).chain(unlisted)
    }

    /// Whether a session is one of this node.
    pub fn is_here(&self, session: &Session) -> bool {
        session.mailbox.is_some() || self.state.shared.as_ref().is_some_and(|shared| shared.is_here(session))
    }

    fn shared_mut(&mut self) -> &mut Shared {
        self.state.shared.get_or_insert_default()
    }
}

impl Shared {
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(super) fn has_joining(&self) -> bool {
        !self.joining.is_empty() || !self.refused.is_empty()
    }

    pub(super) fn is_here(&self, session: &Session) -> bool {
        session.mailbox.is_some() || self.waiting.iter().any(|(id, _)| *id == session.id)
    }

    pub(super) fn joining_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.joining.iter_mut().map(|one| &mut one.session)
    }

    /// Takes out the sessions that are in no list yet, or wait to be greeted there, and that `is_meant` names.
    pub(super) fn take(
        &mut self,
        sessions: &mut Vec<Session>,
        is_meant: impl Fn(&Session) -> bool,
    ) -> Vec<Session> {
        let mut taken: Vec<Session> =
            self.joining.extract_if(.., |one| is_meant(&one.session)).map(|one| one.session).collect();
        taken.extend(self.refused.extract_if(.., |session| is_meant(session)));
        let waiting = &mut self.waiting;
        taken.extend(sessions.extract_if(.., |session| {
            let place = waiting.iter().position(|(id, _)| *id == session.id);
            match place {
                Some(place) if is_meant(session) => {
                    session.mailbox = Some(waiting.swap_remove(place).1);
                    true
                }
                Some(_) | None => false,
            }
        }));
        taken
    }

    /// The sockets of sessions that are here, in no list or not greeted yet.
    pub(super) fn mailboxes(&self) -> impl Iterator<Item = Arc<Mailbox>> {
        let joining = self.joining.iter().filter_map(|one| one.session.mailbox.clone());
        joining.chain(self.waiting.iter().map(|(_, mailbox)| mailbox.clone()))
    }

    /// Sessions that are here, in no list or not greeted yet, for counting.
    pub(super) fn entering(&self) -> usize {
        self.joining.len() + self.waiting.len()
    }
}
