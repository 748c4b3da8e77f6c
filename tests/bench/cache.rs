//! The job's log as we follow it, beside `cat` over the same pages.

use super::report::{Report, Target, median, number, table};
use super::{Plan, process};
use runner_init::sys::door::Dir;
use runner_init::sys::job_log_tail::{self, Follower};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

const PAGE: usize = 8 * 1024 * 1024;
const TIME: &str = "2026-08-17T13:15:44.1234567Z ";
/// Two GUIDs and what joins them: the job's, and its first step's.
const STEMS: [&str; 2] = [
    "aaaaaaaa-d9cb-469f-a165-70867728950e_bbbbbbbb-d9cb-469f-a165-70867728950e",
    "aaaaaaaa-d9cb-469f-a165-70867728950e_cccccccc-d9cb-469f-a165-70867728950e",
];

/// What a build prints.
pub(crate) const USUAL: [&str; 4] = [
    "   Compiling some-crate v1.2.3 (registry index), a line such as jobs write by the thousand, 1234567890",
    "[4711/9999] Building CXX object src/CMakeFiles/thing.dir/part/of/it.cc.o",
    "PASS tests/unit/some/module.spec.ts (12.3 s)",
    "test domain::some::module::tests::the_thing_does_what_it_says ... ok",
];
/// What begins like the lines we look for.
const ALIKE: [&str; 4] = [
    "#12 34.56 Get:17 https://archive.example/debian bookworm/main amd64 libthing amd64 1.2-3 [123 kB]",
    "\u{1b}[32mok\u{1b}[0m 4711 - the thing does what it says, within a time that is told after it 0.012 s",
    "npm http fetch GET 200 https://registry.example/some-package 123ms",
    "Get:4711 https://archive.example/debian bookworm/main amd64 libother amd64 1.2-3 [123 kB]",
];
pub(crate) const KINDS: [(&str, &[&str]); 2] =
    [("usual lines", &USUAL), ("lines that look like ours", &ALIKE)];

/// The program `follow DIR COUNT`: says when it is ready and when it has heard so many requests; ends with its input.
pub(crate) fn follow(dir: &str, count: usize) {
    let (_follower, mut batches) = Follower::start(
        Dir::open(Path::new(dir)).expect("ours"),
        std::sync::Arc::default(),
        std::sync::Arc::default(),
    )
    .expect("a watch");
    println!("ready");
    let mut heard = 0;
    while heard < count {
        heard += batches.blocking_recv().expect("it goes on").len();
    }
    println!("done");
    let _ = std::io::stdin().read(&mut [0]);
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let (rounds, mib) = (plan.pick(9, 3), plan.pick(256, 32));
    report.topic(
        "Cache lines",
        &format!(
            "Milliseconds of processor time for {mib} MiB of a job's log in pages of 8 MiB: followed from a process of its own, and \
             `cat` of the same pages to /dev/null; median of {rounds}, taken in turns, start of the process included. Peak RSS is \
             that of the benchmark's own program, which links what the supervisor links."
        ),
    );
    let (mut rows, mut peak) = (Vec::new(), 0.0);
    for (kind, lines) in KINDS {
        let (mut ours, mut cat) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let round = round(lines, mib);
            ours.push(round.cpu);
            peak = round.rss;
            cat.push(round.cat);
        }
        let (ours, cat) = (median(ours), median(cat));
        let mut row = vec![format!("{mib} MiB, {kind}")];
        row.extend([ours, cat, ours / cat, peak].map(number));
        row.extend(report.judge(&format!("cache lines, {kind}"), ours / cat, Target::AtMost(1.5, "x cat")));
        rows.push(row);
    }
    if !plan.quick {
        let mut stage = Stage::new(1024 * 1024 * 1024 / PAGE);
        stage.play(&ALIKE, false);
        let (cpu, rss) = stage.used();
        let more = report.judge("cache lines, memory of 1 GiB", rss - peak, Target::AtMost(256.0, "kB more"));
        let cells = ["1 GiB".to_owned(), number(cpu), String::new(), String::new(), number(rss)];
        rows.push(cells.into_iter().chain(more).collect());
    }
    table(&["", "runner-init", "cat", "ratio", "peak RSS kB", "target", "met"], &rows);
}

/// Processor milliseconds of both, and the follower's peak RSS in kB.
pub(crate) struct Round {
    pub(crate) cpu: f64,
    pub(crate) cat: f64,
    rss: f64,
}

/// So many MiB of such lines, followed and then copied.
pub(crate) fn round(lines: &[&str], mib: usize) -> Round {
    let mut stage = Stage::new(mib * 1024 * 1024 / PAGE);
    stage.play(lines, true);
    let (cpu, rss) = stage.used();
    Round { cpu, cat: stage.cat(), rss }
}

/// A follower in a process of its own, and the pages it is to read.
pub(crate) struct Stage {
    dir: TempDir,
    pages: usize,
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Stage {
    fn new(pages: usize) -> Stage {
        Stage::of_program("follow", pages)
    }

    /// With this program of ours as the follower, which waits for so many requests.
    pub(crate) fn of_program(name: &str, pages: usize) -> Stage {
        let dir = TempDir::new().expect("a temporary directory");
        job_log_tail::prepare(dir.path(), None).expect("ours");
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg(name).arg(dir.path()).arg(pages.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let says = BufReader::new(child.stdout.take().expect("piped"));
        let mut stage = Stage { dir, pages, child, says };
        stage.hears("ready");
        stage
    }

    /// It waits to be asked for more.
    pub(crate) fn asks(&mut self) {
        self.child.stdin.as_mut().expect("piped").write_all(b"\n").expect("it reads");
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    pub(crate) fn hears(&mut self, word: &str) {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("it says");
        assert_eq!(line.trim_end(), word);
    }

    pub(crate) fn page(&self, stem: &str, number: usize) -> PathBuf {
        self.dir.path().join(format!("_diag/pages/{stem}_{number}.log"))
    }

    /// Writes the pages, each made when the one before it is closed, as the worker does; returns once all are read.
    fn play(&mut self, lines: &[&str], keep: bool) {
        let text = page(lines, PAGE);
        let step = File::create_new(self.page(STEMS[1], 1)).expect("new");
        let mut file = File::create_new(self.page(STEMS[0], 1)).expect("new");
        drop(step);
        for number in 1..=self.pages {
            file.write_all(text.as_bytes()).expect("room");
            file = File::create_new(self.page(STEMS[0], number + 1)).expect("new");
            // The worker would delete the file before up to a second later; we do once the follower is past it.
            if !keep {
                self.turns_to(&self.page(STEMS[0], number + 1));
                std::fs::remove_file(self.page(STEMS[0], number)).expect("ours");
            }
        }
        drop(file);
        self.hears("done");
    }

    fn turns_to(&self, page: &Path) {
        let fds = format!("/proc/{}/fd", self.child.id());
        let holds = || {
            let open = std::fs::read_dir(&fds).expect("it lives").flatten();
            open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|target| target == page)
        };
        super::server::wait_until("the follower is in the next page", holds);
    }

    /// Processor milliseconds and peak RSS in kB so far.
    pub(crate) fn used(&self) -> (f64, f64) {
        let pid = self.child.id().cast_signed();
        (process::cpu_ns(pid) as f64 / 1e6, process::peak_rss(pid) as f64)
    }

    /// Processor milliseconds of `cat` over the same pages.
    fn cat(&self) -> f64 {
        let before = process::children_used_ms();
        let pages = (1..=self.pages).map(|number| self.page(STEMS[0], number));
        let mut command = Command::new("cat");
        command.args(pages).stdin(Stdio::null()).stdout(Stdio::null());
        assert!(command.status().expect("it starts").success());
        process::children_used_ms() - before
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("ours");
    }
}

/// So many bytes of a script's lines, and one request at the end.
pub(crate) fn page(lines: &[&str], bytes: usize) -> String {
    let header =
        ["##[group]Run make", "\u{1b}[36;1mmake\u{1b}[0m", "shell: /usr/bin/bash -e {0}", "##[endgroup]"];
    let mut text = String::with_capacity(bytes + 1024);
    text.push('\u{feff}');
    for line in header.iter().chain(lines.iter().cycle()) {
        if text.len() >= bytes {
            break;
        }
        writeln!(text, "{TIME}{line}").expect("memory");
    }
    writeln!(text, "{TIME}Need to get 0 B/99 kB of archives.\n{TIME}Unpacking thing (1.2-3) ...")
        .expect("memory");
    text
}
