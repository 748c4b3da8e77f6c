//! No output of a listener opens two jobs at a time, ends one twice, or is read otherwise for being cut into other writes.
//!
//! The input is cut at the byte 0x1f; the first byte of each piece says on which pipe the rest is written, with which evidence of
//! the worker, and how long after the piece before. A piece without such a byte is plain output.

use runner_init::domain::event::{Exit, Now, Stream, WorkerState};
use runner_init::domain::failure::Cause;
use runner_init::domain::lifecycle::{Action, Input, Lifecycle};
use runner_init::domain::line::LineDecoder;
use runner_init::domain::parse::parse;
use runner_init::domain::record::{JobRecord, RowStatus};
use std::time::Duration;

pub(super) fn run(bytes: &[u8]) {
    assert_eq!(rows(bytes, usize::MAX), rows(bytes, 1));
}

fn rows(bytes: &[u8], split: usize) -> Vec<JobRecord> {
    let begin = Now { up: Duration::ZERO, utc: super::utc() };
    let mut scene = Scene { life: Lifecycle::new(super::settings(), begin), now: begin, rows: Vec::new() };
    scene.give(Input::Deadline);
    scene.give(Input::Started { pid: 7 });
    let mut decoders = <[LineDecoder; 2]>::default();
    let mut worker = WorkerState::Unknown;
    for piece in bytes.split_inclusive(|byte| *byte == 0x1f) {
        let piece = piece.strip_suffix(b"\x1f").unwrap_or(piece);
        let control = piece.first().copied().unwrap_or_default();
        worker = [WorkerState::NotSeen, WorkerState::Alive, WorkerState::Gone, WorkerState::Unknown]
            [usize::from(control & 3)];
        let stream = Stream::ALL[usize::from(control >> 2 & 1)];
        scene.after(Duration::from_millis(u64::from(control >> 3) * 50));
        for write in piece.get(1..).unwrap_or_default().chunks(split) {
            decoders[stream as usize].push(write, |line| scene.line(stream, line.bytes, worker));
        }
    }
    for stream in Stream::ALL {
        decoders[stream as usize].finish(|line| scene.line(stream, line.bytes, worker));
    }
    scene.give(Input::Exited { exit: Exit::Code(2), configured: true, cause: Cause::Exit(2) });
    assert!(scene.life.open_job().is_none(), "the listener is gone and a job is open");
    let ends = scene.rows.iter().filter(|row| row.status != RowStatus::Running).count();
    assert_eq!(scene.rows.len(), 2 * ends);
    scene.rows
}

struct Scene {
    life: Lifecycle,
    now: Now,
    rows: Vec<JobRecord>,
}

impl Scene {
    fn after(&mut self, time: Duration) {
        self.now.up += time;
        self.now.utc += time;
    }

    fn line(&mut self, stream: Stream, line: &[u8], worker: WorkerState) {
        if let Some(reading) = parse(stream, line) {
            self.give(Input::Line(reading, worker));
        }
    }

    fn give(&mut self, input: Input) {
        for action in self.life.handle(input, self.now) {
            let Action::Append(row) = action else { continue };
            match self.rows.last() {
                Some(last) if last.status == RowStatus::Running => {
                    assert!(row.status != RowStatus::Running, "two jobs at a time");
                    assert_eq!((&row.job_id, &row.started_at), (&last.job_id, &last.started_at));
                }
                Some(last) => {
                    assert!(row.status == RowStatus::Running, "a job ended twice");
                    assert!(row.started_at > last.started_at, "two jobs of one time: {row:?}");
                }
                None => assert!(row.status == RowStatus::Running, "an end without a start"),
            }
            self.rows.push(*row);
        }
        let last_is_open = self.rows.last().is_some_and(|row| row.status == RowStatus::Running);
        assert_eq!(self.life.open_job().is_some(), last_is_open);
    }
}
