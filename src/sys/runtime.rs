//! The supervisor's runtime: one thread for all of it, and a helper that is there from the start and stays.

use std::io;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Longer than any container lives.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What waits for the system (the name of GitHub's host, the updater's marker) is done by helpers. Where a job has used up the pids
/// limit none is to be had any more: then it waits for the one there is. Without one the library would end us.
/// `at_rest` is called each time before the thread has nothing to do.
///
/// # Errors
/// If there is not even one.
pub fn build(at_rest: impl Fn() + Send + Sync + 'static) -> io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().thread_keep_alive(FOR_EVER).on_thread_park(at_rest).build()?;
    // The library's own way to a thread ends us where there is none: so it is asked for once before.
    drop(std::thread::Builder::new().spawn(|| ())?.join());
    drop(runtime.block_on(runtime.spawn_blocking(|| ())));
    Ok(runtime)
}
