//! An answer that was found before its request's body was read waits a moment for the rest. To close a connection over
//! bytes that nobody has read resets it, and the client loses the answer (RFC 9112 section 9.6). Does not know: routes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

/// Answers, and reads what is left of the body, within bounds.
pub(super) async fn take(request: Request, next: Next) -> Response {
    // Who waits for `100 Continue` sends nothing when the answer comes instead.
    if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let mut body = Shared(Arc::new(Mutex::new(body)));
    let response = next.run(Request::from_parts(parts, Body::new(body.clone()))).await;
    // Of a body that was waited for in vain nothing more comes. Whoever is slower than that, or says more, may lose the
    // answer.
    if response.status() != StatusCode::REQUEST_TIMEOUT {
        let _ = tokio::time::timeout(PATIENCE, body.discard()).await;
    }
    response
}

/// A body that can be read on when its first reader has let go of it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    async fn discard(&mut self) {
        let mut read = 0;
        while read < BYTES_MAX
            && let Some(Ok(frame)) = self.frame().await
        {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}

const PATIENCE: Duration = Duration::from_secs(1);
const BYTES_MAX: usize = 1024 * 1024;
