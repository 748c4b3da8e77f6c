//! The state section of the status page. What the runner is and does at this moment: who, in which state, why, since
//! when, with which verdicts and which job.

use super::sanitize::{NAME, OTHER, untrusted};
use super::time::{between, machine, stamp, stamp_and_distance};
use super::{PageInput, Site};
use crate::domain::event::GhostCause;
use crate::domain::in_words::whole;
use crate::domain::status::{Status, Verdict, health, readiness};
use crate::domain::target::Target;
use chrono::{DateTime, Utc};
use maud::{Markup, html};

/// Characters shown of a reason.
const REASON: usize = 240;

/// Who this is, and of when the page is.
pub(super) fn header(seen: &PageInput<'_>, now: DateTime<Utc>) -> Markup {
    let identity = seen.identity;
    html! {
        header {
            h1 { (untrusted(&identity.runner_name, NAME)) }
            ul.facts {
                li { (identity.runner_type) }
                @if identity.ephemeral { li { "ephemeral" } }
                @if let Some(version) = &seen.status.runner_version { li { "runner " (untrusted(version, OTHER)) } }
                li { "runner-init " (identity.init_version) }
                li { "up " (whole(between(identity.started_at, now))) }
            }
            p #asof { "As of " (stamp(now)) }
        }
    }
}

/// The state, why, and what follows from it.
pub(super) fn section(status: &Status, now: DateTime<Utc>) -> Markup {
    html! {
        section #state aria-labelledby="state-is" {
            h2 #state-is { span.word { (status.state.as_str()) } }
            p.reason { (untrusted(&status.reason, REASON)) }
            dl {
                dt { "Since" }
                dd { (stamp_and_distance(status.since, now)) }
                (verdict(("yes", "✓", "Ready"), ("off", "–", "Not ready"), &readiness(status)))
                (verdict(("yes", "✓", "Healthy"), ("no", "✗", "Unhealthy"), &health(status, now)))
                @if let Some(cause) = status.ghost {
                    dt { "Ghost because" }
                    dd { (in_words(cause)) }
                }
                @if status.failures > 0 {
                    dt { "Failures in a row" }
                    dd { (status.failures) }
                }
                @if let Some(due) = status.launch_due {
                    dt { "Next launch" }
                    dd { (stamp_and_distance(due, now)) }
                }
                @if let Some(end) = status.leave_by {
                    dt { "Leaves by" }
                    dd { (stamp_and_distance(end, now)) }
                }
            }
        }
    }
}

/// A colour, an icon and a word for either answer. Not to be ready is no fault.
type VerdictText = (&'static str, &'static str, &'static str);

fn verdict(good: VerdictText, bad: VerdictText, verdict: &Verdict) -> Markup {
    let (class, icon, word) = if verdict.ok { good } else { bad };
    html! {
        dt { span.mark.(class) aria-hidden="true" { (icon) } " " (word) }
        dd { (untrusted(&verdict.reason, REASON)) }
    }
}

fn in_words(cause: GhostCause) -> &'static str {
    match cause {
        GhostCause::RegistrationDeleted => "the registration was deleted on the server",
        GhostCause::NotOnServer => "GitHub does not know this runner",
        GhostCause::RemovedByServer => "GitHub has removed this runner",
        GhostCause::RegistrationNotFound => "GitHub does not find the registration",
    }
}

/// The job that runs, with what is known of it.
pub(super) fn job(seen: &PageInput<'_>, now: DateTime<Utc>) -> Markup {
    html! {
        section #job aria-labelledby="job-is" {
            h2 #job-is { "Running job" }
            @match &seen.status.job {
                None => p.reason { "No job is running." },
                Some(job) => {
                    p.name { (untrusted(&job.name, NAME)) }
                    p.running { "running for " b { (whole(between(job.started_at, now))) } }
                    dl {
                        dt { "Started" }
                        dd { (stamp(job.started_at)) }
                        @if let Some(workflow) = &job.workflow {
                            dt { "Workflow" }
                            dd { (untrusted(workflow, NAME)) }
                        }
                        @if let Some(repository) = &job.repository {
                            dt { "Repository" }
                            dd { (untrusted(repository, NAME)) }
                        }
                        @if let Some(run) = &job.run_id {
                            dt { "Run" }
                            dd { (run_of(run, job.repository.as_deref(), job.run_attempt.as_deref(), seen.site)) }
                        }
                    }
                }
            }
        }
    }
}

/// A run, as a link to its page where that can be known.
pub(super) fn run_of(run: &str, repository: Option<&str>, attempt: Option<&str>, site: &Site) -> Markup {
    let again = attempt.filter(|attempt| *attempt != "1");
    html! {
        @match link(site.server_url.as_deref(), run, repository) {
            Some(href) => a href=(href) rel="noreferrer" { (untrusted(run, OTHER)) },
            None => (untrusted(run, OTHER)),
        }
        @if let Some(attempt) = again { ", attempt " (untrusted(attempt, OTHER)) }
    }
}

/// A job could call its repository anything: only what can be one becomes part of a link.
fn link(server: Option<&str>, run: &str, repository: Option<&str>) -> Option<String> {
    let (server, repository) = (server?, repository?);
    let is_number = !run.is_empty() && run.bytes().all(|b| b.is_ascii_digit());
    let Target::Repository { owner, name } = Target::repository(repository).ok().filter(|_| is_number)?
    else {
        return None;
    };
    Some(format!("{server}/{owner}/{name}/actions/runs/{run}"))
}

/// A bare moment in a table: short to read, whole for machines.
pub(super) fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! { time datetime=(machine(at)) { (at.format("%d %b %H:%M")) } " · " (super::time::relative(at, now)) }
}
