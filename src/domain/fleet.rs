//! Many runners' jobs: what their rows add up to, by runner type, repository and workflow; bounded, whoever sends what.

pub mod roster;
pub mod seen;

use super::dora::StreamRule;
use super::record::{FLEET_HEADER, JobRecord, RowStatus};
use super::totals::{Bounds, Ledger, Totals};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Finished jobs shown to the world.
pub const RECENT: usize = 200;
/// Combinations of runner type, repository and workflow that are told apart; what comes later is [`OTHER`].
pub const MAX_GROUPS: usize = 2000;
/// The label value of what is not told apart.
pub const OTHER: &str = "other";
/// Characters of a label's value.
const LONGEST_VALUE: usize = 200;

/// Runner type, repository and workflow; empty where unknown.
pub type Labels = [String; 3];

/// By which of these the metrics tell jobs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelName {
    /// `RUNNER_TYPE` of the runner.
    RunnerType,
    /// `OWNER/REPOSITORY`.
    Repository,
    /// The workflow's name.
    Workflow,
}

impl LabelName {
    /// All of them, in the order of [`Labels`].
    pub const ALL: [LabelName; 3] = [LabelName::RunnerType, LabelName::Repository, LabelName::Workflow];

    /// The label, which is the column's name too.
    pub fn as_str(self) -> &'static str {
        match self {
            LabelName::RunnerType => "runner_type",
            LabelName::Repository => "repository",
            LabelName::Workflow => "workflow",
        }
    }
}

/// What one combination adds up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct LabelSet {
    labels: Labels,
    totals: Totals,
}

/// The rule by which new groups begin.
#[derive(Clone, Debug, PartialEq)]
struct Rule {
    bounds: Bounds,
    streams: StreamRule,
}

impl Default for Rule {
    fn default() -> Rule {
        Rule { bounds: Bounds::with_duration(Vec::new()), streams: StreamRule::default() }
    }
}

/// What all rows add up to, in the order in which their combinations came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetTotals {
    groups: Vec<LabelSet>,
    #[serde(skip)]
    places: BTreeMap<Labels, usize>,
    #[serde(skip)]
    rule: Rule,
}

impl FleetTotals {
    /// By the chosen labels: at most `most` combinations in the order in which they came, and one for all others, with what they
    /// add up to.
    pub fn by(&self, chosen: &[LabelName], most: usize) -> Vec<(Labels, Totals)> {
        let mut found: Vec<(Labels, Totals)> = Vec::new();
        let mut other = None;
        let mut places: BTreeMap<Labels, usize> = BTreeMap::new();
        for group in &self.groups {
            let labels = reduced(&group.labels, chosen);
            match places.get(&labels) {
                Some(at) => found[*at].1.precede(&group.totals),
                None if labels != others(chosen) && found.len() < most => {
                    places.insert(labels.clone(), found.len());
                    found.push((labels, group.totals.clone()));
                }
                None => match &mut other {
                    None => other = Some((others(chosen), group.totals.clone())),
                    Some((_, totals)) => totals.precede(&group.totals),
                },
            }
        }
        found.extend(other);
        found
    }

    fn group(&mut self, row: &JobRecord) -> &mut Totals {
        let mut labels = labels(row);
        if !self.places.contains_key(&labels) && self.groups.len() >= MAX_GROUPS {
            labels = [OTHER, OTHER, OTHER].map(str::to_owned);
        }
        let at = if let Some(at) = self.places.get(&labels) {
            *at
        } else {
            let totals = Totals::new(&self.rule.bounds).told_apart_by(&self.rule.streams);
            self.groups.push(LabelSet { labels: labels.clone(), totals });
            self.places.insert(labels, self.groups.len() - 1);
            self.groups.len() - 1
        };
        &mut self.groups[at].totals
    }
}

/// Which combinations of the chosen labels have one of their own, in the order in which they came: what [`FleetTotals::by`] shows.
#[derive(Clone, Debug)]
pub struct ToldApart {
    chosen: Vec<LabelName>,
    most: usize,
    known: BTreeSet<Labels>,
}

impl ToldApart {
    /// Those that there are already.
    pub fn of(totals: &FleetTotals, chosen: &[LabelName], most: usize) -> ToldApart {
        let found = totals.by(chosen, most).into_iter().map(|(labels, _)| labels);
        let known = found.filter(|labels| *labels != others(chosen)).collect();
        ToldApart { chosen: chosen.to_vec(), most, known }
    }

    /// Whether a row's is one of them, or becomes one.
    pub fn admits(&mut self, row: &JobRecord) -> bool {
        let labels = reduced(&labels(row), &self.chosen);
        self.known.contains(&labels) || (self.known.len() < self.most && self.known.insert(labels))
    }
}

/// What is not chosen is empty.
fn reduced(labels: &Labels, chosen: &[LabelName]) -> Labels {
    let mut reduced = Labels::default();
    for name in chosen {
        reduced[*name as usize].clone_from(&labels[*name as usize]);
    }
    reduced
}

fn others(chosen: &[LabelName]) -> Labels {
    reduced(&[OTHER, OTHER, OTHER].map(str::to_owned), chosen)
}

fn labels(row: &JobRecord) -> Labels {
    let value =
        |text: &Option<String>| text.as_deref().unwrap_or_default().chars().take(LONGEST_VALUE).collect();
    [&row.origin.runner_type, &row.context.repository, &row.context.workflow].map(value)
}

impl Ledger for FleetTotals {
    const HEADER: &'static str = FLEET_HEADER;
    const RECENT: usize = RECENT;

    fn zero(bounds: &Bounds, streams: &StreamRule) -> FleetTotals {
        FleetTotals::default().fit(bounds, streams)
    }

    fn fit(self, bounds: &Bounds, streams: &StreamRule) -> FleetTotals {
        let fit = |group: LabelSet| LabelSet { totals: Ledger::fit(group.totals, bounds, streams), ..group };
        let groups: Vec<LabelSet> = self.groups.into_iter().map(fit).collect();
        let places = groups.iter().enumerate().map(|(at, group)| (group.labels.clone(), at)).collect();
        FleetTotals { groups, places, rule: Rule { bounds: bounds.clone(), streams: streams.clone() } }
    }

    fn is_sound(&self) -> bool {
        self.groups.iter().all(|group| group.totals.is_sound())
    }

    /// A row that only says more of a job has its queue time only if that was not known.
    fn add(&mut self, row: &JobRecord) {
        if row.status == RowStatus::Running {
            return;
        }
        let totals = self.group(row);
        if row.origin.amendment == Some(true) {
            totals.amend(row);
        } else {
            totals.finish_alone(row);
        }
    }

    fn unclosed(&self) -> Vec<JobRecord> {
        Vec::new()
    }

    fn amended(recent: &VecDeque<JobRecord>, row: &JobRecord) -> Option<usize> {
        let is_same = |known: &JobRecord| {
            known.job_id == row.job_id
                && known.started_at == row.started_at
                && known.origin.runner_name == row.origin.runner_name
                && known.context.run_attempt == row.context.run_attempt
        };
        recent.iter().rposition(is_same).filter(|_| row.origin.amendment == Some(true))
    }
}

/// What is known of a job once a further row says more of it: nothing that was known is lost.
#[must_use]
pub fn with_more(known: &JobRecord, more: &JobRecord) -> JobRecord {
    let queue_time: Option<Duration> = more.queue_time.or(known.queue_time);
    JobRecord { queue_time, ..more.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::context::Context;
    use crate::domain::record::{JobStatus, Origin};

    const ALL: [LabelName; 3] = LabelName::ALL;

    fn row(kind: &str, repository: &str, status: JobStatus) -> JobRecord {
        JobRecord {
            status: RowStatus::Finished(status),
            context: Context { repository: Some(repository.into()), ..Context::default() },
            origin: Origin { runner_type: Some(kind.into()), ..Origin::default() },
            duration: Some(Duration::from_secs(5)),
            ..JobRecord::blank()
        }
    }

    fn zero() -> FleetTotals {
        FleetTotals::zero(&Bounds::with_duration(vec![10.0]), &StreamRule::default())
    }

    fn finished(found: &[(Labels, Totals)]) -> Vec<(String, u64)> {
        found.iter().map(|(labels, totals)| (labels.join("|"), totals.finished.iter().sum())).collect()
    }

    #[test]
    fn jobs_are_told_apart_by_the_chosen_labels_and_what_is_too_much_is_other() {
        let mut totals = zero();
        for (kind, repository) in [("a", "o/1"), ("b", "o/1"), ("a", "o/2"), ("a", "o/3"), ("a", "o/1")] {
            totals.add(&row(kind, repository, JobStatus::Success));
        }
        let by = |chosen: &[LabelName], most| finished(&totals.by(chosen, most));
        assert_eq!(by(&[], 9), [("||".into(), 5)]);
        assert_eq!(by(&[LabelName::RunnerType], 9), [("a||".into(), 4), ("b||".into(), 1)]);
        assert_eq!(
            by(&[LabelName::Repository], 2),
            [("|o/1|".into(), 3), ("|o/2|".into(), 1), ("|other|".into(), 1)]
        );
        assert_eq!(by(&ALL, 9).len(), 4);
        let told = |repository, most| {
            let row = row("a", repository, JobStatus::Failed);
            ToldApart::of(&totals, &[LabelName::Repository], most).admits(&row)
        };
        assert_eq!(
            [told("o/1", 2), told("o/3", 2), told("o/4", 3), told("o/4", 4)],
            [true, false, false, true]
        );
    }

    #[test]
    fn no_crowd_of_names_makes_it_large() {
        let mut totals = zero();
        for n in 0..MAX_GROUPS + 50 {
            totals.add(&row("a", &format!("o/{n}"), JobStatus::Failed));
        }
        assert_eq!(totals.groups.len(), MAX_GROUPS + 1);
        let all: u64 = totals.by(&ALL, usize::MAX).iter().map(|(_, totals)| totals.finished[1]).sum();
        assert_eq!(all, MAX_GROUPS as u64 + 50);
        assert!(labels(&row("a", &"x".repeat(999), JobStatus::Failed))[1].len() == LONGEST_VALUE);
    }

    #[test]
    fn two_runners_jobs_that_look_alike_are_two_and_an_amendment_is_none() {
        let mut totals = zero();
        let one = row("a", "o/1", JobStatus::Success);
        totals.add(&one);
        totals.add(&one);
        let more = JobRecord {
            queue_time: Some(Duration::from_secs(3)),
            origin: Origin { amendment: Some(true), ..one.origin.clone() },
            ..one.clone()
        };
        totals.add(&more);
        let (_, sum) = &totals.by(&[], 9)[0];
        assert_eq!((sum.finished[0], sum.duration.count(), sum.queue_time.count()), (2, 2, 1));
    }

    #[test]
    fn it_is_the_same_in_json() {
        let mut totals = zero();
        (0..5).for_each(|n| totals.add(&row("a", &format!("o/{n}"), JobStatus::Success)));
        let text = serde_json::to_string(&totals).unwrap();
        let read: FleetTotals = serde_json::from_str(&text).unwrap();
        let read = read.fit(&totals.rule.bounds, &StreamRule::default());
        assert_eq!(read, totals);
        assert!(read.is_sound());
    }
}
