//! Every dashboard is valid for Grafana, keeps our own rules and speaks only of what the catalogue has.
#![allow(clippy::disallowed_methods, reason = "tests run tools and read the environment")]

#[path = "support/dashboards.rs"]
mod dashboards;
#[path = "dashboards/lints.rs"]
mod lints;
#[path = "support/ns.rs"]
mod ns;
#[path = "support/promql.rs"]
mod promql;
#[path = "support/rules.rs"]
mod rules;

use dashboards::{Dashboard, How, Values, all, list};
use lints::{BOARDS, LINTS};
use promql::{scraped, unknown};
use runner_init::telemetry::catalog;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const OVERVIEW: &str = "runner-overview.json";

fn overview() -> Dashboard {
    all().into_iter().find(|board| board.file == OVERVIEW).expect("it is there")
}

fn faults(board: &Dashboard) -> Vec<String> {
    LINTS
        .iter()
        .flat_map(|(name, lint)| lint(board).into_iter().map(move |it| format!("{name}: {it}")))
        .collect()
}

#[test]
fn the_four_are_there_and_keep_every_rule() {
    let boards = all();
    let files: Vec<_> = boards.iter().map(|board| board.file.as_str()).collect();
    assert_eq!(files, BOARDS.map(|(file, _)| file));
    for board in &boards {
        assert_eq!(faults(board), Vec::<String>::new(), "{}", board.file);
    }
}

/// The lint that must say so, where the overview is changed, and how.
type Planted = (&'static str, &'static str, fn(&mut Value));

fn respell(target: &mut Value, from: &str, to: &str) {
    let text = target["expr"].as_str().expect("an expression").replace(from, to);
    target["expr"] = json!(text);
}

const PLANTED: [Planted; 44] = [
    ("model", "", |it| it["id"] = json!(7)),
    ("model", "", |it| it["uid"] = json!("runner-init-jobs")),
    ("model", "", |it| it["refresh"] = json!("5s")),
    ("model", "", |it| it["__inputs"] = json!([])),
    ("model", "", |it| it["description"] = json!("")),
    ("variables", "/templating/list/2/query", |it| {
        it["query"] = json!("label_values(github_runner_info, runner_name)");
    }),
    ("variables", "/templating/list/1", |it| it["allValue"] = json!("")),
    ("variables", "/templating", |it| it["list"].as_array_mut().expect("a list").swap(1, 2)),
    ("annotations", "/annotations", |it| it["list"].as_array_mut().expect("a list").truncate(2)),
    ("annotations", "/annotations/list/0", |it| it["titleFormat"] = json!("")),
    ("links", "/links/0", |it| it["keepTime"] = json!(false)),
    ("links", "/links/0", |it| it["url"] = json!("/d/runner-init-job")),
    ("grid", "/panels/1", |it| it["id"] = json!(1)),
    ("grid", "/panels/1/gridPos", |it| it["x"] = json!(3)),
    ("grid", "/panels/6/gridPos", |it| it["w"] = json!(25)),
    ("grid", "", |it| {
        let panels = it["panels"].as_array_mut().expect("panels");
        for panel in panels {
            panel["gridPos"]["y"] = json!(0);
        }
    }),
    ("words", "/panels/0", |it| it["description"] = json!("Shows the runners.")),
    ("words", "/panels/0/fieldConfig/defaults", |it| it["unit"] = json!("")),
    ("words", "/panels/0/fieldConfig/defaults", |it| it["noValue"] = json!("")),
    ("words", "/panels/7/fieldConfig/defaults/mappings/0/options/1", |it| {
        *it = json!({"result": {"color": "#BBBBBB", "text": ""}});
    }),
    ("kinds", "/panels/0", |it| it["type"] = json!("gauge")),
    ("kinds", "/panels/8/transformations/0", |it| it["id"] = json!("filterByValue")),
    ("sources", "/panels/0/targets/0", |it| it["datasource"]["uid"] = json!("P1809F7CD0C75ACF3")),
    ("sources", "/annotations/list/0", |it| {
        it.as_object_mut().expect("an object").remove("datasource");
    }),
    ("queries", "/panels/0/targets/0", |it| respell(it, ")", ") or vector( 0 )")),
    ("queries", "/panels/9/targets/0", |it| respell(it, "$__interval", "$__range")),
    ("queries", "/panels/9/targets/0", |it| respell(it, "$__interval", "$interval")),
    ("queries", "/panels/0/targets/0", |it| it["expr"] = json!("sum(github_runner_status)")),
    ("queries", "/panels/0/targets/1", |it| it["refId"] = json!("A")),
    ("queries", "/panels/8/targets/0", |it| it["format"] = json!("time_series")),
    ("names", "/panels/0/targets/0", |it| respell(it, "_status", "_online")),
    ("names", "/panels/7/fieldConfig/defaults/mappings/0/options/4", |it| it["text"] = json!("idle")),
    ("colours", "/panels/0/fieldConfig/defaults/thresholds/steps/0", |it| it["color"] = json!("red")),
    ("colours", "/panels/9/fieldConfig/overrides/0/properties/0/value", |it| {
        it["fixedColor"] = json!("#0072B2");
    }),
    ("contrast", "/panels/1/fieldConfig/defaults/thresholds/steps/2", |it| it["color"] = json!("#E69F00")),
    ("contrast", "/panels/7/fieldConfig/defaults/mappings/0/options/4", |it| it["color"] = json!("#CC79A7")),
    ("thresholds", "/panels/1/fieldConfig/defaults/thresholds/steps/2", |it| it["value"] = json!(0)),
    ("thresholds", "/panels/1/fieldConfig/defaults/thresholds/steps/0", |it| it["color"] = json!("#009E73")),
    ("thresholds", "/panels/1/fieldConfig/defaults/thresholds/steps/1", |it| it["color"] = json!("#009E73")),
    ("legends", "/panels/9/options/legend", |it| it["showLegend"] = json!(false)),
    ("legends", "/panels/9/targets/1", |it| respell(it, "$__range", "$__interval")),
    ("units", "/panels/9/fieldConfig/defaults", |it| it["unit"] = json!("short")),
    ("units", "/panels/9/fieldConfig/defaults", |it| it["unit"] = json!("s")),
    ("names", "/panels/18/targets/0", |it| respell(it, "!= 7", "!= 8")),
];

#[test]
fn every_planted_fault_is_found_by_its_lint() {
    let whole = overview();
    for (number, (name, place, plant)) in PLANTED.iter().enumerate() {
        let mut board = whole.clone();
        plant(board.json.pointer_mut(place).unwrap_or_else(|| panic!("{number}: no {place}")));
        let found = faults(&board);
        assert!(found.iter().any(|fault| fault.starts_with(name)), "{number}: {name} {place}: {found:?}");
    }
    let lints: Vec<_> = LINTS.iter().map(|(name, _)| *name).collect();
    assert!(lints.iter().all(|lint| PLANTED.iter().any(|(name, ..)| name == lint)), "a lint nobody tried");
}

#[test]
fn an_expression_is_read_as_prometheus_reads_it() {
    let good = [
        "up == 0",
        r#"sum by (le, runner_type) (rate(github_runner_job_duration_seconds_bucket{le="10"}[1h] offset 5m))"#,
        r#"label_replace(github_runner_info{arch!~"arm.*|x"}, "a", "$1", "b", "}(.*)") and on (runner_name) github_runner_status"#,
        "time() - max without (instance) (github_runner_job_start_timestamp_seconds) > bool 3.5e2",
        r#"github_runner_jobs_total{status=~"success|failed"} * on (runner_name) group_left (version) github_runner_info"#,
        "topk(3, process_resident_memory_bytes @ end()) or scrape_duration_seconds unless up",
    ];
    for expression in good {
        assert_eq!(unknown(expression, &scraped()), Vec::<String>::new(), "{expression}");
    }
    let bad = [
        ("sum(github_runner_job_total)", "github_runner_job_total"),
        ("github_runner_job_duration_seconds", "no such metric"),
        ("github_runner_jobs_total_bucket", "no such metric"),
        (r#"github_runner_jobs_total{state="busy"}"#, "no label state"),
        (r#"github_runner_state{state="bussy"}"#, "bussy"),
        (r#"github_runner_state{state=~"busy|ide"}"#, "ide"),
        ("sum by (statu) (github_runner_jobs_total)", "statu"),
        (r#"sum(github_runner_jobs_total{le="1"})"#, "no label le"),
        (r#"{__name__=~"github_runner_.+"}"#, "no such metric"),
        ("node_load1", "node_load1"),
        ("time()", "no metric"),
    ];
    for (expression, word) in bad {
        assert!(
            unknown(expression, &scraped()).iter().any(|fault| fault.contains(word)),
            "{expression}: {:?}",
            unknown(expression, &scraped())
        );
    }
}

#[test]
fn every_place_that_asks_is_listed() {
    for board in all() {
        let expressions = board.expressions();
        let targets: usize = board.panels().iter().map(|panel| list(&panel["targets"]).len()).sum();
        let of = |how| expressions.iter().filter(|it| it.how == how).count();
        assert_eq!((of(How::Variable), of(How::Annotation)), (2, 3), "{}", board.file);
        assert_eq!(of(How::Instant) + of(How::Range), targets, "{}", board.file);
        assert_eq!(board.json.to_string().matches("\"expr\"").count(), targets + 3, "{}", board.file);
    }
}

/// Metrics that no dashboard shows, and why.
const UNSEEN: [(&str, &str); 7] = [
    ("github_runner_jobs_started_total", "the jobs that ended say more, and those that run have a table"),
    ("github_runner_cache_hit_rate", "of a range the requests themselves are exact"),
    (
        "github_runner_claims_dropped_total",
        "no job, so no figure of the jobs: looked up when a runner is suspected",
    ),
    ("github_runner_odd_files_total", "looked up when a job is suspected, by its line of the log"),
    ("github_runner_swept_engine_objects_total", "housekeeping: no number of it is good or bad"),
    ("github_runner_swept_files_total", "housekeeping: no number of it is good or bad"),
    ("github_runner_output_lines_total", "how much jobs say means nothing"),
];

#[test]
fn every_metric_is_somewhere_or_left_out_for_a_reason() {
    let expressions: Vec<_> = all().iter().flat_map(Dashboard::expressions).map(|it| it.text).collect();
    for metric in catalog::ALL {
        let shown = expressions.iter().any(|text| text.contains(metric.name));
        let unseen = UNSEEN.iter().any(|(name, _)| *name == metric.name);
        assert!(shown != unseen, "{} is {}", metric.name, if shown { "shown after all" } else { "nowhere" });
    }
}

#[test]
fn prometheus_can_parse_every_expression() {
    require!("promtool");
    let values = Values {
        runner_type: ".+",
        runner_name: "a|b",
        rate_interval: "1m",
        range: "1d",
        interval: "15s",
        range_s: "86400",
    };
    let boards = all();
    let expressions = boards.iter().flat_map(Dashboard::expressions);
    let rules: Vec<_> = expressions
        .enumerate()
        .map(|(number, it)| json!({"record": format!("number:{number}"), "expr": it.with(&values)}))
        .collect();
    let check = |rules: &[Value]| {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("rules.yml");
        // JSON is YAML.
        let text = json!({"groups": [{"name": "dashboards", "rules": rules}]}).to_string();
        std::fs::write(&file, text).expect("is written");
        Command::new("promtool").args(["check", "rules"]).arg(&file).output().expect("promtool runs")
    };
    let output = check(&rules);
    assert!(output.status.success(), "{}", said(&output));
    let planted = check(&[json!({"record": "a:b", "expr": "sum(rate(up))"})]);
    assert!(!planted.status.success(), "promtool takes anything");
}

#[test]
fn files_are_made_for_small_differences() {
    for board in all() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/grafana").join(&board.file);
        let text = std::fs::read_to_string(path).expect("readable");
        let pretty = serde_json::to_string_pretty(&board.json).expect("JSON");
        assert!(text.ends_with("}\n"), "{}", board.file);
        // The order of keys is the author's own.
        let lines = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
            lines.sort_unstable();
            lines
        };
        assert!(lines(&text) == lines(&pretty), "{} is not indented by two", board.file);
    }
}

/// Wrong for Grafana's published types: the place as the check calls it, where it is, what is changed.
const MISTYPED: [Planted; 6] = [
    ("the dashboard", "", |it| it["schemaVersion"] = json!("39")),
    ("panel 1", "/panels/0/options", |it| it["colorMode"] = json!("backdrop")),
    ("panel 2", "/panels/1/options", |it| it["colourMode"] = json!("value")),
    ("panel 3", "/panels/2/fieldConfig/defaults/thresholds/steps/0", |it| it["value"] = json!("#D55E00")),
    ("panel 10", "/panels/9/fieldConfig/defaults/custom", |it| it["lineWidth"] = json!("1")),
    ("annotation Drains", "/annotations/list/2", |it| it["enable"] = json!("yes")),
];

#[test]
fn grafana_would_take_every_file() {
    require!("node", "npm");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboards");
    if let Some(why) = install(&here) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "cannot run in CI: {why}");
        eprintln!("\n*** SKIPPED, NOTHING WAS CHECKED: {why} ***\n");
        return;
    }
    let shipped: Vec<_> =
        all().iter().map(|board| here.join("../../dashboards/grafana").join(&board.file)).collect();
    let mut planted = overview();
    for (_, place, plant) in MISTYPED {
        plant(planted.json.pointer_mut(place).expect("a place"));
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("planted.json");
    std::fs::write(&file, planted.json.to_string()).expect("is written");
    let check = Command::new("node").arg(here.join("check.mjs")).args(&shipped).arg(&file).output();
    let text = said(&check.expect("node runs"));
    let (theirs, ours): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("planted.json: "));
    assert!(ours.is_empty(), "{}", ours.join("\n"));
    for (place, ..) in MISTYPED {
        assert!(theirs.iter().any(|line| line.contains(&format!(" {place}: "))), "{place}: {text}");
    }
    assert_eq!(theirs.len(), MISTYPED.len(), "{text}");
}

/// Puts the published types in place; gives the reason if they cannot be had.
fn install(here: &Path) -> Option<String> {
    // Written by npm once it has installed; older than what is asked for if that has changed since.
    let written = |name: &str| here.join(name).metadata().and_then(|file| file.modified()).ok();
    if written("node_modules/.package-lock.json") >= written("package-lock.json") {
        return None;
    }
    let mut command = Command::new("npm");
    command
        .args(["ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(here);
    let output = command.output().expect("npm runs");
    (!output.status.success()).then(|| said(&output))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
