//! Tails the listener's trace log. The listener's own trace is read from its last lines on, as it is written: nothing
//! is waited for, no link is followed.
//!
//! The listener writes `_diag/Runner_TIME-utc.log` and goes on in a further one when that has grown. Jobs can write there too:
//! what is no file is not opened, and a line is cut where no line of ours would go on.

use super::door::{self, Dir};
use super::job_log_tail::{events, wait};
use crate::domain::polls::{TraceWord, read};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use tokio::sync::mpsc;

const STACK: usize = 128 * 1024;
/// Words that may wait for the loop; then reading waits.
const WORDS: usize = 16;
/// What has been written before is of interest for the tries that have just failed, each with its stack.
const TAIL: u64 = 128 * 1024;
const CHUNK: usize = 16 * 1024;
/// A line that tells something is shorter.
const LINE: usize = 2048;
const DIAG: &str = "_diag";
/// Names looked at for the newest.
const LOOKED_AT: usize = 4096;

/// Follows the trace on a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct TraceTailer {
    stop: Arc<EventFd>,
}

impl TraceTailer {
    /// Begins with the last lines of the newest trace. The channel ends when there is none, or it can be followed no longer.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(runner: Dir) -> io::Result<(TraceTailer, mpsc::Receiver<TraceWord>)> {
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let (words, heard) = mpsc::channel(WORDS);
        let told = Arc::clone(&stop);
        std::thread::Builder::new().name("trace".to_owned()).stack_size(STACK).spawn(move || {
            // The channel's end says that there is nothing more to tell.
            let _ = TraceTail::open(runner, told, words).and_then(TraceTail::follow);
        })?;
        Ok((TraceTailer { stop }, heard))
    }
}

impl Drop for TraceTailer {
    fn drop(&mut self) {
        let _ = self.stop.write(1);
    }
}

/// The name of the trace that was written last.
fn newest(runner: &Dir) -> io::Result<Option<String>> {
    let names = runner.names(DIAG)?.take(LOOKED_AT).filter(|name| is_trace(name));
    let traces = names.filter_map(|name| {
        let found = runner.find(&below(&name)).ok()?;
        Some(((found.st_mtime, found.st_mtime_nsec), name))
    });
    Ok(traces.max().map(|(_, name)| name))
}

fn below(name: &str) -> String {
    format!("{DIAG}/{name}")
}

fn is_trace(name: &str) -> bool {
    name.strip_prefix("Runner_").and_then(|rest| rest.strip_suffix(".log")).is_some()
}

struct TraceTail {
    inotify: Inotify,
    stop: Arc<EventFd>,
    runner: Dir,
    log: TraceLog,
    words: mpsc::Sender<TraceWord>,
}

impl TraceTail {
    fn open(runner: Dir, stop: Arc<EventFd>, words: mpsc::Sender<TraceWord>) -> io::Result<TraceTail> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        runner.watch(&inotify, DIAG, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ONLYDIR)?;
        let name = newest(&runner)?.ok_or(io::ErrorKind::NotFound)?;
        let log = TraceLog::open(&inotify, &runner, name, true)?;
        Ok(TraceTail { inotify, stop, runner, log, words })
    }

    fn follow(mut self) -> io::Result<()> {
        loop {
            self.log.catch_up(&self.words)?;
            if wait(&self.inotify, &self.stop)? {
                return Ok(());
            }
            while let Some(events) = events(&self.inotify)? {
                let made = events.into_iter().filter(|event| event.mask.contains(AddWatchFlags::IN_CREATE));
                let mut made = made.filter_map(|event| event.name?.into_string().ok());
                if let Some(next) = made.rfind(|name| is_trace(name) && *name != self.log.name) {
                    self.turn(next)?;
                }
            }
        }
    }

    /// It goes on in this one, if that is a file.
    fn turn(&mut self, name: String) -> io::Result<()> {
        self.log.catch_up(&self.words)?;
        if let Ok(next) = TraceLog::open(&self.inotify, &self.runner, name, false) {
            let before = std::mem::replace(&mut self.log, next);
            // It may be gone, and its watch with it.
            let _ = self.inotify.rm_watch(before.watch);
        }
        Ok(())
    }
}

struct TraceLog {
    name: String,
    file: File,
    watch: WatchDescriptor,
    /// What has been read of a line so far; what is beyond [`LINE`] is let go.
    line: Vec<u8>,
    /// The beginning of the line was not read.
    cut: bool,
}

impl TraceLog {
    fn open(inotify: &Inotify, runner: &Dir, name: String, tail: bool) -> io::Result<TraceLog> {
        let path = below(&name);
        let mut file = runner.file(&path)?;
        let found = file.metadata()?;
        let watch = door::watch(inotify, &file, &runner.path().join(path), AddWatchFlags::IN_MODIFY)?;
        let from = found.len().saturating_sub(TAIL);
        let cut = tail && from > 0;
        if cut {
            file.seek(SeekFrom::Start(from))?;
        }
        Ok(TraceLog { name, file, watch, line: Vec::new(), cut })
    }

    /// Reads what has been written since the last time.
    ///
    /// # Errors
    /// If it cannot be read, or nobody wants to hear it any more.
    fn catch_up(&mut self, words: &mpsc::Sender<TraceWord>) -> io::Result<()> {
        if self.file.metadata()?.len() < self.file.stream_position()? {
            // It was cut short: from its beginning on it is another one.
            self.file.rewind()?;
            (self.cut, self.line) = (false, Vec::new());
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = self.file.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
                self.take(piece, words)?;
            }
        }
    }

    fn take(&mut self, piece: &[u8], words: &mpsc::Sender<TraceWord>) -> io::Result<()> {
        let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
        let room = LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(&text[..text.len().min(room)]);
        if ends {
            let line = std::mem::take(&mut self.line);
            if !std::mem::replace(&mut self.cut, false)
                && let Some(word) = read(&line)
            {
                words.blocking_send(word).map_err(|_| io::ErrorKind::BrokenPipe)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::path::PathBuf;
    use tempfile::TempDir;

    const FAILED: &str = "[2026-11-30 08:59:14Z ERR  BrokerServer] Catch exception during request\n";

    fn waits(seconds: u32) -> String {
        let text = "seconds before next retry. 4 attempt left.";
        format!("[2026-11-30 08:59:14Z WARN BrokerServer] Back off {seconds} {text}\n")
    }

    fn word(line: &str) -> TraceWord {
        read(line.trim_end().as_bytes()).expect("a word")
    }

    struct Stage {
        dir: TempDir,
        heard: mpsc::Receiver<TraceWord>,
        #[expect(dead_code, reason = "it is kept")]
        follower: TraceTailer,
    }

    impl Stage {
        fn over(files: &[(&str, &str)]) -> Stage {
            let dir = TempDir::new().expect("a directory");
            std::fs::create_dir(dir.path().join("_diag")).expect("it is ours");
            for (name, text) in files {
                std::fs::write(dir.path().join("_diag").join(name), text).expect("it is ours");
            }
            let (follower, heard) =
                TraceTailer::start(Dir::open(dir.path()).expect("ours")).expect("a thread");
            Stage { dir, heard, follower }
        }

        fn file(&self, name: &str) -> PathBuf {
            self.dir.path().join("_diag").join(name)
        }

        fn writes(&self, name: &str, text: &str) {
            let mut file = File::options().append(true).create(true).open(self.file(name)).expect("a file");
            file.write_all(text.as_bytes()).expect("there is room");
        }

        /// Waits for these words, in this order, and no others before them.
        fn hears(&mut self, lines: &[&str]) {
            for line in lines {
                assert_eq!(self.next(), Some(word(line)), "{line}");
            }
        }

        /// The next word, or the end of the channel.
        fn next(&mut self) -> Option<TraceWord> {
            self.heard.blocking_recv()
        }
    }

    const NAME: &str = "Runner_20261130-085908-utc.log";

    #[test]
    fn the_last_lines_are_read_and_what_is_written_behind_them() {
        let mut stage = Stage::over(&[(NAME, FAILED), ("Worker_20261130-095908-utc.log", &waits(1))]);
        stage.hears(&[FAILED]);
        // In pieces, and beside others.
        let line = waits(7);
        stage.writes(NAME, "   at GitHub.Runner\n");
        stage.writes(NAME, &line[..30]);
        stage.writes("Worker_20261130-095908-utc.log", &waits(2));
        stage.writes(NAME, &line[30..]);
        stage.hears(&[&line]);
    }

    #[test]
    fn only_the_end_of_a_long_trace_is_read_and_no_half_line() {
        let filler = "x".repeat(99) + "\n";
        let long = waits(1) + &filler.repeat(2000) + &waits(2);
        Stage::over(&[(NAME, &long)]).hears(&[&waits(2)]);
        let endless = waits(1).trim_end().to_owned() + &"x".repeat(300_000) + "\n" + &waits(3);
        Stage::over(&[(NAME, &endless)]).hears(&[&waits(3)]);
    }

    #[test]
    fn it_goes_on_in_the_next_file_and_after_a_cut() {
        let mut stage = Stage::over(&[(NAME, FAILED)]);
        stage.hears(&[FAILED]);
        stage.writes(NAME, &waits(1));
        stage.writes("Runner_20261130-095908-utc.log", &waits(2));
        stage.hears(&[&waits(1), &waits(2)]);
        std::fs::write(stage.file("Runner_20261130-095908-utc.log"), "").expect("it is ours");
        stage.writes("Runner_20261130-095908-utc.log", FAILED);
        stage.hears(&[FAILED]);
        std::fs::remove_file(stage.file(NAME)).expect("it is there");
        stage.writes("Runner_20261130-095908-utc.log", &waits(4));
        stage.hears(&[&waits(4)]);
    }

    #[test]
    fn what_is_no_file_is_not_followed_and_its_absence_is_told() {
        let mut stage = Stage::over(&[(NAME, FAILED)]);
        stage.hears(&[FAILED]);
        stage.writes("elsewhere", &waits(1));
        std::os::unix::fs::symlink(stage.file("elsewhere"), stage.file("Runner_2-utc.log")).expect("a link");
        nix::unistd::mkfifo(&stage.file("Runner_3-utc.log"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        std::fs::create_dir(stage.file("Runner_4-utc.log")).expect("a directory");
        stage.writes(NAME, &waits(2));
        stage.hears(&[&waits(2)]);
        assert_eq!(Stage::over(&[]).next(), None, "there is no trace");
        assert_eq!(Stage::over(&[("Worker_1-utc.log", FAILED)]).next(), None);
    }
}
