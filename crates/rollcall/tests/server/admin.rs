//! The namespace `/admin` as the stock Socket.IO Admin UI speaks to it, in packets: who gets in, what is shown and what never
//! is, what may be asked for.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use engineio::server::Origins;
use rollcall::config::{AdminPassword, AllowedOrigins, Config, NodeTag, RedisUrl, Setting};
use rollcall::store::AuditFilter;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::calls::beside;
use crate::live::databases::Database;
use crate::live::redis::Redis;
use crate::live::wire::{PATIENCE, Wire, upgrade_headers};
use crate::live::{Live, POLL, WEBSOCKET};
use crate::namespace::Tab;

const RIGHT: &str = r#"40/admin,{"username":"admin","password":"correct horse"}"#;
const WRONG: &str = r#"44/admin,{"message":"invalid credentials"}"#;

fn with_password(config: &mut Config) {
    config.admin.password = AdminPassword::parse("correct horse");
}

/// A page that has signed in, and all that it was told.
struct Page {
    wire: Wire,
    told: Vec<String>,
    next_ack: u64,
}

impl Page {
    async fn open(address: SocketAddr) -> Self {
        let mut page = Self::begin(address).await;
        page.wire.say(RIGHT).await;
        assert!(page.text().await.starts_with(r#"40/admin,{"sid":""#), "{:?}", page.told);
        assert!(page.event("session").await[0].is_string());
        page.event("config").await;
        page
    }

    /// A connection that has asked for nothing.
    async fn begin(address: SocketAddr) -> Self {
        let mut wire = Wire::websocket(address, WEBSOCKET).await;
        assert!(wire.text().await.starts_with('0'));
        Self { wire, told: Vec::new(), next_ack: 0 }
    }

    async fn text(&mut self) -> String {
        loop {
            match self.wire.text().await {
                ping if ping == "2" => self.wire.say("3").await,
                text => {
                    self.told.push(text.clone());
                    return text;
                }
            }
        }
    }

    /// What is said to this.
    async fn answer(&mut self, packet: &str) -> String {
        self.wire.say(packet).await;
        self.text().await
    }

    /// The arguments of the next event of this name.
    async fn event(&mut self, name: &str) -> Vec<Value> {
        self.event_where(name, |_| true).await
    }

    /// Of the next one of which this holds.
    async fn event_where(&mut self, name: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let wanted = async {
            loop {
                let text = self.text().await;
                let Some(json) = text.strip_prefix("42/admin,") else { continue };
                let mut array: Vec<Value> = serde_json::from_str(json).unwrap();
                if array.remove(0) == name && holds(&array) {
                    return array;
                }
            }
        };
        timeout(PATIENCE, wanted).await.unwrap_or_else(|_| panic!("no {name} in time"))
    }

    /// Asks with an acknowledgement.
    async fn ask(&mut self, array: &str) -> Value {
        self.next_ack += 1;
        self.wire.say(&format!("42/admin,{}{array}", self.next_ack)).await;
        let head = format!("43/admin,{}", self.next_ack);
        loop {
            if let Some(json) = self.text().await.strip_prefix(&head) {
                return serde_json::from_str::<Vec<Value>>(json).unwrap().remove(0);
            }
        }
    }

    /// The sockets by their ids.
    async fn all_sockets(
        &mut self,
        holds: impl Fn(&HashMap<String, Value>) -> bool,
    ) -> HashMap<String, Value> {
        let by_id = |arguments: &[Value]| -> HashMap<String, Value> {
            let sockets = arguments[0].as_array().unwrap().iter();
            sockets.map(|socket| (socket["id"].as_str().unwrap().to_owned(), socket.clone())).collect()
        };
        by_id(&self.event_where("all_sockets", |arguments| holds(&by_id(arguments))).await)
    }
}

/// Until the listener for operators is there, which comes a moment after the server.
async fn wait_for(address: SocketAddr) {
    for _ in 0..1000 {
        if Wire::try_connect(address).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody listens on {address}");
}

fn free_address() -> SocketAddr {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    std::net::TcpListener::bind(address).unwrap().local_addr().unwrap()
}

/// What was written down that begins with `admin`, the oldest first, without those who came in.
async fn audit(live: &Live) -> Vec<String> {
    let rows = beside(live).await.store.audit(&AuditFilter::default(), 100).await.unwrap();
    let line = |row: rollcall::store::AuditRow| {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let [subject, detail, address] = [row.subject, row.detail, row.address].map(or_none);
        format!("{} by {} at {address}: {subject}, {detail}", row.action, row.actor)
    };
    let mut lines: Vec<String> =
        rows.into_iter().map(line).filter(|line| line.starts_with("admin.")).collect();
    lines.retain(|line| !line.starts_with("admin.signed_in"));
    lines.reverse();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_password_there_is_no_such_namespace() {
    let ops = free_address();
    for listen in [None, Some(ops)] {
        let live = Live::start(|config| config.ops.listen = listen).await;
        let answer = Page::begin(live.address).await.answer(RIGHT).await;
        assert_eq!(answer, r#"44/admin,{"message":"Invalid namespace"}"#);
    }
    wait_for(ops).await;
    assert_eq!(Wire::connect(ops).await.get(POLL).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_refused_in_the_words_that_the_page_knows() {
    let live = Live::start(with_password).await;
    let mut page = Page::begin(live.address).await;
    for wrong in [
        r#"40/admin,"#,
        r#"40/admin,{"sessionId":null}"#,
        r#"40/admin,{"sessionId":"AAAAAAAAAAAAAAAAAAAAAA"}"#,
        r#"40/admin,{"username":"admin","password":"correct hors"}"#,
        r#"40/admin,{"username":"root","password":"correct horse"}"#,
    ] {
        assert_eq!(page.answer(wrong).await, WRONG, "{wrong}");
    }
    // What a page says that is not in is a violation, as in any other namespace.
    let mut other = Page::begin(live.address).await;
    assert_eq!(other.answer(r#"40/admin,"#).await, WRONG);
    other.wire.say(r#"42/admin,["_disconnect","/sessions",true,"built-in:ada"]"#).await;
    assert!(other.wire.close_code().await.is_some());
    // The same connection, with the right one.
    assert!(page.answer(RIGHT).await.starts_with(r#"40/admin,{"sid":""#));
    let id = page.event("session").await.remove(0);
    let config = page.event("config").await.remove(0);
    let features = ["DISCONNECT", "MDISCONNECT", "AGGREGATED_EVENTS", "ALL_EVENTS"];
    assert_eq!(config, json!({ "supportedFeatures": features }));
    // The next visit, with what the first has brought.
    let mut again = Page::begin(live.address).await;
    let packet = format!("40/admin,{}", json!({ "sessionId": id }));
    assert!(again.answer(&packet).await.starts_with(r#"40/admin,{"sid":""#));
    again.event("all_sockets").await;
    assert!(!again.told.iter().any(|text| text.contains("\"session\"")), "{:?}", again.told);
    assert_eq!(audit(&live).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_listener_for_operators_it_is_there_and_nowhere_else() {
    let ops = free_address();
    let live = Live::start(|config| {
        with_password(config);
        config.ops.listen = Some(ops);
    })
    .await;
    let answer = Page::begin(live.address).await.answer(RIGHT).await;
    assert_eq!(answer, r#"44/admin,{"message":"Invalid namespace"}"#);
    wait_for(ops).await;
    let mut page = Page::open(ops).await;
    page.event("server_stats").await;
    // No session opens there.
    let mut other = Page::begin(ops).await;
    let answer = other.answer(&live.connect_packet("ada")).await;
    assert_eq!(answer, r#"44/sessions,{"message":"Invalid namespace"}"#);
    assert_eq!(Wire::connect(ops).await.get("/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_sees_sockets_rooms_and_counts_and_nothing_that_a_client_has_sent() {
    let live = Live::start(with_password).await;
    let token = live.token("ada");
    let mut secrets: Vec<String> = token.split('.').skip(1).map(str::to_owned).collect();
    secrets.extend(["canary-header", "canary-query", "canary-context"].map(str::to_owned));
    // In every place where a token, or anything else, may stand.
    let target = format!("{WEBSOCKET}&token={token}&x=canary-query");
    let headers =
        format!("x-secret: canary-header\r\nauthorization: Bearer {token}\r\n{}", upgrade_headers());
    let mut first = Wire::connect(live.address).await;
    assert_eq!(first.request("GET", &target, &headers, "").await.status, 101);
    let open: Value = serde_json::from_str(&first.text().await[1..]).unwrap();
    secrets.push(open["sid"].as_str().unwrap().to_owned());
    let auth = json!({ "token": token, "context": "canary-context" });
    first.say(&format!("40/sessions,{auth}")).await;
    let connected: Value = serde_json::from_str(&first.text().await["40/sessions,".len()..]).unwrap();
    let _ready = first.text().await;
    let second = Tab::join(&live, "bob").await;
    let (mut polling, polls) = live.poll().await;
    polling.post(&polls, &live.connect_packet("bob")).await.check(200, "ok");

    let mut page = Page::open(live.address).await;
    let sockets = page.all_sockets(|sockets| sockets.len() == 3).await;
    let one = &sockets[&second.id];
    let issued = one["handshake"]["issued"].as_u64().unwrap();
    assert_eq!(
        *one,
        json!({
            "id": second.id, "clientId": second.id, "transport": "websocket", "nsp": "/sessions",
            "rooms": ["built-in:bob"],
            "data": { "user": "bob", "node": one["data"]["node"] },
            "handshake": {
                "address": "127.0.0.1", "headers": {}, "query": {}, "url": "", "secure": false, "xdomain": false,
                "issued": issued, "time": rollcall::clock::to_iso8601(issued),
            },
        })
    );
    let with_secrets = &sockets[connected["sid"].as_str().unwrap()];
    assert_eq!(with_secrets["rooms"], json!(["built-in:ada"]));
    assert_eq!(sockets.values().filter(|socket| socket["transport"] == "polling").count(), 1);

    let stats = page.event("server_stats").await.remove(0);
    assert_eq!(stats["serverId"], one["data"]["node"]);
    assert_eq!((&stats["clientsCount"], &stats["pollingClientsCount"]), (&json!(4), &json!(1)), "{stats}");
    let namespaces =
        json!([{ "name": "/sessions", "socketsCount": 3 }, { "name": "/admin", "socketsCount": 1 }]);
    assert_eq!(stats["namespaces"], namespaces);
    assert!(stats["pid"].is_u64() && stats["uptime"].is_u64() && stats["hostname"].is_string());

    // One has another transport from now on.
    let mut upgraded = Wire::websocket(live.address, &polls.replace("polling", "websocket")).await;
    upgraded.say("2probe").await;
    assert_eq!(upgraded.text().await, "3probe");
    upgraded.say("5").await;
    let update = page.event("socket_updated").await.remove(0);
    let on_polling = sockets.values().find(|socket| socket["transport"] == "polling").unwrap();
    assert_eq!(update, json!({ "id": on_polling["id"], "nsp": "/sessions", "transport": "websocket" }));

    // One comes, one goes.
    let third = Tab::join(&live, "ada").await;
    let came = page.event("socket_connected").await;
    assert_eq!((&came[0]["id"], &came[0]["rooms"]), (&json!(third.id), &json!(["built-in:ada"])));
    drop(second.wire);
    let gone = page.event("socket_disconnected").await;
    assert_eq!(gone[..2], [json!("/sessions"), json!(second.id)]);
    let left = page.event("room_left").await;
    assert_eq!(left[..3], [json!("/sessions"), json!("built-in:bob"), json!(second.id)]);
    let counted = |stats: &[Value]| !stats[0]["aggregatedEvents"].as_array().unwrap().is_empty();
    let events = page.event_where("server_stats", counted).await.remove(0);
    let kinds: Vec<&Value> =
        events["aggregatedEvents"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert!(kinds.iter().all(|kind| **kind == "rawConnection" || **kind == "rawDisconnection"), "{events}");

    let told = page.told.join("\n");
    for secret in secrets {
        assert!(!told.contains(&secret), "{secret} in {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_or_a_room_is_disconnected_its_tokens_stay_good_and_it_is_written_down() {
    let live = Live::start(with_password).await;
    let (mut one, mut other) =
        (Tab::join_as(&live, "ada", "desk").await, Tab::join_as(&live, "ada", "desk").await);
    let mut bob = Tab::join(&live, "bob").await;
    let mut page = Page::open(live.address).await;
    page.all_sockets(|sockets| sockets.len() == 3).await;

    let answer = page.ask(&format!(r#"["_disconnect","/sessions",false,"{}"]"#, one.id)).await;
    assert_eq!(answer, json!({ "ok": true, "disconnected": 1 }));
    one.check_revoked().await;
    assert_eq!(other.list_of(1).await[0]["socketId"], other.id);

    // One that the page has not been shown yet.
    let mut third = Tab::join_as(&live, "ada", "desk").await;
    let answer = page.ask(&format!(r#"["_disconnect","/sessions",true,"{}"]"#, third.id)).await;
    assert_eq!(answer, json!({ "ok": true, "disconnected": 1 }));
    third.check_revoked().await;

    let answer = page.ask(r#"["_disconnect","/sessions",false,"built-in:ada"]"#).await;
    assert_eq!(answer, json!({ "ok": true, "disconnected": 1 }));
    other.check_revoked().await;
    Tab::join_as(&live, "ada", "desk").await;
    assert_eq!(
        bob.heard_in(Duration::from_millis(200))
            .await
            .iter()
            .filter(|name| *name == "sessions:error")
            .count(),
        0
    );

    // Without an acknowledgement, as the page asks.
    page.wire.say(&format!(r#"42/admin,["_disconnect","/sessions",false,"{}"]"#, bob.id)).await;
    bob.check_revoked().await;
    page.event_where("socket_disconnected", |arguments| arguments[1] == bob.id).await;

    let line =
        |user: &str, detail: &str| format!("admin.disconnected by admin at 127.0.0.1: {user}, {detail}");
    let expected = [
        line("ada", &format!("socket {}", one.id)),
        line("ada", &format!("socket {}", third.id)),
        line("ada", "all sockets"),
        line("bob", &format!("socket {}", bob.id)),
    ];
    assert_eq!(audit(&live).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_else_a_page_asks_for_is_refused_and_written_down() {
    let live = Live::start(with_password).await;
    let mut tab = Tab::join(&live, "ada").await;
    let mut page = Page::open(live.address).await;
    let forbidden = json!({ "ok": false, "code": "forbidden" });
    let id = tab.id.clone();
    for (array, line) in [
        (format!(r#"["join","/sessions","built-in:eve","{id}"]"#), "join"),
        (format!(r#"["leave","/sessions","built-in:ada","{id}"]"#), "leave"),
        (r#"["emit","/sessions","built-in:ada","sessions:message",{"data":"canary"}]"#.to_owned(), "emit"),
        (r#"["_disconnect","/sessions",true]"#.to_owned(), "disconnect everybody"),
        (r#"["_disconnect","/admin",true]"#.to_owned(), "disconnect elsewhere"),
    ] {
        assert_eq!(page.ask(&array).await, forbidden, "{array}");
        let last = audit(&live).await.pop().unwrap();
        assert_eq!(last, format!("admin.refused by admin at 127.0.0.1: -, {line}"));
    }
    let nobody = json!({ "ok": false, "code": "session_not_found" });
    for filter in ["AAAAAAAAAAAAAAAAAAAA", "nowhere:ada", "x"] {
        assert_eq!(
            page.ask(&format!(r#"["_disconnect","/sessions",false,"{filter}"]"#)).await,
            nobody,
            "{filter}"
        );
    }
    assert_eq!(page.ask(r#"["other"]"#).await, json!({ "ok": false, "code": "event_unknown" }));
    assert_eq!(audit(&live).await.len(), 5 + 3);
    assert_eq!(tab.heard().await.iter().filter(|name| *name != "sessions:update").count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_has_to_wait_and_is_told_so() {
    let live = Live::start(with_password).await;
    let mut page = Page::begin(live.address).await;
    let wrong = r#"40/admin,{"username":"admin","password":"wrong horse"}"#;
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(page.answer(wrong).await);
    }
    assert_eq!(answers[0], WRONG);
    let last = answers.pop().unwrap();
    assert!(last.starts_with(r#"44/admin,{"message":"too many tries; the next one in "#), "{last}");
    // The right one too, at this moment.
    assert!(page.answer(RIGHT).await.starts_with("44/admin,"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_pages_get_in_on_no_listener() {
    let ops = free_address();
    for listen in [None, Some(ops)] {
        let live = Live::start(|config| {
            with_password(config);
            config.ops.listen = listen;
            config.http.allowed_origins =
                AllowedOrigins(Origins::Listed(vec!["https://admin.example".to_owned()]));
        })
        .await;
        let address = listen.unwrap_or(live.address);
        wait_for(address).await;
        for target in [POLL, WEBSOCKET] {
            let headers = |origin| {
                format!(
                    "origin: https://{origin}\r\n{}",
                    if target == WEBSOCKET { upgrade_headers() } else { String::new() }
                )
            };
            let foreign =
                Wire::connect(address).await.request("GET", target, &headers("evil.example"), "").await;
            assert_eq!(foreign.status, 403, "{foreign:?}");
            let own =
                Wire::connect(address).await.request("GET", target, &headers("admin.example"), "").await;
            assert!([101, 200].contains(&own.status), "{own:?}");
            // The page asks with credentials, for which an origin has to be named.
            assert!(own.head.contains("access-control-allow-credentials: true"), "{own:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_a_sessions_or_a_pages() {
    let live = Live::start(with_password).await;
    let mut tab = Tab::join(&live, "ada").await;
    tab.wire.say(RIGHT).await;
    let refused = r#"44/admin,{"message":"this namespace needs a connection of its own"}"#;
    while tab.text().await != refused {}
    assert_eq!(tab.ask("sessions:list", "").await["ok"], true);

    let mut page = Page::open(live.address).await;
    page.wire.say(&live.connect_packet("ada")).await;
    while page.text().await != r#"44/sessions,{"message":"Invalid namespace"}"# {}
    // A page that leaves is told nothing more, and may come back.
    page.wire.say("41/admin,").await;
    page.wire.say("40/admin,{}").await;
    while page.text().await != WRONG {} // what was on its way comes first
    assert!(page.answer(RIGHT).await.starts_with(r#"40/admin,{"sid":""#));
    page.event("all_sockets").await;
    page.wire.say(RIGHT).await;
    assert!(page.wire.close_code().await.is_some(), "a second CONNECT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_too_much_at_once_is_cut_off() {
    let live = Live::start(with_password).await;
    let mut page = Page::open(live.address).await;
    for _ in 0..500 {
        if page
            .wire
            .try_send(crate::live::wire::client_frame(0x81, br#"42/admin,["emit","/","x"]"#))
            .await
            .is_err()
        {
            break;
        }
    }
    assert!(page.wire.close_code().await.is_some());
    let rows = audit(&live).await.len();
    assert!((1..500).contains(&rows), "{rows}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_page_sees_all_nodes_and_disconnects_on_each() {
    let (redis, database) = (Redis::start(), Database::postgres().await);
    let start = async |tag: &str| {
        Live::start(|config| {
            with_password(config);
            config.registry.redis_url = RedisUrl::parse(&redis.url());
            config.database.url = database.config.database.url.clone();
            config.http.node_tag = NodeTag::parse(tag);
        })
        .await
    };
    let (a, b) = (start("node-a").await, start("node-b").await);
    let mut here = Tab::join(&a, "ada").await;
    let mut there = Tab::join(&b, "ada").await;
    // One whose sockets are elsewhere only.
    let mut bob = Tab::join(&b, "bob").await;

    let mut page = Page::open(a.address).await;
    let sockets = page.all_sockets(|sockets| sockets.len() == 3).await;
    let of = |tab: &Tab| {
        let socket = &sockets[&tab.id];
        [&socket["data"]["node"], &socket["data"]["user"], &socket["transport"], &socket["rooms"][0]]
            .map(Value::clone)
    };
    assert_eq!(of(&here), ["node-a", "ada", "websocket", "built-in:ada"].map(Value::from));
    assert_eq!(of(&there), ["node-b", "ada", "unknown", "built-in:ada"].map(Value::from));
    assert_eq!(of(&bob), ["node-b", "bob", "unknown", "built-in:bob"].map(Value::from));
    let told = |id: &'static str, sessions: u64| {
        move |stats: &[Value]| {
            stats[0]["serverId"] == id && stats[0]["namespaces"][0]["socketsCount"] == sessions
        }
    };
    page.event_where("server_stats", told("node-a", 1)).await;
    let other = page.event_where("server_stats", told("node-b", 2)).await.remove(0);
    assert_eq!((&other["clientsCount"], &other["pid"]), (&json!(2), &json!(std::process::id())), "{other}");

    let disconnected = json!({ "ok": true, "disconnected": 1 });
    for tab in [&mut bob, &mut there, &mut here] {
        assert_eq!(
            page.ask(&format!(r#"["_disconnect","/sessions",false,"{}"]"#, tab.id)).await,
            disconnected
        );
        tab.check_revoked().await;
        page.event_where("socket_disconnected", |arguments| arguments[1] == tab.id).await;
    }
}
