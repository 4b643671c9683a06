//! One session of this node, and how far Redis has been told of it.
//! Does not know: other sessions, how it is told.

use crate::call::NodeId;
use crate::session::{Entry, Field, Local, Login};

/// A session of this node.
#[derive(Debug)]
pub(crate) struct Held<S, I> {
    pub(crate) session: S,
    pub(crate) item: I,
    pub(crate) login: Login,
    pub(crate) order: u64,
    pub(crate) standing: Standing,
    /// What it replaces, until Redis has been told.
    pub(crate) replaces: Option<Box<Replaces<S>>>,
}

#[derive(Debug)]
pub(crate) struct Replaces<S> {
    pub(crate) session: S,
    is_sent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody was told of it; the cap may refuse it. A sync without a reply yet may name it.
    Joining { is_sent: bool },
    /// It is listed, and stays.
    Taken,
}

impl<S: Clone + Ord, I: Clone + Eq> Held<S, I> {
    pub(crate) fn new(local: Local<S, I>) -> Self {
        let replaces = local.replaces.map(|session| Box::new(Replaces { session, is_sent: false }));
        let standing = Standing::Joining { is_sent: false };
        Self {
            session: local.session,
            item: local.item,
            login: local.login,
            order: local.order,
            standing,
            replaces,
        }
    }

    /// Takes over what is new; `false` when nothing is.
    pub(crate) fn update(&mut self, named: &mut Local<S, I>) -> bool {
        let is_same = self.item == named.item && self.login == named.login && self.order == named.order;
        if !is_same {
            std::mem::swap(&mut self.item, &mut named.item);
            self.login.clone_from(&named.login);
            self.order = named.order;
        }
        !is_same
    }

    /// As a sync says it now.
    pub(crate) fn send(&mut self) -> Field<S, I> {
        let is_join = self.standing != Standing::Taken;
        if is_join {
            self.standing = Standing::Joining { is_sent: true };
        }
        if let Some(replaces) = &mut self.replaces {
            replaces.is_sent = true;
        }
        Field {
            session: self.session.clone(),
            order: self.order,
            login: self.login.clone(),
            item: self.item.clone(),
            is_join,
            replaces: self.replaces.as_ref().map(|replaces| replaces.session.clone()),
        }
    }

    /// The sync has failed.
    pub(crate) fn fail(&mut self) {
        if self.standing == (Standing::Joining { is_sent: true }) {
            self.standing = Standing::Joining { is_sent: false };
        }
        if let Some(replaces) = &mut self.replaces {
            replaces.is_sent = false;
        }
    }

    /// The sync was made, so that it is in; gives whether that is news.
    pub(crate) fn take_sent(&mut self) -> bool {
        self.replaces.take_if(|replaces| replaces.is_sent);
        let is_news = self.standing == (Standing::Joining { is_sent: true });
        if is_news {
            self.standing = Standing::Taken;
        }
        is_news
    }

    /// The order in which a set is said.
    pub(crate) fn place(&self) -> (bool, u64, &S) {
        (self.standing != Standing::Taken, self.order, &self.session)
    }

    /// Whether this is what is listed of it.
    pub(crate) fn is_as(&self, node: NodeId, entry: &Entry<S, I>) -> bool {
        entry.session == self.session
            && entry.node == node
            && entry.order == self.order
            && entry.login == self.login
            && entry.item == self.item
    }

    /// As it is listed.
    pub(crate) fn entry(&self, node: NodeId) -> Entry<S, I> {
        Entry {
            session: self.session.clone(),
            node,
            order: self.order,
            login: self.login.clone(),
            item: self.item.clone(),
        }
    }
}
