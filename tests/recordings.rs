//! What the real runner was seen to do, and what is right to make of it: one line for each recording, to be checked by eye.
//!
//! The lines are played twice. All of them into the supervisor's mind with their own times, which takes a second for hours of
//! trouble; and a dozen as processes, under the real supervisor with a simulated runner that does what was recorded. What the
//! real runner does is in `docs/RUNNER.md`; the recordings are in `tests/corpus/recordings`.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/recorded.rs"]
mod recorded;
#[path = "support/supervised.rs"]
mod supervised;

use nix::sys::signal::Signal::{self, SIGHUP, SIGQUIT, SIGTERM};
use recorded::Outcome;
use serde_json::json;
use std::time::Instant;
use supervised::{Supervised, plan};

/// Recording | the second in which each state began, the first is `starting` | status (conclusion at GitHub, cause) of each job |
/// how the listener left, and what followed | what else was said.
const TABLE: &str = "\
acknowledge-404                       | 0 idle, 0 busy, 2 idle, 17 busy, 19 idle, 34 draining, 34 stopped   | success (success), success (success)         | 0 leaves 0                         |
acknowledge-404-ephemeral             | 0 idle, 0 stopped                                                   |                                              | 0 leaves 0                         |
acknowledge-404-ephemeral@2.330.0     | 0 idle, 0 busy, 2 idle, 2 stopped                                   | success (success)                            | 0 leaves 0                         |
acquire-404                           | 0 idle, 15 busy, 17 idle, 32 draining, 32 stopped                   | success (success)                            | 0 leaves 0                         |
acquire-404@2.330.0                   | 0 idle, 15 busy, 17 idle, 32 draining, 32 stopped                   | success (success)                            | 0 leaves 0                         |
acquire-422                           | 0 idle, 15 busy, 17 idle, 32 draining, 32 stopped                   | success (success)                            | 0 leaves 0                         |
acquire-500                           | 0 idle, 499 draining, 499 stopped                                   |                                              | 0 leaves 0                         |
acquire-slow                          | 0 idle, 19 draining, 19 stopped                                     |                                              | 0 leaves 0                         |
actions                               | 0 idle, 0 busy, 2 idle, 2 stopped                                   | success (success)                            | 0 leaves 0                         |
actions-missing                       | 0 idle, 0 busy, 2 idle, 2 stopped                                   | failed (failure)                             | 0 leaves 0                         |
agent-refresh                         | 0 idle, 6 backoff                                                   |                                              | 3 updates                          |
bad-message-json                      | 0 idle, 0 backoff                                                   |                                              | 2 again: retryable_error           | says: An error occurred: Object reference not
bad-message-listener                  | 0 idle, 149 draining, 149 stopped                                   |                                              | 0 leaves 0                         | dropped: no_worker
biglog                                | 0 idle, 0 busy, 6 idle, 6 stopped                                   | success (success)                            | 0 leaves 0                         |
biglog-sdk                            | 0 idle, 0 busy, 4 idle, 4 stopped                                   | success (success)                            | 0 leaves 0                         |
biglog@2.330.0                        | 0 idle, 0 busy, 4 idle, 5 stopped                                   | success (success)                            | 0 leaves 0                         |
blob-500                              | 0 idle, 0 busy, 2 idle, 2 stopped                                   | success (success)                            | 0 leaves 0                         |
c-cancel                              | 0 idle, 0 busy, 8 idle, 8 stopped                                   | cancelled (cancelled)                        | 0 leaves 0                         |
c-kill-worker                         | 0 idle, 0 busy, 5 idle, 5 stopped                                   | failed (failure)                             | 0 leaves 0                         |
c-no-docker                           | 0 idle, 0 busy, 2 idle, 2 stopped                                   | failed (failure)                             | 0 leaves 0                         |
c-no-image                            | 0 idle, 0 busy, 14 idle, 14 stopped                                 | failed (failure)                             | 0 leaves 0                         |
c-plain                               | 0 idle, 0 busy, 5 idle, 5 stopped                                   | success (success)                            | 0 leaves 0                         |
c-service                             | 0 idle, 0 busy, 2 idle, 2 stopped                                   | success (success)                            | 0 leaves 0                         |
c-stop-group                          | 0 idle, 0 busy, 5 draining, 7 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
c-stop-single                         | 0 idle, 0 busy, 4 draining, 6 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
c-stop-steps                          | 0 idle, 0 busy, 5 draining, 6 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
cancel                                | 0 idle, 0 busy, 19 idle, 19 stopped                                 | cancelled (cancelled)                        | 0 leaves 0                         |
cancel-again                          | 0 idle, 0 busy, 37 idle, 37 stopped                                 | cancelled (cancelled)                        | 0 leaves 0                         |
cancel-before-start                   | 0 idle, 119 draining, 119 stopped                                   |                                              | 0 leaves 0                         | dropped: no_worker
cancel-before-start-ephemeral         | 0 idle, 0 stopped                                                   |                                              | 0 leaves 0                         | doubted: name_continues, dropped: listener_exit
cancel-before-start-ephemeral@2.330.0 | 0 idle, 0 stopped                                                   |                                              | 0 leaves 0                         | doubted: name_continues, dropped: listener_exit
cancel-short-timeout                  | 0 idle, 0 busy, 50 idle, 50 stopped                                 | cancelled (-, not reported)                  | 0 leaves 0                         |
clock-skew                            | 0 disconnected, 199 draining, 199 stopped                           |                                              | 0 leaves 0                         | says: the local clock may be out of sync ×7
complete-404                          | 0 idle, 0 busy, 3 idle, 18 busy, 20 idle, 35 draining, 35 stopped   | failed (-, not reported), success (success)  | 0 leaves 0                         |
complete-404@2.330.0                  | 0 idle, 0 busy, 2 idle, 17 busy, 19 idle, 34 draining, 34 stopped   | failed (-, not reported), success (success)  | 0 leaves 0                         |
complete-500                          | 0 idle, 0 busy, 279 idle, 499 draining, 499 stopped                 | failed (-, not reported)                     | 0 leaves 0                         |
complete-500-ephemeral                | 1 idle, 1 busy, 266 idle, 266 stopped                               | failed (-, not reported)                     | 0 leaves 0                         |
config                                | 1 idle, 1 busy, 3 idle, 93 draining, 180 stopped                    | success (success)                            | signal 9 leaves 137                |
config-bad-token                      | 0 stopped                                                           |                                              | 0 leaves 0                         |
config-ephemeral                      | 1 idle, 1 busy, 3 idle, 3 stopped                                   | success (success)                            | 0 leaves 0                         |
config-v1                             | 1 idle, 1 busy, 3 idle, 93 draining, 180 stopped                    | success (success)                            | signal 9 leaves 137                |
deprecated                            | 0 idle, 5 stopped                                                   |                                              | 1 leaves 7                         | says: this runner version is deprecated and re
deprecated-at-session                 | 0 stopped                                                           |                                              | 1 leaves 1                         | says: Failed to create session. Error: Forbidd
deprecated@2.330.0                    | 0 idle, 5 stopped                                                   |                                              | 1 leaves 7                         | says: this runner version is deprecated and re
deprovisioned                         | 0 idle, 5 stopped                                                   |                                              | 0 leaves 0                         |
ephemeral-deleted                     | 0 idle, 0 busy, 2 ghost, 2 stopped                                  | success (success)                            | 0 leaves 0                         | ghost: removed_by_server
ephemeral-deleted@2.330.0             | 0 idle, 0 busy, 2 idle, 2 ghost, 2 stopped                          | success (success)                            | 1 leaves 1                         | ghost: not_on_server
fail                                  | 0 idle, 0 busy, 2 idle, 2 stopped                                   | failed (failure)                             | 0 leaves 0                         |
fail@2.330.0                          | 0 idle, 0 busy, 2 idle, 2 stopped                                   | failed (failure)                             | 0 leaves 0                         |
feed                                  | 0 idle, 0 busy, 7 idle, 7 stopped                                   | success (success)                            | 0 leaves 0                         |
gone-at-start                         | 0 disconnected, 60 idle, 61 busy, 63 idle, 63 stopped               | success (success)                            | 0 leaves 0                         | reconnected: listener
gone-busy                             | 0 idle, 0 busy, 111 disconnected, 111 stopped                       | abandoned (cancelled, lock lost)             | 0 leaves 0                         |
gone-busy@2.330.0                     | 1 idle, 1 busy, 113 disconnected, 113 stopped                       | abandoned (cancelled, lock lost)             | 0 leaves 0                         |
gone-completing                       | 0 idle, 0 busy, 78 disconnected, 79 stopped                         | success (success)                            | 0 leaves 0                         |
gone-forever                          | 0 idle, 50 disconnected, 686 backoff                                |                                              | 2 again: retryable_error           | says: An error occurred: Connection refused (1
gone-long                             | 0 idle, 48 disconnected, 251 idle, 300 busy, 302 idle, 302 stopped  | success (success)                            | 0 leaves 0                         | reconnected: trace
hook-completed-fails                  | 0 idle, 0 busy, 3 idle, 3 stopped                                   | failed (failure)                             | 0 leaves 0                         |
hook-fails                            | 0 idle, 0 busy, 2 idle, 2 stopped                                   | failed (failure)                             | 0 leaves 0                         |
hook-summary                          | 0 idle, 0 busy, 3 idle, 4 stopped                                   | success (success)                            | 0 leaves 0                         |
hook-summary@2.330.0                  | 0 idle, 0 busy, 4 idle, 4 stopped                                   | success (success)                            | 0 leaves 0                         |
hook-writes                           | 0 idle, 0 busy, 3 idle, 3 stopped                                   | success (success)                            | 0 leaves 0                         |
hook-writes@2.330.0                   | 0 idle, 0 busy, 2 idle, 3 stopped                                   | success (success)                            | 0 leaves 0                         |
hooks                                 | 0 idle, 0 busy, 2 idle, 2 stopped                                   | failed (failure)                             | 0 leaves 0                         |
hooks@2.330.0                         | 0 idle, 0 busy, 2 idle, 2 stopped                                   | failed (failure)                             | 0 leaves 0                         |
idle                                  | 0 idle, 120 draining, 120 stopped                                   |                                              | 0 leaves 0                         |
kill-worker                           | 0 idle, 0 busy, 4 idle, 4 stopped                                   | failed (failure)                             | 0 leaves 0                         |
kill-worker@2.330.0                   | 0 idle, 0 busy, 5 idle, 5 stopped                                   | failed (failure)                             | 0 leaves 0                         |
killed-step                           | 0 idle, 0 busy, 8 idle, 8 stopped                                   | failed (failure)                             | 0 leaves 0                         |
kinds                                 | 0 idle, 0 busy, 4 idle, 4 stopped                                   | failed (failure)                             | 0 leaves 0                         |
many-steps                            | 0 idle, 0 busy, 13 idle, 13 stopped                                 | success (success)                            | 0 leaves 0                         |
orphans                               | 0 idle, 0 busy, 2 idle, 2 stopped                                   | success (success)                            | 0 leaves 0                         |
orphans@2.330.0                       | 0 idle, 0 busy, 2 idle, 2 stopped                                   | success (success)                            | 0 leaves 0                         |
plain                                 | 0 idle, 0 busy, 5 idle, 5 stopped                                   | success (success)                            | 0 leaves 0                         |
plain@2.330.0                         | 0 idle, 0 busy, 4 idle, 4 stopped                                   | success (success)                            | 0 leaves 0                         |
poll-401                              | 1 idle, 6 backoff                                                   |                                              | 1 again: poll_refused              | says: GitHub refused a poll: the runner's toke
poll-401@2.330.0                      | 1 idle, 43 backoff                                                  |                                              | 1 again: poll_refused              | says: GitHub refused a poll: the runner's toke
poll-403                              | 1 idle, 42 disconnected, 161 idle, 161 busy, 164 idle, 164 stopped  | success (success)                            | 0 leaves 0                         | reconnected: job
poll-404                              | 0 idle, 47 disconnected, 161 idle, 161 busy, 163 idle, 163 stopped  | success (success)                            | 0 leaves 0                         | reconnected: job
poll-500                              | 0 idle, 49 disconnected, 161 idle, 161 busy, 163 idle, 163 stopped  | success (success)                            | 0 leaves 0                         | reconnected: job
poll-500-forever                      | 1 idle, 44 disconnected, 680 backoff                                |                                              | 2 again: retryable_error           | says: An error occurred: Failed to get job mes
poll-500@2.330.0                      | 1 idle, 49 disconnected, 161 idle, 161 busy, 163 idle, 163 stopped  | success (success)                            | 0 leaves 0                         | reconnected: job
poll-503                              | 1 idle, 253 disconnected, 384 idle, 401 busy, 403 idle, 403 stopped | success (success)                            | 0 leaves 0                         | reconnected: trace
poll-drop                             | 0 idle, 100 busy, 102 idle, 102 stopped                             | success (success)                            | 0 leaves 0                         |
poll-garbage                          | 0 idle, 100 busy, 102 idle, 102 stopped                             | success (success)                            | 0 leaves 0                         |
poll-hang                             | 0 idle, 130 busy, 132 idle, 132 stopped                             | success (success)                            | 0 leaves 0                         |
registration-gone-at-start            | 0 ghost, 0 stopped                                                  |                                              | 1 leaves 1                         | ghost: registration_deleted
registration-gone-at-start@2.330.0    | 0 ghost, 0 stopped                                                  |                                              | 1 leaves 1                         | ghost: registration_deleted
registration-gone-idle                | 0 idle, 29 ghost, 59 draining, 59 stopped                           |                                              | 2 leaves 2                         | ghost: registration_not_found ×2
registration-gone-idle@2.330.0        | 0 idle, 43 ghost, 73 draining, 73 stopped                           |                                              | 2 leaves 2                         | ghost: registration_not_found ×2
renew-404                             | 0 idle, 149 draining, 149 stopped                                   |                                              | 0 leaves 0                         | dropped: no_worker
renew-404@2.330.0                     | 1 idle, 149 draining, 149 stopped                                   |                                              | 0 leaves 0                         | dropped: no_worker
renew-500                             | 0 idle, 499 draining, 499 stopped                                   |                                              | 0 leaves 0                         | dropped: no_worker
renew-500-later                       | 0 idle, 0 busy, 120 idle, 135 draining, 135 stopped                 | abandoned (cancelled, lock lost)             | 0 leaves 0                         |
renew-500-later-ephemeral             | 0 idle, 0 busy, 122 idle, 122 stopped                               | abandoned (cancelled, lock lost)             | 0 leaves 0                         |
renew-500-later@2.330.0               | 0 idle, 1 busy, 120 idle, 135 draining, 135 stopped                 | abandoned (cancelled, lock lost)             | 0 leaves 0                         |
results-500                           | 0 idle, 0 busy, 2 idle, 2 stopped                                   | success (success)                            | 0 leaves 0                         |
run-sh                                | 0 idle, 0 busy, 5 draining, 6 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
runner-deleted                        | 0 idle, 5 ghost, 5 stopped                                          |                                              | 0 leaves 0                         | ghost: removed_by_server
runner-deleted@2.330.0                | 0 idle, 5 ghost, 5 stopped                                          |                                              | 1 leaves 1                         | ghost: not_on_server
secrets                               | 0 idle, 0 busy, 2 idle, 2 stopped                                   | success (success)                            | 0 leaves 0                         |
session-401                           | 0 stopped                                                           |                                              | 1 leaves 1                         | says: Failed to create session. You are not au
session-403                           | 0 stopped                                                           |                                              | 1 leaves 1                         | says: Failed to create session. Error: Forbidd
session-500                           | 0 disconnected, 90 idle, 90 busy, 92 idle, 93 stopped               | success (success)                            | 0 leaves 0                         | reconnected: listener
session-conflict                      | 0 disconnected, 90 idle, 90 busy, 92 idle, 92 stopped               | success (success)                            | 0 leaves 0                         | conflict ×3, reconnected: listener
session-conflict-forever              | 0 disconnected, 210 backoff                                         |                                              | 5 again: session_conflict          | conflict ×8, says: Failed to create session. Error: Conflic
session-conflict@2.330.0              | 0 disconnected, 90 idle, 90 busy, 92 idle, 92 stopped               | success (success)                            | 0 leaves 0                         | conflict ×3, reconnected: listener
session-expired                       | 0 idle, 20 busy, 22 idle, 22 stopped                                | success (success)                            | 0 leaves 0                         |
session-expired@2.330.0               | 0 idle, 41 disconnected, 119 draining, 119 stopped                  |                                              | 0 leaves 0                         |
shutdown                              | 0 idle, 5 stopped                                                   |                                              | 0 leaves 0                         |
shutdown@2.330.0                      | 0 idle, 5 stopped                                                   |                                              | 0 leaves 0                         |
sigint-busy                           | 0 idle, 0 busy, 5 draining, 19 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
sigint-busy@2.330.0                   | 0 idle, 0 busy, 5 draining, 19 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
sigint-connecting                     | 0 disconnected, 3 draining, 3 stopped                               |                                              | 0 leaves 0                         |
sigint-group                          | 0 idle, 0 busy, 5 draining, 6 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
sigint-idle                           | 0 idle, 4 draining, 4 stopped                                       |                                              | 0 leaves 0                         |
sigint-stubborn                       | 0 idle, 0 busy, 5 draining, 17 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
sigquit-idle                          | 0 idle, 3 backoff, 7 starting, 8 idle, 13 stopped                   |                                              | signal 1 again: killed, 0 leaves 0 |
sigterm-group                         | 0 idle, 0 busy, 6 idle, 6 backoff                                   | failed (failure)                             | 143 again: killed                  |
sigterm-idle                          | 0 idle, 4 backoff                                                   |                                              | 143 again: killed                  |
sigterm-idle@2.330.0                  | 0 idle, 4 backoff                                                   |                                              | 143 again: killed                  |
sigterm-stubborn                      | 0 idle, 0 busy, 17 idle, 17 backoff                                 | failed (failure)                             | 143 again: killed                  |
stdout-log-single                     | 0 idle, 0 busy, 3 idle, 3 stopped                                   | success (success)                            | 0 leaves 0                         |
stop-group-always                     | 0 idle, 0 busy, 5 draining, 7 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-group-always@2.330.0             | 0 idle, 0 busy, 5 draining, 7 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-group-hooks                      | 1 idle, 2 busy, 8 draining, 9 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-group-long-always                | 0 idle, 0 busy, 5 draining, 14 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-group-node                       | 1 idle, 2 busy, 8 draining, 11 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-group-setsid                     | 1 idle, 1 busy, 8 draining, 21 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-group-stopped                    | 1 idle, 2 busy, 8 draining, 19 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-group-stubborn                   | 0 idle, 0 busy, 5 draining, 16 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-ladder-always                    | 1 idle, 2 busy, 8 draining, 16 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-single-always                    | 0 idle, 0 busy, 5 draining, 18 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-single-hooks                     | 1 idle, 2 busy, 7 draining, 21 stopped                              | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-steps-always                     | 0 idle, 0 busy, 5 draining, 6 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-steps-always@2.330.0             | 0 idle, 0 busy, 5 draining, 6 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-steps-first                      | 0 idle, 0 busy, 5 draining, 6 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-steps-stubborn                   | 0 idle, 0 busy, 5 draining, 8 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
stop-worker-then-listener             | 0 idle, 0 busy, 5 draining, 7 stopped                               | cancelled (failure, stopped)                 | 0 leaves 0                         |
timeout-step                          | 0 idle, 0 busy, 72 idle, 72 stopped                                 | failed (failure)                             | 0 leaves 0                         |
token-500                             | 66 idle, 66 busy, 68 idle, 68 stopped                               | success (success)                            | 0 leaves 0                         |
token-expires                         | 0 idle, 150 busy, 152 idle, 152 stopped                             | success (success)                            | 0 leaves 0                         |
token-refresh                         | 0 idle, 15 busy, 17 idle, 17 stopped                                | success (success)                            | 0 leaves 0                         |
twice                                 | 0 idle, 0 disconnected, 20 draining, 89 stopped                     |                                              | signal 9 leaves 137                | conflict, reconnected: listener
unknown-message                       | 0 idle, 15 busy, 17 idle, 17 stopped                                | success (success)                            | 0 leaves 0                         |
update-busy                           | 0 idle, 0 busy, 27 idle, 27 backoff                                 | success (success)                            | 3 updates                          |
update-checksum                       | 0 idle, 60 busy, 62 idle, 77 draining, 77 stopped                   | success (success)                            | 0 leaves 0                         |
update-disabled                       | 0 idle, 5 backoff                                                   |                                              | 3 updates                          |
update-ephemeral                      | 0 idle, 5 backoff                                                   |                                              | 4 updates                          |
update-ephemeral@2.330.0              | 0 idle, 5 backoff                                                   |                                              | 4 updates                          |
update-idle                           | 0 idle, 5 backoff                                                   |                                              | 3 updates                          |
update-idle@2.330.0                   | 0 idle, 5 backoff                                                   |                                              | 3 updates                          |
update-real                           | 0 idle, 60 busy, 62 idle, 77 draining, 77 stopped                   | success (success)                            | 0 leaves 0                         |
";

struct Line {
    name: &'static str,
    right: Outcome,
}

fn table() -> Vec<Line> {
    let line = |line: &'static str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, states, rows, end, told] = cells[..] else { panic!("five columns: {line}") };
        let text = |cell: &str| cell.to_owned();
        let right = Outcome { states: text(states), rows: text(rows), end: text(end), told: text(told) };
        Line { name, right }
    };
    TABLE.lines().map(line).collect()
}

fn right(name: &str) -> Outcome {
    table().into_iter().find(|line| line.name == name).expect("a recording").right
}

fn show(name: &str, outcome: &Outcome) -> String {
    let Outcome { states, rows, end, told } = outcome;
    format!("{name} | {states} | {rows} | {end} | {told}")
}

#[test]
fn every_recording_is_in_the_table_once() {
    let mut names: Vec<&str> = table().iter().map(|line| line.name).collect();
    names.sort_unstable();
    assert_eq!(names, recorded::names());
}

#[test]
fn of_every_recording_is_made_what_is_right() {
    let wrong = table().into_iter().filter_map(|line| {
        let made = recorded::play(line.name);
        (made != line.right).then(|| format!("{}\n{}", show("  right", &line.right), show(line.name, &made)))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{} recordings\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn an_outage_is_over_within_150_seconds_of_its_end() {
    for (name, over) in OUTAGES {
        let states = right(name).states;
        let lost = states.find("disconnected").unwrap_or_else(|| panic!("{name}: {states}"));
        let after = states[lost..].split(", ").nth(1).unwrap_or_else(|| panic!("{name}: {states}"));
        let (at, state) = after.split_once(' ').unwrap();
        let at: u64 = at.parse().unwrap();
        assert!(state == "idle" && at <= over + 150, "{name}: over at {over}, {after}");
    }
}

/// Each with the second in which GitHub could be reached again.
const OUTAGES: [(&str, u64); 7] = [
    ("gone-at-start", 60),
    ("gone-long", 185),
    ("poll-403", 106),
    ("poll-404", 105),
    ("poll-500", 105),
    ("poll-500@2.330.0", 106),
    ("session-500", 70),
];

/// Plays it as processes, so many times as fast.
fn playing(name: &str, speed: f64) -> Supervised {
    let play = json!({ "recording": recorded::file(name), "logs": recorded::logs(name) });
    let scenario = json!({ "speed": speed, "ephemeral": recorded::is_ephemeral(name), "play": play });
    plan(scenario).env("RUNNER_STOP_GRACE", "20s").env("RUNNER_DRAIN_TIMEOUT", "0s").start()
}

/// The supervisor's last word on it, and the rows it wrote, are those of the table.
#[track_caller]
fn ends_right(name: &str, s: &mut Supervised) {
    let right = right(name);
    let code = s.exit_code();
    assert!(
        right.end.ends_with(&format!(" leaves {code}")),
        "{name}: {code} is not {}\n{}",
        right.end,
        s.log()
    );
    let log = std::fs::read(s.path("state/jobs.log")).unwrap_or_default();
    assert_eq!(recorded::written(&log), right.rows, "{name}\n{}", s.log());
}

/// The Worker works at a step.
fn busy(name: &str, speed: f64) -> Supervised {
    let mut s = playing(name, speed);
    s.until_state("busy");
    s.until_process("node");
    s
}

#[test]
fn as_processes_jobs_end_as_they_ended() {
    require!("namespace");
    let jobs = ["plain", "fail@2.330.0", "hook-completed-fails", "kill-worker"];
    for name in jobs.into_iter().chain(["ephemeral-deleted", "ephemeral-deleted@2.330.0"]) {
        ends_right(name, &mut playing(name, 4.0));
    }
    ends_right("cancel", &mut playing("cancel", 10.0));
}

#[test]
fn as_processes_runners_that_are_refused_leave_with_the_right_code() {
    require!("namespace");
    for name in ["session-403", "deprecated@2.330.0", "runner-deleted", "registration-gone-at-start"] {
        ends_right(name, &mut playing(name, 10.0));
    }
}

#[test]
fn as_processes_a_stop_is_answered_as_it_was() {
    require!("namespace");
    for (name, most) in [
        ("sigint-group", 5),
        ("stop-group-always", 6),
        ("stop-group-hooks", 6),
        // The step that ignores everything is ended below the Worker, sooner than it was there.
        ("stop-group-stubborn", 12),
    ] {
        let mut s = busy(name, 1.0);
        let asked = Instant::now();
        s.signal(SIGTERM);
        ends_right(name, &mut s);
        // On a busy machine the ask comes late in the recording, whose end is when it is: no least can be said. That the
        // always() steps had their turn, its being told says.
        let (took, said) = (asked.elapsed().as_secs(), s.out());
        let told = String::from_utf8_lossy(&said).contains("completed with result: Canceled");
        assert!(
            took < most && told && !s.log().contains("event=listener_killed"),
            "{name}: {took} s\n{}",
            s.log()
        );
    }
}

#[test]
fn as_processes_an_idle_runner_leaves_at_once() {
    require!("namespace");
    let mut s = playing("sigint-idle", 10.0);
    s.until_state("idle");
    s.signal(SIGTERM);
    ends_right("sigint-idle", &mut s);
}

#[test]
fn as_processes_a_conflict_is_waited_out() {
    require!("namespace");
    let mut s = playing("session-conflict", 30.0);
    s.until_log("event=session_conflicted");
    ends_right("session-conflict", &mut s);
}

#[test]
fn as_processes_a_claim_without_a_worker_is_no_job() {
    require!("namespace");
    let mut s = playing("renew-404", 10.0);
    s.until("it has claimed its job", |s| s.out().ends_with(b"Running job: lab job\n"));
    for _ in 0..20 {
        assert_eq!(s.state(), "idle", "{}", s.log());
    }
    s.signal(SIGTERM);
    ends_right("renew-404", &mut s);
}

#[test]
fn as_processes_a_self_update_is_followed_by_another_listener() {
    require!("namespace", "bash");
    let mut s = playing("update-idle", 10.0);
    s.until_log("reason=runner_updating");
    s.until_state("idle");
    assert_eq!(s.stop(), 0);
}

#[test]
fn as_processes_a_listener_that_is_hung_up_is_launched_again() {
    require!("namespace");
    let mut s = playing("sigquit-idle", 10.0);
    s.until_state("idle");
    to_listener(&mut s, SIGHUP);
    s.until_state("backoff");
    s.until_state("idle");
    to_listener(&mut s, SIGQUIT);
    ends_right("sigquit-idle", &mut s);
}

fn to_listener(s: &mut Supervised, signal: Signal) {
    let pid = s.until_process("Runner.Listener");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}
