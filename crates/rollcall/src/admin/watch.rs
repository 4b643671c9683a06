//! The one task that tells pages who is there, while there are any: every two seconds it looks at all sockets, and tells each
//! page what is another than it was told before. Nothing is pushed by the sockets themselves. Does not know: what may be done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use super::desk::Page;
use super::sample::{NodeNames, Sample, Socket};
use super::stats::Stats;
use super::{Admin, telling};
use crate::app::App;
use crate::cluster::status::NodeRow;
use crate::gateway::codes::SERVER_SHUTDOWN;
use crate::gateway::visit::Elsewhere;
use crate::registry::{SocketId, UserKey};

/// Watches for the pages of the desk until there are none.
pub(super) async fn run(app: Arc<App>, admin: Arc<Admin>) {
    let mut due = app.clock.now();
    let mut watch = Watch { view: View::new(due, app, admin), pages: Vec::new() };
    while let Some(has_news) = watch.take_in() {
        let clock = watch.view.app.clock.clone();
        let begin = clock.now();
        if due <= begin {
            watch.view.look().await;
            watch.tell(|_| true);
            let took = clock.now().saturating_duration_since(begin);
            due = begin + INTERVAL.max(took * REST).min(LONGEST_INTERVAL);
        } else if has_news {
            watch.tell(|told| told.sockets.is_none());
        }
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = watch.view.admin.desk.news.notified() => {}
        }
    }
}

struct Watch {
    view: View,
    pages: Vec<Told>,
}

/// A page, and what it was told.
struct Told {
    page: Arc<Page>,
    /// `None` before it was told anything.
    sockets: Option<HashMap<SocketId, Arc<Socket>>>,
}

/// What there is to see, as of the last look.
struct View {
    app: Arc<App>,
    admin: Arc<Admin>,
    sample: Sample,
    stats: Stats,
    /// Users of other nodes that have no socket here, and when they are to be read again.
    others: Vec<(UserKey, Elsewhere)>,
    others_due: Instant,
    /// What is said of each server.
    servers: Vec<Value>,
}

impl Watch {
    /// Lets pages go that are closed, and takes new ones in. Gives whether there are new ones; `None` without any page.
    fn take_in(&mut self) -> Option<bool> {
        self.pages.retain(|told| told.page.is_open());
        let newcomers = self.view.admin.desk.newcomers(self.pages.is_empty())?;
        let has_news = !newcomers.is_empty();
        self.pages.extend(newcomers.into_iter().map(|page| Told { page, sockets: None }));
        Some(has_news)
    }

    fn tell(&mut self, which: impl Fn(&Told) -> bool) {
        self.pages.iter_mut().filter(|told| which(told)).for_each(|told| self.view.tell(told));
    }
}

impl Drop for Watch {
    /// After a panic pages come back by themselves, to another watch.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.view.admin.desk.is_left_alone();
            self.pages.iter().for_each(|told| told.page.mailbox.close(SERVER_SHUTDOWN));
        }
    }
}

impl View {
    fn new(now: Instant, app: Arc<App>, admin: Arc<Admin>) -> Self {
        Self {
            app,
            admin,
            sample: Sample::new(SHOWN),
            stats: Stats::default(),
            others: Vec::new(),
            others_due: now,
            servers: Vec::new(),
        }
    }

    async fn look(&mut self) {
        let nodes = match &self.app.cluster {
            Some(cluster) => cluster.nodes().await,
            None => Vec::new(),
        };
        if let Some(cluster) = &self.app.cluster
            && self.others_due <= self.app.clock.now()
        {
            let is_other = |row: &&NodeRow| row.lease_ms.is_some() && row.status.tag != self.app.node_tag;
            let others: Vec<NodeRow> = nodes.iter().filter(is_other).cloned().collect();
            let is_known = |user: &UserKey| self.app.presence.find(user).is_some();
            self.others = cluster.some_users(&self.app.identity, &others, OTHERS, is_known).await;
            self.others_due = self.app.clock.now() + OTHERS_INTERVAL;
        }
        let names = NodeNames { own: self.app.node_tag.as_str().into(), others: names(&nodes) };
        let users = self.app.presence.users();
        self.sample.look(&users, &self.others, &self.app.identity, &names).await;
        self.admin.desk.show(self.sample.shown().clone());
        self.servers = self.stats.of_all(&self.app, self.admin.desk.open(), &nodes);
    }

    /// What a page does not take now, since it has not taken what came before, it is told at the next look.
    fn tell(&self, told: &mut Told) {
        let mut frames = Vec::new();
        let sockets = match &told.sockets {
            Some(known) if !known.is_empty() => self.encode_changes(known, &mut frames),
            Some(_) if self.sample.shown().is_empty() => HashMap::new(),
            // The page picks the namespace that it shows by the first that it hears of.
            Some(_) | None => {
                let shown = self.sample.shown();
                telling::all_sockets(shown.values().map(AsRef::as_ref), self.is_secure(), &mut frames);
                shown.clone()
            }
        };
        self.servers.iter().for_each(|stats| telling::server_stats(stats, &mut frames));
        let frames: Bytes = self.app.overload.waiting.frame(frames);
        if told.page.mailbox.offer(frames) {
            told.sockets = Some(sockets);
        }
    }

    /// Appends what has changed since, up to a bound; gives what the page knows then.
    fn encode_changes(
        &self,
        known: &HashMap<SocketId, Arc<Socket>>,
        out: &mut Vec<u8>,
    ) -> HashMap<SocketId, Arc<Socket>> {
        let (shown, now) = (self.sample.shown(), self.app.clock.unix_millis());
        let mut after = known.clone();
        let mut events = 0;
        for (id, socket) in known {
            match shown.get(id) {
                _ if events >= EVENTS => break,
                Some(same) if Arc::ptr_eq(same, socket) => {}
                Some(other) => {
                    events += telling::updated(other, out);
                    after.insert(*id, other.clone());
                }
                None => {
                    events += telling::disconnected(socket, now, out);
                    after.remove(id);
                }
            }
        }
        for (id, socket) in shown {
            if events >= EVENTS {
                break;
            }
            if !known.contains_key(id) {
                events += telling::connected(socket, self.is_secure(), now, out);
                after.insert(*id, socket.clone());
            }
        }
        after
    }

    fn is_secure(&self) -> bool {
        self.app.tls.is_some()
    }
}

fn names(nodes: &[NodeRow]) -> HashMap<u64, Arc<str>> {
    let name =
        |row: &NodeRow| Some((u64::from_str_radix(&row.node, 16).ok()?, row.status.tag.as_str().into()));
    nodes.iter().filter_map(name).collect()
}

/// The reference server's own.
const INTERVAL: Duration = Duration::from_secs(2);
/// A look may take a twentieth of the time of one thread.
const REST: u32 = 20;
/// After ten seconds without news the page calls a server unhealthy.
const LONGEST_INTERVAL: Duration = Duration::from_secs(8);
/// Sockets that pages are shown at once. The page looks through all that it has for each that comes, and draws its table anew
/// with each event: with five thousand it stands still for seconds.
const SHOWN: usize = 1000;
/// Users of other nodes that are read from Redis, and how often: two hundred lists a second, of the tens of thousands that it
/// answers.
const OTHERS: usize = 2000;
const OTHERS_INTERVAL: Duration = Duration::from_secs(10);
/// Events in one look, for the same reason.
const EVENTS: usize = 100;
