//! The steps of a job, put together from the words of its worker's log and the lives of its pages.
//!
//! The runner takes its steps in turn. A turn is believed from the first word of it to the step's own telemetry, which has the id
//! of its page; whatever else is said in between is said by the step, or of what is inside it. Numbers are not in the log: they
//! follow from the order, and post steps have the last of as many numbers as there were before them.

use super::pages::JobPages;
use super::worker_log::{StepTelemetry, StepWord, WorkerLog};
use super::{JobSteps, Step, StepKind, StepResult};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// One step's turn.
#[derive(Debug)]
struct Turn<'a> {
    name: &'a str,
    told: Option<&'a StepTelemetry>,
    /// What was said of it before it was over.
    result: Option<StepResult>,
    /// Which page should be its own: they are made in the order of the steps.
    page: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Phase<'a> {
    /// Between two turns.
    Between,
    /// This step's turn has come.
    Come(&'a str),
    /// Nothing more is said of it, but that its turn is over.
    Settled,
    /// It runs.
    Running,
}

struct Reader<'a> {
    pages: &'a JobPages,
    /// Steps whose own telemetry is to be found: those of the pages.
    awaited: BTreeSet<&'a str>,
    seen: BTreeSet<&'a str>,
    set_up: Option<&'a StepTelemetry>,
    clean_up: Option<&'a StepTelemetry>,
    total: Option<usize>,
    turns: Vec<Turn<'a>>,
    running: Vec<usize>,
    next_page: usize,
    phase: Phase<'a>,
}

/// The steps of the job of that log, of which these are the pages; whatever has no end was ended then. Empty if they are not known.
pub fn steps_of(log: &WorkerLog, pages: &JobPages, end: DateTime<Utc>) -> JobSteps {
    let told = log.words.iter().filter_map(|word| match word {
        StepWord::Told(told) if pages.confirm(&told.record) => Some(told.record.as_str()),
        _ => None,
    });
    let mut reader = Reader {
        pages,
        awaited: told.collect(),
        seen: BTreeSet::new(),
        set_up: None,
        clean_up: None,
        total: None,
        turns: Vec::new(),
        running: Vec::new(),
        next_page: 1,
        phase: Phase::Between,
    };
    log.words.iter().for_each(|word| reader.hear(word));
    if reader.is_sound() { reader.steps(log.job().is_some(), end) } else { JobSteps::default() }
}

impl<'a> Reader<'a> {
    fn hear(&mut self, word: &'a StepWord) {
        self.phase = match (self.phase, word) {
            (phase, StepWord::Total(total)) => {
                self.total.get_or_insert(*total);
                phase
            }
            (phase, StepWord::Told(told)) => {
                if self.pages.confirm(&told.record) && self.seen.insert(&told.record) {
                    self.told(told)
                } else {
                    phase
                }
            }
            (Phase::Between, StepWord::Turn(name)) => Phase::Come(name),
            (Phase::Come(name), StepWord::Starts) => {
                self.running.push(self.turns.len());
                self.begin(name, None);
                Phase::Running
            }
            (Phase::Come(name), StepWord::Skips) => {
                let (told, page) = (None, None);
                self.turns.push(Turn { name, told, result: Some(StepResult::Skipped), page });
                Phase::Settled
            }
            // Neither: what it needs for its condition could not be had.
            (Phase::Come(name), StepWord::Over) => {
                self.begin(name, Some(StepResult::Failure));
                Phase::Between
            }
            (Phase::Settled, StepWord::Over) => Phase::Between,
            (Phase::Running, StepWord::Result(result)) => {
                if let Some(turn) = self.running.last().and_then(|at| self.turns.get_mut(*at)) {
                    turn.result.get_or_insert(*result);
                }
                Phase::Running
            }
            (Phase::Running, StepWord::Over) if self.is_untold() => {
                self.running.pop();
                Phase::Between
            }
            // One in the background goes on beside the next.
            (Phase::Running, StepWord::Turn(name)) if self.goes_on() => Phase::Come(name),
            (
                phase @ (Phase::Between | Phase::Come(_) | Phase::Settled | Phase::Running),
                StepWord::Turn(_) | StepWord::Starts | StepWord::Skips | StepWord::Result(_) | StepWord::Over,
            ) => phase,
        };
    }

    /// A step's own word of its end.
    fn told(&mut self, told: &'a StepTelemetry) -> Phase<'a> {
        let at = self.pages.at(&told.record);
        self.next_page = at.map_or(self.next_page, |at| self.next_page.max(at + 1));
        match (told.by.as_str(), told.action.as_str()) {
            ("runner", "setup_job") => _ = self.set_up.get_or_insert(told),
            ("runner", "complete_job") => _ = self.clean_up.get_or_insert(told),
            _ => {
                if let Phase::Come(name) = self.phase {
                    self.turns.push(Turn { name, told: Some(told), result: None, page: at });
                    return Phase::Settled;
                }
                let whose = self.running.iter().position(|turn| self.turns[*turn].page == at).unwrap_or(0);
                if whose < self.running.len() {
                    let turn = &mut self.turns[self.running.remove(whose)];
                    (turn.told, turn.page) = (Some(told), at);
                    return Phase::Between;
                }
            }
        }
        self.phase
    }

    fn begin(&mut self, name: &'a str, result: Option<StepResult>) {
        self.turns.push(Turn { name, told: None, result, page: Some(self.next_page) });
        self.next_page += 1;
    }

    /// The page of the step whose turn it is.
    fn page(&self) -> Option<usize> {
        self.running.last().and_then(|at| self.turns.get(*at)?.page)
    }

    /// The step that runs will not be told, while others are that come behind it.
    fn is_untold(&self) -> bool {
        let Some(page) = self.page() else { return false };
        let is_told = self.pages.get(page).is_some_and(|page| self.awaited.contains(page.record()));
        let comes_behind = |record: &&str| self.pages.at(record).is_some_and(|at| at > page);
        !is_told && self.awaited.iter().any(comes_behind)
    }

    fn goes_on(&self) -> bool {
        self.page().is_some_and(|page| self.pages.goes_on_beside(page))
    }

    /// How many turns there are before the post steps.
    fn before_post(&self) -> usize {
        let first = self.turns.iter().position(|turn| turn.told.is_some_and(|told| told.stage == "Post"));
        self.total.or(first).unwrap_or(usize::MAX)
    }

    /// Nobody has put in a turn or hidden one: the post steps begin where they should.
    fn is_sound(&self) -> bool {
        let total = self.before_post();
        let fits =
            |(at, turn): (usize, &Turn)| turn.told.is_none_or(|told| (told.stage == "Post") == (at >= total));
        self.turns.iter().enumerate().all(fits)
    }

    fn steps(&self, has_begun: bool, end: DateTime<Utc>) -> JobSteps {
        let total = self.before_post().min(self.turns.len());
        let posts = number(self.turns.len() - total);
        let last = if posts == 0 { number(total) + 1 } else { 2 * (number(total) + 1) };
        let mut steps = Vec::new();
        let set_up = Turn { name: "Set up job", told: self.set_up, result: None, page: Some(0) };
        let mut since = None;
        if has_begun && let Some((started, ended)) = self.times(&set_up, since, end) {
            since = Some(ended);
            steps.push(step(1, &set_up, StepKind::SetUp, (started, ended)));
        }
        for (at, turn) in self.turns.iter().enumerate() {
            let number = if at < total { number(at) + 2 } else { last - (posts - 1) + number(at - total) };
            // One that has not been seen to run has not.
            let Some((started, ended)) = self.times(turn, since, end) else { continue };
            since = Some(ended);
            steps.push(step(number, turn, kind(turn, at >= total), (started, ended)));
        }
        let page = self.clean_up.and_then(|told| self.pages.at(&told.record));
        let clean_up = Turn { name: "Complete job", told: self.clean_up, result: None, page };
        if let Some(times) = self.times(&clean_up, since, end).filter(|_| self.clean_up.is_some()) {
            steps.push(step(last + 1, &clean_up, StepKind::CleanUp, times));
        }
        JobSteps::new(steps)
    }

    /// From when to when: what the runner told GitHub, else its page's life, from the end of the step before on.
    fn times(
        &self,
        turn: &Turn,
        since: Option<DateTime<Utc>>,
        end: DateTime<Utc>,
    ) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let page = turn.page.and_then(|page| self.pages.get(page));
        let told = turn.told.and_then(|told| Some((told.started?, told.ended?)));
        let skipped = since.filter(|_| turn.result == Some(StepResult::Skipped)).map(|at| (at, at));
        let seen = page.map(|page| {
            let made = since.filter(|since| *since < page.made).unwrap_or(page.made);
            (made, page.closed.unwrap_or(end))
        });
        told.or(skipped).or(seen)
    }
}

fn step(number: u32, turn: &Turn, kind: StepKind, (started, ended): (DateTime<Utc>, DateTime<Utc>)) -> Step {
    let result = turn.told.and_then(|told| told.result).or(turn.result);
    Step { number, name: turn.name.to_owned(), kind, result, started, ended }
}

fn kind(turn: &Turn, is_post: bool) -> StepKind {
    match turn.told.map(|told| (told.by.as_str(), told.action.as_str(), told.stage.as_str())) {
        Some(("runner", "Pre Job Hook" | "Post Job Hook", _)) => StepKind::Hook,
        Some((_, _, "Pre")) => StepKind::Pre,
        Some(_) | None if is_post => StepKind::Post,
        Some(_) | None => StepKind::Main,
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX / 4)
}
