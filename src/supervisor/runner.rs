//! What there must be before a runner can be launched: its program, its registration, its user, and directories that user can write.

use super::fault::StartError;
use super::files::RunnerFiles;
use super::registrar_setup;
use crate::config::{Config, Flavour, SweepScope, vars};
use crate::domain::event::Exit;
use crate::domain::odd_file::OddFile;
use crate::domain::start_notice::StartNotice;
use crate::sys::child::Launch;
use crate::sys::door::Dir;
use crate::sys::engine::EngineAddress;
use crate::sys::runner_user::{self, RunnerUser};
use crate::sys::{
    container_jobs, disk, job_log_tail, oom_score, ownership, processes, programs, runner_file,
    startup_checks,
};
use crate::telemetry::emit::tell_start;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

pub(super) const LISTENER: &str = "bin/Runner.Listener";
const SHARED_MEMORY: &str = "/dev/shm";
/// Below this a browser's tabs crash; docker's default is 64 MiB.
const BROWSER_NEEDS: u64 = 256 << 20;

/// What a start has found.
pub(super) struct FoundRunner {
    /// How the listener is launched.
    pub(super) launch: Launch,
    /// Where its jobs work.
    pub(super) work_dir: PathBuf,
    /// The runner's files.
    pub(super) files: RunnerFiles,
    /// What is odd among them.
    pub(super) odd: mpsc::Receiver<OddFile>,
}

/// The runner that is to be launched.
pub(super) fn launch(
    config: &Config,
    mut environment: Vec<(OsString, OsString)>,
) -> Result<FoundRunner, StartError> {
    let dir = config.runner.dir.clone();
    if !dir.join(LISTENER).exists() {
        return Err(StartError::NoRunner { dir, missing: LISTENER });
    }
    let (mut files, odd) = RunnerFiles::open(&dir)?;
    if config.registration.skip && !runner_file::is_configured(&files.dir) {
        return Err(StartError::NotConfigured { dir });
    }
    let user = user(config, &environment)?;
    if user.is_none() && !config.runner.allow_root && runner_user::is_root() {
        return Err(StartError::Root);
    }
    if config.runner.sweep == SweepScope::All && !processes::is_namespace_ours() {
        return Err(StartError::NotAlone);
    }
    warn_of_little_shared_memory(&config.runner.flavour);
    files.dir = files.dir.with_linked_diag(user.as_ref().map(|user| user.ids.uid));
    let work_dir = runner_file::work_folder(&files.dir).unwrap_or_else(|| config.runner.work_dir.clone());
    let diag = Some(dir.join("_diag")).filter(|diag| diag.exists()).unwrap_or_else(|| dir.clone());
    warn_of_container_jobs(&environment, &work_dir);
    warn_of_a_path_of_jobs(&environment, user.as_ref());
    allow_updates(config, &files.dir, user.as_ref());
    if let Some(trace) = startup_checks::used(&files.dir, &work_dir).filter(|_| config.runner.ephemeral) {
        return Err(StartError::Used { trace });
    }
    if !config.registration.skip {
        // `.runner` and the credentials are written there, and deleted.
        check(vars::RUNNER_DIR.name, &dir, user.as_ref())?;
    }
    check(vars::RUNNER_DIR.name, &diag, user.as_ref())?;
    check(vars::RUNNER_WORK_DIR.name, &work_dir, user.as_ref())?;
    if let Err(error) = job_log_tail::prepare(&dir, user.as_ref()) {
        // The worker makes it too, and it is watched from then on.
        tell_start(&StartNotice::PagesNotMade { error: error.to_string() });
    }
    if let Some(user) = &user {
        user.set_env(&mut environment);
    }
    find_a_home(&mut environment, user.as_ref());
    environment.extend(registrar_setup::given_jit(config));
    oom_score::set_for_steps(&mut environment);
    let user = user.map(|user| user.ids);
    let launch =
        Launch { program: dir.join(LISTENER), args: vec!["run".into()], dir, env: environment, user };
    Ok(FoundRunner { launch, work_dir, files, odd })
}

/// Whether the listener that ended so can be launched again without files of a registration. Until it has unpacked a
/// just-in-time configuration, that is its registration; after a 0 nothing but its own files tells whether its one job is done.
pub(super) fn has_jit(launch: &Launch, exit: Exit) -> bool {
    exit != Exit::Code(0)
        && launch.env.iter().any(|(name, _)| name == vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name)
}

pub(super) fn user(
    config: &Config,
    environment: &[(OsString, OsString)],
) -> Result<Option<RunnerUser>, StartError> {
    let spec = config.runner.user.as_ref().map(ToString::to_string);
    let sockets = EngineAddress::sockets(environment);
    let user = runner_user::resolve(spec.as_deref(), &sockets).map_err(StartError::User)?;
    if let Some(user) = &user {
        let (name, uid, gid) = (user.name.clone(), user.ids.uid, user.ids.gid);
        tell_start(&StartNotice::RunnerUser { name, uid, gid, groups: user.ids.groups.clone() });
        for (index, socket) in sockets.iter().enumerate() {
            if let Some(says) = withheld(socket, index > 0, user) {
                tell_start(&StartNotice::DockerNotGranted { socket: socket.clone(), says });
            }
        }
    }
    Ok(user)
}

/// Why the runner does not get the group of this socket; one that was asked for should be there.
pub(super) fn withheld(socket: &Path, asked_for: bool, user: &RunnerUser) -> Option<&'static str> {
    match runner_user::docker_group(socket) {
        Some(group) if user.ids.groups.contains(&group) => None,
        Some(_) => Some(
            "the socket's group is not given to the runner, it is root's: give the socket a group of its own",
        ),
        None if asked_for => Some(
            "DOCKER_HOST names a socket that is not there, so its group cannot be given to the runner: start docker first",
        ),
        None => None,
    }
}

/// Whoever mounts an engine's socket means to have jobs in containers.
fn warn_of_container_jobs(environment: &[(OsString, OsString)], work: &Path) {
    let obstacles = container_jobs::obstacles(&EngineAddress::sockets(environment), work);
    for container_jobs::Obstacle { why, says } in obstacles.unwrap_or_default() {
        tell_start(&StartNotice::ContainerJobsFail { why, says });
    }
}

/// A health check or an administrator that calls a program by its name alone would run what a job has put there.
fn warn_of_a_path_of_jobs(environment: &[(OsString, OsString)], user: Option<&RunnerUser>) {
    let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_os_str());
    // A job that is root needs no such way.
    let path = path.filter(|_| user.is_some() || !runner_user::is_root());
    if let Some(dir) = path.and_then(|path| startup_checks::planted_first(path, user)) {
        let says = "jobs can put programs there, in the place of those that are called by their name alone: \
                    put it at the end of PATH, and call /usr/local/bin/runner-init by its whole path";
        tell_start(&StartNotice::PathOfJobs { dir, says });
    }
}

/// An update puts other programs in the place of those that are there. In our images these are root's: where we are root, the
/// runner is given what it takes, and else the start says that it cannot be had.
fn allow_updates(config: &Config, dir: &Dir, user: Option<&RunnerUser>) {
    if config.registration.disable_update {
        return;
    }
    let given = user.map_or(Ok(false), |user| programs::hand_over(dir, user));
    if matches!(given, Ok(true)) {
        let says = "updates are switched on: the runner's user may replace the runner's programs, and so may its jobs";
        tell_start(&StartNotice::ProgramsGiven { dir: dir.path().into(), says });
    }
    let obstacle = given.and_then(|_| programs::obstacle(dir.path(), user));
    if !config.registration.skip
        && let Some(why) = obstacle.unwrap_or_else(|error| Some(error.to_string()))
    {
        let says = "GitHub's runner cannot update itself: set DISABLE_AUTO_UPDATE=true; or give it its programs, which in our images \
                    takes RUNNER_USER=runner and a start as root, or an image built with DISABLE_AUTO_UPDATE=false";
        tell_start(&StartNotice::UpdatesCannotBeInstalled { says, why });
    }
}

/// Who has no entry in `/etc/passwd` has the container's root for a home, and can write nothing there. The directory the
/// container was started in is what images mean as one.
fn find_a_home(environment: &mut Vec<(OsString, OsString)>, user: Option<&RunnerUser>) {
    let is_homeless = environment.iter().all(|(name, home)| name != "HOME" || home == "/");
    let is_root = user.is_none() && runner_user::is_root();
    if let Ok(here) = std::env::current_dir()
        && (is_homeless && !is_root && here != Path::new("/"))
        && matches!(ownership::check(&here, user), Ok(Ok(())))
    {
        environment.retain(|(name, _)| name != "HOME");
        environment.push(("HOME".into(), here.into()));
    }
}

fn warn_of_little_shared_memory(flavour: &Flavour) {
    let bytes = disk::size(Path::new(SHARED_MEMORY)).unwrap_or_default();
    if flavour.has_browser() && bytes < BROWSER_NEEDS {
        let says = "browsers crash with so little: start the container with --shm-size=1g, or them with --disable-dev-shm-usage";
        tell_start(&StartNotice::LittleSharedMemory { path: SHARED_MEMORY, bytes, says });
    }
}

pub(super) fn check(variable: &'static str, dir: &Path, user: Option<&RunnerUser>) -> Result<(), StartError> {
    let what = "to look with the rights of the runner's user";
    let answer = ownership::check(dir, user).map_err(|source| StartError::Os { what, source })?;
    answer.map_err(|source| StartError::Unwritable { variable, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_just_in_time_configuration_is_a_registration_until_its_job_is_done() {
        let dir = tempfile::tempdir().expect("a directory");
        let with = |env: &[&str]| Launch {
            program: LISTENER.into(),
            args: Vec::new(),
            dir: dir.path().into(),
            env: env.iter().map(|name| ((*name).into(), "x".into())).collect(),
            user: None,
        };
        let (plain, jit) = (with(&[]), with(&[vars::ACTIONS_RUNNER_INPUT_JITCONFIG.name]));
        assert!(has_jit(&jit, Exit::Signal(9)) && !has_jit(&jit, Exit::Code(0)));
        assert!(!has_jit(&plain, Exit::Signal(9)));
    }
}
