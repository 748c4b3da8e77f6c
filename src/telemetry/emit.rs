//! One happening, one `emit`: the log line and the metrics move together, and nothing else moves either.

mod around;
mod cache;
mod events;
mod export;
mod jobs;
mod meter;
mod resources;
mod start;
mod steps;

pub use events::begin as begin_job_events;
use export::Push;
pub use meter::ApiMeter;
pub use resources::Resources;
pub use start::tell_start;

use super::catalog as c;
use super::exporter::Exporter;
use crate::domain::cache::CacheType;
use crate::domain::dora::Matcher;
use crate::domain::event::{StopRequest, Stream};
use crate::domain::identity::Identity;
use crate::domain::notice::Notice;
use crate::domain::otlp::Temporality;
use crate::domain::record::FaultKind;
use crate::domain::registration::{Recovery, Removal, RunnerStatus};
use crate::domain::restart::RestartReason;
use crate::domain::status::{State, Status};
use crate::domain::step_times::StepTimes;
use chrono::{DateTime, Utc};
use metrics::{counter, gauge};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// Facts that are looked at, not told: taken when somebody looks, and no older than `METRICS_UPDATE_INTERVAL` then.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Wall clock.
    pub utc: DateTime<Utc>,
    /// Monotonic time since the supervisor started.
    pub up: Duration,
    /// Lines read, in the order of [`Stream::ALL`].
    pub lines: [u64; 2],
    /// Processes killed for memory in our cgroup, if that can be read.
    pub oom_kills: Option<u64>,
    /// What the container uses.
    pub resources: Resources,
}

/// The one that tells.
pub struct Telemetry {
    exporter: Exporter,
    identity: Arc<Identity>,
    version: RefCell<Option<String>>,
    push: RefCell<Option<Push>>,
    steps: RefCell<StepTimes>,
    process: metrics_process::Collector,
}

impl Telemetry {
    /// Starts with the runner known and the state `starting`.
    pub fn new(exporter: Exporter, identity: Arc<Identity>) -> Telemetry {
        let process = metrics_process::Collector::default();
        process.describe();
        gauge!(c::START_TIME.name).set(seconds(identity.started_at));
        let version = RefCell::new(Some(String::new()));
        let (push, steps) = (RefCell::default(), RefCell::default());
        let telemetry = Telemetry { exporter, identity, version, push, steps, process };
        telemetry.info(Some("")).set(1.0);
        telemetry
    }

    /// Metrics are pushed from now on. `resource` says who tells, `bounds` are those of job durations.
    pub fn begin_push(&self, resource: Vec<(String, String)>, temporality: Temporality, bounds: Vec<f64>) {
        self.push.replace(Some(Push::new(resource, temporality, bounds, &self.identity)));
        self.exporter.begin(&c::OTLP_EXPORTS);
    }

    /// All there is to tell now, as a request; `None` where nothing is pushed.
    pub fn push_request(&self, now: DateTime<Utc>) -> Option<Vec<u8>> {
        self.push.borrow_mut().as_mut().map(|push| push.request(&self.exporter, now))
    }

    /// Tells one happening.
    pub fn emit(&self, notice: &Notice) {
        let before = self.push.borrow().as_ref().and_then(|_| Push::before(notice, &self.exporter));
        self.tell(notice);
        if let Some(push) = self.push.borrow_mut().as_mut() {
            push.after(notice, before, &self.exporter);
        }
        self.exporter.touch();
    }

    fn tell(&self, notice: &Notice) {
        match notice {
            Notice::ListenerStarted { pid, restart } => listener_started(*pid, *restart),
            Notice::ListenerMuted => error!(event = "listener_muted"),
            Notice::ListenerNotStarted { error } => error!(event = "listener_not_started", error),
            Notice::DockerAwaited { at_most } => around::docker_awaited(*at_most),
            Notice::DockerWaitEnded { says } => around::docker_wait_ended(says.as_deref()),
            Notice::CertificatesUpdated { says } => around::certificates_updated(says.as_deref()),
            Notice::ListenerExited { exit, cause } => around::listener_exited(*exit, *cause),
            Notice::VersionSeen { version } => self.version_seen(version),
            Notice::SessionCreated => info!(event = "session_created"),
            Notice::ConnectionLost { message } => connection_lost(message),
            Notice::Reconnected(how) => reconnected(*how),
            Notice::SessionConflicted => warn!(event = "session_conflicted"),
            Notice::GhostDetected { cause } => error!(event = "ghost_detected", cause = cause.as_str()),
            Notice::RunnerComplained { message } => error!(event = "runner_complained", message),
            Notice::UpdateAnnounced { step } => info!(event = "update_announced", step),
            Notice::UpdateAwaited { at_most } => info!(event = "update_awaited", seconds = at_most.as_secs()),
            Notice::UpdateEnded { finished } => info!(event = "update_ended", finished),
            Notice::RestartScheduled { reason, after, failures: n } => around::restart(*reason, *after, *n),
            Notice::RowWritten { row, delta } => jobs::row_written(row, delta),
            Notice::ReportRefused(fault) => jobs::report_refused(*fault),
            Notice::QueueTimeUnknown(fault) => jobs::queue_time_unknown(*fault),
            Notice::RegistrationStarted => info!(event = "registration_started"),
            Notice::Registered(how) => info!(event = "registered", how = how.as_str()),
            Notice::RegistrationFailed(fault) => around::registration_failed(fault),
            Notice::Unlabelled(outcome) => unlabelled(outcome),
            Notice::StandingDisagreed(standing) => standing_disagreed(*standing),
            Notice::NoJobCame { waited, put_off } => around::no_job_came(*waited, put_off.as_deref()),
            Notice::DeregistrationStarted => info!(event = "deregistration_started"),
            Notice::Deregistered(removal) => deregistered(removal),
            Notice::LineDoubted(doubt) => warn!(event = "line_doubted", why = doubt.as_str()),
            Notice::ClaimDropped(why) => jobs::claim_dropped(*why),
            Notice::StopAsked(kind) => info!(event = "stop_asked", how = stop_word(*kind)),
            Notice::StopAskedAgain => info!(event = "stop_asked", how = "again"),
            Notice::StopRepeated => stop_repeated(),
            Notice::DrainStarted { at_most, job } => around::drain_started(*at_most, job),
            Notice::ListenerInterrupted { cancels_job, at_most } => interrupted(*cancels_job, *at_most),
            Notice::StopHurried { at_most } => around::stop_hurried(*at_most),
            Notice::BelowSignalled { rung, processes } => around::below_signalled(*rung, *processes),
            Notice::ListenerKilled => warn!(event = "listener_killed"),
            Notice::Finished { reason, code } => info!(event = "finished", reason = reason.as_str(), code),
            Notice::OutputDropped { stream, lines } => output_dropped(*stream, *lines),
            Notice::CacheUsed { kind, tally, hit_rate } => cache::used(kind, *tally, *hit_rate),
            Notice::StepsKnown(row) => steps::known(&mut self.steps.borrow_mut(), row),
            Notice::JournalFault { kind, detail } => journal_fault(*kind, detail),
            Notice::JobsRestored { totals, newest, .. } => jobs::restore(&self.exporter, totals, *newest),
            Notice::JournalOpened { rows, predecessor } => info!(event = "journal_opened", rows, predecessor),
            Notice::JournalCompacted { folded, kept } => info!(event = "journal_compacted", folded, kept),
            Notice::RowsLost { rows } => error!(event = "rows_lost", rows),
            Notice::Swept(swept) => resources::swept(*swept),
            Notice::JobEvents(news) => events::delivery(news),
            Notice::OddFile(odd) => around::odd_file(odd),
            Notice::Engine(news) => resources::engine(news),
            Notice::JobHooksLost { error } => error!(event = "job_hooks_lost", error),
            Notice::TraceNotFollowed { error } => debug!(event = "trace_not_followed", error),
            Notice::Export(news) => export::ended(news),
            Notice::Traces(news) => export::traces(news),
            Notice::Ignored { signal } => debug!(event = "signal_ignored", signal),
        }
    }

    /// Draws the gauges that follow from the state.
    pub fn show(&self, status: &Status) {
        gauge!(c::STATUS.name).set(if status.state.is_online() { 1.0 } else { 0.0 });
        for state in State::ALL {
            gauge!(c::STATE.name, "state" => state.as_str()).set(if state == status.state {
                1.0
            } else {
                0.0
            });
        }
        // NaN inside is absent outside.
        gauge!(c::JOB_START.name).set(status.job.as_ref().map_or(f64::NAN, |job| seconds(job.started_at)));
        self.exporter.touch();
    }

    /// What was asked for: types of caches are there from the start, at 0; steps in whose name `steps` is found have a duration.
    pub fn know<'a>(&self, caches: impl Iterator<Item = &'a CacheType>, steps: Option<Matcher>) {
        caches.for_each(cache::show);
        self.steps.replace(StepTimes::of_names(steps));
        self.exporter.touch();
    }

    /// Nobody may look more than once from now on: what has begun is shown as it is.
    pub fn caches_end(&self) {
        self.exporter.release();
    }

    /// Takes a sample.
    pub fn sample(&self, sample: Sample) {
        gauge!(c::UPTIME.name).set(sample.up.as_secs_f64());
        gauge!(c::LAST_UPDATE.name).set(seconds(sample.utc));
        for (stream, lines) in Stream::ALL.into_iter().zip(sample.lines) {
            counter!(c::OUTPUT_LINES.name, "stream" => stream.as_str()).absolute(lines);
        }
        if let Some(kills) = sample.oom_kills {
            #[expect(clippy::cast_precision_loss, reason = "nobody gets to kill 2^53 processes")]
            gauge!(c::OOM_KILLS.name).set(kills as f64);
        }
        resources::sampled(&sample.resources);
        self.process.collect();
        self.exporter.upkeep();
        self.exporter.touch();
    }

    fn version_seen(&self, version: &str) {
        let old = self.version.replace(Some(version.to_owned()));
        if old.as_deref() != Some(version) {
            self.info(old.as_deref()).set(f64::NAN);
        }
        self.info(Some(version)).set(1.0);
        info!(event = "runner_version", version);
    }

    fn info(&self, version: Option<&str>) -> metrics::Gauge {
        gauge!(
            c::INFO.name,
            "version" => version.unwrap_or_default().to_owned(),
            "init_version" => self.identity.init_version,
            "arch" => self.identity.arch,
            "ephemeral" => if self.identity.ephemeral { "true" } else { "false" },
        )
    }
}

fn listener_started(pid: u32, restart: Option<RestartReason>) {
    if let Some(reason) = restart {
        counter!(c::RESTARTS.name, "reason" => reason.as_str()).increment(1);
    }
    info!(event = "listener_started", pid, reason = restart.map_or("first", RestartReason::as_str));
}

fn standing_disagreed(standing: RunnerStatus) {
    counter!(c::DISAGREEMENTS.name).increment(1);
    warn!(event = "standing_disagreed", github_says = standing.as_str());
}

fn deregistered(removal: &Removal) {
    match removal {
        Removal::Removed => info!(event = "deregistered", how = "config.sh"),
        Removal::Deleted => info!(event = "deregistered", how = "api"),
        Removal::NothingLeft => info!(event = "deregistered", how = "already_gone"),
        Removal::NeverMade => info!(event = "deregistered", how = "never_registered"),
        Removal::LeftBehind(says) => error!(event = "registration_left_behind", says),
    }
}

fn connection_lost(message: &str) {
    counter!(c::CONNECTION_ERRORS.name).increment(1);
    warn!(event = "connection_lost", message);
}

fn reconnected(how: Recovery) {
    counter!(c::RECONNECTS.name).increment(1);
    info!(event = "reconnected", how = how.as_str());
}

fn output_dropped(stream: Stream, lines: u64) {
    counter!(c::OUTPUT_DROPPED.name, "stream" => stream.as_str()).increment(lines);
    warn!(event = "output_dropped", stream = stream.as_str(), lines);
}

fn journal_fault(kind: FaultKind, detail: &str) {
    counter!(c::JOURNAL_FAULTS.name, "kind" => kind.as_str()).increment(1);
    error!(event = "journal_fault", kind = kind.as_str(), detail);
}

fn interrupted(cancels_job: bool, at_most: Duration) {
    info!(event = "listener_interrupted", cancels_job, kill_after_seconds = at_most.as_secs());
}

fn unlabelled(outcome: &Result<(), String>) {
    match outcome {
        Ok(()) => info!(event = "labels_taken_away"),
        Err(says) => warn!(event = "labels_stay", says),
    }
}

fn stop_repeated() {
    let says = "within a second of the one before, so it is the same; a later one means now";
    info!(event = "stop_repeated", says);
}

fn stop_word(kind: StopRequest) -> &'static str {
    match kind {
        StopRequest::Graceful => "ask",
        StopRequest::Immediate => "insist",
        StopRequest::DrainUnlimited => "drain",
    }
}

pub(super) fn seconds(at: DateTime<Utc>) -> f64 {
    // Milliseconds since 1970 stay exact in an f64 for 285,000 years.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let millis = at.timestamp_millis() as f64;
    millis / 1000.0
}
