//! This node among others: what happens here is told to Redis, and what Redis knows to the sockets here. What is to be
//! said when, [`reconcile`] decides; `worker` carries it out over a `link` for calls and a `channel` for messages. Does not
//! know: sockets.

mod names;
mod place;
mod message;
mod calls;
mod link;
mod channel;
mod way;
mod worker;
mod relay;
mod survey;
pub mod status;
pub mod examine;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use reconcile::NodeId;
use redis::RedisError;
use tokio::sync::Notify;

use crate::app::App;
use crate::config::{Config, RedisUrl};
use crate::registry::{Changes, SocketId, UserKey};
use link::Link;
use names::Names;
use place::{Place, Trouble};
pub(crate) use relay::Relayed;
use status::RoundTrip;

/// What the reconciler asks for, of the users and sessions of this program.
type Call = reconcile::Call<Arc<str>, SocketId, Bytes>;
type Reply = reconcile::Reply<Arc<str>, SocketId, Bytes>;

/// What the rest of the server has of the cluster.
pub struct Cluster {
    place: Place,
    names: Names,
    config: reconcile::Config,
    changes: Arc<Changes>,
    /// Sessions of other nodes that are to end.
    ends: Mutex<Vec<(UserKey, SocketId)>>,
    /// Somebody has put something in there, or wants the worker to end.
    news: Notify,
    /// The connection, while there is one.
    link: Mutex<Option<Link>>,
    /// Whether lists are those of all nodes.
    is_complete: AtomicBool,
    /// Nodes that are known to be dead.
    dead: Mutex<Vec<NodeId>>,
    round_trip: RoundTrip,
    /// Somebody beside the worker has found the connection broken.
    is_broken: AtomicBool,
    /// The process is about to end.
    is_leaving: AtomicBool,
    has_left: Notify,
}

impl Cluster {
    /// A cluster that meets there; nothing is connected yet.
    ///
    /// # Errors
    /// The URL cannot be understood.
    pub fn new(config: &Config, url: &RedisUrl) -> Result<Self, RedisError> {
        let (limits, registry) = (&config.limits, &config.registry);
        let place = Place::new(url, registry.lease())?;
        Ok(Self {
            names: Names::new(place.database()),
            config: reconcile::Config {
                ready_timeout: registry.ready_timeout(),
                caps: limits.caps().of_all_nodes(),
                is_cluster: place.is_cluster(),
                ..reconcile::Config::new(registry.lease())
            },
            place,
            changes: Arc::default(),
            ends: Mutex::default(),
            news: Notify::new(),
            link: Mutex::default(),
            is_complete: AtomicBool::new(false),
            dead: Mutex::default(),
            round_trip: RoundTrip::default(),
            is_broken: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            has_left: Notify::new(),
        })
    }

    /// Where changes of this node are noted.
    pub fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// Asks that a session of another node ends.
    pub(crate) fn end(&self, user: &UserKey, session: &SocketId) {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).push((user.clone(), *session));
        self.news.notify_one();
    }

    /// Whether Redis answers, and lists are those of all nodes.
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Relaxed)
    }

    /// Does all of it, until [`Self::leave`].
    pub(crate) async fn run(self: Arc<Self>, app: Arc<App>) {
        while AssertUnwindSafe(worker::run(self.clone(), app.clone())).catch_unwind().await.is_err() {
            tracing::error!(
                "the task that speaks to Redis has panicked: it begins anew and says everything again"
            );
            *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let now = app.clock.now();
            app.presence.users().iter().for_each(|user| self.changes.note(now, user, &mut user.roster()));
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What this node has still to say is said, if Redis takes it in time; then the others know that it is gone.
    pub(crate) async fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
        let left = self.has_left.notified();
        self.news.notify_one();
        let _ = tokio::time::timeout(LEAVING, left).await; // the others find out by themselves
    }

    fn note_trouble(&self, trouble: &Trouble) {
        if matches!(trouble, Trouble::Broken(_)) {
            self.is_broken.store(true, Ordering::Relaxed);
            self.news.notify_one();
        }
    }

    fn link(&self) -> Option<Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// So that a task that panics each time fills no log.
const PAUSE: Duration = Duration::from_secs(1);
/// What Redis is given to take the last leaves in.
const LEAVING: Duration = Duration::from_secs(2);
