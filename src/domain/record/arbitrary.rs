//! Records of every kind, for property tests: any text, any time, pairs of rows of one job.

use super::{JobRecord, JobStatus, RowStatus};
use chrono::{DateTime, TimeZone, Utc};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::time::Duration;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        3 => (0..4_u8).prop_map(|n| n.to_string()),
        3 => vec(any::<char>(), 0..12).prop_map(String::from_iter),
        2 => vec(prop_oneof![Just('"'), Just(','), Just('\n'), Just('\r'), Just('\0'), Just(' ')], 0..6)
            .prop_map(String::from_iter),
        1 => vec(prop_oneof![Just('='), Just('-'), Just('@'), Just('\''), Just('a')], 0..6).prop_map(String::from_iter),
        1 => (1020..1030_usize).prop_map(|n| "ä".repeat(n)),
    ]
}

fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    prop_oneof![
        6 => (0..3_i64).prop_map(|s| Utc.timestamp_opt(1_700_000_000 + s, 0).unwrap()),
        3 => (-62_167_219_200..253_402_300_800_i64, 0..1_000_000_000_u32).prop_map(|(s, n)| Utc.timestamp_opt(s, n).unwrap()),
        1 => Just(DateTime::<Utc>::MAX_UTC),
    ]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0..40_000_u64, 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n)),
        2 => (0..400_u64).prop_map(|n| Duration::from_secs(n * 10)),
        1 => any::<u64>().prop_map(Duration::from_secs),
    ]
}

fn status() -> impl Strategy<Value = RowStatus> {
    prop_oneof![Just(RowStatus::Running), (0..5_usize).prop_map(|n| RowStatus::Finished(JobStatus::ALL[n])),]
}

/// Any record.
pub(crate) fn record() -> impl Strategy<Value = JobRecord> {
    let times = (instant(), option::of(instant()));
    let times = (times, option::of(instant()));
    let durations = vec(option::of(duration()), 4);
    let peak = option::of(0..i64::MAX.cast_unsigned());
    (times, durations, status(), vec(text(), 13), any::<Option<bool>>(), peak).prop_map(
        |(((timestamp, started_at), committed_at), durations, status, texts, deployment, peak_memory)| {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().unwrap();
            JobRecord {
                timestamp,
                job_id: next(),
                status,
                duration: durations[0],
                queue_time: durations[1],
                job_name: next(),
                workflow: next(),
                repository: next(),
                run_id: next(),
                run_attempt: next(),
                event: next(),
                git_ref: next(),
                sha: next(),
                started_at,
                lead_time: durations[2],
                deployment,
                cause: next(),
                conclusion: next(),
                run_number: next(),
                actor: next(),
                committed_at,
                cpu_time: durations[3],
                peak_memory,
            }
        },
    )
}
