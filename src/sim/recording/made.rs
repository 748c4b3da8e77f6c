//! A listener's trace that was not kept, made up in its form from what was seen: its own lines, its Worker, its state, and the
//! tries of polls that failed.

use super::trace::{Record, is_log, printed};
use super::work::work;
use super::{Event, Recording, What};

/// A trace in the making.
struct Made<'a> {
    recording: &'a Recording,
    launch: &'a [Event],
    records: Vec<Record>,
    workers: u32,
    job: String,
}

/// The records that a reader of the trace looks for.
pub fn listener(recording: &Recording, launch: &[Event]) -> Vec<Record> {
    let begun = launch.iter().find(|e| matches!(&e.what, What::Created(path) if is_log(path, "Runner")));
    let first = begun.map_or(0.0, |event| event.at);
    let mut made = Made { recording, launch, records: Vec::new(), workers: 0, job: String::new() };
    made.add(first, "INFO Listener] Runner is built for Linux (X64) - linux-x64.");
    made.add(first, format!("INFO Listener] Version: {}", recording.runner));
    for event in launch {
        made.happen(event);
    }
    made.records.sort_by(|a, b| a.at.total_cmp(&b.at));
    made.records
}

impl Made<'_> {
    fn add(&mut self, at: f64, text: impl Into<String>) {
        self.records.push(Record { at, text: text.into() });
    }

    fn happen(&mut self, event: &Event) {
        let at = event.at;
        match &event.what {
            What::Wrote { stderr, .. } => printed(event).for_each(|(_, line)| self.say(at, *stderr, line)),
            What::WorkerStarted => {
                self.workers += 1;
                let number = 15_000 + self.workers;
                let text = format!("Process started with process id {number}, waiting for process exit.");
                self.add(at, format!("INFO ProcessInvokerWrapper] {text}"));
            }
            What::WorkerExited => {
                let code = work(self.recording, self.launch, at).exit_code();
                let number = 15_000 + self.workers;
                let text = format!(
                    "Finished process {number} with exit code {code}, and elapsed time 00:00:02.5277076."
                );
                self.add(at, format!("INFO ProcessInvokerWrapper] {text}"));
                self.add(
                    at,
                    format!("INFO JobDispatcher] Worker finished for job {}. Code: {code}", self.job),
                );
            }
            What::Exited(code) if *code >= 0 => {
                self.add(at, format!("INFO Listener] Runner execution has finished with return code {code}"));
            }
            What::Exited(_)
            | What::Signalled { .. }
            | What::Created(_)
            | What::Deleted(_)
            | What::Closed(_)
            | What::Moved(_)
            | What::Service { .. } => {}
        }
    }

    /// A printed line, and what stands around it.
    fn say(&mut self, at: f64, stderr: bool, line: &str) {
        let started = line.split_once(": Running job: ").map(|(_, name)| name);
        let result = line.split_once(" completed with result: ").map(|(_, result)| result);
        if let Some(name) = started {
            self.job = guid(name, at);
            let (plan, job) = (guid("plan", at), &self.job);
            let text = format!("Job request 0 for plan {plan} job {job} received.");
            self.add(at, format!("INFO JobDispatcher] {text}"));
            self.add(at, "INFO BrokerMessageListener] Received job status event. JobState: Busy");
        }
        if line.ends_with("Listening for Jobs") {
            self.add(at, "INFO BrokerMessageListener] Session created.");
        }
        if let Some(result) = result {
            let text = format!("finish job request for job {} with result: {result}", self.job);
            self.add(at, format!("INFO JobDispatcher] {text}"));
        }
        let (level, word) = if stderr { ("ERR ", "ERROR") } else { ("INFO", "LINE") };
        self.add(at, format!("{level} Terminal] WRITE {word}: {line}"));
        if result.is_some() {
            self.add(at, "INFO BrokerMessageListener] Received job status event. JobState: Online");
        }
        if started.is_some() {
            self.add(at, format!("INFO JobDispatcher] Start renew job request 0 for job {}.", self.job));
            if self.never_began(at) {
                self.refused(at);
            }
        }
        if line.ends_with("Retrying until reconnected.") && self.has_session(at) {
            self.failing(at, line);
        }
    }

    /// The first renewal is refused: no Worker is started, and the listener asks for jobs again.
    fn refused(&mut self, at: f64) {
        let why = "for the first time, stop dispatching job to worker.";
        let text = format!("Unable to renew job request for job {} {why}", self.job);
        self.add(at, format!("INFO JobDispatcher] {text}"));
        self.add(at, "INFO BrokerMessageListener] Received job status event. JobState: Online");
    }

    /// A claim whose Worker never came because its first renewal was refused at once.
    fn never_began(&self, at: f64) -> bool {
        let told = ["renew-404", "cancel-before-start", "cancel-before-start-ephemeral"];
        let begins =
            self.launch.iter().any(|event| event.at >= at - 1.0 && event.what == What::WorkerStarted);
        !begins && told.contains(&self.recording.scenario.as_str())
    }

    fn has_session(&self, at: f64) -> bool {
        let listens = |event: &Event| printed(event).any(|(_, line)| line.ends_with("Listening for Jobs"));
        self.launch.iter().any(|event| event.at < at && listens(event))
    }

    /// The tries of a poll that failed, before and after the one line that tells of it.
    fn failing(&mut self, told: f64, line: &str) {
        let is_fault =
            |event: &&Event| matches!(&event.what, What::Service { thing, .. } if thing == "fault");
        let began = self.launch.iter().filter(is_fault).map(|event| event.at).rfind(|at| *at < told);
        let Some(began) = began else { return };
        let ended = self.over(began);
        let message = line.split_once("error: ").map_or("", |(_, rest)| rest);
        let message = message.trim_end_matches(". Retrying until reconnected.");
        // Five tries lead to the line; the client's own silence comes before the first of them.
        let pause = ((told - began) / 4.0).min(12.5);
        for left in (1..=4_u32).rev() {
            self.tried(told - pause * f64::from(left), message);
            let text = format!("Back off {pause:.3} seconds before next retry. {left} attempt left.");
            self.add(told - pause * f64::from(left), format!("WARN BrokerServer] {text}"));
        }
        self.tried(told, message);
        self.add(told, "ERR  BrokerMessageListener] Catch exception during get next message.");
        self.add(told, "INFO BrokerMessageListener] Sleeping for 25.893 seconds before retrying.");
        let (mut at, mut left) = (told + 25.893, 4_u32);
        while at < ended {
            self.tried(at, message);
            if left == 0 {
                self.add(at, "INFO BrokerMessageListener] Sleeping for 25.893 seconds before retrying.");
                (at, left) = (at + 25.893, 4);
            } else {
                let text = format!("Back off 12.435 seconds before next retry. {left} attempt left.");
                self.add(at, format!("WARN BrokerServer] {text}"));
                (at, left) = (at + 12.435, left - 1);
            }
        }
    }

    fn tried(&mut self, at: f64, message: &str) {
        let asked = "GET request to http://127.0.0.1:8080/broker/message?status=Online failed.";
        self.add(at, format!("ERR  GitHubActionsService] {asked}"));
        self.add(at, "ERR  BrokerServer] Catch exception during request");
        self.add(at, format!("ERR  BrokerServer] System.Exception: {message}"));
    }

    /// When a fault was over: where the recording says so, else after the time its question names, else at the end.
    fn over(&self, began: f64) -> f64 {
        let is_back = |event: &&Event| {
            event.at > began && matches!(&event.what, What::Service { thing, .. } if thing == "back")
        };
        let back = self.launch.iter().find(is_back).map(|event| event.at);
        let named = || self.recording.asks.contains("for 100 s").then_some(began + 100.0);
        let end = self.launch.last().map_or(0.0, |event| event.at);
        back.or_else(named).unwrap_or(end)
    }
}

/// A number in the form the runner gives its jobs; the same for the same words.
fn guid(name: &str, at: f64) -> String {
    let sum = name.bytes().fold(at.to_bits(), |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{:08x}-0000-5000-8000-{:012x}", sum >> 32, sum & 0xffff_ffff_ffff)
}
