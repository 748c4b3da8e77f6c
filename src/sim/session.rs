//! Creating a session: what a user sees before, instead of, and after `Listening for Jobs` (runner-facts §1.2).

use super::configure;
use super::listener::{Flow, Listener};
use super::scenario::{Disconnect, Recovery, Session};
use std::ops::ControlFlow;

/// Pause between two tries to create a session.
const RETRY_MS: u64 = 30_000;
/// How long session conflicts are endured: seven more tries, though the words at the end say 240 s.
const CONFLICT_MS: u64 = 210_000;
/// How long a wrong clock is.
const SKEW_MS: u64 = 1_800_000;

const DELETED: &str = "Failed to create a session. The runner registration has been deleted from the server, please \
                       re-configure. Runner registrations are automatically deleted for runners that have not \
                       connected to the service recently.";
const NOT_FOUND: &str = "The runner no longer exists on the server. Please reconfigure the runner.";
const CLOCK_SKEW: &str = "The local machine's clock may be out of sync with the server time by more than five minutes. \
                          Please sync your clock with your domain or internet time and try again.";

impl Listener {
    /// Creates the session, or leaves with the code of the refusal.
    pub(crate) fn connect(&mut self) -> Flow {
        self.banner();
        self.idle(Some(self.launch.connect_ms))?;
        match self.launch.session.clone() {
            Session::Ok => {}
            Session::Conflict { clears_after_ms } => self.conflict(clears_after_ms)?,
            Session::Unreachable { message, recovers_after_ms } => {
                self.connect_error(&message);
                self.retry(recovers_after_ms, u64::MAX, "")?;
            }
            Session::Deleted => return self.refuse(&[DELETED], 1),
            Session::NotFoundOnServer => return self.refuse(&[NOT_FOUND], 1),
            Session::Deprecated => {
                // The session is given; the first poll is refused.
                self.listening();
                return self.deprecated();
            }
            Session::ClockSkew => return self.clock_skew(),
            Session::Failed { message } => {
                return self.refuse(&[&format!("Failed to create session. {message}")], 1);
            }
        }
        self.listening();
        ControlFlow::Continue(())
    }

    /// `√ Connected to GitHub` between two empty lines; it proves nothing.
    pub(crate) fn banner(&self) {
        self.terminal.line("");
        self.terminal.success("Connected to GitHub");
        self.terminal.line("");
    }

    /// The version, and that it listens.
    pub(crate) fn listening(&self) {
        self.terminal.line(&format!("Current runner version: '{}'", self.version()));
        self.terminal.stamped("Listening for Jobs");
    }

    /// The first error of a streak, on stderr.
    pub(crate) fn connect_error(&self, message: &str) {
        self.terminal.stamped_error(&format!("Runner connect error: {message}. Retrying until reconnected."));
    }

    /// The last of a row of polls has failed. The V2 flow tells the first such row only, and its trace all of them.
    pub(crate) fn lost(&self, lost: &Disconnect) {
        const LISTENER: &str = "BrokerMessageListener";
        if lost.recovery == Recovery::Printed {
            return self.connect_error(&lost.message);
        }
        self.terminal.failure(LISTENER, "Catch exception during get next message.");
        self.terminal.info(LISTENER, &format!("Retriable exception: {}", lost.message));
        if lost.told {
            self.connect_error(&lost.message);
        }
        let seconds = self.pace.ms(lost.ms).as_secs_f64();
        self.terminal.info(LISTENER, &format!("Sleeping for {seconds:.3} seconds before retrying."));
    }

    fn conflict(&mut self, clears_after_ms: Option<u64>) -> Flow {
        const CONFLICT: &str = "A session for this runner already exists.";
        self.terminal.error(CONFLICT);
        self.connect_error("Error: Conflict");
        self.retry(clears_after_ms, CONFLICT_MS, CONFLICT)?;
        if clears_after_ms.is_some_and(|ms| ms <= CONFLICT_MS) {
            return ControlFlow::Continue(());
        }
        let stopped = "Stop retry on SessionConflictException after retried for 240 seconds.";
        self.refuse(&[stopped, "Failed to create session. Error: Conflict"], 5)
    }

    /// Tries again every 30 s, each time with a banner and `error`, until it succeeds or `limit_ms` have passed.
    fn retry(&mut self, succeeds_after_ms: Option<u64>, limit_ms: u64, error: &str) -> Flow {
        let mut elapsed = 0;
        while elapsed < limit_ms {
            self.idle(Some(RETRY_MS))?;
            elapsed += RETRY_MS;
            self.banner();
            if succeeds_after_ms.is_some_and(|ms| ms <= elapsed) {
                self.terminal.stamped("Runner reconnected.");
                return ControlFlow::Continue(());
            }
            if !error.is_empty() {
                self.terminal.error(error);
            }
        }
        ControlFlow::Continue(())
    }

    fn clock_skew(&mut self) -> Flow {
        self.terminal.error(CLOCK_SKEW);
        self.connect_error(
            "The token expired on 01/01/2026 00:00:00. Current server time is 01/01/2026 01:00:00.",
        );
        self.retry(None, SKEW_MS, CLOCK_SKEW)?;
        self.refuse(&["Stopped retrying OAuth token request exception after 1800 seconds."], 1)
    }

    fn deprecated(&self) -> Flow {
        let told = self.env.is_true("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE");
        self.refuse(&[&self.deprecation()], if told { 7 } else { 1 })
    }

    /// The server's text for a version it refuses.
    pub(crate) fn deprecation(&self) -> String {
        let occurred = if self.is_before(2, 333) { "occured" } else { "occurred" };
        let version = self.version();
        format!("An error {occurred}: Runner version v{version} is deprecated and cannot receive messages.")
    }

    fn version(&self) -> &str {
        self.state.version.as_ref().unwrap_or(&self.scenario.version)
    }

    /// Whether this version is older than that one.
    fn is_before(&self, major: u32, minor: u32) -> bool {
        let mut parts = self.version().split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < (major, minor)
    }

    /// Tells why, and leaves.
    pub(crate) fn refuse(&self, lines: &[&str], code: i32) -> Flow {
        for line in lines {
            self.terminal.error(line);
        }
        ControlFlow::Break(code)
    }

    /// The server no longer knows the runner: the local registration goes, and that is a success. Before 2.336 it stayed, and was
    /// none.
    pub(crate) fn deleted_on_server(&self) -> Flow {
        if self.is_before(2, 336) {
            return self.refuse(&["An error occurred: Runner not found"], 1);
        }
        let text = "The runner no longer exists on the server. Cleaning up local configuration.";
        self.terminal.error(text);
        configure::delete_local(&self.root, &self.terminal);
        ControlFlow::Break(0)
    }
}
