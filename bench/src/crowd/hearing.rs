//! What a packet means to the session that gets it, and what the crowd learns of it. Does not know: transports.

use std::borrow::Cow;
use std::time::Instant;

use super::shared::{End, Shared, What};
use crate::message::Message;
use crate::session::{Seat, Session, Step};

/// A session that listens.
pub(super) struct Hearing<'a> {
    pub(super) session: &'a mut Session,
    pub(super) seat: Seat,
    /// When its connect began.
    pub(super) since: Instant,
}

impl Hearing<'_> {
    /// Takes one packet; gives the packet that is owed to the server for it.
    pub(super) fn hear(
        &mut self,
        packet: &[u8],
        shared: &mut Shared,
    ) -> Result<Option<Cow<'static, [u8]>>, End> {
        let was_settled = self.session.is_settled();
        let answer = self.take(packet, shared)?;
        if !was_settled && self.session.is_settled() {
            shared.tell(self.seat.index, What::Settled);
        }
        Ok(answer)
    }

    fn take(&mut self, packet: &[u8], shared: &mut Shared) -> Result<Option<Cow<'static, [u8]>>, End> {
        let index = self.seat.index;
        if shared.counts_only && packet.starts_with(UPDATE) {
            shared.tally.updates += 1;
            shared.tally.update_bytes += packet.len() as u64;
            self.session.count_update();
            return Ok(None);
        }
        let text = String::from_utf8_lossy(packet);
        let message = Message::decode(&text, self.session.own())?;
        if let Some(transcript) = &mut shared.transcript {
            transcript.push((index, text.into_owned()));
        }
        match self.session.handle_message(self.seat, message, &mut shared.ledger)? {
            Step::Nothing => {}
            Step::Pong => {
                shared.tally.pings += 1;
                return Ok(Some(Cow::Borrowed(b"3")));
            }
            Step::Connect => {
                let mut connect = Vec::new();
                shared.cast.encode_connect(index, &mut connect)?;
                shared.tell(index, What::Asked);
                return Ok(Some(Cow::Owned(connect)));
            }
            Step::Ready => {
                let took = shared.now.saturating_duration_since(self.since);
                shared.tell(index, What::Ready(took));
            }
            Step::Updated => {
                shared.tally.updates += 1;
                shared.tally.update_bytes += packet.len() as u64;
                shared.tell(index, What::Updated(self.session.newest().len));
            }
            Step::Relayed(relayed) => shared.tell(index, What::Relayed(relayed)),
            Step::Acked(id, ack) => shared.tell(index, What::Acked(id, ack)),
        }
        Ok(None)
    }
}

/// How an update begins where nobody puts blanks into JSON. Another form is read and counted as well, only slower.
const UPDATE: &[u8] = b"42/sessions,[\"sessions:update\"";
