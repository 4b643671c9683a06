//! The numbers of each server: this one, and of a cluster the others as they tell. Only what is counted anyway. Does not know:
//! who asks.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{NAMESPACE, SESSIONS};
use crate::app::App;
use crate::cluster::status::NodeRow;
use crate::telemetry::metrics::Connections;

/// What was counted when somebody last looked.
#[derive(Debug, Default)]
pub(super) struct Stats {
    before: HashMap<String, (u64, Connections)>,
}

/// One server.
struct Server<'a> {
    /// The node's tag.
    id: &'a str,
    hostname: &'a str,
    pid: u32,
    /// In milliseconds since the epoch.
    started_at: u64,
    connections: Connections,
    sessions: u64,
    /// Pages that are open, where that is known.
    pages: Option<usize>,
}

impl Stats {
    /// `server_stats` of this server and of those in the table of nodes.
    pub(super) fn of_all(&mut self, app: &App, pages: usize, nodes: &[NodeRow]) -> Vec<Value> {
        let now = app.clock.unix_millis();
        let own = Server {
            id: &app.node_tag,
            hostname: &app.host.name,
            pid: app.host.pid,
            started_at: app.host.started_at,
            connections: app.metrics.connections(),
            sessions: app.metrics.sessions(),
            pages: Some(pages),
        };
        // One whose lease has ended is dead, which the page finds out when it hears no more of it.
        let is_other = |row: &&NodeRow| {
            row.lease_ms.is_some() && row.status.tag != app.node_tag && !row.status.tag.is_empty()
        };
        let others = nodes.iter().filter(is_other).map(Server::of);
        let servers: Vec<Server<'_>> = std::iter::once(own).chain(others).collect();
        let told = servers.iter().map(|server| self.of_one(now, server)).collect();
        self.before.retain(|id, _| servers.iter().any(|server| server.id == id));
        told
    }

    fn of_one(&mut self, now: u64, server: &Server<'_>) -> Value {
        let Connections { websocket, polling, .. } = server.connections;
        let mut namespaces = vec![json!({ "name": SESSIONS, "socketsCount": server.sessions })];
        namespaces.extend(server.pages.map(|pages| json!({ "name": NAMESPACE, "socketsCount": pages })));
        json!({
            "serverId": server.id,
            "hostname": server.hostname,
            "pid": server.pid,
            "uptime": now.saturating_sub(server.started_at) / 1000,
            "clientsCount": websocket + polling,
            "pollingClientsCount": polling,
            "aggregatedEvents": self.events(now, server),
            "namespaces": namespaces,
        })
    }

    /// What has happened since the last look. Packets and bytes are not counted, so nothing is said of them.
    fn events(&mut self, now: u64, server: &Server<'_>) -> Vec<Value> {
        let Server { connections, started_at, .. } = *server;
        let before = self.before.insert(server.id.to_owned(), (started_at, connections));
        let Some((_, before)) = before.filter(|(before, _)| *before == started_at) else { return Vec::new() };
        let opened = |at: Connections| at.websocket + at.polling + at.closed;
        let counts = [
            ("rawConnection", opened(connections).saturating_sub(opened(before))),
            ("rawDisconnection", connections.closed.saturating_sub(before.closed)),
        ];
        let event = |(kind, count): (&str, u64)| {
            (count > 0).then(|| json!({ "timestamp": now / 1000 * 1000, "type": kind, "count": count }))
        };
        counts.into_iter().filter_map(event).collect()
    }
}

impl<'a> Server<'a> {
    fn of(row: &'a NodeRow) -> Self {
        let status = &row.status;
        Self {
            id: &status.tag,
            hostname: &status.hostname,
            pid: status.pid,
            started_at: status.started_at,
            connections: Connections {
                websocket: status.websocket,
                polling: status.polling,
                closed: status.closed,
            },
            sessions: status.sessions,
            pages: None,
        }
    }
}
