//! Jobs without a pause between them, read late or at once: as many are counted as were played, each with its own result.

use crate::supervised::{Supervised, runner};
use crate::{ns, require};
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Of one run.
const JOBS: usize = 61;
const RESULTS: [(&str, &str); 3] = [("Succeeded", "success"), ("Failed", "failed"), ("Skipped", "skipped")];

/// That many jobs of so many milliseconds, with this gap, and what each comes to.
fn jobs(count: usize, ms: u64, gap: u64) -> (Vec<Value>, Vec<&'static str>) {
    let results: Vec<(&str, &str)> = RESULTS.iter().copied().cycle().take(count).collect();
    let step = |(at, (result, _)): (usize, &(&str, &str))| {
        let worker = json!({ "setup_ms": 10, "upload_ms": 10 });
        let job =
            json!({ "job": { "name": format!("job {at}"), "ms": ms, "result": result, "worker": worker } });
        [job, json!({ "idle_ms": gap })]
    };
    let steps = results.iter().enumerate().flat_map(step).chain([json!({ "stdout": "THE END\n" })]);
    (steps.collect(), results.iter().map(|(_, status)| *status).collect())
}

/// Each has its result and, by its hook, its context.
#[track_caller]
fn all_are_right(s: &mut Supervised, expected: &[&str]) {
    s.until_within(Duration::from_secs(400), "the runner is done", |s| {
        String::from_utf8_lossy(&s.out()).contains("THE END") && s.results().len() >= expected.len()
    });
    let table: Vec<_> = s.table().into_iter().filter(|row| row.status != "running").collect();
    assert_eq!(s.results(), expected, "{table:#?}\n{}", s.log());
    for (at, row) in table.iter().enumerate() {
        assert_eq!(row.name, format!("job {at}"), "{}", s.log());
        assert!(
            row.job_id.starts_with(|first: char| first.is_ascii_digit()),
            "no context: {row:?}\n{}",
            s.log()
        );
    }
    s.until("idle again", |s| s.state() == "idle");
    let begun = s.metric("github_runner_jobs_started_total");
    assert_eq!(begun, Some(f64::from(u32::try_from(expected.len()).expect("few"))));
    assert_eq!(s.log().matches("event=claim_dropped").count(), 0, "{}", s.log());
}

#[test]
fn jobs_without_a_gap_are_counted_one_by_one() {
    require!("namespace");
    let (steps, expected) = jobs(9, 60, 0);
    let mut s = runner(&steps).start();
    all_are_right(&mut s, &expected);
    assert_eq!(s.stop(), 0);
}

#[test]
fn jobs_without_a_gap_are_counted_one_by_one_by_a_supervisor_that_is_always_late() {
    require!("namespace");
    let (steps, expected) = jobs(9, 60, 0);
    let mut s = runner(&steps).start();
    let supervisor = s.supervisor();
    let halting = Halting::of(supervisor);
    all_are_right(&mut s, &expected);
    drop(halting);
    assert_eq!(s.stop(), 0);
}

/// Every run of the issue: gaps of 0 to 50 ms, alone, in a tenth or a fifth of a processor, and beside eight busy processes.
#[test]
#[ignore = "an hour: cargo nextest run --run-ignored all --test supervisor gaps::every"]
fn every_job_is_counted_at_any_gap_quota_and_load() {
    require!("namespace");
    for run in 0..20_u64 {
        let gap = [0, 1, 5, 10, 20, 50][usize::try_from(run % 6).expect("small")];
        let (steps, expected) = jobs(JOBS, 100, gap);
        let load: Vec<Load> = (0..if run % 4 == 3 { 8 } else { 0 }).map(|_| Load::start()).collect();
        let mut s = runner(&steps).start();
        let quota = [None, Some(10), Some(20), None][usize::try_from(run % 4).expect("small")];
        let quota = quota.map(|percent| Quota::of(&s, percent));
        all_are_right(&mut s, &expected);
        println!(
            "run {run}: gap {gap} ms, quota {:?}, load {}: {JOBS} of {JOBS}",
            quota.as_ref().map(|q| q.0),
            load.len()
        );
        drop((quota, load));
        assert_eq!(s.stop(), 0);
    }
}

/// A part of one processor for a container, in percent, until it is dropped.
struct Quota(u32, std::path::PathBuf);

impl Quota {
    fn of(s: &Supervised, percent: u32) -> Quota {
        let old = std::path::Path::new("/sys/fs/cgroup/cpu");
        let name = format!("gaps-{}", std::process::id());
        let dir =
            if old.exists() { old.join(name) } else { std::path::Path::new("/sys/fs/cgroup").join(name) };
        std::fs::create_dir_all(&dir).expect("a cgroup can be made");
        let set = |file: &str, text: String| std::fs::write(dir.join(file), text);
        let quota = percent * 1000;
        let done = if old.exists() {
            set("cpu.cfs_period_us", "100000".into())
                .and_then(|()| set("cpu.cfs_quota_us", quota.to_string()))
        } else {
            set("cpu.max", format!("{quota} 100000"))
        };
        done.expect("it takes a quota");
        for pid in s.all_processes() {
            // It may have ended.
            let _ = set("cgroup.procs", pid.to_string());
        }
        Quota(percent, dir)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let above = self.1.parent().expect("below the root").join("cgroup.procs");
        for pid in std::fs::read_to_string(self.1.join("cgroup.procs")).unwrap_or_default().lines() {
            let _ = std::fs::write(&above, pid);
        }
        let _ = std::fs::remove_dir(&self.1);
    }
}

/// A busy process, until it is dropped.
struct Load(Child);

impl Load {
    fn start() -> Load {
        Load(
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .stdin(Stdio::null())
                .spawn()
                .expect("a shell"),
        )
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("our child");
    }
}

/// Stops a process for most of the time, until it is dropped.
struct Halting(std::sync::Arc<std::sync::atomic::AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Halting {
    fn of(pid: i32) -> Halting {
        let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = std::sync::Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !flag.load(std::sync::atomic::Ordering::Relaxed) {
                ns::send(pid, SIGSTOP);
                std::thread::sleep(Duration::from_millis(90));
                ns::send(pid, SIGCONT);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Halting(over, Some(thread))
    }
}

impl Drop for Halting {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        self.1.take().into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    }
}
