//! The state section of the status page. What the runner is and does at this moment: who, in which state, why, since
//! when, with which verdicts and which job.

use super::sanitize::{NAME, OTHER, untrusted};
use super::time::{between, machine, stamp, stamp_and_distance};
use super::{PageInput, Site};
use crate::domain::context::Context;
use crate::domain::event::GhostCause;
use crate::domain::in_words::whole;
use crate::domain::status::{State, Status, Verdict, health, readiness};
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

/// The state, why, what follows from it, and what to do about a bad one.
pub(super) fn section(status: &Status, now: DateTime<Utc>) -> Markup {
    html! {
        section #state aria-labelledby="state-is" {
            h2 #state-is { span.word { (status.state.as_str()) } }
            p.reason { (untrusted(&status.reason, REASON)) }
            ul.verdicts {
                (verdict(("yes", "✓", "Ready"), ("off", "–", "Not ready"), &readiness(status), status))
                (verdict(("yes", "✓", "Healthy"), ("no", "✗", "Unhealthy"), &health(status, now), status))
            }
            dl {
                dt { "Since" }
                dd { (stamp_and_distance(status.since, now)) }
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
                @if let Some(next) = next_step(status.state) {
                    dt { "What next" }
                    dd { (next) }
                }
            }
        }
    }
}

/// A colour, an icon and a word for either answer. Not to be ready is no fault.
type VerdictText = (&'static str, &'static str, &'static str);

/// With its reason where that says more than the state has said.
fn verdict(good: VerdictText, bad: VerdictText, verdict: &Verdict, status: &Status) -> Markup {
    let (class, icon, word) = if verdict.ok { good } else { bad };
    let said = format!("{}: {}", status.state.as_str(), status.reason);
    let more = !verdict.ok && status.ghost.is_none() && !said.contains(&verdict.reason);
    html! {
        li {
            span.mark.(class) aria-hidden="true" { (icon) } " " (word)
            @if more { ": " (untrusted(&verdict.reason, REASON)) }
        }
    }
}

/// What happens by itself, and what a person can do; nothing where all is well.
fn next_step(state: State) -> Option<&'static str> {
    match state {
        State::Starting | State::Registering | State::Idle | State::Busy => None,
        State::Disconnected => Some(
            "The listener tries again by itself. If that lasts: DNS, proxy, firewall, GitHub's status page.",
        ),
        State::Ghost => Some(
            "It registers anew where its credential can, else it leaves with code 1. If it comes back: two containers of one name, or somebody deletes runners.",
        ),
        State::Draining => Some("It takes no further job. A second signal cancels the one that runs."),
        State::Backoff => Some("It is launched again at that time. Why it ended: the container's log."),
        State::Stopped => Some("The container ends. Its exit code says why."),
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

/// The job that runs, with what is known of it; nothing if none does.
pub(super) fn job(seen: &PageInput<'_>, now: DateTime<Utc>) -> Markup {
    let Some(job) = &seen.status.job else { return html! {} };
    html! {
        section #job aria-labelledby="job-is" {
            h2 #job-is { "Running job" }
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

/// A run, as a link to its page where that can be known.
pub(super) fn run_of(run: &str, repository: Option<&str>, attempt: Option<&str>, site: &Site) -> Markup {
    let again = attempt.filter(|attempt| *attempt != "1");
    html! {
        (linked(link(site.server_url.as_deref(), run, repository), &untrusted(run, OTHER)))
        @if let Some(attempt) = again { ", attempt " (untrusted(attempt, OTHER)) }
    }
}

/// The workflow of a job, which leads to its run.
pub(super) fn workflow_of(context: &Context, server: Option<&str>) -> Markup {
    let run = context.run_id.as_deref().unwrap_or_default();
    let workflow = untrusted(context.workflow.as_deref().unwrap_or_default(), OTHER);
    linked(link(server, run, context.repository.as_deref()), &workflow)
}

fn linked(href: Option<String>, text: &Markup) -> Markup {
    html! { @match href { Some(href) => a href=(href) rel="noreferrer" { (text) }, None => (text) } }
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
