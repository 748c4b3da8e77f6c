//! The page as text: every state, what is absent, what is hostile, and how large it may become.

use super::*;
use crate::domain::cache::{CacheShare, CacheType};
use crate::domain::context::Context;
use crate::domain::event::GhostCause;
use crate::domain::record::{JobRecord, JobStatus, RowStatus};
use crate::domain::status::CurrentJob;
use crate::domain::steps::{JobSteps, KnownSteps, Step, StepKind, StepResult, StepsRow};
use std::sync::Arc;
use std::time::Duration;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
}

fn status(state: State) -> Status {
    Status::of(state, at(-75))
}

fn draw(status: &Status) -> String {
    let identity = Identity { started_at: at(-7200), ..Identity::somebody() };
    let site = Site { bounds: vec![10.0, 60.0, 300.0], server_url: Some("https://github.com".into()) };
    page(&PageInput { identity: &identity, site: &site, status }, at(0)).into_string()
}

fn row(name: &str) -> JobRecord {
    JobRecord {
        timestamp: at(-60),
        status: RowStatus::Finished(JobStatus::Failed),
        job_name: Some(name.into()),
        ..JobRecord::blank()
    }
}

#[test]
fn every_state_is_named_explained_and_dated() {
    for state in State::ALL {
        let text = draw(&status(state));
        let word = state.as_str();
        assert!(text.contains(&format!("<title>{word} · runner-7</title>")), "{text}");
        assert!(text.contains(&format!("<body class=\"{word}\">")));
        assert!(text.contains(&format!("<span class=\"word\">{word}</span>")));
        assert!(text.contains("<bdi>because</bdi>") && text.contains("UTC</time> (1 min 15 s ago)"));
        assert!(STYLE.contains(&format!(".{word}{{--")), "a colour for {word}");
    }
}

#[test]
fn what_is_not_known_is_absent() {
    let text = draw(&status(State::Idle));
    for absent in
        ["Ghost because", "Failures", "Next launch", "Leaves by", "cache ", "success ", "<svg ", "<table"]
    {
        let body = text.split("</style>").nth(1).expect("a body");
        assert!(!body.contains(absent), "{absent}");
    }
    assert!(!text.contains("id=\"job\"") && text.contains("No job has ended yet."));
    assert!(text.contains("up 2 h 00 min") && !text.contains("ephemeral"));
    let recent = Arc::new([row("one")]);
    let text = draw(&Status { recent, ..status(State::Idle) });
    assert_eq!(text.matches("<td><span class=\"unknown\">–</span></td>").count(), 4, "{text}");
}

#[test]
fn what_is_known_is_there() {
    let text = draw(&Status {
        ghost: Some(GhostCause::NotOnServer),
        failures: 3,
        launch_due: Some(at(30)),
        leave_by: Some(at(3720)),
        runner_version: Some("2.330.0".into()),
        finished: [9, 1, 2, 0, 0],
        caches: Arc::new([CacheShare { kind: CacheType::Npm, hits: 3, requests: 4 }]),
        ..status(State::Ghost)
    });
    for known in [
        "GitHub does not know this runner",
        "<dd>3</dd>",
        "(in 30 s)",
        "(in 1 h 02 min)",
        "runner <bdi>2.330.0</bdi>",
        "<b>90 %</b><span class=\"of\">9\u{a0}success, 1\u{a0}failed, 2\u{a0}cancelled</span>",
        "cache npm</span><b>75 %</b>",
        "aria-hidden=\"true\">✗</span> Unhealthy</li>",
        "What next</dt><dd>It registers anew",
        "Success is of the jobs that ended as success or failed; cancelled and skipped ones are left out.",
    ] {
        assert!(text.contains(known), "{known}: {text}");
    }
}

#[test]
fn a_state_is_said_once() {
    let starting = draw(&Status { since: at(-7200), ..status(State::Starting) });
    assert!(starting.contains("</span> Healthy</li>"), "{starting}");
    for state in State::ALL {
        assert_eq!(draw(&status(state)).matches("because").count(), 1, "{}", state.as_str());
    }
    let looping = Status { failures: 7, ..status(State::Backoff) };
    let said = draw(&looping);
    assert!(said.contains("Unhealthy: <bdi>restart loop: 7 failures in a row, because</bdi>"), "{said}");
}

#[test]
fn an_ended_job_leads_to_its_run_and_names_where_it_came_from() {
    let context = Context {
        repository: Some("acme/web".into()),
        workflow: Some("CI".into()),
        run_id: Some("42".into()),
        git_ref: Some("refs/heads/main".into()),
        sha: Some("1f0c2d3a5b6c7d8e9f00112233445566778899aa".into()),
        actor: Some("octocat".into()),
        ..Context::default()
    };
    let known: Arc<[_]> = Arc::new([JobRecord { context: context.clone(), ..row("build") }]);
    let text = draw(&Status { recent: known, ..status(State::Idle) });
    for part in [
        "href=\"https://github.com/acme/web/actions/runs/42\" rel=\"noreferrer\"><bdi>CI</bdi></a>",
        "<span class=\"source\"><bdi>main · 1f0c2d3 · octocat</bdi></span>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let less = Context { run_id: None, git_ref: None, actor: None, ..context };
    let less: Arc<[_]> = Arc::new([JobRecord { context: less, ..row("build") }]);
    let text = draw(&Status { recent: less, ..status(State::Idle) });
    assert!(
        !text.contains("/actions/runs/") && text.contains("<span class=\"source\"><bdi>1f0c2d3</bdi></span>"),
        "{text}"
    );
}

#[test]
fn a_run_is_linked_only_if_its_parts_can_be_what_they_say() {
    let job = |repository: &str, run: &str| CurrentJob {
        name: "build".into(),
        started_at: at(-3720),
        repository: Some(repository.into()),
        run_id: Some(run.into()),
        run_attempt: Some("2".into()),
        ..CurrentJob::default()
    };
    let shown = |job| draw(&Status { job: Some(job), ..status(State::Busy) });
    let good = shown(job("acme/web", "42"));
    assert!(good.contains("href=\"https://github.com/acme/web/actions/runs/42\""), "{good}");
    assert!(good.contains("attempt <bdi>2</bdi>") && good.contains("<b>1 h 02 min</b>"));
    for (repository, run) in
        [("../..", "42"), ("acme/web", "../x"), ("javascript:alert(1)", "1"), ("a/b", "")]
    {
        assert!(!shown(job(repository, run)).contains("/actions/runs/"), "{repository} {run}");
    }
}

#[test]
fn nothing_of_a_job_becomes_markup() {
    let hostile = "</title></script></style><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}";
    let (workflow, repository) = (Some(hostile.into()), Some(hostile.into()));
    let recent: Arc<[_]> = Arc::new([JobRecord {
        context: Context { repository, workflow, ..Context::default() },
        duration: Some(Duration::from_secs(1)),
        ..row(hostile)
    }]);
    let job = Some(CurrentJob {
        name: hostile.into(),
        started_at: at(0),
        workflow: Some(hostile.into()),
        repository: Some(hostile.into()),
        run_id: Some(hostile.into()),
        run_attempt: Some(hostile.into()),
    });
    let version = Some(hostile.to_owned());
    let text =
        draw(&Status { recent, job, runner_version: version, reason: hostile.into(), ..status(State::Busy) });
    assert_eq!((text.matches("<script>").count(), text.matches("</style>").count()), (1, 1));
    assert!(!text.contains("<img") && !text.contains('\u{202e}'));
}

/// What is known of the steps of a job that began then.
fn steps_of(job: &JobRecord, names: &[&str]) -> Arc<KnownSteps> {
    let step = |(number, name): (u32, &&str)| Step {
        number,
        name: (*name).to_owned(),
        kind: StepKind::Main,
        result: Some(StepResult::Success),
        started: at(-600),
        ended: at(-600 + i64::from(number)),
    };
    let steps = JobSteps { steps: (1..).zip(names).map(step).collect(), more: 0 };
    let mut known = KnownSteps::default();
    known.push(StepsRow::of(job, steps).expect("it began"));
    Arc::new(known)
}

#[test]
fn the_newest_job_opens_as_a_timeline_and_each_has_a_page() {
    let newest = JobRecord { job_id: "7_build".into(), started_at: Some(at(-600)), ..row("build") };
    let older = JobRecord { job_id: "6_build".into(), started_at: Some(at(-900)), ..row("older") };
    let steps = steps_of(&newest, &["Set up job", "Build", "Test"]);
    let seen = Status { recent: Arc::new([older, newest.clone()]), steps, ..status(State::Idle) };
    let text = draw(&seen);
    let link = "href=\"jobs/7_build?started_at=2027-01-15T07:50:00.000Z\"";
    for known in [
        "<summary>3 steps, the longest <bdi>Test</bdi>, 3.0 s</summary>",
        "<th scope=\"row\"><bdi>Test</bdi></th>",
        link,
        "href=\"jobs/6_build?started_at=2027-01-15T07:45:00.000Z\"",
    ] {
        assert!(text.contains(known), "{known}: {text}");
    }
    let recent = Arc::new([newest.clone()]);
    let unknown = draw(&Status { recent, ..status(State::Idle) });
    assert!(!unknown.contains("<details") && unknown.contains(link), "nobody knows its steps");
    let identity = Identity::somebody();
    let site = Site { bounds: vec![10.0], server_url: Some("https://github.com".into()) };
    let input = PageInput { identity: &identity, site: &site, status: &seen };
    let page = |known| job::page(&input, &newest, known).into_string();
    let whole = page(seen.steps.of(&newest).map(AsRef::as_ref));
    assert!(whole.contains("<title>build · runner-7</title>") && whole.contains("href=\"../\""), "{whole}");
    assert_eq!((whole.matches("<rect").count(), whole.matches("<script").count()), (3, 0));
    assert!(page(None).contains("Nothing is known of its steps."));
}

#[test]
fn a_page_of_a_hostile_job_is_text() {
    let hostile = "</title></script></style><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}";
    let word = || Some(hostile.to_owned());
    let context = Context {
        workflow: word(),
        repository: word(),
        run_id: word(),
        run_attempt: word(),
        event: word(),
        git_ref: word(),
        sha: word(),
        actor: word(),
        ..Context::default()
    };
    let job = JobRecord {
        job_id: hostile.into(),
        started_at: Some(at(-600)),
        context,
        cause: word(),
        conclusion: word(),
        ..row(hostile)
    };
    let steps = steps_of(&job, &[hostile; 9]);
    let seen = Status { recent: Arc::new([job.clone()]), steps, ..status(State::Idle) };
    let identity = Identity::somebody();
    let site = Site { bounds: vec![10.0], server_url: Some("https://github.com".into()) };
    let input = PageInput { identity: &identity, site: &site, status: &seen };
    let known = seen.steps.of(&job).map(AsRef::as_ref);
    for (text, scripts) in [(draw(&seen), 1), (job::page(&input, &job, known).into_string(), 0)] {
        assert_eq!((text.matches("<script").count(), text.matches("</style>").count()), (scripts, 1));
        assert!(!text.contains("<img") && !text.contains('\u{202e}'), "{text}");
    }
}

#[test]
fn fifty_hostile_names_make_no_large_page() {
    for text in ["\"".repeat(1024), "\u{202e}".repeat(1024), "🚀".repeat(1024), "&<>".repeat(341)] {
        let one = JobRecord {
            context: Context {
                workflow: Some(text.clone()),
                repository: Some(text.clone()),
                git_ref: Some(text.clone()),
                sha: Some(text.clone()),
                actor: Some(text.clone()),
                ..Context::default()
            },
            duration: Some(Duration::from_secs(3661)),
            queue_time: Some(Duration::from_secs(3661)),
            job_id: "17203344551_build-and-test".into(),
            started_at: Some(at(-600)),
            ..row(&text)
        };
        let steps = steps_of(&one, &[text.as_str(); 512]);
        let recent: Arc<[_]> = vec![one; 50].into();
        let page = draw(&Status { recent, steps, ..status(State::Idle) });
        assert!(page.len() <= 80 * 1024, "{} bytes", page.len());
    }
}

#[test]
fn style_and_script_are_let_through_by_their_hashes_alone() {
    let policy = policy();
    let policy = policy.to_str().expect("text");
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe") && !policy.contains('*') && policy.matches("'sha256-").count() == 2);
    let text = draw(&status(State::Idle));
    assert!(
        text.contains(&format!("<style>{STYLE}</style>"))
            && text.contains(&format!("<script>{SCRIPT}</script>"))
    );
    assert!(!text.contains(" style=") && !text.contains(" onclick="));
}
