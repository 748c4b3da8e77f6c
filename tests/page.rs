//! The status page as people meet it, in a real browser: every state, hostile names, small and large, light and dark, without scripts.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]

#[path = "support/demo.rs"]
mod demo;
#[path = "page/lived.rs"]
mod lived;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/page.rs"]
mod page;
#[path = "page/scenes.rs"]
mod scenes;
#[path = "support/wire.rs"]
mod wire;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use demo::Demo;
use nix::fcntl::{Flock, FlockArg};
use ns::{Tree, program, wait_until};
use runner_init::domain::record::JobStatus;
use runner_init::domain::status::{State, Status};
use runner_init::domain::totals::Bounds;
use runner_init::http::freshness::Freshness;
use runner_init::http::page::PageInput;
use runner_init::http::{Scrapes, View, router, server};
use runner_init::telemetry::catalog;
use runner_init::telemetry::exporter::Exporter;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

const PATIENCE: Duration = Duration::from_secs(90);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Installs the browser's driver once, whoever comes first; where it can be found. `None` says why not, as `require!` would.
fn node() -> Option<Command> {
    let dir = root().join("tests/page");
    let lock = File::create(root().join("target/page-test.lock")).expect("a file");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("a lock");
    let changed = |file: &str| fs::metadata(dir.join(file)).and_then(|meta| meta.modified()).ok();
    if changed("node_modules/.package-lock.json") < changed("package-lock.json") {
        let args = ["ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"];
        let done = Command::new("npm").args(args).current_dir(&dir).output().expect("npm runs");
        if !done.status.success() {
            let why = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(std::env::var("CI").as_deref() != Ok("true"), "npm ci: {why}");
            eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: npm ci: {why} ***\n");
            return None;
        }
    }
    let mut node = Command::new(program("node")?);
    node.current_dir(dir);
    Some(node)
}

fn exporter() -> Exporter {
    static ONE: OnceLock<Exporter> = OnceLock::new();
    let identity = scenes::identity();
    let install = || Exporter::install(&identity, &Bounds::with_duration(vec![1.0])).expect("the only one");
    ONE.get_or_init(install).clone()
}

/// The real router over what is made up.
fn served(status: Status) -> Router {
    let (_, status) = watch::channel(Arc::new(status));
    let view = View {
        status,
        exporter: exporter(),
        pulse: mpsc::channel(1).0,
        clock: scenes::now,
        identity: Arc::new(scenes::identity()),
        site: Arc::new(scenes::site()),
        freshness: Arc::new(Freshness::new(Duration::ZERO).0),
        scrapes: Arc::new(Scrapes::default()),
    };
    router(view, None, None)
}

/// Plants a fault in a page.
type Spoil<'a> = &'a dyn Fn(String) -> String;

/// The page itself with a fault in it, and nothing that would stop the fault.
fn planted(status: &Status, spoil: Spoil<'_>) -> Router {
    let (identity, site) = (scenes::identity(), scenes::site());
    let seen = PageInput { identity: &identity, site: &site, status };
    let text = spoil(runner_init::http::page::page(&seen, scenes::now()).into_string());
    Router::new().route("/", get(move || async move { Html(text) }))
}

/// Open doors; dropped, it closes them.
struct Stage {
    _stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
}

impl Stage {
    fn new() -> Stage {
        let (stop, stopped) = watch::channel(false);
        Stage { _stop: stop, stopped }
    }

    /// Serves it on a port of its own; `127.0.0.1:PORT`.
    fn serve(&self, router: Router) -> String {
        let stopped = self.stopped.clone();
        let (told, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
            runtime.block_on(async move {
                let bound = server::TcpServer::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
                told.send(bound.address().expect("an address").to_string()).expect("is waited for");
                bound.serve(router, stopped).await;
            });
        });
        address.recv().expect("an address")
    }
}

/// What the browser has found fault with.
fn look(node: &mut Command, scenes: &[Value]) -> Vec<Value> {
    let chromium = program("chromium").expect("was required");
    let mut child =
        node.arg("look.mjs").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node runs");
    let order = json!({"program": chromium, "scenes": scenes}).to_string();
    child.stdin.take().expect("piped").write_all(order.as_bytes()).expect("is read");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "node: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn shots(scene: &str) -> Vec<Value> {
    const SHOTS: [(&str, &str, &str); 9] = [
        ("busy", "desktop", "light"),
        ("busy", "desktop", "dark"),
        ("busy", "phone", "light"),
        ("idle", "phone", "dark"),
        ("draining", "desktop", "light"),
        ("ghost", "desktop", "light"),
        ("job", "desktop", "light"),
        ("job", "desktop", "dark"),
        ("job", "phone", "light"),
    ];
    let dir = root().join("target/screenshots");
    fs::create_dir_all(&dir).expect("a directory");
    let shot = |(state, size, scheme): &(&str, &str, &str)| {
        let path = dir.join(format!("status-{state}-{size}-{scheme}.png"));
        json!({"size": size, "scheme": scheme, "path": path})
    };
    SHOTS.iter().filter(|(state, ..)| *state == scene).map(shot).collect()
}

fn publish(paths: impl Iterator<Item = PathBuf>) {
    let docs = root().join("docs/images");
    for path in paths {
        let bytes = fs::read(&path).expect("a screenshot");
        assert!(bytes.len() < 300 * 1024, "{}: {} bytes", path.display(), bytes.len());
        if std::env::var_os("UPDATE_SCREENSHOTS").is_some() {
            fs::create_dir_all(&docs).expect("a directory");
            fs::write(docs.join(path.file_name().expect("a name")), bytes).expect("is written");
        }
    }
}

#[test]
fn every_state_can_be_read_by_everybody() {
    require!("node", "npm", "chromium");
    let Some(mut node) = node() else { return };
    let stage = Stage::new();
    let mut all = Vec::new();
    for state in State::ALL {
        let status = scenes::in_state(state);
        let word = state.as_str();
        let mut text = vec![word.to_owned(), status.reason.clone(), "runner-7".into(), "chrome-go".into()];
        text.extend(
            status.job.iter().flat_map(|job| [job.name.clone(), job.run_id.clone().expect("its run")]),
        );
        text.extend(status.recent.iter().filter_map(|row| row.job_name.clone()));
        let url = format!("http://{}/", stage.serve(served(status)));
        all.push(json!({"name": word, "url": url, "title": format!("{word} · runner-7"), "text": text, "shots": shots(word)}));
    }
    let status = scenes::in_state(State::Idle);
    let ended = status.recent.last().expect("a job").clone();
    let text = ["Set up job", "Where the time went", "octo-org/", "Timeline"];
    let url = format!("http://{}/jobs/{}", stage.serve(served(status)), ended.job_id);
    let title = format!("{} · runner-7", ended.job_name.unwrap_or_default());
    all.push(
        json!({"name": "job", "url": url, "title": title, "text": text, "scripts": 0, "shots": shots("job")}),
    );
    let faults = look(&mut node, &all);
    assert!(faults.is_empty(), "{faults:#?}");
    let paths = all.iter().flat_map(|scene| scene["shots"].as_array().expect("shots"));
    publish(paths.map(|shot| PathBuf::from(shot["path"].as_str().expect("a path"))));
}

/// The day behind these runners: `cargo test --test page a_day_is_lived -- --ignored` lives another.
#[test]
#[ignore = "takes minutes, and writes tests/page/day"]
fn a_day_is_lived() {
    let env = [("METRICS_PORT", "0"), ("RUNNER_TYPE", "chrome-go"), ("RUNNER_NAME", "runner-7")];
    let demo = Demo::start(&["--speed", "4", "--seed", "3", "--jobs", "54"], &env);
    let ended = || JobStatus::ALL.iter().map(|status| demo.jobs(status.as_str())).sum::<f64>();
    wait_until(10 * PATIENCE, "54 jobs", || ended() >= 54.0);
    let place = fs::read_dir(demo.temp.path()).expect("its place").next().expect("one").expect("an entry");
    let day = root().join("tests/page/day");
    for name in ["jobs.log", "jobs.log.steps"] {
        fs::copy(place.path().join("state").join(name), day.join(name)).expect("is written");
    }
    let page = wire::get(&demo.address, "/metrics", "").expect("a page").text();
    let of_caches = page.lines().filter(|line| line.contains(catalog::CACHE_REQUESTS.name));
    fs::write(day.join("metrics"), of_caches.fold(String::new(), |text, line| text + line + "\n"))
        .expect("is written");
}

#[test]
fn a_job_cannot_be_more_than_text() {
    require!("node", "npm", "chromium");
    let Some(mut node) = node() else { return };
    let stage = Stage::new();
    let text = [
        "<script>window.pwned=1;alert('script')</script>",
        "[U+202E]gnp.exe",
        "${7*7}",
        "&#60;img&#62;",
        "xxx…",
    ];
    let scene = |name: &str, address: String| json!({"name": name, "url": format!("http://{address}/"), "title": "busy · runner-7", "text": text, "shots": []});
    let faults = look(&mut node, &[scene("hostile", stage.serve(served(scenes::hostile())))]);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_is_looked_for_would_be_found() {
    require!("node", "npm", "chromium");
    let Some(mut node) = node() else { return };
    let stage = Stage::new();
    let unescaped = |page: String| page.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    let pale = |page: String| page.replace("--soft:#565d64", "--soft:#b4b8bc");
    let after = |what: &'static str| move |page: String| page.replace("<main>", &format!("<main>{what}"));
    let forbidden = |page: String| {
        let rule = "<head><meta http-equiv=Content-Security-Policy content=\"img-src 'none'\">";
        after("<img alt=x src=/x.png>")(page.replace("<head>", rule))
    };
    let plants: [(&str, &str, Spoil<'_>); 9] = [
        ("unescaped", "dialog pwned markup", &unescaped),
        ("pale", "axe", &pale),
        ("from outside", "outside", &after("<img alt=x src=https://outside.invalid/x.png>")),
        ("wide", "overflow", &after("<p style='width:100rem'>wide</p>")),
        ("turned", "controls", &after("<p>a\u{202e}b</p>")),
        ("linked", "link", &after("<a href='https://outside.invalid/'>x</a>")),
        ("still", "refresh", &|page| page.replace("<noscript>", "<!--").replace("</noscript>", "-->")),
        ("scripted", "scripts", &after("<p id=late></p><script>late.textContent='late'</script>")),
        ("blocked", "policy", &forbidden),
    ];
    let hostile = scenes::hostile();
    let status = Status { recent: scenes::last(&hostile.recent, scenes::hostile_names().len()), ..hostile };
    let scenes: Vec<Value> = plants
        .iter()
        .map(|(name, _, spoil)| {
            let address = stage.serve(planted(&status, spoil));
            json!({"name": name, "url": format!("http://{address}/"), "title": "busy · runner-7", "text": [], "shots": [], "planted": true})
        })
        .collect();
    let faults = look(&mut node, &scenes);
    for (name, checks, _) in plants {
        for check in checks.split(' ') {
            let found = faults.iter().any(|fault| fault["scene"] == name && fault["check"] == check);
            assert!(found, "{name}: no fault of {check} in {faults:#?}");
        }
    }
}

#[test]
fn it_says_by_its_headers_what_it_may_do() {
    let stage = Stage::new();
    let address = stage.serve(served(scenes::hostile()));
    let reply = wire::get(&address, "/", "").expect("an answer");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = reply.header("content-security-policy").expect("a policy");
    for rule in [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "img-src data:",
    ] {
        assert!(policy.split("; ").any(|held| held == rule), "{rule}: {policy}");
    }
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    assert!(reply.body.len() <= 80 * 1024, "{} bytes", reply.body.len());
}

#[test]
fn an_open_page_follows_its_runner() {
    require!("node", "npm", "chromium");
    let Some(mut node) = node() else { return };
    let demo = Demo::start(&["--speed", "0.5", "--jobs", "6"], &[("METRICS_PORT", "0")]);
    let chromium = program("chromium").expect("was required");
    let url = format!("http://{}/", demo.address);
    let reader = Tree::spawn(node.arg("follow.mjs").arg(chromium).arg(url).stdin(Stdio::null()));
    let says = |word: &str| {
        wait_until(PATIENCE, word, || reader.stdout().contains(word));
    };
    says("running\n");
    says("ended\n");
    wait_until(PATIENCE, "a word of its place", || reader.stdout().lines().count() > 2);
    assert!(reader.stdout().ends_with("kept its place\n"), "{}", reader.stdout());
    // Killed.
    drop(demo);
    says("lost\n");
    assert_eq!(reader.finish(PATIENCE).status.code(), Some(0));
}
