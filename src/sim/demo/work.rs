//! What the demo's jobs do: a checkout, their caches in the words of the tools themselves, and the work, which is what fails.

use super::{Random, Workflow};
use crate::scenario::JobStep;

/// Where a job keeps what it need not make again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cache {
    /// `actions/cache`.
    Actions,
    /// npm's own, as `npm ci --loglevel http` tells of it.
    Npm,
    /// Archives of Debian packages.
    Apt,
    /// The layers of an image.
    Layers,
}

/// How much of it a job finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    All,
    Some,
    Nothing,
}

impl Found {
    /// Mostly all.
    pub(super) fn draw(random: &mut Random) -> Found {
        match random.between(0, 99) {
            0..=69 => Found::All,
            70..=87 => Found::Some,
            _ => Found::Nothing,
        }
    }
}

/// The steps of a job that takes `ms` and whose last step fails or not.
pub(super) fn steps(
    random: &mut Random,
    workflow: &Workflow,
    ms: u64,
    found: Found,
    fails: bool,
) -> Vec<JobStep> {
    let mut steps = vec![JobStep { post_ms: Some(ms / 50), ..action("actions/checkout@v4", ms / 10) }];
    steps.extend(workflow.caches.iter().map(|cache| asking(random, *cache, found, ms / 10)));
    let spent: u64 = steps.iter().map(|step| step.ms).sum();
    steps.push(JobStep { exit: i32::from(fails), ..action(workflow.work, ms.saturating_sub(spent)) });
    steps
}

fn action(uses: &str, ms: u64) -> JobStep {
    JobStep { uses: Some(uses.into()), ms, ..JobStep::default() }
}

/// The step that asks the cache. npm and apt run in a script inside an action of several steps, whose header the runner
/// prints as any other's.
fn asking(random: &mut Random, cache: Cache, found: Found, ms: u64) -> JobStep {
    let with = |uses: &str, inputs: &[(&str, &str)], log| JobStep {
        with: inputs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        log,
        ..action(uses, ms)
    };
    match cache {
        Cache::Actions => {
            let key = format!("Linux-node-{:012x}", random.next() >> 16);
            let inputs = [("key", key.as_str()), ("path", "~/.npm"), ("restore-keys", "Linux-node-")];
            let cache = with("actions/cache@v4", &inputs, restore(random, &key, found));
            JobStep { post_ms: Some(ms / 5), ..cache }
        }
        Cache::Npm => {
            with("octo-org/setup-project@v3", &[], script("npm ci --loglevel http", npm(random, found)))
        }
        Cache::Apt => {
            let install = "sudo apt-get install -y libnss3 libgbm1 xvfb";
            with("octo-org/setup-browser@v1", &[], script(install, apt(found)))
        }
        Cache::Layers => {
            let inputs = [("context", "."), ("push", "true")];
            with("docker/build-push-action@v6", &inputs, layers(found))
        }
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// A step that runs one command.
fn script(command: &str, prints: Vec<String>) -> Vec<String> {
    let mut log = vec![
        format!("##[group]Run {command}"),
        format!("\u{1b}[36;1m{command}\u{1b}[0m"),
        "shell: /usr/bin/bash -e {0}".into(),
        "##[endgroup]".into(),
    ];
    log.extend(prints);
    log
}

fn restore(random: &mut Random, key: &str, found: Found) -> Vec<String> {
    let (says, from) = match found {
        Found::All => ("Cache hit for", key.to_owned()),
        Found::Some => ("Cache hit for restore-key", format!("Linux-node-{:012x}", random.next() >> 16)),
        Found::Nothing => return vec![format!("Cache not found for input keys: {key}, Linux-node-")],
    };
    vec![
        format!("{says}: {from}"),
        "Received 25165824 of 25165824 (100.0%), 84.2 MBs/sec".into(),
        "Cache Size: ~24 MB (25165824 B)".into(),
        "Cache restored successfully".into(),
        format!("Cache restored from key: {from}"),
    ]
}

fn npm(random: &mut Random, found: Found) -> Vec<String> {
    const PACKAGES: [&str; 6] = ["typescript", "esbuild", "vitest", "eslint", "undici", "zod"];
    let mut log = Vec::new();
    for (number, package) in PACKAGES.iter().enumerate() {
        let had = match found {
            Found::All => "hit",
            Found::Some if number % 3 == 0 => "miss",
            Found::Some => "revalidated",
            Found::Nothing => "miss",
        };
        let ms = random.between(2, 90);
        log.push(format!(
            "npm http fetch GET 200 https://npm.octo-org.example/{package} {ms}ms (cache {had})"
        ));
    }
    log.push("added 211 packages, and audited 212 packages in 3s".into());
    log
}

fn apt(found: Found) -> Vec<String> {
    let size = match found {
        Found::All => "0 B/9,184 kB",
        Found::Some => "812 kB/9,184 kB",
        Found::Nothing => "9,184 kB",
    };
    let mut log = vec![
        "0 upgraded, 3 newly installed, 0 to remove and 3 not upgraded.".into(),
        format!("Need to get {size} of archives."),
    ];
    if found != Found::All {
        log.extend(lines(&[
            "Get:1 http://archive.example/ubuntu noble/main amd64 xvfb amd64 2:21.1 [812 kB]",
            "Fetched 812 kB in 1s (804 kB/s)",
        ]));
    }
    log.push("Setting up xvfb (2:21.1) ...".into());
    log
}

/// What `BuildKit` prints: once a layer has to be made, so have all after it.
fn layers(found: Found) -> Vec<String> {
    const COMMANDS: [&str; 5] = [
        "FROM registry.example/library/node:22-slim",
        "WORKDIR /app",
        "COPY package.json package-lock.json ./",
        "RUN npm ci",
        "COPY . .",
    ];
    let had = match found {
        Found::All => COMMANDS.len(),
        Found::Some => 2,
        Found::Nothing => 1,
    };
    let mut log = lines(&[
        "#0 building with \"default\" instance using docker driver",
        "#1 [internal] load build definition from Dockerfile",
        "#1 DONE 0.0s",
    ]);
    for (number, command) in COMMANDS.iter().enumerate() {
        let vertex = number + 2;
        log.push(format!("#{vertex} [{}/{}] {command}", number + 1, COMMANDS.len()));
        log.push(if number < had { format!("#{vertex} CACHED") } else { format!("#{vertex} DONE 1.4s") });
    }
    log
}
