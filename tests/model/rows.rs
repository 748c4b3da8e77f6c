//! What is counted as it happens is what is counted from the disk, whatever was reported, answered, closed and compacted when.

use proptest::collection::vec;
use proptest::prelude::*;
use runner_init::domain::context::Context;
use runner_init::domain::dora::StreamRule;
use runner_init::domain::failure::Space;
use runner_init::domain::job::history::JobHistory;
use runner_init::domain::job::jobs::{JobNumber, JobStep, Jobs, QueueAnswer};
use runner_init::domain::job::usage::Meter;
use runner_init::domain::last_word::{LastWord, Report};
use runner_init::domain::queue::{QueueFault, Queued};
use runner_init::domain::record::{JobRecord, JobStatus, RowStatus};
use runner_init::domain::totals::{Bounds, Totals};
use runner_init::sys::journal::{Journal, JournalSettings};
use std::collections::VecDeque;
use std::time::Duration;
use tempfile::TempDir;

#[derive(Clone, Copy, Debug)]
enum Op {
    Begin,
    /// The hook of this job speaks, or that of the one before.
    Started {
        late: bool,
    },
    Completed,
    End(JobStatus, bool),
    /// What is to be found at the end of the first job that is over is found.
    Closed {
        failed: bool,
        full: bool,
    },
    Waited(Result<u64, QueueFault>),
    Concluded(bool),
    Reopen,
    Compact,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let status = prop::sample::select(JobStatus::ALL.to_vec());
    let fault = prop::sample::select(QueueFault::ALL.to_vec());
    let waited = prop_oneof![3 => (0..4_000_u64).prop_map(Ok), 1 => fault.prop_map(Err)];
    let op = prop_oneof![
        4 => Just(Op::Begin),
        3 => prop::bool::weighted(0.2).prop_map(|late| Op::Started { late }),
        1 => Just(Op::Completed),
        4 => (status, any::<bool>()).prop_map(|(status, seen)| Op::End(status, seen)),
        4 => any::<[bool; 2]>().prop_map(|[failed, full]| Op::Closed { failed, full }),
        3 => waited.prop_map(Op::Waited),
        1 => any::<bool>().prop_map(Op::Concluded),
        1 => Just(Op::Reopen),
        2 => Just(Op::Compact),
    ];
    vec(op, 0..60)
}

/// The jobs of a supervisor, its counters and its disk; and what a child would have counted on its fingers.
struct Scene {
    dir: TempDir,
    most: usize,
    jobs: Jobs,
    live: JobHistory,
    journal: Option<Journal>,
    /// What GitHub was asked: which job, whether again.
    questions: VecDeque<(JobNumber, bool)>,
    conclusions: VecDeque<JobNumber>,
    unclosed: usize,
    is_open: bool,
    begun: u64,
    ended: [u64; 5],
}

fn bounds() -> Bounds {
    Bounds { queue_time: vec![1.0, 60.0], ..Bounds::with_duration(vec![10.0, 60.0]) }
}

impl Scene {
    fn new(most: usize) -> Scene {
        let mut scene = Scene {
            dir: tempfile::tempdir().unwrap(),
            most,
            jobs: Jobs::default(),
            live: JobHistory::new(Totals::new(&bounds())),
            journal: None,
            questions: VecDeque::new(),
            conclusions: VecDeque::new(),
            unclosed: 0,
            is_open: false,
            begun: 0,
            ended: [0; 5],
        };
        scene.reopen();
        scene
    }

    fn reopen(&mut self) {
        self.journal = None;
        let settings = JournalSettings {
            path: self.dir.path().join("jobs.log"),
            max_records: self.most,
            bounds: bounds(),
            streams: StreamRule::default(),
            jobs: None,
        };
        let (journal, replay) = Journal::open(settings).unwrap();
        assert_eq!(replay.faults, []);
        assert_eq!(&replay.totals, self.live.totals(), "the disk counts otherwise");
        let live: Vec<JobRecord> = self.live.recent().iter().map(JobRecord::as_written).collect();
        assert!(live.ends_with(&replay.recent), "other jobs are recent: {:?} {live:?}", replay.recent);
        self.journal = Some(journal);
    }

    fn second(&self) -> i64 {
        1_800_000_000 + 100 * i64::try_from(self.begun).unwrap()
    }

    fn row(&self, status: RowStatus, duration: Option<Duration>) -> JobRecord {
        let started_at = chrono::DateTime::from_timestamp(self.second(), 0);
        JobRecord {
            job_id: format!("local-{}", self.second()),
            job_name: Some("build".to_owned()),
            timestamp: started_at.unwrap() + duration.unwrap_or_default(),
            started_at,
            status,
            duration,
            ..JobRecord::blank()
        }
    }

    fn context(&self, late: bool) -> Context {
        let run = self.begun - u64::from(late);
        Context {
            repository: Some("o/r".to_owned()),
            job_key: Some("build".to_owned()),
            run_id: Some(run.to_string()),
            run_attempt: Some("1".to_owned()),
            tracking_id: Some(format!("github_{run}")),
            ..Context::default()
        }
    }

    fn run(&mut self, op: Op) {
        let up = Duration::from_secs(100 * self.begun);
        let steps = match op {
            Op::Begin if !self.is_open => {
                self.begun += 1;
                self.is_open = true;
                let row = self.row(RowStatus::Running, None);
                self.jobs.begin(row, Meter::default(), up)
            }
            Op::Started { late } if self.begun > 1 => {
                self.jobs.started(self.context(late), up).unwrap_or_default()
            }
            Op::Completed if self.begun > 0 => self.jobs.completed(self.context(false)).unwrap_or_default(),
            Op::End(status, seen) if self.is_open => {
                self.is_open = false;
                self.ended[JobStatus::ALL.iter().position(|known| *known == status).unwrap()] += 1;
                let duration = seen.then_some(Duration::from_millis(7_001));
                let row = JobRecord {
                    conclusion: status.conclusion().map(str::to_owned),
                    ..self.row(RowStatus::Finished(status), duration)
                };
                self.jobs.end(row, Meter::default())
            }
            Op::Closed { failed, full } if self.unclosed > 0 => {
                self.unclosed -= 1;
                let report = if failed { Report::Failed } else { Report::Done };
                let space = full.then_some(Space { free: 1, size: 1 << 30 });
                self.jobs.closed(LastWord { result: None, report }, space)
            }
            Op::Waited(waited) => {
                let Some((job, again)) = self.questions.pop_front() else { return };
                let queued =
                    waited.map(|ms| Queued { waited: Duration::from_millis(ms), check_run_id: ms + 1 });
                self.jobs.queue_time(QueueAnswer { job, again, queued })
            }
            Op::Concluded(good) => {
                let Some(job) = self.conclusions.pop_front() else { return };
                self.jobs.concluded(job, if good { "success" } else { "failure" })
            }
            Op::Reopen => return self.reopen(),
            Op::Compact => {
                let journal = self.journal.as_mut().unwrap();
                let due = journal.is_due();
                assert_eq!(journal.compact_if_due().unwrap().is_some(), due);
                return;
            }
            Op::Begin | Op::Started { .. } | Op::Completed | Op::End(..) | Op::Closed { .. } => return,
        };
        for step in steps {
            match step {
                JobStep::Write(row) => {
                    self.journal.as_mut().unwrap().append(&row).unwrap();
                    self.live.written(*row);
                }
                JobStep::Close { .. } => self.unclosed += 1,
                JobStep::AskQueueTime { job, again, .. } => self.questions.push_back((job, again)),
                JobStep::AskConclusion { job, .. } => self.conclusions.push_back(job),
                JobStep::NoQueueTime(_) => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_counts_what_was_counted_live_and_every_job_once(ops in ops(), most in 1..300_usize) {
        let mut scene = Scene::new(most);
        for op in ops {
            scene.run(op);
        }
        while scene.unclosed > 0 {
            scene.run(Op::Closed { failed: false, full: false });
        }
        let totals = scene.live.totals();
        prop_assert_eq!((totals.started, totals.finished), (scene.begun, scene.ended));
        prop_assert_eq!(totals.open.len(), usize::from(scene.is_open));
        prop_assert!(totals.queue_time.count() <= scene.begun);
        scene.reopen();
        let shown = u64::min(scene.ended.iter().sum(), 50);
        prop_assert_eq!(scene.live.recent().len() as u64, shown);
    }
}
