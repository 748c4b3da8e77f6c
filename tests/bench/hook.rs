//! What a job waits for our hook: the whole process, from spawn to exit, whether anybody listens or not.

use super::Plan;
use super::report::{Report, Target, millis, number, table};
use runner_init::sys::door::Dir;
use runner_init::sys::hooks::{Shims, make_dir};
use serde_json::json;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// Bytes of an ordinary push's body, and of the longest that is read.
const EVENTS: [(&str, usize); 2] = [("usual.json", 20 * 1024), ("longest.json", 2 * 1024 * 1024)];

struct Way {
    name: &'static str,
    argv: Vec<PathBuf>,
    socket: PathBuf,
    event: PathBuf,
    times: Vec<f64>,
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let rounds = plan.pick(200, 10);
    report.topic(
        "A job hook of ours",
        &format!(
            "Milliseconds from spawn to exit, {rounds} of each, taken in turns. The event is a push of 20 KiB unless said otherwise; \
             the script is what the runner runs by `bash -e`, beside an empty one."
        ),
    );
    let dir = TempDir::new().expect("a directory");
    let listening = UnixDatagram::bind(dir.path().join("listening")).expect("a socket");
    let full = UnixDatagram::bind(dir.path().join("full")).expect("a socket");
    fill(&dir.path().join("full"));
    let mut ways = ways(dir.path(), &plan.binary);
    let heard = std::thread::spawn(move || {
        let mut datagram = [0; 16384];
        let mut count = 0;
        loop {
            match listening.recv_from(&mut datagram).expect("a datagram") {
                (0, _) => return count,
                (_, back) => drop(listening.send_to_addr(b"ok", &back).expect("it waits for an answer")),
            }
            count += 1;
        }
    });
    for _ in 0..rounds {
        for way in &mut ways {
            let began = Instant::now();
            let mut command = Command::new(&way.argv[0]);
            command.args(&way.argv[1..]).envs(environment(way)).stdin(Stdio::null());
            assert!(command.status().expect("it starts").success(), "{}", way.name);
            way.times.push(millis(began.elapsed()));
        }
    }
    let expected: usize = ways.iter().filter(|way| way.socket.ends_with("listening")).count() * rounds;
    UnixDatagram::unbound().and_then(|end| end.send_to(b"", dir.path().join("listening"))).expect("heard");
    assert_eq!(heard.join().expect("no panic"), expected, "a report was lost");
    drop(full);
    let rows: Vec<Vec<String>> = ways.into_iter().map(|way| row(way, report)).collect();
    table(&["", "p50", "p99", "target", "met"], &rows);
}

/// `hook started` and what stands beside it.
fn ways(dir: &Path, binary: &Path) -> Vec<Way> {
    for (name, size) in EVENTS {
        std::fs::write(dir.join(name), push(size)).expect("ours");
    }
    let exe = dir.join("runner-init");
    std::os::unix::fs::symlink(binary, &exe).expect("ours");
    let hooks = make_dir(dir, false).expect("ours");
    Shims::install(&hooks, &exe, &Dir::open(dir).expect("ours"), &[], &dir.join("listening"), false)
        .expect("a plain temporary directory");
    std::fs::write(dir.join("empty.sh"), "").expect("ours");
    let way = |name, argv: &[&Path], socket: &str, event: &str| Way {
        name,
        argv: argv.iter().map(|word| word.to_path_buf()).collect(),
        socket: dir.join(socket),
        event: dir.join(event),
        times: Vec::new(),
    };
    let [usual, longest] = EVENTS.map(|(name, _)| name);
    let (hook, started, bash) = (Path::new("hook"), Path::new("started"), Path::new("/bin/bash"));
    let hook = [exe.as_path(), hook, started];
    vec![
        way("`/bin/true`", &[Path::new("/bin/true")], "none", usual),
        way("`hook started`, heard", &hook, "listening", usual),
        way("`hook started`, nobody listens", &hook, "none", usual),
        way("`hook started`, the queue is full", &hook, "full", usual),
        way("`hook started`, heard, an event of 2 MiB", &hook, "listening", longest),
        way("`bash -e` of an empty script", &[bash, Path::new("-e"), &dir.join("empty.sh")], "none", usual),
        way(
            "`bash -e` of our script, heard",
            &[bash, Path::new("-e"), &hooks.join("job-started.sh")],
            "listening",
            usual,
        ),
    ]
}

fn environment(way: &Way) -> Vec<(&'static str, PathBuf)> {
    let words = [
        ("GITHUB_REPOSITORY", "octo-org/widgets"),
        ("GITHUB_WORKFLOW", "CI"),
        ("GITHUB_JOB", "build"),
        ("GITHUB_RUN_ID", "17203344551"),
        ("GITHUB_RUN_ATTEMPT", "1"),
        ("GITHUB_RUN_NUMBER", "812"),
        ("GITHUB_EVENT_NAME", "push"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_SHA", "258d6c857f3b2a1c9e8d7f6a5b4c3d2e1f0a9b8c"),
        ("GITHUB_ACTOR", "octocat"),
        ("RUNNER_TRACKING_ID", "github_3f2a1c9e-8d7f-4a5b-9c3d-2e1f0a9b8c7d"),
    ];
    let paths = [("RUNNER_INIT_SOCKET", way.socket.clone()), ("GITHUB_EVENT_PATH", way.event.clone())];
    words.map(|(name, value)| (name, value.into())).into_iter().chain(paths).collect()
}

/// A push with so many commits that its body is just within `size` bytes; as in real ones they come before its head.
fn push(size: usize) -> String {
    let commit = json!({
        "id": "258d6c857f3b2a1c9e8d7f6a5b4c3d2e1f0a9b8c",
        "message": "Tighten the loop\n\nIt was \"loose\".",
        "timestamp": "2025-01-02T03:04:05+01:00",
        "author": { "name": "Mona", "email": "mona@example.com" },
    });
    let body = |count: usize| {
        let event = json!({ "commits": vec![&commit; count], "head_commit": commit });
        serde_json::to_string_pretty(&event).expect("plain data")
    };
    let (none, ten) = (body(0).len(), body(10).len());
    body((size - none) / ((ten - none).div_ceil(10)) - 1)
}

fn fill(path: &Path) {
    let flood = UnixDatagram::unbound().expect("a socket");
    flood.set_nonblocking(true).expect("a socket");
    while flood.send_to(b"x", path).is_ok() {}
}

fn row(mut way: Way, report: &mut Report) -> Vec<String> {
    way.times.sort_by(f64::total_cmp);
    let at = |share: f64| way.times[((way.times.len() - 1) as f64 * share) as usize];
    let mut row = vec![way.name.to_owned(), number(at(0.5)), number(at(0.99))];
    if way.name.contains("hook") {
        row.extend(report.judge(way.name, at(0.99), Target::AtMost(10.0, "ms")));
    }
    row
}
