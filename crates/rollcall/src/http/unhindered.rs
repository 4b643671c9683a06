//! Work that goes on to its end although its client has hung up: what is written must also be carried out. Does not
//! know: what the work is.

use engineio::server::spawn;
use tokio::sync::oneshot;

use super::Problem;

/// Does the work in a task of its own and waits for it.
pub(super) async fn unhindered<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let (done, result) = oneshot::channel();
    spawn(async move {
        // Nobody may be left to tell.
        let _ = done.send(work.await);
    });
    // An error means that the work has panicked.
    result.await.unwrap_or_else(|_| Err(Problem::internal()))
}
