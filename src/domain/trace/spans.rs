//! One job becomes spans: the job from its queueing to its end, its wait, the time that the runner had it, and each of its steps.

use super::ids::{IdRule, SpanIds};
use super::pending::CacheUse;
use super::span::{Span, SpanEvent, SpanValue, Trace};
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::domain::steps::{JobSteps, Step};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::time::Duration;

/// What holds for every job of a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSetup {
    /// The runner's name.
    pub runner: String,
    /// Where GitHub's pages begin, without a trailing slash.
    pub server: String,
    /// What ids are made from.
    pub ids: IdRule,
}

/// What is known of one job.
#[derive(Clone, Copy, Debug)]
pub struct JobFacts<'a> {
    /// Its last row.
    pub row: &'a JobRecord,
    /// Its steps, if they are known.
    pub steps: Option<&'a JobSteps>,
    /// What it had of caches.
    pub caches: &'a [CacheUse],
}

/// When it was queued, began and ended.
struct Times {
    queued: Option<DateTime<Utc>>,
    began: DateTime<Utc>,
    ended: DateTime<Utc>,
}

impl TraceSetup {
    /// The job's part of its trace; `None` while it runs, or if nobody knows when it began.
    pub fn trace(&self, job: JobFacts<'_>) -> Option<Trace> {
        let RowStatus::Finished(status) = job.row.status else { return None };
        let times = times(job.row, job.steps)?;
        let ids = SpanIds::of(job.row, &self.runner, self.ids);
        let steps = job.steps.map(|known| known.steps.as_slice()).unwrap_or_default();
        let mut spans = vec![self.job(&ids, job.row, status, &times)];
        spans.extend(queue(&ids, job.row, &times));
        spans.push(self.execution(&ids, job, &times));
        spans.extend(of_steps(&ids, steps));
        Some(Trace { id: ids.trace, spans })
    }

    fn job(&self, ids: &SpanIds, row: &JobRecord, status: JobStatus, times: &Times) -> Span {
        let context = &row.context;
        let begin = times.queued.unwrap_or(times.began);
        let mut span = Span::new(ids.job(), ids.run, name(row).to_owned(), (begin, times.ended));
        let repository = context.repository.as_deref();
        let home = repository.map(|repository| format!("{}/{repository}", self.server));
        let run = home.as_ref().zip(context.run_id.as_ref());
        let run = run.map(|(home, run)| format!("{home}/actions/runs/{run}"));
        let attempt = context.run_attempt.as_deref().unwrap_or("1");
        let task = run.as_ref().zip(row.check_run_id).map(|(run, id)| format!("{run}/job/{id}"));
        span.text("cicd.pipeline.name", context.workflow.as_deref());
        span.text("cicd.pipeline.run.id", context.run_id.as_deref());
        let page = |run: String| if attempt == "1" { run } else { format!("{run}/attempts/{attempt}") };
        span.text("cicd.pipeline.run.url.full", run.map(page));
        span.text("cicd.pipeline.task.name", Some(name(row)));
        span.text("cicd.pipeline.task.run.id", row.check_run_id.map(|id| id.to_string()));
        span.text("cicd.pipeline.task.run.url.full", task);
        span.text("cicd.worker.name", Some(self.runner.as_str()));
        span.text("vcs.repository.name", repository.and_then(|name| name.rsplit('/').next()));
        span.text("vcs.repository.url.full", home);
        for (prefix, kind) in [("refs/heads/", "branch"), ("refs/tags/", "tag")] {
            if let Some(name) = context.git_ref.as_deref().and_then(|name| name.strip_prefix(prefix)) {
                span.text("vcs.ref.head.name", Some(name));
                span.text("vcs.ref.head.type", Some(kind));
            }
        }
        span.text("vcs.ref.head.revision", context.sha.as_deref());
        let attempt = context.run_attempt.as_ref().and_then(|attempt| attempt.parse::<i64>().ok());
        span.int("github.workflow.run.attempt", attempt);
        span.text("runner_init.job.id", Some(row.job_id.as_str()));
        span.text("runner_init.job.cause", row.cause.as_deref());
        let error = error_type(row.cause.as_deref());
        span.concluded(row.conclusion.as_deref().or(status.conclusion()), error.as_deref());
        span
    }

    fn execution(&self, ids: &SpanIds, job: JobFacts<'_>, times: &Times) -> Span {
        let name = format!("run-{}", name(job.row));
        let mut span = Span::new(ids.execution(), Some(ids.job()), name, (times.began, times.ended));
        span.text("cicd.pipeline.run.state", Some("executing"));
        span.text("cicd.worker.name", Some(self.runner.as_str()));
        let usage = job.row.usage;
        let cpu = usage.cpu_time.map(|time| SpanValue::Float(seconds(time)));
        span.attributes.extend(cpu.map(|time| ("runner_init.job.cpu_seconds", time)));
        span.int("runner_init.job.peak_memory_bytes", usage.peak_memory);
        let omitted = job.steps.map(|steps| steps.more).filter(|more| *more > 0);
        span.int("runner_init.job.steps_omitted", omitted);
        span.events = job.caches.iter().map(|used| cache(used, times)).collect();
        span
    }
}

fn times(row: &JobRecord, steps: Option<&JobSteps>) -> Option<Times> {
    let began = row.started_at?;
    let ended = row.duration.and_then(|took| began.checked_add_signed(TimeDelta::from_std(took).ok()?));
    let steps = steps.map(|known| known.steps.as_slice()).unwrap_or_default();
    // The listener says that a job is over before or after its last page is closed.
    let last = steps.iter().map(|step| step.ended).max();
    let first = steps.iter().map(|step| step.started).min();
    let ended = ended.unwrap_or(row.timestamp).max(began);
    let queued =
        row.queue_time.and_then(|waited| began.checked_sub_signed(TimeDelta::from_std(waited).ok()?));
    Some(Times {
        queued,
        began: first.map_or(began, |first| first.min(began)),
        ended: last.map_or(ended, |last| last.max(ended)),
    })
}

fn queue(ids: &SpanIds, row: &JobRecord, times: &Times) -> Option<Span> {
    let queued = times.queued?;
    let name = format!("queue-{}", name(row));
    let mut span = Span::new(ids.queue(&name), Some(ids.job()), name, (queued, times.began));
    span.text("cicd.pipeline.run.state", Some("pending"));
    Some(span)
}

/// A name that several steps have is numbered from its second on, as the receiver has it.
fn of_steps(ids: &SpanIds, steps: &[Step]) -> Vec<Span> {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    let mut spans = Vec::with_capacity(steps.len());
    for step in steps {
        let times = seen.entry(&step.name).or_default();
        let name = if *times == 0 { step.name.clone() } else { format!("{}-{times}", step.name) };
        let id = ids.step(&step.name, step.number, *times == 0);
        *times += 1;
        let mut span = Span::new(id, Some(ids.job()), name.clone(), (step.started, step.ended));
        span.text("cicd.pipeline.task.name", Some(name));
        span.int("runner_init.step.number", Some(step.number));
        span.text("runner_init.step.kind", Some(step.kind.as_str()));
        if let Some(result) = step.result {
            span.concluded(Some(result.as_str()), None);
        }
        spans.push(span);
    }
    spans
}

fn cache(used: &CacheUse, times: &Times) -> SpanEvent {
    let number = |count: u32| SpanValue::Int(count.into());
    let attributes = vec![
        ("runner_init.cache.type", SpanValue::Text(used.kind.as_str().to_owned())),
        ("runner_init.cache.hits", number(used.tally.hits)),
        ("runner_init.cache.partials", number(used.tally.partials)),
        ("runner_init.cache.misses", number(used.tally.misses)),
    ];
    SpanEvent { name: "cache", at: used.at.clamp(times.began, times.ended), attributes }
}

fn name(row: &JobRecord) -> &str {
    row.job_name.as_deref().unwrap_or(&row.job_id)
}

/// A cause that is one of a few words; a signal or a code would be one of many.
fn error_type(cause: Option<&str>) -> Option<String> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || b"_ ".contains(&byte);
    let cause = cause.filter(|cause| !cause.is_empty() && cause.bytes().all(is_word))?;
    Some(cause.replace(' ', "_"))
}

/// Milliseconds, as the job log keeps them.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
