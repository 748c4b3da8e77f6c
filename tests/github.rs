//! The GitHub client, black box: every call against a fake GitHub of every shape, through everything that can go wrong.
#![allow(clippy::disallowed_methods, reason = "tests drive real sockets and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/github.rs"]
mod github;

use chrono::{TimeDelta, Utc};
use github::api::{Access, random};
use github::proxy::Proxy;
use github::serve::Authority;
use github::{APP_KEY, Fake, Play, Shape, app, bare};
use runner_init::config::Secret;
use runner_init::domain::target::{Host, Target};
use runner_init::github::{
    ApiCredential, ApiError, AppKey, Client, ClientConfig, Code, Deletion, Endpoint, ErrorKind, JobList,
    KeyFault, LabelKind, NetworkKind, NewRunner, Observe, Proxies, RetryPolicy, Roots, SetupError,
};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(20);

fn soon() -> Instant {
    Instant::now() + LONG
}

/// Retries at once; an attempt may take its time.
const QUICK: RetryPolicy = RetryPolicy {
    connect: Duration::from_secs(10),
    attempt: Duration::from_secs(10),
    first: Duration::from_millis(2),
    longest: Duration::from_millis(10),
    limited: Duration::from_millis(5),
};

/// Never retries: the first pause is longer than any deadline here.
const ONCE: RetryPolicy =
    RetryPolicy { first: Duration::from_secs(100), longest: Duration::from_secs(100), ..QUICK };

fn token() -> String {
    random("ghp_")
}

fn pat(token: &str) -> ApiCredential {
    ApiCredential::Pat(Secret::new(token.into()))
}

fn setup(base: &str, target: &str, credential: ApiCredential, policy: RetryPolicy) -> ClientConfig {
    let nobody = PathBuf::from("/dev/null");
    ClientConfig {
        base: base.trim_end_matches('/').to_owned(),
        target: Target::from_url(target, None).unwrap().1,
        credential,
        roots: Roots::File(nobody),
        proxies: Proxies::default(),
        policy,
        observe: Arc::new(()),
        clock: Arc::new(Utc::now),
    }
}

fn client(fake: &Fake, target: &str, credential: ApiCredential, policy: RetryPolicy) -> Client {
    Client::new(setup(&fake.api_url(), target, credential, policy)).unwrap()
}

/// A page of a target and where its API is.
const TARGETS: [(&str, &str); 3] = [
    ("https://github.com/o/r", "/repos/o/r"),
    ("https://github.com/octo-org", "/orgs/octo-org"),
    ("https://github.com/enterprises/big-co", "/enterprises/big-co"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    RegistrationToken,
    JitConfig,
    Group,
    Find,
    Get,
    Delete,
    Labels,
    SetLabels,
    RemoveLabels,
    Jobs,
}

impl Call {
    const ALL: [Call; 10] = [
        Call::RegistrationToken,
        Call::JitConfig,
        Call::Group,
        Call::Find,
        Call::Get,
        Call::Delete,
        Call::Labels,
        Call::SetLabels,
        Call::RemoveLabels,
        Call::Jobs,
    ];

    fn endpoint(self) -> Endpoint {
        match self {
            Call::RegistrationToken => Endpoint::RegistrationToken,
            Call::JitConfig => Endpoint::JitConfig,
            Call::Group => Endpoint::RunnerGroups,
            Call::Find => Endpoint::Runners,
            Call::Get => Endpoint::Runner,
            Call::Delete => Endpoint::DeleteRunner,
            Call::Labels | Call::SetLabels | Call::RemoveLabels => Endpoint::Labels,
            Call::Jobs => Endpoint::Jobs,
        }
    }

    /// The request as GitHub documents it, below the API's prefix.
    fn line(self, target: &str, id: u64) -> String {
        let runners = format!("{target}/actions/runners");
        match self {
            Call::RegistrationToken => format!("POST {runners}/registration-token"),
            Call::JitConfig => format!("POST {runners}/generate-jitconfig"),
            Call::Group => format!("GET {target}/actions/runner-groups?per_page=100&page=1"),
            Call::Find => format!("GET {runners}?name=a+b%26c&per_page=100&page=1"),
            Call::Get => format!("GET {runners}/{id}"),
            Call::Delete => format!("DELETE {runners}/{id}"),
            Call::Labels => format!("GET {runners}/{id}/labels"),
            Call::SetLabels => format!("PUT {runners}/{id}/labels"),
            Call::RemoveLabels => format!("DELETE {runners}/{id}/labels"),
            Call::Jobs => "GET /repos/x/y/actions/runs/42/attempts/3/jobs?per_page=100&page=1".into(),
        }
    }

    fn body(self) -> Option<Value> {
        match self {
            Call::JitConfig => Some(json!({
                "name": "jit-1", "runner_group_id": 1, "labels": ["self-hosted", "gpu"], "work_folder": "_work"})),
            Call::SetLabels => Some(json!({"labels": ["draining"]})),
            _ => None,
        }
    }

    /// Makes the call and says what came of it.
    async fn run(self, client: &Client, id: u64, deadline: Instant) -> Result<String, ApiError> {
        let names = |labels: Vec<runner_init::github::Label>| {
            labels.into_iter().map(|label| label.name).collect::<Vec<_>>().join(",")
        };
        let new = NewRunner {
            name: "jit-1".into(),
            labels: vec!["self-hosted".into(), "gpu".into()],
            group: 1,
            work_dir: "_work".into(),
        };
        let repository = "x/y";
        Ok(match self {
            Call::RegistrationToken => client.registration_token(deadline).await?.token.expose()[..1].into(),
            Call::JitConfig => {
                let made = client.jit_config(&new, deadline).await?;
                assert!(!made.encoded.expose().is_empty());
                made.runner.name
            }
            Call::Group => format!("{:?}", client.runner_group("builders", deadline).await?),
            Call::Find => format!("{}", client.find_runner("a b&c", deadline).await?.unwrap().id == id),
            Call::Get => match client.runner(id, deadline).await? {
                Some(runner) => format!("{} {} {}", runner.name, runner.status, runner.busy),
                None => "gone".into(),
            },
            Call::Delete => format!("{:?}", client.delete_runner(id, deadline).await?),
            Call::Labels => names(client.labels(id, deadline).await?),
            Call::SetLabels => names(client.set_custom_labels(id, &["draining".into()], deadline).await?),
            Call::RemoveLabels => names(client.remove_custom_labels(id, deadline).await?),
            Call::Jobs => match client.jobs(repository, 42, 3, None, deadline).await? {
                JobList::Listed { jobs, .. } => {
                    jobs.into_iter().map(|job| job.runner_name.unwrap()).collect()
                }
                JobList::Unchanged => "unchanged".into(),
            },
        })
    }

    /// What comes of it when all is well.
    fn outcome(self) -> &'static str {
        match self {
            Call::RegistrationToken => "R",
            Call::JitConfig => "jit-1",
            Call::Group => "Some(7)",
            Call::Find => "true",
            Call::Get => "a b&c online false",
            Call::Delete => "Deleted",
            Call::Labels => "self-hosted,Linux,X64,gpu",
            Call::SetLabels => "self-hosted,Linux,X64,draining",
            Call::RemoveLabels => "self-hosted,Linux,X64",
            Call::Jobs => "a b&c",
        }
    }
}

/// One runner named `a b&c`, one job on it.
fn furnish(fake: &Fake) -> u64 {
    fake.clear_runners();
    fake.clear_scripts();
    fake.take_log();
    fake.set_jobs(vec![json!({
        "id": 7, "name": "build", "status": "in_progress", "runner_name": "a b&c", "runner_id": 5,
        "created_at": "2026-01-02T03:04:05Z", "started_at": "2026-01-02T03:05:05Z"})]);
    fake.add_runner("a b&c", &["gpu"])
}

/// An error may be shown to anyone, in one line.
fn assert_presentable(error: &ApiError, secret: &str) {
    let shown = error.to_string();
    assert!(!shown.contains(secret) && !format!("{error:?}").contains(secret), "{shown}");
    assert!(!shown.chars().any(char::is_control), "{shown}");
    assert!(shown.starts_with("cannot ") && !shown.ends_with('.') && shown.len() < 700, "{shown}");
}

/// What a case should come to.
#[derive(Clone, Copy)]
enum Then {
    /// Success after so many requests.
    Works(usize),
    /// Failure of this kind after one request, with these words.
    Fails(fn(&ErrorKind) -> bool, &'static str),
}

fn html() -> Play {
    Play::Raw(502, "text/html", "<html><body>hunter2 Bad Gateway</body></html>")
}

/// A name, as whom, what happens, what comes of it.
#[allow(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(&'static str, Access, Vec<Play>, Then)> {
    use Then::{Fails, Works};
    let full = Access::Full;
    let limit = |status, headers: &[(&'static str, &str)]| Play::limited(status, headers);
    let is_limit: fn(&ErrorKind) -> bool = |kind| matches!(kind, ErrorKind::RateLimited { .. });
    let later = (Utc::now() + TimeDelta::hours(1)).timestamp().to_string();
    let secondary = Play::status(403, "You have exceeded a secondary rate limit. Please wait");
    vec![
        ("all is well", full, vec![], Works(1)),
        (
            "an expired token",
            Access::Revoked,
            vec![],
            Fails(
                |kind| *kind == ErrorKind::Unauthorized { clock_ahead: None },
                "401: Bad credentials; check that the token is complete, not expired",
            ),
        ),
        (
            "an expired token, hidden",
            Access::Hidden,
            vec![],
            Fails(
                |kind| *kind == ErrorKind::NotFound,
                "404: Not Found; check the name and the host, that the credential has not expired",
            ),
        ),
        (
            "a missing scope",
            Access::NoScope,
            vec![],
            Fails(|kind| *kind == ErrorKind::Forbidden, "check that the token has the scope "),
        ),
        (
            "409",
            full,
            vec![Play::status(409, "Already exists")],
            Fails(|kind| *kind == ErrorKind::Conflict, "409: Already exists; one with this name"),
        ),
        (
            "422",
            full,
            vec![Play::status(422, "Invalid")],
            Fails(|kind| *kind == ErrorKind::Unprocessable, "422: Invalid"),
        ),
        (
            "5xx, then well",
            full,
            vec![Play::status(500, "Oops"), html(), Play::status(503, "Unicorn"), Play::status(504, "")],
            Works(5),
        ),
        ("a reset, then well", full, vec![Play::Reset, Play::Reset], Works(3)),
        ("a cut, then well", full, vec![Play::Cut], Works(2)),
        ("429, then well", full, vec![limit(429, &[("retry-after", "0")])], Works(2)),
        ("a secondary limit, then well", full, vec![secondary], Works(2)),
        (
            "a limit that is over, then well",
            full,
            vec![limit(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")])],
            Works(2),
        ),
        (
            "a long limit",
            full,
            vec![limit(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &later)])],
            Fails(is_limit, "; wait until 20"),
        ),
        (
            "a long Retry-After",
            full,
            vec![limit(429, &[("retry-after", "3600")])],
            Fails(is_limit, "rate limit is reached"),
        ),
        (
            "more than 1 MiB",
            full,
            vec![Play::Flood],
            Fails(|kind| *kind == ErrorKind::Malformed, "more than 1 MiB"),
        ),
        (
            "a redirect elsewhere",
            full,
            vec![Play::Status(302, String::new(), vec![("location", "http://127.0.0.1:1/".into())])],
            Fails(|kind| *kind == ErrorKind::Unexpected(302), "GITHUB_API_URL"),
        ),
        (
            "the token echoed",
            full,
            vec![Play::Echo],
            Fails(|kind| *kind == ErrorKind::Forbidden, "403: no [31m Bearer *** X: y; "),
        ),
        (
            "a proxy's 407",
            full,
            vec![Play::status(407, "who?")],
            Fails(|kind| *kind == ErrorKind::Network(NetworkKind::Proxy), "HTTPS_PROXY"),
        ),
    ]
}

async fn play(shape: Shape, page: &str, target: &str) {
    let fake = Fake::start(shape, target);
    let secret = token();
    let client = client(&fake, page, pat(&secret), QUICK);
    for call in Call::ALL.into_iter().filter(|call| *call != Call::Group || !target.starts_with("/repos")) {
        for (name, access, plays, then) in cases() {
            let context = format!("{shape:?} {target} {call:?}: {name}");
            let id = furnish(&fake);
            fake.grant(&secret, access);
            fake.script(call.endpoint(), plays);
            let outcome = call.run(&client, id, soon()).await;
            let log = fake.take_log();
            let line = call.line(target, id).replacen(' ', &format!(" {}", shape.prefix()), 1);
            let mine: Vec<_> = log.iter().filter(|request| request.line() == line).collect();
            assert!(mine.iter().all(|request| request.body == call.body()), "{context}: {mine:?}");
            assert!(mine.iter().all(|r| r.header("authorization") == Some(&format!("Bearer {secret}"))));
            match then {
                Then::Works(requests) => {
                    assert_eq!(
                        outcome.as_deref().map_err(ToString::to_string),
                        Ok(call.outcome()),
                        "{context}"
                    );
                    assert_eq!((mine.len(), log.len()), (requests, requests), "{context}: {log:?}");
                }
                Then::Fails(is_right, words) => {
                    let error = outcome.expect_err(&context);
                    assert_presentable(&error, &secret);
                    assert!(is_right(&error.kind), "{context}: {error:?}");
                    assert!(error.to_string().contains(words), "{context}: {error}");
                    assert_eq!((mine.len(), error.attempts), (1, 1), "{context}: {log:?}");
                }
            }
        }
    }
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn every_call_through_every_fault_on_github_com() {
    for (page, target) in TARGETS {
        play(Shape::Dotcom, page, target).await;
    }
}

#[tokio::test]
async fn every_call_through_every_fault_on_ghe_com() {
    for (page, target) in TARGETS {
        play(Shape::Tenant, page, target).await;
    }
}

#[tokio::test]
async fn every_call_through_every_fault_on_a_server() {
    for (page, target) in TARGETS {
        play(Shape::Server, page, target).await;
    }
}

/// Runs these calls at once against a fake that does the same to all of them.
async fn all_at_once(
    calls: &[Call],
    plays: &[Play],
    policy: RetryPolicy,
) -> Vec<(Call, Result<String, ApiError>)> {
    let fake = Fake::start(Shape::Dotcom, "/orgs/octo-org");
    let secret = token();
    fake.grant(&secret, Access::Full);
    let client = Arc::new(client(&fake, "https://github.com/octo-org", pat(&secret), policy));
    let id = furnish(&fake);
    let mut running = JoinSet::new();
    for call in calls.iter().copied() {
        fake.script(call.endpoint(), plays.to_vec());
        let client = Arc::clone(&client);
        running.spawn(async move { (call, call.run(&client, id, soon()).await) });
    }
    running.join_all().await
}

#[tokio::test]
async fn a_body_that_is_not_githubs_is_not_taken_for_an_answer() {
    for play in [
        Play::Raw(200, "text/html", "<html>Please log in, hunter2</html>"),
        Play::Raw(201, "application/json", "{\"hunter2\": "),
        Play::Raw(200, "application/json", "[\"hunter2\"]"),
        Play::Raw(
            200,
            "application/json",
            "{\"token\": \"\", \"expires_at\": \"hunter2\", \"id\": \"hunter2\"}",
        ),
        Play::Raw(200, "application/json", ""),
    ] {
        for (call, outcome) in all_at_once(&Call::ALL, std::slice::from_ref(&play), QUICK).await {
            // A deletion's answer has no body to speak of.
            if call == Call::Delete {
                assert_eq!(outcome.unwrap(), "Deleted");
                continue;
            }
            let error = outcome.expect_err(&format!("{call:?} {play:?}"));
            assert_presentable(&error, "hunter2");
            assert_eq!(error.kind, ErrorKind::Malformed, "{call:?}: {error}");
            assert!(error.to_string().contains("not the expected JSON, at line"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_drips_is_given_up_in_time() {
    let policy = RetryPolicy { attempt: Duration::from_millis(200), ..ONCE };
    for play in [Play::Hang, Play::Drip] {
        let began = Instant::now();
        for (call, outcome) in all_at_once(&Call::ALL, std::slice::from_ref(&play), policy).await {
            let error = outcome.expect_err(&format!("{call:?} {play:?}"));
            assert_eq!(error.kind, ErrorKind::Network(NetworkKind::Timeout), "{call:?}: {error}");
            assert_presentable(&error, "ghp_");
        }
        assert!(began.elapsed() < LONG / 2, "the deadline was waited for: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_server_that_hung_is_asked_again() {
    let policy = RetryPolicy { attempt: Duration::from_millis(300), ..QUICK };
    // Not those that do something which the next attempt would meet: on a slow machine a good answer may come too late.
    let lasting = [Call::JitConfig, Call::Delete];
    let asking = |call: &Call| call.endpoint() != Endpoint::Labels && !lasting.contains(call);
    let asking: Vec<Call> = Call::ALL.into_iter().filter(asking).collect();
    for calls in [&asking[..], &[Call::Labels], &[Call::SetLabels], &[Call::RemoveLabels]] {
        for (call, outcome) in all_at_once(calls, &[Play::Hang, Play::Drip], policy).await {
            assert_eq!(outcome.map_err(|e| e.to_string()).as_deref(), Ok(call.outcome()), "{call:?}");
        }
    }
}

#[tokio::test]
async fn the_deadline_ends_everything_whatever_the_pace() {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let secret = token();
    fake.grant(&secret, Access::Full);
    fake.script(Endpoint::RegistrationToken, vec![Play::Hang; 3]);
    let client = client(&fake, "https://github.com/o/r", pat(&secret), QUICK);
    for budget in [0, 100] {
        let began = Instant::now();
        let error = client.registration_token(began + Duration::from_millis(budget)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Network(NetworkKind::Timeout));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn errors_that_last_are_told_with_the_number_of_attempts() {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let secret = token();
    fake.grant(&secret, Access::Full);
    // The third pause would be longer than what is left.
    let policy =
        RetryPolicy { first: Duration::from_millis(20), longest: Duration::from_secs(3600), ..QUICK };
    fake.script(Endpoint::RegistrationToken, vec![Play::status(503, "Unicorn!"); 100]);
    let client = client(&fake, "https://github.com/o/r", pat(&secret), policy);
    let error = client.registration_token(Instant::now() + Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Server(503));
    assert!(error.attempts > 1, "{error}");
    assert_eq!(usize::try_from(error.attempts).unwrap(), fake.take_log().len());
    let shown = error.to_string();
    assert!(
        shown.starts_with(
            "cannot get a registration token for repository o/r: 127.0.0.1 answered 503: Unicorn! (tried "
        ),
        "{shown}"
    );
}

#[tokio::test]
async fn a_404_means_gone_only_where_the_target_can_be_seen() {
    for (page, target) in TARGETS {
        let fake = Fake::start(Shape::Server, target);
        let (good, hidden) = (token(), token());
        fake.grant(&good, Access::Full);
        fake.grant(&hidden, Access::Hidden);
        let seeing = client(&fake, page, pat(&good), QUICK);
        assert_eq!(seeing.runner(77, soon()).await.unwrap(), None);
        assert_eq!(seeing.delete_runner(77, soon()).await.unwrap(), Deletion::WasGone);
        assert_eq!(seeing.find_runner("x", soon()).await.unwrap(), None);
        let blind = client(&fake, page, pat(&hidden), QUICK);
        let id = fake.add_runner("x", &[]);
        for error in
            [blind.runner(id, soon()).await.unwrap_err(), blind.delete_runner(id, soon()).await.unwrap_err()]
        {
            assert_eq!(error.kind, ErrorKind::NotFound);
        }
        let error = seeing.labels(77, soon()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(fake.runners().len(), 1);
        // A login page instead of the list proves nothing.
        fake.script(Endpoint::Runners, [Play::Raw(200, "text/html", "<html>")]);
        assert_eq!(seeing.delete_runner(77, soon()).await.unwrap_err().kind, ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_busy_runner_is_not_deleted() {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let secret = token();
    fake.grant(&secret, Access::Full);
    let client = client(&fake, "https://github.com/o/r", pat(&secret), QUICK);
    let id = fake.add_runner("x", &[]);
    fake.change(id, |runner| runner.busy = true);
    let error = client.delete_runner(id, soon()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unprocessable);
    assert!(
        error.to_string().contains("still running a job\"; a runner cannot be deleted while it runs a job"),
        "{error}"
    );
    fake.change(id, |runner| runner.busy = false);
    assert_eq!(client.delete_runner(id, soon()).await.unwrap(), Deletion::Deleted);
    assert!(fake.runners().is_empty());
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict() {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let secret = token();
    fake.grant(&secret, Access::Full);
    let client = client(&fake, "https://github.com/o/r", pat(&secret), QUICK);
    fake.add_runner("jit-1", &[]);
    let error = Call::JitConfig.run(&client, 0, soon()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn a_runner_is_found_on_any_page_by_its_exact_name() {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let secret = token();
    fake.grant(&secret, Access::Full);
    fake.ignore_name_filter();
    for n in 0..200 {
        fake.add_runner(&format!("r-{n}"), &[]);
    }
    let client = client(&fake, "https://github.com/o/r", pat(&secret), QUICK);
    let id = fake.add_runner("last", &["gpu"]);
    let found = client.find_runner("last", soon()).await.unwrap().unwrap();
    assert_eq!((found.id, fake.take_log().len()), (id, 3));
    assert!(found.labels.iter().any(|label| label.name == "gpu" && label.kind == LabelKind::Custom));
    assert!(found.labels.iter().any(|label| label.name == "Linux" && label.kind == LabelKind::ReadOnly));
    assert_eq!(client.find_runner("LAST", soon()).await.unwrap(), None);
}

#[tokio::test]
async fn jobs_are_listed_over_all_pages_and_not_again_when_nothing_changed() {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let secret = token();
    fake.grant(&secret, Access::Full);
    let client = client(&fake, "https://github.com/o/r", pat(&secret), QUICK);
    let repository = "x/y";
    let job = |n: u64| json!({"id": n, "created_at": "2026-01-02T03:04:05Z", "started_at": null, "runner_name": null});
    fake.set_jobs(vec![job(1), job(2)]);
    let JobList::Listed { jobs, etag: Some(etag) } =
        client.jobs(repository, 9, 1, None, soon()).await.unwrap()
    else {
        panic!("a list with a tag")
    };
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [1, 2]);
    assert!(jobs[0].created_at.is_some() && jobs[0].started_at.is_none() && jobs[0].runner_name.is_none());
    assert_eq!(client.jobs(repository, 9, 1, Some(&etag), soon()).await.unwrap(), JobList::Unchanged);
    fake.set_jobs((0..250).map(job).collect());
    let JobList::Listed { jobs, etag } = client.jobs(repository, 9, 1, Some(&etag), soon()).await.unwrap()
    else {
        panic!("a list")
    };
    assert_eq!((jobs.len(), etag), (250, None));
}

/// Every name a client of ours may call.
const NAMES: [&str; 4] = ["api.github.com", "api.octo.ghe.com", "ghes.example.com", "127.0.0.1"];

fn write(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn proxies(set: &[(&str, &str)]) -> Proxies {
    let find = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    Proxies::from_lookup(find).unwrap()
}

#[tokio::test]
async fn the_real_addresses_through_a_proxy_and_a_private_authority() {
    let authority = Authority::new(&NAMES);
    let pem = write(&authority.pem);
    for shape in Shape::ALL {
        for (page, target) in TARGETS {
            let fake = Fake::start_tls(shape, target, Arc::clone(&authority.server));
            let proxy = Proxy::start(fake.addr, Some("Basic dTpodW50ZXIy"));
            let secret = token();
            fake.grant(&secret, Access::Full);
            let mut setup = setup("https://unused", page, pat(&secret), QUICK);
            setup.base = Host::parse(shape.host()).unwrap().api_base();
            setup.roots = Roots::File(pem.path().into());
            setup.proxies = proxies(&[("HTTPS_PROXY", &format!("http://u:hunter2@{}", proxy.addr))]);
            let client = Client::new(setup).unwrap();
            for call in
                Call::ALL.into_iter().filter(|call| *call != Call::Group || !target.starts_with("/repos"))
            {
                let id = furnish(&fake);
                assert_eq!(
                    call.run(&client, id, soon()).await.unwrap(),
                    call.outcome(),
                    "{shape:?} {call:?}"
                );
                let log = fake.take_log();
                let line = call.line(target, id).replacen(' ', &format!(" {}", shape.prefix()), 1);
                assert_eq!((log.len(), log[0].line(), log[0].host.as_str()), (1, line, shape.api_host()));
                assert_eq!(log[0].header("proxy-authorization"), None, "the proxy's password is the proxy's");
            }
            let connect = format!("CONNECT {}:443", shape.api_host());
            let lines = proxy.lines();
            assert!(!lines.is_empty() && lines.iter().all(|line| *line == connect), "{lines:?}");
            assert_eq!(fake.violations(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn who_is_not_vouched_for_is_told_apart_and_not_asked_again() {
    let (ours, theirs) = (Authority::new(&NAMES), Authority::new(&NAMES));
    let elsewhere = Authority::new(&["elsewhere.example.com"]);
    for (server, trusted, why) in
        [(&theirs, &ours, "UnknownIssuer"), (&elsewhere, &elsewhere, "not valid for name")]
    {
        let fake = Fake::start_tls(Shape::Dotcom, "/repos/o/r", Arc::clone(&server.server));
        let secret = token();
        let pem = write(&trusted.pem);
        let mut setup =
            setup(&format!("https://{}", fake.addr), "https://github.com/o/r", pat(&secret), QUICK);
        setup.roots = Roots::File(pem.path().into());
        let error = Client::new(setup).unwrap().registration_token(soon()).await.unwrap_err();
        assert_eq!((error.kind, error.attempts), (ErrorKind::Network(NetworkKind::Tls), 1), "{error}");
        assert_presentable(&error, &secret);
        assert!(error.to_string().contains(why) && error.to_string().contains("SSL_CERT_FILE"), "{error}");
        assert!(fake.take_log().is_empty());
    }
}

/// What comes of one call to a server that shows this, where this is trusted: the error, and whether it heard anything.
async fn asked(shows: &Authority, trusts: &str) -> (Option<ApiError>, bool) {
    let fake = Fake::start_tls(Shape::Dotcom, "/repos/o/r", Arc::clone(&shows.server));
    let secret = token();
    fake.grant(&secret, Access::Full);
    let pem = write(trusts);
    let mut setup = setup(&format!("https://{}", fake.addr), "https://github.com/o/r", pat(&secret), QUICK);
    setup.roots = Roots::File(pem.path().into());
    let error = Client::new(setup).unwrap().registration_token(soon()).await.err();
    if let Some(error) = &error {
        assert_presentable(error, &secret);
    }
    (error, !fake.take_log().is_empty())
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_itself_trusted_is_believed() {
    let other = Authority::new(&NAMES);
    for is_ca in [true, false] {
        let server = Authority::self_signed(&NAMES, is_ca, -1, 30);
        for trusted in [server.pem.clone(), [other.pem.as_str(), &server.pem].concat()] {
            let (error, heard) = asked(&server, &trusted).await;
            assert!(error.is_none() && heard, "CA {is_ca}: {error:?}");
        }
    }
}

#[tokio::test]
async fn one_that_is_trusted_is_refused_all_the_same_for_its_name_and_its_time() {
    let ours = |is_ca| Authority::self_signed(&NAMES, is_ca, -1, 30);
    for is_ca in [true, false] {
        let elsewhere = Authority::self_signed(&["elsewhere.example.com"], is_ca, -1, 30);
        let nameless = Authority::self_signed(&[], is_ca, -1, 30);
        let expired = Authority::self_signed(&NAMES, is_ca, -30, 20);
        let early = Authority::self_signed(&NAMES, is_ca, 5, 20);
        let (server, twin) = (ours(is_ca), ours(is_ca));
        for (shows, trusts, why) in [
            (&elsewhere, &elsewhere, "not valid for name"),
            (&nameless, &nameless, "not valid for"),
            (&expired, &expired, "expired"),
            (&early, &early, "not valid yet"),
            (
                &server,
                &twin,
                if is_ca { "authority, and this very one is not trusted" } else { "UnknownIssuer" },
            ),
        ] {
            let (error, heard) = asked(shows, &trusts.pem).await;
            let error = error.unwrap_or_else(|| panic!("believed: {why}"));
            assert_eq!((error.kind, error.attempts), (ErrorKind::Network(NetworkKind::Tls), 1), "{error}");
            assert!(error.to_string().contains(why) && !heard, "{error}");
        }
    }
}

#[tokio::test]
async fn a_certificate_of_version_1_is_told_by_that() {
    let server = Authority::of_version_1();
    let (error, heard) = asked(&server, &server.pem).await;
    let said = error.unwrap().to_string();
    assert!(said.contains("X.509 version 1") && said.contains("subjectAltName") && !heard, "{said}");
}

#[test]
fn without_any_authority_there_is_no_client() {
    let fault =
        Client::new(setup("https://github.com", "https://github.com/o/r", pat("x"), QUICK)).err().unwrap();
    assert!(matches!(fault, SetupError::NoAuthority { .. }));
    assert!(fault.to_string().contains("SSL_CERT_FILE"), "{fault}");
}

/// Run in a process of its own, by the test below, since an environment cannot be changed for one thread.
#[tokio::test]
#[ignore = "needs the environment that the next test makes"]
async fn child_of_the_next() {
    let get = |name: &str| std::env::var(name).ok();
    let mut setup =
        setup(&get("TEST_BASE").unwrap(), "https://github.com/o/r", pat(&get("TEST_TOKEN").unwrap()), QUICK);
    setup.roots = Roots::Native;
    setup.proxies = Proxies::from_lookup(get).unwrap();
    let client = Client::new(setup).unwrap();
    assert!(client.registration_token(soon()).await.is_ok());
}

#[test]
fn the_environment_names_the_authority_and_the_proxy() {
    let authority = Authority::new(&NAMES);
    let fake = Fake::start_tls(Shape::Dotcom, "/repos/o/r", Arc::clone(&authority.server));
    let proxy = Proxy::start(fake.addr, None);
    let secret = token();
    fake.grant(&secret, Access::Full);
    let pem = write(&authority.pem);
    let through = format!("http://{}", proxy.addr);
    let real = "https://api.github.com".to_owned();
    let direct = format!("https://{}", fake.addr);
    for (base, set, passed) in [
        (&real, &[("https_proxy", through.as_str())][..], 1),
        (&real, &[("ALL_PROXY", through.as_str()), ("NO_PROXY", "example.com")], 2),
        (&direct, &[("HTTPS_PROXY", through.as_str()), ("no_proxy", "127.0.0.1")], 2),
        (&direct, &[], 2),
    ] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_of_the_next", "--ignored"]);
        for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"] {
            child.env_remove(name).env_remove(name.to_lowercase());
        }
        child.env("SSL_CERT_FILE", pem.path()).env_remove("SSL_CERT_DIR");
        child.envs(set.iter().copied()).env("TEST_BASE", base).env("TEST_TOKEN", &secret);
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{set:?}: {said}");
        assert_eq!(proxy.lines().len(), passed, "{set:?}: {:?}", proxy.lines());
    }
}

#[tokio::test]
async fn a_plain_base_goes_through_http_proxy_or_around_it() {
    let fake = Fake::start(Shape::Server, "/repos/o/r");
    let proxy = Proxy::start(fake.addr, None);
    let secret = token();
    fake.grant(&secret, Access::Full);
    let through = format!("http://{}", proxy.addr);
    let named = "http://ghes.example.com/api/v3".to_owned();
    for (base, set, line) in [
        (
            &named,
            vec![("HTTP_PROXY", through.as_str())],
            Some("POST http://ghes.example.com/api/v3/repos/o/r/actions/runners/registration-token"),
        ),
        (
            &fake.api_url(),
            vec![("HTTP_PROXY", through.as_str()), ("NO_PROXY", "10.0.0.0/8,127.0.0.0/8")],
            None,
        ),
        (&named, vec![("ALL_PROXY", &through.replace("http", "socks5h"))], Some("SOCKS ghes.example.com")),
    ] {
        let seen = proxy.lines().len();
        let mut setup = setup(base, "https://github.com/o/r", pat(&secret), QUICK);
        setup.proxies = proxies(&set);
        Client::new(setup).unwrap().registration_token(soon()).await.unwrap();
        assert_eq!(proxy.lines().get(seen).map(String::as_str), line, "{set:?}");
    }
    assert_eq!(fake.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_proxy_that_refuses_is_blamed_and_its_password_not_shown() {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let picky = Proxy::start(fake.addr, Some("Basic c29tZXRoaW5nOmVsc2U="));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (base, place) in [
        ("https://api.github.com", picky.addr),
        ("http://ghes.example.com/api/v3", picky.addr),
        ("https://api.github.com", closed),
    ] {
        let secret = token();
        let mut setup = setup(base, "https://github.com/o/r", pat(&secret), ONCE);
        let authority = write(&Authority::new(&NAMES).pem);
        setup.roots = Roots::File(authority.path().into());
        setup.proxies = proxies(&[("ALL_PROXY", &format!("http://user:hunter2@{place}"))]);
        let error = Client::new(setup).unwrap().registration_token(soon()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Network(NetworkKind::Proxy), "{error}");
        assert_presentable(&error, "hunter2");
        assert_presentable(&error, &secret);
        assert!(error.to_string().contains(&format!("through the proxy {place}")), "{error}");
    }
}

#[tokio::test]
async fn no_name_and_no_listener_are_told_apart() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // No label of a name is longer than 63 characters, so this one is refused without asking anyone.
    let nowhere = format!("http://{}.test", "x".repeat(64));
    for (base, kind) in [(format!("http://{closed}"), NetworkKind::Connect), (nowhere, NetworkKind::Dns)] {
        let client = Client::new(setup(&base, "https://github.com/o/r", pat("x"), ONCE)).unwrap();
        let error = client.registration_token(soon()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Network(kind), "{error}");
    }
}

#[derive(Default)]
struct Recorder(Mutex<Vec<(Endpoint, &'static str, Option<u64>)>>);

impl Observe for Recorder {
    fn call(&self, endpoint: Endpoint, code: Code, remaining: Option<u64>) {
        self.0.lock().unwrap().push((endpoint, code.as_str(), remaining));
    }
}

#[tokio::test]
async fn every_attempt_is_reported() {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let secret = token();
    fake.grant(&secret, Access::Full);
    fake.script(
        Endpoint::RegistrationToken,
        [
            Play::Reset,
            Play::status(500, ""),
            Play::limited(429, &[("retry-after", "0"), ("x-ratelimit-remaining", "0")]),
            Play::Cut,
        ],
    );
    fake.script(Endpoint::Runners, [Play::status(418, "teapot")]);
    let recorder = Arc::new(Recorder::default());
    let mut setup = setup(&fake.api_url(), "https://github.com/o/r", pat(&secret), QUICK);
    setup.observe = Arc::clone(&recorder) as Arc<dyn Observe>;
    let client = Client::new(setup).unwrap();
    client.registration_token(soon()).await.unwrap();
    client.find_runner("x", soon()).await.unwrap_err();
    let (register, find) = (Endpoint::RegistrationToken, Endpoint::Runners);
    assert_eq!(
        *recorder.0.lock().unwrap(),
        [
            (register, "network", None),
            (register, "500", Some(4999)),
            (register, "429", Some(0)),
            (register, "network", None),
            (register, "201", Some(4999)),
            (find, "other", Some(4999)),
        ]
    );
}

/// A fake with an App, and a client whose clock is the fake's, but for so many seconds.
struct Installed {
    fake: Fake,
    client: Client,
    ahead: Arc<AtomicI64>,
}

fn installed(change: impl FnOnce(&mut runner_init::github::App)) -> Installed {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    fake.install_app("Iv23abc", 4711);
    let mut app = app("Iv23abc");
    change(&mut app);
    let ahead = Arc::new(AtomicI64::new(0));
    let shared = Arc::clone(&ahead);
    let mut setup = setup(&fake.api_url(), "https://github.com/o/r", ApiCredential::App(app), QUICK);
    setup.clock = Arc::new(move || Utc::now() + TimeDelta::seconds(shared.load(Ordering::Relaxed)));
    Installed { client: Client::new(setup).unwrap(), fake, ahead }
}

impl Installed {
    fn advance_both(&self, seconds: i64) {
        self.fake.advance(TimeDelta::seconds(seconds));
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Asks for a token, and says which requests that took.
    async fn ask(&self) -> (Result<(), ApiError>, Vec<String>) {
        let outcome = self.client.registration_token(soon()).await.map(|_| ());
        (
            outcome,
            self.fake
                .take_log()
                .iter()
                .map(|request| format!("{} {}", request.line(), request.status))
                .collect(),
        )
    }
}

const LOOK: &str = "GET /repos/o/r/installation 200";
const MINT: &str = "POST /app/installations/4711/access_tokens 201";
const WORK: &str = "POST /repos/o/r/actions/runners/registration-token 201";

#[tokio::test]
async fn an_app_finds_its_installation_once_and_renews_its_token_in_time() {
    let it = installed(|_| {});
    for (seconds, expected) in [
        (0, &[LOOK, MINT, WORK][..]),
        (54 * 60, &[WORK]),
        (2 * 60, &[MINT, WORK]),
        (0, &[WORK]),
        (100 * 3600, &[MINT, WORK]),
    ] {
        it.advance_both(seconds);
        let (outcome, lines) = it.ask().await;
        outcome.unwrap();
        assert_eq!(lines, expected, "after {seconds} s more");
    }
    assert_eq!(it.fake.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_once() {
    let it = installed(|app| app.installation = Some(4711));
    it.ask().await.0.unwrap();
    it.fake.revoke_installation_tokens();
    let (outcome, lines) = it.ask().await;
    outcome.unwrap();
    assert_eq!(lines, ["POST /repos/o/r/actions/runners/registration-token 401", MINT, WORK]);
    it.fake.script(Endpoint::RegistrationToken, vec![Play::status(401, "Bad credentials"); 9]);
    let (outcome, lines) = it.ask().await;
    assert!(matches!(outcome.unwrap_err().kind, ErrorKind::Unauthorized { .. }));
    assert_eq!(lines.len(), 3, "no endless renewal: {lines:?}");
}

#[tokio::test]
async fn an_app_of_a_user_is_found_by_login() {
    let it = installed(|app| app.login = Some("acme".into()));
    let (outcome, lines) = it.ask().await;
    outcome.unwrap();
    assert_eq!(lines, ["GET /orgs/acme/installation 404", "GET /users/acme/installation 200", MINT, WORK]);
}

#[tokio::test]
async fn an_app_that_is_not_installed_is_told_so() {
    let it = installed(|app| app.login = Some("nobody".into()));
    let error = it.ask().await.0.unwrap_err();
    assert_eq!((error.kind, error.endpoint), (ErrorKind::NotFound, Endpoint::Installation));
    assert!(
        error.to_string().contains("the App is installed there (APP_LOGIN, APP_INSTALLATION_ID)"),
        "{error}"
    );
    let it = installed(|app| app.id = "other".into());
    let error = it.ask().await.0.unwrap_err();
    assert!(error.to_string().contains("check that APP_ID and APP_PRIVATE_KEY belong together"), "{error}");
}

#[tokio::test]
async fn a_clock_may_be_off_by_a_minute_and_is_blamed_beyond() {
    for seconds in [-300, -50, 50] {
        let it = installed(|_| {});
        it.ahead.store(seconds, Ordering::Relaxed);
        it.ask().await.0.unwrap();
    }
    for (seconds, says) in [(3600, "s ahead of GitHub's"), (-3600, "s behind GitHub's")] {
        let it = installed(|_| {});
        it.ahead.store(seconds, Ordering::Relaxed);
        let error = it.ask().await.0.unwrap_err();
        assert!(
            error.to_string().contains(says) && error.to_string().contains("set the clock, it is 3"),
            "{error}"
        );
        assert_presentable(&error, "eyJ");
    }
}

#[tokio::test]
async fn a_statement_echoed_is_not_shown() {
    let it = installed(|_| {});
    it.fake.script(Endpoint::Installation, [Play::Echo]);
    let error = it.ask().await.0.unwrap_err();
    assert_presentable(&error, "eyJ");
    assert!(error.to_string().contains("Bearer ***"), "{error}");
}

#[test]
fn a_private_key_is_one_that_can_sign() {
    const PKCS8: &str = include_str!("support/keys/app.pkcs8.pem");
    for pem in [APP_KEY, PKCS8] {
        assert_eq!(format!("{:?}", AppKey::new(&bare(pem)).unwrap()), "AppKey(redacted)");
    }
    let whole = bare(APP_KEY);
    for text in ["", "not base64!", "czNjcjN0", &whole.expose()[4..], &whole.expose()[..800]] {
        assert_eq!(AppKey::new(&Secret::new(text.into())).err(), Some(KeyFault), "{text}");
    }
}

#[tokio::test]
async fn the_fake_refuses_a_token_that_is_older_than_an_hour() {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let secret = token();
    fake.grant(&secret, Access::Full);
    let client = client(&fake, "https://github.com/o/r", pat(&secret), QUICK);
    let register = client.registration_token(soon()).await.unwrap().token;
    let id = fake.register("x", &["gpu"], register.expose()).unwrap();
    assert_eq!(client.find_runner("x", soon()).await.unwrap().unwrap().id, id);
    fake.advance(TimeDelta::minutes(61));
    assert_eq!(fake.register("y", &[], register.expose()), Err(404));
    assert_eq!(fake.remove(register.expose(), "x"), Err(404));
    let fresh = client.registration_token(soon()).await.unwrap().token;
    fake.change(id, |runner| runner.busy = true);
    assert_eq!(fake.remove(fresh.expose(), "x"), Err(422));
    fake.change(id, |runner| runner.busy = false);
    assert_eq!(fake.remove(fresh.expose(), "x"), Ok(()));
    assert!(fake.runners().is_empty());
}

/// One request without any header a client should send; the status it is answered with.
fn knock(fake: &Fake, method: &str, path: &str, body: &str) -> u16 {
    let mut stream = std::net::TcpStream::connect(fake.addr).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_fake_has_a_side_door_for_config_sh() {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let secret = token();
    fake.grant(&secret, Access::Full);
    let client = client(&fake, "https://github.com/o/r", pat(&secret), QUICK);
    let knock = |path: &str, body: Value| knock(&fake, "POST", &format!("/sim/{path}"), &body.to_string());
    let register = client.registration_token(soon()).await.unwrap().token;
    let body = json!({"token": register.expose(), "name": "x", "labels": ["gpu"], "ephemeral": true});
    assert_eq!(knock("register", body.clone()), 200);
    assert_eq!(knock("register", body), 409);
    assert!(fake.runners()[0].ephemeral && fake.runners()[0].labels == ["gpu"]);
    assert_eq!(knock("remove", json!({"token": "R-nobody-issued-it", "name": "x"})), 404);
    assert_eq!(knock("remove", json!({"token": register.expose(), "name": "x"})), 200);
    assert!(fake.runners().is_empty());
}

#[test]
fn the_fake_notices_what_github_would_refuse() {
    let fake = Fake::start(Shape::Server, "/repos/o/r");
    for prefix in ["", "/api/v3"] {
        assert_eq!(knock(&fake, "GET", &format!("{prefix}/repos/o/r/actions/runners/1"), ""), 400);
    }
    assert!(fake.violations().len() >= 6, "{:?}", fake.violations());
}
