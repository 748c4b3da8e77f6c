//! What a snapshot says is refused or can be gone on with: under other bounds, with more rows, written and read again.

use runner_init::domain::dora::StreamRule;
use runner_init::domain::fleet::{FleetTotals, LabelName};
use runner_init::domain::record::{JobRecord, JobStatus, RowStatus};
use runner_init::domain::totals::{Bounds, Ledger, Totals};
use std::time::Duration;

pub(super) fn run(bytes: &[u8]) {
    go_on::<Totals>(bytes);
    if let Some(fleet) = go_on::<FleetTotals>(bytes) {
        assert!(fleet.by(&LabelName::ALL, 3).len() <= 4);
    }
}

fn go_on<T: Ledger + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(bytes).ok()?;
    if !read.is_sound() {
        return None;
    }
    let (bounds, streams) = (Bounds::with_duration(vec![1.0, 30.0]), StreamRule::default());
    let mut totals = read.fit(&bounds, &streams);
    let status = RowStatus::Finished(JobStatus::Success);
    let row = JobRecord { status, duration: Some(Duration::from_secs(7)), ..JobRecord::blank() };
    totals.add(&row);
    totals.add(&JobRecord { status: RowStatus::Running, ..JobRecord::blank() });
    assert!(totals.is_sound());
    for row in totals.unclosed() {
        assert_eq!(row, row.as_written());
    }
    let text = serde_json::to_vec(&totals).expect("totals are plain data");
    let again: T = serde_json::from_slice(&text).expect("written by us");
    assert_eq!(again.fit(&bounds, &streams), totals);
    Some(totals)
}
