//! The same in the words of OpenTelemetry's CI/CD conventions: beside our own names, from the same reading.
//!
//! Names, units and attributes are those of the conventions (release candidate). A pipeline's name is a job's text, which is
//! no label here: it is `_OTHER`, unless the resource names the one pipeline that this runner is for.

use super::catalog;
use crate::domain::otlp::{Distribution, Instrument, InstrumentKind, Point, PointValue, Since};
use crate::domain::record::JobStatus;
use std::collections::BTreeMap;

/// The resource attribute that names the pipeline, and the attribute of the points.
pub(super) const PIPELINE: &str = "cicd.pipeline.name";
/// What the conventions have for a value that would not be bounded.
const OTHER: &str = "_OTHER";
/// Ends of the listener that are no error of anybody's.
const NO_ERRORS: [&str; 3] = ["runner_updating", "run_once_runner_updating", "reregistered"];

const DURATION: &str = "Duration of a pipeline run grouped by pipeline, state and result.";
const ACTIVE: &str = "The number of pipeline runs currently active in the system by state.";
const RUN_ERRORS: &str = "The number of errors encountered in pipeline runs (eg. compile, test failures).";
const WORKERS: &str = "The number of workers on the CI/CD system by state.";
const SYSTEM_ERRORS: &str =
    "The number of errors in a component of the CI/CD system (eg. controller, scheduler, agent).";

/// How long the jobs of this life took, by how they ended: the registry does not tell them apart.
#[derive(Debug)]
pub(super) struct Runs {
    bounds: Vec<f64>,
    by_result: BTreeMap<&'static str, Distribution>,
}

impl Runs {
    /// None yet, to be sorted by these bounds.
    pub(super) fn new(bounds: Vec<f64>) -> Runs {
        Runs { bounds, by_result: BTreeMap::new() }
    }

    /// One is over, and took so many seconds.
    pub(super) fn ended(&mut self, status: JobStatus, seconds: f64) {
        let fresh = || Distribution::new(&self.bounds);
        self.by_result.entry(result(status)).or_insert_with(fresh).record(seconds);
    }
}

/// `cicd.pipeline.result`
fn result(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Success => "success",
        JobStatus::Failed => "failure",
        JobStatus::Cancelled => "cancellation",
        JobStatus::Skipped => "skip",
        JobStatus::Abandoned => "error",
    }
}

/// `error.type` of a result that is one, and of the status of a job.
fn error_of(result: &str) -> Option<&'static str> {
    match result {
        "failure" | "failed" => Some("failed"),
        "error" | "abandoned" => Some("abandoned"),
        _ => None,
    }
}

/// What the reading says in these words.
pub(super) fn instruments(reading: &[Instrument], runs: &Runs, pipeline: Option<&str>) -> Vec<Instrument> {
    let pipeline = pipeline.unwrap_or(OTHER);
    let points_of = |name: &str| {
        let found = reading.iter().find(|instrument| instrument.name == name);
        found.map(|instrument| instrument.points.as_slice()).unwrap_or_default()
    };
    let is_busy = !points_of(catalog::JOB_START.name).is_empty();
    let is_online = points_of(catalog::STATUS.name).iter().any(|point| point.value == PointValue::Float(1.0));
    let state = match (is_busy, is_online) {
        (true, _) => "busy",
        (false, true) => "available",
        (false, false) => "offline",
    };
    let labelled = |point: &Point, name: &str| {
        let found = point.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let executing = [(PIPELINE, pipeline), ("cicd.pipeline.run.state", "executing")];
    let pending = [(PIPELINE, pipeline), ("cicd.pipeline.run.state", "pending")];
    let taken = runs.by_result.iter().map(|(result, taken)| {
        let error = error_of(result).map(|error| ("error.type", error));
        let attributes = executing.into_iter().chain([("cicd.pipeline.result", *result)]).chain(error);
        point(&attributes.collect::<Vec<_>>(), Since::Process, PointValue::Buckets(taken.clone()))
    });
    let waited = points_of(catalog::QUEUE_TIME.name).iter();
    let waited = waited.map(|waited| point(&pending, waited.since, waited.value.clone()));
    let failed = points_of(catalog::JOBS.name).iter().filter_map(|job| {
        let error = error_of(&labelled(job, "status"))?;
        Some(point(&[(PIPELINE, pipeline), ("error.type", error)], job.since, job.value.clone()))
    });
    let one_of = |is_it: bool| PointValue::Int(is_it.into());
    let workers = ["available", "busy", "offline"]
        .map(|each| point(&[("cicd.worker.state", each)], Since::Process, one_of(each == state)));
    let (histogram, counter) = (InstrumentKind::Histogram, InstrumentKind::Counter);
    let (up_down, active) =
        (InstrumentKind::UpDownCounter, point(&executing, Since::Process, one_of(is_busy)));
    vec![
        of(["cicd.pipeline.run.duration", "s", DURATION], histogram, taken.chain(waited)),
        of(["cicd.pipeline.run.active", "{run}", ACTIVE], up_down, [active]),
        of(["cicd.pipeline.run.errors", "{error}", RUN_ERRORS], counter, failed),
        of(["cicd.worker.count", "{count}", WORKERS], up_down, workers),
        of(["cicd.system.errors", "{error}", SYSTEM_ERRORS], counter, system_errors(&points_of, &labelled)),
    ]
}

/// What went wrong around jobs, by who had the trouble: the listener, its connection, or the job log.
fn system_errors<'a>(
    points_of: &impl Fn(&str) -> &'a [Point],
    labelled: &impl Fn(&Point, &str) -> String,
) -> Vec<Point> {
    let error = |component: &str, kind: &str, value: &PointValue| {
        point(&[("cicd.system.component", component), ("error.type", kind)], Since::Process, value.clone())
    };
    let lost = points_of(catalog::CONNECTION_ERRORS.name).iter();
    let lost = lost.map(|point| error("connection", "connection_lost", &point.value));
    let by = |component: &'static str, name: &str, label: &'static str| {
        let points = points_of(name).iter().map(move |point| (labelled(point, label), &point.value));
        points.map(|(kind, value)| (component, kind, value)).collect::<Vec<_>>()
    };
    let restarts = by("listener", catalog::RESTARTS.name, "reason");
    let restarts = restarts.into_iter().filter(|(_, reason, _)| !NO_ERRORS.contains(&reason.as_str()));
    let faults = by("job_log", catalog::JOURNAL_FAULTS.name, "kind");
    let others = restarts.chain(faults).map(|(component, kind, value)| error(component, &kind, value));
    lost.chain(others).collect()
}

fn of(
    [name, unit, description]: [&'static str; 3],
    kind: InstrumentKind,
    points: impl IntoIterator<Item = Point>,
) -> Instrument {
    let points = points.into_iter().collect();
    Instrument { name: name.into(), description: description.into(), unit, kind, points }
}

fn point(attributes: &[(&str, &str)], since: Since, value: PointValue) -> Point {
    let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Point { attributes, since, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(samples: &[(&str, &str, PointValue)]) -> Vec<Instrument> {
        let one = |(name, label, value): &(&str, &str, PointValue)| {
            let (key, said) = label.split_once('=').unwrap_or_default();
            let point = point(&[("runner_name", "a"), (key, said)], Since::JobLog, value.clone());
            Instrument {
                name: (*name).to_owned(),
                description: String::new(),
                unit: "",
                kind: InstrumentKind::Gauge,
                points: vec![point],
            }
        };
        samples.iter().map(one).collect()
    }

    /// `name{values of the attributes} value`
    fn said(instruments: &[Instrument]) -> Vec<String> {
        let line = |instrument: &Instrument, point: &Point| {
            let labels: Vec<_> = point.attributes.iter().map(|(_, value)| value.as_str()).collect();
            let value = match &point.value {
                PointValue::Int(value) => value.to_string(),
                PointValue::Float(value) => value.to_string(),
                PointValue::Buckets(buckets) => format!("{:?} {}", buckets.counts, buckets.sum),
            };
            format!("{}{{{}}} {value}", instrument.name.trim_start_matches("cicd."), labels.join(" "))
        };
        instruments.iter().flat_map(|each| each.points.iter().map(move |point| line(each, point))).collect()
    }

    #[test]
    fn a_busy_runner_whose_jobs_fared_differently() {
        let mut runs = Runs::new(vec![10.0]);
        runs.ended(JobStatus::Success, 3.0);
        runs.ended(JobStatus::Success, 30.0);
        runs.ended(JobStatus::Failed, 4.0);
        runs.ended(JobStatus::Abandoned, 5.0);
        let waited = Distribution { bounds: vec![1.0], counts: vec![2, 0], sum: 0.5 };
        let reading = reading(&[
            (catalog::STATUS.name, "", PointValue::Float(1.0)),
            (catalog::JOB_START.name, "", PointValue::Float(17.0)),
            (catalog::JOBS.name, "status=failed", PointValue::Int(7)),
            (catalog::QUEUE_TIME.name, "", PointValue::Buckets(waited)),
            (catalog::CONNECTION_ERRORS.name, "", PointValue::Int(2)),
            (catalog::RESTARTS.name, "reason=oom_killed", PointValue::Int(1)),
            (catalog::JOURNAL_FAULTS.name, "kind=torn_tail", PointValue::Int(3)),
        ]);
        assert_eq!(
            said(&instruments(&reading, &runs, Some("Build"))),
            [
                "pipeline.run.duration{Build executing error abandoned} [1, 0] 5",
                "pipeline.run.duration{Build executing failure failed} [1, 0] 4",
                "pipeline.run.duration{Build executing success} [1, 1] 33",
                "pipeline.run.duration{Build pending} [2, 0] 0.5",
                "pipeline.run.active{Build executing} 1",
                "pipeline.run.errors{Build failed} 7",
                "worker.count{available} 0",
                "worker.count{busy} 1",
                "worker.count{offline} 0",
                "system.errors{connection connection_lost} 2",
                "system.errors{listener oom_killed} 1",
                "system.errors{job_log torn_tail} 3",
            ]
        );
    }

    #[test]
    fn what_is_no_error_is_none_and_what_is_not_known_is_not_told() {
        let reading = reading(&[
            (catalog::STATUS.name, "", PointValue::Float(0.0)),
            (catalog::JOBS.name, "status=success", PointValue::Int(7)),
            (catalog::RESTARTS.name, "reason=runner_updating", PointValue::Int(1)),
        ]);
        assert_eq!(
            said(&instruments(&reading, &Runs::new(vec![10.0]), None)),
            [
                "pipeline.run.active{_OTHER executing} 0",
                "worker.count{available} 0",
                "worker.count{busy} 0",
                "worker.count{offline} 1",
            ]
        );
    }
}
