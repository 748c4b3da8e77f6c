//! The two hook scripts: each reports to us, then executes the user's hook. The way in: a script per hook that calls
//! us, which can neither fail nor wait, and then becomes the user's own hook.
//!
//! The runner runs a hook by its extension and without quotes: `.sh` as `bash -e PATH`, else `sh -e PATH`; bash is looked
//! up in a `PATH` whose first entries may be the job's (`ScriptHandler.cs`). So nothing here is looked up, and what is
//! not plain is left to the runner as it was.
//!
//! It runs them in the job's workspace, and a hook that cannot be started fails the job: at its end that directory may be gone.
//! So there is a hook of ours at the end only where there would be one anyway, where the start's, which says the same, is not ours,
//! or where the job is to have a summary, which nobody else could add.

use crate::domain::context::{Moment, SOCKET_VARIABLE};
use crate::sys::door::Dir;
use crate::sys::remove::remove;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why there are no hooks of ours.
#[derive(Debug, thiserror::Error)]
pub enum ShimFault {
    /// A path that would have to be quoted, which the runner does not do.
    #[error("{0:?} is not an absolute path of letters, digits and /._-+=:,@%")]
    Path(PathBuf),
    /// A script cannot be written.
    #[error("cannot write {path:?}")]
    Write {
        /// The script.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A hook that stays the runner's, without us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub hook: Moment,
    /// Why.
    pub reason: Reason,
}

/// Why a hook is left to the runner. Each text goes behind the name of the variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// `.env` is read by the runner itself, after us.
    #[error("is set in .env of the runner's directory, which overrides what we could set")]
    DotEnv,
    /// The runner fails the job.
    #[error("does not end in .sh, .ps1 or .js")]
    Extension,
    /// The runner fails the job.
    #[error("is not there")]
    Missing,
    /// Whatever the runner makes of it.
    #[error("is not an absolute path of letters, digits and /._-+=:,@%")]
    Path,
    /// The runner may know another.
    #[error("needs node, and there is none in externals of the runner's directory")]
    Node,
}

/// Installed scripts.
#[derive(Debug)]
pub struct Shims {
    variables: Vec<(OsString, OsString)>,
    kept: Vec<Kept>,
}

impl Shims {
    /// Writes `job-started.sh` and, where it is needed, `job-completed.sh` into `dir`, for everybody who can get there to read.
    ///
    /// They call `exe` (runner-init, absolute). The user's own hooks are those of `environment`, the listener's; a hook
    /// that cannot be followed by its user's is [`Kept`]. `runner_dir` has the runner's node and its `.env`; `socket` is
    /// where reports are to go. With `summary` the hook at the end hands a summary of the job on.
    ///
    /// # Errors
    /// If one of the paths is not plain, or a script cannot be written: then no hook is ours.
    pub fn install(
        dir: &Path,
        exe: &Path,
        runner: &Dir,
        environment: &[(OsString, OsString)],
        socket: &Path,
        summary: bool,
    ) -> Result<Shims, ShimFault> {
        let exe = plain_or_fault(exe)?;
        let (dir, socket) = (plain_or_fault(dir)?, plain_or_fault(socket)?);
        let overridden = set_in_dot_env(runner);
        let (mut own, mut kept) = (Vec::new(), Vec::new());
        for hook in Moment::ALL {
            let path = value(environment, hook.variable());
            let chained = path.map(|path| Chained::new(Path::new(path), runner.path())).transpose();
            match chained {
                _ if overridden.contains(&hook) => kept.push(Kept { hook, reason: Reason::DotEnv }),
                Ok(chained) => own.push((hook, chained)),
                Err(reason) => kept.push(Kept { hook, reason }),
            }
        }
        let starts = own.iter().any(|(hook, _)| *hook == Moment::Started);
        own.retain(|(hook, chained)| *hook == Moment::Started || chained.is_some() || !starts || summary);
        let mut variables = vec![(SOCKET_VARIABLE.into(), socket.into())];
        for (hook, _) in &own {
            let path = Path::new(dir).join(format!("job-{}.sh", hook.as_str()));
            let text = script(*hook, exe, &own, summary);
            write(&path, &text).map_err(|source| ShimFault::Write { path: path.clone(), source })?;
            variables.push((hook.variable().into(), path.into()));
        }
        Ok(Shims { variables, kept })
    }

    /// What the listener's environment is to have, in place of what it had under these names.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        self.variables.clone()
    }

    /// The hooks that are not ours.
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }
}

/// A user's own hook: its path, and the command the runner would run it by.
struct Chained {
    path: String,
    command: String,
}

impl Chained {
    fn new(path: &Path, runner_dir: &Path) -> Result<Chained, Reason> {
        let text = plain(path).ok_or(Reason::Path)?;
        let command = match path.extension().and_then(OsStr::to_str) {
            // The very interpreter the runner has chosen for us; only bash sets BASH, to its own path.
            Some("sh") => format!("exec \"${{BASH:-sh}}\" -e {text}\n"),
            Some("ps1") => {
                let with = |shell: &str| format!("exec {shell} -command \". '{text}'\"\n");
                format!("command -v pwsh >/dev/null && {}{}", with("pwsh"), with("powershell"))
            }
            Some("js") => by_node(runner_dir, text)?,
            Some(_) | None => return Err(Reason::Extension),
        };
        if !path.is_file() {
            return Err(Reason::Missing);
        }
        Ok(Chained { path: text.to_owned(), command })
    }
}

/// The runner's own node that it runs hooks by, 20, or in its absence the newest; looked for each time, since an update may exchange
/// it. Names of two digits are those that are built for the C library of the listener.
fn by_node(runner_dir: &Path, script: &str) -> Result<String, Reason> {
    let nodes = runner_dir.join("externals");
    let nodes = plain(&nodes).ok_or(Reason::Path)?;
    let has_node = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap_or_default();
        let digits = name.strip_prefix("node").unwrap_or_default();
        let known = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        known && entry.path().join("bin/node").is_file()
    };
    if !fs::read_dir(nodes).is_ok_and(|mut found| found.any(|entry| entry.is_ok_and(has_node))) {
        return Err(Reason::Node);
    }
    Ok(format!(
        "for node in {nodes}/node[0-9][0-9]/bin/node {nodes}/node20/bin/node; do\n\
         if [ -x \"$node\" ]; then found=$node; fi\ndone\nexec \"$found\" {script}\n"
    ))
}

/// The script of `hook`. Before the user's own hook the variables are set as the user has set them.
/// A summary comes with a line for the job's log.
fn script(hook: Moment, exe: &str, own: &[(Moment, Option<Chained>)], summary: bool) -> String {
    let word = hook.as_str();
    let output = if summary && hook == Moment::Completed { "2>/dev/null" } else { ">/dev/null 2>&1" };
    let mut text =
        format!("# Written by runner-init whenever it starts.\n{exe} hook {word} </dev/null {output} || :\n");
    let Some(chained) = own.iter().find_map(|(of, chained)| chained.as_ref().filter(|_| *of == hook)) else {
        return text;
    };
    for (hook, chained) in own {
        let name = hook.variable();
        // Writing to a string cannot fail.
        let _ = match chained {
            Some(chained) => writeln!(text, "export {name}={}", chained.path),
            None => writeln!(text, "unset {name}"),
        };
    }
    text + &chained.command
}

/// In place of what is there, which somebody may be reading.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    remove(&new)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
    file.write_all(text.as_bytes())?;
    // Whatever the umask.
    file.set_permissions(PermissionsExt::from_mode(0o644))?;
    fs::rename(&new, path)
}

/// An absolute path that means the same with and without quotes, to the runner and to a shell.
fn plain(path: &Path) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(&byte);
    path.to_str().filter(|text| text.starts_with('/') && text.bytes().all(is_plain))
}

fn plain_or_fault(path: &Path) -> Result<&str, ShimFault> {
    plain(path).ok_or_else(|| ShimFault::Path(path.to_owned()))
}

/// The last value of a variable; to the runner an empty one is not set.
fn value<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    let found = environment.iter().rev().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_os_str()).filter(|value| !value.is_empty())
}

/// Far more than any has.
const DOT_ENV: u64 = 1 << 20;

/// The hooks that a line `KEY=…` of `.env` sets or, with nothing behind it, unsets (`Program.LoadAndSetEnv`).
fn set_in_dot_env(runner: &Dir) -> Vec<Moment> {
    // One that cannot be read, the runner cannot read either.
    let text = runner.read(".env", DOT_ENV).unwrap_or_default();
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    let key = |line: &'_ [u8]| line.iter().position(|byte| *byte == b'=').map(|at| line[..at].to_vec());
    let keys: Vec<Vec<u8>> = text.split(|byte| matches!(byte, b'\n' | b'\r')).filter_map(key).collect();
    let is_set = |hook: &Moment| keys.iter().any(|key| key == hook.variable().as_bytes());
    Moment::ALL.into_iter().filter(is_set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str = "ACTIONS_RUNNER_HOOK_JOB_STARTED";
    const COMPLETED: &str = "ACTIONS_RUNNER_HOOK_JOB_COMPLETED";

    struct Place {
        dir: tempfile::TempDir,
        summary: bool,
    }

    impl Place {
        fn new() -> Place {
            Place { dir: tempfile::Builder::new().prefix("hooks").tempdir().unwrap(), summary: false }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        /// A file, which is there.
        fn file(&self, name: &str, content: &str) -> String {
            fs::write(self.path(name), content).unwrap();
            self.path(name).to_str().unwrap().to_owned()
        }

        fn install(&self, own: &[(&str, &str)]) -> Shims {
            let own: Vec<_> = own.iter().map(|(name, value)| (name.into(), value.into())).collect();
            let exe = Path::new("/usr/bin/runner-init");
            let runner = Dir::open(self.dir.path()).unwrap();
            let socket = Path::new("/run/report.sock");
            Shims::install(self.dir.path(), exe, &runner, &own, socket, self.summary).unwrap()
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap_or_default()
        }
    }

    fn names(shims: &Shims) -> Vec<String> {
        shims.environment().into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
    }

    #[test]
    fn without_a_hook_of_the_user_s_only_ours_is_called() {
        let place = Place::new();
        // An empty variable is no hook.
        let shims = place.install(&[(STARTED, "")]);
        assert_eq!(
            place.text("job-started.sh"),
            "# Written by runner-init whenever it starts.\n\
             /usr/bin/runner-init hook started </dev/null >/dev/null 2>&1 || :\n"
        );
        // At the end it could fail a job whose workspace is gone, and tell nothing new.
        assert!(!place.path("job-completed.sh").exists());
        let expected: Vec<(OsString, OsString)> = vec![
            ("RUNNER_INIT_SOCKET".into(), "/run/report.sock".into()),
            (STARTED.into(), place.path("job-started.sh").into()),
        ];
        assert_eq!((shims.environment(), shims.kept()), (expected, [].as_slice()));
        let mode = place.path("job-started.sh").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
        assert!(!place.path("job-started.new").exists());
        // Again, over what is there.
        place.install(&[]);
    }

    #[test]
    fn a_hook_of_the_user_s_is_run_as_the_runner_would() {
        let place = Place::new();
        let chain = |path: &str| {
            place.install(&[(STARTED, path)]);
            place.text("job-started.sh").split_once("|| :\n").unwrap().1.to_owned()
        };
        let before = |path: &str| format!("export {STARTED}={path}\n");
        let sh = place.file("own.sh", "");
        assert_eq!(chain(&sh), format!("{}exec \"${{BASH:-sh}}\" -e {sh}\n", before(&sh)));
        let ps1 = place.file("own.ps1", "");
        let with = |shell: &str| format!("exec {shell} -command \". '{ps1}'\"\n");
        let both = format!("command -v pwsh >/dev/null && {}{}", with("pwsh"), with("powershell"));
        assert_eq!(chain(&ps1), before(&ps1) + &both);
    }

    #[test]
    fn one_at_the_end_is_ours_where_there_would_be_one_or_the_start_s_is_not() {
        let place = Place::new();
        let sh = place.file("own.sh", "");
        let both = ["RUNNER_INIT_SOCKET", STARTED, COMPLETED];
        assert_eq!(names(&place.install(&[(COMPLETED, &sh)])), both);
        assert!(place.text("job-completed.sh").ends_with(&format!("exec \"${{BASH:-sh}}\" -e {sh}\n")));
        assert!(place.text("job-started.sh").ends_with("|| :\n"));
        assert_eq!(names(&place.install(&[(STARTED, &sh)])), both[..2]);
        assert_eq!(names(&place.install(&[(STARTED, "own.sh")])), [both[0], both[2]], "it alone can tell");
    }

    #[test]
    fn for_a_summary_there_is_one_at_the_end_that_may_say_a_line_before_the_user_s_own() {
        let place = Place { summary: true, ..Place::new() };
        let both = ["RUNNER_INIT_SOCKET", STARTED, COMPLETED];
        assert_eq!(names(&place.install(&[])), both);
        let ours = "/usr/bin/runner-init hook completed </dev/null 2>/dev/null || :\n";
        assert!(place.text("job-completed.sh").ends_with(ours));
        assert!(place.text("job-started.sh").ends_with("started </dev/null >/dev/null 2>&1 || :\n"));
        let sh = place.file("own.sh", "");
        place.install(&[(COMPLETED, &sh)]);
        let text = place.text("job-completed.sh");
        assert!(
            text.contains(ours) && text.ends_with(&format!("exec \"${{BASH:-sh}}\" -e {sh}\n")),
            "{text}"
        );
    }

    #[test]
    fn a_javascript_hook_needs_a_node_that_is_there() {
        let place = Place::new();
        let js = place.file("own.js", "");
        let install = || place.install(&[(STARTED, &js)]).kept().to_vec();
        let none = [Kept { hook: Moment::Started, reason: Reason::Node }];
        assert_eq!(install(), none);
        // Of another C library, of another kind, and a directory without the program.
        for other in ["node20_alpine/bin/node", "nodejs/bin/node", "node22/bin/npm"] {
            fs::create_dir_all(place.path("externals").join(other).parent().unwrap()).unwrap();
            place.file(&format!("externals/{other}"), "");
            assert_eq!(install(), none, "{other}");
        }
        fs::create_dir_all(place.path("externals/node24/bin")).unwrap();
        place.file("externals/node24/bin/node", "");
        assert_eq!(install(), []);
    }

    #[test]
    fn what_is_not_plain_stays_the_runner_s() {
        let place = Place::new();
        let missing = place.path("missing.sh").into_os_string().into_string().unwrap();
        for (path, reason) in [
            (place.file("own.txt", ""), Reason::Extension),
            (place.file("own.SH", ""), Reason::Extension),
            (place.file("own", ""), Reason::Extension),
            (place.file("own hook.sh", ""), Reason::Path),
            (place.file("own'.sh", ""), Reason::Path),
            (place.file("$(id).sh", ""), Reason::Path),
            ("own.sh".to_owned(), Reason::Path),
            (missing, Reason::Missing),
        ] {
            let shims = place.install(&[(COMPLETED, &path)]);
            assert_eq!(shims.kept(), [Kept { hook: Moment::Completed, reason }], "{path}");
            assert_eq!(names(&shims), ["RUNNER_INIT_SOCKET", STARTED], "{path}");
        }
    }

    #[test]
    fn a_hook_in_the_runner_s_own_file_is_not_overridden() {
        for line in [
            "A=1\r\nACTIONS_RUNNER_HOOK_JOB_STARTED=/x.sh\r\n",
            "\u{feff}ACTIONS_RUNNER_HOOK_JOB_STARTED=",
            "ACTIONS_RUNNER_HOOK_JOB_STARTED=/a=b",
        ] {
            let place = Place::new();
            place.file(".env", line);
            let shims = place.install(&[(STARTED, "bad")]);
            assert_eq!(shims.kept(), [Kept { hook: Moment::Started, reason: Reason::DotEnv }], "{line:?}");
            assert_eq!(names(&shims), ["RUNNER_INIT_SOCKET", COMPLETED]);
        }
        let place = Place::new();
        place.file(".env", "#ACTIONS_RUNNER_HOOK_JOB_STARTED=x\nACTIONS_RUNNER_HOOK_JOB_STARTED\n");
        assert_eq!(place.install(&[]).kept(), []);
    }

    #[test]
    fn a_path_of_ours_that_needs_quotes_is_a_fault() {
        let place = Place::new();
        for odd in ["/run/my dir", "/run/a'b", "/run/a\"b", "/run/$x", "run", "/run/ä", "/run/a\nb"] {
            let (odd, fine) = (Path::new(odd), Path::new("/fine"));
            for [dir, exe, socket] in [[odd, fine, fine], [fine, odd, fine], [fine, fine, odd]] {
                let runner = Dir::open(place.dir.path()).unwrap();
                let fault = Shims::install(dir, exe, &runner, &[], socket, false).unwrap_err();
                assert!(matches!(fault, ShimFault::Path(path) if path == odd));
            }
        }
        let nowhere = Shims::install(
            &place.path("nowhere"),
            Path::new("/x"),
            &Dir::open(place.dir.path()).unwrap(),
            &[],
            Path::new("/y"),
            false,
        );
        assert!(matches!(nowhere, Err(ShimFault::Write { .. })));
    }
}
