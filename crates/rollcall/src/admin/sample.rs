//! Which sockets pages are shown: all of them up to a bound, and above it as many as that, drawn evenly. Who is shown stays
//! until it ends, so that nothing seems to disconnect that does not; a place that becomes free goes to the lowest id among
//! the others, and ids are random. Does not know: pages.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use engineio::handshake::TransportName;

use crate::gateway::visit::Elsewhere;
use crate::identity::Identity;
use crate::registry::{Session, SocketId, User, UserKey};

/// A socket as pages are shown it. Nothing of what its client has sent is in it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) id: SocketId,
    pub(super) user: UserKey,
    /// The name of the issuer entry, a colon, the subject: the room.
    pub(super) room: Box<str>,
    pub(super) ip: Option<IpAddr>,
    /// In milliseconds since the epoch.
    pub(super) connected_at: u64,
    /// `None` for one on another node.
    pub(super) transport: Option<TransportName>,
    /// The node's tag; empty when it is not known yet.
    pub(super) node: Arc<str>,
    /// A JSON object, or empty.
    pub(super) device: Box<str>,
}

/// The sockets that are shown.
#[derive(Debug)]
pub(super) struct Sample {
    max: usize,
    shown: HashMap<SocketId, Arc<Socket>>,
}

/// What nodes are called.
#[derive(Debug)]
pub(super) struct NodeNames {
    pub(super) own: Arc<str>,
    pub(super) others: HashMap<u64, Arc<str>>,
}

/// One look at all sockets.
struct Look<'a> {
    sample: &'a mut Sample,
    identity: &'a Identity,
    seen: HashSet<SocketId>,
    /// Those with the lowest ids of all that are not shown.
    others: BTreeMap<SocketId, Arc<Socket>>,
}

impl Sample {
    /// Shows so many at most.
    pub(super) fn new(max: usize) -> Self {
        Self { max, shown: HashMap::new() }
    }

    /// Those that are shown.
    pub(super) fn shown(&self) -> &HashMap<SocketId, Arc<Socket>> {
        &self.shown
    }

    /// Looks at all sockets of these users, of which this node knows, and of those others, as they were read.
    pub(super) async fn look(
        &mut self,
        users: &[Arc<User>],
        others: &[(UserKey, Elsewhere)],
        identity: &Identity,
        names: &NodeNames,
    ) {
        let seen = HashSet::with_capacity(self.shown.len());
        let mut look = Look { sample: self, identity, seen, others: BTreeMap::new() };
        for some in users.chunks(USERS_AT_ONCE) {
            some.iter().for_each(|user| look.at(user, names));
            // The sockets of this thread have their turn.
            tokio::task::yield_now().await;
        }
        for (user, elsewhere) in others {
            for (session, node) in elsewhere.sessions.iter().zip(&elsewhere.nodes) {
                look.see(user, session, names.others.get(node));
            }
        }
        look.finish();
    }
}

impl Look<'_> {
    fn at(&mut self, user: &User, names: &NodeNames) {
        let roster = user.roster();
        for session in roster.sessions() {
            let node = match roster.node_of(&session.id) {
                None => Some(&names.own),
                Some(node) => names.others.get(&node),
            };
            self.see(user.key(), session, node);
        }
    }

    fn see(&mut self, user: &UserKey, session: &Session, node: Option<&Arc<str>>) {
        let transport = session.mailbox.as_ref().and_then(|mailbox| mailbox.transport());
        if let Some(socket) = self.sample.shown.get_mut(&session.id) {
            self.seen.insert(session.id);
            // One that is about to end has none any more.
            if socket.transport != transport && transport.is_some() {
                *socket = shown(self.identity, user, session, transport, node);
            }
            return;
        }
        let is_full = self.others.len() >= self.sample.max;
        if is_full && self.others.last_key_value().is_none_or(|(last, _)| session.id >= *last) {
            return;
        }
        let socket = shown(self.identity, user, session, transport, node);
        self.others.insert(session.id, socket);
        if is_full {
            self.others.pop_last();
        }
    }

    /// Those that are gone make room for others.
    fn finish(self) {
        let Self { sample, seen, others, .. } = self;
        sample.shown.retain(|id, _| seen.contains(id));
        let free = sample.max - sample.shown.len();
        sample.shown.extend(others.into_iter().take(free));
    }
}

fn shown(
    identity: &Identity,
    user: &UserKey,
    session: &Session,
    transport: Option<TransportName>,
    node: Option<&Arc<str>>,
) -> Arc<Socket> {
    let issuer = identity.issuer_name(user.issuer).unwrap_or_default();
    Arc::new(Socket {
        id: session.id,
        user: user.clone(),
        room: format!("{issuer}:{}", user.subject).into(),
        ip: session.ip,
        connected_at: session.connected_at,
        transport,
        node: node.cloned().unwrap_or_default(),
        device: session.agent.device.clone(),
    })
}

/// As long as some hundred microseconds.
const USERS_AT_ONCE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::identity::{IssuerId, Keys, Login, Tag};
    use crate::registry::{Agent, Caps, Grant, Interner, Joining, Registry};
    use engineio::server::Mailbox;

    /// A registry of so many sockets, two a user, with ids in no order of coming.
    struct World {
        registry: Registry,
        identity: Identity,
        users: Vec<Arc<User>>,
        ids: Vec<SocketId>,
        _folder: tempfile::TempDir,
    }

    impl World {
        fn new(sockets: usize) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let config = Config::default().identity;
            let keys = Keys::open(&config, folder.path()).unwrap();
            let mut world = Self {
                registry: Registry::memory(Caps::NONE),
                identity: Identity::new(&config, keys),
                users: Vec::new(),
                ids: Vec::new(),
                _folder: folder,
            };
            (0..sockets).for_each(|number| world.join(number));
            world
        }

        fn join(&mut self, number: usize) {
            // An odd number: each id once.
            let scattered = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let id = SocketId::parse(&format!("{scattered:020}")).unwrap();
            let grant = Grant::of(Login::Session("x".into()), Tag::from([0; 6]), 1, None, 1);
            let session = Session {
                id,
                connected_at: 7,
                ip: None,
                agent: Interner::default().intern("", Agent::default),
                context: None,
                grant,
                details: None,
                mailbox: Some(Arc::new(Mailbox::new(1))),
            };
            let key = UserKey { issuer: IssuerId::BUILT_IN, subject: format!("u{}", number / 2).into() };
            let joining = Joining { session, replaces: None };
            let user = self.registry.join(&key, joining, |_| true, |_, _| {}).unwrap().user;
            self.users.push(user);
            self.ids.push(id);
        }

        fn leave(&mut self, id: &SocketId) {
            let place = self.ids.iter().position(|other| other == id).unwrap();
            self.registry.leave(&self.users[place], id, |_| {}).unwrap();
            self.users.remove(place);
            self.ids.remove(place);
        }

        async fn look(&self, sample: &mut Sample) -> HashSet<SocketId> {
            let names = NodeNames { own: "here".into(), others: HashMap::new() };
            sample.look(&self.registry.users(), &[], &self.identity, &names).await;
            sample.shown().keys().copied().collect()
        }
    }

    #[tokio::test]
    async fn up_to_the_bound_all_are_shown() {
        let world = World::new(100);
        let mut sample = Sample::new(100);
        assert_eq!(world.look(&mut sample).await, world.ids.iter().copied().collect());
        let socket = &sample.shown()[&world.ids[3]];
        assert_eq!((&*socket.room, &*socket.node, socket.connected_at), ("built-in:u1", "here", 7));
        assert_eq!(socket.transport, Some(TransportName::Polling));
    }

    #[tokio::test]
    async fn of_ten_thousand_an_even_share_is_shown_and_stays() {
        let mut world = World::new(10_000);
        let mut sample = Sample::new(500);
        let shown = world.look(&mut sample).await;
        assert_eq!(shown.len(), 500);
        // Of those who came first as many as of those who came last.
        let early = world.ids[..5_000].iter().filter(|id| shown.contains(*id)).count();
        assert!((200..300).contains(&early), "{early} of 500 are of the first half");
        // Many more come, with lower ids too: nobody who is there seems to go.
        (10_000..12_000).for_each(|number| world.join(number));
        assert_eq!(world.look(&mut sample).await, shown);
        // Ten go, ten others take their places.
        let gone: Vec<SocketId> = shown.iter().take(10).copied().collect();
        gone.iter().for_each(|id| world.leave(id));
        let after = world.look(&mut sample).await;
        assert_eq!((after.len(), after.intersection(&shown).count()), (500, 490));
    }

    #[tokio::test]
    async fn a_socket_that_has_not_changed_is_the_same_one() {
        let world = World::new(2);
        let mut sample = Sample::new(10);
        world.look(&mut sample).await;
        let before = sample.shown().clone();
        world.look(&mut sample).await;
        assert!(before.iter().all(|(id, socket)| Arc::ptr_eq(socket, &sample.shown()[id])));
    }
}
