//! Checks at start-up of what jobs could have planted. What at the start already lets a job into the place of ours: a
//! `PATH` that asks its directories first, a program it can read, the leavings of an earlier job.

use super::door::Dir;
use super::ownership;
use super::runner_user::RunnerUser;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

const OURS: &str = "/proc/self/exe";

/// A directory of this `PATH` that the runner's user can write, or make, and that comes before the one our program is in.
/// Whatever is called by its name alone, a health check say, is that user's to choose.
pub fn planted_first(path: &OsStr, who: Option<&RunnerUser>) -> Option<PathBuf> {
    let ours = std::fs::read_link(OURS).ok().and_then(|program| program.parent().map(Path::to_owned));
    let before = std::env::split_paths(path).take_while(|dir| Some(dir) != ours.as_ref());
    before.into_iter().find(|dir| matches!(ownership::check(dir, who), Ok(Ok(()))))
}

/// Our program, if this user can read it: its processes can be looked into until they have said otherwise.
pub fn readable() -> Option<PathBuf> {
    File::open(OURS).ok()?;
    std::fs::read_link(OURS).ok()
}

/// Whether this user, or whoever runs as we do, may read this file.
pub fn opens(path: &Path, who: Option<&RunnerUser>) -> bool {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opens = || rustix::fs::open(path, flags, Mode::empty()).is_ok();
    who.map_or_else(opens, |who| who.run_as(opens).unwrap_or_default())
}

/// What an earlier job has left, by the runner's own hand: a worker's log, or the map of workspaces. An image that was only
/// unpacked, warmed up, or given tools has neither.
pub fn used(runner: &Dir, work: &Path) -> Option<PathBuf> {
    let mapping = work.join("_PipelineMapping");
    if mapping.symlink_metadata().is_ok() {
        return Some(mapping);
    }
    Some(runner.path().join("_diag").join(worker_log(runner)?))
}

/// A worker's log in the runner's diagnostics.
pub fn worker_log(runner: &Dir) -> Option<String> {
    runner.names("_diag").ok()?.find(|name| name.starts_with("Worker_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_ours_before_our_program_s_is_found_and_one_behind_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let program = std::fs::read_link(OURS).unwrap();
        let ours = program.parent().unwrap();
        let path = |dirs: &[&Path]| std::env::join_paths(dirs).unwrap();
        let missing = dir.path().join("not/there");
        assert_eq!(planted_first(&path(&[dir.path(), ours]), None).as_deref(), Some(dir.path()));
        assert_eq!(planted_first(&path(&[&missing, ours]), None), Some(missing), "it can be made");
        assert_eq!(planted_first(&path(&[ours, dir.path()]), None), None);
    }

    #[test]
    fn a_job_has_been_here_if_the_runner_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (runner, work) = (dir.path().join("runner"), dir.path().join("work"));
        std::fs::create_dir(&runner).unwrap();
        let opened = Dir::open(&runner).unwrap();
        assert_eq!(used(&opened, &work), None);
        for warm in [work.join("_tool"), work.join("_actions"), runner.join("_diag/pages")] {
            std::fs::create_dir_all(warm).unwrap();
        }
        std::fs::write(runner.join("_diag/Runner_20260101-000000-utc.log"), "").unwrap();
        assert_eq!(used(&opened, &work), None, "warmed up");
        let log = runner.join("_diag/Worker_20260101-000000-utc.log");
        std::fs::write(&log, "").unwrap();
        assert_eq!(used(&opened, &work), Some(log));
        std::fs::create_dir(work.join("_PipelineMapping")).unwrap();
        assert_eq!(used(&opened, &work), Some(work.join("_PipelineMapping")));
    }
}
