//! What is tried on the script.

use std::collections::{BTreeMap, BTreeSet};

use reconcile::{Field, Login, NodeId, Sync};

use super::random::Random;
use super::redis::{Data, Value};
use super::user::ITEMS;

/// A sync of no node.
pub fn nothing(user: u64) -> Sync<u64, u64, u64> {
    let (fields, ends, dead) = (Vec::new(), Vec::new(), Vec::new());
    let (node, seq, part, held, highest) = (NodeId(0), 0, 0, 0, 0);
    Sync { user, node, seq, part, is_last: true, fields, ends, held, highest, dead }
}

/// A sync of some node, mostly a later one than those before it.
pub fn sync(
    random: &mut Random,
    seqs: &mut BTreeMap<NodeId, u64>,
    model: &Data,
    user: u64,
) -> Sync<u64, u64, u64> {
    let node = NodeId(random.below(5));
    let seq = seqs.entry(node).or_default();
    *seq += 1;
    let seq = if random.chance(90) { *seq } else { seq.saturating_sub(random.below(30)).max(1) };
    let told = model.revisions.get(&user).map_or(0, |revision| revision.revision);
    let mut sessions: Vec<u64> = (0..16).collect();
    let fields = (0..random.below(6)).map(|_| {
        let session = sessions.swap_remove(random.below(sessions.len() as u64) as usize);
        Field {
            session,
            order: random.below(6),
            login: Login(["a", "b", "long-login"][random.below(3) as usize].into()),
            item: random.below(ITEMS.len() as u64),
            is_join: random.chance(60),
            replaces: if random.chance(30) { Some(random.below(16)) } else { None },
        }
    });
    let mut fields: Vec<_> = fields.collect();
    if random.chance(20) {
        fields = said_again(random, model.hashes.get(&user), node);
    }
    let asked = if random.chance(20) { random.below(4) } else { 0 };
    let ends: BTreeSet<u64> = (0..asked).map(|_| random.below(16)).collect();
    let dead = (0..5).map(NodeId).filter(|dead| *dead != node && random.chance(3)).collect();
    Sync {
        user,
        node,
        seq,
        part: u32::from(random.chance(25)),
        is_last: random.chance(80),
        fields,
        ends: ends.into_iter().collect(),
        held: 0,
        highest: if random.chance(70) { 0 } else { (told + random.below(12)).saturating_sub(1) },
        dead,
    }
}

/// What a node has said, with a change at the most.
fn said_again(
    random: &mut Random,
    live: Option<&BTreeMap<u64, Value>>,
    node: NodeId,
) -> Vec<Field<u64, u64>> {
    let own = live.into_iter().flatten().filter(|(_, value)| value.node == node);
    let mut fields: Vec<_> = own
        .map(|(session, value)| Field {
            session: *session,
            order: value.order,
            login: value.login.clone(),
            item: value.item,
            is_join: false,
            replaces: None,
        })
        .collect();
    let place = random.below(fields.len() as u64) as usize;
    if let Some(field) = fields.get_mut(place) {
        match random.below(5) {
            0 => field.order += 1,
            1 => field.login = Login("c".into()),
            2 => field.item = (field.item + 1) % ITEMS.len() as u64,
            3 => field.replaces = Some(random.below(16)),
            _ => {}
        }
    }
    fields
}
