//! `sessions:rename`: what the user calls this device, or this login when the client names no device. Written down, so
//! that later sessions have the name too. Does not know: how the others are told.

use std::sync::Arc;

use super::Call;
use super::fields::{Fields, text};
use super::reply::{Answer, EventError};
use super::steps::{Outcome, Progress, Request};
use crate::accounts::is_deceptive;
use crate::gateway::Gateway;
use crate::gateway::stay::Stay;
use crate::registry::Amendment;
use crate::store::User;

/// The name in the argument; an empty one takes the name away.
pub(super) fn read(call: &Call<'_>) -> Result<Request, EventError> {
    let [label] = Fields::read(call.json, ["label"])?;
    let label = text(label, "label")?;
    match label.chars().count() > LABEL_CHARACTERS || label.chars().any(is_deceptive) {
        true => Err(EventError::invalid("label")),
        false => Ok(Request::Rename((!label.is_empty()).then(|| Arc::from(&*label)))),
    }
}

/// Writes the name down, then shows it.
pub(super) fn rename(gateway: &Arc<Gateway>, stay: &Stay, label: Option<Arc<str>>) -> Progress {
    let (gateway, user, id) = (gateway.clone(), stay.user.clone(), stay.id);
    let Some(labelled) = user.roster().find(&id).map(|session| session.labelled()) else {
        return Progress::Done(Err(EventError::SessionNotFound));
    };
    Progress::Later(Box::pin(async move {
        let app = &gateway.app;
        // One at a time for each user: what is written last is what is shown.
        let _turn = gateway.naming.turn(user.key()).await;
        // Ended meanwhile, perhaps because its user was forgotten.
        if user.roster().find(&id).is_none() {
            return Outcome::answer(Err(EventError::SessionNotFound));
        }
        let named = User { issuer: user.key().issuer, subject: &user.key().subject };
        let device = labelled.to_string();
        let written = app.store.set_label(app.clock.unix_millis(), named, &device, label.as_deref()).await;
        Outcome::answer(match written {
            Ok(()) => {
                if let Some(cluster) = &app.cluster {
                    cluster.label(&app.identity, &user, &labelled, label.as_deref()).await;
                }
                app.presence.amend(app.clock.now(), &user, &Amendment::Label(labelled, label));
                Ok(Answer::Done)
            }
            Err(error) => {
                tracing::warn!(%error, "the name of a device could not be written");
                Err(EventError::Unavailable)
            }
        })
    }))
}

/// Unicode code points: what a page shows on two lines.
const LABEL_CHARACTERS: usize = 256;
