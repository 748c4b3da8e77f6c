//! What is looked at rather than told: samples, and the traces a death leaves in the cgroup and on the disk.

use super::Supervisor;
use crate::domain::death::{self, Cause, OomWatch};
use crate::domain::event::{Exit, Stream};
use crate::domain::notice::Notice;
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::sys::cgroup::Cgroup;
use crate::sys::disk;
use crate::telemetry::emit::Sample;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Where the runner lives and may die.
pub(super) struct Scene {
    cgroup: Option<Cgroup>,
    work_dir: PathBuf,
    ooms: OomWatch,
    at_job_start: Option<u64>,
}

impl Scene {
    pub(super) fn new(work_dir: PathBuf) -> Scene {
        let cgroup = Cgroup::find(Path::new("/"));
        Scene { cgroup, work_dir, ooms: OomWatch::default(), at_job_start: None }
    }

    fn oom_kills(&self) -> Option<u64> {
        self.cgroup.as_ref().and_then(Cgroup::oom_kills)
    }

    /// Reads the count, and remembers when.
    fn look(&mut self, now: Duration) -> Option<u64> {
        let kills = self.oom_kills()?;
        self.ooms.note(now, kills);
        Some(kills)
    }

    fn cause(&mut self, exit: Exit, now: Duration) -> Cause {
        let before = self.ooms.before(now);
        death::cause(exit, before, self.look(now), disk::space(&self.work_dir))
    }

    /// A job's start is remembered; its failure is explained, if there is anything to say.
    fn witness(&mut self, row: &mut JobRecord, now: Duration) {
        match row.status {
            RowStatus::Running => self.at_job_start = self.look(now),
            RowStatus::Finished(JobStatus::Failed) => {
                let after = self.look(now);
                let cause = death::of_failed_job(self.at_job_start, after, disk::space(&self.work_dir));
                row.cause = cause.map(|cause| cause.to_string()).unwrap_or_default();
            }
            RowStatus::Finished(_) => {}
        }
    }
}

impl Supervisor {
    pub(super) fn append(&mut self, mut row: JobRecord) {
        let now = self.clock.now();
        self.scene.witness(&mut row, now.up);
        match row.status {
            RowStatus::Running => self.sweeper.job_began(),
            RowStatus::Finished(_) => self.sweeper.begin(),
        }
        self.write(row);
    }

    pub(super) fn cause(&mut self, exit: Exit) -> Cause {
        let now = self.clock.now();
        self.scene.cause(exit, now.up)
    }

    pub(super) fn sample(&mut self) {
        let now = self.clock.now();
        let lines = [0, 1].map(|i| self.output.lines[i].load(Ordering::Relaxed));
        for (outlet, stream) in self.output.outlets.iter().zip(Stream::ALL) {
            let lines = outlet.take_dropped();
            if lines > 0 {
                self.telemetry.emit(&Notice::OutputDropped { stream, lines });
            }
        }
        let oom_kills = self.scene.look(now.up);
        self.telemetry.sample(Sample { utc: now.utc, up: now.up, lines, oom_kills });
    }
}
