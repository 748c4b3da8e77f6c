//! The steps of the last jobs, in a file beside the job log: one line for each job, so that a page shows them after a restart as before.
//!
//! `PATH.steps` begins with a line that says its version; behind it each line is a job's. It may be deleted at any time. A line
//! without its end was never written; a file of another version is left alone, and nothing is kept then. It is rewritten beside
//! itself once it is too long.

use super::files::{self, Paths};
use super::types::JournalSettings;
use crate::domain::steps::{KnownSteps, StepsRow};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// What the first line says.
const HEADER: &str = "{\"job_steps\":1}";
/// A longer file is rewritten with what is still shown, which is less.
const LONGEST: u64 = 6 << 20;
/// No more of a file is read: ours is never that long.
const READ: u64 = 16 << 20;

/// The file, which is opened for each line anew: a job ends but once in a while.
#[derive(Debug)]
pub struct StepsFile {
    paths: Paths,
    known: KnownSteps,
    /// It is ours to write.
    ours: bool,
}

impl StepsFile {
    /// What an earlier supervisor has kept; nothing, if it cannot be read.
    pub fn load(settings: &JournalSettings) -> StepsFile {
        let paths = Paths::new(&settings.path);
        let mut file = StepsFile { paths, known: KnownSteps::default(), ours: true };
        let read = files::guard(&file.paths.dir, settings.jobs.as_ref()).and_then(|()| file.read());
        file.ours &= read.is_ok();
        file
    }

    /// The steps that are kept.
    pub fn known(&self) -> &KnownSteps {
        &self.known
    }

    /// Keeps one more job's.
    ///
    /// # Errors
    /// If it is not on disk: it will be with the next one.
    pub fn append(&mut self, row: &StepsRow) -> io::Result<()> {
        if row.steps.steps.is_empty() || !self.ours {
            return Ok(());
        }
        self.known.push(row.clone());
        let file = files::open_append(&self.paths.steps)?;
        let len = file.metadata()?.len();
        if len == 0 || len > LONGEST {
            return self.rewrite();
        }
        let appended = files::write_once(&file, line(row)?.as_bytes()).and_then(|()| files::sync(&file));
        // What was written in part must not swallow the next line.
        appended.or_else(|error| files::truncate(&file, len).and(Err(error)))
    }

    fn read(&mut self) -> io::Result<()> {
        let mut file = files::open_append(&self.paths.steps)?;
        let len = file.metadata()?.len();
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        (&file).take(READ).read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut lines = text[..whole].split(|byte| *byte == b'\n');
        self.ours = lines.next().is_some_and(|line| line == HEADER.as_bytes() || line.is_empty());
        if self.ours {
            // A line that is none of ours is let go.
            lines.filter_map(|line| serde_json::from_slice(line).ok()).for_each(|row| self.known.push(row));
            if len > whole as u64 {
                files::truncate(&file, whole as u64)?;
            }
        }
        Ok(())
    }

    /// Complete on disk before it takes the old one's place.
    fn rewrite(&self) -> io::Result<()> {
        let new: File = files::create_like(&self.paths.steps_new, &self.paths.steps)?;
        let mut text = HEADER.to_owned() + "\n";
        for row in self.known.rows() {
            text.push_str(&line(row)?);
        }
        files::write_once(&new, text.as_bytes())?;
        files::sync(&new)?;
        files::rename(&self.paths.steps_new, &self.paths.steps)?;
        files::sync_dir(&self.paths.dir)
    }
}

fn line(row: &StepsRow) -> io::Result<String> {
    let mut line = serde_json::to_string(row)?;
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::JobRecord;
    use crate::domain::steps::{JobSteps, Step, StepKind, StepResult};
    use crate::domain::totals::Bounds;
    use crate::sys::journal::files::{Plan, plan};
    use chrono::{DateTime, Utc};
    use std::path::PathBuf;
    use tempfile::TempDir;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).expect("a time")
    }

    fn row(second: i64, name: &str) -> StepsRow {
        let job = JobRecord { started_at: Some(at(second)), ..JobRecord::blank() };
        let step = Step {
            number: 1,
            name: name.to_owned(),
            kind: StepKind::Main,
            result: Some(StepResult::Success),
            started: at(second),
            ended: at(second + 1),
        };
        StepsRow::of(&job, JobSteps::new([step])).expect("it began")
    }

    struct Stage {
        dir: TempDir,
    }

    impl Stage {
        fn new() -> Stage {
            Stage { dir: TempDir::new().expect("a directory") }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("jobs.csv.steps")
        }

        fn open(&self) -> StepsFile {
            StepsFile::load(&JournalSettings {
                path: self.dir.path().join("jobs.csv"),
                max_records: 10,
                bounds: Bounds::with_duration(vec![1.0]),
                streams: crate::domain::dora::StreamRule::default(),
                jobs: None,
            })
        }

        fn names(&self) -> Vec<String> {
            self.open().known().rows().map(|row| row.steps.steps[0].name.clone()).collect()
        }
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart_and_a_torn_line_is_not() {
        let stage = Stage::new();
        assert_eq!(stage.names(), [""; 0]);
        let mut file = stage.open();
        for second in 0..3 {
            file.append(&row(second, &format!("a \"name\" {second}"))).expect("room");
        }
        let nothing = StepsRow { steps: std::sync::Arc::default(), ..row(4, "x") };
        file.append(&nothing).expect("nothing to do");
        let want = ["a \"name\" 0", "a \"name\" 1", "a \"name\" 2"];
        assert_eq!(stage.names(), want);
        let text = std::fs::read(stage.path()).expect("it is there");
        for cut in text.len() - 30..text.len() {
            std::fs::write(stage.path(), &text[..cut]).expect("ours");
            assert_eq!(stage.names(), want[..2], "cut at {cut}");
            stage.open().append(&row(9, "next")).expect("room");
            assert_eq!(stage.names(), [want[0], want[1], "next"], "cut at {cut}");
        }
    }

    #[test]
    fn whatever_fails_or_whenever_the_power_goes_old_lines_stay() {
        for n in 0..12 {
            for new_plan in [Plan::Once(n), Plan::Crash(n)] {
                let stage = Stage::new();
                stage.open().append(&row(1, "old")).expect("room");
                let mut file = stage.open();
                plan(new_plan);
                let first = file.append(&row(2, "first")).is_ok();
                let second = file.append(&row(3, "second")).is_ok();
                plan(Plan::Never);
                let names = stage.names();
                assert_eq!(names.first().map(String::as_str), Some("old"), "{new_plan:?}: {names:?}");
                assert!(!first || names.contains(&"first".to_owned()), "{new_plan:?}: {names:?}");
                assert!(!second || names.contains(&"second".to_owned()), "{new_plan:?}: {names:?}");
            }
        }
    }

    #[test]
    fn it_does_not_grow_for_ever_and_one_of_another_version_is_left_alone() {
        let stage = Stage::new();
        let mut file = stage.open();
        let step = row(1, &"x".repeat(250)).steps.steps[0].clone();
        let many = JobSteps::new((1..=500).map(|number| Step { number, ..step.clone() }));
        let many = std::sync::Arc::new(many);
        let mut longest = 0;
        for second in 0..100 {
            let steps = std::sync::Arc::clone(&many);
            file.append(&StepsRow { steps, ..row(second, "") }).expect("room");
            longest = longest.max(std::fs::metadata(stage.path()).expect("there").len());
        }
        assert!((LONGEST..LONGEST + 400_000).contains(&longest), "{longest}");
        assert!(std::fs::metadata(stage.path()).expect("there").len() < LONGEST + 400_000);
        assert_eq!(stage.open().known(), file.known());
        let newer = "{\"job_steps\":2}\nx\n";
        std::fs::write(stage.path(), newer).expect("ours");
        let mut file = stage.open();
        file.append(&row(1, "x")).expect("nothing is done");
        assert_eq!(std::fs::read_to_string(stage.path()).expect("there"), newer);
    }

    #[test]
    fn what_is_no_file_is_neither_read_nor_written() {
        let stage = Stage::new();
        std::fs::write(stage.dir.path().join("elsewhere"), "").expect("ours");
        std::os::unix::fs::symlink("/dev/zero", stage.path()).expect("ours");
        let mut file = stage.open();
        file.append(&row(1, "x")).expect("nothing is done");
        assert_eq!(file.known().rows().count(), 0);
    }
}
