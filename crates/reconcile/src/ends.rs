//! Of one user: the sessions of other nodes that this one asks to end, and those that it has ended here itself while
//! its caller still names them. Does not know: the sessions here, Redis.

use std::time::Duration;

/// Nothing for almost all users, and then a pointer.
#[derive(Debug)]
pub(crate) struct Ends<S>(Option<Box<Lists<S>>>);

#[derive(Debug)]
struct Lists<S> {
    asked: Vec<Asked<S>>,
    /// Sessions that were refused or ended here and that the caller may name once more, as it has not heard yet.
    gone: Vec<S>,
}

/// waiting --sent--> sent --reply--> taken --after a lease--> forgotten; back to waiting when it fails or is said again
#[derive(Debug)]
struct Asked<S> {
    session: S,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Sent,
    /// Redis has it, since then. Should Redis lose it before the owner has heard, it is said again.
    Taken(Duration),
}

impl<S: Clone + Ord> Ends<S> {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// A session elsewhere is to end; `false` when Redis is about to be told already. What it has taken is said again: who
    /// asks twice still sees it.
    pub(crate) fn ask(&mut self, session: S) -> bool {
        let asked = &mut self.lists().asked;
        match asked.iter_mut().find(|known| known.session == session) {
            Some(known) if matches!(known.state, State::Taken(_)) => known.state = State::Waiting,
            Some(_) => return false,
            None => asked.push(Asked { session, state: State::Waiting }),
        }
        true
    }

    /// Some of it may be lost with the data of Redis.
    pub(crate) fn has_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|lists| !lists.asked.is_empty())
    }

    /// All of it is said again.
    pub(crate) fn say_again(&mut self) {
        self.change(|asked| asked.state = State::Waiting);
    }

    /// What a sync says now.
    pub(crate) fn send(&mut self) -> Vec<S> {
        let mut sent = Vec::new();
        self.change(|asked| {
            if asked.state == State::Waiting {
                asked.state = State::Sent;
                sent.push(asked.session.clone());
            }
        });
        sent
    }

    /// The sync has failed.
    pub(crate) fn fail(&mut self) {
        self.change(|asked| {
            if asked.state == State::Sent {
                asked.state = State::Waiting;
            }
        });
    }

    /// The sync was made; gives whether there was anything of this in it.
    pub(crate) fn take_sent(&mut self, now: Duration) -> bool {
        let mut has_taken = false;
        self.change(|asked| {
            if asked.state == State::Sent {
                asked.state = State::Taken(now);
                has_taken = true;
            }
        });
        has_taken
    }

    /// What was taken before this is forgotten.
    pub(crate) fn forget_taken(&mut self, before: Duration) {
        let is_old = |asked: &Asked<S>| matches!(asked.state, State::Taken(at) if at <= before);
        self.retain(|lists| lists.asked.retain(|asked| !is_old(asked)));
    }

    /// A session is not known here any more, whatever the caller still says.
    pub(crate) fn note_gone(&mut self, session: S) {
        self.lists().gone.push(session);
    }

    pub(crate) fn is_gone(&self, session: &S) -> bool {
        self.0.as_ref().is_some_and(|lists| lists.gone.contains(session))
    }

    /// The caller's set has come: of whom it does not name it has heard. Gives whether there is less to know.
    pub(crate) fn keep_named(&mut self, is_named: impl Fn(&S) -> bool) -> bool {
        let before = self.0.as_ref().map_or(0, |lists| lists.gone.len());
        self.retain(|lists| lists.gone.retain(is_named));
        before > self.0.as_ref().map_or(0, |lists| lists.gone.len())
    }

    fn lists(&mut self) -> &mut Lists<S> {
        self.0.get_or_insert_with(|| Box::new(Lists { asked: Vec::new(), gone: Vec::new() }))
    }

    fn change(&mut self, change: impl FnMut(&mut Asked<S>)) {
        self.0.iter_mut().flat_map(|lists| &mut lists.asked).for_each(change);
    }

    fn retain(&mut self, retain: impl FnOnce(&mut Lists<S>)) {
        if let Some(lists) = &mut self.0 {
            retain(lists);
        }
        self.0.take_if(|lists| lists.asked.is_empty() && lists.gone.is_empty());
    }
}
