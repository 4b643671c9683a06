//! What a session and an update ask of the allocator, counted, so that neither grows unseen. The clients are blocking
//! sockets with buffers of their own: between two counts only the server allocates.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

#[path = "support/live.rs"]
mod live;
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use dhat::{HeapStats, Profiler};
use live::Live;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_heartbeat_allocates_nothing_for_its_session() {
    let _alone = ALONE.lock().await;
    let _profiler = Profiler::builder().testing().build();
    let live = Live::start(|config| {
        config.heartbeat.interval_ms = 1000.try_into().unwrap();
        config.heartbeat.timeout_ms = 10_000.try_into().unwrap();
    })
    .await;
    let (address, packets) = (live.address, packets(&live, FEW + MANY));
    let (blocks, held) = spawn_blocking(move || {
        let mut buffer = [0; BUFFER];
        let mut clients = Vec::with_capacity(FEW + MANY);
        // What all sessions share is there after the first few.
        clients.extend(packets[..FEW].iter().map(|packet| Client::join(address, packet, &mut buffer)));
        heartbeats(&mut clients, 1, &mut buffer);
        let few = HeapStats::get().curr_bytes;
        clients.extend(packets[FEW..].iter().map(|packet| Client::join(address, packet, &mut buffer)));
        heartbeats(&mut clients, 1, &mut buffer);
        let many = HeapStats::get();
        heartbeats(&mut clients, HEARTBEATS, &mut buffer);
        (HeapStats::get().total_blocks - many.total_blocks, (many.curr_bytes - few) / MANY)
    })
    .await
    .unwrap();
    // The wheel, the metrics and the looks at the database allocate now and then, for all sessions together: some two
    // hundred times every two seconds.
    assert!(blocks < (HEARTBEATS * MANY / 10) as u64, "{blocks} allocations in {HEARTBEATS} heartbeats");
    assert!(held <= BYTES_A_SESSION, "{held} bytes an idle session");
    live.trigger.shut_down();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_update_to_a_hundred_sockets_allocates_as_often_as_one_to_four() {
    let _alone = ALONE.lock().await;
    let _profiler = Profiler::builder().testing().build();
    let few = blocks_of_a_join(4).await;
    let many = blocks_of_a_join(100).await;
    assert!(few < A_JOIN, "{few} allocations of a connect and its update");
    assert!(many < few + 50, "{few} allocations with 4 sockets, {many} with 100");
}

/// Allocations of one session's connect, and of the update that tells the other sockets of its user.
async fn blocks_of_a_join(sockets: usize) -> u64 {
    let live = Live::start(|config| {
        config.limits.sessions_per_user = 200.try_into().unwrap();
        config.limits.sessions_per_login = 200.try_into().unwrap();
    })
    .await;
    let address = live.address;
    let packet = live.connect_packet("ada");
    let blocks = spawn_blocking(move || {
        let mut buffer = [0; BUFFER];
        let mut clients: Vec<Client> =
            (0..sockets).map(|_| Client::join(address, &packet, &mut buffer)).collect();
        for client in &mut clients {
            client.read_until_list_of(sockets, &mut buffer);
        }
        std::thread::sleep(Duration::from_millis(200)); // the burst is over: the next change is told at once
        let before = HeapStats::get();
        let mut last = Client::join(address, &packet, &mut buffer);
        last.read_until_list_of(sockets + 1, &mut buffer);
        for client in &mut clients {
            client.read_until_list_of(sockets + 1, &mut buffer);
        }
        HeapStats::get().total_blocks - before.total_blocks
    })
    .await
    .unwrap();
    live.trigger.shut_down();
    blocks
}

/// Two sessions a user.
fn packets(live: &Live, sessions: usize) -> Vec<String> {
    (0..sessions).map(|number| live.connect_packet(&format!("user-{}", number / 2))).collect()
}

fn heartbeats(clients: &mut [Client], times: usize, buffer: &mut [u8; BUFFER]) {
    for _ in 0..times {
        for client in &mut *clients {
            while client.read(buffer) != b"2" {}
            client.stream.write_all(&PONG).unwrap();
        }
    }
}

/// One socket, which holds nothing on the heap; whoever reads lends it a buffer.
struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects and sends its CONNECT packet.
    fn join(address: SocketAddr, packet: &str, buffer: &mut [u8; BUFFER]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(live::wire::PATIENCE)).unwrap();
        let headers = live::wire::upgrade_headers();
        stream.write_all(live::wire::request("GET", live::WEBSOCKET, &headers, "").as_bytes()).unwrap();
        let mut head = [0; 1];
        let mut line_ends = 0;
        while line_ends < 2 {
            stream.read_exact(&mut head).unwrap();
            line_ends = if head == *b"\n" {
                line_ends + 1
            } else if head == *b"\r" {
                line_ends
            } else {
                0
            };
        }
        let mut client = Self { stream };
        assert!(client.read(buffer).starts_with(b"0{"));
        client.say(packet);
        client
    }

    /// The payload of the next frame.
    fn read<'b>(&mut self, buffer: &'b mut [u8; BUFFER]) -> &'b [u8] {
        let mut header = [0; 2];
        self.stream.read_exact(&mut header).unwrap();
        let length = match header[1] {
            126 => {
                let mut extended = [0; 2];
                self.stream.read_exact(&mut extended).unwrap();
                usize::from(u16::from_be_bytes(extended))
            }
            short => usize::from(short),
        };
        self.stream.read_exact(&mut buffer[..length]).unwrap();
        &buffer[..length]
    }

    fn read_until_list_of(&mut self, sessions: usize, buffer: &mut [u8; BUFFER]) {
        let item = b"\"socketId\":";
        loop {
            let text = self.read(buffer);
            let is_update = text.starts_with(b"42/sessions,[\"sessions:update\"");
            if is_update && text.windows(item.len()).filter(|window| window == item).count() == sessions {
                return;
            }
        }
    }

    /// A masked text frame with a mask of zeros, which leaves its payload as it is.
    fn say(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        let frame = [&[0x81, 0x80 | 126], &length[..], &[0; 4], text.as_bytes()].concat();
        self.stream.write_all(&frame).unwrap();
    }
}

/// The counts are of the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

const FEW: usize = 64;
const MANY: usize = 1936;
const HEARTBEATS: usize = 3;
/// The list of a hundred sessions and its frame.
const BUFFER: usize = 64 * 1024;
/// What an idle session may hold on the heap, its share of the tables included.
const BYTES_A_SESSION: usize = 1024;
/// What a connect, from the accept to its `ready` and the update of the others, may ask of the allocator, with what the
/// process does beside it.
const A_JOIN: u64 = 200;
const PONG: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, b'3'];
