//! A thief inside the container: looks for secrets wherever a job can look, in processes, files and answers.
//!
//! It is the test program itself, started by a job's step for its one ignored test. It is told the secrets disguised,
//! so that it does not find its own list, and leaves itself out.
#![allow(dead_code, unreachable_pub, reason = "each test file uses the part it needs")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The variable that names its directory, and what is in there.
pub const HOME: &str = "LEAK_PROBE";
const SECRETS: &str = "disguised";
const PLACES: &str = "places";
const REPORT: &str = "report";
const CHUNK: usize = 1 << 20;
const PAGES: [&str; 6] = ["/metrics", "/", "/api/v1/status", "/api/v1/jobs", "/readyz", "/healthz"];

/// Makes its directory: this program and the secrets. Gives a script that starts it, once [`release`] says where.
pub fn install(home: &Path, secrets: &[String]) -> String {
    fs::create_dir(home).expect("a new directory");
    let program = home.join("probe");
    fs::copy(std::env::current_exe().expect("this program"), &program).expect("a copy");
    let lines: Vec<String> = secrets.iter().map(|secret| disguise(secret)).collect();
    fs::write(home.join(SECRETS), lines.join("\n")).expect("a file");
    let (home, program) = (home.display(), program.display());
    format!(
        "until [ -e '{home}/{PLACES}' ]; do sleep 0.05; done
         {HOME}='{home}' '{program}' --exact probe --ignored --nocapture > '{home}/output' 2>&1"
    )
}

/// Lets it run over these directories and every process.
pub fn release(home: &Path, places: &[PathBuf]) {
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    fs::write(home.join("places.new"), places.join("\n")).expect("a file");
    fs::rename(home.join("places.new"), home.join(PLACES)).expect("a file");
}

/// Every byte inverted, in hexadecimal.
fn disguise(secret: &str) -> String {
    secret.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{:02x}", !byte);
        text
    })
}

fn undisguise(line: &str) -> Vec<u8> {
    let digits = (0..line.len()).step_by(2).map(|at| &line[at..at + 2]);
    digits.map(|pair| !u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
}

/// What it saw: `found|clean|denied PID COMM WHAT [secret N]`, one a line.
pub struct Report(Vec<String>);

impl Report {
    pub fn read(home: &Path) -> Report {
        let text = fs::read_to_string(home.join(REPORT)).expect("the probe has reported");
        Report(text.lines().map(str::to_owned).collect())
    }

    /// The lines that begin so.
    pub fn lines(&self, begin: &str) -> Vec<&str> {
        self.0.iter().map(String::as_str).filter(|line| line.starts_with(begin)).collect()
    }

    pub fn has(&self, line: &str) -> bool {
        self.0.iter().any(|known| known == line)
    }
}

/// The whole search.
pub fn run() {
    let home = PathBuf::from(std::env::var_os(HOME).expect("only a test starts it"));
    let secrets = fs::read_to_string(home.join(SECRETS)).expect("secrets");
    let places = fs::read_to_string(home.join(PLACES)).expect("places");
    let mut probe = Probe {
        secrets: secrets.lines().map(undisguise).collect(),
        lines: BTreeSet::new(),
        home: home.clone(),
    };
    for pid in pids().into_iter().filter(|pid| *pid != std::process::id()) {
        probe.process(pid);
    }
    for place in places.lines() {
        probe.tree(Path::new(place));
    }
    let report: Vec<String> = probe.lines.into_iter().collect();
    fs::write(home.join("report.new"), report.join("\n") + "\n").expect("a file");
    fs::rename(home.join("report.new"), home.join(REPORT)).expect("a report");
}

fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

struct Probe {
    secrets: Vec<Vec<u8>>,
    lines: BTreeSet<String>,
    home: PathBuf,
}

impl Probe {
    fn process(&mut self, pid: u32) {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let who = format!("{pid} {}", name.trim_end());
        for what in ["environ", "cmdline", "maps", "status", "comm", "stack", "auxv"] {
            let read = fs::read(format!("/proc/{pid}/{what}"));
            self.look(&format!("{who} {what}"), read.ok().as_deref());
        }
        self.memory(pid, &who);
        // Root may list them: it is the links that are closed.
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
        let first = fs::read_link(format!("/proc/{pid}/fd/0"));
        self.look(
            &format!("{who} fd"),
            first.ok().as_deref().map(|path| path.as_os_str().as_encoded_bytes()),
        );
        for entry in entries.flatten() {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            self.look(&format!("{who} fd"), Some(target.as_os_str().as_encoded_bytes()));
            // Opening anything else than a file could wait for ever, or take what is another's.
            if !target.starts_with(&self.home) && entry.path().is_file() {
                let mut text = Vec::new();
                let read =
                    File::open(entry.path()).and_then(|file| file.take(64 << 20).read_to_end(&mut text));
                self.look(&format!("{who} open file"), read.ok().map(|_| text.as_slice()));
            }
        }
    }

    fn memory(&mut self, pid: u32, who: &str) {
        let what = format!("{who} mem");
        let (Ok(maps), Ok(memory)) =
            (fs::read_to_string(format!("/proc/{pid}/maps")), File::open(format!("/proc/{pid}/mem")))
        else {
            return self.look(&what, None);
        };
        let mut buffer = vec![0; CHUNK];
        for line in
            maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with('r')))
        {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let number = |text| u64::from_str_radix(text, 16).ok();
            let Some((Some(from), Some(to))) = range.map(|(from, to)| (number(from), number(to))) else {
                continue;
            };
            let mut at = from;
            while at < to {
                let wanted = CHUNK.min(usize::try_from(to - at).unwrap_or(CHUNK));
                let Ok(count @ 1..) = memory.read_at(&mut buffer[..wanted], at) else { break };
                self.look(&what, Some(&buffer[..count]));
                // A secret may lie across the border of two chunks.
                let next = at + count as u64;
                at = if next < to { next.saturating_sub(256).max(at + 1) } else { next };
            }
        }
    }

    fn tree(&mut self, place: &Path) {
        if place.starts_with(&self.home) {
            return;
        }
        let Ok(entries) = fs::read_dir(place) else {
            return self.look(&format!("{} list", place.display()), None);
        };
        for entry in entries.flatten() {
            let path = entry.path();
            self.look(&format!("{} name", place.display()), Some(path.as_os_str().as_encoded_bytes()));
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                self.tree(&path);
            } else if kind.is_file() {
                self.look(&format!("{} file", path.display()), fs::read(&path).ok().as_deref());
            } else if let Ok(stream) = UnixStream::connect(&path) {
                drop(stream);
                self.pages(&path);
            }
        }
    }

    fn pages(&mut self, socket: &Path) {
        for page in PAGES {
            let mut answer = Vec::new();
            let asked = UnixStream::connect(socket).and_then(|mut stream| {
                write!(stream, "GET {page} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
                stream.read_to_end(&mut answer)
            });
            let answered = asked.is_ok() && answer.starts_with(b"HTTP/1.1 ");
            self.look(&format!("answer {page}"), answered.then_some(answer.as_slice()));
        }
    }

    fn look(&mut self, what: &str, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else {
            self.lines.insert(format!("denied {what}"));
            return;
        };
        self.lines.insert(format!("seen {what}"));
        for (number, secret) in self.secrets.iter().enumerate() {
            if memchr::memmem::find(bytes, secret).is_some() {
                self.lines.insert(format!("found {what} secret {number}"));
            }
        }
    }
}
