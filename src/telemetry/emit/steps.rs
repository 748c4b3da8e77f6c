//! How long steps took: of every job its set-up and its post steps, of others those that were asked for.

use super::c;
use crate::domain::step_times::StepTimes;
use crate::domain::steps::StepsRow;
use crate::domain::totals::{to_seconds, to_ticks};
use metrics::histogram;
use tracing::debug;

/// What is known of a job's steps, behind its row.
pub(super) fn known(times: &mut StepTimes, row: &StepsRow) {
    for (step, took) in times.of(&row.steps) {
        histogram!(c::STEP_DURATION.name, "step" => step).record(to_seconds(to_ticks(took)));
    }
    debug!(event = "steps_known", job_id = row.job_id, steps = row.steps.steps.len(), more = row.steps.more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::JobRecord;
    use crate::domain::step_times::{POST, SET_UP};
    use crate::domain::steps::{JobSteps, Step, StepKind, StepResult};
    use crate::domain::totals::Bounds;
    use crate::telemetry::exporter::Exporter;
    use chrono::{DateTime, TimeDelta};

    #[test]
    fn a_runner_has_series_of_the_steps_that_every_job_has_once_it_had_one() {
        let page = |row: Option<&StepsRow>| {
            let text = Exporter::alone(&Bounds::with_duration(vec![60.0]), |exporter| {
                exporter.release();
                if let Some(row) = row {
                    known(&mut StepTimes::default(), row);
                }
            });
            let of_steps = text.lines().filter(|line| line.starts_with(c::STEP_DURATION.name));
            of_steps.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(page(None), [""; 0], "an idle runner says nothing of them");
        let step = |number, kind, seconds| Step {
            number,
            name: "Build".to_owned(),
            kind,
            result: Some(StepResult::Success),
            started: DateTime::UNIX_EPOCH,
            ended: DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds),
        };
        let steps = [
            (1, StepKind::SetUp, 3),
            (2, StepKind::Main, 90),
            (3, StepKind::Post, 4),
            (4, StepKind::Post, 5),
        ];
        let steps = JobSteps::new(steps.map(|(number, kind, seconds)| step(number, kind, seconds)));
        let job = JobRecord { started_at: Some(DateTime::UNIX_EPOCH), ..JobRecord::blank() };
        let row = StepsRow::of(&job, steps).expect("it began");
        let lines = page(Some(&row));
        assert_eq!(lines.len(), 12, "{lines:#?}");
        for (step, sum) in [(SET_UP, 3), (POST, 9)] {
            let says = |part: &str, value: u32| {
                let is = |line: &&String| line.contains(part) && line.contains(&format!("step=\"{step}\""));
                let found = lines.iter().filter(is).filter(|line| line.ends_with(&format!(" {value}")));
                assert_eq!(found.count(), 1, "{part} of {step}: {lines:#?}");
            };
            says("_sum", sum);
            says("_count", 1);
        }
    }
}
