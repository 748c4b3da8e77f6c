//! The table, row by row; time is an argument, so nothing here waits.

mod connection;
mod idle;

use super::*;
use crate::domain::budget::Budget;
use crate::domain::event::{Exit, RunnerEvent, Stream, TaskResult, WorkerState};
use crate::domain::failure::Cause;
use crate::domain::ladder::Rung;
use crate::domain::parse::ParsedLine;
use crate::domain::parse::parse;
use crate::domain::record::{JobStatus, RowStatus};
use crate::domain::registration::{Recovery, Registered, RegistrationFault, Removal};
use chrono::DateTime;

fn now(seconds: u64) -> Now {
    let utc = DateTime::from_timestamp(1_800_000_000 + seconds.cast_signed(), 0).expect("in range");
    Now { up: Duration::from_secs(seconds), utc }
}

fn budget() -> Budget {
    Budget {
        drain: Duration::from_secs(100),
        stopping: Duration::from_millis(34_500),
        deregistration: Duration::ZERO,
        wrap_up: Duration::from_secs(1),
        sweep: Duration::from_secs(2),
        removal_ends: Duration::from_secs(138),
    }
}

fn settings() -> Settings {
    Settings { max_restarts: Some(10), ..Settings::new(budget()) }
}

fn said(event: RunnerEvent) -> Input {
    Input::Line(ParsedLine { event, stamp: None, traced: false }, WorkerState::Gone)
}

fn started(name: &str) -> Input {
    said(RunnerEvent::JobStarted { name: name.into() })
}

fn completed(name: &str, result: TaskResult) -> Input {
    said(RunnerEvent::JobCompleted { name: name.into(), result })
}

fn exited(code: i32) -> Input {
    Input::Exited { exit: Exit::Code(code), configured: true, cause: Cause::Exit(code) }
}

/// A lifecycle that has come this far, at second 10.
struct Stage(Lifecycle);

impl Stage {
    fn launched() -> Stage {
        let mut life = Lifecycle::new(settings(), now(0));
        assert_eq!(life.handle(Input::Deadline, now(0)), [Action::Spawn]);
        life.handle(Input::Started { pid: 7 }, now(0));
        Stage(life)
    }

    fn idle() -> Stage {
        Stage::launched().with(said(RunnerEvent::Listening), 1)
    }

    fn busy() -> Stage {
        Stage::idle().with(started("build"), 5)
    }

    fn with(mut self, input: Input, at: u64) -> Stage {
        self.0.handle(input, now(at));
        self
    }

    /// What must be done, without the notices.
    fn deeds(&mut self, input: Input, at: u64) -> Vec<Action> {
        let actions = self.0.handle(input, now(at));
        actions.into_iter().filter(|a| !matches!(a, Action::Notify(_))).collect()
    }

    fn state(&self) -> State {
        self.0.status(now(0)).state
    }
}

fn rows(actions: &[Action]) -> Vec<(String, RowStatus)> {
    actions
        .iter()
        .filter_map(|a| match a {
            Action::Append(row) => Some((row.job_name.clone().unwrap(), row.status)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_session_makes_it_idle_and_a_job_busy() {
    assert_eq!(Stage::launched().state(), State::Starting);
    assert_eq!(Stage::idle().state(), State::Idle);
    let mut stage = Stage::busy();
    assert_eq!(stage.state(), State::Busy);
    let done = stage.deeds(completed("build", TaskResult::Failed), 9);
    assert_eq!(rows(&done), [("build".into(), RowStatus::Finished(JobStatus::Failed))]);
    assert_eq!(stage.state(), State::Idle);
}

#[test]
fn idle_is_interrupted_at_once_and_killed_if_it_will_not_go() {
    let mut stage = Stage::idle();
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 10), [Action::Interrupt]);
    assert_eq!(stage.state(), State::Draining);
    assert_eq!(stage.0.status(now(10)).leave_by, Some(now(44).utc));
    for (at, rung) in [(18, Rung::Interrupt), (19, Rung::Terminate), (20, Rung::Kill), (43, Rung::Kill)] {
        assert_eq!(
            stage.deeds(Input::Deadline, at),
            [Action::Below(rung)],
            "a worker nobody has told of is sought too"
        );
    }
    assert_eq!(stage.deeds(Input::Deadline, 44), [Action::KillGroup]);
    assert_eq!(stage.0.next_deadline(), None);
    let gone = Input::Exited { exit: Exit::Signal(9), configured: true, cause: Cause::Signal(9) };
    assert_eq!(stage.deeds(gone, 46), [Action::Leave(137)]);
}

#[test]
fn busy_drains_in_silence_and_is_interrupted_the_moment_the_job_ends() {
    let mut stage = Stage::busy();
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 10), [Action::Unlabel]);
    assert_eq!(stage.state(), State::Draining);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(110)));
    assert_eq!(rows(&stage.deeds(completed("build", TaskResult::Succeeded), 60)).len(), 1);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_millis(60_200)));
    assert_eq!(stage.deeds(Input::Deadline, 61), [Action::Interrupt]);
    assert_eq!(stage.deeds(exited(0), 61), [Action::Leave(0)]);
    assert_eq!(stage.state(), State::Stopped);
}

#[test]
fn a_job_that_slips_in_during_the_drain_may_finish_too() {
    let mut stage = Stage::busy().with(Input::Stop(StopRequest::Graceful), 10);
    stage.deeds(completed("build", TaskResult::Succeeded), 20);
    assert_eq!(rows(&stage.deeds(started("slipped in"), 20)), [("slipped in".into(), RowStatus::Running)]);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(110)), "within the same budget");
    assert_eq!(stage.deeds(Input::Deadline, 50), []);
    let done = stage.deeds(completed("slipped in", TaskResult::Succeeded), 60);
    assert_eq!(done.last(), Some(&Action::Interrupt), "one may slip in, not the whole queue");
}

#[test]
fn the_drain_ends_by_its_deadline_or_by_a_second_ask() {
    let mut stage = Stage::busy().with(Input::Stop(StopRequest::Graceful), 10);
    assert_eq!(stage.deeds(Input::Deadline, 110), [Action::Interrupt]);
    let mut stage = Stage::busy().with(Input::Stop(StopRequest::Graceful), 10);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 12), [Action::Interrupt]);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 14), [], "its ladder begins now");
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(14)));
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 16), [Action::KillGroup]);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 18), []);
}

/// Busy, with this grace; something is registered.
fn busy_with(grace: u64) -> Stage {
    let budget = Budget::from_grace(Duration::from_secs(grace), true, None).expect("no drain was asked for");
    let settings = Settings { budget, registers: true, removes: true, ..settings() };
    let mut life = Lifecycle::new(settings, now(0));
    life.handle(Input::Deadline, now(0));
    life.handle(Input::Registered(Registered::New), now(0));
    life.handle(Input::Deadline, now(0));
    Stage(life)
        .with(Input::Started { pid: 7 }, 0)
        .with(said(RunnerEvent::Listening), 1)
        .with(started("build"), 5)
}

/// Every deed until the listener is killed, each with its millisecond after second 10; `asks` are further asks.
fn stopped(grace: u64, asks: &[u64]) -> Vec<(u64, Action)> {
    let mut stage = busy_with(grace);
    let at = |millis: u64| {
        let after = Duration::from_millis(millis);
        Now { up: Duration::from_secs(10) + after, utc: now(10).utc + after }
    };
    let mut deeds = Vec::new();
    let mut asks = [&[0], asks].concat().into_iter().peekable();
    loop {
        let due = stage.0.next_deadline().map(|up| up.saturating_sub(now(10).up).as_millis());
        let due = due.and_then(|due| u64::try_from(due).ok()).unwrap_or(u64::MAX);
        let (moment, input) = match asks.next_if(|ask| *ask <= due) {
            Some(ask) => (ask, Input::Stop(StopRequest::Graceful)),
            None => (due, Input::Deadline),
        };
        for deed in stage.0.handle(input, at(moment)) {
            let is_again =
                deed == Action::Below(Rung::Kill) && deeds.iter().any(|(_, before)| *before == deed);
            if !is_again && !matches!(deed, Action::Notify(_) | Action::Unlabel) {
                deeds.push((moment, deed));
            }
        }
        if deeds.last().is_some_and(|(_, deed)| *deed == Action::KillGroup) {
            return deeds;
        }
    }
}

/// A grace, the milliseconds of further asks, and what is done when.
type Row = (u64, &'static [u64], [(u64, Action); 5]);

#[test]
fn what_is_below_the_worker_is_told_first_and_the_listener_killed_last() {
    use Action::{Below, Interrupt, KillGroup};
    use Rung::{Interrupt as Int, Kill, Terminate as Term};
    let table: [Row; 6] = [
        (
            5,
            &[],
            [(0, Interrupt), (400, Below(Int)), (600, Below(Term)), (800, Below(Kill)), (3500, KillGroup)],
        ),
        (
            10,
            &[],
            [(0, Interrupt), (2200, Below(Int)), (3100, Below(Term)), (3600, Below(Kill)), (7500, KillGroup)],
        ),
        (
            30,
            &[],
            [
                (0, Interrupt),
                (8000, Below(Int)),
                (9000, Below(Term)),
                (9500, Below(Kill)),
                (26_000, KillGroup),
            ],
        ),
        // A drain of 12 s that nobody waits for any more, then the same ladder at once.
        (
            60,
            &[2000, 4000],
            [
                (2000, Interrupt),
                (4000, Below(Int)),
                (5000, Below(Term)),
                (5500, Below(Kill)),
                (9000, KillGroup),
            ],
        ),
        (
            60,
            &[2000],
            [
                (2000, Interrupt),
                (10_000, Below(Int)),
                (11_000, Below(Term)),
                (11_500, Below(Kill)),
                (46_000, KillGroup),
            ],
        ),
        (
            10,
            &[1000],
            [(0, Interrupt), (1000, Below(Int)), (2000, Below(Term)), (2500, Below(Kill)), (6000, KillGroup)],
        ),
    ];
    for (grace, asks, wanted) in table {
        assert_eq!(stopped(grace, asks), wanted, "grace {grace} s, asked again at {asks:?}");
    }
    let third = stopped(10, &[1000, 2100]);
    assert_eq!(third.last(), Some(&(2100, KillGroup)), "the third ask waits for nobody: {third:?}");
}

#[test]
fn a_job_that_we_ended_says_so_and_a_told_end_is_a_success() {
    let mut stage = busy_with(10).with(Input::Stop(StopRequest::Graceful), 10);
    let actions = stage.0.handle(completed("build", TaskResult::Canceled), now(12));
    let Some(Action::Append(row)) = actions.first() else { panic!("{actions:?}") };
    let told = (row.status, row.conclusion.as_deref(), row.cause.as_deref());
    assert_eq!(told, (RowStatus::Finished(JobStatus::Cancelled), Some("failure"), Some("stopped")));
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_millis(15_100)), "it may leave by itself");
    assert_eq!(stage.deeds(Input::Deadline, 16), [Action::KillGroup], "its session cannot be deleted");
    let gone = Input::Exited { exit: Exit::Signal(9), configured: true, cause: Cause::Signal(9) };
    assert_eq!(stage.deeds(gone, 16), [Action::Deregister(Duration::from_secs(2))]);
    assert_eq!(stage.deeds(Input::Deregistered(Removal::Removed), 17), [Action::Leave(0)], "GitHub knows");
    let mut by_github = Stage::busy();
    let actions = by_github.0.handle(completed("build", TaskResult::Canceled), now(12));
    let Some(Action::Append(row)) = actions.first() else { panic!("{actions:?}") };
    assert_eq!((row.conclusion.as_deref(), row.cause.as_deref()), (Some("cancelled"), None));
}

#[test]
fn unused_time_goes_to_the_removal() {
    // grace, second of the listener's exit after the ask → seconds for the removal
    for (grace, after, limit) in [(30, 1, 25), (30, 20, 6), (120, 1, 60), (60, 50, 6)] {
        let mut stage = busy_with(grace).with(completed("build", TaskResult::Succeeded), 6);
        stage.deeds(Input::Stop(StopRequest::Graceful), 10);
        let wanted =
            [Action::Deregister(Duration::from_millis(limit * 1000 + if limit < 60 { 500 } else { 0 }))];
        assert_eq!(stage.deeds(exited(0), 10 + after), wanted, "grace {grace} s, gone after {after} s");
    }
    let mut late = busy_with(10).with(Input::Stop(StopRequest::Graceful), 10);
    assert_eq!(late.deeds(exited(0), 18).last(), Some(&Action::Leave(0)), "nothing is left of the grace");
    let mut hurried = busy_with(120)
        .with(Input::Stop(StopRequest::Immediate), 10)
        .with(Input::Stop(StopRequest::Graceful), 12);
    assert_eq!(hurried.deeds(exited(0), 14).last(), Some(&Action::Deregister(Duration::from_secs(10))));
}

#[test]
fn a_stop_during_an_update_waits_no_longer_than_the_grace_allows() {
    let mut stage = busy_with(10).with(exited(3), 10);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 11), []);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_millis(16_600)));
    assert_eq!(stage.deeds(Input::Deadline, 17), [Action::Deregister(Duration::from_secs(2))]);
    let mut long = busy_with(120).with(exited(3), 10).with(Input::Stop(StopRequest::Graceful), 11);
    assert_eq!(long.0.next_deadline(), Some(Duration::from_secs(41)), "the updater is waited for");
    let _ = long.deeds(Input::UpdateFinished, 12);
}

#[test]
fn a_storm_of_asks_is_one_ask_and_quit_is_two() {
    let mut stage = Stage::busy();
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 10), [Action::Unlabel]);
    for _ in 0..1000 {
        assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 10), []);
    }
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Immediate), 10), [Action::Interrupt]);
    assert_eq!(Stage::busy().deeds(Input::Stop(StopRequest::Immediate), 10), [Action::Interrupt]);
}

#[test]
fn who_asks_twice_is_told_what_that_means() {
    let told = |stage: &mut Stage, kind: StopRequest, millis: u64| -> Vec<Notice> {
        let at = Now { up: Duration::from_millis(millis), ..now(0) };
        let told = stage.0.handle(Input::Stop(kind), at).into_iter();
        told.filter_map(|action| if let Action::Notify(notice) = action { Some(notice) } else { None })
            .filter(|notice| {
                matches!(notice, Notice::StopAsked(_) | Notice::StopAskedAgain | Notice::StopRepeated)
            })
            .collect()
    };
    let mut stage = Stage::busy();
    assert_eq!(told(&mut stage, StopRequest::Graceful, 10_000), [Notice::StopAsked(StopRequest::Graceful)]);
    assert_eq!(told(&mut stage, StopRequest::Graceful, 10_200), [Notice::StopRepeated]);
    assert_eq!(told(&mut stage, StopRequest::Graceful, 10_900), [], "once");
    assert_eq!(told(&mut stage, StopRequest::Graceful, 11_000), [Notice::StopAskedAgain]);
    assert_eq!(told(&mut stage, StopRequest::Graceful, 11_100), [Notice::StopRepeated]);
    let mut stage = Stage::busy();
    assert_eq!(
        told(&mut stage, StopRequest::DrainUnlimited, 10_000),
        [Notice::StopAsked(StopRequest::DrainUnlimited)]
    );
    assert_eq!(
        told(&mut stage, StopRequest::Graceful, 12_000),
        [Notice::StopAsked(StopRequest::Graceful)],
        "it only asks"
    );
    assert_eq!(told(&mut stage, StopRequest::Graceful, 14_000), [Notice::StopAskedAgain]);
}

#[test]
fn without_time_for_a_drain_the_job_is_cancelled_properly() {
    let mut life = Lifecycle::new(
        Settings { budget: Budget { drain: Duration::ZERO, ..budget() }, ..settings() },
        now(0),
    );
    life.handle(Input::Deadline, now(0));
    life.handle(Input::Started { pid: 7 }, now(0));
    let mut stage = Stage(life).with(started("build"), 5);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 10), [Action::Interrupt]);
    let cancelled = stage.deeds(completed("build", TaskResult::Canceled), 12);
    assert_eq!(rows(&cancelled), [("build".into(), RowStatus::Finished(JobStatus::Cancelled))]);
}

#[test]
fn usr1_drains_without_an_end_until_term_gives_it_one() {
    let mut stage = Stage::busy();
    assert_eq!(stage.deeds(Input::Stop(StopRequest::DrainUnlimited), 10), [Action::Unlabel]);
    assert_eq!(stage.0.next_deadline(), None);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 20), [], "the first TERM still only asks");
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(120)));
    assert_eq!(Stage::idle().deeds(Input::Stop(StopRequest::DrainUnlimited), 10), [Action::Interrupt]);
}

#[test]
fn a_crash_abandons_the_job_clears_its_group_and_comes_back() {
    let mut stage = Stage::busy();
    let actions =
        stage.deeds(Input::Exited { exit: Exit::Signal(9), configured: true, cause: Cause::Signal(9) }, 10);
    assert_eq!(rows(&actions), [("build".into(), RowStatus::Finished(JobStatus::Abandoned))]);
    assert!(actions.contains(&Action::KillGroup));
    assert_eq!(stage.state(), State::Backoff);
    let due = stage.0.next_deadline().expect("a launch is due");
    assert!(due > Duration::from_secs(13) && due <= Duration::from_secs(15), "{due:?}");
    assert_eq!(stage.deeds(Input::Deadline, 15), [Action::Spawn]);
}

#[test]
fn every_exit_code_while_running() {
    for (code, want) in
        [(0, Some(0)), (1, Some(1)), (7, Some(7)), (100, Some(100)), (2, None), (5, None), (134, None)]
    {
        let actions = Stage::idle().deeds(exited(code), 10);
        assert_eq!(actions.contains(&Action::Leave(code)), want.is_some(), "exit {code}: {actions:?}");
    }
}

#[test]
fn failures_add_up_until_a_session_proves_otherwise() {
    let mut stage = Stage::launched();
    let mut at = 0;
    for failure in 1..=10 {
        assert_eq!(stage.deeds(exited(2), at), [Action::KillGroup], "failure {failure}");
        at += 1000;
        assert_eq!(stage.deeds(Input::Deadline, at), [Action::Spawn]);
        stage.deeds(Input::Started { pid: 7 }, at);
    }
    assert_eq!(stage.deeds(exited(2), at), [Action::Leave(2)]);
    let mut lucky =
        Stage::launched().with(exited(2), 1).with(Input::Deadline, 100).with(Input::Started { pid: 8 }, 100);
    assert_eq!(lucky.0.status(now(100)).failures, 1);
    lucky.deeds(said(RunnerEvent::Listening), 101);
    assert_eq!(lucky.0.status(now(101)).failures, 0);
}

#[test]
fn an_update_is_no_failure_and_waits_for_its_marker_or_31_seconds() {
    let mut stage = Stage::idle();
    assert_eq!(stage.deeds(exited(3), 10), [Action::WatchUpdate]);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(41)));
    assert_eq!(stage.deeds(Input::UpdateFinished, 15), []);
    assert_eq!(stage.deeds(Input::Deadline, 15), [Action::Spawn]);
    assert_eq!(stage.0.status(now(15)).failures, 0);
    let mut late = Stage::idle().with(exited(4), 10);
    assert_eq!(late.deeds(Input::Deadline, 41), []);
    assert_eq!(late.deeds(Input::Deadline, 41), [Action::Spawn]);
}

#[test]
fn a_stop_during_an_update_lets_the_updater_end_unless_asked_twice() {
    let mut stage = Stage::idle().with(exited(3), 10);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 12), []);
    assert_eq!(stage.deeds(Input::UpdateFinished, 14), [Action::Leave(0)]);
    let mut twice = Stage::idle().with(exited(3), 10).with(Input::Stop(StopRequest::Graceful), 12);
    assert_eq!(twice.deeds(Input::Stop(StopRequest::Graceful), 14), [Action::Leave(0)]);
}

#[test]
fn a_stop_in_back_off_leaves_at_once() {
    let mut stage = Stage::idle().with(exited(2), 10);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 11), [Action::Leave(0)]);
    assert_eq!(stage.0.next_deadline(), None);
    assert_eq!(stage.deeds(Input::Deadline, 99), [], "done is done");
}

#[test]
fn a_ghost_that_stays_is_interrupted_but_never_under_a_job() {
    use crate::domain::event::GhostCause::RegistrationNotFound;
    let mut stage = Stage::idle().with(said(RunnerEvent::Ghost(RegistrationNotFound)), 10);
    assert_eq!(stage.state(), State::Ghost);
    assert_eq!(stage.deeds(Input::Deadline, 39), []);
    assert_eq!(stage.deeds(Input::Deadline, 40), [Action::Interrupt]);
    assert_eq!(stage.deeds(exited(0), 41), [Action::Leave(1)]);
    let mut busy = Stage::busy().with(said(RunnerEvent::Ghost(RegistrationNotFound)), 10);
    assert_eq!(busy.0.next_deadline(), None);
    assert_eq!(busy.deeds(Input::Deadline, 99), []);
    busy.deeds(completed("build", TaskResult::Succeeded), 100);
    assert_eq!(busy.deeds(Input::Deadline, 100), [Action::Interrupt]);
}

#[test]
fn connection_loss_shows_and_the_next_job_proves_recovery() {
    let lost = said(RunnerEvent::ConnectionError { message: "no route".into() });
    let mut stage = Stage::idle().with(lost.clone(), 10);
    assert_eq!(stage.state(), State::Disconnected);
    let actions = stage.0.handle(started("build"), now(20));
    assert!(actions.contains(&Action::Notify(Notice::Reconnected(Recovery::Job))));
    assert_eq!(stage.state(), State::Busy);
    let back = Stage::idle().with(lost, 10).with(said(RunnerEvent::Reconnected), 12);
    assert_eq!(back.state(), State::Idle);
}

#[test]
fn a_listener_that_cannot_be_started_is_tried_again() {
    let mut life = Lifecycle::new(Settings { max_restarts: Some(1), ..settings() }, now(0));
    life.handle(Input::Deadline, now(0));
    let mut stage = Stage(life);
    assert_eq!(stage.deeds(Input::NotStarted { error: "busy".into() }, 1), []);
    assert_eq!(stage.state(), State::Backoff);
    assert_eq!(stage.deeds(Input::Deadline, 100), [Action::Spawn]);
    assert_eq!(stage.deeds(Input::NotStarted { error: "busy".into() }, 100), [Action::Leave(71)]);
}

#[test]
fn interrupted_before_it_had_handlers_is_what_was_asked_for() {
    let mut stage = Stage::launched().with(Input::Stop(StopRequest::Graceful), 1);
    let gone = Input::Exited { exit: Exit::Signal(2), configured: true, cause: Cause::Signal(2) };
    assert_eq!(stage.deeds(gone, 2), [Action::Leave(0)]);
}

/// Lines as they are printed, each with its evidence, give these rows.
fn play(script: &[(u64, &str, WorkerState)]) -> Vec<(String, RowStatus)> {
    let mut stage = Stage::idle();
    let mut all = Vec::new();
    for (at, line, worker) in script {
        if let Some(reading) = parse(Stream::Stdout, line.as_bytes()) {
            all.extend(rows(&stage.deeds(Input::Line(reading, *worker), *at)));
        }
    }
    all
}

#[test]
fn a_name_cannot_forge_a_completion_a_start_or_a_session() {
    use RowStatus::{Finished, Running};
    use WorkerState::{Alive, Gone, NotSeen};
    let forged = play(&[
        (10, "2026-08-17 13:15:44Z: Running job: x", Gone),
        (10, "2026-08-17 13:15:44Z: Job x completed with result: Succeeded", NotSeen),
        (10, "2026-08-17 13:15:44Z: Running job: y", NotSeen),
        (10, "2026-08-17 13:15:44Z: Listening for Jobs", NotSeen),
        (20, "2026-08-17 13:15:54Z: Job x completed with result: Succeeded", Alive),
        (20, "2026-08-17 13:15:54Z: Running job: z", Alive),
        (30, "2026-08-17 13:16:04Z: Job x", Gone),
        (30, "y completed with result: Failed", Gone),
    ]);
    assert_eq!(forged, [("x".into(), Running), ("x".into(), Finished(JobStatus::Failed))]);
}

#[test]
fn the_echo_of_a_printed_trace_counts_once() {
    let traced = |line: &str| format!("[RUNNER 2026-08-17 13:15:44Z INFO Terminal] WRITE LINE: {line}");
    let start = "2026-08-17 13:15:44Z: Running job: a";
    let done = "2026-08-17 13:15:44Z: Job a completed with result: Succeeded";
    let script = [traced(start), start.into(), done.into(), traced(done)];
    let script: Vec<_> = script.iter().map(|line| (10, line.as_str(), WorkerState::Gone)).collect();
    assert_eq!(play(&script).len(), 2);
}

#[test]
fn a_second_start_and_a_new_session_close_what_nobody_closed() {
    use RowStatus::{Finished, Running};
    let script = [
        (10, "2026-08-17 13:15:44Z: Running job: a", WorkerState::Gone),
        (20, "2026-08-17 13:15:54Z: Running job: b", WorkerState::Gone),
        (30, "2026-08-17 13:16:04Z: Listening for Jobs", WorkerState::Gone),
    ];
    let abandoned = Finished(JobStatus::Abandoned);
    let want = [("a", Running), ("a", abandoned), ("b", Running), ("b", abandoned)];
    assert_eq!(play(&script), want.map(|(name, status)| (name.to_owned(), status)));
}

fn registering() -> Stage {
    let seconds = Duration::from_secs;
    let budget = Budget { deregistration: seconds(3), removal_ends: seconds(5), ..budget() };
    let settings = Settings { budget, registers: true, reregisters: true, removes: true, ..settings() };
    let mut life = Lifecycle::new(settings, now(0));
    assert_eq!(life.handle(Input::Deadline, now(0))[0], Action::Register { anew: false });
    Stage(life)
}

fn registered() -> Stage {
    let mut stage = registering();
    assert_eq!(stage.deeds(Input::Registered(Registered::New), 1), []);
    assert_eq!(stage.deeds(Input::Deadline, 1), [Action::Spawn]);
    stage.with(Input::Started { pid: 7 }, 1).with(said(RunnerEvent::Listening), 2)
}

#[test]
fn it_registers_before_it_launches_and_removes_before_it_leaves() {
    assert_eq!(registering().state(), State::Registering);
    let mut stage = registered();
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 10), [Action::Interrupt]);
    assert_eq!(stage.deeds(exited(0), 11), [Action::Deregister(Duration::from_secs(4))]);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(15)));
    assert_eq!(stage.deeds(Input::Deregistered(Removal::Removed), 12), [Action::Leave(0)]);
}

#[test]
fn a_registration_that_fails_is_tried_again_or_given_up_with_69() {
    let fault = |retry| Input::NotRegistered(RegistrationFault { retry, says: "no".into() });
    let mut stage = registering();
    assert_eq!(stage.deeds(fault(true), 5), []);
    assert_eq!(stage.state(), State::Backoff);
    assert_eq!(stage.deeds(Input::Deadline, 60), [Action::Register { anew: false }]);
    let gone = stage.deeds(fault(false), 61);
    assert_eq!(gone, [Action::Deregister(Duration::from_secs(10))], "nobody waits to kill us");
    assert_eq!(stage.deeds(Input::Deregistered(Removal::NothingLeft), 62), [Action::Leave(69)]);
}

#[test]
fn a_hanging_registration_is_aborted_and_a_late_answer_ignored() {
    let mut stage = registering();
    assert_eq!(stage.deeds(Input::Deadline, 179), []);
    assert_eq!(stage.deeds(Input::Deadline, 180), [Action::AbortRegistration]);
    assert_eq!(stage.deeds(Input::Registered(Registered::New), 181), []);
    assert_eq!(stage.state(), State::Backoff);
}

#[test]
fn a_stop_while_registering_removes_what_may_be_there() {
    let mut stage = registering();
    let want = [Action::AbortRegistration, Action::Deregister(Duration::from_secs(5))];
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 5), want);
    assert_eq!(
        stage.deeds(Input::Stop(StopRequest::Graceful), 7),
        [Action::Leave(0)],
        "again: leave it behind"
    );
}

#[test]
fn a_removal_that_hangs_is_cut_short() {
    let mut stage = registered().with(Input::Stop(StopRequest::Graceful), 10).with(exited(0), 11);
    assert_eq!(stage.deeds(Input::Deadline, 14), []);
    let actions = stage.0.handle(Input::Deadline, now(15));
    let says =
        actions.iter().any(|a| matches!(a, Action::Notify(Notice::Deregistered(Removal::LeftBehind(_)))));
    assert!(says && actions.contains(&Action::Leave(0)), "{actions:?}");
}

/// As [`registered`], of a runner that takes one job.
fn registered_for_one() -> Stage {
    let mut stage = registered();
    stage.0.settings.one_job = true;
    stage
}

#[test]
fn a_stop_that_meets_the_removal_cuts_it_to_the_grace() {
    let removing = |ends| {
        let mut stage = registered_for_one();
        stage.0.settings.budget.removal_ends = Duration::from_secs(ends);
        stage = stage.with(started("only"), 5).with(completed("only", TaskResult::Succeeded), 8);
        assert_eq!(stage.deeds(exited(0), 9), [Action::Deregister(Duration::from_secs(10))]);
        stage
    };
    for (ends, left) in [(4, 14), (60, 19)] {
        let mut stage = removing(ends);
        assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 10), []);
        assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(left)));
        assert_eq!(stage.deeds(Input::Deadline, left), [Action::Leave(0)]);
    }
    let mut stage = removing(4).with(Input::Stop(StopRequest::DrainUnlimited), 9);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(19)), "it does not wait to kill us");
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 10), [], "that asks for the first time");
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(14)));
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 12), [Action::Leave(0)]);
}

/// How a listener ends whose one job has begun: the exit, whether `.runner` is still there, whether GitHub has disowned it.
const ENDS: [(Exit, bool, bool); 12] = [
    (Exit::Code(0), true, false),
    (Exit::Code(0), false, false),
    // 2.336: "no longer exists on the server. Cleaning up local configuration."
    (Exit::Code(0), false, true),
    (Exit::Code(1), true, false),
    (Exit::Code(1), true, true),
    (Exit::Code(2), true, false),
    (Exit::Code(2), true, true),
    (Exit::Code(3), true, false),
    (Exit::Code(4), true, false),
    (Exit::Code(5), true, false),
    (Exit::Code(7), true, false),
    (Exit::Signal(9), true, false),
];

#[test]
fn once_its_one_job_has_begun_every_end_is_the_last() {
    use crate::domain::event::GhostCause::RemovedByServer;
    for (exit, configured, disowned) in ENDS {
        for told in [true, false] {
            let mut stage = registered_for_one().with(started("only"), 5);
            if told {
                stage.deeds(completed("only", TaskResult::Failed), 9);
            }
            if disowned {
                stage.0.handle(said(RunnerEvent::Ghost(RemovedByServer)), now(9));
            }
            let end = Input::Exited { exit, configured, cause: Cause::Unfinished };
            let mut deeds = stage.deeds(end, 10);
            assert_eq!(rows(&deeds).len(), usize::from(!told), "{exit:?}");
            deeds.retain(|deed| !matches!(deed, Action::Append(_)));
            let code = if told { 0 } else { exit.shell_code() };
            let mut want = vec![Action::Leave(code)];
            if exit != Exit::Code(0) || configured {
                want = vec![Action::Deregister(Duration::from_secs(10))];
            }
            if exit != Exit::Code(0) {
                want.insert(0, Action::KillGroup);
            }
            assert_eq!(deeds, want, "{exit:?}, told {told}, disowned {disowned}");
            if stage.state() != State::Stopped {
                let gone = Input::Deregistered(Removal::NothingLeft);
                assert_eq!(stage.deeds(gone, 11), [Action::Leave(code)], "{exit:?}, told {told}");
            }
        }
    }
}

#[test]
fn a_spent_runner_that_stays_is_not_launched_again_either() {
    use crate::domain::event::GhostCause::RegistrationNotFound;
    let spent =
        || registered_for_one().with(started("only"), 5).with(completed("only", TaskResult::Succeeded), 9);
    let mut ghost = spent().with(said(RunnerEvent::Ghost(RegistrationNotFound)), 10);
    assert_eq!(ghost.deeds(Input::Deadline, 40), [Action::Interrupt]);
    assert_eq!(ghost.deeds(exited(0), 41), [Action::Deregister(Duration::from_secs(10))]);
    let mut offline = spent();
    offline.0.leaving = Some(StopReason::Disagreed);
    offline.0.interrupt(now(10));
    let gone = Input::Exited { exit: Exit::Signal(2), configured: true, cause: Cause::Signal(2) };
    assert_eq!(offline.deeds(gone, 11), [Action::KillGroup, Action::Deregister(Duration::from_secs(10))]);
}

#[test]
fn before_its_one_job_an_ephemeral_runner_is_launched_and_registered_again() {
    use crate::domain::event::GhostCause::RegistrationDeleted;
    let mut stage = registered_for_one();
    assert_eq!(stage.deeds(exited(2), 10), [Action::KillGroup]);
    assert_eq!(stage.deeds(Input::Deadline, 20), [Action::Spawn]);
    let mut ghost = registered_for_one().with(said(RunnerEvent::Ghost(RegistrationDeleted)), 10);
    assert_eq!(ghost.deeds(exited(1), 11), []);
    assert_eq!(ghost.deeds(Input::Deadline, 60), [Action::Register { anew: true }]);
}

#[test]
fn the_result_of_the_one_job_is_the_code_where_that_was_asked_for() {
    let mut stage =
        registered_for_one().with(started("only"), 5).with(completed("only", TaskResult::Failed), 9);
    stage.deeds(exited(102), 10);
    assert_eq!(stage.deeds(Input::Deregistered(Removal::NothingLeft), 11), [Action::Leave(102)]);
}

#[test]
fn what_the_server_has_removed_is_not_removed_again() {
    let done = Input::Exited { exit: Exit::Code(0), configured: false, cause: Cause::Exit(0) };
    assert_eq!(registered_for_one().deeds(done.clone(), 10), [Action::Leave(0)]);
    let mut drained =
        registered_for_one().with(started("only"), 5).with(Input::Stop(StopRequest::Graceful), 10);
    drained.deeds(completed("only", TaskResult::Succeeded), 20);
    assert_eq!(drained.deeds(done, 20), [Action::Leave(0)]);
}

#[test]
fn a_dropped_registration_is_made_anew() {
    use crate::domain::event::GhostCause::{RegistrationDeleted, RegistrationNotFound};
    let mut stage = registered().with(said(RunnerEvent::Ghost(RegistrationDeleted)), 10);
    assert_eq!(stage.deeds(exited(1), 11), []);
    assert_eq!(stage.state(), State::Backoff);
    assert_eq!(stage.deeds(Input::Deadline, 60), [Action::Register { anew: true }]);
    let mut stays = registered().with(said(RunnerEvent::Ghost(RegistrationNotFound)), 10);
    assert_eq!(stays.deeds(Input::Deadline, 40), [Action::Interrupt]);
    assert_eq!(stays.deeds(exited(0), 41), []);
    assert_eq!(stays.deeds(Input::Deadline, 90), [Action::Register { anew: true }]);
}

#[test]
fn a_session_conflict_is_waited_out_and_then_registered_anew() {
    let mut stage = registered();
    assert_eq!(stage.deeds(exited(5), 10), [Action::KillGroup]);
    assert_eq!(stage.deeds(Input::Deadline, 40), [Action::Register { anew: true }]);
}

#[test]
fn the_drain_takes_the_labels_away_once() {
    let mut stage = registered().with(started("build"), 5);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::DrainUnlimited), 10), [Action::Unlabel]);
    assert_eq!(stage.deeds(Input::Stop(StopRequest::Graceful), 20), []);
}

fn preparing() -> Stage {
    let mut stage = Stage(Lifecycle::new(Settings { prepares: true, registers: true, ..settings() }, now(0)));
    assert_eq!(stage.deeds(Input::Deadline, 0), [Action::Prepare]);
    stage
}

#[test]
fn what_must_be_prepared_comes_before_everything_else_and_once() {
    let mut stage = preparing();
    assert_eq!((stage.state(), stage.0.next_deadline()), (State::Starting, None));
    assert_eq!(stage.deeds(Input::Prepared, 5), []);
    assert_eq!(stage.deeds(Input::Deadline, 5), [Action::Register { anew: false }]);
    assert_eq!(stage.deeds(Input::Prepared, 6), []);
    stage.0.handle(Input::NotRegistered(RegistrationFault { retry: true, says: String::new() }), now(7));
    assert_eq!(stage.deeds(Input::Deadline, 60), [Action::Register { anew: false }]);
}

#[test]
fn no_stop_waits_for_the_preparation() {
    for kind in [StopRequest::Graceful, StopRequest::DrainUnlimited, StopRequest::Immediate] {
        assert_eq!(preparing().deeds(Input::Stop(kind), 3), [Action::Leave(0)], "{kind:?}");
    }
}

fn died_of(cause: Cause) -> Input {
    Input::Exited { exit: Exit::Signal(9), configured: true, cause }
}

fn cause_of(actions: &[Action]) -> String {
    let row =
        actions.iter().find_map(|action| if let Action::Append(row) = action { Some(row) } else { None });
    row.expect("a row").cause.clone().unwrap_or_default()
}

#[test]
fn the_cause_of_a_death_is_in_the_row_and_in_the_reason() {
    for (cause, reason, words) in [
        (Cause::Oom, RestartReason::OomKilled, "oom"),
        (Cause::DiskFull, RestartReason::DiskFull, "disk_full"),
        (Cause::Signal(9), RestartReason::Killed, "signal 9"),
    ] {
        let actions = Stage::busy().0.handle(died_of(cause), now(10));
        assert_eq!(cause_of(&actions), words);
        let is_why = |action: &Action| matches!(action, Action::Notify(Notice::RestartScheduled { reason: why, .. }) if *why == reason);
        assert!(actions.iter().any(is_why), "{actions:?}");
    }
}

#[test]
fn an_abandoned_job_always_has_a_cause() {
    let mut stage = Stage::busy().with(Input::Stop(StopRequest::Immediate), 10).with(Input::Deadline, 44);
    assert_eq!(cause_of(&stage.0.handle(died_of(Cause::Signal(9)), now(46))), "stopped");
    let mut stage = Stage::busy();
    assert_eq!(cause_of(&stage.0.handle(started("next"), now(20))), "no word of its end");
    let mut stage = Stage::busy();
    let lost = completed("build", TaskResult::Abandoned);
    assert_eq!(cause_of(&stage.0.handle(lost, now(20))), "lock lost");
    let mut stage = Stage::busy();
    let done = completed("build", TaskResult::Failed);
    assert_eq!(cause_of(&stage.0.handle(done, now(20))), "", "whoever looks at the system says why");
}

#[test]
fn an_idle_runner_is_asked_about_as_often_as_is_wished() {
    let every = Some(Duration::from_secs(60));
    let mut life = Lifecycle::new(Settings { check_every: every, ..settings() }, now(0));
    life.handle(Input::Deadline, now(0));
    let mut stage = Stage(life).with(Input::Started { pid: 7 }, 0);
    assert_eq!(stage.0.next_deadline(), None, "nothing to ask before there is a session");
    stage = stage.with(said(RunnerEvent::Listening), 5);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(65)));
    assert_eq!(stage.deeds(Input::Deadline, 65), [Action::AskStatus]);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(125)));
}

#[test]
fn an_idle_runner_that_github_calls_offline_twice_is_launched_again() {
    use crate::domain::registration::RunnerStatus::{Offline, Online, Unknown};
    let mut stage = registered();
    assert_eq!(stage.deeds(Input::Status(Offline), 10), []);
    assert_eq!(stage.deeds(Input::Status(Online), 20), []);
    assert_eq!(stage.deeds(Input::Status(Offline), 30), [], "not in a row");
    assert_eq!(stage.deeds(Input::Status(Offline), 40), [Action::Interrupt]);
    assert_eq!(stage.deeds(exited(0), 41), []);
    assert_eq!(stage.deeds(Input::Deadline, 41), [Action::Spawn]);
    let mut gone = registered().with(Input::Status(Unknown), 10).with(Input::Status(Unknown), 20);
    assert_eq!(gone.deeds(exited(0), 21), []);
    assert_eq!(gone.deeds(Input::Deadline, 99), [Action::Register { anew: true }]);
    let mut busy = registered().with(started("build"), 5).with(Input::Status(Offline), 10);
    assert_eq!(busy.deeds(Input::Status(Offline), 20), [], "never under a job");
}
