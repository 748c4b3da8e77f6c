//! A page for each of the last jobs: what its row says, and its steps one by one. It has no script, and nothing of it changes.

use super::sanitize::{NAME, OTHER, sanitize, untrusted};
use super::state::run_of;
use super::time::stamp;
use super::{PageInput, STYLE, jobs, timeline};
use crate::domain::in_words::{size, span};
use crate::domain::record::JobRecord;
use crate::domain::steps::{JobSteps, MAX_STEPS};
use chrono::SecondsFormat;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::fmt::Write as _;

/// The page of this job.
pub(super) fn page(seen: &PageInput<'_>, job: &JobRecord, known: Option<&JobSteps>) -> Markup {
    let name = job.job_name.as_deref().unwrap_or_default();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (sanitize(name, NAME)) " · " (sanitize(&seen.identity.runner_name, NAME)) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (untrusted(name, NAME)) }
                    p { a href="../" { "All jobs of " (untrusted(&seen.identity.runner_name, NAME)) } }
                }
                main {
                    section #job aria-labelledby="job-is" {
                        h2 #job-is { "Job" }
                        (facts(seen, job))
                    }
                    section #usage aria-labelledby="usage-is" {
                        h2 #usage-is { "Where the time went" }
                        (usage(job))
                    }
                    section #steps aria-labelledby="steps-are" {
                        h2 #steps-are { "Steps" }
                        @match known {
                            Some(known) => (timeline::timeline(known, MAX_STEPS, NAME)),
                            None => p.reason { "Nothing is known of its steps." },
                        }
                    }
                }
                footer { p { "All times are UTC." } }
            }
        }
    }
}

fn facts(seen: &PageInput<'_>, job: &JobRecord) -> Markup {
    let context = &job.context;
    let texts = [
        ("Workflow", &context.workflow),
        ("Repository", &context.repository),
        ("Event", &context.event),
        ("Ref", &context.git_ref),
        ("Commit", &context.sha),
        ("Actor", &context.actor),
        ("Cause", &job.cause),
        ("GitHub's conclusion", &job.conclusion),
    ];
    html! {
        dl {
            dt { "Status" }
            dd { (jobs::status(job.status)) }
            @if let Some(run) = &context.run_id {
                dt { "Run" }
                dd { (run_of(run, context.repository.as_deref(), context.run_attempt.as_deref(), seen.site)) }
            }
            @for (name, text) in texts {
                @if let Some(text) = text {
                    dt { (name) }
                    dd { (untrusted(text, OTHER)) }
                }
            }
        }
    }
}

fn usage(job: &JobRecord) -> Markup {
    let spans = [
        ("Waited for a runner", job.queue_time),
        ("Took", job.duration),
        ("Processor time", job.usage.cpu_time),
    ];
    html! {
        dl {
            @if let Some(at) = job.started_at {
                dt { "Started" }
                dd { (stamp(at)) }
            }
            dt { "Finished" }
            dd { (stamp(job.timestamp)) }
            @for (name, took) in spans {
                @if let Some(took) = took {
                    dt { (name) }
                    dd { (span(took)) }
                }
            }
            @if let Some(peak) = job.usage.peak_memory {
                dt { "Peak memory" }
                dd { (size(peak)) }
            }
        }
    }
}

/// `17203344551_build?started_at=…`: what follows `jobs/` for this job. An id is a job's word.
pub(super) fn path(row: &JobRecord) -> String {
    let mut path = String::new();
    for byte in row.job_id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    if let Some(at) = row.started_at {
        let _ = write!(path, "?started_at={}", at.to_rfc3339_opts(SecondsFormat::Millis, true));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[test]
    fn what_leads_to_a_job_is_no_other_path() {
        let started_at = DateTime::from_timestamp_millis(1_800_000_001_123);
        let row = JobRecord { job_id: "7_build".into(), started_at, ..JobRecord::blank() };
        assert_eq!(path(&row), "7_build?started_at=2027-01-15T08:00:01.123Z");
        let odd = JobRecord { job_id: "../x?y#z \"<é".into(), started_at: None, ..row };
        assert_eq!(path(&odd), "%2E%2E%2Fx%3Fy%23z%20%22%3C%C3%A9");
    }
}
