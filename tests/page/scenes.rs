//! Fabricated runners at a fixed time: one in every state, one whose every word is hostile, and pages with a fault planted.

use chrono::{DateTime, Utc};
use runner_init::domain::cache::{CacheShare, CacheType};
use runner_init::domain::context::Context;
use runner_init::domain::event::GhostCause;
use runner_init::domain::identity::Identity;
use runner_init::domain::record::{JobRecord, JobStatus, RowStatus};
use runner_init::domain::status::{CurrentJob, State, Status};
use runner_init::domain::steps::{JobSteps, KnownSteps, Step, StepKind, StepResult, StepsRow};
use runner_init::http::page::Site;
use std::sync::Arc;
use std::time::Duration;

/// When the running job began, in seconds before that.
const JOB_BEGAN: i64 = 3724;

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
    let (reason, since) = match state {
        State::Starting => ("waiting for the listener's session", 4),
        State::Registering => ("registering with GitHub", 6),
        State::Idle => ("the session is live", 312),
        State::Busy => ("the session is live", JOB_BEGAN),
        State::Disconnected => ("the listener has lost its connection to GitHub", 95),
        State::Ghost => ("the server no longer knows this runner", 21),
        State::Draining => ("letting the running job finish, then leaving", 48),
        State::Backoff => ("the listener ended (retryable_error)", 17),
        State::Stopped => ("left: asked", 1),
    };
    let is_new = matches!(state, State::Starting | State::Registering);
    // One runner has one job: before this one began the last had ended.
    let day =
        || day(if matches!(state, State::Busy | State::Draining) { JOB_BEGAN + 11 } else { since.max(312) });
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
        recent: if is_new { Arc::new([]) } else { day() },
        finished: if is_new { [0; 5] } else { [1164, 61, 19, 8, 3] },
        caches: if is_new { Arc::new([]) } else { caches() },
        steps: if is_new { Arc::default() } else { steps(&day()) },
    };
    match state {
        State::Busy => Status { job: Some(job()), ..status },
        State::Draining => Status { job: Some(job()), leave_by: Some(before(-3180)), ..status },
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

fn job() -> CurrentJob {
    CurrentJob {
        name: "test (ubuntu-24.04, go 1.26)".into(),
        started_at: before(JOB_BEGAN),
        workflow: Some("Continuous integration".into()),
        repository: Some("acme/storefront".into()),
        run_id: Some("19273645518".into()),
        run_attempt: Some("2".into()),
    }
}

fn caches() -> Arc<[CacheShare]> {
    let share = |kind, hits, requests| CacheShare { kind, hits, requests };
    Arc::new([
        share(CacheType::Actions, 88, 100),
        share(CacheType::Buildkit, 61, 96),
        share(CacheType::Npm, 100, 100),
    ])
}

/// An ordinary day: fifty jobs, the same every time; the last ended so many seconds ago.
fn day(ended: i64) -> Arc<[JobRecord]> {
    /// Name, workflow, repository, branch, and its usual seconds.
    const JOBS: [(&str, &str, &str, &str, u64); 6] = [
        ("test (ubuntu-24.04, go 1.26)", "Continuous integration", "acme/storefront", "pull/1187/merge", 240),
        ("lint", "Continuous integration", "acme/storefront", "pull/1187/merge", 38),
        ("e2e / chrome", "End-to-end tests", "acme/storefront", "heads/main", 1260),
        ("build and push image", "Release", "acme/payments-api", "tags/v4.2.0", 410),
        ("deploy-production", "Deploy", "acme/payments-api", "heads/main", 95),
        ("analyse", "CodeQL", "acme/design-system", "heads/tokens-of-2027", 640),
    ];
    const ACTORS: [&str; 3] = ["mona", "hubot", "octocat"];
    let mut seed = 7_u64;
    let mut ended = ended;
    let row = |number: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chance = (seed >> 33) % 100;
        let (name, workflow, repository, branch, usual) =
            JOBS[usize::try_from((seed >> 40) % 6).expect("small")];
        let status = match chance {
            0..86 => JobStatus::Success,
            86..93 => JobStatus::Failed,
            93..97 => JobStatus::Cancelled,
            97 => JobStatus::Skipped,
            _ => JobStatus::Abandoned,
        };
        let millis = usual * (600 + (seed >> 45) % 900);
        let timestamp = before(ended);
        ended += i64::try_from(millis / 1000).expect("small") + i64::try_from(chance).expect("small") * 9;
        JobRecord {
            timestamp,
            started_at: Some(
                timestamp - chrono::TimeDelta::milliseconds(i64::try_from(millis).expect("small")),
            ),
            job_id: format!("1927364{number:04}_job"),
            status: RowStatus::Finished(status),
            duration: (status != JobStatus::Abandoned).then(|| Duration::from_millis(millis)),
            queue_time: (!chance.is_multiple_of(5)).then(|| Duration::from_millis(1200 + chance * 210)),
            job_name: Some(name.into()),
            context: Context {
                run_id: Some(format!("1927364{number:04}")),
                git_ref: Some(format!("refs/{branch}")),
                sha: Some(format!("{seed:016x}{seed:016x}{number:08x}")),
                actor: Some(ACTORS[usize::try_from((seed >> 50) % 3).expect("small")].into()),
                ..context(workflow, repository)
            },
            ..JobRecord::blank()
        }
    };
    let mut rows: Vec<JobRecord> = (0..50).map(row).collect();
    rows.reverse();
    rows.into()
}

/// Steps of all these jobs, each as long as its job.
fn steps(rows: &[JobRecord]) -> Arc<KnownSteps> {
    use StepKind::{CleanUp, Main, Post, SetUp};
    /// Number, name, kind, and how much of the job is over when it ends, in thousandths.
    const STEPS: [(u32, &str, StepKind, i64); 9] = [
        (1, "Set up job", SetUp, 20),
        (2, "Run actions/checkout@v5", Main, 45),
        (3, "Restore the cache", Main, 130),
        (4, "Install dependencies", Main, 260),
        (5, "Build", Main, 540),
        (6, "Test", Main, 930),
        (7, "Publish the report", Main, 930),
        (14, "Post Restore the cache", Post, 985),
        (16, "Complete job", CleanUp, 1000),
    ];
    let mut known = KnownSteps::default();
    for row in rows {
        let Some(from) = row.started_at else { continue };
        let all = (row.timestamp - from).num_milliseconds();
        let is_fine = row.status == RowStatus::Finished(JobStatus::Success);
        let mut before = from;
        let steps = STEPS.map(|(number, name, kind, share)| {
            let (started, ended) = (before, from + chrono::TimeDelta::milliseconds(all * share / 1000));
            before = ended;
            let result = match (number, is_fine) {
                (6, false) => StepResult::Failure,
                (7, false) => StepResult::Skipped,
                _ => StepResult::Success,
            };
            let name = name.to_owned();
            Step { number, name, kind, result: Some(result), started, ended: ended.max(started) }
        });
        known.push(StepsRow::of(row, JobSteps::new(steps)).expect("it began"));
    }
    Arc::new(known)
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
    let row = |at: usize| JobRecord {
        job_name: Some(word(at)),
        context: context(&word(at + 1), &word(at + 2)),
        ..day(60)[at].clone()
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
