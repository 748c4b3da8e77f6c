//! The files of a played run: they come and go by the names they had, but for the times in them, which are now.

use crate::clock::{self, Pace};
use crate::configure::Registration;
use crate::environment::Environment;
use crate::recording::trace::{self, Record, is_log};
use crate::recording::{Event, Recording, What, work};
use crate::scenario::Context;
use crate::worker::wire::Assignment;
use crate::{scenario, script, worker};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What the runner makes that is no file.
const DIRECTORIES: [&str; 6] =
    ["_diag", "_work", "_diag/pages", "_diag/blocks", "_work/_tool", "_work/_temp"];
const SCRIPT: &str = r#"while [ -d "/proc/$1" ]; do sleep 0.02; done; sleep "$2"; touch update.finished"#;

/// The runner's directory.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) root: PathBuf,
    kept: Option<PathBuf>,
    /// What has something below it.
    directories: Vec<String>,
    ephemeral: bool,
    /// Open for writing, by the recording's name.
    open: BTreeMap<String, File>,
    trace: Option<File>,
    work: Option<File>,
}

impl Files {
    pub(super) fn new(root: PathBuf, events: &[Event], kept: Option<PathBuf>) -> Files {
        let created = |event: &Event| match &event.what {
            What::Created(path) => Some(path.clone()),
            _ => None,
        };
        let parent = |path: String| path.rsplit_once('/').map(|(parent, _)| parent.to_owned());
        let mut directories: Vec<String> = events.iter().filter_map(created).filter_map(parent).collect();
        directories.extend(DIRECTORIES.map(str::to_owned));
        let ephemeral = events.iter().any(|event| event.what == What::Deleted(".runner".into()));
        Files { root, kept, directories, ephemeral, open: BTreeMap::new(), trace: None, work: None }
    }

    /// Makes what appeared; a page has its text when it is closed.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn create(&mut self, path: &str) -> io::Result<()> {
        let whole = self.root.join(path);
        let is_directory = self.directories.iter().any(|name| name == path);
        match path {
            _ if is_directory || (path.starts_with("_work/") && !path.contains('.')) => {
                fs::create_dir_all(whole)
            }
            // Unpacked or laid down before the start; the three come together.
            ".runner" if whole.exists() => Ok(()),
            ".runner" => Registration::of_kind(self.ephemeral).save(&self.root),
            ".credentials" | ".credentials_rsaparams" => Ok(()),
            _ if is_log(path, "Runner") => {
                self.trace = Some(log(&self.root, "Runner")?);
                Ok(())
            }
            _ if is_log(path, "Worker") => {
                self.work = Some(log(&self.root, "Worker")?);
                Ok(())
            }
            _ => {
                whole.parent().map_or(Ok(()), fs::create_dir_all)?;
                self.open.insert(path.to_owned(), File::create(whole)?);
                Ok(())
            }
        }
    }

    /// Closes what was written, a page with what was kept of it.
    pub(super) fn close(&mut self, path: &str) {
        if let Some(mut file) = self.open.remove(path) {
            // A full disk loses a page, as it does the real one.
            _ = file.write_all(&self.page(path).unwrap_or_default());
        }
    }

    /// The text of a step's page or the job's, as it was uploaded.
    fn page(&self, path: &str) -> Option<Vec<u8>> {
        let record = path.strip_prefix("_diag/pages/")?.split('_').nth(1)?;
        let kept = self.kept.as_ref()?;
        fs::read(kept.join(format!("step-{record}.txt"))).or_else(|_| fs::read(kept.join("job.txt"))).ok()
    }

    pub(super) fn delete(&mut self, path: &str) {
        self.open.remove(path);
        let whole = self.root.join(path);
        // Somebody else may have deleted it.
        _ = if whole.is_dir() { fs::remove_dir_all(whole) } else { fs::remove_file(whole) };
    }

    /// Only the updater's log is renamed; what it swaps is the same program here.
    pub(super) fn rename(&self, path: &str) {
        if let Some(before) = path.strip_suffix(".succeed") {
            _ = fs::rename(self.root.join(before), self.root.join(path));
        }
    }

    /// Whether the listener's trace has begun.
    pub(super) fn has_trace(&self) -> bool {
        self.trace.is_some()
    }

    /// Whether the Worker's trace has begun.
    pub(super) fn has_work(&self) -> bool {
        self.work.is_some()
    }

    /// Writes a record of the listener's trace.
    pub(super) fn trace(&mut self, record: Option<Record>) {
        write(&mut self.trace, record);
    }

    /// Writes a record of the Worker's trace.
    pub(super) fn work_trace(&mut self, record: Option<Record>) {
        write(&mut self.work, record);
    }

    /// The trace of the Worker that starts at `at`: the kept one, or the job's message and what followed.
    pub(super) fn begin_work(&mut self, recording: &Recording, events: &[Event], at: f64) -> Vec<Record> {
        self.work = None;
        let log = self.kept.as_ref().and_then(|dir| fs::read_to_string(dir.join("worker.log")).ok());
        if let Some(log) = log {
            return trace::kept(&log, events);
        }
        let mut records = work::worker(recording, events, at);
        let begun = records.first().map(|record| record.at);
        if let Some((at, message)) = begun.zip(message(events, at)) {
            records.insert(1, Record { at, text: format!("INFO Worker] Job message:\n {message}") });
        }
        records
    }

    /// What the updater does once the listener has left: it waits until the pid is gone, and says so.
    ///
    /// # Errors
    /// If the script cannot be started.
    pub(super) fn afterwards(
        &self,
        recording: &Recording,
        events: &[Event],
        env: &Environment,
        pace: Pace,
    ) -> io::Result<()> {
        let Some(left) = events.last().map(|event| event.at) else { return Ok(()) };
        let is_flag = |event: &&Event| {
            event.at > left && event.at < left + 5.0 && event.what == What::Created("update.finished".into())
        };
        let Some(flag) = recording.events.iter().find(is_flag) else { return Ok(()) };
        let after = format!("{:.3}", pace.seconds(flag.at - left).as_secs_f64());
        let mut bash = env.command("bash");
        bash.args(["-c", SCRIPT, "bash", &std::process::id().to_string(), &after]);
        bash.current_dir(&self.root).stdin(Stdio::null()).spawn().map(script::reap_later)
    }
}

/// The job's message, in the form of the Worker's trace, for the job whose line is nearest to its Worker's start.
fn message(events: &[Event], at: f64) -> Option<String> {
    let named = events.iter().filter_map(|event| match &event.what {
        What::Wrote { text, .. } => {
            let (_, rest) = text.split_once("Running job: ")?;
            Some((event.at, rest.split('\n').next().unwrap_or_default()))
        }
        _ => None,
    });
    let (_, name) = named.min_by(|a, b| (a.0 - at).abs().total_cmp(&(b.0 - at).abs()))?;
    let task = Assignment {
        job: scenario::Job { name: name.to_owned(), ..scenario::Job::default() },
        context: Context::default(),
        job_id: clock::guid(),
        plan_id: clock::guid(),
        request_id: 0,
        runner_name: "simulated".into(),
        work_folder: "_work".into(),
        speed: 1.0,
    };
    serde_json::to_string_pretty(&worker::job_message(&task, &clock::guid())).ok()
}

/// A trace whose name says when it was begun.
fn log(root: &Path, kind: &str) -> io::Result<File> {
    let name = format!("_diag/{kind}_{}-utc.log", clock::utc().format("%Y%m%d-%H%M%S"));
    OpenOptions::new().create(true).append(true).open(root.join(name))
}

fn write(file: &mut Option<File>, record: Option<Record>) {
    if let (Some(file), Some(record)) = (file, record) {
        // A full disk loses a record, as it does the real one.
        _ = file.write_all(format!("[{} {}\n", clock::stamp(), restamp(&record.text)).as_bytes());
    }
}

/// Every `YYYY-MM-DD HH:MM:SSZ: ` becomes now: the runner prints the time at which it prints.
pub(super) fn restamp(text: &str) -> String {
    const LENGTH: usize = "2026-11-30 08:59:08Z: ".len();
    const FORM: &[u8] = b"9999-99-99 99:99:99Z: ";
    let is_stamp = |part: &[u8]| {
        part.iter()
            .zip(FORM)
            .all(|(byte, form)| if *form == b'9' { byte.is_ascii_digit() } else { byte == form })
    };
    let Some(at) = text.as_bytes().windows(LENGTH).position(is_stamp) else { return text.to_owned() };
    format!("{}{}: {}", &text[..at], clock::stamp(), restamp(&text[at + LENGTH..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stamp_becomes_now_and_nothing_else_changes() {
        let text = restamp("√ a\n2020-01-02 03:04:05Z: Running job: 2020-01-02 x\n2020-01-02 03:04:05Z: y\n");
        let now = clock::stamp();
        let parts: Vec<&str> = text.split('Z').collect();
        assert_eq!(parts.len(), 3, "{text} {now}");
        assert!(text.starts_with("√ a\n2") && text.contains("Z: Running job: 2020-01-02 x\n"), "{text}");
        assert!(!text.contains("03:04:05"), "{text}");
        assert_eq!(restamp("no time"), "no time");
    }
}
