//! A client of a cluster: it keeps the last list that it was told, and tells the book what it sees. Does not know: what
//! is wrong with the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use crate::book::{Book, SLOWNESS};
use crate::line::{Line, Transport};
use crate::live::event;
use crate::support::token;

/// One socket in the namespace, read by a task of its own.
pub struct Visitor {
    pub id: String,
    pub user: String,
    pub login: String,
    pub node: usize,
    told: Arc<Mutex<Told>>,
    say: mpsc::Sender<String>,
    book: Arc<Book>,
}

/// What it was told.
#[derive(Debug, Default)]
pub struct Told {
    pub list: BTreeSet<String>,
    pub is_complete: bool,
    /// Of all lists there ever were, some was not complete.
    pub was_incomplete: bool,
    /// The items of the last list, by `socketId`.
    pub items: BTreeMap<String, Value>,
    /// How often each session has come into the list.
    pub came: BTreeMap<String, u32>,
    revision: u64,
    has_update: bool,
    answers: BTreeMap<u64, Value>,
    asked: u64,
    /// The code of the last event before the end.
    pub code: Option<String>,
    pub is_closed: bool,
}

impl Visitor {
    /// Joins at a node; `None` when it does not let anybody in, or ends first.
    pub async fn join(
        book: &Arc<Book>,
        node: (usize, SocketAddr),
        user: &str,
        login: &str,
        transport: Transport,
    ) -> Option<Self> {
        let (number, address) = node;
        let mut line = Line::open(address, transport).await?;
        let since = book.now();
        line.say(&format!(r#"40/sessions,{{"token":"{}"}}"#, token(user, login))).await?;
        let mut told = Told::default();
        let id = loop {
            let packet = line.packet().await?;
            if packet == "2" {
                line.say("3").await?;
                continue;
            }
            let Some((name, arguments)) = event(&packet) else { continue };
            if name != "sessions:ready" {
                return None;
            }
            let ready = &arguments[0];
            let id = ready["socketId"].as_str().unwrap().to_owned();
            book.open(&id, user, number);
            told.take(book, &id, user, &ready["sessions"], ready, true);
            break id;
        };
        let waited = book.now() - since;
        // Whatever becomes of the other nodes, a join has its answer.
        if waited > READY_TIMEOUT + Duration::from_secs(1) + SLOWNESS {
            book.complain(format!("{id} waited for its ready {waited:?}"));
        }
        let told = Arc::new(Mutex::new(told));
        let (say, said) = mpsc::channel(64);
        let reader = Reader { id: id.clone(), user: user.to_owned(), told: told.clone(), book: book.clone() };
        engineio::server::spawn(reader.run(line, said));
        let (user, login) = (user.to_owned(), login.to_owned());
        Some(Self { id, user, login, node: number, told, say, book: book.clone() })
    }

    /// Closes the connection as a tab does that is shut.
    pub fn leave(self) {
        self.book.close(&self.id);
    }

    /// It is looked for lists that are not complete from now on.
    pub fn forget_incomplete(&self) {
        let mut told = self.told.lock().unwrap();
        told.was_incomplete = !told.is_complete;
    }

    /// What it was told last.
    pub fn look<T>(&self, look: impl FnOnce(&Told) -> T) -> T {
        look(&self.told.lock().unwrap())
    }

    pub fn is_open(&self) -> bool {
        self.look(|told| !told.is_closed)
    }

    /// Emits; gives the number of the acknowledgement.
    pub fn emit(&self, name: &str, argument: &Value) -> u64 {
        let number = {
            let mut told = self.told.lock().unwrap();
            told.asked += 1;
            told.asked
        };
        let _ = self.say.try_send(format!("42/sessions,{number}[\"{name}\",{argument}]"));
        number
    }

    /// The acknowledgement; `None` when it does not come in this time, or the end comes first.
    pub async fn answer(&self, number: u64, within: Duration) -> Option<Value> {
        let until = self.book.now() + within;
        while self.book.now() < until {
            let answer = self.look(|told| told.answers.get(&number).cloned());
            if answer.is_some() || !self.is_open() {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        None
    }
}

struct Reader {
    id: String,
    user: String,
    told: Arc<Mutex<Told>>,
    book: Arc<Book>,
}

impl Reader {
    /// Until the connection ends, or the visitor leaves.
    async fn run(self, mut line: Line, mut said: mpsc::Receiver<String>) {
        let left = loop {
            let packet = tokio::select! {
                packet = line.packet() => packet,
                said = said.recv() => match said {
                    Some(packet) => {
                        line.say(&packet).await;
                        continue;
                    }
                    None => break true,
                },
            };
            match packet.as_deref() {
                Some("2") => {
                    line.say("3").await;
                }
                Some("41/sessions,") | None => break false,
                Some(packet) => self.hear(packet),
            }
        };
        self.book.close(&self.id);
        self.told.lock().unwrap().is_closed = true;
        if left {
            line.leave().await;
        }
    }

    fn hear(&self, text: &str) {
        let mut told = self.told.lock().unwrap();
        if let Some((number, json)) = text.strip_prefix("43/sessions,").and_then(|text| text.split_once('['))
        {
            let answer = serde_json::from_str(json.strip_suffix(']').unwrap()).unwrap();
            told.answers.insert(number.parse().unwrap(), answer);
            return;
        }
        let Some((name, arguments)) = event(text) else { return };
        match name.as_str() {
            "sessions:update" => {
                told.take(&self.book, &self.id, &self.user, &arguments[0], &arguments[1], false)
            }
            "sessions:error" => {
                // It has ended where it counts, though the connection is still open for a moment.
                self.book.close(&self.id);
                told.code = arguments[0]["code"].as_str().map(str::to_owned);
            }
            "sessions:ready" => self.book.complain(format!("{} was told a second ready", self.id)),
            _ => {}
        }
    }
}

impl Told {
    fn take(&mut self, book: &Book, id: &str, user: &str, list: &Value, about: &Value, is_ready: bool) {
        let revision = about["revision"].as_u64().unwrap();
        let has_gone_back = match is_ready || !self.has_update {
            true => revision < self.revision,
            false => revision <= self.revision,
        };
        if has_gone_back {
            book.complain(format!("{id}: revision {revision} after {}", self.revision));
        }
        self.revision = revision;
        self.has_update |= !is_ready;
        let items = list.as_array().unwrap().iter();
        self.items =
            items.map(|item| (item["socketId"].as_str().unwrap().to_owned(), item.clone())).collect();
        if self.items.len() != list.as_array().unwrap().len() {
            book.complain(format!("{id} was told of a session twice: {list}"));
        }
        for id in self.items.keys().filter(|id| !self.list.contains(*id)) {
            *self.came.entry(id.clone()).or_default() += 1;
        }
        self.list = self.items.keys().cloned().collect();
        self.is_complete = about["complete"] == true;
        self.was_incomplete |= !self.is_complete;
        book.check_list(id, user, &self.list, self.is_complete);
    }
}

/// The default of `REGISTRY__READY_TIMEOUT_MS`.
const READY_TIMEOUT: Duration = Duration::from_secs(1);
