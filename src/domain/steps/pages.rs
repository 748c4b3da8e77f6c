//! The lives of log pages: which record's log was made and closed when, as far back as a job can need it.
//!
//! Only names and times, never what stands in a page. A record that has a page has printed something; the worker makes the page
//! with the first line and closes it as the step ends.

use chrono::{DateTime, Utc};
use std::collections::VecDeque;

/// Pages that are remembered: of a job with all the steps that are kept, and of those before it.
const MOST: usize = 2048;

/// The pages of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageLife {
    /// `TIMELINE_RECORD`, two GUIDs.
    pub stem: String,
    /// When the first was made.
    pub made: DateTime<Utc>,
    /// When the last was closed; `None` while it is open.
    pub closed: Option<DateTime<Utc>>,
    /// The number of the last.
    number: u32,
}

impl PageLife {
    /// Whose log it is.
    pub fn record(&self) -> &str {
        self.stem.rsplit('_').next().unwrap_or_default()
    }

    fn timeline(&self) -> &str {
        self.stem.split('_').next().unwrap_or_default()
    }

    /// Whether something was written to both at a time.
    fn overlaps(&self, other: &PageLife) -> bool {
        let begins_before_end = |a: &PageLife, b: &PageLife| b.closed.is_none_or(|closed| a.made <= closed);
        begins_before_end(self, other) && begins_before_end(other, self)
    }
}

/// The newest pages, in the order they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    pages: VecDeque<PageLife>,
    /// Some may have been missed.
    missed: bool,
}

impl Pages {
    /// A page was made: the first of its record, or its next.
    pub fn made(&mut self, stem: &str, number: u32, at: DateTime<Utc>) {
        if let Some(page) = self.find(stem) {
            if number > page.number {
                (page.number, page.closed) = (number, None);
            }
            return;
        }
        if self.pages.len() == MOST {
            self.pages.pop_front();
        }
        self.pages.push_back(PageLife { stem: stem.to_owned(), made: at, closed: None, number });
    }

    /// It was closed; only the first time counts, whoever opens it after that.
    pub fn closed(&mut self, stem: &str, number: u32, at: DateTime<Utc>) {
        if let Some(page) = self.find(stem).filter(|page| page.number == number) {
            page.closed.get_or_insert(at);
        }
    }

    /// Pages may have come and gone unseen.
    pub fn miss(&mut self) {
        self.missed = true;
    }

    fn find(&mut self, stem: &str) -> Option<&mut PageLife> {
        self.pages.iter_mut().rev().find(|page| page.stem == stem)
    }

    /// The pages of the job whose own record this is, without its own: those that were written while the job's was.
    pub fn of_job(&self, job: &str) -> JobPages {
        let own = self.pages.iter().rev().find(|page| page.record() == job);
        let is_its = |page: &&PageLife| {
            own.is_some_and(|own| {
                page.stem != own.stem && page.timeline() == own.timeline() && page.overlaps(own)
            })
        };
        JobPages { pages: self.pages.iter().filter(is_its).cloned().collect(), missed: self.missed }
    }
}

/// The pages of one job's steps, in the order they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobPages {
    pages: Vec<PageLife>,
    missed: bool,
}

impl JobPages {
    /// Which of them is this record's.
    pub(super) fn at(&self, record: &str) -> Option<usize> {
        self.pages.iter().position(|page| page.record() == record)
    }

    /// Whether this record has written a log, as far as it could be seen.
    pub(super) fn confirm(&self, record: &str) -> bool {
        self.missed || self.at(record).is_some()
    }

    pub(super) fn get(&self, at: usize) -> Option<&PageLife> {
        self.pages.get(at)
    }

    /// Whether another step has begun while this one went on.
    pub(super) fn goes_on_beside(&self, at: usize) -> bool {
        let (Some(page), Some(next)) = (self.get(at), self.get(at + 1)) else { return false };
        page.closed.is_none_or(|closed| next.made < closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).expect("a time")
    }

    fn records(pages: &JobPages) -> Vec<&str> {
        pages.pages.iter().map(PageLife::record).collect()
    }

    #[test]
    fn a_job_s_pages_are_those_written_while_its_own_was() {
        let mut pages = Pages::default();
        for (stem, made, closed) in [
            ("t_setup0", 1, 4),
            ("t_job0", 2, 9),
            ("t_step0", 5, 8),
            ("t_setup1", 20, 24),
            ("t_job1", 21, 40),
            ("u_other", 22, 23),
            ("t_step1", 25, 39),
        ] {
            pages.made(stem, 1, at(made));
            pages.closed(stem, 1, at(closed));
        }
        assert_eq!(records(&pages.of_job("job0")), ["setup0", "step0"]);
        assert_eq!(records(&pages.of_job("job1")), ["setup1", "step1"]);
        assert_eq!(records(&pages.of_job("job2")), [""; 0]);
        assert!(!pages.of_job("job1").confirm("step0"));
        pages.miss();
        assert!(pages.of_job("job1").confirm("step0"), "nobody can tell");
    }

    #[test]
    fn a_record_ends_with_its_last_page_and_only_once() {
        let mut pages = Pages::default();
        pages.made("t_job", 1, at(0));
        pages.made("t_a", 1, at(1));
        pages.closed("t_a", 1, at(2));
        pages.made("t_a", 2, at(2));
        pages.closed("t_a", 1, at(3));
        assert_eq!(pages.of_job("job").get(0).and_then(|page| page.closed), None, "it goes on");
        pages.closed("t_a", 2, at(4));
        pages.closed("t_a", 2, at(5));
        pages.closed("t_b", 1, at(5));
        let of_job = pages.of_job("job");
        assert_eq!(of_job.get(0).map(|page| (page.made, page.closed)), Some((at(1), Some(at(4)))));
        assert!(!of_job.goes_on_beside(0));
    }

    #[test]
    fn no_more_than_the_newest_are_remembered() {
        let mut pages = Pages::default();
        (0..5000).for_each(|n| pages.made(&format!("t_{n}"), 1, at(n)));
        assert_eq!((pages.pages.len(), pages.pages[0].record()), (MOST, "2952"));
    }
}
