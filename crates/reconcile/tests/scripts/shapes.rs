//! What two releases side by side may rely on.

use reconcile::script::{SYNC, read_args, sync_args};
use reconcile::{Config, Field, Login, NodeId, Sync};

use super::server::{Reply, Server};
use super::user::{self, Text};

struct One {
    server: Server,
    script: Vec<u8>,
    config: Config,
    seq: u64,
}

impl One {
    fn start(name: &str) -> Self {
        let mut server = Server::start(name);
        let script = server.load(SYNC);
        Self { server, script, config: Config::new(std::time::Duration::from_secs(10)), seq: 1 }
    }

    fn eval(&mut self, verb: &str, args: Vec<Vec<u8>>) -> Result<Reply, String> {
        let head = [verb.as_bytes(), &self.script, b"2", b"{u}:s", b"{u}:r"];
        let all: Vec<Vec<u8>> = head.iter().map(|arg| arg.to_vec()).chain(args).collect();
        self.server.try_call(&all)
    }

    /// Node 1 says these.
    fn say(&mut self, sessions: &[u64], ends: &[u64]) -> reconcile::Synced<u64, u64> {
        let fields = sessions.iter().map(|session| Field {
            session: *session,
            order: *session,
            login: Login("a".into()),
            item: 3,
            is_join: true,
            replaces: None,
        });
        let (seq, ends) = (self.seq, ends.to_vec());
        let (part, held, highest, dead) = (0, 0, 0, Vec::new());
        let (user, node, fields) = (0, NodeId(1), fields.collect());
        self.seq += 1;
        let sync = Sync { user, node, seq, part, is_last: true, fields, ends, held, highest, dead };
        let args = sync_args(&sync, &self.config, &Text);
        user::synced(self.eval("EVALSHA", args).unwrap())
    }

    fn stored(&mut self, session: &str) -> Option<String> {
        match self.server.call(&["HGET", "{u}:s", session]) {
            Reply::Text(text) => Some(String::from_utf8(text).unwrap()),
            _ => None,
        }
    }

    fn put(&mut self, session: &str, value: &str) {
        self.server.call(&["HSET", "{u}:s", session, value]);
    }
}

#[test]
fn reader_writes_nothing() {
    let mut one = One::start("reader");
    let config = one.config.clone();
    let nobody = user::synced(one.eval("EVALSHA_RO", read_args(None, &config)).unwrap());
    assert_eq!((nobody.before, nobody.revision, nobody.list.len()), (0, 0, 0));
    let said = one.say(&[1, 2], &[]);
    let read = user::synced(one.eval("EVALSHA_RO", read_args(None, &config)).unwrap());
    assert_eq!((read.revision, read.list), (said.revision, said.list));
    assert!(one.eval("EVALSHA_RO", read_args(Some(b"n1"), &config)).is_err(), "reaping writes");
}

#[test]
fn shape_of_a_later_release_is_kept_and_not_listed() {
    let mut one = One::start("later");
    one.put("s08", "n2 1 @later");
    one.put("s09", "n1 0 @later");
    assert_eq!(one.say(&[1, 9], &[]).list.len(), 2, "what this node names it says in its own shape");
    assert_eq!(one.stored("s08").as_deref(), Some("n2 1 @later"));
    assert_eq!(one.stored("s09").as_deref(), Some("n1 1 9 a item"));
    assert_eq!(one.say(&[], &[8]).list.len(), 0);
    assert!(one.stored("s08").unwrap().starts_with("n2 1 !asked "), "an end is obeyed whatever the shape");
}

#[test]
fn shape_of_a_later_release_goes_with_its_node() {
    let mut one = One::start("node");
    one.put("s08", "n2 1 @later");
    one.put("s09", "n1 0 @later");
    one.say(&[], &[]);
    assert_eq!(one.stored("s09"), None, "its node does not name it");
    let args = read_args(Some(b"n2"), &one.config);
    one.eval("EVALSHA", args).unwrap();
    assert_eq!(one.stored("s08"), None, "its node is dead");
}

#[test]
fn whose_sessions_somebody_has_deleted_is_told_to_say_them_again() {
    let mut one = One::start("robbed");
    one.say(&[1], &[]);
    // Node 2 has said something; then all is deleted but the revision and who has been here.
    one.server.call(&["HSET", "{u}:r", "nn2", "1"]);
    one.put("s02", "n2 1 5 a item");
    assert_eq!(one.say(&[1], &[]).owners, []);
    one.server.call(&["DEL", "{u}:s"]);
    let said = one.say(&[1], &[]);
    assert_eq!((said.owners, said.list.len()), (vec![NodeId(2)], 1));
    assert!(said.revision > said.before);
}
