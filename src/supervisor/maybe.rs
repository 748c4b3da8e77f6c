//! Optional futures for `select!`. What may not be there is waited for without end: the arms of the loop's `select!`.

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// The updater's marker was seen; `false` if it cannot be watched for, then the deadline decides.
pub(super) async fn updated(task: Option<&mut JoinHandle<std::io::Result<bool>>>) -> bool {
    match task {
        Some(task) => matches!(task.await, Ok(Ok(true))),
        None => std::future::pending().await,
    }
}

/// The next answer; an errand that was called off has none. Cancel-safe.
pub(super) async fn next_done<T: 'static>(errands: &mut JoinSet<T>) -> T {
    while let Some(ended) = errands.join_next().await {
        if let Ok(done) = ended {
            return done;
        }
    }
    std::future::pending().await
}

pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
