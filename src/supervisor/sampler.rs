//! Samples what the container uses, before and after a job too, and tells why a listener died. The disk is looked at by a
//! thread of its own, for it may hang; everything else is the kernel's memory.

use super::effect::Effect;
use crate::config::Config;
use crate::domain::event::{Exit, Now, Stream};
use crate::domain::failure::{self, Cause, OomWatch, Space};
use crate::domain::job::usage::Meter;
use crate::domain::job_summary::UsageLimits;
use crate::domain::notice::Notice;
use crate::http::freshness::{Freshness, SampleReader};
use crate::sys::cgroup::{Cgroup, JobPeak};
use crate::sys::child::Output;
use crate::sys::container::Container;
use crate::sys::disk::Lowest;
use crate::sys::disk_thread::{Answer, DiskThread};
use crate::sys::processes;
use crate::telemetry::emit::{Resources, Sample, Telemetry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// A file system that takes longer to answer is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looks at the container.
pub(super) struct Sampler {
    cgroup: Cgroup,
    container: Container,
    /// The container's cgroup; of another nothing is told.
    used: Cgroup,
    disk: DiskThread,
    space: Arc<Lowest>,
    ooms: OomWatch,
    /// Of the open job.
    peak: Option<JobPeak>,
    /// Of the job that runs or ran last.
    job_peak: Option<u64>,
    interval: Duration,
    /// When the next sample is taken that no reader has asked for: while a job runs, whose peak may be known by samples alone, and
    /// where metrics are pushed.
    due: Option<Instant>,
    pushes: bool,
    freshness: Arc<Freshness>,
    readers: mpsc::Receiver<SampleReader>,
    /// They get what the look under way sees.
    waiting: Vec<SampleReader>,
    look: Option<Answer<Option<Space>>>,
}

impl Sampler {
    /// Samples when it is looked at, and the file system where the jobs work.
    ///
    /// # Errors
    /// If the operating system refuses a thread.
    pub(super) fn start(config: &Config, work_dir: PathBuf) -> io::Result<Sampler> {
        let interval = config.metrics.update_interval;
        let (freshness, readers) = Freshness::new(interval);
        let (cgroup, container) = (Cgroup::find(Path::new("/")), Container::find(Path::new("/")));
        Ok(Sampler {
            used: if container.cgroup { cgroup.clone() } else { Cgroup::default() },
            cgroup,
            container,
            disk: DiskThread::start("disk", PATIENCE)?,
            space: Arc::new(Lowest::of(work_dir)),
            ooms: OomWatch::default(),
            peak: None,
            job_peak: None,
            interval,
            due: Some(Instant::now()),
            pushes: config.otlp.is_some(),
            freshness: Arc::new(freshness),
            readers,
            waiting: Vec::new(),
            look: None,
        })
    }

    /// What the disk has left, for whoever looks at it by himself.
    pub(super) fn space(&self) -> Arc<Lowest> {
        Arc::clone(&self.space)
    }

    /// How old a sample is, for whoever looks at it.
    pub(super) fn freshness(&self) -> Arc<Freshness> {
        Arc::clone(&self.freshness)
    }

    /// A sample is due, and this is what the disk has left, if it says so in time. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Space> {
        if self.look.is_none() {
            self.wanted().await;
            self.look = Some(self.free_space());
        }
        let space = match &mut self.look {
            Some(look) => look.get().await.copied().flatten(),
            None => None,
        };
        self.look = None;
        space
    }

    /// A sample is due, or somebody finds the last one too old. Cancel-safe.
    async fn wanted(&mut self) {
        tokio::select! {
            () = sleep_until(self.due.unwrap_or_else(Instant::now)), if self.due.is_some() => {}
            Some(reader) = self.readers.recv() => self.waiting.push(reader),
            else => std::future::pending().await,
        }
    }

    /// Shows a sample.
    pub(super) fn show(&mut self, sample: Sample, telemetry: &Telemetry) {
        telemetry.sample(sample);
        self.shown();
    }

    /// It is shown: whoever waits for it may read.
    pub(super) fn shown(&mut self) {
        let is_wanted = self.pushes || self.peak.is_some();
        self.due = is_wanted.then(|| Instant::now() + self.interval);
        self.freshness.taken();
        let waiting = self.waiting.drain(..).chain(std::iter::from_fn(|| self.readers.try_recv().ok()));
        for reader in waiting {
            // It may have stopped waiting.
            let _ = reader.send(());
        }
    }

    /// The end takes one sample more, and none for readers: they are not to wait for it.
    pub(super) fn close(&mut self) {
        self.readers.close();
        self.waiting.clear();
        while self.readers.try_recv().is_ok() {}
    }

    /// Takes the sample, the output's lines among it; and how many of those were let go since the last one.
    pub(super) fn handle(&mut self, space: Option<Space>, now: Now, output: &Output) -> Vec<Effect> {
        let lines = [0, 1].map(|i| output.lines[i].load(Ordering::Relaxed));
        let dropped = output.outlets.iter().zip(Stream::ALL);
        let dropped = dropped.map(|(outlet, stream)| (stream, outlet.take_dropped()));
        let dropped = dropped.filter(|(_, lines)| *lines > 0);
        let notices = dropped.map(|(stream, lines)| Notice::OutputDropped { stream, lines }.into());
        let mut effects: Vec<Effect> = notices.collect();
        let oom_kills = self.oom_kills(now.up);
        let resources = self.resources(space);
        let sample = Sample { utc: now.utc, up: now.up, lines, oom_kills, resources };
        effects.push(Effect::Sample(Box::new(sample)));
        effects
    }

    /// A job begins; what the container had used before.
    pub(super) fn job_began(&mut self, up: Duration) -> Meter {
        self.peak = Some(JobPeak::begin(self.used.peak_counter(), self.used.memory()));
        self.due.get_or_insert_with(|| Instant::now() + self.interval);
        self.space.begin();
        self.meter(up)
    }

    /// It has ended; what the container has used until now.
    pub(super) fn job_ended(&mut self, up: Duration) -> Meter {
        let meter = self.meter(up);
        self.peak = None;
        meter
    }

    /// What the disk has left.
    pub(super) fn free_space(&self) -> Answer<Option<Space>> {
        let space = Arc::clone(&self.space);
        self.disk.look(move || space.now())
    }

    /// The least it had since the job began.
    pub(super) fn least_space(&self) -> Answer<Option<Space>> {
        let space = Arc::clone(&self.space);
        self.disk.look(move || space.look())
    }

    /// What ended the listener, now that the disk has so much left.
    pub(super) fn cause(&mut self, exit: Exit, space: Option<Space>, up: Duration) -> Cause {
        let before = self.ooms.before(up);
        failure::cause(exit, before, self.oom_kills(up), space)
    }

    /// Reads the count, and remembers when.
    fn oom_kills(&mut self, up: Duration) -> Option<u64> {
        let kills = self.cgroup.oom_kills()?;
        self.ooms.note(up, kills);
        Some(kills)
    }

    /// What it may use.
    pub(super) fn limits(&self) -> UsageLimits {
        self.used.limits()
    }

    /// What it has used until now.
    pub(super) fn meter(&mut self, up: Duration) -> Meter {
        self.look_at_job();
        let peak_memory = self.peak.as_ref().and(self.job_peak);
        Meter { cpu_time: self.used.cpu_time(), peak_memory, oom_kills: self.oom_kills(up) }
    }

    fn look_at_job(&mut self) {
        if let Some(peak) = &mut self.peak {
            peak.sample(self.used.memory());
            self.job_peak = peak.read();
        }
    }

    fn resources(&mut self, space: Option<Space>) -> Resources {
        self.look_at_job();
        Resources {
            memory: self.used.memory(),
            job_peak: self.job_peak,
            cpu: self.used.cpu_time(),
            pressure: self.used.pressure(),
            free: space.map(|space| space.free),
            zombies: self.container.processes.then(processes::zombies).flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MapLookup;
    use crate::sys::stdio::OutputWriter;
    use chrono::DateTime;

    fn sampler() -> (Sampler, tempfile::TempDir) {
        let set = MapLookup::new([("RUNNER_SKIP_REGISTRATION", "true"), ("METRICS_UPDATE_INTERVAL", "1s")]);
        let config = Config::from_lookup(&set).expect("a configuration").config;
        let dir = tempfile::tempdir().expect("a directory");
        (Sampler::start(&config, dir.path().into()).expect("a thread"), dir)
    }

    #[tokio::test]
    async fn after_the_first_one_a_sample_is_due_only_while_a_job_runs() {
        let (mut sampler, _dir) = sampler();
        assert!(sampler.due.is_some(), "the first one is for nobody");
        sampler.shown();
        assert_eq!(sampler.due, None);
        sampler.job_began(Duration::ZERO);
        let due = sampler.due.expect("its peak is to be seen");
        sampler.shown();
        assert!(sampler.due.is_some_and(|next| next > due), "and the next one");
        sampler.job_ended(Duration::ZERO);
        assert!(sampler.due.is_some(), "once more, for what it has left");
        sampler.shown();
        assert_eq!(sampler.due, None);
    }

    #[tokio::test]
    async fn who_finds_the_last_sample_too_old_gets_a_new_one() {
        let (mut sampler, _dir) = sampler();
        let (freshness, readers) = Freshness::new(Duration::ZERO);
        (sampler.freshness, sampler.readers) = (Arc::new(freshness), readers);
        sampler.shown();
        let freshness = sampler.freshness();
        let loop_turn = async {
            sampler.next().await;
            sampler.shown();
        };
        tokio::join!(freshness.wait(), loop_turn);
        assert_eq!(sampler.due, None, "nor any other");
        let freshness = sampler.freshness();
        tokio::join!(freshness.wait(), async { sampler.close() });
        freshness.wait().await;
        assert!(sampler.readers.is_empty() && sampler.waiting.is_empty(), "at the end nobody waits");
    }

    #[tokio::test]
    async fn a_sample_says_what_the_disk_has_and_how_many_lines_were_heard() {
        let (mut sampler, _dir) = sampler();
        let outlets = Stream::ALL.map(|stream| OutputWriter::start(stream).expect("a thread"));
        let output = Output { outlets, lines: Arc::default() };
        output.lines[1].store(3, Ordering::Relaxed);
        let space = sampler.next().await;
        assert!(space.is_some_and(|space| space.size > 0), "{space:?}");
        let effects = sampler.handle(space, Now { up: Duration::ZERO, utc: DateTime::UNIX_EPOCH }, &output);
        let [Effect::Sample(sample)] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!((sample.lines, sample.resources.free), ([0, 3], space.map(|space| space.free)));
    }
}
