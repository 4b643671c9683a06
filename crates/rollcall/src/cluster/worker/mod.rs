//! The one task that brings this node and Redis together: it hears of changes, makes the calls that the reconciler asks for,
//! and has told what comes of them. Does not know: what is to be said when.

mod calling;
mod echo;
mod telling;
mod trouble;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::server::spawn;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use reconcile::{CallId, Failed, Local, Login, Reconciler};
use redis::RedisError;

use super::channel::Channel;
use super::link::{Answered, Link};
use super::names::user_text;
use super::way::Way;
use super::{Cluster, Reply};
use crate::app::App;
use crate::ids;
use crate::registry::{self, SocketId, record};
use echo::Echo;

struct Worker {
    cluster: Arc<Cluster>,
    app: Arc<App>,
    /// The reconciler counts from here.
    since: Instant,
    reconciler: Reconciler<Arc<str>, SocketId, Bytes>,
    link: Way<(Link, u64)>,
    channel: Way<Channel>,
    in_flight: FuturesUnordered<BoxFuture<'static, Answered>>,
    subscribing: FuturesUnordered<BoxFuture<'static, (CallId, Result<(), RedisError>)>>,
    /// There is more to be told.
    has_more: bool,
    /// Other nodes were heard before.
    was_heard: bool,
    echo: Echo,
    /// Lists have not been whole since then.
    incomplete_since: Option<Duration>,
    /// Batches in a row that had no answer in time.
    slow: u32,
    /// Since when the connection for calls is open.
    opened_at: Option<Instant>,
    /// What was said last of the connection, and when.
    is_said_away: bool,
    said_away: Option<(String, Instant)>,
    complained_at: Option<Instant>,
}

/// What the worker waits for.
enum Happening {
    Nothing,
    Answered(Answered),
    Subscribed(CallId, Result<(), RedisError>),
    Link(Result<(), RedisError>),
    Channel(Result<(), RedisError>),
    Heard(Option<Vec<u8>>),
}

pub(super) async fn run(cluster: Arc<Cluster>, app: Arc<App>) {
    let now = app.clock.now();
    let mut worker = Worker {
        since: now,
        // After a panic the sessions are those of before, and so has their number to be later. Exact in Lua's numbers.
        reconciler: Reconciler::new(cluster.config.clone(), ids::node_id())
            .numbered_from(app.clock.unix_millis() << 8),
        link: Way::new(now),
        channel: Way::new(now),
        in_flight: FuturesUnordered::new(),
        subscribing: FuturesUnordered::new(),
        has_more: false,
        was_heard: false,
        echo: Echo::default(),
        incomplete_since: Some(Duration::ZERO),
        slow: 0,
        opened_at: None,
        is_said_away: false,
        said_away: None,
        complained_at: None,
        cluster,
        app,
    };
    loop {
        worker.look_at_changes();
        worker.make_calls();
        worker.tell();
        worker.make_calls();
        if worker.has_left() {
            break;
        }
        if worker.has_more {
            tokio::task::yield_now().await;
        }
        let happening = worker.wait().await;
        worker.handle(happening);
    }
    if let Some(mut link) = worker.cluster.link() {
        let _ = link.end_lease(worker.reconciler.node()).await; // or it ends by itself
    }
    worker.cluster.has_left.notify_one();
}

impl Worker {
    async fn wait(&mut self) -> Happening {
        let Self { cluster, app, link, channel, in_flight, subscribing, reconciler, since, has_more, .. } =
            self;
        let timeout = reconciler.next_timeout().map(|at| *since + at);
        let has_more = *has_more;
        let timer = async {
            match timeout {
                _ if has_more => {}
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let connect = || {
            let (place, names, config) =
                (cluster.place.clone(), cluster.names.clone(), cluster.config.clone());
            async move { Link::open(&place, names, config).await }.boxed()
        };
        let listen = || {
            let place = cluster.place.clone();
            async move { Channel::open(&place).await }.boxed()
        };
        let hear = async {
            match channel {
                Way::Open(channel, _) => Happening::Heard(channel.next().await),
                way => Happening::Channel(way.opened(&app.clock, listen).await),
            }
        };
        tokio::select! {
            () = cluster.changes.changed() => Happening::Nothing,
            () = cluster.news.notified() => Happening::Nothing,
            Some(answered) = in_flight.next(), if !in_flight.is_empty() => Happening::Answered(answered),
            Some((id, done)) = subscribing.next(), if !subscribing.is_empty() => Happening::Subscribed(id, done),
            opened = link.opened(&app.clock, connect) => Happening::Link(opened),
            happening = hear => happening,
            () = timer => Happening::Nothing,
        }
    }

    fn handle(&mut self, happening: Happening) {
        let now = self.now();
        match happening {
            Happening::Nothing => {
                if self.cluster.is_broken.swap(false, Ordering::Relaxed) {
                    self.close_link("somebody else has found the connection broken");
                }
            }
            Happening::Answered(Answered { replies, trouble, echo }) => {
                let is_answered = trouble.is_none();
                if let Some(number) = echo.filter(|_| is_answered) {
                    self.echo.handle_passed_on(now, number);
                }
                for (id, reply) in replies {
                    self.reconciler.handle_reply(now, id, reply);
                }
                match trouble {
                    None => {
                        self.slow = 0;
                        self.link.settle();
                    }
                    Some(trouble) => self.on_trouble(trouble),
                }
                if is_answered {
                    self.is_back();
                }
            }
            Happening::Subscribed(id, done) => {
                let reply = done.as_ref().map(|()| Reply::Done).map_err(|_| Failed::NoAnswer);
                self.reconciler.handle_reply(now, id, reply);
                match done {
                    Ok(()) => self.is_heard(),
                    Err(error) => self.close_channel(&error.to_string()),
                }
            }
            Happening::Link(Ok(())) => {
                let Some((link, run)) = self.link.open().map(|(link, run)| (link.clone(), *run)) else {
                    return;
                };
                self.slow = 0;
                self.opened_at = Some(self.app.clock.now());
                *self.cluster.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
                self.reconciler.handle_connected(now, run);
            }
            Happening::Channel(Ok(())) => self.reconciler.handle_channel_up(now),
            Happening::Link(Err(error)) | Happening::Channel(Err(error)) => self.is_away(&error.to_string()),
            Happening::Heard(Some(message)) => self.hear(&message),
            Happening::Heard(None) => self.close_channel("the connection for messages has ended"),
        }
        self.reconciler.handle_tick(self.now(), ids::node_id());
    }

    /// What sockets have done since the last look.
    fn look_at_changes(&mut self) {
        let now = self.now();
        let (app, identity) = (self.app.clone(), &self.app.identity);
        for user in self.cluster.changes.take() {
            // By its key: a user that has left and come again is another one, and what counts is who is here.
            let key = user.key();
            let found = app.presence.find(key);
            let locals = found.map(|user| user.roster().locals()).unwrap_or_default();
            let locals = locals.into_iter().map(local).collect();
            self.reconciler.handle_sessions(now, user_text(identity, key).into(), locals);
        }
        let ends = std::mem::take(&mut *self.cluster.ends.lock().unwrap_or_else(PoisonError::into_inner));
        for (user, session) in ends {
            self.reconciler.handle_end(now, user_text(identity, &user).into(), session);
        }
    }

    /// Messages come from now on: what was said before is read where it is written down.
    fn is_heard(&mut self) {
        self.channel.settle();
        self.echo.begin();
        if std::mem::replace(&mut self.was_heard, true) {
            let app = self.app.clone();
            app.look_soon();
            spawn(async move { app.read_names_again().await });
        }
    }

    /// All that was to be said has been, and the process is about to end.
    fn has_left(&self) -> bool {
        self.cluster.is_leaving.load(Ordering::Acquire)
            && (self.in_flight.is_empty() && self.reconciler.dirty_users() == 0
                || self.cluster.link().is_none())
    }

    fn now(&self) -> Duration {
        self.app.clock.now().saturating_duration_since(self.since)
    }
}

fn local(local: registry::Local) -> Local<SocketId, Bytes> {
    let registry::Local { id, record: item, login, connected_at, replaces } = local;
    let login = Login(record::hex(&login).into());
    Local { session: id, item, login, order: connected_at, replaces }
}
