//! Redis behind TLS, as the process meets it: whom it trusts, and what it says of a server that it does not trust.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use rollcall::config::DatabaseUrl;

use crate::live::databases::Database;
use crate::live::redis::Redis;
use crate::live::wire::Wire;
use crate::served::Served;

/// A server that speaks TLS on a port of its own, and the folder with its certificate, `cert.pem`.
fn redis_with_tls() -> (Redis, u16, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let redis = Redis::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        certificate.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
    ]);
    (redis, port, folder)
}

/// A node that meets others there, and that trusts what is in this file.
fn node(database: &Database, folder: &tempfile::TempDir, url: &str, trusted: &str) -> Served {
    let Some(DatabaseUrl::Postgres(database)) = &database.config.database.url else { panic!() };
    let settings =
        [("DATABASE__URL", database.expose()), ("REGISTRY__REDIS_URL", url), ("LOG__LEVEL", "info")];
    Served::start_in(folder.path(), &settings, &[("SSL_CERT_FILE", trusted)])
}

async fn readiness(address: SocketAddr) -> String {
    Wire::connect(address).await.get("/readyz").await.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_behind_tls_is_used_if_its_certificate_is_trusted() {
    let (redis, port, certificate) = redis_with_tls();
    let (database, folders) =
        (Database::postgres().await, [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let url = format!("rediss://localhost:{port}/0");
    let trusted = certificate.path().join("cert.pem");
    let trusting = node(&database, &folders[0], &url, trusted.to_str().unwrap());
    let mut waited = 0;
    while !readiness(trusting.address).await.contains(r#""registry":"ok""#) {
        waited += 1;
        assert!(waited < 200, "{}", trusting.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(redis.ask("SMEMBERS rollcall:nodes").starts_with("*1"));

    let empty = folders[1].path().join("nobody.pem");
    std::fs::write(&empty, rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap().cert.pem())
        .unwrap();
    let wary = node(&database, &folders[1], &url, empty.to_str().unwrap());
    while !wary.log().contains("Redis is away") {
        waited += 1;
        assert!(waited < 400, "{}", wary.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It says why, and lets nobody in between read what it would say.
    assert!(wary.log().contains("certificate"), "{}", wary.log());
    assert!(
        redis.ask("SMEMBERS rollcall:nodes").starts_with("*1"),
        "{}",
        redis.ask("SMEMBERS rollcall:nodes")
    );
}
