//! Records of every kind, for property tests: any text, any time, pairs of rows of one job; every column of the log by itself.

use super::{JobRecord, JobStatus, RowStatus, columns};
use chrono::{DateTime, TimeZone, Utc};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::fmt::Debug;
use std::time::Duration;

/// Any record.
pub(crate) fn record() -> impl Strategy<Value = JobRecord> {
    columns::any_record()
}

/// A record that says nothing.
pub(super) fn blank() -> BoxedStrategy<JobRecord> {
    Just(JobRecord::blank()).boxed()
}

/// Such records, with anything in this field.
pub(super) fn any_of<T: Any>(
    records: BoxedStrategy<JobRecord>,
    field: fn(&mut JobRecord) -> &mut T,
) -> BoxedStrategy<JobRecord> {
    let fill = move |(mut record, value)| {
        *field(&mut record) = value;
        record
    };
    (records, T::any()).prop_map(fill).boxed()
}

/// What a column can hold, in every kind.
pub(super) trait Any: Debug + Sized + 'static {
    fn any() -> BoxedStrategy<Self>;
}

impl<T: Any + Clone> Any for Option<T> {
    fn any() -> BoxedStrategy<Option<T>> {
        option::of(T::any()).boxed()
    }
}

impl Any for String {
    fn any() -> BoxedStrategy<String> {
        prop_oneof![
            3 => Just(String::new()),
            3 => (0..4_u8).prop_map(|n| n.to_string()),
            3 => vec(any::<char>(), 0..12).prop_map(String::from_iter),
            2 => vec(prop_oneof![Just('"'), Just(','), Just('\n'), Just('\r'), Just('\0'), Just(' ')], 0..6)
                .prop_map(String::from_iter),
            1 => vec(prop_oneof![Just('='), Just('-'), Just('@'), Just('\''), Just('a')], 0..6).prop_map(String::from_iter),
            1 => (1020..1030_usize).prop_map(|n| "ä".repeat(n)),
        ]
        .boxed()
    }
}

impl Any for DateTime<Utc> {
    fn any() -> BoxedStrategy<DateTime<Utc>> {
        prop_oneof![
            6 => (0..3_i64).prop_map(|s| Utc.timestamp_opt(1_700_000_000 + s, 0).unwrap()),
            3 => (-62_167_219_200..253_402_300_800_i64, 0..1_000_000_000_u32)
                .prop_map(|(s, n)| Utc.timestamp_opt(s, n).unwrap()),
            1 => Just(DateTime::<Utc>::MAX_UTC),
        ]
        .boxed()
    }
}

impl Any for Duration {
    fn any() -> BoxedStrategy<Duration> {
        prop_oneof![
            8 => (0..40_000_u64, 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n)),
            2 => (0..400_u64).prop_map(|n| Duration::from_secs(n * 10)),
            1 => any::<u64>().prop_map(Duration::from_secs),
        ]
        .boxed()
    }
}

impl Any for u64 {
    fn any() -> BoxedStrategy<u64> {
        (0..i64::MAX.cast_unsigned()).boxed()
    }
}

impl Any for bool {
    fn any() -> BoxedStrategy<bool> {
        any::<bool>().boxed()
    }
}

impl Any for RowStatus {
    fn any() -> BoxedStrategy<RowStatus> {
        prop_oneof![
            Just(RowStatus::Running),
            (0..5_usize).prop_map(|n| RowStatus::Finished(JobStatus::ALL[n]))
        ]
        .boxed()
    }
}
