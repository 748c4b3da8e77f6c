//! The metrics page of a collector: the families of the catalogue by the chosen labels, drawn from the sums themselves, so that it
//! is exact and needs no memory of its own.

use super::catalog::{self as c, Metric, MetricKind};
use crate::domain::dora::Outcome;
use crate::domain::fleet::{LabelName, Labels};
use crate::domain::record::{FaultKind, JobStatus};
use crate::domain::totals::{Buckets, Totals};
use chrono::{DateTime, Utc};
use std::fmt::Write as _;

/// What became of the rows that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Jobs that were counted.
    pub counted: u64,
    /// They said more of a job that was counted.
    pub amended: u64,
    /// They had come before.
    pub known: u64,
    /// They could not be read.
    pub refused: u64,
}

/// All that the page is drawn from.
#[derive(Debug)]
pub struct FleetPage<'a> {
    /// By which labels jobs are told apart.
    pub chosen: &'a [LabelName],
    /// What they add up to.
    pub groups: &'a [(Labels, Totals)],
    /// Rows since the start.
    pub rows: RowCounts,
    /// Jobs that were counted as others, since the start.
    pub other: u64,
    /// Runners that live, as far as can be told.
    pub runners: usize,
    /// Faults of the job log since the start, in the order of [`FaultKind::ALL`].
    pub faults: [u64; 5],
    /// When the last row came.
    pub last_row: Option<DateTime<Utc>>,
}

impl FleetPage<'_> {
    /// The page in text format 0.0.4.
    pub fn draw(&self) -> String {
        let mut families = vec![
            self.of_groups(&c::JOBS, |totals, series| {
                for (status, count) in JobStatus::ALL.iter().zip(totals.finished) {
                    series.value(&[("status", status.as_str())], count);
                }
            }),
            self.of_groups(&c::DEPLOYMENTS, |totals, series| {
                for (outcome, count) in Outcome::ALL.iter().zip(totals.dora.deployments) {
                    series.value(&[("status", outcome.as_str())], count);
                }
            }),
            self.of_groups(&c::LAST_DEPLOYMENT, |totals, series| {
                for (outcome, newest) in Outcome::ALL.iter().zip(totals.dora.newest) {
                    if let Some(newest) = newest {
                        series.value(&[("status", outcome.as_str())], seconds(newest));
                    }
                }
            }),
            self.of_groups(&c::JOB_DURATION, |totals, series| series.histogram(&totals.duration)),
            self.of_groups(&c::QUEUE_TIME, |totals, series| series.histogram(&totals.queue_time)),
            self.of_groups(&c::LEAD_TIME, |totals, series| series.histogram(&totals.lead_time)),
            self.of_groups(&c::RECOVERY_TIME, |totals, series| series.histogram(&totals.recovery_time)),
        ];
        let rows = [self.rows.counted, self.rows.amended, self.rows.known, self.rows.refused];
        families.push(own(&c::COLLECT_ROWS, |series| {
            for (result, count) in c::COLLECT_RESULTS.iter().zip(rows) {
                series.value(&[("result", result)], count);
            }
        }));
        families.push(own(&c::COLLECT_OTHER, |series| series.value(&[], self.other)));
        families.push(own(&c::COLLECT_RUNNERS, |series| series.value(&[], self.runners)));
        families.push(own(&c::COLLECT_LAST_ROW, |series| {
            if let Some(at) = self.last_row {
                series.value(&[], seconds(at));
            }
        }));
        families.push(own(&c::JOURNAL_FAULTS, |series| {
            for (kind, count) in FaultKind::ALL.iter().zip(self.faults) {
                series.value(&[("kind", kind.as_str())], count);
            }
        }));
        families.sort_unstable();
        families.into_iter().map(|(_, text)| text).collect()
    }

    fn of_groups(
        &self,
        metric: &'static Metric,
        draw: impl Fn(&Totals, &mut Series<'_>),
    ) -> (&'static str, String) {
        let mut text = String::new();
        for (labels, totals) in self.groups {
            let fixed =
                self.chosen.iter().map(|name| (name.as_str(), labels[*name as usize].as_str())).collect();
            draw(totals, &mut Series { name: metric.name, fixed, text: &mut text });
        }
        (metric.name, headed(metric, text))
    }
}

fn own(metric: &'static Metric, draw: impl Fn(&mut Series<'_>)) -> (&'static str, String) {
    let mut text = String::new();
    draw(&mut Series { name: metric.name, fixed: Vec::new(), text: &mut text });
    (metric.name, headed(metric, text))
}

/// A family without a series is not there.
fn headed(metric: &Metric, series: String) -> String {
    if series.is_empty() {
        return series;
    }
    let (name, kind) = (metric.name, metric.kind.as_str());
    let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
    debug_assert!(metric.kind != MetricKind::Histogram || series.contains("_bucket"));
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{series}")
}

/// Writes the series of one family and one group.
struct Series<'a> {
    name: &'static str,
    fixed: Vec<(&'static str, &'a str)>,
    text: &'a mut String,
}

impl Series<'_> {
    fn value(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.line("", labels, value);
    }

    fn histogram(&mut self, buckets: &Buckets) {
        let mut below = 0;
        let bounds = buckets.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, cell) in bounds.zip(&buckets.cells) {
            below += cell.count;
            self.line("_bucket", &[("le", &bound)], below);
        }
        self.line("_sum", &[], buckets.sum());
        self.line("_count", &[], buckets.count());
    }

    /// An empty value is a label that is not there.
    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let known = self.fixed.iter().chain(labels).filter(|(_, value)| !value.is_empty());
        let labels: Vec<String> =
            known.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // A string's Display cannot fail.
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.name);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(at: DateTime<Utc>) -> f64 {
    // Milliseconds since 1970 stay exact in an f64 for 285,000 years.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let millis = at.timestamp_millis() as f64;
    millis / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dora::StreamRule;
    use crate::domain::fleet::FleetTotals;
    use crate::domain::record::{JobRecord, Origin, RowStatus};
    use crate::domain::totals::{Bounds, Ledger as _};
    use std::time::Duration;

    fn page(chosen: &[LabelName]) -> String {
        let mut totals = FleetTotals::zero(&Bounds::with_duration(vec![1.5, 60.0]), &StreamRule::default());
        for (kind, seconds) in [("a\"\\b", 1), ("a\"\\b", 61), ("c", 60)] {
            let mut row = JobRecord { status: RowStatus::Finished(JobStatus::Failed), ..JobRecord::blank() };
            row.duration = Some(Duration::from_secs(seconds));
            row.origin = Origin { runner_type: Some(kind.into()), ..Origin::default() };
            totals.add(&row);
        }
        let groups = totals.by(chosen, 9);
        let rows = RowCounts { counted: 3, known: 1, ..RowCounts::default() };
        let faults = [0; 5];
        FleetPage { chosen, groups: &groups, rows, other: 0, runners: 2, faults, last_row: None }.draw()
    }

    /// With the beginning that all names have.
    fn named(text: &str) -> String {
        text.replace('@', c::JOBS.name.strip_suffix("jobs_total").unwrap())
    }

    #[test]
    fn every_series_has_its_labels_and_the_sums_are_exact() {
        let page = page(&[LabelName::RunnerType]);
        for line in [
            "@jobs_total{runner_type=\"a\\\"\\\\b\",status=\"failed\"} 2",
            "@jobs_total{runner_type=\"c\",status=\"success\"} 0",
            "@job_duration_seconds_bucket{runner_type=\"c\",le=\"60\"} 1",
            "@job_duration_seconds_bucket{runner_type=\"a\\\"\\\\b\",le=\"1.5\"} 1",
            "@job_duration_seconds_bucket{runner_type=\"a\\\"\\\\b\",le=\"+Inf\"} 2",
            "@job_duration_seconds_sum{runner_type=\"a\\\"\\\\b\"} 62",
            "@collect_rows_total{result=\"known\"} 1",
            "@collect_runners 2",
            "# TYPE @jobs_total counter",
        ] {
            let line = named(line);
            assert!(page.lines().any(|known| known == line), "{line}\n{page}");
        }
        assert!(!page.contains("last_row") && !page.contains("runner_name"), "what is unknown is absent");
        let names: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(names.is_sorted() && names.len() >= 10, "{names:?}");
    }

    #[test]
    fn without_labels_there_is_one_of_each() {
        let page = page(&[]);
        assert!(page.contains(&named("\n@jobs_total{status=\"failed\"} 3\n")), "{page}");
        assert!(page.contains(&named("\n@job_duration_seconds_count 3\n")), "{page}");
    }
}
