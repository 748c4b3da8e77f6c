//! A runner with a day behind it, at a fixed time: in every state, with hostile words alone, and pages with a fault planted.

use super::lived;
use chrono::{DateTime, Utc};
use runner_init::domain::context::Context;
use runner_init::domain::event::GhostCause;
use runner_init::domain::identity::Identity;
use runner_init::domain::record::JobRecord;
use runner_init::domain::status::{CurrentJob, State, Status};
use runner_init::http::page::Site;
use std::sync::Arc;

/// The clock of every scene: 2026-11-23 09:30:00 UTC.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_426_200, 0).expect("in range")
}

fn before(seconds: i64) -> DateTime<Utc> {
    now() - chrono::TimeDelta::seconds(seconds)
}

pub(crate) fn identity() -> Identity {
    Identity {
        runner_name: "runner-7".into(),
        runner_type: "chrome-go".into(),
        init_version: env!("CARGO_PKG_VERSION"),
        arch: "x86_64",
        ephemeral: false,
        started_at: before(273_840),
    }
}

pub(crate) fn site() -> Site {
    let bounds = [10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 21_600].map(f64::from);
    Site { bounds: bounds.to_vec(), server_url: Some("https://github.com".into()) }
}

/// The runner in this state, as the supervisor would tell it.
pub(crate) fn in_state(state: State) -> Status {
    let is_new = matches!(state, State::Starting | State::Registering);
    let (busy, job) = lived::busy(now());
    let (reason, since) = match state {
        State::Starting => ("waiting for the listener's session", 4),
        State::Registering => ("registering with GitHub", 6),
        State::Idle => ("the session is live", 312),
        State::Busy => ("the session is live", (now() - job.started_at).num_seconds()),
        State::Disconnected => ("the listener has lost its connection to GitHub", 95),
        State::Ghost => ("the server no longer knows this runner", 21),
        State::Draining => ("letting the running job finish, then leaving", 48),
        State::Backoff => ("the listener ended (retryable_error)", 17),
        State::Stopped => ("left: asked", 1),
    };
    let day = match state {
        State::Busy | State::Draining => busy,
        _ => lived::day(before(since.max(312))),
    };
    let rows = if is_new { Vec::new() } else { day.rows };
    let status = Status {
        state,
        reason: reason.into(),
        since: before(since),
        job: None,
        runner_version: Some("2.336.0".into()).filter(|_| !is_new),
        ghost: None,
        failures: 0,
        launch_due: None,
        leave_by: None,
        finished: lived::results(&rows),
        recent: last(&rows, 50),
        caches: if is_new { Arc::new([]) } else { lived::caches() },
        steps: if is_new { Arc::default() } else { Arc::new(day.steps) },
    };
    match state {
        State::Busy => Status { job: Some(job), ..status },
        State::Draining => Status { job: Some(job), leave_by: Some(before(-3180)), ..status },
        State::Ghost => Status { ghost: Some(GhostCause::RegistrationDeleted), failures: 2, ..status },
        State::Backoff => Status { failures: 3, launch_due: Some(before(-23)), ..status },
        State::Idle => status,
        State::Starting | State::Registering | State::Disconnected | State::Stopped => {
            Status { recent: last(&status.recent, 12), ..status }
        }
    }
}

/// The newest of them: the fewer there are, the sooner a browser has looked at them.
pub(crate) fn last(rows: &[JobRecord], most: usize) -> Arc<[JobRecord]> {
    rows[rows.len().saturating_sub(most)..].into()
}

fn context(workflow: &str, repository: &str) -> Context {
    Context { workflow: Some(workflow.into()), repository: Some(repository.into()), ..Context::default() }
}

/// What a job may call itself.
pub(crate) fn hostile_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "<script>window.pwned=1;alert('script')</script>",
        "\"><img src=x onerror=\"window.pwned=1;alert('img')\">",
        "'><svg onload=alert(1)><style>*{display:none}</style>",
        "</title></style></script><iframe src=javascript:alert(1)>",
        "--></main><form action=https://evil.example><input autofocus onfocus=alert(1)>",
        "<a href=\"javascript:window.pwned=1\" style=\"position:fixed;inset:0\">",
        "<meta http-equiv=refresh content=\"0;url=https://evil.example\">",
        "<link rel=stylesheet href=https://evil.example/x.css>",
        "{{constructor.constructor('alert(1)')()}} ${7*7} <%= 7*7 %> #{7*7}",
        "&lt;script&gt; &amp;quot; &#60;img&#62; %3Cscript%3E",
        "\u{202e}gnp.exe\u{2066}\u{2069}\u{200f} right to left",
        "\u{200b}\u{feff}\u{ad}\u{2028}\u{1b}[31m\r\n\0 invisible",
        "עברית مرحبا 部署 🚀 👩\u{200d}💻",
        " ",
    ]
    .map(String::from)
    .into();
    names.push("x".repeat(64 * 1024));
    names.push("<b>".repeat(22 * 1024));
    names.push(format!("e{}", "\u{301}\u{489}".repeat(300)));
    names.push("\u{202e}".repeat(1024));
    names
}

/// A busy runner with a hostile word wherever a job can put one.
pub(crate) fn hostile() -> Status {
    let names = hostile_names();
    let word = |at: usize| names[at % names.len()].clone();
    let rows = lived::day(before(60)).rows;
    let row = |at: usize| JobRecord {
        job_name: Some(word(at)),
        context: context(&word(at + 1), &word(at + 2)),
        ..rows[at].clone()
    };
    Status {
        reason: word(1),
        runner_version: Some(word(2)),
        job: Some(CurrentJob {
            name: word(0),
            started_at: before(3724),
            workflow: Some(word(10)),
            repository: Some(word(5)),
            run_id: Some(word(3)),
            run_attempt: Some(word(4)),
        }),
        recent: (0..50).map(row).collect(),
        ..in_state(State::Busy)
    }
}
