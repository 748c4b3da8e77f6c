//! The restart policy. What follows a listener's exit is decided here, from its code, its last words and how often it
//! failed in a row.
//!
//! The codes are `Constants.Runner.ReturnCode` of `actions/runner`; the policy is that of its own service wrapper, made honest:
//! back-off grows and is jittered, and a code nobody knows is a crash, not a success.

use super::event::Exit;
use super::failure::Cause;
use crate::domain::words::words;
use std::time::Duration;

/// Longest wait between two launches.
pub const CAP: Duration = Duration::from_secs(300);
const BASE: Duration = Duration::from_secs(5);
/// A session conflict has already been retried for 240 s by the listener; the server drops a dead session within minutes.
const CONFLICT_BASE: Duration = Duration::from_secs(30);
/// The updater polls every 2 s, sleeps 1 s and swaps links: run-helper.sh gives it 31 s.
pub const UPDATE_WAIT: Duration = Duration::from_secs(31);

/// Why the listener was launched again: the label values of `restarts_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RestartReason {
    /// 2
    RetryableError,
    /// 1 after GitHub had refused a poll: a new session may well be given.
    PollRefused,
    /// 3
    RunnerUpdating,
    /// 4
    RunOnceRunnerUpdating,
    /// 5
    SessionConflict,
    /// A signal that was not ours, 134, 137, 139 or 143.
    Killed,
    /// The kernel killed it for memory.
    OomKilled,
    /// It failed on a full disk.
    DiskFull,
    /// A code the runner does not document.
    Unknown,
    /// The operating system would not start it.
    SpawnFailed,
    /// The registration did not succeed.
    RegistrationFailed,
    /// The server had dropped the registration; a new one was made.
    Reregistered,
    /// We were idle and GitHub said twice that we are offline.
    StandingDisagreed,
    /// It had closed its output.
    Muted,
}

words! {
    /// The label value.
    RestartReason {
        RetryableError = "retryable_error",
        PollRefused = "poll_refused",
        RunnerUpdating = "runner_updating",
        RunOnceRunnerUpdating = "run_once_runner_updating",
        SessionConflict = "session_conflict",
        Killed = "killed",
        OomKilled = "oom_killed",
        DiskFull = "disk_full",
        Unknown = "unknown",
        SpawnFailed = "spawn_failed",
        RegistrationFailed = "registration_failed",
        Reregistered = "reregistered",
        StandingDisagreed = "standing_disagreed",
        Muted = "muted",
    }
}

impl RestartReason {
    /// The same, unless the system knows better than the exit code.
    #[must_use]
    pub fn because_of(self, cause: Cause) -> RestartReason {
        match cause {
            Cause::Oom => RestartReason::OomKilled,
            Cause::DiskFull => RestartReason::DiskFull,
            Cause::Signal(_)
            | Cause::Exit(_)
            | Cause::Stopped
            | Cause::Unfinished
            | Cause::LockLost
            | Cause::NotReported
            | Cause::SupervisorLost => self,
        }
    }
}

/// Why the supervisor leaves after an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// 0 with the registration in place: somebody stopped it, or its one job is done.
    Success,
    /// An ephemeral runner has done its job; or 0 with the registration gone, which means the same.
    EphemeralDone,
    /// A one-job runner's job had begun, and nobody saw its end.
    JobLost,
    /// 0 with the registration gone because the server deleted it.
    RemovedByServer,
    /// 1: configuration, credentials or session cannot be used.
    TerminatedError,
    /// 7, or 1 with those words: GitHub no longer serves this version.
    VersionDeprecated,
    /// 100–105: the result of the one job, asked for by `ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED`.
    JobResult,
    /// A restart was due but the registration is gone.
    NotConfigured,
    /// Too many failures in a row.
    GaveUp,
    /// The server does not know the runner and it did not leave by itself.
    Ghost,
    /// We were asked to.
    Asked,
    /// The runner could not be registered.
    Unregistered,
    /// GitHub says that we are offline: the listener is launched again.
    Disagreed,
    /// It has closed its output: it is launched again.
    Muted,
    /// Nobody gave a one-job runner its job in time.
    NoJob,
}

impl StopReason {
    /// The word for log lines and status.
    pub fn as_str(self) -> &'static str {
        match self {
            StopReason::Success => "success",
            StopReason::EphemeralDone => "ephemeral_done",
            StopReason::JobLost => "job_lost",
            StopReason::RemovedByServer => "removed_by_server",
            StopReason::TerminatedError => "terminated_error",
            StopReason::VersionDeprecated => "version_deprecated",
            StopReason::JobResult => "job_result",
            StopReason::NotConfigured => "not_configured",
            StopReason::GaveUp => "gave_up",
            StopReason::Ghost => "ghost",
            StopReason::Asked => "asked",
            StopReason::Unregistered => "unregistered",
            StopReason::Disagreed => "disagreed",
            StopReason::Muted => "muted",
            StopReason::NoJob => "no_job",
        }
    }
}

/// What to do after an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Leave with this code.
    Stop(StopReason, i32),
    /// Launch again after a wait.
    Retry(RestartReason, Duration),
    /// Launch again once the updater has finished, at most [`UPDATE_WAIT`] from now.
    AwaitUpdate(RestartReason),
}

/// What the listener said last, where its code alone does not tell the way on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWord {
    /// GitHub refused a poll.
    PollRefused,
    /// GitHub no longer serves this version.
    VersionDeprecated,
}

/// What is known at an exit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Situation {
    /// The listener's end.
    pub exit: Exit,
    /// `.runner` is still there.
    pub configured: bool,
    /// The server has said that it does not know this runner.
    pub ghost: bool,
    /// What it said last.
    pub word: Option<LastWord>,
    /// Failures in a row before this one, since the last session.
    pub failures: u32,
    /// Most failures in a row; `None` is unlimited.
    pub max_restarts: Option<u32>,
    /// A random number, 0 to 1.
    pub jitter: f64,
}

/// Decides; total over all exits.
pub fn decide(s: Situation) -> Decision {
    let code = s.exit.shell_code();
    let retry = |reason, base| retry(s, reason, base);
    match s.exit {
        Exit::Code(0) if s.configured => Decision::Stop(StopReason::Success, 0),
        Exit::Code(0) if s.ghost => Decision::Stop(StopReason::RemovedByServer, 0),
        Exit::Code(0) => Decision::Stop(StopReason::EphemeralDone, 0),
        // 2: it had tried for its whole 12 minutes.
        Exit::Code(1 | 2) if s.ghost => Decision::Stop(StopReason::Ghost, 1),
        Exit::Code(1) => match s.word {
            Some(LastWord::PollRefused) => retry(RestartReason::PollRefused, BASE),
            // 7 is what it means by that since 2.333, if it is told to.
            Some(LastWord::VersionDeprecated) => Decision::Stop(StopReason::VersionDeprecated, 7),
            None => Decision::Stop(StopReason::TerminatedError, 1),
        },
        Exit::Code(2) => retry(RestartReason::RetryableError, BASE),
        Exit::Code(3) => Decision::AwaitUpdate(RestartReason::RunnerUpdating),
        Exit::Code(4) => Decision::AwaitUpdate(RestartReason::RunOnceRunnerUpdating),
        Exit::Code(5) => retry(RestartReason::SessionConflict, CONFLICT_BASE),
        Exit::Code(7) => Decision::Stop(StopReason::VersionDeprecated, 7),
        Exit::Code(100..=105) => Decision::Stop(StopReason::JobResult, code),
        Exit::Code(134 | 137 | 139 | 143) | Exit::Signal(_) => retry(RestartReason::Killed, BASE),
        Exit::Code(_) => retry(RestartReason::Unknown, BASE),
    }
}

fn retry(s: Situation, reason: RestartReason, base: Duration) -> Decision {
    let code = s.exit.shell_code();
    if !s.configured {
        return Decision::Stop(StopReason::NotConfigured, code);
    }
    if s.max_restarts.is_some_and(|most| s.failures >= most) {
        return Decision::Stop(StopReason::GaveUp, code);
    }
    Decision::Retry(reason, wait(base, s.failures, s.jitter))
}

/// `base` doubled per failure, capped, then shortened by up to a fifth so that a fleet does not come back in step.
fn wait(base: Duration, failures: u32, jitter: f64) -> Duration {
    let doubled = base.saturating_mul(1u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX));
    doubled.min(CAP).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(exit: Exit) -> Situation {
        Situation {
            exit,
            configured: true,
            ghost: false,
            word: None,
            failures: 0,
            max_restarts: Some(10),
            jitter: 0.0,
        }
    }

    #[test]
    fn every_row_of_the_return_code_table() {
        use Decision::{AwaitUpdate, Retry, Stop};
        let five = Duration::from_secs(5);
        let rows = [
            (0, Stop(StopReason::Success, 0)),
            (1, Stop(StopReason::TerminatedError, 1)),
            (2, Retry(RestartReason::RetryableError, five)),
            (3, AwaitUpdate(RestartReason::RunnerUpdating)),
            (4, AwaitUpdate(RestartReason::RunOnceRunnerUpdating)),
            (5, Retry(RestartReason::SessionConflict, Duration::from_secs(30))),
            (6, Retry(RestartReason::Unknown, five)),
            (7, Stop(StopReason::VersionDeprecated, 7)),
            (100, Stop(StopReason::JobResult, 100)),
            (105, Stop(StopReason::JobResult, 105)),
            (106, Retry(RestartReason::Unknown, five)),
            (134, Retry(RestartReason::Killed, five)),
            (143, Retry(RestartReason::Killed, five)),
        ];
        for (code, want) in rows {
            assert_eq!(decide(at(Exit::Code(code))), want, "exit {code}");
        }
        assert_eq!(decide(at(Exit::Signal(9))), Retry(RestartReason::Killed, five));
    }

    #[test]
    fn the_last_words_decide_what_a_one_means() {
        let one = |word, ghost| decide(Situation { ghost, word, ..at(Exit::Code(1)) });
        let refused = Some(LastWord::PollRefused);
        assert_eq!(
            one(refused, false),
            Decision::Retry(RestartReason::PollRefused, Duration::from_secs(5)),
            "a hiccup of GitHub's does not end a runner"
        );
        assert_eq!(one(refused, true), Decision::Stop(StopReason::Ghost, 1));
        assert_eq!(
            one(Some(LastWord::VersionDeprecated), false),
            Decision::Stop(StopReason::VersionDeprecated, 7)
        );
        assert_eq!(
            one(None, false),
            Decision::Stop(StopReason::TerminatedError, 1),
            "the session was refused"
        );
        let tenth = Situation { word: refused, failures: 10, ..at(Exit::Code(1)) };
        assert_eq!(decide(tenth), Decision::Stop(StopReason::GaveUp, 1));
        let gone = Situation { word: refused, configured: false, ..at(Exit::Code(1)) };
        assert_eq!(
            decide(gone),
            Decision::Stop(StopReason::NotConfigured, 1),
            "only while the registration is ours"
        );
        let two = Situation { ghost: true, ..at(Exit::Code(2)) };
        assert_eq!(
            decide(two),
            Decision::Stop(StopReason::Ghost, 1),
            "the registration is gone: no retry cures it"
        );
    }

    #[test]
    fn a_zero_without_a_registration_says_which_way_it_went() {
        let gone = Situation { configured: false, ..at(Exit::Code(0)) };
        assert_eq!(decide(gone), Decision::Stop(StopReason::EphemeralDone, 0));
        assert_eq!(decide(Situation { ghost: true, ..gone }), Decision::Stop(StopReason::RemovedByServer, 0));
        let crashed = Situation { configured: false, ..at(Exit::Signal(11)) };
        assert_eq!(decide(crashed), Decision::Stop(StopReason::NotConfigured, 139));
    }

    #[test]
    fn the_back_off_doubles_to_its_cap_and_is_never_longer_for_the_jitter() {
        let waits: Vec<u64> = (0..8).map(|n| wait(BASE, n, 0.0).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(wait(BASE, 0, 1.0), Duration::from_secs(4));
        assert_eq!(wait(BASE, u32::MAX, 0.5), CAP.mul_f64(0.9));
    }

    #[test]
    fn it_gives_up_with_the_listeners_own_code() {
        let tenth = Situation { failures: 10, ..at(Exit::Code(2)) };
        assert_eq!(decide(tenth), Decision::Stop(StopReason::GaveUp, 2));
        assert!(matches!(decide(Situation { max_restarts: None, ..tenth }), Decision::Retry(..)));
        let never = Situation { max_restarts: Some(0), ..at(Exit::Code(2)) };
        assert_eq!(decide(never), Decision::Stop(StopReason::GaveUp, 2));
    }
}
