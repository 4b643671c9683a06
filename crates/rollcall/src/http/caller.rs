//! Who calls: the address, counted against what it may do in a minute before anything else is done for it. Does not
//! know: what is called.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

use super::{PeerAddress, Problem};
use crate::accounts::TryKind;
use crate::app::App;

/// The client of a request that wants a password judged.
pub(super) struct LoginCaller(pub(super) IpAddr);

/// The client of a request that wants an account made.
pub(super) struct RegisterCaller(pub(super) IpAddr);

/// The client of a request that brings a refresh token, or ends a login.
pub(super) struct RefreshCaller(pub(super) IpAddr);

impl FromRequestParts<Arc<App>> for LoginCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        admit(parts, app, TryKind::Login).map(Self)
    }
}

impl FromRequestParts<Arc<App>> for RegisterCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        admit(parts, app, TryKind::Register).map(Self)
    }
}

impl FromRequestParts<Arc<App>> for RefreshCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        admit(parts, app, TryKind::Refresh).map(Self)
    }
}

/// Where the request comes from.
pub(super) fn address(extensions: &Extensions, headers: &HeaderMap, app: &App) -> Result<IpAddr, Problem> {
    // The accept loop says who is at the other end of every connection.
    let PeerAddress(peer) = extensions.get().copied().ok_or_else(Problem::internal)?;
    Ok(app.client_addresses.find(peer, headers))
}

fn admit(parts: &Parts, app: &App, kind: TryKind) -> Result<IpAddr, Problem> {
    let address = address(&parts.extensions, &parts.headers, app)?;
    // The body was not read: another request could not follow.
    app.accounts.admit(kind, address).map_err(|error| Problem::from(error).closing())?;
    Ok(address)
}
