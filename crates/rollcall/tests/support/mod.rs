//! A server's parts in a folder of their own, and requests to its router without a socket.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use rollcall::app::App;
use rollcall::clock::Clock;
use rollcall::config::{Config, Secret, Setting};
use rollcall::http::PeerAddress;
use serde_json::{Value, json};
use tower::ServiceExt;

pub const SECRET: &str = "kT9zLqv28RmWp5xYbN4cHd7sJf1gQe6u";
pub const NOW_MILLIS: u64 = 1_800_000_000_000;

/// A token of these claims, as another holder of the secret makes it.
pub fn sign(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

/// A token of this login of a user, good for two hours.
pub fn token(user: &str, login: &str) -> String {
    token_for(user, login, 7200)
}

/// The same, good for this many seconds.
pub fn token_for(user: &str, login: &str, seconds: u64) -> String {
    let now = Clock::system().unix_seconds();
    sign(&json!({"sub": user, "sid": login, "iat": now, "exp": now + seconds}))
}

pub struct Server {
    pub app: Arc<App>,
    pub folder: tempfile::TempDir,
    router: Router,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Server {
    pub async fn open() -> Self {
        Self::with(|_| {}).await
    }

    /// Registration is open and the secret known, unless `change` says otherwise.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        config.identity.secret = Secret::parse(SECRET);
        config.accounts.registration = true;
        change(&mut config);
        let app = App::open(config, Clock::manual(NOW_MILLIS)).await.unwrap();
        Self { router: rollcall::http::router(app.clone()), app, folder }
    }

    /// For a request from a task of its own.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    pub async fn post_to(router: Router, path: &str, body: String) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        answer(router, request.body(Body::from(body)).unwrap()).await
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        answer(self.router.clone(), request).await
    }

    /// Another server on the same database: after a restart, or another node.
    pub async fn again(&self) -> Self {
        let app = App::open(self.app.config.clone(), self.app.clock.clone()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { router: rollcall::http::router(app.clone()), app, folder }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: impl Into<String>) -> Answer {
        self.call("POST", path, None, &body.into()).await
    }

    /// With a Bearer token, and JSON unless there is nothing to say.
    pub async fn call(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !body.is_empty() || method == "POST" {
            request = request.header("content-type", "application/json");
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

pub async fn answer(router: Router, mut request: Request<Body>) -> Answer {
    // As the accept loop does; a test may say who else it is.
    request.extensions_mut().get_or_insert_with(|| PeerAddress(SocketAddr::from(([127, 0, 0, 1], 50_000))));
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A problem as RFC 9457 wants it, with this code.
    #[track_caller]
    pub fn check_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let body = self.json();
        assert_eq!((&body["status"], &body["code"]), (&status.into(), &code.into()));
        for name in ["type", "title", "detail"] {
            assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "no {name} in {body}");
        }
    }
}

/// All at once, on one task.
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs = Vec::new();
    std::future::poll_fn(|context| {
        running.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs
}

pub const ADA: &str = r#"{"email":"ada@example.org","password":"correct horse","name":"Ada"}"#;
