//! An issuer's keys over TLS: taken from a server whose certificate the machine trusts, and from no other.

use std::net::Ipv4Addr;
use std::sync::Arc;

use engineio::server::spawn;
use rollcall::clock::Clock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::issuer::{Key, set};
use crate::live::wire::Wire;
use crate::live::{WEBSOCKET, event};
use crate::served::Served;

const ISSUER: &str = "https://id.example";

/// A web server with a certificate of its own for this name; gives its port and that certificate.
async fn serve(name: &str, body: String) -> (u16, String) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Who does not trust the certificate hangs up.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 2048];
            if stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (port, certified.cert.pem())
}

/// What a user of the issuer is told, and the server's log, when it trusts this certificate.
async fn outcome(key: &Key, port: u16, trusted: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, trusted).unwrap();
    let url = format!("https://localhost:{port}/jwks");
    let issuers = json!([{"name": "shop", "issuer": ISSUER, "audience": "api", "jwks_url": url}]);
    let environment = [("SSL_CERT_FILE", roots.to_str().unwrap())];
    let served =
        Served::start_in(folder.path(), &[("IDENTITY__ISSUERS", &issuers.to_string())], &environment);
    let exp = Clock::system().unix_seconds() + 600;
    let token = key.sign_as("k", &json!({"iss": ISSUER, "aud": "api", "sub": "ada", "exp": exp}));
    let mut wire = Wire::websocket(served.address, WEBSOCKET).await;
    wire.text().await;
    wire.say(&format!("40/sessions,{}", json!({ "token": token }))).await;
    wire.text().await;
    let (name, arguments) = event(&wire.text().await).unwrap();
    let told = arguments[0]["code"].as_str().unwrap_or(&name).to_owned();
    drop(wire);
    (told, served.end("-TERM").1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_from_whom_the_machine_trusts_by_their_right_name() {
    let key = Key::p256();
    let keys = set(&[key.published("k", json!({"alg": "ES256"}))]);
    let (right, certificate) = serve("localhost", keys.clone()).await;
    let (other, other_certificate) = serve("other.example", keys).await;
    let (told, log) = outcome(&key, right, &certificate).await;
    assert_eq!(told, "sessions:ready", "{log}");
    for (port, trusted, why) in
        [(right, &other_certificate, "UnknownIssuer"), (other, &other_certificate, "NotValidForName")]
    {
        let (told, log) = outcome(&key, port, trusted).await;
        assert_eq!(told, "unavailable", "{log}");
        assert!(log.contains("cannot fetch an issuer's keys") && log.contains("certificate"), "{why}: {log}");
    }
}
