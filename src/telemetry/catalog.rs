//! The only place where a metric's name is spelt: dashboards, documents and code all look here.

mod family;
mod late;

pub use family::{Example, Metric, MetricKind, MetricLabel};
pub use late::{LATE, is_late};

/// The label values, in the order of the enums they stand for; a test holds them together.
static STATUSES: [&str; 5] = ["success", "failed", "cancelled", "skipped", "abandoned"];
static STATES: [&str; 9] =
    ["starting", "registering", "idle", "busy", "disconnected", "ghost", "draining", "backoff", "stopped"];
static REASONS: [&str; 14] = [
    "retryable_error",
    "poll_refused",
    "runner_updating",
    "run_once_runner_updating",
    "session_conflict",
    "killed",
    "oom_killed",
    "disk_full",
    "unknown",
    "spawn_failed",
    "registration_failed",
    "reregistered",
    "standing_disagreed",
    "muted",
];
static OUTCOMES: [&str; 2] = ["success", "failed"];
static FAULTS: [&str; 5] = ["torn_tail", "foreign_row", "snapshot_damaged", "write_failed", "unusable"];
static ENGINE_KINDS: [&str; 2] = ["container", "network"];
static QUEUE_FAULTS: [&str; 5] = ["missing", "negative", "absurd", "unavailable", "spared"];
static UNBORN: [&str; 4] = ["no_worker", "superseded", "completed", "listener_exit"];
static REPORT_FAULTS: [&str; 6] = ["oversized", "malformed", "foreign", "late", "duplicate", "unknown_type"];
/// In the order in which they are measured.
pub(super) static PRESSURES: [&str; 3] = ["cpu", "memory", "io"];
static STREAMS: [&str; 2] = ["stdout", "stderr"];
static CACHE_RESULTS: [&str; 3] = ["hit", "partial", "miss"];

macro_rules! metrics {
    ($(#[$about:meta])* $list:ident; $($ident:ident = $name:literal, $kind:ident, [$($label:literal: $values:expr),*],
        {$($asks:literal => $promql:literal),+}, $help:literal;)*) => {
        $(#[doc = concat!("`", $name, "`")] pub static $ident: Metric = Metric {
            name: $name, kind: MetricKind::$kind, help: $help,
            labels: &[$(MetricLabel { name: $label, values: $values }),*],
            examples: &[$(Example { asks: $asks, promql: $promql }),+],
        };)*
        $(#[$about])*
        pub static $list: &[&Metric] = &[$(&$ident),*];
    };
}

mod elsewhere;

pub use elsewhere::*;

metrics! {
    /// Every family of a runner's, in the order of the reference.
    ALL;
    STATUS = "github_runner_status", Gauge, [],
        {"Share of the runners that are online" => "avg by (runner_type) (github_runner_status)"},
        "1 if the runner has a live session or runs a job, else 0; derived from the state, not from being alive.";
    STATE = "github_runner_state", Gauge, ["state": &STATES],
        {"Share of the last hour in which runners were busy" =>
            "avg by (runner_type) (avg_over_time(github_runner_state{state=\"busy\"}[1h]))",
         "Runners in each state" => "sum by (state) (github_runner_state)"},
        "State set: 1 for the state the supervisor is in, 0 for every other.";
    INFO = "github_runner_info", Gauge, ["version": &[], "init_version": &[], "arch": &[], "ephemeral": &["true", "false"]],
        {"Runners by version" => "count by (version, init_version) (github_runner_info)"},
        "Always 1. version is the runner's own; empty until it has said it.";
    UPTIME = "github_runner_uptime_seconds", Gauge, [],
        {"Runners that started within the last ten minutes" =>
            "count by (runner_type) (github_runner_uptime_seconds < 600)"},
        "Seconds since the supervisor started, at the last sample.";
    START_TIME = "github_runner_start_time_seconds", Gauge, [],
        {"Starts of a supervisor that had run before, over a day" =>
            "sum by (runner_name) (changes(github_runner_start_time_seconds[1d]))"},
        "Unix time at which the supervisor started.";
    LAST_UPDATE = "github_runner_last_update_timestamp_seconds", Gauge, [],
        {"Seconds since the last sample; several METRICS_UPDATE_INTERVAL mean that the supervisor hangs" =>
            "time() - max by (runner_name) (github_runner_last_update_timestamp_seconds)"},
        "Unix time of the last sample; a scrape that finds it older than METRICS_UPDATE_INTERVAL takes a new one.";
    JOBS = "github_runner_jobs_total", Counter, ["status": &STATUSES],
        {"Success rate over a day, of the jobs that have succeeded or failed" =>
            "sum by (runner_type) (increase(github_runner_jobs_total{status=\"success\"}[1d])) / (sum by (runner_type) (increase(github_runner_jobs_total{status=~\"success|failed\"}[1d])) > 0)",
         "Jobs that ended within the hour, by result" =>
            "sum by (runner_type, status) (increase(github_runner_jobs_total[1h]))"},
        "Jobs that ended, by result. Survives restarts: a view of the job log.";
    JOBS_STARTED = "github_runner_jobs_started_total", Counter, [],
        {"Jobs that began within the hour" =>
            "sum by (runner_type) (increase(github_runner_jobs_started_total[1h]))"},
        "Jobs that began. Survives restarts: a view of the job log.";
    JOB_START = "github_runner_job_start_timestamp_seconds", Gauge, [],
        {"For how many seconds the longest of the running jobs has been running" =>
            "time() - min by (runner_type) (github_runner_job_start_timestamp_seconds)"},
        "Unix time at which the running job began; absent while none runs.";
    JOB_DURATION = "github_runner_job_duration_seconds", Histogram, [],
        {"95 % of the jobs of the last hour took less" =>
            "histogram_quantile(0.95, sum by (le, runner_type) (rate(github_runner_job_duration_seconds_bucket[1h])))",
         "Mean duration over a day" =>
            "sum by (runner_type) (increase(github_runner_job_duration_seconds_sum[1d])) / (sum by (runner_type) (increase(github_runner_job_duration_seconds_count[1d])) > 0)"},
        "Duration of ended jobs whose end was witnessed, in steps of 1/1024 s. Survives restarts: a view of the job log.";
    QUEUE_TIME = "github_runner_queue_time_seconds", Histogram, [],
        {"90 % of the jobs of the last hour waited less; NaN while there are none of known queue time" =>
            "histogram_quantile(0.9, sum by (le, runner_type) (rate(github_runner_queue_time_seconds_bucket[1h])))"},
        "From created to started, as GitHub says, of ended jobs; jobs of which it said nothing believable are not in it. Survives restarts: a view of the job log.";
    QUEUE_TIME_UNKNOWN = "github_runner_queue_time_unknown_total", Counter, ["reason": &QUEUE_FAULTS],
        {"Jobs of unknown queue time over a day, by why" =>
            "sum by (reason) (increase(github_runner_queue_time_unknown_total[1d]))"},
        "Jobs of which GitHub was asked how long they had waited, and no believable answer came, by why.";
    CLAIMS_DROPPED = "github_runner_claims_dropped_total", Counter, ["reason": &UNBORN],
        {"Jobs a day that were handed out and never had a worker, by why" =>
            "sum by (reason) (increase(github_runner_claims_dropped_total[1d]))"},
        "Jobs that the listener said to run and that never had a worker, by why: cancelled or lost before they began. They are no jobs here.";
    REPORTS_REFUSED = "github_runner_reports_refused_total", Counter, ["reason": &REPORT_FAULTS],
        {"Refused datagrams over a day, by why" =>
            "sum by (reason) (increase(github_runner_reports_refused_total[1d]))"},
        "Datagrams on the socket of the job hooks that were of no use, by why.";
    DEPLOYMENTS = "github_runner_deployments_total", Counter, ["status": &OUTCOMES],
        {"Deployment frequency: successful ones a day, over a week" =>
            "sum(increase(github_runner_deployments_total{status=\"success\"}[7d])) / 7",
         "Change failure rate over 30 days" =>
            "sum(increase(github_runner_deployments_total{status=\"failed\"}[30d])) / (sum(increase(github_runner_deployments_total[30d])) > 0)"},
        "Jobs that were deployments (DORA_DEPLOYMENT_MATCH, DORA_BRANCH_MATCH) and succeeded or failed. Survives restarts: a view of the job log.";
    LEAD_TIME = "github_runner_lead_time_seconds", Histogram, [],
        {"Median lead time for changes over 30 days" =>
            "histogram_quantile(0.5, sum by (le) (increase(github_runner_lead_time_seconds_bucket[30d])))"},
        "From the commit to the end of its successful deployment, where the triggering event tells the commit's time. Survives restarts: a view of the job log.";
    RECOVERY_TIME = "github_runner_recovery_time_seconds", Histogram, [],
        {"Mean recovery time over 30 days, where failure and repair were on one runner" =>
            "sum(increase(github_runner_recovery_time_seconds_sum[30d])) / (sum(increase(github_runner_recovery_time_seconds_count[30d])) > 0)"},
        "From the first failed deployment of a streak to the next success of the same repository, workflow and branch, both on this runner. Survives restarts: a view of the job log.";
    LAST_DEPLOYMENT = "github_runner_last_deployment_timestamp_seconds", Gauge, ["status": &OUTCOMES],
        {"Seconds since the last successful deployment" =>
            "time() - max(github_runner_last_deployment_timestamp_seconds{status=\"success\"})"},
        "Unix time at which the newest deployment with this result ended; absent until there was one. Survives restarts: a view of the job log.";
    STEP_DURATION = "github_runner_step_duration_seconds", Histogram, ["step": &[]],
        {"Mean time a job spends in its set-up and its post steps, over a day" =>
            "sum by (runner_type, step) (increase(github_runner_step_duration_seconds_sum{step=~\"Set up job|Post steps\"}[1d])) / (sum by (runner_type, step) (increase(github_runner_step_duration_seconds_count{step=~\"Set up job|Post steps\"}[1d])) > 0)",
         "95 % of the runs of each step of the last hour took less" =>
            "histogram_quantile(0.95, sum by (le, runner_type, step) (rate(github_runner_step_duration_seconds_bucket[1h])))"},
        "How long steps of ended jobs took, since the supervisor started; step is Set up job, Post steps (all of a job's in one), a name that STEP_METRICS_MATCH asks for, or other beyond 16 of them. Skipped steps and those that were cut off are not in it.";
    CACHE_REQUESTS = "github_runner_cache_requests_total", Counter, ["cache_type": &[], "result": &CACHE_RESULTS],
        {"Cache hit ratio over a day" =>
            "sum by (cache_type) (increase(github_runner_cache_requests_total{result=\"hit\"}[1d])) / (sum by (cache_type) (increase(github_runner_cache_requests_total[1d])) > 0)"},
        "Requests of caches as the job's log or the job itself tells of them, since the supervisor started; cache_type is actions, buildkit, apt, npm, pnpm, uv, pip, sccache, ccache, go, turbo or one of CACHE_TYPES. A type's three series begin with its first request, on one page at 0, or with the process if CACHE_TYPES names it.";
    CACHE_HIT_RATE = "github_runner_cache_hit_rate", Gauge, ["cache_type": &[]],
        {"The runner that finds least in its cache" =>
            "bottomk by (cache_type) (1, github_runner_cache_hit_rate)"},
        "Share of full hits among the last 100 requests of the type, 0 to 1; absent until there is one.";
    RESTARTS = "github_runner_restarts_total", Counter, ["reason": &REASONS],
        {"Restarts over a day, by why" => "sum by (reason) (increase(github_runner_restarts_total[1d])) > 0"},
        "Launches of the listener after the first, by why it had ended.";
    RECONNECTS = "github_runner_reconnects_total", Counter, [],
        {"Lost connections that came back, over an hour" =>
            "sum by (runner_type) (increase(github_runner_reconnects_total[1h]))"},
        "Times the listener found GitHub again after a connection error.";
    CONNECTION_ERRORS = "github_runner_connection_errors_total", Counter, [],
        {"The five runners that lost GitHub most often within the hour" =>
            "topk(5, sum by (runner_name) (increase(github_runner_connection_errors_total[1h])))"},
        "Connection errors the listener reported; it reports the first of a streak.";
    OOM_KILLS = "github_runner_oom_kills_total", SampledCounter, [],
        {"Processes killed for memory over a day" =>
            "sum by (runner_type) (increase(github_runner_oom_kills_total[1d]))"},
        "Processes the kernel killed for memory in the container's cgroup, since it was made; absent where it cannot be read.";
    MEMORY = "github_runner_container_memory_bytes", Gauge, [],
        {"Memory of the fullest runner" => "max by (runner_type) (github_runner_container_memory_bytes)"},
        "Memory in use in the container's cgroup, the page cache included; absent where it cannot be read, or there is no container.";
    CPU = "github_runner_container_cpu_seconds_total", SampledCounter, [],
        {"Cores in use" => "sum by (runner_type) (rate(github_runner_container_cpu_seconds_total[5m]))"},
        "CPU time used in the container's cgroup since it was made; absent where it cannot be read, or there is no container.";
    PRESSURE = "github_runner_pressure_seconds_total", SampledCounter, ["resource": &PRESSURES],
        {"Share of time for which the worst runner was held up" =>
            "max by (runner_type, resource) (rate(github_runner_pressure_seconds_total[5m]))"},
        "Time for which some process of the container was held up for want of the resource (PSI, cgroup v2); absent where it cannot be read, or there is no container.";
    JOB_PEAK = "github_runner_job_peak_memory_bytes", Gauge, [],
        {"Most memory a job of the last day has used" =>
            "max by (runner_type) (max_over_time(github_runner_job_peak_memory_bytes[1d]))"},
        "Most memory the container used while the job that runs, or ran last, was running: the kernel's own mark where that can be told by job, else the largest sample; absent before the first job and where it cannot be read.";
    FREE = "github_runner_work_dir_free_bytes", Gauge, [],
        {"Space left in four hours if it goes on as in the last one" =>
            "min by (runner_type) (predict_linear(github_runner_work_dir_free_bytes[1h], 4 * 3600))"},
        "What the work directory's file system has left, 0 if no file can be made; absent where it cannot be asked.";
    ZOMBIES = "github_runner_zombie_processes", Gauge, [],
        {"Zombies that stay" => "max by (runner_type) (min_over_time(github_runner_zombie_processes[15m]))"},
        "Processes in the container that have ended and that nobody has waited for, at the last sample; absent where there is no container.";
    SWEPT_PROCESSES = "github_runner_swept_processes_total", Counter, [],
        {"Processes that a job leaves behind, over a day" =>
            "sum by (runner_type) (increase(github_runner_swept_processes_total[1d])) / (sum by (runner_type) (increase(github_runner_jobs_started_total[1d])) > 0)"},
        "Processes that a job left behind and that were told to end, once the job had ended (RUNNER_SWEEP).";
    SWEPT_FILES = "github_runner_swept_files_total", Counter, [],
        {"Files removed over a day" => "sum by (runner_type) (increase(github_runner_swept_files_total[1d]))"},
        "Files that were removed after a job: what a killed worker left in _diag/pages, _diag/blocks and _temp (RUNNER_SWEEP), and the oldest logs of _diag (RUNNER_DIAG_MAX_MB).";
    SWEPT_ENGINE = "github_runner_swept_engine_objects_total", Counter, ["kind": &ENGINE_KINDS],
        {"Containers and networks that jobs leave on the Docker Engine, over a day" =>
            "sum by (runner_type, kind) (increase(github_runner_swept_engine_objects_total[1d]))"},
        "Containers and networks that a job had left on the Docker Engine and that were removed: a stopped or killed worker does not remove them itself (RUNNER_SWEEP).";
    ODD_FILES = "github_runner_odd_files_total", Counter, [],
        {"Runners where a job puts something else in the place of a file, over a day" =>
            "sum by (runner_name) (increase(github_runner_odd_files_total[1d]))"},
        "Files of the runner or of ours in whose place something else stood (a link, a pipe, a device, a directory, a file far too long): not opened, and told once for each job.";
    API_REQUESTS = "github_runner_github_api_requests_total", Counter, ["endpoint": &[], "code": &[]],
        {"Share of the calls within the hour that were refused or not answered" =>
            "sum by (endpoint) (increase(github_runner_github_api_requests_total{code!~\"[23]..\"}[1h])) / (sum by (endpoint) (increase(github_runner_github_api_requests_total[1h])) > 0)"},
        "Calls of GitHub's API by endpoint and status; code is network where no answer came.";
    DISAGREEMENTS = "github_runner_status_disagreements_total", Counter, [],
        {"Runners that GitHub took for offline, over a day" =>
            "sum by (runner_name) (increase(github_runner_status_disagreements_total[1d]))"},
        "Times GitHub said that this idle runner is offline or unknown (RUNNER_STATUS_CHECK_INTERVAL).";
    API_REMAINING = "github_runner_github_api_rate_limit_remaining", Gauge, [],
        {"Calls left of the tightest credential" => "min(github_runner_github_api_rate_limit_remaining)"},
        "Calls left of the credential's rate limit, as GitHub last said; absent until it has.";
    JOURNAL_FAULTS = "github_runner_journal_faults_total", Counter, ["kind": &FAULTS],
        {"Faults of the job log over a day, by kind" =>
            "sum by (kind) (increase(github_runner_journal_faults_total[1d]))"},
        "Faults of the job log: rows that could not be written or read, by kind.";
    OUTPUT_LINES = "github_runner_output_lines_total", Counter, ["stream": &STREAMS],
        {"Lines a second" => "sum by (runner_type, stream) (rate(github_runner_output_lines_total[5m]))"},
        "Lines the listener wrote.";
    OUTPUT_DROPPED = "github_runner_output_dropped_lines_total", Counter, ["stream": &STREAMS],
        {"Lines let go within the hour" =>
            "sum by (runner_name) (increase(github_runner_output_dropped_lines_total[1h]))"},
        "Lines not passed on because the consumer of the container's output stood still.";
}

/// Every family that a page of ours may have.
pub fn everywhere() -> impl Iterator<Item = &'static Metric> {
    [ALL, OTLP, JOB_EVENTS, COLLECT, PROCESS].into_iter().flatten().copied()
}

/// Families of the supervisor's own process, which a library moves.
pub static PROCESS: &[&Metric] = &[&PROCESS_CPU];

/// Total user and system CPU time of the supervisor.
pub static PROCESS_CPU: Metric = Metric {
    name: "process_cpu_seconds_total",
    kind: MetricKind::FloatCounter,
    labels: &[],
    help: "Total user and system CPU time spent in seconds.",
    examples: &[],
};

/// Families where the library writes 0 for "no limit", which is no limit of 0.
pub static PROCESS_LIMITS: [&str; 2] = ["process_max_fds", "process_virtual_memory_max_bytes"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cache::CacheResult;
    use crate::domain::context::ReportFault;
    use crate::domain::dora::Outcome;
    use crate::domain::engine;
    use crate::domain::event::Stream;
    use crate::domain::job::Unborn;
    use crate::domain::queue::QueueFault;
    use crate::domain::record::{FaultKind, JobStatus};
    use crate::domain::restart::RestartReason;
    use crate::domain::status::State;

    #[test]
    fn label_values_are_the_words_of_the_enums() {
        assert_eq!(STATUSES.to_vec(), JobStatus::ALL.map(JobStatus::as_str).to_vec());
        assert_eq!(STATES.to_vec(), State::ALL.map(State::as_str).to_vec());
        assert_eq!(REASONS.to_vec(), RestartReason::ALL.map(RestartReason::as_str).to_vec());
        assert_eq!(FAULTS.to_vec(), FaultKind::ALL.map(FaultKind::as_str).to_vec());
        assert_eq!(ENGINE_KINDS.to_vec(), engine::Kind::ALL.map(engine::Kind::as_str).to_vec());
        assert_eq!(QUEUE_FAULTS.to_vec(), QueueFault::ALL.map(QueueFault::as_str).to_vec());
        assert_eq!(UNBORN.to_vec(), Unborn::ALL.map(Unborn::as_str).to_vec());
        assert_eq!(REPORT_FAULTS.to_vec(), ReportFault::ALL.map(ReportFault::as_str).to_vec());
        assert_eq!(OUTCOMES.to_vec(), Outcome::ALL.map(Outcome::as_str).to_vec());
        assert_eq!(STREAMS.to_vec(), Stream::ALL.map(Stream::as_str).to_vec());
        assert_eq!(CACHE_RESULTS.to_vec(), CacheResult::ALL.map(CacheResult::as_str).to_vec());
    }

    #[test]
    fn names_follow_the_conventions() {
        for metric in ALL.iter().chain(OTLP).chain(JOB_EVENTS).chain(COLLECT) {
            assert!(metric.name.starts_with("github_runner_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind.as_str() == "counter", "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
            for example in metric.examples {
                assert!(example.promql.contains(metric.name), "{}", example.promql);
                assert!(!example.asks.is_empty() && !example.promql.contains('\n'), "{}", metric.name);
                // Prometheus groups by a label that nobody has without a word.
                let known = |label: &str| {
                    let own = metric.labels.iter().any(|known| known.name == label);
                    own || ["runner_name", "runner_type", "le"].contains(&label)
                };
                let groups = example.promql.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
                assert!(groups.flat_map(|group| group.split(", ")).all(known), "{}", example.promql);
            }
        }
    }
}
