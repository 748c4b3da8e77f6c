//! Rule files as data.
#![allow(dead_code, unreachable_pub, reason = "each test file uses the part it needs")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// One alert or recording rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its group, and which one it is there.
    pub place: (usize, usize),
    pub value: Value,
}

impl Rule {
    fn text(&self, path: &str) -> &str {
        self.value.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn alert(&self) -> Option<&str> {
        self.value["alert"].as_str()
    }

    pub fn record(&self) -> Option<&str> {
        self.value["record"].as_str()
    }

    pub fn expr(&self) -> &str {
        self.text("/expr")
    }

    pub fn label(&self, name: &str) -> &str {
        self.text(&format!("/labels/{name}"))
    }

    pub fn annotation(&self, name: &str) -> &str {
        self.text(&format!("/annotations/{name}"))
    }

    /// `RunnerDown (gone)`: rules of one name differ in their cause.
    pub fn name(&self) -> String {
        let name = self.alert().or(self.record()).unwrap_or_default();
        let cause = self.label("cause");
        if cause.is_empty() { name.to_owned() } else { format!("{name} ({cause})") }
    }
}

/// Every rule of every file.
pub fn all() -> Vec<Rule> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/prometheus/rules");
    let texts = ["alerts.yml", "events.yml", "recording.yml"]
        .map(|name| std::fs::read_to_string(dir.join(name)).expect("readable"));
    texts.iter().flat_map(|text| rules(&yaml(text))).collect()
}

/// The names that the rule files record.
pub fn recorded() -> BTreeSet<String> {
    all().iter().filter_map(|rule| rule.record().map(str::to_owned)).collect()
}

pub fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).expect("YAML")
}

/// Every rule of a file, in its order.
pub fn rules(file: &Value) -> Vec<Rule> {
    let groups = file["groups"].as_array().expect("groups").iter().enumerate();
    let of_group = |(number, group): (usize, &Value)| {
        let rules = group["rules"].as_array().expect("rules").clone().into_iter().enumerate();
        rules.map(move |(at, value)| Rule { place: (number, at), value })
    };
    groups.flat_map(of_group).collect()
}
