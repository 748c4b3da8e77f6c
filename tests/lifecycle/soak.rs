//! Very many jobs through one supervisor, and one fault after the other: none is counted twice or left out, and memory, descriptors and
//! threads are in the end what they were. `SOAK_JOBS` and `SOAK_MINUTES` say how far `a_hundred_thousand_jobs` goes.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts"
)]

use crate::case::{Case, Credential, Persistence};
use crate::github::Play;
use crate::ns;
use crate::supervised::Supervised;
use crate::world::World;
use nix::libc::O_NONBLOCK;
use nix::sys::signal::Signal::{self, SIGKILL, SIGTERM};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use runner_init::github::Endpoint;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a fault that has a length lasts.
const LASTS: Duration = Duration::from_secs(2);
const READS: u8 = 0;
const STANDS_STILL: u8 = 1;
const IS_GONE: u8 = 2;
const ENDS: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    ListenerTold,
    ListenerKilled,
    WorkerKilled,
    FullDisk,
    OutputUnread,
    OutputBroken,
    Github500,
    SlowHook,
    Crowd,
}

const FAULTS: [Fault; 9] = [
    Fault::ListenerTold,
    Fault::FullDisk,
    Fault::OutputUnread,
    Fault::WorkerKilled,
    Fault::Github500,
    Fault::OutputBroken,
    Fault::ListenerKilled,
    Fault::SlowHook,
    Fault::Crowd,
];

/// Who reads the container's output: as the log driver of an engine, through a pipe that may break and be mended.
struct Consumer {
    manner: Arc<AtomicU8>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Consumer {
    fn of(fifo: &Path) -> Consumer {
        let manner = Arc::new(AtomicU8::new(READS));
        let (shared, path) = (Arc::clone(&manner), fifo.to_owned());
        let open = move || OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
        let mut pipe = Some(open());
        let thread = std::thread::spawn(move || {
            let mut chunk = vec![0; 65536];
            loop {
                match shared.load(Ordering::Relaxed) {
                    READS => match pipe.get_or_insert_with(&open).read(&mut chunk) {
                        Ok(1..) => continue,
                        Ok(_) => {}
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    },
                    STANDS_STILL => {}
                    IS_GONE => pipe = None,
                    _ => return,
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Consumer { manner, thread: Some(thread) }
    }

    fn is(&self, manner: u8) {
        self.manner.store(manner, Ordering::Relaxed);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.is(ENDS);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

struct Stage {
    world: World,
    dir: TempDir,
    consumer: Consumer,
    s: Supervised,
    supervisor: i32,
    /// Whose job may have been lost before its worker began, or with it.
    ended_listeners: u64,
}

/// What the kernel says of it at a moment between two faults.
#[derive(Clone, Copy, Debug)]
struct Sample {
    jobs: u64,
    rss: u64,
    pss: u64,
    descriptors: u64,
    threads: u64,
}

impl Stage {
    fn set() -> Stage {
        let world = World::of(Case { credential: Credential::Pat, persistence: Persistence::Persistent });
        let dir = TempDir::new().unwrap();
        let (fifo, state, hook) =
            (dir.path().join("out"), dir.path().join("state"), dir.path().join("hook.sh"));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::create_dir(&state).unwrap();
        let slow = dir.path().join("slow");
        std::fs::write(&hook, format!("[ ! -e {} ] || sleep 1\n", slow.display())).unwrap();
        let job =
            |name: &str, result| json!({ "job": { "name": name, "ms": 0, "spawn_ms": 0, "result": result } });
        let gap = || json!({ "idle_ms": 60 });
        let steps = [job("build", "Succeeded"), gap(), job("test (1, 2)", "Failed"), gap()];
        let launch = json!({ "connect_ms": 0, "shutdown_ms": 0, "steps": steps });
        let consumer = Consumer::of(&fifo);
        // A disk that is soon full.
        let mount = format!("mount -t tmpfs -o size=8m tmpfs {}\nexec >{}", state.display(), fifo.display());
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let plan = world.plan(json!({ "launches": [launch], "then": "repeat" })).after(&mount);
        let plan = plan.env("RUNNER_STATE_DIR", &path(&state)).env("RUNNER_MAX_RESTARTS", "unlimited");
        let plan = plan.env("RUNNER_STATUS_CHECK_INTERVAL", "10s");
        let mut s = plan.env("ACTIONS_RUNNER_HOOK_JOB_STARTED", &path(&hook)).start();
        s.until("a job is counted", |s| s.metric("github_runner_jobs_started_total") > Some(0.0));
        let supervisor = s.supervisor();
        Stage { world, dir, consumer, s, supervisor, ended_listeners: 0 }
    }

    /// Jobs that were counted as begun, and as over.
    fn counted(&self) -> (u64, u64) {
        let page = self.s.get("/metrics").body;
        let sum = |name: &str| -> f64 {
            let lines = page.lines().filter(|line| line.starts_with(name));
            lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
        };
        (sum("github_runner_jobs_started_total{") as u64, sum("github_runner_jobs_total{") as u64)
    }

    /// Jobs that the runner took, by its own count.
    fn taken(&self) -> u64 {
        let text = ns::read(&self.s.path("runner/sim-state.json"));
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["jobs"].as_u64().unwrap()
    }

    fn send(&self, comm: &str, signal: Signal) -> bool {
        let pid = self.s.processes(comm).first().copied();
        pid.is_some_and(|pid| kill(Pid::from_raw(pid), signal).is_ok())
    }

    /// Signals the first process of that name there is.
    fn strike(&self, comm: &str, signal: Signal) {
        ns::wait_until(ns::SOON, &format!("{comm} is struck"), || self.send(comm, signal));
    }

    fn inject(&mut self, fault: Fault) {
        match fault {
            Fault::ListenerTold | Fault::ListenerKilled => {
                self.ended_listeners += 1;
                self.strike("Runner.Listener", if fault == Fault::ListenerTold { SIGTERM } else { SIGKILL });
            }
            Fault::WorkerKilled => self.strike("Runner.Worker", SIGKILL),
            Fault::FullDisk => {
                let root = PathBuf::from(format!("/proc/{}/root", self.supervisor));
                let ballast = root.join(self.dir.path().strip_prefix("/").unwrap()).join("state/ballast");
                std::io::copy(&mut std::io::repeat(0), &mut File::create(&ballast).unwrap()).unwrap_err();
                std::thread::sleep(LASTS);
                std::fs::remove_file(&ballast).unwrap();
            }
            Fault::OutputUnread | Fault::OutputBroken => {
                self.consumer.is(if fault == Fault::OutputUnread { STANDS_STILL } else { IS_GONE });
                std::thread::sleep(LASTS);
                self.consumer.is(READS);
            }
            Fault::Github500 => {
                for endpoint in [Endpoint::Runner, Endpoint::Runners, Endpoint::Jobs] {
                    self.world.fake.script(endpoint, vec![Play::status(500, "Server Error"); 100]);
                }
                std::thread::sleep(LASTS);
                self.world.fake.clear_scripts();
            }
            Fault::SlowHook => {
                std::fs::write(self.dir.path().join("slow"), "").unwrap();
                std::thread::sleep(LASTS);
                std::fs::remove_file(self.dir.path().join("slow")).unwrap();
            }
            Fault::Crowd => {
                let crowd: Vec<_> =
                    (0..50).filter_map(|_| TcpStream::connect(self.s.address()).ok()).collect();
                assert_eq!(crowd.len(), 50);
                std::thread::sleep(LASTS);
            }
        }
        self.world.fake.take_log();
    }

    /// The least of some looks: what is open for a moment is no leak.
    fn sample(&self) -> Sample {
        let number = |text: &str, field: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let looks = (0..10).map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            let of = |file: &str| ns::read(format!("/proc/{}/{file}", self.supervisor).as_ref());
            let (status, rollup) = (of("status"), of("smaps_rollup"));
            let descriptors = ns::descriptors(self.supervisor).len() as u64;
            (number(&status, "VmRSS:"), number(&rollup, "Pss:"), descriptors, number(&status, "Threads:"))
        });
        let looks: Vec<_> = looks.collect();
        let least = |of: fn(&(u64, u64, u64, u64)) -> u64| looks.iter().map(of).min().unwrap();
        let (rss, pss) = (least(|look| look.0), least(|look| look.1));
        Sample {
            jobs: self.counted().0,
            rss,
            pss,
            descriptors: least(|look| look.2),
            threads: least(|look| look.3),
        }
    }

    /// No job that its runner took is left out, but those that a listener took along; none is there twice.
    fn compare(&mut self) {
        let before = self.taken();
        let least = before.saturating_sub(self.ended_listeners);
        self.s.until("every job that was taken is counted", |s| {
            s.metric("github_runner_jobs_started_total") >= Some(least as f64)
        });
        let (begun, over) = self.counted();
        assert!(begun <= self.taken(), "{begun} of {}", self.taken());
        assert!(over <= begun && begun <= over + 1, "{begun} begun, {over} over");
    }
}

/// kB of `of` for each thousand jobs, by least squares.
fn slope(samples: &[Sample], of: fn(&Sample) -> u64) -> f64 {
    let points: Vec<(f64, f64)> =
        samples.iter().map(|sample| (sample.jobs as f64 / 1e3, of(sample) as f64)).collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let rise: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    rise / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}

/// So many jobs with a fault every so often; a sample before each fault.
fn soak(jobs: u64, fault_every: u64, most: Duration) -> Vec<Sample> {
    let from = Instant::now();
    let mut stage = Stage::set();
    let mut samples = Vec::new();
    println!("\n{:>7} {:>7} {:>7} {:>11} {:>7}", "jobs", "RSS kB", "PSS kB", "descriptors", "threads");
    let rounds = jobs / fault_every;
    for (round, fault) in (1..=rounds).zip(FAULTS.into_iter().cycle()) {
        let due = round * fault_every;
        stage.s.until_within(Duration::from_secs(600), "the next jobs are over", |s| {
            s.metric("github_runner_jobs_started_total") >= Some(due as f64)
        });
        let sample = stage.sample();
        if round % (rounds / 50).max(1) == 0 {
            let Sample { jobs, rss, pss, descriptors, threads } = sample;
            println!("{jobs:>7} {rss:>7} {pss:>7} {descriptors:>11} {threads:>7}");
        }
        samples.push(sample);
        stage.inject(fault);
        if from.elapsed() > most {
            break;
        }
    }
    stage.compare();
    samples.push(stage.sample());
    let (begun, over) = stage.counted();
    println!("{begun} jobs begun, {over} over, {} faults, {:?}", samples.len() - 1, from.elapsed());
    assert_eq!(stage.s.stop(), 0, "{}", stage.s.log());
    samples
}

pub fn sixty_jobs() {
    let samples = soak(63, 7, Duration::MAX);
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    assert_eq!(last.threads, first.threads, "{samples:?}");
    // An engine's answer or a connection to GitHub may stay open a while.
    assert!(last.descriptors <= first.descriptors + 3, "{samples:?}");
}

pub fn a_hundred_thousand_jobs() {
    let given = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let most = given("SOAK_MINUTES").map_or(Duration::MAX, |minutes| Duration::from_secs(60 * minutes));
    let samples = soak(given("SOAK_JOBS").unwrap_or(100_000), 100, most);
    let later = &samples[samples.len() / 2..];
    let (rss, pss) = (slope(later, |sample| sample.rss), slope(later, |sample| sample.pss));
    let (descriptors, threads) =
        (slope(later, |sample| sample.descriptors), slope(later, |sample| sample.threads));
    println!(
        "in the second half, for each thousand jobs: {rss:+.1} kB RSS, {pss:+.1} kB PSS, {descriptors:+.3} descriptors, \
         {threads:+.3} threads"
    );
    assert!(pss < 20.0 && descriptors < 0.1 && threads < 0.1, "it grows");
}
