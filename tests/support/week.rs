//! A week in the life of a fleet: the same for the same number of runners, whenever it ends.
//!
//! Include it beside `week_board`, `week_ephemeral`, `week_ledger`, `week_load`, `week_runner`, `week_show`, `week_write` and `wire`.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "days in milliseconds")]

use super::week_board::Series;
use super::week_ephemeral::Slot;
use super::week_ledger::{Ended, Ledger};
use super::week_load::{DAY, HOUR, KINDS, Kind, Load, MINUTE, TICK, Waiting};
use super::week_runner::Runner;
use super::week_write;
use fastrand::Rng;
use std::collections::VecDeque;

/// What is written at once: Prometheus takes nothing that is an hour older than its newest sample.
const WINDOW: i64 = 30 * MINUTE;
/// Before the week begins: counters that survive restarts have a past.
const PAST: i64 = DAY;

pub struct Fleet {
    pub runners: Vec<Runner>,
    /// Places of ephemeral runners.
    pub slots: Vec<Slot>,
    load: Load,
    queues: [VecDeque<Waiting>; KINDS.len()],
    /// Repairs that somebody works on.
    repairs: Vec<(usize, Waiting)>,
    rng: Rng,
}

impl Fleet {
    /// `end` is in milliseconds since 1970.
    pub fn new(runners: usize, slots: usize, end: i64) -> Fleet {
        let runners = (0..runners).map(|number| Runner::new(number, end)).collect();
        Fleet::of(runners, slots, Load { end, pace: 1.0 })
    }

    /// As demos are: all begin now, their jobs are short, and each kind of mishap comes early.
    pub fn young(runners: usize, slots: usize, begin: i64) -> Fleet {
        let runners = (0..runners).map(|number| Runner::young(number, begin)).collect();
        Fleet::of(runners, slots, Load { end: begin + HOUR, pace: 12.0 })
    }

    fn of(runners: Vec<Runner>, slots: usize, load: Load) -> Fleet {
        Fleet {
            slots: (0..slots).map(Slot::new).collect(),
            runners,
            load,
            queues: Default::default(),
            repairs: Vec::new(),
            rng: Rng::with_seed(7),
        }
    }

    /// Lives through its last so many days; hands out what was scraped in each window as a remote-write request.
    pub fn live(&mut self, days: i64, mut sink: impl FnMut(Vec<u8>)) {
        let end = self.load.end;
        let begin = end - days * DAY;
        let mut now = begin - PAST;
        while now <= end - TICK {
            now += TICK;
            self.step(now);
            if now <= begin {
                if now == begin {
                    self.runners.iter_mut().for_each(|runner| runner.board.as_it_is());
                }
                continue;
            }
            self.scrape(now);
            if (now - begin) % WINDOW == 0 || now == end {
                sink(self.scraped());
            }
        }
    }

    /// Lives through one tick; what was scraped then, as a remote-write request.
    pub fn tick(&mut self, now: i64) -> Vec<u8> {
        self.step(now);
        self.scrape(now);
        self.scraped()
    }

    /// A tick in which nothing happens.
    pub fn rest(&mut self, now: i64) -> Vec<u8> {
        self.scrape(now);
        self.scraped()
    }

    fn scraped(&mut self) -> Vec<u8> {
        let request = week_write::request(self.series_mut());
        self.slots.iter_mut().for_each(|slot| slot.gone.clear());
        request
    }

    /// Every series there ever was.
    pub fn series(&self) -> impl Iterator<Item = &Series> {
        self.runners.iter().flat_map(|runner| &runner.board.series)
    }

    fn series_mut(&mut self) -> impl Iterator<Item = &mut Series> {
        let lasting = self.runners.iter_mut().flat_map(|runner| &mut runner.board.series);
        lasting.chain(self.slots.iter_mut().flat_map(Slot::boards).flat_map(|board| &mut board.series))
    }

    /// What ended after the first scrape of its runner, which tells nothing.
    pub fn ledger(&self) -> Ledger {
        let begin = self.load.end - 7 * DAY;
        let lasting = self.runners.iter().flat_map(|runner| {
            let first = runner.first.unwrap_or(i64::MAX);
            runner.ended.iter().filter(move |it| it.at > first)
        });
        let slots = self.slots.iter().flat_map(|slot| &slot.ended).filter(|it| it.at > begin);
        Ledger(lasting.chain(slots).cloned().collect::<Vec<Ended>>())
    }

    fn step(&mut self, now: i64) {
        self.slots.iter_mut().for_each(|slot| slot.step(now, &self.load));
        for (at, kind) in KINDS.iter().enumerate() {
            self.arrive(now, at, kind);
        }
        // Whoever asks first gets the job: everybody in turn.
        let first = self.rng.usize(0..self.runners.len());
        for turn in 0..self.runners.len() {
            let number = (first + turn) % self.runners.len();
            let queue = &mut self.queues[number % KINDS.len()];
            if self.runners[number].step(now, &self.load, queue) {
                let after = self.rng.i64(10 * MINUTE..100 * MINUTE) as f64 / self.load.pace;
                let created = now + after as i64;
                self.repairs.push((number % KINDS.len(), Waiting { created, deployment: true }));
            }
        }
    }

    fn arrive(&mut self, now: i64, at: usize, kind: &Kind) {
        let queue = &mut self.queues[at];
        let due = |(place, job): &mut (usize, Waiting)| *place == at && job.created <= now;
        // Somebody is waiting for it: it goes first.
        self.repairs.extract_if(.., due).for_each(|(_, job)| queue.push_front(job));
        let runners = self.runners.iter().filter(|runner| runner.kind.name == kind.name).count();
        for _ in 0..self.load.arrivals(now, kind, runners, &mut self.rng) {
            let deployment = self.load.is_deployment(now, &mut self.rng);
            queue.push_back(Waiting { created: now - self.rng.i64(0..TICK), deployment });
        }
    }

    fn scrape(&mut self, now: i64) {
        self.slots.iter_mut().for_each(|slot| slot.scrape(now));
        for runner in &mut self.runners {
            if runner.is_up() {
                runner.first.get_or_insert(now);
            }
            let seconds = 0.0018 + self.rng.f64() * 0.0021;
            // In the past, so that none is after the end.
            runner.board.scrape(now - runner.offset, runner.is_up(), seconds);
        }
    }
}
