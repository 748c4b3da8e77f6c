//! A lost connection from its loss to the proof of its end: what was recorded, and the listener's poll loop played through.

use super::*;
use crate::domain::polls::read;
use crate::domain::registration::RunnerStatus::{Offline, Online, Unknown};
use crate::domain::restart::RestartReason;
use std::collections::VecDeque;

const REFUSED: &str = "Connection refused (127.0.0.1:1)";

fn lost() -> Input {
    said(RunnerEvent::ConnectionError { message: REFUSED.into() })
}

fn at(seconds: f64) -> Now {
    let up = Duration::from_secs_f64(seconds);
    Now { up, utc: now(0).utc + up }
}

fn reconnected(how: Recovery) -> Action {
    Action::Notify(Notice::Reconnected(how))
}

fn asking() -> Stage {
    let every = Some(Duration::from_secs(120));
    let mut life = Lifecycle::new(Settings { look_every: every, ..settings() }, now(0));
    life.handle(Input::Deadline, now(0));
    Stage(life).with(Input::Started { pid: 7 }, 0).with(said(RunnerEvent::Listening), 1)
}

/// What a listener does: its words, its records, at their second.
enum Deed {
    Says(RunnerEvent),
    Records(String),
}

/// The states that are shown, each with its second, while a listener does this; its trace is read if that is asked for.
fn states(deeds: Vec<(f64, Deed)>, until: f64) -> Vec<(f64, State)> {
    let mut life = Lifecycle::new(settings(), now(0));
    life.handle(Input::Deadline, now(0));
    life.handle(Input::Started { pid: 7 }, now(0));
    let (mut shown, mut unread, mut follows) = (vec![(0.0, State::Starting)], Vec::new(), false);
    let mut deeds = VecDeque::from(deeds);
    let mut clock = 0.0;
    loop {
        let due = life.next_deadline().map_or(f64::MAX, |due| due.as_secs_f64());
        let next = deeds.front().map_or(f64::MAX, |(at, _)| *at);
        let inputs = if due.min(next) > until {
            return shown;
        } else if due < next {
            clock = due.max(clock);
            vec![Input::Deadline]
        } else {
            clock = next;
            match deeds.pop_front().expect("it is there").1 {
                Deed::Says(event) => vec![said(event)],
                Deed::Records(record) => {
                    unread.push(record);
                    Vec::new()
                }
            }
        };
        for input in inputs {
            for action in life.handle(input, at(clock)) {
                follows = match action {
                    Action::FollowTrace => true,
                    Action::LeaveTrace => false,
                    _ => follows,
                };
            }
        }
        if follows {
            for word in unread.drain(..).filter_map(|record| read(record.as_bytes())) {
                life.handle(Input::Traced(Some(word)), at(clock));
            }
        }
        let state = life.status(at(clock)).state;
        if shown.last().is_none_or(|(_, last)| *last != state) {
            shown.push((clock, state));
        }
    }
}

/// A recorded trace, its first record at this second.
fn recorded(log: &str, begin: f64) -> impl Iterator<Item = (f64, Deed)> {
    let stamp = |line: &str| {
        let stamp = line.get(1..21).filter(|_| line.starts_with('['))?;
        Some(DateTime::parse_from_rfc3339(&stamp.replace(' ', "T")).ok()?.timestamp())
    };
    let mut latest = log.lines().find_map(stamp).expect("a record");
    let first = latest;
    log.lines().map(move |line| {
        latest = stamp(line).unwrap_or(latest);
        let seconds = i32::try_from(latest - first).expect("some minutes");
        (begin + f64::from(seconds), Deed::Records(line.to_owned()))
    })
}

/// What is shown when this comes on stdout and stderr, and this in the trace.
fn timeline(log: &str, says: Vec<(f64, RunnerEvent)>, until: f64) -> Vec<(f64, State)> {
    let mut deeds: Vec<(f64, Deed)> = recorded(log, says[0].0).collect();
    deeds.extend(says.into_iter().map(|(at, event)| (at, Deed::Says(event))));
    deeds.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    states(deeds, until).into_iter().map(|(at, state)| (at.round(), state)).collect()
}

#[test]
fn the_recorded_losses_end_soon_after_github_is_back() {
    let lost = || RunnerEvent::ConnectionError { message: REFUSED.into() };
    let job = || RunnerEvent::JobStarted { name: "lab job".into() };
    let poll_500 = include_str!("../../../../tests/corpus/trace/poll-500.log");
    let gone_long = include_str!("../../../../tests/corpus/trace/gone-long.log");
    let poll_hang = include_str!("../../../../tests/corpus/trace/poll-hang.log");
    let begin = [(0.0, State::Starting), (1.0, State::Idle)];

    // 500 from second 6 to 106. The job of the recording came 55 s after that, and proves it at once.
    let says = vec![(0.94, RunnerEvent::Listening), (49.37, lost())];
    let with_job = [says.clone(), vec![(161.17, job())]].concat();
    assert_eq!(
        timeline(poll_500, with_job, 200.0),
        [begin.as_slice(), &[(49.0, State::Disconnected), (161.0, State::Busy)]].concat()
    );
    assert_eq!(
        timeline(poll_500, says, 9000.0),
        [begin.as_slice(), &[(49.0, State::Disconnected), (211.0, State::Idle)]].concat()
    );

    // Refused from second 5 to 185; the token for the next poll at 192.
    let says = vec![(0.47, RunnerEvent::Listening), (48.6, lost()), (300.7, job())];
    assert_eq!(
        timeline(gone_long, says, 301.0),
        [
            [(0.0, State::Starting), (0.0, State::Idle)].as_slice(),
            &[(49.0, State::Disconnected), (252.0, State::Idle), (301.0, State::Busy)]
        ]
        .concat()
    );

    // One poll is not answered: the listener says nothing, so nothing has happened.
    let says = vec![(0.46, RunnerEvent::Listening), (130.63, job())];
    assert_eq!(
        timeline(poll_hang, says, 200.0),
        [(0.0, State::Starting), (0.0, State::Idle), (131.0, State::Busy)]
    );
}

/// How GitHub is unwell.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    name: &'static str,
    /// A try fails after this.
    took: f64,
    /// A try that has begun fails although GitHub is back.
    stubborn: bool,
    /// The token's own endpoint answers meanwhile.
    token: bool,
}

const TROUBLES: [Trouble; 4] = [
    Trouble { name: "403, 404, 409, 500", took: 0.1, stubborn: true, token: true },
    Trouble { name: "503", took: 42.0, stubborn: false, token: true },
    Trouble { name: "refused", took: 0.0, stubborn: true, token: false },
    Trouble { name: "hanging", took: 100.1, stubborn: true, token: true },
];

/// The listener's poll loop from the first try that fails at second 100 on, and when a poll succeeds; none does before `back`.
fn poll_loop(trouble: Trouble, back: f64, rng: &mut fastrand::Rng) -> (Vec<(f64, Deed)>, Option<f64>) {
    let mut deeds = vec![(1.0, Deed::Says(RunnerEvent::Listening))];
    let mut between = |low: f64, high: f64| (rng.f64() * (high - low) + low).min(high);
    let record = |at: f64, level: &str, text: &str| {
        let stamp = super::connection::at(at).utc.format("%Y-%m-%d %H:%M:%SZ");
        (at, Deed::Records(format!("[{stamp} {level} {text}")))
    };
    let mut clock = 100.0;
    for row in 1..=10 {
        for left in (0..5).rev() {
            let works = clock >= back || (!trouble.stubborn && clock + trouble.took >= back);
            if left == 4 && row > 1 && (trouble.token || clock >= back) {
                let token = "GitHubActionsService] AAD Correlation ID for this token request: Unknown";
                deeds.push(record(clock, "INFO", token));
            }
            if works {
                return (deeds, Some(clock.max(back)));
            }
            clock += trouble.took;
            if left > 0 {
                let wait = between(5.0, 15.0);
                deeds.push(record(clock, "ERR ", "BrokerServer] Catch exception during request"));
                let text = format!(
                    "BrokerServer] Back off {wait:.3} seconds before next retry. {left} attempt left."
                );
                deeds.push(record(clock, "WARN", &text));
                clock += wait;
            }
        }
        let listener = |text: &str| format!("BrokerMessageListener] {text}");
        deeds.push(record(clock, "ERR ", &listener("Catch exception during get next message.")));
        deeds.push(record(clock, "INFO", &listener("Retriable exception: it failed")));
        if row == 1 {
            deeds.push(record(clock, "ERR ", "Terminal] WRITE ERROR: now: Runner connect error: it failed."));
            let message = if trouble.took > 99.0 { "timed out" } else { "ServiceUnavailable" };
            deeds.push((clock, Deed::Says(RunnerEvent::ConnectionError { message: message.into() })));
        }
        let wait = if row <= 5 { between(15.0, 30.0) } else { between(30.0, 60.0) };
        deeds.push(record(
            clock,
            "INFO",
            &listener(&format!("Sleeping for {wait:.3} seconds before retrying.")),
        ));
        clock += wait;
    }
    (deeds, None)
}

#[test]
fn whatever_the_trouble_and_its_length_its_end_is_found_in_150_seconds_and_never_before() {
    let mut rng = fastrand::Rng::with_seed(13);
    for trouble in TROUBLES {
        for back in (0..250).map(|step| f64::from(step).mul_add(2.7, 110.0)) {
            let (deeds, polls) = poll_loop(trouble, back, &mut rng);
            let Some(polls) = polls else { continue };
            let was_told =
                deeds.iter().any(|(_, deed)| matches!(deed, Deed::Says(RunnerEvent::ConnectionError { .. })));
            let shown = states(deeds, polls + 10_000.0);
            let at = |state| shown.iter().filter(|(_, s)| *s == state).map(|(at, _)| *at).collect::<Vec<_>>();
            let about = format!("{}, back at {back}, polls at {polls}: {shown:?}", trouble.name);
            if !was_told {
                assert!(at(State::Disconnected).is_empty(), "shorter than the runner notices: {about}");
                continue;
            }
            let idle = at(State::Idle);
            assert_eq!((at(State::Disconnected).len(), idle.len()), (1, 2), "{about}");
            assert!(idle[1] >= polls && idle[1] <= polls + 150.0, "{about}");
            // A poll that hung before it goes on hanging: that is the listener's own delay.
            assert!(idle[1] <= back + 150.0 || trouble.took > 99.0, "{about}");
        }
    }
}

#[test]
fn a_trouble_without_an_end_is_never_taken_for_over() {
    let mut rng = fastrand::Rng::with_seed(14);
    for trouble in TROUBLES {
        let (deeds, polls) = poll_loop(trouble, f64::MAX, &mut rng);
        assert_eq!(polls, None);
        let gives_up = deeds.last().expect("its last try").0;
        let shown = states(deeds, gives_up);
        assert_eq!(
            shown.last().map(|(_, state)| *state),
            Some(State::Disconnected),
            "{}: {shown:?}",
            trouble.name
        );
        assert_eq!(shown.len(), 3, "{}: {shown:?}", trouble.name);
    }
}

#[test]
fn a_second_loss_is_found_although_the_listener_keeps_it_to_itself() {
    let mut rng = fastrand::Rng::with_seed(15);
    let (mut deeds, polls) = poll_loop(TROUBLES[0], 200.0, &mut rng);
    let polls = polls.expect("GitHub is back");
    let (again, second) = poll_loop(TROUBLES[2], 300.0, &mut rng);
    let later = again.into_iter().filter(|(_, deed)| matches!(deed, Deed::Records(_)));
    let later =
        later.filter(|(_, deed)| !matches!(deed, Deed::Records(line) if line.contains("WRITE ERROR")));
    deeds.extend(later.map(|(at, deed)| (at + 5000.0, deed)));
    let shown = states(deeds, 20_000.0);
    let only: Vec<State> = shown.iter().map(|(_, state)| *state).collect();
    assert_eq!(
        only,
        [State::Starting, State::Idle, State::Disconnected, State::Idle, State::Disconnected, State::Idle],
        "{shown:?}"
    );
    assert!(shown[3].0 <= polls + 150.0 && shown[5].0 <= second.expect("back again") + 5150.0, "{shown:?}");
}

#[test]
fn the_trace_is_followed_from_the_loss_to_the_next_job_and_never_else() {
    let mut stage = Stage::idle();
    assert_eq!(stage.deeds(lost(), 10), [Action::FollowTrace]);
    assert_eq!(stage.deeds(lost(), 11), []);
    let job = stage.deeds(started("build"), 20);
    assert_eq!(job.last(), Some(&Action::LeaveTrace));
    assert_eq!(stage.deeds(lost(), 30), [Action::FollowTrace], "in a job too: it may be lost behind it");
    assert_eq!(stage.deeds(exited(2), 40).last(), Some(&Action::LeaveTrace));

    let mut creating = Stage::launched();
    assert_eq!(creating.deeds(lost(), 10), [], "what fails before a session is always told to be over");
    assert_eq!((creating.state(), creating.0.next_deadline()), (State::Disconnected, None));
    creating = creating.with(said(RunnerEvent::Reconnected), 20).with(said(RunnerEvent::Listening), 20);
    assert_eq!(creating.state(), State::Idle);

    let mut told = Stage::idle().with(lost(), 10);
    assert_eq!(told.deeds(said(RunnerEvent::Reconnected), 20), [Action::LeaveTrace]);
}

#[test]
fn without_a_trace_a_listener_that_lives_on_has_reconnected() {
    for (message, minutes) in [
        (REFUSED, 13),
        ("Request to http://x failed with status: InternalServerError. Error message", 13),
        ("Request to http://x failed with status: ServiceUnavailable. Error message", 50),
        ("The HTTP request timed out after 00:01:40.", 100),
    ] {
        let loss = said(RunnerEvent::ConnectionError { message: message.into() });
        let mut stage = Stage::idle().with(loss, 10).with(Input::Traced(None), 10);
        assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(10 + minutes * 60)), "{message}");
        let actions = stage.0.handle(Input::Deadline, now(10 + minutes * 60));
        assert_eq!(actions, [reconnected(Recovery::Outlived)]);
        assert_eq!((stage.state(), stage.0.next_deadline()), (State::Idle, None));
    }
    // Its silence means nothing once it cannot be read any longer.
    let fails =
        read(b"[2026-11-30 09:00:49Z ERR  BrokerServer] Catch exception during request").expect("a word");
    let mut stage = Stage::idle().with(lost(), 10).with(Input::Traced(Some(fails)), 11);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(11 + 60 + 105)));
    stage = stage.with(Input::Traced(None), 12);
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(10 + 13 * 60)));
}

#[test]
fn how_it_was_found_is_told() {
    let back = |input, how| {
        let mut stage = Stage::idle().with(lost(), 10);
        let actions = stage.0.handle(input, now(20));
        assert!(actions.contains(&reconnected(how)), "{actions:?}");
    };
    back(said(RunnerEvent::Reconnected), Recovery::Listener);
    back(started("build"), Recovery::Job);
}

#[test]
fn github_s_word_alone_will_do_once_it_must_have_noticed() {
    let mut stage = asking();
    assert_eq!(stage.0.next_deadline(), None, "an idle runner is not asked about unless that is wished");
    stage = stage.with(lost(), 10);
    assert_eq!(
        (stage.state(), stage.0.next_deadline()),
        (State::Disconnected, Some(Duration::from_secs(130)))
    );
    assert_eq!(stage.deeds(Input::Status(Online), 20), []);
    assert_eq!(stage.state(), State::Disconnected, "GitHub may not have noticed yet");
    assert_eq!(stage.deeds(Input::Status(Offline), 30), []);
    assert_eq!(stage.deeds(Input::Deadline, 129), []);
    assert_eq!(stage.deeds(Input::Deadline, 130), [Action::AskStatus]);
    let actions = stage.0.handle(Input::Status(Online), now(131));
    assert_eq!(actions, [reconnected(Recovery::Github)]);
    assert_eq!((stage.state(), stage.0.next_deadline()), (State::Idle, None));

    let fails =
        read(b"[2026-11-30 09:00:49Z ERR  BrokerServer] Catch exception during request").expect("a word");
    let mut failing = asking().with(lost(), 10).with(Input::Traced(Some(fails)), 120);
    assert_eq!(failing.deeds(Input::Status(Online), 131), []);
    assert_eq!(failing.state(), State::Disconnected, "its trace knows better than GitHub's page");

    let mut busy = asking().with(started("build"), 5).with(lost(), 20).with(Input::Traced(None), 20);
    assert_eq!(busy.deeds(Input::Deadline, 700), [], "never under a job");
    assert_eq!(busy.deeds(Input::Status(Unknown), 701), []);
}

#[test]
fn a_404_is_heeded_while_disconnected() {
    let mut stage = asking().with(lost(), 10);
    assert_eq!(stage.deeds(Input::Status(Unknown), 130), []);
    assert_eq!(stage.deeds(Input::Status(Unknown), 250), [Action::Interrupt, Action::LeaveTrace]);
    assert_eq!(stage.deeds(exited(2), 251), [Action::Leave(1)], "a ghost, whatever the listener makes of it");
}

#[test]
fn a_registration_that_was_not_found_is_a_ghost_however_it_is_said() {
    let line = "2026-11-30 09:12:32Z: Runner connect error: Registration lab was not found.. Retrying until reconnected.";
    let reading = parse(Stream::Stderr, line.as_bytes()).expect("a sentence");
    let mut stage = Stage::idle().with(Input::Line(reading, WorkerState::Unknown), 30);
    assert_eq!(stage.state(), State::Ghost);
    assert_eq!(stage.deeds(Input::Deadline, 60), [Action::Interrupt]);
    let last =
        parse(Stream::Stderr, b"An error occurred: Registration lab was not found.").expect("a sentence");
    assert_eq!(
        stage.with(Input::Line(last, WorkerState::Unknown), 61).deeds(exited(2), 61),
        [Action::Leave(1)]
    );
    // It gave up by itself.
    let ghost = said(RunnerEvent::Ghost(GhostCause::RegistrationNotFound));
    assert_eq!(Stage::idle().with(ghost, 30).deeds(exited(2), 31), [Action::Leave(1)]);
}

#[test]
fn a_refused_poll_is_a_hiccup_that_slows_down_if_it_does_not_end() {
    let refused = || said(RunnerEvent::PollRefused);
    let wait = |stage: &mut Stage, at| {
        let actions = stage.0.handle(exited(1), now(at));
        actions.into_iter().find_map(|action| match action {
            Action::Notify(Notice::RestartScheduled { reason, after, failures }) => {
                assert_eq!(reason, RestartReason::PollRefused);
                Some((after.as_secs_f64().ceil(), failures))
            }
            _ => None,
        })
    };
    let again = |stage: Stage, at| {
        let stage = stage.with(Input::Deadline, at).with(Input::Started { pid: 7 }, at);
        stage.with(said(RunnerEvent::Listening), at).with(refused(), at + 1)
    };
    let mut stage = Stage::idle().with(refused(), 10);
    let mut failures = Vec::new();
    for launch in 1..=10 {
        let (after, so_far) = wait(&mut stage, launch * 1000).expect("a launch is due");
        let longest = 5.0 * 2.0_f64.powi(i32::try_from(launch).unwrap_or(0) - 1);
        assert!(after <= longest.min(300.0) && after >= longest.min(300.0) * 0.8, "{launch}: {after}");
        failures.push(so_far);
        stage = again(stage, launch * 1000 + 500);
        assert_eq!(stage.state(), State::Idle);
    }
    assert_eq!(failures, (1..=10).collect::<Vec<_>>());
    assert_eq!(stage.deeds(exited(1), 11_000), [Action::Leave(1)], "it gives up like any other failure");

    // A session that lives for ten minutes, or a job, is a new beginning.
    let mut steady = again(Stage::idle().with(refused(), 10).with(exited(1), 10), 20);
    assert_eq!(steady.0.status(now(20)).failures, 1);
    assert_eq!(steady.0.next_deadline(), Some(Duration::from_secs(620)));
    assert_eq!(steady.deeds(Input::Deadline, 620), []);
    assert_eq!((steady.0.status(now(620)).failures, steady.0.next_deadline()), (0, None));
    let job = again(Stage::idle().with(refused(), 10).with(exited(1), 10), 20).with(started("build"), 30);
    assert_eq!(job.0.status(now(30)).failures, 0);
}

#[test]
fn what_cannot_heal_ends_with_its_own_word() {
    let ends = |line: &str, code: i32| {
        let reading = parse(Stream::Stderr, line.as_bytes()).expect("a sentence");
        let mut stage = Stage::idle().with(Input::Line(reading, WorkerState::Unknown), 10);
        let actions = stage.0.handle(exited(code), now(10));
        actions.into_iter().find_map(|action| match action {
            Action::Notify(Notice::Finished { reason, code }) => Some((reason, code)),
            _ => None,
        })
    };
    for r in ["r", "rr"] {
        let line =
            format!("An error occu{r}ed: Runner version v2.330.0 is deprecated and cannot receive messages.");
        assert_eq!(ends(&line, 1), Some((StopReason::VersionDeprecated, 7)));
    }
    assert_eq!(ends("An error occurred: Runner not found", 1), Some((StopReason::Ghost, 1)));
    let refused = "Failed to create session. Error: Forbidden";
    assert_eq!(ends(refused, 1), Some((StopReason::TerminatedError, 1)));
    assert_eq!(ends("An error occurred: Get next message failed with non-retryable error.", 1), None);
}

#[test]
fn a_listener_that_has_closed_its_output_is_launched_again_but_not_under_a_worker() {
    let mut stage = Stage::idle();
    assert_eq!(stage.deeds(Input::Muted, 10), []);
    assert_eq!(stage.deeds(Input::Muted, 11), [], "the other one");
    assert_eq!(stage.0.next_deadline(), Some(Duration::from_secs(15)));
    let actions = stage.0.handle(Input::Deadline, now(15));
    assert_eq!(actions, [Action::Notify(Notice::ListenerMuted), Action::LookForWork]);
    assert_eq!(stage.deeds(Input::LookedForWork(true), 15), [], "a job that nobody sees");
    assert_eq!(stage.0.handle(Input::Deadline, now(20)), [Action::LookForWork], "told once");
    assert_eq!(stage.deeds(Input::LookedForWork(false), 20), [Action::Interrupt]);
    assert_eq!(stage.deeds(exited(0), 21), []);
    assert_eq!(stage.deeds(Input::Deadline, 21), [Action::Spawn]);

    let mut ending = Stage::idle().with(Input::Muted, 10).with(exited(2), 10);
    assert_eq!(ending.0.handle(Input::LookedForWork(false), now(11)), []);
    ending = ending.with(Input::Deadline, 15).with(Input::Started { pid: 8 }, 15);
    assert_eq!(ending.0.next_deadline(), None, "it was about to be gone");
}
