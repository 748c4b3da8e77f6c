//! The same rows in stores that others have made: real ones, with the query that counts jobs exactly, also those that came twice.

use crate::collected::Collector;
use crate::collector::{row, sent};
use crate::supervised::{Plan, job, plan, request, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server that ends with the test.
struct Engine {
    process: Child,
    address: String,
    _dir: TempDir,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port").port()
}

fn engine(command: impl FnOnce(&Path, u16) -> Command, alive: &str) -> Engine {
    let (dir, port) = (TempDir::new().expect("a directory"), free_port());
    let mut command = command(dir.path(), port);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(dir.path());
    let process = command.spawn().expect("it starts");
    let engine = Engine { process, address: format!("127.0.0.1:{port}"), _dir: dir };
    until(&format!("{alive} is answered"), || {
        engine.try_ask("GET", alive, "").is_some_and(|(status, _)| status == 200)
    });
    engine
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Engine {
    fn try_ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let length = body.len();
        let text =
            format!("{method} {path} HTTP/1.0\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}");
        request(&self.address, &text).ok().map(|answer| (answer.status, answer.body))
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let (status, said) = self.try_ask(method, path, body).expect("an answer");
        assert!((200..300).contains(&status), "{path}: {status} {said}");
        said
    }
}

fn jobs() -> Plan {
    let job =
        |n: u32, result: &str| json!({ "job": { "name": format!("job {n}"), "ms": 5, "result": result } });
    let steps =
        [job(1, "Succeeded"), job(2, "Failed"), job(3, "Succeeded"), job(4, "Canceled"), job(5, "Succeeded")];
    plan(json!({ "launches": [{ "connect_ms": 10, "shutdown_ms": 10, "steps": steps }] }))
}

/// Five jobs are sent, all of them once more as if no answer had come, and one more job.
fn send(url: &str, format: &str) {
    let sending = |plan: Plan| plan.env("JOB_EVENTS_URL", url).env("JOB_EVENTS_FORMAT", format);
    let sent = |s: &crate::supervised::Supervised| s.metric("github_runner_job_events_sent_total");
    let mut s = sending(jobs()).start();
    s.until("all are sent", |s| sent(s) == Some(5.0));
    s.signal(SIGKILL);
    s.exit_code();
    std::fs::remove_file(s.path("state/jobs.log.sent")).expect("it was there");
    let mut s = sending(runner(&[job("one more", 5)])).in_dir_of(&s).start();
    s.until("all are sent again", |s| sent(s) == Some(6.0));
    assert_eq!(s.stop(), 0);
}

/// What docs/SCALING.md tells to ask.
fn documented(query: &str) {
    let page = include_str!("../../docs/SCALING.md");
    assert!(page.contains(query), "docs/SCALING.md does not have {query}");
}

#[test]
fn victoriametrics_counts_each_job_once() {
    require!("namespace", "victoria-metrics");
    let store = engine(
        |dir, port| {
            let mut command = Command::new("victoria-metrics");
            command
                .arg(format!("-storageDataPath={}", dir.display()))
                .arg(format!("-httpListenAddr=127.0.0.1:{port}"));
            command.args([
                "-dedup.minScrapeInterval=1ms",
                "-search.latencyOffset=0s",
                "-memory.allowedBytes=64MB",
            ]);
            command
        },
        "/health",
    );
    send(&format!("http://{}/api/v1/import", store.address), "victoriametrics");
    store.ask("GET", "/internal/force_flush", "");
    let query = "sum by (status) (count_over_time(github_runner_job_ended[1d]))";
    documented(query);
    documented("-dedup.minScrapeInterval=1ms");
    let encoded = query.replace(' ', "%20").replace('[', "%5B").replace(']', "%5D");
    let counted = || {
        let said = store.ask("GET", &format!("/api/v1/query?query={encoded}"), "");
        let answer: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let of = |series: &serde_json::Value| {
            (
                series["metric"]["status"].as_str().unwrap_or_default().to_owned(),
                series["value"][1].as_str().unwrap_or_default().to_owned(),
            )
        };
        let mut all: Vec<_> = answer["data"]["result"].as_array().expect("a vector").iter().map(of).collect();
        all.sort();
        all
    };
    let want =
        [("cancelled", "1"), ("failed", "1"), ("success", "4")].map(|(s, n)| (s.to_owned(), n.to_owned()));
    until("the last job is in", || counted().iter().any(|(status, n)| status == "success" && n == "4"));
    assert_eq!(counted(), want);
}

/// Its scraper is vmagent's: it says how long it waits, as Prometheus does.
#[test]
fn victoriametrics_that_scrapes_sees_where_a_series_begins() {
    require!("victoria-metrics");
    let collector = Collector::start(&[]);
    let target = collector.address.clone();
    let post = |n| assert_eq!(collector.post("", &sent("r", &[row("r", n, "success")])).status, 200);
    (0..3).for_each(post);
    // Somebody else has read it, and takes nothing away.
    assert_eq!(collector.results(), [("success".to_owned(), 3)].into());
    let store = engine(
        |dir, port| {
            let config = format!(
                "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: fleet, static_configs: [{{targets: ['{target}']}}]}}]\n"
            );
            std::fs::write(dir.join("scrape.yml"), config).expect("ours");
            let mut command = Command::new("victoria-metrics");
            command.arg("-promscrape.config=scrape.yml").arg(format!("-storageDataPath={}", dir.display()));
            command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
            command.args(["-search.latencyOffset=0s", "-memory.allowedBytes=64MB"]);
            command
        },
        "/health",
    );
    let value = |function: &str| {
        let query = format!("{function}(github_runner_jobs_total%7Bstatus=%22success%22%7D%5B1h%5D)");
        let said = store.ask("GET", &format!("/api/v1/query?query={query}"), "");
        let answer: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    until("it has come twice", || value("last_over_time").as_deref() == Some("3"));
    assert_eq!(value("first_over_time").as_deref(), Some("0"));
}

#[test]
fn clickhouse_counts_each_job_once() {
    require!("namespace", "clickhouse-server");
    let store = engine(
        |dir, port| {
            let dir_text = dir.display();
            let config = format!(
                "<yandex><logger><level>error</level><console>1</console></logger><http_port>{port}</http_port>\
                 <tcp_port>{}</tcp_port><listen_host>127.0.0.1</listen_host><path>{dir_text}/data/</path>\
                 <tmp_path>{dir_text}/tmp/</tmp_path><users_config>users.xml</users_config>\
                 <default_profile>default</default_profile><default_database>default</default_database>\
                 <mark_cache_size>5368709</mark_cache_size></yandex>",
                free_port()
            );
            let users = "<yandex><profiles><default></default></profiles><users><default><password></password>\
                         <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>\
                         </users><quotas><default></default></quotas></yandex>";
            std::fs::write(dir.join("config.xml"), config).expect("ours");
            std::fs::write(dir.join("users.xml"), users).expect("ours");
            let mut command = Command::new("clickhouse-server");
            command.arg("--config-file=config.xml");
            command
        },
        "/ping",
    );
    let table = "CREATE TABLE jobs (timestamp String, event_id String, status String, repository String, workflow String, \
                 runner_name String, runner_type String, duration_seconds Float64) ENGINE = MergeTree ORDER BY event_id";
    documented(table);
    store.ask("POST", "/", table);
    let path = "/?query=INSERT%20INTO%20jobs%20FORMAT%20JSONEachRow&input_format_skip_unknown_fields=1";
    documented(path);
    send(&format!("http://{}{path}", store.address), "ndjson");
    let query = "SELECT status, uniqExact(event_id) FROM jobs GROUP BY status ORDER BY status";
    documented(query);
    assert_eq!(store.ask("POST", "/", query), "cancelled\t1\nfailed\t1\nsuccess\t4\n");
    assert_eq!(store.ask("POST", "/", "SELECT count() FROM jobs"), "11\n", "they did come twice");
}
