//! Every job is counted once, with its own result: jobs by the clock of docs/RUNNER.md, heard late by a supervisor that stands still.

use crate::lifecycle::Judge;
use crate::world::{World, ms};
use proptest::collection::vec;
use proptest::prelude::*;
use runner_init::domain::event::{Exit, Stream, TaskResult};
use runner_init::domain::failure::Cause;
use runner_init::domain::lifecycle::Input;
use std::time::Duration;

/// A worker is seen 8 ms before its job's line to 25 ms after it.
const EARLIEST: u64 = 8;
/// From a job's end to the next line.
const BETWEEN: u64 = 60;
/// A name with newlines is printed within this.
const NAME: u64 = 500;

/// What the listener does for one job, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Since all that belongs to the one before.
    gap: u64,
    /// From 8 ms before the line; `None`: the job was lost before a worker began.
    worker: Option<u64>,
    runs: u64,
    /// How long after the worker's end its end is told; before it, if the flag says so; `None`: never.
    told: Option<(bool, u64)>,
    result: TaskResult,
    /// The supervisor stands still for so long, from so long after the line on.
    still: Option<(u64, u64)>,
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let gap = prop_oneof![2 => 1..10_u64, 3 => 60..90_u64, 1 => 1_000..200_000_u64];
    let worker = prop_oneof![6 => (0..=33_u64).prop_map(Some), 1 => Just(None)];
    let runs = prop_oneof![1 => 600..1_000_u64, 3 => 2_000..20_000_u64, 1 => Just(3_600_000_u64)];
    let told = prop_oneof![
        6 => (Just(false), 3..=20_u64).prop_map(Some),
        2 => (Just(true), 0..=20_u64).prop_map(Some),
        1 => (Just(false), 1_000..=52_000_u64).prop_map(Some),
        1 => Just(None),
    ];
    let result = prop::sample::select(TaskResult::ALL.to_vec());
    let still = prop_oneof![3 => Just(None), 1 => (0..3_000_u64, 10..4_000_u64).prop_map(Some)];
    let plan = (gap, worker, runs, told, result, still)
        .prop_map(|(gap, worker, runs, told, result, still)| Plan { gap, worker, runs, told, result, still });
    vec(plan, 0..12)
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Starts(usize),
    WorkerBegins(usize),
    WorkerEnds,
    Ends(usize, TaskResult),
}

/// From then until then, in milliseconds.
type Still = (u64, u64);

/// When what happens, in order; and when the supervisor stands still.
fn timeline(plans: &[Plan]) -> (Vec<(u64, Event)>, Vec<Still>) {
    let (mut events, mut stills, mut free) = (Vec::new(), Vec::new(), 1_000);
    // What is read late is told apart by the time that the runner needs between two jobs.
    let is_any_lost = plans.iter().any(|plan| plan.worker.is_none());
    let still = |plan: &Plan| plan.still.filter(|_| !is_any_lost);
    let least = if plans.iter().any(|plan| still(plan).is_some()) { BETWEEN } else { 1 };
    for (job, plan) in plans.iter().enumerate() {
        // After a claim that had no worker the next worker is its own, as far as anybody can tell, until the next line; and so
        // soon after it that may be a further line of its name.
        let after_lost = job > 0 && plans[job - 1].worker.is_none();
        let line = free + plan.gap.max(least) + EARLIEST + if after_lost { NAME } else { 0 };
        let mut of_this = vec![(line, Event::Starts(job))];
        free = line + 40;
        if let Some(worker) = plan.worker {
            let worker = if after_lost { worker.max(EARLIEST) } else { worker };
            // Its end is told that long after its line is read: what comes sooner may be a further line of its name.
            stills.extend(still(plan).map(|(after, time)| (line + after, line + after + time)));
            let end = read_at(&stills, line) + 40 + plan.runs;
            let begin = line + worker - EARLIEST;
            of_this.extend([(begin, Event::WorkerBegins(job)), (end, Event::WorkerEnds)]);
            free = end;
            if let Some((before, by)) = plan.told {
                let told = if before { end - by } else { end + by };
                of_this.push((told, Event::Ends(job, plan.result)));
                free = free.max(told);
            }
        }
        // What happens in one moment happens in this order.
        of_this.sort_by_key(|(at, _)| *at);
        events.extend(of_this);
    }
    (events, stills)
}

/// When what is printed at this moment is read.
fn read_at(stills: &[Still], mut at: u64) -> u64 {
    while let Some((_, ends)) = stills.iter().find(|(begins, ends)| (*begins..*ends).contains(&at)) {
        at = *ends;
    }
    at
}

fn live(plans: &[Plan]) -> World {
    let (settings, judge) = Judge::calm();
    let mut world = World::new(settings, judge, false);
    world.give(Input::Deadline);
    world.out("Listening for Jobs");
    for _ in plans {
        world.take_job();
    }
    let (events, stills) = timeline(plans);
    let mut unheard: Vec<String> = Vec::new();
    let mut still_until = 0;
    for (at, event) in events {
        let (begins, ends) =
            stills.iter().copied().find(|(begins, ends)| (*begins..*ends).contains(&at)).unwrap_or((at, 0));
        if still_until > 0 && at >= still_until {
            wake(&mut world, still_until, &mut unheard);
            still_until = 0;
        }
        if still_until == 0 {
            world.go_to(ms(begins));
        }
        still_until = still_until.max(ends);
        let heeded = still_until == 0;
        world.set(ms(at));
        let line = match event {
            Event::Starts(job) => Some(world.starts_line(job)),
            Event::WorkerBegins(job) => {
                world.worker_begins(job);
                None
            }
            Event::WorkerEnds => {
                world.worker_ends(heeded);
                None
            }
            Event::Ends(job, result) => Some(world.ends_line(job, result)),
        };
        unheard.extend(line);
        if heeded {
            unheard.drain(..).for_each(|line| world.say(Stream::Stdout, &line));
        }
    }
    wake(&mut world, still_until, &mut unheard);
    world.wait(Duration::from_secs(300));
    world.exit(Exit::Code(0), true, Cause::Exit(0));
    world
}

/// The supervisor goes on at this moment, with all that was said meanwhile.
fn wake(world: &mut World, at: u64, unheard: &mut Vec<String>) {
    world.set(ms(at).max(world.now.up));
    unheard.drain(..).for_each(|line| world.say(Stream::Stdout, &line));
    world.look();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_job_is_counted_once_however_late_it_is_heard(plans in plans()) {
        let world = live(&plans);
        prop_assert_eq!(world.counted(), world.really());
        let starts: Vec<_> = world.rows.iter().filter(|row| row.duration.is_none()).map(|row| row.started_at).collect();
        prop_assert!(starts.is_sorted(), "{:?}", starts);
        let mut ids: Vec<_> = world.rows.iter().map(|row| row.job_id.clone()).collect();
        ids.dedup();
        prop_assert_eq!(ids.len() * 2, world.rows.len(), "each job has an id of its own");
    }
}
