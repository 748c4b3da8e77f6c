//! Shutdown. The end, step by step: the last rows, the last scrape, the last lines; each has its limit.

use super::closing::JobEnding;
use super::{Supervisor, engine, job_events};
use crate::domain::notice::Notice;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

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
    supervisor.sampler.close();
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
        let wait = Wait::begin(supervisor, None);
        let _ = wait.on(supervisor.signals.next(), supervisor.http.linger(until)).await;
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

/// A wait of the end has brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    OutOfTime,
    Asked,
}

/// How long the end waits for something: until then, and, if nobody had asked us to go when it began, until the first signal.
#[derive(Clone, Copy)]
struct Wait {
    until: Option<Instant>,
    was_asked: bool,
}

impl Wait {
    /// It begins; `None` is for what has a limit of its own.
    fn begin(supervisor: &Supervisor, until: Option<Instant>) -> Wait {
        Wait { until, was_asked: was_asked(supervisor) }
    }

    async fn on<T, S>(
        self,
        signal: impl Future<Output = S>,
        what: impl Future<Output = T>,
    ) -> Result<T, Over> {
        tokio::select! {
            found = what => Ok(found),
            () = sleep_until(self.until.unwrap_or_else(Instant::now)), if self.until.is_some() => Err(Over::OutOfTime),
            _ = signal, if !self.was_asked => Err(Over::Asked),
        }
    }
}

/// Before the last rows are written: what waits for a word, and, if nobody waits for us, for GitHub's.
async fn last_words(supervisor: &mut Supervisor, limit: Instant) {
    while !supervisor.jobs.closing.is_empty() {
        let found = timeout_at(limit, supervisor.jobs.closing.next()).await;
        let effects = supervisor.jobs.closed(found.unwrap_or_else(|_| JobEnding::default()));
        supervisor.apply(effects).await;
    }
    let wait = Wait::begin(supervisor, Some(Instant::now() + ANSWER));
    while supervisor.github.is_asked_for_conclusions() && !was_asked(supervisor) {
        let Ok(reply) = wait.on(supervisor.signals.next(), supervisor.github.next()).await else { return };
        let effects = supervisor.github.handle(reply);
        supervisor.apply(effects).await;
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

/// The last rows are taken elsewhere, or the time is over: `limit`, or later if the grace has room.
async fn last_job_events(supervisor: &mut Supervisor, limit: Instant) {
    let was_asked = was_asked(supervisor);
    let Some(most) = supervisor.jobs.events.begin_last(was_asked) else { return };
    let wait = Wait::begin(supervisor, Some(limit.max(supervisor.aftermath.engine.at_most(most))));
    loop {
        // Still alive: nobody may take the wait for a hang.
        let last = supervisor.http.alive_while(supervisor.jobs.events.last());
        match wait.on(supervisor.signals.next(), last).await {
            Ok(Some(notice)) => supervisor.apply([notice]).await,
            Ok(None) | Err(Over::Asked) => return,
            Err(Over::OutOfTime) => return supervisor.apply([job_events::out_of_time()]).await,
        }
    }
}

/// What the last job left on the engine is gone, or the time is over.
async fn last_on_the_engine(supervisor: &mut Supervisor, limit: Instant) {
    let Some(until) = supervisor.aftermath.engine.begin_last(limit) else { return };
    let wait = Wait::begin(supervisor, Some(until));
    while !supervisor.aftermath.engine.is_idle() {
        match wait.on(supervisor.signals.next(), supervisor.aftermath.engine.next()).await {
            Ok(word) => {
                let notice = supervisor.aftermath.engine.handle(word);
                supervisor.apply(notice).await;
            }
            Err(Over::Asked) => return,
            Err(Over::OutOfTime) => return supervisor.apply([engine::out_of_time()]).await,
        }
    }
}

/// The metrics as they are at the end, and the traces that were not sent yet, are told where they are pushed, or the time is over: a
/// share of the grace, and never long.
async fn last_push(supervisor: &mut Supervisor, limit: Instant) {
    let until = limit.max(supervisor.aftermath.engine.last());
    // Which both keep to by themselves.
    let wait = Wait::begin(supervisor, None);
    let Supervisor { push, jobs, telemetry, clock, signals, .. } = &mut *supervisor;
    let both = async { tokio::join!(push.last(telemetry, *clock, until), jobs.traces.last(until)) };
    let notices = wait.on(signals.next(), both).await.map_or_else(|_| Vec::new(), |((), notices)| notices);
    supervisor.apply(notices).await;
}

/// What the last job left is gone, and counted; it has limits of its own.
async fn last_cleanup(supervisor: &mut Supervisor) {
    let wait = Wait::begin(supervisor, None);
    while !supervisor.aftermath.sweeper.is_idle() {
        let outcome = wait.on(supervisor.signals.next(), supervisor.aftermath.sweeper.next()).await;
        let Ok(outcome) = outcome else { return };
        let notice = supervisor.aftermath.sweeper.handle(outcome);
        supervisor.apply(notice).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn a_wait_ends_with_its_time_or_with_the_first_signal_unless_we_are_asked_to_go_already() {
        let now = Instant::now();
        for (was_asked, until, is_there, signalled, ends) in [
            (false, None, true, false, Ok(())),
            (false, Some(now), false, false, Err(Over::OutOfTime)),
            (false, None, false, true, Err(Over::Asked)),
            (true, None, true, true, Ok(())),
            (true, Some(now), false, true, Err(Over::OutOfTime)),
        ] {
            let wait = Wait { until, was_asked };
            let signal = async {
                if !signalled {
                    pending::<()>().await;
                }
            };
            let what = async { if is_there { ready(()).await } else { pending().await } };
            let row = (was_asked, until.is_some(), is_there, signalled);
            assert_eq!(wait.on(signal, what).await, ends, "{row:?}");
        }
    }
}
