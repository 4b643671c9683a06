//! What a frame costs at the least: a process that accepts sockets, says to each what a gateway says with canned bytes,
//! and then does nothing but write updates to them. Does not know: tokens, users, lists.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::ModeError;
use super::meter::Meter;
use crate::args::{BareArgs, Load, Target, Transport};
use crate::clock;
use crate::crowd::Crowd;

/// What was told by the server that is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) sockets: usize,
    /// Sockets that are told of one change.
    pub(super) at_once: usize,
    pub(super) bytes: usize,
    pub(super) frames: u64,
    pub(super) took: Duration,
}

/// Starts the writer on the cores of the server's process, reads what it writes the way all else is read, and gives its
/// CPU time in microseconds for each frame.
pub(super) fn measure(load: &Load, pace: Pace) -> Result<f64, ModeError> {
    let mut writer = Writer::start(load.server_pid, pace).map_err(failed)?;
    let load = Load {
        url: writer.target,
        transport: Transport::Websocket,
        canned: true,
        sessions: pace.sockets as u32,
        ..load.clone()
    };
    let mut crowd = Crowd::new(&load, load.sessions, load.per_user)?;
    crowd.ramp(0..pace.sockets, BACKLOG)?;
    let meter = Meter(Some(writer.child.id()));
    let (before, tally) = (meter.read()?, crowd.tally());
    writer.say("go").map_err(failed)?;
    crowd.hold(pace.took, "writing bare")?;
    writer.say("stop").map_err(failed)?;
    crowd.hold(SETTLE, "writing bare")?;
    let frames = crowd.tally().updates - tally.updates;
    let micros = meter.micros_each(before, frames)?;
    micros.ok_or_else(|| failed(io::Error::other("it wrote nothing")))
}

/// The mode itself: prints its address, takes the connections, and writes from a line on standard input to the next.
pub(crate) fn run(args: &BareArgs) -> Result<(), ModeError> {
    serve(args).map_err(failed)
}

fn serve(args: &BareArgs) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    let update = update(args.bytes);
    let mut streams = Vec::with_capacity(args.sockets);
    for _ in 0..args.sockets {
        streams.push(greet(listener.accept()?.0, &update)?);
    }
    let mut words = BufReader::new(io::stdin()).lines();
    words.next().transpose()?;
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    thread::spawn(move || {
        words.next();
        stop.store(true, Ordering::Relaxed);
        // Whoever measures reads this process's time and then hangs up; the connections end with the process.
        words.next();
        std::process::exit(0);
    });
    let mut due = clock::now();
    for told in streams.chunks(args.at_once).cycle() {
        if stopped.load(Ordering::Relaxed) {
            break;
        }
        for mut stream in told {
            stream.write_all(&update)?;
        }
        due += Duration::from_micros(args.pause_us);
        thread::sleep(due.saturating_duration_since(clock::now()));
    }
    loop {
        thread::park();
    }
}

/// Says what a gateway says to a session that joins, without a look at what it asks.
pub(super) fn greet(mut stream: TcpStream, update: &[u8]) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    read_until(&mut stream, b"\r\n\r\n")?;
    stream.write_all(UPGRADED)?;
    stream.write_all(&frame(r#"0{"sid":"bare"}"#))?;
    read_until(&mut stream, b"}")?;
    stream.write_all(&frame(r#"40/sessions,{"sid":"bare"}"#))?;
    stream.write_all(&frame(r#"42/sessions,["sessions:ready",{"socketId":"bare","sessions":[]}]"#))?;
    stream.write_all(update)?;
    Ok(stream)
}

/// An update of about `bytes` bytes, made of items like those of a real one.
pub(super) fn update(bytes: usize) -> Vec<u8> {
    let mut text = r#"42/sessions,["sessions:update",["#.to_owned();
    let mut number = 0;
    while number == 0 || text.len() + ITEM_BYTES < bytes {
        let comma = if number > 0 { "," } else { "" };
        // Nothing that is written to a `String` can fail.
        let _ = write!(
            text,
            r#"{comma}{{"socketId":"{number:020}","connectedAt":"2026-01-01T00:00:00.000Z","metadata":{{"ip":"127.0.0.1","userAgent":"Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0","context":"dashboard-tab-{number}"}}}}"#
        );
        number += 1;
    }
    text.push_str("]]");
    frame(&text)
}

/// `text` in a frame as servers send it (RFC 6455 section 5.2): not masked.
fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        length @ 0..=125 => frame.push(length as u8),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(text.as_bytes());
    frame
}

fn read_until(stream: &mut TcpStream, end: &[u8]) -> io::Result<()> {
    let (mut seen, mut buffer) = (Vec::new(), [0; 2048]);
    while !seen.ends_with(end) {
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => seen.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(())
}

/// The process that writes. It is ended when this is dropped.
struct Writer {
    child: Child,
    target: Target,
}

impl Writer {
    fn start(server: Option<u32>, pace: Pace) -> io::Result<Self> {
        let Pace { sockets, at_once, bytes, frames, took } = pace;
        let bursts = (frames / at_once as u64).max(1);
        let pause = (took.as_micros() as u64 / bursts).to_string();
        let program = std::env::current_exe()?;
        let mut command = match server.and_then(cores) {
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &cores]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let numbers = [sockets, at_once, bytes].map(|number| number.to_string());
        command.args(["bare", "--sockets", &numbers[0], "--at-once", &numbers[1], "--bytes", &numbers[2]]);
        command.args(["--pause-us", &pause]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut address = String::new();
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(stdout).read_line(&mut address)?;
        let target = address.trim().parse().map_err(io::Error::other)?;
        Ok(Self { child, target })
    }

    fn say(&mut self, word: &str) -> io::Result<()> {
        let stdin = self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{word}")
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Gone already is as good; what matters is that no process is left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The cores that the process may run on, in the form that taskset(1) takes.
fn cores(pid: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some(line.trim().to_owned())
}

fn failed(source: io::Error) -> ModeError {
    ModeError::Io { what: "the bare writer", source }
}

const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// About what one item of [`update`] takes.
const ITEM_BYTES: usize = 210;
/// Handshakes at once: the writer takes one after the other, so no more than its queue of connections holds.
const BACKLOG: u32 = 32;
/// For what is still on its way.
const SETTLE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, Opcode};
    use crate::message::Message;

    #[test]
    fn the_canned_update_is_one_and_has_about_the_size() {
        for bytes in [100, 400, 20_000, 200_000] {
            let update = update(bytes);
            let (decoded, length) = Frame::decode(&update).unwrap().unwrap();
            assert_eq!((decoded.opcode, length), (Opcode::Text, update.len()));
            let text = std::str::from_utf8(decoded.payload).unwrap();
            assert!(matches!(Message::decode(text, 0), Ok(Message::Update(list)) if list.len >= 1), "{text}");
            assert!(
                update.len() < bytes + 2 * ITEM_BYTES + 50 && update.len() + 2 * ITEM_BYTES > bytes,
                "{bytes}"
            );
        }
    }

    #[test]
    fn the_cores_of_a_process_are_found() {
        let own = cores(std::process::id()).unwrap();
        assert!(!own.is_empty() && own.chars().all(|c| c.is_ascii_digit() || ",-".contains(c)), "{own}");
        assert_eq!(cores(u32::MAX), None);
    }
}
