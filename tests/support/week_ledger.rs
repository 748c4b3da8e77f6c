//! What has happened in the fleet, kept by those to whom it happened: no page, no Prometheus and no rule had a part in it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses the part it needs"
)]
#![allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]

use runner_init::domain::record::JobStatus;
use std::collections::BTreeMap;

/// A job that ended where a scrape would see it.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Milliseconds; on the page from then on.
    pub at: i64,
    /// Name of its runner; none if that was made for this job alone.
    pub runner: Option<String>,
    pub status: JobStatus,
    /// Milliseconds, if its end was witnessed.
    pub took: Option<i64>,
    pub deployment: bool,
    pub lead_time: bool,
}

/// The jobs of a time.
pub struct Ledger(pub Vec<Ended>);

/// What a panel should show: the value for each value of one label, or the one value under an empty one.
pub type Figures = BTreeMap<String, f64>;

impl Ledger {
    fn count(&self, which: impl Fn(&Ended) -> bool) -> f64 {
        self.0.iter().filter(|it| which(it)).count() as f64
    }

    fn is(status: JobStatus) -> impl Fn(&Ended) -> bool {
        move |it| it.status == status
    }

    pub fn by_status(&self) -> Figures {
        let all = JobStatus::ALL.into_iter();
        all.map(|status| (status.as_str().to_owned(), self.count(Ledger::is(status)))).collect()
    }

    pub fn by_runner(&self) -> Figures {
        let mut figures = Figures::new();
        for it in &self.0 {
            *figures.entry(it.runner.clone().unwrap_or("(by type)".into())).or_default() += 1.0;
        }
        figures
    }

    pub fn success_rate(&self) -> f64 {
        let [success, failed] = [JobStatus::Success, JobStatus::Failed].map(|it| self.count(Ledger::is(it)));
        success / (success + failed)
    }

    /// Milliseconds, as they are observed: in steps of 1/1024 s.
    fn seconds(ms: i64) -> f64 {
        (ms as f64 * 1.024).round() / 1024.0
    }

    pub fn below(&self, bound: f64) -> f64 {
        self.count(|it| it.took.is_some_and(|ms| Ledger::seconds(ms) <= bound))
    }

    pub fn mean(&self) -> f64 {
        let all: Vec<_> = self.0.iter().filter_map(|it| it.took).map(Ledger::seconds).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }

    /// Those that succeeded, those that failed, and those of known lead time.
    pub fn deployments(&self) -> [f64; 3] {
        let of = |status| self.count(move |it: &Ended| it.deployment && it.status == status);
        [of(JobStatus::Success), of(JobStatus::Failed), self.count(|it| it.lead_time)]
    }
}
