//! The wait of a one-job runner for its job.

use super::*;
use crate::domain::restart::StopReason;

/// One job, 100 s of patience, a session since second 1; registered by us or not.
fn waiting(registers: bool) -> Stage {
    let settings = Settings {
        one_job: true,
        idle: Some(Duration::from_secs(100)),
        registers,
        budget: Budget { deregistration: Duration::from_secs(10), ..budget() },
        removes: registers,
        ..settings()
    };
    let mut life = Lifecycle::new(settings, now(0));
    life.handle(Input::Deadline, now(0));
    if registers {
        life.handle(Input::Registered(Registered::New), now(0));
        life.handle(Input::Deadline, now(0));
    }
    Stage(life).with(Input::Started { pid: 7 }, 0).with(said(RunnerEvent::Listening), 1)
}

const REMOVE: Action = Action::Deregister(Duration::from_secs(10));

fn left(stage: &mut Stage, input: Input, at: u64) -> Vec<Action> {
    let actions = stage.0.handle(input, now(at));
    let finished = Action::Notify(Notice::Finished { reason: StopReason::NoJob, code: 0 });
    assert!(actions.contains(&finished), "{actions:?}");
    actions
}

#[test]
fn it_is_removed_first_and_then_interrupted() {
    let mut stage = waiting(true);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(101)));
    assert_eq!(stage.deeds(Input::Deadline, 100), []);
    assert_eq!(stage.deeds(Input::Deadline, 101), [REMOVE]);
    assert_eq!(stage.deeds(Input::Deregistered(Removal::Deleted), 102), [Action::Interrupt]);
    // Whatever the listener makes of a session that GitHub has forgotten.
    let actions = left(&mut stage, exited(1), 103);
    assert!(!actions.iter().any(|action| matches!(action, Action::Deregister(_))), "{actions:?}");
}

#[test]
fn where_nothing_was_registered_there_is_nothing_to_remove() {
    let mut stage = waiting(false);
    assert_eq!(stage.deeds(Input::Deadline, 101), [Action::Interrupt]);
    left(&mut stage, exited(0), 102);
}

#[test]
fn a_job_ends_the_wait_also_one_that_comes_during_the_removal() {
    let refused = || Input::Deregistered(Removal::LeftBehind("it runs a job".into()));
    let mut stage = waiting(true).with(started("build"), 50);
    assert_eq!(stage.0.next_deadline(), None);
    assert_eq!(stage.deeds(Input::Deadline, 101), []);
    let mut stage = waiting(true);
    assert_eq!(stage.deeds(Input::Deadline, 101), [REMOVE]);
    stage = stage.with(started("build"), 102);
    assert_eq!(stage.deeds(refused(), 103), []);
    assert_eq!((stage.state(), stage.0.next_deadline()), (State::Busy, None));
    // GitHub knows of it first.
    let mut stage = waiting(true);
    stage.deeds(Input::Deadline, 101);
    assert_eq!(stage.deeds(refused(), 102), []);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(202)), "if it never comes");
    stage = stage.with(started("build"), 103);
    assert_eq!(stage.state(), State::Busy);
}

#[test]
fn without_a_session_nobody_could_give_it_one() {
    let lost = said(RunnerEvent::ConnectionError { message: "no".into() });
    let mut stage = waiting(true).with(lost, 50);
    assert_eq!(stage.deeds(Input::Deadline, 101), []);
    stage = stage.with(said(RunnerEvent::Reconnected), 200);
    assert_eq!(stage.deeds(Input::Deadline, 299), []);
    assert_eq!(stage.deeds(Input::Deadline, 300), [REMOVE]);
    // Nobody answers: then it goes, and says at the end what stays.
    assert_eq!(stage.deeds(Input::Deadline, 310), [Action::Interrupt]);
    assert_eq!(stage.deeds(exited(0), 311), [REMOVE]);
}

#[test]
fn a_stop_during_the_removal_is_a_stop() {
    let mut stage = waiting(true);
    stage.deeds(Input::Deadline, 101);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 102), [Action::Interrupt]);
    assert_eq!(stage.deeds(Input::Deregistered(Removal::Deleted), 103), []);
    let done = stage.deeds(exited(0), 104);
    assert!(matches!(done[..], [Action::Deregister(_)]), "{done:?}");
}

#[test]
fn one_that_takes_many_jobs_waits_for_ever() {
    let settings = Settings { idle: Some(Duration::from_secs(100)), ..settings() };
    let mut life = Lifecycle::new(settings, now(0));
    life.handle(Input::Deadline, now(0));
    let stage = Stage(life).with(Input::Started { pid: 7 }, 0).with(said(RunnerEvent::Listening), 1);
    assert_eq!(stage.0.next_deadline(), None);
}
