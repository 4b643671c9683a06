//! What the process may hold in all, and who is turned away when that is used up: the newest, and those that were not let in
//! yet. Whoever is there keeps what they have. Does not know: what a refused client is told.

mod addresses;
pub(crate) mod descriptors;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engineio::server::Budget;

use crate::config::LimitsConfig;
pub(crate) use addresses::network;
use addresses::{Addresses, Key};

/// The counts of one process.
#[derive(Debug)]
pub struct Overload {
    /// Sockets of an address.
    sockets: Addresses,
    /// TCP connections of an address that are no WebSocket.
    requests: Addresses,
    handshakes: AtomicUsize,
    handshakes_max: usize,
    /// Bytes that wait for all clients together.
    pub waiting: Arc<Budget>,
    /// Bytes of messages whose end has not come.
    pub incomplete: Arc<Budget>,
}

/// A limit of the whole process, by the name of its key: a label of metrics, and what a refused client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `limits.connections_per_address`.
    ConnectionsPerAddress,
    /// `limits.handshakes`.
    Handshakes,
    /// `limits.mailboxes_total`.
    MailboxesTotal,
    /// `limits.incomplete_total`.
    IncompleteTotal,
    /// What the system allows.
    Descriptors,
    /// `accounts.hash_queue`.
    HashQueue,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ConnectionsPerAddress,
        Self::Handshakes,
        Self::MailboxesTotal,
        Self::IncompleteTotal,
        Self::Descriptors,
        Self::HashQueue,
    ];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::Handshakes => "handshakes",
            Self::MailboxesTotal => "mailboxes_total",
            Self::IncompleteTotal => "incomplete_total",
            Self::Descriptors => "descriptors",
            Self::HashQueue => "hash_queue",
        }
    }
}

/// What one socket is counted by, to be given back with [`Overload::leave`]: the key of its address, and in the bit that is
/// left whether it is a handshake that is under way.
#[derive(Debug)]
pub(crate) struct Place(u32);

impl Overload {
    /// Nobody is there.
    pub fn new(limits: &LimitsConfig) -> Self {
        let per_address = limits.connections_per_address.get();
        Self {
            sockets: Addresses::new(per_address),
            requests: Addresses::new(
                per_address.saturating_mul(REQUESTS_PER_SOCKET).saturating_add(OTHER_REQUESTS),
            ),
            handshakes: AtomicUsize::new(0),
            handshakes_max: limits.handshakes.get(),
            waiting: Budget::new(limits.mailboxes_total.get()),
            incomplete: Budget::new(limits.incomplete_total.get()),
        }
    }

    /// A socket wants to open from this address.
    ///
    /// # Errors
    /// The limit that is in its way; nothing is counted then.
    pub(crate) fn enter(&self, address: IpAddr) -> Result<Place, Limit> {
        if self.waiting.is_full() {
            return Err(Limit::MailboxesTotal);
        }
        let more = |count: usize| (count < self.handshakes_max).then_some(count + 1);
        self.handshakes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map_err(|_| Limit::Handshakes)?;
        match self.sockets.enter(address) {
            Some(Key(address)) => Ok(Place(address | IS_NEW)),
            None => {
                self.handshakes.fetch_sub(1, Ordering::Relaxed);
                Err(Limit::ConnectionsPerAddress)
            }
        }
    }

    /// The client of this socket is let in: its handshake is over.
    pub(crate) fn settle(&self, place: &mut Place) {
        if place.0 & IS_NEW != 0 {
            place.0 &= !IS_NEW;
            self.handshakes.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The socket is gone.
    pub(crate) fn leave(&self, place: &mut Place) {
        self.settle(place);
        self.sockets.leave(Key(place.0));
    }

    /// Whether new clients have less time than others: many have opened a socket and not been let in.
    pub(crate) fn is_in_a_hurry(&self) -> bool {
        self.handshakes() > self.handshakes_max / 2
    }

    /// Handshakes that are under way: sockets whose client was not let in yet.
    pub fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::Relaxed)
    }

    /// The most there may be.
    pub fn handshakes_max(&self) -> usize {
        self.handshakes_max
    }

    /// Sockets that one address may have.
    pub fn per_address(&self) -> u32 {
        self.sockets.max()
    }

    /// Addresses that have sockets.
    pub fn addresses(&self) -> usize {
        self.sockets.len()
    }
}

/// A TCP connection that is no WebSocket, from when it was accepted until it ends or becomes one.
#[derive(Debug)]
pub(crate) struct Arrival {
    overload: Arc<Overload>,
    address: Key,
}

impl Arrival {
    /// `None` when this address has too many of them.
    pub(crate) fn of(overload: &Arc<Overload>, address: IpAddr) -> Option<Self> {
        let address = overload.requests.enter(address)?;
        Some(Self { overload: overload.clone(), address })
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.overload.requests.leave(self.address);
    }
}

/// A polling session has a poll and a post under way, each over a connection of its own.
const REQUESTS_PER_SOCKET: u32 = 2;
/// Besides, an address asks for pages and tokens, and keeps some connections for later.
const OTHER_REQUESTS: u32 = 64;
/// Of a [`Place`]; no key of an address has it.
const IS_NEW: u32 = 1 << 31;
/// Each socket has one.
const _: () = assert!(size_of::<Place>() <= 4);

#[cfg(test)]
mod tests {
    use super::*;

    fn overload(per_address: u32, handshakes: usize) -> Overload {
        Overload::new(&LimitsConfig {
            connections_per_address: per_address.try_into().unwrap(),
            handshakes: handshakes.try_into().unwrap(),
            ..LimitsConfig::default()
        })
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_handshake_counts_until_its_client_is_in_and_its_address_until_it_is_gone() {
        let overload = overload(2, 100);
        let (mut one, mut other) = (overload.enter(HERE).unwrap(), overload.enter(HERE).unwrap());
        assert_eq!(overload.handshakes(), 2);
        overload.settle(&mut one);
        overload.settle(&mut one);
        assert_eq!(overload.handshakes(), 1);
        assert_eq!(overload.enter(HERE).unwrap_err(), Limit::ConnectionsPerAddress);
        assert_eq!(overload.handshakes(), 1, "who is refused is not counted");
        overload.leave(&mut other);
        overload.leave(&mut one);
        assert_eq!((overload.handshakes(), overload.addresses()), (0, 0));
    }

    #[test]
    fn new_clients_are_turned_away_when_there_are_many_and_hurried_before_that() {
        let overload = overload(100, 4);
        let mut places: Vec<Place> = Vec::new();
        for hurry in [false, false, true, true] {
            places.push(overload.enter(HERE).unwrap());
            assert_eq!(overload.is_in_a_hurry(), hurry);
        }
        assert_eq!(overload.enter(HERE).unwrap_err(), Limit::Handshakes);
        overload.settle(&mut places[0]);
        overload.enter(HERE).unwrap();
    }

    #[test]
    fn nobody_comes_in_while_too_much_waits_for_those_who_are_there() {
        let overload = overload(100, 100);
        let waits = overload.waiting.frame(vec![0; overload.waiting.max()]);
        assert_eq!(overload.enter(HERE).unwrap_err(), Limit::MailboxesTotal);
        drop(waits);
        overload.enter(HERE).unwrap();
    }
}
