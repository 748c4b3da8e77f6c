//! One simulated runner: it takes jobs, and loses its listener, its host, its disk or GitHub now and then.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times and bytes far below 2^53"
)]

use super::week_board::Board;
use super::week_ledger::Ended;
use super::week_load::{DAY, Fate, HOUR, KINDS, Kind, Load, MINUTE, SECOND, TICK, Waiting, log_normal};
use super::week_show as show;
use chrono::DateTime;
use fastrand::Rng;
use runner_init::domain::cache::{CacheEvent, CacheResult, CacheType, Caches};
use runner_init::domain::context::Context;
use runner_init::domain::record::{JobRecord, JobStatus, RowStatus};
use runner_init::domain::restart::RestartReason;
use runner_init::domain::status::State;
use runner_init::domain::totals::{Bounds, Totals};
use runner_init::telemetry::catalog as c;
use std::collections::VecDeque;
use std::time::Duration;

/// The default of `JOB_DURATION_BUCKETS`.
const BUCKETS: [f64; 12] =
    [10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14_400.0, 21_600.0];
const DISK: f64 = 78e9;
const IDLE_MEMORY: f64 = 190e6;

/// What comes from outside.
#[derive(Clone, Copy, Debug)]
enum Incident {
    /// The container is replaced: drain, leave, start; the second is of a newer release.
    Redeploy { newer: bool },
    /// The listener dies, and the job with it.
    Crash(RestartReason),
    /// GitHub cannot be reached for so long.
    Lost(i64),
    /// GitHub has disowned it; after so long it is registered anew.
    Disowned(i64),
    /// The host is down for so long.
    Dark(i64),
}

struct Job {
    waiting: Waiting,
    started: i64,
    fate: Fate,
    cores: f64,
    peak: f64,
}

enum Phase {
    Down { until: i64 },
    Up { state: State, until: i64, then: Option<RestartReason> },
    Online,
}

pub struct Runner {
    pub kind: &'static Kind,
    pub board: Board,
    name: String,
    pub ended: Vec<Ended>,
    /// When it was scraped first.
    pub first: Option<i64>,
    /// Its scrapes are so many milliseconds after the tick.
    pub offset: i64,
    rng: Rng,
    incidents: VecDeque<(i64, Incident)>,
    phase: Phase,
    job: Option<Job>,
    draining: Option<bool>,
    totals: Totals,
    caches: Caches,
    started: i64,
    newer: bool,
    cpu: f64,
    held_up: [f64; 3],
    oom_kills: f64,
    used: f64,
    peak: Option<f64>,
    memory: f64,
    lines: [f64; 2],
    ticks: u64,
}

impl Runner {
    pub fn new(number: usize, end: i64) -> Runner {
        Runner::of(number, |rng| incidents(number, end, rng))
    }

    /// One that begins now.
    pub fn young(number: usize, begin: i64) -> Runner {
        Runner::of(number, |_| early(number, begin))
    }

    fn of(number: usize, incidents: impl FnOnce(&mut Rng) -> VecDeque<(i64, Incident)>) -> Runner {
        let kind = &KINDS[number % KINDS.len()];
        let name = format!("{}-runner-{:02}", kind.name, number / KINDS.len() + 1);
        let mut rng = Rng::with_seed(7919 * (number as u64 + 1));
        Runner {
            kind,
            board: Board::new(&name, kind.name, &format!("{name}:9091")),
            offset: (number as i64 * 4001) % TICK,
            incidents: incidents(&mut rng),
            rng,
            phase: Phase::Down { until: 0 },
            job: None,
            draining: None,
            totals: Totals::new(&buckets()),
            name,
            ended: Vec::new(),
            first: None,
            caches: Caches::new(&shown()),
            started: 0,
            newer: false,
            cpu: 0.0,
            held_up: [0.0; 3],
            oom_kills: 0.0,
            used: 9e9,
            peak: None,
            memory: IDLE_MEMORY,
            lines: [0.0; 2],
            ticks: 0,
        }
    }

    /// Whether there is somebody to scrape.
    pub fn is_up(&self) -> bool {
        !matches!(self.phase, Phase::Down { .. })
    }

    /// Lives through one tick; takes a job if it can. Gives the failed deployment that somebody will repair.
    pub fn step(&mut self, now: i64, load: &Load, queue: &mut VecDeque<Waiting>) -> bool {
        self.ticks += 1;
        if self.incidents.front().is_some_and(|(at, _)| *at <= now) {
            let (_, incident) = self.incidents.pop_front().expect("was seen");
            self.strike(now, incident);
        }
        let over = self.job.as_ref().is_some_and(|job| job.started + job.fate.takes <= now);
        let failed = over && self.finish(now, false);
        match self.phase {
            Phase::Down { until } if now >= until => self.start(now),
            Phase::Up { until, then, .. } if now >= until => self.recover(then),
            Phase::Online if self.job.is_none() => match self.draining.take() {
                Some(newer) => self.leave(now, newer),
                None => self.take(now, load, queue),
            },
            Phase::Down { .. } | Phase::Up { .. } | Phase::Online => {}
        }
        if self.is_up() {
            self.resources(now, load.end - now);
        }
        failed
    }

    fn strike(&mut self, now: i64, incident: Incident) {
        match incident {
            Incident::Dark(time) => {
                self.job = None;
                self.stop(now + time);
            }
            _ if !matches!(self.phase, Phase::Online) => {}
            Incident::Redeploy { newer } => {
                self.draining = Some(newer);
                self.show(State::Draining);
            }
            Incident::Crash(reason) => {
                self.finish(now, true);
                if reason == RestartReason::OomKilled {
                    self.oom_kills += 1.0;
                }
                self.go(State::Backoff, now + 20 * SECOND, Some(reason));
            }
            Incident::Lost(time) => {
                self.board.add(c::CONNECTION_ERRORS.name, &[], 1.0);
                self.lines[1] += 1.0;
                self.go(State::Disconnected, now + time, None);
            }
            Incident::Disowned(time) => {
                self.finish(now, true);
                self.board.add(c::DISAGREEMENTS.name, &[], 1.0);
                self.go(State::Ghost, now + time, Some(RestartReason::Reregistered));
            }
        }
    }

    fn start(&mut self, now: i64) {
        self.started = now - 3 * SECOND;
        let versions = if self.newer { ["2.336.0", "2.3.0"] } else { ["2.335.1", "2.2.1"] };
        self.caches = Caches::new(&shown());
        (self.cpu, self.held_up, self.lines, self.peak) = (0.0, [0.0; 3], [4.0, 0.0], None);
        show::start(
            &mut self.board,
            self.started as f64 / 1000.0,
            &self.totals,
            &self.caches,
            versions,
            false,
        );
        self.call("registration_token", "201");
        self.go(State::Starting, now + 2 * TICK, None);
    }

    fn stop(&mut self, until: i64) {
        self.board.clear();
        self.draining = None;
        self.phase = Phase::Down { until };
    }

    fn leave(&mut self, now: i64, newer: bool) {
        self.newer |= newer;
        self.stop(now + 40 * SECOND);
    }

    fn go(&mut self, state: State, until: i64, then: Option<RestartReason>) {
        self.phase = Phase::Up { state, until, then };
        self.show(state);
    }

    fn recover(&mut self, then: Option<RestartReason>) {
        if let Some(reason) = then {
            self.board.add(c::RESTARTS.name, &[("reason", reason.as_str())], 1.0);
        } else if matches!(self.phase, Phase::Up { state: State::Disconnected, .. }) {
            self.board.add(c::RECONNECTS.name, &[], 1.0);
        }
        self.lines[0] += 2.0;
        self.phase = Phase::Online;
        self.show(if self.job.is_some() { State::Busy } else { State::Idle });
    }

    fn take(&mut self, now: i64, load: &Load, queue: &mut VecDeque<Waiting>) {
        let Some(waiting) = queue.pop_front() else { return };
        let started = (now - self.rng.i64(0..TICK)).max(waiting.created + self.rng.i64(800..4000));
        let fate = load.fate(now, self.kind, waiting.deployment, &mut self.rng);
        let cores = log_normal(&mut self.rng, self.kind.cores, 0.3);
        let peak = log_normal(&mut self.rng, self.kind.memory, 0.35).min(6e9);
        let job = Job { waiting, started, fate, cores, peak };
        self.totals.fold(&job_row(job.started, job.waiting.deployment, None));
        self.job = Some(job);
        self.lines[0] += 1.0;
        self.board.set(c::JOBS_STARTED.name, &[], self.totals.started as f64);
        self.show(State::Busy);
    }

    /// The job's end; if it was cut nobody saw it. Whether it was a deployment that failed.
    fn finish(&mut self, now: i64, cut: bool) -> bool {
        let Some(job) = self.job.take() else { return false };
        let status = if cut { JobStatus::Abandoned } else { job.fate.status };
        let mut ended = job_row(job.started, job.waiting.deployment, Some(status));
        ended.timestamp = time(if cut { now } else { job.started + job.fate.takes });
        ended.duration = (!cut).then(|| Duration::from_millis(job.fate.takes as u64));
        let waited = Duration::from_millis((job.started - job.waiting.created) as u64);
        let code = if self.rng.u32(0..100) == 0 { "502" } else { "200" };
        self.call("jobs", code);
        ended.queue_time = (self.rng.u32(0..60) > 0).then_some(waited);
        if ended.queue_time.is_none() {
            self.board.add(c::QUEUE_TIME_UNKNOWN.name, &[("reason", "unavailable")], 1.0);
        }
        if job.waiting.deployment && status == JobStatus::Success {
            let lead = log_normal(&mut self.rng, 5.0 * 3600.0, 1.3).min(20.0 * 86_400.0);
            ended.lead_time = Some(Duration::from_secs_f64(lead));
        }
        self.totals.fold(&ended);
        self.ended.push(Ended {
            at: now,
            runner: Some(self.name.clone()),
            status,
            took: (!cut).then_some(job.fate.takes),
            deployment: job.waiting.deployment,
            lead_time: ended.lead_time.is_some(),
        });
        show::show_totals(&mut self.board, &self.totals);
        if let Some(took) = ended.duration {
            show::show_steps(&mut self.board, took.as_secs_f64());
        }
        self.after(&job, cut);
        job.waiting.deployment && status == JobStatus::Failed
    }

    /// What the job leaves: cache requests, files, processes, a fuller disk.
    fn after(&mut self, job: &Job, cut: bool) {
        self.lines[0] += 1.0;
        self.peak = Some(job.peak);
        self.used += log_normal(&mut self.rng, 180e6, 1.0);
        let plan: [(CacheType, u32, f64); 4] = [
            (CacheType::BUILT_IN[0].clone(), 2, 0.86),
            (CacheType::BUILT_IN[1].clone(), 9, 0.74),
            (CacheType::BUILT_IN[2].clone(), 1, 0.60),
            (CacheType::BUILT_IN[3].clone(), 6, 0.92),
        ];
        for (kind, most, share) in plan {
            for _ in 0..self.rng.u32(0..=most) {
                let dice = self.rng.f64();
                let result = match dice {
                    _ if dice < share => CacheResult::Hit,
                    _ if dice < share + 0.05 => CacheResult::Partial,
                    _ => CacheResult::Miss,
                };
                let event = CacheEvent::one(kind.clone(), result);
                let rate = self.caches.note(&event);
                show::show_cache(&mut self.board, &event.kind, result, rate);
            }
        }
        if cut || self.rng.u32(0..12) == 0 {
            self.board.add(c::SWEPT_PROCESSES.name, &[], f64::from(self.rng.u32(1..4)));
            self.board.add(c::SWEPT_ENGINE.name, &[("kind", "container")], f64::from(u8::from(cut)));
            self.board.add(c::SWEPT_FILES.name, &[], f64::from(self.rng.u32(0..9)));
        }
        let state = if self.draining.is_some() { State::Draining } else { State::Idle };
        if matches!(self.phase, Phase::Online) {
            self.show(state);
        }
    }

    fn show(&mut self, state: State) {
        let state = if self.draining.is_some() { State::Draining } else { state };
        let job = self.job.as_ref().map(|job| job.started as f64 / 1000.0);
        show::show_state(&mut self.board, state, job);
    }

    fn call(&mut self, endpoint: &str, code: &str) {
        self.board.add(c::API_REQUESTS.name, &[("endpoint", endpoint), ("code", code)], 1.0);
    }

    /// What goes on all the time, and is shown every `METRICS_UPDATE_INTERVAL` of 30 s.
    fn resources(&mut self, now: i64, left: i64) {
        let (cores, aim) = match &self.job {
            Some(job) => {
                let part = (now - job.started) as f64 / job.fate.takes.max(1) as f64;
                (job.cores * self.rng.f64() * 2.0, job.peak * (0.3 + 0.7 * part.min(1.0)))
            }
            None => (0.01, IDLE_MEMORY),
        };
        let seconds = TICK as f64 / 1000.0;
        self.cpu += cores * seconds;
        self.memory += (aim - self.memory) * 0.4 + self.rng.f64() * 2e6;
        for (held_up, share) in self.held_up.iter_mut().zip([0.04, 0.002, 0.01]) {
            *held_up += cores * share * seconds * self.rng.f64();
        }
        // Cleaned at night, and when it is nearly full.
        let clean = self.used > DISK * 0.93 || (left.rem_euclid(DAY) / TICK == 3000 && self.rng.bool());
        if clean {
            self.used = 9e9 + self.rng.f64() * 4e9;
        }
        if self.ticks.is_multiple_of(2) {
            self.sample(now, left);
        }
    }

    fn sample(&mut self, now: i64, left: i64) {
        let up = (now - self.started) as f64 / 1000.0;
        let board = &mut self.board;
        board.set(c::UPTIME.name, &[], up);
        board.set(c::LAST_UPDATE.name, &[], (now - self.rng.i64(0..200)) as f64 / 1000.0);
        board.set(c::MEMORY.name, &[], (self.memory / 4096.0).floor() * 4096.0);
        board.set(c::CPU.name, &[], self.cpu);
        board.set(c::FREE.name, &[], ((DISK - self.used) / 4096.0).floor() * 4096.0);
        board.set(c::OOM_KILLS.name, &[], self.oom_kills);
        board.set(c::ZOMBIES.name, &[], f64::from(u8::from(self.rng.u32(0..40) == 0)));
        board.set(c::API_REMAINING.name, &[], 5000.0 - ((-left).rem_euclid(HOUR) / MINUTE) as f64 * 3.0);
        if let Some(peak) = self.job.as_ref().map(|_| self.memory).or(self.peak) {
            board.set(c::JOB_PEAK.name, &[], (peak / 4096.0).floor() * 4096.0);
        }
        for (resource, value) in ["cpu", "memory", "io"].into_iter().zip(self.held_up) {
            board.set(c::PRESSURE.name, &[("resource", resource)], value);
        }
        for (stream, value) in ["stdout", "stderr"].into_iter().zip(self.lines) {
            board.set(c::OUTPUT_LINES.name, &[("stream", stream)], value);
        }
        board.set(c::PROCESS_CPU.name, &[], (up * 0.02).floor() / 100.0);
        board.set("process_resident_memory_bytes", &[], 3_850_240.0 + f64::from(self.rng.u32(0..9)) * 4096.0);
        board.set("process_virtual_memory_bytes", &[], 9_306_112.0);
        board.set("process_open_fds", &[], 21.0);
        board.set("process_threads", &[], 5.0);
    }
}

pub fn buckets() -> Bounds {
    Bounds::with_duration(BUCKETS.to_vec())
}

pub fn time(at: i64) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp_millis(at).expect("a time of this century")
}

pub fn job_row(started: i64, deployment: bool, ended: Option<JobStatus>) -> JobRecord {
    JobRecord {
        timestamp: time(started),
        started_at: Some(time(started)),
        job_id: format!("{started}_build"),
        status: ended.map_or(RowStatus::Running, RowStatus::Finished),
        context: Context {
            repository: Some("acme/shop".into()),
            workflow: Some(if deployment { "deploy" } else { "ci" }.into()),
            git_ref: Some("refs/heads/main".into()),
            ..Context::default()
        },
        deployment: Some(deployment),
        ..JobRecord::blank()
    }
}

/// Some are the same in every week, so that there is always something to see at its end; the others come by chance.
fn incidents(number: usize, end: i64, rng: &mut Rng) -> VecDeque<(i64, Incident)> {
    let turn = number as i64;
    let killed = Incident::Crash(RestartReason::Killed);
    let mut list = vec![
        (end - 2 * DAY - 14 * HOUR + turn * 4 * MINUTE, Incident::Redeploy { newer: true }),
        (end - 4 * HOUR + turn * 9 * MINUTE, Incident::Redeploy { newer: false }),
    ];
    list.extend(match number % 5 {
        0 => vec![(end - 3 * HOUR, Incident::Crash(RestartReason::OomKilled)), (end - 3 * HOUR / 4, killed)],
        1 => vec![
            (end - 5 * HOUR, Incident::Disowned(35 * MINUTE)),
            (end - 20 * HOUR, Incident::Lost(6 * MINUTE)),
        ],
        2 => vec![
            (end - 3 * DAY - 4 * HOUR, Incident::Dark(3 * HOUR + 30 * MINUTE)),
            (end - 8 * MINUTE, Incident::Lost(HOUR)),
        ],
        3 => vec![(end - 4 * DAY, Incident::Disowned(50 * MINUTE))],
        _ => vec![(end - 90 * MINUTE, Incident::Dark(HOUR))],
    });
    for _ in 0..10 {
        let incident = match rng.u32(0..10) {
            0 => Incident::Redeploy { newer: false },
            1 => killed,
            2 => Incident::Crash(RestartReason::RetryableError),
            3 => Incident::Crash(RestartReason::RunnerUpdating),
            _ => Incident::Lost((log_normal(rng, 120.0, 0.9) * 1000.0) as i64),
        };
        list.push((end - rng.i64(2 * HOUR..7 * DAY), incident));
    }
    list.sort_by_key(|(at, _)| *at);
    list.into()
}

/// One of each within the first two minutes, and again later.
fn early(number: usize, begin: i64) -> VecDeque<(i64, Incident)> {
    let incident = match number {
        0 => Incident::Crash(RestartReason::OomKilled),
        1 => Incident::Crash(RestartReason::Killed),
        2 => Incident::Lost(20 * SECOND),
        3 => Incident::Disowned(20 * SECOND),
        4 => Incident::Redeploy { newer: true },
        _ => return VecDeque::new(),
    };
    [75 * SECOND, 20 * MINUTE, 56 * MINUTE].map(|after| (begin + after, incident)).into()
}

/// `CACHE_TYPES`: shown from the start, so that each week's first requests are in `increase()`.
fn shown() -> Vec<String> {
    CacheType::BUILT_IN[..4].iter().map(|kind| kind.as_str().to_owned()).collect()
}
