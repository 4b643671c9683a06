//! Who names a device when, and what a session that comes is called. Does not know: sockets.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use engineio::server::{Mailbox, spawn};
use tokio::sync::{Mutex, MutexGuard};

use super::Gateway;
use super::admission::Admitted;
use crate::app::App;
use crate::registry::session::Labelled;
use crate::registry::{Amendment, Session, UserKey};
use crate::store::User;

/// Turns at writing a name down.
#[derive(Debug)]
pub(super) struct Naming {
    hasher: RandomState,
    turns: [Mutex<()>; TURNS],
}

impl Naming {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), turns: [const { Mutex::const_new(()) }; TURNS] }
    }

    /// The turn of this user; users that share one only wait for each other.
    pub(super) async fn turn(&self, user: &UserKey) -> MutexGuard<'_, ()> {
        let place = self.hasher.hash_one(user) as usize % TURNS;
        self.turns[place].lock().await
    }
}

/// A name that is being looked up for a session that comes.
#[derive(Debug, Clone)]
pub(super) struct LookedUp {
    /// `None` until the answer is there.
    answer: Arc<StdMutex<Option<Option<Arc<str>>>>>,
}

impl LookedUp {
    /// Whether the answer is there, and which: no name, when the database does not say.
    pub(super) fn answer(&self) -> Option<Option<Arc<str>>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks a name up, if there may be one that no live session of the user knows; wakes the socket when it is there.
pub(super) fn look_up(
    gateway: &Arc<Gateway>,
    admitted: &Admitted,
    mailbox: &Arc<Mailbox>,
) -> Option<LookedUp> {
    let (app, principal) = (&gateway.app, &admitted.principal);
    let named = User { issuer: principal.issuer, subject: &principal.subject };
    if !app.store.may_have_labels(named) || app.store.health().away_since().is_some() {
        return None;
    }
    let user = UserKey { issuer: principal.issuer, subject: principal.subject.clone() };
    let of = match admitted.device {
        Some(device) => Labelled::Device(device.key),
        None => Labelled::Login(principal.login.clone()),
    };
    if let Some(found) = app.presence.find(&user)
        && found.roster().sessions().iter().any(|session| session.is_labelled(&of))
    {
        return None; // it takes over that one's name
    }
    let looked_up = LookedUp { answer: Arc::default() };
    let (left, gateway, mailbox) = (looked_up.clone(), gateway.clone(), mailbox.clone());
    spawn(async move {
        let named = User { issuer: user.issuer, subject: &user.subject };
        let labels = tokio::time::timeout(PATIENCE, gateway.app.store.labels_of(named)).await;
        let device = of.to_string();
        let label = match labels {
            Ok(Ok(labels)) => labels.into_iter().find(|label| label.device == device),
            Ok(Err(_)) | Err(_) => None,
        };
        let found = label.map(|label| Arc::from(label.label));
        *left.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        mailbox.wake();
    });
    Some(looked_up)
}

impl App {
    /// Looks up again what the devices here are called: messages of other nodes may have been missed.
    pub(crate) async fn read_names_again(&self) {
        // Who has names at all is read from the database too. What fails here fails below, or is not needed there.
        let _ = self.store.catch_up().await;
        for user in self.presence.users() {
            let named = User { issuer: user.key().issuer, subject: &user.key().subject };
            let labelled: Vec<Labelled> = {
                let roster = user.roster();
                let here = roster.sessions().iter().filter(|session| roster.is_here(session));
                here.map(Session::labelled).collect()
            };
            if !self.store.may_have_labels(named) {
                continue;
            }
            let Ok(labels) = self.store.labels_of(named).await else { return };
            for of in labelled {
                let device = of.to_string();
                let label = labels.iter().find(|label| label.device == device);
                let label = label.map(|label| Arc::from(label.label.as_str()));
                self.presence.amend(self.clock.now(), &user, &Amendment::Label(of, label));
            }
        }
    }
}

/// Many more than databases write at a time.
const TURNS: usize = 64;
/// A session does not wait longer for its name: it comes without one, and the next one of its device asks again.
const PATIENCE: Duration = Duration::from_millis(500);
