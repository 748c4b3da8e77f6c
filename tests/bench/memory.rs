//! Memory of both roles: idle, and after much has happened.

use super::report::{Report, Target, number, table};
use super::server::{KINDS, Kind, Server, setup};
use super::{Plan, load, ns, process};
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let (jobs, scrapes) = (plan.pick(1000, 20), plan.pick(10_000, 300));
    report.topic(
        "Memory",
        &format!(
            "kB, the sum of all its processes. PSS counts a shared page by its share, so those that share a library with \
             the whole machine look smaller than they would be alone in a container. Busy: after {jobs} jobs and \
             {scrapes} scrapes over 10 connections (the peers have no jobs)."
        ),
    );
    let mut rows = Vec::new();
    for kind in KINDS {
        match kind.missing() {
            Some(why) => report.left_out(&format!("memory of {why}")),
            None => rows.extend(server(kind, plan, report, jobs, scrapes)),
        }
    }
    for name in ["tini", "dumb-init", "catatonit"] {
        match ns::program(name) {
            Some(program) => rows.push(init(name, &program.display().to_string())),
            None => report.left_out(&format!("memory: there is no {name}")),
        }
    }
    table(&["", "processes", "RSS", "private", "PSS", "target", "met"], &rows);
}

fn figures(name: &str, pids: &[i32]) -> (Vec<String>, f64) {
    let sum = |of: fn(i32) -> u64| pids.iter().map(|pid| of(*pid)).sum::<u64>() as f64;
    let pss = sum(process::pss);
    let cells = [pids.len() as f64, sum(process::rss), sum(process::private), pss].map(number);
    ([name.to_owned()].into_iter().chain(cells).collect(), pss)
}

fn server(kind: Kind, plan: &Plan, report: &mut Report, jobs: usize, scrapes: usize) -> Vec<Vec<String>> {
    let bound = Target::AtMost(4096.0, "kB PSS");
    let idle = if kind == Kind::Ours { idle(plan) } else { setup().start(kind, plan) };
    let mut rows = Vec::new();
    if kind == Kind::Ours {
        for (name, pid) in ["- init (PID 1)", "- supervisor"].into_iter().zip(idle.pids()) {
            rows.push(figures(name, &[pid]).0);
        }
    }
    let (mut cells, pss) = figures(&format!("{}, idle", kind.name()), &idle.pids());
    if kind == Kind::Ours {
        cells.extend(report.judge("memory, idle", pss, bound));
    }
    rows.insert(0, cells);
    if kind == Kind::Predecessor {
        return rows;
    }
    drop(idle);
    let busy = busy(kind, plan, jobs, scrapes);
    let (mut cells, pss) = figures(&format!("{}, busy", kind.name()), &busy.pids());
    if kind == Kind::Ours {
        cells.extend(report.judge("memory, busy", pss, bound));
    }
    rows.push(cells);
    rows
}

/// Ours, once its runner is idle.
pub(crate) fn idle(plan: &Plan) -> Server {
    let server = setup().start(Kind::Ours, plan);
    settle(&server, 0);
    pause(&server);
    server
}

/// As it is between two scrapes.
fn pause(server: &Server) {
    std::thread::sleep(Duration::from_secs(2));
    assert!(load::once(server.address), "it serves");
    std::thread::sleep(Duration::from_millis(100));
}

/// After so many jobs, of ours, and so many scrapes, none of which may fail of ours. There are some jobs more than are waited for:
/// a hundred times a real runner's pace, two that close to each other may be read as one on a busy machine.
pub(crate) fn busy(kind: Kind, plan: &Plan, jobs: usize, scrapes: usize) -> Server {
    let steps = vec![json!({"job": {"name": "build", "ms": 200}}); jobs + jobs / 50 + 5];
    let scenario = json!({"speed": 20.0, "launches": [{"connect_ms": 0, "steps": steps}]});
    after(setup().scenario(scenario).start(kind, plan), jobs, scrapes)
}

/// The same of ours, which goes on without an end.
pub(crate) fn endless(plan: &Plan, jobs: usize, scrapes: usize) -> Server {
    let job = json!({"job": {"name": "build", "ms": 200}});
    let scenario = json!({"speed": 20.0, "launches": [{"connect_ms": 0, "steps": [job]}], "then": "repeat"});
    after(setup().scenario(scenario).start(Kind::Ours, plan), jobs, scrapes)
}

fn after(server: Server, jobs: usize, scrapes: usize) -> Server {
    work(&server, jobs, scrapes);
    server
}

/// Until so many jobs have ended, and so many scrapes more were answered.
pub(crate) fn work(server: &Server, jobs: usize, scrapes: usize) {
    let is_ours = server.kind == Kind::Ours;
    let manner = if is_ours { load::Manner::KeepGzip } else { load::Manner::Keep };
    let half = load::Until::Answered(scrapes / 2);
    let mut failures = load::run(server.address, 10, manner, half).failures;
    if is_ours {
        settle(server, jobs);
    }
    failures += load::run(server.address, 10, load::Manner::Keep, half).failures;
    assert!(!is_ours || failures == 0, "scrapes failed");
    pause(server);
}

/// Waits for a session and for so many ended jobs.
fn settle(server: &Server, jobs: usize) {
    super::server::wait_until("the session", || server.metric(&["github_runner_status{"]) > 0.0);
    super::server::wait_until("the jobs", || {
        server.metric(&["github_runner_jobs_total{", "status=\"success\""]) >= jobs as f64
    });
}

fn init(name: &str, program: &str) -> Vec<String> {
    figures(name, &[beside_a_child(program).pid()]).0
}

/// Such an init, idle above one child.
pub(crate) fn beside_a_child(program: &str) -> ns::Tree {
    let mut command = Command::new(program);
    command.args(["--", "sleep", "1000"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let tree = ns::Tree::spawn_silent(&mut command);
    ns::wait_until(ns::SOON, "its child", || !ns::children(tree.pid()).is_empty());
    std::thread::sleep(Duration::from_millis(50));
    tree
}
