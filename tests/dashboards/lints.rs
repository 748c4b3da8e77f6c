//! What makes a dashboard ours: each lint gives the faults of one dashboard, in words, with the panel they are in.

use super::dashboards::{Dashboard, How, list, text};
use super::promql::{scraped, unknown};
use super::rules;
use runner_init::telemetry::catalog;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A lint and its name.
pub(crate) type Lint = (&'static str, fn(&Dashboard) -> Vec<String>);

pub(crate) const LINTS: [Lint; 15] = [
    ("model", model),
    ("variables", variables),
    ("annotations", annotations),
    ("links", links),
    ("grid", grid),
    ("words", words),
    ("kinds", kinds),
    ("sources", sources),
    ("queries", queries),
    ("names", names),
    ("colours", colours),
    ("contrast", contrast),
    ("thresholds", thresholds),
    ("legends", legends),
    ("units", units),
];

/// File, uid, as the other parts of the project name them.
pub(crate) const BOARDS: [(&str, &str); 4] = [
    ("dora-metrics.json", "runner-init-dora"),
    ("job-analysis.json", "runner-init-jobs"),
    ("performance-trends.json", "runner-init-performance"),
    ("runner-overview.json", "runner-init-overview"),
];

/// What is seen without scrolling on a usual screen: 20 units of 38 pixels.
const FOLD: u64 = 20;
const ABOVE_FOLD: usize = 12;
const COLUMNS: u64 = 24;
const KINDS: [&str; 8] =
    ["stat", "timeseries", "state-timeline", "table", "bargauge", "heatmap", "barchart", "text"];
const TRANSFORMATIONS: [&str; 5] = ["organize", "merge", "joinByField", "labelsToFields", "sortBy"];
const VARIABLES: [&str; 6] =
    ["runner_type", "runner_name", "__rate_interval", "__range", "__range_s", "__interval"];
const SELECTION: &str = r#"runner_type=~"$runner_type",runner_name=~"$runner_name""#;

const GREEN: &str = "#009E73";
const STATES: [(&str, &str); 9] = [
    ("starting", "#BBBBBB"),
    ("registering", "#888888"),
    ("idle", "#56B4E9"),
    ("busy", "#0072B2"),
    ("disconnected", "#E69F00"),
    ("ghost", "#D55E00"),
    ("draining", "#CC79A7"),
    ("backoff", "#F0E442"),
    ("stopped", "#555555"),
];
const RESULTS: [(&str, &str); 5] = [
    ("success", GREEN),
    ("failed", "#D55E00"),
    ("cancelled", "#E69F00"),
    ("skipped", "#BBBBBB"),
    ("abandoned", "#CC79A7"),
];
/// The same where text stands on it, and where it is the text's own: of its hue, as far from the other as WCAG 2 asks of text.
const FILLS: [(&str, &str); 6] = [
    (GREEN, "#007A59"),
    ("#D55E00", "#B84F00"),
    ("#E69F00", "#FFB84D"),
    ("#56B4E9", "#8CCBF2"),
    ("#CC79A7", "#A8447F"),
    ("#888888", "#707070"),
];
const INKS: [(&str, &str); 1] = [("#D55E00", "#D66100")];
const LEGIBLE: f64 = 4.5;
/// What a panel of Grafana's dark theme, which it opens with, is painted with.
const PANEL: &str = "#181B1F";

fn model(board: &Dashboard) -> Vec<String> {
    let it = &board.json;
    let uid = BOARDS.iter().find(|(file, _)| *file == board.file).map_or("", |(_, uid)| uid);
    let wanted = [
        ("id", Value::Null),
        ("uid", json!(uid)),
        ("tags", json!(["runner-init"])),
        ("schemaVersion", json!(39)),
        ("editable", json!(true)),
        ("graphTooltip", json!(1)),
        ("refresh", json!("15s")),
        ("timezone", json!("browser")),
        // A day of deployments says little.
        (
            "time",
            json!({"from": if it["uid"] == "runner-init-dora" { "now-30d" } else { "now-24h" }, "to": "now"}),
        ),
    ];
    let object = it.as_object().expect("an object");
    let mut faults: Vec<_> = wanted
        .iter()
        .filter(|(key, value)| object.get(*key) != Some(value))
        .map(|(key, value)| format!("{key} is not {value}"))
        .collect();
    faults
        .extend(object.keys().filter(|key| key.starts_with("__")).map(|key| format!("{key} is for export")));
    faults.extend(
        ["title", "description"]
            .iter()
            .filter(|key| text(&it[**key]).is_empty())
            .map(|key| format!("no {key}")),
    );
    faults
}

fn variables(board: &Dashboard) -> Vec<String> {
    let found = list(&board.json["templating"]["list"]);
    let wanted = [
        ("datasource", "prometheus"),
        ("runner_type", "label_values(github_runner_info, runner_type)"),
        ("runner_name", r#"label_values(github_runner_info{runner_type=~"$runner_type"}, runner_name)"#),
    ];
    let query = |it: &Value| it["query"].as_str().or(it["query"]["query"].as_str()).map(str::to_owned);
    let said: Vec<_> = found.iter().map(|it| (text(&it["name"]), query(it).unwrap_or_default())).collect();
    let mut faults = Vec::new();
    if said != wanted.map(|(name, query)| (name.to_owned(), query.to_owned())) {
        faults.push(format!("the variables are {said:?}"));
    }
    for (it, every) in found.iter().skip(1).zip([".+", ".*"]) {
        // What is counted by type has no runner_name, and is of all.
        let all = it["multi"] == true && it["includeAll"] == true && it["allValue"] == every;
        if !all || it["refresh"] != 2 || it["current"]["value"] != json!(["$__all"]) {
            faults.push(format!("{} does not begin with all, or is not looked up again", it["name"]));
        }
    }
    faults
}

fn annotations(board: &Dashboard) -> Vec<String> {
    let found = list(&board.json["annotations"]["list"]);
    let expressions: String = found.iter().map(|it| text(&it["expr"])).collect();
    let wanted = ["github_runner_start_time_seconds", "github_runner_restarts_total", r#"state="draining""#];
    let missing = wanted.iter().filter(|name| !expressions.contains(**name));
    let mut faults: Vec<_> = missing.map(|name| format!("no annotation speaks of {name}")).collect();
    let silent = found.iter().filter(|it| {
        it["enable"] != (board.file != "dora-metrics.json")
            || text(&it["titleFormat"]).is_empty()
            || text(&it["textFormat"]).is_empty()
    });
    faults.extend(
        silent.map(|it| {
            format!("annotation {} is on or off where it should not be, or says nothing", it["name"])
        }),
    );
    faults
}

fn links(board: &Dashboard) -> Vec<String> {
    let found = list(&board.json["links"]);
    let others = found.iter().any(|link| {
        link["type"] == "dashboards"
            && link["tags"] == json!(["runner-init"])
            && link["includeVars"] == true
            && link["keepTime"] == true
    });
    let mut faults = Vec::new();
    if !others {
        faults.push("no link to the others that keeps time and variables".to_owned());
    }
    let text = board.json.to_string();
    for place in text.split("/d/").skip(1) {
        let uid = place.split(['?', '"', '/']).next().unwrap_or_default();
        if !BOARDS.iter().any(|(_, known)| *known == uid) {
            faults.push(format!("a link to the dashboard {uid}, which there is not"));
        }
    }
    faults
}

fn grid(board: &Dashboard) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeMap::new();
    let mut above = 0;
    for panel in board.panels() {
        let id = panel["id"].as_u64().unwrap_or(0);
        if id == 0 || !ids.insert(id) {
            faults.push(format!("panel id {id} is not unique"));
        }
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap_or(u64::MAX >> 2));
        if w == 0 || h == 0 || x + w > COLUMNS || h > 40 {
            faults.push(format!("panel {id} is not within {COLUMNS} columns"));
            continue;
        }
        above += usize::from(y < FOLD && panel["type"] != "text");
        for cell in (y..y + h).flat_map(|row| (x..x + w).map(move |column| (column, row))) {
            if let Some(other) = taken.insert(cell, id).filter(|other| *other != id) {
                faults.push(format!("panels {other} and {id} overlap"));
            }
        }
    }
    if above > ABOVE_FOLD {
        faults.push(format!("{above} panels above the fold"));
    }
    faults
}

fn words(board: &Dashboard) -> Vec<String> {
    each(board, |panel| {
        let mut faults = Vec::new();
        let description = text(&panel["description"]);
        let drawn = panel["type"] != "text";
        if text(&panel["title"]).is_empty() {
            faults.push("has no title".to_owned());
        }
        if !description.ends_with(['.', '?']) || drawn && description.len() < 80 {
            faults.push("does not say what it means and what to do".to_owned());
        }
        let defaults = &panel["fieldConfig"]["defaults"];
        if drawn && text(&defaults["unit"]).is_empty() {
            faults.push("has no unit".to_owned());
        }
        if drawn && text(&defaults["noValue"]).is_empty() {
            faults.push("does not say what no data means".to_owned());
        }
        let mut untold = 0;
        walk(panel, &mut |key, value| {
            let silent = key == "result" && value.get("color").is_some() && text(&value["text"]).is_empty();
            untold += usize::from(silent);
        });
        if untold > 0 {
            faults.push("maps a value to a colour without a word".to_owned());
        }
        faults
    })
}

fn kinds(board: &Dashboard) -> Vec<String> {
    each(board, |panel| {
        let kind = text(&panel["type"]);
        let mut faults = Vec::new();
        if !KINDS.contains(&kind.as_str()) {
            faults.push(format!("is a {kind}"));
        }
        let changes = list(&panel["transformations"]).iter().map(|it| text(&it["id"]));
        let strange = changes.filter(|id| !TRANSFORMATIONS.contains(&id.as_str()));
        faults.extend(strange.map(|id| format!("is transformed by {id}")));
        faults
    })
}

/// Every data source is the variable.
fn sources(board: &Dashboard) -> Vec<String> {
    let wanted = json!({"type": "prometheus", "uid": "${datasource}"});
    let mut faults = Vec::new();
    walk(&board.json, &mut |key, value| {
        if key == "datasource" && *value != wanted {
            faults.push(format!("a data source is {value}"));
        }
    });
    let all = |key: &str| list(&board.json[key]["list"]).iter();
    let asking = all("annotations").chain(all("templating").filter(|it| it["type"] == "query"));
    let asking =
        asking.chain(board.panels()).chain(board.panels().iter().flat_map(|it| list(&it["targets"])));
    faults.extend(asking.filter(|it| it["datasource"] != wanted).map(|it| {
        format!("{} has no data source", it.get("title").or(it.get("name")).unwrap_or(&it["refId"]))
    }));
    faults
}

/// How an expression is asked, and what only Grafana would notice.
fn queries(board: &Dashboard) -> Vec<String> {
    let mut faults = each(board, |panel| {
        let targets = list(&panel["targets"]);
        let references: BTreeSet<_> = targets.iter().map(|target| text(&target["refId"])).collect();
        let mut faults = Vec::new();
        if references.len() != targets.len() || targets.is_empty() != (panel["type"] == "text") {
            faults.push("has no target, or two of one refId".to_owned());
        }
        for target in targets {
            if target["instant"].as_bool() == target["range"].as_bool() {
                faults.push("asks both for an instant and a range, or for neither".to_owned());
            }
            if panel["type"] == "table" && (target["format"] != "table" || target["instant"] != true) {
                faults.push("is a table of something else than an instant table".to_owned());
            }
        }
        faults
    });
    for it in board.expressions() {
        let place = format!("{} {}", it.title, it.reference);
        let plain: String = it.text.split_whitespace().collect();
        if plain.contains("orvector(0)") {
            faults.push(format!("{place}: paints nothing as 0"));
        }
        if it.how != How::Instant && it.text.contains("$__range") {
            faults.push(format!("{place}: a series over $__range says one thing at every point"));
        }
        for name in it.text.split('$').skip(1) {
            let name = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
            if !VARIABLES.contains(&name) {
                faults.push(format!("{place}: ${name} is not a variable"));
            }
        }
        let selectors = it.text.split("github_runner_").skip(1).chain(it.text.split("process_").skip(1));
        let free = |rest: &str| {
            let matchers = rest.split('{').nth(1).and_then(|rest| rest.split('}').next());
            !matchers.is_some_and(|matchers| matchers.ends_with(SELECTION))
        };
        if it.how != How::Variable && selectors.into_iter().any(free) {
            faults.push(format!("{place}: not of the selected runners only"));
        }
    }
    faults
}

/// Metrics, labels and their values are in the catalogue.
fn names(board: &Dashboard) -> Vec<String> {
    let mut faults = Vec::new();
    let recorded = rules::recorded();
    let besides = scraped().into_iter().chain(recorded.iter().map(String::as_str)).collect();
    for it in board.expressions() {
        let label = it.label.map(|label| format!("max by ({label}) ({})", it.text));
        let said = unknown(label.as_ref().unwrap_or(&it.text), &besides);
        faults.extend(said.iter().map(|fault| format!("{} {}: {fault}", it.title, it.reference)));
        // The code of a state and the words for it are told apart by nothing but these two lists.
        if it.text.starts_with("last_over_time(runner:github_runner_state:code") {
            faults.extend(codes(board, it.panel));
        }
        let left = it.text.split_once("[$__range]) != ").and_then(|(_, code)| code.chars().next());
        let draining =
            catalog::STATE.labels[0].values.iter().zip('1'..).find(|(state, _)| **state == "draining");
        if left.is_some() && left != draining.map(|(_, code)| code) {
            faults.push(format!("{}: who drains is not left out", it.title));
        }
    }
    faults
}

/// The code that the rule gives a state, by its place in the catalogue, has its name in the panel's mapping.
fn codes(board: &Dashboard, panel: Option<u64>) -> Vec<String> {
    let panel = board.panels().iter().find(|it| it["id"].as_u64() == panel).expect("its panel");
    let mapped = &panel["fieldConfig"]["defaults"]["mappings"][0]["options"];
    let state = catalog::STATE.labels[0].values.iter().zip(1..);
    let wrong = state.filter(|(state, code)| mapped[code.to_string()]["text"] != **state);
    wrong.map(|(state, code)| format!("{}: {state} is not {code}", panel["title"])).collect()
}

fn colours(board: &Dashboard) -> Vec<String> {
    let palette: BTreeSet<_> =
        [&STATES[..], &RESULTS, &FILLS, &INKS].concat().into_iter().map(|(_, colour)| colour).collect();
    let mut faults = Vec::new();
    walk(&board.json, &mut |key, value| {
        let named = ["color", "fixedColor", "fill", "iconColor"].contains(&key) && value.is_string();
        if named && value != "dash" && !palette.contains(text(value).as_str()) {
            faults.push(format!("{value} is not a colour of ours"));
        }
        if key == "color" && value.get("mode").is_some() {
            let mode = text(&value["mode"]);
            if !["thresholds", "fixed", "palette-classic", "scheme"].contains(&mode.as_str()) {
                faults.push(format!("{mode} is not a way to colour"));
            }
        }
    });
    faults.extend(each(board, |panel| {
        let known: BTreeMap<_, _> = STATES.into_iter().chain(RESULTS).collect();
        let overrides = list(&panel["fieldConfig"]["overrides"]).iter();
        let wrong = overrides.filter_map(|it| {
            let name = it["matcher"]["options"].as_str()?;
            let wanted = known.get(name)?;
            let said = it["properties"].to_string();
            (!shades(wanted).any(|shade| said.contains(shade)))
                .then(|| format!("does not paint {name} {wanted}"))
        });
        wrong.collect()
    }));
    faults
}

/// A colour, and what stands for it beneath text and as text.
fn shades(colour: &'static str) -> impl Iterator<Item = &'static str> {
    let others = FILLS.iter().chain(&INKS).filter(move |(line, _)| *line == colour);
    std::iter::once(colour).chain(others.map(|(_, other)| *other))
}

/// Text on a colour, and text of a colour, can be read.
fn contrast(board: &Dashboard) -> Vec<String> {
    each(board, |panel| {
        let config = &panel["fieldConfig"];
        let kind = text(&panel["type"]);
        let is_solid = text(&panel["options"]["colorMode"]).starts_with("background");
        // The first is painted with the colours, the second written in them.
        let (mut fills, mut inks) = (Vec::new(), Vec::new());
        match kind.as_str() {
            "state-timeline" => fills.push(config),
            "stat" if is_solid => fills.push(config),
            "bargauge" if panel["options"]["valueMode"] == "text" => {}
            "stat" | "bargauge" => inks.push(config),
            "table" => {
                for it in list(&config["overrides"]) {
                    let said = it.to_string();
                    fills.extend(said.contains("color-background").then_some(it));
                    inks.extend(said.contains("color-text").then_some(it));
                }
            }
            _ => {}
        }
        let mut faults = Vec::new();
        let mut look = |places: &[&Value], ground: fn(&str) -> &'static str, what: &str| {
            for place in places {
                walk(place, &mut |key, value| {
                    let colour = text(value);
                    if ["color", "fixedColor"].contains(&key) && colour.starts_with('#') {
                        let (one, other) = (luminance(&colour), luminance(ground(&colour)));
                        let ratio = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                        if ratio < LEGIBLE {
                            faults.push(format!("{what} {colour} has a contrast of {ratio:.1}"));
                        }
                    }
                });
            }
        };
        look(&fills, ink_on, "text on");
        look(&inks, |_| PANEL, "text of");
        faults
    })
}

/// The colour of the text that Grafana puts on this one: dark where its brightness is above 180 of 255
/// (`getTextColorForAlphaBackground` of @grafana/ui).
fn ink_on(colour: &str) -> &'static str {
    let [red, green, blue] = channels(colour);
    let brightness = 0.299 * red + 0.587 * green + 0.114 * blue;
    if brightness > 180.0 { "#202226" } else { "#F7F8FA" }
}

/// Relative luminance, 0 to 1 (WCAG 2).
fn luminance(colour: &str) -> f64 {
    let linear = channels(colour).map(|value| {
        let value = value / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

/// Red, green and blue of `#RRGGBB`, 0 to 255.
fn channels(colour: &str) -> [f64; 3] {
    [1, 3, 5].map(|at| {
        let value = colour.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        f64::from(value.expect("two digits"))
    })
}

fn thresholds(board: &Dashboard) -> Vec<String> {
    let mut faults = each(board, |panel| {
        let base = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["color"];
        let health = panel["type"] == "stat" || panel["type"] == "bargauge";
        let mut faults = Vec::new();
        // No data has the colour of the first step.
        if health && shades(GREEN).any(|green| base == green) {
            faults.push("paints no data green".to_owned());
        }
        let count = panel["type"] == "stat" && panel["fieldConfig"]["defaults"]["unit"] == "none";
        let said = panel["fieldConfig"].to_string();
        let zero = |green: &str| said.contains(&json!({"color": green, "value": 0}).to_string());
        if count && shades(GREEN).any(zero) {
            faults.push("paints a count of 0 green".to_owned());
        }
        faults
    });
    walk(&board.json, &mut |key, value| {
        if key != "steps" || !value.is_array() {
            return;
        }
        let values: Vec<_> = list(value).iter().map(|step| step["value"].as_f64()).collect();
        let first = values.first().is_some_and(Option::is_none);
        let sorted = values[1.min(values.len())..].windows(2).all(|pair| pair[0] < pair[1]);
        if !first || !sorted || values.iter().skip(1).any(Option::is_none) {
            faults.push(format!("thresholds are not sorted: {values:?}"));
        }
    });
    faults
}

/// `short` shows 1,234 jobs as 1 K, beside a table with all its digits; an axis of `s` has its ticks at 16.7 mins and 1.11 hours.
fn units(board: &Dashboard) -> Vec<String> {
    each(board, |panel| {
        let is_short = panel["fieldConfig"].to_string().contains("\"short\"");
        let is_odd = panel["type"] == "timeseries" && panel["fieldConfig"]["defaults"]["unit"] == "s";
        let faults = [(is_short, "rounds its counts"), (is_odd, "ticks at no time of people's")];
        faults.into_iter().filter(|(is_so, _)| *is_so).map(|(_, fault)| fault.to_owned()).collect()
    })
}

fn legends(board: &Dashboard) -> Vec<String> {
    each(board, |panel| {
        let kind = text(&panel["type"]);
        let series = ["timeseries", "barchart", "state-timeline"].contains(&kind.as_str());
        let options = &panel["options"];
        let mut faults = Vec::new();
        if series && (options["legend"]["showLegend"] != true || options["tooltip"]["mode"].is_null()) {
            faults.push("has no legend or no tooltip".to_owned());
        }
        let targets = list(&panel["targets"]).iter();
        let nameless = targets.filter(|target| text(&target["legendFormat"]).is_empty()).count();
        if ["timeseries", "stat", "bargauge", "state-timeline"].contains(&kind.as_str()) && nameless > 0 {
            faults.push("has series without a name".to_owned());
        }
        let adds_up = list(&options["legend"]["calcs"]).contains(&json!("sum"));
        if adds_up && list(&panel["targets"]).iter().any(|it| it["range"] == true && !has_total(panel, it)) {
            faults.push("adds up bars that begin before the range".to_owned());
        }
        faults
    })
}

/// A target's own total over the range is what the legend has in its place.
fn has_total(panel: &Value, target: &Value) -> bool {
    let name = format!("{}_total", text(&target["refId"]));
    let of_range = |it: &Value| it["refId"] == name && text(&it["expr"]).contains("[$__range]");
    let of_it = json!({"id": "byFrameRefID", "options": target["refId"]});
    list(&panel["targets"]).iter().any(of_range)
        && list(&panel["fieldConfig"]["overrides"])
            .iter()
            .any(|it| it["matcher"] == of_it && it["properties"][0]["value"]["legend"] == true)
}

/// The faults of every panel, with its name.
fn each(board: &Dashboard, faults: impl Fn(&Value) -> Vec<String>) -> Vec<String> {
    let all = board.panels().iter().flat_map(|panel| {
        let place = format!("panel {} ({})", panel["id"], text(&panel["title"]));
        faults(panel).into_iter().map(move |fault| format!("{place} {fault}"))
    });
    all.collect()
}

/// Every value under a key, at any depth.
fn walk(value: &Value, look: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                look(key, value);
                walk(value, look);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, look)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
