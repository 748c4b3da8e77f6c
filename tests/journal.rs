//! The job log from outside: whatever lies on the disk and whenever the writer is killed, what was acknowledged counts
//! once.
#![allow(clippy::disallowed_methods, reason = "a test starts processes and reads the environment")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping")]

use runner_init::domain::context::Context;
use runner_init::domain::dora::StreamRule;
use runner_init::domain::record::{FaultKind, HEADER, JobRecord, JobStatus, RowStatus};
use runner_init::domain::totals::{Bounds, Totals, to_seconds, to_ticks};
use runner_init::sys::journal::{AppendError, Fault, Journal, JournalReplay, JournalSettings, OpenError};
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BOUNDS: [f64; 3] = [10.0, 60.0, 300.0];

fn bounds() -> Bounds {
    Bounds { queue_time: vec![5.0], ..Bounds::with_duration(BOUNDS.to_vec()) }
}

fn settings(path: &Path, max_records: usize) -> JournalSettings {
    JournalSettings {
        path: path.to_owned(),
        max_records,
        bounds: bounds(),
        streams: StreamRule::default(),
        jobs: None,
    }
}

fn open(path: &Path) -> (Journal, JournalReplay) {
    Journal::open(settings(path, 10_000)).unwrap()
}

fn job(n: u64) -> JobRecord {
    JobRecord {
        timestamp: chrono::DateTime::from_timestamp(1_790_000_000 + i64::try_from(n).unwrap(), 0).unwrap(),
        job_id: n.to_string(),
        status: RowStatus::Finished(JobStatus::Success),
        duration: Some(Duration::from_secs(n)),
        job_name: Some(format!("build ({n}, \"x\")")),
        ..JobRecord::blank()
    }
}

fn totals(rows: impl IntoIterator<Item = JobRecord>) -> Totals {
    let mut totals = Totals::new(&bounds());
    for row in rows {
        totals.fold(&row);
    }
    totals
}

fn log(rows: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = format!("{HEADER}\n").into_bytes();
    for n in rows {
        bytes.extend(job(n).to_csv_row());
    }
    bytes
}

fn kinds(faults: &[Fault]) -> Vec<(FaultKind, u64)> {
    faults.iter().map(|fault| (fault.kind, fault.count)).collect()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn write_behind(path: &Path, bytes: &[u8]) {
    File::options().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// A log with these bytes is opened, gives these jobs and faults, is clean afterwards and takes a row.
fn opens_as(bytes: &[u8], jobs: &[u64], faults: &[(FaultKind, u64)], aside: &[u8]) -> JournalReplay {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.log");
    fs::write(&path, bytes).unwrap();
    let (mut journal, replay) = open(&path);
    assert_eq!(kinds(&replay.faults), faults, "{:?}", replay.faults);
    assert_eq!(replay.totals, totals(jobs.iter().map(|n| job(*n))));
    assert_eq!(fs::read(beside(&path, ".foreign")).unwrap_or_default(), aside);
    journal.append(&job(99)).unwrap();
    drop(journal);
    let (_journal, after) = open(&path);
    assert_eq!(after.faults, []);
    assert_eq!(after.totals, totals(jobs.iter().chain([&99]).map(|n| job(*n))));
    replay
}

#[test]
fn a_new_log_is_private_and_an_old_one_keeps_its_mode() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/deep/jobs.log");
    let (mut journal, replay) = open(&path);
    assert_eq!((replay.rows, replay.predecessor, replay.faults.len()), (0, false, 0));
    journal.append(&job(1)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), log([1]));
    assert_eq!(
        (mode(path.parent().unwrap()), mode(&path), mode(&beside(&path, ".lock"))),
        (0o700, 0o600, 0o600)
    );
    drop(journal);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    write_behind(&path, b"no row\n");
    let (_journal, replay) = open(&path);
    assert_eq!(kinds(&replay.faults), [(FaultKind::ForeignRow, 1)]);
    assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o640, log([1])));
}

#[test]
fn whatever_lies_there_is_read_or_kept_aside() {
    use FaultKind::{ForeignRow, TornTail};
    let with = |extra: &[u8]| [&log([1, 2]), extra].concat();
    opens_as(b"", &[], &[], b"");
    opens_as(&log([]), &[], &[], b"");
    opens_as(&log([1, 2]), &[1, 2], &[], b"");
    opens_as(&HEADER.as_bytes()[..40], &[], &[(TornTail, 1)], &[&HEADER.as_bytes()[..40], b"\n"].concat());
    opens_as(HEADER.as_bytes(), &[], &[(TornTail, 1)], format!("{HEADER}\n").as_bytes());
    opens_as(&with(b"2026-11-22T20"), &[1, 2], &[(TornTail, 1)], b"2026-11-22T20\n");
    opens_as(&with(&[0; 4096]), &[1, 2], &[(TornTail, 1)], &[&[0; 4096][..], b"\n"].concat());
    opens_as(&with(b"\xff\xfe\n\"open\n"), &[1, 2], &[(ForeignRow, 2)], b"\xff\xfe\n\"open\n");
    opens_as(&with(b"\n\r\n"), &[1, 2], &[], b"");
    let no_header = log([1, 2]).split_off(HEADER.len() + 1);
    opens_as(&no_header, &[1, 2], &[], b"");
    opens_as(&[b"\xef\xbb\xbf", &log([1, 2])[..]].concat(), &[1, 2], &[], b"");
    let crlf = String::from_utf8(log([1, 2])).unwrap().replace('\n', "\r\n");
    opens_as(crlf.as_bytes(), &[1, 2], &[], b"");
    let nul_page_inside = [&log([1])[..], &[0; 512], &job(2).to_csv_row(), &job(3).to_csv_row()].concat();
    let lost = [&[0; 512][..], &job(2).to_csv_row()].concat();
    opens_as(&nul_page_inside, &[1, 3], &[(ForeignRow, 1)], &lost);
    let replay = opens_as(&with(b"x\ny\nz"), &[1, 2], &[(ForeignRow, 2), (TornTail, 1)], b"z\nx\ny\n");
    assert_eq!(replay.faults[0].detail, "line 4: neither 23 nor 5 columns", "and not a word of the row");
}

#[test]
fn a_torn_tail_of_any_length_is_cut() {
    let whole = log([1, 2]);
    let second = log([1]).len();
    let dir = tempfile::tempdir().unwrap();
    for len in second + 1..whole.len() {
        let path = dir.path().join(len.to_string());
        fs::write(&path, &whole[..len]).unwrap();
        let (_, replay) = open(&path);
        assert_eq!(kinds(&replay.faults), [(FaultKind::TornTail, 1)], "{len}");
        assert_eq!(replay.totals, totals([job(1)]));
        assert_eq!(fs::read(&path).unwrap(), log([1]));
    }
}

#[test]
fn the_predecessors_log_is_converted() {
    let old = "2024-05-06T07:08:09Z,1,success,08,0\n1714979290,2,failure,12.5,0\n2024-05-06 07:08:11,3,running,0,0\n";
    for header in ["", "timestamp,job_id,status,duration_seconds,queue_time_seconds\n"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.log");
        fs::write(&path, [header, old].concat()).unwrap();
        let (journal, replay) = open(&path);
        assert!(replay.predecessor);
        assert_eq!((replay.rows, replay.faults.len(), replay.unclosed.len()), (3, 0, 1));
        assert_eq!((replay.totals.started, replay.totals.finished), (3, [1, 1, 0, 0, 0]));
        assert_eq!(
            (replay.totals.duration.sum().to_bits(), replay.totals.queue_time.count()),
            (20.5_f64.to_bits(), 0)
        );
        drop(journal);
        let rows = "2024-05-06T07:08:09.000Z,1,success,8.000,,,,,,,,,,,,,,,,,,,\n\
                    2024-05-06T07:08:10.000Z,2,failed,12.500,,,,,,,,,,,,,,,,,,,\n\
                    2024-05-06T07:08:11.000Z,3,running,,,,,,,,,,,,,,,,,,,,\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEADER}\n{rows}"));
        let (_, again) = open(&path);
        assert_eq!((again.predecessor, &again.totals), (false, &replay.totals));
    }
}

#[test]
fn what_is_no_file_is_unusable() {
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("directory");
    fs::create_dir(&taken).unwrap();
    let below_a_file = dir.path().join("file/jobs.log");
    fs::write(dir.path().join("file"), b"").unwrap();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [taken, below_a_file, fifo] {
        let error = Journal::open(settings(&path, 10)).unwrap_err();
        assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn there_is_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.log");
    let (journal, _) = open(&path);
    assert!(matches!(Journal::open(settings(&path, 10)), Err(OpenError::Locked { .. })));
    drop(journal);
    open(&path);
}

#[test]
fn a_link_to_the_log_stays_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let (target, link) = (dir.path().join("volume.log"), dir.path().join("jobs.log"));
    fs::write(&target, [&log([1])[..], b"no row\n"].concat()).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    open(&link).0.append(&job(2)).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&target).unwrap(), log([1, 2]));
}

#[test]
fn a_log_taken_away_under_the_writer_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.log");
    let (mut journal, _) = open(&path);
    journal.append(&job(1)).unwrap();
    fs::rename(&path, beside(&path, ".1")).unwrap();
    journal.append(&job(2)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), log([2]));
    fs::write(&path, b"").unwrap();
    journal.append(&job(3)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), log([3]));
    write_behind(&path, b"half");
    journal.append(&job(4)).unwrap();
    drop(journal);
    let (_, replay) = open(&path);
    assert_eq!(replay.totals, totals([job(3), job(4)]));
    assert_eq!(kinds(&replay.faults), [(FaultKind::ForeignRow, 1)]);
}

#[test]
fn compaction_keeps_the_newest_half_and_every_total() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.log");
    let (mut journal, _) = Journal::open(settings(&path, 600)).unwrap();
    for n in 0..=600 {
        assert_eq!(journal.compact_if_due().unwrap(), None, "{n}");
        journal.append(&job(n)).unwrap();
    }
    let compaction = journal.compact_if_due().unwrap().unwrap();
    assert_eq!((compaction.folded, compaction.kept), (301, 300));
    assert_eq!(fs::read(&path).unwrap(), log(301..=600));
    journal.append(&job(601)).unwrap();
    drop(journal);
    let (journal, replay) = Journal::open(settings(&path, 600)).unwrap();
    assert_eq!((replay.totals, replay.rows), (totals((0..=601).map(job)), 301));
    assert_eq!(replay.recent, (552..=601).map(|n| job(n).as_written()).collect::<Vec<_>>());
    drop(journal);
    // The limit was lowered: it is compacted at start, and the page still shows 50 jobs.
    let (journal, replay) = Journal::open(settings(&path, 110)).unwrap();
    assert_eq!((replay.recent.len(), replay.faults.len()), (50, 0));
    drop(journal);
    let (_journal, replay) = Journal::open(settings(&path, 1)).unwrap();
    assert_eq!((replay.totals, replay.rows), (totals((0..=601).map(job)), 83));
    assert_eq!(fs::read(&path).unwrap(), log([601]));
}

#[test]
fn a_log_longer_than_the_limit_is_repaired_and_compacted_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.log");
    fs::write(&path, [&log(0..500)[..], b"no row\n\n", &job(500).to_csv_row(), b"torn"].concat()).unwrap();
    let (_journal, replay) = Journal::open(settings(&path, 300)).unwrap();
    assert_eq!(kinds(&replay.faults), [(FaultKind::ForeignRow, 1), (FaultKind::TornTail, 1)]);
    assert_eq!((replay.totals, replay.rows), (totals((0..=500).map(job)), 501));
    assert_eq!(fs::read(&path).unwrap(), log(299..=500));
}

#[test]
fn an_open_job_survives_its_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.log");
    let running = JobRecord { status: RowStatus::Running, started_at: Some(job(5).timestamp), ..job(5) };
    let rows = [running.clone(), job(1), job(2), job(3)];
    let (mut journal, _) = Journal::open(settings(&path, 2)).unwrap();
    for row in &rows {
        journal.append(row).unwrap();
        journal.compact_if_due().unwrap();
    }
    drop(journal);
    let (mut journal, replay) = Journal::open(settings(&path, 2)).unwrap();
    assert_eq!((replay.totals.started, &replay.unclosed), (4, &vec![running.as_written()]));
    let abandoned = JobRecord { status: RowStatus::Finished(JobStatus::Abandoned), ..running };
    journal.append(&abandoned).unwrap();
    drop(journal);
    let (_, replay) = Journal::open(settings(&path, 2)).unwrap();
    assert_eq!((replay.totals.started, replay.unclosed.len()), (4, 0));
    assert_eq!(replay.totals.finished, [3, 0, 0, 0, 1]);
}

#[test]
fn other_bounds_keep_count_and_sum() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.log");
    let (mut journal, _) = Journal::open(settings(&path, 2)).unwrap();
    for n in 0..100 {
        journal.append(&job(n)).unwrap();
        journal.compact_if_due().unwrap();
    }
    drop(journal);
    let other = JournalSettings {
        bounds: Bounds { duration: vec![1.0, 2.0, 1000.0], ..bounds() },
        ..settings(&path, 2)
    };
    let (_, replay) = Journal::open(other).unwrap();
    let expected = totals((0..100).map(job)).duration;
    assert_eq!(replay.totals.duration.bounds, [1.0, 2.0, 1000.0]);
    assert_eq!(replay.totals.duration.count(), 100);
    assert_eq!(replay.totals.duration.sum().to_bits(), expected.sum().to_bits());
}

#[test]
fn sums_survive_a_restart_to_the_last_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.log");
    let (mut journal, _) = Journal::open(settings(&path, 5)).unwrap();
    let mut live = 0.0;
    for n in 0..50 {
        let row = JobRecord { duration: Some(Duration::from_nanos(n * 1_234_567_891)), ..job(n) };
        journal.append(&row).unwrap();
        journal.compact_if_due().unwrap();
        live += to_seconds(to_ticks(row.duration.unwrap()));
    }
    drop(journal);
    let (_, replay) = Journal::open(settings(&path, 5)).unwrap();
    let values = replay.totals.duration.samples().flat_map(|(value, count)| (0..count).map(move |_| value));
    assert_eq!(live.to_bits(), values.sum::<f64>().to_bits());
}

// --- processes ---

/// This binary again, running only the ignored test `name` in `dir`.
fn again(name: &str, dir: &Path, before: &[&str]) -> Command {
    let exe = std::env::current_exe().unwrap();
    let words: Vec<&str> = before.iter().copied().chain([exe.to_str().unwrap()]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args([name, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("JOURNAL_TEST_DIR", dir);
    command
}

fn given(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn child_dir() -> PathBuf {
    given("JOURNAL_TEST_DIR").expect("started by another test").into()
}

#[test]
#[ignore = "the writer that the kill tests start and kill"]
fn child_writer() {
    let path = child_dir().join("jobs.log");
    let max = given("JOURNAL_TEST_MAX").unwrap().parse().unwrap();
    // Not through the buffer of stdout: an acknowledgement is one write.
    let mut out = File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
    let (mut journal, replay) = Journal::open(settings(&path, max)).unwrap();
    for n in replay.totals.started.. {
        journal.append(&job(n)).unwrap();
        // The newline before it ends whatever the test harness has begun.
        out.write_all(format!("\nack {n}\n").as_bytes()).unwrap();
        journal.compact_if_due().unwrap();
    }
}

/// Lets a writer acknowledge `rows` rows, kills it a moment later, and returns all it had acknowledged by then.
fn kill_after(dir: &Path, max: usize, rows: usize, moment: Duration) -> Vec<u64> {
    let mut command = again("child_writer", dir, &[]);
    let mut child: Child =
        command.env("JOURNAL_TEST_MAX", max.to_string()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut acks = lines.filter_map(|line| line.strip_prefix("ack ").map(|n| n.parse::<u64>().unwrap()));
    let mut acked: Vec<u64> = acks.by_ref().take(rows).collect();
    assert_eq!(acked.len(), rows, "the writer ended by itself");
    let from = Instant::now();
    while from.elapsed() < moment {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    acked.extend(acks);
    acked
}

/// `rounds` writers, one after the other on one log, each killed at another moment.
fn survives_kills(max: usize, rounds: u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.log");
    let (mut written, mut random) = (0, 0x9e37_79b9_7f4a_7c15_u64);
    for round in 0..rounds {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let moment = Duration::from_micros((random >> 8) % 2048);
        let acked = kill_after(dir.path(), max, usize::try_from(random % 5).unwrap(), moment);
        let expected: Vec<u64> = (written..).take(acked.len()).collect();
        assert_eq!(acked, expected, "round {round}: a writer goes on where the log ends");
        let acknowledged = written + acked.len() as u64;
        let (_, replay) = Journal::open(settings(&path, max)).unwrap();
        written = replay.totals.started;
        // The row in flight may be there.
        assert!(
            [acknowledged, acknowledged + 1].contains(&written),
            "round {round}: {acknowledged} {written}"
        );
        // Every row has a duration of its own, so these totals stand for exactly these rows.
        assert_eq!(replay.totals, totals((0..written).map(job)), "round {round}");
        let text = fs::read(&path).unwrap();
        let held = memchr::memchr_iter(b'\n', &text).count().saturating_sub(1) as u64;
        assert!(
            held <= max as u64 && (text.is_empty() || text == log(written - held..written)),
            "round {round}"
        );
    }
    assert!(written >= rounds, "{written} rows in {rounds} rounds");
}

#[test]
fn kill_9_loses_nothing_acknowledged() {
    survives_kills(10_000, 120);
}

#[test]
fn kill_9_loses_nothing_while_compacting() {
    survives_kills(3, 150);
}

/// The words before a command that give it a mount namespace; that there are none is a failure in CI.
fn unshare() -> Option<Vec<&'static str>> {
    let works = |words: &Vec<&str>| {
        let mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/tmp"];
        let status = Command::new(words[0]).args(&words[1..]).args(mount).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let found = [vec!["unshare", "-m"], vec!["unshare", "-r", "-m"]].into_iter().find(works);
    if found.is_none() {
        assert!(given("CI").is_none_or(|ci| ci != "true"), "CI must be able to mount a tmpfs in a namespace");
        eprintln!("SKIPPED: no mount namespace here; a full and a read-only disk were NOT tested");
    }
    found
}

fn run_mounted(name: &str, options: &str) {
    let Some(words) = unshare() else { return };
    let dir = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o {options} tmpfs \"$JOURNAL_TEST_DIR\" && exec \"$@\"");
    let before: Vec<&str> = words.into_iter().chain(["sh", "-c", &script, "sh"]).collect();
    let output = again(name, dir.path(), &before).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_full_disk_costs_no_row() {
    run_mounted("child_full_disk", "size=64k");
}

#[test]
#[ignore = "needs a tiny file system; started by another test"]
fn child_full_disk() {
    let path = child_dir().join("jobs.log");
    let ballast = child_dir().join("ballast");
    fs::write(&ballast, vec![0; 24 * 1024]).unwrap();
    let (mut journal, _) = Journal::open(settings(&path, 40)).unwrap();
    let mut n = 0;
    let error = loop {
        match journal.append(&job(n)) {
            Ok(()) => n += 1,
            Err(error) => break error,
        }
    };
    let AppendError::Append { source, .. } = &error else { panic!("{error}") };
    assert!(matches!(source.raw_os_error(), Some(28) | None), "{source}");
    assert!(n > 100, "{n} rows fit");
    assert_eq!(fs::read(&path).unwrap(), log(0..n), "no half row is left");
    for _ in 0..3 {
        journal.append(&job(n)).unwrap_err();
        journal.compact_if_due().unwrap_err();
    }
    drop(journal);
    // A start on the full disk: nothing can be compacted, everything is counted.
    let (mut journal, replay) = Journal::open(settings(&path, 40)).unwrap();
    assert_eq!(replay.totals, totals((0..n).map(job)));
    assert_eq!(kinds(&replay.faults), [(FaultKind::WriteFailed, 1)]);
    fs::remove_file(&ballast).unwrap();
    journal.append(&job(n)).unwrap();
    assert!(journal.compact_if_due().unwrap().is_some());
    drop(journal);
    let (_, replay) = Journal::open(settings(&path, 40)).unwrap();
    assert_eq!((replay.totals, replay.faults.len()), (totals((0..=n).map(job)), 0));
}

#[test]
fn a_read_only_disk_is_unusable_and_untouched() {
    run_mounted("child_read_only", "size=1m");
}

#[test]
#[ignore = "needs a file system of its own; started by another test"]
fn child_read_only() {
    let dir = child_dir();
    let path = dir.join("jobs.log");
    let bytes = [&log([1, 2])[..], b"torn"].concat();
    fs::write(&path, &bytes).unwrap();
    let status = Command::new("mount").args(["-o", "remount,ro"]).arg(&dir).status().unwrap();
    assert!(status.success());
    let error = Journal::open(settings(&path, 10)).unwrap_err();
    let OpenError::Unusable { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// The most memory this process has held, in kB.
fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "measures its own memory; started by others"]
fn child_open() {
    let path = child_dir().join("jobs.log");
    let max = given("JOURNAL_TEST_MAX").unwrap().parse().unwrap();
    let before = peak_kb();
    let from = Instant::now();
    let (_journal, replay) = Journal::open(settings(&path, max)).unwrap();
    let millis = from.elapsed().as_millis();
    println!("\nopened {} {millis} {} {}", replay.rows, peak_kb() - before, peak_kb());
}

/// Opens the log in a process of its own; returns rows, milliseconds, kB grown, and kB in all.
fn measure_open(dir: &Path, max: usize) -> [u64; 4] {
    let output = again("child_open", dir, &[]).env("JOURNAL_TEST_MAX", max.to_string()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("opened ")).expect(&text);
    let mut numbers = line.split(' ').map(|word| word.parse().unwrap());
    std::array::from_fn(|_| numbers.next().unwrap())
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    const LEN: u64 = 64 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.log");
    let mut file = File::create(&path).unwrap();
    file.write_all(&log([1])).unwrap();
    let start = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(start + LEN)).unwrap();
    file.write_all(&[b"\n", &job(2).to_csv_row()[..]].concat()).unwrap();
    let torn = file.metadata().unwrap().len();
    file.set_len(torn + LEN).unwrap();
    let [rows, _, grown, _] = measure_open(dir.path(), 10_000);
    assert_eq!(rows, 2);
    assert!(grown < 8 << 10, "{grown} kB for lines of {} kB", LEN >> 10);
    assert_eq!(fs::read(&path).unwrap(), log([1, 2]));
    let aside = File::open(beside(&path, ".foreign")).unwrap();
    assert_eq!(aside.metadata().unwrap().len(), 2 * (LEN + 1));
    let mut end = [0; 1];
    for at in [LEN, 2 * LEN + 1] {
        aside.read_exact_at(&mut end, at).unwrap();
        assert_eq!(&end, b"\n");
    }
}

#[test]
#[ignore = "a measurement, not a judgement: run it with --release --nocapture"]
fn replay_speed() {
    println!("\n{:>9} {:>9} {:>6} {:>8}", "rows", "kB", "ms", "peak kB");
    for rows in [1_000_u64, 10_000, 100_000, 1_000_000] {
        for max in [10_000, 2_000_000] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("jobs.log");
            let mut out = BufWriter::new(File::create(&path).unwrap());
            writeln!(out, "{HEADER}").unwrap();
            for n in 0..rows / 2 {
                out.write_all(&realistic(n, RowStatus::Running).to_csv_row()).unwrap();
                out.write_all(&realistic(n, RowStatus::Finished(JobStatus::Success)).to_csv_row()).unwrap();
            }
            out.flush().unwrap();
            let bytes = out.get_ref().metadata().unwrap().len();
            let [read, millis, _, peak] = measure_open(dir.path(), max);
            assert_eq!(read, rows);
            let what = if rows > max as u64 { "and compacted" } else { "" };
            println!("{rows:>9} {:>9} {millis:>6} {peak:>8} {what}", bytes / 1024);
        }
    }
}

fn realistic(n: u64, status: RowStatus) -> JobRecord {
    let started = job(n * 2).timestamp;
    JobRecord {
        timestamp: started,
        status,
        duration: (status != RowStatus::Running).then(|| Duration::from_millis(n % 7200 * 1001)),
        queue_time: Some(Duration::from_millis(n % 90_000)),
        job_name: Some("build (ubuntu-latest, 22)".into()),
        context: Context {
            workflow: Some("CI".into()),
            repository: Some("example-org/example-repository".into()),
            run_id: Some((7_000_000_000 + n).to_string()),
            run_attempt: Some("1".into()),
            event: Some("pull_request".into()),
            git_ref: Some("refs/pull/1234/merge".into()),
            sha: Some("0123456789abcdef0123456789abcdef01234567".into()),
            ..Context::default()
        },
        started_at: Some(started),
        deployment: Some(false),
        ..job(n)
    }
}
