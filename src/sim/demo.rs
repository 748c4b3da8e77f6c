//! The scenario of `runner-init demo`: everything once in the first minute, then an ordinary day for ever.

mod work;

use super::scenario::{ContextChange, Disconnect, Job, Launch, Recovery, Scenario, Step, TaskResult, Then};
use serde_json::{Value, json};
use work::{Cache, Found};

/// Jobs of the ordinary day before it repeats; about an hour at speed 1.
const DAY: usize = 240;

/// A workflow of one of the imaginary repositories.
struct Workflow {
    repository: &'static str,
    name: &'static str,
    file: &'static str,
    event: &'static str,
    /// Display names of its jobs; each is of one workflow alone.
    jobs: &'static [&'static str],
    /// Shortest and longest job, in ms.
    range: (u64, u64),
    /// What its jobs ask before they work.
    caches: &'static [Cache],
    /// The action that does the work.
    work: &'static str,
}

const WIDGETS: &str = "octo-org/widgets";
const GATEWAY: &str = "octo-org/gateway";

const WORKFLOWS: [Workflow; 8] = [
    Workflow {
        repository: WIDGETS,
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
        caches: &[Cache::Actions, Cache::Npm],
        work: "octo-org/make@v3",
    },
    Workflow {
        repository: WIDGETS,
        name: "Pull request",
        file: "pr.yml",
        event: "pull_request",
        jobs: &["checks / unit", "checks / types", "e2e / chromium", "e2e / firefox", "docs: preview"],
        range: (2000, 18_000),
        caches: &[Cache::Actions, Cache::Apt],
        work: "octo-org/make@v3",
    },
    Workflow {
        repository: WIDGETS,
        name: "Image",
        file: "image.yml",
        event: "push",
        jobs: &["image (linux/amd64)", "image (linux/arm64)"],
        range: (6000, 20_000),
        caches: &[Cache::Layers],
        work: "octo-org/scan@v1",
    },
    Workflow {
        repository: WIDGETS,
        name: "Deploy",
        file: "deploy.yml",
        event: "push",
        jobs: &["deploy (production)"],
        range: (4000, 9000),
        caches: &[],
        work: "octo-org/deploy@v2",
    },
    Workflow {
        repository: WIDGETS,
        name: "Nightly",
        file: "nightly.yml",
        event: "schedule",
        jobs: &["fuzz (parser)", "fuzz (protocol)", "integration (postgres-16)"],
        range: (10_000, 20_000),
        caches: &[Cache::Actions, Cache::Apt],
        work: "octo-org/make@v3",
    },
    Workflow {
        repository: WIDGETS,
        name: "Release",
        file: "release.yml",
        event: "workflow_dispatch",
        jobs: &["release: publish packages"],
        range: (5000, 12_000),
        caches: &[Cache::Npm],
        work: "octo-org/publish@v1",
    },
    Workflow {
        repository: GATEWAY,
        name: "CI",
        file: "ci.yml",
        event: "push",
        jobs: &["gateway (x64)", "gateway (arm64)"],
        range: (3000, 9000),
        caches: &[Cache::Actions],
        work: "octo-org/make@v3",
    },
    Workflow {
        repository: GATEWAY,
        name: "Deploy",
        file: "deploy.yml",
        event: "workflow_run",
        jobs: &["deploy (gateway)"],
        range: (4000, 9000),
        caches: &[],
        work: "octo-org/deploy@v2",
    },
];

/// How likely each workflow is, per cent, in their order.
const SHARES: [u64; 8] = [32, 22, 12, 9, 7, 3, 10, 5];

/// The demo. `jobs`: so many are played, then the runner idles; `None`: for ever. `speed` divides every duration, `seed`
/// chooses the mixture; the same arguments give the same scenario.
#[expect(clippy::similar_names, reason = "speed and seed are the words of the command line")]
pub fn demo(jobs: Option<u32>, speed: f64, seed: u64) -> Scenario {
    let mut random = Random(seed);
    let mut day = Vec::new();
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

/// The first half minute: success, failure, cancellation, a lost connection, a deployment that fails and its repair, every
/// kind of cache, and a crash in mid-job.
fn opening(random: &mut Random) -> Vec<Step> {
    use TaskResult::{Failed, Succeeded};
    let mut job = |name, ms, result, found| known(name, ms, result, found).job(random);
    let mut cancelled = job("e2e / chromium", 9000, Succeeded, Found::Nothing);
    cancelled.cancel_after_ms = Some(3500);
    let mut crashed = job("integration (postgres-16)", 7000, Succeeded, Found::All);
    crashed.during = vec![Step::IdleMs(4000), Step::Signal(9)];
    let lost = Disconnect { ms: 2500, recovery: Recovery::Printed, ..Disconnect::default() };
    let acts = [
        Step::Job(Box::new(job("build (ubuntu-latest, 22)", 4000, Succeeded, Found::All))),
        Step::Job(Box::new(job("test (ubuntu-latest, 22)", 3000, Failed, Found::Some))),
        Step::Job(Box::new(cancelled)),
        Step::Disconnect(lost),
        Step::Job(Box::new(job("deploy (production)", 3500, Failed, Found::All))),
        Step::Job(Box::new(job("image (linux/amd64)", 5000, Succeeded, Found::Some))),
        Step::Job(Box::new(job("deploy (production)", 4000, Succeeded, Found::All))),
        Step::Job(Box::new(crashed)),
    ];
    acts.into_iter().flat_map(|act| [Step::IdleMs(400), act]).collect()
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
    let found = Found::draw(random);
    let mut job = Planned { workflow, name, ms, result, found }.job(random);
    job.cancel_after_ms = cancelled.then_some(ms / 2);
    Step::Job(Box::new(job))
}

/// A job before its details are drawn.
struct Planned {
    workflow: &'static Workflow,
    name: &'static str,
    ms: u64,
    result: TaskResult,
    found: Found,
}

/// The job of this name.
fn known(name: &'static str, ms: u64, result: TaskResult, found: Found) -> Planned {
    let workflow = WORKFLOWS.iter().find(|workflow| workflow.jobs.contains(&name)).unwrap_or(&WORKFLOWS[0]);
    Planned { workflow, name, ms, result, found }
}

impl Planned {
    fn job(&self, random: &mut Random) -> Job {
        let workflow = self.workflow;
        let is_pull = workflow.event == "pull_request";
        let context = json!({
            "repository": workflow.repository,
            "workflow": workflow.name,
            "workflow_file": workflow.file,
            "job": self.name.split([' ', ':', '(']).next().unwrap_or(self.name),
            "event_name": workflow.event,
            "event_age_ms": random.between(240_000, 14_400_000),
            "sha": format!("{:016x}{:016x}{:08x}", random.next(), random.next(), random.next() >> 32),
            "ref": if is_pull { "refs/pull/42/merge" } else { "refs/heads/main" },
            "head_ref": if is_pull { "feature/faster-loop" } else { "" },
            "base_ref": if is_pull { "main" } else { "" },
        });
        let context = if let Value::Object(fields) = context { fields } else { ContextChange::new() };
        let fails = self.result == TaskResult::Failed;
        let steps = work::steps(random, workflow, self.ms, self.found, fails);
        let (name, result) = (self.name.into(), self.result);
        Job { name, result, context, steps, spawn_ms: 150, ..Job::default() }
    }
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
        for part in [
            "Failed",
            "cancel_after_ms\":3",
            "signal\":9",
            "Cache restored",
            "CACHED",
            "deploy (",
            "disconnect",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn every_job_is_whole_and_takes_2_to_20_seconds() {
        let script = demo(None, 1.0, 99);
        let jobs = script.launches[1].steps.iter().filter_map(Step::as_job).collect::<Vec<_>>();
        assert_eq!(jobs.len(), DAY);
        for job in jobs {
            let total: u64 = job.steps.iter().map(|step| step.ms).sum();
            assert!((2000..=20_000).contains(&total), "{} takes {total}", job.name);
            script.context.with(&job.context).unwrap();
        }
    }

    #[test]
    fn a_name_is_of_one_workflow_and_every_workflow_has_its_share() {
        let names: Vec<&str> = WORKFLOWS.iter().flat_map(|workflow| workflow.jobs).copied().collect();
        let distinct: std::collections::BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(names.len(), distinct.len());
        assert_eq!(SHARES.iter().sum::<u64>(), 100);
    }

    #[test]
    fn a_day_has_every_answer_of_every_cache_and_deployments_of_both_ends() {
        let day = serde_json::to_string(&demo(None, 1.0, 1).launches[1]).unwrap();
        for part in [
            "Cache hit for: ",
            "Cache hit for restore-key: ",
            "Cache not found",
            "(cache hit)",
            "(cache miss)",
            "get 0 B/",
            "get 812 kB/",
            "get 9,184 kB of",
            " CACHED",
            " DONE 1.4s",
            "deploy (production)",
            "deploy (gateway)",
            "schedule",
            "workflow_dispatch",
        ] {
            assert!(day.contains(part), "{part}");
        }
    }
}
