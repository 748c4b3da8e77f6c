//! Every row of the lifecycle's table for every credential, end to end: PID 1 in a namespace, a simulated runner, a fake GitHub.
//!
//! | row | PAT, App | registration token | JIT given | JIT asked for |
//! |---|---|---|---|---|
//! | Registering, stopped | broken off, found by name, deleted | broken off; it cannot look: says so | no such phase: stopped before the session | broken off, found by name, deleted |
//! | Registering, fails once | back-off, replaced | back-off, replaced | no such phase: the listener dies before the session | back-off, replaced |
//! | Registering, gives up | 69, deleted by name | 69; it cannot look: says so | no such phase: GitHub refuses the session, 1 | 69, deleted by name |
//! | registration dropped | registers anew | cannot: leaves with 0 | cannot: leaves with 0 | registers anew |
//! | the listener's end in or after a one-job runner's job | leaves, removes what is left, never a second job | the same | nothing to remove with | the same |
//! | any stop before a job's end | removed | removed | nothing to remove with: its owner does | removed |
//! | a one-job runner's job has ended in peace | GitHub removes it, nobody is asked to | the same | the same | the same |
//! | Deregistering | the API hangs | `config.sh remove` hangs | no such phase: leaves at once | the API hangs |
//!
//! A just-in-time runner is always ephemeral: there are eight cases, not ten.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may fail anywhere, its helpers too")]

#[path = "../support/github.rs"]
mod github;
#[path = "../support/ns.rs"]
mod ns;
#[path = "../support/supervised.rs"]
mod supervised;

mod case;
mod edges;
mod leaving;
mod registering;
mod removing;
mod rounds;
mod running;
mod soak;
mod world;

macro_rules! rows {
    ($($name:ident => $row:path;)+) => {
        $(#[test]
        fn $name() {
            require!("namespace", "python3", "bash");
            case::every($row);
        })+
    };
}

rows! {
    registering_stop => registering::stop;
    registering_fails_then_succeeds => registering::fails_then_succeeds;
    registering_gives_up => registering::gives_up;
    idle_stop => running::idle_stop;
    idle_exit_that_ends => running::idle_exit_that_ends;
    idle_exit_that_is_followed_by_a_launch => running::idle_exit_that_is_followed_by_a_launch;
    idle_exit_in_a_session_conflict => running::idle_exit_in_a_session_conflict;
    idle_exit_of_a_dropped_registration => running::idle_exit_of_a_dropped_registration;
    busy_stop => running::busy_stop;
    busy_exit => running::busy_exit;
    after_a_job_every_end_of_the_listener => running::after_a_job_every_end_of_the_listener;
    in_a_job_the_listener_leaves => running::in_a_job_the_listener_leaves;
    back_off_stop => leaving::back_off_stop;
    draining_stop => leaving::draining_stop;
    draining_exit => leaving::draining_exit;
    draining_deadline => leaving::draining_deadline;
    stopping_stop => leaving::stopping_stop;
    stopping_deadline => leaving::stopping_deadline;
    stopping_a_deaf_step => leaving::stopping_a_deaf_step;
    deregistering_stop => removing::stop;
    deregistering_deadline => removing::deadline;
    docker_stop_loses_no_job_that_fits => edges::docker_stop_loses_no_job_that_fits;
    docker_stop_without_room_for_a_drain_cancels_properly => edges::docker_stop_without_room_for_a_drain_cancels_properly;
    a_job_that_slips_in_during_the_drain_finishes => edges::a_job_that_slips_in_during_the_drain_finishes;
    a_stop_right_after_exec => edges::a_stop_right_after_exec;
    a_stop_among_the_last_words_of_a_crash => edges::a_stop_among_the_last_words_of_a_crash;
    ten_lives_leave_nobody_behind => rounds::ten_lives_leave_nobody_behind;
}

#[test]
fn after_sixty_jobs_and_a_fault_of_each_kind_nothing_is_left_open() {
    require!("namespace", "root", "python3", "bash");
    soak::sixty_jobs();
}

#[test]
#[ignore = "takes hours"]
fn a_hundred_thousand_jobs_with_faults_leave_it_as_it_was() {
    require!("namespace", "root", "python3", "bash");
    soak::a_hundred_thousand_jobs();
}
