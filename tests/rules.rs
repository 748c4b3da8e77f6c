//! Every alert fires when it should and is silent when it should, says whom, how bad and what to do, and asks only what is there.
#![allow(clippy::disallowed_methods, reason = "tests read files and drive promtool")]

#[path = "rules/events.rs"]
mod events;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/promql.rs"]
mod promql;
#[path = "support/rules.rs"]
mod support;

use promql::{scraped, tokens, unknown};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use support::{Rule, rules, yaml};

const ALERTS: &str = "dashboards/prometheus/rules/alerts.yml";
const RECORDING: &str = "dashboards/prometheus/rules/recording.yml";
const EVENTS: &str = "dashboards/prometheus/rules/events.yml";
const RUNBOOK: &str = "docs/runbooks/alerts.md";

/// What was promised. Spelt out: the file cannot say what it has forgotten.
const PROMISED: [&str; 14] = [
    "RunnerDown",
    "RunnerGhost",
    "NoRunnerOnline",
    "FleetSaturated",
    "HighJobFailureRate",
    "JobRunningLong",
    "QueueTimeHigh",
    "RunnerRestartLoop",
    "RunnerOutdated",
    "DrainStuck",
    "JournalFaults",
    "WorkDirAlmostFull",
    "OomKills",
    "MetricsStale",
];
const DASHBOARDS: [&str; 4] =
    ["runner-init-overview", "runner-init-dora", "runner-init-performance", "runner-init-jobs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The test files of `tests/rules/`, by name.
fn cases() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(root().join("tests/rules")).expect("a directory").flatten();
    let entries = entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "yml"));
    let name = |entry: &std::fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
    entries.map(|entry| (name(&entry), read(&format!("tests/rules/{}", name(&entry))))).collect()
}

/// What promtool says, and whether it is content.
fn promtool(arguments: &[&str], files: &[PathBuf]) -> (bool, String) {
    let output = Command::new("promtool").args(arguments).args(files).output().expect("promtool starts");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.into_owned())
}

// --- what promtool finds

#[test]
fn promtool_has_nothing_to_say_of_the_rules() {
    require!("promtool");
    let files = [ALERTS, RECORDING, EVENTS].map(|file| root().join(file));
    let (content, said) = promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &files);
    assert!(content, "{said}");
    let dir = tempfile::tempdir().expect("a directory");
    let twice = dir.path().join("twice.yml");
    let mut file = yaml(&read(ALERTS));
    let first = file["groups"][0]["rules"][0].clone();
    file["groups"][0]["rules"].as_array_mut().expect("rules").push(first);
    std::fs::write(&twice, file.to_string()).expect("is written");
    let (content, said) = promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &[twice]);
    assert!(!content, "a rule twice is found: {said}");
}

#[test]
fn the_definition_is_in_one_place() {
    let wanted = events::file();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(root().join(EVENTS), &wanted).expect("is written");
    }
    let there = std::fs::read_to_string(root().join(EVENTS)).unwrap_or_default();
    assert!(there == wanted, "{EVENTS} is not what tests/rules/events.rs says; UPDATE_GOLDEN=1 rewrites it");
}

#[test]
fn every_case_comes_out_as_it_says() {
    require!("promtool");
    let files: Vec<PathBuf> = cases().keys().map(|name| root().join("tests/rules").join(name)).collect();
    each(&files, |file| {
        let (content, said) = promtool(&["test", "rules"], std::slice::from_ref(file));
        (!content).then_some(said)
    });
}

/// A rule that never fires, one that always does, one whose every number or time is another: its cases must see it.
#[test]
fn no_rule_can_be_changed_without_a_case_that_notices() {
    require!("promtool");
    let file = yaml(&read(ALERTS));
    let mut mutants = Vec::new();
    for rule in rules(&file).iter().filter(|rule| rule.alert().is_some()) {
        mutants.push((rule.clone(), "unchanged".to_owned(), file.clone()));
        for (what, value) in mutations(&rule.value) {
            let mut mutant = file.clone();
            mutant["groups"][rule.place.0]["rules"][rule.place.1] = value;
            mutants.push((rule.clone(), what, mutant));
        }
    }
    let cases = cases();
    each(&mutants, |(rule, what, mutant)| {
        let fits = cases_of(rule.alert().expect("an alert"), &cases);
        let survived = passes(mutant, fits);
        let wanted = what == "unchanged";
        survived.contains(&!wanted).then(|| format!("{}: {what}: survived: {survived:?}", rule.name()))
    });
}

/// The one file whose cases are about this alert.
fn cases_of<'a>(alert: &str, cases: &'a BTreeMap<String, String>) -> &'a str {
    let about = format!("alertname: {alert}");
    let mut fits = cases.values().filter(|text| text.contains(&about));
    let text = fits.next().unwrap_or_else(|| panic!("{alert} has no case"));
    assert!(fits.next().is_none(), "{alert} has its cases in one file");
    text
}

/// Whether the cases come out, events first and events last: Prometheus promises no order of the groups of one minute.
fn passes(rules: &Value, cases: &str) -> Vec<bool> {
    let dir = tempfile::tempdir().expect("a directory");
    // Only what the cases ask for: evaluating the others would take most of the time.
    let mut rules = rules.clone();
    for group in rules["groups"].as_array_mut().expect("groups") {
        let asked = |rule: &Value| {
            rule["alert"].as_str().is_none_or(|name| cases.contains(&format!("alertname: {name}")))
        };
        group["rules"].as_array_mut().expect("rules").retain(asked);
    }
    let mut test = yaml(cases);
    // And what those rules are made of, as it is.
    let wanted = rules.to_string();
    let mut events = yaml(&read(EVENTS));
    for group in events["groups"].as_array_mut().expect("groups") {
        // A type's sum is made of its runners' events.
        let used = |rule: &Value| {
            let (_, name) = rule["record"].as_str().expect("a name").split_once(':').expect("a level");
            wanted.contains(name)
        };
        group["rules"].as_array_mut().expect("rules").retain(used);
    }
    std::fs::write(dir.path().join("events.yml"), events.to_string()).expect("is written");
    test["rule_files"] = serde_json::json!(["events.yml", "rules.yml"]);
    std::fs::write(dir.path().join("rules.yml"), rules.to_string()).expect("is written");
    let names = |file: &Value| -> Vec<Value> {
        file["groups"].as_array().expect("groups").iter().map(|group| group["name"].clone()).collect()
    };
    let (first, last) = ([names(&events), names(&rules)].concat(), [names(&rules), names(&events)].concat());
    // Nothing to say twice of what asks for no events.
    let orders = if wanted.contains(":events1m") { vec![first, last] } else { vec![first] };
    let comes_out = |order: &Vec<Value>| {
        test["group_eval_order"] = Value::Array(order.clone());
        std::fs::write(dir.path().join("test.yml"), test.to_string()).expect("is written");
        promtool(&["test", "rules"], &[dir.path().join("test.yml")]).0
    };
    orders.iter().map(comes_out).collect()
}

/// Changed copies of a rule, each with the word for what was done to it.
fn mutations(rule: &Value) -> Vec<(String, Value)> {
    let expr = rule["expr"].as_str().expect("an expression");
    let with = |what: String, field: &str, text: String| {
        let mut changed = rule.clone();
        changed[field] = Value::String(text);
        (what, changed)
    };
    let mut all = vec![
        with("never".to_owned(), "expr", format!("({expr}) unless on () vector(1)")),
        with("always".to_owned(), "expr", "vector(1)".to_owned()),
    ];
    if rule["for"].is_string() {
        all.push(with("at once".to_owned(), "for", "0s".to_owned()));
        all.push(with("after a week".to_owned(), "for", "1w".to_owned()));
    }
    let number = regex::Regex::new(r"(^|[\s(])(\d+(?:\.\d+)?)([\s),]|$)").expect("a pattern");
    for found in number.captures_iter(expr) {
        let number = found.get(2).expect("a number");
        let value: f64 = number.as_str().parse().expect("a number");
        // 1024 ^ 3 is a unit.
        let is_unit = number.as_str() == "1024" || expr[..number.start()].ends_with("^ ");
        for changed in [value * 4.0, value / 4.0].into_iter().filter(|_| value != 0.0 && !is_unit) {
            let text = format!("{}{changed}{}", &expr[..number.start()], &expr[number.end()..]);
            all.push(with(format!("{value} at {} is {changed}", number.start()), "expr", text));
        }
    }
    all
}

/// Two at a time; panics with everything that was found.
#[track_caller]
fn each<T: Sync>(items: &[T], look: impl Fn(&T) -> Option<String> + Sync) {
    let (next, found) = (Mutex::new(items.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(item) = next.lock().expect("no panic").next() else { return };
                    found.lock().expect("no panic").extend(look(item));
                }
            });
        }
    });
    let found = found.into_inner().expect("no panic");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

// --- what promtool does not ask

/// Everything that is wrong with the alerts, their runbook and their cases.
fn faults(alerts: &Value, runbook: &str, cases: &BTreeMap<String, String>) -> Vec<String> {
    let alerts = rules(alerts);
    let alerts: Vec<&Rule> = alerts.iter().filter(|rule| rule.alert().is_some()).collect();
    let names: BTreeSet<&str> = alerts.iter().filter_map(|rule| rule.alert()).collect();
    let mut faults = Vec::new();
    faults
        .extend(PROMISED.iter().filter(|name| !names.contains(*name)).map(|name| format!("no alert {name}")));
    let strange = names.iter().filter(|name| !PROMISED.contains(name));
    faults.extend(strange.map(|name| format!("nobody was promised {name}")));
    let expected: Vec<Value> = cases.values().flat_map(|text| expectations(text)).collect();
    for rule in &alerts {
        let says = said_wrong(rule).into_iter().chain(untested(rule, &expected));
        faults.extend(says.map(|fault| format!("{}: {fault}", rule.name())));
    }
    let headings: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    faults.extend(
        headings.symmetric_difference(&names).map(|name| format!("in rules or runbook only: {name}")),
    );
    faults
}

/// What an alert does not tell whom it wakes.
fn said_wrong(rule: &Rule) -> Vec<String> {
    let anchor = format!("{RUNBOOK}#{}", rule.alert().unwrap_or_default().to_ascii_lowercase());
    let description = rule.annotation("description");
    // One that is about runners names the runner, one about a fleet its type; and both say how much.
    let about =
        ["$labels.runner_name", "$labels.runner_type"].iter().any(|label| description.contains(label));
    let checks = [
        (["critical", "warning", "info"].contains(&rule.label("severity")), "severity"),
        (!rule.annotation("summary").is_empty(), "summary"),
        (about && description.contains("$value"), "description"),
        (rule.annotation("runbook_url") == anchor, "runbook_url"),
        (DASHBOARDS.contains(&rule.annotation("dashboard")), "dashboard"),
    ];
    checks.iter().filter(|(holds, _)| !holds).map(|(_, what)| (*what).to_owned()).collect()
}

/// What a file of cases expects of alerts.
fn expectations(cases: &str) -> Vec<Value> {
    let file = yaml(cases);
    let tests = file["tests"].as_array().expect("tests").clone();
    let of_test = |test: Value| test["alert_rule_test"].as_array().cloned().unwrap_or_default();
    tests.into_iter().flat_map(of_test).collect()
}

fn untested(rule: &Rule, expected: &[Value]) -> Vec<String> {
    let own = || expected.iter().filter(|case| case["alertname"].as_str() == rule.alert());
    let alerts = |case: &Value| case["exp_alerts"].as_array().cloned().unwrap_or_default();
    let is_it = |alert: &Value| {
        ["severity", "cause"]
            .iter()
            .all(|name| alert["exp_labels"][name].as_str().unwrap_or_default() == rule.label(name))
            && alert["exp_annotations"]["description"].is_string()
    };
    let fires = own().any(|case| alerts(case).iter().any(is_it));
    let silent = own().any(|case| alerts(case).is_empty());
    let missing = [(fires, "no firing case"), (silent, "no silent case")];
    missing.iter().filter(|(there, _)| !there).map(|(_, what)| (*what).to_owned()).collect()
}

#[test]
fn every_alert_says_what_it_must_and_has_its_cases_and_its_page() {
    let (alerts, runbook, cases) = (yaml(&read(ALERTS)), read(RUNBOOK), cases());
    assert_eq!(faults(&alerts, &runbook, &cases), Vec::<String>::new());
    // A planted fault each.
    let planted = [
        ("/groups/0/rules/0/alert", Some("RunnerDoun"), "nobody was promised RunnerDoun"),
        ("/groups/0/rules/3/labels/severity", Some("page"), "RunnerGhost (disowned): severity"),
        ("/groups/0/rules/3/annotations/summary", None, "RunnerGhost (disowned): summary"),
        (
            "/groups/0/rules/3/annotations/description",
            Some("It is gone."),
            "RunnerGhost (disowned): description",
        ),
        (
            "/groups/0/rules/3/annotations/runbook_url",
            Some("docs/runbooks/alerts.md#ghost"),
            "RunnerGhost (disowned): runbook_url",
        ),
        ("/groups/0/rules/3/annotations/dashboard", Some("overview"), "RunnerGhost (disowned): dashboard"),
        ("/groups/0/rules/3/labels/cause", Some("other"), "RunnerGhost (other): no firing case"),
    ];
    for (place, with, want) in planted {
        let mut changed = alerts.clone();
        *changed.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) =
            with.map_or(Value::Null, Value::from);
        let found = faults(&changed, &runbook, &cases);
        assert!(found.iter().any(|fault| fault == want), "{want}: {found:?}");
    }
    let renamed = runbook.replace("## OomKills", "## Oom");
    assert_eq!(
        faults(&alerts, &renamed, &cases).len(),
        2,
        "a page without an alert, an alert without a page"
    );
    let mut fewer = cases.clone();
    fewer.insert("stale.yml".to_owned(), cases["stale.yml"].replace("exp_alerts: []", "exp_alerts: [{}]"));
    assert_eq!(faults(&alerts, &runbook, &fewer), ["MetricsStale: no silent case"]);
}

#[test]
fn every_recording_rule_has_a_case_with_an_answer() {
    let cases = ["recording.yml", "events.yml"].map(|name| yaml(&cases()[name]));
    let tests = cases.iter().flat_map(|cases| cases["tests"].as_array().expect("tests"));
    let asked: Vec<&Value> = tests.filter_map(|test| test["promql_expr_test"].as_array()).flatten().collect();
    let all = [RECORDING, EVENTS].into_iter().flat_map(|file| rules(&yaml(&read(file))));
    // Of one definition one counter is as good as all.
    let same =
        |name: &str| name.ends_with(":events1m") && !name.ends_with(":github_runner_jobs_total:events1m");
    for rule in all {
        let name = rule.record().expect("only recording rules");
        let answered = |case: &&&Value| {
            let expr = case["expr"].as_str().expect("an expression");
            tokens(expr).iter().any(|token| token == name) && case["exp_samples"].is_array()
        };
        assert!(same(name) || asked.iter().any(|case| answered(&case)), "{name} has no case");
        let parts: Vec<_> = name.split(':').collect();
        let is_named = matches!(parts[..], ["fleet" | "runner_type" | "runner" | "job", _, _]);
        assert!(is_named, "{name}: level:metric:operation");
    }
}

// --- what is asked is there

/// The names in the expressions of both files and of the runbook that nobody has.
fn strange_names(alerts: &Value, recording: &Value, runbook: &str) -> Vec<String> {
    let all: Vec<Rule> = [rules(alerts), rules(recording), rules(&yaml(&read(EVENTS)))].concat();
    let records: BTreeSet<&str> = all.iter().filter_map(Rule::record).chain(scraped()).collect();
    // An alert builds on what its own file records, and on the events.
    let own = [rules(alerts), rules(&yaml(&read(EVENTS)))].concat();
    let own: BTreeSet<String> = own.iter().filter_map(|rule| rule.record().map(str::to_owned)).collect();
    let own: BTreeSet<&str> = own.iter().map(String::as_str).chain(["up"]).collect();
    let mut found = Vec::new();
    for rule in &all {
        let known = if rule.alert().is_some() { &own } else { &records };
        found.extend(unknown(rule.expr(), known).into_iter().map(|name| format!("{}: {name}", rule.name())));
    }
    for block in runbook.split("```promql\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        found.extend(unknown(block, &records).into_iter().map(|name| format!("runbook: {name}")));
    }
    found
}

#[test]
fn every_metric_and_label_is_in_the_catalogue() {
    let (alerts, recording, runbook) = (read(ALERTS), read(RECORDING), read(RUNBOOK));
    assert_eq!(strange_names(&yaml(&alerts), &yaml(&recording), &runbook), Vec::<String>::new());
    let planted = [
        (
            "github_runner_work_dir_free_bytes < 5",
            "github_runner_work_dir_bytes < 5",
            "metric github_runner_work_dir_bytes",
        ),
        ("{state=\"draining\"}", "{state=\"drained\"}", "state=drained"),
        ("reason!~\"runner_updating|", "reason!~\"updating|", "reason=updating"),
        ("status=~\"failed|abandoned\"", "result=~\"failed|abandoned\"", "label result"),
        ("by (runner_type, le)", "by (runner_kind, le)", "label runner_kind"),
        (
            "runner_type:github_runner_queue_time_seconds_count:events1m[1h]",
            "runner_type:github_runner_queue_time_seconds:events1m[1h]",
            "metric runner_type:github_runner_queue_time_seconds:events1m",
        ),
        (
            "fleet:github_runner_version_first_seen_timestamp_seconds:min <",
            "fleet:github_runner_version:min <",
            "metric fleet:github_runner_version:min",
        ),
    ];
    for (from, to, want) in planted {
        let changed = alerts.replacen(from, to, 1);
        assert_ne!(changed, alerts, "{from} is there");
        let found = strange_names(&yaml(&changed), &yaml(&recording), &runbook);
        assert!(found.iter().any(|fault| fault.contains(want)), "{want}: {found:?}");
    }
}

#[test]
fn the_runbook_speaks_of_log_lines_there_are() {
    let mut source = String::new();
    let mut places = vec![root().join("src")];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            let entries = std::fs::read_dir(&place).expect("a directory").flatten();
            places.extend(entries.map(|entry| entry.path()));
        } else {
            source += &std::fs::read_to_string(&place).expect("UTF-8");
        }
    }
    let event = regex::Regex::new("event=([a-z_]+)").expect("a pattern");
    let runbook = read(RUNBOOK);
    let named: Vec<&str> =
        event.captures_iter(&runbook).map(|found| found.get(1).expect("a name").as_str()).collect();
    assert!(!named.is_empty());
    for name in named {
        assert!(source.contains(&format!("event = \"{name}\"")), "event={name}");
    }
}
