//! A supervisor's mind behind two pipes: bytes, time and evidence go in, what it does is written down.

use chrono::{DateTime, Utc};
use runner_init::domain::budget::Budget;
use runner_init::domain::event::{Exit, Now, Stream, WorkerState};
use runner_init::domain::failure::cause;
use runner_init::domain::lifecycle::{Action, Input, Lifecycle, Settings};
use runner_init::domain::line::LineDecoder;
use runner_init::domain::notice::Notice;
use runner_init::domain::parse::parse;
use runner_init::domain::record::{JobRecord, RowStatus};
use std::fmt::Write;
use std::time::Duration;

/// The wall clock at the beginning of every scene; in the runner's words `2026-08-17 13:15:44Z`.
pub(crate) const BEGIN: DateTime<Utc> = DateTime::from_timestamp(1_786_972_544, 0).expect("in range");

pub(crate) struct Stage {
    decoders: [LineDecoder; 2],
    pub(crate) life: Lifecycle,
    pub(crate) now: Now,
    pub(crate) worker: WorkerState,
    /// Bytes per write.
    split: usize,
    pub(crate) rows: Vec<JobRecord>,
    /// What was done, one line each.
    pub(crate) log: String,
}

impl Stage {
    /// A listener that has just been launched.
    pub(crate) fn new(split: usize) -> Stage {
        let settings = Settings::new(Budget {
            drain: Duration::from_secs(100),
            stopping: Duration::from_millis(34_500),
            deregistration: Duration::ZERO,
            wrap_up: Duration::from_secs(1),
            sweep: Duration::from_secs(2),
            removal_ends: Duration::from_secs(135),
        });
        let now = Now { up: Duration::ZERO, utc: BEGIN };
        let mut stage = Stage {
            decoders: <[LineDecoder; 2]>::default(),
            life: Lifecycle::new(settings, now),
            now,
            worker: WorkerState::NotSeen,
            split,
            rows: Vec::new(),
            log: String::new(),
        };
        stage.launch();
        stage
    }

    pub(crate) fn launch(&mut self) {
        if let Some(due) = self.life.next_deadline() {
            let whole_minutes = Duration::from_secs(due.as_secs().div_ceil(60) * 60);
            self.after(whole_minutes.saturating_sub(self.now.up));
        }
        self.give(Input::Deadline);
        self.give(Input::Started { pid: 7 });
    }

    pub(crate) fn after(&mut self, time: Duration) {
        self.now.up += time;
        self.now.utc += time;
    }

    /// This is what is there of the worker from now on, and somebody looks.
    pub(crate) fn see(&mut self, worker: WorkerState) {
        self.worker = worker;
        self.give(Input::Looked(worker));
    }

    /// The listener writes.
    pub(crate) fn print(&mut self, stream: Stream, bytes: &[u8]) {
        for write in bytes.chunks(self.split) {
            let mut readings = Vec::new();
            self.decoders[stream as usize].push(write, |line| readings.extend(parse(stream, line.bytes)));
            for reading in readings {
                self.give(Input::Line(reading, self.worker));
            }
        }
    }

    /// The listener is gone; what it wrote without a line end is heard.
    pub(crate) fn exit(&mut self, exit: Exit, configured: bool) {
        for stream in Stream::ALL {
            let mut readings = Vec::new();
            self.decoders[stream as usize].finish(|line| readings.extend(parse(stream, line.bytes)));
            for reading in readings {
                self.give(Input::Line(reading, self.worker));
            }
        }
        self.decoders = Default::default();
        let cause = cause(exit, None, None, None);
        self.give(Input::Exited { exit, configured, cause });
    }

    pub(crate) fn give(&mut self, input: Input) {
        for action in self.life.handle(input, self.now) {
            match action {
                Action::Append(row) => {
                    self.note(&format!("row {}", told(&row)));
                    self.rows.push(*row);
                }
                // How long is the restart policy's, and not the subject here.
                Action::Notify(Notice::RestartScheduled { reason, .. }) => {
                    self.note(&format!("RestartScheduled {reason:?}"));
                }
                Action::Notify(notice) => self.note(&format!("{notice:?}")),
                Action::Prepare
                | Action::Register { .. }
                | Action::AbortRegistration
                | Action::AskStatus
                | Action::Unlabel
                | Action::Deregister(_)
                | Action::Spawn
                | Action::LookForWork
                | Action::FollowTrace
                | Action::LeaveTrace
                | Action::Interrupt
                | Action::Below(_)
                | Action::KillGroup
                | Action::WatchUpdate
                | Action::Leave(_) => self.note(&format!("DO {action:?}")),
            }
        }
    }

    pub(crate) fn note(&mut self, what: &str) {
        writeln!(self.log, "{:>8.3} {what}", self.now.up.as_secs_f64()).expect("a string grows");
    }

    /// Finished jobs by name and the label of their end, in order; panics unless every row has its pair.
    pub(crate) fn jobs(&self) -> Vec<(&str, &'static str)> {
        let pairs = self.rows.chunks_exact(2);
        assert!(pairs.remainder().is_empty(), "a job is still open:\n{}", self.log);
        pairs
            .map(|pair| {
                let RowStatus::Finished(end) = pair[1].status else { panic!("two starts:\n{}", self.log) };
                assert_eq!(pair[0].status, RowStatus::Running, "two ends:\n{}", self.log);
                assert_eq!((&pair[0].job_id, &pair[0].job_name), (&pair[1].job_id, &pair[1].job_name));
                (pair[1].job_name.as_deref().expect("a name"), end.as_str())
            })
            .collect()
    }
}

fn told(row: &JobRecord) -> String {
    let status = match row.status {
        RowStatus::Running => "running",
        RowStatus::Finished(end) => end.as_str(),
    };
    let name = row.job_name.as_deref().expect("a name");
    let short: String = name.chars().take(60).collect();
    let rest = name.len() - short.len();
    let rest = if rest > 0 { format!(" and {rest} bytes more") } else { String::new() };
    let seconds = row.duration.map_or(String::new(), |d| format!(" {:.3}s", d.as_secs_f64()));
    format!("{status} {short:?}{rest}{seconds}")
}
