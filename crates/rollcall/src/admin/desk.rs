//! The pages that are open, and whether somebody watches for them. Does not know: what they are told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engineio::server::Mailbox;
use tokio::sync::{Notify, Semaphore};

use super::sample::Socket;
use crate::registry::SocketId;

/// A page that somebody has signed in to.
pub(super) struct Page {
    /// The way to it.
    pub(super) mailbox: Arc<Mailbox>,
    /// Where it is, as far as privacy lets it be known.
    pub(super) address: Option<IpAddr>,
    /// One for each command that is under way.
    pub(super) commands: Arc<Semaphore>,
    is_open: AtomicBool,
}

/// All pages.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    /// A page has come.
    pub(super) news: Notify,
    /// The sockets that pages are shown.
    shown: Mutex<HashMap<SocketId, Arc<Socket>>>,
}

#[derive(Default)]
struct State {
    open: usize,
    newcomers: Vec<Arc<Page>>,
    is_watched: bool,
}

/// What has become of a page that wants in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// It will be told.
    In,
    /// It will be told by the watch that is to be started.
    First,
    /// There are as many as there may be.
    Full,
}

impl Page {
    pub(super) fn new(mailbox: Arc<Mailbox>, address: Option<IpAddr>) -> Self {
        let commands = Arc::new(Semaphore::new(COMMANDS));
        Self { mailbox, address, commands, is_open: AtomicBool::new(true) }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }
}

impl Desk {
    /// A page comes.
    pub(super) fn enter(&self, page: Arc<Page>) -> Entered {
        let mut state = self.lock();
        if state.open >= PAGES {
            return Entered::Full;
        }
        state.open += 1;
        state.newcomers.push(page);
        self.news.notify_one();
        match std::mem::replace(&mut state.is_watched, true) {
            true => Entered::In,
            false => Entered::First,
        }
    }

    /// A page goes.
    pub(super) fn leave(&self, page: &Page) {
        if page.is_open.swap(false, Ordering::AcqRel) {
            self.lock().open -= 1;
        }
    }

    /// Pages that are open.
    pub(super) fn open(&self) -> usize {
        self.lock().open
    }

    /// Those that have come since the last call. Without any, and when the watch has `none` left, it is to end.
    pub(super) fn newcomers(&self, has_none: bool) -> Option<Vec<Arc<Page>>> {
        let mut state = self.lock();
        if has_none && state.newcomers.is_empty() {
            self.show(HashMap::new());
            state.is_watched = false;
            return None;
        }
        Some(std::mem::take(&mut state.newcomers))
    }

    /// The watch has ended in a panic: the next page starts another one.
    pub(super) fn is_left_alone(&self) {
        self.lock().is_watched = false;
    }

    /// These are shown from now on.
    pub(super) fn show(&self, sockets: HashMap<SocketId, Arc<Socket>>) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = sockets;
    }

    /// A socket that is shown.
    pub(super) fn shown(&self, id: &SocketId) -> Option<Arc<Socket>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More people than look at once.
const PAGES: usize = 16;
/// Each is a click. Who asks for more before the first are done is a program, and is cut off.
const COMMANDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Arc<Page> {
        Arc::new(Page::new(Arc::new(Mailbox::new(1)), None))
    }

    #[test]
    fn the_first_page_starts_the_watch_and_without_pages_it_ends() {
        let desk = Desk::default();
        let (one, other) = (page(), page());
        assert_eq!(desk.enter(one.clone()), Entered::First);
        assert_eq!(desk.enter(other), Entered::In);
        assert_eq!(desk.newcomers(true).map(|pages| pages.len()), Some(2));
        assert_eq!(desk.newcomers(false).map(|pages| pages.len()), Some(0));
        desk.leave(&one);
        desk.leave(&one);
        assert_eq!((desk.open(), one.is_open()), (1, false));
        assert!(desk.newcomers(true).is_none());
        assert_eq!(desk.enter(page()), Entered::First);
    }

    #[test]
    fn there_are_only_so_many_pages() {
        let desk = Desk::default();
        let pages: Vec<_> = (0..PAGES).map(|_| page()).collect();
        for page in &pages {
            assert_ne!(desk.enter(page.clone()), Entered::Full);
        }
        assert_eq!(desk.enter(page()), Entered::Full);
        desk.leave(&pages[3]);
        assert_eq!(desk.enter(page()), Entered::In);
    }
}
