//! The addresses to listen on, and what stands between them and the clients.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};

use super::Finding;
use crate::config::Config;
use crate::outgoing::Outgoing;

/// Whether both addresses are free, or a server of this program is there already.
pub(super) async fn listeners(config: &Config, outgoing: &Outgoing) -> Vec<Finding> {
    let is_secure = config.http.tls_certificate_file.is_some();
    let main = listener("listen", "http.listen", config.http.listen, is_secure, config, outgoing).await;
    let mut findings = vec![main];
    if let Some(address) = config.ops.listen {
        findings.push(listener("ops_listen", "ops.listen", address, config.ops.tls, config, outgoing).await);
    }
    findings
}

async fn listener(
    check: &'static str,
    key: &str,
    address: SocketAddr,
    is_secure: bool,
    config: &Config,
    outgoing: &Outgoing,
) -> Finding {
    match crate::listen(config, address) {
        Ok(_) => Finding::ok(check, format!("{address} is free")),
        // Whether its certificate is to be trusted is no question for here.
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && is_secure => {
            let advice =
                format!("unless that is this server, end it (`ss -ltnp` names it), or choose another {key}");
            Finding::warning(check, format!("{address} is taken, and TLS is not looked into"), advice)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            match is_rollcall(outgoing, address).await {
                true => Finding::ok(check, format!("{address}: a server is running there")),
                false => {
                    let advice =
                        format!("end the other program (`ss -ltnp` names it), or choose another {key}");
                    Finding::failed(check, format!("{address} is taken by another program"), advice)
                }
            }
        }
        Err(error) => {
            let advice = match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    "choose a port above 1023, or allow it: AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit"
                }
                _ => "name an address of this machine; 0.0.0.0 or [::] are all of them",
            };
            Finding::failed(check, format!("{address}: {error}"), format!("{advice} ({key})"))
        }
    }
}

/// Whether what listens there answers as this program does.
async fn is_rollcall(outgoing: &Outgoing, address: SocketAddr) -> bool {
    let Ok(uri) = format!("http://{}/livez", reachable(address)).parse() else { return false };
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = uri;
    let asked = async {
        let response = outgoing.send(request).await.ok()?;
        let body = Limited::new(response.into_body(), BODY_MAX).collect().await.ok()?.to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&body).ok()?;
        // Health, or the error of a path that is elsewhere when `ops.listen` is set.
        Some(json["status"].is_string() || json["code"].is_string())
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten().unwrap_or(false)
}

/// What is to be said of proxies and of the way to the clients.
pub(super) fn proxies(config: &Config) -> Vec<Finding> {
    let (address, proxies) = (config.http.listen, &config.http.trusted_proxies);
    let is_local = address.ip().is_loopback();
    let is_secure = config.http.tls_certificate_file.is_some();
    let finding = match (is_local, proxies.0.is_empty()) {
        (false, true) if is_secure => Finding::ok(PROXIES, format!("{address} speaks TLS to the clients themselves")),
        (true, true) => Finding {
            advice: Some(
                "when a proxy in front brings the clients, name it in http.trusted_proxies (127.0.0.1): else every \
                 session shows its address, and all clients share one limit"
                    .to_owned(),
            ),
            ..Finding::ok(PROXIES, format!("{address} is reached from this machine only"))
        },
        (true, false) => Finding::ok(PROXIES, format!("{address} is reached from this machine only; a proxy is believed")),
        (false, true) => Finding::warning(
            PROXIES,
            format!("{address} can be reached from other machines, without TLS and without a proxy"),
            "tokens must not cross a network in the clear: let a proxy in front end TLS, and name it in \
             http.trusted_proxies",
        ),
        (false, false) => Finding::ok(PROXIES, format!("{address} stands behind a proxy that is believed")),
    };
    let is_open = config.ops.listen.is_none() && !is_local;
    let open = is_open.then(|| {
        let found = format!("/metrics and /api/users answer on {address}, where clients come from");
        Finding::warning(OPERATORS, found, "set ops.listen to an address that only operators reach")
    });
    std::iter::once(finding).chain(open).collect()
}

/// An address of this machine for one that stands for all.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

const PROXIES: &str = "proxies";
const OPERATORS: &str = "operators";
/// Bytes of an answer to `/livez`.
const BODY_MAX: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(3);
