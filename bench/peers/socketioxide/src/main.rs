//! The `sessions` namespace on socketioxide and axum, tuned as their documents advise, on one thread.

mod identity;
mod registry;
mod sessions;

use std::env;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use socketioxide::SocketIo;
use tokio::net::TcpListener;

use crate::identity::Identity;
use crate::registry::Registry;
use crate::sessions::Gateway;

/// With the settings of the gateway's, from `.cargo/config.toml`; mimalloc kept 15 % more for a session.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// One thread: the server has one core, and nothing is handed from one thread to another.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var("PORT")?.parse()?;
    let secret = env::var("SECRET")?;
    let (layer, io) = SocketIo::builder()
        .ping_interval(Duration::from_secs(25))
        .ping_timeout(Duration::from_secs(20))
        .max_payload(MAX_PAYLOAD as u64)
        .ws_max_message_size(MAX_PAYLOAD)
        .ws_max_frame_size(MAX_PAYLOAD)
        .ws_read_buffer_size(READ_BUFFER)
        .build_layer();
    Arc::new(Gateway { identity: Identity::new(&secret), registry: Registry::default() }).attach(&io);

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?.tap_io(|stream| {
        // A socket that refuses it is gone already.
        let _ = stream.set_nodelay(true);
    });
    println!("listening");
    let service = Router::new().layer(layer).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}

const MAX_PAYLOAD: usize = 100_000;
/// A CONNECT with its token fits; the default of 4 KiB is kept by each socket.
const READ_BUFFER: usize = 512;
