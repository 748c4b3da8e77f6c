//! The scripts for operators pass a live runner and name what is wrong with a broken one.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "support/demo.rs"]
mod demo;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/page.rs"]
mod page;
#[path = "support/wire.rs"]
mod wire;

use demo::Demo;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ENDPOINT: &str = "test-metrics-endpoint.sh";
const PERFORMANCE: &str = "test-metrics-performance.sh";
const TOKEN: &str = "a-token-for-the-endpoint-only";

/// Exit code and what was printed.
fn run(script: &str, args: &[&str]) -> (i32, String) {
    let path = format!("{}/tests/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(path).args(args).output().expect("bash starts");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("no signal"), text)
}

/// What a healthy runner answers, to be broken.
#[derive(Clone)]
struct Answers {
    metrics: String,
    post: u16,
    jobs: String,
    readyz: (u16, String),
    delay: Duration,
    /// Every how manyth scrape is refused; never if 0.
    refuse: usize,
}

impl Answers {
    fn of(demo: &Demo) -> Answers {
        let get = |path: &str| wire::get(&demo.address, path, "").expect("an answer");
        let mut metrics = get("/metrics").text();
        // In one state whatever it did when it was asked, and as if sampled now.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        metrics = rewritten(&metrics, "github_runner_last_update_timestamp_seconds{", |_| now.to_string());
        metrics = rewritten(&metrics, "github_runner_status{", |_| "1".into());
        metrics = rewritten(&metrics, "github_runner_state{", |series| {
            u8::from(series.contains("state=\"idle\"")).to_string()
        });
        metrics = metrics
            .lines()
            .filter(|line| !line.starts_with("github_runner_job_start_timestamp_seconds{"))
            .fold(String::new(), |text, line| text + line + "\n");
        Answers {
            metrics,
            post: 405,
            jobs: get("/api/v1/jobs").text(),
            readyz: (200, "idle\n".into()),
            delay: Duration::ZERO,
            refuse: 0,
        }
    }

    /// Serves for as long as the test runs; `http://127.0.0.1:PORT`.
    fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for (scrapes, stream) in listener.incoming().enumerate() {
                let (answers, stream) = (self.clone(), stream.expect("a connection"));
                thread::spawn(move || answers.answer(&stream, scrapes));
            }
        });
        format!("http://{address}")
    }

    fn answer(&self, mut stream: &TcpStream, scrapes: usize) {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty());
        let Some(request) = lines.next() else { return };
        // The whole request is read: closing early would reset the connection.
        lines.for_each(drop);
        thread::sleep(self.delay);
        let refused = self.refuse > 0 && scrapes % self.refuse == self.refuse - 1;
        let (code, body): (u16, &str) = match request.split(' ').nth(1).unwrap_or_default() {
            _ if request.starts_with("POST") => (self.post, "\n"),
            "/metrics" if refused => (503, "\n"),
            "/metrics" => (200, &self.metrics),
            "/livez" => (200, "turns\n"),
            "/healthz" => (200, "idle\n"),
            "/readyz" => (self.readyz.0, &self.readyz.1),
            path if path.starts_with("/api/v1/jobs") => (200, &self.jobs),
            _ => (200, "{}\n"),
        };
        let _ = write!(
            stream,
            "HTTP/1.1 {code} X\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    }
}

/// The page with another value for the series whose line begins so.
fn rewritten(page: &str, begin: &str, value: impl Fn(&str) -> String) -> String {
    page.lines().fold(String::new(), |text, line| match line.rsplit_once(' ') {
        Some((series, _)) if series.starts_with(begin) => text + series + " " + &value(series) + "\n",
        _ => text + line + "\n",
    })
}

#[test]
fn a_live_runner_passes_both() {
    require!("bash", "curl", "awk");
    let env = [("METRICS_PORT", "0"), ("METRICS_UPDATE_INTERVAL", "1"), ("METRICS_AUTH_TOKEN", TOKEN)];
    let demo = Demo::start(&["--speed", "5"], &env);
    let token = demo.temp.path().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).expect("is written");
    let (url, token) = (format!("http://{}/metrics", demo.address), token.display().to_string());
    let (code, text) = run(ENDPOINT, &["--interval", "1", "--token-file", &token, &url]);
    assert!(code == 0 && text.contains(" passed, 0 failed"), "{text}");
    assert!(text.contains("ok    without the token it is 401") && text.contains("sampled again"), "{text}");
    let (code, text) = run(PERFORMANCE, &["--requests", "60", "--p99", "5000", "--token-file", &token, &url]);
    assert!(code == 0 && text.contains("3 passed, 0 failed"), "{text}");
    // Without the token there is nothing to see, and that is said.
    for script in [ENDPOINT, PERFORMANCE] {
        let (code, text) = run(script, &[&url]);
        assert!(code == 1 && text.contains("give --token-file"), "{text}");
        assert!(!text.contains(TOKEN), "{text}");
    }
}

type Break = fn(&mut Answers);
/// What can be wrong, and the words that name it.
const FAULTS: [(&str, Break); 12] = [
    ("POST is answered 200", |a| a.post = 200),
    ("github_runner_reconnects_total is missing", |a| {
        a.metrics = change(&a.metrics, "github_runner_reconnects_total", "github_runner_reconnected_total");
    }),
    ("text format, strictly read: not a sample", |a| a.metrics.push_str("up\n")),
    ("a series twice", |a| {
        let line = a.metrics.lines().find(|l| l.starts_with("github_runner_status{")).expect("is there");
        a.metrics = change(&a.metrics, line, &format!("{line}\n{line}"));
    }),
    ("the last line has no end", |a| {
        a.metrics.pop();
    }),
    ("are not cumulative", |a| {
        a.metrics = rewritten(&a.metrics, "github_runner_job_duration_seconds_bucket{", |series| {
            if series.contains("le=\"30\"") { "99999".into() } else { "1".into() }
        });
    }),
    ("not in exactly one state", |a| {
        a.metrics = rewritten(&a.metrics, "github_runner_state{", |_| "1".into());
    }),
    ("status is 0 in state idle", |a| {
        a.metrics = rewritten(&a.metrics, "github_runner_status{", |_| "0".into());
    }),
    ("/readyz is 404", |a| a.readyz = (404, "not found\n".into())),
    ("/readyz gives no reason", |a| a.readyz = (503, String::new())),
    ("last sample is", |a| {
        a.metrics =
            rewritten(&a.metrics, "github_runner_last_update_timestamp_seconds{", |_| "1700000000".into());
    }),
    ("something shaped like a secret in jobs", |a| {
        a.jobs = format!("{{\"job_name\":\"{}{}\"}}", "ghp_", "0123456789abcdefghij0123456789abcdef");
    }),
];

/// The page with other words in it, which must have been there.
fn change(page: &str, from: &str, to: &str) -> String {
    assert!(page.contains(from), "{from}");
    page.replace(from, to)
}

#[test]
fn what_is_broken_is_named() {
    require!("bash", "curl", "awk");
    let demo = Demo::start(&["--speed", "50"], &[("METRICS_PORT", "0")]);
    let good = Answers::of(&demo);
    let (code, text) = run(ENDPOINT, &["--no-wait", &good.clone().serve()]);
    assert_eq!(code, 0, "{text}");

    for (expected, break_it) in FAULTS {
        let mut answers = good.clone();
        break_it(&mut answers);
        let (code, text) = run(ENDPOINT, &["--no-wait", &answers.serve()]);
        let named = text.lines().any(|line| line.trim_start().starts_with("FAIL") && line.contains(expected));
        assert!(code == 1 && named, "{expected}: exit {code}\n{text}");
        assert!(!text.contains("ghp_"), "a secret is printed: {text}");
    }
}

#[test]
fn what_is_slow_or_fails_is_named() {
    require!("bash", "curl", "awk");
    let demo = Demo::start(&["--speed", "50"], &[("METRICS_PORT", "0")]);
    let good = Answers::of(&demo);
    let slow = Answers { delay: Duration::from_millis(60), ..good.clone() };
    let (code, text) = run(PERFORMANCE, &["--requests", "10", "--p99", "30", &slow.serve()]);
    assert!(code == 1 && text.contains("0 passed, 3 failed"), "{text}");
    let refusing = Answers { refuse: 7, ..good };
    let (code, text) = run(PERFORMANCE, &["--requests", "20", "--p99", "9000", &refusing.serve()]);
    assert!(code == 1 && text.contains("3 failed"), "{text}");
}

#[test]
fn a_wrong_call_and_a_dead_address_are_told_apart() {
    require!("bash", "curl", "awk");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    for script in [ENDPOINT, PERFORMANCE] {
        let (code, text) = run(script, &[&format!("http://127.0.0.1:{port}")]);
        assert!(code == 3 && text.contains("nobody answers"), "{text}");
        for wrong in
            [&[][..], &["--what", "http://x"], &["ftp://x"], &["--token-file", "/nonexistent", "http://x"]]
        {
            let (code, text) = run(script, wrong);
            assert_eq!(code, 2, "{wrong:?}: {text}");
        }
    }
}
