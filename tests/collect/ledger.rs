//! Ephemeral runners that are killed at random moments after their job, a collector that is killed, a network that is cut: what is
//! counted is what the jobs themselves have told somebody else.

use crate::collected::{Collector, Network};
use crate::supervised::{Plan, Supervised, plan, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const RUNNERS: usize = 200;
/// Threads that run jobs, and threads that do nothing but send what was left.
const AT_ONCE: usize = 4;
const HEIRS: usize = 2;
/// Runners that have left while nobody has sent what they left.
const WAITING: usize = 40;
/// The network stays cut so long, while jobs go on.
const CUT: Duration = Duration::from_secs(60);

/// What GitHub knows of the jobs: each job draws its result, and tells it here before it ends by it. It is nobody's of ours.
#[derive(Clone)]
struct GitHub {
    port: u16,
    told: Arc<Mutex<BTreeMap<usize, String>>>,
}

impl GitHub {
    fn start() -> GitHub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let github = GitHub { port: listener.local_addr().expect("bound").port(), told: Arc::default() };
        let told = Arc::clone(&github.told);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut line = String::new();
                BufReader::new(stream.try_clone().expect("a descriptor"))
                    .read_line(&mut line)
                    .expect("a line");
                let (number, result) = line.trim().split_once(' ').expect("a job and its result");
                let number = number.parse().expect("a number");
                let known = told.lock().expect("no panic").insert(number, result.to_owned());
                assert_eq!(known, None, "job {number} has ended twice");
                stream.write_all(b"noted\n").expect("it waits");
            }
        });
        github
    }

    /// The script of the only step of job `n`.
    fn job(&self, n: usize) -> String {
        format!(
            "if [ $((RANDOM % 3)) = 0 ]; then result=failed; else result=success; fi\n\
             exec 3<>/dev/tcp/127.0.0.1/{}\necho \"{n} $result\" >&3\nread -r answer <&3\n\
             test \"$answer\" = noted && test $result = success\n",
            self.port
        )
    }

    fn results(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for result in self.told.lock().expect("no panic").values() {
            *sums.entry(result.clone()).or_default() += 1;
        }
        sums
    }
}

fn ephemeral(n: usize, script: &str) -> Plan {
    let job = json!({ "job": { "name": format!("job {n}"), "spawn_ms": 0, "steps": [{ "run": script }] } });
    let launch = json!({ "connect_ms": 0, "shutdown_ms": 0, "steps": [job, { "exit": 0 }] });
    // The ids of its runs are those of no other.
    plan(json!({ "launches": [launch], "context": { "run_id": 1_000_000 + n } }))
        .env("RUNNER_EPHEMERAL", "true")
}

/// A runner that is killed at a random moment after its job, if it has not left.
fn live_and_die(plan: Plan) -> Supervised {
    let mut s = plan.start();
    s.until_within(Duration::from_secs(60), "its job is over", |s| s.log().contains("event=job_finished"));
    std::thread::sleep(Duration::from_millis(fastrand::u64(0..400)));
    if let Some(pid) = s.try_pid() {
        // It may just have left by itself.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), SIGKILL);
    }
    s.exit_code();
    s
}

/// Whoever comes next on its volume sends what it has left.
fn inherit(plan: Plan, left: &Supervised) {
    let mut heir = plan.in_dir_of(left).start();
    heir.until_within(Duration::from_secs(300), "nothing is unsent", |s| {
        let log = std::fs::read_to_string(s.path("state/jobs.log.sent")).unwrap_or_default();
        !log.is_empty() && s.metric("github_runner_job_events_unsent_timestamp_seconds").is_none()
    });
    heir.signal(SIGKILL);
    heir.exit_code();
}

/// Kills the collector now and then until it is over, and cuts the network once, when a quarter of the jobs has begun; the last
/// collector, and how many jobs had ended when the network was cut and when it was mended.
fn chaos(
    mut collector: Collector,
    network: &Network,
    github: &GitHub,
    begun: &AtomicUsize,
    over: &AtomicBool,
) -> (Collector, [u64; 2]) {
    let ended = || github.results().values().sum::<u64>();
    let (mut kills, mut cut, mut seen) = (0, None, [0; 2]);
    while !over.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(fastrand::u64(1000..4000)));
        collector = collector.kill_and_start();
        network.lead_to(&collector.address);
        kills += 1;
        match cut {
            None if begun.load(Ordering::SeqCst) >= RUNNERS / 4 => {
                network.cut();
                (cut, seen[0]) = (Some(Instant::now()), ended());
            }
            Some(since) if seen[1] == 0 && since.elapsed() >= CUT => {
                network.mend();
                seen[1] = ended();
            }
            _ => {}
        }
    }
    println!(
        "the collector was killed {kills} times, the network was cut after {} jobs and mended after {}",
        seen[0], seen[1]
    );
    (collector, seen)
}

#[test]
fn the_sums_are_those_of_the_ledger_whoever_is_killed() {
    require!("namespace");
    let github = GitHub::start();
    let collector = Collector::start(&[]);
    let network = Network::to(&collector.address);
    let url = format!("http://{}", network.address);
    let sending =
        |plan: Plan, n: usize| plan.env("JOB_EVENTS_URL", &url).env("RUNNER_NAME", &format!("ephemeral-{n}"));
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (leave, left) = sync_channel::<(usize, Supervised)>(WAITING);
    let left = Mutex::new(left);
    let take = |left: &Mutex<Receiver<(usize, Supervised)>>| left.lock().expect("no panic").recv();
    let heirs = || {
        while let Ok((n, s)) = take(&left) {
            inherit(sending(runner(&[]), n), &s);
        }
    };
    let work = |leave: SyncSender<(usize, Supervised)>| {
        while let n @ 0..RUNNERS = next.fetch_add(1, Ordering::SeqCst) {
            let s = live_and_die(sending(ephemeral(n, &github.job(n)), n));
            leave.send((n, s)).expect("somebody inherits");
        }
        // No more jobs to run.
        drop(leave);
        heirs();
    };
    let (collector, [cut, mended]) = std::thread::scope(|scope| {
        let begin = || {
            let (work, leave) = (&work, leave.clone());
            scope.spawn(move || work(leave))
        };
        let mut threads: Vec<_> = (0..AT_ONCE).map(|_| begin()).collect();
        threads.extend((0..HEIRS).map(|_| scope.spawn(heirs)));
        drop(leave);
        let chaos = scope.spawn(|| chaos(collector, &network, &github, &next, &over));
        let ended: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::SeqCst);
        let last = chaos.join().expect("no panic");
        assert!(ended.iter().all(Result::is_ok), "a runner's thread has panicked");
        last
    });
    assert!(cut > 0 && mended > cut, "jobs ended while the network was cut: from {cut} to {mended}");
    let ledger = github.results();
    assert_eq!(ledger.values().sum::<u64>(), RUNNERS as u64);
    assert!(ledger.len() == 2, "{ledger:?}");
    assert_eq!(collector.results(), ledger);
    let known = collector.json("/api/v1/jobs")["jobs"].as_array().expect("jobs").len();
    assert_eq!(known, RUNNERS.min(200));
}
