//! One case's GitHub, the runners it starts there, and what each end must have come to.

use crate::case::{Case, Credential};
use crate::github::api::{Access, random};
use crate::github::{APP_KEY, Fake, Shape};
use crate::ns;
use crate::supervised::{Plan, Supervised, files, plan};
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub const NAME: &str = "test-runner";
/// Asks this far apart are two.
pub const APART: Duration = Duration::from_millis(1100);

/// Who stays on GitHub at the end, and whose business that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nobody.
    Nobody,
    /// One that has had its one job: GitHub removes it, and nothing was asked for.
    ForGithub,
    /// One that we could not remove; our log says so.
    Said,
    /// One whose removal was cut short; our log says so, but GitHub may have heard it all the same.
    Late,
    /// One that somebody else registered and removes: we have nothing to do it with, and did not try.
    ForItsOwner,
}

pub struct World {
    pub case: Case,
    pub fake: Fake,
}

/// A launch that connects at once and plays these steps.
pub fn launch(steps: &[Value]) -> Value {
    json!({ "connect_ms": 10, "shutdown_ms": 10, "steps": steps })
}

/// A launch that never gets its session.
pub fn unconnected() -> Value {
    json!({ "connect_ms": 600_000, "shutdown_ms": 10 })
}

/// A job that ends when [`let_go`] says so.
pub fn held(name: &str) -> Value {
    let script = "until [ -e \"$RUNNER_WORKSPACE/../../go\" ]; do sleep 0.1; done";
    json!({ "job": { "name": name, "steps": [{ "run": script }] } })
}

pub fn let_go(s: &Supervised) {
    std::fs::write(s.path("runner/go"), "").unwrap();
}

/// A job whose step heeds no signal, by the time its `sleep` runs.
pub fn deaf() -> Value {
    json!({ "job": { "name": "deaf", "steps": [{ "run": "trap '' INT TERM; sleep 600" }] } })
}

/// A job whose Worker never gets its report out.
pub fn mute() -> Value {
    json!({ "job": { "name": "mute", "ms": 600_000, "worker": { "upload_ms": 600_000 } } })
}

impl World {
    pub fn of(case: Case) -> World {
        World { case, fake: Fake::start(Shape::Dotcom, "/repos/o/r") }
    }

    /// A container with a fresh credential of the case's kind.
    pub fn plan(&self, scenario: Value) -> Plan {
        self.fake.take_log();
        let python = ns::program("python3").expect("required");
        let body =
            include_str!("../support/config_sh.py").replace("@FAKE@", &format!("http://{}", self.fake.addr));
        let config_sh = format!("#!{}\n{body}", python.display());
        let plan = plan(scenario).registering(config_sh).env("GITHUB_API_URL", &self.fake.api_url());
        let at = |plan: Plan| plan.env("GITHUB_REPOSITORY", "o/r").env("RUNNER_LABELS", "gpu");
        let pat = || {
            let token = random("ghp_");
            self.fake.grant(&token, Access::Full);
            token
        };
        let plan = match self.case.credential {
            Credential::Pat => at(plan).env("GITHUB_TOKEN", &pat()),
            Credential::App => {
                self.fake.install_app("5", 42);
                at(plan).env("APP_ID", "5").env("APP_PRIVATE_KEY", APP_KEY)
            }
            Credential::Token => at(plan).env("RUNNER_TOKEN", &self.fake.registration_token()),
            Credential::Jit => {
                return plan.env("ACTIONS_RUNNER_INPUT_JITCONFIG", &self.fake.jit_config(NAME));
            }
            Credential::AskedJit => return at(plan).env("GITHUB_TOKEN", &pat()).env("RUNNER_JIT", "true"),
        };
        plan.env("RUNNER_EPHEMERAL", &self.case.is_ephemeral().to_string())
    }

    /// Starts one that plays these launches.
    pub fn start(&self, launches: &[Value], env: &[(&str, &str)]) -> Supervised {
        self.start_scenario(json!({ "launches": launches }), env)
    }

    pub fn start_scenario(&self, scenario: Value, env: &[(&str, &str)]) -> Supervised {
        env.iter().fold(self.plan(scenario), |plan, (name, value)| plan.env(name, value)).start()
    }

    /// Waits for the phase, as the world sees it; nothing that is answered in it holds a secret.
    pub fn phase(&self, s: &mut Supervised, state: &str) {
        let mut status = Value::Null;
        s.until(&format!("its state is {state}"), |s| {
            status = serde_json::from_str(&s.get("/api/v1/status").body).unwrap();
            status["state"] == state
        });
        let ready = matches!(state, "idle" | "busy");
        assert_eq!(status["ready"]["ok"], ready, "{status}");
        let secrets = self.fake.secrets();
        for path in ["/readyz", "/api/v1/status", "/api/v1/jobs", "/metrics"] {
            let answer = s.get(path);
            assert!(path != "/readyz" || answer.status == if ready { 200 } else { 503 }, "{}", answer.body);
            assert!(!secrets.iter().any(|secret| answer.body.contains(secret)), "{path} tells a secret");
        }
    }

    /// Waits for the end: its code, how each job ended, who is left, and that nobody was told a secret.
    pub fn ended(&self, s: &mut Supervised, code: i32, jobs: &[&str], left: Left) {
        assert_eq!(s.exit_code(), code, "{}", s.log());
        assert_eq!(s.results(), jobs, "{}", s.log());
        self.left(s, left);
        self.kept(s);
    }

    fn left(&self, s: &Supervised, left: Left) {
        let (runners, log) = (self.fake.runners(), s.log());
        let expected = usize::from(left != Left::Nobody);
        let is_as_said = runners.len() == expected || (left == Left::Late && runners.is_empty());
        assert!(is_as_said, "{left:?}; {runners:?}; {log}");
        let says = "event=registration_left_behind says=";
        assert_eq!(log.contains(says), matches!(left, Left::Said | Left::Late), "{log}");
        if matches!(left, Left::ForGithub | Left::ForItsOwner) {
            assert!(runners[0].ephemeral, "else nobody would remove it");
            assert!(!log.contains("event=deregist"), "{log}");
            assert!(!kinds(s).contains('D'), "config.sh remove was called");
            let asked = self.fake.take_log();
            let removals = asked.iter().filter(|r| r.method == "DELETE" && !r.path.ends_with("/labels"));
            assert_eq!(removals.count(), 0, "{asked:?}");
        }
    }

    /// What GitHub and the owner of a given just-in-time configuration do about what [`Left`] leaves to them.
    pub fn others_clean_up(&self) {
        self.fake.clear_runners();
    }

    /// The end of a one-job runner whose job has ended by itself, or else that of one that was removed.
    pub fn after_its_job(&self) -> Left {
        if self.case.is_ephemeral() { Left::ForGithub } else { Left::Nobody }
    }

    /// The end of a runner that is taken away before GitHub would do it.
    pub fn before_its_job(&self) -> Left {
        if self.case.credential == Credential::Jit { Left::ForItsOwner } else { Left::Nobody }
    }

    /// The same, where a removal has 3 s: on a machine that is too busy for that, it is never silent.
    pub fn in_a_hurry(&self, s: &mut Supervised) -> Left {
        s.exit_code();
        let late = s.log().contains("event=registration_left_behind");
        if late { Left::Late } else { self.before_its_job() }
    }

    fn kept(&self, s: &Supervised) {
        let mut said = files(&s.path(""));
        said.extend([("stderr".to_owned(), s.err()), ("stdout".to_owned(), s.out())]);
        assert!(said.iter().any(|(name, _)| name.ends_with("sim.json")), "it looks at the right place");
        let mut secrets = self.fake.secrets();
        secrets.push(APP_KEY.lines().nth(1).unwrap().to_owned());
        for secret in secrets {
            let finder = memchr::memmem::Finder::new(secret.as_bytes());
            let told: Vec<&String> =
                said.iter().filter(|(_, text)| finder.find(text).is_some()).map(|(name, _)| name).collect();
            assert!(told.is_empty(), "a secret is in {told:?}");
        }
    }
}

/// `docker stop`: TERM, and KILL after the grace, which is never needed; how long it took.
pub fn docker_stop(s: &mut Supervised, grace: Duration) -> Duration {
    let asked = Instant::now();
    s.signal(SIGTERM);
    while s.ended().is_none() {
        if asked.elapsed() >= grace {
            s.signal(SIGKILL);
            panic!("it had to be killed after {grace:?}: {}", s.log());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    asked.elapsed()
}

/// Which calls of `config.sh` there were: `R` with a registration token.
pub fn kinds(s: &Supervised) -> String {
    let text = ns::read(&s.path("runner/config-calls.jsonl"));
    let call = |line: &str| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned();
    text.lines().map(call).collect()
}
