//! Shutdown. The end, step by step: the last rows, the last scrape, the last lines; each has its limit.

use super::closing::JobEnding;
use super::http_handle::HttpHandle;
use super::{Supervisor, engine, job_events};
use crate::domain::notice::Notice;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a runner that leaves by itself waits for GitHub's record.
const ANSWER: Duration = Duration::from_secs(5);

/// For the last lines, if all else has taken longer than it had: of the grace's reserve.
const FLUSH: Duration = Duration::from_millis(200);

/// How long what is done at the end may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Waiting for one more scrape.
    pub(super) linger: Duration,
    /// HTTP, and what is still to be written.
    pub(super) wrap_up: Duration,
}

/// A stop that was asked for waits for nobody but the disk and the answers under way; any other for the sweep as well.
pub(super) async fn wrap_up(supervisor: &mut Supervisor) {
    let mut limit = Instant::now() + supervisor.limits.wrap_up;
    last_words(supervisor, limit).await;
    last_rows(supervisor, limit).await;
    last_job_events(supervisor, limit).await;
    let notices = supervisor.jobs.caches.last(limit).await;
    supervisor.apply(notices).await;
    supervisor.telemetry.caches_end();
    last_on_the_engine(supervisor, limit).await;
    let notices = supervisor.aftermath.odd_files.last();
    supervisor.apply(notices).await;
    if !was_asked(supervisor) {
        last_cleanup(supervisor).await;
    }
    let space = supervisor.sampler.free_space().take().await.flatten();
    let effects = supervisor.sampler.handle(space, supervisor.clock.now(), supervisor.listener.output());
    supervisor.apply(effects).await;
    last_push(supervisor, limit).await;
    if !was_asked(supervisor) {
        let until = Instant::now() + supervisor.limits.linger;
        tokio::select! {
            () = supervisor.http.linger(until) => {}
            _ = supervisor.signals.next() => {}
        }
    }
    if !supervisor.life.was_asked() {
        limit = Instant::now() + supervisor.limits.wrap_up;
    }
    supervisor.http.close(limit).await;
    for outlet in &supervisor.listener.output().outlets {
        outlet.flush(limit.max(Instant::now() + FLUSH).saturating_duration_since(Instant::now()));
    }
}

/// Whether somebody waits for us to be gone: before the end began, or since.
fn was_asked(supervisor: &Supervisor) -> bool {
    supervisor.life.was_asked() || supervisor.signals.is_stop_heard()
}

/// Before the last rows are written: what waits for a word, and, if nobody waits for us, for GitHub's.
async fn last_words(supervisor: &mut Supervisor, limit: Instant) {
    while !supervisor.jobs.closing.is_empty() {
        let found = timeout_at(limit, supervisor.jobs.closing.next()).await;
        let effects = supervisor.jobs.closed(found.unwrap_or_else(|_| JobEnding::default()));
        supervisor.apply(effects).await;
    }
    let limit = Instant::now() + ANSWER;
    while supervisor.github.is_asked_for_conclusions() && !was_asked(supervisor) {
        tokio::select! {
            reply = supervisor.github.next() => {
                let effects = supervisor.github.handle(reply);
                supervisor.apply(effects).await;
            }
            () = tokio::time::sleep_until(limit) => return,
            _ = supervisor.signals.next() => return,
        }
    }
}

/// What is on disk is counted before anybody looks for the last time.
async fn last_rows(supervisor: &mut Supervisor, limit: Instant) {
    loop {
        match timeout_at(limit, supervisor.jobs.log.last()).await {
            Ok(Some(event)) => {
                let news = supervisor.jobs.log.handle(event, supervisor.clock.now().utc);
                let effects = supervisor.jobs.heard(news);
                supervisor.apply(effects).await;
            }
            Ok(None) => return,
            Err(_) => {
                let rows = supervisor.jobs.log.unwritten();
                return supervisor.apply([Notice::RowsLost { rows }]).await;
            }
        }
    }
}

/// The last rows are taken elsewhere, or the time is over: `limit`, or later if the grace has room. A wait that nobody has asked to end
/// ends with the first signal.
async fn last_job_events(supervisor: &mut Supervisor, limit: Instant) {
    let was_asked = was_asked(supervisor);
    let Some(wait) = supervisor.jobs.events.begin_last(was_asked) else { return };
    let until = limit.max(supervisor.aftermath.engine.at_most(wait));
    loop {
        tokio::select! {
            notice = supervisor.jobs.events.last() => match notice {
                Some(notice) => supervisor.apply([notice]).await,
                None => return,
            },
            () = tokio::time::sleep_until(until) => return supervisor.apply([job_events::out_of_time()]).await,
            _ = supervisor.signals.next(), if !was_asked => return,
            // Still alive: nobody may take the wait for a hang.
            pulse = supervisor.http.next() => HttpHandle::handle(pulse),
        }
    }
}

/// What the last job left on the engine is gone, or the time is over. A stop that was not asked for ends with the first signal.
async fn last_on_the_engine(supervisor: &mut Supervisor, limit: Instant) {
    let Some(until) = supervisor.aftermath.engine.begin_last(limit) else { return };
    let was_asked = was_asked(supervisor);
    while !supervisor.aftermath.engine.is_idle() {
        tokio::select! {
            word = supervisor.aftermath.engine.next() => {
                let notice = supervisor.aftermath.engine.handle(word);
                supervisor.apply(notice).await;
            }
            () = tokio::time::sleep_until(until) => return supervisor.apply([engine::out_of_time()]).await,
            _ = supervisor.signals.next(), if !was_asked => return,
        }
    }
}

/// The metrics as they are at the end, and the traces that were not sent yet, are told where they are pushed, or the time is over: a share of the grace, and never long.
/// A stop that was not asked for ends with the first signal.
async fn last_push(supervisor: &mut Supervisor, limit: Instant) {
    let until = limit.max(supervisor.aftermath.engine.last());
    let was_asked = was_asked(supervisor);
    let Supervisor { push, jobs, telemetry, clock, signals, .. } = &mut *supervisor;
    let both = async {
        let ((), notices) = tokio::join!(push.last(telemetry, *clock, until), jobs.traces.last(until));
        notices
    };
    let notices = tokio::select! {
        notices = both => notices,
        _ = signals.next(), if !was_asked => Vec::new(),
    };
    supervisor.apply(notices).await;
}

/// What the last job left is gone, and counted; it has limits of its own. The first signal ends the wait.
async fn last_cleanup(supervisor: &mut Supervisor) {
    while !supervisor.aftermath.sweeper.is_idle() {
        tokio::select! {
            outcome = supervisor.aftermath.sweeper.next() => {
                let notice = supervisor.aftermath.sweeper.handle(outcome);
                supervisor.apply(notice).await;
            }
            _ = supervisor.signals.next() => return,
        }
    }
}
