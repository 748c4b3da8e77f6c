//! A day with a fault every minute and a job in each: all of them are counted once, and in the evening it holds no more than at noon.

use crate::lifecycle::{End, Op, Setup, begin};
use crate::world::{World, ms};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use runner_init::domain::event::{StopRequest, TaskResult};

const MINUTES: u64 = 24 * 60;
/// What the listener leaves with and is launched again for: an error, an update, a conflict, a crash.
const CODES: [i32; 5] = [2, 3, 4, 5, 139];

#[derive(Clone, Debug)]
struct Minute {
    fault: Op,
    /// It strikes while the job runs; else before it.
    in_job: bool,
    worker_after: Option<u64>,
    end: End,
    result: TaskResult,
}

fn minutes() -> impl Strategy<Value = Minute> {
    let fault = prop_oneof![
        4 => prop::sample::select(CODES.to_vec()).prop_map(|code| Op::Exit { code, configured: true }),
        2 => Just(Op::SpawnFails),
        3 => prop::sample::select(vec![0, 1, 3, 4]).prop_map(Op::Says),
        1 => Just(Op::Muted),
        3 => (0..3_usize).prop_map(Op::Status),
    ];
    let worker = prop_oneof![9 => (0..25_u64).prop_map(Some), 1 => Just(None)];
    let end = prop_oneof![5 => Just(End::Told), 2 => Just(End::ToldEarly), 1 => Just(End::Undying), 1 => Just(End::Silent)];
    let result = prop::sample::select(TaskResult::ALL.to_vec());
    (fault, any::<bool>(), worker, end, result).prop_map(|(fault, in_job, worker_after, end, result)| {
        Minute { fault, in_job, worker_after, end, result }
    })
}

/// What is awaited of the outside comes, and a listener that was launched listens.
fn settle(world: &mut World) {
    while world.is_preparing || world.is_registering {
        world.run(Op::Answer(true));
    }
    world.run(Op::Session);
}

#[test]
fn a_day_with_a_fault_every_minute_counts_every_job_and_holds_no_more_at_its_end() {
    let setup = Setup::new(2, [true, true, true, false, false, true], false, 7);
    let mut world = begin(setup);
    // The same day each time.
    let mut runner = TestRunner::deterministic();
    let mut held = Vec::new();
    for number in 1..=MINUTES {
        let minute = minutes().new_tree(&mut runner).unwrap().current();
        settle(&mut world);
        if !minute.in_job {
            world.run(minute.fault);
            world.run(Op::Wait(10_000));
            settle(&mut world);
        }
        world.run(Op::Begin { worker_after: minute.worker_after });
        world.run(Op::Wait(2_000));
        if minute.in_job {
            world.run(minute.fault);
        }
        world.run(Op::End(minute.end, minute.result));
        world.go_to(ms(number * 60_000));
        assert_eq!(world.left, None, "nobody has asked it to: minute {number}, {minute:?}, {:?}", world.life);
        held.push(world.held());
    }
    settle(&mut world);
    world.run(Op::Stop(StopRequest::Graceful));
    world.abandon();
    let really = world.really();
    assert!(really.len() > 1_000, "{} jobs in a day of {MINUTES} minutes", really.len());
    assert_eq!(world.counted(), really);
    let mean = |half: &[usize]| half.iter().sum::<usize>() / half.len();
    let (morning, evening) = held.split_at(held.len() / 2);
    let (before, after) = (mean(morning), mean(evening));
    println!("{} jobs; written out, what it holds is {before} then {after} bytes", really.len());
    // Numbers are longer in the evening.
    assert!(after < before + before / 20, "{before} bytes in the morning, {after} in the evening");
}
