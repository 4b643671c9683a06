//! What this node says to others, and hears from them, besides what they need to agree. Does not know: how they agree.

use std::sync::{Arc, PoisonError};

use redis::Value;

use super::Cluster;
use super::calls::synced;
use super::message::{Message, Relay};
use super::names::{parse_user, user_text};
use crate::app::App;
use crate::gateway::fanout::{self, Receivers};
use crate::gateway::visit::Elsewhere;
use crate::identity::Identity;
use crate::registry::session::Labelled;
use crate::registry::{Amendment, Interner, Session, SocketId, User, UserKey, record};

/// A message between sessions, and whom it is for.
pub(crate) struct Relayed<'a> {
    pub(crate) receivers: Receivers,
    pub(crate) message: &'a fanout::Message<'a>,
}

impl Cluster {
    /// What Redis knows of a user.
    pub(crate) async fn read(&self, identity: &Identity, user: &UserKey) -> Elsewhere {
        let Some(mut link) = self.link() else { return Elsewhere::default() };
        let command = link.calls().read(&user_text(identity, user));
        let answer = match link.ask(command).await {
            Ok(answer) => answer,
            Err(trouble) => {
                self.note_trouble(&trouble);
                return Elsewhere::default();
            }
        };
        self.elsewhere(&answer)
    }

    /// What an answer of Redis says of a user.
    pub(super) fn elsewhere(&self, answer: &Value) -> Elsewhere {
        let Some(known) = synced(answer) else { return Elsewhere::default() };
        // Of their own: they are soon forgotten, and leave nothing in the table of those that are here.
        let agents = Interner::default();
        let dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut sessions: Vec<(Session, u64)> = known
            .list
            .into_iter()
            .filter(|entry| !dead.contains(&entry.node))
            .filter_map(|entry| Some((record::decode(entry.session, &entry.item, &agents)?, entry.node.0)))
            .collect();
        sessions.sort_unstable_by_key(|(session, _)| session.order());
        let (sessions, nodes) = sessions.into_iter().unzip();
        Elsewhere { sessions, nodes, revision: known.revision, is_complete: self.is_complete() }
    }

    /// Sends a message to a user's sessions on these nodes; gives which of them have taken it.
    pub(crate) async fn relay(
        &self,
        identity: &Identity,
        user: &UserKey,
        nodes: &[u64],
        Relayed { receivers, message }: &Relayed<'_>,
    ) -> Vec<bool> {
        let (to, but) = match receivers {
            Receivers::One(id) => (Some(id), None),
            Receivers::All => (None, None),
            Receivers::AllBut(id) => (None, Some(id)),
        };
        let text = |id: &SocketId| id.as_str().to_owned();
        let message = Message::Send(Relay {
            user: user_text(identity, user).into(),
            to: to.map(text),
            but: but.map(text),
            from: message.from.as_ref().map(text),
            event: message.event.to_owned(),
            data: message.data.to_owned(),
            attachments: message.attachments.to_vec(),
            sent_at: message.sent_at,
        });
        self.say_to(nodes, message).await
    }

    /// Tells the user's other nodes of a session whose login was never seen before.
    pub(crate) async fn announce(&self, identity: &Identity, user: &User, id: &SocketId, since: u64) {
        let (nodes, record) = {
            let roster = user.roster();
            let Some(session) = roster.find(id) else { return };
            (roster.other_nodes(), String::from_utf8(record::encode(session)).unwrap_or_default()) // JSON is UTF-8
        };
        let (user, session) = (user_text(identity, user.key()).into(), id.as_str().into());
        self.say_to(&nodes, Message::New { user, session, record, since }).await;
    }

    /// Tells the user's other nodes what a device, or a login, is called.
    pub(crate) async fn label(&self, identity: &Identity, user: &User, of: &Labelled, label: Option<&str>) {
        let nodes = user.roster().other_nodes();
        let (user, of) = (user_text(identity, user.key()).into(), of.to_string());
        self.say_to(&nodes, Message::Label { user, of, label: label.map(str::to_owned) }).await;
    }

    /// Tells all nodes that SQL has news.
    pub(crate) async fn have_others_look(&self) {
        if let Some(mut link) = self.link() {
            // What is lost only delays: they look by themselves every few seconds.
            let _ = link.publish(&[self.names.common_channel()], &Message::Look.encode()).await;
        }
    }

    async fn say_to(&self, nodes: &[u64], message: Message) -> Vec<bool> {
        let nobody = vec![false; nodes.len()];
        let Some(mut link) = self.link().filter(|_| !nodes.is_empty()) else { return nobody };
        let channels: Vec<String> =
            nodes.iter().map(|node| self.names.channel(reconcile::NodeId(*node))).collect();
        link.publish(&channels, &message.encode()).await.unwrap_or(nobody)
    }
}

/// Another node has said something.
pub(super) fn hear(app: &Arc<App>, message: Message) {
    let find = |user: &str| app.presence.find(&parse_user(&app.identity, user)?);
    match message {
        // `worker` has it.
        Message::Agreement(_) | Message::List { .. } | Message::Echo(_) => {}
        Message::Look => app.look_soon(),
        Message::Send(relay) => {
            let Some(user) = find(&relay.user) else { return };
            let Some(receivers) = receivers(&relay) else { return };
            let message = fanout::Message {
                from: relay.from.as_deref().and_then(SocketId::parse),
                event: &relay.event,
                data: &relay.data,
                attachments: &relay.attachments,
                sent_at: relay.sent_at,
            };
            app.presence.message(&user.roster(), receivers, &message);
        }
        Message::New { user, session, record, since } => {
            let (Some(user), Some(id)) = (find(&user), SocketId::parse(&session)) else { return };
            if let Some(session) = record::decode(id, record.as_bytes(), &Interner::default()) {
                app.presence.announce_other(&user, &session, since);
            }
        }
        Message::Label { user, of, label } => {
            let (Some(user), Some(of)) = (find(&user), Labelled::parse(&of)) else { return };
            let label = Amendment::Label(of, label.map(Arc::from));
            app.presence.amend(app.clock.now(), &user, &label);
        }
    }
}

/// `None` when it names a session as nobody does.
fn receivers(relay: &Relay) -> Option<Receivers> {
    Some(match (&relay.to, &relay.but) {
        (Some(one), _) => Receivers::One(SocketId::parse(one)?),
        (None, Some(but)) => Receivers::AllBut(SocketId::parse(but)?),
        (None, None) => Receivers::All,
    })
}
