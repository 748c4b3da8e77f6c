//! Known messages of the listener on stderr. What the listener says on stderr, in the words of every version: what the
//! next one says otherwise is one more row here.
//!
//! Seen on the real 2.330.0 and 2.336.0, and read in the releases between and around them (from 2.329 on, the oldest that
//! GitHub still serves). A sentence without a version is in all of them.

use crate::domain::event::{GhostCause, RunnerEvent, UpdateStep};

/// One sentence, and what it means; the first that fits is it.
struct Sentence {
    /// Its first words.
    begins: &'static str,
    /// Words further on; empty if its beginning tells enough.
    holds: &'static str,
    /// What it means; it is given what stands behind the beginning.
    means: fn(&str) -> RunnerEvent,
}

const fn says(begins: &'static str, means: fn(&str) -> RunnerEvent) -> Sentence {
    Sentence { begins, holds: "", means }
}

const fn with(begins: &'static str, holds: &'static str, means: fn(&str) -> RunnerEvent) -> Sentence {
    Sentence { begins, holds, means }
}

/// Lines that stand alone.
const ALONE: &[Sentence] = &[
    says("A session for this runner already exists.", |_| RunnerEvent::SessionConflict),
    says("Stop retry on SessionConflictException", |_| RunnerEvent::SessionConflictGaveUp),
    says("Failed to create a session. The runner registration has been deleted", |_| {
        RunnerEvent::Ghost(GhostCause::RegistrationDeleted)
    }),
    // Since 2.336, which then leaves with 0 and without its files; before it: `Runner not found` below.
    says("The runner no longer exists on the server. Cleaning up", |_| {
        RunnerEvent::Ghost(GhostCause::RemovedByServer)
    }),
    says("The runner no longer exists on the server", |_| RunnerEvent::Ghost(GhostCause::NotOnServer)),
    says("The local machine's clock may be out of sync", |_| RunnerEvent::ClockSkew),
    says("Runner update failed: ", |rest| RunnerEvent::Update(UpdateStep::Failed(rest.to_owned()))),
];

/// What the listener's last words begin with. Up to 2.332 some of them have one `r`.
const LAST_WORDS: [&str; 2] = ["An error occurred: ", "An error occured: "];

/// What those words tell; all others are of no kind of their own.
const LAST: &[Sentence] = &[
    with("Runner version ", "is deprecated and cannot receive messages", |_| RunnerEvent::VersionDeprecated),
    // Up to 2.335, which then leaves with 1 and its files in place.
    says("Runner not found", |_| RunnerEvent::Ghost(GhostCause::NotOnServer)),
    // Two 401 in a row: 20 ms apart since 2.336, with 40 s between them in 2.330.
    says("Get next message failed with non-retryable error", |_| RunnerEvent::PollRefused),
    with("Registration ", " was not found", |_| RunnerEvent::Ghost(GhostCause::RegistrationNotFound)),
];

/// What `Runner connect error: ` tells besides a lost connection.
const LOST: &[Sentence] =
    &[with("Registration ", " was not found", |_| RunnerEvent::Ghost(GhostCause::RegistrationNotFound))];

/// Lines that say that something is wrong for good, in whatever words.
const FATAL: [&str; 3] = [
    "Failed to create session. ",
    "Fail to create and validate runner's work directory",
    "Unhandled exception",
];

/// The meaning of a line of stderr that has no time stamp, or whose time stamp is of no matter.
pub(super) fn bare(line: &str) -> Option<RunnerEvent> {
    let fatal = || RunnerEvent::Fatal { message: line.to_owned() };
    if let Some(message) = LAST_WORDS.iter().find_map(|words| line.strip_prefix(words)) {
        return Some(find(LAST, message).unwrap_or_else(fatal));
    }
    find(ALONE, line).or_else(|| FATAL.iter().any(|words| line.starts_with(words)).then(fatal))
}

/// The meaning of a line of stderr behind its time stamp.
pub(super) fn stamped(line: &str) -> Option<RunnerEvent> {
    let message = connect_error(line)?;
    Some(find(LOST, message).unwrap_or_else(|| RunnerEvent::ConnectionError { message: message.to_owned() }))
}

/// The cause that a connect error names.
pub(super) fn connect_error(line: &str) -> Option<&str> {
    let message = line.strip_prefix("Runner connect error: ")?;
    let message = message.strip_suffix(" Retrying until reconnected.").unwrap_or(message);
    Some(message.trim_end_matches('.'))
}

fn find(sentences: &[Sentence], line: &str) -> Option<RunnerEvent> {
    sentences.iter().find_map(|sentence| {
        let rest = line.strip_prefix(sentence.begins)?;
        rest.contains(sentence.holds).then(|| (sentence.means)(rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use RunnerEvent::{ConnectionError, Fatal, Ghost, PollRefused, VersionDeprecated};

    /// As recorded, with the version that said so.
    #[test]
    fn every_version_is_understood() {
        let fatal = |line: &str| Fatal { message: line.to_owned() };
        let refused = "Failed to create session. Error: Forbidden";
        let unauthorized = "Failed to create session. You are not authorized to access http://127.0.0.1:1.";
        let given_up = "An error occurred: Connection refused (127.0.0.1:1)";
        for (version, line, event) in [
            ("2.336.0", "An error occurred: Get next message failed with non-retryable error.", PollRefused),
            ("2.330.0", "An error occurred: Get next message failed with non-retryable error.", PollRefused),
            (
                "2.336.0",
                "An error occurred: Runner version v2.336.0 is deprecated and cannot receive messages.",
                VersionDeprecated,
            ),
            (
                "2.330.0",
                "An error occured: Runner version v2.330.0 is deprecated and cannot receive messages.",
                VersionDeprecated,
            ),
            (
                "2.336.0",
                "The runner no longer exists on the server. Cleaning up local configuration.",
                Ghost(GhostCause::RemovedByServer),
            ),
            ("2.330.0", "An error occurred: Runner not found", Ghost(GhostCause::NotOnServer)),
            (
                "2.336.0",
                "An error occurred: Registration lab was not found.",
                Ghost(GhostCause::RegistrationNotFound),
            ),
            ("2.336.0", refused, fatal(refused)),
            ("2.336.0", unauthorized, fatal(unauthorized)),
            ("2.336.0", given_up, fatal(given_up)),
        ] {
            assert_eq!(bare(line), Some(event), "{version}: {line}");
        }
    }

    #[test]
    fn a_connect_error_that_names_the_registration_is_a_ghost() {
        let line =
            |cause: &str| stamped(&format!("Runner connect error: {cause}. Retrying until reconnected."));
        assert_eq!(
            line("Registration de0841aa-9c5f-4f4a-a131-9e314fc4e979 was not found."),
            Some(Ghost(GhostCause::RegistrationNotFound))
        );
        assert_eq!(
            line("Connection refused (127.0.0.1:1)"),
            Some(ConnectionError { message: "Connection refused (127.0.0.1:1)".to_owned() })
        );
    }
}
