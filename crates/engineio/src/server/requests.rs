//! How HTTP requests to the Engine.IO path become sessions, polls, posts and upgrades (Engine.IO protocol v4,
//! "Transports"). The HTTP side of both transports; what a session then does with them is the driver's business.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::application::{Application, Factory, Opening, Rejection};
use super::budget::Held;
use super::driver::Driver;
use super::sids::Found;
use super::slot::{Reply, Request as SlotRequest, Slot};
use super::switch::{accept_websocket, wants_upgrade};
use super::transport::Transport;
use super::transport::polling::Polling;
use super::transport::websocket::WebSocket;
use super::{HttpStream, Mailbox, Server, clock, spawn};
use crate::handshake::{Query, Refusal, TransportName};
use crate::{CloseReason, Violation};

type Answer = Result<Response<Full<Bytes>>, Refusal>;

/// Why a body was not taken.
enum BrokenBody {
    TooLarge,
    /// It ended half-way, or is none.
    Incomplete,
    /// All clients together have begun too much.
    NoRoom,
}

impl<F: Factory> Server<F> {
    /// Answers one request to the Engine.IO path. A poll is answered when there is something to say. The connection must be
    /// served with upgrades and over an [`HttpStream`] in a `TokioIo`: over anything else no WebSocket comes about.
    pub async fn handle(
        self: &Arc<Self>,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let origins = &self.config.origins;
        if !origins.allow(request.headers()) {
            self.factory.on_refused("forbidden_origin");
            let mut response = refusal(Refusal::Forbidden);
            origins.answer(request.headers(), response.headers_mut());
            return response;
        }
        if request.method() == Method::OPTIONS {
            let mut response = plain(StatusCode::NO_CONTENT, "text/plain", Bytes::new());
            origins.answer_preflight(request.headers(), "GET, POST", response.headers_mut());
            return response;
        }
        let origin: HeaderMap =
            request.headers().get(header::ORIGIN).map(|o| (header::ORIGIN, o.clone())).into_iter().collect();
        let mut response = self.dispatch(peer, request).await.unwrap_or_else(|refused| {
            self.factory.on_refused(refusal_name(refused));
            refusal(refused)
        });
        origins.answer(&origin, response.headers_mut());
        response
    }

    async fn dispatch(self: &Arc<Self>, peer: SocketAddr, request: Request<Incoming>) -> Answer {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let query = Query::parse(&query, self.config.protocol.transports)?;
        let upgrade = wants_upgrade(request.headers());
        match (&query.sid, query.transport) {
            (None, transport) => {
                query.judge_opening(request.method().as_str(), upgrade)?;
                if upgrade && request.version() != Version::HTTP_11 {
                    return Err(Refusal::BadRequest); // RFC 6455, section 4.2.1
                }
                Ok(match transport {
                    TransportName::Polling => self.open_polling(peer, &request),
                    TransportName::WebSocket => self.open_websocket(peer, request)?,
                })
            }
            (Some(sid), transport) => {
                let found = self.sids.find(sid).ok_or_else(|| self.sids.refusal(sid))?;
                match (transport, upgrade, request.method(), found) {
                    (TransportName::WebSocket, true, &Method::GET, found) => self.upgrade(found, request),
                    (TransportName::Polling, false, &Method::GET, Found::Polling(slot)) => poll(&slot).await,
                    (TransportName::Polling, false, &Method::POST, Found::Polling(slot)) => {
                        self.post(&slot, request).await
                    }
                    _ => Err(Refusal::BadRequest),
                }
            }
        }
    }

    fn open_polling(
        self: &Arc<Self>,
        peer: SocketAddr,
        request: &Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let mailbox = self.make_mailbox(TransportName::Polling);
        let application = match self.open(peer, request, TransportName::Polling, &mailbox) {
            Ok(application) => application,
            Err(rejection) => return reject(&rejection),
        };
        let (sid, key) = self.sids.make();
        let slot = Arc::new(Slot::new(mailbox.clone()));
        self.sids.insert(key, slot.clone());
        let transport = Transport::Polling(Box::new(Polling::new(key, slot)));
        let driver = Driver::new(clock::now(), self.clone(), transport, application, mailbox);
        let mut body = vec![b'0'];
        crate::handshake::encode_open(&self.config.protocol, &sid, TransportName::Polling, &mut body);
        spawn(driver.run());
        plain(StatusCode::OK, TEXT, body.into())
    }

    fn open_websocket(self: &Arc<Self>, peer: SocketAddr, mut request: Request<Incoming>) -> Answer {
        let response = accept_websocket(request.headers())?;
        let mailbox = self.make_mailbox(TransportName::WebSocket);
        let mut application = match self.open(peer, &request, TransportName::WebSocket, &mailbox) {
            Ok(application) => application,
            Err(rejection) => return Ok(reject(&rejection)),
        };
        let upgrade = hyper::upgrade::on(&mut request);
        let server = self.clone();
        // A task of its own, so that the session's does not carry what only the handshake needs.
        spawn(async move {
            match upgraded(upgrade).await {
                Some((websocket, held)) => {
                    let (now, transport) = (clock::now(), Transport::WebSocket(websocket));
                    let driver = Driver::new(now, server, transport, application, mailbox);
                    spawn(driver.open_and_run(now, held));
                }
                None => application.on_closed(clock::now(), CloseReason::TransportClosed),
            }
        });
        Ok(response)
    }

    fn upgrade(self: &Arc<Self>, found: Found, mut request: Request<Incoming>) -> Answer {
        let response = accept_websocket(request.headers())?;
        let upgrade = hyper::upgrade::on(&mut request);
        let server = self.clone();
        spawn(async move {
            let Some((mut websocket, held)) = upgraded(upgrade).await else { return };
            // A failed write shows again at the first read.
            let _ = websocket.write(clock::now(), &held, &server.config.waiting);
            match found {
                // A candidate that the slot refuses is dropped, which closes its socket; the session is not disturbed.
                Found::Polling(slot) => drop(slot.push(SlotRequest::Upgraded(websocket))),
                // As the reference server does: the handshake succeeds, and the WebSocket closes at once.
                Found::Upgraded => websocket.refuse(clock::now(), 1008, &server.config.waiting),
            }
        });
        Ok(response)
    }

    async fn post(&self, slot: &Arc<Slot>, request: Request<Incoming>) -> Answer {
        let Some(posting) = slot.begin_post() else {
            let _ = slot.push(SlotRequest::BrokenPost(CloseReason::Violation(Violation::OverlappingRequest))); // refused means: no session is left to close
            return Err(Refusal::BadRequest);
        };
        let headers = request.headers();
        if headers.contains_key(header::CONTENT_ENCODING) {
            posting.complete();
            return Ok(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, TEXT, Bytes::new()));
        }
        if headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/octet-stream") {
            return Err(Refusal::BadRequest); // dropping the post closes the session, as the reference server does
        }
        let mut held = self.config.incomplete.hold_nothing();
        let body = self.take_body(slot, request.into_body(), &mut held);
        let body = match tokio::time::timeout(self.config.body_timeout, body).await {
            Ok(Ok(body)) => body,
            Ok(Err(BrokenBody::TooLarge)) => {
                posting.complete();
                return Ok(closing(plain(StatusCode::PAYLOAD_TOO_LARGE, TEXT, Bytes::new())));
            }
            Ok(Err(BrokenBody::Incomplete)) => return Err(Refusal::BadRequest),
            Ok(Err(BrokenBody::NoRoom)) => {
                self.factory.on_refused(OVERLOADED.why);
                return Ok(reject(&OVERLOADED));
            }
            Err(_) => return Ok(closing(plain(StatusCode::REQUEST_TIMEOUT, TEXT, Bytes::new()))),
        };
        let (reply, answer) = oneshot::channel();
        slot.push(SlotRequest::Post(body, reply))?;
        let answer = answer.await;
        posting.complete();
        answer.map_or(Err(Refusal::UnknownSid), respond)
    }

    /// A whole body of a `POST`; what has come of it is counted in `held`.
    async fn take_body(&self, slot: &Slot, body: Incoming, held: &mut Held) -> Result<Bytes, BrokenBody> {
        let max_payload = self.config.protocol.max_payload;
        if body.size_hint().lower() > max_payload as u64 {
            return Err(BrokenBody::TooLarge);
        }
        let (mut body, mut first, mut rest) = (pin!(body), Bytes::new(), Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BrokenBody::Incomplete)?.into_data() else { continue };
            let length = first.len() + rest.len() + data.len();
            if length > max_payload {
                return Err(BrokenBody::TooLarge);
            }
            if !held.resize(length, self.incomplete_max(slot.is_established())) {
                return Err(BrokenBody::NoRoom);
            }
            match first.is_empty() {
                true => first = data,
                false => rest.extend_from_slice(&data),
            }
        }
        Ok(if rest.is_empty() { first } else { [&first[..], &rest].concat().into() })
    }

    fn open(
        &self,
        peer: SocketAddr,
        request: &Request<Incoming>,
        transport: TransportName,
        mailbox: &Arc<Mailbox>,
    ) -> Result<F::Application, Rejection> {
        let query = request.uri().query().unwrap_or_default();
        let opening = Opening { headers: request.headers(), query, peer, transport };
        self.factory
            .open(clock::now(), &opening, mailbox)
            .inspect_err(|rejected| self.factory.on_refused(rejected.why))
    }

    pub(super) fn make_mailbox(&self, transport: TransportName) -> Arc<Mailbox> {
        Arc::new(Mailbox::over(transport, self.config.mailbox_bytes))
    }
}

/// Waits in the session's slot until there is something to say.
async fn poll(slot: &Slot) -> Answer {
    let (reply, answer) = oneshot::channel();
    slot.push(SlotRequest::Get(reply))?;
    answer.await.map_or(Err(Refusal::UnknownSid), respond)
}

fn respond(reply: Reply) -> Answer {
    match reply {
        Reply::Payload(body) => Ok(plain(StatusCode::OK, TEXT, body)),
        // Not text/plain: some browsers offer that as a download.
        Reply::Taken => Ok(plain(StatusCode::OK, "text/html", Bytes::from_static(b"ok"))),
        Reply::Refused(refused) => Err(refused),
    }
}

/// The socket itself, once hyper has let go of it, and its `101`, which is still to be sent; `None` when the client has
/// gone.
async fn upgraded(upgrade: hyper::upgrade::OnUpgrade) -> Option<(WebSocket, Vec<u8>)> {
    let parts = upgrade.await.ok()?.downcast::<TokioIo<HttpStream>>().ok()?;
    let (stream, unseen, held) = parts.io.into_inner().into_parts();
    let read = match unseen.is_empty() {
        true => parts.read_buf,
        false => [parts.read_buf, unseen].concat().into(),
    };
    Some((WebSocket::new(stream, &read), held))
}

fn plain(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn refusal(refused: Refusal) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
    plain(status, "application/json", Bytes::from_static(refused.body().as_bytes()))
}

fn reject(rejection: &Rejection) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(rejection.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let body = format!(r#"{{"code":"{}","message":"No session can be opened now"}}"#, rejection.why);
    let mut response = plain(status, "application/json", body.into());
    response.headers_mut().insert(header::RETRY_AFTER, rejection.retry_after.into());
    if rejection.close_connection { closing(response) } else { response }
}

/// The body was not read to its end, or the server goes away: nothing more is taken on this connection.
fn closing(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A stable word for a metric.
fn refusal_name(refused: Refusal) -> &'static str {
    match refused {
        Refusal::UnknownTransport => "unknown_transport",
        Refusal::UnknownSid => "unknown_sid",
        Refusal::ForeignSid => "foreign_sid",
        Refusal::BadHandshakeMethod => "bad_handshake_method",
        Refusal::BadRequest => "bad_request",
        Refusal::Forbidden => "forbidden",
        Refusal::UnsupportedProtocolVersion => "unsupported_protocol_version",
    }
}

/// A body for which there is no room now: its session ends, and the client comes back.
const OVERLOADED: Rejection =
    Rejection { status: 503, retry_after: 5, close_connection: true, why: "incomplete_total" };

const TEXT: &str = "text/plain; charset=UTF-8";
