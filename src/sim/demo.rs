//! The scenario of `runner-init demo`: everything once in the first minute, then an ordinary day for ever.

use super::scenario::{
    ContextChange, Disconnect, Job, JobStep, Launch, Recovery, Scenario, Step, TaskResult, Then,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Jobs of the ordinary day before it repeats; about an hour at speed 1.
const DAY: usize = 240;

/// A workflow of the imaginary repository.
struct Workflow {
    name: &'static str,
    file: &'static str,
    event: &'static str,
    /// Display names of its jobs.
    jobs: &'static [&'static str],
    /// Shortest and longest job, in ms.
    range: (u64, u64),
}

const WORKFLOWS: [Workflow; 6] = [
    Workflow {
        name: "CI",
        file: "ci.yml",
        event: "push",
        jobs: &[
            "build (ubuntu-latest, 20)",
            "build (ubuntu-latest, 22)",
            "test (ubuntu-latest, 20)",
            "test (ubuntu-latest, 22)",
            "lint",
        ],
        range: (3000, 14_000),
    },
    Workflow {
        name: "Pull request",
        file: "pr.yml",
        event: "pull_request",
        jobs: &["checks / unit", "checks / types", "e2e / chromium", "e2e / firefox", "docs: preview"],
        range: (2000, 18_000),
    },
    Workflow {
        name: "Image",
        file: "image.yml",
        event: "push",
        jobs: &["image (linux/amd64)", "image (linux/arm64)", "scan"],
        range: (6000, 20_000),
    },
    Workflow {
        name: "Deploy",
        file: "deploy.yml",
        event: "push",
        jobs: &["deploy / staging", "deploy / production"],
        range: (4000, 9000),
    },
    Workflow {
        name: "Nightly",
        file: "nightly.yml",
        event: "schedule",
        jobs: &["fuzz (parser)", "fuzz (protocol)", "integration (postgres-16)"],
        range: (10_000, 20_000),
    },
    Workflow {
        name: "Release",
        file: "release.yml",
        event: "workflow_dispatch",
        jobs: &["release: publish packages"],
        range: (5000, 12_000),
    },
];

/// How likely each workflow is, per cent, in their order.
const SHARES: [u64; 6] = [40, 25, 13, 12, 7, 3];

/// The demo. `jobs`: so many are played, then the runner idles; `None`: for ever. `speed` divides every duration, `seed`
/// chooses the mixture; the same arguments give the same scenario.
#[expect(clippy::similar_names, reason = "speed and seed are the words of the command line")]
pub fn demo(jobs: Option<u32>, speed: f64, seed: u64) -> Scenario {
    let mut random = Random(seed);
    let mut day =
        vec![Step::IdleMs(800), named(&mut random, "deploy / production", 5000, TaskResult::Succeeded)];
    for number in 1..=DAY {
        let pause = random.between(500, 5000);
        day.push(Step::IdleMs(pause));
        if number % 23 == 0 {
            let ms = random.between(1500, 6000);
            day.push(Step::Disconnect(Disconnect { ms, ..Disconnect::default() }));
        }
        day.push(ordinary(&mut random));
    }
    let opening = Launch { steps: opening(&mut random), ..Launch::default() };
    let launches = vec![opening, Launch { steps: day, ..Launch::default() }];
    Scenario { speed, launches, then: Then::Repeat, max_jobs: jobs.map(u64::from), ..Scenario::default() }
}

/// The first half minute: success, failure, cancellation, a lost connection, a deployment, and a crash in mid-job.
fn opening(random: &mut Random) -> Vec<Step> {
    let mut cancelled = job_named(random, "e2e / chromium", 9000, TaskResult::Succeeded);
    cancelled.cancel_after_ms = Some(3000);
    let mut crashed = job_named(random, "integration (postgres-16)", 7000, TaskResult::Succeeded);
    crashed.during = vec![Step::IdleMs(4000), Step::Signal(9)];
    let lost = Disconnect { ms: 2500, recovery: Recovery::Printed, ..Disconnect::default() };
    vec![
        Step::IdleMs(700),
        named(random, "build (ubuntu-latest, 22)", 4000, TaskResult::Succeeded),
        Step::IdleMs(400),
        named(random, "test (ubuntu-latest, 22)", 3000, TaskResult::Failed),
        Step::IdleMs(400),
        Step::Job(Box::new(cancelled)),
        Step::IdleMs(400),
        Step::Disconnect(lost),
        Step::IdleMs(400),
        named(random, "deploy / staging", 4000, TaskResult::Succeeded),
        Step::IdleMs(400),
        Step::Job(Box::new(crashed)),
    ]
}

/// A job of an ordinary day.
fn ordinary(random: &mut Random) -> Step {
    let mut draw = random.between(0, 99);
    let likely = SHARES.iter().position(|share| {
        let hit = draw < *share;
        draw = draw.saturating_sub(*share);
        hit
    });
    let workflow = &WORKFLOWS[likely.unwrap_or(0)];
    let name = workflow.jobs[random.below(workflow.jobs.len())];
    let ms = random.between(workflow.range.0, workflow.range.1);
    let (result, cancelled) = match random.between(0, 99) {
        0..=81 => (TaskResult::Succeeded, false),
        82..=92 => (TaskResult::Failed, false),
        93..=98 => (TaskResult::Succeeded, true),
        _ => (TaskResult::Skipped, false),
    };
    let mut job = job_of(random, workflow, name, ms, result);
    job.cancel_after_ms = cancelled.then_some(ms / 2);
    Step::Job(Box::new(job))
}

fn named(random: &mut Random, name: &str, ms: u64, result: TaskResult) -> Step {
    Step::Job(Box::new(job_named(random, name, ms, result)))
}

fn job_named(random: &mut Random, name: &str, ms: u64, result: TaskResult) -> Job {
    let workflow = WORKFLOWS.iter().find(|workflow| workflow.jobs.contains(&name)).unwrap_or(&WORKFLOWS[0]);
    job_of(random, workflow, name, ms, result)
}

fn job_of(random: &mut Random, workflow: &Workflow, name: &str, ms: u64, result: TaskResult) -> Job {
    let context = json!({
        "workflow": workflow.name,
        "workflow_file": workflow.file,
        "job": name.split([' ', ':', '(']).next().unwrap_or(name),
        "event_name": workflow.event,
        "event_age_ms": random.between(120_000, 5_400_000),
        "sha": format!("{:016x}{:016x}{:08x}", random.next(), random.next(), random.next() >> 32),
        "ref": if workflow.event == "pull_request" { "refs/pull/42/merge" } else { "refs/heads/main" },
        "head_ref": if workflow.event == "pull_request" { "feature/faster-loop" } else { "" },
        "base_ref": if workflow.event == "pull_request" { "main" } else { "" },
    });
    let context = if let Value::Object(fields) = context { fields } else { ContextChange::new() };
    let steps = steps(random, workflow, ms, result == TaskResult::Failed);
    Job { name: name.into(), result, context, steps, spawn_ms: 150, ..Job::default() }
}

/// Checkout, a cache, and the work itself, which is what fails.
fn steps(random: &mut Random, workflow: &Workflow, ms: u64, fails: bool) -> Vec<JobStep> {
    let action = |uses: &str, ms| JobStep { uses: Some(uses.into()), ms, ..JobStep::default() };
    let mut steps = vec![action("actions/checkout@v4", ms / 10)];
    let hit = random.between(0, 99) < 72;
    if workflow.name == "Image" {
        let mut image = action("docker/build-push-action@v6", ms / 4);
        image.log = build_log(random);
        steps.push(image);
    } else if workflow.name != "Deploy" {
        let key = format!("Linux-node-{:012x}", random.next() >> 16);
        let mut cache = action("actions/cache@v4", ms / 10);
        cache.with = BTreeMap::from([("key".into(), key.clone()), ("path".into(), "~/.npm".into())]);
        cache.log = if hit {
            vec![
                format!("Cache hit for: {key}"),
                "Received 25165824 of 25165824 (100.0%), 84.2 MBs/sec".into(),
                "Cache Size: ~24 MB (25165824 B)".into(),
                "Cache restored successfully".into(),
                format!("Cache restored from key: {key}"),
            ]
        } else {
            vec![format!("Cache not found for input keys: {key}, Linux-node-")]
        };
        steps.push(cache);
    }
    let spent: u64 = steps.iter().map(|step| step.ms).sum();
    let work = match workflow.name {
        "Deploy" => "octo-org/deploy@v2",
        "Release" => "octo-org/publish@v1",
        _ => "octo-org/make@v3",
    };
    steps.push(JobStep { exit: i32::from(fails), ..action(work, ms.saturating_sub(spent)) });
    steps
}

/// What `BuildKit` prints.
fn build_log(random: &mut Random) -> Vec<String> {
    let mut log = vec!["#1 [internal] load build definition from Dockerfile".into(), "#1 DONE 0.0s".into()];
    for vertex in 2..8 {
        log.push(format!("#{vertex} [stage-0 {}/6] RUN make step-{vertex}", vertex - 1));
        log.push(if random.between(0, 9) < 7 {
            format!("#{vertex} CACHED")
        } else {
            format!("#{vertex} DONE 1.4s")
        });
    }
    log
}

/// `SplitMix64` (Steele, Lea, Flood 2014): small, seedable, good enough for a show.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_day_and_another_one_another() {
        assert_eq!(demo(None, 1.0, 7), demo(None, 1.0, 7));
        assert_ne!(demo(None, 1.0, 7), demo(None, 1.0, 8));
    }

    #[test]
    fn the_first_minute_shows_every_ending() {
        let script = demo(Some(3), 2.0, 1);
        assert_eq!((script.max_jobs, script.launches.len()), (Some(3), 2));
        let length = |step: &Step| match step {
            Step::IdleMs(ms) => *ms,
            Step::Disconnect(lost) => lost.ms,
            Step::Job(job) if !job.during.is_empty() => 4200,
            Step::Job(job) => job.cancel_after_ms.unwrap_or(job.steps.iter().map(|s| s.ms).sum()) + 300,
            _ => 0,
        };
        assert!(script.launches[0].steps.iter().map(length).sum::<u64>() < 40_000);
        let text = serde_json::to_string(&script.launches[0]).unwrap();
        for part in
            ["Failed", "cancel_after_ms\":3", "signal\":9", "Cache restored", "deploy / ", "disconnect"]
        {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn every_job_is_whole_and_takes_2_to_20_seconds() {
        let script = demo(None, 1.0, 99);
        let jobs = script.launches[1].steps.iter().filter_map(Step::as_job).collect::<Vec<_>>();
        assert_eq!(jobs.len(), DAY + 1);
        for job in jobs {
            let total: u64 = job.steps.iter().map(|step| step.ms).sum();
            assert!((2000..=20_000).contains(&total), "{} takes {total}", job.name);
            script.context.with(&job.context).unwrap();
        }
    }
}
