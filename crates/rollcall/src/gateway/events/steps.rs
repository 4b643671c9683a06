//! What one socket's client has asked for and has to wait for: one step runs, a few wait for their turn, so that what was
//! asked for first happens first. A step's task never touches the socket: it leaves its one outcome here and wakes it.
//! Does not know: what a step does.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engineio::server::{Mailbox, Outbox, spawn};

use super::reply::{Answer, EventError};
use super::{answer_call, refresh, rename, revoke, send};
use crate::gateway::Gateway;
use crate::gateway::codes::SessionError;
use crate::gateway::revoking::Scope;
use crate::gateway::stay::Stay;

/// The steps of one socket.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Steps {
    running: Option<Running>,
    waiting: VecDeque<Step>,
}

/// Something that was asked for.
#[derive(Debug)]
struct Step {
    /// The number of the acknowledgement that is asked for.
    id: Option<u64>,
    request: Request,
}

#[derive(Debug)]
struct Running {
    step: Step,
    outcome: Arc<Mutex<Option<Outcome>>>,
}

/// What may have to be waited for.
#[derive(Debug)]
pub(super) enum Request {
    /// Another token for this session.
    Refresh(refresh::Token),
    /// Another name for this device.
    Rename(Option<Arc<str>>),
    /// The end of logins.
    Revoke(Scope),
    /// A message to sessions on other nodes.
    Relay(send::Relay),
}

/// What a step is when its task has ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// To be tried once more: what was missing is there.
    Again,
    /// It is done, or will not be.
    Done {
        answer: Result<Answer, EventError>,
        /// The session that asked for it is among those that have ended.
        ends_caller: bool,
    },
}

impl Outcome {
    pub(super) fn answer(answer: Result<Answer, EventError>) -> Self {
        Self::Done { answer, ends_caller: false }
    }
}

/// What a step comes to.
pub(super) enum Progress {
    Done(Result<Answer, EventError>),
    /// A task has to do something first.
    Later(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

impl Steps {
    /// Whether there is none.
    pub(in crate::gateway) fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }
}

/// Begins a step, or puts it behind those that were asked for before.
pub(super) fn begin(
    gateway: &Arc<Gateway>,
    now: Instant,
    stay: &mut Stay,
    mailbox: &Arc<Mailbox>,
    id: Option<u64>,
    request: Request,
    out: &mut Outbox<'_>,
) {
    let step = Step { id, request };
    match &mut stay.rare {
        Some(rare) if rare.steps.running.is_some() => {
            let relays =
                rare.steps.waiting.iter().filter(|step| matches!(step.request, Request::Relay(_))).count();
            let others = rare.steps.waiting.len() - relays;
            if let Request::Relay(relay) = &step.request
                && relays >= RELAYS_MAX
            {
                // The way to the other nodes is slow: they go without it.
                return answer_call(gateway, stay, id, Ok(relay.of_this_node()), out);
            }
            if others >= WAITING_MAX && !matches!(step.request, Request::Relay(_)) {
                let error = EventError::RateLimited { retry_after: WAITING_PAUSE };
                return answer_call(gateway, stay, id, Err(error), out);
            }
            rare.steps.waiting.push_back(step);
        }
        _ => run(gateway, now, stay, mailbox, step, out),
    }
}

/// The step that runs may have come to its end; the next ones follow.
pub(in crate::gateway) fn on_wake(
    gateway: &Arc<Gateway>,
    now: Instant,
    stay: &mut Stay,
    mailbox: &Arc<Mailbox>,
    out: &mut Outbox<'_>,
) {
    let Some(rare) = &mut stay.rare else { return };
    let has_ended =
        |running: &mut Running| running.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    let Some(Running { step, outcome }) = rare.steps.running.take_if(has_ended) else { return };
    let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    match outcome {
        Some(Outcome::Again) | None => run(gateway, now, stay, mailbox, step, out),
        Some(Outcome::Done { answer, .. }) => answer_call(gateway, stay, step.id, answer, out),
    }
    while let Some(rare) = &mut stay.rare
        && rare.steps.running.is_none()
        && let Some(next) = rare.steps.waiting.pop_front()
    {
        run(gateway, now, stay, mailbox, next, out);
    }
}

fn run(
    gateway: &Arc<Gateway>,
    now: Instant,
    stay: &mut Stay,
    mailbox: &Arc<Mailbox>,
    step: Step,
    out: &mut Outbox<'_>,
) {
    let progress = match &step.request {
        Request::Refresh(token) => refresh::refresh(gateway, now, stay, token),
        Request::Rename(label) => rename::rename(gateway, stay, label.clone()),
        Request::Revoke(scope) => revoke::revoke(gateway, stay, scope),
        Request::Relay(relay) => send::relay(gateway, stay, relay.clone()),
    };
    match progress {
        Progress::Done(answer) => answer_call(gateway, stay, step.id, answer, out),
        Progress::Later(task) => {
            let outcome = Arc::new(Mutex::new(None));
            let (left, mailbox) = (outcome.clone(), mailbox.clone());
            spawn(async move {
                let found = task.await;
                let ends_caller = matches!(found, Outcome::Done { ends_caller: true, .. });
                *left.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
                mailbox.wake();
                // The answer comes first: a socket looks at what it is woken for before it looks at why it is to end.
                if ends_caller && let Some(code) = SessionError::SessionRevoked.close_code() {
                    mailbox.close(code);
                }
            });
            stay.rare_mut().steps.running = Some(Running { step, outcome });
        }
    }
}

/// Steps that wait behind the one that runs: a client that asks for more has not waited for an answer.
const WAITING_MAX: usize = 4;
/// Messages to other nodes that wait likewise: as many as may be sent in a second by default.
const RELAYS_MAX: usize = 20;
/// Steps take milliseconds.
const WAITING_PAUSE: Duration = Duration::from_secs(1);
