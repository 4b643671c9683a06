//! A way to Redis that can be blocked or cut: what comes in goes out on the other side, as long as it is let. Does not
//! know: what is said.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// One way, with any number of connections on it.
pub struct Forwarder {
    pub address: SocketAddr,
    way: watch::Sender<Way>,
    /// Where new connections go.
    port: Arc<AtomicU16>,
}

/// What becomes of bytes, on old connections and on new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Open,
    /// They stay where they are, and go on when it is open again: a network that drops packets.
    Blocked,
    /// Messages to those who listen are thrown away, and everything else goes on: a way that has forgotten a connection on
    /// which little is said.
    Deaf,
    /// Connections are closed.
    Cut,
}

impl Forwarder {
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, seen) = watch::channel(Way::Open);
        let port = Arc::new(AtomicU16::new(port));
        let to = port.clone();
        engineio::server::spawn(async move {
            // Ends with the runtime of the test.
            while let Ok((near, _)) = listener.accept().await {
                engineio::server::spawn(forward(near, to.load(Ordering::Relaxed), seen.clone()));
            }
        });
        Self { address, way, port }
    }

    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// New connections go to this port from now on; old ones stay where they are.
    pub fn lead_to(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }

    pub fn set(&self, way: Way) {
        let _ = self.way.send(way);
    }
}

async fn forward(near: TcpStream, port: u16, way: watch::Receiver<Way>) {
    if *way.borrow() == Way::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let backwards = pump(far_in, near_out, way.clone());
    let mut ended = way.clone();
    let cut = async move {
        let _ = ended.wait_for(|way| *way == Way::Cut).await;
    };
    // The end of one direction is the end of both.
    tokio::select! {
        () = pump(near_in, far_out, way.clone()) => {}
        () = backwards => {}
        () = cut => {}
    }
}

/// As every message to a listener has it.
const MESSAGE: &[u8] = b"$7\r\nmessage\r\n";

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if way.wait_for(|way| *way != Way::Blocked).await.is_err() {
            return;
        }
        tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => {
                    // What was read just before it was blocked goes on later.
                    if way.wait_for(|way| *way != Way::Blocked).await.is_err() {
                        return;
                    }
                    let is_message = buffer[..length].windows(MESSAGE.len()).any(|some| some == MESSAGE);
                    if is_message && *way.borrow() == Way::Deaf {
                        continue;
                    }
                    if to.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
            },
            changed = way.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}
