//! The job's part of the run's page on GitHub: Markdown of at most 4 KiB, in which what a job named is text and nothing of the
//! operator's stands but the names of caches.
//!
//! GitHub renders it for whoever may read the run. So it has no name of a machine and no path, and of each character of a step's
//! name that Markdown, HTML or GitHub's own links could take for more than itself only its number.

use super::cache::{CacheType, Tally};
use super::failure::Space;
use super::in_words::{size, span};
use super::job::usage::Usage;
use super::steps::{JobSteps, Step, StepKind};
use super::text::sanitize;
use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

/// Steps that are named.
const SLOWEST: usize = 3;
/// Characters shown of a step's name.
const NAME: usize = 80;
/// Bytes it never has more of.
#[cfg(test)]
const LIMIT: usize = 4096;

/// What the container may use; `None` where there is no limit, or none that can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UsageLimits {
    /// Processors, a part of one too.
    pub cpus: Option<f64>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// What is known of a job as its last hook runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobSummary {
    /// How long it had waited for a runner.
    pub waited: Option<Duration>,
    /// How long it has run.
    pub ran: Duration,
    /// What it has used.
    pub usage: Usage,
    /// What it could have used.
    pub limits: UsageLimits,
    /// The least its disk had.
    pub space: Option<Space>,
    /// What its caches had.
    pub caches: Vec<(CacheType, Tally)>,
    /// Its steps so far.
    pub steps: JobSteps,
    /// Its processes that were killed for memory.
    pub oom_kills: u64,
    /// The runner was told to stop, and has ended it.
    pub stopped: bool,
}

impl JobSummary {
    /// The summary.
    pub fn markdown(&self) -> String {
        let mut out = String::from("### Job on its runner\n\n| | |\n|---|---|\n");
        let mut row = |name: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "| {name} | {value} |");
        };
        if let Some(waited) = self.waited {
            row("Waited for a runner", &span(waited));
        }
        row("Ran", &span(self.ran));
        if let Some(used) = self.usage.cpu_time {
            row("Processor time", &self.processors(used));
        }
        if let Some(peak) = self.usage.peak_memory {
            row("Peak memory", &of(peak, self.limits.memory));
        }
        if let Some(space) = self.space {
            let full = if space.is_full() { ": **the disk was full**" } else { "" };
            row("Least free disk space", &format!("{}{full}", of(space.free, Some(space.size))));
        }
        for (kind, tally) in &self.caches {
            // Of the operator's words, or ours: within them nothing is markup.
            row(&format!("Cache <code>{}</code>", kind.as_str()), &requests(*tally));
        }
        if self.oom_kills > 0 {
            row(
                "Killed for want of memory",
                &format!("**{}**", counted(self.oom_kills, "process", "processes")),
            );
        }
        if self.stopped {
            row("Ended by", "**a stop of the runner**");
        }
        out + &self.slowest()
    }

    /// An annotation, as a line of a step's output: the job has used nearly all of the memory there is.
    pub fn notice(&self) -> Option<String> {
        let (peak, limit) = self.usage.peak_memory.zip(self.limits.memory)?;
        let is_near = u128::from(peak) * 10 > u128::from(limit) * 9;
        is_near.then(|| {
            let share = u128::from(peak) * 100 / u128::from(limit.max(1));
            // As the runner reads it, %25 is a percent sign.
            format!(
                "::notice title=Memory::Peak memory was {}, {share} %25 of the limit",
                of(peak, Some(limit))
            )
        })
    }

    /// For whoever hands it on: a line for the output, which may be empty, then the summary.
    pub fn for_the_hook(&self) -> String {
        format!("{}\n{}", self.notice().unwrap_or_default(), self.markdown())
    }

    fn processors(&self, used: Duration) -> String {
        let on_average = used.as_secs_f64() / self.ran.as_secs_f64().max(0.001);
        match self.limits.cpus {
            Some(cpus) => format!("{}, on average {on_average:.1} of {} CPUs", span(used), number(cpus)),
            None => format!("{}, on average {on_average:.1} CPUs", span(used)),
        }
    }

    /// Of the steps that are over, but for hooks: the runner's own are nothing that a job could do faster.
    fn slowest(&self) -> String {
        let over = |step: &&Step| step.has_run() && step.kind != StepKind::Hook;
        let mut steps: Vec<&Step> = self.steps.steps.iter().filter(over).collect();
        steps.sort_by_key(|step| Reverse(step.duration()));
        let mut out = String::new();
        if !steps.is_empty() {
            out.push_str("\n| Slowest steps | |\n|---|---|\n");
        }
        for step in steps.into_iter().take(SLOWEST) {
            let _ = writeln!(out, "| {} | {} |", code(&step.name), span(step.duration()));
        }
        out
    }
}

fn of(part: u64, whole: Option<u64>) -> String {
    whole.map_or_else(|| size(part), |whole| format!("{} of {}", size(part), size(whole)))
}

fn requests(tally: Tally) -> String {
    let partly = if tally.partials > 0 { format!(", {} partly", tally.partials) } else { String::new() };
    format!("{} of {} hit{partly}", tally.hits, counted(tally.total(), "request", "requests"))
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `2`, `0.5`, `1.25`.
fn number(value: f64) -> String {
    format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A text of others as a piece of code. A character's number is never markup, nor what GitHub makes a link of.
fn code(text: &str) -> String {
    let mut out = String::from("<code>");
    for c in sanitize(text, NAME).chars() {
        if c.is_ascii_punctuation() {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out + "</code>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::steps::StepResult;
    use chrono::{DateTime, TimeDelta};

    const GIB: u64 = 1 << 30;

    fn steps(steps: &[(&str, i64, StepKind, Option<StepResult>)]) -> JobSteps {
        let started = DateTime::UNIX_EPOCH;
        let step = |(number, (name, seconds, kind, result)): (u32, &(&str, i64, StepKind, _))| Step {
            number,
            name: (*name).to_owned(),
            kind: *kind,
            result: *result,
            started,
            ended: started + TimeDelta::seconds(*seconds),
        };
        JobSteps { steps: (1..).zip(steps).map(step).collect(), more: 0 }
    }

    const DONE: Option<StepResult> = Some(StepResult::Success);

    fn full() -> JobSummary {
        let tally = |hits, partials, misses| Tally { hits, partials, misses };
        JobSummary {
            waited: Some(Duration::from_secs(12)),
            ran: Duration::from_secs(245),
            usage: Usage { cpu_time: Some(Duration::from_secs(370)), peak_memory: Some(4 * GIB - GIB / 8) },
            limits: UsageLimits { cpus: Some(2.0), memory: Some(4 * GIB) },
            space: Some(Space { free: 12 * GIB, size: 50 * GIB }),
            caches: vec![(CacheType::Npm, tally(3, 0, 1)), (CacheType::Go, tally(0, 1, 0))],
            steps: steps(&[
                ("Set up job", 2, StepKind::SetUp, DONE),
                ("Set up runner", 900, StepKind::Hook, DONE),
                ("Build", 90, StepKind::Main, DONE),
                ("Test | all", 120, StepKind::Main, Some(StepResult::Failure)),
                ("Never", 800, StepKind::Main, Some(StepResult::Skipped)),
                ("Post", 3, StepKind::Post, DONE),
                ("Lint", 30, StepKind::Main, DONE),
                ("Goes on", 700, StepKind::Main, None),
            ]),
            oom_kills: 1,
            stopped: true,
        }
    }

    #[test]
    fn all_that_is_known_is_told() {
        let want = "### Job on its runner\n\n\
            | | |\n|---|---|\n\
            | Waited for a runner | 12 s |\n\
            | Ran | 4 min 05 s |\n\
            | Processor time | 6 min 10 s, on average 1.5 of 2 CPUs |\n\
            | Peak memory | 3.9 GiB of 4.0 GiB |\n\
            | Least free disk space | 12 GiB of 50 GiB |\n\
            | Cache <code>npm</code> | 3 of 4 requests hit |\n\
            | Cache <code>go</code> | 0 of 1 request hit, 1 partly |\n\
            | Killed for want of memory | **1 process** |\n\
            | Ended by | **a stop of the runner** |\n\
            \n| Slowest steps | |\n|---|---|\n\
            | <code>Test &#124; all</code> | 2 min 00 s |\n\
            | <code>Build</code> | 1 min 30 s |\n\
            | <code>Lint</code> | 30 s |\n";
        assert_eq!(full().markdown(), want);
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let least = JobSummary { ran: Duration::from_millis(1400), ..JobSummary::default() };
        assert_eq!(least.markdown(), "### Job on its runner\n\n| | |\n|---|---|\n| Ran | 1.4 s |\n");
        assert_eq!(least.for_the_hook(), format!("\n{}", least.markdown()));
        let unlimited = JobSummary { limits: UsageLimits::default(), ..full() }.markdown();
        assert!(unlimited.contains("on average 1.5 CPUs |\n| Peak memory | 3.9 GiB |"), "{unlimited}");
        let full_disk = JobSummary { space: Some(Space { free: 0, size: GIB }), ..least }.markdown();
        assert!(full_disk.contains("| 0 B of 1.0 GiB: **the disk was full** |"), "{full_disk}");
    }

    #[test]
    fn memory_that_was_nearly_all_used_is_said_beside_it() {
        let told = |peak: u64, memory| {
            let usage = Usage { cpu_time: None, peak_memory: Some(peak) };
            JobSummary { usage, limits: UsageLimits { cpus: None, memory }, ..full() }.notice()
        };
        assert_eq!(told(90, Some(100)), None, "not more than 90 %");
        let said = told(95 * GIB / 10, Some(10 * GIB));
        assert_eq!(
            said.as_deref(),
            Some("::notice title=Memory::Peak memory was 9.5 GiB of 10 GiB, 95 %25 of the limit")
        );
        assert_eq!(told(GIB, None), None, "without a limit nothing is near it");
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        let hostile =
            "a|b` <img src=x onerror=alert(1)> **x** @octocat #1 [l](http://x.example) &lt;\u{202e}\n# h";
        let text = code(hostile);
        let inner = text.strip_prefix("<code>").and_then(|rest| rest.strip_suffix("</code>")).expect("code");
        let mut rest = inner;
        while let Some((before, after)) = rest.split_once("&#") {
            assert!(!before.contains(|c: char| c.is_ascii_punctuation()), "{before}");
            rest = after.split_once(';').expect("a number").1;
        }
        assert!(!rest.contains(|c: char| c.is_ascii_punctuation() || c.is_control()), "{inner}");
        assert!(!inner.contains('\n') && !inner.contains('\u{202e}'), "{inner}");
    }

    #[test]
    fn the_most_there_can_be_fits() {
        for name in ["|".repeat(300), "\u{202e}".repeat(300), "🚀".repeat(300), "部".repeat(300)] {
            let own = (0..8).map(|n| CacheType::named(&format!("{}{n}", "x_".repeat(15))).expect("a name"));
            let most = Tally { hits: u32::MAX, partials: u32::MAX, misses: u32::MAX };
            let summary = JobSummary {
                caches: CacheType::BUILT_IN.into_iter().chain(own).map(|kind| (kind, most)).collect(),
                steps: steps(&[(name.as_str(), 59, StepKind::Main, DONE); 9]),
                oom_kills: u64::MAX,
                space: Some(Space { free: 0, size: u64::MAX }),
                ..full()
            };
            assert!(summary.markdown().len() <= LIMIT, "{}", summary.markdown().len());
        }
    }
}
