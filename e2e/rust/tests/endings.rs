//! Ends that nobody asked for, as the stock Rust client sees them, each test over WebSocket, polling and an upgrade:
//! a client that is killed, and the ends that a client comes back from by itself with a new token.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rollcall_e2e::client::{Auth, Mode, Notebook};
use rollcall_e2e::each_mode;
use rollcall_e2e::server::Server;
use rollcall_e2e::sql_lock::SqlLock;
use rollcall_e2e::tokens::{new_user, token_of};
use serde_json::json;
use tokio::runtime;
use tokio::time::timeout;

each_mode!(a_killed_client_leaves_the_list, check_killed);
each_mode!(rate_limited_ends_the_transport_and_the_client_comes_back, check_rate_limited);
each_mode!(unavailable_is_told_while_sql_is_away_and_the_client_comes_back, check_unavailable);

async fn check_killed(mode: Mode) {
    // A poller is missed at its next poll or at its heartbeat, whichever comes first.
    let server = Server::start_with(0, &SHORT_HEARTBEAT).await;
    let user = new_user();
    let mut staying = Notebook::join(&server, mode, &user).await;
    // In a runtime of its own, which takes its tasks and sockets with it when it ends, as a process does.
    let elsewhere =
        runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let auth = Auth::Object(json!({"token": token_of(&user)}));
    let url = server.url.clone();
    let leaving = elsewhere
        .spawn(async move {
            let mut client = Notebook::open_at(url, mode, auth).await;
            client.ready().await;
            client
        })
        .await
        .expect("the client joins");
    let id = staying.id.clone();
    staying.list_is(&[&id, &leaving.id]).await;
    elsewhere.shutdown_background();
    drop(leaving);
    staying.list_is(&[&id]).await;
    staying.close().await;
    server.stop().await;
}

async fn check_rate_limited(mode: Mode) {
    // The packets of a poller wait for the end of its poll: few are allowed, and the heartbeat ends polls early.
    let limits = [("LIMITS__PACKETS_PER_SECOND", "5"), ("LIMITS__PACKETS_BURST", "20")];
    let server = Server::start_with(0, &[limits, SHORT_HEARTBEAT].concat()).await;
    let user = new_user();
    let mut bystander = Notebook::join(&server, mode, &user).await;
    let mut client = Notebook::open(&server, mode, Auth::Fresh(user)).await;
    client.ready().await;
    let before = client.id.clone();
    for packet in 0..100 {
        if !client.emit("flood", json!(packet)).await {
            break;
        }
    }
    let error = client.event("sessions:error").await;
    assert_eq!(error[0]["code"], "rate_limited");
    assert!(error[0]["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{error:?}");
    client.comes_back_after("rate_limited").await;
    assert_ne!(client.id, before);
    assert!(client.asked.load(Ordering::Relaxed) >= 1, "the client was not asked for a new token");
    let id = bystander.id.clone();
    bystander.list_is(&[&id, &client.id]).await;
    client.close().await;
    bystander.close().await;
    server.stop().await;
}

async fn check_unavailable(mode: Mode) {
    let server = Server::start_with(0, &[("DATABASE__UNAVAILABLE_AFTER", "1s")]).await;
    let lock = SqlLock::hold(server.data()).await;
    timeout(NOTICE, until_refused(&server)).await.expect("refused as unavailable in time");
    let mut client = Notebook::open(&server, mode, Auth::Fresh(new_user())).await;
    let error = client.event("sessions:error").await;
    assert_eq!(error[0]["code"], "unavailable");
    assert!(error[0]["message"].as_str().is_some_and(|message| !message.is_empty()));
    lock.release().await;
    timeout(NOTICE, client.comes_back_after("unavailable")).await.expect("ready after the return of SQL");
    assert!(client.asked.load(Ordering::Relaxed) >= 1, "the client was not asked for a new token");
    client.close().await;
    server.stop().await;
}

/// Connects until one is refused as unavailable.
async fn until_refused(server: &Server) {
    loop {
        let auth = Auth::Object(json!({"token": token_of(&new_user())}));
        let mut probe = Notebook::open(server, Mode::WebSocket, auth).await;
        let told = probe.next().await;
        if told.name == "sessions:error" {
            assert_eq!(told.args[0]["code"], "unavailable");
            return;
        }
        probe.close().await;
    }
}

/// How long the gateway may take to notice that SQL is away or back: its watch looks every few seconds.
const NOTICE: Duration = Duration::from_secs(60);

const SHORT_HEARTBEAT: [(&str, &str); 2] =
    [("HEARTBEAT__INTERVAL_MS", "2000"), ("HEARTBEAT__TIMEOUT_MS", "2000")];
