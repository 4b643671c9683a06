//! What keys and channels are called in Redis. All begin with `rollcall:`; what two releases would understand differently
//! gets another name. Does not know: what is in them.

use aws_lc_rs::digest::{SHA256, digest};
use reconcile::NodeId;

use crate::identity::Identity;
use crate::registry::{UserKey, record};

/// The names of one database of a Redis.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// Channels know no databases: two clusters that share a Redis must not hear each other.
    database: i64,
}

impl Names {
    pub(super) fn new(database: i64) -> Self {
        Self { database }
    }

    /// The table of nodes.
    pub(super) fn nodes(&self) -> &'static str {
        "rollcall:nodes"
    }

    /// Is there as long as the node lives.
    pub(super) fn lease(&self, node: NodeId) -> String {
        format!("rollcall:lease:{}", node_text(node))
    }

    /// The users of a node.
    pub(super) fn users(&self, node: NodeId) -> String {
        format!("rollcall:users:{}", node_text(node))
    }

    /// The sessions of a user, and what is to be remembered beside them: in one slot of a Redis Cluster. A name shows
    /// nothing of the user, who might be an e-mail address, and nobody can choose a slot.
    pub(super) fn user(&self, user: &str) -> [String; 2] {
        let name = record::hex(&digest(&SHA256, user.as_bytes()).as_ref()[..16]);
        [format!("rollcall:{{{name}}}:s"), format!("rollcall:{{{name}}}:r")]
    }

    /// Where it is tried whether Redis takes anything.
    pub(super) fn trial(&self, random: &str) -> String {
        format!("rollcall:trial:{random}")
    }

    /// Where one node listens.
    pub(super) fn channel(&self, node: NodeId) -> String {
        format!("rollcall:{}:node:{}", self.database, node_text(node))
    }

    /// Where all nodes listen.
    pub(super) fn common_channel(&self) -> String {
        format!("rollcall:{}:all", self.database)
    }
}

/// A node as text: 16 hexadecimal digits.
pub(super) fn node_text(node: NodeId) -> String {
    format!("{:016x}", node.0)
}

/// The inverse of [`node_text`].
pub(super) fn parse_node(text: &str) -> Option<NodeId> {
    let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| u64::from_str_radix(text, 16).ok().map(NodeId))?
}

/// A user as text, the same on all nodes: the name of the issuer entry, a colon, the subject.
pub(super) fn user_text(identity: &Identity, user: &UserKey) -> String {
    format!("{}:{}", identity.issuer_name(user.issuer).unwrap_or_default(), user.subject)
}

/// The inverse of [`user_text`]; `None` when this node has no such issuer entry.
pub(super) fn parse_user(identity: &Identity, text: &str) -> Option<UserKey> {
    let (issuer, subject) = text.split_once(':')?;
    Some(UserKey { issuer: identity.issuer_named(issuer)?, subject: subject.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_sixteen_digits_and_comes_back() {
        for node in [NodeId(0), NodeId(10), NodeId(u64::MAX)] {
            assert_eq!(parse_node(&node_text(node)), Some(node));
        }
        for text in ["", "0", "+00000000000000a", "00000000000000000", "000000000000000g"] {
            assert_eq!(parse_node(text), None, "{text}");
        }
    }

    #[test]
    fn the_keys_of_a_user_share_a_slot_and_two_users_never_a_key() {
        let names = Names::new(0);
        // sha256("built-in:ada")
        let [sessions, meta] = names.user("built-in:ada");
        assert_eq!(sessions, "rollcall:{63daabda0c2ca2c84f30c895b1418568}:s");
        assert_eq!(meta, "rollcall:{63daabda0c2ca2c84f30c895b1418568}:r");
        assert_ne!(names.user("built-in:a"), names.user("built-in:a}:s"));
    }
}
