//! `/engine.io/`: every message comes back as it is.

use std::sync::Arc;
use std::time::Instant;

use engineio::server::{Application, CloseCode, Cut, Factory, Flow, Mailbox, Opening, Outbox, Rejection};
use engineio::{CloseReason, Message};

/// Makes an [`Echo`] for each session.
#[derive(Debug)]
pub(crate) struct Echoes;

/// Sends each message back.
#[derive(Debug)]
pub(crate) struct Echo;

impl Factory for Echoes {
    type Application = Echo;

    fn open(&self, _: Instant, _: &Opening<'_>, _: &Arc<Mailbox>) -> Result<Echo, Rejection> {
        Ok(Echo)
    }

    fn on_refused(&self, _: &'static str) {}
}

impl Application for Echo {
    fn on_message(&mut self, _: Instant, message: Message<'_>, out: &mut Outbox<'_>) -> Flow {
        match message {
            Message::Text(text) => out.text(|out| out.extend_from_slice(text.as_bytes())),
            Message::Binary(data) => out.binary(data),
        }
        Flow::Continue
    }

    fn on_wake(&mut self, _: Instant, _: &mut Outbox<'_>) -> Flow {
        Flow::Continue
    }

    fn on_close_request(&mut self, _: Instant, _: CloseCode, _: &mut Outbox<'_>) -> Flow {
        Flow::Continue
    }

    fn on_timeout(&mut self, _: Instant, _: &mut Outbox<'_>) -> Flow {
        Flow::Continue
    }

    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    fn on_cut(&mut self, _: Instant, _: Cut, _: &mut Outbox<'_>) {}

    fn on_closed(&mut self, _: Instant, _: CloseReason) {}
}
