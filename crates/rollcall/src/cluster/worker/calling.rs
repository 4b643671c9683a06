//! How the calls that the reconciler asks for leave, in their order. Does not know: what they are for.

use std::sync::{Arc, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reconcile::CallId;

use super::Worker;
use crate::app::App;
use crate::cluster::calls::Said;
use crate::cluster::link::Answered;
use crate::cluster::status::NodeStatus;
use crate::cluster::{Call, Cluster};
use crate::telemetry::metrics::Connections;

impl Worker {
    pub(super) fn make_calls(&mut self) {
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
        if !looks.is_empty() {
            // As the last look has it: the next one comes in a quarter of a second.
            *self.cluster.dead.lock().unwrap_or_else(PoisonError::into_inner) = self.reconciler.dead();
        }
        let is_renewed = calls.iter().any(|(_, call)| matches!(call, Call::Renew { .. }));
        let mut said = Said::default();
        if is_renewed || !claims.is_empty() {
            said.status = self.status().encode();
        }
        if is_renewed {
            if self.echo.is_unheard(self.now()) {
                self.close_channel(
                    "nothing comes on the connection for messages, not even what this node says to itself",
                );
            }
            said.echo = self.echo.say();
        }
        let Some((link, _)) = self.link.open() else { return };
        // Polled once at once, so that they leave in their order.
        let mut futures: Vec<BoxFuture<'static, Answered>> = Vec::new();
        for (id, node, ttl) in claims {
            futures.push(link.clone().claim(id, node, ttl, said.status.clone()).boxed());
        }
        if !calls.is_empty() {
            futures.push(timed(self.app.clone(), self.cluster.clone(), link.make(calls, said)).boxed());
        }
        futures.extend(looks.into_iter().map(|id| link.clone().look(id).boxed()));
        for mut future in futures {
            match (&mut future).now_or_never() {
                Some(answered) => self.in_flight.push(std::future::ready(answered).boxed()),
                None => self.in_flight.push(future),
            }
        }
    }

    fn status(&self) -> NodeStatus {
        let Connections { websocket, polling, closed } = self.app.metrics.connections();
        NodeStatus {
            tag: self.app.node_tag.clone(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            sessions: self.app.metrics.sessions(),
            dirty_users: self.reconciler.dirty_users() as u64,
            round_trip_us: self.cluster.round_trip.micros(),
            is_complete: self.reconciler.is_complete(),
            hostname: self.app.host.name.clone(),
            pid: self.app.host.pid,
            started_at: self.app.host.started_at,
            websocket,
            polling,
            closed,
        }
    }

    fn subscribe(&mut self, id: CallId, node: reconcile::NodeId) {
        let channels = vec![self.cluster.names.channel(node), self.cluster.names.common_channel()];
        if let Some(channel) = self.channel.open() {
            let subscribed = channel.subscribe(channels);
            self.subscribing.push(async move { (id, subscribed.await) }.boxed());
        }
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
