//! Whatever fails and whenever the process dies: the log and the snapshot together say what was acknowledged.

use super::files::{self, Plan, plan};
use super::*;
use crate::child_setup::Ids;
use crate::domain::dora::StreamRule;
use crate::domain::record::HEADER;
use crate::domain::record::{RowStatus, arbitrary};
use crate::domain::totals::Bounds;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tempfile::TempDir;

fn bounds() -> Bounds {
    Bounds { queue_time: vec![1.0, 5.0], ..Bounds::with_duration(vec![10.0, 60.0, 300.0]) }
}

fn settings(dir: &TempDir, max_records: usize) -> JournalSettings {
    JournalSettings {
        path: dir.path().join("jobs.log"),
        max_records,
        bounds: bounds(),
        streams: StreamRule::default(),
        jobs: None,
    }
}

fn totals(rows: &[JobRecord]) -> Totals {
    let mut totals = Totals::new(&bounds());
    for row in rows {
        totals.fold(row);
    }
    totals
}

fn job(n: u64) -> JobRecord {
    JobRecord {
        job_id: n.to_string(),
        status: RowStatus::Finished(crate::domain::record::JobStatus::Success),
        duration: Some(Duration::from_millis(n * 1001)),
        ..JobRecord::blank()
    }
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a handful of them")]
enum Op {
    Append(JobRecord, Plan),
    Compact(Plan),
    Reopen(Plan),
    /// Someone else writes into the log while it is closed.
    Foreign(Vec<u8>),
}

fn plans(last: u32) -> impl Strategy<Value = Plan> {
    prop_oneof![3 => Just(Plan::Never), 1 => (0..last).prop_map(Plan::Once), 2 => (0..last).prop_map(Plan::Crash)]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let foreign = prop_oneof![
        Just(b"hello\n".to_vec()),
        Just(b"\0\0\0\0\0".to_vec()),
        Just(b"\xff\xfe,\"\n\n\r\n2026".to_vec()),
    ];
    let op = prop_oneof![
        6 => (arbitrary::record(), plans(4)).prop_map(|(record, plan)| Op::Append(record, plan)),
        3 => plans(24).prop_map(Op::Compact),
        2 => plans(40).prop_map(Op::Reopen),
        1 => foreign.prop_map(Op::Foreign),
    ];
    vec(op, 1..24)
}

/// The journal and what it must say.
struct Model {
    dir: TempDir,
    max: usize,
    acked: Vec<JobRecord>,
    journal: Option<Journal>,
}

impl Model {
    fn new(max: usize) -> Model {
        let mut model = Model { dir: tempfile::tempdir().unwrap(), max, acked: Vec::new(), journal: None };
        model.reopen(None);
        model
    }

    /// Opens without faults and compares everything. `in_flight` is a row whose writer died: it may be there or not.
    fn reopen(&mut self, in_flight: Option<JobRecord>) {
        plan(Plan::Never);
        self.journal = None;
        let (journal, replay) = Journal::open(settings(&self.dir, self.max)).unwrap();
        if let Some(row) = in_flight {
            // A row that repeats what was said changes no total; then only the file knows.
            let written = fs::read(self.dir.path().join("jobs.log")).unwrap().ends_with(&row.to_csv_row());
            let with: Vec<_> = self.acked.iter().cloned().chain([row]).collect();
            let known = totals(&with) != totals(&self.acked) || written;
            if known && replay.totals == totals(&with) {
                self.acked = with;
            }
        }
        assert_eq!(replay.totals, totals(&self.acked));
        assert_eq!(replay.unclosed, replay.totals.open);
        let ends = self.acked.iter().filter(|row| row.status != RowStatus::Running);
        let mut finished: Vec<_> = ends.map(JobRecord::as_written).collect();
        finished.dedup_by(|later, earlier| {
            let amends = later.amends(earlier);
            if amends {
                earlier.clone_from(later);
            }
            amends
        });
        assert!(finished.ends_with(&replay.recent));
        self.journal = Some(journal);
        self.check_file();
    }

    /// The log is the header and the newest rows, each once, and no more of them than allowed.
    fn check_file(&self) {
        let journal = self.journal.as_ref().unwrap();
        let held = usize::try_from(journal.rows).unwrap();
        assert!(held <= self.max);
        let mut expected = format!("{HEADER}\n").into_bytes();
        self.acked[self.acked.len() - held..].iter().for_each(|row| expected.extend(row.to_csv_row()));
        let found = fs::read(self.dir.path().join("jobs.log")).unwrap();
        if found.is_empty() {
            assert_eq!(held, 0);
        } else {
            assert_eq!(String::from_utf8(found), String::from_utf8(expected));
        }
        assert!(!self.dir.path().join("jobs.log.new").exists());
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Append(record, faults) => {
                plan(faults);
                let appended = self.journal.as_mut().unwrap().append(&record);
                match (appended, faults) {
                    (Ok(()), _) => self.acked.push(record),
                    (Err(_), Plan::Crash(_)) => return self.reopen(Some(record)),
                    (Err(_), Plan::Once(_) | Plan::Never) => {}
                }
                self.survive(faults);
            }
            Op::Compact(faults) => {
                plan(faults);
                let compacted = self.journal.as_mut().unwrap().compact_if_due();
                assert!(compacted.is_ok() || faults != Plan::Never, "{compacted:?}");
                self.survive(faults);
            }
            Op::Reopen(faults) => {
                self.journal = None;
                plan(faults);
                if let Ok((journal, replay)) = Journal::open(settings(&self.dir, self.max)) {
                    assert_eq!(replay.totals, totals(&self.acked));
                    self.journal = Some(journal);
                }
                if self.journal.is_none() {
                    return self.reopen(None);
                }
                self.survive(faults);
            }
            Op::Foreign(bytes) => {
                self.journal = None;
                let path = self.dir.path().join("jobs.log");
                fs::OpenOptions::new().append(true).open(path).unwrap().write_all(&bytes).unwrap();
                self.reopen(None);
            }
        }
    }

    /// After a crash nothing of this process may go on.
    fn survive(&mut self, faults: Plan) {
        plan(Plan::Never);
        if matches!(faults, Plan::Crash(_)) {
            self.reopen(None);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_or_doubled(ops in ops(), max in 1..8_usize) {
        let mut model = Model::new(max);
        for op in ops {
            model.run(op);
        }
        model.reopen(None);
    }

    #[test]
    fn no_file_breaks_the_reader(bytes in vec(prop_oneof![4 => Just(b'\n'), 2 => Just(b'"'), 4 => Just(b','), 9 => any::<u8>()], 0..300)) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("jobs.log"), &bytes).unwrap();
        let (mut journal, first) = Journal::open(settings(&dir, 1000)).unwrap();
        journal.append(&job(1)).unwrap();
        drop(journal);
        let (_, second) = Journal::open(settings(&dir, 1000)).unwrap();
        prop_assert_eq!(second.rows, first.rows + 1);
        prop_assert_eq!(second.faults, vec![]);
    }

    #[test]
    fn pieces_are_the_file(lens in vec(prop_oneof![0..50_usize, Just(65_536), (262_140..262_150_usize), Just(700_000)], 0..5), torn in 0..2_usize) {
        let mut bytes: Vec<u8> = lens.iter().flat_map(|len| [vec![b'x'; *len], vec![b'\n']].concat()).collect();
        bytes.extend(vec![b'y'; torn * 5]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let (mut seen, mut starts) = (Vec::new(), vec![]);
        scan::read_pieces(&file, 0, |piece, start, end| {
            match piece {
                scan::Piece::Line(line) => seen.extend([line, b"\n"].concat()),
                scan::Piece::Long(part) | scan::Piece::LongEnd(part) | scan::Piece::Torn(part) => seen.extend(part),
            }
            assert_eq!(seen.len() as u64, end);
            starts.push(start);
            Ok(())
        }).unwrap();
        prop_assert!(seen == bytes);
        starts.dedup();
        let ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at as u64 + 1);
        let expected: Vec<u64> = [0].into_iter().chain(ends).filter(|at| *at < bytes.len() as u64).collect();
        prop_assert_eq!(starts, expected);
    }
}

/// Fails the n-th change of the disk, for every n there is; returns how many there are. `crash`: nothing works after it,
/// and another process goes on; else the same one does. `run` returns what is left of the plan.
fn fail_each_step(crash: bool, mut run: impl FnMut(Plan) -> Plan) -> u32 {
    let kind = if crash { Plan::Crash } else { Plan::Once };
    // A crash at 0 has happened, or would have at the very next step.
    (0..100).find(|n| matches!(run(kind(*n)), Plan::Once(_) | Plan::Crash(1..))).unwrap() - u32::from(crash)
}

#[test]
fn a_compaction_may_die_anywhere() {
    for crash in [false, true] {
        let mut between = 0;
        let steps = fail_each_step(crash, |faults| {
            let mut model = Model::new(4);
            (0..5).for_each(|n| model.run(Op::Append(job(n), Plan::Never)));
            plan(faults);
            let journal = model.journal.as_mut().unwrap();
            let compacted = journal.compact_if_due();
            let left = plan(Plan::Never);
            assert!(compacted.is_err() || left != Plan::Never);
            if let Some((_, Some(covers))) = snapshot::load::<Totals>(&journal.paths).unwrap() {
                let log = fs::File::open(&journal.paths.log).unwrap();
                between += u32::from(covers.counted(&log).unwrap() > 0);
            }
            if !crash {
                (5..9).for_each(|n| model.run(Op::Append(job(n), Plan::Never)));
                model.run(Op::Compact(Plan::Never));
            }
            model.reopen(None);
            left
        });
        assert_eq!(
            (steps, between),
            (17, 2),
            "between the renames the directory's sync or the second one fails"
        );
    }
}

#[test]
fn a_repair_may_die_anywhere() {
    for crash in [false, true] {
        let steps = fail_each_step(crash, |faults| {
            let mut model = Model::new(100);
            model.run(Op::Append(job(1), Plan::Never));
            model.journal = None;
            let (log, foreign) =
                (model.dir.path().join("jobs.log"), model.dir.path().join("jobs.log.foreign"));
            let written = b"no row\n1714979289,7,success,08,0\ntorn";
            fs::OpenOptions::new().append(true).open(log).unwrap().write_all(written).unwrap();
            let timestamp = "2024-05-06T07:08:09Z".parse().unwrap();
            model.acked.push(JobRecord { timestamp, duration: Some(Duration::from_secs(8)), ..job(7) });
            plan(faults);
            let opened = Journal::open(settings(&model.dir, 100));
            let left = plan(Plan::Never);
            assert!(opened.is_err() || opened.as_ref().unwrap().1.totals == totals(&model.acked));
            model.journal = opened.ok().map(|(journal, _)| journal);
            if !crash && model.journal.is_some() {
                model.run(Op::Append(job(8), Plan::Never));
            }
            model.reopen(None);
            assert!(fs::read_to_string(&foreign).unwrap().contains("no row\n"));
            left
        });
        assert!(steps > 10, "{steps}");
    }
}

#[test]
fn a_log_of_identical_rows_is_counted_right() {
    // After a compaction the new log begins exactly like the old one; only the lengths tell them apart.
    fail_each_step(true, |faults| {
        let mut model = Model::new(4);
        (0..5).for_each(|_| model.run(Op::Append(job(1), Plan::Never)));
        plan(faults);
        let _ = model.journal.as_mut().unwrap().compact_if_due();
        let left = plan(Plan::Never);
        model.reopen(None);
        left
    });
    let mut model = Model::new(4);
    for _ in 0..40 {
        model.run(Op::Append(job(1), Plan::Never));
        model.run(Op::Compact(Plan::Never));
        model.reopen(None);
    }
}

#[test]
fn a_damaged_snapshot_is_kept_aside() {
    let mut model = Model::new(2);
    (0..3).for_each(|n| model.run(Op::Append(job(n), Plan::Never)));
    model.run(Op::Compact(Plan::Never));
    let path = model.dir.path().join("jobs.log.snapshot");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        model.journal = None;
        let (journal, replay) = Journal::open(settings(&model.dir, 2)).unwrap();
        drop(journal);
        if replay.faults.is_empty() {
            assert_eq!(replay.totals, totals(&model.acked), "byte {at}");
            continue;
        }
        assert_eq!(replay.faults[0].kind, FaultKind::SnapshotDamaged);
        assert_eq!(replay.totals, totals(&model.acked[1..]), "rows only");
        assert_eq!(fs::read(model.dir.path().join("jobs.log.snapshot.bad")).unwrap(), bad);
        assert!(!path.exists());
    }
}

/// A log of so many jobs that has a checkpoint; what it says.
fn with_checkpoint(dir: &TempDir, jobs: u64) -> JournalReplay {
    let open = || Journal::open(settings(dir, 1000)).unwrap();
    let (mut journal, _) = open();
    (0..jobs).for_each(|n| journal.append(&job(n)).unwrap());
    drop(journal);
    assert!(!dir.path().join("jobs.log.checkpoint").exists(), "few rows were read");
    let (journal, replay) = open();
    let known = checkpoint::load(&journal.settings, &journal.paths, &journal.log, &journal.base).unwrap();
    assert_eq!(
        (known.rows, known.totals, Vec::from(known.recent)),
        (jobs, replay.totals.clone(), replay.recent.clone())
    );
    replay
}

#[test]
fn a_start_from_a_checkpoint_says_the_same_as_one_from_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let first = with_checkpoint(&dir, checkpoint::EVERY + 1);
    let place = dir.path().join("jobs.log.checkpoint");
    let old = fs::read(&place).unwrap();
    let open = || Journal::open(settings(&dir, 1000)).unwrap();
    let (mut journal, again) = open();
    assert_eq!((again.totals, again.recent, again.rows), (first.totals, first.recent, first.rows));
    journal.append_all(&[job(7), job(8)]).unwrap();
    drop(journal);
    fs::OpenOptions::new()
        .append(true)
        .open(dir.path().join("jobs.log"))
        .unwrap()
        .write_all(b"no row\n")
        .unwrap();
    let log = fs::read(dir.path().join("jobs.log")).unwrap();
    let short = open().1;
    fs::write(dir.path().join("jobs.log"), log).unwrap();
    fs::remove_file(&place).unwrap();
    let whole = open().1;
    assert_eq!((&short.totals, &short.recent), (&whole.totals, &whole.recent));
    assert_eq!((short.rows, &short.faults), (whole.rows, &whole.faults), "of the same line");
    assert_eq!(short.totals.finished.iter().sum::<u64>(), checkpoint::EVERY + 3);
    assert!(!place.exists(), "what was no row had to go first");
    open();
    assert_ne!(fs::read(&place).unwrap(), old, "so many rows were read that it is written anew");
}

#[test]
fn a_checkpoint_is_believed_for_the_very_bytes_and_settings_it_was_made_of() {
    let dir = tempfile::tempdir().unwrap();
    let first = with_checkpoint(&dir, 5);
    let [log, place] = ["jobs.log", "jobs.log.checkpoint"].map(|name| dir.path().join(name));
    let (rows, good) = (fs::read(&log).unwrap(), fs::read(&place).unwrap());
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&place, &bad).unwrap();
        let replay = Journal::open(settings(&dir, 1000)).unwrap().1;
        assert_eq!((&replay.totals, &replay.recent), (&first.totals, &first.recent), "byte {at}");
        assert_eq!(replay.faults, [], "it is no fault");
    }
    let read = |rows: &[u8], settings: JournalSettings| {
        let replays = [Some(&good), None].map(|checkpoint| {
            fs::write(&log, rows).unwrap();
            fs::remove_file(&place).unwrap();
            if let Some(bytes) = checkpoint {
                fs::write(&place, bytes).unwrap();
            }
            let replay = Journal::open(settings.clone()).unwrap().1;
            fs::write(&place, "").unwrap();
            (replay.totals, replay.recent, replay.rows)
        });
        assert_eq!(replays[0], replays[1]);
    };
    // Edited by hand, as long as before; cut; replaced by another log; copied beside another log's.
    let edited = String::from_utf8(rows.clone())
        .unwrap()
        .replacen("success", "failed ", 1)
        .replacen("failed ", "skipped", 1);
    assert_eq!(edited.len(), rows.len());
    for other in [
        edited.as_bytes(),
        &rows[..rows.len() / 2],
        &[HEADER.as_bytes(), b"\n", &job(9).to_csv_row()].concat(),
        b"",
    ] {
        read(other, settings(&dir, 1000));
    }
    let others = Bounds { duration: vec![1.5, 2.5], ..bounds() };
    read(&rows, JournalSettings { bounds: others, ..settings(&dir, 1000) });
}

#[test]
fn a_checkpoint_from_before_another_version_compacted_harms_nothing() {
    let mut model = Model::new(4);
    (0..4).for_each(|n| model.run(Op::Append(job(n), Plan::Never)));
    model.reopen(None);
    let place = model.dir.path().join("jobs.log.checkpoint");
    let old = fs::read(&place).unwrap();
    for n in 4..20 {
        // One that knows of none leaves it as it is.
        fs::write(&place, &old).unwrap();
        model.run(Op::Append(job(n), Plan::Never));
        model.reopen(None);
        model.run(Op::Compact(Plan::Never));
        fs::write(&place, &old).unwrap();
        model.reopen(None);
    }
}

#[test]
fn a_log_that_was_copied_does_not_say_since_when_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Journal::open(settings(&dir, 2)).unwrap();
    let write = |n: u64, at: DateTime<Utc>| {
        let (mut journal, _) = open();
        journal.append(&JobRecord { timestamp: at, ..job(n) }).unwrap();
        journal.compact_if_due().unwrap();
    };
    let begun = open().1.begun;
    let soon = begun.unwrap() + TimeDelta::hours(1);
    (0..4).for_each(|n| write(n, soon));
    assert_eq!(open().1.begun, begun, "a compaction later, too");
    // The copy has everything but the lock.
    fs::remove_file(dir.path().join("jobs.log.lock")).unwrap();
    write(4, soon - TimeDelta::hours(2));
    assert_eq!(open().1.begun, None);
    (5..9).for_each(|n| write(n, soon));
    assert_eq!(open().1.begun, None, "nor when what was copied is compacted");
    assert_eq!(open().1.totals.finished.iter().sum::<u64>(), 9);
}

#[test]
fn a_directory_that_jobs_can_write_by_their_user_their_group_or_as_anybody_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let jobs = |gid: u32, groups: &[u32]| Ids { uid: 4321, gid, groups: groups.to_vec() };
    let allowed = |owner: u32, group: u32, mode: u32, jobs: &Ids| {
        std::os::unix::fs::chown(dir.path(), Some(owner), Some(group)).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        files::guard(dir.path(), Some(jobs)).is_ok()
    };
    let (own, of_root, member) = (jobs(4321, &[4321]), jobs(0, &[0]), jobs(4321, &[4321, 77]));
    assert!(allowed(0, 0, 0o755, &of_root), "no more than look");
    assert!(allowed(1001, 0, 0o775, &own), "root's group is not theirs");
    assert!(!allowed(4321, 0, 0o755, &own));
    assert!(!allowed(1001, 0, 0o775, &of_root), "as our images have it");
    assert!(!allowed(0, 77, 0o770, &member));
    assert!(!allowed(0, 0, 0o777, &own));
}
