//! Section `limits`: what one client may ask of the server, and all of them together.

use std::num::{NonZeroU32, NonZeroUsize};

use serde::{Deserialize, Serialize};

use super::setting;
use crate::registry::{Caps, Policy};

setting::word_setting!(Policy, "deny or evict_oldest", {
    "deny" => Policy::Deny,
    "evict_oldest" => Policy::EvictOldest,
});

/// Bounds per connection, per user and per process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Bytes of one message, and of one polling body (`maxPayload` of the handshake). Default 100000: a client of
    /// sessions sends hundreds.
    #[serde(with = "setting")]
    pub max_payload: NonZeroUsize,
    /// Frames of any kind that a client may send in a second on average. Default 200; more closes it.
    #[serde(with = "setting")]
    pub packets_per_second: NonZeroU32,
    /// Frames that it may send at once. Default 1000: what was kept while it was offline.
    #[serde(with = "setting")]
    pub packets_burst: NonZeroU32,
    /// Bytes that may wait for one slow client before it is cut; this × sockets is the worst case of memory.
    /// Default 262144. The newest list always fits.
    #[serde(with = "setting")]
    pub mailbox: NonZeroUsize,
    /// Bytes that may wait for all clients together. While so many do, nobody new is taken, messages are lost, and who takes
    /// nothing is cut at once. Default 268435456: a thousand clients with all that one may have.
    #[serde(with = "setting")]
    pub mailboxes_total: NonZeroUsize,
    /// Bytes of messages whose end has not come, of all clients together; half of it for those that are not in the
    /// namespace. Default 67108864: some hundred clients in the middle of the largest message.
    #[serde(with = "setting")]
    pub incomplete_total: NonZeroUsize,
    /// Sockets that one client address may have; an IPv6 /64 counts as one. Default 4096: an office behind one address, and
    /// load tests.
    #[serde(with = "setting")]
    pub connections_per_address: NonZeroU32,
    /// Sockets whose clients have not been let in yet. Default 16384: what comes back in a second or two when a large node
    /// restarts.
    #[serde(with = "setting")]
    pub handshakes: NonZeroUsize,
    /// Sessions that one user may have, by all logins. Default 100: more tabs than anybody finds again; an update goes to
    /// each of them.
    #[serde(with = "setting")]
    pub sessions_per_user: NonZeroUsize,
    /// Sessions that one login may have. Default 50, so that one browser cannot shut out the others of its user.
    #[serde(with = "setting")]
    pub sessions_per_login: NonZeroUsize,
    /// What happens to one more. Default `deny`.
    #[serde(with = "setting")]
    pub sessions_policy: Policy,
    /// Messages a second that all sessions of one user may send to one another, and at once. Default 20: what a person
    /// does; a stream of positions or strokes needs more.
    #[serde(with = "setting")]
    pub sends_per_second: NonZeroU32,
}

impl LimitsConfig {
    /// Those that count sessions.
    pub fn caps(&self) -> Caps {
        Caps {
            per_user: self.sessions_per_user.get(),
            per_login: self.sessions_per_login.get(),
            policy: self.sessions_policy,
        }
    }

    /// Values that are fine alone and impossible together: the key to blame and what to do.
    pub(super) fn contradiction(&self) -> Option<(&'static str, String)> {
        for (key, given) in
            [("limits.max_payload", self.max_payload.get()), ("limits.mailbox", self.mailbox.get())]
        {
            if given < LEAST_PAYLOAD {
                let why =
                    format!("given {given}; allowed: {LEAST_PAYLOAD} or more, what one CONNECT may need");
                return Some((key, why));
            }
        }
        if self.packets_burst < self.packets_per_second {
            let why = format!(
                "given {}; allowed: limits.packets_per_second ({}) or more",
                self.packets_burst, self.packets_per_second
            );
            return Some(("limits.packets_burst", why));
        }
        let twice = self.max_payload.get().saturating_mul(2);
        for (key, given, least, of) in [
            ("limits.mailboxes_total", self.mailboxes_total, self.mailbox.get(), "limits.mailbox"),
            ("limits.incomplete_total", self.incomplete_total, twice, "twice limits.max_payload"),
        ] {
            if given.get() < least {
                return Some((key, format!("given {given}; allowed: {of} ({least}) or more")));
            }
        }
        None
    }
}

/// Bytes: the smallest bound that lets a client in.
const LEAST_PAYLOAD: usize = 1024;

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_payload: NonZeroUsize::MIN.saturating_add(99_999),
            packets_per_second: NonZeroU32::MIN.saturating_add(199),
            packets_burst: NonZeroU32::MIN.saturating_add(999),
            mailbox: NonZeroUsize::MIN.saturating_add(262_143),
            mailboxes_total: NonZeroUsize::MIN.saturating_add(268_435_455),
            incomplete_total: NonZeroUsize::MIN.saturating_add(67_108_863),
            connections_per_address: NonZeroU32::MIN.saturating_add(4095),
            handshakes: NonZeroUsize::MIN.saturating_add(16_383),
            sessions_per_user: NonZeroUsize::MIN.saturating_add(99),
            sessions_per_login: NonZeroUsize::MIN.saturating_add(49),
            sessions_policy: Policy::Deny,
            sends_per_second: NonZeroU32::MIN.saturating_add(19),
        }
    }
}
