//! Addresses that this program calls by itself: of the web, and none that anybody on the way can answer for unless that
//! is allowed expressly. Does not know: what is called there.

use std::net::IpAddr;

use http::Uri;

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is none, or not one of the web.
    NoAddress,
    /// A user or a password stands in it.
    WithUser,
    /// It is `http`, which is not allowed there.
    Plain,
}

/// The address that this text is: `https`, or `http` to this machine or where `allow_http` says so.
pub(super) fn parse(text: &str, allow_http: bool) -> Result<Uri, Wrong> {
    let uri: Uri = text.parse().map_err(|_| Wrong::NoAddress)?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(Wrong::NoAddress)?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Wrong::WithUser);
    }
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if allow_http || is_this_machine(host) => {}
        Some("http") => return Err(Wrong::Plain),
        Some(_) | None => return Err(Wrong::NoAddress),
    }
    Ok(uri)
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}
