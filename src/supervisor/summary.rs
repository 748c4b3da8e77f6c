//! What is known of the open job as its last hook runs: it is waited for so long and no longer, since the job waits for us.

use super::Supervisor;
use crate::domain::job::usage::Usage;
use crate::domain::job_summary::JobSummary;
use std::time::Duration;
use tokio::time::timeout;

/// A disk that takes longer is not in it: whoever waits for the answer does so for 200 ms.
const PATIENCE: Duration = Duration::from_millis(100);

/// The open job's; `None` if there is no job.
pub(super) async fn of_open_job(all: &mut Supervisor) -> Option<JobSummary> {
    let heard = all.jobs.caches.waiting();
    all.apply(heard).await;
    let space = all.http.alive_while(timeout(PATIENCE, all.sampler.least_space().take())).await;
    let now = all.clock.now();
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
        caches: all.jobs.caches.of_job().to_vec(),
        oom_kills: kills.map_or(0, |(now, before)| now.saturating_sub(before)),
        stopped: all.life.ends_job(),
    })
}
