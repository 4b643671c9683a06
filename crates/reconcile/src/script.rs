//! The two scripts, and what a sync is for the first of them.
//! Does not know: how a script is run, the names of keys, how a reply is read.

use crate::call::{NodeId, Sync};
use crate::config::Config;

/// Says, ends, reaps and reads; keys, arguments and reply are told at its top.
pub const SYNC: &str = include_str!("sync.lua");
/// Takes a user from a node's set.
pub const REMOVE: &str = include_str!("remove.lua");

/// How ids and items are written. None of the ids may be empty or have a space in it, and that of a node is not `-`.
pub trait Write<S, I> {
    /// The id of a node, as in the names of its keys.
    fn node(&self, node: NodeId) -> Vec<u8>;
    /// The id of a session. Of two sessions of the same age the one with less bytes is older, as by its [`Ord`].
    fn session(&self, session: &S) -> Vec<u8>;
    /// Any bytes.
    fn item(&self, item: &I) -> Vec<u8>;
}

/// The arguments of [`SYNC`] for a sync.
pub fn sync_args<U, S, I>(sync: &Sync<U, S, I>, config: &Config, write: &impl Write<S, I>) -> Vec<Vec<u8>> {
    let node = write.node(sync.node);
    let mut args = head(&node, (sync.seq, sync.part, sync.is_last, sync.highest), config);
    args.push(text(sync.dead.len()));
    args.push(text(sync.ends.len()));
    args.extend(sync.dead.iter().map(|dead| write.node(*dead)));
    args.extend(sync.ends.iter().map(|session| write.session(session)));
    for field in &sync.fields {
        args.extend([
            write.session(&field.session),
            flag(field.is_join),
            text(field.order),
            field.login.0.as_bytes().to_vec(),
            field.replaces.as_ref().map(|replaced| write.session(replaced)).unwrap_or_default(),
            write.item(&field.item),
        ]);
    }
    args
}

/// The arguments of [`SYNC`] that drop what a dead id has, or, without one, only read.
pub fn read_args(dead: Option<&[u8]>, config: &Config) -> Vec<Vec<u8>> {
    let mut args = head(b"", (0, 0, true, 0), config);
    args.push(text(dead.iter().len()));
    args.push(text(0));
    args.extend(dead.map(<[u8]>::to_vec));
    args
}

fn head(node: &[u8], (seq, part, is_last, highest): (u64, u32, bool, u64), config: &Config) -> Vec<Vec<u8>> {
    let cap = |cap: usize| if cap == usize::MAX { Vec::new() } else { text(cap) };
    let caps = &config.caps;
    vec![
        node.to_vec(),
        text(seq),
        text(part),
        flag(is_last),
        text(highest),
        cap(caps.per_user),
        cap(caps.per_login),
        flag(caps.evict_oldest),
        text(config.keep().as_millis()),
        text(config.keep_ended().as_millis()),
    ]
}

fn text(number: impl std::fmt::Display) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn flag(is_set: bool) -> Vec<u8> {
    vec![if is_set { b'1' } else { b'0' }]
}
