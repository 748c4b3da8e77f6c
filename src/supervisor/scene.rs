//! What is looked at rather than told: samples, and the traces a death leaves in the cgroup and on the disk.

use super::Supervisor;
use crate::domain::death::{self, Cause, OomWatch};
use crate::domain::event::{Exit, Stream};
use crate::domain::notice::Notice;
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::sys::cgroup::{Cgroup, JobPeak};
use crate::sys::container::Container;
use crate::sys::disk::Lowest;
use crate::sys::processes;
use crate::telemetry::emit::{Resources, Sample};
use chrono::{DateTime, Utc};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Where the runner lives and may die.
pub(super) struct Scene {
    cgroup: Cgroup,
    container: Container,
    /// The container's cgroup; of another nothing is told.
    used: Cgroup,
    space: Arc<Lowest>,
    ooms: OomWatch,
    at_job_start: Option<u64>,
    meter: Option<Meter>,
    /// Of the job that runs or ran last.
    job_peak: Option<u64>,
}

/// What the open job uses.
struct Meter {
    started_at: Option<DateTime<Utc>>,
    peak: JobPeak,
    /// The container's CPU time when it began.
    cpu: Option<Duration>,
}

impl Scene {
    pub(super) fn new(space: Arc<Lowest>) -> Scene {
        let (cgroup, ooms) = (Cgroup::find(Path::new("/")), OomWatch::default());
        let container = Container::find(Path::new("/"));
        let used = if container.cgroup { cgroup.clone() } else { Cgroup::default() };
        Scene { cgroup, container, used, space, ooms, at_job_start: None, meter: None, job_peak: None }
    }

    /// Reads the count, and remembers when.
    fn look(&mut self, now: Duration) -> Option<u64> {
        let kills = self.cgroup.oom_kills()?;
        self.ooms.note(now, kills);
        Some(kills)
    }

    fn cause(&mut self, exit: Exit, now: Duration) -> Cause {
        let before = self.ooms.before(now);
        death::cause(exit, before, self.look(now), self.space.now())
    }

    /// A job's start is remembered, what it used is written down; its failure is explained, if there is anything to say.
    fn witness(&mut self, row: &mut JobRecord, now: Duration) {
        self.measure(row);
        match row.status {
            RowStatus::Running => {
                self.at_job_start = self.look(now);
                self.space.begin();
            }
            RowStatus::Finished(JobStatus::Failed) => {
                let after = self.look(now);
                let cause = death::of_failed_job(self.at_job_start, after, self.space.look());
                row.cause = cause.map(|cause| cause.to_string());
            }
            RowStatus::Finished(_) => {}
        }
    }

    /// Another row of the same job changes nothing. What was used until an end that nobody saw is not known.
    fn measure(&mut self, row: &mut JobRecord) {
        let is_metered = self.meter.as_ref().is_some_and(|meter| meter.started_at == row.started_at);
        match row.status {
            RowStatus::Running if is_metered => {}
            RowStatus::Running => {
                let peak = JobPeak::begin(self.used.peak_counter(), self.used.memory());
                let cpu = self.used.cpu_time();
                self.meter = Some(Meter { started_at: row.started_at, peak, cpu });
            }
            RowStatus::Finished(_) => {
                self.look_at_job();
                let meter = self.meter.take().filter(|_| is_metered && row.duration.is_some());
                if let Some(Meter { peak, cpu, .. }) = meter {
                    row.usage.peak_memory = peak.read();
                    row.usage.cpu_time =
                        self.used.cpu_time().zip(cpu).and_then(|(after, before)| after.checked_sub(before));
                }
            }
        }
    }

    fn look_at_job(&mut self) {
        if let Some(meter) = &mut self.meter {
            meter.peak.sample(self.used.memory());
            self.job_peak = meter.peak.read();
        }
    }

    fn resources(&mut self) -> Resources {
        self.look_at_job();
        Resources {
            memory: self.used.memory(),
            job_peak: self.job_peak,
            cpu: self.used.cpu_time(),
            pressure: self.used.pressure(),
            free: self.space.now().map(|space| space.free),
            zombies: self.container.processes.then(processes::zombies).flatten(),
        }
    }
}

impl Supervisor {
    pub(super) fn append(&mut self, mut row: JobRecord) {
        let now = self.clock.now();
        self.scene.witness(&mut row, now.up);
        match row.status {
            RowStatus::Running => {
                self.sweeper.job_began();
                self.files.job_began();
                self.registrar.iter().for_each(|registrar| registrar.ground.job_began());
                self.engine.job_began(row.started_at.unwrap_or(now.utc));
            }
            RowStatus::Finished(_) => {
                self.sweeper.begin();
                self.engine.job_ended(false);
            }
        }
        self.write_known(row);
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
        let resources = self.scene.resources();
        self.telemetry.sample(Sample { utc: now.utc, up: now.up, lines, oom_kills, resources });
    }
}
