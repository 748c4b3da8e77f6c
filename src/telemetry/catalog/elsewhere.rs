//! Families that not every runner has: of rows on their way elsewhere, and of whoever takes them.

use super::{Example, Metric, MetricKind, MetricLabel};

metrics! {
    /// Families of a runner whose metrics or traces are sent (`OTEL_EXPORTER_OTLP_ENDPOINT`); of any other nothing of them is there.
    OTLP;
    OTLP_EXPORTS = "github_runner_otlp_exports_total", Counter, ["result": &["success", "partial", "failed"]],
        {"Share of the exports of the hour that failed" => "sum by (runner_type) (increase(github_runner_otlp_exports_total{result=\"failed\"}[1h])) / (sum by (runner_type) (increase(github_runner_otlp_exports_total[1h])) > 0)"},
        "Exports of metrics by OTLP, by result: partial where the receiver rejected points. Only where OTEL_EXPORTER_OTLP_ENDPOINT is set.";
    OTLP_TRACE_EXPORTS = "github_runner_otlp_trace_exports_total", Counter, ["result": &["success", "partial", "failed", "dropped"]],
        {"Traces of jobs that were lost within the hour" => "sum by (runner_type) (increase(github_runner_otlp_trace_exports_total{result=\"dropped\"}[1h]))"},
        "Traces of jobs sent by OTLP, by result: partial where the receiver rejected spans; failed attempts are repeated, dropped traces are not. Only where they are sent.";
}

metrics! {
    /// Families of a runner whose rows are sent elsewhere (`JOB_EVENTS_URL`); of any other nothing of them is there.
    JOB_EVENTS;
    EVENTS_SENT = "github_runner_job_events_sent_total", Counter, [],
        {"Rows of finished jobs that were taken within the hour" =>
            "sum by (runner_type) (increase(github_runner_job_events_sent_total[1h]))"},
        "Rows of finished jobs that were sent to JOB_EVENTS_URL and taken.";
    EVENTS_FAILED = "github_runner_job_events_failed_total", Counter, [],
        {"Attempts that failed within the hour" =>
            "sum by (runner_type) (increase(github_runner_job_events_failed_total[1h]))"},
        "Attempts to send rows that failed; the rows are sent again.";
    EVENTS_UNSENT = "github_runner_job_events_unsent_timestamp_seconds", Gauge, [],
        {"For how long the oldest row that was not taken has been waiting" =>
            "time() - min by (runner_type) (github_runner_job_events_unsent_timestamp_seconds)"},
        "Unix time at which the oldest job ended whose row was not taken yet; absent if there is none.";
}

/// What became of a row that came to a collector.
pub static COLLECT_RESULTS: [&str; 4] = ["counted", "amended", "known", "refused"];

metrics! {
    /// Families of a collector (`runner-init collect`), besides those of jobs that a runner has too.
    COLLECT;
    COLLECT_ROWS = "github_runner_collect_rows_total", Counter, ["result": &COLLECT_RESULTS],
        {"Jobs a minute" => "sum(rate(github_runner_collect_rows_total{result=\"counted\"}[5m])) * 60",
         "Rows that came more than once, over a day" =>
            "sum(increase(github_runner_collect_rows_total{result=\"known\"}[1d]))"},
        "Rows that came, since the collector started: of a job that was counted, of one that had been counted, word for word as before, or none.";
    COLLECT_OTHER = "github_runner_collect_other_jobs_total", Counter, [],
        {"Jobs that are told apart from no other, over a day" =>
            "sum(increase(github_runner_collect_other_jobs_total[1d]))"},
        "Jobs that were counted under the label value other, since the collector started, because COLLECT_MAX_LABEL_SETS combinations were there before.";
    COLLECT_RUNNERS = "github_runner_collect_runners", Gauge, [],
        {"Runners that live" => "sum(github_runner_collect_runners)"},
        "Runners that have reported within 15 minutes and have not said that they leave.";
    COLLECT_LAST_ROW = "github_runner_collect_last_row_timestamp_seconds", Gauge, [],
        {"Seconds since the last job that was counted" =>
            "time() - max(github_runner_collect_last_row_timestamp_seconds)"},
        "Unix time at which the last row was counted; absent until there was one since the start.";
}

/// Families of a runner that a collector has too, of all runners together.
pub static SHARED: [&Metric; 8] = [
    &super::JOBS,
    &super::JOB_DURATION,
    &super::QUEUE_TIME,
    &super::DEPLOYMENTS,
    &super::LEAD_TIME,
    &super::RECOVERY_TIME,
    &super::LAST_DEPLOYMENT,
    &super::JOURNAL_FAULTS,
];

/// The series of ended jobs where they are sent to a store of series: 1 at each end, by runner, its type and the result.
pub static JOB_ENDED: &str = "github_runner_job_ended";
