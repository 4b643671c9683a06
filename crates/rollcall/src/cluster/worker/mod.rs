//! The one task that brings this node and Redis together: it hears of changes, makes the calls that the reconciler asks for,
//! and has told what comes of them. Does not know: what is to be said when.

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
use super::status::NodeStatus;
use super::way::Way;
use super::{Call, Cluster, Reply};
use crate::app::App;
use crate::ids;
use crate::registry::{self, SocketId};

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
    /// Lists have not been whole since then.
    incomplete_since: Option<Duration>,
    /// Batches in a row that had no answer in time.
    slow: u32,
    /// What was said last of the connection, and when.
    is_said_away: bool,
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
        reconciler: Reconciler::new(cluster.config.clone(), ids::node_id()),
        link: Way::new(now),
        channel: Way::new(now),
        in_flight: FuturesUnordered::new(),
        subscribing: FuturesUnordered::new(),
        has_more: false,
        was_heard: false,
        incomplete_since: Some(Duration::ZERO),
        slow: 0,
        is_said_away: false,
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
            Happening::Answered(Answered { replies, trouble }) => {
                let is_answered = trouble.is_none();
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

    fn make_calls(&mut self) {
        let mut calls: Vec<(CallId, Call)> = Vec::new();
        let mut looks = Vec::new();
        let mut claims = Vec::new();
        while let Some((id, call)) = self.reconciler.poll_call() {
            match call {
                Call::Nodes => looks.push(id),
                Call::Claim { node, ttl } => claims.push((id, node, ttl)),
                Call::Subscribe { node } => self.subscribe(id, node),
                call => calls.push((id, call)),
            }
        }
        if calls.is_empty() && looks.is_empty() && claims.is_empty() {
            return;
        }
        let says_status = |(_, call): &(CallId, Call)| matches!(call, Call::Renew { .. });
        let is_said = !claims.is_empty() || calls.iter().any(says_status);
        let status = if is_said { self.status().encode() } else { String::new() };
        let Some((link, _)) = self.link.open() else { return };
        // Polled once at once, so that they leave in their order.
        let mut futures: Vec<BoxFuture<'static, Answered>> = Vec::new();
        for (id, node, ttl) in claims {
            futures.push(link.clone().claim(id, node, ttl, status.clone()).boxed());
        }
        if !calls.is_empty() {
            futures.push(timed(self.app.clone(), self.cluster.clone(), link.make(calls, status)).boxed());
        }
        futures.extend(looks.into_iter().map(|id| link.clone().look(id).boxed()));
        for mut future in futures {
            match (&mut future).now_or_never() {
                Some(answered) => self.in_flight.push(std::future::ready(answered).boxed()),
                None => self.in_flight.push(future),
            }
        }
    }

    /// Messages come from now on: what was said before is read where it is written down.
    fn is_heard(&mut self) {
        self.channel.settle();
        if std::mem::replace(&mut self.was_heard, true) {
            let app = self.app.clone();
            app.look_soon();
            spawn(async move { app.read_names_again().await });
        }
    }

    fn status(&self) -> NodeStatus {
        NodeStatus {
            tag: self.app.node_tag.clone(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            sessions: self.app.metrics.sessions(),
            dirty_users: self.reconciler.dirty_users() as u64,
            round_trip_us: self.cluster.round_trip.micros(),
            is_complete: self.reconciler.is_complete(),
        }
    }

    fn subscribe(&mut self, id: CallId, node: reconcile::NodeId) {
        let channels = vec![self.cluster.names.channel(node), self.cluster.names.common_channel()];
        if let Some(channel) = self.channel.open() {
            let subscribed = channel.subscribe(channels);
            self.subscribing.push(async move { (id, subscribed.await) }.boxed());
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

/// Notes how long Redis takes to answer.
async fn timed(app: Arc<App>, cluster: Arc<Cluster>, work: impl Future<Output = Answered>) -> Answered {
    let begin = app.clock.now();
    let answered = work.await;
    if answered.trouble.is_none() {
        let took = app.clock.now().saturating_duration_since(begin);
        cluster.round_trip.note(took);
        app.metrics.cluster.answered(took);
    }
    answered
}

fn local(local: registry::Local) -> Local<SocketId, Bytes> {
    let registry::Local { id, record, login, connected_at, replaces } = local;
    let login = login.iter().fold(String::with_capacity(12), |text, byte| text + &format!("{byte:02x}"));
    Local { session: id, item: record, login: Login(login.into()), order: connected_at, replaces }
}
