//! Rows as the receiver wants them: each format is one function of the same rows.

use crate::domain::record::{JobRecord, to_json};
use serde_json::{Value, json};

/// Who takes the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `runner-init collect`: who sends, and its rows.
    Json,
    /// A row a line: `VictoriaLogs`, `ClickHouse`, Vector.
    Ndjson,
    /// One array of rows: Fluent Bit, Logstash.
    Array,
    /// A sample a row, for `/api/v1/import` of `VictoriaMetrics`.
    VictoriaMetrics,
    /// Loki's push API.
    Loki,
}

impl Format {
    /// Every format, and its word.
    pub const ALL: [(&str, Format); 5] = [
        ("json", Format::Json),
        ("ndjson", Format::Ndjson),
        ("array", Format::Array),
        ("victoriametrics", Format::VictoriaMetrics),
        ("loki", Format::Loki),
    ];

    /// The content type of its requests.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Json | Format::Array | Format::Loki => "application/json",
            Format::Ndjson | Format::VictoriaMetrics => "application/x-ndjson",
        }
    }

    /// Whether the receiver wants to know who lives, rows or not.
    pub fn announces(self) -> bool {
        match self {
            Format::Json => true,
            Format::Ndjson | Format::Array | Format::VictoriaMetrics | Format::Loki => false,
        }
    }
}

/// Who sends: what a collector knows of a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// `RUNNER_NAME`.
    pub runner_name: String,
    /// `RUNNER_TYPE`.
    pub runner_type: String,
    /// Version of runner-init.
    pub init_version: &'static str,
    /// Whether it takes one job only.
    pub ephemeral: bool,
    /// The port of its `/metrics`, where that is served.
    pub metrics_port: Option<u16>,
    /// Where to scrape it, if that is another place than the address it is seen to come from.
    pub metrics_address: Option<String>,
}

/// Makes requests of rows.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// Who takes them.
    pub format: Format,
    /// Who sends.
    pub about: Announcement,
    /// The name of the series of ended jobs, where the receiver stores series.
    pub series: &'static str,
}

impl Encoder {
    /// The body of one request of these rows; `None` if there is nothing in them for this receiver.
    pub fn encode(&self, rows: &[JobRecord], leaves: bool) -> Option<Vec<u8>> {
        let values = || rows.iter().map(|row| Value::Object(to_json(row)));
        let text = match self.format {
            Format::Json => self.envelope(&values().collect::<Vec<_>>(), leaves).to_string(),
            _ if rows.is_empty() => return None,
            Format::Ndjson => lines(values()),
            Format::Array => Value::Array(values().collect()).to_string(),
            Format::VictoriaMetrics => lines(rows.iter().filter_map(|row| self.sample(row))),
            Format::Loki => self.streams(rows).to_string(),
        };
        Some(text.into_bytes()).filter(|body| !body.is_empty())
    }

    fn envelope(&self, rows: &[Value], leaves: bool) -> Value {
        let about = &self.about;
        json!({
            "runner_name": about.runner_name,
            "runner_type": about.runner_type,
            "init_version": about.init_version,
            "ephemeral": about.ephemeral,
            "metrics_port": about.metrics_port,
            "metrics_address": about.metrics_address,
            "leaving": leaves,
            "rows": rows,
        })
    }

    /// The value 1 at the job's end. What only says more of a job is no end, and no label holds a job's text.
    fn sample(&self, row: &JobRecord) -> Option<Value> {
        if row.origin.amendment == Some(true) {
            return None;
        }
        let status = to_json(row).remove("status");
        let labels = json!({
            "__name__": self.series,
            "runner_name": self.about.runner_name,
            "runner_type": self.about.runner_type,
            "status": status,
        });
        Some(json!({ "metric": labels, "values": [1], "timestamps": [row.timestamp.timestamp_millis()] }))
    }

    fn streams(&self, rows: &[JobRecord]) -> Value {
        let entry = |row: &JobRecord| {
            let at = format!("{}000000", row.timestamp.timestamp_millis());
            json!([at, Value::Object(to_json(row)).to_string()])
        };
        let entries: Vec<Value> = rows.iter().map(entry).collect();
        let labels = json!({ "job": "github-runner-jobs", "runner_type": self.about.runner_type });
        json!({ "streams": [{ "stream": labels, "values": entries }] })
    }
}

fn lines(values: impl Iterator<Item = Value>) -> String {
    let mut text = String::new();
    for value in values {
        text.push_str(&value.to_string());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::{JobStatus, Origin, RowStatus};

    fn row(n: i64, amendment: bool) -> JobRecord {
        JobRecord {
            job_id: n.to_string(),
            timestamp: chrono::DateTime::from_timestamp_millis(1_800_000_000_123 + n).unwrap(),
            status: RowStatus::Finished(JobStatus::Success),
            job_name: Some("a\nb".into()),
            origin: Origin { amendment: Some(amendment), ..Origin::default() },
            ..JobRecord::blank()
        }
    }

    fn text(format: Format, rows: &[JobRecord]) -> Option<(&'static str, String)> {
        let about = Announcement {
            runner_name: "r".into(),
            runner_type: "standard".into(),
            init_version: "2.4.0",
            ephemeral: true,
            metrics_port: Some(9091),
            metrics_address: None,
        };
        let body = Encoder { format, about, series: "job_ended" }.encode(rows, false)?;
        Some((format.content_type(), String::from_utf8(body).unwrap()))
    }

    #[test]
    fn each_receiver_has_its_form() {
        let rows = [row(1, false), row(2, true)];
        let (kind, body) = text(Format::Ndjson, &rows).unwrap();
        assert_eq!((kind, body.lines().count(), body.ends_with("}\n")), ("application/x-ndjson", 2, true));
        let line: Value = serde_json::from_str(body.lines().next().unwrap()).unwrap();
        let (_, array) = text(Format::Array, &rows).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&array).unwrap()[0], line);
        let (_, envelope) = text(Format::Json, &rows).unwrap();
        let envelope: Value = serde_json::from_str(&envelope).unwrap();
        assert_eq!((&envelope["rows"][0], &envelope["metrics_port"]), (&line, &json!(9091)));
        let (_, loki) = text(Format::Loki, &rows).unwrap();
        let loki: Value = serde_json::from_str(&loki).unwrap();
        let entry = &loki["streams"][0]["values"][0];
        assert_eq!(entry[0], "1800000000124000000");
        assert_eq!(serde_json::from_str::<Value>(entry[1].as_str().unwrap()).unwrap(), line);
        let (_, samples) = text(Format::VictoriaMetrics, &rows).unwrap();
        assert_eq!(
            samples,
            "{\"metric\":{\"__name__\":\"job_ended\",\"runner_name\":\"r\",\"runner_type\":\"standard\",\"status\":\"success\"},\
             \"timestamps\":[1800000000124],\"values\":[1]}\n",
            "an amendment is no job"
        );
    }

    #[test]
    fn only_a_collector_is_told_that_there_is_nothing() {
        for (word, format) in Format::ALL {
            assert_eq!(text(format, &[]).is_some(), format.announces(), "{word}");
        }
        assert_eq!(text(Format::VictoriaMetrics, &[row(1, true)]), None);
    }
}
