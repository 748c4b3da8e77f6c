//! What is known of the fleet, shared by who counts and who shows: bounded, whatever comes.

use crate::config::CollectConfig;
use crate::domain::fleet::roster::{Hello, Roster};
use crate::domain::fleet::{FleetTotals, LabelName, Labels, RECENT, ToldApart, with_more};
use crate::domain::record::{FaultKind, JobRecord};
use crate::domain::totals::{Bounds, Ledger as _, Totals};
use crate::telemetry::exporter::PageReader;
use crate::telemetry::fleet::{FleetPage, RowCounts};
use chrono::{DateTime, Utc};
use std::collections::{BTreeSet, VecDeque};

/// All of it.
pub(super) struct Fleet {
    totals: FleetTotals,
    pub(super) recent: VecDeque<JobRecord>,
    pub(super) roster: Roster,
    pub(super) rows: RowCounts,
    /// Jobs that were counted as others, since the start.
    other: u64,
    /// In the order of [`FaultKind::ALL`].
    pub(super) faults: [u64; 5],
    pub(super) last_row: Option<DateTime<Utc>>,
    /// The job log can be written, as far as is known.
    pub(super) can_write: bool,
    /// There were rows before this life: who lives is not known at once.
    pub(super) is_old: bool,
    chosen: Vec<LabelName>,
    most: usize,
    bounds: Bounds,
    apart: ToldApart,
    /// Combinations that were on a page.
    shown: BTreeSet<Labels>,
}

impl Fleet {
    pub(super) fn new(
        config: &CollectConfig,
        totals: FleetTotals,
        recent: Vec<JobRecord>,
        is_old: bool,
    ) -> Fleet {
        let apart = ToldApart::of(&totals, &config.labels, config.most);
        let mut fleet = Fleet {
            totals,
            apart,
            recent: recent.into(),
            roster: Roster::default(),
            rows: RowCounts::default(),
            other: 0,
            faults: [0; 5],
            last_row: None,
            can_write: true,
            is_old,
            chosen: config.labels.clone(),
            most: config.most,
            bounds: Bounds::with_duration(config.buckets.clone()),
            shown: BTreeSet::new(),
        };
        // What there was before is no news to a scraper.
        fleet.shown = fleet.groups().into_iter().map(|(labels, _)| labels).collect();
        fleet
    }

    /// A row is on disk; `true` if it is the first that is counted as another's.
    pub(super) fn written(&mut self, row: &JobRecord, now: DateTime<Utc>) -> bool {
        let is_other = !self.apart.admits(row);
        self.totals.add(row);
        self.last_row = Some(now);
        // In the order in which a replay has them.
        let known = FleetTotals::amended(&self.recent, row).and_then(|at| self.recent.remove(at));
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(known.map_or_else(|| row.clone(), |known| with_more(&known, row)));
        if row.origin.amendment == Some(true) {
            self.rows.amended += 1;
            return false;
        }
        self.rows.counted += 1;
        self.other += u64::from(is_other);
        is_other && self.other == 1
    }

    pub(super) fn fault(&mut self, kind: FaultKind) {
        self.faults[kind as usize] += 1;
    }

    pub(super) fn heard(&mut self, hello: &Hello, from: Option<&str>, jobs: u64, now: DateTime<Utc>) {
        self.roster.heard(hello, from, jobs, now);
    }

    pub(super) fn groups(&self) -> Vec<(Labels, Totals)> {
        self.totals.by(&self.chosen, self.most)
    }

    /// Failures and successes by repository.
    pub(super) fn by_repository(&self) -> Vec<(String, [u64; 5])> {
        let groups = self.totals.by(&[LabelName::Repository], usize::MAX);
        groups.into_iter().map(|(labels, totals)| (labels[1].clone(), totals.finished)).collect()
    }

    /// The metrics page. For a scraper a combination that is new is at 0 on one page: `increase()` needs a first value.
    pub(super) fn page(&mut self, now: DateTime<Utc>, reader: PageReader) -> String {
        let mut groups = self.groups();
        for (labels, totals) in &mut groups {
            if reader == PageReader::Scraper && self.shown.insert(labels.clone()) {
                *totals = Totals::new(&self.bounds);
            }
        }
        FleetPage {
            chosen: &self.chosen,
            groups: &groups,
            rows: self.rows,
            other: self.other,
            runners: self.roster.living(now).count(),
            faults: self.faults,
            last_row: self.last_row,
        }
        .draw()
    }
}
