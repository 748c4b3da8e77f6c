//! Seven days of a fleet at the scrape interval of 15 s: what they cost on disk, and how long every panel takes over all of them.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]

#[path = "support/demo.rs"]
mod demo;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/page.rs"]
mod page;
#[path = "support/prom.rs"]
mod prom;
#[path = "support/week.rs"]
mod week;
#[path = "support/week_board.rs"]
mod week_board;
#[path = "support/week_load.rs"]
mod week_load;
#[path = "support/week_runner.rs"]
mod week_runner;
#[path = "support/week_show.rs"]
mod week_show;
#[path = "support/week_write.rs"]
mod week_write;
#[path = "support/wire.rs"]
mod wire;

use demo::Demo;
use ns::wait_until;
use page::Page;
use prom::Prometheus;
use runner_init::telemetry::catalog;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant, SystemTime};
use week::Fleet;
use week_load::{DAY, TICK};
use week_write::Writer;

const LONG: Duration = Duration::from_secs(300);
/// Nobody is scraped: everything is written.
const CONFIG: &str = "global: {scrape_interval: 15s}\n";
const FLAGS: [&str; 2] = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=30d"];

/// Families that only a runner with a credential has; a demo has none.
const ONLY_HERE: [&str; 2] = [catalog::API_REQUESTS.name, catalog::API_REMAINING.name];

/// A written week and what it cost.
struct Written {
    samples: usize,
    series: usize,
    seconds: f64,
    blocks: f64,
}

#[test]
fn what_is_written_is_what_a_real_runner_shows() {
    require!("namespace");
    let demo = Demo::start(&["--speed", "50"], &[("METRICS_PORT", "0"), ("METRICS_UPDATE_INTERVAL", "1")]);
    let mut page = demo.page();
    wait_until(LONG, "everything to have been shown", || {
        page = demo.page();
        is_shown(&page)
    });
    let mut fleet = Fleet::new(1, end());
    fleet.live(2, drop);
    let unreadable = prom::unreadable();
    let left_out = |name: &str| ONLY_HERE.contains(&name) || unreadable.contains(&name);
    let written: BTreeSet<String> = fleet
        .series()
        .filter(|s| s.on_page && !left_out(&s.labels["__name__"]))
        .map(|s| words(&s.labels))
        .collect();
    let mut real = BTreeSet::new();
    for series in page.series() {
        let mut labels = series.labels.clone();
        labels.insert("__name__".into(), series.name.clone());
        real.insert(words(&labels));
    }
    assert_eq!(written, real);
}

/// What comes only with the first of its kind is there.
fn is_shown(page: &Page) -> bool {
    let count = |metric: &catalog::Metric| page.family(metric.name).map_or(0, |family| family.series.len());
    let late = [
        (&catalog::CACHE_HIT_RATE, 4),
        (&catalog::LAST_DEPLOYMENT, 2),
        (&catalog::JOB_START, 1),
        (&catalog::JOB_PEAK, 1),
    ];
    late.iter().all(|(metric, number)| count(metric) == *number || prom::unreadable().contains(&metric.name))
}

/// Name and labels, without the values that are the runner's own or its scraper's.
fn words(labels: &BTreeMap<String, String>) -> String {
    const OWN: [&str; 6] = ["runner_name", "runner_type", "version", "init_version", "arch", "ephemeral"];
    let ours = labels.iter().filter(|(name, _)| !["instance", "job"].contains(&name.as_str()));
    let word = |(name, value): (&String, &String)| {
        if OWN.contains(&name.as_str()) { name.clone() } else { format!("{name}={value}") }
    };
    ours.map(word).collect::<Vec<_>>().join(",")
}

#[test]
fn a_week_of_a_fleet() {
    require!("prometheus");
    let runners = std::env::var("WEEK_RUNNERS").map_or(3, |number| number.parse().expect("a number"));
    let place = place();
    let fresh = place.join("fresh");
    let _ = std::fs::remove_dir_all(&fresh);
    std::fs::create_dir_all(&fresh).expect("a directory");
    let end = end();
    let prometheus = Prometheus::start(CONFIG, &[], Some(&fresh), &FLAGS);
    let written = write(&prometheus, runners, end);
    report(&written, runners);
    prometheus.stop();
    // For whoever draws pictures of it.
    let data = place.join("data");
    let _ = std::fs::remove_dir_all(&data);
    std::fs::rename(&fresh, &data).expect("a directory");
    std::fs::write(place.join("end"), format!("{}\n", end / 1000)).expect("a file");
}

/// `target/week`
fn place() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("week")
}

/// `WEEK_END`, in seconds since 1970, or now; milliseconds, on a tick.
fn end() -> i64 {
    let now = || SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let seconds = std::env::var("WEEK_END").map_or_else(|_| now(), |end| end.parse().expect("seconds"));
    i64::try_from(seconds).expect("this century") * 1000 / TICK * TICK
}

fn write(prometheus: &Prometheus, runners: usize, end: i64) -> Written {
    wait_until(LONG, "Prometheus to be ready", || prometheus.get("/-/ready").is_some());
    let started = Instant::now();
    let mut fleet = Fleet::new(runners, end);
    let mut writer = Writer::to(prometheus.address());
    let (full, next) = sync_channel::<Vec<u8>>(2);
    let thread = std::thread::spawn(move || next.iter().for_each(|request| writer.send(&request)));
    fleet.live(7, |request| full.send(request).expect("the writer goes on"));
    drop(full);
    thread.join().expect("everything was taken");
    let seconds = started.elapsed().as_secs_f64();
    // Until only what is always in memory is in memory, and what is on disk is in its final shape.
    wait_until(LONG, "the end of the compaction", || {
        let head = own(prometheus, "prometheus_tsdb_head_max_time")
            - own(prometheus, "prometheus_tsdb_head_min_time");
        head < 3.1 * 3_600_000.0
    });
    let value = |name: &str| own(prometheus, name);
    Written {
        samples: value("prometheus_tsdb_head_samples_appended_total") as usize,
        series: fleet.series().count(),
        seconds,
        blocks: value("prometheus_tsdb_storage_blocks_bytes"),
    }
}

/// What it says of itself, added up.
fn own(prometheus: &Prometheus, name: &str) -> f64 {
    let page = prometheus.get("/metrics").expect("it listens").text();
    let lines =
        page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    lines.map(|line| line.rsplit(' ').next().expect("a value").parse::<f64>().expect("a number")).sum()
}

fn report(written: &Written, runners: usize) {
    let Written { samples, series, seconds, blocks } = written;
    let days = 7.0 * runners as f64;
    println!(
        "{runners} runners, 7 days at {} s: {samples} samples of {series} series in {seconds:.1} s",
        TICK / 1000
    );
    println!(
        "on disk {:.1} MB; {:.2} bytes a sample; {:.2} MB a runner and day, {:.0} MB a runner and month",
        blocks / 1e6,
        blocks / *samples as f64,
        blocks / 1e6 / days,
        blocks / 1e6 / days * 30.0
    );
    let _ = DAY;
}
