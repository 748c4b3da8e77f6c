//! No line breaks the reader of the job log, and what it reads it writes again as the same row.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runner_init::domain::record::{JobRecord, RowReader};
use runner_init::domain::totals::{Bounds, Totals};

fuzz_target!(|bytes: &[u8]| {
    let mut reader = RowReader::new();
    let (mut record, mut again) = (JobRecord::blank(), JobRecord::blank());
    let mut totals = Totals::new(&Bounds::with_duration(vec![10.0, 60.0]));
    let mut jobs = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        if reader.read(line, &mut record).is_err() {
            continue;
        }
        assert_eq!(record, record.as_written());
        let row = record.to_csv_row();
        assert_eq!(row.iter().position(|byte| *byte == b'\n'), Some(row.len() - 1));
        assert_eq!(reader.read(&row[..row.len() - 1], &mut again), Ok(23));
        assert_eq!(record, again);
        totals.fold(&record);
        jobs += 1;
    }
    let finished: u64 = totals.finished.iter().sum();
    assert!(finished <= jobs && totals.started <= jobs);
    assert!(totals.duration.is_sound() && totals.duration.count() <= finished);
    let json = serde_json_round_trip(&totals);
    assert_eq!(json, totals);
});

fn serde_json_round_trip(totals: &Totals) -> Totals {
    serde_json::from_slice(&serde_json::to_vec(totals).expect("totals are plain data")).expect("written by us")
}
