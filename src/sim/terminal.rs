//! Text reaches the pipes exactly as .NET's console writes it: 256 characters a write, a copy in the diagnostics log.
//!
//! Three layers: [`Console`] is `System.Console`, [`Trace`] is `HostTraceListener` plus `StdoutTraceListener`,
//! [`Terminal`] is the runner's own `Terminal`.

use super::clock::{self, Pace};
use super::environment::Environment;
use super::scenario;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Diagnostics files of a kind that are kept.
const KEPT: usize = 200;

/// Which pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// What a character becomes on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Utf8,
    Latin1,
    Ascii,
}

/// `System.Console` on a pipe: auto-flushed, no colour, errors ignored.
#[derive(Debug)]
pub(crate) struct Console {
    lock: Mutex<()>,
    charset: Charset,
    chunk: usize,
    gap: Duration,
}

impl Console {
    /// A console whose encoding follows the locale variables.
    pub(crate) fn new(env: &Environment, style: &scenario::Console, pace: Pace) -> Console {
        Console {
            lock: Mutex::new(()),
            charset: charset(env),
            chunk: style.chunk,
            gap: pace.ms(style.gap_ms),
        }
    }

    /// Keeps other threads' text out until dropped.
    fn hold(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One `Console.Write`: pieces of at most 256 UTF-16 units, each its own `write(2)`. The caller holds the lock.
    fn put(&self, stream: Stream, text: &str) {
        for piece in pieces(text) {
            self.bytes(stream, &encode(self.charset, piece));
        }
    }

    /// Writes bytes, in chunks if the scenario asks for it. A closed pipe is ignored, as .NET ignores EPIPE.
    pub(crate) fn bytes(&self, stream: Stream, bytes: &[u8]) {
        let chunk = if self.chunk == 0 { bytes.len().max(1) } else { self.chunk };
        for (index, part) in bytes.chunks(chunk).enumerate() {
            if index > 0 && !self.gap.is_zero() {
                std::thread::sleep(self.gap);
            }
            match stream {
                Stream::Stdout => write_all(io::stdout(), part),
                Stream::Stderr => write_all(io::stderr(), part),
            }
        }
    }

    /// One `Console.Write` to stdout.
    fn text(&self, text: &str) {
        let _held = self.hold();
        self.put(Stream::Stdout, text);
    }

    /// One `Console.WriteLine`.
    pub(crate) fn line(&self, stream: Stream, text: &str) {
        let _held = self.hold();
        self.put(stream, &format!("{text}\n"));
    }
}

fn write_all(to: impl AsFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match nix::unistd::write(&to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

fn charset(env: &Environment) -> Charset {
    let locale =
        ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(|key| env.get(key)).unwrap_or_default();
    let name = locale.split_once('.').map_or("", |(_, rest)| rest.split('@').next().unwrap_or_default());
    match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "" | "utf8" => Charset::Utf8,
        "iso88591" | "latin1" => Charset::Latin1,
        _ => Charset::Ascii,
    }
}

/// Cuts text into what fits .NET's 256-character writer buffer.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut units) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        if units + character.len_utf16() > 256 {
            pieces.push(&text[start..at]);
            (start, units) = (at, 0);
        }
        units += character.len_utf16();
    }
    pieces.push(&text[start..]);
    pieces
}

fn encode(charset: Charset, text: &str) -> Vec<u8> {
    let limit = match charset {
        Charset::Utf8 => return text.as_bytes().to_vec(),
        Charset::Latin1 => 0x100,
        Charset::Ascii => 0x80,
    };
    let byte = |c: char| u8::try_from(u32::from(c)).ok().filter(|b| u32::from(*b) < limit).unwrap_or(b'?');
    text.chars().map(byte).collect()
}

/// The diagnostics log, and its copy on stdout when log printing is on (runner-facts §6.1, §7).
#[derive(Debug)]
pub(crate) struct Trace {
    /// `Runner` or `Worker`.
    kind: &'static str,
    file: Mutex<File>,
    printed: bool,
    prefix_all: bool,
}

impl Trace {
    /// Opens `<root>/_diag/<kind>_<utc>-utc.log`.
    ///
    /// # Errors
    /// If `_diag` cannot be made or the file cannot be opened.
    pub(crate) fn open(root: &Path, kind: &'static str, env: &Environment) -> io::Result<Trace> {
        let dir = root.join("_diag");
        std::fs::create_dir_all(&dir)?;
        prune(&dir, kind);
        let file = open_log(&dir, kind)?;
        let printed = env.is_true("ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT");
        let prefix_all = !env.is_true("ACTIONS_RUNNER_DISABLE_STDOUT_MULTILINE_LOG_PREFIXING");
        Ok(Trace { kind, file: Mutex::new(file), printed, prefix_all })
    }

    /// Whether records go to stdout too.
    pub(crate) fn printed(&self) -> bool {
        self.printed
    }

    /// One record at level `INFO`.
    pub(crate) fn info(&self, console: &Console, source: &str, message: &str) {
        self.record(console, "INFO", source, message);
    }

    /// One record; `level` is `CRIT`, `ERR `, `WARN`, `INFO` or `VERB`. Errors of the file are ignored.
    pub(crate) fn record(&self, console: &Console, level: &str, source: &str, message: &str) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let text = format!("[{} {level} {source}] {message}\n", clock::stamp());
        _ = file.write_all(text.as_bytes());
        if !self.printed {
            return;
        }
        // Only the trace lock is held: another thread's line can land between header and text, as in the real runner.
        for (index, line) in message.split('\n').enumerate() {
            if index == 0 || self.prefix_all {
                console.text(&self.header(level, source));
            }
            console.text(&format!("{line}\n"));
        }
    }

    fn header(&self, level: &str, source: &str) -> String {
        format!("[{} {} {level} {source}] ", self.kind.to_uppercase(), clock::stamp())
    }
}

/// Deletes all but the newest files of a kind. The real runner keeps them for 30 days; a simulation can play more jobs
/// in an hour than a runner in a month.
/// Its name has the second. No two of the real Workers begin in one second; ours may, and take the next free one then.
fn open_log(dir: &Path, kind: &str) -> io::Result<File> {
    let begun = clock::utc();
    let path = |second: i64| {
        let at = begun + chrono::TimeDelta::seconds(second);
        dir.join(format!("{kind}_{}-utc.log", at.format("%Y%m%d-%H%M%S")))
    };
    let mut options = OpenOptions::new();
    options.append(true);
    let seconds = if kind == "Worker" { 60 } else { 0 };
    let new = (0..seconds).find_map(|second| options.clone().create_new(true).open(path(second)).ok());
    new.map_or_else(|| options.create(true).open(path(0)), Ok)
}

fn prune(dir: &Path, kind: &str) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.starts_with(kind));
    names.sort();
    for old in names.iter().rev().skip(KEPT - 1) {
        // Somebody else may have deleted it.
        _ = std::fs::remove_file(dir.join(old));
    }
}

/// What the runner says to its user.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Where the text goes.
    pub(crate) console: Console,
    /// Where its copy goes.
    pub(crate) trace: Trace,
    splice: bool,
}

impl Terminal {
    pub(crate) fn new(console: Console, trace: Trace, splice: bool) -> Terminal {
        let splice = splice && trace.printed();
        Terminal { console, trace, splice }
    }

    /// `WriteLine`: one line on stdout.
    pub(crate) fn line(&self, text: &str) {
        self.info("Terminal", &format!("WRITE LINE: {text}"));
        if !self.splice {
            return self.console.line(Stream::Stdout, text);
        }
        let _held = self.console.hold();
        self.console.put(Stream::Stdout, &self.trace.header("INFO", "JobDispatcher"));
        self.console.put(Stream::Stdout, &format!("{text}\n"));
        self.console.put(Stream::Stdout, "Successfully renew job, job is valid for 10 minutes\n");
    }

    /// One line on stdout behind the time of printing.
    pub(crate) fn stamped(&self, text: &str) {
        self.line(&format!("{}: {text}", clock::stamp()));
    }

    /// `WriteSuccessMessage`: the tick and the text are two writes, and the log has no copy.
    pub(crate) fn success(&self, text: &str) {
        let _held = self.console.hold();
        self.console.put(Stream::Stdout, "√ ");
        self.console.put(Stream::Stdout, &format!("{text}\n"));
    }

    /// `WriteSection`: an empty line, the heading, an empty line; the log has no copy.
    pub(crate) fn section(&self, text: &str) {
        for line in ["", &format!("# {text}"), ""] {
            self.console.line(Stream::Stdout, line);
        }
    }

    /// `WriteError`: one line on stderr.
    pub(crate) fn error(&self, text: &str) {
        self.trace.record(&self.console, "ERR ", "Terminal", &format!("WRITE ERROR: {text}"));
        self.console.line(Stream::Stderr, text);
    }

    /// One line on stderr behind the time of printing.
    pub(crate) fn stamped_error(&self, text: &str) {
        self.error(&format!("{}: {text}", clock::stamp()));
    }

    /// One record of the diagnostics log.
    pub(crate) fn info(&self, source: &str, message: &str) {
        self.trace.info(&self.console, source, message);
    }

    /// One record of the trace at level `ERR`.
    pub(crate) fn failure(&self, source: &str, message: &str) {
        self.trace.record(&self.console, "ERR ", source, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Environment {
        Environment(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn writes_are_256_utf16_units_and_never_split_a_pair() {
        let text = format!("{}😀end", "x".repeat(255));
        let cut = pieces(&text);
        assert_eq!(cut.len(), 2);
        assert_eq!((cut[0].len(), cut[1]), (255, "😀end"));
        assert_eq!(pieces(""), [""]);
        assert_eq!(pieces(&"y".repeat(600)).iter().map(|p| p.len()).collect::<Vec<_>>(), [256, 256, 88]);
    }

    #[test]
    fn only_the_newest_files_of_a_kind_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..KEPT + 5 {
            std::fs::write(dir.path().join(format!("Worker_{number:04}")), "").unwrap();
        }
        std::fs::write(dir.path().join("Runner_0000"), "").unwrap();
        prune(dir.path(), "Worker");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), KEPT);
        assert!(dir.path().join("Runner_0000").exists() && !dir.path().join("Worker_0005").exists());
        assert!(dir.path().join(format!("Worker_{:04}", KEPT + 4)).exists());
    }

    #[test]
    fn the_locale_decides_what_a_tick_becomes() {
        let tick = |lang: &str| encode(charset(&env(&[("LANG", lang)])), "√é");
        assert_eq!(tick("C.UTF-8"), "√é".as_bytes());
        assert_eq!(tick("C"), "√é".as_bytes());
        assert_eq!(tick("de_DE.ISO-8859-1@euro"), b"?\xe9");
        assert_eq!(tick("C.ANSI_X3.4-1968"), b"??");
        assert_eq!(charset(&env(&[("LANG", "C.UTF-8"), ("LC_ALL", "C.ASCII")])), Charset::Ascii);
    }
}
