//! What an operator is shown of the other nodes: what they say of themselves, and some of their users. Read from Redis when
//! somebody looks, and not otherwise. Does not know: who looks.

use reconcile::NodeId;
use redis::cmd;

use super::calls::{array, text};
use super::link::Link;
use super::names::{parse_user, user_text};
use super::place::Trouble;
use super::status::NodeRow;
use super::{Cluster, names};
use crate::gateway::visit::Elsewhere;
use crate::identity::Identity;
use crate::registry::UserKey;

impl Cluster {
    /// The table of nodes, sorted by tag; empty while Redis is away.
    pub(crate) async fn nodes(&self) -> Vec<NodeRow> {
        let Some(mut link) = self.link() else { return Vec::new() };
        link.table().await.inspect_err(|trouble| self.note_trouble(trouble)).unwrap_or_default()
    }

    /// About `max` users of these nodes together with their lists, as many of each node and the same ones each time, but for
    /// those that `is_known` here anyway.
    pub(crate) async fn some_users(
        &self,
        identity: &Identity,
        nodes: &[NodeRow],
        max: usize,
        is_known: impl Fn(&UserKey) -> bool,
    ) -> Vec<(UserKey, Elsewhere)> {
        let Some(mut link) = self.link() else { return Vec::new() };
        let nodes: Vec<NodeId> = nodes.iter().filter_map(|row| names::parse_node(&row.node)).collect();
        let share = max / nodes.len().max(1);
        let mut users = Vec::new();
        for node in nodes {
            match self.users_of(&mut link, identity, node, share).await {
                Ok(found) => users.extend(found.into_iter().filter(|user| !is_known(user))),
                Err(trouble) => self.note_trouble(&trouble),
            }
        }
        users.sort_unstable_by(|one, other| {
            (one.issuer.0, &one.subject).cmp(&(other.issuer.0, &other.subject))
        });
        users.dedup();
        users.truncate(max);
        let mut lists = Vec::with_capacity(users.len());
        for some in users.chunks(USERS_AT_ONCE) {
            let commands = some.iter().map(|user| link.calls().read(&user_text(identity, user))).collect();
            match link.ask_all(commands).await {
                Ok(answers) => {
                    lists.extend(some.iter().cloned().zip(answers.iter().map(|answer| match answer {
                        Ok(answer) => self.elsewhere(answer),
                        Err(_) => Elsewhere::default(),
                    })))
                }
                Err(trouble) => {
                    self.note_trouble(&trouble);
                    break;
                }
            }
        }
        lists
    }

    /// The first page of a node's users, in the order of a hash: as good as drawn, and it stays.
    async fn users_of(
        &self,
        link: &mut Link,
        identity: &Identity,
        node: NodeId,
        about: usize,
    ) -> Result<Vec<UserKey>, Trouble> {
        let scan = cmd("ZSCAN").arg(self.names.users(node)).arg(0).arg("COUNT").arg(about.max(1)).take();
        let answer = link.ask(scan).await?;
        let Some([_, page]) = array(&answer) else { return Ok(Vec::new()) };
        // Members, each with its score. A small set comes whole, whatever was asked for.
        let members = array(page).unwrap_or_default().chunks(2).take(about);
        Ok(members.filter_map(|pair| parse_user(identity, text(pair.first()?)?)).collect())
    }
}

/// Lists in one round trip: some milliseconds of Redis.
const USERS_AT_ONCE: usize = 100;
