//! How a user is written in Redis: what the scripts are told and what they give, there and back.

use std::collections::BTreeMap;

use reconcile::script::Write;
use reconcile::{Entry, Login, NodeId, Synced, Why};

use super::redis::{Fence, Mark, Value};
use super::server::Reply;

pub struct Text;

/// An item is one of these.
pub const ITEMS: [&[u8]; 4] = [b"", b"x y\n\0z", b"\xff !asked 2", b"item"];

impl Write<u64, u64> for Text {
    fn node(&self, node: NodeId) -> Vec<u8> {
        format!("n{}", node.0).into_bytes()
    }

    fn session(&self, session: &u64) -> Vec<u8> {
        format!("s{session:02}").into_bytes()
    }

    fn item(&self, item: &u64) -> Vec<u8> {
        ITEMS[*item as usize].to_vec()
    }
}

pub fn value(value: &Value) -> Vec<u8> {
    let node = String::from_utf8(Text.node(value.node)).unwrap();
    let head = format!("{node} {} {} {} ", value.seq, value.order, value.login.0);
    [head.as_bytes(), ITEMS[value.item as usize]].concat()
}

pub fn mark(mark: &Mark) -> Vec<u8> {
    let node = mark.node.map_or("-".to_owned(), |node| String::from_utf8(Text.node(node)).unwrap());
    format!("{node} {} !{} {}", mark.seq, mark.why.word(), mark.until).into_bytes()
}

pub fn fence(fence: &Fence) -> String {
    match fence {
        Fence::Seq(seq, None) => seq.to_string(),
        Fence::Seq(seq, Some(until)) => format!("{seq} {until}"),
        Fence::Dead(until) => format!("x {until}"),
    }
}

/// The time in a mark.
pub fn until(value: &[u8]) -> u64 {
    number(value.rsplit(|byte| *byte == b' ').next().unwrap())
}

pub fn fences(texts: &[Vec<u8>]) -> BTreeMap<NodeId, Fence> {
    let of = |name: &[u8]| name.strip_prefix(b"n").map(node);
    let fence = |value: &[u8]| match value.iter().position(|byte| *byte == b' ') {
        Some(1) if value[0] == b'x' => Fence::Dead(number(&value[2..])),
        Some(place) => Fence::Seq(number(&value[..place]), Some(number(&value[place + 1..]))),
        None => Fence::Seq(number(value), None),
    };
    texts.chunks(2).filter_map(|pair| Some((of(&pair[0])?, fence(&pair[1])))).collect()
}

pub fn synced(reply: Reply) -> Synced<u64, u64> {
    let parts = reply.list();
    let [before, revision, is_stale, list, refused, ended, owners, lost]: [Reply; 8] =
        parts.try_into().unwrap();
    let ended = ended.texts();
    Synced {
        before: number(&before.text()),
        revision: number(&revision.text()),
        is_stale: is_stale.text() == b"1",
        list: list.texts().chunks(2).map(|pair| entry(&pair[0], &pair[1])).collect(),
        refused: refused.texts().iter().map(|session| self::session(session)).collect(),
        ended: ended.chunks(2).map(|pair| (session(&pair[0]), Why::of_word(&pair[1]))).collect(),
        owners: owners.texts().iter().map(|node| self::node(node)).collect(),
        lost: lost.texts().chunks(2).map(|pair| entry(&pair[0], &pair[1])).collect(),
    }
}

fn entry(session: &[u8], value: &[u8]) -> Entry<u64, u64> {
    let words: Vec<&[u8]> = value.splitn(5, |byte| *byte == b' ').collect();
    let [node, _, order, login, item]: [&[u8]; 5] = words.try_into().unwrap();
    Entry {
        session: self::session(session),
        node: self::node(node),
        order: number(order),
        login: Login(String::from_utf8(login.to_vec()).unwrap().into()),
        item: ITEMS.iter().position(|known| *known == item).unwrap() as u64,
    }
}

fn session(text: &[u8]) -> u64 {
    number(text.strip_prefix(b"s").unwrap())
}

fn node(text: &[u8]) -> NodeId {
    NodeId(number(text.strip_prefix(b"n").unwrap()))
}

fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}
