//! A day of a simulated runner, as the product recorded it: the job log of a real run of the demo, its steps beside it, at the pace of
//! a real day. No job in it was made up, so none can be where another is.

use super::page::{Page, Series};
use chrono::{DateTime, Utc};
use runner_init::domain::cache::{CacheShare, CacheType};
use runner_init::domain::record::{JobRecord, JobStatus, RowReader, RowStatus};
use runner_init::domain::status::CurrentJob;
use runner_init::domain::steps::{JobSteps, KnownSteps, Step, StepsRow};
use runner_init::telemetry::catalog;
use std::sync::Arc;
use std::time::Duration;

const LOG: &str = include_str!("day/jobs.log");
const STEPS: &str = include_str!("day/jobs.log.steps");
const METRICS: &str = include_str!("day/metrics");
/// The demo ran at four times its pace, and a job of its is seconds long.
const PACE: i32 = 100;

/// What a runner has behind it, and what its newest job was.
pub(crate) struct Day {
    pub(crate) rows: Vec<JobRecord>,
    pub(crate) steps: KnownSteps,
}

/// The last ended at this time.
pub(crate) fn day(ended: DateTime<Utc>) -> Day {
    let rows = finished();
    let last = rows.last().expect("a day has jobs").timestamp;
    let then = |at: DateTime<Utc>| ended - (last - at) * PACE;
    let mut steps = KnownSteps::default();
    for line in STEPS.lines().skip(1) {
        let row: StepsRow = serde_json::from_str(line).expect("a row of steps");
        let of_job = row.steps.steps.iter().map(|step| Step {
            started: then(step.started),
            ended: then(step.ended),
            ..step.clone()
        });
        steps.push(StepsRow {
            started_at: then(row.started_at),
            steps: Arc::new(JobSteps::new(of_job)),
            ..row
        });
    }
    let longer = |time: Duration| time * PACE.unsigned_abs();
    let rows = rows.into_iter().map(|row| JobRecord {
        timestamp: then(row.timestamp),
        started_at: row.started_at.map(then),
        duration: row.duration.map(longer),
        ..row
    });
    Day { rows: rows.collect(), steps }
}

/// Each job by its last row.
fn finished() -> Vec<JobRecord> {
    let mut reader = RowReader::new();
    let mut rows: Vec<JobRecord> = Vec::new();
    for line in LOG.lines().skip(1) {
        let mut row = JobRecord::blank();
        reader.read(line.as_bytes(), &mut row).expect("a row");
        if matches!(row.status, RowStatus::Finished(_)) {
            rows.retain(|known| known.started_at != row.started_at);
            rows.push(row);
        }
    }
    rows
}

/// The same with its newest job three fifths over at this time: what has ended, and that job.
pub(crate) fn busy(now: DateTime<Utc>) -> (Day, CurrentJob) {
    let rest =
        finished().last().and_then(|row| row.duration).expect("it ended") * PACE.unsigned_abs() * 2 / 5;
    let mut day = day(now + rest);
    let row = day.rows.pop().expect("a day has jobs");
    let JobRecord { job_name, started_at, context, .. } = row;
    let job = CurrentJob {
        name: job_name.expect("a name"),
        started_at: started_at.expect("it began"),
        workflow: context.workflow,
        repository: context.repository,
        run_id: context.run_id,
        run_attempt: context.run_attempt,
    };
    (day, job)
}

/// How many ended with each result.
pub(crate) fn results(rows: &[JobRecord]) -> [u64; 5] {
    JobStatus::ALL.map(|status| {
        let same = rows.iter().filter(|row| row.status == RowStatus::Finished(status)).count();
        u64::try_from(same).expect("a few")
    })
}

/// What the caches answered in that day.
pub(crate) fn caches() -> Arc<[CacheShare]> {
    let page = Page::read(METRICS).expect("a page");
    let requests = &page.family(catalog::CACHE_REQUESTS.name).expect("caches were asked").series;
    let is =
        |series: &Series, label: &str, value: &str| series.labels.get(label).is_some_and(|it| it == value);
    let shares = CacheType::BUILT_IN.iter().map(|kind| {
        let of_kind = || requests.iter().filter(|it| is(it, "cache_type", kind.as_str()));
        let sum = |values: &mut dyn Iterator<Item = f64>| {
            values.fold(0.0, |all, one| all + one).to_string().parse::<u32>().expect("a count")
        };
        let hits = sum(&mut of_kind().filter(|it| is(it, "result", "hit")).map(|it| it.value));
        CacheShare { kind: kind.clone(), hits, requests: sum(&mut of_kind().map(|it| it.value)) }
    });
    // Of more than a hundred the last hundred would be shown, which counters do not tell.
    shares.filter(|share| (1..=100).contains(&share.requests)).collect()
}
