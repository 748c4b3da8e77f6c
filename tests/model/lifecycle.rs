//! Never two listeners, never a KILL before its time, always gone within the grace: docs/STOPPING.md as a judge of every deed.

use crate::world::{DEATH, World, ms};
use proptest::collection::vec;
use proptest::prelude::*;
use runner_init::domain::budget::Budget;
use runner_init::domain::event::{Exit, StopRequest, Stream, TaskResult};
use runner_init::domain::failure::Cause;
use runner_init::domain::ladder::Rung;
use runner_init::domain::lifecycle::{Action, Input, Settings};
use runner_init::domain::registration::{Registered, RegistrationFault, Removal, RunnerStatus};
use std::time::Duration;

/// A row of the table "waits for a job; INT, TERM, KILL below the Worker; the listener is killed", in milliseconds, with a
/// registration to remove. The last three are counted from the interrupt.
struct Grace {
    seconds: u64,
    drain: u64,
    below: [u64; 3],
    killed: u64,
}

/// docs/STOPPING.md, row by row.
const TABLE: [Grace; 5] = [
    Grace { seconds: 5, drain: 0, below: [400, 600, 800], killed: 3_500 },
    Grace { seconds: 10, drain: 0, below: [2_200, 3_100, 3_600], killed: 7_500 },
    Grace { seconds: 30, drain: 0, below: [8_000, 9_000, 9_500], killed: 26_000 },
    Grace { seconds: 60, drain: 12_000, below: [8_000, 9_000, 9_500], killed: 44_000 },
    Grace { seconds: 600, drain: 552_000, below: [8_000, 9_000, 9_500], killed: 44_000 },
];
/// "Signals within one second are one."
const ONE_ASK: Duration = Duration::from_secs(1);
/// "INT below the Worker now, TERM after 1 s, KILL after 1.5 s; the listener is killed after 5 s."
const HURRIED: [u64; 3] = [0, 1_000, 1_500];
const HURRIED_KILL: Duration = Duration::from_secs(5);
/// A listener that has told its job's end still has so long to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// What may be done, and what must have been.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Judge {
    row: usize,
    budget: Budget,
    registers: bool,
    removes: bool,
    /// By anybody, USR1 too.
    is_asked: bool,
    /// By who does not wait for ever.
    pub(crate) asked_at: Option<Duration>,
    last_ask: Option<Duration>,
    /// A job that was running when somebody first asked may go on until then, unless they ask again.
    spared_until: Option<Duration>,
    is_registered: bool,
    interrupted: Option<Interrupted>,
    is_killed: bool,
    launches: u32,
    may_register_again: bool,
}

#[derive(Clone, Copy, Debug)]
struct Interrupted {
    at: Duration,
    with_job: bool,
    /// Asks since.
    asks: u32,
    hurried_at: Option<Duration>,
    told_at: Option<Duration>,
    rung: usize,
}

impl Judge {
    /// Of a runner that nobody asks to stop.
    pub(crate) fn calm() -> (Settings, Judge) {
        let flags = [false; 6];
        let setup = Setup::new(2, flags, false, 1);
        let judge = Judge::new(2, &setup);
        (setup.settings(judge.budget), judge)
    }

    fn new(row: usize, setup: &Setup) -> Judge {
        let budget = Budget::from_grace(ms(TABLE[row].seconds * 1_000), setup.removes, None).unwrap();
        if setup.removes {
            assert_eq!(budget.drain, ms(TABLE[row].drain), "the document's drain");
        }
        Judge {
            row,
            budget,
            registers: setup.registers,
            removes: setup.removes,
            is_asked: false,
            asked_at: None,
            last_ask: None,
            spared_until: None,
            is_registered: !setup.registers,
            interrupted: None,
            is_killed: false,
            launches: 0,
            may_register_again: setup.reregisters,
        }
    }

    /// Somebody asks; what that is worth.
    fn asked(&mut self, kind: StopRequest, has_job: bool, is_draining_for_ever: bool, now: Duration) {
        if kind == StopRequest::Graceful {
            if self.last_ask.is_some_and(|last| now < last + ONE_ASK) {
                return;
            }
            self.last_ask = Some(now);
        }
        let is_first = !self.is_asked;
        self.is_asked = true;
        if kind != StopRequest::DrainUnlimited {
            self.asked_at.get_or_insert(now);
        }
        match kind {
            StopRequest::Graceful if is_first || is_draining_for_ever => {
                self.spared_until = has_job.then_some(now + self.budget.drain);
            }
            StopRequest::DrainUnlimited if is_first => self.spared_until = has_job.then_some(Duration::MAX),
            StopRequest::DrainUnlimited => {}
            StopRequest::Graceful | StopRequest::Immediate => self.spared_until = None,
        }
        if let Some(interrupted) = self.interrupted.as_mut().filter(|_| kind != StopRequest::DrainUnlimited) {
            interrupted.asks += 1;
            interrupted.hurried_at.get_or_insert(now);
        }
    }

    /// Judges a deed at its moment; `has_job`: a worker works for a job whose end was not told.
    pub(crate) fn judge(
        &mut self,
        action: &Action,
        now: Duration,
        is_running: bool,
        has_job: bool,
        is_told: bool,
    ) {
        if let Some(interrupted) = self.interrupted.as_mut().filter(|_| is_told) {
            interrupted.told_at.get_or_insert(now);
        }
        match action {
            Action::Spawn => {
                assert!(!is_running, "two listeners");
                assert!(!self.is_asked, "launched after a stop was asked for");
                assert!(self.is_registered, "launched without a registration");
                self.launches += 1;
            }
            Action::Register { anew } => {
                assert!(!is_running && !self.is_asked && self.registers | self.may_register_again);
                assert!(!anew || self.may_register_again, "nothing was to be registered anew");
                self.is_registered = false;
            }
            Action::Interrupt => {
                assert!(is_running && self.interrupted.is_none(), "an interrupt too many");
                assert!(!has_job || self.is_asked, "a job is interrupted that nobody asked to end");
                let spared = self.spared_until.filter(|_| has_job);
                assert!(
                    spared.is_none_or(|until| now >= until),
                    "a job is interrupted that may go on until {spared:?}"
                );
                self.interrupted = Some(Interrupted {
                    at: now,
                    with_job: has_job,
                    asks: 0,
                    hurried_at: None,
                    told_at: None,
                    rung: 0,
                });
            }
            Action::Below(rung) => self.below(*rung, now, is_running),
            Action::KillGroup if is_running => self.killed(now),
            Action::Deregister(within) => {
                assert!(self.removes && (!is_running || !has_job), "removed under a job, or not at all");
                let ends = self.asked_at.map(|asked| asked + self.budget.removal_ends);
                assert!(
                    ends.is_none_or(|ends| now + *within <= ends),
                    "the removal does not fit into the grace"
                );
            }
            Action::Leave(_) => assert!(!is_running, "left with a listener"),
            Action::KillGroup
            | Action::Prepare
            | Action::AbortRegistration
            | Action::AskStatus
            | Action::LookForWork
            | Action::FollowTrace
            | Action::LeaveTrace
            | Action::Unlabel
            | Action::WatchUpdate
            | Action::Append(_)
            | Action::Notify(_) => {}
        }
    }

    fn below(&mut self, rung: Rung, now: Duration, is_running: bool) {
        let Some(interrupted) = self.interrupted.as_mut().filter(|_| is_running) else {
            panic!("{rung:?} out of turn")
        };
        let place =
            [Rung::Interrupt, Rung::Terminate, Rung::Kill].iter().position(|known| *known == rung).unwrap();
        assert!(place + 1 >= interrupted.rung && place <= interrupted.rung, "{rung:?} out of order");
        interrupted.rung = (place + 1).max(interrupted.rung);
        let hurried = interrupted.hurried_at.map(|at| at + ms(HURRIED[place]));
        let ladder = self.budget.ladder();
        let without = [ladder.interrupt, ladder.terminate, ladder.kill][place];
        let due = interrupted.at + if self.removes { ms(TABLE[self.row].below[place]) } else { without };
        let least = hurried.map_or(due, |hurried| due.min(hurried));
        assert!(now >= least, "{rung:?} at {now:?}, {least:?} at the earliest");
    }

    /// The listener is killed while it lives.
    fn killed(&mut self, now: Duration) {
        assert!(!std::mem::replace(&mut self.is_killed, true), "killed twice");
        let Some(interrupted) = self.interrupted else { panic!("killed and never asked to leave") };
        if interrupted.asks >= 2 {
            return;
        }
        let busy = if self.removes { ms(TABLE[self.row].killed) } else { self.budget.ladder().busy_end };
        // "An idle listener has until the removal's share begins."
        let idle = self.budget.stopping.saturating_sub(DEATH);
        let (busy, idle) = (interrupted.at + busy, interrupted.at + idle);
        let least = match interrupted.told_at {
            _ if !interrupted.with_job => idle,
            None => busy,
            Some(told) => busy.min(idle.max(told + FAREWELL)),
        };
        let least = interrupted.hurried_at.map_or(least, |at| least.min(at + HURRIED_KILL));
        assert!(now >= least, "killed at {now:?}, {least:?} at the earliest: {interrupted:?}");
    }

    fn registered(&mut self) {
        self.is_registered = true;
    }

    /// The listener is gone; the next one is another.
    pub(crate) fn is_gone(&mut self) {
        (self.interrupted, self.is_killed) = (None, false);
    }
}

/// How a runner is set up.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the configuration")]
pub(crate) struct Setup {
    row: usize,
    prepares: bool,
    registers: bool,
    reregisters: bool,
    removes: bool,
    one_job: bool,
    idle: bool,
    asks: bool,
    blind: bool,
    seed: u64,
}

fn setups() -> impl Strategy<Value = Setup> {
    let chance = (any::<[bool; 6]>(), prop::bool::weighted(0.2), any::<u64>());
    (0..TABLE.len(), chance).prop_map(|(row, (flags, blind, seed))| Setup::new(row, flags, blind, seed))
}

impl Setup {
    pub(crate) fn new(row: usize, flags: [bool; 6], blind: bool, seed: u64) -> Setup {
        let [prepares, registers, removes, one_job, idle, asks] = flags;
        let (reregisters, removes) = (registers, registers && removes);
        Setup { row, prepares, registers, reregisters, removes, one_job, idle, asks, blind, seed }
    }

    fn settings(&self, budget: Budget) -> Settings {
        Settings {
            budget,
            max_restarts: Some(10),
            prepares: self.prepares,
            registers: self.registers,
            reregisters: self.reregisters,
            one_job: self.one_job,
            idle: self.idle.then_some(ms(120_000)),
            check_every: self.asks.then_some(ms(60_000)),
            look_every: self.asks.then_some(ms(60_000)),
            removes: self.removes,
            seed: self.seed,
        }
    }
}

/// How a job ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// The worker is gone, then the line comes.
    Told,
    /// The line is heard first.
    ToldEarly,
    /// The line is heard, and the worker cannot die.
    Undying,
    /// The worker is gone and nobody says a word.
    Silent,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Wait(u64),
    Stop(StopRequest),
    /// What is awaited of the outside comes, well or not.
    Answer(bool),
    Session,
    Begin {
        worker_after: Option<u64>,
    },
    End(End, TaskResult),
    Exit {
        code: i32,
        configured: bool,
    },
    SpawnFails,
    Says(usize),
    Muted,
    Status(usize),
}

/// What else a listener says of its session.
const SENTENCES: [&str; 6] = [
    "TS: Runner connect error: The request timed out. Retrying until reconnected.",
    "TS: Runner reconnected.",
    "Failed to create a session. The runner registration has been deleted from the server, please re-configure.",
    "A session for this runner already exists.",
    "TS: Runner connect error: Registration 7 was not found.. Retrying until reconnected.",
    "An error occurred: Get next message failed with non-retryable error.",
];
const STANDINGS: [RunnerStatus; 3] = [RunnerStatus::Online, RunnerStatus::Offline, RunnerStatus::Unknown];
const CODES: [i32; 11] = [0, 0, 1, 2, 2, 3, 4, 5, 7, 102, 139];

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let wait =
        prop_oneof![Just(40), Just(300), Just(1_100), Just(4_000), Just(31_000), Just(90_000), Just(700_000)];
    let stop = prop_oneof![6 => Just(StopRequest::Graceful), 1 => Just(StopRequest::Immediate), 2 => Just(StopRequest::DrainUnlimited)];
    let worker = prop_oneof![3 => (0..25_u64).prop_map(Some), 1 => Just(None)];
    let end = prop_oneof![4 => Just(End::Told), 2 => Just(End::ToldEarly), 1 => Just(End::Undying), 1 => Just(End::Silent)];
    let result = prop::sample::select(TaskResult::ALL.to_vec());
    let op = prop_oneof![
        8 => wait.prop_map(Op::Wait),
        3 => stop.prop_map(Op::Stop),
        6 => prop::bool::weighted(0.8).prop_map(Op::Answer),
        4 => Just(Op::Session),
        5 => worker.prop_map(|worker_after| Op::Begin { worker_after }),
        5 => (end, result).prop_map(|(end, result)| Op::End(end, result)),
        3 => (prop::sample::select(CODES.to_vec()), any::<bool>()).prop_map(|(code, configured)| Op::Exit { code, configured }),
        1 => Just(Op::SpawnFails),
        2 => (0..SENTENCES.len()).prop_map(Op::Says),
        1 => Just(Op::Muted),
        2 => (0..STANDINGS.len()).prop_map(Op::Status),
    ];
    vec(op, 0..40)
}

impl World {
    fn stop(&mut self, kind: StopRequest) {
        let (has_job, now) = (self.has_job(), self.now.up);
        let for_ever = self.judge.spared_until == Some(Duration::MAX) && self.judge.interrupted.is_none();
        self.judge.asked(kind, has_job, for_ever, now);
        self.give(Input::Stop(kind));
    }

    pub(crate) fn run(&mut self, op: Op) {
        // Where a job has been begun and not ended, the listener says nothing of another.
        let open =
            self.jobs.len().checked_sub(1).filter(|last| self.jobs[*last].told.is_none() && self.is_open);
        match op {
            Op::Wait(millis) => self.wait(ms(millis)),
            Op::Stop(kind) => self.stop(kind),
            Op::Answer(good) => self.answer(good),
            Op::Session if self.is_running && open.is_none() => self.out("Listening for Jobs"),
            Op::Begin { worker_after } if self.is_running && open.is_none() => self.begin(worker_after),
            Op::End(end, result) if self.is_running => {
                if let Some(job) = open {
                    self.end(job, end, result);
                }
            }
            Op::Exit { code, configured } if self.is_running => {
                self.exit(Exit::Code(code), configured, Cause::Exit(code));
            }
            Op::SpawnFails => self.spawn_fails = true,
            Op::Says(which) if self.is_running && open.is_none() => {
                let line = SENTENCES[which].replace("TS", &self.stamp());
                let stream = if which == 1 { Stream::Stdout } else { Stream::Stderr };
                self.say(stream, &line);
            }
            Op::Muted if self.is_running => self.give(Input::Muted),
            Op::Status(which) => self.give(Input::Status(STANDINGS[which])),
            Op::Session | Op::Begin { .. } | Op::End(..) | Op::Exit { .. } | Op::Says(_) | Op::Muted => {}
        }
    }

    fn begin(&mut self, worker_after: Option<u64>) {
        // So soon after a claim that had no worker a line may be a further one of its name, and the next worker its own.
        let is_lost = self.jobs.last().is_some_and(|job| !job.worked);
        if is_lost {
            self.wait(ms(500));
        }
        // Beside a worker that cannot die nobody can tell a lost job from one whose worker has not been seen yet (RELIABILITY.md).
        let worker_after = worker_after.or_else(|| self.is_haunted().then_some(1));
        let is_first = worker_after == Some(0) && !is_lost;
        if !self.is_running {
            return;
        }
        let job = self.take_job();
        self.is_open = worker_after.is_some();
        if is_first {
            self.worker_begins(job);
        }
        let line = self.starts_line(job);
        self.say(Stream::Stdout, &line);
        if let Some(after) = worker_after.filter(|_| !is_first) {
            self.wait(ms(after));
            if self.is_running {
                self.worker_begins(job);
                self.wait(ms(1_000));
            }
        }
    }

    fn end(&mut self, job: usize, end: End, result: TaskResult) {
        // No job is shorter; what comes sooner may be a line of its name.
        self.wait(ms(600));
        if !self.is_running {
            return;
        }
        self.is_open = false;
        match end {
            End::Told => {
                self.worker_ends(true);
                self.wait(ms(10));
                if self.is_running {
                    let line = self.ends_line(job, result);
                    self.say(Stream::Stdout, &line);
                }
            }
            End::ToldEarly => {
                let line = self.ends_line(job, result);
                self.say(Stream::Stdout, &line);
                self.wait(ms(20));
                self.worker_ends(true);
            }
            End::Undying => {
                let line = self.ends_line(job, result);
                self.say(Stream::Stdout, &line);
            }
            End::Silent => self.worker_ends(true),
        }
    }

    fn answer(&mut self, good: bool) {
        if std::mem::take(&mut self.is_preparing) {
            self.give(Input::Prepared);
        } else if std::mem::take(&mut self.is_registering) {
            if good {
                self.judge.registered();
                self.give(Input::Registered(Registered::New));
            } else {
                self.give(Input::NotRegistered(RegistrationFault { retry: true, says: String::new() }));
            }
        } else if std::mem::take(&mut self.is_removing) {
            let removal = if good { Removal::Deleted } else { Removal::LeftBehind(String::new()) };
            self.give(Input::Deregistered(removal));
        } else {
            self.give(Input::UpdateFinished);
        }
    }

    /// Nobody answers any more and nobody obeys: only deadlines are left, and the death of who is killed.
    pub(crate) fn abandon(&mut self) {
        for _ in 0..10_000 {
            if self.left.is_some() {
                return;
            }
            let Some(at) = self.next_event() else {
                panic!("nothing is due, and it has not left: {:?}", self.life)
            };
            self.go_to(at);
        }
        panic!("it never leaves: {:?}", self.life);
    }
}

pub(crate) fn begin(setup: Setup) -> World {
    let judge = Judge::new(setup.row, &setup);
    let mut world = World::new(setup.settings(judge.budget), judge, setup.blind);
    world.give(Input::Deadline);
    world
}

fn live(setup: Setup, ops: &[Op]) -> World {
    let mut world = begin(setup);
    for op in ops {
        world.run(*op);
    }
    if world.judge.asked_at.is_none() && world.left.is_none() {
        world.wait(ms(1_500));
        if world.left.is_none() {
            world.stop(StopRequest::Graceful);
        }
    }
    world.abandon();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_it_is_gone_within_the_grace_and_every_job_is_counted_once(setup in setups(), ops in ops()) {
        let world = live(setup, &ops);
        let left = world.left.expect("it has left");
        if let Some(asked) = world.judge.asked_at {
            let most = asked + world.judge.budget.removal_ends;
            prop_assert!(left <= most || left < asked, "asked at {:?}, left at {:?} instead of {:?}", asked, left, most);
        }
        prop_assert_eq!(world.counted(), world.really());
    }
}
