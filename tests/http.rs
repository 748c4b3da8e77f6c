//! The endpoint as scrapers, people and attackers meet it: every path, every limit, and who keeps whom from being served.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "support/ns.rs"]
mod ns;
#[path = "support/supervised.rs"]
mod supervised;
#[path = "support/wire.rs"]
mod wire;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use supervised::{PATIENCE, Plan, Supervised, plan};
use wire::{Reply, Wire};

const CLOSE: &str = "Host: test\r\nConnection: close\r\n\r\n";
const PATHS: [&str; 7] = ["/", "/metrics", "/livez", "/readyz", "/healthz", "/api/v1/status", "/api/v1/jobs"];
const HTML: &str = "text/html; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// A supervisor that will not take a sample again, over a runner that idles after these steps.
fn quiet(steps: &Value) -> Plan {
    plan(json!({"launches": [{"connect_ms": 10, "steps": steps}]})).env("METRICS_UPDATE_INTERVAL", "3600")
}

fn idle() -> Supervised {
    let mut s = quiet(&json!([])).start();
    s.until_state("idle");
    s
}

fn get(s: &Supervised, path: &str) -> Reply {
    wire::get(s.address(), path, "").expect("an answer")
}

/// Sends these bytes on a connection of their own; the answer, and that the server has closed after it.
#[track_caller]
fn say(s: &Supervised, bytes: impl AsRef<[u8]>) -> Reply {
    let mut wire = Wire::to(s.address()).expect("a connection");
    // It may be refused before all of it is sent.
    let _ = wire.send(bytes);
    let reply = wire.answer(false).expect("an answer");
    assert_eq!(wire.rest().unwrap_or_default(), b"", "something follows {reply:?}");
    reply
}

/// `runner-init health` with these variables and arguments: exit code and output.
fn health(env: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner-init"));
    command.arg("health").args(args).env_clear().envs(env.iter().copied());
    let output = command.output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn every_path_answers_as_it_should() {
    require!("namespace");
    let s = idle();
    let kinds = [HTML, "text/plain; version=0.0.4; charset=utf-8", PLAIN, PLAIN, PLAIN, JSON, JSON];
    for (path, kind) in PATHS.into_iter().zip(kinds) {
        let reply = get(&s, path);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(reply.header("connection"), Some("close"), "{path}");
        assert!(reply.header("server").is_none(), "{path}");
        let mut wire = Wire::to(s.address()).expect("a connection");
        wire.send(format!("HEAD {path} HTTP/1.1\r\n{CLOSE}")).expect("is sent");
        let head = wire.answer(true).expect("an answer");
        assert_eq!((head.status, wire.rest().expect("ends")), (200, vec![]), "HEAD {path} has no body");
        let but_date = |reply: &Reply| {
            // What holds running times may differ in length.
            let is_timed = ["/", "/api/v1/status"].contains(&path);
            let varies = |name: &str| name == "date" || (is_timed && name == "content-length");
            reply.headers.iter().filter(|(n, _)| !varies(n)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(but_date(&head), but_date(&reply), "HEAD {path} says what GET says");
    }
    assert!(get(&s, "/livez").text().contains("loop turns"));
    assert_eq!(get(&s, "/readyz").text(), "idle: the session is live\n");
    for path in
        ["/metrics/", "//metrics", "/METRICS", "/api/v1", "/api/v1/job", "/favicon.ico", "/%2e%2e/metrics"]
    {
        let reply = get(&s, path);
        assert_eq!((reply.status, reply.text().as_str()), (404, "not found\n"), "{path}");
    }
    // A query nobody asked for changes nothing.
    assert_eq!(get(&s, "/livez?verbose=1").status, 200);
}

#[test]
fn status_and_jobs_say_what_the_runner_did() {
    require!("namespace");
    let hostile = "rm -rf \"$HOME\" \\ <b> \u{1f980}";
    let steps = json!([
        {"job": {"name": "one", "ms": 100}},
        {"job": {"name": "two", "ms": 100, "result": "Failed"}},
        {"job": {"name": "three", "ms": 100}},
        {"job": {"name": hostile, "ms": 60_000, "cancel_after_ms": 50_000}},
    ]);
    let mut s = quiet(&steps).start();
    s.until("three jobs have ended and one runs", |s| {
        s.table().len() == 7 && get(s, "/api/v1/status").json()["job"].is_object()
    });
    let status = get(&s, "/api/v1/status").json();
    assert_eq!(
        (&status["state"], &status["online"], &status["ready"]["ok"]),
        (&json!("busy"), &json!(true), &json!(true))
    );
    assert_eq!((&status["runner_name"], &status["job"]["name"]), (&json!("test-runner"), &json!(hostile)));
    let started: chrono::DateTime<chrono::Utc> =
        status["job"]["started_at"].as_str().expect("a time").parse().expect("RFC 3339");
    let running = status["job"]["running_seconds"].as_f64().expect("a number");
    for unknown in ["workflow", "repository", "run_id", "run_attempt"] {
        // Null until its hook has told it, which may be now.
        let value = status["job"].get(unknown).expect("it is always there");
        assert!(value.is_null() || value.is_string(), "{unknown}: {value}");
    }
    assert!((0.0..30.0).contains(&running) && started < chrono::Utc::now(), "{status}");
    assert!(status["ghost"].is_null() && status["leave_by"].is_null(), "unknown is null: {status}");

    let names = |query: &str| {
        let jobs = get(&s, &format!("/api/v1/jobs{query}")).json();
        let jobs = jobs["jobs"].as_array().expect("jobs").clone();
        jobs.iter().map(|j| j["job_name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["three", "two", "one"], "newest first, ended ones only");
    assert_eq!(names("?limit=1"), ["three"]);
    assert_eq!(names("?limit=50&status=success"), ["three", "one"]);
    assert_eq!(names("?status=failed"), ["two"]);
    assert_eq!(names("?status=skipped"), [""; 0]);
    assert_eq!(names("?since=2000-01-01T00:00:00Z").len(), 3);
    assert_eq!(names("?since=2999-01-01T00:00:00%2B02:00"), [""; 0]);
    let two = get(&s, "/api/v1/jobs?status=failed").json()["jobs"][0].clone();
    let since = two["finished_at"].as_str().expect("a time").to_owned();
    assert_eq!(names(&format!("?since={since}")), ["three", "two"], "from that moment on, itself included");
    assert!((0.1..30.0).contains(&two["duration_seconds"].as_f64().expect("a number")), "{two}");
    assert!(two["queue_time_seconds"].is_null() && two["started_at"].is_string(), "{two}");
    let told = ["workflow", "repository", "run_id", "event", "sha", "run_number", "actor", "committed_at"];
    assert!(told.iter().all(|key| two[*key].is_string()), "{two}");
    assert_eq!((&two["conclusion"], &two["deployment"]), (&json!("failure"), &json!(false)));
    assert!(two["lead_time_seconds"].is_null(), "no deployment, no lead time: {two}");
}

#[test]
fn a_query_that_cannot_be_read_is_a_400_that_says_what_can() {
    require!("namespace");
    let s = idle();
    let bad = [
        "limit=0",
        "limit=51",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.5",
        "limit=99999999999999999999",
        "limit=1&limit=2",
        "status=",
        "status=Success",
        "status=running",
        "status=%00",
        "status=%ff",
        "since=",
        "since=yesterday",
        "since=2026-01-01",
        "since=2026-01-01T00:00:00",
        "since=2026-13-01T00:00:00Z",
        "nothing=1",
        "limit",
    ];
    for query in bad {
        let reply = get(&s, &format!("/api/v1/jobs?{query}"));
        assert_eq!((reply.status, reply.header("content-type")), (400, Some(PLAIN)), "{query}");
        assert!(reply.text().starts_with("expected limit=1..50, status=success|"), "{query}");
    }
}

#[test]
fn everything_but_get_and_head_is_405() {
    require!("namespace");
    let s = idle();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get"] {
        for path in PATHS.into_iter().chain(["/nothing"]) {
            let reply = say(&s, format!("{method} {path} HTTP/1.1\r\n{CLOSE}"));
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
    assert_eq!(say(&s, format!("OPTIONS * HTTP/1.1\r\n{CLOSE}")).status, 405);
    // A body that comes with it is not waited for.
    let reply = say(&s, "POST /metrics HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000000\r\n\r\nabc");
    assert_eq!(reply.status, 405);
}

#[test]
fn what_is_too_long_is_refused_and_said_so() {
    require!("namespace");
    let s = idle();
    let target =
        |length: usize| say(&s, format!("GET /{} HTTP/1.1\r\n{CLOSE}", "a".repeat(length - 1))).status;
    assert_eq!((target(2048), target(2049), target(70_000)), (404, 414, 414));
    // Beyond the buffer nobody knows where the target would have ended.
    assert!([414, 431].contains(&target(1_000_000)));
    let header = |length: usize| {
        say(&s, format!("GET /livez HTTP/1.1\r\nX: {}\r\n{CLOSE}", "a".repeat(length))).status
    };
    assert_eq!(
        (header(8000), header(8192), header(70_000), header(100_000), header(1_000_000)),
        (200, 431, 431, 431, 431)
    );
    let many = |count: usize| {
        let lines: Vec<String> = (0..count).map(|n| format!("X{n}: 1\r\n")).collect();
        say(&s, format!("GET /livez HTTP/1.1\r\n{}{CLOSE}", lines.concat())).status
    };
    assert_eq!((many(90), many(101), many(5000)), (200, 431, 431));
    assert_eq!(get(&s, "/livez").status, 200);
}

#[test]
fn what_is_not_http_is_refused_and_harms_nobody() {
    require!("namespace");
    let s = idle();
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let noise: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let bad: [&[u8]; 9] = [
        hello,
        b"\x00\xff\x13garbage\r\n\r\n",
        b"GET /livez\r\n\r\n",
        b"GET /livez HTTP/2.0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nA b: 1\r\n\r\n",
        b"GET /li vez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        &noise,
    ];
    for bytes in bad {
        let reply = say(&s, bytes);
        assert_eq!(reply.status, 400, "{:?}", String::from_utf8_lossy(bytes));
        assert_eq!(reply.header("connection"), Some("close"));
    }
    // HTTP/2 without TLS is ended without a word.
    let mut wire = Wire::to(s.address()).expect("a connection");
    wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("is sent");
    assert_eq!(wire.rest().unwrap_or_default(), b"");
    // A client that leaves in the middle of its head, at once, or without reading the answer.
    for bytes in ["GET /metr", "", "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n"] {
        drop(Wire::to(s.address()).expect("a connection").send(bytes));
    }
    assert_eq!(get(&s, "/metrics").status, 200);
}

#[test]
fn a_connection_is_kept_as_long_as_the_client_wants() {
    require!("namespace");
    let s = idle();
    let mut wire = Wire::to(s.address()).expect("a connection");
    for _ in 0..90 {
        assert_eq!(wire.get("/metrics", "").expect("an answer").status, 200);
    }
    // Errors do not end it either, and one that asks ends it.
    assert_eq!(wire.get("/nothing", "").expect("an answer").status, 404);
    assert_eq!(wire.get(&format!("/{}", "a".repeat(3000)), "").expect("an answer").status, 414);
    assert_eq!(wire.get("/livez", "Connection: close\r\n").expect("an answer").status, 200);
    assert_eq!(wire.rest().expect("ends"), b"");

    // The thousandth answer says that it is the last.
    let mut wire = Wire::to(s.address()).expect("a connection");
    for count in 1..=1000 {
        let reply = wire.get("/livez", "").expect("an answer");
        let closes = (count == 1000).then_some("close");
        assert_eq!((reply.status, reply.header("connection")), (200, closes), "{count}");
    }
    assert_eq!(wire.rest().expect("ends"), b"");

    // Requests sent ahead are answered in their order.
    let mut wire = Wire::to(s.address()).expect("a connection");
    let ahead: Vec<String> =
        PATHS.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).collect();
    wire.send(ahead.concat().repeat(12)).expect("is sent");
    for path in PATHS.iter().cycle().take(12 * PATHS.len()) {
        let reply = wire.answer(false).expect("an answer");
        assert_eq!(reply.header("content-type") == Some(JSON), path.starts_with("/api"), "{path}");
    }

    // HTTP/1.0 closes unless asked not to.
    assert_eq!(say(&s, "GET /livez HTTP/1.0\r\n\r\n").version, "HTTP/1.0");
    let mut wire = Wire::to(s.address()).expect("a connection");
    for _ in 0..3 {
        wire.send("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").expect("is sent");
        assert_eq!(wire.answer(false).expect("an answer").header("connection"), Some("keep-alive"));
    }

    // A body that comes with a GET is not read for its own sake: small, it is skipped; never sent, it is not waited for.
    let mut wire = Wire::to(s.address()).expect("a connection");
    wire.send("GET /livez HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello").expect("is sent");
    assert_eq!(wire.answer(false).expect("an answer").status, 200);
    assert_eq!(wire.get("/readyz", "").expect("an answer").status, 200);
    assert_eq!(say(&s, "GET /livez HTTP/1.1\r\nHost: test\r\nContent-Length: 100000000\r\n\r\n").status, 200);
}

#[test]
fn gzip_is_for_those_who_ask() {
    require!("namespace");
    let s = idle();
    let plain = get(&s, "/metrics");
    assert_eq!(
        (plain.header("content-encoding"), plain.header("vary")),
        (None, Some("accept, accept-encoding"))
    );
    for asked in ["gzip", "deflate, gzip;q=1.0, *;q=0.5", "*", "gzip;q=0.1, identity;q=0.05"] {
        let reply =
            wire::get(s.address(), "/metrics", &format!("Accept-Encoding: {asked}\r\n")).expect("an answer");
        assert_eq!(reply.header("content-encoding"), Some("gzip"), "{asked}");
        assert_eq!(reply.header("content-type"), plain.header("content-type"), "{asked}");
        assert!(reply.text() == plain.text(), "{asked}: the same page");
        assert!(reply.body.len() * 3 < plain.body.len(), "{asked}: {} bytes", reply.body.len());
    }
    for refused in ["gzip;q=0", "identity", "br", "deflate", "gzip;q=0, *;q=0.5", ""] {
        let reply = wire::get(s.address(), "/metrics", &format!("Accept-Encoding: {refused}\r\n"))
            .expect("an answer");
        assert_eq!(reply.header("content-encoding"), None, "{refused:?}");
        assert!(reply.body == plain.body, "{refused:?}");
    }
    for nothing in ["identity;q=0", "*;q=0"] {
        let asked = format!("Accept-Encoding: {nothing}\r\n");
        let reply = wire::get(s.address(), "/metrics", &asked).expect("an answer");
        assert_eq!((reply.status, reply.text()), (406, "neither gzip nor identity is accepted\n".into()));
        assert_eq!(reply.header("vary"), Some("accept-encoding"), "{nothing}");
    }
    let other = wire::get(s.address(), "/metrics", "Accept: application/x-nothing\r\n").expect("an answer");
    assert!(other.status == 200 && other.body == plain.body, "the plain page is for everybody");
    let small = wire::get(s.address(), "/livez", "Accept-Encoding: gzip\r\n").expect("an answer");
    assert_eq!(small.header("content-encoding"), None, "not worth it");
}

/// Attackers: each sends half a head and waits. The half is a whole line, so that a server that counts lines is no wiser.
fn half_a_head(address: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    std::io::Write::write_all(&mut stream, b"GET /metrics HTTP/1.1\r\nHost: attacker\r\nX-Slow: ").ok()?;
    Some(stream)
}

fn is_open(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("is a socket");
    matches!(stream.read(&mut [0; 64]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
}

/// Sets the flag at the end, also at the end of a failed test: threads that look at it must not outlive it.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a crowd does with its connections, each of them over and over.
#[derive(Clone, Copy, Debug)]
enum Crowd {
    /// Sends requests as fast as they are taken, and reads nothing.
    Deaf(&'static str),
    /// Sends fifty requests, reads nothing, and waits.
    Burst(&'static str),
    /// Sends half a head.
    Half,
    /// Sends a head a byte at a time.
    Drip,
    /// Connects and leaves.
    Churn,
    /// Asks, reads the answer, asks again.
    Polite,
}

/// One connection of a crowd; `None` until it is made, or made again.
struct Member {
    stream: Option<TcpStream>,
    has_sent: bool,
}

impl Member {
    /// One round of what its crowd does.
    fn act(&mut self, address: &str, crowd: Crowd) {
        use std::io::Write as _;
        let Some(stream) = &mut self.stream else {
            self.stream = TcpStream::connect(address).ok().filter(|s| s.set_nonblocking(true).is_ok());
            self.has_sent = false;
            return;
        };
        let ask =
            |path: &str, count: usize| format!("GET {path} HTTP/1.1\r\nHost: crowd\r\n\r\n").repeat(count);
        let sent = match crowd {
            Crowd::Churn => return self.stream = None,
            Crowd::Deaf(path) => stream.write(ask(path, 50).as_bytes()),
            Crowd::Burst(path) if !self.has_sent => stream.write(ask(path, 50).as_bytes()),
            Crowd::Half if !self.has_sent => {
                stream.write(b"GET /metrics HTTP/1.1\r\nHost: crowd\r\nX-Slow: ")
            }
            Crowd::Drip if !self.has_sent => stream.write(b"GET /metrics HTTP/1.1\r\nX-Slow: "),
            Crowd::Drip => stream.write(b"x"),
            Crowd::Burst(_) | Crowd::Half => stream.peek(&mut [0]).and_then(|read| match read {
                0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
                read => Ok(read),
            }),
            Crowd::Polite => {
                let mut answer = [0; 1 << 14];
                match stream.read(&mut answer) {
                    Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && self.has_sent => Ok(0),
                    _ => stream.write(ask("/livez", 1).as_bytes()),
                }
            }
        };
        match sent {
            Ok(_) => self.has_sent = true,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.stream = None,
        }
    }
}

/// A scrape as Prometheus does one: a connection of its own, all of the page. A loaded machine may take its time.
fn scrape(address: &str) -> Result<(), String> {
    let reply =
        wire::get(address, "/metrics", "Accept-Encoding: gzip\r\n").map_err(|error| error.to_string())?;
    let is_whole = reply.status == 200 && reply.text().ends_with('\n');
    is_whole.then_some(()).ok_or_else(|| format!("{} of {} bytes", reply.status, reply.body.len()))
}

/// Each is made and made again: as many connections as are open, or in a row.
const KINDS: [(Crowd, usize); 8] = [
    (Crowd::Deaf("/metrics"), 300),
    (Crowd::Deaf("/livez"), 300),
    (Crowd::Burst("/livez"), 400),
    (Crowd::Burst("/metrics"), 300),
    (Crowd::Half, 1000),
    (Crowd::Drip, 600),
    (Crowd::Churn, 300),
    (Crowd::Polite, 300),
];

#[test]
fn no_hostile_crowd_costs_a_scrape() {
    require!("namespace");
    let s = idle();
    let address = s.address().to_owned();
    for (crowd, size) in KINDS {
        let begin = Instant::now();
        let over = AtomicBool::new(false);
        let rounds = AtomicU64::new(0);
        let lost: Vec<String> = std::thread::scope(|scope| {
            let _end = Until(&over);
            for _ in 0..2 {
                scope.spawn(|| {
                    let new = || Member { stream: None, has_sent: false };
                    let mut members: Vec<Member> = (0..size / 2).map(|_| new()).collect();
                    while !over.load(Ordering::Relaxed) {
                        for member in &mut members {
                            member.act(&address, crowd);
                        }
                        rounds.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(1));
                    }
                });
            }
            ns::wait_until(PATIENCE, "all have come", || rounds.load(Ordering::Relaxed) >= 6);
            let scrapes = (0..6).map(|_| {
                std::thread::sleep(Duration::from_millis(250));
                scrape(&address)
            });
            scrapes.filter_map(Result::err).collect()
        });
        eprintln!("{crowd:?} of {size}: {:?}", begin.elapsed());
        assert!(lost.is_empty(), "{crowd:?} of {size}: lost {} of 6: {lost:?}", lost.len());
        // The health check's door is not the crowd's.
        let run = s.path("run").display().to_string();
        assert_eq!(health(&[("RUNNER_RUN_DIR", &run)], &[]).0, Some(0), "{crowd:?}");
    }
}

#[test]
fn with_few_descriptors_idle_clients_make_room() {
    require!("namespace", "sh");
    for limit in [40, 64] {
        let mut s = quiet(&json!([])).after(&format!("ulimit -n {limit}")).start();
        s.until_state("idle");
        let mut crowd: Vec<TcpStream> =
            (0..50).map(|_| half_a_head(s.address()).expect("a connection")).collect();
        for _ in 0..5 {
            scrape(s.address()).unwrap_or_else(|why| panic!("{limit} descriptors: {why}"));
        }
        assert!(crowd.iter_mut().filter_map(|one| is_open(one).then_some(())).count() < 50, "{limit}");
    }
}

/// Scrapes one after the other, each on a connection of its own; the longest it took.
fn scrapes(address: &str, count: usize) -> Duration {
    let scrape = |_| {
        let begin = Instant::now();
        let reply = wire::get(address, "/metrics", "").expect("the scrape is answered");
        assert_eq!(reply.status, 200);
        begin.elapsed()
    };
    (0..count).map(scrape).max().expect("at least one")
}

#[test]
fn a_crowd_of_slow_clients_does_not_stop_a_scrape() {
    require!("namespace");
    let mut s = plan(json!({"launches": [{"connect_ms": 10}]})).start();
    s.until_state("idle");
    let address = s.address().to_owned();
    // A scraper that came first and keeps its connection by using it.
    let mut faithful = Wire::to(&address).expect("a connection");
    let mut crowd: Vec<TcpStream> = Vec::new();
    for _ in 0..10 {
        crowd.extend((0..60).map(|_| half_a_head(&address).expect("a connection")));
        assert_eq!(faithful.get("/metrics", "").expect("the faithful is served").status, 200);
    }
    assert!(scrapes(&address, 50) < Duration::from_secs(5));
    // The cap of one address: of 600 the newest remain.
    let open: Vec<bool> = crowd.iter_mut().map(is_open).collect();
    let count = open.iter().filter(|open| **open).count();
    assert!((20..=128).contains(&count), "{count} are open");
    assert!(open[599] && !open[0], "who has waited longest goes first");
    // A sample taken while they came may show more.
    s.until("a sample shows the cap", |s| {
        s.metric("process_open_fds").is_some_and(|fds| (40.0..175.0).contains(&fds))
    });
    // The health check has a door of its own.
    let run = s.path("run").display().to_string();
    assert_eq!(health(&[("RUNNER_RUN_DIR", &run)], &[]).0, Some(0));
    drop(crowd);
    s.until("the attackers are forgotten", |s| s.metric("process_open_fds") < Some(60.0));
}

#[test]
fn attackers_that_keep_coming_back_do_not_stop_a_scrape() {
    require!("namespace");
    let s = idle();
    let address = s.address().to_owned();
    let over = AtomicBool::new(false);
    let attacks = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut held = std::collections::VecDeque::new();
                while !over.load(Ordering::Relaxed) {
                    held.extend(half_a_head(&address));
                    attacks.fetch_add(1, Ordering::Relaxed);
                    if held.len() > 100 {
                        held.pop_front();
                    }
                    // As fast as a 300-strong crowd that comes back ten times a second.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let _end = Until(&over);
        ns::wait_until(PATIENCE, "600 attacks", || attacks.load(Ordering::Relaxed) >= 600);
        let longest = scrapes(&address, 100);
        assert!(longest < Duration::from_secs(5), "a scrape took {longest:?}");
    });
    assert!(attacks.load(Ordering::Relaxed) >= 600);
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    require!("namespace");
    let s = idle();
    let mut deaf: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(s.address()).expect("a connection")).collect();
    let ask = "GET /metrics HTTP/1.1\r\nHost: deaf\r\n\r\n".repeat(2000);
    for stream in &mut deaf {
        stream.set_nonblocking(true).expect("is a socket");
        // As much as fits; the answers, 20 MB each, have no room.
        let _ = std::io::Write::write(stream, ask.as_bytes());
    }
    assert!(scrapes(s.address(), 50) < Duration::from_secs(5));
}

#[test]
fn a_head_that_never_ends_has_30_seconds() {
    require!("namespace");
    if std::env::var("CI").as_deref() != Ok("true") {
        eprintln!("\n*** SKIPPED, it takes 30 seconds: set CI=true ***\n");
        return;
    }
    let s = idle();
    let begin = Instant::now();
    let mut stream = half_a_head(s.address()).expect("a connection");
    let mut dripping = stream.try_clone().expect("a descriptor");
    // A byte now and then is no progress.
    let drip = std::thread::spawn(move || {
        while std::io::Write::write_all(&mut dripping, b"x").is_ok()
            && begin.elapsed() < Duration::from_secs(60)
        {
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("is a socket");
    let _ = stream.read(&mut [0; 64]);
    let took = begin.elapsed();
    assert!((25..45).contains(&took.as_secs()), "{took:?}");
    drip.join().expect("no panic");
}

/// What is not the token `s3cret-token`, and what is.
const WRONG: [&str; 13] = [
    "",
    "Authorization: Bearer wrong\r\n",
    "Authorization: Bearer s3cret-toke\r\n",
    "Authorization: Bearer s3cret-token2\r\n",
    "Authorization: Basic s3cret-token\r\n",
    "Authorization: s3cret-token\r\n",
    "Authorization: Bearer\r\n",
    "Authorization: Bearer \r\n",
    "X: Bearer s3cret-token\r\n",
    // Another password, the token as the user, no colon, not base64.
    "Authorization: Basic YWRtaW46d3Jvbmc=\r\n",
    "Authorization: Basic czNjcmV0LXRva2VuOg==\r\n",
    "Authorization: Basic czNjcmV0LXRva2Vu\r\n",
    "Authorization: Basic s3cret-token!\r\n",
];
const RIGHT: [&str; 4] = [
    "Authorization: Bearer s3cret-token\r\n",
    "authorization: bearer  s3cret-token\r\n",
    // `admin:s3cret-token`, `:s3cret-token`
    "Authorization: Basic YWRtaW46czNjcmV0LXRva2Vu\r\n",
    "authorization: basic OnMzY3JldC10b2tlbg==\r\n",
];

#[test]
fn a_token_guards_everything_but_livez() {
    require!("namespace");
    let token = "s3cret-token";
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{token}\n")).expect("is written");
    let from_file = ("METRICS_AUTH_TOKEN_FILE", file.path().to_str().expect("UTF-8"));
    for (name, value) in [("METRICS_AUTH_TOKEN", token), from_file] {
        let mut s = quiet(&json!([])).env(name, value).start();
        s.until("it is ready", |s| {
            wire::get(s.address(), "/readyz", "Authorization: Bearer s3cret-token\r\n")
                .expect("an answer")
                .status
                == 200
        });
        for path in PATHS.into_iter().chain(["/nothing"]) {
            for header in WRONG {
                let reply = wire::get(s.address(), path, header).expect("an answer");
                let want = if path == "/livez" { 200 } else { 401 };
                assert_eq!(reply.status, want, "{path} {header}");
                let schemes = reply.headers.iter().filter(|(name, _)| name == "www-authenticate");
                let schemes: Vec<&str> = schemes.map(|(_, value)| value.as_str()).collect();
                let offered = ["Bearer", "Basic realm=\"runner-init\", charset=\"UTF-8\""];
                assert_eq!(schemes == offered, want == 401, "{path} {header}: {schemes:?}");
                assert!(!reply.text().contains("s3cret"), "{path}");
            }
            for right in RIGHT {
                let reply = wire::get(s.address(), path, right).expect("an answer");
                assert_eq!(reply.status, if path == "/nothing" { 404 } else { 200 }, "{path}");
                assert!(!reply.text().contains("s3cret"), "{path}");
            }
        }
        for twice in ["Authorization: Bearer s3cret-token\r\n".repeat(2), {
            "Authorization: Bearer wrong\r\nAuthorization: Bearer s3cret-token\r\n".to_owned()
        }] {
            assert_eq!(wire::get(s.address(), "/metrics", &twice).expect("an answer").status, 400, "{twice}");
        }
        let url = format!("http://{}", s.address());
        assert_eq!(health(&[(name, value)], &["--url", &url]).0, Some(0), "with the token");
        let (code, said) = health(&[], &["--url", &url]);
        assert_eq!(
            (code, said.as_str()),
            (Some(1), "a token is needed: as bearer, or as the password of any user\n")
        );
        // The health check's own door asks for none.
        let run = s.path("run").display().to_string();
        let (code, said) = health(&[("RUNNER_RUN_DIR", &run)], &["--ready"]);
        assert_eq!((code, said.as_str()), (Some(0), "idle: the session is live\n"));
        let mut door = Wire::over(UnixStream::connect(s.path("run/http.sock")).expect("a connection"));
        for path in PATHS {
            assert_eq!(door.get(path, "").expect("an answer").status, 200, "{path}");
        }
        assert!(!s.log().contains("s3cret"), "{}", s.log());
        assert_eq!(s.stop(), 0);
    }
}

const BROWSER: &str = "Accept-Language: de\r\n";

/// What a page of somebody else's sends once its name has been rebound to our address: its own name, and the reader's language.
#[test]
fn a_page_of_another_name_reads_nothing() {
    require!("namespace");
    let ask = |s: &Supervised, path: &str, headers: &str| {
        say(s, format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")).status
    };
    let open = idle();
    let own = nix::unistd::gethostname().expect("a name").into_string().expect("UTF-8");
    let ours = [
        "localhost:9091",
        "127.0.0.1",
        "[::1]:9091",
        "10.0.0.7:80",
        "runner",
        "runner:9091",
        "a.localhost",
        "host.docker.internal:9091",
        "box.local",
        &own,
    ];
    let strange = [
        "evil.example",
        "evil.example:9091",
        "127.0.0.1.evil.example",
        "localhost.evil.example.",
        "internal.evil",
    ];
    for path in PATHS {
        for host in ours {
            assert_eq!(ask(&open, path, &format!("Host: {host}\r\n{BROWSER}")), 200, "{path} {host}");
        }
        for host in strange {
            assert_eq!(ask(&open, path, &format!("Host: {host}\r\n{BROWSER}")), 421, "{path} {host}");
            let origin = format!("Host: {host}\r\nOrigin: http://{host}\r\n");
            assert_eq!(ask(&open, path, &origin), 421, "{path} {host}");
            // A scraper may come by whatever name it was told.
            assert_eq!(ask(&open, path, &format!("Host: {host}\r\n")), 200, "{path} {host}");
        }
        for none in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host: \r\n"] {
            assert_eq!(ask(&open, path, none), 400, "{path} {none:?}");
        }
    }
    // Where a token is set, whoever has it may come by any name.
    let guarded = quiet(&json!([])).env("METRICS_AUTH_TOKEN", "s3cret-token-of-16").start();
    let token = "Authorization: Bearer s3cret-token-of-16\r\n";
    assert_eq!(ask(&guarded, "/", &format!("Host: ci.example.com\r\n{BROWSER}{token}")), 200);
    assert_eq!(ask(&guarded, "/", &format!("Host: ci.example.com\r\n{BROWSER}")), 401);
    assert_eq!(ask(&guarded, "/", token), 400, "no Host");
}

#[test]
fn the_endpoint_can_be_off_and_health_goes_on() {
    require!("namespace");
    let mut s = quiet(&json!([])).env("METRICS_ENABLED", "false").start();
    assert_eq!(s.address(), "", "nothing is served: {}", s.log());
    s.until_log("event=session_created");
    let run = s.path("run").display().to_string();
    let ready = || {
        health(&[("RUNNER_RUN_DIR", &run)], &["--ready"])
            == (
                Some(0),
                "idle: the session is live
"
                .to_owned(),
            )
    };
    s.until("the socket says it is ready", |_| ready());
    let supervisor = ns::children(s.pid())[0];
    assert!(!listens(supervisor), "no TCP port");
    let on = idle();
    assert!(listens(ns::children(on.pid())[0]), "with one it would be seen");
    s.stop();
    let (code, said) = health(&[("RUNNER_RUN_DIR", &run)], &[]);
    assert!(code == Some(1) && said.contains("no supervisor runs here as this user"), "{said}");
}

/// Whether the process holds a listening TCP socket.
fn listens(pid: i32) -> bool {
    let listening = |table: &str| -> Vec<String> {
        let text = ns::read(format!("/proc/{pid}/net/{table}").as_ref());
        let rows = text.lines().skip(1).map(|l| l.split_ascii_whitespace().collect::<Vec<_>>());
        rows.filter(|r| r[3] == "0A").map(|r| format!("socket:[{}]", r[9])).collect()
    };
    let sockets: Vec<String> = ["tcp", "tcp6"].into_iter().flat_map(listening).collect();
    ns::descriptors(pid).iter().any(|(_, target)| sockets.iter().any(|s| target.to_str() == Some(s)))
}

#[test]
fn it_listens_where_it_is_told() {
    require!("namespace");
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    assert!(has_ipv6 || std::env::var("CI").as_deref() != Ok("true"), "there is no IPv6");
    if has_ipv6 {
        let s = quiet(&json!([])).env("METRICS_BIND", "::1").start();
        assert!(s.address().starts_with("[::1]:"), "{}", s.address());
        assert_eq!(get(&s, "/livez").status, 200);
        assert_eq!(health(&[], &["--url", &format!("http://{}", s.address())]).0, Some(0));
        let port = s.address().rsplit(':').next().expect("a port").to_owned();
        assert!(TcpStream::connect(format!("127.0.0.1:{port}")).is_err(), "there and nowhere else");
        let s = quiet(&json!([])).env("METRICS_BIND", "::").start();
        let port = s.address().rsplit(':').next().expect("a port").to_owned();
        for host in ["[::1]", "127.0.0.1"] {
            let reply = wire::get(&format!("{host}:{port}"), "/livez", "").expect("an answer");
            assert_eq!(reply.status, 200, ":: is both families: {host}");
        }
    }
    // A port that is taken is said so, with the variables that change it.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let mut s = quiet(&json!([])).env("METRICS_PORT", &address.port().to_string()).start();
    assert_eq!(s.exit_code(), 71);
    let want = format!(
        "runner-init: cannot listen on {address} (METRICS_BIND, METRICS_PORT): Address already in use"
    );
    assert!(s.log().contains(&want), "{}", s.log());
    assert_eq!(s.out(), b"", "the runner was not started");
}

#[test]
fn it_serves_whole_answers_until_it_is_gone() {
    require!("namespace");
    let steps = json!([{"job": {"name": "build", "ms": 1500}}]);
    let mut s = quiet(&steps).start();
    s.until_state("busy");
    let address = s.address().to_owned();
    let over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let _end = Until(&over);
        let scraper = scope.spawn(|| {
            let mut states = Vec::new();
            // One that never sends the rest of its request does not hold up the end.
            let _silent = half_a_head(&address);
            while !over.load(Ordering::Relaxed) {
                let scrape = || {
                    let mut wire = Wire::to(&address)?;
                    wire.get("/metrics", "Accept-Encoding: gzip\r\nConnection: close\r\n")
                };
                match scrape() {
                    Ok(reply) => {
                        let page = reply.text();
                        let state =
                            page.lines().find(|l| l.starts_with("github_runner_state{") && l.ends_with(" 1"));
                        states.push(
                            state.expect("a state").split("state=\"").nth(1).expect("a label").to_owned(),
                        );
                    }
                    // Refused, or closed before the first byte; half an answer would be another kind.
                    Err(e) => {
                        let kind = e.kind();
                        assert_ne!(kind, std::io::ErrorKind::InvalidData, "{e}");
                        break;
                    }
                }
            }
            states
        });
        s.signal(Signal::SIGTERM);
        s.until("it drains", |s| wire::get(s.address(), "/readyz", "").is_ok_and(|r| r.status == 503));
        assert_eq!(get(&s, "/livez").status, 200, "a drain is life");
        assert_eq!(get(&s, "/healthz").status, 200, "busy is healthy");
        let status = get(&s, "/api/v1/status").json();
        assert_eq!((&status["state"], &status["job"]["name"]), (&json!("draining"), &json!("build")));
        let begin = Instant::now();
        assert_eq!(s.exit_code(), 0);
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        scraper.join().expect("every answer was whole")
    });
    assert!(seen.iter().any(|state| state.starts_with("draining")), "{seen:?}");
}

#[test]
fn a_lingering_supervisor_is_alive_and_shows_the_last_row() {
    require!("namespace");
    let job = json!({"job": {"name": "build", "ms": 60_000, "during": [{"idle_ms": 300}, {"exit": 1}]}});
    let mut s = quiet(&json!([job])).env("METRICS_LINGER_SECONDS", "60").start();
    s.until("the listener has left", |s| get(s, "/api/v1/status").json()["state"] == "stopped");
    for _ in 0..3 {
        assert_eq!(get(&s, "/livez").status, 200, "waiting for a scrape is no hang");
    }
    assert_eq!((get(&s, "/readyz").status, get(&s, "/healthz").status), (503, 503));
    s.until_log("event=job_finished");
    let begin = Instant::now();
    let page = get(&s, "/metrics").text();
    let line = page.lines().find(|l| l.starts_with("github_runner_jobs_total{") && l.contains("abandoned"));
    assert!(line.is_some_and(|l| l.ends_with(" 1")), "{line:?}");
    assert_eq!(s.exit_code(), 1);
    assert!(begin.elapsed() < Duration::from_secs(20), "one scrape was enough");
}

/// A lifecycle that does nothing by itself.
fn patient() -> runner_init::domain::lifecycle::Settings {
    use runner_init::domain::budget::Budget;
    use runner_init::domain::lifecycle::Settings;

    let budget = Budget {
        drain: PATIENCE,
        stopping: PATIENCE,
        deregistration: PATIENCE,
        wrap_up: PATIENCE,
        sweep: PATIENCE,
        removal_ends: PATIENCE,
    };
    Settings { one_job: true, ..Settings::new(budget) }
}

/// The loop and the endpoint share a thread, so from outside a loop that hangs takes the answer with it. What is left to
/// prove is the rule itself: with a loop that does not take the question, and with one that is gone.
#[test]
fn livez_is_503_when_the_loop_does_not_answer() {
    use runner_init::domain::identity::Identity;
    use runner_init::domain::lifecycle::Lifecycle;
    use runner_init::domain::totals::Bounds;
    use runner_init::http::freshness::Freshness;
    use runner_init::http::{Scrapes, View, page, router};
    use runner_init::telemetry::exporter::Exporter;
    use std::sync::Arc;
    use tokio::sync::{mpsc, watch};
    use tower::ServiceExt;

    let identity = Identity {
        runner_name: "test".to_owned(),
        runner_type: "test".to_owned(),
        init_version: "1",
        arch: "x86_64",
        ephemeral: false,
        started_at: chrono::DateTime::UNIX_EPOCH,
    };
    let now = runner_init::domain::event::Now { up: Duration::ZERO, utc: chrono::Utc::now() };
    let (_status, seen) = watch::channel(Arc::new(Lifecycle::new(patient(), now).status(now)));
    let (pulse, mut questions) = mpsc::channel(8);
    let view = View {
        status: seen,
        exporter: Exporter::install(&identity, &Bounds::with_duration(vec![1.0])).expect("the only one"),
        pulse,
        clock: chrono::Utc::now,
        identity: Arc::new(identity),
        site: Arc::new(page::Site { bounds: vec![1.0], server_url: None }),
        freshness: Arc::new(Freshness::new(Duration::ZERO).0),
        scrapes: Arc::new(Scrapes::default()),
    };
    let router = router(view, None, None);
    let ask = || {
        let request = axum::http::Request::get("/livez").header("host", "test");
        let request = request.body(axum::body::Body::empty()).expect("a request");
        let router = router.clone();
        async move { router.oneshot(request).await.expect("infallible").status().as_u16() }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (status, ()) = tokio::join!(ask(), async {
            questions.recv().await.expect("the question").send(()).expect("somebody waits");
        });
        assert_eq!(status, 200);
        let begin = Instant::now();
        assert_eq!(ask().await, 503, "nobody takes the question");
        assert!((1500..10_000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
        drop(questions);
        assert_eq!(ask().await, 503, "the loop is gone");
    });
}
