//! Of an event's body nothing is believed but a plausible time, and only of the events that tell one.

use runner_init::domain::context::{commit_time, tells_commit_time};

const EVENTS: [&str; 6] = ["push", "workflow_run", "merge_group", "check_suite", "pull_request", ""];

pub(super) fn run(bytes: &[u8]) {
    for event in EVENTS {
        let Some(at) = commit_time(event, bytes, super::utc()) else { continue };
        assert!(tells_commit_time(event), "{event}");
        assert!(at.timestamp() >= 1_104_537_600, "before git was there: {at}");
        assert!(at.signed_duration_since(super::utc()).num_hours() <= 24, "far ahead: {at}");
    }
}
