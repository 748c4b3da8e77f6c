//! No secret reaches a job: not of the same user, not as root as a container engine makes it; and the search that says so finds what is there.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/github.rs"]
mod github;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/probe.rs"]
mod probe;
#[path = "support/supervised.rs"]
mod supervised;

use github::api::Access;
use github::{Fake, Shape};
use probe::Report;
use serde_json::json;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use supervised::{OF_AN_ENGINE, PATIENCE, Plan, Supervised, request, runner};
use tempfile::TempDir;

/// Variables that hold secrets; each is set to a random value of its own.
const SECRETS: [&str; 4] =
    ["METRICS_AUTH_TOKEN", "GITHUB_TOKEN", "ACCESS_TOKEN", "ACTIONS_RUNNER_INPUT_TOKEN"];
/// Of these two, own and another project's name of one thing, the values must be equal.
const SAME: (usize, usize) = (1, 2);
/// Root that may not attach to others. Since Linux 6.16 who has `CAP_PERFMON` may read their environment all the same.
const NO_ATTACH: &str = "-sys_ptrace";

/// What the thief inside runs; started only by the others.
#[test]
#[ignore = "the others start it, inside"]
fn probe() {
    probe::run();
}

fn random(name: &str) -> String {
    // Seeded by the system for each one.
    let word = || RandomState::new().hash_one(name);
    format!("ghp_{:016x}{:016x}", word(), word())
}

fn secrets() -> Vec<String> {
    let own: Vec<String> = SECRETS.into_iter().map(random).collect();
    (0..own.len()).map(|n| own[if n == SAME.1 { SAME.0 } else { n }].clone()).collect()
}

/// A directory that everybody may enter.
fn open_dir() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("ours");
    dir
}

struct Robbed {
    report: Report,
    supervised: Supervised,
    values: Vec<String>,
}

/// Runs the probe as a job's step, which has this uid.
fn rob(uid: u32, plan: impl FnOnce(Plan) -> Plan) -> Robbed {
    rob_of(secrets(), uid, plan)
}

/// The same; `values` are those of [`SECRETS`].
fn rob_of(values: Vec<String>, uid: u32, plan: impl FnOnce(Plan) -> Plan) -> Robbed {
    let dir = open_dir();
    let home = dir.path().join("probe");
    let script = probe::install(&home, &values);
    std::os::unix::fs::chown(&home, Some(uid), Some(uid)).expect("root may");
    let thief = json!({ "job": { "name": "thief", "steps": [{ "run": script }] } });
    let mut plan = plan(runner(&[thief]));
    for (name, value) in SECRETS.iter().zip(&values) {
        plan = plan.env(name, value);
    }
    let mut supervised = plan.start();
    probe::release(&home, &["state", "run", "runner"].map(|name| supervised.path(name)));
    // It reads every process's memory: that is work, which a loaded machine does in its own time.
    supervised.until_within(4 * PATIENCE, "the thief is done", |s| s.results().len() == 1);
    let output = ns::read(&home.join("output"));
    assert_eq!(supervised.results(), ["success"], "{output}\n{}", supervised.log());
    Robbed { report: Report::read(&home), supervised, values }
}

impl Robbed {
    /// Nothing was found, and these were denied of both our processes; the listener's were open.
    #[track_caller]
    fn assert_clean(mut self, denied: &[&str]) {
        let Robbed { report, supervised, values } = &mut self;
        assert_eq!(report.lines("found "), [""; 0]);
        for (pid, what) in denied.iter().flat_map(|what| [(1, what), (2, what)]) {
            let line = format!("denied {pid} runner-init {what}");
            assert!(report.has(&line), "no {line:?} in {:#?}", report.lines(""));
        }
        let searched = |end: &str| report.lines("seen ").iter().any(|line| line.ends_with(end));
        for end in ["Runner.Listener mem", "Runner.Worker environ"] {
            assert!(searched(end), "no {end:?} in {:#?}", report.lines(""));
        }
        let outside = [supervised.log().into_bytes(), supervised.out()].concat();
        let question = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let refused = request(supervised.address(), question).expect("an answer");
        assert_eq!(refused.status, 401);
        let all = [outside, refused.head.into_bytes(), refused.body.into_bytes()].concat();
        for (name, value) in SECRETS.iter().zip(values) {
            assert_eq!(memchr::memmem::find(&all, value.as_bytes()), None, "{name}");
        }
        assert_eq!(supervised.stop(), 0);
    }

    /// It could search these too.
    #[track_caller]
    fn and_searched(self, ends: &[&str]) -> Robbed {
        for end in ends {
            let seen = self.report.lines("seen ").iter().any(|line| line.ends_with(end));
            assert!(seen, "no {end:?} in {:#?}", self.report.lines(""));
        }
        self
    }
}

/// What shows anything of a process beyond its name.
const ALL: [&str; 5] = ["environ", "mem", "maps", "fd", "auxv"];
const FILES: [&str; 4] =
    ["state/jobs.log file", "runner/.runner file", "answer /metrics", "answer /api/v1/jobs"];

#[test]
fn a_job_of_the_same_user_finds_nothing() {
    require!("namespace", "root", "setpriv", "bash");
    rob(1001, |plan| plan.owned_by(1001)).and_searched(&FILES).assert_clean(&ALL);
}

#[test]
fn a_job_as_root_finds_nothing_as_long_as_it_may_not_trace() {
    require!("namespace", "root", "setpriv", "bash");
    rob(0, |plan| plan.with_capabilities(OF_AN_ENGINE)).and_searched(&FILES).assert_clean(&ALL);
    rob(0, |plan| plan.with_capabilities(NO_ATTACH)).and_searched(&FILES).assert_clean(&["mem"]);
}

#[test]
fn a_job_of_another_user_finds_nothing() {
    require!("namespace", "root", "setpriv", "bash");
    rob(1001, |plan| plan.with_runner_user(1001)).and_searched(&["runner/.runner file"]).assert_clean(&ALL);
}

#[test]
fn a_job_of_a_runner_registered_by_its_own_user_finds_nothing() {
    require!("namespace", "root", "setpriv", "bash", "python3");
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let values = secrets();
    // The token is in use now, and stays so for the removal.
    fake.grant(&values[SAME.0], Access::Full);
    let python = ns::program("python3").expect("required");
    let body = include_str!("support/config_sh.py").replace("@FAKE@", &format!("http://{}", fake.addr));
    let script = format!("#!{}\n{body}", python.display());
    let robbed = rob_of(values, 1001, |plan| {
        let plan = plan.registering(script).with_runner_user(1001);
        plan.env("GITHUB_API_URL", &fake.api_url()).env("GITHUB_REPOSITORY", "o/r")
    });
    let owner = std::fs::metadata(robbed.supervised.path("runner/.runner")).expect("it is registered").uid();
    assert_eq!(owner, 1001, "config.sh has run as the runner");
    robbed.and_searched(&["runner/.runner file"]).assert_clean(&ALL);
}

#[test]
fn a_job_that_may_trace_everybody_finds_them_in_the_supervisor_s_memory_alone() {
    require!("namespace", "root", "bash");
    let Robbed { report, mut supervised, .. } = rob(0, |plan| plan);
    let found = report.lines("found ");
    // The search finds what is there: this one token is in use.
    assert!(found.contains(&"found 2 runner-init mem secret 0"), "{found:?}");
    // What was wiped is gone: from both environments, and from all of PID 1.
    let elsewhere: Vec<_> =
        found.iter().filter(|line| !line.starts_with("found 2 runner-init mem ")).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    for what in ["1 runner-init environ", "1 runner-init mem", "2 runner-init environ"] {
        assert!(report.has(&format!("seen {what}")), "{what}: {:#?}", report.lines(""));
    }
    assert_eq!(supervised.stop(), 0);
}

#[test]
fn the_search_finds_the_secret_of_an_unprotected_process() {
    require!("namespace", "root", "setpriv", "bash");
    let values = secrets();
    let dir = open_dir();
    let home = dir.path().join("probe");
    let script = probe::install(&home, &values);
    std::os::unix::fs::chown(&home, Some(1001), Some(1001)).expect("root may");
    let spoils = dir.path().join("spoils");
    std::fs::create_dir(&spoils).expect("a directory");
    std::fs::write(spoils.join("file"), &values[2]).expect("a file");
    probe::release(&home, std::slice::from_ref(&spoils));
    // A shell whose child only sleeps, with a secret in its environment and one among its arguments.
    let script =
        format!("TOKEN=\"$TOKEN\" sh -c 'sleep 60; true' \"$ARGUMENT\" & unset TOKEN ARGUMENT\n{script}");
    let argv = ["setpriv", "--reuid", "1001", "--regid", "1001", "--clear-groups", "bash", "-c", &script];
    let mut command = ns::in_pid_namespace(&argv);
    let output = command.env("TOKEN", &values[0]).env("ARGUMENT", &values[1]).output().expect("it runs");
    assert!(output.status.success(), "{output:?} {}", ns::read(&home.join("output")));
    let report = Report::read(&home);
    let found = report.lines("found ");
    for (what, secret) in [("sh environ", 0), ("sh mem", 0), ("sh cmdline", 1), ("spoils/file file", 2)] {
        let line = format!("{what} secret {secret}");
        assert!(found.iter().any(|known| known.ends_with(&line)), "no {line:?} in {found:#?}");
    }
}
