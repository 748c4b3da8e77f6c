//! What is sent, read: who sends, its rows, and how many of them are none.

use crate::domain::fleet::roster::Hello;
use crate::domain::record::{JobRecord, RowStatus, from_json};
use serde_json::{Map, Value};

/// Rows of one request, at most.
const MOST: usize = 5000;

/// A request that can be read.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) hello: Hello,
    pub(super) rows: Vec<JobRecord>,
    /// Rows that are none, and what is wrong with the first of them.
    pub(super) refused: u64,
    pub(super) fault: Option<String>,
}

/// Reads a body. A row that cannot be read keeps no other from being taken: it would be sent for ever.
///
/// # Errors
/// In words, if the request as a whole is none.
pub(super) fn read(body: &[u8]) -> Result<Sent, String> {
    let mut object: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| format!("expected one JSON object: {error}"))?;
    let rows = match object.remove("rows") {
        None => Vec::new(),
        Some(Value::Array(rows)) if rows.len() <= MOST => rows,
        Some(_) => return Err(format!("expected rows to be an array of at most {MOST}")),
    };
    let hello: Hello = serde_json::from_value(Value::Object(object)).map_err(|error| error.to_string())?;
    if hello.runner_name.trim().is_empty() {
        return Err("expected a runner_name".to_owned());
    }
    let mut sent = Sent { hello, rows: Vec::with_capacity(rows.len()), refused: 0, fault: None };
    for row in rows {
        match one(&row, &sent.hello) {
            Ok(row) => sent.rows.push(row),
            Err(fault) => {
                sent.refused += 1;
                sent.fault.get_or_insert(fault);
            }
        }
    }
    Ok(sent)
}

/// A row of a job that is over; what it does not say of its runner, who sends it has said.
fn one(row: &Value, hello: &Hello) -> Result<JobRecord, String> {
    let object = row.as_object().ok_or("a row is no object")?;
    let mut record = from_json(object).map_err(|fault| fault.to_string())?;
    if record.status == RowStatus::Running {
        return Err("the job is not over".to_owned());
    }
    let filled =
        |text: Option<String>, other: &str| text.or_else(|| Some(other.to_owned()).filter(|o| !o.is_empty()));
    record.origin.runner_name = filled(record.origin.runner_name, &hello.runner_name);
    record.origin.runner_type = filled(record.origin.runner_type, &hello.runner_type);
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"{"timestamp":"2026-11-22T20:18:00Z","job_id":"1","status":"success"}"#;

    #[test]
    fn a_row_that_is_none_keeps_no_other_out() {
        let running = ROW.replace("success", "running");
        let body = format!(
            r#"{{"runner_name":"r","runner_type":"chrome","rows":[{ROW},{{"job_id":"2"}},7,{running}]}}"#
        );
        let sent = read(body.as_bytes()).unwrap();
        assert_eq!(
            (sent.rows.len(), sent.refused, sent.fault.as_deref()),
            (1, 3, Some("timestamp is not a time"))
        );
        let origin = &sent.rows[0].origin;
        assert_eq!(
            (origin.runner_name.as_deref(), origin.runner_type.as_deref()),
            (Some("r"), Some("chrome"))
        );
    }

    #[test]
    fn a_request_that_is_none_is_refused_in_words() {
        for (body, says) in [
            ("", "expected one JSON object"),
            ("[]", "expected one JSON object"),
            ("{}", "runner_name"),
            (r#"{"runner_name":" "}"#, "expected a runner_name"),
            (r#"{"runner_name":"r","rows":{}}"#, "expected rows to be an array"),
        ] {
            let fault = read(body.as_bytes()).unwrap_err();
            assert!(fault.contains(says), "{body}: {fault}");
        }
        assert_eq!(read(br#"{"runner_name":"r"}"#).unwrap().rows.len(), 0);
    }
}
