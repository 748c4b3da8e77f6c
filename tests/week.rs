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
#[path = "support/rules.rs"]
mod rules;
#[path = "support/week.rs"]
mod week;
#[path = "support/week_ask.rs"]
mod week_ask;
#[path = "support/week_board.rs"]
mod week_board;
#[path = "support/week_check.rs"]
mod week_check;
#[path = "support/week_copies.rs"]
mod week_copies;
#[path = "support/week_ephemeral.rs"]
mod week_ephemeral;
#[path = "support/week_ledger.rs"]
mod week_ledger;
#[path = "support/week_load.rs"]
mod week_load;
#[path = "support/week_look.rs"]
mod week_look;
#[path = "support/week_runner.rs"]
mod week_runner;
#[path = "support/week_show.rs"]
mod week_show;
#[path = "support/week_write.rs"]
mod week_write;
#[path = "support/week_young.rs"]
mod week_young;
#[path = "support/wire.rs"]
mod wire;

use demo::Demo;
use ns::wait_until;
use page::Page;
use prom::Prometheus;
use rules::Rule;
use runner_init::telemetry::catalog;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant, SystemTime};
use week::Fleet;
use week_ask::Answer;
use week_ledger::Ledger;
use week_load::{DAY, HOUR};
use week_look::Look;
use week_write::Writer;
use week_young::Young;

const LONG: Duration = Duration::from_secs(300);
/// Nobody is scraped: everything is written.
const CONFIG: &str = "global: {scrape_interval: 15s}\n";
const FLAGS: [&str; 3] =
    ["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--storage.tsdb.retention.time=30d"];
/// Places of ephemeral runners beside those that stay.
const SLOTS: usize = 1;

/// Families that only a runner with a credential has; a demo has none.
const ONLY_HERE: [&str; 1] = [catalog::API_REMAINING.name];

/// Who has nothing to do for so long is done.
const QUIET: Duration = Duration::from_secs(3);

/// What nobody waits for.
const ENOUGH: Duration = Duration::from_secs(2);

/// A Prometheus with a written week.
struct Week {
    data: PathBuf,
    /// Milliseconds since 1970.
    end: i64,
    runners: usize,
    series: usize,
    samples: f64,
    /// On disk, of so many days; without what is recorded.
    bytes: f64,
    days: f64,
    /// What the writing took.
    seconds: f64,
    prometheus: Prometheus,
    ledger: Ledger,
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
    let mut fleet = Fleet::new(1, 0, end());
    fleet.live(2, drop);
    let unreadable = prom::unreadable(false);
    // What begins late is not the same: other things have happened.
    let is_late = |name: &str| catalog::LATE.iter().any(|metric| name.starts_with(metric.name));
    let left_out = |name: &str| ONLY_HERE.contains(&name) || unreadable.contains(&name) || is_late(name);
    let written: BTreeSet<String> = fleet
        .series()
        .filter(|s| s.on_page && !left_out(&s.labels["__name__"]))
        .map(|s| words(&s.labels))
        .collect();
    let mut real = BTreeSet::new();
    for series in page.series().filter(|series| !is_late(&series.name)) {
        let mut labels = series.labels.clone();
        labels.insert("__name__".into(), series.name.clone());
        real.insert(words(&labels));
    }
    assert!(real.len() > 50, "{} series", real.len());
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
    let week = Week::write(runners, SLOTS, end());
    week.report();
    week_check::every_job_panel_is_its_ledger(&week.prometheus, &week.ledger, week.end / 1000);
    let answers = week.ask(&dashboards::all());
    for line in table(&[(runners, &answers)]) {
        println!("{line}");
    }
    week.keep();
    let quiet = |answer: &&Answer| answer.series == 0 && !week_check::may_be_empty(&answer.place);
    let silent: Vec<_> = answers.iter().filter(quiet).map(|a| &a.place).collect();
    assert_eq!(silent, Vec::<&String>::new(), "a week of which these have nothing to tell");
}

#[test]
fn the_first_hour_of_twenty() {
    require!("prometheus");
    let (prometheus, data) = fresh(20);
    // Within the first quarter of an hour no whole one has passed.
    let mut young = Young::new(prometheus, 20, 2, end() - 2 * HOUR + 20_000);
    let boards = dashboards::all();
    let [bars, back] = [week_look::bars_alone(&boards), week_look::looking_back(&boards)];
    let mut faults = Vec::new();
    for minutes in [2, 5, 60] {
        let now = young.until(minutes);
        let look = |boards, range| Look::new(&young.prometheus, boards, now, range);
        for range in week_look::RANGES {
            let look = look(&boards, range);
            let said = look.silent().into_iter().chain(look.contradictions());
            faults.extend(said.map(|it| format!("{minutes} min: {it}")));
        }
        // Each would be seen.
        match minutes {
            2 => assert!(!look(&back, 86_400).silent().is_empty(), "intervals that are over are enough"),
            60 => assert!(!look(&bars, 600).contradictions().is_empty(), "legends may add up their bars"),
            _ => {}
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    let now = young.settle();
    for (shown, happened) in Look::new(&young.prometheus, &boards, now, 86_400).beside(&young.ledger()) {
        assert_eq!(shown, happened);
    }
    young.prometheus.stop();
    std::fs::remove_dir_all(data).expect("was a directory");
}

/// The long form: `cargo test --test week -- --ignored --nocapture`; `WEEK_SIZES=1,3,10` leaves the largest out. With `WEEK_COPIES=100`
/// each runner is there a hundred times then, in what is recorded and in its last hour: older dashboards have nothing to read there.
#[test]
#[ignore = "takes minutes, and gigabytes of memory"]
fn the_trend() {
    require!("prometheus");
    let sizes = std::env::var("WEEK_SIZES").unwrap_or("1,3,10,50".into());
    // Other dashboards over the same data, as those of an older release.
    let others = std::env::var("WEEK_DASHBOARDS").ok().map(|dir| dashboards::of(Path::new(&dir)));
    let copies = std::env::var("WEEK_COPIES").map_or(1, |number| number.parse().expect("a number"));
    let mut columns = Vec::new();
    for size in sizes.split(',').map(|size| size.parse::<usize>().expect("a number")) {
        let mut week = Week::write(size, 0, end());
        week.report();
        week.rules();
        let answers = week.ask(&dashboards::all());
        if let Some(others) = &others {
            for line in beside(size, &week.ask(others), &answers) {
                println!("{line}");
            }
        }
        columns.push((size, answers));
        if copies > 1 {
            week = week.copied(copies);
            week.rules();
            columns.push((week.runners, week.ask(&dashboards::all())));
        }
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

/// Processor time of the same week's questions, by other dashboards and by ours: slowest, all, and the ten slowest of theirs.
fn beside(runners: usize, theirs: &[Answer], ours: &[Answer]) -> Vec<String> {
    let slowest = |answers: &[Answer]| answers.iter().map(|it| it.cpu).max().unwrap_or_default();
    let all = |answers: &[Answer]| answers.iter().map(|it| it.cpu).sum::<Duration>();
    let figure = |what: &str, theirs: Duration, ours: Duration| {
        let times = theirs.as_secs_f64() / ours.as_secs_f64().max(0.001);
        format!(
            "{runners} runners, {what}: {} ms by theirs, {} ms by ours, {times:.1} times",
            theirs.as_millis(),
            ours.as_millis()
        )
    };
    let mut lines =
        vec![figure("slowest", slowest(theirs), slowest(ours)), figure("all", all(theirs), all(ours))];
    let mut sorted: Vec<_> = theirs.iter().collect();
    sorted.sort_by_key(|it| std::cmp::Reverse(it.cpu));
    for it in sorted.into_iter().take(10) {
        if let Some(same) = ours.iter().find(|same| same.place == it.place) {
            lines.push(figure(&it.place, it.cpu, same.cpu));
        }
    }
    lines
}

/// A Prometheus over what is there, when it has nothing left to do.
fn reading(data: &Path) -> Prometheus {
    let prometheus = Prometheus::start(CONFIG, &[], Some(data), &FLAGS);
    wait_until(LONG, "Prometheus to be ready", || prometheus.get("/-/ready").is_some());
    until_quiet(&prometheus);
    prometheus
}

/// An empty one, and where it stores.
fn fresh(runners: usize) -> (Prometheus, PathBuf) {
    let data = place().join(format!("fresh-{runners}"));
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir_all(&data).expect("a directory");
    let prometheus = Prometheus::start(CONFIG, &[], Some(&data), &FLAGS);
    wait_until(LONG, "Prometheus to be ready", || prometheus.get("/-/ready").is_some());
    (prometheus, data)
}

/// Blocks of the same days are put together: that is no question's time.
fn until_quiet(prometheus: &Prometheus) {
    wait_until(10 * LONG, "nothing to be done", || {
        let before = prometheus.cpu();
        std::thread::sleep(QUIET);
        prometheus.cpu() < before + QUIET / 20
    });
}

/// A directory of its own with everything that is stored, in blocks.
fn snapshot(prometheus: &Prometheus, data: &Path) -> PathBuf {
    let mut wire = wire::Wire::to(prometheus.address()).expect("it listens");
    let ask = "POST /api/v1/admin/tsdb/snapshot HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n";
    let reply = wire.send(ask).and_then(|()| wire.answer(false)).expect("an answer");
    let name = reply.json()["data"]["name"].as_str().expect("a name").to_owned();
    data.join("snapshots").join(name)
}

/// What the rules would have recorded, had they been there: promtool asks for it and makes blocks of it.
fn record(prometheus: &Prometheus, data: &Path, end: i64, rules: &[PathBuf]) {
    let (start, end) = ((end - 7 * DAY) / 1000, end / 1000 + 180);
    let mut command = Command::new("promtool");
    command.args(["tsdb", "create-blocks-from", "--max-block-duration=24h", "rules"]);
    command.arg(format!("--url=http://{}", prometheus.address()));
    command.args([format!("--start={start}"), format!("--end={end}")]).arg("--eval-interval=1m");
    command.arg(format!("--output-dir={}", data.display()));
    let began = Instant::now();
    let output = command.args(rules).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("recorded in {:.1} s", began.elapsed().as_secs_f64());
}

/// What is made of what was scraped, and what is made of that: it is asked for when the first is there.
fn layers(dir: &Path) -> [Vec<PathBuf>; 2] {
    fn is_a_sum(rule: &Rule) -> bool {
        rule.expr().contains(":events1m[59s]")
    }
    let write = |name: &str, text: &str, keep: fn(&Rule) -> bool| {
        let mut file = rules::yaml(text);
        let kept: Vec<_> = rules::rules(&file).into_iter().filter(keep).collect();
        for (place, group) in file["groups"].as_array_mut().expect("groups").iter_mut().enumerate() {
            let own = kept.iter().filter(|rule| rule.place.0 == place).map(|rule| rule.value.clone());
            group["rules"] = own.collect();
        }
        let path = dir.with_extension(name);
        std::fs::write(&path, file.to_string()).expect("is written");
        path
    };
    let events = include_str!("../dashboards/prometheus/rules/events.yml");
    let recording = include_str!("../dashboards/prometheus/rules/recording.yml");
    // The capacity alone: the rest of that file no dashboard reads.
    let is_capacity = |rule: &Rule| rule.place.0 == 0;
    [
        vec![
            write("events.yml", events, |rule| !is_a_sum(rule)),
            write("capacity.yml", recording, is_capacity),
        ],
        vec![write("sums.yml", events, is_a_sum)],
    ]
}

/// `target/week`
fn place() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("week")
}

/// `WEEK_END`, in seconds since 1970, or now; milliseconds, on an hour: no step of a panel is half in the week.
fn end() -> i64 {
    let now = || SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let seconds = std::env::var("WEEK_END").map_or_else(|_| now(), |end| end.parse().expect("seconds"));
    i64::try_from(seconds).expect("this century") * 1000 / HOUR * HOUR
}

impl Week {
    /// A new Prometheus with a week in it, and what the rules would have recorded.
    fn write(runners: usize, slots: usize, end: i64) -> Week {
        let (prometheus, data) = fresh(runners);
        let started = Instant::now();
        let mut fleet = Fleet::new(runners, slots, end);
        let mut writer = Writer::to(prometheus.address());
        let (full, next) = sync_channel::<Vec<u8>>(2);
        let thread = std::thread::spawn(move || next.iter().for_each(|request| writer.send(&request)));
        fleet.live(7, |request| full.send(request).expect("the writer goes on"));
        drop(full);
        thread.join().expect("everything was taken");
        let seconds = started.elapsed().as_secs_f64();
        let (series, ledger) = (fleet.series().count(), fleet.ledger());
        let samples = own(&prometheus, "prometheus_tsdb_head_samples_appended_total");
        let written_to = || own(&prometheus, "prometheus_tsdb_head_min_time");
        // What is left in memory is what always is, and what is on disk has its final shape: blocks of up to 54 hours.
        wait_until(LONG, "the end of the compaction", || {
            let head = own(&prometheus, "prometheus_tsdb_head_max_time") - written_to();
            head < 3.1 * HOUR as f64 && own(&prometheus, "prometheus_tsdb_blocks_loaded") <= 12.0
        });
        let bytes = own(&prometheus, "prometheus_tsdb_storage_blocks_bytes");
        let days = (written_to() - (end - 7 * DAY) as f64) / DAY as f64;
        // One that starts takes for old what is in its memory and as old as its newest block: all of it becomes a block.
        let snapshot = snapshot(&prometheus, &data);
        let [first, second] = layers(&data);
        record(&prometheus, &snapshot, end, &first);
        prometheus.stop();
        let whole = place().join(format!("whole-{runners}"));
        let _ = std::fs::remove_dir_all(&whole);
        std::fs::rename(snapshot, &whole).expect("a directory");
        std::fs::remove_dir_all(&data).expect("was a directory");
        let data = whole;
        let prometheus = reading(&data);
        record(&prometheus, &data, end, &second);
        prometheus.stop();
        let prometheus = reading(&data);
        Week { data, end, runners, series, samples, bytes, days, seconds, prometheus, ledger }
    }

    /// Each runner so many times, in a Prometheus of its own; what was written first is gone.
    fn copied(self, copies: usize) -> Week {
        let began = Instant::now();
        let (prometheus, data) = fresh(self.runners * copies);
        let samples = week_copies::copy(&self.prometheus, &prometheus, copies, self.end);
        until_quiet(&prometheus);
        let (runners, bytes) =
            (self.runners * copies, own(&prometheus, "prometheus_tsdb_storage_blocks_bytes"));
        let series = own(&prometheus, "prometheus_tsdb_head_series");
        println!(
            "{runners} runners by copies: {samples} samples in {:.1} s, {:.1} MB of blocks, {series} series now",
            began.elapsed().as_secs_f64(),
            bytes / 1e6
        );
        let end = self.end;
        let ledger = Ledger(Vec::new());
        self.drop();
        Week {
            prometheus,
            data,
            end,
            runners,
            ledger,
            series: 0,
            samples: 0.0,
            bytes,
            days: 7.0,
            seconds: 0.0,
        }
    }

    fn report(&self) {
        let Week { runners, series, seconds, samples, bytes, days, .. } = self;
        let all = own(&self.prometheus, "prometheus_tsdb_storage_blocks_bytes");
        println!("{:.1} MB of it recorded", (all - bytes) / 1e6);
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

    fn ask(&self, boards: &[dashboards::Dashboard]) -> Vec<Answer> {
        let end = u64::try_from(self.end / 1000).expect("after 1970");
        week_ask::ask(&self.prometheus, &week_ask::questions(boards, end))
    }

    /// What all rules cost, evaluated once at its end.
    fn rules(&self) {
        let end = u64::try_from(self.end / 1000).expect("after 1970");
        let mut answers = week_ask::ask(&self.prometheus, &week_ask::rules(end));
        let all: Duration = answers.iter().map(|answer| answer.cpu).sum();
        answers.sort_by_key(|answer| std::cmp::Reverse(answer.cpu));
        let (runners, number, all) = (self.runners, answers.len(), all.as_millis());
        println!("{runners} runners: {number} rules take {all} ms of processor time");
        for Answer { place, cpu, series, .. } in answers.iter().take(12) {
            println!("    {place}: {} ms, {series} series", cpu.as_millis());
        }
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
