//! Which of the last jobs a path means: its id in the job log, and when it began where several have one id.

use crate::domain::record::JobRecord;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, SubsecRound as _, Utc};
use serde::Deserialize;

/// `?started_at=`: the jobs of a matrix have one id, and so have the attempts of a run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobQuery {
    started_at: Option<DateTime<Utc>>,
}

/// The newest of `recent` that is meant.
///
/// # Errors
/// The answer, if there is none or the query cannot be read.
#[expect(clippy::result_large_err, reason = "a refusal is an answer like any other")]
pub(super) fn find<'a>(
    query: Result<Query<JobQuery>, QueryRejection>,
    recent: &'a [JobRecord],
    id: &str,
) -> Result<&'a JobRecord, Response> {
    const EXPECTED: &str = "expected started_at=RFC 3339\n";
    const NONE: &str = "none of the last 50 jobs\n";
    let Query(query) = query.map_err(|_| (StatusCode::BAD_REQUEST, EXPECTED).into_response())?;
    query.find(recent, id).ok_or_else(|| (StatusCode::NOT_FOUND, NONE).into_response())
}

impl JobQuery {
    fn find<'a>(&self, recent: &'a [JobRecord], id: &str) -> Option<&'a JobRecord> {
        let began = |row: &JobRecord| row.started_at.map(|at| at.trunc_subsecs(3));
        let is_meant = |row: &&JobRecord| {
            row.job_id == id && self.started_at.is_none_or(|at| began(row) == Some(at.trunc_subsecs(3)))
        };
        recent.iter().rev().find(is_meant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, second: i64) -> JobRecord {
        let started_at = DateTime::from_timestamp(1_800_000_000 + second, 123_456_789);
        JobRecord { job_id: id.to_owned(), started_at, ..JobRecord::blank() }
    }

    #[test]
    fn of_jobs_with_one_id_the_newest_is_meant_or_the_one_that_began_then() {
        let recent = [row("7_build", 1), row("7_build", 2), row("8_build", 3)];
        let find = |id: &str, started_at: Option<&str>| {
            let query = JobQuery { started_at: started_at.map(|at| at.parse().expect("a time")) };
            recent.iter().position(|row| query.find(&recent, id) == Some(row))
        };
        assert_eq!(find("7_build", None), Some(1));
        assert_eq!(find("7_build", Some("2027-01-15T08:00:01.123Z")), Some(0));
        assert_eq!(find("7_build", Some("2027-01-15T08:00:03.123Z")), None, "another job began then");
        assert_eq!(find("9_build", None), None);
    }
}
