//! Long polls, read from the listener's trace. Whether a listener that has lost GitHub polls again is read from its own
//! trace: a poll that fails is told, one that is held is not.
//!
//! Each failed try leaves a line, then how long it waits before the next; a poll that GitHub holds or answers leaves none. So
//! silence for that wait and the client's time-out behind it means that a poll is held. Where a token was fetched first, the
//! poll went out right behind it, and silence counts from there.

use super::parse::trace_record;
use chrono::NaiveDateTime;
use std::time::Duration;

/// The listener's HTTP client waits so long for an answer, and writes its line a moment later.
const HELD: Duration = Duration::from_secs(105);
/// A poll that is going to be refused has been by then: the client's own retries of a 503 take up to 50 s.
const REFUSED: Duration = Duration::from_secs(60);
/// The longest wait between two tries, in any version; a job can write such lines too.
const LONGEST: Duration = Duration::from_secs(60);
/// The most that a try is believed to take (`GITHUB_ACTIONS_RUNNER_HTTP_TIMEOUT`).
const SLOWEST: Duration = Duration::from_secs(1200);
/// For the line that ends a try.
const MARGIN: Duration = Duration::from_secs(5);

/// A record of the trace that tells something of the polls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceWord {
    /// Its time in whole seconds, by the wall clock.
    stamp: i64,
    says: Says,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Says {
    /// A try has failed.
    Failed,
    /// A row of tries has failed; why.
    GaveUp(String),
    /// So it was told on stderr.
    Told,
    /// The next try comes after this; `true`: it is the first of a new row.
    Waits(Duration, bool),
    /// A token was fetched: a poll follows at once.
    Token,
}

/// Reads a line of `_diag/Runner_*.log`; `None` if it tells nothing of the polls.
pub fn read(line: &[u8]) -> Option<TraceWord> {
    let line = str::from_utf8(line).ok()?;
    let (stamp, source, message) = trace_record(line.strip_prefix('[')?)?;
    let wait = |text: &str, new| {
        let seconds: f64 = text.split(' ').next()?.parse().ok()?;
        let wait = Duration::try_from_secs_f64(seconds).ok()?;
        Some(Says::Waits(wait.min(LONGEST), new))
    };
    let says = match source {
        "BrokerServer" => match message.strip_prefix("Back off ") {
            Some(rest) => wait(rest, false)?,
            None => (message == "Catch exception during request").then_some(Says::Failed)?,
        },
        "BrokerMessageListener" | "MessageListener" => {
            if let Some(cause) = message.strip_prefix("Retriable exception: ") {
                Says::GaveUp(cause.to_owned())
            } else if let Some(rest) = message.strip_prefix("Sleeping for ") {
                wait(rest, true)?
            } else {
                message.starts_with("Catch exception during ").then_some(Says::Failed)?
            }
        }
        "GitHubActionsService" => {
            message.starts_with("AAD Correlation ID for this token request").then_some(Says::Token)?
        }
        "Terminal" => {
            let sentence = message.strip_prefix("WRITE ERROR: ")?;
            sentence.contains(": Runner connect error: ").then_some(Says::Told)?
        }
        _ => return None,
    };
    let stamp = NaiveDateTime::parse_from_str(stamp, "%Y-%m-%d %H:%M:%SZ").ok()?;
    Some(TraceWord { stamp: stamp.and_utc().timestamp(), says })
}

/// What the trace has told since the connection was lost.
#[derive(Debug, Default)]
pub struct Polls {
    /// From then on silence proves that a poll is held.
    held_at: Option<Duration>,
    /// When the next try is due, by the trace's own clock.
    due: Option<i64>,
    /// How long the slowest of the failed tries took.
    slowest: Duration,
    /// A row of tries has failed, and nothing of it was seen on stderr.
    untold: Option<String>,
}

impl Polls {
    /// Takes in what was read at `up`. The listener tells its first failure only, until a message comes: the cause of a further
    /// one that it keeps to itself is the answer.
    pub fn hear(&mut self, word: TraceWord, up: Duration) -> Option<String> {
        match word.says {
            Says::Failed => {
                let took = self.due.take().map_or(0, |due| u64::try_from(word.stamp - due).unwrap_or(0));
                self.slowest = self.slowest.max(Duration::from_secs(took).min(SLOWEST));
                self.held_at = Some(up + LONGEST + self.held());
            }
            Says::GaveUp(cause) => self.untold = Some(cause),
            Says::Told => self.untold = None,
            Says::Waits(wait, new) => {
                self.held_at = Some(up + wait + self.held());
                self.due = Some(word.stamp + wait.as_secs().cast_signed());
                return self.untold.take().filter(|_| new);
            }
            Says::Token => {
                let quiet = up + REFUSED.max(self.slowest + MARGIN);
                self.held_at = Some(self.held_at.map_or(quiet, |held| held.min(quiet)));
            }
        }
        None
    }

    /// When a poll is known to be held if nothing more is read; `None`: the trace has told nothing.
    pub fn held_at(&self) -> Option<Duration> {
        self.held_at
    }

    fn held(&self) -> Duration {
        HELD.max(self.slowest + MARGIN)
    }
}

#[cfg(test)]
mod tests;
