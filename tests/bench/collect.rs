//! A collector under load: rows of ever new runners' jobs, one connection kept, and what that costs in processor time and memory.

use super::report::{Report, Target, number, table};
use super::{Plan, process};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Rows of a request.
const BATCH: usize = 200;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    report.topic(
        "A collector under load",
        &format!(
            "`runner-init collect` on processor 0, rows in requests of {BATCH} over one connection, each of another job and of one of \
             1,000 repositories, acknowledged once they are on disk. `per CPU s`: rows for a second of its processor time, whatever the \
             disk takes; `RSS`: its memory when so many rows had come."
        ),
    );
    let marks: &[usize] =
        plan.pick(&[100_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000], &[2_000, 10_000]);
    let dir = tempfile::tempdir().expect("a directory");
    let mut collector = start(plan, dir.path());
    let pid = collector.id().cast_signed();
    super::server::pin(pid, 0);
    let mut connection = connect(dir.path());
    let (mut sent, mut rows, mut last_rss) = (0, Vec::new(), 0.0);
    for mark in marks {
        let (cpu, begun, from) = (process::cpu_ns(pid), Instant::now(), sent);
        while sent < *mark {
            connection = post(connection, dir.path(), sent);
            sent += BATCH;
        }
        let count = (sent - from) as f64;
        let used = process::cpu_ns(pid).saturating_sub(cpu) as f64 / 1e9;
        let rss = process::rss(pid) as f64;
        let mut row = vec![
            number(sent as f64),
            number(count / begun.elapsed().as_secs_f64()),
            number(count / used),
            number(rss),
        ];
        row.extend(report.judge(
            "rows a collector takes on one core",
            count / used,
            Target::AtLeast(1000.0, "per CPU s"),
        ));
        rows.push(row);
        last_rss = rss;
    }
    table(&["rows", "per s", "per CPU s", "RSS kB", "target", "met"], &rows);
    println!("\nlast RSS: {} kB", number(last_rss));
    let _ = collector.kill();
    let _ = collector.wait();
}

fn start(plan: &Plan, dir: &std::path::Path) -> Child {
    let stderr = std::fs::File::create(dir.join("stderr")).expect("ours");
    let mut command = Command::new(&plan.binary);
    command
        .arg("collect")
        .env_clear()
        .env("RUNNER_STATE_DIR", dir.join("state"))
        .env("RUNNER_RUN_DIR", dir.join("run"));
    command
        .env("METRICS_BIND", "127.0.0.1")
        .env("METRICS_PORT", "0")
        .env("COLLECT_LABELS", "runner_type,repository");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().expect("it starts")
}

fn connect(dir: &std::path::Path) -> TcpStream {
    let begun = Instant::now();
    loop {
        let log = std::fs::read_to_string(dir.join("stderr")).unwrap_or_default();
        let found =
            log.split("event=serving address=").nth(1).and_then(|rest| rest.split_whitespace().next());
        if let Some(stream) = found.and_then(|address| TcpStream::connect(address).ok()) {
            stream.set_nodelay(true).expect("a socket");
            return stream;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not serve: {log}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Posts the rows from number `from` on; the connection for the next ones, a new one after a hundred.
fn post(mut stream: TcpStream, dir: &std::path::Path, from: usize) -> TcpStream {
    let row = |n: usize| {
        let (second, milli) = (n / 1000, n % 1000);
        let (day, hour, minute) = (second / 86_400 % 28 + 1, second / 3600 % 24, second / 60 % 60);
        let at = format!("2026-11-{day:02}T{hour:02}:{minute:02}:{:02}.{milli:03}Z", second % 60);
        format!(
            r#"{{"timestamp":"{at}","started_at":"{at}","job_id":"{n}_build","run_attempt":"1","status":"success","duration_seconds":61.5,"job_name":"build (ubuntu)","workflow":"CI","repository":"octo/{}","runner_name":"runner-{n}","runner_type":"standard","amendment":false}}"#,
            n % 1000
        )
    };
    let rows: Vec<String> = (from..from + BATCH).map(row).collect();
    let body = format!(
        r#"{{"runner_name":"runner-{from}","runner_type":"standard","metrics_port":9091,"rows":[{}]}}"#,
        rows.join(",")
    );
    let head = format!("POST /api/v1/rows HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("it reads");
    let mut reader = BufReader::new(stream);
    let (mut line, mut length, mut closes) = (String::new(), 0, false);
    reader.read_line(&mut line).expect("an answer");
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    loop {
        line.clear();
        reader.read_line(&mut line).expect("a head");
        let lower = line.trim().to_ascii_lowercase();
        length = lower.strip_prefix("content-length: ").and_then(|n| n.parse().ok()).unwrap_or(length);
        closes |= lower == "connection: close";
        if lower.is_empty() {
            break;
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer).expect("a body");
    let want = format!("\"counted\":{BATCH}");
    assert!(String::from_utf8_lossy(&answer).contains(&want), "{}", String::from_utf8_lossy(&answer));
    if closes { connect(dir) } else { reader.into_inner() }
}
