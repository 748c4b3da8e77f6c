//! The client of the supervisor's socket: one datagram out of the runner's environment, and nothing of ours can fail or hold a job.
//!
//! No runtime: whoever does not listen, or no longer takes anything, is not told. Who has been told answers at once; until it
//! does, and no longer than [`PATIENCE`], we stay, for it looks whose process we are. At a job's end it may answer with a
//! summary of the job, which we hand on to the runner.

use crate::config::{Environment, Lookup};
use crate::domain::context::{
    ACCEPTED, ANSWER_LIMIT, CacheResult, Context, Moment, Report, SOCKET_VARIABLE, commit_time,
    is_cache_kind, tells_commit_time,
};
use crate::domain::trace::TraceParent;
use chrono::{DateTime, Utc};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, recv, send, socket,
};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// An event's body may not be longer, in bytes, or it is not read. GitHub's own limit is 25 MB, but to look through that
/// takes longer than a hook of ours may; a push of a thousand commits is well within.
const EVENT_LIMIT: u64 = 2 * 1024 * 1024;

/// The variable that names the file of variables for the job's further steps.
const VARIABLES: &str = "GITHUB_ENV";
/// The variable that names the file of a step's summary.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// How long we stay for an answer, in milliseconds: a supervisor that can be had answers within one.
const PATIENCE: u8 = 200;

/// `runner-init hook`: reports the job this process is a hook of. Silent, whatever happens.
pub(crate) fn job(moment: Moment) {
    let context = context(&Environment, utc_now());
    let report = match moment {
        Moment::Started => Report::Started(context),
        Moment::Completed => Report::Completed(context),
    };
    // Its context is missing then, the job is not.
    let Ok(answer) = tell(&report) else { return };
    if let (Moment::Started, Some(told)) = (moment, TraceParent::read(&answer)) {
        // A variable that is set already is somebody else's. Where the file cannot be written, the job goes untold.
        let text = told.variables(|name| Environment.get(name).is_some_and(|value| !value.is_empty()));
        let _ = Environment.get(VARIABLES).map(|path| append(path, &text));
    }
    if let (Moment::Completed, Some((line, summary))) = (moment, answer.split_once('\n')) {
        // A job can have made its summary impossible: then it has none.
        let _ = Environment.get(SUMMARY).map(|path| append(path, summary));
        if !line.is_empty() {
            let _ = writeln!(io::stdout(), "{line}");
        }
    }
}

/// Adds to an ordinary file that is there; a pipe that nobody reads would hold us.
fn append(path: OsString, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    file.write_all(text.as_bytes())
}

/// `runner-init cache`: records one look into a cache of this `kind`; one line on stderr where it was not recorded.
pub(crate) fn cache(kind: String, result: CacheResult) {
    let outcome = if is_cache_kind(&kind) {
        tell(&Report::Cache { kind, result }).map(drop)
    } else {
        Err(io::Error::other("a type is lower case letters, digits, '-' and '_', at most 64"))
    };
    if let Err(error) = outcome {
        // Nobody reads it: then nobody is told.
        let _ = writeln!(io::stderr(), "runner-init cache: not recorded: {error}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a process of its own that ends at once: its clock is read here"
)]
fn utc_now() -> DateTime<Utc> {
    Utc::now()
}

fn context(lookup: &dyn Lookup, now: DateTime<Utc>) -> Context {
    let text = |name: &str| lookup.get(name).and_then(|value| value.into_string().ok());
    let event = text("GITHUB_EVENT_NAME");
    let body = lookup
        .get("GITHUB_EVENT_PATH")
        .filter(|_| event.as_deref().is_some_and(tells_commit_time))
        .and_then(read_event);
    let context = Context {
        repository: text("GITHUB_REPOSITORY"),
        workflow: text("GITHUB_WORKFLOW"),
        job_key: text("GITHUB_JOB"),
        run_id: text("GITHUB_RUN_ID"),
        run_attempt: text("GITHUB_RUN_ATTEMPT"),
        run_number: text("GITHUB_RUN_NUMBER"),
        git_ref: text("GITHUB_REF"),
        sha: text("GITHUB_SHA"),
        actor: text("GITHUB_ACTOR"),
        commit_at: body.and_then(|body| commit_time(event.as_deref()?, &body, now)),
        tracking_id: text("RUNNER_TRACKING_ID"),
        event,
    };
    context.shaped(now)
}

/// The event's body; `None` if it is not an ordinary file of ordinary length. The job can put anything in its place.
fn read_event(path: OsString) -> Option<Vec<u8>> {
    // A pipe that nobody writes would be waited for.
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    let found = file.metadata().ok()?;
    if !found.is_file() || found.len() > EVENT_LIMIT {
        return None;
    }
    let mut body = Vec::with_capacity(usize::try_from(found.len()).ok()? + 1);
    (&mut file).take(EVENT_LIMIT + 1).read_to_end(&mut body).ok()?;
    Some(body)
}

/// What it is answered besides that it was taken.
fn tell(report: &Report) -> io::Result<String> {
    let path = Environment.get(SOCKET_VARIABLE).filter(|path| !path.is_empty());
    let path =
        path.ok_or_else(|| io::Error::other("this is no job of a runner that runner-init supervises"))?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let ours = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    // A name of the kernel's choice, for the answer; connected, so that nobody else can answer.
    bind(ours.as_raw_fd(), &UnixAddr::new_unnamed())?;
    connect(ours.as_raw_fd(), &UnixAddr::new(Path::new(&path))?)?;
    send(ours.as_raw_fd(), &report.encode(), MsgFlags::empty())?;
    let mut answer = [0; ANSWER_LIMIT];
    let mut there = [PollFd::new(ours.as_fd(), PollFlags::POLLIN)];
    let answered = poll(&mut there, PollTimeout::from(PATIENCE)).is_ok_and(|count| count > 0);
    let count =
        if answered { recv(ours.as_raw_fd(), &mut answer, MsgFlags::empty()) } else { Err(Errno::EAGAIN) };
    // Told, and perhaps not yet heard.
    let Ok(count) = count else { return Ok(String::new()) };
    let answer = String::from_utf8_lossy(&answer[..count]);
    match answer.split_once('\n').unwrap_or((&answer, "")) {
        (ACCEPTED, more) => Ok(more.to_owned()),
        (why, _) => Err(io::Error::other(format!("the supervisor refuses it: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MapLookup;

    fn now() -> DateTime<Utc> {
        "2026-08-17T13:15:44Z".parse().unwrap()
    }

    fn commit_at(event: &Path) -> Option<DateTime<Utc>> {
        let vars =
            [("GITHUB_EVENT_NAME", "push".into()), ("GITHUB_EVENT_PATH", event.as_os_str().to_owned())];
        context(&MapLookup::new(vars), now()).commit_at
    }

    #[test]
    fn nothing_set_is_nothing_known() {
        assert_eq!(context(&MapLookup::default(), now()), Context::default());
    }

    #[test]
    fn only_a_file_of_ordinary_length_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("event.json");
        let body = r#"{"head_commit":{"timestamp":"2026-08-17T12:58:03Z"}}"#;
        std::fs::write(&file, body).unwrap();
        assert_eq!(commit_at(&file), "2026-08-17T12:58:03Z".parse().ok());
        let padding = usize::try_from(EVENT_LIMIT).unwrap() - body.len();
        std::fs::write(&file, format!("{body}{}", " ".repeat(padding))).unwrap();
        assert!(commit_at(&file).is_some());
        std::fs::write(&file, format!("{body}{}", " ".repeat(padding + 1))).unwrap();
        assert_eq!(commit_at(&file), None);
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for odd in [&pipe, dir.path(), Path::new("/dev/zero"), &dir.path().join("missing")] {
            assert_eq!(commit_at(odd), None, "{}", odd.display());
        }
    }
}
