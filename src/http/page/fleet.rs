//! The page of a collector: who has reported, what failed where, and the last jobs of the whole fleet; a pure function, no script.

use super::sanitize::{NAME, OTHER, untrusted};
use super::state::moment;
use super::time::{between, stamp};
use super::{STYLE, charts, jobs, section, table};
use crate::domain::fleet::roster::SILENT;
use crate::domain::in_words::whole;
use crate::domain::record::{JobRecord, JobStatus};
use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Rows of a table of names.
const MOST: usize = 200;

/// A runner that has reported.
#[derive(Clone, Copy, Debug)]
pub struct RunnerLine<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// When it was heard last.
    pub heard: DateTime<Utc>,
    /// It said that it leaves.
    pub left: bool,
    /// It takes one job only.
    pub ephemeral: bool,
    /// Jobs since the collector started.
    pub jobs: u64,
}

/// All that the page shows.
#[derive(Clone, Copy, Debug)]
pub struct FleetInput<'a> {
    /// When the collector started.
    pub started_at: DateTime<Utc>,
    /// The last finished jobs, newest last.
    pub recent: &'a [JobRecord],
    /// Who has reported.
    pub runners: &'a [RunnerLine<'a>],
    /// Finished jobs by repository, in the order of [`JobStatus::ALL`].
    pub repositories: &'a [(String, [u64; 5])],
    /// Upper bounds of the duration histogram, seconds.
    pub bounds: &'a [f64],
    /// The job log can be written.
    pub can_write: bool,
}

/// The whole page; it comes again by itself.
pub fn page(seen: &FleetInput<'_>, now: DateTime<Utc>) -> Markup {
    let living = seen.runners.iter().filter(|runner| is_living(runner, now)).count();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (living) " runners" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content="30";
                style { (PreEscaped(STYLE)) }
            }
            body class=(if seen.can_write { "idle" } else { "ghost" }) {
                header {
                    h1 { "The fleet" }
                    ul.facts {
                        li { (living) " of " (seen.runners.len()) " runners heard lately" }
                        li { "runner-init " (env!("CARGO_PKG_VERSION")) }
                        li { "up " (whole(between(seen.started_at, now))) }
                    }
                    p #asof { "As of " (stamp(now)) }
                }
                main {
                    @if !seen.can_write {
                        section { h2 { "Trouble" } p.reason { "The job log cannot be written: no row is taken, runners keep theirs." } }
                    }
                    (runners(seen.runners, now))
                    (repositories(seen.repositories))
                    (charts::durations(seen.recent, seen.bounds))
                    (jobs::table(seen.recent, now, jobs::Links { pages: false, server: None }))
                }
                footer { p { "Documentation: docs/SCALING.md of runner-init " (env!("CARGO_PKG_VERSION")) ". All times are UTC." } }
            }
        }
    }
}

fn is_living(runner: &RunnerLine<'_>, now: DateTime<Utc>) -> bool {
    !runner.left && now - runner.heard < SILENT
}

/// Those that are silent first, then by when they were heard.
fn runners(all: &[RunnerLine<'_>], now: DateTime<Utc>) -> Markup {
    let mut shown: Vec<&RunnerLine<'_>> = all.iter().collect();
    shown.sort_by_key(|runner| (runner.left, is_living(runner, now), std::cmp::Reverse(runner.heard)));
    let nothing = all.is_empty().then_some("No runner has reported since the collector started.");
    let rows = shown.iter().take(MOST).map(|runner| {
        html! {
            tr {
                th scope="row" { (untrusted(runner.name, NAME)) }
                td { (untrusted(runner.kind, OTHER)) @if runner.ephemeral { " · ephemeral" } }
                td { (runner.jobs) }
                td {
                    @if runner.left { "left · " } @else if !is_living(runner, now) { b { "silent · " } }
                    (moment(runner.heard, now))
                }
            }
        }
    });
    let table = table(&["Runner", "Type", "Jobs", "Heard"], rows);
    section("runners", "Runners", nothing, &html! { (table) (more(all.len())) })
}

/// Where most has failed first.
fn repositories(all: &[(String, [u64; 5])]) -> Markup {
    let mut shown: Vec<&(String, [u64; 5])> = all.iter().collect();
    shown.sort_by_key(|(name, counts)| (std::cmp::Reverse(counts[JobStatus::Failed as usize]), name.clone()));
    let columns = [
        JobStatus::Failed,
        JobStatus::Success,
        JobStatus::Cancelled,
        JobStatus::Skipped,
        JobStatus::Abandoned,
    ];
    let nothing = all.is_empty().then_some("No job has ended yet.");
    let rows = shown.iter().take(MOST).map(|(name, counts)| {
        html! {
            tr {
                th scope="row" { (untrusted(name, OTHER)) }
                @for status in columns { td { (counts[status as usize]) } }
            }
        }
    });
    let [failed, success, cancelled, skipped, abandoned] = columns.map(JobStatus::as_str);
    let table = table(&["Repository", failed, success, cancelled, skipped, abandoned], rows);
    section("repositories", "Jobs by repository", nothing, &html! { (table) (more(all.len())) })
}

fn more(all: usize) -> Markup {
    html! { @if all > MOST { p.reason { "and " (all - MOST) " more" } } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::RowStatus;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn drawn(runners: &[RunnerLine<'_>], repositories: &[(String, [u64; 5])]) -> String {
        let row = JobRecord {
            job_name: Some("<b>x".into()),
            timestamp: at(0),
            status: RowStatus::Finished(JobStatus::Failed),
            ..JobRecord::blank()
        };
        let recent = vec![row; 200];
        let input = FleetInput {
            started_at: at(0),
            recent: &recent,
            runners,
            repositories,
            bounds: &[60.0],
            can_write: true,
        };
        page(&input, at(1000)).into_string()
    }

    #[test]
    fn who_is_silent_stands_first_and_what_is_hostile_is_text() {
        let line = |name, heard, left| RunnerLine {
            name,
            kind: "standard",
            heard: at(heard),
            left,
            ephemeral: false,
            jobs: 1,
        };
        let runners = [line("lives", 990, false), line("<script>", 50, false), line("gone", 999, true)];
        let page = drawn(&runners, &[("o/1".into(), [9, 0, 0, 0, 0]), ("<img>".into(), [0, 3, 0, 0, 0])]);
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
        assert!(place("&lt;script&gt;") < place("lives") && place("lives") < place("gone"));
        assert!(place("&lt;img&gt;") < place("o/1"), "where most has failed");
        assert!(page.contains("1 of 3 runners heard lately") && page.contains("silent"), "{page}");
        assert!(!page.contains("<script") && !page.contains("<b>x"), "nothing runs");
        assert!(!page.contains("href=\"jobs/"), "a collector has no page for each job");
        assert_eq!(page.matches("<tr>").count(), 3 + 1 + 2 + 1 + 200 + 1);
    }

    #[test]
    fn a_crowd_makes_no_large_page() {
        let name = "\u{202e}\"<".repeat(80);
        let line =
            RunnerLine { name: &name, kind: &name, heard: at(0), left: false, ephemeral: true, jobs: 1 };
        let repositories = vec![(name.clone(), [1; 5]); 2000];
        let page = drawn(&vec![line; 10_000], &repositories);
        assert!(page.len() < 400 * 1024, "{}", page.len());
    }
}
