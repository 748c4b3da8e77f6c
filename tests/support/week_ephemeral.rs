//! A place in which one ephemeral runner follows another: each has a name of its own, one job, and leaves once that was scraped.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times of this century"
)]

use super::week_board::Board;
use super::week_ledger::Ended;
use super::week_load::{HOUR, KINDS, Kind, Load, MINUTE, SECOND, TICK, log_normal};
use super::week_runner::{buckets, job_row, time};
use super::week_show as show;
use fastrand::Rng;
use runner_init::domain::cache::Caches;
use runner_init::domain::record::JobStatus;
use runner_init::domain::status::State;
use runner_init::domain::totals::Totals;
use runner_init::telemetry::catalog as c;
use std::time::Duration;

struct Life {
    board: Board,
    /// When its job begins, how long it takes and how it ends.
    begins: i64,
    takes: i64,
    status: JobStatus,
    is_busy: bool,
    is_over: bool,
}

pub struct Slot {
    number: usize,
    kind: &'static Kind,
    rng: Rng,
    lives: u32,
    life: Option<Life>,
    free: i64,
    /// Of those that are gone, until somebody has taken their samples.
    pub gone: Vec<Board>,
    pub ended: Vec<Ended>,
}

impl Slot {
    pub fn new(number: usize) -> Slot {
        let kind = &KINDS[number % KINDS.len()];
        let rng = Rng::with_seed(104_729 * (number as u64 + 1));
        Slot { number, kind, rng, lives: 0, life: None, free: 0, gone: Vec::new(), ended: Vec::new() }
    }

    /// Of everybody who has samples that nobody has taken.
    pub fn boards(&mut self) -> impl Iterator<Item = &mut Board> {
        self.gone.iter_mut().chain(self.life.as_mut().map(|life| &mut life.board))
    }

    pub fn step(&mut self, now: i64, load: &Load) {
        if self.life.is_none() && now >= self.free {
            self.life = Some(self.begin(now, load));
        }
        let Some(life) = &mut self.life else { return };
        let end = life.begins + life.takes;
        if !life.is_over && now >= end {
            life.is_over = true;
            let mut totals = Totals::new(&buckets());
            let mut row = job_row(life.begins, false, None);
            totals.fold(&row);
            row = job_row(life.begins, false, Some(life.status));
            row.timestamp = time(end);
            row.duration = Some(Duration::from_millis(life.takes as u64));
            totals.fold(&row);
            show::show_totals(&mut life.board, &totals);
            show::show_steps(&mut life.board, life.takes as f64 / 1000.0);
            show::show_state(&mut life.board, State::Draining, None);
            // It is the last page: it tells all.
            life.board.as_it_is();
        } else if !life.is_over && !life.is_busy && now >= life.begins {
            life.is_busy = true;
            show::show_state(&mut life.board, State::Busy, Some(life.begins as f64 / 1000.0));
        }
    }

    fn begin(&mut self, now: i64, load: &Load) -> Life {
        self.lives += 1;
        let name = format!("{}-once-{}-{:05}", self.kind.name, self.number, self.lives);
        // Addresses come again.
        let mut board =
            Board::new(&name, self.kind.name, &format!("10.0.{}.{}:9091", self.number, self.lives % 5));
        let (totals, caches) = (Totals::new(&buckets()), Caches::new(&[]));
        show::start(&mut board, now as f64 / 1000.0, &totals, &caches, ["2.336.0", "2.3.0"], true);
        show::show_state(&mut board, State::Idle, None);
        board.set(c::UPTIME.name, &[], 1.0);
        board.set(c::LAST_UPDATE.name, &[], now as f64 / 1000.0);
        let fate = load.fate(now, self.kind, false, &mut self.rng);
        // Half of them are over before the first scrape.
        let takes = (log_normal(&mut self.rng, 14.0, 1.2) * 1000.0) as i64;
        let begins = now + if self.rng.bool() { 2 * SECOND } else { self.rng.i64(0..4 * MINUTE) };
        Life { board, begins, takes, status: fate.status, is_busy: false, is_over: false }
    }

    /// One scrape; whoever has had its job is gone after it.
    pub fn scrape(&mut self, now: i64) {
        let Some(mut life) = self.life.take() else { return };
        life.board.scrape(now, true, 0.002);
        if life.is_over {
            let (status, took) = (life.status, Some(life.takes));
            self.ended.push(Ended {
                at: now,
                runner: None,
                status,
                took,
                deployment: false,
                lead_time: false,
            });
            life.board.end(now + TICK / 2);
            self.gone.push(life.board);
            self.free = now + self.rng.i64(10 * MINUTE..HOUR);
        } else {
            self.life = Some(life);
        }
    }
}
