//! Looks for our secrets in the environment of parent processes (docker's `--init`). What stands in the environment of
//! a process above us, a job of the same user can read there, however well we hide our own.

use super::processes::{Stat, stat_text};
use nix::unistd::geteuid;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// As much of an environment as is searched, in bytes.
const SEARCHED: usize = 128 * 1024;

/// The nearest process above us in whose environment there is a variable that `is_secret(name, value)`, and that variable's
/// name; PID 1 if it is an init that was put in front of us. `None` if there is none that we may look into: what we may not,
/// a job of our user may not either. Nor may one of another user than root, which is what `runs_as_another` is about.
pub fn leaked_secret(
    runs_as_another: bool,
    is_secret: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<(i32, String)> {
    if runs_as_another && geteuid().is_root() {
        return None;
    }
    let parent = |pid| Stat::parse(&stat_text(pid)?).map(|stat| stat.parent);
    let above = std::iter::successors(parent(std::process::id().cast_signed()), |pid| parent(*pid));
    // Our own PID 1 wipes its environment once it has started us, so perhaps only now.
    let is_ours = |pid: &i32| exe(&pid.to_string()) == exe("self");
    above.take_while(|pid| *pid > 0 && !is_ours(pid)).find_map(|pid| Some((pid, held(pid, &is_secret)?)))
}

fn exe(pid: &str) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/exe")).ok()
}

fn held(pid: i32, is_secret: impl Fn(&[u8], &[u8]) -> bool) -> Option<String> {
    // Of its full size from the beginning: one that grows would leave copies behind.
    let mut environment = Zeroizing::new(Vec::with_capacity(SEARCHED));
    let file = File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(SEARCHED as u64).read_to_end(&mut environment).ok()?;
    environment.split(|byte| *byte == 0).find_map(|entry| {
        let (name, value) = entry.split_at(memchr::memchr(b'=', entry)?);
        is_secret(name, &value[1..]).then(|| String::from_utf8_lossy(name).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_started_us_is_looked_into() {
        // Whatever runs the tests has a PATH, and so have we.
        let found = leaked_secret(false, |name, value| name == b"PATH" && !value.is_empty());
        assert_eq!(found.map(|(pid, name)| (pid > 0, name)), Some((true, "PATH".to_owned())));
        assert_eq!(leaked_secret(false, |name, _| name == b"RUNNER_INIT_NO_SUCH_VARIABLE"), None);
    }
}
