//! Twelve runners of three types, a real Prometheus: every expression that is shipped has its answer, and a loss is seen as a loss.
#![allow(clippy::disallowed_methods, reason = "tests drive real processes and clocks")]
#![allow(clippy::float_cmp, reason = "counts are exact in a float")]

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
#[path = "support/promql.rs"]
mod promql;
#[path = "support/rules.rs"]
mod support;
#[path = "support/wire.rs"]
mod wire;

use dashboards::{Dashboard, Expression, How, Values, list, text};
use demo::Demo;
use nix::sys::signal::Signal;
use ns::wait_until;
use prom::{Prometheus, encoded, unreadable};
use promql::{scraped, unknown};
use regex::Regex;
use runner_init::telemetry::catalog;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

const TYPES: [&str; 3] = ["standard", "chrome", "chrome-go"];
const RUNNERS: usize = 12;
const LONG: Duration = Duration::from_secs(120);
/// Longer than all of it takes, however busy the machine: what has happened once has happened within.
const ALL_OF_IT: &str = "30m";
/// What Grafana would put in, for a scrape a second.
const VALUES: Values<'static> = Values {
    runner_type: ".+",
    runner_name: ".*",
    rate_interval: "30s",
    range: ALL_OF_IT,
    interval: "2s",
    range_s: "1800",
};
/// What has just happened, no more.
const LATELY: Values<'static> = Values { rate_interval: "4s", range: "5m", range_s: "300", ..VALUES };
/// What is empty here, by parts that an expression must have all of (one with ^ at its beginning), and why. What is none the less answered fails.
const SILENT: [(&[&str], &str); 13] = [
    (&["github_runner_queue_time_"], "only GitHub knows it"),
    (&["journal_faults_total:events1m"], "there was none"),
    (&["github_runner_output_dropped_lines_total"], "none was"),
    (&["github_runner_github_api_"], "GitHub is never asked"),
    (&["github_runner_uptime_seconds", "> 3600"], "nobody has been up for an hour"),
    (&["work_dir_free_bytes:in_1d"], "nobody has been up for an hour"),
    (&["^last_over_time(", "ephemeral=\"true\"", "[30m]"], "no demo is ephemeral"),
    (&["^last_over_time(", "runner_name=\"\""], "there is no collector"),
    (&["^last_over_time(github_runner_collect_"], "there is no collector"),
    (&["^last_over_time(", "(?:.*)(?:.*)"], "asked of chosen runners alone"),
    (&["status_disagreements_total:events1m"], "GitHub is never asked"),
    (&["oom_kills_total:events1m"], "none was"),
    (&["swept_processes_total:events1m"], "nobody leaves any"),
];
/// Families a demo does not have: GitHub is never asked, or it has never happened.
const ABSENT: [&str; 8] = [
    catalog::API_REQUESTS.name,
    catalog::API_REMAINING.name,
    catalog::QUEUE_TIME.name,
    catalog::QUEUE_TIME_UNKNOWN.name,
    catalog::CLAIMS_DROPPED.name,
    catalog::SWEPT_ENGINE.name,
    catalog::ODD_FILES.name,
    catalog::OUTPUT_DROPPED.name,
];
/// A hook's report may come when its brief job is over, or in time.
const BY_CHANCE: &str = catalog::REPORTS_REFUSED.name;
/// Good, as a line and as a ground; what is lost must not wear it.
const GREEN: [&str; 2] = ["#009E73", "#007A59"];

/// What a panel shows of runners that are gone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    /// Nothing.
    Empty,
    /// So many, and not in green.
    Alarm(f64),
    /// So many, beside how many there should be.
    Of(f64, f64),
}

const OVERVIEW: &str = "runner-overview.json";
const TRENDS: &str = "performance-trends.json";

/// The panels that speak of now, when half of the runners are gone.
const SOME: [(&str, &str, Loss); 3] = [
    (OVERVIEW, "Online", Loss::Of(6.0, 6.0)),
    (OVERVIEW, "Not scraped", Loss::Alarm(6.0)),
    (TRENDS, "Scrapes", Loss::Of(6.0, 12.0)),
];

/// The panels that speak of now, when all are gone.
const ALL: [(&str, &str, Loss); 14] = [
    (OVERVIEW, "Online", Loss::Empty),
    (OVERVIEW, "Offline", Loss::Empty),
    (OVERVIEW, "Not scraped", Loss::Alarm(12.0)),
    (OVERVIEW, "Oldest sample", Loss::Empty),
    (OVERVIEW, "Busy", Loss::Empty),
    (OVERVIEW, "Runners by state", Loss::Empty),
    (OVERVIEW, "State of each runner", Loss::Empty),
    (OVERVIEW, "Running jobs", Loss::Empty),
    (OVERVIEW, "Busy and idle", Loss::Empty),
    (OVERVIEW, "Runners in trouble", Loss::Empty),
    (OVERVIEW, "Disk head-room", Loss::Empty),
    (TRENDS, "Age of samples", Loss::Empty),
    (TRENDS, "Scrapes", Loss::Of(0.0, 12.0)),
    (TRENDS, "Cores in use", Loss::Empty),
];

#[test]
fn every_expression_has_its_answer_and_a_loss_is_shown() {
    require!("prometheus", "promtool");
    let mut demos = start();
    let targets: Vec<_> = demos.iter().map(|demo| format!("'{}'", demo.address)).collect();
    let prometheus = scraping(&targets.join(", "));
    let held: Vec<i32> = demos.iter().map(|demo| hold(demo.tree.pid())).collect();
    wait_until(LONG, "two samples of everybody", || {
        value(&prometheus, "count(count_over_time(github_runner_status[1m]) > 1)") == Some(12.0)
    });
    // Of all deployments the newest has failed.
    ns::send(held[0], Signal::SIGCONT);
    wait_until(LONG, "a deployment that has failed", || {
        value(&prometheus, "fleet:github_runner_deployment_failing:bool") == Some(1.0)
    });
    held[1..].iter().for_each(|listener| ns::send(*listener, Signal::SIGCONT));
    let dashboards = dashboards::all();
    // A busy machine may miss the evaluation that would tell of it.
    let told = format!("last_over_time(runner:github_runner_start_time_seconds:changes1m[{ALL_OF_IT}])");
    for lives in 1.. {
        restart(&mut demos[1]);
        let scraped = format!("max(changes(github_runner_start_time_seconds[10m])) >= {lives}");
        wait_until(LONG, "its new life to be scraped", || value(&prometheus, &scraped).is_some());
        std::thread::sleep(Duration::from_secs(3));
        if value(&prometheus, &told).is_some() {
            break;
        }
    }
    let draining = drain(&demos[2]);
    every_answer(&prometheus, &dashboards);
    // On a machine that is slow its time may be over.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(draining), Signal::SIGCONT);
    what_is_scraped_is_the_catalogue(&prometheus);
    let rest = demos.split_off(RUNNERS / 2);
    // Half of them without a word, the others in good order.
    demos.iter().for_each(kill);
    the_loss_is_shown(&prometheus, &dashboards, &SOME);
    for demo in &rest {
        ns::send(demo.tree.pid(), Signal::SIGTERM);
    }
    for demo in demos.into_iter().chain(rest) {
        demo.tree.finish(LONG);
    }
    the_loss_is_shown(&prometheus, &dashboards, &ALL);
    nothing_is_green(&prometheus, &dashboards);
}

#[test]
fn a_wrong_name_is_seen() {
    let recorded = support::recorded();
    let besides = scraped().into_iter().chain(recorded.iter().map(String::as_str)).collect();
    for dashboard in dashboards::all() {
        assert_eq!(strangers(&dashboard, &besides), Vec::<String>::new());
        let text = dashboard.json.to_string();
        for (right, wrong) in [
            ("github_runner_info", "github_runner_inform"),
            ("runner_type=~", "runner_kind=~"),
            ("by (runner_name", "by (runner"),
            ("max1m{state=\\\"draining\\\"", "max1m{state=\\\"drained\\\""),
        ] {
            assert!(text.contains(right), "{} has no {right}", dashboard.file);
            let json = serde_json::from_str(&text.replace(right, wrong)).expect("still JSON");
            let planted = Dashboard { file: dashboard.file.clone(), json };
            assert_ne!(strangers(&planted, &besides), Vec::<String>::new(), "{}: {wrong}", dashboard.file);
        }
    }
}

/// Names in a dashboard that nobody has; `besides` as in [`unknown`].
fn strangers(dashboard: &Dashboard, besides: &BTreeSet<&str>) -> Vec<String> {
    let all = dashboard.expressions();
    let unknown = all.iter().flat_map(|expression| {
        let faults = unknown(&expression.text, besides);
        faults.into_iter().map(|fault| format!("{} / {}: {fault}", expression.file, expression.title))
    });
    unknown.collect()
}

// ---- the scenario

fn start() -> Vec<Demo> {
    let launch = |number: usize| std::thread::spawn(move || runner(number, "0"));
    let threads: Vec<_> = (0..RUNNERS).map(launch).collect();
    threads.into_iter().map(|thread| thread.join().expect("it starts")).collect()
}

fn runner(number: usize, port: &str) -> Demo {
    let name = format!("{}-{:02}", TYPES[number % TYPES.len()], number / TYPES.len() + 1);
    let (seed, kind) = ((number + 1).to_string(), TYPES[number % TYPES.len()]);
    let env = [
        ("RUNNER_NAME", name.as_str()),
        ("RUNNER_TYPE", kind),
        ("METRICS_PORT", port),
        ("METRICS_UPDATE_INTERVAL", "1"),
    ];
    // The first has ended its day with a deployment that failed: the fourth of its jobs.
    let jobs = if number == 0 { "4" } else { "100000" };
    Demo::start(&["--speed", "20", "--seed", &seed, "--jobs", jobs], &env)
}

/// Stops the listener as soon as it is there.
fn hold(supervisor: i32) -> i32 {
    let is_listener =
        |pid: &i32| ns::read(Path::new(&format!("/proc/{pid}/comm"))).trim() == "Runner.Listener";
    let mut found = None;
    wait_until(LONG, "a listener", || {
        found = ns::children(supervisor).into_iter().find(is_listener);
        found.is_some()
    });
    let listener = found.expect("was waited for");
    ns::send(listener, Signal::SIGSTOP);
    listener
}

/// With the rules as they are shipped, but every second; what looks back in steps looks back by seconds.
fn scraping(targets: &str) -> Prometheus {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/prometheus/rules");
    let entries =
        std::fs::read_dir(dir).expect("the rules are there").map(|entry| entry.expect("an entry").path());
    let often = Regex::new(r"(?m)^(\s+interval:) \w+$").expect("an expression");
    let finely = Regex::new(r"\[\w+:\w+\]").expect("an expression");
    let rules =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "yml")).map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().replace(".yml", ".rules");
            let text = ns::read(&path);
            let text = often.replace_all(&text, "$1 1s");
            // What is told of a minute ago is told of a second ago.
            (name, finely.replace_all(&text, "[10m:1s]").replace("offset 1m", "offset 1s"))
        });
    let rules: Vec<_> = rules.collect();
    let files: Vec<_> = rules.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['*.rules']\n\
         scrape_configs:\n  - job_name: github-runners\n    static_configs: [{{targets: [{targets}]}}]\n"
    );
    Prometheus::start(&config, &files, None, &[])
}

/// The container is killed and comes back where it was.
fn restart(demo: &mut Demo) {
    let port = demo.address.rsplit(':').next().expect("a port").to_owned();
    kill(demo);
    wait_until(LONG, "its end", || demo.tree.try_wait().is_some());
    *demo = runner(1, &port);
}

/// Drains a runner that is busy and stays so; its listener, which waits.
fn drain(demo: &Demo) -> i32 {
    let listener = hold(demo.tree.pid());
    wait_until(LONG, "a busy runner", || {
        let busy = demo.page().value(catalog::STATE.name, Some(("state", "busy"))) == Some(1.0);
        if !busy {
            ns::send(listener, Signal::SIGCONT);
            std::thread::sleep(Duration::from_millis(20));
            ns::send(listener, Signal::SIGSTOP);
        }
        busy
    });
    ns::send(demo.tree.pid(), Signal::SIGUSR1);
    listener
}

/// Without a word, as when the host loses power.
fn kill(demo: &Demo) {
    for pid in ns::descendants(demo.tree.pid()).into_iter().chain([demo.tree.pid()]) {
        ns::send(pid, Signal::SIGKILL);
    }
}

// ---- the answers

/// One expression, where it stands, and how to ask for it.
struct Question {
    place: String,
    text: String,
    how: How,
    label: Option<String>,
}

impl Question {
    fn of(expression: &Expression, values: &Values<'_>) -> Question {
        let place = format!("{} / {} {}", expression.file, expression.title, expression.reference);
        let (how, label) = (expression.how, expression.label.clone());
        Question { place, text: expression.with(values), how, label }
    }

    /// Every finite value there is; a variable's are counted.
    fn answers(&self, prometheus: &Prometheus) -> Vec<f64> {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
        let query = encoded(&self.text);
        let path = match self.how {
            How::Instant => format!("/api/v1/query?query={query}"),
            How::Range | How::Annotation => {
                format!("/api/v1/query_range?query={query}&start={}&end={now}&step=1", now - 1800)
            }
            How::Variable => {
                let label = self.label.as_deref().expect("label_values has one");
                format!("/api/v1/label/{label}/values?match[]={query}")
            }
        };
        let reply = prometheus.get(&path).expect("it listens");
        assert_eq!(reply.status, 200, "{}: {}", self.place, reply.text());
        let data = &reply.json()["data"];
        match self.how {
            How::Variable => vec![1.0; list(data).len()],
            How::Instant | How::Range | How::Annotation => numbers(data),
        }
    }

    fn is_silent(&self, parts: &[&str]) -> bool {
        parts.iter().all(|part| match part.strip_prefix('^') {
            Some(head) => self.text.starts_with(head),
            None => self.text.contains(part),
        })
    }

    /// Why it must be empty.
    fn excuse(&self) -> Option<&'static str> {
        let silent = SILENT.iter().find(|(parts, _)| self.is_silent(parts));
        let hidden = unreadable(false).into_iter().any(|metric| self.text.contains(metric));
        silent.map(|(_, why)| *why).or(hidden.then_some("this machine does not tell"))
    }

    /// Each of the selectors in it, for itself.
    fn selectors(&self) -> Vec<Question> {
        let name = r"\b(?:(?:github_runner|process|scrape)_\w+|(?:fleet|runner_type|runner):[\w:]+|up)\b(?:\{[^}]*\})?";
        let found = Regex::new(name).expect("an expression");
        let ask = |selector: &str| {
            let text = format!("last_over_time({selector}[{ALL_OF_IT}])");
            Question { place: self.place.clone(), text, how: How::Instant, label: None }
        };
        found.find_iter(&self.text).map(|found| ask(found.as_str())).collect()
    }
}

/// A scalar, a vector or a matrix; what is not finite is no answer.
fn numbers(data: &Value) -> Vec<f64> {
    let pairs: Vec<&Value> = match data["resultType"].as_str() {
        Some("scalar") => vec![&data["result"]],
        _ => list(&data["result"])
            .iter()
            .flat_map(|series| list(&series["values"]).iter().chain(series.get("value")))
            .collect(),
    };
    let number = |pair: &&Value| pair[1].as_str().expect("a text").parse::<f64>().expect("a number");
    pairs.iter().map(number).filter(|number| number.is_finite()).collect()
}

fn value(prometheus: &Prometheus, expression: &str) -> Option<f64> {
    let data =
        prometheus.get(&format!("/api/v1/query?query={}", encoded(expression)))?.json()["data"].clone();
    numbers(&data).first().copied()
}

/// Every rule as the server has read it.
fn rules(prometheus: &Prometheus) -> Vec<Value> {
    let answer = prometheus.get("/api/v1/rules").expect("it listens").json();
    list(&answer["data"]["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect()
}

fn every_answer(prometheus: &Prometheus, dashboards: &[Dashboard]) {
    let rules = rules(prometheus);
    assert!(rules.len() > 20, "{} rules", rules.len());
    let (recording, alerting): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule["type"] == "recording");
    let recorded = recording.iter().map(|rule| rule["name"].as_str().expect("a name"));
    let besides: BTreeSet<&str> = recorded.chain(scraped()).collect();
    let mut faults: Vec<_> = dashboards.iter().flat_map(|dashboard| strangers(dashboard, &besides)).collect();
    faults.extend(rules.iter().flat_map(|rule| unknown(&text(&rule["query"]), &besides)));
    assert_eq!(faults, Vec::<String>::new());

    let of_rule = |rule: &&Value| {
        let (place, text) = (text(&rule["name"]), text(&rule["query"]));
        Question { place, text, how: How::Instant, label: None }
    };
    let expressions: Vec<_> = dashboards.iter().flat_map(Dashboard::expressions).collect();
    let mut asked: Vec<_> = expressions.iter().map(|it| Question::of(it, &VALUES)).collect();
    // What is recorded has an answer when something happens, which need not be now.
    asked.extend(recording.iter().map(of_rule).map(|rule| {
        let text = format!("last_over_time({}[{ALL_OF_IT}])", rule.place);
        Question { text, ..rule }
    }));
    let within = recording.iter().map(of_rule).flat_map(|rule| rule.selectors());
    asked.extend(within.collect::<Vec<_>>());
    // An alert that is silent is as it should be: what it looks at must be there.
    let alerts: Vec<_> = alerting.iter().map(of_rule).collect();
    let looked: Vec<_> = asked.iter().chain(&alerts).flat_map(Question::selectors).collect();
    asked.extend(looked);
    asked.retain(|question| !question.text.contains(BY_CHANCE));
    wait_for_answers(prometheus, &asked);
    wait_until(LONG, "every rule to have run", || {
        self::rules(prometheus).iter().all(|rule| rule["health"] == "ok")
    });
}

fn wait_for_answers(prometheus: &Prometheus, asked: &[Question]) {
    let (silent, mut open): (Vec<_>, Vec<_>) = asked.iter().partition(|question| question.excuse().is_some());
    let deadline = Instant::now() + LONG;
    while !open.is_empty() && Instant::now() < deadline {
        open.retain(|question| question.answers(prometheus).is_empty());
        std::thread::sleep(Duration::from_millis(100));
    }
    let lines = |questions: &[&Question]| -> Vec<String> {
        questions.iter().map(|question| format!("{}: {}", question.place, question.text)).collect()
    };
    assert_eq!(lines(&open), Vec::<String>::new(), "no answer");
    let answered: Vec<_> =
        silent.into_iter().filter(|question| !question.answers(prometheus).is_empty()).collect();
    assert_eq!(lines(&answered), Vec::<String>::new(), "an answer where none was expected");
    for (parts, why) in SILENT {
        assert!(asked.iter().any(|question| question.is_silent(parts)), "needless: {parts:?}, {why}");
    }
}

fn what_is_scraped_is_the_catalogue(prometheus: &Prometheus) {
    let data = |path: &str| prometheus.get(path).expect("it listens").json()["data"].clone();
    let metadata = data("/api/v1/metadata");
    let hidden = unreadable(false);
    let ours = |name: &&String| name.starts_with("github_runner_") && *name != BY_CHANCE;
    let scraped: BTreeSet<&str> =
        metadata.as_object().expect("a map").keys().filter(ours).map(String::as_str).collect();
    let there = |metric: &&&catalog::Metric| {
        !ABSENT.contains(&metric.name) && !hidden.contains(&metric.name) && metric.name != BY_CHANCE
    };
    let known: Vec<_> = catalog::ALL.iter().filter(there).collect();
    assert_eq!(scraped, known.iter().map(|metric| metric.name).collect());
    for metric in known {
        assert_eq!(metadata[metric.name][0]["type"], metric.kind.as_str(), "{}", metric.name);
        let suffix = if metric.kind == catalog::MetricKind::Histogram { "_bucket" } else { "" };
        let mut labels: BTreeSet<&str> = ["__name__", "instance", "job", "runner_name", "runner_type"].into();
        labels.extend(metric.labels.iter().map(|label| label.name));
        labels.extend((!suffix.is_empty()).then_some("le"));
        let found = data(&format!("/api/v1/labels?match[]={}{suffix}", metric.name));
        assert_eq!(
            list(&found).iter().map(text).collect::<Vec<_>>(),
            Vec::from_iter(labels),
            "{}",
            metric.name
        );
    }
}

// ---- the loss

fn the_loss_is_shown(prometheus: &Prometheus, dashboards: &[Dashboard], table: &[(&str, &str, Loss)]) {
    for (file, title, loss) in table {
        let dashboard = dashboards.iter().find(|it| it.file == *file).expect("a dashboard");
        let panel = dashboard.panels().iter().find(|panel| panel["title"] == *title);
        let panel = panel.unwrap_or_else(|| panic!("{file} has no panel {title}"));
        let shown = || now(prometheus, dashboard, panel);
        wait_until(LONG, &format!("{file} / {title} to show {loss:?}"), || match *loss {
            Loss::Empty => shown().is_empty(),
            Loss::Alarm(number) => shown() == [number] && !GREEN.contains(&colour(panel, number)),
            Loss::Of(number, all) => shown().starts_with(&[number, all]),
        });
    }
}

/// What does not tell of the past has no good news.
fn nothing_is_green(prometheus: &Prometheus, dashboards: &[Dashboard]) {
    for dashboard in dashboards {
        for panel in dashboard.panels().iter().filter(|panel| by_threshold(panel)) {
            let mut numbers = now(prometheus, dashboard, panel);
            numbers.retain(|number| GREEN.contains(&colour(panel, *number)));
            assert_eq!(numbers, Vec::<f64>::new(), "{} / {} is green", dashboard.file, panel["title"]);
        }
    }
}

/// The last point of everything in a panel that does not tell of the whole range.
fn now(prometheus: &Prometheus, dashboard: &Dashboard, panel: &Value) -> Vec<f64> {
    let is_its =
        |expression: &&Expression| expression.panel.is_some() && expression.panel == panel["id"].as_u64();
    let all = dashboard.expressions();
    let present = all.iter().filter(is_its).filter(|expression| !expression.text.contains("$__range"));
    let ask = |expression: &Expression| {
        let asked = Question::of(expression, &LATELY);
        // A point stands at the beginning of its interval: asked is the newest that is over.
        let text = asked.text.replace(&format!(" offset -{}", LATELY.interval), "");
        Question { how: How::Instant, text, ..asked }
    };
    present.flat_map(|expression| ask(expression).answers(prometheus)).collect()
}

fn by_threshold(panel: &Value) -> bool {
    panel["fieldConfig"]["defaults"]["color"]["mode"] == "thresholds"
}

/// The colour of the highest threshold that is not above the value.
fn colour(panel: &Value, number: f64) -> &str {
    let steps = list(&panel["fieldConfig"]["defaults"]["thresholds"]["steps"]);
    let reached = |step: &&Value| step["value"].as_f64().is_none_or(|least| least <= number);
    steps.iter().rfind(reached).and_then(|step| step["color"].as_str()).expect("the first has no value")
}
