//! Creating a session: what a user sees before, instead of, and after `Listening for Jobs` (runner-facts §1.2).

use super::configure;
use super::listener::{Flow, Listener};
use super::scenario::Session;
use std::ops::ControlFlow;

/// Pause between two tries to create a session.
const RETRY_MS: u64 = 30_000;
/// How long session conflicts are endured.
const CONFLICT_MS: u64 = 240_000;

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
            Session::Deprecated => return self.deprecated(),
            Session::ClockSkew => {
                let stopped = "Stopped retrying OAuth token request exception after 1800 seconds.";
                return self.refuse(&[CLOCK_SKEW, stopped], 1);
            }
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
        let version = self.state.version.as_ref().unwrap_or(&self.scenario.version);
        self.terminal.line(&format!("Current runner version: '{version}'"));
        self.terminal.stamped("Listening for Jobs");
    }

    /// The first error of a streak, on stderr.
    pub(crate) fn connect_error(&self, message: &str) {
        self.terminal.stamped_error(&format!("Runner connect error: {message}. Retrying until reconnected."));
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

    fn deprecated(&self) -> Flow {
        let told = self.env.is_true("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE");
        self.refuse(&[&self.deprecation()], if told { 7 } else { 1 })
    }

    /// The server's text for a version it refuses.
    pub(crate) fn deprecation(&self) -> String {
        let version = self.state.version.as_ref().unwrap_or(&self.scenario.version);
        format!("An error occurred: Runner version v{version} is deprecated and cannot receive messages.")
    }

    /// Tells why, and leaves.
    pub(crate) fn refuse(&self, lines: &[&str], code: i32) -> Flow {
        for line in lines {
            self.terminal.error(line);
        }
        ControlFlow::Break(code)
    }

    /// The server no longer knows the runner: the local registration goes, and that is a success.
    pub(crate) fn deleted_on_server(&self) -> Flow {
        let text = "The runner no longer exists on the server. Cleaning up local configuration.";
        self.terminal.error(text);
        configure::delete_local(&self.root, &self.terminal);
        ControlFlow::Break(0)
    }
}
