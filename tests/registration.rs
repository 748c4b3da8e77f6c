//! A runner's registration, end to end: PID 1 in a namespace, a simulated runner, a fake GitHub, and what each of them saw.
//!
//! What becomes of it in every phase and for every credential is in `tests/lifecycle`.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/github.rs"]
mod github;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use github::api::{Access, random};
use github::{APP_KEY, Fake, Play, Shape};
use runner_init::github::Endpoint;
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use supervised::{Plan, SET_UPS, Supervised, files, job, plan, runner};

const NAME: &str = "test-runner";

/// A `config.sh` that registers there.
fn config_sh(fake: &Fake) -> String {
    let python = ns::program("python3").expect("required");
    let body = include_str!("support/config_sh.py").replace("@FAKE@", &format!("http://{}", fake.addr));
    format!("#!{}\n{body}", python.display())
}

/// The plan, at this GitHub.
fn at(fake: &Fake, plan: Plan) -> Plan {
    plan.registering(config_sh(fake)).env("GITHUB_API_URL", &fake.api_url())
}

/// A GitHub with a repository, and a token that may do everything there.
fn repository() -> (Fake, String) {
    let (fake, token) = (Fake::start(Shape::Dotcom, "/repos/o/r"), random("ghp_"));
    fake.grant(&token, Access::Full);
    (fake, token)
}

/// The plan with that token, for that repository.
fn with_pat(fake: &Fake, token: &str, plan: Plan) -> Plan {
    at(fake, plan).env("GITHUB_TOKEN", token).env("GITHUB_REPOSITORY", "o/r").env("RUNNER_LABELS", "gpu,big")
}

fn lines(path: &Path) -> Vec<Value> {
    let text = ns::read(path);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The calls of `config.sh`.
fn calls(s: &Supervised) -> Vec<Value> {
    lines(&s.path("runner/config-calls.jsonl"))
}

/// `R` for each call with a registration token.
fn kinds(s: &Supervised) -> String {
    calls(s).iter().map(|call| call["kind"].as_str().unwrap().to_owned()).collect()
}

/// The id in `.runner`, if it is there.
fn local_id(s: &Supervised) -> Option<u64> {
    let text = ns::read(&s.path("runner/.runner"));
    serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}')).ok()?["agentId"].as_u64()
}

/// What was asked of the API; looking alone does not count.
fn asked(fake: &Fake) -> Vec<String> {
    let log = fake.take_log();
    log.iter().filter(|request| request.method != "GET").map(github::Request::line).collect()
}

/// Nobody was told the secret: not our log, not stdout, no file.
fn kept(s: &Supervised, secret: &str) {
    let mut said = files(&s.path(""));
    said.extend([("stderr".to_owned(), s.err()), ("stdout".to_owned(), s.out())]);
    assert!(said.iter().any(|(name, _)| name.ends_with("sim.json")), "it looks at the right place");
    let found = |text: &[u8]| memchr::memmem::find(text, secret.as_bytes()).is_some();
    let told: Vec<&String> = said.iter().filter(|(_, text)| found(text)).map(|(name, _)| name).collect();
    assert!(told.is_empty(), "{told:?}");
}

/// Nor does it show in what we answer.
fn kept_by_http(s: &Supervised, secret: &str) {
    for path in ["/metrics", "/api/v1/status", "/api/v1/jobs", "/readyz", "/healthz"] {
        let answer = s.get(path);
        assert!(!answer.body.contains(secret) && !answer.head.contains(secret), "{path}");
    }
}

fn api_calls(s: &Supervised, endpoint: &str, code: &str) -> Option<f64> {
    let name = "github_runner_github_api_requests_total";
    s.metric(&format!("{name}{{endpoint=\"{endpoint}\",code=\"{code}\"}}"))
}

/// What promtool has against the page; nothing without a promtool.
fn complaints(page: &str) -> String {
    let Some(promtool) = ns::program("promtool") else { return String::new() };
    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = check.spawn().unwrap();
    std::io::Write::write_all(&mut check.stdin.take().unwrap(), page.as_bytes()).unwrap();
    let said = check.wait_with_output().unwrap();
    String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned()
}

#[test]
fn a_pat_registers_a_runner_that_works_and_is_taken_away_again() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let mut s = with_pat(&fake, &token, runner(&[job("build", 100)])).start();
    s.until("its job is counted", |s| s.results() == ["success"]);
    let known = fake.runners();
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].name.as_str(), known[0].ephemeral), (NAME, false));
    assert_eq!(known[0].labels, ["gpu", "big"]);
    assert_eq!(local_id(&s), Some(known[0].id));
    assert_eq!(api_calls(&s, "registration_token", "201"), Some(1.0));
    assert_eq!(complaints(&s.get("/metrics").body), "");
    kept_by_http(&s, &token);
    assert_eq!(s.stop(), 0);
    assert!(fake.runners().is_empty() && local_id(&s).is_none());
    assert_eq!(kinds(&s), "R", "no token is handed out once a job has run");
    let (base, id) = ("/repos/o/r/actions/runners", known[0].id);
    assert_eq!(asked(&fake), [format!("POST {base}/registration-token"), format!("DELETE {base}/{id}")]);
    assert!(!s.path("state/jobs.log.registration").exists(), "nobody is left to be known");
    let args = calls(&s)[0]["args"].to_string();
    assert!(args.contains(r#""--url","https://github.com/o/r""#), "{args}");
    for call in calls(&s) {
        assert!(!call["env"].to_string().contains("GITHUB_TOKEN"), "{call}");
    }
    assert!(s.log().contains("event=deregistered how=api"), "{}", s.log());
    assert_eq!(fake.violations(), [""; 0]);
    kept(&s, &token);
}

#[test]
fn a_registration_token_alone_registers_and_removes_within_its_hour() {
    require!("namespace", "python3");
    for late in [false, true] {
        let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
        let token = fake.registration_token();
        let plan = at(&fake, runner(&[])).env("RUNNER_TOKEN", &token);
        let mut s = plan.env("GITHUB_REPOSITORY", "o/r").start();
        s.until_state("idle");
        assert_eq!(fake.runners().len(), 1);
        if late {
            fake.advance(TimeDelta::minutes(61));
        }
        assert_eq!(s.stop(), 0, "what we could not remove is no fault of the runner's");
        assert_eq!(fake.runners().len(), usize::from(late));
        let says = "event=registration_left_behind says=\"runner test-runner stays registered";
        assert_eq!(s.log().contains(says), late, "{}", s.log());
        assert_eq!(fake.take_log().len(), 0, "the API was not needed");
        kept(&s, &token);
    }
}

#[test]
fn an_app_registers_and_removes() {
    require!("namespace", "python3");
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    fake.install_app("5", 42);
    let plan = at(&fake, runner(&[])).env("APP_ID", "5").env("APP_PRIVATE_KEY", APP_KEY);
    let mut s = plan.env("GITHUB_REPOSITORY", "o/r").start();
    s.until_state("idle");
    assert_eq!(fake.runners().len(), 1);
    assert_eq!(s.stop(), 0);
    assert!(fake.runners().is_empty());
    assert_eq!(fake.violations(), [""; 0]);
    let log = fake.take_log();
    let given = log.iter().filter_map(|request| request.header("authorization"));
    given.filter_map(|text| text.strip_prefix("Bearer ")).for_each(|token| kept(&s, token));
    kept(&s, APP_KEY.lines().nth(1).unwrap());
}

#[test]
fn organisations_and_enterprises_have_their_own_paths() {
    require!("namespace", "python3");
    let rows = [
        ("ORG_NAME", "octo-org", "/orgs/octo-org", "https://github.com/octo-org"),
        ("ENTERPRISE_NAME", "big-co", "/enterprises/big-co", "https://github.com/enterprises/big-co"),
    ];
    for (variable, value, path, page) in rows {
        let (fake, token) = (Fake::start(Shape::Dotcom, path), random("ghp_"));
        fake.grant(&token, Access::Full);
        let plan = at(&fake, runner(&[])).env("GITHUB_TOKEN", &token).env(variable, value);
        let mut s = plan.env("RUNNER_GROUP", "builders").start();
        s.until_state("idle");
        let args = calls(&s)[0]["args"].to_string();
        assert!(args.contains(&format!("\"--url\",\"{page}\"")), "{args}");
        assert!(args.contains(r#""--runnergroup","builders""#), "{args}");
        let id = fake.runners()[0].id;
        assert_eq!(s.stop(), 0);
        assert!(fake.runners().is_empty());
        let base = format!("{path}/actions/runners");
        assert_eq!(asked(&fake), [format!("POST {base}/registration-token"), format!("DELETE {base}/{id}")]);
        assert_eq!(fake.violations(), [""; 0]);
    }
}

#[test]
fn without_github_at_the_end_it_says_what_stays_and_leaves_in_time() {
    require!("namespace", "python3");
    for hangs in [false, true] {
        let (fake, token) = repository();
        let mut s = with_pat(&fake, &token, runner(&[])).env("RUNNER_STOP_GRACE", "20s").start();
        s.until_state("idle");
        let fake = if hangs {
            fake.script(Endpoint::DeleteRunner, [Play::Hang, Play::Hang, Play::Hang]);
            Some(fake)
        } else {
            drop(fake);
            None
        };
        let asked = Instant::now();
        assert_eq!(s.stop(), 0);
        assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
        let says = "event=registration_left_behind says=\"runner test-runner stays registered: ";
        assert!(s.log().contains(says), "hangs: {hangs}; {}", s.log());
        kept(&s, &token);
        drop(fake);
    }
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    fake.script(Endpoint::RegistrationToken, [500, 500].map(|code| Play::status(code, "Server Error")));
    let mut s = with_pat(&fake, &token, runner(&[])).start();
    s.until_state("idle");
    assert_eq!(api_calls(&s, "registration_token", "500"), Some(2.0));
    assert_eq!(s.stop(), 0);
    assert!(fake.runners().is_empty());
}

#[test]
fn a_token_that_is_no_good_ends_it_at_once() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    fake.grant(&token, Access::Revoked);
    let mut s = with_pat(&fake, &token, runner(&[])).start();
    assert_eq!(s.exit_code(), 69);
    let log = s.log();
    assert!(!log.contains("event=restart_scheduled"), "{log}");
    let line = log.lines().find(|line| line.contains("event=registration_failed")).unwrap();
    assert!(line.contains("401") && line.contains("will_retry=false"), "{line}");
    assert!(!log.contains(&token), "{log}");
    assert!(calls(&s).is_empty() && fake.runners().is_empty());
}

#[test]
fn a_name_that_is_taken_is_not_taken_away() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let other = fake.add_runner(NAME, &["theirs"]);
    let plan = with_pat(&fake, &token, runner(&[])).env("RUNNER_REPLACE_EXISTING", "false");
    let mut s = plan.start();
    assert_eq!(s.exit_code(), 69);
    assert!(s.log().contains("RUNNER_REPLACE_EXISTING=true"), "{}", s.log());
    assert_eq!(fake.runners().iter().map(|r| r.id).collect::<Vec<_>>(), [other], "theirs stays");
    kept(&s, &token);
}

#[test]
fn a_registration_cut_off_before_it_began_costs_nobody_of_the_same_name_his_own() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let other = fake.add_runner(NAME, &["theirs"]);
    let plan = with_pat(&fake, &token, runner(&[])).env("RUNNER_REPLACE_EXISTING", "false");
    let mut s = plan.env("CONFIG_SH_WAITS", "1").start();
    s.until("config.sh runs", |s| kinds(s) == "R");
    assert_eq!(s.stop(), 0);
    assert_eq!(fake.runners().iter().map(|r| r.id).collect::<Vec<_>>(), [other], "theirs stays");
    assert!(s.log().contains("not removed by its name"), "{}", s.log());

    fake.clear_runners();
    let plan = with_pat(&fake, &token, runner(&[])).env("CONFIG_SH_WAITS", "1");
    let mut s = plan.start();
    s.until("config.sh runs", |s| kinds(s) == "R");
    assert_eq!(s.stop(), 0);
    assert!(s.log().contains("event=deregistered how=never_registered"), "{}", s.log());
}

#[test]
fn a_registration_that_was_kept_is_used_again_but_not_for_something_else() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let keeping = with_pat(&fake, &token, runner(&[])).env("DISABLE_AUTOMATIC_DEREGISTRATION", "true");
    let mut first = keeping.start();
    first.until_state("idle");
    assert_eq!(first.stop(), 0);
    let id = local_id(&first);
    assert_eq!(fake.runners().iter().map(|r| Some(r.id)).collect::<Vec<_>>(), [id]);

    let other = Fake::start(Shape::Dotcom, "/repos/o/other");
    other.grant(&token, Access::Full);
    assert_eq!(Some(other.add_runner("theirs", &[])), id, "it counts for itself");
    let plan = at(&other, runner(&[])).env("GITHUB_TOKEN", &token).env("GITHUB_REPOSITORY", "o/other");
    let mut strange = plan.in_dir_of(&first).start();
    assert_eq!(strange.exit_code(), 69);
    assert!(strange.log().contains("holds a registration for another target than"), "{}", strange.log());
    assert_eq!((local_id(&strange), kinds(&strange)), (id, "R".to_owned()), "neither used nor thrown away");
    assert_eq!(
        (asked(&other), other.runners().len()),
        (Vec::new(), 1),
        "the runner of that id there is not ours"
    );

    let mut second = with_pat(&fake, &token, runner(&[])).in_dir_of(&first).start();
    second.until_state("idle");
    assert!(second.log().contains("event=registered how=kept"), "{}", second.log());
    assert_eq!((local_id(&second), kinds(&second)), (id, "R".to_owned()), "no call of config.sh");
    assert_eq!(second.stop(), 0);
    assert!(fake.runners().is_empty());
    assert_eq!(kinds(&second), "R");
}

#[test]
fn a_disowned_runner_registers_anew_under_a_new_id() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let ghost = json!({ "connect_ms": 10, "session": "deleted" });
    let told = json!({ "connect_ms": 10, "steps": [{ "deleted_on_server": {} }] });
    let scenario = json!({ "launches": [ghost, told, { "connect_ms": 10 }] });
    let mut s = with_pat(&fake, &token, plan(scenario)).start();
    let again = "github_runner_restarts_total{reason=\"reregistered\"}";
    s.until("it has a third registration", |s| s.metric(again) == Some(2.0));
    s.until_state("idle");
    let ids: Vec<u64> = fake.runners().iter().map(|runner| runner.id).collect();
    assert_eq!((ids.as_slice(), local_id(&s)), ([1003].as_slice(), Some(1003)), "{}", s.log());
    assert_eq!(kinds(&s), "RRR");
    assert_eq!(s.stop(), 0);
    assert!(fake.runners().is_empty());
    kept(&s, &token);
}

#[test]
fn no_registration_token_is_handed_out_once_a_job_has_run() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let first = json!({ "connect_ms": 10, "steps": [job("first", 50), { "deleted_on_server": {} }] });
    let scenario = json!({ "launches": [first, { "connect_ms": 10, "steps": [] }] });
    let mut s = with_pat(&fake, &token, plan(scenario)).start();
    let again = "github_runner_restarts_total{reason=\"reregistered\"}";
    s.until("it has a second registration", |s| s.metric(again) == Some(1.0));
    s.until_state("idle");
    assert_eq!((kinds(&s).as_str(), fake.runners().len()), ("R", 1), "{}", s.log());
    assert!(fake.runners()[0].ephemeral, "a just-in-time runner");
    assert_eq!(s.results(), ["success"]);
    assert_eq!(s.stop(), 0);
    assert!(fake.runners().is_empty(), "{}", s.log());
    let all = fake.take_log();
    let tokens = all.iter().filter(|request| request.path.ends_with("-token")).count();
    assert_eq!(tokens, 1, "{all:?}");
    kept(&s, &token);
}

/// Who supervisor and jobs are, and whose the programs.
type SetUp = fn(Plan) -> Plan;

/// A job that puts a `config.sh` of its own in the place of the runner's: it notes what it is given. Finding 2.
fn thief() -> Value {
    let script = r#"
        cd "$GITHUB_WORKSPACE/../../.." && mv config.sh config.real.sh
        printf '#!/bin/bash\necho "$1 $ACTIONS_RUNNER_INPUT_TOKEN" >> noted\nexec ./config.real.sh "$@"\n' > config.sh
        chmod 755 config.sh
    "#;
    json!({ "job": { "name": "thief", "steps": [{ "run": script }] } })
}

/// The second life of a container whose runner had this job in its first, with that credential.
fn second_life(first: &Value, with: &dyn Fn(Plan) -> Plan) -> (Supervised, Supervised) {
    let plan = || with(supervised::launches(&[std::slice::from_ref(first), &[]]));
    let mut life = plan().start();
    life.until("its job is over", |s| s.results() == ["success"]);
    assert_eq!(life.stop(), 0, "{}", life.log());
    let again = plan().again(&life).start();
    (life, again)
}

#[test]
fn in_a_container_that_had_jobs_a_changed_config_sh_is_given_no_token() {
    require!("namespace", "root", "setpriv", "bash", "python3");
    for set_up in SET_UPS {
        let (fake, token) = repository();
        let (_, mut s) = second_life(&thief(), &|plan| set_up(with_pat(&fake, &token, plan)));
        s.until_state("idle");
        assert_eq!(
            (ns::read(&s.path("runner/noted")).as_str(), kinds(&s).as_str()),
            ("", "R"),
            "{}",
            s.log()
        );
        assert!(fake.runners()[0].ephemeral, "a just-in-time runner");
        assert_eq!(s.stop(), 0);
        assert!(fake.runners().is_empty(), "{}", s.log());
    }
}

#[test]
fn in_a_container_that_had_jobs_config_sh_registers_if_no_job_can_have_changed_it() {
    require!("namespace", "root", "setpriv", "bash", "python3");
    let plain = json!({ "job": { "name": "plain", "ms": 50 } });
    let set_ups: [(SetUp, &str); 3] = [
        (|plan| plan.with_runner_user(4321), "RR"),
        (|plan| plan.owned_by(4321).with_programs_of_root(), "RR"),
        // Of one user, who may have changed the programs and whatever we remember of them.
        (|plan| plan.owned_by(4321), "R"),
    ];
    for (set_up, calls) in set_ups {
        let (fake, token) = repository();
        let (_, mut s) = second_life(&plain, &|plan| set_up(with_pat(&fake, &token, plan)));
        s.until_state("idle");
        assert_eq!(kinds(&s), calls, "{}", s.log());
        assert_eq!(fake.runners()[0].ephemeral, calls == "R");
        let is_closed = !s.path("runner/bin").metadata().is_ok_and(|bin| bin.uid() == 4321);
        assert_eq!(s.log().contains("event=updates_cannot_be_installed"), is_closed, "{}", s.log());
        assert_eq!(s.stop(), 0);
    }
}

#[test]
fn a_registration_token_alone_is_not_handed_to_programs_of_a_job() {
    require!("namespace", "root", "setpriv", "bash", "python3");
    for set_up in SET_UPS {
        let (fake, _) = repository();
        let token = fake.registration_token();
        let plan = |plan| set_up(at(&fake, plan).env("RUNNER_TOKEN", &token).env("GITHUB_REPOSITORY", "o/r"));
        let steps = [thief()];
        let mut life = plan(supervised::launches(&[&steps, &[]])).start();
        life.until("its job is over", |s| s.results() == ["success"]);
        assert_eq!(life.stop(), 0);
        assert_eq!((ns::read(&life.path("runner/noted")).as_str(), kinds(&life).as_str()), ("", "R"));
        assert!(life.log().contains("event=registration_left_behind"), "{}", life.log());
        std::fs::remove_file(life.path("runner/.runner")).unwrap();
        let mut again = plan(supervised::launches(&[&[]])).again(&life).start();
        assert_eq!(again.exit_code(), 69);
        assert_eq!(ns::read(&again.path("runner/noted")), "");
        assert!(again.log().contains("register in a new container"), "{}", again.log());
    }
}

#[test]
fn an_ephemeral_runner_that_has_done_its_job_has_nothing_to_remove() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let mut s = with_pat(&fake, &token, runner(&[job("only", 300)])).env("RUNNER_EPHEMERAL", "true").start();
    assert_eq!(s.exit_code(), 0);
    assert_eq!(s.results(), ["success"]);
    assert!(fake.runners()[0].ephemeral);
    assert_eq!(kinds(&s), "R");
    assert_eq!(asked(&fake), ["POST /repos/o/r/actions/runners/registration-token"]);
}

/// What a job may write into `.runner`: another runner's id.
fn claim(s: &Supervised, id: u64) {
    let text = ns::read(&s.path("runner/.runner"));
    let mut file: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    file["agentId"] = id.into();
    std::fs::write(s.path("runner/.runner"), file.to_string()).unwrap();
    assert_eq!(local_id(s), Some(id));
}

/// Another team's runner, which has lost nothing and got nothing.
#[track_caller]
fn untouched(fake: &Fake, id: u64) {
    let theirs = fake.runners().into_iter().find(|runner| runner.id == id).expect("it is still there");
    assert_eq!(theirs.labels, ["prod", "deploy"]);
}

/// A GitHub with another team's runner, and one of ours at work on these steps.
fn beside_another(plan: Plan) -> (Fake, u64, String, Supervised) {
    let (fake, token) = repository();
    let other = fake.add_runner("prod-deploy-runner", &["prod", "deploy"]);
    let mut s = with_pat(&fake, &token, plan).start();
    s.until("it is ready", |s| matches!(s.state().as_str(), "idle" | "busy"));
    (fake, other, token, s)
}

#[test]
fn a_foreign_id_in_runner_deletes_nobody_else() {
    require!("namespace", "root", "setpriv", "python3");
    for set_up in SET_UPS {
        let (fake, other, _, mut s) = beside_another(set_up(runner(&[])));
        claim(&s, other);
        assert_eq!(s.stop(), 0);
        untouched(&fake, other);
        assert_eq!(fake.runners().len(), 1, "ours is gone: {}", s.log());
        assert!(s.log().contains("event=deregistered how=api"), "{}", s.log());
    }
}

#[test]
fn a_foreign_id_in_runner_takes_nobody_elses_labels_away() {
    require!("namespace", "root", "setpriv", "python3");
    for set_up in SET_UPS {
        let (fake, other, _, mut s) = beside_another(set_up(runner(&[job("long", 600_000)])));
        s.until_state("busy");
        claim(&s, other);
        s.signal(nix::sys::signal::Signal::SIGTERM);
        s.until("ours has no labels", |_| {
            fake.runners().iter().any(|r| r.id != other && r.labels.is_empty())
        });
        untouched(&fake, other);
    }
}

#[test]
fn a_foreign_id_in_runner_gives_nobody_else_our_labels() {
    require!("namespace", "python3");
    let (fake, other, token, mut s) = beside_another(runner(&[]));
    let ours = local_id(&s).unwrap();
    claim(&s, other);
    s.signal(nix::sys::signal::Signal::SIGKILL);
    s.exit_code();
    let plan = with_pat(&fake, &token, runner(&[])).env("RUNNER_LABELS", "untrusted").in_dir_of(&s);
    let mut next = plan.start();
    next.until_state("idle");
    assert!(next.log().contains("event=registered how=kept"), "{}", next.log());
    untouched(&fake, other);
    let labels = |id| fake.runners().into_iter().find(|runner| runner.id == id).map(|runner| runner.labels);
    assert_eq!(labels(ours), Some(vec!["untrusted".to_owned()]));
    assert_eq!(next.stop(), 0);
    untouched(&fake, other);
    assert_eq!(labels(ours), None, "we still knew who we are");
}

#[test]
fn a_foreign_id_in_runner_does_not_tell_our_standing() {
    require!("namespace", "python3");
    let plan = runner(&[]).env("RUNNER_STATUS_CHECK_INTERVAL", "10s");
    let (fake, other, _, mut s) = beside_another(plan);
    let ours = local_id(&s).unwrap();
    claim(&s, other);
    fake.change(ours, |runner| runner.online = false);
    s.until("it is our own that is looked at", |s| {
        s.metric("github_runner_status_disagreements_total") >= Some(1.0)
    });
    assert_eq!(s.stop(), 0);
    untouched(&fake, other);
}

#[test]
fn what_cannot_be_proven_ours_is_left_behind_and_said() {
    require!("namespace", "python3");
    // Where jobs have our uid the file of ours is theirs as well; and it may be gone.
    for forged in [true, false] {
        let (fake, other, token, mut s) = beside_another(runner(&[]));
        claim(&s, other);
        let memory = s.path("state/jobs.log.registration");
        s.signal(nix::sys::signal::Signal::SIGKILL);
        s.exit_code();
        let text = ns::read(&memory);
        let ours = fake.runners().iter().map(|runner| runner.id).find(|id| *id != other).unwrap();
        assert!(text.contains(&ours.to_string()), "{text}");
        if forged {
            let name = text.replace(NAME, "prod-deploy-runner");
            std::fs::write(&memory, name.replace(&ours.to_string(), &other.to_string())).unwrap();
        } else {
            std::fs::remove_file(&memory).unwrap();
        }
        let mut next = with_pat(&fake, &token, runner(&[])).in_dir_of(&s).start();
        next.until_state("idle");
        assert!(next.log().contains("event=registered how=kept_unproven"), "{}", next.log());
        assert_eq!(next.stop(), 0);
        untouched(&fake, other);
        assert_eq!(fake.runners().len(), 2);
        let says = if forged { "is prod-deploy-runner at GitHub" } else { "is not proven to be ours" };
        let log = next.log();
        assert!(log.contains("event=registration_left_behind") && log.contains(says), "{log}");
        assert!(!log.contains("event=deregistered"), "{log}");
    }
}

#[test]
fn a_registration_that_we_do_not_remember_is_ours_if_github_and_its_files_agree() {
    require!("namespace", "python3");
    let (fake, other, token, mut s) = beside_another(runner(&[]));
    s.signal(nix::sys::signal::Signal::SIGKILL);
    s.exit_code();
    std::fs::remove_file(s.path("state/jobs.log.registration")).unwrap();
    let mut next = with_pat(&fake, &token, runner(&[])).in_dir_of(&s).start();
    next.until_state("idle");
    assert!(next.log().contains("event=registered how=kept\n"), "{}", next.log());
    assert_eq!(next.stop(), 0);
    assert_eq!(fake.runners().iter().map(|runner| runner.id).collect::<Vec<_>>(), [other]);
}

#[test]
fn a_registration_whose_files_are_gone_is_removed_all_the_same() {
    require!("namespace", "python3");
    for spoil in [
        "rm -f .runner",
        ": > .runner",
        "rm .runner; mkdir .runner",
        "rm .runner; mkfifo .runner",
        "truncate -s 1G .runner",
        "rm .runner; ln -s /dev/zero .runner",
        "rm .runner; ln -s nowhere .runner",
        "rm .runner; touch other; ln other .runner",
    ] {
        let (fake, other, _, mut s) = beside_another(runner(&[]));
        let done = Command::new("sh").args(["-ec", spoil]).current_dir(s.path("runner")).status().unwrap();
        assert!(done.success());
        assert_eq!(s.stop(), 0, "{spoil}");
        assert_eq!(fake.runners().iter().map(|runner| runner.id).collect::<Vec<_>>(), [other], "{spoil}");
        assert!(s.log().contains("event=deregistered how=api"), "{spoil}: {}", s.log());
        let is_odd = ["mkdir", "mkfifo", "truncate", "ln -s"].iter().any(|word| spoil.contains(word));
        assert_eq!(s.log().contains("event=odd_file path=.runner "), is_odd, "{spoil}: {}", s.log());
    }
}

/// Whoever opens what this has mounted waits: the file system has a device, and nobody who answers.
const HANGS: &str = r#"
import ctypes, os, sys, time
device = os.open("/dev/fuse", os.O_RDWR)
mount = ctypes.CDLL(None, use_errno=True).mount
said = mount(b"hangs", sys.argv[1].encode(), b"fuse", 0, b"fd=%d,rootmode=100644,user_id=0,group_id=0" % device)
print("hangs" if said == 0 else os.strerror(ctypes.get_errno()), flush=True)
time.sleep(600)
"#;

/// A listener that does not look at its own files when it leaves.
const LISTENS: &str = r#"#!/bin/sh
[ "$1" = run ] || exec bin/simulated/Runner.Listener "$@"
trap 'exit 0' INT
echo "$(date -u '+%Y-%m-%d %H:%M:%SZ'): Listening for Jobs"
while :; do sleep 0.05; done
"#;

#[test]
fn a_file_system_that_hangs_stops_neither_an_answer_nor_the_stop() {
    require!("namespace", "root", "python3", "nsenter", "fuse");
    let (fake, token) = repository();
    let plan = with_pat(&fake, &token, runner(&[])).listening(LISTENS.to_owned());
    let mut s = plan.env("RUNNER_STOP_GRACE", "60s").start();
    s.until_state("idle");
    let mut hangs = Command::new("nsenter");
    hangs.args(["--mount", "--target", &s.pid().to_string(), "python3", "-c", HANGS]);
    let hangs = ns::Tree::spawn(hangs.arg(s.path("runner/.runner")));
    hangs.wait_for("hangs");
    s.signal(nix::sys::signal::Signal::SIGTERM);
    s.until_log("event=deregistration_started");
    let asked = Instant::now();
    assert_eq!(s.get("/livez").status, 200, "{}", s.log());
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(s.exit_code(), 0, "{}", s.log());
    assert!(s.log().contains("event=deregistered how=api"), "{}", s.log());
    assert!(fake.runners().is_empty());
}

#[test]
fn a_404_of_somebody_who_may_not_look_is_not_githubs_word() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let mut s = with_pat(&fake, &token, runner(&[])).start();
    s.until_state("idle");
    // GitHub answers so to whom it does not want to tell that there is such a repository.
    for endpoint in [Endpoint::Runner, Endpoint::Runners, Endpoint::DeleteRunner] {
        fake.script(endpoint, (0..8).map(|_| Play::status(404, "Not Found")));
    }
    assert_eq!(s.stop(), 0);
    assert!(s.log().contains("event=registration_left_behind"), "{}", s.log());
    assert!(!s.log().contains("event=deregistered"), "{}", s.log());
    assert_eq!(fake.runners().len(), 1);
}

#[test]
fn who_takes_a_place_takes_that_of_its_own_name() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    fake.ignore_name_filter();
    let other = fake.add_runner(&format!("{NAME}-2"), &["prod", "deploy"]);
    fake.add_leftover(NAME, &[]);
    let mut s = with_pat(&fake, &token, runner(&[])).env("RUNNER_JIT", "true").start();
    s.until("it is ready", |s| s.state() == "idle");
    untouched(&fake, other);
    assert_eq!(fake.runners().iter().filter(|runner| runner.name == NAME).count(), 1);
    assert_eq!(s.stop(), 0);
    untouched(&fake, other);
    assert_eq!(fake.runners().len(), 1, "{}", s.log());
}

#[test]
fn already_gone_is_githubs_own_word() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let mut s = with_pat(&fake, &token, runner(&[])).start();
    s.until_state("idle");
    fake.clear_runners();
    assert_eq!(s.stop(), 0);
    assert!(s.log().contains("event=deregistered how=already_gone"), "{}", s.log());

    fake.grant(&token, Access::Revoked);
    let mut s = with_pat(&fake, &token, runner(&[])).start();
    assert_eq!(s.exit_code(), 69);
    assert!(s.log().contains("event=deregistered how=never_registered"), "{}", s.log());
}

/// What GitHub would hand out: the files of a registration.
fn jit_config() -> String {
    let runner = json!({ "AgentId": "77", "AgentName": NAME, "Ephemeral": "True",
        "GitHubUrl": "https://github.com/o/r" });
    let files = [(".runner", runner.to_string()), (".credentials", "{}".to_owned())];
    let map: serde_json::Map<String, Value> =
        files.iter().map(|(name, text)| ((*name).to_owned(), STANDARD.encode(text).into())).collect();
    STANDARD.encode(Value::Object(map).to_string())
}

#[test]
fn a_just_in_time_configuration_reaches_the_listener_alone() {
    require!("namespace", "python3", "bash");
    let (fake, jit) = (Fake::start(Shape::Dotcom, "/repos/o/r"), jit_config());
    let steps =
        json!([{ "job": { "name": "only", "steps": [{ "run": "env > \"$RUNNER_WORKSPACE/seen\"" }] } }]);
    let scenario = json!({ "record_calls": true, "launches": [{ "connect_ms": 10, "steps": steps }] });
    let mut s = at(&fake, plan(scenario)).env("ACTIONS_RUNNER_INPUT_JITCONFIG", &jit).start();
    assert_eq!(s.exit_code(), 0, "{}", s.log());
    assert_eq!(s.results(), ["success"]);
    let starts = lines(&s.path("runner/sim-calls.jsonl"));
    assert_eq!(starts.len(), 1);
    assert_eq!(starts[0]["env"]["ACTIONS_RUNNER_INPUT_JITCONFIG"], jit.as_str());
    assert_eq!(starts[0]["argv"].to_string().matches(jit.as_str()).count(), 0);
    let seen = ns::read(&s.path("runner/_work/widgets/seen"));
    assert!(seen.contains("GITHUB_ACTIONS=true") && !seen.contains(&jit), "{seen}");
    assert!(calls(&s).is_empty(), "no config.sh");
    assert!(fake.take_log().is_empty() && !s.log().contains(&jit));
}

#[test]
fn a_just_in_time_configuration_that_we_ask_for_needs_no_config_sh() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let just_in_time = |steps: &[Value]| {
        let scenario = json!({ "record_calls": true, "launches": [{ "connect_ms": 10, "steps": steps }] });
        with_pat(&fake, &token, plan(scenario)).env("RUNNER_JIT", "true")
    };
    let mut s = just_in_time(&[job("only", 100)]).start();
    assert_eq!((s.exit_code(), s.results()), (0, vec!["success".to_owned()]), "{}", s.log());
    let labels = &fake.runners()[0].labels;
    assert!(labels.starts_with(&["self-hosted".into(), "Linux".into()]), "{labels:?}");
    assert!(labels.ends_with(&["gpu".into(), "big".into()]), "{labels:?}");
    assert!(ns::read(&s.path("runner/config-calls.jsonl")).is_empty());
    assert_eq!(lines(&s.path("runner/sim-calls.jsonl"))[0]["argv"], json!(["run"]));

    // As GitHub does when the job is done.
    fake.clear_runners();
    let mut s = just_in_time(&[]).start();
    s.until_state("idle");
    assert_eq!(s.stop(), 0);
    assert!(fake.runners().is_empty(), "it never had its job: {}", s.log());
    kept(&s, &token);
}

#[test]
fn a_runner_that_github_calls_offline_twice_is_launched_again_with_its_registration() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let mut s = with_pat(&fake, &token, runner(&[])).env("RUNNER_STATUS_CHECK_INTERVAL", "10s").start();
    s.until_state("idle");
    let id = fake.runners()[0].id;
    fake.change(id, |runner| runner.online = false);
    s.until("it is launched again", |s| {
        s.metric("github_runner_restarts_total{reason=\"standing_disagreed\"}") == Some(1.0)
    });
    fake.change(id, |runner| runner.online = true);
    s.until_state("idle");
    assert_eq!(s.metric("github_runner_status_disagreements_total"), Some(2.0));
    assert_eq!(kinds(&s), "R", "the registration is as good as it was");
    assert_eq!(s.stop(), 0);
    assert!(fake.runners().is_empty());
}

#[test]
fn a_listener_that_hangs_is_launched_again() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let mut s = with_pat(&fake, &token, runner(&[]))
        .env("RUNNER_STATUS_CHECK_INTERVAL", "10s")
        .env("RUNNER_STOP_GRACE", "10")
        .start();
    s.until_state("idle");
    let hung = s.until_process("Runner.Listener");
    ns::send(hung, nix::sys::signal::Signal::SIGSTOP);
    // As GitHub does when nobody polls.
    let id = fake.runners()[0].id;
    fake.change(id, |runner| runner.online = false);
    s.until_log("event=listener_interrupted");
    // It takes no signal but KILL.
    fake.change(id, |runner| runner.online = true);
    s.until("another one listens", |s| s.log().matches("event=session_created").count() == 2);
    assert_eq!(s.metric("github_runner_restarts_total{reason=\"standing_disagreed\"}"), Some(1.0));
    assert_eq!(s.stop(), 0);
}

/// A listener whose trace tells nothing of the loss.
fn lost_without_a_trace() -> serde_json::Value {
    let text =
        "2026-11-30 09:03:35Z: Runner connect error: Connection refused. Retrying until reconnected.\n";
    json!({ "stderr": text })
}

#[test]
fn a_connection_that_came_back_in_silence_is_proven_by_github() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let plan = with_pat(&fake, &token, runner(&[lost_without_a_trace()]));
    let mut s = plan.env("RUNNER_STATUS_CHECK_INTERVAL", "10s").start();
    s.until_state("disconnected");
    assert_eq!(s.get("/readyz").status, 503);
    s.until_state("idle");
    assert_eq!(s.get("/readyz").status, 200);
    s.until_log("event=reconnected how=github");
    assert_eq!(s.metric("github_runner_reconnects_total"), Some(1.0));
    assert_eq!(s.stop(), 0);
}

#[test]
fn github_s_404_is_heeded_while_disconnected() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let plan = with_pat(&fake, &token, runner(&[lost_without_a_trace()]));
    let mut s = plan.env("RUNNER_STATUS_CHECK_INTERVAL", "10s").start();
    s.until_state("disconnected");
    fake.clear_runners();
    s.until("it is registered anew", |s| {
        s.metric("github_runner_restarts_total{reason=\"reregistered\"}") == Some(1.0)
    });
    assert_eq!(s.metric("github_runner_status_disagreements_total"), Some(2.0));
    assert_eq!(fake.runners().len(), 1);
    assert_eq!(s.stop(), 0);
}

/// `check --files` of such a runner: the exit code, and what was looked at.
fn looked_at(env: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner-init"));
    command.args(["check", "--files"]).env_clear().envs(env.iter().copied()).env("PATH", "/usr/bin:/bin");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, looked) = text.split_once("\nlooked at:\n").unwrap_or_else(|| panic!("{text}"));
    (output.status.code(), looked.to_owned())
}

#[test]
fn check_looks_at_what_a_start_would_find() {
    let (fake, token) = repository();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    std::fs::create_dir_all(path("runner/bin")).unwrap();
    std::fs::write(path("runner/bin/Runner.Listener"), "").unwrap();
    std::fs::write(path("a-file"), "").unwrap();
    let (runner, work, state, run) = (path("runner"), path("work"), path("state"), path("run"));
    let api = fake.api_url();
    let good = [
        ("RUNNER_DIR", &*runner),
        ("RUNNER_WORK_DIR", &work),
        ("RUNNER_STATE_DIR", &state),
        ("RUNNER_RUN_DIR", &run),
        ("RUNNER_ALLOW_RUNASROOT", "true"),
        ("METRICS_PORT", "0"),
        ("METRICS_BIND", "127.0.0.1"),
        ("GITHUB_REPOSITORY", "o/r"),
        ("GITHUB_API_URL", &api),
        ("GITHUB_TOKEN", &token),
    ];
    let (code, looked) = looked_at(&good);
    assert_eq!(code, Some(0), "{looked}");
    assert!(!looked.contains("FAULT"), "{looked}");
    for what in [
        "RUNNER_DIR: bin/Runner.Listener is in ",
        "registration: none yet",
        "name look-up: 127.0.0.1:",
        "GitHub: http",
    ] {
        assert!(looked.contains(&format!("  ok    {what}")), "{what}: {looked}");
    }
    assert!(!looked.contains(&token), "{looked}");
    for made in [&work, &state, &run] {
        assert!(!Path::new(made).exists(), "it only looks: {made}");
    }

    // The last one of a name counts.
    let bad = |name, value| looked_at(&[&good[..], &[(name, value)]].concat());
    let (nowhere, file) = (path("nowhere"), path("a-file"));
    let rows = [
        ("RUNNER_DIR", &*nowhere, 64, "RUNNER_DIR: expected an unpacked runner in "),
        ("RUNNER_STATE_DIR", &file, 64, ": it is a file, not a directory: name another, or remove it"),
        ("RUNNER_WORK_DIR", "/proc/nope", 64, "it is the kernel's own and takes no files"),
        (
            "RUNNER_USER",
            "no-such-user",
            64,
            "RUNNER_USER: there is no user \"no-such-user\" in this container",
        ),
        ("METRICS_BIND", "192.0.2.1", 71, "METRICS_PORT: cannot listen on 192.0.2.1:0"),
        ("GITHUB_TOKEN", "ghp_wrong", 69, "GitHub: "),
        ("GITHUB_API_URL", "http://127.0.0.1:1", 69, "GitHub: "),
        ("GITHUB_API_URL", "http://no-such-host.invalid", 69, "name look-up: no-such-host.invalid:80: "),
    ];
    for (name, value, code, wrong) in rows {
        let (got, looked) = bad(name, value);
        let found = looked.lines().any(|line| line.starts_with("  FAULT ") && line.contains(wrong));
        assert!(found && got == Some(code), "{name}={value}: {got:?} {looked}");
    }
}

/// With a just-in-time configuration or without.
fn kind(plan: Plan, just_in_time: bool) -> Plan {
    plan.env("RUNNER_JIT", &just_in_time.to_string())
}

#[test]
fn a_runner_of_our_name_that_lives_is_waited_for_and_never_replaced() {
    require!("namespace", "python3");
    for just_in_time in [false, true] {
        let (fake, token) = repository();
        let plan = || with_pat(&fake, &token, runner(&[]));
        let mut first = plan().start();
        first.until_state("idle");
        let id = local_id(&first).unwrap();
        fake.change(id, |runner| runner.busy = true);
        fake.take_log();
        let mut second = kind(plan(), just_in_time).start();
        second.until_log("event=restart_scheduled reason=registration_failed");
        let says =
            format!("runner {NAME} (id {id}) is somebody else's and runs a job, so it is not replaced");
        assert!(second.log().contains(&says), "{}", second.log());
        let wrote = asked(&fake);
        assert!(
            !wrote.iter().any(|line| line.contains("registration-token") || line.starts_with("DELETE")),
            "{wrote:?}"
        );
        assert_eq!(kinds(&second), "");
        // It has had its job, and only listens.
        fake.change(id, |runner| runner.busy = false);
        second.until_log("and is online, so it is not replaced");
        assert_eq!(fake.runners().iter().map(|runner| runner.id).collect::<Vec<_>>(), [id]);
        assert_eq!(first.stop(), 0, "{}", first.log());
        assert!(first.log().contains("event=deregistered how=api"), "{}", first.log());
        second.until_within(Duration::from_secs(60), "the name is free", |s| s.state() == "idle");
        let ids: Vec<u64> = fake.runners().iter().map(|runner| runner.id).collect();
        assert!(ids.len() == 1 && ids[0] > id, "{ids:?}");
        assert_eq!(second.stop(), 0);
        assert!(fake.runners().is_empty() && fake.violations().is_empty());
    }
}

#[test]
fn the_wait_for_a_runner_of_our_name_ends_with_69_and_costs_it_nothing() {
    require!("namespace", "python3");
    for just_in_time in [false, true] {
        let (fake, token) = repository();
        let other = fake.add_runner(NAME, &["theirs"]);
        let plan = kind(with_pat(&fake, &token, runner(&[])), just_in_time);
        let mut s = plan.env("RUNNER_MAX_RESTARTS", "1").start();
        assert_eq!(s.exit_code(), 69, "{}", s.log());
        assert_eq!(s.log().matches("so it is not replaced").count(), 2, "{}", s.log());
        let left = fake.runners();
        assert!(left.len() == 1 && left[0].id == other && left[0].labels == ["theirs"], "{left:?}");
    }
}

#[test]
fn the_place_of_a_runner_that_is_gone_and_our_own_are_taken_at_once() {
    require!("namespace", "python3");
    for just_in_time in [false, true] {
        let (fake, token) = repository();
        let gone = fake.add_leftover(NAME, &[]);
        let plan = || kind(with_pat(&fake, &token, runner(&[])), just_in_time);
        let mut s = plan().start();
        s.until_state("idle");
        let ours = fake.runners()[0].id;
        assert!(fake.runners().len() == 1 && ours != gone);
        s.signal(nix::sys::signal::Signal::SIGKILL);
        s.exit_code();
        // GitHub has not noticed yet, and the new container has none of the old one's files but the state.
        assert!(fake.runners()[0].online);
        std::fs::remove_file(s.path("runner/.runner")).unwrap_or_default();
        let mut next = plan().in_dir_of(&s).start();
        next.until_state("idle");
        assert!(!next.log().contains("event=registration_failed"), "{}", next.log());
        assert_ne!(fake.runners()[0].id, ours);
        assert_eq!(next.stop(), 0);
        assert!(fake.runners().is_empty());
    }
}

#[test]
fn whoever_has_taken_our_place_keeps_it_when_we_leave() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let mut s = with_pat(&fake, &token, runner(&[])).start();
    s.until_state("idle");
    let registration = fake.registration_token();
    // By a registration token, which can look at nobody.
    let other = fake.register(NAME, &["theirs"], &registration).unwrap();
    assert_eq!(s.stop(), 0);
    assert_eq!(fake.runners().iter().map(|runner| runner.id).collect::<Vec<_>>(), [other], "{}", s.log());
    assert!(s.log().contains("event=deregistered how=already_gone"), "{}", s.log());
}

#[test]
fn a_registration_cut_off_while_another_takes_the_name_costs_that_one_nothing() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let mut s = with_pat(&fake, &token, runner(&[])).env("CONFIG_SH_WAITS", "1").start();
    s.until("config.sh runs", |s| kinds(s) == "R");
    let other = fake.add_runner(NAME, &["theirs"]);
    assert_eq!(s.stop(), 0);
    assert_eq!(fake.runners().iter().map(|runner| runner.id).collect::<Vec<_>>(), [other], "{}", s.log());
    assert!(s.log().contains("our registration was cut off before it was known"), "{}", s.log());
}

#[test]
fn a_one_job_runner_that_gets_none_is_removed_and_leaves_with_0() {
    require!("namespace", "python3");
    let short = |plan: Plan| plan.env("RUNNER_IDLE_TIMEOUT", "1s");
    let (fake, token) = repository();
    let plan = || short(with_pat(&fake, &token, runner(&[])));
    for (plan, removals) in [
        (plan().env("RUNNER_EPHEMERAL", "true"), 1),
        (plan().env("RUNNER_JIT", "true"), 1),
        (short(at(&fake, runner(&[])).env("ACTIONS_RUNNER_INPUT_JITCONFIG", &jit_config())), 0),
    ] {
        fake.take_log();
        let mut s = plan.start();
        assert_eq!(s.exit_code(), 0, "{}", s.log());
        assert!(s.log().contains("event=no_job_came waited_seconds=1"), "{}", s.log());
        assert!(s.log().contains("event=finished reason=no_job code=0"), "{}", s.log());
        let deleted = asked(&fake).iter().filter(|line| line.starts_with("DELETE")).count();
        assert_eq!((deleted, fake.runners().len()), (removals, 0), "{}", s.log());
    }
}

#[test]
fn github_s_word_that_it_runs_a_job_keeps_a_runner_that_has_waited_long_enough() {
    require!("namespace", "python3");
    let (fake, token) = repository();
    let plan = with_pat(&fake, &token, runner(&[json!({ "idle_ms": 2500 }), job("late", 300)]));
    let plan = plan.env("RUNNER_EPHEMERAL", "true").env("RUNNER_IDLE_TIMEOUT", "2s");
    // On its way, and the listener has not said so.
    fake.script(Endpoint::DeleteRunner, [Play::status(422, "is still running a job")]);
    let mut s = plan.start();
    s.until_log("event=removal_put_off");
    assert_eq!(s.exit_code(), 0, "{}", s.log());
    assert_eq!(s.results(), ["success"], "{}", s.log());
    assert!(s.log().contains("event=finished reason=ephemeral_done code=0"), "{}", s.log());
}
