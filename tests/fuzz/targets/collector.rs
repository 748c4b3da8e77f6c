//! What a runner sends to the collector: a row is refused or counted once, whoever sent it and however often.

use runner_init::domain::dora::StreamRule;
use runner_init::domain::fleet::roster::{Hello, Roster};
use runner_init::domain::fleet::seen::{Keys, SeenRows, Verdict, parts};
use runner_init::domain::fleet::{FleetTotals, LabelName, ToldApart};
use runner_init::domain::record::{JobRecord, RowStatus, from_json};
use runner_init::domain::totals::{Bounds, Ledger};
use serde_json::{Map, Value};
use std::hash::{DefaultHasher, Hash, Hasher};

pub(super) fn run(bytes: &[u8]) {
    let Ok(mut object) = serde_json::from_slice::<Map<String, Value>>(bytes) else { return };
    let rows: Vec<JobRecord> = match object.remove("rows") {
        Some(Value::Array(rows)) => rows.iter().filter_map(|row| from_json(row.as_object()?).ok()).collect(),
        Some(_) | None => Vec::new(),
    };
    let (bounds, streams) = (Bounds::with_duration(vec![60.0]), StreamRule::default());
    let mut totals = FleetTotals::zero(&bounds, &streams);
    let mut seen = SeenRows::default();
    let mut jobs = 0;
    // Twice: what was not answered is sent again.
    for row in rows.iter().chain(&rows) {
        assert_eq!(*row, row.as_written());
        if row.status == RowStatus::Running {
            continue;
        }
        let keys = keys(row);
        if seen.judge(&keys) == Verdict::New {
            jobs += 1;
            totals.add(row);
        }
        seen.insert(&keys);
        assert_eq!(seen.judge(&keys), Verdict::Known);
    }
    let by = totals.by(&LabelName::ALL, 2);
    assert!(by.len() <= 3);
    let counted: u64 = by.iter().flat_map(|(_, totals)| totals.finished).sum();
    assert!(counted <= jobs && totals.is_sound());
    let mut told = ToldApart::of(&totals, &LabelName::ALL, 2);
    let known = rows.iter().filter(|row| told.admits(row)).count();
    assert!(known <= rows.len());
    if let Ok(hello) = serde_json::from_value::<Hello>(Value::Object(object)) {
        let mut roster = Roster::default();
        roster.heard(&hello, Some("::1"), jobs, super::utc());
        for (_, runner) in roster.all() {
            assert!(!runner.left || runner.address.is_none());
            let address = runner.address.as_deref().unwrap_or_default();
            assert!(!address.contains(|c: char| c.is_control() || c.is_whitespace()), "{address:?}");
        }
    }
}

fn keys(row: &JobRecord) -> Keys {
    let key = |part: &[u8]| {
        let mut hasher = DefaultHasher::new();
        part.hash(&mut hasher);
        hasher.finish()
    };
    let [job, whole, queue_time] = parts(row);
    Keys { job: key(&job), row: key(&whole), queue_time: row.queue_time.map(|_| key(&queue_time)) }
}
