//! One connection of a page: it signs in, and asks. On `ops.listen` it is all that there is; on the main listener the gateway
//! hands a connection over that asks for `/admin`. Does not know: what pages are shown.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::server::{
    Application, CloseCode, Cut, Factory, Flow, Goodbye, Mailbox, Opening, Outbox, Rejection, spawn,
};
use engineio::{CloseReason, Message};
use socketio::connection::{encode_connect_error, encode_connected, encode_invalid_namespace};
use socketio::{Connection, Event, NamespaceId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::commands::{self, Command};
use super::desk::{Entered, Page};
use super::sign_in::{Refusal, SignedIn};
use super::{Admin, NAMESPACE, telling, watch};
use crate::app::App;
use crate::ids;
use crate::lifecycle::Phase;
use crate::store::{Action, Actor, Audit};

/// One connection.
pub(crate) struct Visitor {
    app: Arc<App>,
    admin: Arc<Admin>,
    connection: Connection,
    mailbox: Arc<Mailbox>,
    /// Of the client, for counting tries.
    address: IpAddr,
    /// Once it has signed in.
    page: Option<Arc<Page>>,
    /// Until when it has to.
    deadline: Instant,
    /// What it is counted by on a listener of its own.
    _place: Option<OwnedSemaphorePermit>,
}

impl Visitor {
    /// A connection that wants to look; `None` when nobody may.
    pub(crate) fn new(
        now: Instant,
        app: &Arc<App>,
        mailbox: Arc<Mailbox>,
        address: IpAddr,
        place: Option<OwnedSemaphorePermit>,
    ) -> Option<Self> {
        let admin = app.admin.clone()?;
        Some(Self {
            app: app.clone(),
            connection: Connection::new(&admin.socketio, now),
            admin,
            mailbox,
            address,
            page: None,
            deadline: now + SIGN_IN_TIME,
            _place: place,
        })
    }

    /// Whether it has signed in.
    pub(crate) fn is_signed_in(&self) -> bool {
        self.page.is_some()
    }

    fn sign_in(&mut self, now: Instant, auth: &str, out: &mut Outbox<'_>) {
        let address = self.app.config.privacy.ip.apply(self.address);
        let refuse = |message: &str, out: &mut Outbox<'_>| {
            out.text(|out| encode_connect_error(NAMESPACE, message, out));
        };
        let signed_in = match self.admin.sign_in.judge(now, auth, self.address) {
            Ok(signed_in) => signed_in,
            Err(refusal) => {
                let ip = address.map(tracing::field::display);
                match refusal {
                    // As many as an address has tries.
                    Refusal::Credentials => tracing::info!(ip, "refused an admin page"),
                    Refusal::Wait(_) => tracing::debug!(ip, "refused an admin page that has to wait"),
                }
                self.connection.leave(ADMIN);
                return refuse(&refusal.message(), out);
            }
        };
        let page = Arc::new(Page::new(self.mailbox.clone(), address));
        match self.admin.desk.enter(page.clone()) {
            Entered::Full => {
                tracing::info!(
                    ip = address.map(tracing::field::display),
                    "refused an admin page: too many are open"
                );
                self.connection.leave(ADMIN);
                return refuse("too many pages are open", out);
            }
            Entered::First => spawn(watch::run(self.app.clone(), self.admin.clone())),
            Entered::In => {}
        }
        out.text(|out| encode_connected(NAMESPACE, &ids::socket_id(), out));
        if let SignedIn::Anew(id) = &signed_in {
            out.text(|out| telling::session(id, out));
        }
        out.text(telling::config);
        tracing::info!(ip = address.map(tracing::field::display), "an admin page is open");
        self.page = Some(page);
        let app = self.app.clone();
        spawn(async move {
            let audit = Audit::of(Action::AdminSignedIn, Actor::Admin.at(address), None);
            if let Err(error) = app.store.note(app.clock.unix_millis(), &audit).await {
                tracing::warn!(%error, "that an admin page is open could not be written down");
            }
        });
    }

    fn leave(&mut self, now: Instant) {
        if let Some(page) = self.page.take() {
            self.admin.desk.leave(&page);
            self.mailbox.discard();
            self.deadline = now + SIGN_IN_TIME;
        }
    }

    fn on_event(&mut self, id: Option<u64>, name: &str, json: &str, out: &mut Outbox<'_>) -> Flow {
        let Some(page) = &self.page else { return Flow::Continue };
        let Some(command) = Command::parse(name, json) else {
            if let Some(id) = id {
                out.text(|out| telling::refused(id, "event_unknown", out));
            }
            return Flow::Continue;
        };
        let Ok(permit) = page.commands.clone().try_acquire_owned() else {
            tracing::warn!("an admin page asks for too much at once: it is cut off");
            return Flow::Close(Goodbye::Abrupt);
        };
        let (app, admin, page) = (self.app.clone(), self.admin.clone(), page.clone());
        // To its end, also when the page goes.
        spawn(async move {
            commands::carry_out(&app, &admin, &page, command, id).await;
            drop(permit);
        });
        Flow::Continue
    }
}

impl Application for Visitor {
    fn on_message(&mut self, now: Instant, message: Message<'_>, out: &mut Outbox<'_>) -> Flow {
        let admin = self.admin.clone();
        let event = match message {
            Message::Text(text) => self.connection.handle_text(&admin.socketio, text),
            Message::Binary(data) => self.connection.handle_binary(&admin.socketio, data),
        };
        match event {
            Ok(Some(Event::Connect { auth, .. })) => self.sign_in(now, auth, out),
            Ok(Some(Event::UnknownNamespace { namespace })) => {
                out.text(|out| encode_invalid_namespace(namespace, out));
            }
            Ok(Some(Event::Disconnect { .. })) => self.leave(now),
            Ok(Some(Event::Event { id, name, json, .. })) => return self.on_event(id, &name, &json, out),
            // The server asks for none.
            Ok(Some(Event::Ack { .. }) | None) => {}
            Err(_) => return Flow::Close(Goodbye::Violation),
        }
        Flow::Continue
    }

    fn on_wake(&mut self, _: Instant, _: &mut Outbox<'_>) -> Flow {
        Flow::Continue
    }

    fn on_close_request(&mut self, _: Instant, _: CloseCode, _: &mut Outbox<'_>) -> Flow {
        Flow::Close(Goodbye::Abrupt) // the page comes back by itself
    }

    fn on_timeout(&mut self, now: Instant, _: &mut Outbox<'_>) -> Flow {
        match self.page.is_none() && self.deadline <= now {
            true => Flow::Close(Goodbye::Violation),
            false => Flow::Continue,
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.page.is_none().then_some(self.deadline)
    }

    fn is_established(&self) -> bool {
        self.is_signed_in()
    }

    fn incomplete_bytes(&self) -> usize {
        self.connection.incomplete_bytes()
    }

    fn on_cut(&mut self, _: Instant, _: Cut, _: &mut Outbox<'_>) {}

    fn on_closed(&mut self, now: Instant, _: CloseReason) {
        self.leave(now);
    }
}

impl std::fmt::Debug for Visitor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Visitor")
    }
}

impl Drop for Visitor {
    /// However it ends, by a panic too, nobody is told any more.
    fn drop(&mut self) {
        if let Some(page) = &self.page {
            self.admin.desk.leave(page);
        }
    }
}

/// Makes a [`Visitor`] for each connection of a listener of its own.
pub(crate) struct Visitors {
    app: Arc<App>,
    places: Arc<Semaphore>,
}

impl Visitors {
    /// Of this server, where somebody may look.
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app, places: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

impl Factory for Visitors {
    type Application = Visitor;

    fn open(
        &self,
        now: Instant,
        opening: &Opening<'_>,
        mailbox: &Arc<Mailbox>,
    ) -> Result<Visitor, Rejection> {
        let refused = |why| Rejection { status: 503, retry_after: RETRY_AFTER, close_connection: true, why };
        if self.app.lifecycle.phase() == Phase::Draining {
            return Err(refused("server_shutdown"));
        }
        let place = self.places.clone().try_acquire_owned().map_err(|_| refused("admin_connections"))?;
        let address = self.app.client_addresses.find(opening.peer, opening.headers);
        Visitor::new(now, &self.app, mailbox.clone(), address, Some(place)).ok_or(refused("admin_off"))
    }

    fn on_refused(&self, why: &'static str) {
        self.app.metrics.request_refused(why);
    }
}

/// The one namespace of [`Admin::socketio`].
const ADMIN: NamespaceId = NamespaceId(0);
/// As long as other clients have to join something.
const SIGN_IN_TIME: Duration = Duration::from_secs(45);
/// Of a listener of its own: pages that are open, and some that are about to be.
const CONNECTIONS: usize = 64;
/// Seconds.
const RETRY_AFTER: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::{AdminPassword, Config, Setting};

    #[tokio::test]
    async fn who_does_not_sign_in_is_sent_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
        config.admin.password = AdminPassword::parse("correct horse");
        let app = App::open(config, Clock::system()).await.unwrap();
        let (now, mailbox) = (app.clock.now(), Arc::new(Mailbox::new(1)));
        let mut visitor = Visitor::new(now, &app, mailbox, [127, 0, 0, 1].into(), None).unwrap();
        let (mut buffer, late) = (Vec::new(), now + SIGN_IN_TIME);
        let mut out = Outbox::new(&mut buffer);
        assert_eq!(visitor.next_timeout(), Some(late));
        visitor.on_message(now, Message::Text("0/admin,{}"), &mut out);
        assert_eq!(visitor.on_timeout(now, &mut out), Flow::Continue);
        assert_eq!(visitor.on_timeout(late, &mut out), Flow::Close(Goodbye::Violation));
        let right = r#"0/admin,{"username":"admin","password":"correct horse"}"#;
        visitor.on_message(now, Message::Text(right), &mut out);
        assert_eq!((visitor.next_timeout(), visitor.on_timeout(late, &mut out)), (None, Flow::Continue));
        // Who leaves has as long again to come back.
        visitor.on_message(late, Message::Text("1/admin,"), &mut out);
        assert_eq!(visitor.next_timeout(), Some(late + SIGN_IN_TIME));
    }
}
