//! What holds for every history; one worked out by hand is in `tests/dora.rs`.

use super::*;
use crate::domain::context::Context;
use chrono::TimeDelta;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn rule(job: &str, branch: Option<&str>) -> DeploymentRule {
    DeploymentRule {
        job: Matcher::new(job).unwrap(),
        branch: branch.map(|pattern| Matcher::new(pattern).unwrap()),
    }
}

fn streams(text: &str) -> StreamRule {
    StreamRule::new(text).unwrap()
}

fn usual() -> DeploymentRule {
    rule("(?i)deploy|release|publish", None)
}

/// So many minutes after midnight.
fn minute(minutes: i64) -> DateTime<Utc> {
    "2026-11-02T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn job(workflow: &str, name: &str, git_ref: &str) -> JobRecord {
    let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let context = Context {
        repository: known("octo/cat"),
        workflow: known(workflow),
        git_ref: known(git_ref),
        ..Context::default()
    };
    JobRecord { job_name: Some(name.into()), context, ..JobRecord::blank() }
}

fn ended(status: JobStatus, end: DateTime<Utc>, row: JobRecord) -> JobRecord {
    JobRecord { status: RowStatus::Finished(status), timestamp: end, ..row }
}

/// A deployment with a result in one of many streams.
fn result(stream: usize, outcome: Outcome, end: DateTime<Utc>) -> JobRecord {
    let status = match outcome {
        Outcome::Success => JobStatus::Success,
        Outcome::Failed => JobStatus::Failed,
    };
    let row = job("deploy", "it", &format!("refs/heads/{stream}"));
    ended(status, end, JobRecord { deployment: Some(true), ..row })
}

#[test]
fn a_job_is_judged_by_what_is_known_of_it() {
    let main = Some("^main$");
    for (rule, workflow, name, git_ref, want) in [
        (usual(), "CI", "Deploy to production", "refs/heads/main", Some(true)),
        (usual(), "Release", "build", "refs/heads/main", Some(true)),
        (usual(), "CI", "test", "refs/heads/main", Some(false)),
        (usual(), "CI", "test", "", Some(false)),
        (usual(), "", "publish (linux)", "", Some(true)),
        // Its workflow may be called Release.
        (usual(), "", "build", "", None),
        (usual(), "CI", "deploy preview", "refs/pull/7/merge", Some(false)),
        (rule("^CD/prod$", None), "CD", "prod", "", Some(true)),
        (rule("^CD/prod$", None), "CD", "prod-2", "", Some(false)),
        (rule("^$", None), "CD", "deploy", "", Some(false)),
        (rule("deploy", main), "CD", "deploy", "refs/heads/main", Some(true)),
        (rule("deploy", main), "CD", "deploy", "refs/heads/feature/main", Some(false)),
        (rule("deploy", main), "CD", "deploy", "refs/tags/main", Some(false)),
        (rule("deploy", main), "CD", "deploy", "refs/pull/1/merge", Some(false)),
        (rule("deploy", main), "CD", "deploy", "", None),
        (rule("deploy", main), "CD", "deploy", "refs/heads/", None),
        (rule("deploy", main), "CD", "test", "", Some(false)),
        (rule("deploy", Some("^refs/tags/v")), "CD", "deploy", "refs/tags/v1", Some(true)),
        (rule("deploy", Some("^refs/tags/v")), "CD", "deploy", "refs/heads/v1", Some(false)),
    ] {
        let row = job(workflow, name, git_ref);
        assert_eq!(rule.judge(&row), want, "{rule:?} {workflow}/{name} {git_ref}");
    }
}

/// Events whose ref is that of the branch a change is to go to, or of the queue's own, as GitHub gives them.
#[test]
fn what_checks_a_change_that_is_only_proposed_is_no_deployment() {
    let queued = "refs/heads/gh-readonly-queue/main/pr-104-c1a9a3f4";
    for (event, git_ref, want) in [
        ("push", "refs/heads/main", true),
        ("pull_request", "refs/pull/7/merge", false),
        // It was merged, and this is where it went.
        ("pull_request", "refs/heads/main", true),
        ("pull_request_review", "refs/pull/7/merge", false),
        ("pull_request_target", "refs/heads/main", false),
        ("merge_group", queued, false),
        ("merge_group", "", false),
        ("", queued, false),
        ("push", queued, false),
        ("push", "refs/heads/gh-readonly-queue", true),
        ("push", "refs/heads/fix/gh-readonly-queue/main", true),
        ("push", "refs/tags/gh-readonly-queue/1", true),
        ("workflow_dispatch", "refs/heads/main", true),
    ] {
        let mut row = job("CD", "deploy-web", git_ref);
        row.context.event = Some(event.to_owned()).filter(|event| !event.is_empty());
        assert_eq!(usual().judge(&row), Some(want), "{event} {git_ref}");
    }
}

#[test]
fn a_pattern_is_short_and_small() {
    assert!(Matcher::new(&"a".repeat(LONGEST_PATTERN)).is_some());
    for bad in ["", "(", "[z-a]", "a{2,1}", r"\1", "(a{1000}){1000}", &"a".repeat(LONGEST_PATTERN + 1)] {
        assert!(Matcher::new(bad).is_none(), "{bad}");
    }
}

#[test]
fn a_lead_time_is_believable_or_unknown() {
    let committed = |commit_at| JobRecord {
        context: Context { commit_at, ..Context::default() },
        deployment: Some(true),
        ..job("CD", "deploy", "")
    };
    let lead = |status, at| lead_time(&ended(status, minute(60), committed(at)));
    assert_eq!(lead(JobStatus::Success, Some(minute(15))), Some(minutes(45)));
    assert_eq!(lead(JobStatus::Success, Some(minute(60))), Some(minutes(0)));
    assert_eq!(lead(JobStatus::Success, Some(minute(61))), None, "negative");
    assert_eq!(lead(JobStatus::Success, Some(minute(60) - LONGEST)), Some(LONGEST));
    assert_eq!(lead(JobStatus::Success, Some(minute(59) - LONGEST)), None, "absurd");
    assert_eq!(lead(JobStatus::Success, Some(DateTime::<Utc>::MIN_UTC)), None, "absurd");
    assert_eq!(lead(JobStatus::Success, None), None);
    assert_eq!(lead(JobStatus::Failed, Some(minute(15))), None);
    assert_eq!(lead(JobStatus::Abandoned, Some(minute(15))), None);
    let other = JobRecord { deployment: Some(false), ..committed(Some(minute(15))) };
    assert_eq!(lead_time(&ended(JobStatus::Success, minute(60), other)), None);
}

#[test]
fn only_a_final_row_is_marked() {
    let mut row = job("CD", "deploy", "refs/heads/main");
    row.context.commit_at = Some(minute(0));
    let mut running = JobRecord { status: RowStatus::Running, ..row.clone() };
    usual().mark(&mut running);
    assert_eq!((running.deployment, running.lead_time), (None, None));
    let mut over = ended(JobStatus::Success, minute(9), row);
    usual().mark(&mut over);
    assert_eq!((over.deployment, over.lead_time), (Some(true), Some(minutes(9))));
    let mut lost = ended(JobStatus::Abandoned, minute(9), over);
    usual().mark(&mut lost);
    assert_eq!((lost.deployment, lost.lead_time), (Some(true), None));
}

const S: JobStatus = JobStatus::Success;
const F: JobStatus = JobStatus::Failed;

#[test]
fn what_is_unknown_does_not_follow() {
    let whole = result(0, Outcome::Failed, minute(0));
    for unknown in [
        Context { repository: None, ..whole.context.clone() },
        Context { workflow: None, ..whole.context.clone() },
        Context { git_ref: None, ..whole.context.clone() },
    ] {
        let unknown = JobRecord { context: unknown, ..whole.clone() };
        let mut dora = Dora::default();
        fold(&mut dora, &unknown);
        let fixed = ended(JobStatus::Success, minute(5), unknown);
        assert_eq!(fold(&mut dora, &fixed).map(|told| told.recovery_time), Some(None));
        assert_eq!((dora.deployments, dora.streams.len()), ([1, 1], 0));
    }
}

#[test]
fn an_older_row_neither_begins_nor_ends_a_streak() {
    use Outcome::{Failed, Success};
    let told = |rows: &[(Outcome, i64)]| {
        let mut dora = Dora::default();
        let next = |(outcome, end): &(Outcome, i64)| fold(&mut dora, &result(0, *outcome, minute(*end)));
        rows.iter().filter_map(next).map(|told| told.recovery_time).collect::<Vec<_>>()
    };
    assert_eq!(told(&[(Failed, 5), (Success, 3), (Success, 9)]), [None, None, Some(minutes(4))]);
    assert_eq!(told(&[(Success, 5), (Failed, 3), (Success, 9)]), [None, None, None]);
    assert_eq!(told(&[(Failed, 5), (Failed, 3), (Success, 9)]), [None, None, Some(minutes(4))]);
    assert_eq!(told(&[(Failed, 5), (Success, 5)]), [None, Some(minutes(0))]);
}

#[test]
fn streams_are_bounded_and_the_quietest_is_forgotten() {
    let mut dora = Dora::default();
    let most = i64::try_from(MAX_STREAMS).unwrap();
    for stream in 0..=MAX_STREAMS {
        fold(&mut dora, &result(stream, Outcome::Failed, minute(i64::try_from(stream).unwrap())));
    }
    assert_eq!(dora.streams.len(), MAX_STREAMS);
    let mut fixed =
        |stream| fold(&mut dora, &result(stream, Outcome::Success, minute(most + 1))).unwrap().recovery_time;
    assert_eq!(fixed(1), Some(minutes(MAX_STREAMS as u64)));
    assert_eq!(fixed(0), None);
}

/// 66 batches of a queue, or branches of one pull request each, half of them failing: none is ever deployed again.
#[test]
fn branches_that_are_gone_push_no_failure_out_that_will_be_repaired() {
    use Outcome::{Failed, Success};
    let on = |branch: &str, outcome, end| {
        let mut row = result(0, outcome, minute(end));
        row.context.git_ref = Some(format!("refs/{branch}"));
        row
    };
    for main_line in ["heads/main", "heads/master", "tags/v1"] {
        for gone in [[Success, Failed], [Success, Success], [Failed, Failed]] {
            let mut dora = Dora::default();
            fold(&mut dora, &on(main_line, Failed, 0));
            for (n, outcome) in (1..).zip(gone.into_iter().cycle().take(3 * MAX_STREAMS)) {
                fold(&mut dora, &on(&format!("heads/gone-{n}"), outcome, n));
                assert!(dora.streams.len() <= MAX_STREAMS);
            }
            let fixed = fold(&mut dora, &on(main_line, Success, 1000)).unwrap();
            assert_eq!(fixed.recovery_time, Some(minutes(1000)), "{main_line} {gone:?}");
        }
    }
    // What does not fail goes first, however new it is: on any branch a failure is remembered.
    let mut dora = Dora::default();
    fold(&mut dora, &on("heads/release", Failed, 0));
    for n in 1..1000 {
        fold(&mut dora, &on(&format!("heads/gone-{n}"), Success, n));
    }
    let fixed = fold(&mut dora, &on("heads/release", Success, 1000)).unwrap();
    assert_eq!(fixed.recovery_time, Some(minutes(1000)));
}

/// One workflow that deploys two services by a matrix: `deploy (search)` does not repair `deploy (billing)`.
#[test]
fn services_of_one_workflow_are_streams_of_their_own_where_a_rule_says_so() {
    use Outcome::{Failed, Success};
    let told = |rule: Option<&str>, rows: &[(&str, Outcome)]| {
        let rule = rule.map(streams).unwrap_or_default();
        let mut dora = Dora::default().told_apart_by(&rule);
        let row = |(at, (name, outcome)): (i64, &(&str, Outcome))| JobRecord {
            job_name: Some((*name).into()),
            ..result(0, *outcome, minute(at))
        };
        let ends = (0..).zip(rows).map(row);
        ends.filter_map(|row| fold(&mut dora, &row).unwrap().recovery_time).collect::<Vec<_>>()
    };
    let matrix = [("deploy (billing)", Failed), ("deploy (search)", Success), ("deploy (billing)", Success)];
    assert_eq!(told(None, &matrix), [minutes(1)], "the first that goes out repairs all");
    for rule in ["job", "JOB", r"\((.+)\)$", r"^release (\w+)|\((\w+)\)", "(?i)(BILLING|search)"] {
        assert_eq!(told(Some(rule), &matrix), [minutes(2)], "{rule}");
    }
    // Two jobs of one service; what has no part at all is one stream as before.
    let eu = [("billing / eu", Failed), ("billing / us", Success), ("search / eu", Success)];
    assert_eq!(told(Some("^(.+) /"), &eu), [minutes(1)]);
    assert_eq!(told(Some("job"), &eu).len(), 0);
    let plain = [("deploy", Failed), ("deploy (search)", Success), ("publish", Success)];
    assert_eq!(told(Some(r"\((.+)\)$"), &plain), [minutes(2)]);
}

#[test]
fn a_rule_for_streams_is_job_or_has_a_group() {
    for good in ["job", "Job", "(a)", r"\((.+)\)$", "(?:x)(?P<service>y)"] {
        assert!(StreamRule::new(good).is_some(), "{good}");
    }
    for bad in ["", "jobs", "deploy", "(?:a)", r"\(.+\)", "(", &format!("({})", "a".repeat(LONGEST_PATTERN))]
    {
        assert_eq!(StreamRule::new(bad), None, "{bad}");
    }
    assert_eq!((streams("JOB").to_string(), streams("(a)").to_string()), ("job".into(), "(a)".into()));
}

/// A log of 2.3.0 is read, and where no rule is set what is written is what 2.3.0 reads.
#[test]
fn a_stream_without_a_part_is_written_as_it_always_was() {
    let mut dora = Dora::default();
    fold(&mut dora, &result(7, Outcome::Failed, minute(0)));
    let json = serde_json::to_string(&dora).unwrap();
    let place = r#""place":{"repository":"octo/cat","workflow":"deploy","branch":"7"}"#;
    assert!(json.contains(place), "{json}");
    assert_eq!(serde_json::from_str::<Dora>(&json).unwrap(), dora);
}

#[test]
fn what_is_older_fills_in_what_has_not_been_seen_since() {
    let folded = |rows: &[JobRecord]| {
        let mut dora = Dora::default();
        recoveries(&mut dora, rows);
        dora
    };
    let older = folded(&[result(0, Outcome::Failed, minute(1)), result(1, Outcome::Failed, minute(2))]);
    let mut dora = folded(&[result(0, Outcome::Success, minute(7))]);
    dora.precede(&older);
    assert_eq!(dora.deployments, [1, 0]);
    assert_eq!(dora.newest, [Some(minute(7)), Some(minute(2))]);
    assert_eq!(fold(&mut dora, &result(0, Outcome::Success, minute(9))).unwrap().recovery_time, None);
    assert_eq!(
        fold(&mut dora, &result(1, Outcome::Success, minute(9))).unwrap().recovery_time,
        Some(minutes(7))
    );
    let crowd: Vec<_> =
        (100..100 + MAX_STREAMS).map(|stream| result(stream, Outcome::Failed, minute(0))).collect();
    dora.precede(&folded(&crowd));
    assert_eq!(dora.streams.len(), MAX_STREAMS);
    assert!(dora.streams.iter().all(|stream| stream.failing_since.is_some()), "what was repaired goes");
}

/// Worked out from scratch: per stream the successes that follow failures, in the order of their time.
fn report(rows: &[JobRecord]) -> Vec<Duration> {
    let mut streams: BTreeMap<&str, Vec<&JobRecord>> = BTreeMap::new();
    for row in rows {
        streams.entry(row.context.git_ref.as_deref().unwrap_or_default()).or_default().push(row);
    }
    let mut recoveries = Vec::new();
    for stream in streams.values_mut() {
        stream.sort_by_key(|row| row.timestamp);
        for streak in stream.chunk_by(|a, b| a.status == b.status || a.status == RowStatus::Finished(F)) {
            let (first, success) =
                (streak[0], streak.iter().find(|row| row.status == RowStatus::Finished(S)));
            if let Some(success) = success.filter(|_| first.status == RowStatus::Finished(F)) {
                recoveries.push((success.timestamp - first.timestamp).to_std().unwrap());
            }
        }
    }
    recoveries.sort();
    recoveries
}

fn fold(dora: &mut Dora, row: &JobRecord) -> Option<Deployment> {
    let added = dora.judge(row)?;
    dora.count(&added);
    Some(added)
}

fn recoveries(dora: &mut Dora, rows: &[JobRecord]) -> Vec<Duration> {
    let told = |row| fold(dora, row).and_then(|told| told.recovery_time);
    let mut recoveries: Vec<_> = rows.iter().filter_map(told).collect();
    recoveries.sort();
    recoveries
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(Outcome::Success), Just(Outcome::Failed)]
}

/// Rows of a few streams, in any order; no two at the same time.
fn rows() -> impl Strategy<Value = Vec<JobRecord>> {
    vec((0..4_usize, outcome()), 0..40)
        .prop_map(|rows| {
            let row = |(n, (stream, outcome))| result(stream, outcome, minute(n));
            (0..).zip(rows).map(row).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

/// The rows in another order that keeps the one within each stream: whose turn it is, is drawn.
fn interleaved(rows: &[JobRecord], turns: &[usize]) -> Vec<JobRecord> {
    let mut streams: BTreeMap<&str, Vec<&JobRecord>> = BTreeMap::new();
    for row in rows.iter().rev() {
        streams.entry(row.context.git_ref.as_deref().unwrap_or_default()).or_default().push(row);
    }
    let mut streams: Vec<_> = streams.into_values().collect();
    let mut mixed = Vec::new();
    for turn in turns.iter().cycle() {
        streams.retain(|stream| !stream.is_empty());
        if streams.is_empty() {
            break;
        }
        let at = turn % streams.len();
        mixed.extend(streams[at].pop().cloned());
    }
    mixed
}

proptest! {
    #[test]
    fn in_the_order_of_time_it_is_what_happened(mut rows in rows()) {
        rows.sort_by_key(|row| row.timestamp);
        prop_assert_eq!(recoveries(&mut Dora::default(), &rows), report(&rows));
    }

    #[test]
    fn streams_do_not_see_one_another(rows in rows(), turns in vec(any::<usize>(), 1..40)) {
        let (mut one, mut other) = (Dora::default(), Dora::default());
        let mixed = interleaved(&rows, &turns);
        prop_assert_eq!(mixed.len(), rows.len());
        prop_assert_eq!(recoveries(&mut one, &rows), recoveries(&mut other, &mixed));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn shuffled_rows_are_counted_all_the_same_and_recover_from_nothing_else(rows in rows()) {
        let mut sorted = rows.clone();
        sorted.sort_by_key(|row| row.timestamp);
        let (mut one, mut other) = (Dora::default(), Dora::default());
        recoveries(&mut one, &sorted);
        // What is heeded is in the order of time, so the recoveries are those of these rows alone.
        let mut heeded: Vec<JobRecord> = Vec::new();
        for row in &rows {
            let newest = heeded.iter().filter(|other| other.context.git_ref == row.context.git_ref).map(|row| row.timestamp).max();
            if newest.is_none_or(|newest| row.timestamp >= newest) {
                heeded.push(row.clone());
            }
        }
        prop_assert_eq!(recoveries(&mut other, &rows), report(&heeded));
        prop_assert_eq!((one.deployments, one.newest), (other.deployments, other.newest));
    }
}
