//! Runs `config.sh`: what it prints is passed on and remembered; if nobody wants its end any more, its whole group is killed.

use super::child::{Launch, exit_of, pass};
use super::stdio::OutputWriter;
use crate::domain::event::{Exit, Stream};
use crate::domain::line::LineDecoder;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Lines remembered, and how much of each.
const LINES: usize = 200;
const WIDTH: usize = 400;

/// How it ended and what it said.
#[derive(Debug)]
pub struct ScriptOutcome {
    /// Its end.
    pub exit: Exit,
    /// The last lines of stdout, then those of stderr.
    pub lines: Vec<String>,
}

/// Kills the group unless its end was awaited.
struct KillOnDrop(Option<Pid>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // The leader has not been waited for, so the number is still its own.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Runs it to its end. Dropping the future kills it and whatever it has started.
///
/// # Errors
/// If it cannot be started or waited for.
///
/// # Panics
/// Never: a fresh child has the pipes that were asked for.
pub async fn run(command: &Launch, outlets: &[OutputWriter; 2]) -> io::Result<ScriptOutcome> {
    let mut child = command.command().kill_on_drop(true).spawn()?;
    let group = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    let mut leash = KillOnDrop(group);
    let stdout = listen(child.stdout.take().expect("it was piped"), &outlets[Stream::Stdout as usize]);
    let stderr = listen(child.stderr.take().expect("it was piped"), &outlets[Stream::Stderr as usize]);
    let (out, err) = tokio::join!(stdout, stderr);
    let status = child.wait().await?;
    leash.0 = None;
    Ok(ScriptOutcome { exit: exit_of(status), lines: [out, err].concat() })
}

async fn listen(mut pipe: impl AsyncRead + Unpin, outlet: &OutputWriter) -> Vec<String> {
    let mut decoder = LineDecoder::default();
    let mut lines: Vec<String> = Vec::new();
    let mut keep = |line: &[u8]| {
        if lines.len() == LINES {
            lines.remove(0);
        }
        lines.push(String::from_utf8_lossy(&line[..line.len().min(WIDTH)]).into_owned());
    };
    let mut buffer = Vec::with_capacity(4096);
    while let Ok(count @ 1..) = pipe.read_buf(&mut buffer).await {
        decoder.push(&buffer[buffer.len() - count..], |line| keep(line.bytes));
        buffer = pass(outlet, None, buffer, false).await;
    }
    decoder.finish(|line| keep(line.bytes));
    pass(outlet, None, buffer, true).await;
    lines
}
