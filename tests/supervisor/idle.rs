//! A runner that has nothing to do does nothing: nobody wakes it but who wants something of it.

use crate::supervised::{Supervised, job, runner};
use crate::{ns, require};
use std::time::Duration;

/// How often a thread of PID 1 or the supervisor has gone to sleep until now: each time it was woken before.
fn sleeps(s: &Supervised) -> u64 {
    let of_process = |pid: i32| {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it lives");
        let statuses = threads.flatten().map(|thread| std::fs::read_to_string(thread.path().join("status")));
        let count = |status: String| {
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.expect("the kernel counts them").trim().parse::<u64>().expect("a number")
        };
        // A thread may have ended meanwhile.
        statuses.flatten().map(count).sum::<u64>()
    };
    of_process(s.pid()) + of_process(s.supervisor())
}

/// The update interval is one second here: whoever still woke up with it would do so in every such stretch of time.
fn until_nothing_wakes_it(s: &mut Supervised) {
    s.until("nothing wakes it", |s| {
        let before = sleeps(s);
        std::thread::sleep(Duration::from_millis(2500));
        sleeps(s) == before
    });
}

#[test]
fn nothing_wakes_it_unless_somebody_looks_and_who_looks_sees_what_is_fresh() {
    require!("namespace");
    let mut s = runner(&[job("short", 10)]).start();
    s.until("the job has ended", |s| s.results() == ["success"]);
    s.until_state("idle");
    until_nothing_wakes_it(&mut s);
    let sampled = |s: &Supervised| s.metric("github_runner_uptime_seconds").expect("it is known");
    let first = sampled(&s);
    until_nothing_wakes_it(&mut s);
    // The stretch was longer than a sample may be old.
    assert!(sampled(&s) >= first + 2.0, "{first} and {}", sampled(&s));
    assert_eq!(s.stop(), 0);
}
