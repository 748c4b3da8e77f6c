//! What is known of the open job as its last hook runs: it is waited for so long and no longer, since the job waits for us.

use super::Supervisor;
use super::effect::Effect;
use crate::domain::job::usage::Usage;
use crate::domain::job_summary::JobSummary;
use crate::sys::hooks::Received;
use std::time::Duration;
use tokio::time::timeout;

/// What takes longer of the disk, and of the worker's log, is not in it: whoever waits for the answer does so for 200 ms.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the sender of this report is told besides that it was taken: of its trace as the job begins, its summary at the end.
pub(super) async fn for_the_hook(all: &mut Supervisor, received: &Received) -> Option<String> {
    if !all.job_hooks.wants_summary(received) {
        return all.jobs.told(received);
    }
    of_open_job(all).await.map(|summary| summary.for_the_hook())
}

/// The open job's; `None` if there is no job.
async fn of_open_job(all: &mut Supervisor) -> Option<JobSummary> {
    let began = all.life.open_job()?.started.utc;
    if all.workers.log(began).is_none() {
        // A worker makes its log a moment after it is born; of a short job, after it was last looked for.
        all.apply([Effect::Look]).await;
    }
    let now = all.clock.now();
    let log = all.workers.log(began);
    let steps = log.map(|log| all.files.steps(log, all.listener.launch(), now.utc));
    let steps = timeout(PATIENCE, async { steps?.take().await });
    let space = timeout(PATIENCE, all.sampler.least_space().take());
    let (steps, space) = all.http.alive_while(async { tokio::join!(steps, space) }).await;
    // Whoever knows the steps has read the job's log so far: what it told of caches waits by now.
    let heard = all.jobs.caches.waiting();
    all.apply(heard).await;
    let meter = all.sampler.meter(now.up);
    let ran = now.up.saturating_sub(all.life.open_job()?.started.up);
    let (row, before) = all.jobs.open()?;
    let kills = meter.oom_kills.zip(before.oom_kills);
    Some(JobSummary {
        waited: row.queue_time,
        ran,
        usage: Usage::between(before, meter),
        limits: all.sampler.limits(),
        space: space.ok().flatten().flatten(),
        steps: steps.ok().flatten().unwrap_or_default(),
        caches: all.jobs.caches.of_job().to_vec(),
        oom_kills: kills.map_or(0, |(now, before)| now.saturating_sub(before)),
        stopped: all.life.ends_job(),
    })
}
