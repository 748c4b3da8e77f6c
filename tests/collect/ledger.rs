//! Ephemeral runners that are killed at random moments after their job, a collector that is killed, a network that is cut: what is
//! counted is what the jobs were.

use crate::collected::{Collector, Network};
use crate::supervised::{Plan, plan, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const RUNNERS: usize = 200;
const AT_ONCE: usize = 6;
/// The network stays cut so long: for whoever sends, time is the pause between two attempts, and these grow meanwhile.
const CUT: Duration = Duration::from_secs(8);

fn ephemeral(n: usize, result: &str) -> Plan {
    let job = json!({ "job": { "name": format!("job {n}"), "ms": 0, "spawn_ms": 0, "result": result } });
    let launch = json!({ "connect_ms": 0, "shutdown_ms": 0, "steps": [job, { "exit": 0 }] });
    // The ids of its runs are those of no other.
    plan(json!({ "launches": [launch], "context": { "run_id": 1_000_000 + n } }))
        .env("RUNNER_EPHEMERAL", "true")
}

#[test]
#[expect(clippy::too_many_lines, reason = "three at once: runners, collector, network")]
fn the_sums_are_those_of_the_ledger_whoever_is_killed() {
    require!("namespace");
    let collector = Collector::start(&[]);
    let network = Network::to(&collector.address);
    let url = format!("http://{}", network.address);
    let ledger: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let (next, over) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let collector = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    while let n @ 0..RUNNERS = next.fetch_add(1, Ordering::SeqCst) {
                        let (result, status) =
                            [("Succeeded", "success"), ("Failed", "failed"), ("Skipped", "skipped")][n % 3];
                        let name = format!("ephemeral-{n}");
                        let sending = |plan: Plan| plan.env("JOB_EVENTS_URL", &url).env("RUNNER_NAME", &name);
                        let mut s = sending(ephemeral(n, result)).start();
                        s.until_within(Duration::from_secs(60), "its job is over", |s| {
                            s.log().contains("event=job_finished")
                        });
                        *ledger.lock().expect("no panic").entry(status.to_owned()).or_default() += 1;
                        std::thread::sleep(Duration::from_millis(fastrand::u64(0..400)));
                        if let Some(pid) = s.try_pid() {
                            // It may just have left by itself.
                            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), SIGKILL);
                        }
                        s.exit_code();
                        // Whoever comes next on its volume sends what it has left.
                        let mut heir = sending(runner(&[])).in_dir_of(&s).start();
                        heir.until_within(Duration::from_secs(300), "nothing is unsent", |s| {
                            let log =
                                std::fs::read_to_string(s.path("state/jobs.log.sent")).unwrap_or_default();
                            !log.is_empty()
                                && s.metric("github_runner_job_events_unsent_timestamp_seconds").is_none()
                        });
                        heir.signal(SIGKILL);
                        heir.exit_code();
                    }
                })
            })
            .collect();
        let chaos = scope.spawn(|| {
            let mut collector = collector;
            let mut kills = 0;
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(fastrand::u64(1000..4000)));
                collector = collector.kill_and_start();
                network.lead_to(&collector.address);
                kills += 1;
                if kills % 12 == 2 {
                    network.cut();
                    std::thread::sleep(CUT);
                    network.mend();
                }
            }
            println!("the collector was killed {kills} times");
            collector
        });
        let ended: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::SeqCst);
        let collector = chaos.join().expect("no panic");
        assert!(ended.iter().all(Result::is_ok), "a runner's thread has panicked");
        collector
    });
    let ledger = ledger.into_inner().expect("no panic");
    assert_eq!(ledger.values().sum::<u64>(), RUNNERS as u64);
    collector.get("/metrics");
    assert_eq!(collector.results(), ledger);
    let known = collector.json("/api/v1/jobs")["jobs"].as_array().expect("jobs").len();
    assert_eq!(known, RUNNERS.min(200));
}
