//! The state of the connection to GitHub. Connected is what is known: a loss is what the listener noticed, and its end
//! is found, whether the listener tells it or not.

use super::mute::Mute;
use super::{Action, Lifecycle, Phase};
use crate::domain::event::Now;
use crate::domain::notice::Notice;
use crate::domain::polls::{Polls, TraceWord};
use crate::domain::registration::{Recovery, RunnerStatus};
use crate::domain::restart::{RestartReason, StopReason};
use std::time::Duration;

/// The listener gives up (exit 2) after ten rows of failed tries: within 12 minutes where each is refused at once.
const GIVES_UP: Duration = Duration::from_secs(13 * 60);
/// Where the client retries by itself in between, a row takes four minutes and more.
const GIVES_UP_LATE: Duration = Duration::from_secs(50 * 60);
/// Where it waits for an answer until its time-out, nine.
const GIVES_UP_LAST: Duration = Duration::from_secs(100 * 60);
/// GitHub has noticed a loss by then, so its word alone will do.
const GITHUB_KNOWS: Duration = Duration::from_secs(120);
/// A session that has lived so long has forgiven what was before it.
const STEADY: Duration = Duration::from_secs(600);

/// The listener's session at GitHub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// None yet.
    Starting,
    /// It polls.
    Live,
    /// It says that it cannot, since then.
    Disconnected(Duration),
}

/// What is known of the session of this launch.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) session: Session,
    /// When a session was created: what fails before that is no poll, and is always told to be over.
    since: Option<Duration>,
    /// What the trace has told since the first loss; `None`: it is not followed.
    polls: Option<Polls>,
    /// A listener that lives by then has reconnected.
    outlived_at: Duration,
    /// How often in a row a session ended by a poll that was refused.
    refusals: u32,
    /// The trace is followed by now.
    follows: bool,
    /// Its output is closed.
    pub(super) mute: Option<Mute>,
}

impl Connection {
    pub(super) fn new() -> Connection {
        Connection {
            session: Session::Starting,
            since: None,
            polls: None,
            outlived_at: Duration::ZERO,
            refusals: 0,
            follows: false,
            mute: None,
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.session, Session::Disconnected(_))
    }

    /// When the listener is known to have GitHub again if nothing more is heard, and by what.
    fn back_at(&self) -> Option<(Duration, Recovery)> {
        let polls = self.polls.as_ref().filter(|_| self.is_lost())?;
        let held = polls.held_at().map(|at| (at, Recovery::Trace));
        Some(held.unwrap_or((self.outlived_at, Recovery::Outlived)))
    }

    /// When the session's refused predecessors are forgotten.
    fn steady_at(&self) -> Option<Duration> {
        self.since.filter(|_| self.refusals > 0).map(|since| since + STEADY)
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let mute = self.mute.map(|mute| mute.look_at);
        [self.back_at().map(|(at, _)| at), self.steady_at(), mute].into_iter().flatten().min()
    }
}

impl Lifecycle {
    /// The listener is launched, or has ended.
    pub(super) fn forget_session(&mut self) {
        (self.last_word, self.ask_at, self.disagreements) = (None, None, 0);
        self.await_nothing();
        self.connection = Connection {
            refusals: self.connection.refusals,
            follows: self.connection.follows,
            ..Connection::new()
        };
    }

    /// A session has been created: failures are over, but for those that came after a session just like this.
    pub(super) fn listening(&mut self, now: Now) {
        self.failures = self.connection.refusals;
        self.ghost = None;
        self.connection.since = Some(now.up);
        self.connection.polls = None;
        self.alive(now);
    }

    /// A job handed out is a connection proven, and the polls begin anew: the next loss is told.
    pub(super) fn job_handed_out(&mut self, now: Now) -> Option<Notice> {
        let was_lost = self.connection.is_lost();
        self.connection.polls = None;
        (self.failures, self.connection.refusals, self.ghost) = (0, 0, None);
        self.alive(now);
        was_lost.then_some(Notice::Reconnected(Recovery::Job))
    }

    pub(super) fn reconnected(&mut self, how: Recovery, now: Now) -> Notice {
        // It says so after a new session; otherwise the polls go on as before, and a further loss may not be told.
        if how == Recovery::Listener {
            self.connection.polls = None;
        }
        self.alive(now);
        Notice::Reconnected(how)
    }

    fn alive(&mut self, now: Now) {
        self.connection.session = Session::Live;
        self.plan_questions(now);
        self.await_job(now);
        if self.phase == Phase::Running {
            self.reason = "the session is live".into();
        }
    }

    pub(super) fn disconnected(&mut self, message: String, now: Now) -> Notice {
        self.connection.session = Session::Disconnected(now.up);
        self.connection.outlived_at = now.up + gives_up(&message);
        if self.connection.since.is_some() {
            self.connection.polls.get_or_insert_default();
        }
        self.plan_questions(now);
        self.await_nothing();
        self.reason = "the listener has lost its connection to GitHub".into();
        Notice::ConnectionLost { message }
    }

    /// A word of the listener's trace, or its end: then its silence means nothing any more.
    pub(super) fn traced(&mut self, word: Option<TraceWord>, now: Now) -> Vec<Action> {
        let Some(polls) = &mut self.connection.polls else { return Vec::new() };
        let untold = if let Some(word) = word {
            polls.hear(word, now.up)
        } else {
            *polls = Polls::default();
            None
        };
        let lost = untold.filter(|_| self.connection.session == Session::Live);
        lost.map(|message| Action::Notify(self.disconnected(message, now))).into_iter().collect()
    }

    /// The trace is followed from the first loss on until a job is handed out; follows what has just been handled.
    pub(super) fn follow_trace(&mut self) -> Option<Action> {
        let wanted = self.phase == Phase::Running && self.connection.polls.is_some();
        let was = std::mem::replace(&mut self.connection.follows, wanted);
        (was != wanted).then_some(if wanted { Action::FollowTrace } else { Action::LeaveTrace })
    }

    /// A deadline while the listener runs: of a ghost, of what proves the connection, of the next question; the first that is due.
    pub(super) fn run_on(&mut self, now: Now) -> Vec<Action> {
        let idle = self.jobs.taken().is_none();
        if idle && self.ghost.is_some_and(|(_, until)| now.up >= until) {
            self.leaving = Some(StopReason::Ghost);
            self.interrupt(now)
        } else if self.connection.mute.is_some_and(|mute| now.up >= mute.look_at) {
            self.look_for_work(now)
        } else if self.connection.next_deadline().is_some_and(|at| now.up >= at) {
            self.connection_is_proven(now)
        } else if idle && self.idle.next().is_some_and(|at| now.up >= at) {
            self.waited_in_vain(now)
        } else if idle && self.ask_at.is_some_and(|at| now.up >= at) {
            self.ask_at = self.ask_every().map(|every| now.up + every);
            vec![Action::AskStatus]
        } else {
            Vec::new()
        }
    }

    fn connection_is_proven(&mut self, now: Now) -> Vec<Action> {
        if self.connection.steady_at().is_some_and(|at| now.up >= at) {
            (self.failures, self.connection.refusals) = (0, 0);
        }
        let back = self.connection.back_at().filter(|(at, _)| now.up >= *at);
        back.map(|(_, how)| Action::Notify(self.reconnected(how, now))).into_iter().collect()
    }

    /// A poll was refused: the next session does not forgive it, or nothing would ever slow the restarts down.
    pub(super) fn count_refusal(&mut self, reason: RestartReason) {
        if reason == RestartReason::PollRefused {
            self.connection.refusals = self.failures;
        }
    }

    /// The session has changed: the next question is a whole interval away, what was answered before says nothing of it.
    fn plan_questions(&mut self, now: Now) {
        self.disagreements = 0;
        self.ask_at = self.ask_every().map(|every| now.up + every);
    }

    fn ask_every(&self) -> Option<Duration> {
        match self.connection.session {
            Session::Starting => None,
            Session::Live => self.settings.check_every,
            Session::Disconnected(_) => self.settings.look_every,
        }
    }

    /// Neither side is trusted alone (actions/runner#3458, #3448): only without a job, and only the second time in a row.
    pub(super) fn asked(&mut self, standing: RunnerStatus, now: Now) -> Vec<Action> {
        if self.jobs.taken().is_some() || self.ghost.is_some() {
            self.disagreements = 0;
            return Vec::new();
        }
        match (self.connection.session, standing) {
            (Session::Starting, RunnerStatus::Online | RunnerStatus::Offline | RunnerStatus::Unknown)
            | (Session::Live, RunnerStatus::Online)
            | (Session::Disconnected(_), RunnerStatus::Offline) => {
                self.disagreements = 0;
                Vec::new()
            }
            (Session::Disconnected(since), RunnerStatus::Online) => self.called_online(since, now),
            (Session::Live, RunnerStatus::Offline | RunnerStatus::Unknown)
            | (Session::Disconnected(_), RunnerStatus::Unknown) => self.called_gone(standing, now),
        }
    }

    /// GitHub's page lags behind; of a listener whose trace tells of failures it knows nothing new.
    fn called_online(&mut self, since: Duration, now: Now) -> Vec<Action> {
        if self.connection.polls.as_ref().is_some_and(|polls| polls.held_at().is_some()) {
            return Vec::new();
        }
        self.disagreements += 1;
        let known = self.disagreements >= 2 || now.up.saturating_sub(since) >= GITHUB_KNOWS;
        known.then(|| Action::Notify(self.reconnected(Recovery::Github, now))).into_iter().collect()
    }

    fn called_gone(&mut self, standing: RunnerStatus, now: Now) -> Vec<Action> {
        let mut actions = vec![Action::Notify(Notice::StandingDisagreed(standing))];
        self.disagreements += 1;
        if self.disagreements >= 2 {
            self.disagreements = 0;
            let unknown = standing == RunnerStatus::Unknown;
            self.leaving = Some(if unknown { StopReason::Ghost } else { StopReason::Disagreed });
            actions.extend(self.interrupt(now));
        }
        actions
    }
}

/// How long a listener that fails like this takes to give up.
fn gives_up(message: &str) -> Duration {
    let holds = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if holds(&["timed out"]) {
        GIVES_UP_LAST
    } else if holds(&["ServiceUnavailable", "BadGateway", "GatewayTimeout"]) {
        GIVES_UP_LATE
    } else {
        GIVES_UP
    }
}
