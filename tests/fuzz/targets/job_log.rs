//! No line breaks the reader of the job log; what it reads it writes again as the same row, and what rows add up to stays that.

use runner_init::domain::job::history::JobHistory;
use runner_init::domain::record::{FLEET_HEADER, HEADER, JobRecord, RowReader, from_json, to_json};
use runner_init::domain::totals::{Bounds, Totals};

pub(super) fn run(bytes: &[u8]) {
    let mut reader = RowReader::new();
    let (mut record, mut again) = (JobRecord::blank(), JobRecord::blank());
    let bounds = Bounds::with_duration(vec![10.0, 60.0]);
    let mut totals = Totals::new(&bounds);
    let mut live = JobHistory::new(Totals::new(&bounds));
    let mut jobs = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        if reader.read(line, &mut record).is_err() {
            continue;
        }
        assert_eq!(record, record.as_written());
        let row = record.to_csv_row();
        assert_eq!(row.iter().position(|byte| *byte == b'\n'), Some(row.len() - 1));
        // Who says whose it is has it in columns of its own.
        let header = if record.origin.runner_name.is_some() { FLEET_HEADER } else { HEADER };
        assert_eq!(reader.read(&row[..row.len() - 1], &mut again), Ok(header.split(',').count()));
        assert_eq!(record, again);
        assert_eq!(from_json(&to_json(&record)).as_ref(), Ok(&record));
        totals.fold(&record);
        live.written(record.clone());
        jobs += 1;
    }
    let finished: u64 = totals.finished.iter().sum();
    assert!(finished <= jobs && totals.started <= jobs);
    assert!(totals.is_sound() && totals.duration.count() <= finished);
    assert_eq!(live.totals(), &totals, "what was counted as it came is what is read again");
    let text = serde_json::to_vec(&totals).expect("totals are plain data");
    assert_eq!(serde_json::from_slice::<Totals>(&text).expect("written by us"), totals);
}
