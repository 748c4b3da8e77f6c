//! A row as a JSON object: the columns by their names, what is unknown left out, and an id by which a row that comes twice is known.

use super::columns::COLUMNS;
use super::fields::{inert, instant_text, text_as_written};
use super::{JobRecord, RowFault, RowFaultKind};
use serde_json::{Map, Value};

/// The member that says which job a row is of; the same in every row of it.
pub const EVENT_ID: &str = "event_id";

/// Runner, job, attempt and start: no two jobs have all of them in common.
pub fn event_id(row: &JobRecord) -> String {
    let part = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
    let runner = part(&row.origin.runner_name);
    let attempt = part(&row.context.run_attempt);
    let start = row.started_at.map(instant_text).unwrap_or_default();
    format!("{runner}/{}/{attempt}/{start}", text_as_written(&row.job_id))
}

/// The row as an object, as the log would give it back.
pub fn to_json(row: &JobRecord) -> Map<String, Value> {
    let written = row.as_written();
    let cells = COLUMNS.iter().filter_map(|column| {
        let value = (column.of)(&written).json()?;
        Some((column.name.to_owned(), value))
    });
    let mut object: Map<String, Value> = cells.collect();
    object.insert(EVENT_ID.to_owned(), event_id(&written).into());
    object
}

/// Reads such an object; members of other names are of no interest.
///
/// # Errors
/// The first member that cannot be what its column holds.
pub fn from_json(object: &Map<String, Value>) -> Result<JobRecord, RowFault> {
    let mut record = JobRecord::blank();
    for column in &COLUMNS {
        let cell = match object.get(column.name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => inert(&text_as_written(text)).into_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Array(_) | Value::Object(_)) => {
                return Err(RowFault { kind: RowFaultKind::Text });
            }
        };
        let read = (column.of_mut)(&mut record).read(column.name, cell.as_bytes());
        read.map_err(|kind| RowFault { kind })?;
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::super::{JobStatus, Origin, RowStatus, arbitrary};
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn row() -> JobRecord {
        JobRecord {
            job_id: "7_build".into(),
            timestamp: "2026-11-22T20:18:00.123Z".parse().unwrap(),
            started_at: Some("2026-11-22T20:17:00Z".parse().unwrap()),
            status: RowStatus::Finished(JobStatus::Failed),
            duration: Some(Duration::from_millis(60_123)),
            job_name: Some("=a\nb".into()),
            deployment: Some(true),
            origin: Origin { runner_name: Some("r".into()), ..Origin::default() },
            ..JobRecord::blank()
        }
    }

    #[test]
    fn it_has_the_names_of_the_log_and_leaves_out_what_is_unknown() {
        let want = r#"{"deployment":true,"duration_seconds":60.123,"event_id":"r/7_build//2026-11-22T20:17:00.000Z","job_id":"7_build","job_name":"=a b","runner_name":"r","started_at":"2026-11-22T20:17:00.000Z","status":"failed","timestamp":"2026-11-22T20:18:00.123Z"}"#;
        assert_eq!(Value::Object(to_json(&row())), serde_json::from_str::<Value>(want).unwrap());
    }

    #[test]
    fn what_cannot_be_a_column_is_a_fault() {
        let with = |name: &str, value: Value| {
            let mut object = to_json(&row());
            object.insert(name.into(), value);
            from_json(&object).map_err(|fault| fault.kind)
        };
        assert_eq!(with("unheard_of", 1.into()).unwrap(), row().as_written());
        assert_eq!(with("timestamp", Value::Null).unwrap_err(), RowFaultKind::Time("timestamp"));
        assert_eq!(with("status", "gone".into()).unwrap_err(), RowFaultKind::Status);
        assert_eq!(
            with("duration_seconds", (-1).into()).unwrap_err(),
            RowFaultKind::Duration("duration_seconds")
        );
        assert_eq!(with("job_name", Value::Array(vec![])).unwrap_err(), RowFaultKind::Text);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(record in arbitrary::record()) {
            let text = serde_json::to_string(&to_json(&record)).unwrap();
            let object: Map<String, Value> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(from_json(&object).unwrap(), record.as_written());
        }
    }
}
