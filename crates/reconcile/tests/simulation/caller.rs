//! Whoever has the sockets: says what is open, takes in what is told, and closes what has to end, a little later.

use std::collections::BTreeSet;

use reconcile::Event;

use super::world::{Happening, MS, World};

impl World {
    /// The caller says what it has of a user.
    pub fn say(&mut self, proc: usize, user: u64) {
        let now = self.local(proc);
        let node = &mut self.procs[proc];
        let all = [node.sessions.get(&user), node.closing.get(&user)].into_iter().flatten();
        let locals = all.flat_map(|sessions| sessions.values().cloned()).collect();
        node.reconciler.handle_sessions(now, user, locals);
        self.settle(proc);
    }

    /// A session that the caller is still to close, unless it has left just now.
    fn close(&mut self, proc: usize, user: u64, session: u64) {
        let node = &mut self.procs[proc];
        assert!(node.ended.insert(session), "{session} of {user} has ended twice");
        let Some(local) = node.sessions.entry(user).or_default().remove(&session) else {
            return;
        };
        node.closing.entry(user).or_default().insert(session, local);
        let delay = self.random.below(500 * MS);
        self.after(delay, Happening::Closed { proc, user, session });
    }

    pub fn tell(&mut self, proc: usize, event: Event<u64, u64, u64>) {
        self.log(|| format!("{proc} {event:?}"));
        let node = &mut self.procs[proc];
        match event {
            Event::Tell(snapshot) => {
                let highest = node.highest.entry(snapshot.user).or_default();
                assert!(snapshot.revision > *highest, "revision of {proc}: {snapshot:?} after {highest}");
                *highest = snapshot.revision;
                let unique: BTreeSet<_> = snapshot.list.iter().map(|entry| entry.session).collect();
                assert_eq!(unique.len(), snapshot.list.len(), "a session twice: {snapshot:?}");
                // Old data of Redis may hold it under an id that is dead, until that is reaped.
                let own = snapshot.list.iter().filter(|entry| entry.node == node.reconciler.node());
                let back = own.map(|entry| entry.session).find(|session| node.ended.contains(session));
                assert_eq!(back, None, "a session has come back: {snapshot:?}");
                node.told.insert(snapshot.user, snapshot);
            }
            Event::Refused { user, session } => {
                let told = node.told.get(&user).into_iter().flat_map(|snapshot| &snapshot.list);
                let was_told = told.into_iter().any(|entry| entry.session == session);
                assert!(!was_told, "{session} of {user} refused after it was told");
                node.refused.insert(session);
                self.close(proc, user, session);
            }
            Event::Ended { user, session, .. } => self.close(proc, user, session),
            Event::Lost { entry, .. } => assert_ne!(entry.node, node.reconciler.node(), "its own: {entry:?}"),
        }
    }
}
