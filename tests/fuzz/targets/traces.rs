//! The traces of listener and worker: lines that anybody's job can write into.

use runner_init::domain::last_word::{LastWord, settle};
use runner_init::domain::polls::{Polls, read};
use runner_init::domain::record::{JobRecord, JobStatus, RowStatus};
use std::time::Duration;

/// A poll is held at the latest after the slowest time-out that is believed, and a wait.
const LONGEST: Duration = Duration::from_secs(1200 + 5 + 60 + 60);

pub(super) fn run(bytes: &[u8]) {
    let mut polls = Polls::default();
    for (second, line) in (0..).zip(bytes.split(|byte| *byte == b'\n')) {
        let Some(word) = read(line) else { continue };
        let up = Duration::from_secs(second);
        let told = polls.hear(word, up);
        assert!(told.is_none_or(|text| text.len() <= line.len() + bytes.len()));
        assert!(polls.held_at().is_none_or(|at| at <= up + LONGEST), "{:?}", polls.held_at());
    }
    let word = LastWord::read(bytes);
    for status in JobStatus::ALL {
        let row = JobRecord { status: RowStatus::Finished(status), ..JobRecord::blank() };
        let (settled, _) = settle(row.clone(), word);
        assert!(settled.status != RowStatus::Running, "an end stays an end");
        assert_eq!((settled.job_id, settled.started_at), (row.job_id, row.started_at));
    }
}
