//! What the kernel says about a process: memory, processor time, context switches.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs::read_to_string;

/// kB of one field of `smaps_rollup` or `status`; 0 if the process is gone.
fn kilobytes(path: &str, field: &str) -> u64 {
    let text = read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Proportional set size, kB: shared pages count by their share.
pub(crate) fn pss(pid: i32) -> u64 {
    kilobytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// Pages of its own, kB.
pub(crate) fn private(pid: i32) -> u64 {
    let path = format!("/proc/{pid}/smaps_rollup");
    kilobytes(&path, "Private_Clean:") + kilobytes(&path, "Private_Dirty:")
}

/// Resident set size, kB.
pub(crate) fn rss(pid: i32) -> u64 {
    kilobytes(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// The highest resident set size so far, kB.
pub(crate) fn peak_rss(pid: i32) -> u64 {
    kilobytes(&format!("/proc/{pid}/status"), "VmHWM:")
}

fn tasks(pid: i32) -> Vec<String> {
    let dir = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    dir.map(|entry| entry.path().display().to_string()).collect()
}

/// Nanoseconds on a processor, all threads that still live.
pub(crate) fn cpu_ns(pid: i32) -> u64 {
    let of = |task: &String| {
        let text = read_to_string(format!("{task}/schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
    };
    tasks(pid).iter().map(of).sum()
}

/// Nanoseconds of children that were waited for, in steps of a clock tick.
pub(crate) fn children_cpu_ns(pid: i32) -> u64 {
    let text = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let words = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    // cutime and cstime are fields 16 and 17, state is field 3; a tick is 10 ms on every Linux we run on.
    words.skip(13).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10_000_000
}

/// How often its threads gave the processor away of their own accord: each is a wait, and so a wake-up.
pub(crate) fn waits(pid: i32) -> u64 {
    tasks(pid).iter().map(|task| kilobytes(&format!("{task}/status"), "voluntary_ctxt_switches:")).sum()
}

/// Processor milliseconds of everything this program has started and waited for, and of what that has.
pub(crate) fn children_used_ms() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a figure");
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e3
}
