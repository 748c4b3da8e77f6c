//! Seven days of a fleet at the scrape interval of 15 s: what they cost on disk, and how long every panel takes over all of them.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]

#[path = "support/dashboards.rs"]
mod dashboards;
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
#[path = "support/week_ask.rs"]
mod week_ask;
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
use week_ask::Answer;
use week_load::{DAY, HOUR, TICK};
use week_write::Writer;

const LONG: Duration = Duration::from_secs(300);
/// Nobody is scraped: everything is written.
const CONFIG: &str = "global: {scrape_interval: 15s}\n";
const FLAGS: [&str; 2] = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=30d"];

/// Families that only a runner with a credential has; a demo has none.
const ONLY_HERE: [&str; 2] = [catalog::API_REQUESTS.name, catalog::API_REMAINING.name];

/// What nobody waits for.
const ENOUGH: Duration = Duration::from_secs(2);

/// A Prometheus with a written week.
struct Week {
    data: PathBuf,
    /// Milliseconds since 1970.
    end: i64,
    runners: usize,
    series: usize,
    /// What the writing took.
    seconds: f64,
    prometheus: Prometheus,
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
    let unreadable = prom::unreadable(false);
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
    assert!(real.len() > 100, "{} series", real.len());
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
    late.iter()
        .all(|(metric, number)| count(metric) == *number || prom::unreadable(false).contains(&metric.name))
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
    let week = Week::write(runners, end());
    week.report();
    let answers = week.ask();
    for line in table(&[(runners, &answers)]) {
        println!("{line}");
    }
    week.keep();
    let silent: Vec<_> = answers.iter().filter(|answer| answer.series == 0).map(|a| &a.place).collect();
    assert_eq!(silent, Vec::<&String>::new(), "a week of which these have nothing to tell");
}

/// The long form: `cargo test --test week -- --ignored --nocapture`; `WEEK_SIZES=1,3,10` leaves the largest out.
#[test]
#[ignore = "takes minutes, and gigabytes of memory"]
fn the_trend() {
    require!("prometheus");
    let sizes = std::env::var("WEEK_SIZES").unwrap_or("1,3,10,50".into());
    let mut columns = Vec::new();
    for size in sizes.split(',').map(|size| size.parse().expect("a number")) {
        let week = Week::write(size, end());
        week.report();
        columns.push((size, week.ask()));
        week.drop();
    }
    let columns: Vec<_> = columns.iter().map(|(size, answers)| (*size, answers)).collect();
    for line in table(&columns) {
        println!("{line}");
    }
    for (size, answers) in &columns {
        let slow: Vec<_> = answers.iter().filter(|answer| answer.took > ENOUGH).map(|a| &a.place).collect();
        println!(
            "{size} runners: {} of {} questions took longer than 2 s {slow:?}",
            slow.len(),
            answers.len()
        );
    }
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

impl Week {
    /// A new Prometheus with a week in it.
    fn write(runners: usize, end: i64) -> Week {
        let data = place().join(format!("fresh-{runners}"));
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir_all(&data).expect("a directory");
        let prometheus = Prometheus::start(CONFIG, &[], Some(&data), &FLAGS);
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
        let week = Week { data, end, runners, series: fleet.series().count(), seconds, prometheus };
        // What is left in memory is what always is, and what is on disk has its final shape: blocks of up to 54 hours.
        wait_until(LONG, "the end of the compaction", || {
            let head = own(&week.prometheus, "prometheus_tsdb_head_max_time") - week.written_to();
            head < 3.1 * HOUR as f64 && own(&week.prometheus, "prometheus_tsdb_blocks_loaded") <= 12.0
        });
        week
    }

    /// Until when it is on disk, milliseconds.
    fn written_to(&self) -> f64 {
        own(&self.prometheus, "prometheus_tsdb_head_min_time")
    }

    fn report(&self) {
        let Week { runners, series, seconds, .. } = self;
        let samples = own(&self.prometheus, "prometheus_tsdb_head_samples_appended_total");
        let days = (self.written_to() - (self.end - 7 * DAY) as f64) / DAY as f64;
        let bytes = own(&self.prometheus, "prometheus_tsdb_storage_blocks_bytes");
        let daily = bytes / days / *runners as f64;
        let each = samples / 7.0 / *runners as f64;
        println!(
            "{runners} runners, 7 days: {samples} samples of {series} series, written in {seconds:.1} s"
        );
        println!(
            "{:.1} MB on disk for {days:.2} days: {:.2} bytes a sample, {:.2} MB a runner and day, {:.1} MB a month",
            bytes / 1e6,
            daily / each,
            daily / 1e6,
            daily * 30.0 / 1e6
        );
    }

    fn ask(&self) -> Vec<Answer> {
        let end = u64::try_from(self.end / 1000).expect("after 1970");
        week_ask::ask(&self.prometheus, &week_ask::questions(&dashboards::all(), end))
    }

    /// For whoever draws pictures of it: `target/week/data`, and in `target/week/end` when it ends.
    fn keep(self) {
        self.prometheus.stop();
        let data = place().join("data");
        let _ = std::fs::remove_dir_all(&data);
        std::fs::rename(&self.data, &data).expect("a directory");
        std::fs::write(place().join("end"), format!("{}\n", self.end / 1000)).expect("a file");
    }

    fn drop(self) {
        self.prometheus.stop();
        std::fs::remove_dir_all(&self.data).expect("was a directory");
    }
}

/// Milliseconds by number of runners, of the clock and of the processors; by the last of them, the slowest first.
fn table(columns: &[(usize, &Vec<Answer>)]) -> Vec<String> {
    let (_, last) = columns.last().expect("one at least");
    let heads: Vec<_> = columns.iter().map(|(runners, _)| format!(" {runners} runners | CPU |")).collect();
    let mut lines = vec![format!("| question |{} series | kB |", heads.concat())];
    lines.push(format!("| --- |{} ---: | ---: |", " ---: | ---: |".repeat(columns.len())));
    for Answer { place, series, bytes, .. } in *last {
        let times = columns.iter().map(|(_, answers)| {
            let same = answers.iter().find(|other| other.place == *place).expect("the same questions");
            format!(" {} | {} |", same.took.as_millis(), same.cpu.as_millis())
        });
        let times: Vec<_> = times.collect();
        lines.push(format!("| {place} |{} {series} | {} |", times.concat(), bytes / 1000));
    }
    lines
}

/// What it says of itself, added up.
fn own(prometheus: &Prometheus, name: &str) -> f64 {
    let page = prometheus.get("/metrics").expect("it listens").text();
    let lines =
        page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    lines.map(|line| line.rsplit(' ').next().expect("a value").parse::<f64>().expect("a number")).sum()
}
