//! One job out of the log and what lies beside it, for whoever asks beside the supervisor: read, and never written.

use super::scan::finished_rows;
use crate::domain::record::JobRecord;
use crate::domain::steps::{JobSteps, KnownSteps};
use crate::sys::door::Dir;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// No more of the steps is read: a file of ours is never that long.
const STEPS: u64 = 16 << 20;

/// What the log says last of each finished job of this id, oldest first, and its steps, where they are kept: several attempts of
/// one run have one id, and jobs of a matrix.
///
/// # Errors
/// If the log cannot be read.
pub fn of_id(path: &Path, job_id: &str) -> io::Result<Vec<(JobRecord, Option<Arc<JobSteps>>)>> {
    let name = path.file_name().and_then(|name| name.to_str());
    let (dir, name) = path.parent().zip(name).ok_or(io::ErrorKind::InvalidInput)?;
    let dir = Dir::open(dir)?;
    let mut found: Vec<JobRecord> = Vec::new();
    finished_rows(&dir.file(name)?, 0, |_, row, _| {
        if row.job_id == job_id {
            match found.iter_mut().find(|known| row.amends(known)) {
                Some(known) => known.clone_from(row),
                None => found.push(row.clone()),
            }
        }
    })?;
    let known = steps(&dir, &format!("{name}.steps"));
    let with_steps = |row: JobRecord| {
        let kept = known.rows().find(|kept| Some(kept.started_at) == row.started_at);
        let check_run_id = kept.and_then(|kept| kept.check_run_id);
        (JobRecord { check_run_id, ..row }, kept.map(|kept| Arc::clone(&kept.steps)))
    };
    Ok(found.into_iter().map(with_steps).collect())
}

/// Line by line; one that is no job's is passed over, as the file's first is.
fn steps(dir: &Dir, name: &str) -> KnownSteps {
    let text = dir.read(name, STEPS).unwrap_or_default();
    let mut known = KnownSteps::default();
    for line in text.split(|byte| *byte == b'\n') {
        if let Ok(row) = serde_json::from_slice(line) {
            known.push(row);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::{HEADER, JobStatus, RowStatus};
    use crate::domain::steps::{Step, StepKind, StepsRow};
    use chrono::DateTime;

    #[test]
    fn the_last_row_of_each_job_of_that_id_is_found_with_its_steps() {
        let at = |second: i64| DateTime::from_timestamp(1_800_000_000 + second, 0).expect("in range");
        let row = |id: &str, second, status| JobRecord {
            job_id: id.to_owned(),
            started_at: Some(at(second)),
            status,
            ..JobRecord::blank()
        };
        let over = RowStatus::Finished(JobStatus::Failed);
        let rows = [
            row("7_a", 0, RowStatus::Running),
            row("7_a", 0, over),
            row("7_b", 5, over),
            row("7_a", 9, over),
            JobRecord { cause: Some("oom".to_owned()), ..row("7_a", 9, over) },
            row("7_a", 20, RowStatus::Running),
        ];
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("jobs.log");
        let mut text = format!("{HEADER}\n").into_bytes();
        text.extend(rows.iter().flat_map(JobRecord::to_csv_row));
        text.extend(b"7_a,torn");
        std::fs::write(&path, text).expect("room");
        let of = |id| {
            let found = of_id(&path, id).expect("readable").into_iter();
            let facts = |(row, steps): (JobRecord, Option<Arc<JobSteps>>)| {
                (row.cause, row.check_run_id, steps.map(|steps| steps.steps.len()))
            };
            found.map(facts).collect::<Vec<_>>()
        };
        let oom = Some("oom".to_owned());
        assert_eq!(of("7_a"), [(None, None, None), (oom.clone(), None, None)]);
        let (name, kind) = ("Build".to_owned(), StepKind::Main);
        let step = Step { number: 1, name, kind, result: None, started: at(9), ended: at(10) };
        let job = JobRecord { check_run_id: Some(77), ..row("7_a", 9, over) };
        let line = serde_json::to_string(&StepsRow::of(&job, JobSteps::new([step]))).expect("plain");
        let text = format!("{{\"job_steps\":1}}\n{line}\n{{torn");
        std::fs::write(dir.path().join("jobs.log.steps"), text).expect("room");
        assert_eq!(of("7_a"), [(None, None, None), (oom, Some(77), Some(1))]);
        assert_eq!(of("x"), []);
        assert!(of_id(Path::new("/nowhere/jobs.log"), "x").is_err());
    }
}
