//! No secret is in anything we say, in any state: not in an answer, a log, a file, an argument or a child's environment.
//!
//! What a job can steal from memory and `/proc` is in `tests/leak.rs`.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere, its helpers too")]

#[path = "support/github.rs"]
mod github;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use github::api::{Access, random};
use github::{APP_KEY, Fake, Play, Shape};
use runner_init::config::{Config, MapLookup, describe, render_check};
use runner_init::github::Endpoint;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use supervised::{PATIENCE, Plan, Supervised, files, job, request, runner};

/// Where something was said, and what.
type Said = Vec<(String, Vec<u8>)>;

/// What must not be said: by name, in every form in which it would still be a secret.
#[derive(Clone, Default)]
struct Secrets(Vec<(String, Vec<Vec<u8>>)>);

impl Secrets {
    fn and(mut self, name: &str, value: &str) -> Secrets {
        let encode = |skipped: usize| {
            let text = STANDARD_NO_PAD.encode([&b"xxx"[..skipped], value.as_bytes()].concat());
            // What is certain of it, whatever stands before and behind.
            text.as_bytes()[4.min(skipped * 4)..text.len() - 4].to_vec()
        };
        let hex = value.bytes().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        let mut forms = vec![value.as_bytes().to_vec(), hex.into_bytes()];
        forms.extend((0..3).map(encode));
        self.0.push((name.into(), forms));
        self
    }

    /// `NAME in PLACE` for each that was said.
    fn heard(&self, said: &Said) -> Vec<String> {
        let mut heard = Vec::new();
        for (place, bytes) in said {
            for (name, forms) in &self.0 {
                if forms.iter().any(|form| memchr::memmem::find(bytes, form).is_some()) {
                    heard.push(format!("{name} in {place}"));
                }
            }
        }
        heard
    }
}

/// Every path that is served, read from the router.
fn paths() -> Vec<&'static str> {
    let source = include_str!("../src/http.rs");
    let routes: Vec<&str> =
        source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(routes.len() >= 6, "{routes:?}");
    routes
}

/// One life under observation.
struct Watched {
    s: Supervised,
    token: String,
    given: Secrets,
    fake: Fake,
}

/// A runner that registers with a PAT, behind a metrics token.
fn watch(change: impl FnOnce(&Fake, Plan) -> Plan, plan: Plan) -> Watched {
    let fake = Fake::start(Shape::Dotcom, "/repos/o/r");
    let (pat, token) = (random("ghp_"), random("metrics_"));
    fake.grant(&pat, Access::Full);
    let python = ns::program("python3").expect("required");
    let body = include_str!("support/config_sh.py").replace("@FAKE@", &format!("http://{}", fake.addr));
    let plan = plan.registering(format!("#!{}\n{body}", python.display()));
    let plan = plan.env("GITHUB_API_URL", &fake.api_url()).env("GITHUB_REPOSITORY", "o/r");
    let plan = change(&fake, plan.env("GITHUB_TOKEN", &pat).env("METRICS_AUTH_TOKEN", &token));
    let given = Secrets::default().and("GITHUB_TOKEN", &pat).and("METRICS_AUTH_TOKEN", &token);
    Watched { s: plan.start(), token, given, fake }
}

impl Watched {
    fn ask(&self, method: &str, path: &str, token: &str) -> Vec<u8> {
        let question = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let answer = request(self.s.address(), &question).expect("an answer");
        [answer.head, answer.body].join("\n\n").into_bytes()
    }

    fn state(&self) -> String {
        let page = String::from_utf8(self.ask("GET", "/metrics", &self.token)).unwrap();
        let on = page.lines().find(|l| l.starts_with("github_runner_state{") && l.ends_with(" 1"));
        on.and_then(|line| line.split("state=\"").nth(1)?.split('"').next()).unwrap_or("none").to_owned()
    }

    /// What is answered at both doors, to whoever may ask and whoever may not.
    fn answers(&self) -> Said {
        let mut said = Said::new();
        for path in paths().into_iter().chain(["/nowhere"]) {
            for (who, token) in [("who may", self.token.as_str()), ("who may not", "wrong")] {
                for method in ["GET", "POST"] {
                    said.push((format!("{method} {path} of {who}"), self.ask(method, path, token)));
                }
            }
            let mut socket =
                UnixStream::connect(self.s.path("run/http.sock")).expect("the health check's door");
            write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).unwrap();
            said.push((format!("GET {path} of the socket"), answer));
        }
        said
    }

    fn everything_else(&self) -> Said {
        let mut said = files(&self.s.path(""));
        said.extend([("stderr".to_owned(), self.s.err()), ("stdout".to_owned(), self.s.out())]);
        said
    }

    /// Arguments and environment of everybody, as far as they still live.
    fn processes(&self) -> Said {
        let pids: Vec<i32> = self.s.all_processes().into_iter().chain([self.s.pid()]).collect();
        let of = |pid: i32, what: &str| {
            let bytes = std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
            (format!("/proc/{pid}/{what}"), bytes)
        };
        pids.into_iter().flat_map(|pid| [of(pid, "cmdline"), of(pid, "environ")]).collect()
    }

    /// Looks everywhere, in this state.
    #[track_caller]
    fn look(&mut self, state: &str) {
        let mut found = String::new();
        let deadline = Instant::now() + PATIENCE;
        while found != state {
            assert!(Instant::now() < deadline, "{found}, not {state}:\n{}", self.s.log());
            found = self.state();
            std::thread::sleep(Duration::from_millis(10));
        }
        let said = [self.answers(), self.everything_else()].concat();
        assert!(said.iter().any(|(place, _)| place.ends_with("config-calls.jsonl")), "the right place");
        let minted = self.fake.secrets().into_iter().enumerate();
        let all = minted.fold(self.given.clone(), |all, (n, value)| all.and(&format!("minted {n}"), &value));
        assert_eq!(all.heard(&said), [""; 0], "{state}");
        // `config.sh` is given a token in its environment: the one that was minted for it.
        assert_eq!(self.given.heard(&self.processes()), [""; 0], "{state}");
    }

    /// Its end, and all it has left.
    #[track_caller]
    fn end(mut self, code: i32) {
        assert_eq!(self.s.exit_code(), code, "{}", self.s.log());
        assert_eq!(self.given.heard(&self.everything_else()), [""; 0], "at the end");
    }

    /// Asked, and asked again once that counts as a second time, it leaves; nothing was said until then.
    #[track_caller]
    fn leave(mut self) {
        self.term();
        let asked = Instant::now();
        self.s.until("it leaves, or a second ask is one", |s| {
            s.ended().is_some() || asked.elapsed() > Duration::from_millis(1100)
        });
        if let Some(pid) = self.s.try_pid() {
            // It may leave at this very moment.
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
        }
        let code = self.s.exit_code();
        self.end(code);
    }

    fn term(&self) {
        self.s.signal(nix::sys::signal::Signal::SIGTERM);
    }
}

/// In each of these it stays until it is asked to leave, or long enough to be seen on any machine.
#[test]
fn whatever_it_does() {
    require!("namespace", "root", "python3");
    let lost = json!({ "disconnect": { "ms": 60_000, "message": "no route to host" } });
    let long = [job("build", 100), job("long", 60_000)];
    let table: [(&[&str], &[serde_json::Value]); 4] = [
        (&["disconnected"], &[lost]),
        (&["idle"], &[job("build", 100)]),
        (&["backoff"], &[job("build", 100), json!({ "exit": 2 })]),
        (&["busy", "draining"], &long),
    ];
    for (states, steps) in table {
        let mut watched = watch(|_, plan| plan, runner(steps));
        for state in states {
            if *state == "draining" {
                watched.term();
            }
            watched.look(state);
        }
        watched.leave();
    }
}

#[test]
fn while_it_registers() {
    require!("namespace", "root", "python3");
    let mut watched = watch(|_, plan| plan.env("CONFIG_SH_WAITS", "1"), runner(&[]));
    watched.s.until_process("sleep");
    watched.look("registering");
    watched.leave();
}

#[test]
fn when_github_says_the_token_back() {
    require!("namespace", "root", "python3");
    let echo = |fake: &Fake, plan: Plan| {
        fake.script(Endpoint::RegistrationToken, vec![Play::Echo; 50]);
        plan
    };
    let mut watched = watch(echo, runner(&[]));
    assert_eq!(watched.s.exit_code(), 69);
    assert!(watched.s.log().contains("403"), "it says why: {}", watched.s.log());
    watched.end(69);
}

#[test]
fn as_a_ghost() {
    require!("namespace", "root", "python3");
    let gone = "The runner no longer exists on the server. Please reconfigure the runner.\n";
    let steps = [json!({ "idle_ms": 200 }), json!({ "stderr": gone }), json!({ "idle_ms": 60_000 })];
    let refuse = |fake: &Fake, plan: Plan| {
        // The first registration succeeds; nobody answers the next.
        fake.script(Endpoint::RegistrationToken, [Play::Ok, Play::Hang, Play::Hang]);
        plan
    };
    let mut watched = watch(refuse, runner(&steps));
    watched.look("ghost");
    watched.leave();
}

/// Each secret under each name that takes text, right or wrong.
#[test]
fn what_is_wrong_with_the_configuration_is_told_without_it() {
    let secrets = [("pat", random("ghp_")), ("token", random("AABB")), ("key", APP_KEY.to_owned())];
    let needles = secrets
        .iter()
        .fold(Secrets::default(), |all, (name, value)| all.and(name, value.lines().nth(1).unwrap_or(value)));
    let mut refused = 0;
    for variable in describe() {
        for (name, (_, secret)) in
            variable.names().flat_map(|name| secrets.iter().map(move |one| (name, one)))
        {
            for value in [secret.clone(), format!("{secret}\u{7}")] {
                let lookup =
                    MapLookup::new([(name, value.as_str()), ("RUNNER_USER", "nobody in particular")]);
                let faults = Config::from_lookup(&lookup);
                assert!(faults.is_err(), "{name} alone is no configuration");
                refused += 1;
                let said = vec![(name.to_owned(), render_check(&faults).into_bytes())];
                assert_eq!(needles.heard(&said), [""; 0]);
            }
        }
    }
    assert!(refused > 400, "only {refused} were tried");
}

#[test]
fn the_search_hears_what_is_said() {
    let secrets = Secrets::default().and("it", "ghp_0123456789abcdef");
    let encoded = |before: &str| {
        base64::engine::general_purpose::STANDARD.encode(format!("{before}ghp_0123456789abcdef;"))
    };
    for text in
        ["x ghp_0123456789abcdef x".to_owned(), encoded(""), encoded("u"), encoded("u:"), encoded("me:")]
    {
        assert_eq!(
            secrets.heard(&vec![("there".into(), text.clone().into_bytes())]),
            ["it in there"],
            "{text}"
        );
    }
    assert!(secrets.heard(&vec![("there".into(), b"ghp_0123456789abcdee".to_vec())]).is_empty());
}
